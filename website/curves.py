"""Curves of a loss: its value, slope and curvature where one number of a sample moves, as HTML and SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.domain import LOG_PROBABILITY, PROBABILITY, Columns, Domain, Members, Row, Thresholds
from rashin.group_loss import GroupLoss
from rashin.loss import Loss
from rashin.report.page.axes import linear
from rashin.report.page.drawing import Axis, Figure, Line, Panel, figure_html

__all__ = ["Curve", "curves_html", "curves_of", "thumbnail_html"]

Array = NDArray[np.float64]

_COLOURS = ("var(--first)", "var(--second)", "var(--third)")
_POINTS = 321  # kinks at whole numbers are among them
_TAIL = 0.06  # share of the values, at each end, that does not decide how high a picture is
_TARGETS = {
    "real": (0.0,),
    "number": (0.0,),
    "non-zero": (1.0,),
    "positive": (0.5, 2.0),
    "non-negative": (0.0, 2.0),
    "count": (0.0, 2.0),
    "fraction": (0.25,),
    "label": (0, 1),
    "label or distribution": (0, 1),
}
_LISTS = {  # targets of a set of four, whose first member moves
    "probability": ((1.0, 1.0, 0.0, 0.0), (0.0, 1.0, 1.0, 0.0)),
    "(time, event)": (
        ((1.0, 1.0), (2.0, 1.0), (3.0, 0.0), (4.0, 1.0)),
        ((4.0, 1.0), (2.0, 1.0), (3.0, 0.0), (1.0, 1.0)),
    ),
}
_RANKED = ((2.0, 1.0, 0.0, 1.0), (0.0, 1.0, 2.0, 1.0))


@dataclass(frozen=True)
class Curve:
    """A number that moves, and the loss along its way."""

    name: str
    at: Array
    value: Array
    slope: Array
    curvature: Array


def curves_html(loss: Loss | GroupLoss) -> str:
    """Three panels, one below the other, whose last axis says what moves."""
    curves = list(curves_of(loss))
    x = linear(np.concatenate([curve.at for curve in curves]), margin=0.0)
    panels = [
        Panel(
            x if quantity != "curvature" else Axis(x.low, x.high, x.ticks, _moving(loss)),
            linear(_shown([getattr(curve, quantity) for curve in curves]), quantity, zero=quantity == "value"),
            [
                Line(curve.at, getattr(curve, quantity), colour, curve.name, 2.5)
                for curve, colour in zip(curves, _COLOURS, strict=False)
            ],
            height="11rem" if quantity == "value" else "8rem",
        )
        for quantity in ("value", "slope", "curvature")
    ]
    return f'<figure class="curves">{figure_html(Figure(panels), f"Curves of {loss.name}")}</figure>'


def thumbnail_html(loss: Loss | GroupLoss) -> str:
    """The values alone, small."""
    curves = list(curves_of(loss))
    x = linear(np.concatenate([curve.at for curve in curves]), margin=0.0)
    y = linear(_shown([curve.value for curve in curves]))
    lines = (Line(curve.at[::4], curve.value[::4], colour) for curve, colour in zip(curves, _COLOURS, strict=False))
    shapes = "".join(line.svg(x, y) for line in lines)
    return (
        f'<svg class="thumbnail" viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{shapes}</svg>'
    )


def _moving(loss: Loss | GroupLoss) -> str:
    """The title of the axis."""
    sample = loss.prediction
    if isinstance(loss, GroupLoss):
        return f"prediction of the first member of a set of four, {sample.description}"
    if isinstance(sample, Domain):
        return f"prediction, {sample.description}"
    if isinstance(sample, Columns):
        return f"one of {sample.name}; the rest is 0, the target {_targets(loss.target)[-1]:g}"
    if isinstance(sample, Thresholds):
        return "logit; the thresholds are −1 and 1"
    return f"first of three {sample.name}"


def curves_of(loss: Loss | GroupLoss) -> Iterator[Curve]:
    """A curve for each of two or three targets, or for each number of different meaning."""
    if isinstance(loss, GroupLoss):
        yield from _of_groups(loss)
    elif isinstance(loss.prediction, Columns):
        yield from _of_columns(loss, loss.prediction)
    elif isinstance(loss.prediction, Domain):
        at = _grid(loss.prediction)
        for target in _targets(loss.target):
            yield _curve(f"target {target:g}", loss, at, at, np.full(at.shape, target), ())
    else:
        yield from _of_rows(loss)


def _of_columns(loss: Loss, sample: Columns) -> Iterator[Curve]:
    """Each number of the sample moves, while the others stay at 0."""
    target = _targets(loss.target)[-1]
    for place, name in enumerate(sample.names):
        at = _grid(sample.entry(place))
        rows = np.zeros((at.size, sample.columns))
        rows[:, place] = at
        yield _curve(name, loss, at, rows, np.full(at.size, target), (..., place))


def _of_rows(loss: Loss) -> Iterator[Curve]:
    """The first number of a row of three moves; of a sample with thresholds the last."""
    sample: Any = loss.prediction
    at = _grid(sample.of)
    rest = {PROBABILITY: (0.25, 0.25), LOG_PROBABILITY: (-1.5, -1.5)}.get(sample.of, (0.0, 0.0))
    rows = np.column_stack([at, *(np.full(at.size, number) for number in rest)])
    place = 0
    if isinstance(sample, Thresholds):
        rows, place = np.column_stack([np.full(at.size, -1.0), np.ones(at.size), at]), 2
    elif isinstance(sample, Members):
        rows[:, 1:] = (-1.0, 1.0)
    for name, target in _row_targets(loss):
        yield _curve(name, loss, at, rows, np.broadcast_to(target, (at.size, *np.shape(target))), (..., place))


def _row_targets(loss: Loss) -> Iterator[tuple[str, Any]]:
    if isinstance(loss.target, Row):
        for target in ((2.0, 0.0, -1.0), (-1.0, 0.0, 2.0)):
            yield f"target {', '.join(f'{number:g}' for number in target)}", target
    else:
        name = "label" if loss.prediction.has_classes else "target"
        for target in range(3) if isinstance(loss.prediction, Thresholds) else _targets(loss.target):
            yield f"{name} {target:g}", target


def _of_groups(loss: GroupLoss) -> Iterator[Curve]:
    at = _grid(loss.prediction)
    rest = (0.9, 0.2, 0.1) if loss.prediction.name == "probability" else (1.0, 0.0, -1.0)
    rows = np.column_stack([at, *(np.full(at.size, number) for number in rest)])
    for target in _LISTS.get(loss.target.name, _RANKED):
        first = ", ".join(f"{number:g}" for number in np.atleast_1d(target[0]))
        targets = np.broadcast_to(target, (at.size, *np.shape(target)))
        value = np.asarray(loss(rows, targets, axis=1, reduction="none"))
        _, slope, curvature = loss.value_gradient_and_hessian(rows, targets, axis=1, reduction="sum")
        yield Curve(f"its target {first}", at, value, slope[:, 0], curvature[:, 0])


def _curve(name: str, loss: Loss, at: Array, predictions: Array, targets: Any, place: Any) -> Curve:
    loss = loss.replace(normalized=False) if "normalized" in loss.parameters else loss
    value = np.asarray(loss(predictions, targets, reduction="none"))
    slope, curvature = loss.gradient_and_hessian(predictions, targets, reduction="sum")
    return Curve(name, at, value, np.asarray(slope)[place], np.asarray(curvature)[place])


def _targets(target: Any) -> tuple[float, ...]:
    return _TARGETS.get(target.name) or ((target.low, target.high) if target.is_choice else target.samples[:2])


def _grid(domain: Domain) -> Array:
    """The middle of a domain, and its ends where they are near."""
    low, high = max(domain.low, -4.0), min(domain.high, 4.0)
    return np.linspace(low, high, _POINTS)


def _shown(values: list[Array]) -> Array:
    """The values that a picture must hold; a curve that grows without bounds leaves it."""
    every = np.concatenate(values)
    every = every[np.isfinite(every)]
    low, middle, high = np.quantile(every, [_TAIL, 0.5, 1 - _TAIL])
    reach = 2.0 * (high - low)
    return np.clip(every, middle - reach, middle + reach) if reach > 0 else every
