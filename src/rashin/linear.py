"""The loss after a linear layer, and the statistics of its rows, without ever holding all logits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.layer import GATHERED, LOGITS, Gradients, Layer, checked_layer
from rashin.loss import Loss
from rashin.losses.multiclass import softmax_cross_entropy
from rashin.reduction import Weighing, weigh
from rashin.statistics import SoftmaxStatistics, empty_statistics, fill

__all__ = ["LinearLoss", "linear_softmax_cross_entropy", "linear_softmax_statistics"]

Triple: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]  # d_inputs, d_classifier, d_bias


@dataclass(frozen=True)
class LinearLoss:
    """A loss of logits ``inputs @ classifier.T + bias``: :func:`softmax_cross_entropy` after a linear layer.

    The logits (N, C) are never stored: blocks of rows are multiplied by BLAS and consumed by the fused sweep, in at
    most 64 MiB beyond the gradients (more only beyond 262144 classes, or for a 16-bit classifier, whose gradient is
    added up in float32). Products are in float32 if inputs, classifier and bias are float32 or 16-bit, else in
    float64, and as exact as BLAS is; what follows them is exact, the sum over the samples too. The call gives the
    value, ``value_and_gradient`` the value and ``(d_inputs, d_classifier, d_bias)``, ``gradient`` these three alone.

    Parameters of every method
    --------------------------
    inputs : array (N, D) of real numbers, a row per sample.
    classifier : array (C, D) of real numbers, a row per class.
    target : integer labels (N,), or distributions (N, C) over the classes.
    bias : array (C,), or None; -inf masks a class. ``d_bias`` is None without it.
    weight : non-negative weights (N,).
    where : boolean mask (N,); what it leaves out is neither evaluated nor checked, and its ``d_inputs`` is 0.
    reduction : ``"mean"`` is sum(w l) / sum(w), ``"sum"`` is sum(w l), ``"none"`` is w l per sample, in the dtype of
        the inputs; its gradients are those of the sum.
    label_smoothing, z_loss, softcap : as in :func:`softmax_cross_entropy`.

    Raises
    ------
    TypeError : an argument is not an array of real numbers.
    ValueError : shapes do not fit, a number is NaN or lies outside its domain, the logits of a row have no limit (all
        -inf, several +inf), or there is nothing to take the mean of.

    Examples
    --------
    >>> import numpy as np, rashin
    >>> inputs, classifier = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> rashin.linear_softmax_cross_entropy(inputs, classifier, [2, 0])
    1.1348003...
    >>> value, (d_inputs, d_classifier, d_bias) = rashin.linear_softmax_cross_entropy.value_and_gradient(
    ...     inputs, classifier, [2, 0], bias=[0.0, 0.5, 0.0]
    ... )
    >>> d_bias
    array([-0.40017638,  0.44737841, -0.04720202])

    Reference: Wijmans et al. (2024), Cut your losses in large-vocabulary language models.
    """

    loss: Loss

    def __call__(
        self,
        inputs: Any,
        classifier: Any,
        target: Any,
        bias: Any = None,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softcap: float | None = None,
    ) -> Any:
        """The reduced loss: a float, or an array of the samples' losses for ``reduction="none"``."""
        loss = self.loss.replace(label_smoothing=label_smoothing, z_loss=z_loss, softcap=softcap)
        return _evaluate(loss, inputs, classifier, target, bias, weight, where, reduction, False)[0]

    def gradient(
        self,
        inputs: Any,
        classifier: Any,
        target: Any,
        bias: Any = None,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softcap: float | None = None,
    ) -> Triple:
        """The gradient of the reduced loss by inputs, classifier and bias."""
        loss = self.loss.replace(label_smoothing=label_smoothing, z_loss=z_loss, softcap=softcap)
        gradients: Triple = _evaluate(loss, inputs, classifier, target, bias, weight, where, reduction, True)[1]
        return gradients

    def value_and_gradient(
        self,
        inputs: Any,
        classifier: Any,
        target: Any,
        bias: Any = None,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softcap: float | None = None,
    ) -> tuple[Any, Triple]:
        """The reduced loss and its gradient by inputs, classifier and bias."""
        loss = self.loss.replace(label_smoothing=label_smoothing, z_loss=z_loss, softcap=softcap)
        return _evaluate(loss, inputs, classifier, target, bias, weight, where, reduction, True)

    def __repr__(self) -> str:
        return f"linear_{self.loss.name}"


linear_softmax_cross_entropy = LinearLoss(softmax_cross_entropy)


def linear_softmax_statistics(
    inputs: Any, classifier: Any, target: Any, bias: Any = None, *, where: Any = None
) -> SoftmaxStatistics:
    """The :func:`softmax_statistics` of the logits ``inputs @ classifier.T + bias``, which are never stored.

    Parameters
    ----------
    inputs, classifier, bias : as in :func:`linear_softmax_cross_entropy`.
    target : integer labels (N,).
    where : boolean mask (N,); what it leaves out is neither evaluated nor checked, and gets 0, its rank -1.

    Raises
    ------
    TypeError : an argument is not an array of real numbers.
    ValueError : shapes do not fit, a number is NaN, a label is no class, or the logits of a row have no limit.

    Examples
    --------
    >>> import rashin
    >>> rashin.linear_softmax_statistics([[2.0]], [[1.0], [0.0], [-1.0]], [1]).log_probability
    array([-2.14293163])
    """
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
        except ValueError as error:
            _refuse(layer, z, block, error)
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
    labels = checks.labels(t, chosen)
    wrong = (labels < 0) | (labels >= layer.classes)
    if chosen is not None:
        wrong &= chosen
    if wrong.any():
        place = int(np.argmax(wrong))
        checks.refuse_label(t[place], (place,), layer.classes)
    return layer, labels, chosen


def _evaluate(
    loss: Loss, inputs: Any, classifier: Any, target: Any, bias: Any, weight: Any, where: Any, reduction: str,
    derive: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """The reduced value, and the gradients if ``derive``."""
    from rashin.backends.numpy.results import gradient_type
    from rashin.exact import empty_limbs

    in_place = not loss.parameters["softcap"] and not loss.parameters["label_smoothing"]
    layer, target, chosen = _arguments(inputs, classifier, target, bias, where, False, in_place)
    weighing = weigh(weight, chosen, (len(layer.inputs),), reduction)
    values = np.zeros(len(layer.inputs), gradient_type(layer.inputs)) if reduction == "none" else None
    gradients = Gradients(layer) if derive else None
    limbs, buffer = empty_limbs(), layer.buffer()
    for block in layer.blocks():
        x = layer.read(block)
        z = layer.logits(x, buffer)
        limbs += _sweep(loss, layer, block, z, target, weighing, values, derive)
        if gradients is not None:
            gradients.add(block, x, z, None if weighing.weight is None else weighing.weight[block])
    value = weighing.reduce(limbs) if values is None else values
    return value, None if gradients is None else gradients.finished()


def _sweep(
    loss: Loss, layer: Layer, block: Any, z: NDArray[Any], target: NDArray[Any], weighing: Weighing,
    values: NDArray[Any] | None, derive: bool,
) -> NDArray[np.int64]:  # fmt: skip
    """Turn a block of logits into their gradient if ``derive``, fill in values; the exact sum of w l.

    In place, since every row is read before its gradient is written: 9 ms for 410 x 32000 of float32, where the
    gradient kept aside and copied back took 14.
    """
    from rashin.backends.numpy.results import Wanted, job
    from rashin.backends.numpy.rows import LabelSweep, Rows

    weight = None if weighing.weight is None else weighing.weight[block]
    local = Weighing(weight, None, weighing.reduction, weighing.divisor, weighing.total)
    rows = Rows(loss._program, z, target[block], -1, local, Wanted(values is not None, False, False), None)
    rows.gradient = z if derive else None
    sweep = LabelSweep(rows, Wanted(values is not None, derive, False))
    try:
        limbs = job(sweep.over, rows.boxes(sweep.cells), z.size)
    except ValueError as error:
        _refuse(layer, z, block, error)
    if values is not None:
        values[block] = rows.results.values
    return limbs


def _refuse(layer: Layer, z: NDArray[Any], block: Any, error: ValueError) -> NoReturn:
    """Words for what the sweep found in rows of logits: by the caller's arguments and row numbers.

    The sweep counts rows from the start of ``z`` and knows of logits only; its message says which row.
    """
    text = str(error)
    found = re.search(r"at index (\(?)(\d+)", text)
    if found is None:
        raise error
    place = int(found[2])
    row = block.start + place if isinstance(block, slice) else int(block[place])
    missing = np.isnan(z[place])
    if missing.any():
        layer.refuse_nan(row, int(np.argmax(missing)))
    if text.startswith("target"):
        raise ValueError(text.replace(found[0], f"at index {found[1]}{row}", 1)) from None
    shown = checks.row_in_words(z[place])
    raise ValueError(
        f"inputs: row {row} and the classifier give the logits {shown}, where the loss has no limit; accepted is at "
        f"most one +inf: leave the sample out by `where`, or fix inputs, classifier or bias"
    ) from None
