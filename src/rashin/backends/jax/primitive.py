"""The loss as a primitive of JAX, with a rule for each transformation.

Value, gradient and Hessian-vector product are each the derivative of the one before. There are no third derivatives,
nor second ones by target and weight: whoever asks for one is told so, as a rule that left it out would be a silent 0.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad, batching

from rashin import checks
from rashin.backends.jax import formula
from rashin.backends.jax.call import Call
from rashin.backends.jax.memory import kept_type, value_type, wide_type
from rashin.backends.jax.programs import alike, beside, defined
from rashin.backends.numpy.sensitivity import has_target_gradient

__all__ = ["bind"]

THIRD = "loss: got a call for its third derivative; expected one for the second at most"
BY_SAMPLES = (
    "loss: got a call for a second derivative by target or weight; expected second derivatives by the prediction; "
    "fix: use jax.lax.stop_gradient on the target and the weight"
)
CONSTANT = (
    "target: got an array that a gradient is asked for; expected a constant, as the loss has no derivative by it; "
    "fix: use jax.lax.stop_gradient(target)"
)


def bind(call: Call, *arrays: Any) -> list[Any]:
    """The results that the call asks for."""
    return loss_p.bind(*alike(arrays), call=call)


# ------------------------------------------------------------------------------------------ shapes and types


def _abstract(*avals: Any, call: Call) -> list[Any]:
    batch = np.broadcast_shapes(*(aval.shape[: call.batch] for aval in avals))
    return [_result(name, batch, avals, call) for name in call.asked]


def _result(name: str, batch: tuple[int, ...], avals: Any, call: Call) -> Any:
    z, t = avals[0], avals[1]
    core = z.shape[call.batch :]
    if name == "value":
        return beside(z, batch + _samples(call, core), value_type(z) if call.rounded else wide_type())
    if name == "by_target":
        return beside(
            z, batch + t.shape[call.batch :], t.dtype if jnp.issubdtype(t.dtype, jnp.floating) else wide_type()
        )
    if name == "by_weight":
        return beside(z, batch + avals[2].shape[call.batch :], value_type(avals[2]))
    dtype = z.dtype if name == "hessian" and jnp.issubdtype(z.dtype, jnp.floating) else kept_type(z)
    return beside(z, batch + core, dtype)


def _samples(call: Call, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the value of predictions of a shape."""
    if call.reduction != "none":
        return ()
    return tuple(np.delete(shape, call.axis).tolist()) if call.rule.prediction.axes else shape


loss_p = defined("rashin_loss", formula.evaluate, _abstract)


# ------------------------------------------------------------------------------------------- derivatives


def _differentiated(primals: Any, tangents: Any, *, call: Call) -> Any:
    """The results and their tangents; one evaluation gives value and gradient."""
    primals = tuple(map(jnp.asarray, primals))  # numbers of Python's may be among them
    if call.asked == ("product",):
        return _product_differentiated(primals, tangents, call)
    z, t, *others = (None if type(tangent) is ad.Zero else tangent for tangent in tangents)
    w = others[0] if call.weighted else None
    _refuse(call, primals, z, t, w)
    both = tuple(dict.fromkeys((*call.asked, "gradient"))) if z is not None and "value" in call.asked else call.asked
    found = dict(zip(both, bind(_asking(call, *both), *primals), strict=True))
    given = {
        "value": lambda: _of_value(primals, call, found.get("gradient"), z, t, w),
        "gradient": lambda: None if z is None else _product(primals, call, z),
    }
    results = [found[name] for name in call.asked]
    made = [given[name]() if name in given else None for name in call.asked]
    return results, [ad.Zero.from_primal_value(r) if d is None else d for r, d in zip(results, made, strict=True)]


def _refuse(call: Call, primals: Any, z: Any, t: Any, w: Any) -> None:
    if t is not None and not has_target_gradient(call.rule, jnp.ndim(primals[1]) < jnp.ndim(primals[0])):
        raise TypeError(CONSTANT)
    if "hessian" in call.asked and z is not None:
        raise NotImplementedError(THIRD)
    if call.asked != ("value",) and not (t is None and w is None):
        raise NotImplementedError(BY_SAMPLES)
    if call.asked[0].startswith("by_") and z is not None:
        raise NotImplementedError(BY_SAMPLES)


def _asking(call: Call, *names: str) -> Call:
    return dataclasses.replace(call, asked=names)


def _of_value(primals: Any, call: Call, gradient: Any, z: Any, t: Any, w: Any) -> Any:
    """The tangent of the value: what each array that varies contributes."""
    dtype = value_type(primals[0]) if call.rounded else wide_type()
    rows = call.rule.prediction.axes
    parts = [] if z is None else [_contracted(call, gradient, z, dtype, rows)]
    if t is not None:
        axes = call.rule.prediction.target_axes
        parts.append(_contracted(call, bind(_asking(call, "by_target"), *primals)[0], t, dtype, axes))
    if w is not None:
        parts.append(_contracted(call, bind(_asking(call, "by_weight"), *primals)[0], w, dtype, 0))
    return functools.reduce(jnp.add, parts) if parts else None


def _contracted(call: Call, derivative: Any, tangent: Any, dtype: Any, axes: int) -> Any:
    """Derivative times tangent, summed over the classes of a sample or over all samples."""
    product = derivative.astype(dtype) * tangent.astype(dtype)
    if call.reduction != "none":
        return jnp.sum(product, tuple(range(call.batch, product.ndim)))
    return jnp.sum(product, call.axis) if axes else product


def _product(primals: Any, call: Call, vector: Any) -> Any:
    checks.products(call.rule)
    vector = jnp.broadcast_to(vector, jnp.broadcast_shapes(vector.shape, primals[0].shape))
    return bind(_asking(call, "product"), *primals, vector.astype(kept_type(primals[0])))[0]


def _product_differentiated(primals: Any, tangents: Any, call: Call) -> Any:
    """The product is linear in its vector."""
    *others, vector = tangents
    if type(others[0]) is not ad.Zero:
        raise NotImplementedError(THIRD)
    if not all(type(other) is ad.Zero for other in others):
        raise NotImplementedError(BY_SAMPLES)
    results = bind(call, *primals)
    if type(vector) is ad.Zero:
        return results, [ad.Zero.from_primal_value(results[0])]
    return results, bind(call, *primals[:-1], vector)


def _transposed(cotangents: Any, *arrays: Any, call: Call) -> Any:
    """The Hessian is symmetric: the product is its own transpose."""
    (cotangent,) = cotangents
    if type(cotangent) is ad.Zero:
        return [None] * len(arrays)
    return [None] * (len(arrays) - 1) + bind(call, *arrays[:-1], cotangent)


ad.primitive_jvps[loss_p] = _differentiated
ad.primitive_transposes[loss_p] = _transposed


# ----------------------------------------------------------------------------------------------- batches


def _batched(arrays: Any, axes: Any, *, call: Call) -> Any:
    """One call for the whole batch; the vector has all of its elements, so that its transpose has them too."""
    size = next(array.shape[axis] for array, axis in zip(arrays, axes, strict=True) if axis is not None)
    given = [
        jnp.expand_dims(array, 0) if axis is None else jnp.moveaxis(array, axis, 0)
        for array, axis in zip(arrays, axes, strict=True)
    ]
    if call.asked == ("product",):
        given[-1] = jnp.broadcast_to(given[-1], (size, *given[-1].shape[1:]))
    results = bind(dataclasses.replace(call, batch=call.batch + 1), *given)
    return results, [0] * len(results)


batching.primitive_batchers[loss_p] = _batched
