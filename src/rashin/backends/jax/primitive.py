"""The loss as a primitive of JAX, with a rule for each transformation.

Value, gradient and Hessian-vector product are each the derivative of the one before. There are no third derivatives,
nor second ones by target and weight: whoever asks for one is told so, as a rule that left it out would be a silent 0.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import JaxRuntimeError
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import NamedSharding, PartitionSpec

from rashin.backends.jax import custom_calls, formula
from rashin.backends.jax.call import Call, run
from rashin.backends.numpy.sensitivity import has_target_gradient

__all__ = ["bind", "kept_type"]

THIRD = "a third derivative of a loss: got one that JAX needs; expected a value, a gradient or a Hessian"
BY_SAMPLES = (
    "a second derivative by target or weight: got one that JAX needs; expected derivatives by the prediction; "
    "fix: use jax.lax.stop_gradient on the target and the weight"
)
CONSTANT = (
    "target: got an array that a gradient is asked for; expected a constant, as the loss has no derivative by it; "
    "fix: use jax.lax.stop_gradient(target)"
)

loss_p = Primitive("rashin_loss")
loss_p.multiple_results = True


def bind(call: Call, *arrays: Any) -> list[Any]:
    """The results that the call asks for."""
    return loss_p.bind(*_alike(arrays), call=call)


def _alike(arrays: tuple[Any, ...]) -> list[Any]:
    """The arrays, all of which vary over the same axes of a mesh, as shard_map wants it of what meets."""
    axes = [_varying(jax.typeof(array)) for array in arrays]
    every = frozenset().union(*axes)
    return [
        jax.lax.pcast(array, tuple(every - own), to="varying") if every - own else array
        for array, own in zip(arrays, axes, strict=True)
    ]


def _varying(aval: Any) -> frozenset[Any]:
    found = getattr(aval, "manual_axis_type", None)
    return frozenset(getattr(aval, "vma", ())) if found is None else found.varying


# ------------------------------------------------------------------------------------------ shapes and types


def kept_type(prediction: Any) -> Any:
    """The type of a gradient that is kept: of float16 float32, or what is scaled later would have vanished."""
    if prediction.dtype == jnp.float16:
        return jnp.dtype(jnp.float32)
    return prediction.dtype if jnp.issubdtype(prediction.dtype, jnp.floating) else wide_type()


def value_type(prediction: Any) -> Any:
    """The prediction's dtype, or float32 if it has 16 bits, as a scaled float16 would soon be infinite."""
    kept = kept_type(prediction)
    return kept if kept.itemsize > 2 else jnp.dtype(jnp.float32)


def wide_type() -> Any:
    """The widest that JAX has: float64, or float32 unless its 64-bit types are enabled."""
    return jnp.dtype(jnp.float64 if jax.config.jax_enable_x64 else jnp.float32)


def _abstract(*avals: Any, call: Call) -> list[Any]:
    batch = np.broadcast_shapes(*(aval.shape[: call.batch] for aval in avals))
    return [_result(name, batch, avals, call) for name in call.asked]


def _result(name: str, batch: tuple[int, ...], avals: Any, call: Call) -> Any:
    z, t = avals[0], avals[1]
    core = z.shape[call.batch :]
    if name == "value":
        return _of(z, batch + _samples(call, core), value_type(z) if call.rounded else wide_type())
    if name == "by_target":
        return _of(z, batch + t.shape[call.batch :], t.dtype if jnp.issubdtype(t.dtype, jnp.floating) else wide_type())
    if name == "by_weight":
        return _of(z, batch + avals[2].shape[call.batch :], value_type(avals[2]))
    dtype = z.dtype if name == "hessian" and jnp.issubdtype(z.dtype, jnp.floating) else kept_type(z)
    return _of(z, batch + core, dtype)


def _samples(call: Call, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the value of predictions of a shape."""
    if call.reduction != "none":
        return ()
    return tuple(np.delete(shape, call.axis).tolist()) if call.rule.prediction.axes else shape


def _of(z: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A result beside z: on its mesh, and varying as it does."""
    sharding = NamedSharding(z.sharding.mesh, PartitionSpec(*[None] * len(shape)))
    return z.update(shape=shape, dtype=dtype, weak_type=False, sharding=sharding)


loss_p.def_abstract_eval(_abstract)


# ----------------------------------------------------------------------------------------------- running


@loss_p.def_impl
def _evaluated(*arrays: Any, call: Call) -> Any:
    """Outside of jit: with the errors that NumPy's arrays have."""
    with jax.disable_jit(False):
        try:
            return jax.block_until_ready(_compiled(call)(*arrays))
        except JaxRuntimeError:
            if not all(isinstance(array, np.ndarray) or array.is_fully_addressable for array in arrays):
                raise
    given = [np.asarray(array) for array in arrays]
    run(call, given, [np.empty(r.shape, r.dtype) for r in jax.eval_shape(functools.partial(bind, call), *arrays)])
    raise RuntimeError("a loss that JAX could not compute could be computed again")


@functools.lru_cache(1024)
def _compiled(call: Call) -> Any:
    return jax.jit(functools.partial(bind, call))


def _lowered(context: Any, *operands: Any, call: Call) -> Any:
    """On the CPU the compiled sweeps, elsewhere the formula."""
    return custom_calls.lowered(context, operands, call) or _lowered_formula(context, *operands, call=call)


def _lowered_formula(context: Any, *operands: Any, call: Call) -> Any:
    evaluate = functools.partial(formula.evaluate, call, [aval.dtype for aval in context.avals_out])
    with jax.enable_x64(True):  # JAX asks again as it lowers each operation
        return mlir.lower_fun(evaluate, multiple_results=True)(context, *operands)


mlir.register_lowering(loss_p, _lowered, platform="cpu")
mlir.register_lowering(loss_p, _lowered_formula)


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
        parts.append(_contracted(call, bind(_asking(call, "by_target"), *primals)[0], t, dtype, rows))
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
    if call.rule.kind == "rowwise" and not call.rule.separable:
        raise TypeError(
            f"{call.rule.formula.__name__}: has no second derivative here: its formula of whole rows gives the "
            f"diagonal of the Hessian only; fix: write it with separable=True if it is a sum over the classes"
        )
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
