"""Charts of calibration and of decisions by a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rashin.language import said
from rashin.measurement.calibration.reliability import Reliability, Split
from rashin.measurement.calibration.thresholds import Thresholds
from rashin.report.measured.charts import ACCURACY, DASH, FILL, LOSS, QUIET, STRAIGHT
from rashin.report.page.axes import linear, named, shares
from rashin.report.page.drawing import Axis, Band, Boxes, Dots, Figure, Line, Mark, Panel, Segments, points_at
from rashin.report.page.numbers import number, percent, percents, rows

__all__ = ["accuracy_chart", "cost_chart", "fair_cost_chart", "reliability_chart", "split_chart"]

_UNIT = (0.0, 1.0)
_READ = 101  # thresholds with readable numbers


def reliability_chart(found: Reliability) -> Figure:
    """The observed frequency of the event by its predicted probability; below, the distribution of the predictions."""
    told = [
        said(
            "predicted {predicted}, observed {observed} ({interval}), {rows}",
            predicted=percent(p),
            observed=percent(f),
            interval=percents(low, high),
            rows=rows(int(n)),
        )
        for p, f, low, high, n in zip(found.predicted, found.frequency, found.low, found.high, found.count, strict=True)
    ]
    x = shares(_UNIT, margin=0.02)
    marks: list[Mark] = [
        Line(_UNIT, _UNIT, STRAIGHT, said("calibrated"), 1.5, DASH),
        Segments(found.predicted, found.low, found.predicted, found.high, STRAIGHT),
        Line(found.predicted, found.frequency, LOSS, "", 1.5),
        Dots(found.predicted, found.frequency, LOSS, said("observed"), 8.0),
    ]
    above = Panel(
        x,
        shares(_UNIT, said("observed frequency"), margin=0.02),
        marks,
        points_at(found.predicted, found.frequency, told),
    )
    bars = Boxes(
        found.predicted - 0.006, found.predicted + 0.006, np.zeros(found.share.size), found.share, FILL, edge=LOSS
    )
    x = Axis(x.low, x.high, x.ticks, said("predicted probability"))
    weight = shares(found.share, said("weight"), zero=True)
    weight = Axis(weight.low, weight.high, weight.ticks[:: max(1, len(weight.ticks) // 2)], weight.title)
    return Figure([above, Panel(x, weight, [bars], points_at(found.predicted, found.share, told), height="5rem")])


def split_chart(found: Split) -> Figure:
    """Cross-entropy as refinement and calibration, above the cost of the event's frequency alone."""
    refinement, calibration, constant = said("refinement"), said("calibration"), said("best constant")
    finite = max(found.calibration, 0.0) if np.isfinite(found.calibration) else 0.0
    stacked = found.refinement if finite else min(found.refinement, found.cross_entropy)
    ends = (stacked, stacked + finite)
    marks: list[Mark] = [
        Boxes([0.0], [ends[0]], [0.7], [1.3], LOSS, refinement),
        Boxes([ends[0]], [ends[1]], [0.7], [1.3], ACCURACY, calibration),
        Boxes([0.0], [found.uncertainty], [-0.3], [0.3], FILL, edge=LOSS),
    ]
    points = [
        (ends[0] / 2, 1.0, f"{refinement}: {number(found.refinement, 4)}"),
        (sum(ends) / 2, 1.0, f"{calibration}: {number(found.calibration, 4)}"),
        (found.uncertainty / 2, 0.0, f"{constant}: {number(found.uncertainty, 4)}"),
    ]
    x = linear([ends[1], found.uncertainty], said("nats"), zero=True)
    return Figure([Panel(x, named([said("predictions"), constant]), marks, points, "both", "5rem")])


def accuracy_chart(found: Thresholds, cross_entropy: float) -> Figure:
    """The loss, which does not depend on a threshold, and the errors above; accuracy and the two rates below."""
    x, accuracy = found.threshold, found.accuracy
    above: list[Mark] = [Line(x, 1.0 - accuracy, ACCURACY, said("error rate"), 2.0, "2 3")]
    if np.isfinite(cross_entropy):
        above.append(Line(_UNIT, [cross_entropy] * 2, LOSS, said("cross-entropy"), 3.0))
    rates = [
        Line(x, found.true_positive_rate, STRAIGHT, said("recall"), 1.5, DASH),
        Line(x, found.false_positive_rate, QUIET, said("false positive rate"), 1.5),
    ]
    rates = [rate for rate in rates if not np.all(np.isnan(rate.y))]
    read = _read(found)
    told = [
        "; ".join(
            [said("threshold {threshold}: accuracy {accuracy}", threshold=percent(x[i]), accuracy=percent(accuracy[i]))]
            + [f"{rate.name} {percent(np.asarray(rate.y)[i])}" for rate in rates]
        )
        for i in read
    ]
    axis = shares(_UNIT, margin=0.01)
    loss = linear([*(1.0 - accuracy), cross_entropy], said("loss and error rate"), zero=True)
    below: list[Mark] = [*rates, Line(x, accuracy, ACCURACY, said("accuracy"), 2.5)]
    titled = Axis(axis.low, axis.high, axis.ticks, said("decision threshold"))
    return Figure(
        [
            Panel(axis, loss, above, points_at(x[read], 1.0 - accuracy[read], told), height="9rem"),
            Panel(
                titled,
                shares(_UNIT, said("share"), margin=0.02),
                below,
                points_at(x[read], accuracy[read], told),
                height="14rem",
            ),
        ]
    )


def cost_chart(found: Thresholds, ratios: Sequence[float]) -> Figure:
    """The mean cost of decisions by threshold, for each ratio of the costs of a false negative and a false positive."""
    marks: list[Mark] = []
    read, words, costs = _read(found), [], []
    for ratio, colour, dash in zip(ratios, (LOSS, ACCURACY, STRAIGHT), (DASH, "", "2 3"), strict=False):
        cost = found.cost(1.0 / (1.0 + ratio))
        best, name = int(np.argmin(cost)), _ratio_told(ratio)
        marks += [
            Line(found.threshold, cost, colour, name, 2.5, dash),
            Dots([found.threshold[best]], [cost[best]], colour, size=10.0),
        ]
        words.append([f"{name}: {number(float(cost[i]), 4)}" for i in read])
        costs.append(cost)
    told = [
        "\n".join([said("threshold {threshold}", threshold=percent(found.threshold[i])), *lines])
        for i, lines in zip(read, zip(*words, strict=True), strict=True)
    ]
    x, y = shares(_UNIT, said("decision threshold"), margin=0.01), linear(costs, said("mean cost"), zero=True)
    return Figure([Panel(x, y, marks, points_at(found.threshold[read], costs[0][read], told))])


def fair_cost_chart(found: Thresholds) -> Figure:
    """The cost of decisions, each at its best threshold; the area over log-odds is the cross-entropy."""
    cost = found.fair_cost
    worth = np.isfinite(found.logit) & (cost > 1e-3 * cost.max())
    logit, cost = found.logit[worth], cost[worth]
    told = [
        said("threshold {threshold}", threshold=percent(t)) + f": {number(c, 3)}"
        for t, c in zip(found.threshold[worth], cost, strict=True)
    ]
    chances = (1e-9, 1e-6, 1e-4, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 - 1e-4, 1 - 1e-6, 1 - 1e-9)
    x = linear(logit, margin=0.02)
    ticks = [(float(np.log(share / (1.0 - share))), f"{100 * share:.10g} %") for share in chances]
    ticks = [tick for tick in ticks if x.low <= tick[0] <= x.high]
    x = Axis(x.low, x.high, ticks[:: -(-len(ticks) // 6)] if ticks else (), said("threshold, on the scale of log-odds"))
    y = linear(cost, said("mean cost"), zero=True)
    marks: list[Mark] = [Band(logit, np.zeros(cost.size), cost, "var(--band)"), Line(logit, cost, LOSS)]
    return Figure([Panel(x, y, marks, points_at(logit, cost, told))])


def _ratio_told(ratio: float) -> str:
    if ratio == 1.0:
        return said("equal costs")
    if ratio > 1.0:
        return said("a false negative costs {ratio:g} times as much", ratio=ratio)
    return said("a false positive costs {ratio:g} times as much", ratio=1.0 / ratio)


def _read(found: Thresholds) -> list[int]:
    """The thresholds nearest to the whole percents."""
    return [int(i) for i in np.unique(np.searchsorted(found.threshold, np.linspace(0.0, 1.0, _READ), side="right") - 1)]
