"""For Keras 3, on its JAX and torch backends: any loss of samples as a ``keras.losses.Loss``.

Keras's base class casts predictions to float32 and reduces there. Here they stay as they are, and value and gradient
come from one pass in double, rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rashin.constant import check_of_samples
from rashin.extras import needs
from rashin.registry import get, parsed

with needs(
    "keras and the backend that KERAS_BACKEND names", "keras", "rashin.adapters.keras",
    instead="set KERAS_BACKEND=jax or KERAS_BACKEND=torch",
):  # fmt: skip
    import keras
    from keras import ops
    from keras.src.backend import get_keras_mask  # Keras has no public way to the masks that layers leave on tensors

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["KerasLoss", "loss"]

BACKENDS = ("jax", "torch", "numpy")


def loss(
    loss: Loss | str,
    *,
    reduction: str | None = "sum_over_batch_size",
    axis: int = -1,
    ignore_class: int | None = None,
    name: str | None = None,
) -> KerasLoss:
    r"""The loss for ``compile``, in Keras's order of arguments, ``(y_true, y_pred, sample_weight=None)``.

    Parameters
    ----------
    loss : loss, or its name, which says whether it is of logits or of probabilities: Keras's ``from_logits=True`` is
        ``softmax_cross_entropy`` and ``sigmoid_cross_entropy``, and ``from_logits=False`` is
        ``categorical_cross_entropy`` and ``binary_cross_entropy``.
    reduction : as in Keras, for the weights w and losses l of the N samples that the mask selects.
        ``"sum_over_batch_size"`` and ``"mean"`` are :math:`\sum w l / N`, ``"mean_with_sample_weight"`` is
        :math:`\sum w l / \sum w`, ``"sum"`` is :math:`\sum w l`, and ``"none"`` and None are w l, which is 0 outside
        the mask. A loss of single numbers is averaged over the last axis of predictions (N, D) first.
    axis : axis of the classes, or of the numbers of a loss of several numbers per sample.
    ignore_class : label of samples that do not count, of any number; only for losses of class labels.
    name : name in Keras; that of the loss if None.

    Raises
    ------
    RuntimeError : Keras runs on another backend than JAX, torch or NumPy.
    TypeError : the loss has no axis, or no labels, that were given.
    ValueError : the loss is one of groups.

    Examples
    --------
    >>> import numpy as np, rashin
    >>> from rashin.adapters.keras import loss
    >>> huber = loss(rashin.huber.replace(delta=2.0))
    >>> huber
    <KerasLoss huber(delta=2.0), reduction='sum_over_batch_size'>
    >>> y_true, y_pred = np.zeros((2, 1), "float32"), np.array([[0.5], [5.0]], "float32")
    >>> float(huber(y_true, y_pred)), float(huber(y_true, y_pred, sample_weight=[1.0, 3.0]))
    (4.0625, 12.0625)
    """
    return KerasLoss(loss, reduction, axis, ignore_class, name)


@keras.saving.register_keras_serializable("rashin")
class KerasLoss(keras.losses.Loss):
    """What :func:`loss` returns. Saved models contain the text of the loss, such as ``huber(delta=2.0)``."""

    def __init__(
        self,
        loss: Loss | str,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        ignore_class: int | None = None,
        name: str | None = None,
    ) -> None:
        _refuse_backend(keras.backend.backend())
        self.loss = get(loss) if isinstance(loss, str) else loss
        check_of_samples(self.loss)
        super().__init__(name or self.loss.name, reduction)
        self.axis, self.ignore_class = axis, ignore_class
        if axis != -1 and not self.loss.prediction.axes:
            raise TypeError(
                f"axis: got {axis} for {self.loss.name}; expected -1, as it compares element by element; fix: leave it "
                f"out"
            )
        if ignore_class is not None and not self.loss.prediction.has_classes:
            raise TypeError(
                f"ignore_class: got {ignore_class} for {self.loss.name}; expected None, as its targets are not class "
                f"labels; fix: give these samples a mask"
            )

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss of tensors, or what Keras makes into tensors."""
        return self._reduced(y_true, y_pred, sample_weight, get_keras_mask(y_pred), self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each sample."""
        return self._reduced(y_true, y_pred, None, None, None)

    def _reduced(self, y_true: Any, y_pred: Any, weight: Any, mask: Any, reduction: str | None) -> Any:
        z, t = ops.convert_to_tensor(y_pred), ops.convert_to_tensor(y_true)
        samples = self._samples(z)
        t = _reshaped(t, samples if self._is_in_rows and t.shape != z.shape else tuple(z.shape))
        w = None if weight is None else _spread("sample_weight", _widened(ops.convert_to_tensor(weight), z), samples)
        m = self._selected(t, mask, samples)
        if reduction in (None, "none"):
            return self._each(z, t, w, m)
        if reduction == "sum":
            return self._loss(z, t, self._shares(w, z, samples), m, "sum")
        if w is None or reduction == "mean_with_sample_weight":
            return self._loss(z, t, w, m, "mean")
        return self._loss(z, t, *_over_number(w, m, samples), "sum")

    def _selected(self, t: Any, mask: Any, samples: tuple[int, ...]) -> Any:
        """Which samples count; None for all."""
        m = None if mask is None else _spread("mask", ops.cast(mask, "bool"), samples)
        if self.ignore_class is None:
            return m
        if tuple(t.shape) != samples:
            raise ValueError(
                f"ignore_class: got {self.ignore_class} with y_true of shape {tuple(t.shape)}; expected class labels "
                f"of shape {samples}; fix: leave it out, or pass labels"
            )
        counted = t != self.ignore_class
        return counted if m is None else ops.logical_and(m, counted)

    def _loss(self, z: Any, t: Any, w: Any, m: Any, reduction: str) -> Any:
        axis = self.axis if self._is_in_rows else None
        return self.loss(z, t, weight=w, where=m, reduction=reduction, axis=axis)

    def _each(self, z: Any, t: Any, w: Any, m: Any) -> Any:
        """The losses of samples, each the mean over its last axis if it has several numbers."""
        losses = self._loss(z, t, w, m, "none")
        return losses if self._is_in_rows or losses.ndim < 2 else losses.mean(-1)  # ops.mean narrows float64

    def _shares(self, w: Any, z: Any, samples: tuple[int, ...]) -> Any:
        """Weights for the sum of these means."""
        several = 1 if self._is_in_rows or len(samples) < 2 else samples[-1]
        if several == 1:
            return w
        return ops.full(samples, 1.0 / several, _wide(z)) if w is None else w / several

    @property
    def _is_in_rows(self) -> bool:
        return self.loss.prediction.axes > 0

    def _samples(self, z: Any) -> tuple[int, ...]:
        """The shape of the losses."""
        shape = list(z.shape)
        if self._is_in_rows and -len(shape) <= self.axis < len(shape):
            del shape[self.axis]
        return tuple(shape)

    def get_config(self) -> dict[str, Any]:
        """What ``from_config`` makes the same loss of."""
        own = {"loss": repr(self.loss), "axis": self.axis, "ignore_class": self.ignore_class}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> KerasLoss:
        """The loss of a saved model. One of your own must have been imported before."""
        return cls(**{**config, "loss": parsed(config["loss"])})

    def __repr__(self) -> str:
        return f"<KerasLoss {self.loss}, reduction={self.reduction!r}>"


def _refuse_backend(name: str) -> None:
    if name not in BACKENDS:
        raise RuntimeError(
            f"keras: got the backend {name!r}; expected one whose arrays rashin takes, {', '.join(BACKENDS)}; fix: set "
            f"KERAS_BACKEND=jax in the environment before Keras is imported"
        )


def _reshaped(t: Any, shape: tuple[int, ...]) -> Any:
    """The target with the shape that the loss takes, if a last axis of length 1 is all that differs."""
    given = tuple(t.shape)
    return ops.reshape(t, shape) if given in ((*shape, 1), shape[:-1]) and math.prod(given) == math.prod(shape) else t


def _widened(w: Any, z: Any) -> Any:
    return ops.cast(w, _wide(w, z))


def _wide(*tensors: Any) -> str:
    """The type for weights: float64 beside such a tensor, which Keras's own promotion would make float32."""
    return "float64" if "float64" in {keras.backend.standardize_dtype(x.dtype) for x in tensors} else "float32"


def _over_number(w: Any, m: Any, samples: tuple[int, ...]) -> tuple[Any, Any]:
    """Weights divided by the number of samples, so that each derivative is rounded once, and the mask.

    Where a mask selects nothing, all weights become NaN, which the loss refuses as it refuses an empty mean.
    """
    if m is None:
        return w / math.prod(samples), None
    number = ops.sum(ops.cast(m, "int32"))
    empty = ops.where(number == 0, math.nan, 0.0)
    return w / (ops.cast(number, w.dtype) + empty), ops.logical_or(m, number == 0)


def _spread(name: str, values: Any, samples: tuple[int, ...]) -> Any:
    """A number for each sample, from one for each row of the batch, each time step or each sample."""
    shape = tuple(values.shape)
    if shape[-1:] == (1,) and shape != samples[: len(shape)]:
        shape = shape[:-1]
    if shape != samples[: len(shape)]:
        raise ValueError(
            f"{name}: got shape {tuple(values.shape)} for losses of shape {samples}; expected that shape, or its first "
            f"axes; fix: pass one number for each row of the batch"
        )
    return ops.broadcast_to(ops.reshape(values, shape + (1,) * (len(samples) - len(shape))), samples)
