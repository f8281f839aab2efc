"""Losses on JAX arrays and tracers, under all of JAX's transformations."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.jax.call import Call
from rashin.backends.jax.groups import evaluate_groups
from rashin.backends.jax.information import fisher
from rashin.backends.jax.linear import evaluate_linear, linear_statistics
from rashin.backends.jax.logits import log_softmax, logsumexp, sigmoid, softmax, softmax_statistics
from rashin.backends.jax.memory import array_of, kept_type, shadow, value_type, wide_type
from rashin.backends.jax.primitive import bind
from rashin.reduction import weigh

__all__ = [
    "axis_last",
    "beside",
    "detached",
    "evaluate",
    "evaluate_groups",
    "evaluate_linear",
    "fisher",
    "hessian_vector_product",
    "linear_statistics",
    "log_softmax",
    "logsumexp",
    "namespace",
    "rounded",
    "sample_losses",
    "sigmoid",
    "softmax",
    "softmax_statistics",
    "stacked",
    "widened",
]

NAMES = ("value", "gradient", "hessian")


def evaluate(
    program: sweeps.Program,
    prediction: Any,
    target: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    wanted: tuple[bool, bool, bool],
    out: Any = None,
    hessian_out: Any = None,
) -> sweeps.Answer:
    """Value, gradient and Hessian diagonal, as ``wanted``, of the reduced loss."""
    _refuse_outputs(out=out, hessian_out=hessian_out)
    asked = tuple(name for name, is_wanted in zip(NAMES, wanted, strict=True) if is_wanted)
    call, arrays = _call(program, reduction, axis, asked, prediction, target, weight, where)
    found = dict(zip(asked, bind(call, *arrays), strict=True))
    gradient = found.get("gradient")
    if gradient is not None and prediction.dtype == jnp.float16:
        gradient = gradient.astype(jnp.float16)
    return sweeps.Answer(found.get("value"), gradient, found.get("hessian"))


def sample_losses(program: sweeps.Program, prediction: Any, target: Any, where: Any, axis: int) -> jax.Array:
    """The samples' losses as doubles where JAX has them, as they are summed; 0 outside ``where``."""
    call, arrays = _call(program, "none", axis, ("value",), prediction, target, None, where, rounded=False)
    return bind(call, *arrays)[0]


def hessian_vector_product(
    program: sweeps.Program,
    prediction: Any,
    target: Any,
    vector: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    out: Any,
) -> jax.Array:
    """The Hessian of the reduced loss times a vector."""
    _refuse_outputs(out=out)
    checks.products(program.rule)
    call, arrays = _call(program, reduction, axis, ("product",), prediction, target, weight, where)
    v = array_of("vector", vector)
    checks.vector(shadow(v), shadow(prediction))
    found = bind(call, *arrays, v.astype(kept_type(prediction)))[0]
    return found.astype(jnp.float16) if prediction.dtype == jnp.float16 else found


def axis_last(array: jax.Array, axis: int) -> jax.Array:
    """The array with an axis moved to the end."""
    return jnp.moveaxis(array, axis, -1)


def _call(
    program: sweeps.Program,
    reduction: str,
    axis: int,
    asked: tuple[str, ...],
    prediction: Any,
    target: Any,
    weight: Any,
    where: Any,
    rounded: bool = True,
) -> tuple[Call, list[Any]]:
    """The call and its arrays, whose shapes and types are checked here, and their numbers when it runs."""
    z, t = array_of("prediction", prediction), array_of("target", target)
    w = None if weight is None else array_of("weight", weight)
    m = None if where is None else array_of("where", where)
    counted = _checked(program, z, t, w, m, reduction, axis)
    call = Call(program, program.rule, reduction, counted, w is not None, m is not None, asked, rounded)
    return call, [array for array in (z, t, w, m) if array is not None]


def _checked(program: sweeps.Program, z: Any, t: Any, w: Any, m: Any, reduction: str, axis: int) -> int:
    """The class axis, counted from the end; -1 for losses that have none."""
    checks.choice("reduction", reduction)
    prediction, target, samples = shadow(z), shadow(t), z.shape
    if not program.rule.prediction.axes:
        checks.same_shape(prediction, target)
        axis = -1
    else:
        axis = checks.axis(prediction, axis)
        samples = tuple(np.delete(z.shape, axis).tolist())
    if program.rule.prediction.is_joint:
        checks.numbers(prediction, target, axis, program.rule)
    elif program.rule.prediction.axes:
        checks.holds_rows(prediction, target, samples, program.rule.target)
    weigh(None, None if m is None else shadow(m), samples, "sum")
    weigh(None, None, samples, reduction)
    if w is not None:
        checks.weights(shadow(w), samples)
    return axis


def _refuse_outputs(**outputs: Any) -> None:
    for name, out in outputs.items():
        if out is not None:
            raise TypeError(
                f"{name}: got {type(out).__name__}; expected None, as JAX's arrays cannot be written; fix: leave it out"
            )


def stacked(parts: Any) -> Any:
    """Arrays beside each other along a new last axis."""
    return jnp.stack([array_of("prediction", part) for part in parts], axis=-1)


def namespace(array: Any) -> Any:
    """The module with JAX's functions."""
    return jnp


def beside(values: Any, like: Any) -> jax.Array:
    """The values as an array."""
    return jnp.asarray(values)


def widened(array: Any) -> jax.Array:
    """The numbers in doubles, if JAX's 64-bit types are enabled."""
    return array_of("prediction", array).astype(wide_type())


def detached(array: jax.Array) -> jax.Array:
    """The numbers as constants, through which no derivative goes."""
    return jax.lax.stop_gradient(array)


def rounded(found: Any, like: Any) -> jax.Array:
    """Numbers in the type of the value for a prediction."""
    return found.astype(value_type(like))
