"""Charts as HTML and SVG: fluid, themed by the style sheet, legible without scripts, and free of any library.

A panel is a field between two axes. Shapes are SVG paths stretched to the field, with strokes that keep their width;
words are HTML, so that they keep their size and wrap, and their content is only text. Colours are variables of
``page.css``, such as ``var(--loss)``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.language import said

__all__ = [
    "Axis",
    "Band",
    "Boxes",
    "Dots",
    "Figure",
    "Line",
    "Mark",
    "Panel",
    "Picture",
    "Point",
    "Segments",
    "figure_html",
    "points_at",
]

Array = NDArray[np.float64]
Point = tuple[float, float, str]  # its position, and its text

_SIDE = 1000  # units of a field's sides


@dataclass(frozen=True)
class Axis:
    """The range of a side, the places that are labelled, and a title."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    title: str = ""
    is_log: bool = False

    def place(self, values: ArrayLike) -> Array:
        """The positions of values: 0 at ``low``, 1 at ``high``; NaN if a value has no position."""
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high, found = (
                np.log(np.asarray(x, np.float64)) if self.is_log else np.asarray(x, np.float64)
                for x in (self.low, self.high, values)
            )
            placed: Array = (found - low) / (high - low)
        return np.where(np.isfinite(placed), placed, np.nan)


class Mark(Protocol):
    """A shape in a panel, with its name in the legend."""

    @property
    def name(self) -> str: ...

    def svg(self, x: Axis, y: Axis) -> str:
        """The shape."""

    def swatch(self) -> str:
        """The shape's sample in the legend, 20 x 10."""


@dataclass(frozen=True)
class Line:
    """A line through points, or a staircase that changes half-way between them; gaps where a value is not finite."""

    x: ArrayLike
    y: ArrayLike
    colour: str
    name: str = ""
    width: float = 2.0
    dash: str = ""
    is_stairs: bool = False

    def svg(self, x: Axis, y: Axis) -> str:
        across, up = x.place(self.x), y.place(self.y)
        if self.is_stairs:
            middle = (across[1:] + across[:-1]) / 2
            across, up = np.r_[across[0], np.repeat(middle, 2), across[-1]], np.repeat(up, 2)
        return self._path(_polyline(across, up))

    def swatch(self) -> str:
        return self._path("M0 5H20")

    def _path(self, outline: str) -> str:
        dash = f";stroke-dasharray:{self.dash}" if self.dash else ""
        return _path(outline, f"stroke:{self.colour};stroke-width:{self.width}{dash}")


@dataclass(frozen=True)
class Dots:
    """Round dots that keep their size."""

    x: ArrayLike
    y: ArrayLike
    colour: str
    name: str = ""
    size: float = 9.0

    def svg(self, x: Axis, y: Axis) -> str:
        return self._path(" ".join(f"M{a} {b}h.01" for a, b in _places(x.place(self.x), y.place(self.y))))

    def swatch(self) -> str:
        return self._path("M10 5h.01")

    def _path(self, outline: str) -> str:
        return _path(outline, f"stroke:{self.colour};stroke-width:{self.size};stroke-linecap:round")


@dataclass(frozen=True)
class Segments:
    """Straight lines from (x, y) to (to_x, to_y): whiskers, and marks on bars."""

    x: ArrayLike
    y: ArrayLike
    to_x: ArrayLike
    to_y: ArrayLike
    colour: str
    name: str = ""
    width: float = 1.5

    def svg(self, x: Axis, y: Axis) -> str:
        starts = np.clip(x.place(self.x), 0, 1), y.place(self.y)
        ends = np.clip(x.place(self.to_x), 0, 1), y.place(self.to_y)
        return self._path(_between(starts, ends, "M{} {}L{} {}"))

    def swatch(self) -> str:
        return self._path("M10 0V10")

    def _path(self, outline: str) -> str:
        return _path(outline, f"stroke:{self.colour};stroke-width:{self.width}")


@dataclass(frozen=True)
class Boxes:
    """Rectangles from (left, bottom) to (right, top): bars."""

    left: ArrayLike
    right: ArrayLike
    bottom: ArrayLike
    top: ArrayLike
    fill: str
    name: str = ""
    edge: str = "none"

    def svg(self, x: Axis, y: Axis) -> str:
        starts = np.clip(x.place(self.left), 0, 1), np.clip(y.place(self.bottom), 0, 1)
        ends = np.clip(x.place(self.right), 0, 1), np.clip(y.place(self.top), 0, 1)
        return self._path(_between(starts, ends, "M{0} {1}H{2}V{3}H{0}Z"))

    def swatch(self) -> str:
        return self._path("M3 0H17V10H3Z")

    def _path(self, outline: str) -> str:
        return _path(outline, f"fill:{self.fill};stroke:{self.edge};stroke-width:1")


@dataclass(frozen=True)
class Band:
    """The area between two lines."""

    x: ArrayLike
    low: ArrayLike
    high: ArrayLike
    fill: str
    name: str = ""

    def svg(self, x: Axis, y: Axis) -> str:
        across = x.place(self.x)
        there = _places(across, y.place(self.low))
        back = _places(across, y.place(self.high))[::-1]
        return self._path("M" + "L".join(f"{a} {b}" for a, b in [*there, *back]) + "Z") if there else ""

    def swatch(self) -> str:
        return self._path("M0 0H20V10H0Z")

    def _path(self, outline: str) -> str:
        return _path(outline, f"fill:{self.fill};stroke:none")


@dataclass(frozen=True)
class Picture:
    """An image, as a data URI, that fills the field; its pixels are blended or not."""

    uri: str
    is_smooth: bool
    name: str = ""

    def svg(self, x: Axis, y: Axis) -> str:
        blended = "auto" if self.is_smooth else "pixelated"
        return (
            f'<image href="{escape(self.uri)}" width="{_SIDE}" height="{_SIDE}" preserveAspectRatio="none" '
            f'style="image-rendering:{blended}"/>'
        )

    def swatch(self) -> str:
        return ""


@dataclass(frozen=True)
class Panel:
    """Marks between two axes, drawn in order, and what is said at some places: at the one nearest to the pointer.

    ``nearest`` is the direction that counts; ``height`` is a length of CSS.
    """

    x: Axis
    y: Axis
    marks: Sequence[Mark]
    points: Sequence[Point] = ()
    nearest: Literal["x", "y", "both"] = "x"
    height: str = "18rem"


@dataclass(frozen=True)
class Figure:
    """Panels one below the other, with aligned fields."""

    panels: Sequence[Panel]

    @property
    def legend(self) -> list[Mark]:
        """The marks that have a name, each name once."""
        named = {mark.name: mark for panel in self.panels for mark in panel.marks if mark.name}
        return list(named.values())


def points_at(x: ArrayLike, y: ArrayLike, told: Sequence[str]) -> list[Point]:
    """The texts at places (n,) and (n,)."""
    return list(zip(np.asarray(x, np.float64).tolist(), np.asarray(y, np.float64).tolist(), told, strict=True))


def figure_html(figure: Figure, title: str) -> str:
    """The figure as HTML; ``title`` is its name for screen readers."""
    entries = "".join(
        f'<li><svg viewBox="0 0 20 10" aria-hidden="true">{mark.swatch()}</svg>{escape(mark.name)}</li>'
        for mark in figure.legend
    )
    legend = f'<ul class="legend">{entries}</ul>' if entries else ""
    panels = "".join(_panel(panel, title, place) for place, panel in enumerate(figure.panels, 1))
    return f'{legend}<div class="plot">{panels}</div>'


def _panel(panel: Panel, title: str, place: int) -> str:
    x, y = panel.x, panel.y
    up = "".join(
        f'<span dir="auto" title="{escape(text)}" style="top:{100 - 100 * at:.2f}%">{escape(text)}</span>'
        for at, text in zip(y.place([tick for tick, _ in y.ticks]), (text for _, text in y.ticks), strict=True)
    )
    across = "".join(
        f'<span style="left:{100 * at:.2f}%">{escape(text)}</span>'
        for at, text in zip(x.place([tick for tick, _ in x.ticks]), (text for _, text in x.ticks), strict=True)
    )
    shapes = "".join(mark.svg(x, y) for mark in panel.marks)
    return (
        (f'<p class="unit">{escape(y.title)}</p>' if y.title else "")
        + f'<div class="up" aria-hidden="true" style="height:{panel.height}">{up}</div>'
        + f'<div class="field" style="height:{panel.height}"{_reading(panel, title, place)}>'
        + f'<svg viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" aria-hidden="true">'
        + f"{_grid(x, y)}{shapes}</svg>"
        + "</div>"
        + (f'<div class="across" aria-hidden="true">{across}</div>' if across else "")
        + (f'<p class="unit below">{escape(x.title)}</p>' if x.title else "")
    )


def _reading(panel: Panel, title: str, place: int) -> str:
    """The elements that make the values of a field readable by pointer and by keyboard."""
    if not panel.points:
        return ""
    x, y, texts = zip(*panel.points, strict=True)
    across, up = np.clip(panel.x.place(x), 0, 1), 1 - np.clip(panel.y.place(y), 0, 1)
    points = [
        [round(float(a), 4), round(float(b), 4), text]
        for a, b, text in zip(across, up, texts, strict=True)
        if np.isfinite(a) and np.isfinite(b)
    ]
    content = json.dumps(points, ensure_ascii=False, separators=(",", ":"))
    name = title if place == 1 else f"{title}, {place}"
    return (
        f' tabindex="0" role="group" aria-roledescription="{escape(said("chart"))}" aria-label="{escape(name)}"'
        f' data-nearest="{panel.nearest}" data-points="{escape(content)}"'
    )


def _grid(x: Axis, y: Axis) -> str:
    upright = " ".join(f"M{_unit(at)} 0V{_SIDE}" for at in x.place([tick for tick, _ in x.ticks]))
    level = " ".join(f"M0 {_unit(1 - at)}H{_SIDE}" for at in y.place([tick for tick, _ in y.ticks]))
    return _path(f"{upright} {level}", "stroke:var(--line);stroke-width:1")


def _polyline(across: Array, up: Array) -> str:
    """A path that starts again after each gap."""
    parts, pen = [], "M"
    for a, b in _pairs(across, up):
        if "nan" in (a, b):
            pen = "M"
            continue
        parts.append(f"{pen}{a} {b}")
        pen = "L"
    return "".join(parts)


def _between(starts: tuple[Array, Array], ends: tuple[Array, Array], shape: str) -> str:
    """A shape from each start (across, up) to its end; none where a value is not finite."""
    corners = zip(_pairs(*starts), _pairs(*ends), strict=True)
    return " ".join(shape.format(*start, *end) for start, end in corners if "nan" not in (*start, *end))


def _places(across: Array, up: Array) -> list[tuple[str, str]]:
    return [pair for pair in _pairs(across, up) if "nan" not in pair]


def _pairs(across: Array, up: Array) -> list[tuple[str, str]]:
    """Units from the left and from above."""
    across, up = np.broadcast_arrays(np.atleast_1d(across), np.atleast_1d(up))
    return [(_unit(a), _unit(1.0 - b)) for a, b in zip(across, up, strict=True)]


def _unit(fraction: Any) -> str:
    """A place on a side; places far outside are clipped, as browsers do not draw such numbers."""
    return f"{_SIDE * min(max(float(fraction), -9.0), 10.0):.1f}".removesuffix(".0") if np.isfinite(fraction) else "nan"


def _path(outline: str, style: str) -> str:
    return f'<path d="{outline}" style="{escape(style)}"/>' if outline.strip() else ""
