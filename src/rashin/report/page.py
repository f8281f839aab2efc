"""The frame of every page: one file that needs no network, light and dark, printable, usable by keyboard.

It knows nothing of what it shows. A figure is plotly's JSON; a colour in it may be a variable of ``page.css``, such as
``var(--loss)``, and then follows the theme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from rashin.extras import needs

__all__ = ["MARK", "Cell", "Chart", "Listing", "Page", "Section", "Table", "View", "page_html"]

MARK = '<meta name="generator" content="rashin">'  # stands at the top of every page


@dataclass(frozen=True)
class Table:
    """Numbers in words: headings, and rows of as many cells."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class View:
    """One look at a chart: the name of its button, a plotly figure, a sentence, and the numbers behind it."""

    name: str
    figure: Any
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
    """A title, a sentence below it, some facts (name and value), and sections."""

    title: str
    lead: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default_factory=tuple)


def page_html(page: Page) -> str:
    """The page as HTML, with everything it needs inside.

    Raises
    ------
    ImportError : jinja2 or plotly is not installed; the message says how to get them.

    Examples
    --------
    >>> html = page_html(Page("A title", "A lead.", [("samples", "3")]))
    >>> html.startswith("<!doctype html>"), "<h1>A title</h1>" in html
    (True, True)
    """
    with needs("jinja2 and plotly", "report", "a page"):
        import jinja2
        from plotly.offline import get_plotlyjs
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["json_of"] = _json_of
    template = environment.from_string(_file("page.html.jinja"))
    return str(
        template.render(page=page, mark=MARK, style=_file("page.css"), script=_file("page.js"), plotly=get_plotlyjs())
    )


def _json_of(chart: Chart) -> str:
    """The figures of a chart; no text in them can end the script element they stand in."""
    return f"[{', '.join(view.figure.to_json() for view in chart.views)}]".replace("</", "<\\/")


def _file(name: str) -> str:
    return files("rashin.report").joinpath(name).read_text(encoding="utf-8")
