"""The sections of a report on the classes and the groups of a measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rashin.language import joined, said
from rashin.measurement import Measurement, Moments
from rashin.report.measured import charts
from rashin.report.measured.order import are_dates, are_numbers, in_order
from rashin.report.measured.values import Part, are_shares, parts_of
from rashin.report.page.frame import Cell, Chart, Listing, Section, Table, View, number_cell
from rashin.report.page.numbers import number, percent, percents, range_of, short

__all__ = ["Kind", "parts_section"]

_DRAWN = 25  # parts in a chart
_LISTED = 1000  # parts in a listing: more would slow a browser down


@dataclass(frozen=True)
class Kind:
    """The kind of parts: their name in ``standout``, their words for one and several, and the unit of their sizes."""

    by: Literal["class", "group"]
    one: str
    many: str
    unit: str


def parts_section(measured: Measurement, of: Mapping[int | str, Moments], kind: Kind, confidence: float) -> Section:
    parts, shares = parts_of(measured, of, confidence), are_shares(measured, of)
    listed = _listed(parts[:_LISTED], kind, shares)
    listing = Listing(said("Every {one}", one=kind.one), _listing_caption(len(parts), kind), *listed)
    words = [*_standout_words(parts, kind, measured, confidence), _largest_told(parts[0], kind, shares)]
    views = _part_views(measured, parts, shares, kind) if measured.total.finite.count else []
    shown = [Chart(said("Loss by {one}", one=kind.one), views)] if views else []
    return Section(said("By {one}", one=kind.one), words, shown, [listing])


def _part_views(measured: Measurement, parts: Sequence[Part], shares: bool, kind: Kind) -> list[View]:
    views, names = [_means_view(parts, measured, kind)], [str(part.key) for part in parts]
    if shares:
        views = [_shares_view(parts, kind), *views]
    if len(parts) > 2 and are_dates(names):
        return [_ordered_view(parts, measured, kind, is_time=True), *views]
    if len(parts) > 2 and are_numbers(names):
        return [*views, _ordered_view(parts, measured, kind, is_time=False)]
    return views


def _means_view(parts: Sequence[Part], measured: Measurement, kind: Kind) -> View:
    by_mean = sorted(parts, key=lambda part: part.mean, reverse=True)[:_DRAWN]
    caption = said(
        "The mean loss of each {one} with its interval; the broken line is the mean over all rows. The mean of a few "
        "rows varies widely: read it with its interval.",
        one=kind.one,
    )
    figure = charts.means_chart(by_mean, measured.total.finite.mean)
    return View(said("Mean loss"), figure, _with_cut(caption, parts, kind), _part_table(by_mean, kind))


def _shares_view(parts: Sequence[Part], kind: Kind) -> View:
    drawn = parts[:_DRAWN]
    caption = said(
        "The share of the whole loss that comes from each {one}, with its interval. The upright mark is its share of "
        "the {unit}: a bar that passes the mark has a mean loss above that of all rows.",
        one=kind.one,
        unit=kind.unit,
    )
    figure = charts.shares_chart(drawn, kind.unit)
    return View(said("Share of the loss"), figure, _with_cut(caption, parts, kind), _part_table(drawn, kind))


def _ordered_view(parts: Sequence[Part], measured: Measurement, kind: Kind, *, is_time: bool) -> View:
    ordered = in_order(parts, lambda part: str(part.key))[:_LISTED]
    caption = said(
        "The mean loss of each {one} with its interval, in order; the broken line is the mean over all rows.",
        one=kind.one,
    )
    figure = charts.ordered_chart(ordered, measured.total.finite.mean, kind.one, is_line=is_time)
    return View(said("In order"), figure, caption, _part_table(ordered, kind))


def _with_cut(caption: str, parts: Sequence[Part], kind: Kind) -> str:
    if len(parts) <= _DRAWN:
        return caption
    cut = said("The {drawn} worst of {count:,} {many}.", drawn=_DRAWN, count=len(parts), many=kind.many)
    return joined(cut, caption)


def _standout_words(parts: Sequence[Part], kind: Kind, measured: Measurement, confidence: float) -> list[str]:
    """The part with the worst loss for its size, if there are several parts."""
    if len(parts) < 2:
        return []
    worst = measured.standout(kind.by, confidence)
    if worst is None:
        none = said(
            "No {one} has a mean loss that is higher than that of all rows by more than chance explains.", one=kind.one
        )
        return [none]
    part = next(part for part in parts if part.key == worst.key)
    told = said(
        "The worst {one} for its size is {name}: its mean loss is {mean}, and that of all rows {whole}.",
        one=kind.one,
        name=short(part.name),
        mean=number(part.mean, 4),
        whole=number(measured.total.finite.mean, 4),
    )
    return [told]


def _largest_told(largest: Part, kind: Kind, shares: bool) -> str:
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


def _listing_caption(count: int, kind: Kind) -> str:
    if count > _LISTED:
        return said(
            "The worst {listed:,} of {count:,} {many}; the measurement holds them all. Click a heading to sort.",
            listed=_LISTED,
            count=count,
            many=kind.many,
        )
    return said("Worst first; click a heading to sort.")


def _listed(parts: Sequence[Part], kind: Kind, shares: bool) -> tuple[list[str], list[list[Cell]]]:
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
        [number_cell(part.share, percent(part.share)), _interval_cell(part.share_interval, of_share=True)]
        if shares
        else []
    )
    right = math.nan if part.accuracy is None else part.accuracy
    return [
        Cell(part.name),
        *share,
        number_cell(part.weight, percent(part.weight)),
        number_cell(part.mean, number(part.mean, 4, pad=True)),
        _interval_cell(part.mean_interval),
        number_cell(part.count, f"{part.count:,}"),
        *([number_cell(part.infinite, f"{part.infinite:,}")] if is_infinite else []),
        *([number_cell(right, percent(right))] if is_right else []),
    ]


def _interval_cell(interval: tuple[float, float], *, of_share: bool = False) -> Cell:
    low, high = interval
    if not math.isfinite(high - low):
        return Cell(said("unknown"))
    return number_cell(high - low, percents(low, high) if of_share else range_of(low, high))


def _part_table(parts: Sequence[Part], kind: Kind) -> Table:
    cells = [
        (p.name, percent(p.share), percent(p.weight), number(p.mean, 5), range_of(*p.mean_interval), f"{p.count:,}")
        for p in parts
    ]
    share, weight = said("share of the loss"), said("share of the {unit}", unit=kind.unit)
    return Table((kind.one, share, weight, said("mean loss"), said("interval"), said("rows")), cells)
