"""Losses on JAX arrays and tracers, under all of JAX's transformations."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.jax.call import Call
from rashin.backends.jax.primitive import bind, kept_type
from rashin.domain import LABEL
from rashin.reduction import weigh

__all__ = ["evaluate", "hessian_vector_product", "sample_losses"]

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
    call, arrays = _call(program, reduction, axis, ("product",), prediction, target, weight, where)
    v = _array("vector", vector)
    checks.vector(_shadow(v), _shadow(prediction))
    found = bind(call, *arrays, v.astype(kept_type(prediction)))[0]
    return found.astype(jnp.float16) if prediction.dtype == jnp.float16 else found


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
    z, t = _array("prediction", prediction), _array("target", target)
    w = None if weight is None else _array("weight", weight)
    m = None if where is None else _array("where", where)
    counted = _checked(program, z, t, w, m, reduction, axis)
    call = Call(program, program.rule, reduction, counted, w is not None, m is not None, asked, rounded)
    return call, [array for array in (z, t, w, m) if array is not None]


def _checked(program: sweeps.Program, z: Any, t: Any, w: Any, m: Any, reduction: str, axis: int) -> int:
    """The class axis, counted from the end; -1 for losses that have none."""
    checks.choice("reduction", reduction)
    prediction, target, samples = _shadow(z), _shadow(t), z.shape
    if not program.rule.prediction.axes:
        checks.same_shape(prediction, target)
        axis = -1
    else:
        axis = checks.axis(prediction, axis)
        samples = tuple(np.delete(z.shape, axis).tolist())
        checks.holds_distributions(prediction, target, samples, program.rule.target == LABEL)
    weigh(None, None if m is None else _shadow(m), samples, "sum")
    weigh(None, None, samples, reduction)
    if w is not None:
        checks.weights(_shadow(w), samples)
    return axis


def _shadow(array: Any) -> NDArray[Any]:
    """An array of zeros of its shape and type, which takes no memory."""
    return np.broadcast_to(np.zeros((), array.dtype), array.shape)


def _array(name: str, values: Any) -> Any:
    """The argument as JAX's array, whose type is one of real numbers."""
    if not isinstance(values, jax.Array):
        values = _from_numpy(name, values)
    if getattr(values.dtype, "kind", "other") not in "fiub" and values.dtype != jnp.bfloat16:
        raise TypeError(f"{name}: got dtype {values.dtype}; expected real numbers (floating, integer or bool)")
    return values


def _from_numpy(name: str, values: Any) -> jax.Array:
    """A constant; JAX makes 32-bit numbers of it unless its 64-bit types are enabled, which must not change a label."""
    given = checks.mask(values) if name == "where" else checks.array(name, values)
    array = jnp.asarray(given)
    if given.dtype.kind in "iu" and array.dtype.itemsize < given.dtype.itemsize:
        wrong = given != given.astype(array.dtype)
        if wrong.any():
            index = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
            raise ValueError(
                f"{name}: got {given[index]} at index {index[0] if len(index) == 1 else index}; expected numbers of "
                f"{array.dtype}; fix: jax.config.update('jax_enable_x64', True)"
            )
    return array


def _refuse_outputs(**outputs: Any) -> None:
    for name, out in outputs.items():
        if out is not None:
            raise TypeError(
                f"{name}: got {type(out).__name__}, while JAX's arrays cannot be written; fix: leave it out"
            )
