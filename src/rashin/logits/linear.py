"""The loss after a linear layer, and the statistics of its rows, without storing all logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from rashin.backends import found
from rashin.logits.statistics import SoftmaxStatistics
from rashin.loss import Loss
from rashin.losses.multiclass import softmax_cross_entropy

__all__ = ["LinearLoss", "linear_softmax_cross_entropy", "linear_softmax_statistics"]

Triple: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]  # d_inputs, d_classifier, d_bias


@dataclass(frozen=True)
class LinearLoss:
    """A loss of logits ``inputs @ classifier.T + bias``: :func:`softmax_cross_entropy` after a linear layer.

    A call returns the value, ``gradient`` returns ``(d_inputs, d_classifier, d_bias)``, and ``value_and_gradient``
    returns both.

    The logits (N, C) are never stored: BLAS multiplies blocks of rows, and the fused sweep uses each block at once.
    This takes at most 64 MiB beyond the gradients, or the logits of 256 rows beyond 65536 classes; more only for a
    16-bit classifier, whose gradient is summed in float32. Products are in float32 if inputs, classifier and bias are
    float32 or 16-bit, otherwise in float64, with the accuracy of BLAS. All later steps are exact, the sum over the
    samples too.

    Parameters of every method
    --------------------------
    inputs : array (N, D) of real numbers, a row per sample.
    classifier : array (C, D) of real numbers, a row per class.
    target : integer labels (N,), or distributions (N, C) over the classes.
    bias : array (C,), or None; -inf masks a class. ``d_bias`` is None without it.
    weight : non-negative weights (N,).
    where : boolean mask (N,); samples outside it are neither evaluated nor checked, and their ``d_inputs`` is 0.
    reduction : ``"mean"`` is sum(w l) / sum(w), ``"sum"`` is sum(w l), ``"none"`` is w l per sample, in the dtype of
        the inputs; its gradients are those of the sum.
    label_smoothing, z_loss, softcap : as in :func:`softmax_cross_entropy`.

    Raises
    ------
    TypeError : an argument is not an array of real numbers.
    ValueError : shapes do not fit, a number is NaN or lies outside its domain, the logits of a row have no limit (all
        -inf, several +inf), or there is no sample to average.

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
        """The reduced loss: a float, or an array with the loss of each sample for ``reduction="none"``."""
        program = self.loss.program_for(inputs, label_smoothing=label_smoothing, z_loss=z_loss, softcap=softcap)
        return _evaluated(program, inputs, classifier, target, bias, weight, where, reduction, False)[0]

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
        """The gradient of the reduced loss with respect to inputs, classifier and bias."""
        program = self.loss.program_for(inputs, label_smoothing=label_smoothing, z_loss=z_loss, softcap=softcap)
        gradients: Triple = _evaluated(program, inputs, classifier, target, bias, weight, where, reduction, True)[1]
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
        """The reduced loss and its gradient with respect to inputs, classifier and bias."""
        program = self.loss.program_for(inputs, label_smoothing=label_smoothing, z_loss=z_loss, softcap=softcap)
        return _evaluated(program, inputs, classifier, target, bias, weight, where, reduction, True)

    def __repr__(self) -> str:
        return f"linear_{self.loss.name}"


def _evaluated(
    program: Any, inputs: Any, classifier: Any, target: Any, bias: Any, weight: Any, where: Any, reduction: str,
    derive: bool,
) -> tuple[Any, Any]:  # fmt: skip
    parts: tuple[Any, Any] = found.of(inputs).evaluate_linear(
        program, inputs, classifier, target, bias, weight, where, reduction, derive
    )
    return parts


linear_softmax_cross_entropy = LinearLoss(softmax_cross_entropy)


def linear_softmax_statistics(
    inputs: Any, classifier: Any, target: Any, bias: Any = None, *, where: Any = None
) -> SoftmaxStatistics:
    """The :func:`softmax_statistics` of the logits ``inputs @ classifier.T + bias``, which are never stored.

    Parameters
    ----------
    inputs, classifier, bias : as in :func:`linear_softmax_cross_entropy`.
    target : integer labels (N,).
    where : boolean mask (N,); rows outside it are neither evaluated nor checked, and get 0, and the rank -1.

    Raises
    ------
    TypeError : an argument is not an array of real numbers.
    ValueError : shapes do not fit, a number is NaN, a label is not a class, or the logits of a row have no limit.

    Examples
    --------
    >>> import rashin
    >>> rashin.linear_softmax_statistics([[2.0]], [[1.0], [0.0], [-1.0]], [1]).log_probability
    array([-2.14293163])
    """
    return SoftmaxStatistics(*found.of(inputs).linear_statistics(inputs, classifier, target, bias, where))
