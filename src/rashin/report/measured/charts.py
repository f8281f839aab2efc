"""Charts of a measurement."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rashin.language import said
from rashin.measurement import Baseline, Interval
from rashin.report.measured.values import Bars, Part
from rashin.report.page.axes import linear, logarithmic, named, shares
from rashin.report.page.drawing import Axis, Boxes, Dots, Figure, Line, Mark, Panel, Segments, points_at
from rashin.report.page.numbers import number, percent, percents, range_of, rows

__all__ = [
    "ACCURACY",
    "DASH",
    "FILL",
    "LOSS",
    "QUIET",
    "STRAIGHT",
    "loss_chart",
    "losses_chart",
    "means_chart",
    "ordered_chart",
    "shares_chart",
]

LOSS, ACCURACY, STRAIGHT, QUIET = "var(--loss)", "var(--accuracy)", "var(--straight)", "var(--quiet)"
FILL = "var(--core)"
DASH = "6 4"

_THICK = 0.3  # half of a bar, where 1 is the distance of two


def loss_chart(mean: float, interval: Interval, baseline: Baseline | None) -> Figure:
    """The loss with its interval, and the loss of the best constant prediction."""
    names, values, told = [said("measured")], [mean], [f"{number(mean, 6)} ({range_of(*interval, 6)})"]
    if baseline is not None and np.isfinite(baseline.mean):
        names, values = [*names, said("best constant")], [*values, baseline.mean]
        told.append(number(baseline.mean, 6))
    x = linear([*values, *interval], said("mean loss"), zero=True)
    marks = [_bar(value, len(values) - 1 - place, (LOSS, QUIET)[place]) for place, value in enumerate(values)]
    whisker = _whiskers([interval], [len(values) - 1])
    return _rows([*marks, whisker], x, names, values, told)


def shares_chart(parts: Sequence[Part], unit: str) -> Figure:
    """The share of the loss of each part, with its interval and its share of the rows or the weight; worst on top."""
    told = [
        said(
            "{name}: {share} of the loss ({interval}), {weight} of the {unit}",
            name=part.name,
            share=percent(part.share),
            interval=percents(*part.share_interval),
            weight=percent(part.weight),
            unit=unit,
        )
        for part in parts
    ]
    place, share = _places(parts), np.array([part.share for part in parts])
    weight = np.array([part.weight for part in parts])
    bars = Boxes(np.zeros(len(parts)), share, place - _THICK, place + _THICK, FILL, said("share of the loss"), LOSS)
    marks: list[Mark] = [
        bars,
        _whiskers([part.share_interval for part in parts], place),
        Segments(weight, place - 0.4, weight, place + 0.4, ACCURACY, said("share of the {unit}", unit=unit), 3.0),
    ]
    ends = [part.share_interval.high for part in parts]
    x = shares([*share, *weight, *ends], zero=True)
    return _rows(marks, x, [part.name for part in parts], share, told)


def means_chart(parts: Sequence[Part], mean: float) -> Figure:
    """The mean loss of each part with its interval, and the mean over all; in the given order, the first on top."""
    shown = [part for part in parts if np.isfinite(part.mean)]
    told = [_mean_told(part) for part in shown]
    place, means = _places(shown), np.array([part.mean for part in shown])
    marks: list[Mark] = []
    if np.isfinite(mean):
        marks.append(Line([mean, mean], [-0.6, len(shown) - 0.4], STRAIGHT, said("over all rows"), 1.5, DASH))
    marks += [_whiskers([part.mean_interval for part in shown], place), Dots(means, place, LOSS, said("mean loss"))]
    x = linear([*means, *(end for part in shown for end in part.mean_interval), mean], said("mean loss"))
    return _rows(marks, x, [part.name for part in shown], means, told)


def ordered_chart(parts: Sequence[Part], mean: float, title: str, *, is_line: bool) -> Figure:
    """The mean loss of each part with its interval, left to right, joined by a line or not; and the mean of all."""
    place = np.arange(float(len(parts)))
    means = np.array([part.mean if np.isfinite(part.mean) else np.nan for part in parts])
    intervals = np.array([part.mean_interval for part in parts]).reshape(-1, 2)
    low, high = np.where(np.isfinite(intervals).all(axis=1), intervals.T, np.nan)
    marks: list[Mark] = (
        []
        if not np.isfinite(mean)
        else [Line([-0.5, len(parts) - 0.5], [mean, mean], STRAIGHT, said("over all rows"), 1.5, DASH)]
    )
    marks += [
        Segments(place, low, place, high, STRAIGHT),
        *([Line(place, means, LOSS, "", 1.0)] if is_line else []),
        Dots(place, means, LOSS, said("mean loss"), 8.0 if len(parts) <= 50 else 5.0),
    ]
    step = -(-len(parts) // 5)
    x = Axis(-0.5, len(parts) - 0.5, [(float(k), parts[k].name) for k in range(0, len(parts), step)], title)
    points = points_at(place, means, [_mean_told(part) for part in parts])
    return Figure([Panel(x, linear([*means, *low, *high, mean], said("mean loss")), marks, points)])


def _mean_told(part: Part) -> str:
    return said(
        "{name}: {mean} over {rows} ({interval})",
        name=part.name,
        mean=number(part.mean, 5),
        rows=rows(part.count),
        interval=range_of(*part.mean_interval),
    )


def losses_chart(bars: Bars, marks: Sequence[tuple[str, float]], *, cost: bool) -> Figure:
    """The number of rows by loss, or their share of the total loss; with some losses marked by name."""
    heights = bars.cost / (bars.cost.sum() or 1.0) if cost else bars.count
    told = [
        said("{low} to {high}", low=number(a), high=number(b))
        + ": "
        + (said("{share} of the loss", share=percent(h)) if cost else rows(round(h)))
        for a, b, h in zip(bars.low, bars.high, heights, strict=True)
    ]
    y = (
        shares(heights, said("share of the loss"), zero=True)
        if cost
        else linear(heights, said("rows"), zero=True, whole=True)
    )
    scale = logarithmic if bars.is_log else linear
    x = scale(
        np.r_[bars.low[bars.low > 0.0] if bars.is_log else bars.low, bars.high], said("loss of a row"), margin=0.01
    )
    drawn: list[Mark] = [Boxes(bars.low, bars.high, np.zeros(heights.size), heights, FILL, "", LOSS)]
    for (name, loss), colour, dash in zip(marks, (STRAIGHT, ACCURACY, QUIET), (DASH, "", "2 3"), strict=False):
        if np.isfinite(loss) and (loss > 0.0 or not bars.is_log):
            drawn.append(Line([loss, loss], [0.0, y.high], colour, name, 2.0, dash))
    middle = np.sqrt(bars.low * bars.high) if bars.is_log else (bars.low + bars.high) / 2
    points = points_at(middle, heights, told)
    return Figure([Panel(x, y, drawn, points, "x", "19rem")])


def _rows(
    marks: Sequence[Mark],
    x: Axis,
    names: Sequence[str],
    values: Sequence[float] | NDArray[np.float64],
    told: Sequence[str],
) -> Figure:
    """Bars or dots by name, from above to below; the panel is as high as they need."""
    points = [
        (float(value), len(names) - 1.0 - place, text)
        for place, (value, text) in enumerate(zip(values, told, strict=True))
    ]
    return Figure([Panel(x, named(names), marks, points, "y", f"{max(1.6 * len(names), 3.0):.1f}rem")])


def _bar(value: float, place: int, colour: str) -> Boxes:
    return Boxes([0.0], [value], [place - _THICK], [place + _THICK], colour)


def _whiskers(intervals: Sequence[Interval], place: Sequence[float] | NDArray[np.float64]) -> Segments:
    low, high = np.array(intervals, np.float64).reshape(-1, 2).T
    known = np.isfinite(low) & np.isfinite(high)
    return Segments(np.where(known, low, np.nan), place, np.where(known, high, np.nan), place, STRAIGHT)


def _places(parts: Sequence[Part]) -> NDArray[np.float64]:
    return np.arange(len(parts) - 1.0, -1.0, -1.0)
