"""The page that explains a trained network: its text, and the order of its charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rashin.language import counted, joined, said, speaking
from rashin.learn import Curve
from rashin.report.explained.charts import accuracy_map, band_chart, curve_chart, loss_map, spread_chart
from rashin.report.explained.explanation import Explanation
from rashin.report.page.frame import Chart, Page, Section, Table, View
from rashin.report.page.numbers import number, percent

__all__ = ["downhill_way", "explanation_page", "weight_way"]

_ROWS = 21  # of a table: enough to follow a curve, few enough to be read out


def downhill_way() -> str:
    """The name of the axis along which all parameters move against the gradient."""
    return said("distance downhill")


def weight_way(found: Explanation) -> str:
    """The name of the axis along which one weight moves."""
    return said("change of {weight}", weight=found.weight_name)


def explanation_page(found: Explanation, lang: str = "en") -> Page:
    """The whole page, in the language ``lang``, "en" or "ja".

    Raises
    ------
    ValueError : rashin is not translated into that language.
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    with speaking(lang):
        sections = [_downhill(found), _one_weight(found), _landscape(found), _minibatches(found)]
        lead = said(
            "Learning means changing the parameters a little, again and again, each time in the direction that helps. "
            "That takes a number that answers even the smallest change. The accuracy does not; the loss does."
        )
        return Page(said("Why a network follows its loss"), lead, _facts(found), sections, lang=lang)


def _facts(found: Explanation) -> list[tuple[str, str]]:
    here, gradient = found.downhill[0], -found.downhill[0].slope
    right = round(float(found.downhill[-1].accuracy[len(found.downhill[-1].offsets) // 2]) * found.samples)
    drawn = f"{found.samples:,}"
    if found.samples != found.of:
        drawn = said("{samples:,} drawn from {of:,}", samples=found.samples, of=found.of)
    share = percent(right / found.samples, 2)
    return [
        (said("network"), found.network),
        (said("data"), found.data),
        (said("samples"), drawn),
        (said("loss"), f"{found.loss} = {here.value:.5g}"),
        (said("accuracy"), said("{share} ({right:,} of {samples:,})", share=share, right=right, samples=found.samples)),
        (said("gradient norm"), f"{gradient:.3g}"),
    ]


def _downhill(found: Explanation) -> Section:
    words = [
        said(
            "Here all parameters move together, straight against the gradient. The loss bends smoothly, and its "
            "tangent, which the backward pass computes, says which way is down and how steeply."
        ),
        said(
            "The accuracy counts correct predictions. It stays constant, jumps when the predicted class of a sample "
            "changes, and stays constant again: a staircase. On a step its slope is 0, so it does not show a direction."
        ),
    ]
    chart = _curves(said("Along the gradient"), found.downhill, downhill_way())
    return Section(said("Downhill: loss against accuracy"), words, [chart])


def _one_weight(found: Explanation) -> Section:
    words = [
        said(
            "Now a single weight moves, {weight}, the one with the largest derivative, and all others stay. The "
            "gradient answers this question for every weight: if it grows a little, does the loss rise or fall, and "
            "by how much?",
            weight=found.weight_name,
        )
    ]
    title = said("The weight {weight}", weight=found.weight_name)
    return Section(said("One weight"), words, [_curves(title, found.weight, weight_way(found))])


def _landscape(found: Explanation) -> Section:
    words = [
        said(
            "Two random directions span a plane through the parameters; the dot is the network. Each unit's weights "
            "move by as much as they are long, so that landscapes of different networks can be compared (Li and "
            "others, 2018)."
        ),
        said("The loss has a slope at every place. The accuracy consists of flat areas."),
    ]
    land, table = found.landscape, _landscape_table(found)
    charts = [
        Chart(said("Loss"), [View(said("loss"), loss_map(land), _extremes(land.loss), table)]),
        Chart(said("Accuracy"), [View(said("accuracy"), accuracy_map(land), _shares(land.accuracy), table)]),
    ]
    return Section(said("The landscape"), words, charts)


def _minibatches(found: Explanation) -> Section:
    batches = found.minibatches
    draws = batches.losses.shape[1]
    words = [
        said(
            "The loss over all data is {whole:.5g}. The loss of a random mini-batch estimates it: without bias, and "
            "more closely the larger the batch. Four times as many samples halve the error.",
            whole=batches.whole,
        )
    ]
    headings = (said("batch size"), "5 %", said("median"), "95 %", said("error"), said("expected error"))
    columns = (*(batches.quantile(q) for q in (0.05, 0.5, 0.95)), batches.spread, batches.expected_spread)
    rows = [(f"{size:,}", *_numbers(row)) for size, row in zip(batches.sizes, np.stack(columns, axis=1), strict=True)]
    table = Table(headings, rows)
    band = said(
        "{draws:,} batches of each size. Their root mean squared error is {first_error:.2g} for batches of {first:,} "
        "and {last_error:.2g} for batches of {last:,}.",
        draws=draws,
        first_error=batches.spread[0],
        first=batches.sizes[0],
        last_error=batches.spread[-1],
        last=batches.sizes[-1],
    )
    spread = said(
        "The root mean squared difference from the loss over all data. The expectation is the standard deviation of "
        "the samples' losses divided by √size, and less where a batch holds much of the data."
    )
    charts = [
        Chart(said("Losses of mini-batches"), [View(said("losses"), band_chart(batches), band, table)]),
        Chart(said("Error of the mini-batch loss"), [View(said("error"), spread_chart(batches), spread, table)]),
    ]
    return Section(said("A mini-batch is an approximation"), words, charts)


def _curves(title: str, curves: Sequence[Curve], way: str) -> Chart:
    nearer = (said("far"), said("near"), said("nearest"))  # the names of up to three views
    names = [f"{word}: ± {curve.offsets[-1]:g}" for word, curve in zip(nearer, curves, strict=False)]
    views = [View(n, curve_chart(c, way), _told(c), _curve_table(c)) for n, c in zip(names, curves, strict=True)]
    return Chart(title, views)


def _told(curve: Curve) -> str:
    """A sentence about a view."""
    right, reach = np.unique(np.round(curve.accuracy * curve.samples)).astype(int), curve.offsets[-1]
    if right.size == 1:
        flat = said(
            "{right:,} of {samples:,} predictions are correct, whatever the step: the accuracy is flat. The loss "
            "changes by {change} at {reach:g}.",
            right=right[0],
            samples=curve.samples,
            change=number(curve.loss[-1] - curve.value),
            reach=reach,
        )
        return joined(flat, _slope_told(curve))
    stairs = said(
        "{low:,} to {high:,} of {samples:,} predictions are correct, with {jumps} on the way.",
        low=right[0],
        high=right[-1],
        samples=curve.samples,
        jumps=counted(int(np.count_nonzero(np.diff(curve.accuracy))), "{count:,} jump", "{count:,} jumps"),
    )
    return joined(stairs, _slope_told(curve))


def _slope_told(curve: Curve) -> str:
    if curve.slope < 0:
        return said("The slope of the loss is {slope}: it falls to the right.", slope=number(curve.slope))
    return said("The slope of the loss is {slope}: it rises to the right.", slope=number(curve.slope))


def _curve_table(curve: Curve) -> Table:
    chosen = np.linspace(0, len(curve.offsets) - 1, _ROWS).round().astype(int)
    columns = (column[chosen] for column in (curve.offsets, curve.loss, curve.tangent, curve.accuracy))
    rows = [
        (number(offset), f"{loss:.7g}", number(tangent, 7), f"{share * curve.samples:,.0f}")
        for offset, loss, tangent, share in zip(*columns, strict=True)
    ]
    right = said("correct, of {samples:,}", samples=curve.samples)
    return Table((said("offset"), said("loss"), said("tangent"), right), rows)


def _landscape_table(found: Explanation) -> Table:
    """Every other place along the two axes through the network."""
    land, middle = found.landscape, len(found.landscape.offsets[0]) // 2
    rows = []
    for i in range(0, len(land.offsets[0]), 2):
        places = ((i, middle), (middle, i))
        losses, shares = (f"{land.loss[p]:.4g}" for p in places), (f"{land.accuracy[p]:.1%}" for p in places)
        rows.append((number(land.offsets[0][i]), *losses, *shares))
    of_loss, of_accuracy = (
        (said("loss, first"), said("loss, second")),
        (said("accuracy, first"), said("accuracy, second")),
    )
    return Table((said("offset"), *of_loss, *of_accuracy), rows)


def _extremes(loss: Any) -> str:
    return said("The loss runs from {low:.3g} to {high:.3g}.", low=loss.min(), high=loss.max())


def _shares(accuracy: Any) -> str:
    low, high = percent(accuracy.min()), percent(accuracy.max())
    return said("The accuracy runs from {low} to {high}.", low=low, high=high)


def _numbers(row: Any) -> tuple[str, ...]:
    return tuple(number(value, 4) for value in row)
