"""Arguments as JAX's arrays, and the types of results."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rashin import checks

__all__ = ["array_of", "floating", "kept_type", "shadow", "value_type", "wide_type"]


def shadow(array: Any) -> NDArray[Any]:
    """An array of zeros of its shape and type, which takes no memory."""
    return np.broadcast_to(np.zeros((), array.dtype), array.shape)


def array_of(name: str, values: Any) -> Any:
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


def floating(array: Any) -> Any:
    """The array's dtype if it is floating, else the widest."""
    return array.dtype if jnp.issubdtype(array.dtype, jnp.floating) else wide_type()
