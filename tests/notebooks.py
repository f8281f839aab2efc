"""The notebooks of the docs, run from end to end: ``python tests/notebooks.py`` brings their outputs up to date."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

from rashin.storage import written_beside

__all__ = ["NOTEBOOKS", "executed", "read"]

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"
ANY_MACHINE = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def executed(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a fresh kernel, which sees an empty folder."""
    notebook = read(path)
    with TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=600,  # a cell, on a machine that compiles and is busy
            resources={"metadata": {"path": folder}},
            record_timing=False,  # times would differ at every run, and so would the pieces that prints arrive in
            coalesce_streams=True,
        ).execute(env={**os.environ, "RASHIN_QUIET": "1"})  # outputs are the same with a cold cache
    notebook.metadata = nbformat.from_dict(ANY_MACHINE)  # the kernel wrote down its version of Python
    return notebook


if __name__ == "__main__":
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = executed(path)
        with written_beside(path) as part:
            part.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
