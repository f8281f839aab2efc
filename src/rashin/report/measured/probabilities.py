"""The sections of a report on probabilities: calibration, and decisions by a threshold."""

from __future__ import annotations

import numpy as np

from rashin.language import counted, said
from rashin.measurement.calibration.calibration import Calibration
from rashin.measurement.calibration.reliability import Reliability, Split, reliability, split
from rashin.measurement.calibration.thresholds import Thresholds, thresholds
from rashin.report.measured import probability_charts as charts
from rashin.report.page.frame import Chart, Section, Table, View
from rashin.report.page.numbers import number, percent, percents, summands

__all__ = ["calibration_section", "threshold_section"]

_RATIOS = (0.1, 1.0, 10.0)  # the cost of a false negative, in false positives
_TOLD = np.linspace(0.0, 1.0, 21)  # the thresholds in tables


def calibration_section(found: Calibration, confidence: float) -> Section:
    """Calibration, and the parts of the cross-entropy."""
    parts = split(found)
    views = []
    for name, equal in ((said("Bins of equal weight"), "weight"), (said("Bins of equal width"), "width")):
        curve = reliability(found, equal=equal, confidence=confidence)  # type: ignore[arg-type]
        caption = said(
            "Lines are {confidence} intervals (Wilson). The expected calibration error, the mean distance from the "
            "diagonal, is {error} over {bins} bins.",
            confidence=percent(confidence, 0),
            error=percent(curve.error, 2),
            bins=curve.count.size,
        )
        views.append(View(name, charts.reliability_chart(curve), caption, _curve_table(curve)))
    two = [
        Chart(said("Predicted and observed"), views),
        Chart(
            said("What the cross-entropy is made of"),
            [View(said("split"), charts.split_chart(parts), _split_told(parts), _split_table(parts))],
        ),
    ]
    return Section(said("Calibration"), _calibration_words(found, parts), two)


def _calibration_words(found: Calibration, parts: Split) -> list[str]:
    words = _binary_words(parts) if found.kind == "binary" else _top_words(parts)
    words.append(
        said(
            "Calibration is what the best rising scale of the same predictions would save. Refinement is what they "
            "cost on that scale: only predictions that separate the rows better lower it."
        )
    )
    if found.impossible:
        words.append(
            said(
                "Calibration is infinite because of {rows} in which something happened that was predicted with "
                "probability 0.",
                rows=counted(found.impossible, "{count:,} row", "{count:,} rows"),
            )
        )
    return words


def _binary_words(parts: Split) -> list[str]:
    whole, calibration, refinement = summands(parts.cross_entropy, parts.calibration, parts.refinement)
    return [
        said("Predictions are calibrated if what is predicted with 80 % happens in 80 % of the cases."),
        said(
            "The cross-entropy of the targets, {whole}, is calibration, {calibration}, plus refinement, {refinement}.",
            whole=whole,
            calibration=calibration,
            refinement=refinement,
        ),
    ]


def _top_words(parts: Split) -> list[str]:
    whole, calibration, refinement = summands(parts.cross_entropy, parts.calibration, parts.refinement)
    return [
        said(
            "Predictions are calibrated if what is predicted with 80 % happens in 80 % of the cases. Here the most "
            "probable class of each row is judged: its probability, and whether it is the label."
        ),
        said(
            "The cross-entropy of whether the top class is right, {whole}, is calibration, {calibration}, plus "
            "refinement, {refinement}.",
            whole=whole,
            calibration=calibration,
            refinement=refinement,
        ),
    ]


def _split_told(parts: Split) -> str:
    return said(
        "The best constant prediction costs {constant}. The scale is an isotonic regression with {levels}, fitted to "
        "these rows, so that calibration looks too large and refinement too small, by about {bias} or a little more. "
        "(Dimitriadis, Gneiting and Jordan 2021.)",
        constant=number(parts.uncertainty, 4),
        levels=counted(parts.levels, "{count:,} level", "{count:,} levels"),
        bias=number(parts.bias, 2),
    )


def _split_table(parts: Split) -> Table:
    names = (said("cross-entropy"), said("calibration"), said("refinement"))
    shown = summands(parts.cross_entropy, parts.calibration, parts.refinement, digits=6)
    rows = [
        *zip(names, shown, strict=True),
        (said("best constant"), number(parts.uncertainty, 6)),
        (said("resolution, best constant minus refinement"), number(parts.resolution, 6)),
    ]
    return Table((said("part"), said("nats")), rows)


def _curve_table(curve: Reliability) -> Table:
    columns = (curve.predicted, curve.frequency, curve.low, curve.high, curve.count)
    rows = [
        (percent(p, 2), percent(f, 2), percents(low, high, 2), f"{count:,}")
        for p, f, low, high, count in zip(*columns, strict=True)
    ]
    return Table((said("predicted"), said("observed"), said("interval"), said("rows")), rows)


# -------------------------------------------------------------------------------------------------- thresholds


def threshold_section(found: Calibration) -> Section:
    """Accuracy and cost of decisions by a threshold, next to the loss."""
    decided = thresholds(found)
    entropy = split(found).cross_entropy
    highest = np.flatnonzero(decided.accuracy == decided.accuracy.max())
    best = int(highest[np.argmin(np.abs(decided.threshold[highest] - 0.5))])
    words = [
        said(
            "A row is classified as 1 if its probability reaches a threshold. Accuracy and errors change with the "
            "threshold; the loss does not, because it judges the probabilities themselves."
        ),
        said(
            "Accuracy is highest, {accuracy}, at the threshold {threshold}. Positives make up {positive} of the "
            "weight.",
            accuracy=percent(float(decided.accuracy[best]), 2),
            threshold=percent(float(decided.threshold[best])),
            positive=percent(decided.positive),
        ),
    ]
    fair = said(
        "At threshold c a false positive costs c and a false negative 1 − c, the costs for which c is the optimal "
        "threshold. The area under the curve is the cross-entropy, {entropy}: the loss is the cost of decisions, "
        "integrated over all such costs (Schervish 1989; Ehm and others 2016).",
        entropy=number(entropy, 4),
    )
    unequal = said(
        "A false positive and a false negative cost 1 together; dots mark the cheapest thresholds. For calibrated "
        "predictions these equal the cost of a false positive: 9 %, 50 % and 91 %."
    )
    views = [
        View(
            said("Loss and accuracy"),
            charts.accuracy_chart(decided, entropy),
            _accuracy_told(decided),
            _decision_table(decided),
        ),
        View(said("Unequal costs"), charts.cost_chart(decided, _RATIOS), unequal, _cost_table(decided)),
        View(said("The loss as an area"), charts.fair_cost_chart(decided), fair, _cost_table(decided)),
    ]
    return Section(said("The decision threshold"), words, [Chart(said("By the threshold"), views)])


def _accuracy_told(decided: Thresholds) -> str:
    place = int(np.searchsorted(decided.threshold, 0.5, side="right")) - 1
    return said(
        "At a threshold of 50 %, accuracy is {accuracy}, recall (the share of positives that are predicted positive) "
        "{recall}, and the false positive rate {false_positive_rate}.",
        accuracy=percent(float(decided.accuracy[place]), 2),
        recall=percent(float(decided.true_positive_rate[place])),
        false_positive_rate=percent(float(decided.false_positive_rate[place])),
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
    return Table((said("threshold"), said("accuracy"), said("recall"), said("false positive rate")), rows)


def _cost_table(decided: Thresholds) -> Table:
    columns = [decided.cost(1.0 / (1.0 + ratio)) for ratio in _RATIOS] + [decided.fair_cost]
    rows = [
        (percent(float(decided.threshold[i])), *(number(float(column[i]), 4) for column in columns))
        for i in _at(decided)
    ]
    return Table(
        (
            said("threshold"),
            said("false positive costs 10 times"),
            said("equal costs"),
            said("false negative costs 10 times"),
            said("costs c and 1 − c"),
        ),
        rows,
    )
