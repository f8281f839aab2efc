"""Charts of the measurements around a network."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.extras import needs
from rashin.language import said
from rashin.learn import Curve, Landscape, MinibatchLosses
from rashin.report.measured.charts import ACCURACY, DASH, LOSS, STRAIGHT
from rashin.report.page.axes import linear, logarithmic, shares
from rashin.report.page.drawing import Axis, Band, Dots, Figure, Line, Mark, Panel, Picture, Point, points_at
from rashin.report.page.numbers import number, percent

__all__ = ["accuracy_map", "band_chart", "curve_chart", "loss_map", "spread_chart"]

Array = NDArray[Any]

_SQUARE = "min(24rem, 72vw)"
_LEVELS = 24


def curve_chart(curve: Curve, way: str) -> Figure:
    """The loss with its tangent above, the correct predictions below, along the same direction."""
    x, right = curve.offsets, curve.accuracy * curve.samples
    told = [
        said(
            "{offset}: loss {loss}, tangent {tangent}, {right:,.0f} correct",
            offset=number(offset),
            loss=number(loss, 6),
            tangent=number(tangent, 6),
            right=share,
        )
        for offset, loss, tangent, share in zip(x, curve.loss, curve.tangent, right, strict=True)
    ]
    axis = linear(x, margin=0.0)
    above: list[Mark] = [
        Line(x, curve.loss, LOSS, said("loss"), 3.0),
        Line(x, _within(curve.tangent, curve.loss), STRAIGHT, said("tangent, from the gradient"), 1.5, DASH),
        Dots([0.0], [curve.value], STRAIGHT),
    ]
    counted = said("correct predictions, of {samples:,}", samples=curve.samples)
    stairs = Line(x, right, ACCURACY, counted, 2.5, is_stairs=True)
    titled = Axis(axis.low, axis.high, axis.ticks, way)
    return Figure(
        [
            Panel(
                axis,
                linear(_room(curve.loss), said("loss"), margin=0.0),
                above,
                points_at(x, curve.loss, told),
                height="14rem",
            ),
            Panel(
                titled,
                linear(
                    _room(right, least=3.0, most=curve.samples), said("correct predictions"), margin=0.0, whole=True
                ),
                [stairs],
                points_at(x, right, told),
                height="10rem",
            ),
        ]
    )


def loss_map(landscape: Landscape) -> Figure:
    """Contours of the loss, on a logarithmic scale if it changes tenfold.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    loss = landscape.loss
    finite = loss[np.isfinite(loss)]
    low, high = float(finite.min()), float(finite.max())
    is_log = 0.0 < 10.0 * low < high
    z = np.log10(np.clip(loss, low, high)) if is_log else np.clip(loss, low, high)
    told = [said("loss {loss}", loss=number(value, 4)) for value in loss.ravel()]
    bar = (logarithmic if is_log else linear)([low, high], said("loss"), margin=0.0)
    return _map(landscape, z, told, bar, colours="cividis_r", is_smooth=True)  # in both maps what is good is bright


def accuracy_map(landscape: Landscape) -> Figure:
    """The accuracy as fields of colour.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    share = landscape.accuracy
    told = [said("accuracy {accuracy}", accuracy=percent(value)) for value in share.ravel()]
    bar = shares([share.min(), share.max()], said("accuracy"), margin=0.0)
    return _map(landscape, share, told, bar, colours="cividis", is_smooth=False)


def _map(landscape: Landscape, z: Array, told: list[str], bar: Axis, *, colours: str, is_smooth: bool) -> Figure:
    up, across = landscape.offsets  # the first direction is the first axis, drawn upwards
    half = 0.5 / (len(across) - 1)  # of a pixel, whose middle is where the loss was computed
    x, y = linear(across, said("second direction"), margin=half), linear(up, said("first direction"), margin=half)
    places = [(float(a), float(u)) for u in up for a in across]
    points = [
        (a, u, text + "\n" + said("second direction {second}, first {first}", second=number(a), first=number(u)))
        for (a, u), text in zip(places, told, strict=True)
    ]
    marks: list[Mark] = [Picture(_image(z[::-1], colours), is_smooth)]
    if is_smooth and z.min() < z.max():
        marks += _contours(across, up, z)
    marks += [Dots([0.0], [0.0], "black", size=13.0), Dots([0.0], [0.0], "white", size=8.0)]
    scale = Panel(
        bar,
        Axis(0.0, 1.0, ()),
        [Picture(_image(np.linspace(z.min(), z.max(), 256)[None], colours), True)],
        height="0.8rem",
    )
    return Figure([Panel(x, y, marks, points, "both", _SQUARE), scale])


def _image(z: Array, colours: str) -> str:
    """A PNG as a data URI, with one pixel per number."""
    file = io.BytesIO()
    with needs("matplotlib", "report", "a map"):
        from matplotlib.image import imsave

        imsave(file, z, cmap=colours, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _contours(across: Array, up: Array, z: Array) -> list[Mark]:
    with needs("contourpy", "report", "a map"):  # it comes with matplotlib
        from contourpy import contour_generator
    found = contour_generator(across, up, z)
    levels = np.linspace(z.min(), z.max(), _LEVELS + 2)[1:-1]
    gap = np.full((1, 2), np.nan)
    lines: list[Any] = [part for level in levels for line in found.lines(float(level)) for part in (line, gap)]
    if not lines:
        return []
    x, y = np.concatenate(lines).T
    return [Line(x, y, "rgba(0, 0, 0, 0.45)", width=0.6)]


def band_chart(found: MinibatchLosses) -> Figure:
    """The losses of mini-batches, as bands around the loss of all data, over the size of the batch."""
    marks: list[Mark] = [
        Band(found.sizes, found.quantile(low), found.quantile(high), colour, name)
        for low, high, name, colour in (
            (0.05, 0.95, said("9 of 10 batches lie here"), "var(--band)"),
            (0.25, 0.75, said("half of the batches lie here"), "var(--core)"),
        )
    ]
    median = found.quantile(0.5)
    whole = np.full(found.sizes.size, found.whole)
    marks += [
        Line(found.sizes, median, LOSS, said("median batch"), 2.5),
        Line(found.sizes, whole, STRAIGHT, said("all {samples:,} samples", samples=found.samples), 1.5, DASH),
    ]
    low, high = found.quantile(0.05), found.quantile(0.95)
    told = [
        said(
            "batch size {size:,}: median {median}, 9 of 10 from {low} to {high}",
            size=size,
            median=number(m, 4),
            low=number(a, 4),
            high=number(b, 4),
        )
        for size, m, a, b in zip(found.sizes, median, low, high, strict=True)
    ]
    return _over_sizes(
        found, linear([*low, *high, found.whole], said("loss")), marks, points_at(found.sizes, median, told)
    )


def spread_chart(found: MinibatchLosses) -> Figure:
    """The distance of mini-batches from the whole, and the expected distance, on logarithmic axes."""
    marks: list[Mark] = [
        Line(found.sizes, found.expected_spread, STRAIGHT, said("expected, σ / √size"), 1.5, DASH),
        Dots(found.sizes, found.spread, LOSS, said("measured")),
    ]
    told = [
        said(
            "batch size {size:,}: error {error}, expected {expected}",
            size=size,
            error=number(spread),
            expected=number(expected),
        )
        for size, spread, expected in zip(found.sizes, found.spread, found.expected_spread, strict=True)
    ]
    y = logarithmic([*found.spread, *found.expected_spread], said("root mean squared error"), margin=0.05)
    return _over_sizes(found, y, marks, points_at(found.sizes, found.spread, told))


def _over_sizes(found: MinibatchLosses, y: Axis, marks: list[Mark], points: list[Point]) -> Figure:
    x = logarithmic(found.sizes, said("batch size"), margin=0.03)
    sizes = found.sizes[:: -(-found.sizes.size // 6)]
    x = Axis(x.low, x.high, [(float(size), f"{size:,}") for size in sizes], x.title, is_log=True)
    return Figure([Panel(x, y, marks, points)])


def _within(tangent: Array, loss: Array) -> Array:
    """The part of the tangent within the picture of the loss."""
    low, high = _room(loss)
    return np.where((tangent >= low) & (tangent <= high), tangent, np.nan)


def _room(values: Array, least: float = 0.0, most: float = np.inf) -> list[float]:
    """A range with a margin, at least so wide, and hardly above what is possible; infinite values are left out."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    margin = max(0.08 * (high - low), (least - (high - low)) / 2)
    return [low - margin, min(high + margin, most + margin / 3)]
