"""What the report of a measurement says of probabilities: calibration, and decisions by a threshold."""

from __future__ import annotations

import numpy as np

from rashin.measurement.calibration import Calibration
from rashin.measurement.reliability import Reliability, Split, reliability, split
from rashin.measurement.thresholds import Thresholds, thresholds
from rashin.report import probability_charts as charts
from rashin.report.numbers import counted, number, percent, summands
from rashin.report.page import Chart, Section, Table, View

__all__ = ["calibration_section", "threshold_section"]

_RATIOS = (0.1, 1.0, 10.0)  # the cost of a false negative, in false positives
_TOLD = np.linspace(0.0, 1.0, 21)  # the thresholds in tables


def calibration_section(found: Calibration, confidence: float) -> Section:
    """Whether what was predicted came as often, and what the cross-entropy is made of."""
    parts = split(found)
    views = []
    for name, equal in (("Bins of equal weight", "weight"), ("Bins of equal width", "width")):
        curve = reliability(found, equal=equal, confidence=confidence)  # type: ignore[arg-type]
        caption = (
            f"Lines are {percent(confidence, 0)} intervals (Wilson). The expected calibration error, the mean distance "
            f"from the diagonal, is {percent(curve.error, 2)} over {curve.count.size} bins."
        )
        views.append(View(name, charts.reliability_chart(curve), caption, _curve_table(curve)))
    two = [
        Chart("Predicted and observed", views),
        Chart(
            "What the cross-entropy is made of",
            [View("split", charts.split_chart(parts, _NAMES), _split_told(parts), _split_table(parts))],
        ),
    ]
    return Section("Calibration", _calibration_words(found, parts), two)


_NAMES = {
    "refinement": "refinement",
    "calibration": "calibration",
    "uncertainty": "best constant",
    "predictions": "predictions",
}


def _calibration_words(found: Calibration, parts: Split) -> list[str]:
    whole, calibration, refinement = summands(parts.cross_entropy, parts.calibration, parts.refinement)
    words = []
    if found.kind == "binary":
        words.append("Predictions are calibrated if what is predicted with 80 % happens in 80 % of the cases.")
        words.append(
            f"The cross-entropy of the targets, {whole}, is calibration, {calibration}, plus refinement, {refinement}."
        )
    else:
        words.append(
            "Predictions are calibrated if what is predicted with 80 % happens in 80 % of the cases. Here the most "
            "probable class of each row is judged: its probability, and whether it is the label."
        )
        words.append(
            f"The cross-entropy of whether the top class is right, {whole}, is calibration, {calibration}, plus "
            f"refinement, {refinement}."
        )
    words.append(
        "Calibration is what the best rising scale of the same predictions would save. Refinement is what they cost on "
        "that scale: only predictions that separate the rows better lower it."
    )
    if found.impossible:
        words.append(
            f"Calibration is infinite because of {counted(found.impossible, 'row')} in which something happened that "
            "was predicted with probability 0."
        )
    return words


def _split_told(parts: Split) -> str:
    return (
        f"The best constant prediction costs {number(parts.uncertainty, 4)}. The scale is an isotonic regression with "
        f"{counted(parts.levels, 'level')}, fitted to these rows, so that calibration looks too large and refinement "
        f"too small, by about {number(parts.bias, 2)} or a little more. (Dimitriadis, Gneiting and Jordan 2021.)"
    )


def _split_table(parts: Split) -> Table:
    names = ("cross-entropy", "calibration", "refinement")
    shown = summands(parts.cross_entropy, parts.calibration, parts.refinement, digits=6)
    rows = [
        *zip(names, shown, strict=True),
        ("best constant", number(parts.uncertainty, 6)),
        ("resolution, best constant minus refinement", number(parts.resolution, 6)),
    ]
    return Table(("part", "nats"), rows)


def _curve_table(curve: Reliability) -> Table:
    columns = (curve.predicted, curve.frequency, curve.low, curve.high, curve.count)
    rows = [
        (percent(p, 2), percent(f, 2), f"{percent(low, 2)} to {percent(high, 2)}", f"{count:,}")
        for p, f, low, high, count in zip(*columns, strict=True)
    ]
    return Table(("predicted", "observed", "interval", "rows"), rows)


# -------------------------------------------------------------------------------------------------- thresholds


def threshold_section(found: Calibration) -> Section:
    """What decisions by a threshold get right, and what they cost, beside the loss."""
    decided = thresholds(found)
    entropy = split(found).cross_entropy
    highest = np.flatnonzero(decided.accuracy == decided.accuracy.max())
    best = int(highest[np.argmin(np.abs(decided.threshold[highest] - 0.5))])
    words = [
        "A row is classified as 1 if its probability reaches a threshold. Accuracy and errors change with the "
        "threshold; the loss does not, because it judges the probabilities themselves.",
        f"Accuracy is highest, {percent(float(decided.accuracy[best]), 2)}, at the threshold "
        f"{percent(float(decided.threshold[best]))}. Positives make up {percent(decided.positive)} of the weight.",
    ]
    fair = (
        "At threshold c a false positive costs c and a false negative 1 − c, the costs for which c is the optimal "
        f"threshold. The area under the curve is the cross-entropy, {number(entropy, 4)}: the loss is the cost of "
        "decisions, integrated over all such costs (Schervish 1989; Ehm and others 2016)."
    )
    unequal = (
        "A false positive and a false negative cost 1 together; dots mark the cheapest thresholds. For calibrated "
        "predictions these equal the cost of a false positive: 9 %, 50 % and 91 %."
    )
    views = [
        View(
            "Loss and accuracy",
            charts.accuracy_chart(decided, entropy),
            _accuracy_told(decided),
            _decision_table(decided),
        ),
        View("Unequal costs", charts.cost_chart(decided, _RATIOS), unequal, _cost_table(decided)),
        View("The loss as an area", charts.fair_cost_chart(decided), fair, _cost_table(decided)),
    ]
    return Section("The decision threshold", words, [Chart("By the threshold", views)])


def _accuracy_told(decided: Thresholds) -> str:
    place = int(np.searchsorted(decided.threshold, 0.5, side="right")) - 1
    return (
        f"At a threshold of 50 %, accuracy is {percent(float(decided.accuracy[place]), 2)}, recall (the share of "
        f"positives that are predicted positive) {percent(float(decided.true_positive_rate[place]))}, and the false "
        f"positive rate {percent(float(decided.false_positive_rate[place]))}."
    )


def _at(decided: Thresholds) -> list[int]:
    places = np.searchsorted(decided.threshold, _TOLD, side="right") - 1
    return [int(place) for place in places]


def _decision_table(decided: Thresholds) -> Table:
    columns = (decided.accuracy, decided.true_positive_rate, decided.false_positive_rate)
    rows = [
        (percent(float(decided.threshold[i])), *(percent(float(column[i]), 2) for column in columns))
        for i in _at(decided)
    ]
    return Table(("threshold", "accuracy", "recall", "false positive rate"), rows)


def _cost_table(decided: Thresholds) -> Table:
    columns = [decided.cost(1.0 / (1.0 + ratio)) for ratio in _RATIOS] + [decided.fair_cost]
    rows = [
        (percent(float(decided.threshold[i])), *(number(float(column[i]), 4) for column in columns))
        for i in _at(decided)
    ]
    return Table(
        (
            "threshold",
            "false positive costs 10 times",
            "equal costs",
            "false negative costs 10 times",
            "costs c and 1 − c",
        ),
        rows,
    )
