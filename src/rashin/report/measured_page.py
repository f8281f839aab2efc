"""The report of a measurement: its words, and which chart stands where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from rashin.measurement import Measurement, Moments
from rashin.measurement.distribution import Distribution
from rashin.report import measured_charts as charts
from rashin.report.measured import Bars, Part, are_shares, bars_of, parts_of
from rashin.report.numbers import counted, number, percent, range_of, short
from rashin.report.order import are_dates, are_numbers, in_order
from rashin.report.page import Cell, Chart, Listing, Page, Section, Table, View
from rashin.report.predicted import Predicted
from rashin.report.probability_page import calibration_section, threshold_section
from rashin.report.thumbnails import thumbnails

__all__ = ["Images", "measurement_page"]

_DRAWN = 25  # parts in a chart
_LISTED = 1000  # parts in a listing: of more a browser grows slow

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
) -> Page:
    """The whole page; see :func:`rashin.report.write_measurement`."""
    if measured.count == 0:
        raise ValueError("measurement: no row counts; there is nothing to report")
    sections = [_whole(measured, confidence)]
    if measured.classes:
        sections.append(_parts(measured, measured.classes, "class", "classes", confidence))
    if measured.groups:
        sections.append(_parts(measured, measured.groups, "group", "groups", confidence))
    sections += _rows(measured, images, predicted)
    found = None if measured.details is None else measured.details.calibration
    if found is not None:
        sections.append(calibration_section(found, confidence))
    if found is not None and found.kind == "binary":
        sections.append(threshold_section(found))
    if measured.skipped:
        sections.append(_skipped(measured.skipped))
    name = title or (f"The loss of {source}" if source else "The loss of a data set")
    remarks = [f"{remark}." for remark in measured.remarks]
    return Page(name, _lead(measured, confidence), _facts(measured, confidence, source), sections, remarks)


def _lead(measured: Measurement, confidence: float) -> str:
    """The mean loss in one sentence, with its interval and the best constant prediction where they are known."""
    interval, baseline, mean = measured.interval(confidence), measured.baseline, number(measured.mean, 4)
    name = measured.loss.partition("(")[0]
    span = f"{percent(confidence, 0)} interval {range_of(*interval)}"
    is_known = math.isfinite(interval.high - interval.low)
    if baseline is None or not math.isfinite(measured.mean) or not math.isfinite(baseline.mean):
        return f"The mean {name} loss is {mean} ({span})." if is_known else f"The mean {name} loss is {mean}."
    constant = number(baseline.mean, 4)
    if measured.mean > baseline.mean:
        compared = f"more than that of the best constant prediction, {constant}"
    elif baseline.mean > 0.0 <= measured.mean:
        saved = percent(1.0 - measured.mean / baseline.mean, 0)
        compared = f"{saved} less than that of the best constant prediction, {constant}"
    else:
        compared = f"less than that of the best constant prediction, {constant}"
    return (
        f"The mean {name} loss is {mean} ({span}): {compared}."
        if is_known
        else f"The mean {name} loss is {mean}: {compared}."
    )


def _facts(measured: Measurement, confidence: float, source: str | None) -> list[tuple[str, str]]:
    weighted, infinite, finite = measured.weight != measured.count, measured.total.infinite.rows, measured.total.finite
    of_rest = ", other rows" if infinite else ""
    facts = [
        ("data", source),
        ("loss", measured.loss),
        ("rows", f"{measured.count:,}"),
        ("weight", f"{measured.weight:,.6g}" if weighted else None),
        ("clusters", f"{len(measured.clusters):,}" if measured.clusters else None),
        ("mean loss", number(measured.mean, 6)),
        ("rows of infinite loss", f"{infinite:,}" if infinite else None),
        ("mean loss, other rows", number(finite.mean, 6) if infinite and finite.count else None),
        (
            f"{percent(confidence, 0)} interval{of_rest}",
            range_of(*finite.interval(confidence), 6) if finite.count else None,
        ),
        ("best constant", number(measured.baseline.mean, 6) if measured.baseline else None),
        ("accuracy", None if measured.accuracy is None else percent(measured.accuracy, 2)),
        (f"standard deviation{of_rest}", number(finite.spread, 4) if finite.count else None),
        ("largest loss", number(measured.maximum, 4)),
        ("rows left out", f"{sum(measured.skipped.values()):,}" if measured.skipped else None),
    ]
    return [(name, value) for name, value in facts if value is not None]


def _whole(measured: Measurement, confidence: float) -> Section:
    baseline, finite, infinite = measured.baseline, measured.total.finite, measured.total.infinite.rows
    witness = "clusters" if measured.clusters else "rows"
    words = [
        f"The mean is the sum of weight times loss, divided by the sum of weights. Another sample of as many {witness} "
        f"from the same source would give another mean; the interval shows how far the two may differ."
    ]
    if infinite and finite.count:
        words.append(
            f"The mean is infinite because of {counted(infinite, 'row')} of infinite loss. All means, shares and "
            f"charts below are those of the other {counted(finite.count, 'row')}."
        )
    if not finite.count:
        return Section("The loss", [*words, "Every row has an infinite loss: there is nothing to draw."], [])
    interval = finite.interval(confidence)
    rows = [("measured", number(finite.mean, 8), range_of(*interval, 8))]
    caption = "The line is the interval."
    if baseline is not None:
        rows.append(("best constant", number(baseline.mean, 8), ""))
        caption = "The line is the interval. The best constant prediction is the same for every row."
        if np.ndim(baseline.prediction) == 0:
            constant = number(baseline.prediction)
            caption = f"The line is the interval. The best constant prediction is {constant} for every row."
    table = Table(("prediction", "mean loss", "interval"), rows)
    view = View("loss", charts.loss_chart(finite.mean, interval, baseline), caption, table)
    return Section("The loss", words, [Chart("Mean loss", [view])])


# ------------------------------------------------------------------------------------------------------- parts


def _parts(measured: Measurement, of: Mapping[int | str, Moments], one: str, many: str, confidence: float) -> Section:
    parts, shares = parts_of(measured, of, confidence), are_shares(measured, of)
    unit = "rows" if measured.weight == measured.count else "weight"
    listing = Listing(f"Every {one}", _listing_caption(len(parts), many), *_listed(parts[:_LISTED], one, unit, shares))
    words = _part_words(parts, shares, one, unit, measured, confidence)
    views = _part_views(measured, parts, shares, one, many, unit) if measured.total.finite.count else []
    return Section(f"By {one}", words, [Chart(f"Loss by {one}", views)] if views else [], [listing])


def _part_views(
    measured: Measurement, parts: Sequence[Part], shares: bool, one: str, many: str, unit: str
) -> list[View]:
    views, names = [_means_view(parts, measured, one, many, unit)], [part.name for part in parts]
    if shares:
        views = [_shares_view(parts, one, many, unit), *views]
    if len(parts) > 2 and are_dates(names):
        return [_ordered_view(parts, measured, one, unit, is_time=True), *views]
    if len(parts) > 2 and are_numbers(names):
        return [*views, _ordered_view(parts, measured, one, unit, is_time=False)]
    return views


def _means_view(parts: Sequence[Part], measured: Measurement, one: str, many: str, unit: str) -> View:
    by_mean = sorted(parts, key=lambda part: part.mean, reverse=True)[:_DRAWN]
    caption = (
        f"The mean loss of each {one} with its interval; the broken line is the mean over all rows. The mean of a few "
        "rows varies widely: read it with its interval."
    )
    figure = charts.means_chart(by_mean, measured.total.finite.mean)
    return View("Mean loss", figure, _with_cut(caption, parts, many), _part_table(by_mean, one, unit))


def _shares_view(parts: Sequence[Part], one: str, many: str, unit: str) -> View:
    drawn = parts[:_DRAWN]
    caption = (
        f"The share of the whole loss that comes from each {one}, with its interval. The upright mark is its share of "
        f"the {unit}: a bar that passes the mark has a mean loss above that of all rows."
    )
    figure = charts.shares_chart(drawn, unit)
    return View("Share of the loss", figure, _with_cut(caption, parts, many), _part_table(drawn, one, unit))


def _ordered_view(parts: Sequence[Part], measured: Measurement, one: str, unit: str, *, is_time: bool) -> View:
    by_name = {part.name: part for part in parts}
    ordered = [by_name[name] for name in in_order(list(by_name))][:_LISTED]
    caption = f"The mean loss of each {one} with its interval, in order; the broken line is the mean over all rows."
    return View(
        "In order",
        charts.ordered_chart(ordered, measured.total.finite.mean, one, is_line=is_time),
        caption,
        _part_table(ordered, one, unit),
    )


def _with_cut(caption: str, parts: Sequence[Part], many: str) -> str:
    return f"The {_DRAWN} worst of {len(parts):,} {many}. {caption}" if len(parts) > _DRAWN else caption


def _part_words(
    parts: Sequence[Part], shares: bool, one: str, unit: str, measured: Measurement, confidence: float
) -> list[str]:
    """The part that is the worst for its size, and the one with the largest share of the loss."""
    largest, words = parts[0], []
    worst = measured.standout(one, confidence) if len(parts) > 1 else None  # type: ignore[arg-type]
    if worst is not None:
        part = next(part for part in parts if part.name == str(worst.key))
        words.append(
            f"The worst {one} for its size is {short(part.name)}: its mean loss is {number(part.mean, 4)}, and that of "
            f"all rows {number(measured.total.finite.mean, 4)}."
        )
    elif len(parts) > 1:
        words.append(f"No {one} has a mean loss that is higher than that of all rows by more than chance explains.")
    if shares:
        words.append(
            f"The largest part of the loss, {percent(largest.share)}, comes from {one} {short(largest.name)}, which "
            f"has {percent(largest.weight)} of the {unit}."
        )
    else:
        words.append(f"The highest mean loss is that of {one} {short(largest.name)}: {number(largest.mean, 4)}.")
    return words


def _listing_caption(count: int, many: str) -> str:
    if count > _LISTED:
        return f"The worst {_LISTED:,} of {count:,} {many}; the measurement holds them all. Click a heading to sort."
    return "Worst first; click a heading to sort."


def _listed(parts: Sequence[Part], one: str, unit: str, shares: bool) -> tuple[list[str], list[list[Cell]]]:
    is_right, is_infinite = any(part.accuracy is not None for part in parts), any(part.infinite for part in parts)
    headings = [
        one,
        *(["share of the loss", "interval"] if shares else []),
        f"share of the {unit}",
        "mean loss",
        "interval",
    ]
    headings += ["rows", *(["rows of infinite loss"] if is_infinite else []), *(["accuracy"] if is_right else [])]
    return headings, [_part_cells(part, shares, is_right, is_infinite) for part in parts]


def _part_cells(part: Part, shares: bool, is_right: bool, is_infinite: bool) -> list[Cell]:
    share = (
        [_cell(part.share, percent(part.share)), _interval_cell(part.share_interval, of_share=True)] if shares else []
    )
    right = math.nan if part.accuracy is None else part.accuracy
    return [
        Cell(part.name),
        *share,
        _cell(part.weight, percent(part.weight)),
        _cell(part.mean, number(part.mean, 4, pad=True)),
        _interval_cell(part.mean_interval),
        _cell(part.count, f"{part.count:,}"),
        *([_cell(part.infinite, f"{part.infinite:,}")] if is_infinite else []),
        *([_cell(right, percent(right))] if is_right else []),
    ]


def _cell(value: float, text: str) -> Cell:
    """Sorted by its number; infinities by the largest double, which JavaScript reads too."""
    return Cell(text, None if math.isnan(value) else float(np.nan_to_num(value)))


def _interval_cell(interval: tuple[float, float], *, of_share: bool = False) -> Cell:
    low, high = interval
    if not math.isfinite(high - low):
        return Cell("unknown")
    return _cell(high - low, f"{percent(low)} to {percent(high)}" if of_share else range_of(low, high))


def _part_table(parts: Sequence[Part], one: str, unit: str) -> Table:
    rows = [
        (p.name, percent(p.share), percent(p.weight), number(p.mean, 5), range_of(*p.mean_interval), f"{p.count:,}")
        for p in parts
    ]
    return Table((one, "share of the loss", f"share of the {unit}", "mean loss", "interval", "rows"), rows)


# -------------------------------------------------------------------------------------------------------- rows


def _rows(measured: Measurement, images: Images, predicted: Predicted) -> list[Section]:
    found = None if measured.details is None else measured.details.losses
    bars = None if found is None else bars_of(found)
    listings = [_worst(measured, images, predicted)] if measured.worst else []
    if found is None or bars is None:
        return [Section("Row by row", [], [], listings)] if listings else []
    marks = [
        ("mean", measured.total.finite.mean),
        ("median", found.quantile(0.5)),
        ("99th percentile", found.quantile(0.99)),
    ]
    rows = View("Rows", charts.losses_chart(bars, marks, cost=False), _spread(found, bars), _bar_table(bars))
    views = [rows]
    if bars.low[0] >= 0.0:
        caption = "The same bars; the height is the share of the loss that these rows make up, each counted once."
        views.append(View("Share of the loss", charts.losses_chart(bars, marks, cost=True), caption, _bar_table(bars)))
    return [Section("Row by row", [_told(found, bars)], [Chart("Losses of single rows", views)], listings)]


def _told(found: Distribution, bars: Bars) -> str:
    """How much of the loss the worst rows hold, as far as bins tell."""
    if not math.isfinite(found.quantile(0.5)):
        return "Half of the rows or more have an infinite loss."
    if bars.low[0] < 0.0 or bars.cost.sum() == 0.0 or found.count < 100 or found.infinite:
        return f"Half of the rows have a loss below {number(found.quantile(0.5))}."
    low, high = found.edges
    counts, costs = found.counts[::-1], (found.counts * ((low + high) / 2))[::-1]
    reached = np.cumsum(counts)
    dear = float(np.interp(0.01 * found.count, np.append(0, reached), np.append(0.0, np.cumsum(costs))))
    share = percent(dear / float(costs.sum()), 0)
    return (
        f"Half of the rows have a loss below {number(found.quantile(0.5))}. The worst 1 % of the rows make up about "
        f"{share} of the loss, each row counted once."
    )


def _spread(found: Distribution, bars: Bars) -> str:
    rows = counted(found.count, "row")
    if bars.is_log:
        told = [f"{rows} on a logarithmic scale; the first bar also contains all smaller losses."]
    else:
        told = [f"{rows} on a linear scale; the first and the last bar also contain all losses beyond them."]
    if found.zeros and bars.is_log:
        told.append(f"Not shown: {counted(found.zeros, 'row')} whose loss is 0.")
    if found.infinite:
        told.append(f"Not shown: {counted(found.infinite, 'row')} whose loss is infinite.")
    return " ".join(told)


def _bar_table(bars: Bars) -> Table:
    total = float(bars.cost.sum()) or 1.0
    rows = [
        (f"{number(low, 4)} to {number(high, 4)}", f"{count:,.0f}", percent(cost / total))
        for low, high, count, cost in zip(bars.low, bars.high, bars.count, bars.cost, strict=True)
        if count
    ]
    return Table(("loss of a row", "rows", "share of the loss"), rows)


def _worst(measured: Measurement, images: Images, predicted: Predicted) -> Listing:
    pictures = thumbnails(measured.worst, images)
    known, cells = predicted.columns(measured.loss, measured.worst)
    named, shown = any(row.source for row in measured.worst), any(pictures)
    headings = [*(["image"] if shown else []), "row", *(["file"] if named else []), *known, "loss"]
    rows = []
    for place, (row, picture, told) in enumerate(zip(measured.worst, pictures, cells, strict=True), 1):
        image = [Cell(f"row {row.row}" if picture else "none", place, picture)] if shown else []
        source = [Cell(row.source)] if named else []
        rows.append([*image, _cell(row.row, str(row.row)), *source, *told, _cell(row.loss, number(row.loss, 6))])
    caption = "Rows are counted from 0. Wrong labels and broken files are often among them."
    return Listing("The worst rows", caption, headings, rows, shown=10 if shown else 20)


# ----------------------------------------------------------------------------------------------------- left out


def _skipped(skipped: Mapping[str, int]) -> Section:
    rows = [[Cell(reason), _cell(count, f"{count:,}")] for reason, count in skipped.items()]
    words = ["These rows could not be measured; no number above includes them."]
    return Section("Left out", words, [], [Listing("Reasons", "Click a heading to sort.", ("reason", "rows"), rows)])
