"""Arrays of any library, as the dialects need them: before a loss of the core, and after it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rashin import checks
from rashin.backends import found
from rashin.logits import logsumexp, sigmoid
from rashin.losses import (
    absolute_error,
    distillation,
    hinge,
    negative_log_likelihood,
    poisson,
    sigmoid_cross_entropy,
    sigmoid_focal,
    softmax_kullback_leibler,
)

__all__ = [
    "among_classes",
    "beside",
    "beyond",
    "cast",
    "class_weighted",
    "collected",
    "divergence",
    "divergence_of_logarithms",
    "divided",
    "focal_of_shares",
    "logarithm",
    "mass",
    "nonnegative",
    "of_shares",
    "one_hot",
    "over_all",
    "own_class",
    "read",
    "repeated",
    "rounded",
    "same_shape",
    "signs",
    "taken",
    "weights",
    "widened",
]


def read(prediction: Any, *others: Any) -> tuple[Any, ...]:
    """The functions of the prediction's library, and the arguments as its arrays; None stays None."""
    backend = found.of(prediction)
    xp = backend.namespace(prediction)

    def as_array(given: Any) -> Any:
        # An array of the library stays as it is: torch's asarray may cut it off from autograd's graph.
        is_one = xp is not np and found.of(given) is backend
        return given if given is None or is_one else backend.beside(given, prediction)

    return xp, *map(as_array, (prediction, *others))


def beside(values: Any, like: Any) -> Any:
    """The values as an array of the library of ``like``, and on its device."""
    return found.of(like).beside(values, like)


def widened(array: Any) -> Any:
    """The numbers in doubles, where the library has them."""
    return found.of(array).widened(array)


def detached(array: Any) -> Any:
    """The numbers as constants, through which no derivative goes."""
    return found.of(array).detached(array)


def rounded(value: Any, like: Any) -> Any:
    """Numbers in the type of ``like``."""
    return found.of(like).rounded(value, like)


def cast(xp: Any, array: Any, dtype: Any) -> Any:
    """The array in another type; NumPy before 2.1 has this as a method only."""
    return xp.astype(array, dtype) if hasattr(xp, "astype") else array.astype(dtype)


def same_shape(**arrays: Any) -> None:
    """Refuse what the library would broadcast.

    Raises
    ------
    ValueError : the shapes differ.
    """
    (first, given), *others = arrays.items()
    for name, array in others:
        if tuple(array.shape) != tuple(given.shape):
            raise ValueError(
                f"{name}: got shape {tuple(array.shape)}; expected {tuple(given.shape)}, the shape of {first}"
            )


def signs(target: Any) -> Any:
    """The target, -1 and +1; the core refuses other numbers, inside compiled programs too."""
    return -hinge.gradient(0.0 * target, target, reduction="sum")


def weights(weight: Any) -> Any:
    """The weights; the core refuses negative ones and NaN."""
    xp, weight = read(weight)
    zeros = xp.zeros_like(weight)
    return absolute_error(zeros + 1.0, zeros, weight=weight, reduction="none")


def nonnegative(xp: Any, target: Any) -> Any:
    """The targets in doubles; the core refuses negative ones and NaN, inside compiled programs too."""
    target = widened(target)
    rate = xp.zeros_like(target) - 1024.0  # e to that is 0, so that the loss is the target's multiple by a power of 2
    return poisson(rate, target, reduction="none") / 1024.0


def one_hot(xp: Any, labels: Any, classes: int, axis: int) -> Any:
    """True at the class of each label, along ``axis`` of the result."""
    return xp.moveaxis(labels[..., None] == beside(np.arange(classes), labels), -1, axis)


def own_class(xp: Any, z: Any, labels: Any) -> Any:
    """True at the class of each label, along the last axis; the core refuses other labels."""
    return negative_log_likelihood.gradient(xp.zeros_like(z), labels, reduction="sum", normalized=False) < 0.0


def taken(xp: Any, weight: Any, labels: Any, classes: int) -> Any:
    """The weights of the labels' classes; what is not a class gets any weight, and is refused by the core."""
    _require_each_class(weight, classes)
    return weight[xp.where((labels >= 0) & (labels < classes), labels, 0)]


def _require_each_class(weight: Any, classes: int) -> None:
    if tuple(weight.shape) != (classes,):
        raise ValueError(f"weight: got shape {tuple(weight.shape)}; expected ({classes},), a number for each class")


def repeated(xp: Any, name: str, array: Any, z: Any, *, lacks_axes: bool = False) -> Any:
    """An array in the shape of the prediction, with axes of one number repeated, and the first ones if it lacks them.

    This is for arguments for which the library documents it.

    Raises
    ------
    ValueError : another axis differs.
    """
    shape = (1,) * (lacks_axes * (z.ndim - array.ndim)) + tuple(array.shape)
    if len(shape) != z.ndim or any(a not in (1, b) for a, b in zip(shape, z.shape, strict=True)):
        raise ValueError(
            f"{name}: got shape {tuple(array.shape)}; expected {tuple(z.shape)}, the shape of the prediction, or 1 for "
            f"an axis"
        )
    return xp.broadcast_to(array, z.shape)


def logarithm(xp: Any, x: Any) -> Any:
    """log x without warnings: -inf at 0, NaN below, which the core refuses."""
    some = x > 0.0
    return xp.where(some, xp.log(xp.where(some, x, 1.0)), xp.where(x == 0.0, -math.inf, math.nan))


def beyond(xp: Any, z: Any, kink: Any) -> Any:
    """max(0, kink - z), by the core; the slope at the kink is 0."""
    kinks = xp.zeros_like(z) + kink
    return xp.where(z < kinks, absolute_error(z, kinks, reduction="none"), 0.0)


def divided(total: Any, count: Any) -> Any:
    """The sum by its denominator; NumPy's empty mean is refused, as in the core."""
    if isinstance(count, (int, float, np.generic)) and count == 0:
        checks.refuse_mean(0, False, False)
    return total / count


def mass(xp: Any, weight: Any, keep: Any) -> Any:
    """The sum of the weights of the samples that count; the core refuses 0, inside compiled programs too."""
    zeros = xp.zeros_like(1.0 * weight)
    none = absolute_error(zeros, zeros, weight=weight, where=keep)  # 0, as the mean of nothing raises
    return none + xp.sum(weight if keep is None else xp.where(keep, weight, 0.0))


def collected(xp: Any, losses: Any, reduction: str) -> Any:
    """The losses, their sum, or their mean over all."""
    checks.choice("reduction", reduction)
    if reduction == "none":
        return losses
    total = xp.sum(widened(losses))
    return rounded(total if reduction == "sum" else divided(total, math.prod(losses.shape)), losses)


def over_all(loss: Any, z: Any, target: Any, weight: Any, reduction: str, count: int, **settings: Any) -> Any:
    """The loss whose mean divides by ``count``, that of all samples, also if they are weighted."""
    if reduction != "mean" or weight is None or count == 0:
        return loss(z, target, weight=weight, reduction=reduction, **settings)
    return loss(z, target, weight=weight, reduction="sum", **settings) / count


def among_classes(shares: Any, classes: int, smoothing: float) -> Any:
    """Shares of the classes, smoothed."""
    return shares if smoothing == 0.0 else (1.0 - smoothing) * shares + smoothing / classes


def class_weighted(
    core: Callable[..., Any], xp: Any, classes: int, target: Any, axis: int, is_label: bool, weight: Any,
    reduction: str, smoothing: float = 0.0, ignored: int | None = None,
) -> Any:  # fmt: skip
    r"""A loss of labels, or of distributions along ``axis``, with weights of classes.

    .. math:: Q = ((1 - s) q + s / C) \cdot c, \quad \ell = s_i \ell(Q / s_i), \quad s_i = \sum_k Q_{ik}

    The denominator of the mean is the weight of the labels' classes, and for distributions the number of samples.
    """
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"label_smoothing: got {smoothing!r}; expected a number in [0, 1]")
    keep = target != ignored if is_label and ignored is not None and 0 not in target.shape else None
    smooth = {"label_smoothing": smoothing} if smoothing else {}
    if weight is None:
        return core(target, where=keep, reduction=reduction, **smooth)
    if is_label and not smooth:
        return core(target, weight=taken(xp, weight, target, classes), where=keep, reduction=reduction)
    _require_each_class(weight, classes)
    shares = 1.0 * one_hot(xp, target, classes, axis) if is_label else target
    rows = among_classes(xp.moveaxis(widened(shares), axis, -1), classes, smoothing) * weight
    divisor: Any = math.prod(rows.shape[:-1])
    if is_label and reduction == "mean":
        divisor = mass(xp, taken(xp, weight, target, classes), keep)
    return of_shares(core, xp, xp.moveaxis(rows, -1, axis), axis, keep, reduction, divisor)


def of_shares(
    core: Callable[..., Any], xp: Any, shares: Any, axis: int, keep: Any, reduction: str, divisor: Any = None
) -> Any:
    """The loss of shares of any sum, as the sum times the loss of a distribution; ``divisor`` is that of a mean."""
    shares = nonnegative(xp, shares)
    total = xp.sum(shares, axis=axis, keepdims=True)
    some = total > 0.0
    whole = xp.where(some, total, 1.0)
    # A share of 0 does not move with the total; where the loss has the slope inf by it, 0 * inf would be NaN.
    each = shares / xp.where(shares > 0.0, whole, detached(whole))
    rows = xp.where(some, each, 1.0 / shares.shape[axis])
    sums = xp.sum(shares, axis=axis)
    if reduction != "mean":
        return core(rows, weight=sums, where=keep, reduction=reduction)
    return divided(core(rows, weight=sums, where=keep, reduction="sum"), divisor)


def focal_of_shares(xp: Any, logit: Any, share: Any, gamma: float, alpha: float | None) -> Any:
    r"""The focal loss of targets from 0 to 1, which may be between.

    .. math:: \ell = (\alpha q + (1 - \alpha) (1 - q)) (q (1 - p) + (1 - q) p)^\gamma \, \text{cross-entropy}(z, q)

    The sum in the parentheses loses no digits, as both of its terms are positive. For 0 and 1 it is the core's loss,
    whose derivative has a limit where the sum vanishes.
    """
    z, q = widened(logit), widened(share)
    is_label = (q == 0.0) | (q == 1.0)
    own = sigmoid_focal(z, xp.where(is_label, q, 0.0), gamma=gamma, alpha=alpha, reduction="none")
    between = xp.where(is_label, 0.5, q)
    miss = between * sigmoid(-z) + (1.0 - between) * sigmoid(z)
    weight = 1.0 if alpha is None else alpha * between + (1.0 - alpha) * (1.0 - between)
    losses = weight * miss**gamma * sigmoid_cross_entropy(z, between, reduction="none")
    return rounded(xp.where(is_label, own, losses), logit)


def divergence(xp: Any, log_prediction: Any, target: Any, axis: int) -> Any:
    """Rows of sum_k t_k (log t_k - z_k), also where the exponentials of z do not sum to 1.

    The core's divergence is from softmax(z), and has the terms p_k - t_k.
    """
    z, excess = widened(log_prediction), xp.sum(widened(target), axis=axis)
    own = softmax_kullback_leibler(z, target, reduction="none", axis=axis)
    return own - excess * logsumexp(z, axis=axis) + (excess - 1.0)


def divergence_of_logarithms(xp: Any, log_prediction: Any, log_target: Any, axis: int) -> Any:
    """The same where the target is given by its logarithm."""
    z, v = widened(log_prediction), widened(log_target)
    mass = logsumexp(v, axis=axis)
    own = distillation(z, v, reduction="none", axis=axis)
    return xp.exp(mass) * (own + mass - logsumexp(z, axis=axis))
