"""The report of a measurement: its words, and which chart stands where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rashin.language import joined, said, speaking
from rashin.measurement import Baseline, Measurement, Moments
from rashin.measurement.distribution import Distribution
from rashin.report import measured_charts as charts
from rashin.report.left_out import left_out_section
from rashin.report.measured import Bars, Part, are_shares, bars_of, parts_of
from rashin.report.numbers import number, percent, percents, range_of, rows, short
from rashin.report.order import are_dates, are_numbers, in_order
from rashin.report.page import Cell, Chart, Listing, Page, Section, Table, View
from rashin.report.predicted import Predicted
from rashin.report.probability_page import calibration_section, threshold_section
from rashin.report.thumbnails import thumbnails

__all__ = ["Images", "measurement_page"]

_DRAWN = 25  # parts in a chart
_LISTED = 1000  # parts in a listing: of more a browser grows slow

NOTHING_PREDICTED = Predicted()


@dataclass(frozen=True)
class _Kind:
    """Of what parts there are: by which of ``standout``, and in words one, several, and what their sizes count."""

    by: Literal["class", "group"]
    one: str
    many: str
    unit: str


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
        raise ValueError("measurement: no row counts; there is nothing to report")
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
        kind = _Kind("class", said("class"), said("classes"), unit)
        sections.append(_parts(measured, measured.classes, kind, confidence))
    if measured.groups:
        kind = _Kind("group", said("group"), said("groups"), unit)
        sections.append(_parts(measured, measured.groups, kind, confidence))
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
    """The mean loss in one sentence, with its interval and the best constant prediction where they are known."""
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


# ------------------------------------------------------------------------------------------------------- parts


def _parts(measured: Measurement, of: Mapping[int | str, Moments], kind: _Kind, confidence: float) -> Section:
    parts, shares = parts_of(measured, of, confidence), are_shares(measured, of)
    listed = _listed(parts[:_LISTED], kind, shares)
    listing = Listing(said("Every {one}", one=kind.one), _listing_caption(len(parts), kind), *listed)
    words = [*_standout_words(parts, kind, measured, confidence), _largest_told(parts[0], kind, shares)]
    views = _part_views(measured, parts, shares, kind) if measured.total.finite.count else []
    shown = [Chart(said("Loss by {one}", one=kind.one), views)] if views else []
    return Section(said("By {one}", one=kind.one), words, shown, [listing])


def _part_views(measured: Measurement, parts: Sequence[Part], shares: bool, kind: _Kind) -> list[View]:
    views, names = [_means_view(parts, measured, kind)], [part.name for part in parts]
    if shares:
        views = [_shares_view(parts, kind), *views]
    if len(parts) > 2 and are_dates(names):
        return [_ordered_view(parts, measured, kind, is_time=True), *views]
    if len(parts) > 2 and are_numbers(names):
        return [*views, _ordered_view(parts, measured, kind, is_time=False)]
    return views


def _means_view(parts: Sequence[Part], measured: Measurement, kind: _Kind) -> View:
    by_mean = sorted(parts, key=lambda part: part.mean, reverse=True)[:_DRAWN]
    caption = said(
        "The mean loss of each {one} with its interval; the broken line is the mean over all rows. The mean of a few "
        "rows varies widely: read it with its interval.",
        one=kind.one,
    )
    figure = charts.means_chart(by_mean, measured.total.finite.mean)
    return View(said("Mean loss"), figure, _with_cut(caption, parts, kind), _part_table(by_mean, kind))


def _shares_view(parts: Sequence[Part], kind: _Kind) -> View:
    drawn = parts[:_DRAWN]
    caption = said(
        "The share of the whole loss that comes from each {one}, with its interval. The upright mark is its share of "
        "the {unit}: a bar that passes the mark has a mean loss above that of all rows.",
        one=kind.one,
        unit=kind.unit,
    )
    figure = charts.shares_chart(drawn, kind.unit)
    return View(said("Share of the loss"), figure, _with_cut(caption, parts, kind), _part_table(drawn, kind))


def _ordered_view(parts: Sequence[Part], measured: Measurement, kind: _Kind, *, is_time: bool) -> View:
    by_name = {part.name: part for part in parts}
    ordered = [by_name[name] for name in in_order(list(by_name))][:_LISTED]
    caption = said(
        "The mean loss of each {one} with its interval, in order; the broken line is the mean over all rows.",
        one=kind.one,
    )
    figure = charts.ordered_chart(ordered, measured.total.finite.mean, kind.one, is_line=is_time)
    return View(said("In order"), figure, caption, _part_table(ordered, kind))


def _with_cut(caption: str, parts: Sequence[Part], kind: _Kind) -> str:
    if len(parts) <= _DRAWN:
        return caption
    cut = said("The {drawn} worst of {count:,} {many}.", drawn=_DRAWN, count=len(parts), many=kind.many)
    return joined(cut, caption)


def _standout_words(parts: Sequence[Part], kind: _Kind, measured: Measurement, confidence: float) -> list[str]:
    """The part that is the worst for its size, where there are several."""
    if len(parts) < 2:
        return []
    worst = measured.standout(kind.by, confidence)
    if worst is None:
        none = said(
            "No {one} has a mean loss that is higher than that of all rows by more than chance explains.", one=kind.one
        )
        return [none]
    part = next(part for part in parts if part.name == str(worst.key))
    told = said(
        "The worst {one} for its size is {name}: its mean loss is {mean}, and that of all rows {whole}.",
        one=kind.one,
        name=short(part.name),
        mean=number(part.mean, 4),
        whole=number(measured.total.finite.mean, 4),
    )
    return [told]


def _largest_told(largest: Part, kind: _Kind, shares: bool) -> str:
    """The part with the largest share of the loss."""
    name = short(largest.name)
    if not shares:
        return said(
            "The highest mean loss is that of {one} {name}: {mean}.",
            one=kind.one,
            name=name,
            mean=number(largest.mean, 4),
        )
    return said(
        "The largest part of the loss, {share}, comes from {one} {name}, which has {weight} of the {unit}.",
        share=percent(largest.share),
        one=kind.one,
        name=name,
        weight=percent(largest.weight),
        unit=kind.unit,
    )


def _listing_caption(count: int, kind: _Kind) -> str:
    if count > _LISTED:
        return said(
            "The worst {listed:,} of {count:,} {many}; the measurement holds them all. Click a heading to sort.",
            listed=_LISTED,
            count=count,
            many=kind.many,
        )
    return said("Worst first; click a heading to sort.")


def _listed(parts: Sequence[Part], kind: _Kind, shares: bool) -> tuple[list[str], list[list[Cell]]]:
    is_right, is_infinite = any(part.accuracy is not None for part in parts), any(part.infinite for part in parts)
    headings = [
        kind.one,
        *([said("share of the loss"), said("interval")] if shares else []),
        said("share of the {unit}", unit=kind.unit),
        said("mean loss"),
        said("interval"),
        said("rows"),
        *([said("rows of infinite loss")] if is_infinite else []),
        *([said("accuracy")] if is_right else []),
    ]
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
        return Cell(said("unknown"))
    return _cell(high - low, percents(low, high) if of_share else range_of(low, high))


def _part_table(parts: Sequence[Part], kind: _Kind) -> Table:
    cells = [
        (p.name, percent(p.share), percent(p.weight), number(p.mean, 5), range_of(*p.mean_interval), f"{p.count:,}")
        for p in parts
    ]
    share, weight = said("share of the loss"), said("share of the {unit}", unit=kind.unit)
    return Table((kind.one, share, weight, said("mean loss"), said("interval"), said("rows")), cells)


# -------------------------------------------------------------------------------------------------------- rows


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
    """How much of the loss the worst rows hold, as far as bins tell."""
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
        lines.append([*first, _cell(row.row, str(row.row)), *source, *told, _cell(row.loss, number(row.loss, 6))])
    caption = said("Rows are counted from 0. Wrong labels and broken files are often among them.")
    return Listing(said("The worst rows"), caption, headings, lines, shown=10 if shown else 20)
