"""The losses of ``keras.losses``, functions and classes, by their names, arguments and reductions, from the exact ones.

They take NumPy arrays, tensors and JAX arrays, and do not import Keras. A function returns one number per sample, the
mean over the last axis where Keras takes it. The classes have Keras's reductions: the default divides the weighted sum
by the number of samples, ``"mean_with_sample_weight"`` by the weights.

Keras keeps probabilities, rates and denominators away from 0 with its epsilon, 1e-7. Here they are used as given, and
``epsilon=1e-7`` gives Keras's numbers. What Keras accepts in silence is refused, here as everywhere in rashin: labels
that are not classes, NaN, distributions and probabilities that do not sum to 1 (without ``epsilon``), and shapes that
would be broadcast, other than Keras's own (n, 1) against (n,).

Examples
--------
>>> import numpy as np
>>> from rashin.dialects import keras
>>> p = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
>>> keras.sparse_categorical_crossentropy(np.array([2, 2]), p)
array([       inf, 0.35667494])
>>> keras.sparse_categorical_crossentropy(np.array([2, 2]), p, epsilon=1e-7)
array([16.11809565,  0.35667494])
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from rashin import losses as exact
from rashin.dialects import arrays
from rashin.dialects.arrays import logarithm, read, rounded, widened
from rashin.dialects.keras_classes import classes, same_rank
from rashin.dialects.named import documented, made, missing
from rashin.logits import sigmoid, softmax


def _aligned(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes (n,) against (n, 1), as Keras's does."""

    @functools.wraps(function)
    def of_equal_shapes(y_true: Any, y_pred: Any, *rest: Any, **settings: Any) -> Any:
        return function(*same_rank(y_true, y_pred), *rest, **settings)

    return of_equal_shapes


globals().update(made("keras", __name__, _aligned))
_with_text = documented("keras")
__getattr__ = missing("keras")


def _dialect(function: Callable[..., Any]) -> Callable[..., Any]:
    return _aligned(_with_text(function))


@_dialect
def mean_absolute_percentage_error(y_true, y_pred, *, epsilon=0.0):
    if not epsilon:
        return 100.0 * exact.absolute_percentage_error(y_pred, y_true, reduction="none").mean(-1)
    xp, z, t = read(y_pred, y_true)
    size = xp.abs(widened(t))
    losses = exact.absolute_error(widened(z), t, reduction="none") / xp.where(size < epsilon, epsilon, size)
    return rounded(100.0 * losses.mean(-1), z)


@_dialect
def mean_squared_logarithmic_error(y_true, y_pred, *, epsilon=0.0):
    xp, z, t = read(y_pred, y_true)
    z, t = (xp.where(each < epsilon, epsilon, each) for each in (z, t)) if epsilon else (z, t)
    return exact.squared_log_error(z, t, reduction="none").mean(-1)


def _signs(xp: Any, t: Any) -> Any:
    """Labels 0 and 1 as -1 and +1; a 0 beside a -1 becomes what the core refuses."""
    return xp.where(xp.any(t == 0), 2 * t - 1, t)


@_dialect
def hinge(y_true, y_pred):
    xp, z, t = read(y_pred, y_true)
    return exact.hinge(z, _signs(xp, t), reduction="none").mean(-1)


@_dialect
def squared_hinge(y_true, y_pred):
    xp, z, t = read(y_pred, y_true)
    return exact.squared_hinge(z, _signs(xp, t), reduction="none").mean(-1)


@_with_text
def categorical_hinge(y_true, y_pred):
    xp, z, t = read(y_pred, y_true)
    arrays.same_shape(y_pred=z, y_true=t)
    is_label = xp.all((t == 0) | (t == 1), axis=-1) & (xp.sum(t, axis=-1) == 1)
    labels = xp.where(is_label, xp.argmax(t, axis=-1), z.shape[-1] + 1)  # no class: the core refuses it
    with_zero = xp.moveaxis(xp.stack([*xp.moveaxis(z, -1, 0), xp.zeros_like(z[..., 0])]), 0, -1)
    return exact.crammer_singer(with_zero, labels, reduction="none")


@_dialect
def poisson(y_true, y_pred, *, epsilon=0.0):
    xp, rate, t = read(y_pred, y_true)
    losses = exact.poisson(logarithm(xp, widened(rate) + epsilon), t, reduction="none")
    return rounded((losses - epsilon).mean(-1), rate)


@_with_text
def kl_divergence(y_true, y_pred, *, epsilon=0.0):
    xp, p, t = read(y_pred, y_true)
    arrays.same_shape(y_pred=p, y_true=t)
    if not epsilon:
        return rounded(
            exact.categorical_cross_entropy.per_sample(p, t) - exact.categorical_cross_entropy.per_sample(t, t), p
        )
    q, s = (xp.where(each < epsilon, epsilon, xp.where(each > 1.0, 1.0, each)) for each in map(widened, (p, t)))
    core = functools.partial(exact.categorical_cross_entropy, q, normalized=False)
    return rounded(arrays.of_shares(core, xp, s, -1, None, "none") + xp.sum(s * xp.log(s), axis=-1), p)


def _clipped(xp: Any, p: Any, epsilon: float, axis: int | None = None) -> Any:
    """Keras's probabilities: rows divided by their sum, then at least epsilon and at most 1 - epsilon."""
    p = widened(p)
    p = p if axis is None else p / xp.sum(p, axis=axis, keepdims=True)
    return xp.where(p < epsilon, epsilon, xp.where(p > 1.0 - epsilon, 1.0 - epsilon, p))


@_with_text
def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1, *, epsilon=0.0):
    xp, z, t = read(y_pred, y_true)
    if from_logits:
        return exact.softmax_cross_entropy(z, t, label_smoothing=label_smoothing, axis=axis, reduction="none")
    q = arrays.among_classes(t, z.shape[axis], label_smoothing)
    p = _clipped(xp, z, epsilon, axis) if epsilon else z
    return rounded(exact.categorical_cross_entropy(p, q, axis=axis, reduction="none", normalized=not epsilon), z)


@_with_text
def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None, axis=-1, *, epsilon=0.0):
    xp, z, t = read(y_pred, y_true)
    t = xp.squeeze(t, axis=axis) if t.ndim == z.ndim and t.shape[axis] == 1 else t
    keep = None if ignore_class is None else t != ignore_class
    if from_logits:
        return exact.softmax_cross_entropy(z, t, where=keep, axis=axis, reduction="none")
    p = _clipped(xp, z, epsilon, axis) if epsilon else z
    losses = exact.categorical_cross_entropy(p, t, where=keep, axis=axis, reduction="none", normalized=not epsilon)
    return rounded(losses, z)


@_with_text
def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1, *, epsilon=0.0):
    xp, z, t = read(y_pred, y_true)
    q = arrays.among_classes(t, 2, label_smoothing)
    if from_logits:
        return exact.sigmoid_cross_entropy(z, q, reduction="none").mean(axis)
    p = _clipped(xp, z, epsilon) if epsilon else z
    return rounded(exact.binary_cross_entropy(p, q, reduction="none").mean(axis), z)


@_with_text
def binary_focal_crossentropy(
    y_true, y_pred, apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1,
    *, epsilon=0.0,
):  # fmt: skip
    xp, z, t = read(y_pred, y_true)
    q = arrays.among_classes(t, 2, label_smoothing)
    logit = _logit(sigmoid(z) if from_logits and epsilon else z, epsilon) if epsilon or not from_logits else z
    alpha = alpha if apply_class_balancing else None
    arrays.same_shape(y_pred=logit, y_true=q)
    return rounded(arrays.focal_of_shares(xp, logit, q, gamma, alpha).mean(axis), z)


def _logit(probability: Any, epsilon: float) -> Any:
    """The logit of a probability, which is clipped if epsilon is not 0."""
    xp, p = read(probability)
    p = _clipped(xp, p, epsilon) if epsilon else widened(p)
    return logarithm(xp, p) - logarithm(xp, 1.0 - p)


@_with_text
def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1, *, epsilon=0.0
):
    xp, z, t = read(y_pred, y_true)
    shares = xp.moveaxis(widened(arrays.among_classes(t, z.shape[axis], label_smoothing)), axis, -1)
    shares = xp.moveaxis(shares * (alpha if isinstance(alpha, (int, float)) else arrays.beside(alpha, z)), -1, axis)
    if epsilon:  # each class by itself, as clipped probabilities no longer sum to 1
        p = softmax(z, axis=axis) if from_logits else z / xp.sum(z, axis=axis, keepdims=True)
        each = exact.sigmoid_focal(_logit(p, epsilon), xp.zeros_like(z) + 1.0, gamma=gamma, reduction="none")
        return rounded(xp.sum(shares * each, axis=axis), z)
    core = functools.partial(exact.focal, z if from_logits else logarithm(xp, widened(z)), gamma=gamma, axis=axis)
    return rounded(arrays.of_shares(core, xp, shares, axis, None, "none"), z)


@_with_text
def categorical_generalized_cross_entropy(y_true, y_pred, q):
    xp, p, t = read(y_pred, y_true)
    return rounded(-xp.expm1(-q * exact.categorical_cross_entropy.per_sample(p, t)) / q, p)


@_with_text
def dice(y_true, y_pred, axis=None, *, epsilon=0.0):
    return _overlap(y_true, y_pred, 0.5, 0.5, axis, epsilon / 2.0)


@_with_text
def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None, *, epsilon=0.0, swapped=False):
    alpha, beta = (beta, alpha) if swapped else (alpha, beta)
    return _overlap(y_true, y_pred, alpha, beta, axis, epsilon)


def _overlap(y_true: Any, y_pred: Any, alpha: float, beta: float, axis: Any, epsilon: float) -> Any:
    """The loss of the sets along the axes; with epsilon in the denominator alone, as in Keras."""
    xp, p, t = read(y_pred, y_true)
    sets = {"reduction": "sum"} if axis is None else {"axis": axis, "reduction": "none"}
    loss = exact.tversky(p, t, alpha=alpha, beta=beta, **sets)
    if not epsilon:
        return loss
    hit, yes, true = (xp.sum(widened(each), axis=axis) for each in (p * t, p, 1.0 * t))
    whole = hit + alpha * (yes - hit) + beta * (true - hit)
    return 1.0 - (1.0 - loss) * whole / (whole + epsilon)


globals().update(classes(globals(), __name__))
