"""The frame of every page: one file that needs no network, light and dark, printable, usable by keyboard.

It knows nothing of what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np

from rashin.extras import needs
from rashin.language import said, speaking
from rashin.report.drawing import Figure, figure_html

__all__ = ["MARK", "Cell", "Chart", "Listing", "Page", "Section", "Table", "View", "number_cell", "page_html"]

MARK = '<meta name="generator" content="rashin">'  # stands at the top of every page


@dataclass(frozen=True)
class Table:
    """Numbers in words: headings, and rows of as many cells."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class View:
    """One look at a chart: the name of its button, a figure, a sentence, and the numbers behind it."""

    name: str
    figure: Figure
    caption: str
    table: Table


@dataclass(frozen=True)
class Chart:
    """A chart, and the views there are of it; with more than one, buttons choose between them."""

    title: str
    views: Sequence[View]


@dataclass(frozen=True)
class Cell:
    """A cell of a listing: its text, the number it is sorted by (else by the text), and a picture as a data URI."""

    text: str
    key: float | None = None
    picture: str | None = None

    @property
    def style(self) -> str:
        """How it is set: words wrap in what is ``long``, and break only where one is longer than a line."""
        longest = max(map(len, self.text.split()), default=0)
        return "long broken" if longest > 40 else "long" if len(self.text) > 20 else ""


def number_cell(value: float, text: str) -> Cell:
    """Sorted by its number; infinities by the largest double, which JavaScript reads too."""
    return Cell(text, None if math.isnan(value) else float(np.nan_to_num(value)))


@dataclass(frozen=True)
class Listing:
    """A table to look things up in: a click on a heading sorts, and of many rows the first ``shown`` stand there."""

    title: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    shown: int = 20


@dataclass(frozen=True)
class Section:
    """A heading, some paragraphs, charts that stand side by side where there is room, and listings below them."""

    title: str
    words: Sequence[str]
    charts: Sequence[Chart]
    listings: Sequence[Listing] = ()


@dataclass(frozen=True)
class Page:
    """A title, a sentence below it, remarks that no reader may miss, some facts (name and value), and sections.

    ``lang`` is the language of them all, and of the words that the frame adds: "en" or "ja".
    """

    title: str
    lead: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default_factory=tuple)
    remarks: Sequence[str] = ()
    lang: str = "en"


def page_html(page: Page) -> str:
    """The page as HTML, with everything it needs inside.

    Raises
    ------
    ValueError : there are no words in the page's language.
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
    return files("rashin.report").joinpath(name).read_text(encoding="utf-8")
