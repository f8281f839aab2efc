"""The frame of every page: one file that works offline, in light and dark, in print and by keyboard.

It does not depend on the content of the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np

from rashin.extras import needs
from rashin.language import said, speaking
from rashin.report.page.drawing import Figure, figure_html

__all__ = ["MARK", "Cell", "Chart", "Listing", "Page", "Section", "Table", "View", "number_cell", "page_html"]

MARK = '<meta name="generator" content="rashin">'  # at the top of every page


@dataclass(frozen=True)
class Table:
    """A table of formatted numbers: headings, and rows with one cell per heading."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class View:
    """One view of a chart: the name of its button, a figure, a sentence, and the numbers of the figure."""

    name: str
    figure: Figure
    caption: str
    table: Table


@dataclass(frozen=True)
class Chart:
    """A chart with one or more views; if there are several, buttons choose between them."""

    title: str
    views: Sequence[View]


@dataclass(frozen=True)
class Cell:
    """A cell of a listing: its text, its number for sorting (without one, the text), and a picture as a data URI."""

    text: str
    key: float | None = None
    picture: str | None = None

    @property
    def style(self) -> str:
        """The style of the cell: ``long`` text wraps between words, and breaks only words longer than a line."""
        longest = max(map(len, self.text.split()), default=0)
        return "long broken" if longest > 40 else "long" if len(self.text) > 20 else ""


def number_cell(value: float, text: str) -> Cell:
    """A cell sorted by its number; infinities sort as the largest double, which JavaScript can read."""
    return Cell(text, None if math.isnan(value) else float(np.nan_to_num(value)))


@dataclass(frozen=True)
class Listing:
    """A table for look-ups: a click on a heading sorts it, and at first only the first ``shown`` rows are shown."""

    title: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    shown: int = 20


@dataclass(frozen=True)
class Section:
    """A heading, some paragraphs, charts side by side if there is room, and listings below them."""

    title: str
    words: Sequence[str]
    charts: Sequence[Chart]
    listings: Sequence[Listing] = ()


@dataclass(frozen=True)
class Page:
    """A title, a sentence below it, important remarks, some facts (name and value), and sections.

    ``lang`` is the language of the page, including the words that the frame adds: "en" or "ja".
    """

    title: str
    lead: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default_factory=tuple)
    remarks: Sequence[str] = ()
    lang: str = "en"


def page_html(page: Page) -> str:
    """The page as self-contained HTML.

    Raises
    ------
    ValueError : rashin is not translated into the language of the page.
    ImportError : jinja2 is not installed; the message says how to get it.

    Examples
    --------
    >>> html = page_html(Page("A title", "A lead.", [("samples", "3")]))
    >>> html.startswith("<!doctype html>"), "<h1>A title</h1>" in html
    (True, True)
    """
    with needs("jinja2", "report", "a page"):
        import jinja2
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"figure_html": figure_html, "said": said}
    template = environment.from_string(_file("page.html.jinja"))
    with speaking(page.lang):
        return str(template.render(page=page, mark=MARK, style=_file("page.css"), script=_file("page.js")))


def _file(name: str) -> str:
    return files("rashin.report.page").joinpath(name).read_text(encoding="utf-8")
