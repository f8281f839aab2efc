"""Primitives in XLA's programs: on the CPU a custom call of the sweeps, elsewhere a formula; and outside of jit."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import JaxRuntimeError
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir
from jax.sharding import NamedSharding, PartitionSpec

from rashin.backends.jax import custom_calls

__all__ = ["alike", "beside", "defined", "one_by_one"]


def defined(
    name: str, formula: Callable[..., list[Any]], results: Callable[..., list[Any]], swept: bool = True
) -> Primitive:
    """A primitive with one parameter, ``call``, whose ``run(arrays, results)`` is what NumPy's backend does.

    ``formula(call, dtypes, *arrays)`` does it in JAX's operations on doubles, and ``results(*avals, call)`` has the
    shapes. What is not ``swept`` is computed by the formula everywhere.
    """
    primitive = Primitive(name)
    primitive.multiple_results = True
    primitive.def_abstract_eval(results)
    primitive.def_impl(functools.partial(_evaluated, primitive))

    def of_formula(context: Any, *operands: Any, call: Any) -> Any:
        evaluate = functools.partial(formula, call, [aval.dtype for aval in context.avals_out])
        with jax.enable_x64(True):  # JAX asks again as it lowers each operation
            return mlir.lower_fun(evaluate, multiple_results=True)(context, *operands)

    def lowered(context: Any, *operands: Any, call: Any) -> Any:
        return custom_calls.lowered(context, operands, call) or of_formula(context, *operands, call=call)

    if swept:
        mlir.register_lowering(primitive, lowered, platform="cpu")
    mlir.register_lowering(primitive, of_formula)
    return primitive


def _evaluated(primitive: Primitive, *arrays: Any, call: Any) -> Any:
    """Outside of jit: with the errors that NumPy's arrays have."""
    with jax.disable_jit(False):
        try:
            return jax.block_until_ready(_compiled(primitive, call)(*arrays))
        except JaxRuntimeError:
            if not all(isinstance(array, np.ndarray) or array.is_fully_addressable for array in arrays):
                raise
        results = jax.eval_shape(functools.partial(primitive.bind, call=call), *arrays)
    call.run([np.asarray(array) for array in arrays], [np.empty(result.shape, result.dtype) for result in results])
    raise RuntimeError("a loss that JAX could not compute could be computed again")


@functools.lru_cache(1024)
def _compiled(primitive: Primitive, call: Any) -> Any:
    return jax.jit(functools.partial(primitive.bind, call=call))


def one_by_one(primitive: Primitive) -> None:
    """A batch of calls is one call after another: each is large, or has no kernel for several."""

    def batched(arrays: Any, axes: Any, *, call: Any) -> Any:
        fixed = [array for array, axis in zip(arrays, axes, strict=True) if axis is None]
        moved = [jnp.moveaxis(array, axis, 0) for array, axis in zip(arrays, axes, strict=True) if axis is not None]

        def one(batched: list[Any]) -> list[Any]:
            left, right = list(fixed), list(batched)
            return primitive.bind(*((left if axis is None else right).pop(0) for axis in axes), call=call)

        found = jax.lax.map(one, moved)
        return found, [0] * len(found)

    batching.primitive_batchers[primitive] = batched


# ----------------------------------------------------------------------------------------------- meshes


def alike(arrays: tuple[Any, ...]) -> list[Any]:
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


def beside(z: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A result beside z: on its mesh, and varying as it does."""
    sharding = NamedSharding(z.sharding.mesh, PartitionSpec(*[None] * len(shape)))
    return z.update(shape=shape, dtype=dtype, weak_type=False, sharding=sharding)
