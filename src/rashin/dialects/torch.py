"""The losses of ``torch.nn.functional``, by their names, arguments and denominators, from the exact ones.

They take tensors, NumPy arrays and JAX arrays, and do not import torch. What torch accepts in silence is refused, here
as everywhere in rashin: shapes that would be broadcast, labels that are not classes, targets other than -1 and +1 where
these are meant, negative weights, NaN, distributions that do not sum to 1, log-probabilities of rows that do not sum to
1 (but for the input of ``kl_div``, which may have any sum), and empty means. Errors name ``prediction`` and ``target``,
which are torch's ``input`` and ``target``.

Examples
--------
>>> import numpy as np
>>> from rashin.dialects import torch as F
>>> logits, labels = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0]]), np.array([0, -100])
>>> float(F.cross_entropy(logits, labels, weight=np.array([1.0, 2.0, 5.0]), label_smoothing=0.1))
0.8755402918517...
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from rashin import losses as exact
from rashin.dialects import arrays
from rashin.dialects.arrays import (
    beyond,
    collected,
    logarithm,
    over_all,
    read,
    repeated,
    rounded,
    same_shape,
    signs,
    widened,
)
from rashin.dialects.named import documented, missing
from rashin.logits import linear_softmax_cross_entropy

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "linear_cross_entropy",
    "margin_ranking_loss",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]

_LEAST_LOGARITHM = -100.0  # to which torch clamps the logarithms of probabilities
_dialect = documented("torch")
__getattr__ = missing("torch")


def _chosen(size_average: Any, reduce: Any, reduction: str) -> str:
    """The reduction; the older switches override its name."""
    if size_average is None and reduce is None:
        return reduction
    return "none" if reduce is False else "sum" if size_average is False else "mean"


def _class_axis(z: Any) -> int:
    """The axis of the classes: the second one, of one sample the first."""
    if z.ndim == 0:
        raise ValueError("input: got shape (); expected (C,) or (N, C, ...), with a number for each class")
    return 0 if z.ndim == 1 else 1


@_dialect
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    return exact.squared_error(input, target, weight=weight, reduction=_chosen(size_average, reduce, reduction))


@_dialect
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    return exact.absolute_error(input, target, weight=weight, reduction=_chosen(size_average, reduce, reduction))


@_dialect
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    _, z, t, weight = read(input, target, weight)
    return over_all(exact.huber, z, t, weight, reduction, math.prod(z.shape), delta=delta)


@_dialect
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    reduction = _chosen(size_average, reduce, reduction)
    if beta == 0.0:
        return exact.absolute_error(input, target, reduction=reduction)
    return exact.huber(input, target, delta=beta, reduction=reduction) / beta


@_dialect
def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    xp, z, t, weight = read(input, target, weight)
    axis = _class_axis(z)
    return arrays.class_weighted(
        partial(exact.softmax_cross_entropy, z, axis=axis), xp, z.shape[axis], t, axis, t.ndim < z.ndim, weight,
        _chosen(size_average, reduce, reduction), label_smoothing, ignore_index,
    )  # fmt: skip


@_dialect
def linear_cross_entropy(
    input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean", ignore_index=None,
    label_smoothing=0.0, options=None,
):  # fmt: skip
    xp, x, classifier, t, bias, weight = read(input, linear_weight, target, linear_bias, weight)
    ignored = -100 if ignore_index is None else ignore_index
    if classifier.ndim > 2:  # several classifications of each sample
        z = _logits(xp, x, classifier, bias)
        return cross_entropy(z, t, weight, None, ignored, None, reduction, label_smoothing)
    single, is_label = x.ndim == 1, t.ndim < x.ndim
    x, t = (x[None], t[None]) if single else (x, t)

    def core(target: Any, **settings: Any) -> Any:
        return linear_softmax_cross_entropy(x, classifier, target, bias, **settings)

    classes = classifier.shape[0]
    loss = arrays.class_weighted(core, xp, classes, t, 1, is_label, weight, reduction, label_smoothing, ignored)
    return loss[0] if single and reduction == "none" else loss


def _logits(xp: Any, x: Any, classifier: Any, bias: Any) -> Any:
    """Logits (N, C, ...) of a classifier (C, ..., D)."""
    flat = x @ classifier.reshape((-1, classifier.shape[-1])).T
    return (flat if bias is None else flat + bias.reshape((-1,))).reshape((*x.shape[:-1], *classifier.shape[:-1]))


@_dialect
def nll_loss(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", *, normalized=True
):
    xp, z, t, weight = read(input, target, weight)
    axis = _class_axis(z)
    core = partial(exact.negative_log_likelihood, z, axis=axis, normalized=normalized)
    reduction = _chosen(size_average, reduce, reduction)
    return arrays.class_weighted(core, xp, z.shape[axis], t, axis, True, weight, reduction, ignored=ignore_index)


@_dialect
def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean", *, clamp=False):
    reduction = _chosen(size_average, reduce, reduction)
    xp, p, t, weight = read(input, target, weight)
    weight = None if weight is None else repeated(xp, "weight", weight, p, lacks_axes=True)
    if not clamp:
        return over_all(exact.binary_cross_entropy, p, t, weight, reduction, math.prod(p.shape))
    same_shape(input=p, target=t)
    yes, no = (exact.binary_cross_entropy(p, xp.zeros_like(p) + label, reduction="none") for label in (1.0, 0.0))
    yes, no = (xp.where(each > -_LEAST_LOGARITHM, -_LEAST_LOGARITHM, each) for each in (yes, no))
    losses = t * yes + (1.0 - t) * no
    return collected(xp, losses if weight is None else arrays.weights(weight) * losses, reduction)


@_dialect
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    xp, z, t, weight, positive = read(input, target, weight, pos_weight)
    if positive is not None:
        same_shape(input=z, target=t)
        positive = widened(repeated(xp, "pos_weight", positive, z, lacks_axes=True))
        sides = positive * t + (1.0 - t)  # 0 where a class of weight 0 is meant: no sample then
        t = xp.where(sides > 0.0, positive * t / xp.where(sides > 0.0, sides, 1.0), t)
        weight = sides if weight is None else weight * sides
    weight = None if weight is None else repeated(xp, "weight", weight, z, lacks_axes=True)
    reduction = _chosen(size_average, reduce, reduction)
    return over_all(exact.sigmoid_cross_entropy, z, t, weight, reduction, math.prod(z.shape))


@_dialect
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    xp, z, t = read(input, target)
    same_shape(input=z, target=t)
    margin = signs(t) * z
    return exact.sigmoid_cross_entropy(
        margin, xp.zeros_like(margin) + 1.0, reduction=_chosen(size_average, reduce, reduction)
    )


@_dialect
def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    reduction = _chosen(size_average, reduce, reduction)
    xp, z, t, weight = read(input, target, weight)
    weight = None if weight is None else repeated(xp, "weight", weight, z, lacks_axes=True)
    if reduction == "none":
        return xp.sum(exact.sigmoid_cross_entropy(z, t, weight=weight, reduction="none"), axis=-1) / z.shape[-1]
    loss = over_all(exact.sigmoid_cross_entropy, z, t, weight, reduction, math.prod(z.shape))
    return loss / z.shape[-1] if reduction == "sum" else loss


@_dialect
def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    reduction = _chosen(size_average, reduce, reduction)
    xp, z, t = read(input, target)
    loss = exact.poisson(widened(z) if log_input else logarithm(xp, widened(z) + eps), t, reduction=reduction)
    loss = loss if log_input else loss - eps * (math.prod(z.shape) if reduction == "sum" else 1)
    return rounded(loss + collected(xp, _stirling(xp, widened(t)), reduction) if full else loss, z)


def _stirling(xp: Any, t: Any) -> Any:
    """What torch adds for log t!."""
    many = t > 1.0
    t = xp.where(many, t, 1.0)
    return xp.where(many, t * xp.log(t) - t + 0.5 * xp.log(2.0 * math.pi * t), 0.0)


@_dialect
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    xp, z, t = read(input, target)
    (variance,) = (xp.zeros_like(z) + var,) if isinstance(var, (int, float)) else read(var)[1:]
    variance = variance[..., None] if tuple(variance.shape) == tuple(z.shape[:-1]) else variance
    variance, t = repeated(xp, "var", variance, z), repeated(xp, "target", t, z)
    log_scale = 0.5 * logarithm(xp, xp.where((variance >= 0.0) & (variance < eps), eps, widened(variance)))
    loss = exact.gaussian((widened(z), log_scale), t, reduction=reduction)
    constant = 0.5 * math.log(2.0 * math.pi) * (math.prod(z.shape) if reduction == "sum" else 1)
    return rounded(loss + constant if full else loss, z)


@_dialect
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    reduction = _chosen(size_average, reduce, reduction)
    xp, z, t = read(input, target)
    same_shape(input=z, target=t)
    counts = {"batchmean": z.shape[0] if z.ndim else 1, "mean": math.prod(z.shape), "sum": 1}
    if reduction not in counts:
        raise ValueError(f"reduction: got {reduction!r}; expected 'batchmean', 'mean' or 'sum', as a sample is a row")
    rows = arrays.divergence_of_logarithms if log_target else arrays.divergence
    return rounded(arrays.divided(xp.sum(rows(xp, z, t, -1)), counts[reduction]), z)


@_dialect
def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    xp, z, t = read(input, target)
    same_shape(input=z, target=t)
    losses = xp.where(signs(t) > 0.0, z, beyond(xp, widened(z), margin))
    return rounded(collected(xp, losses, _chosen(size_average, reduce, reduction)), z)


@_dialect
def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    xp, first, second, t = read(input1, input2, target)
    same_shape(input1=first, input2=second, target=t)
    losses = beyond(xp, signs(t) * (widened(first) - widened(second)), margin)
    return rounded(collected(xp, losses, _chosen(size_average, reduce, reduction)), first)


@_dialect
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    if p not in (1, 2):
        raise ValueError(f"p: got {p!r}; expected 1 or 2")
    if not margin > 0.0:
        raise ValueError(f"margin: got {margin}; expected a number > 0")
    reduction = _chosen(size_average, reduce, reduction)
    xp, z, t, weight = read(input, target, weight)
    scaled, classes = widened(z) / margin, _classes(z)
    each = None if weight is None else arrays.taken(xp, weight, t, classes)
    if p == 1:
        loss = over_all(exact.weston_watkins, scaled, t, each, reduction, math.prod(z.shape[:-1]))
    else:
        losses = _squared_margins(xp, scaled, t)
        loss = collected(xp, losses if each is None else arrays.weights(each) * losses, reduction)
    return rounded(loss * (margin**p / classes), z)


def _classes(z: Any) -> Any:
    """The number of classes of losses that take one sample or a batch."""
    if z.ndim not in (1, 2):
        raise ValueError(f"input: got shape {tuple(z.shape)}; expected (C,) or (N, C), with a number for each class")
    return z.shape[-1]


def _squared_margins(xp: Any, z: Any, labels: Any) -> Any:
    """The sum over the other classes of max(0, 1 + z_j - z_k)^2."""
    is_own = arrays.own_class(xp, z, labels)
    lead = xp.sum(xp.where(is_own, z, 0.0), axis=-1, keepdims=True) - z
    losses = exact.squared_hinge(lead, xp.ones_like(lead), where=~is_own, reduction="none")
    return xp.sum(losses, axis=-1)


@_dialect
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    xp, z, t = read(input, target)
    same_shape(input=z, target=t)
    classes = _classes(z)
    is_listed = xp.cumsum(1 * (t == -1), axis=-1) == 0
    is_own = arrays.one_hot(xp, t, classes, -1) & is_listed[..., None]  # by place in the list, and class
    is_other = xp.any(is_own, axis=-2, keepdims=True) & ~is_own
    rows = xp.where(is_other, -math.inf, widened(z)[..., None, :])
    refused = (t < -1) | (t >= classes)  # by the core, after the end of the list too
    losses = xp.sum(exact.weston_watkins(rows, t, where=is_listed | refused, reduction="none"), axis=-1)
    return rounded(collected(xp, losses, _chosen(size_average, reduce, reduction)) / classes, z)
