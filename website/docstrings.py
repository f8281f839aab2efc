"""Docstrings as Sphinx reads them: of ``name : text`` the text is a sentence, and not a type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from sphinx.ext.napoleon import Config, NumpyDocstring

__all__ = ["setup"]

_ENTRY = re.compile(r"(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*) : (.+)")
_LISTS = ("Parameters of every method", "Attributes")
_OF_NAMES = {"Parameters", "Raises", *_LISTS}
_CONFIG = Config(
    napoleon_custom_sections=[(name, "params_style") for name in _LISTS],
    napoleon_attr_annotations=False,
)


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", _process)


def _process(app: Any, what: str, name: str, it: Any, options: Any, lines: list[str]) -> None:
    lines[:] = NumpyDocstring(list(_spelled_out(lines)), _CONFIG).lines()


def _spelled_out(lines: list[str]) -> Iterator[str]:
    """The lines, with the text of each entry of a section of names on a line of its own, indented."""
    is_of_names = False
    for line, following in pairwise([*lines, ""]):
        if following and set(following) == {"-"}:
            is_of_names = line.strip() in _OF_NAMES
        entry = _ENTRY.fullmatch(line)
        if is_of_names and entry:
            yield entry[1]
            yield f"    {entry[2]}"
        else:
            yield line
