"""The report of a measurement: its text, and the order of its charts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from rashin.language import joined, said, speaking
from rashin.measurement import Baseline, Measurement
from rashin.measurement.distribution import Distribution
from rashin.report.measured import charts
from rashin.report.measured.left_out import left_out_section
from rashin.report.measured.parts import Kind, parts_section
from rashin.report.measured.predicted import Predicted
from rashin.report.measured.probabilities import calibration_section, threshold_section
from rashin.report.measured.thumbnails import thumbnails
from rashin.report.measured.values import Bars, bars_of
from rashin.report.page.frame import Cell, Chart, Listing, Page, Section, Table, View, number_cell
from rashin.report.page.numbers import number, percent, range_of, rows

__all__ = ["Images", "measurement_page"]

NOTHING_PREDICTED = Predicted()


Images = Mapping[tuple[str, int], ArrayLike] | ArrayLike | None


def measurement_page(
    measured: Measurement,
    *,
    title: str | None = None,
    confidence: float = 0.95,
    images: Images = None,
    source: str | None = None,
    predicted: Predicted = NOTHING_PREDICTED,
    lang: str = "en",
) -> Page:
    """The whole page; see :func:`rashin.report.write_measurement`."""
    if measured.count == 0:
        raise ValueError("measurement: got no row that counts; expected at least one")
    with speaking(lang):
        sections = _sections(measured, confidence, images, predicted)
        name = title or (said("The loss of {source}", source=source) if source else said("The loss of a data set"))
        lead, facts = _lead(measured, confidence), _facts(measured, confidence, source)
        remarks = [said("{remark}.", remark=remark) for remark in measured.remarks]
        return Page(name, lead, facts, sections, remarks, lang)


def _sections(measured: Measurement, confidence: float, images: Images, predicted: Predicted) -> list[Section]:
    unit = said("rows") if measured.weight == measured.count else said("weight")
    sections = [_whole(measured, confidence)]
    if measured.classes:
        kind = Kind("class", said("class"), said("classes"), unit)
        sections.append(parts_section(measured, measured.classes, kind, confidence))
    if measured.groups:
        kind = Kind("group", said("group"), said("groups"), unit)
        sections.append(parts_section(measured, measured.groups, kind, confidence))
    sections += _rows(measured, images, predicted)
    found = None if measured.details is None else measured.details.calibration
    if found is not None:
        sections.append(calibration_section(found, confidence))
    if found is not None and found.kind == "binary":
        sections.append(threshold_section(found))
    if measured.skipped:
        sections.append(left_out_section(measured.skipped))
    return sections


def _lead(measured: Measurement, confidence: float) -> str:
    """The mean loss in one sentence, with its interval and the best constant prediction if they are known."""
    interval, baseline = measured.interval(confidence), measured.baseline
    name, mean = measured.loss.partition("(")[0], number(measured.mean, 4)
    if math.isfinite(interval.high - interval.low):
        span = said("{confidence} interval {interval}", confidence=percent(confidence, 0), interval=range_of(*interval))
        mean = said("{mean} ({span})", mean=mean, span=span)
    if baseline is None or not math.isfinite(measured.mean) or not math.isfinite(baseline.mean):
        return said("The mean {name} loss is {mean}.", name=name, mean=mean)
    compared = _compared(measured.mean, baseline.mean)
    return said("The mean {name} loss is {mean}: {compared}.", name=name, mean=mean, compared=compared)


def _compared(mean: float, baseline: float) -> str:
    constant = number(baseline, 4)
    if mean > baseline:
        return said("more than that of the best constant prediction, {constant}", constant=constant)
    if not baseline > 0.0 <= mean:
        return said("less than that of the best constant prediction, {constant}", constant=constant)
    saved = percent(1.0 - mean / baseline, 0)
    return said("{saved} less than that of the best constant prediction, {constant}", saved=saved, constant=constant)


def _facts(measured: Measurement, confidence: float, source: str | None) -> list[tuple[str, str]]:
    weighted, infinite, finite = measured.weight != measured.count, measured.total.infinite.rows, measured.total.finite
    interval, spread = said("{confidence} interval", confidence=percent(confidence, 0)), said("standard deviation")
    if infinite:
        interval, spread = said("{number}, other rows", number=interval), said("{number}, other rows", number=spread)
    facts = [
        (said("data"), source),
        (said("loss"), measured.loss),
        (said("rows"), f"{measured.count:,}"),
        (said("weight"), f"{measured.weight:,.6g}" if weighted else None),
        (said("clusters"), f"{len(measured.clusters):,}" if measured.clusters else None),
        (said("mean loss"), number(measured.mean, 6)),
        (said("rows of infinite loss"), f"{infinite:,}" if infinite else None),
        (said("mean loss, other rows"), number(finite.mean, 6) if infinite and finite.count else None),
        (interval, range_of(*finite.interval(confidence), 6) if finite.count else None),
        (said("best constant"), number(measured.baseline.mean, 6) if measured.baseline else None),
        (said("accuracy"), None if measured.accuracy is None else percent(measured.accuracy, 2)),
        (spread, number(finite.spread, 4) if finite.count else None),
        (said("largest loss"), number(measured.maximum, 4)),
        (said("rows left out"), f"{sum(measured.skipped.values()):,}" if measured.skipped else None),
    ]
    return [(name, value) for name, value in facts if value is not None]


def _whole(measured: Measurement, confidence: float) -> Section:
    baseline, finite, infinite = measured.baseline, measured.total.finite, measured.total.infinite.rows
    witness = said("clusters") if measured.clusters else said("rows")
    words = [
        said(
            "The mean is the sum of weight times loss, divided by the sum of weights. Another sample of as many "
            "{witness} from the same source would give another mean; the interval shows how far the two may differ.",
            witness=witness,
        )
    ]
    if infinite and finite.count:
        words.append(
            said(
                "The mean is infinite because of {rows} of infinite loss. All means, shares and charts below are those "
                "of the other {others}.",
                rows=rows(infinite),
                others=rows(finite.count),
            )
        )
    if not finite.count:
        nothing = said("Every row has an infinite loss: there is nothing to draw.")
        return Section(said("The loss"), [*words, nothing], [])
    interval = finite.interval(confidence)
    lines = [(said("measured"), number(finite.mean, 8), range_of(*interval, 8))]
    if baseline is not None:
        lines.append((said("best constant"), number(baseline.mean, 8), ""))
    table = Table((said("prediction"), said("mean loss"), said("interval")), lines)
    view = View(said("loss"), charts.loss_chart(finite.mean, interval, baseline), _loss_caption(baseline), table)
    return Section(said("The loss"), words, [Chart(said("Mean loss"), [view])])


def _loss_caption(baseline: Baseline | None) -> str:
    if baseline is None:
        return said("The line is the interval.")
    if np.ndim(baseline.prediction):
        return said("The line is the interval. The best constant prediction is the same for every row.")
    constant = number(baseline.prediction)
    return said(
        "The line is the interval. The best constant prediction is {constant} for every row.", constant=constant
    )


def _rows(measured: Measurement, images: Images, predicted: Predicted) -> list[Section]:
    found = None if measured.details is None else measured.details.losses
    bars = None if found is None else bars_of(found)
    listings = [_worst(measured, images, predicted)] if measured.worst else []
    if found is None or bars is None:
        return [Section(said("Row by row"), [], [], listings)] if listings else []
    marks = [
        (said("mean"), measured.total.finite.mean),
        (said("median"), found.quantile(0.5)),
        (said("99th percentile"), found.quantile(0.99)),
    ]
    views = [View(said("Rows"), charts.losses_chart(bars, marks, cost=False), _spread(found, bars), _bar_table(bars))]
    if bars.low[0] >= 0.0:
        caption = said("The same bars; the height is the share of the loss that these rows make up, each counted once.")
        figure = charts.losses_chart(bars, marks, cost=True)
        views.append(View(said("Share of the loss"), figure, caption, _bar_table(bars)))
    chart = Chart(said("Losses of single rows"), views)
    return [Section(said("Row by row"), [_told(found, bars)], [chart], listings)]


def _told(found: Distribution, bars: Bars) -> str:
    """The share of the loss in the worst rows, as far as the bins show it."""
    if not math.isfinite(found.quantile(0.5)):
        return said("Half of the rows or more have an infinite loss.")
    half = said("Half of the rows have a loss below {median}.", median=number(found.quantile(0.5)))
    if bars.low[0] < 0.0 or bars.cost.sum() == 0.0 or found.count < 100 or found.infinite:
        return half
    low, high = found.edges
    counts, costs = found.counts[::-1], (found.counts * ((low + high) / 2))[::-1]
    reached = np.cumsum(counts)
    dear = float(np.interp(0.01 * found.count, np.append(0, reached), np.append(0.0, np.cumsum(costs))))
    share = percent(dear / float(costs.sum()), 0)
    worst = said("The worst 1 % of the rows make up about {share} of the loss, each row counted once.", share=share)
    return joined(half, worst)


def _spread(found: Distribution, bars: Bars) -> str:
    count = rows(found.count)
    if bars.is_log:
        told = [said("{rows} on a logarithmic scale; the first bar also contains all smaller losses.", rows=count)]
    else:
        told = [
            said(
                "{rows} on a linear scale; the first and the last bar also contain all losses beyond them.", rows=count
            )
        ]
    if found.zeros and bars.is_log:
        told.append(said("Not shown: {rows} whose loss is 0.", rows=rows(found.zeros)))
    if found.infinite:
        told.append(said("Not shown: {rows} whose loss is infinite.", rows=rows(found.infinite)))
    return joined(*told)


def _bar_table(bars: Bars) -> Table:
    total = float(bars.cost.sum()) or 1.0
    cells = [
        (said("{low} to {high}", low=number(low, 4), high=number(high, 4)), f"{count:,.0f}", percent(cost / total))
        for low, high, count, cost in zip(bars.low, bars.high, bars.count, bars.cost, strict=True)
        if count
    ]
    return Table((said("loss of a row"), said("rows"), said("share of the loss")), cells)


def _worst(measured: Measurement, images: Images, predicted: Predicted) -> Listing:
    pictures = thumbnails(measured.worst, images)
    known, cells = predicted.columns(measured.loss, measured.worst)
    named, shown = any(row.source for row in measured.worst), any(pictures)
    image, file = [said("image")] if shown else [], [said("file")] if named else []
    headings, lines = [*image, said("row"), *file, *known, said("loss")], []
    for place, (row, picture, told) in enumerate(zip(measured.worst, pictures, cells, strict=True), 1):
        name = said("row {row}", row=row.row) if picture else said("none")
        source = [Cell(row.source)] if named else []
        first = [Cell(name, place, picture)] if shown else []
        numbered, loss = number_cell(row.row, str(row.row)), number_cell(row.loss, number(row.loss, 6))
        lines.append([*first, numbered, *source, *told, loss])
    caption = said("Rows are counted from 0. Wrong labels and broken files are often among them.")
    return Listing(said("The worst rows"), caption, headings, lines, shown=10 if shown else 20)
