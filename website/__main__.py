"""``python -m website [FOLDER]``: build the site; any warning, such as a link that leads nowhere, fails the build."""

from __future__ import annotations

import gc
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from sphinx.application import Sphinx

from website.sources import write_sources

CONFIGURATION = Path(__file__).parent
MARK = ".buildinfo"  # Sphinx writes it into every site

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="Folder for the site; a site that is there is replaced.")] = Path(
        "build/site"
    ),
) -> None:
    """Build the site from the tree. Any web server can serve it, such as python -m http.server -d build/site."""
    _clear(folder)
    gc.disable()  # the trees of all pages are kept: to look through them again and again takes a fifth of the time
    with TemporaryDirectory() as scratch:
        sources, kept = Path(scratch, "sources"), Path(scratch, "kept")
        write_sources(sources)
        site = Sphinx(
            sources, CONFIGURATION, folder, kept, "html", status=None, warning=sys.stderr, warningiserror=True
        )
        site.build()
    if site.statuscode:
        raise typer.Exit(site.statuscode)
    typer.echo(folder / "index.html")


def _clear(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise typer.BadParameter(
            f"folder: got {folder}, which contains other files; expected a site or a new folder; fix: name another"
        )
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    app()
