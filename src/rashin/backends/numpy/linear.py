"""A loss of logits after a linear layer, and the statistics of its rows, by blocks of NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.layer import GATHERED, LOGITS, Gradients, Layer, checked_layer
from rashin.backends.numpy.results import Program, Wanted, gradient_type, job
from rashin.backends.numpy.rows import LabelSweep, Rows
from rashin.backends.numpy.statistics import Statistics, empty_statistics, fill
from rashin.exact import empty_limbs
from rashin.reduction import Weighing, weigh
from rashin.refusal import Refusal

__all__ = ["evaluate_linear", "linear_statistics"]


def evaluate_linear(
    program: Program, inputs: Any, classifier: Any, target: Any, bias: Any, weight: Any, where: Any, reduction: str,
    derive: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """The reduced value, and the gradients if ``derive``."""
    options = dict(program.rule.options)
    in_place = not options["softcap"] and not options["label_smoothing"]
    layer, target, chosen = _arguments(inputs, classifier, target, bias, where, False, in_place)
    weighing = weigh(weight, chosen, (len(layer.inputs),), reduction)
    values = np.zeros(len(layer.inputs), gradient_type(layer.inputs)) if reduction == "none" else None
    gradients = Gradients(layer) if derive else None
    limbs, buffer = empty_limbs(), layer.buffer()
    for block in layer.blocks():
        x = layer.read(block)
        z = layer.logits(x, buffer)
        limbs += _sweep(program, layer, block, z, target, weighing, values, derive)
        if gradients is not None:
            gradients.add(block, x, z, None if weighing.weight is None else weighing.weight[block])
    value = weighing.reduce(limbs) if values is None else values
    return value, None if gradients is None else gradients.finished()


def linear_statistics(inputs: Any, classifier: Any, target: Any, bias: Any, where: Any) -> Statistics:
    """The statistics of the rows of logits; outside ``where`` 0, and the rank -1."""
    layer, target, _ = _arguments(inputs, classifier, target, bias, where, True)
    results = empty_statistics((len(layer.inputs),), layer.inputs)
    for array, outside in zip(results, (0.0, 0.0, 0.0, -1), strict=True):
        array[...] = outside
    buffer = layer.buffer()
    for block in layer.blocks():
        z = layer.logits(layer.read(block), buffer)
        found = empty_statistics((len(z),), layer.inputs)
        try:
            fill(found, z, -1, target[block], None)
        except Refusal as refusal:
            raise _refused(layer, z, block, refusal) from None
        for array, part in zip(results, found, strict=True):
            array[block] = part
    return results


def _arguments(
    inputs: Any, classifier: Any, target: Any, bias: Any, where: Any, only_labels: bool, in_place: bool = True
) -> tuple[Layer, NDArray[Any], NDArray[np.bool_] | None]:
    """The layer, the target (labels are whole and in range where they count), and the mask."""
    x = checks.array("inputs", inputs, where)
    chosen = None if where is None else checks.selection(where, x.shape[:1])
    t = checks.array("target", target, where)
    layer = checked_layer(x, classifier, bias, chosen, LOGITS if in_place and t.ndim == 1 else GATHERED)
    logits = np.broadcast_to(np.float32(0.0), (len(x), layer.classes))
    if checks.holds_distributions(logits, t, logits.shape[:1], only_labels):
        return layer, t, chosen
    labels = np.array(checks.labels(t, chosen))  # a copy: what is checked here is what is read later
    wrong = (labels < 0) | (labels >= layer.classes)
    if chosen is not None:
        wrong &= chosen
    if wrong.any():
        place = int(np.argmax(wrong))
        checks.refuse_label(t[place], (place,), layer.classes)
    return layer, labels, chosen


def _sweep(
    program: Program, layer: Layer, block: Any, z: NDArray[Any], target: NDArray[Any], weighing: Weighing,
    values: NDArray[Any] | None, derive: bool,
) -> NDArray[np.int64]:  # fmt: skip
    """Turn a block of logits into their gradient if ``derive``, fill in values; the exact sum of w l.

    In place, since every row is read before its gradient is written: 9 ms for 410 x 32000 of float32, where the
    gradient kept aside and copied back took 14.
    """
    weight = None if weighing.weight is None else weighing.weight[block]
    local = Weighing(weight, None, weighing.reduction, weighing.divisor, weighing.total)
    rows = Rows(program, z, target[block], -1, local, Wanted(values is not None, False, False), None)
    rows.gradient = z if derive else None
    sweep = LabelSweep(rows, Wanted(values is not None, derive, False))
    try:
        limbs = job(sweep.over, rows.boxes(sweep.cells), z.size)
    except Refusal as refusal:
        raise _refused(layer, z, block, refusal) from None
    if values is not None:
        values[block] = rows.results.values
    return limbs


def _refused(layer: Layer, z: NDArray[Any], block: Any, refusal: Refusal) -> Refusal:
    """What the sweep found in rows of logits, by the caller's arguments and rows; it counts from the start of ``z``."""
    place = refusal.index[0]
    row = block.start + place if isinstance(block, slice) else int(block[place])
    missing = np.isnan(z[place])
    if missing.any():
        layer.refuse_nan(row, int(np.argmax(missing)))
    if refusal.argument == "target":
        return refusal.at((row, *refusal.index[1:]))
    return Refusal(
        "inputs",
        f"row {row}, which gives the logits {checks.row_in_words(z[place])} with the classifier",
        "logits with at most one +inf",
        "leave the sample out by where=..., or change inputs, classifier or bias",
        also="where the loss has no limit",
    )
