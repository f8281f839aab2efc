"""The losses of ``optax.losses``, by their names and arguments, from the exact ones: a number per sample, not reduced.

They take JAX arrays, NumPy arrays and tensors, and do not import JAX. What optax accepts in silence is refused, here as
everywhere in rashin: shapes that would be broadcast, labels that are not classes, labels 0 and 1 where -1 and +1 are
meant, NaN, and distributions that do not sum to 1. A logit of -inf masks a class.

Examples
--------
>>> import numpy as np
>>> from rashin.dialects import optax
>>> optax.softmax_cross_entropy_with_integer_labels(np.array([[20.0, 0.0]]), np.array([0]))
array([2.06115362e-09])
"""

from __future__ import annotations

import functools
import math
from typing import Any

from rashin import logits as links
from rashin import losses as exact
from rashin.dialects import arrays
from rashin.dialects.arrays import beyond, read, rounded, same_shape, signs, widened
from rashin.dialects.named import documented, made, missing

globals().update(made("optax", __name__))
_dialect = documented("optax")
__getattr__ = missing("optax")


def _residual(loss: Any, predictions: Any, targets: Any, **settings: Any) -> Any:
    """Without targets the predictions are the errors."""
    xp, z = read(predictions)
    return loss(z, xp.zeros_like(z) if targets is None else targets, reduction="none", **settings)


@_dialect
def squared_error(predictions, targets=None):
    return _residual(exact.squared_error, predictions, targets)


@_dialect
def l2_loss(predictions, targets=None):
    return _residual(exact.half_squared_error, predictions, targets)


@_dialect
def huber_loss(predictions, targets=None, *, delta=1.0):
    return _residual(exact.huber, predictions, targets, delta=delta)


@_dialect
def log_cosh(predictions, targets=None):
    return _residual(exact.log_cosh, predictions, targets)


@_dialect
def perceptron_loss(predictor_outputs, targets):
    xp, z, t = read(predictor_outputs, targets)
    same_shape(predictor_outputs=z, targets=t)
    return beyond(xp, signs(t) * z, 0.0)


@_dialect
def multiclass_perceptron_loss(scores, labels):
    xp, z, t = read(scores, labels)
    own = xp.sum(xp.where(arrays.own_class(xp, z, t), z, 0.0), axis=-1)
    return exact.absolute_error(xp.max(z, axis=-1), own, reduction="none")


@_dialect
def sigmoid_focal_loss(logits, labels, *, alpha=None, gamma=2.0):
    xp, z, q = read(logits, labels)
    same_shape(logits=z, labels=q)
    return arrays.focal_of_shares(xp, z, q, gamma, alpha)


def _left(xp: Any, logits: Any, where: Any) -> Any:
    """The logits with -inf for the classes that a mask leaves out."""
    return logits if where is None else xp.where(where, logits, -math.inf)


def _of_classes(xp: Any, where: Any, logits: Any, axis: Any) -> Any:
    """A mask of classes, or of samples, in the shape of the logits."""
    if where is None:
        return None
    return xp.broadcast_to(where if where.ndim == logits.ndim else xp.expand_dims(where, axis=axis), logits.shape)


@_dialect
def softmax_cross_entropy(logits, labels, axis=-1, where=None):
    xp, z, q, where = read(logits, labels, where)
    return _of_shares(exact.softmax_cross_entropy, xp, z, q, axis, where)


@_dialect
def poly_loss_cross_entropy(logits, labels, *, epsilon=2.0, axis=-1, where=None):
    xp, z, q, where = read(logits, labels, where)
    return _of_shares(exact.poly_one, xp, z, q, axis, where, epsilon=epsilon)


def _of_shares(loss: Any, xp: Any, z: Any, q: Any, axis: int, where: Any, **settings: Any) -> Any:
    """The loss of distributions; of those that a mask cuts, times what is left of them."""
    same_shape(logits=z, labels=q)
    axis, z, q, where = _rows(xp, axis, z, q, _of_classes(xp, where, z, axis))
    core = functools.partial(loss, _left(xp, z, where), axis=axis, **settings)
    if where is None:
        return core(q, reduction="none")
    return arrays.of_shares(core, xp, xp.where(where, widened(q), 0.0), axis, xp.any(where, axis=axis), "none")


@_dialect
def softmax_cross_entropy_with_integer_labels(logits, labels, axis=-1, where=None):
    xp, z, t, where = read(logits, labels, where)
    axis, z, where = _rows(xp, axis, z, _of_classes(xp, where, z, axis))
    rows = None if where is None else xp.any(where, axis=axis)
    return exact.softmax_cross_entropy(_left(xp, z, where), t, where=rows, axis=axis, reduction="none")


def _rows(xp: Any, axis: Any, *arrays: Any) -> tuple[Any, ...]:
    """The axis, and the arrays; several axes, or None for all, become one, the last."""
    if axis is not None and not isinstance(axis, tuple):
        return axis, *arrays
    axes = tuple(range(arrays[0].ndim)) if axis is None else axis
    return -1, *(None if array is None else _joined(xp, array, axes) for array in arrays)


def _joined(xp: Any, array: Any, axes: tuple[int, ...]) -> Any:
    moved = xp.moveaxis(array, axes, tuple(range(-len(axes), 0)))
    return moved.reshape((*moved.shape[: moved.ndim - len(axes)], math.prod(moved.shape[moved.ndim - len(axes) :])))


def _terms(log_predictions: Any, where: Any, axis: Any, **targets: Any) -> tuple[Any, ...]:
    """The library, axis, predictions, targets and mask of a divergence, whose sum is over one axis."""
    ((name, target),) = targets.items()
    xp, z, t, where = read(log_predictions, target, where)
    same_shape(log_predictions=z, **{name: t})
    where = None if where is None else arrays.repeated(xp, "where", where, z)
    return xp, *_rows(xp, axis, z, t, where)


def _absent(xp: Any, z: Any, where: Any, axis: int) -> Any:
    """The logarithms of what a mask leaves out; a row without a class is uniform, and costs nothing."""
    return xp.where(xp.any(where, axis=axis, keepdims=True), -math.inf, xp.zeros_like(z))


@_dialect
def kl_divergence(log_predictions, targets, axis=-1, where=None):
    xp, axis, given, t, where = _terms(log_predictions, where, axis, targets=targets)
    z, t = (given, t) if where is None else _completed(xp, given, t, where, axis)
    return rounded(arrays.divergence(xp, z, t, axis), given)


def _completed(xp: Any, z: Any, t: Any, where: Any, axis: int) -> tuple[Any, Any]:
    """Rows of which a mask has left out classes: one of these gets what is missing to a sum of 1, predicted exactly.

    Such a class costs nothing, so that the divergence is the sum over the others.
    """
    missing = 1.0 - xp.sum(xp.where(where, widened(t), 0.0), axis=axis, keepdims=True)
    left_out = xp.where(where, 0, 1)
    first = arrays.one_hot(xp, xp.argmax(left_out, axis=axis), z.shape[axis], axis) & (left_out == 1)
    spare = arrays.cast(xp, xp.where(first & (missing > 0.0), missing, 0.0), t.dtype)
    return xp.where(where, widened(z), arrays.logarithm(xp, widened(spare))), xp.where(where, t, spare)


@_dialect
def kl_divergence_with_log_targets(log_predictions, log_targets, axis=-1, where=None):
    xp, axis, z, t, where = _terms(log_predictions, where, axis, log_targets=log_targets)
    if where is not None:
        absent = _absent(xp, z, where, axis)
        z, t = xp.where(where, z, absent), xp.where(where, t, absent)
    return rounded(arrays.divergence_of_logarithms(xp, z, t, axis), z)


@_dialect
def generalized_kl_divergence(log_predictions, targets, axis=-1, where=None):
    xp, axis, given, t, where = _terms(log_predictions, where, axis, targets=targets)
    z, t, rows = widened(given), widened(t), None
    if where is not None:
        rows = xp.any(where, axis=axis)
        z, t = xp.where(where, z, _absent(xp, z, where, axis)), xp.where(where, t, 0.0)
    core = functools.partial(exact.softmax_kullback_leibler, z, axis=axis)
    own = arrays.of_shares(core, xp, t, axis, rows, "none")
    sums = _divergence_of_sums(xp, links.logsumexp(z, axis=axis), xp.sum(t, axis=axis))
    return rounded(own + (sums if rows is None else xp.where(rows, sums, 0.0)), given)


def _divergence_of_sums(xp: Any, log_p: Any, t: Any) -> Any:
    """t log(t / p) - t + p; near equality, p - t is that of expm1."""
    some = t > 0.0
    gap = log_p - xp.log(xp.where(some, t, 1.0))
    near = gap < 1.0
    excess = xp.where(near, t * xp.expm1(xp.where(near, gap, 0.0)), xp.exp(log_p) - t)
    return xp.where(some, excess - t * gap, xp.exp(log_p))


@_dialect
def convex_kl_divergence(log_predictions, targets, axis=-1, where=None):
    return generalized_kl_divergence(log_predictions, targets, axis, where)


@_dialect
def ranking_softmax_loss(logits, labels, *, where=None, weights=None, reduce_fn="mean"):
    if reduce_fn not in (None, "mean") and not callable(reduce_fn):
        raise ValueError(f"reduce_fn: got {reduce_fn!r}; expected 'mean', None, or a function such as jax.numpy.sum")
    xp, z, t, where, weights = read(logits, labels, where, weights)
    same_shape(logits=z, labels=t, **({} if weights is None else {"weights": weights}))
    t = t if weights is None else weights * t
    losses = exact.listwise_softmax(z, t, where=where, axis=-1, reduction="none")
    lists = xp.any(xp.ones_like(z) > 0.0 if where is None else where, axis=-1)
    if reduce_fn is None:
        return losses
    if reduce_fn == "mean":
        return xp.sum(losses) / xp.where(xp.any(lists), xp.sum(1.0 * lists), 1.0)
    return reduce_fn(losses, where=lists)


@_dialect
def dice_loss(
    predictions, targets, *, class_weights=None, smooth=1.0, alpha=0.5, beta=0.5, apply_softmax=True, reduction="mean",
    ignore_background=False, axis=None,
):  # fmt: skip
    xp, z, t, weights = read(predictions, targets, class_weights)
    z = z[..., None] if z.ndim == t.ndim - 1 else z
    t = t[..., None] if t.ndim == z.ndim - 1 else t
    same_shape(predictions=z, targets=t)
    p = z if not apply_softmax else links.sigmoid(z) if z.shape[-1] == 1 else links.softmax(z)
    inner = tuple(range(1, z.ndim - 1)) if axis is None else axis
    p, t, inner = (p, t, inner) if inner != () else (p[..., None], t[..., None], -1)
    losses = exact.tversky(p, t, alpha=alpha, beta=beta, smooth=smooth, axis=inner, reduction="none")
    losses = losses if weights is None else arrays.weights(weights) * losses
    losses = losses[..., 1:] if ignore_background and losses.shape[-1] > 1 else losses
    if reduction == "none":
        return losses
    total = xp.sum(losses, axis=-1)
    return total if reduction == "sum" else arrays.divided(total, losses.shape[-1])


@_dialect
def binary_dice_loss(predictions, targets, *, smooth=1.0, apply_sigmoid=True):
    _, z, t = read(predictions, targets)
    if z.ndim == t.ndim and z.shape[-1] != 1:
        z, t = z[..., None], t[..., None]
    return dice_loss(z, t, smooth=smooth, apply_softmax=apply_sigmoid)


@_dialect
def multiclass_generalized_dice_loss(predictions, targets, *, smooth=1.0, apply_softmax=True, ignore_background=False):
    xp, z, t = read(predictions, targets)
    frequencies = xp.sum(1.0 * t, axis=tuple(range(t.ndim - 1)))
    weights = 1.0 / (frequencies * frequencies + 1e-7)
    weights = weights * (weights.shape[0] / xp.sum(weights))
    losses = dice_loss(
        z, t, class_weights=weights, smooth=smooth, apply_softmax=apply_softmax, reduction="none",
        ignore_background=ignore_background,
    )  # fmt: skip
    return arrays.collected(xp, losses, "mean")
