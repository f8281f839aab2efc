"""The classes of ``keras.losses``: a function of the dialect with its settings, weights and a reduction."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from rashin.conventions import keras
from rashin.dialects.arrays import cast, divided, mass, read, rounded, weights, widened

__all__ = ["KerasLoss", "classes", "same_rank"]

_TYPES = ("float64", "float32", "float16", "bfloat16")
_REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none")


class KerasLoss:
    """A loss with its settings; a call takes ``(y_true, y_pred, sample_weight=None)``."""

    function: Callable[..., Any]

    def __init__(self, *values: Any, **named: Any) -> None:
        bound = inspect.signature(type(self)).bind(*values, **named)
        bound.apply_defaults()
        settings = dict(bound.arguments)
        self.reduction, self.name, self.dtype = (settings.pop(word) for word in ("reduction", "name", "dtype"))
        self.reduction = "none" if self.reduction is None else self.reduction
        if self.reduction not in _REDUCTIONS:
            raise ValueError(f"reduction: got {self.reduction!r}; expected one of {', '.join(_REDUCTIONS)}")
        self._type = None if self.dtype is None else _type_name(self.dtype)
        self.settings = settings

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss; ``sample_weight`` has the shape of the function's values."""
        found = self._found(y_true, widened(y_pred) if self._type == "float64" else y_pred, sample_weight)
        return found if self._type is None else _cast(found, self._type)

    def _found(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Any:
        y_true, y_pred = same_rank(y_true, y_pred)
        losses = type(self).function(y_true, y_pred, **self.settings)
        xp, losses, weight, labels = read(losses, sample_weight, y_true)
        if weight is not None:
            losses, weight = same_rank(losses, weight)
        ignored = self.settings.get("ignore_class")
        keep = None if ignored is None else labels.reshape(losses.shape) != ignored
        return self._reduced(xp, losses, _weights(xp, losses, weight), keep)

    def _reduced(self, xp: Any, losses: Any, weight: Any, keep: Any) -> Any:
        losses = losses if weight is None else weight * losses
        if self.reduction == "none" or losses.ndim == 0:
            return losses
        return rounded(divided(xp.sum(widened(losses)), self._divisor(xp, losses, weight, keep)), losses)

    def _divisor(self, xp: Any, losses: Any, weight: Any, keep: Any) -> Any:
        if self.reduction == "sum":
            return 1
        if self.reduction == "mean_with_sample_weight" and weight is not None:
            return mass(xp, weight, keep)
        return math.prod(losses.shape) if keep is None else mass(xp, xp.ones_like(losses), keep)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"{type(self).__name__}({settings})"


def _type_name(dtype: Any) -> str:
    """The name of a floating type, which is given by name, as a type of any library, or by a policy of Keras."""
    given = getattr(dtype, "compute_dtype", dtype)
    name = given if isinstance(given, str) else getattr(given, "__name__", str(given).rpartition(".")[2])
    name = name.removeprefix("mixed_")
    if name not in _TYPES:
        raise ValueError(f"dtype: got {dtype!r}; expected one of {', '.join(_TYPES)}, or None for that of y_pred")
    return name


def _cast(found: Any, name: str) -> Any:
    """The result in a type, if the library has it."""
    xp, array = read(found)
    kind = getattr(xp, name, None)
    if kind is None or (name == "float64" and widened(array).dtype != kind):
        raise ValueError(
            f"dtype: got {name!r}; expected a type that the library of y_pred has; fix: float32, or "
            "jax.config.update('jax_enable_x64', True) for float64 in JAX"
        )
    return cast(xp, array, kind)[()]


def _weights(xp: Any, losses: Any, weight: Any) -> Any:
    """The weights in the shape of the values, with axes of one number repeated."""
    if weight is None:
        return None
    fits = weight.ndim in (0, losses.ndim) and all(
        a in (1, b) for a, b in zip(weight.shape, losses.shape, strict=False)
    )
    if not fits:
        raise ValueError(f"sample_weight: got shape {tuple(weight.shape)}; expected {tuple(losses.shape)}")
    return xp.broadcast_to(weights(weight), losses.shape)


def same_rank(first: Any, second: Any) -> tuple[Any, Any]:
    """Keras's (n,) against (n, 1), where the shorter one gets the axis; of more axes the longer one loses it."""
    _, second, first = read(second, first)
    if first.ndim > second.ndim:
        return same_rank(second, first)[::-1]
    if second.ndim != first.ndim + 1 or second.shape[-1] != 1:
        return first, second
    return (first[..., None], second) if first.ndim == 1 else (first, second[..., 0])


def classes(functions: Mapping[str, Any], module: str) -> dict[str, type[KerasLoss]]:
    """The classes of the table."""
    return {
        name: type(
            name,
            (KerasLoss,),
            {
                "function": staticmethod(functions[function]),
                "__module__": module,
                "__doc__": functions[function].__doc__,
                "__signature__": inspect.signature(eval(f"lambda {arguments}: None")),
            },
        )
        for name, (function, arguments) in keras.CLASSES.items()
    }
