"""The report of a measurement: its words, and which chart stands where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rashin.measurement import Measurement, Moments
from rashin.measurement.calibration import Calibration
from rashin.measurement.distribution import Distribution
from rashin.measurement.reliability import Reliability, Split, reliability, split
from rashin.measurement.thresholds import Thresholds, thresholds
from rashin.report import measured_charts as charts
from rashin.report.measured import Bars, Part, are_shares, bars_of, parts_of
from rashin.report.numbers import number, percent, range_of
from rashin.report.page import Cell, Chart, Listing, Page, Section, Table, View, page_html
from rashin.report.thumbnails import thumbnails
from rashin.report.writing import check_our_page
from rashin.storage import written_beside

__all__ = ["measurement_page", "write_measurement"]

_DRAWN = 25  # parts in a chart
_LISTED = 1000  # parts in a listing: of more a browser grows slow
_RATIOS = (0.1, 1.0, 10.0)  # what a miss costs, in false alarms
_QUARTER_POINTS = np.linspace(0.0, 1.0, 21)

Images = Mapping[tuple[str, int], ArrayLike] | ArrayLike | None


def write_measurement(
    measurement: Measurement,
    path: str | Path,
    *,
    title: str | None = None,
    confidence: float = 0.95,
    images: Images = None,
    source: str | None = None,
) -> Path:
    """Write the report of a measurement: one HTML file that needs no network.

    It shows what the measurement holds: ask ``measure`` for ``by_class``, ``accuracy``, ``baseline``, ``worst`` and
    ``details`` to see the sections they make. An earlier report is replaced; folders are made if need be.

    Parameters
    ----------
    title : the heading.
    confidence : of every interval, in (0, 1).
    images : pictures of the worst rows: a mapping from (source, row) to an image, or an array of images by row, each
        (H, W), (H, W, 3), or (H * H,).
    source : what was measured, such as the name of the file.

    Returns
    -------
    The path of the page.

    Raises
    ------
    ValueError : nothing was measured, or ``images`` do not fit the rows.
    FileExistsError : there is a file of that name that is no page of rashin's.
    ImportError : jinja2 or plotly is not installed; the message says how to get them.
    OSError : the file cannot be written.

    Examples
    --------
    >>> import tempfile, rashin
    >>> found = rashin.measure("squared_error", [1.0, 2.0, 4.0], [1.5, 2.0, 3.0], group=["a", "b", "b"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_measurement(found, Path(folder, "report.html"), source="three rows")
    ...     "<h2 id=\\"section-2\\">By group</h2>" in written.read_text(encoding="utf-8")
    True
    """
    path = Path(path)
    check_our_page(path)
    page = measurement_page(measurement, title=title, confidence=confidence, images=images, source=source)
    html = page_html(page)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as part:
        part.write_text(html, encoding="utf-8")
    return path


def measurement_page(
    measured: Measurement,
    *,
    title: str | None = None,
    confidence: float = 0.95,
    images: Images = None,
    source: str | None = None,
) -> Page:
    """The whole page; see :func:`write_measurement`."""
    if measured.count == 0:
        raise ValueError("measurement: no row counts; there is nothing to report")
    sections = [_whole(measured, confidence)]
    if measured.classes:
        sections.append(_parts(measured, measured.classes, "class", "classes", confidence))
    if measured.groups:
        sections.append(_parts(measured, measured.groups, "group", "groups", confidence))
    sections += _rows(measured, images)
    found = None if measured.details is None else measured.details.calibration
    if found is not None:
        sections.append(_calibration(found, confidence))
    if found is not None and found.kind == "binary":
        sections.append(_thresholds(found))
    if measured.skipped:
        sections.append(_skipped(measured.skipped))
    name = title or (f"The loss of {source}" if source else "The loss of a data set")
    return Page(name, _lead(measured, confidence), _facts(measured, confidence, source), sections)


def _lead(measured: Measurement, confidence: float) -> str:
    interval, baseline = measured.interval(confidence), measured.baseline
    told = f"{_name(measured.loss)} costs {number(measured.mean, 4)} on average"
    if math.isfinite(interval.high):
        told += f", with a {percent(confidence, 0)} interval from {range_of(*interval)}"
    if baseline is None or not math.isfinite(measured.mean):
        return f"{told}."
    if measured.mean > baseline.mean:
        return f"{told}. That is more than the best constant prediction costs, {number(baseline.mean, 4)}."
    saved = f", {percent(1.0 - measured.mean / baseline.mean, 0)} less" if baseline.mean > 0.0 < measured.mean else ""
    return f"{told}{saved}; the best constant prediction costs {number(baseline.mean, 4)}."


def _facts(measured: Measurement, confidence: float, source: str | None) -> list[tuple[str, str]]:
    weighted = measured.weight != measured.count
    facts = [
        ("data", source),
        ("loss", measured.loss),
        ("rows", f"{measured.count:,}"),
        ("weight", number(measured.weight, 6) if weighted else None),
        ("clusters", f"{len(measured.clusters):,}" if measured.clusters else None),
        ("mean loss", number(measured.mean, 6)),
        (f"{percent(confidence, 0)} interval", range_of(*measured.interval(confidence), 6)),
        ("best constant", number(measured.baseline.mean, 6) if measured.baseline else None),
        ("accuracy", None if measured.accuracy is None else percent(measured.accuracy, 2)),
        ("spread of a row", number(measured.spread, 4)),
        ("largest loss", number(measured.maximum, 4)),
        ("rows left out", f"{sum(measured.skipped.values()):,}" if measured.skipped else None),
    ]
    return [(name, value) for name, value in facts if value is not None]


def _whole(measured: Measurement, confidence: float) -> Section:
    interval, baseline = measured.interval(confidence), measured.baseline
    witness = "clusters" if measured.clusters else "rows"
    words = [
        f"The mean is the sum of weight times loss, divided by the sum of weights. Another sample of as many {witness} "
        f"from the same source would give another mean; the interval says how far off this one may be."
    ]
    rows = [("measured", number(measured.mean, 8), range_of(*interval, 8))]
    caption = "The line is the interval."
    if baseline is not None:
        rows.append(("best constant", number(baseline.mean, 8), ""))
        caption += f" The best constant prediction is {_constant(baseline.prediction)}, the same for every row."
    view = View(
        "loss",
        charts.loss_chart(measured.mean, interval, baseline),
        caption,
        Table(("", "mean loss", "interval"), rows),
    )
    return Section("The loss", words, [Chart("Mean loss", [view])])


def _constant(prediction: Any) -> str:
    values = np.atleast_1d(prediction)
    some = ", ".join(number(float(value)) for value in values[:10])
    return some if values.size == 1 else f"({some}{', …' if values.size > 10 else ''})"


# ------------------------------------------------------------------------------------------------------- parts


def _parts(measured: Measurement, of: Mapping[int | str, Moments], one: str, many: str, confidence: float) -> Section:
    parts, shares = parts_of(measured, of, confidence), are_shares(measured, of)
    drawn = parts[:_DRAWN]
    told = f"The {len(drawn)} worst of {len(parts):,} {many}. " if len(parts) > _DRAWN else ""
    table = _part_table(drawn, one)
    by_mean = sorted(parts, key=lambda part: part.mean, reverse=True)[:_DRAWN]
    means = View(
        "Mean loss",
        charts.means_chart(by_mean, measured.mean),
        f"{told}The mean loss of the rows of a {one}, with its interval; the broken line is the mean over all rows. "
        "A mean of few rows strays far: look at the interval first.",
        _part_table(by_mean, one),
    )
    views = [means]
    if shares:
        caption = f"{told}What share of the whole loss the rows of a {one} cost. "
        caption += f"Beyond the upright mark, its share of the weight, a {one} costs more than its size explains."
        views = [View("Share of the loss", charts.shares_chart(drawn), caption, table), means]
    listing = Listing(f"Every {one}", _listing_caption(len(parts), many), *_listed(parts[:_LISTED], one, shares))
    return Section(f"By {one}", _part_words(parts, shares, one, measured), [Chart(f"Loss by {one}", views)], [listing])


def _part_words(parts: Sequence[Part], shares: bool, one: str, measured: Measurement) -> list[str]:
    worst = parts[0]
    if not shares:
        told = f"The highest mean is that of {one} {worst.name}: {number(worst.mean, 4)}."
    else:
        told = f"Most of the loss comes from {one} {worst.name}: {percent(worst.share)} of it, with "
        told += f"{percent(worst.weight)} of the weight."
    if measured.clusters:
        told += " The interval of the whole allows for clusters; those of the parts take rows as independent."
    return [told]


def _listing_caption(count: int, many: str) -> str:
    if count > _LISTED:
        return f"The worst {_LISTED:,} of {count:,} {many}; the measurement holds them all. A heading sorts."
    return "Worst first; a heading sorts."


def _listed(parts: Sequence[Part], one: str, shares: bool) -> tuple[list[str], list[list[Cell]]]:
    is_right = any(part.accuracy is not None for part in parts)
    headings = [
        one,
        *(["share of the loss", "interval"] if shares else []),
        "share of the weight",
        "mean loss",
        "interval",
    ]
    return [*headings, "rows", *(["accuracy"] if is_right else [])], [_part_cells(p, shares, is_right) for p in parts]


def _part_cells(part: Part, shares: bool, is_right: bool) -> list[Cell]:
    share = [_cell(part.share, percent(part.share)), _interval_cell(part.share_interval, percent)] if shares else []
    right = math.nan if part.accuracy is None else part.accuracy
    return [
        Cell(part.name),
        *share,
        _cell(part.weight, percent(part.weight)),
        _cell(part.mean, number(part.mean, 4)),
        _interval_cell(part.mean_interval, number),
        _cell(part.count, f"{part.count:,}"),
        *([_cell(right, percent(right))] if is_right else []),
    ]


def _cell(value: float, text: str) -> Cell:
    """Sorted by its number; infinities by the largest double, which JavaScript reads too."""
    return Cell(text, None if math.isnan(value) else float(np.nan_to_num(value)))


def _interval_cell(interval: tuple[float, float], word: Any) -> Cell:
    low, high = interval
    if not math.isfinite(high - low):
        return Cell("unknown")
    return _cell(high - low, f"{word(low)} to {word(high)}")


def _part_table(parts: Sequence[Part], one: str) -> Table:
    rows = [
        (p.name, percent(p.share), percent(p.weight), number(p.mean, 5), range_of(*p.mean_interval), f"{p.count:,}")
        for p in parts
    ]
    return Table((one, "share of the loss", "share of the weight", "mean loss", "interval", "rows"), rows)


# -------------------------------------------------------------------------------------------------------- rows


def _rows(measured: Measurement, images: Images) -> list[Section]:
    found = None if measured.details is None else measured.details.losses
    bars = None if found is None else bars_of(found)
    listings = [_worst(measured, images)] if measured.worst else []
    if found is None or bars is None:
        return [Section("Row by row", [], [], listings)] if listings else []
    marks = [("mean", measured.mean), ("median", found.quantile(0.5)), ("99 % lie below", found.quantile(0.99))]
    rows = View("Rows", charts.losses_chart(bars, marks, cost=False), _spread(found, bars), _bar_table(bars))
    views = [rows]
    if bars.low[0] >= 0.0:
        caption = (
            "The same bars, each as high as the share of the loss that its rows cost together, whatever they weigh."
        )
        views.append(View("What they cost", charts.losses_chart(bars, marks, cost=True), caption, _bar_table(bars)))
    return [Section("Row by row", [_told(found, bars)], [Chart("Losses of single rows", views)], listings)]


def _told(found: Distribution, bars: Bars) -> str:
    """How much of the loss the worst rows hold, as far as bins tell."""
    if bars.low[0] < 0.0 or bars.cost.sum() == 0.0 or found.count < 100 or found.infinite:
        return f"Half of the rows cost less than {number(found.quantile(0.5))}."
    low, high = found.edges
    counts, costs = found.counts[::-1], (found.counts * ((low + high) / 2))[::-1]
    reached = np.cumsum(counts)
    dear = float(np.interp(0.01 * found.count, np.append(0, reached), np.append(0.0, np.cumsum(costs))))
    share = percent(dear / float(costs.sum()), 0)
    return (
        f"Half of the rows cost less than {number(found.quantile(0.5))}. The worst 1 % of the rows hold about {share} of "
        "the loss, each row counted once."
    )


def _spread(found: Distribution, bars: Bars) -> str:
    told = [f"{found.count:,} rows, on a {'logarithmic' if bars.is_log else 'linear'} scale."]
    if found.zeros and bars.is_log:
        told.append(f"Not shown: {found.zeros:,} rows whose loss is 0.")
    if found.infinite:
        told.append(f"Not shown: {found.infinite:,} rows whose loss is infinite.")
    return " ".join(told)


def _bar_table(bars: Bars) -> Table:
    total = float(bars.cost.sum()) or 1.0
    rows = [
        (f"{number(low, 4)} to {number(high, 4)}", f"{count:,.0f}", percent(cost / total))
        for low, high, count, cost in zip(bars.low, bars.high, bars.count, bars.cost, strict=True)
        if count
    ]
    return Table(("loss of a row", "rows", "share of the loss"), rows)


def _worst(measured: Measurement, images: Images) -> Listing:
    pictures = thumbnails(measured.worst, images)
    named, shown = any(row.source for row in measured.worst), any(pictures)
    headings = [*(["image"] if shown else []), "row", *(["file"] if named else []), "loss"]
    rows = []
    for place, (row, picture) in enumerate(zip(measured.worst, pictures, strict=True), 1):
        image = [Cell(f"row {row.row}" if picture else "none", place, picture)] if shown else []
        source = [Cell(row.source)] if named else []
        rows.append([*image, _cell(row.row, str(row.row)), *source, _cell(row.loss, number(row.loss, 6))])
    caption = "Rows are counted from 0. A wrong label or a broken file is often among them."
    return Listing("The worst rows", caption, headings, rows)


# ------------------------------------------------------------------------------------------------- calibration


def _calibration(found: Calibration, confidence: float) -> Section:
    binary = found.kind == "binary"
    event = "the target is 1" if binary else "the top class is right"
    parts = split(found)
    words = [
        "Predictions are calibrated if what is predicted with 80 % comes in 80 % of the cases."
        + (
            ""
            if binary
            else " Here the most probable class of each row is judged: its probability, and if it is right."
        ),
        f"The cross-entropy of whether {event}, {number(parts.cross_entropy, 4)}, has two parts. Calibration, "
        f"{number(parts.calibration, 3)}, is what a better scale of the same predictions would save. Refinement, "
        f"{number(parts.refinement, 4)}, is left when the scale is right: telling the rows apart better would lower it.",
    ]
    views = []
    for name, equal in (("Bins of equal weight", "weight"), ("Of equal width", "width")):
        curve = reliability(found, equal=equal, confidence=confidence)  # type: ignore[arg-type]
        caption = f"Lines are {percent(confidence, 0)} intervals (Wilson). The expected calibration error, the mean "
        caption += f"distance from the diagonal, is {percent(curve.error, 2)} over {curve.count.size} bins."
        views.append(View(name, charts.reliability_chart(curve, event), caption, _curve_table(curve)))
    two = [
        Chart("Predicted and observed", views),
        Chart(
            "What the cross-entropy is made of",
            [View("split", charts.split_chart(parts), _split_told(parts), _split_table(parts))],
        ),
    ]
    return Section("Calibration", words, two)


def _split_told(parts: Split) -> str:
    return (
        f"Always saying how often the event comes would cost {number(parts.uncertainty, 4)}. From {parts.bins} bins of equal "
        f"weight; with few rows to a bin, calibration looks too large and refinement too small, here by about "
        f"{number(parts.bias, 2)}. (Murphy 1973; Bröcker 2009; Kull and Flach 2015.)"
    )


def _split_table(parts: Split) -> Table:
    names = ("cross_entropy", "calibration", "refinement", "within", "uncertainty", "resolution")
    words = (
        "cross-entropy",
        "calibration",
        "refinement",
        "inside the bins",
        "best constant",
        "saved of it by the bins",
    )
    rows = [(word, number(getattr(parts, name), 6)) for name, word in zip(names, words, strict=True)]
    return Table(("part", "nats"), rows)


def _curve_table(curve: Reliability) -> Table:
    columns = (curve.predicted, curve.frequency, curve.low, curve.high, curve.count)
    rows = [
        (percent(p, 2), percent(f, 2), f"{percent(low, 2)} to {percent(high, 2)}", f"{count:,}")
        for p, f, low, high, count in zip(*columns, strict=True)
    ]
    return Table(("predicted", "observed", "interval", "rows"), rows)


# -------------------------------------------------------------------------------------------------- thresholds


def _thresholds(found: Calibration) -> Section:
    decided = thresholds(found)
    entropy = split(found).cross_entropy
    best = int(np.argmax(decided.accuracy))
    words = [
        "A decision says 1 where the probability reaches a threshold. Accuracy changes with the threshold, and so do the "
        "mistakes; the loss does not, for it judges the probabilities themselves.",
        f"Accuracy is highest at {percent(float(decided.threshold[best]))}: {percent(float(decided.accuracy[best]), 2)}. "
        f"{percent(decided.positive)} of the weight is positive.",
    ]
    fair = (
        "At threshold c a false alarm costs c and a miss 1 − c, the prices for which c is the right threshold. The area "
        f"under the curve is the cross-entropy, {number(entropy, 4)}: the loss is the cost of decisions, over all prices "
        "(Schervish 1989; Ehm and others 2016)."
    )
    prices = (
        "A false alarm and a miss cost 1 together; dots are the cheapest thresholds. With calibrated predictions they "
    )
    prices += "lie at the false alarm's part of it: 9 %, 50 % and 91 %."
    views = [
        View(
            "Loss and accuracy",
            charts.accuracy_chart(decided, entropy),
            _accuracy_told(decided),
            _decision_table(decided),
        ),
        View("Unequal prices", charts.cost_chart(decided, _RATIOS), prices, _price_table(decided)),
        View("The loss as an area", charts.fair_cost_chart(decided), fair, _price_table(decided)),
    ]
    return Section("The decision threshold", words, [Chart("By the threshold", views)])


def _accuracy_told(decided: Thresholds) -> str:
    place = int(np.searchsorted(decided.threshold, 0.5, side="right")) - 1
    return (
        f"At 50 %, {percent(float(decided.accuracy[place]), 2)} of the decisions are right. Found: "
        f"{percent(float(decided.true_positive_rate[place]))} of the positives; falsely called positive: "
        f"{percent(float(decided.false_positive_rate[place]))} of the negatives."
    )


def _at(decided: Thresholds) -> list[int]:
    places = np.searchsorted(decided.threshold, _QUARTER_POINTS, side="right") - 1
    return [int(place) for place in places]


def _decision_table(decided: Thresholds) -> Table:
    columns = (decided.accuracy, decided.true_positive_rate, decided.false_positive_rate)
    rows = [
        (percent(float(decided.threshold[i])), *(percent(float(column[i]), 2) for column in columns))
        for i in _at(decided)
    ]
    return Table(("threshold", "accuracy", "positives found", "false alarms among negatives"), rows)


def _price_table(decided: Thresholds) -> Table:
    columns = [decided.cost(1.0 / (1.0 + ratio)) for ratio in _RATIOS] + [decided.fair_cost]
    rows = [
        (percent(float(decided.threshold[i])), *(number(float(column[i]), 4) for column in columns))
        for i in _at(decided)
    ]
    return Table(("threshold", "alarm 10 times", "the same", "miss 10 times", "at its own price"), rows)


# ----------------------------------------------------------------------------------------------------- left out


def _skipped(skipped: Mapping[str, int]) -> Section:
    rows = [[Cell(reason), _cell(count, f"{count:,}")] for reason, count in skipped.items()]
    words = ["These rows could not be measured, and are in no number above."]
    return Section("Left out", words, [], [Listing("Reasons", "A heading sorts.", ("reason", "rows"), rows)])


def _name(loss: str) -> str:
    """The name of a loss without its parameters."""
    return loss.partition("(")[0]
