"""Primitives that NumPy's sweeps compute for every device: in a custom call on the CPU, elsewhere in a callback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive

from rashin.backends.jax.programs import defined, one_by_one

__all__ = ["on_the_host"]


def on_the_host(name: str, results: Callable[..., list[Any]]) -> Primitive:
    """A primitive whose call has no formula in JAX's operations; of a batch, it takes one element after another."""

    def called_back(call: Any, dtypes: list[Any], *arrays: Any) -> list[Any]:
        avals = results(*map(jax.typeof, arrays), call=call)
        shapes = [aval.shape for aval in avals]
        types = [array.dtype for array in arrays]

        def answer(*given: Any) -> list[Any]:
            found = [np.empty(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
            call.run([_whole(array, dtype) for array, dtype in zip(given, types, strict=True)], found)
            return [_halves(array) for array in found]

        halves = [_halves(np.empty(shape, dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)]
        found = jax.pure_callback(answer, halves, *map(_halved, arrays))
        return [_joined(array, dtype) for array, dtype in zip(found, dtypes, strict=True)]

    primitive = defined(name, called_back, results)
    one_by_one(primitive)
    return primitive


# Numbers of 64 bits go to the callback and back as pairs of 32: its thread may have no 64-bit types, and would round
# them.


def _halved(array: Any) -> Any:
    return jax.lax.bitcast_convert_type(array, jnp.uint32) if array.dtype.itemsize == 8 else array


def _whole(array: Any, dtype: Any) -> Any:
    given = np.asarray(array, order="C")
    return given if given.dtype == dtype else given.view(dtype)[..., 0]


def _halves(array: Any) -> Any:
    return array[..., None].view(np.uint32) if array.dtype.itemsize == 8 else array


def _joined(array: Any, dtype: Any) -> Any:
    return array if array.dtype == dtype else jax.lax.bitcast_convert_type(array, dtype)
