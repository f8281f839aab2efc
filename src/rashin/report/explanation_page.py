"""The page that explains a trained network: its words, and which chart stands where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rashin.learn import Curve
from rashin.report.charts import accuracy_map, band_chart, curve_chart, loss_map, spread_chart
from rashin.report.explanation import Explanation
from rashin.report.numbers import counted, number, percent
from rashin.report.page import Chart, Page, Section, Table, View

__all__ = ["DOWNHILL", "explanation_page", "weight_way"]

DOWNHILL = "distance downhill"

_NEARER = ("far", "near", "nearest")  # the names of up to three views
_ROWS = 21  # of a table: enough to follow a curve, few enough to be read out


def weight_way(found: Explanation) -> str:
    """The name of the axis along which one weight moves."""
    return f"change of {found.weight_name}"


def explanation_page(found: Explanation) -> Page:
    """The whole page.

    Raises
    ------
    ImportError : matplotlib is not installed; the message says how to get it.
    """
    here, gradient = found.downhill[0], -found.downhill[0].slope
    right = round(float(found.downhill[-1].accuracy[len(found.downhill[-1].offsets) // 2]) * found.samples)
    drawn = f"{found.samples:,}" if found.samples == found.of else f"{found.samples:,} drawn from {found.of:,}"
    facts = [
        ("network", found.network),
        ("data", found.data),
        ("samples", drawn),
        ("loss", f"{found.loss} = {here.value:.5g}"),
        ("accuracy", f"{percent(right / found.samples, 2)} ({right:,} of {found.samples:,})"),
        ("gradient norm", f"{gradient:.3g}"),
    ]
    return Page(
        "Why a network follows its loss",
        "Learning means changing the parameters a little, again and again, each time in the direction that helps. "
        "That takes a number that answers even the smallest change. The accuracy does not; the loss does.",
        facts,
        [_downhill(found), _one_weight(found), _landscape(found), _minibatches(found)],
    )


def _downhill(found: Explanation) -> Section:
    words = [
        "Here all parameters move together, straight against the gradient. The loss bends smoothly, and its tangent, "
        "which the backward pass computes, says which way is down and how steeply.",
        "The accuracy counts correct predictions. It stays constant, jumps when the predicted class of a sample "
        "changes, and stays constant again: a staircase. On a step its slope is 0, so it does not show a direction.",
    ]
    return Section("Downhill: loss against accuracy", words, [_curves("Along the gradient", found.downhill, DOWNHILL)])


def _one_weight(found: Explanation) -> Section:
    words = [
        f"Now a single weight moves, {found.weight_name}, the one with the largest derivative, and all others stay. "
        "The gradient answers this question for every weight: if it grows a little, does the loss rise or fall, and "
        "by how much?"
    ]
    title = f"The weight {found.weight_name}"
    return Section("One weight", words, [_curves(title, found.weight, weight_way(found))])


def _landscape(found: Explanation) -> Section:
    words = [
        "Two random directions span a plane through the parameters; the dot is the network. Each unit's weights move "
        "by as much as they are long, so that landscapes of different networks can be compared (Li and others, 2018).",
        "The loss has a slope at every place. The accuracy consists of flat areas.",
    ]
    table = _landscape_table(found)
    charts = [
        Chart("Loss", [View("loss", loss_map(found.landscape), _extremes(found.landscape.loss, "The loss"), table)]),
        Chart("Accuracy", [View("accuracy", accuracy_map(found.landscape), _shares(found.landscape.accuracy), table)]),
    ]
    return Section("The landscape", words, charts)


def _minibatches(found: Explanation) -> Section:
    batches = found.minibatches
    draws = batches.losses.shape[1]
    words = [
        f"The loss over all data is {batches.whole:.5g}. The loss of a random mini-batch estimates it: without bias, "
        "and more closely the larger the batch. Four times as many samples halve the error."
    ]
    one, last = batches.sizes[0], batches.sizes[-1]
    headings = ("batch size", "5 %", "median", "95 %", "error", "expected error")
    columns = (*(batches.quantile(q) for q in (0.05, 0.5, 0.95)), batches.spread, batches.expected_spread)
    rows = [(f"{size:,}", *_numbers(row)) for size, row in zip(batches.sizes, np.stack(columns, axis=1), strict=True)]
    table = Table(headings, rows)
    band = (
        f"{draws:,} batches of each size. Their root mean squared error is {batches.spread[0]:.2g} for batches of "
        f"{one:,} and {batches.spread[-1]:.2g} for batches of {last:,}."
    )
    spread = (
        "The root mean squared difference from the loss over all data. The expectation is the standard deviation of "
        "the samples' losses divided by √size, and less where a batch holds much of the data."
    )
    charts = [
        Chart("Losses of mini-batches", [View("losses", band_chart(batches), band, table)]),
        Chart("Error of the mini-batch loss", [View("error", spread_chart(batches), spread, table)]),
    ]
    return Section("A mini-batch is an approximation", words, charts)


def _curves(title: str, curves: Sequence[Curve], way: str) -> Chart:
    names = [f"{word}: ± {curve.offsets[-1]:g}" for word, curve in zip(_NEARER, curves, strict=False)]
    views = [View(n, curve_chart(c, way), _told(c), _curve_table(c)) for n, c in zip(names, curves, strict=True)]
    return Chart(title, views)


def _told(curve: Curve) -> str:
    """What a view shows, in a sentence."""
    right, reach = np.unique(np.round(curve.accuracy * curve.samples)).astype(int), curve.offsets[-1]
    turn = "falls" if curve.slope < 0 else "rises"
    tangent = f"The slope of the loss is {number(curve.slope)}: it {turn} to the right."
    if right.size == 1:
        change = curve.loss[-1] - curve.value
        return (
            f"{right[0]:,} of {curve.samples:,} predictions are correct, whatever the step: the accuracy is flat. "
            f"The loss changes by {number(change)} at {reach:g}. {tangent}"
        )
    steps = int(np.count_nonzero(np.diff(curve.accuracy)))
    return (
        f"{right[0]:,} to {right[-1]:,} of {curve.samples:,} predictions are correct, with {counted(steps, 'jump')} on "
        f"the way. {tangent}"
    )


def _curve_table(curve: Curve) -> Table:
    chosen = np.linspace(0, len(curve.offsets) - 1, _ROWS).round().astype(int)
    columns = (column[chosen] for column in (curve.offsets, curve.loss, curve.tangent, curve.accuracy))
    rows = [
        (number(offset), f"{loss:.7g}", number(tangent, 7), f"{share * curve.samples:,.0f}")
        for offset, loss, tangent, share in zip(*columns, strict=True)
    ]
    return Table(("offset", "loss", "tangent", f"correct, of {curve.samples:,}"), rows)


def _landscape_table(found: Explanation) -> Table:
    """Every other place along the two axes through the network."""
    land, middle = found.landscape, len(found.landscape.offsets[0]) // 2
    rows = []
    for i in range(0, len(land.offsets[0]), 2):
        places = ((i, middle), (middle, i))
        losses, shares = (f"{land.loss[p]:.4g}" for p in places), (f"{land.accuracy[p]:.1%}" for p in places)
        rows.append((number(land.offsets[0][i]), *losses, *shares))
    return Table(("offset", "loss, first", "loss, second", "accuracy, first", "accuracy, second"), rows)


def _extremes(values: Any, what: str) -> str:
    return f"{what} runs from {values.min():.3g} to {values.max():.3g}."


def _shares(accuracy: Any) -> str:
    return f"The accuracy runs from {percent(accuracy.min())} to {percent(accuracy.max())}."


def _numbers(row: Any) -> tuple[str, ...]:
    return tuple(number(value, 4) for value in row)
