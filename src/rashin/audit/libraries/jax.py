"""Losses of JAX and of libraries on it, such as optax: traced once for each shape, differentiated by ``jax.grad``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rashin.audit.subject import Subject, Target, numbers

__all__ = ["subject"]

Array = NDArray[Any]


def subject(target: Target, call: Callable[..., Any] | None = None) -> Subject:
    """A function of JAX arrays. float64 is switched on while it runs, and only then."""
    run = call or target

    def total(z: Any, t: Any, keywords: dict[str, Any]) -> Any:
        return jnp.sum(run(z, t, **keywords))

    values = _traced(lambda z, t, keywords: run(z, t, **keywords))
    slopes = _traced(jax.grad(total))

    def value(z: Array, t: Array, /, **keywords: Any) -> Array:
        return values(z, t, keywords)

    def gradient(z: Array, t: Array, /, **keywords: Any) -> Array:
        return slopes(z, t, keywords)

    return Subject(target, "jax", value, {"gradient": gradient}, written=partial(_written, target))


def _traced(f: Callable[..., Any]) -> Callable[..., Array]:
    """The function, compiled unless it looks at its numbers."""
    compiled, is_traceable = jax.jit(f), [True]

    def run(*arguments: Any) -> Array:
        with jax.enable_x64(True):
            if is_traceable[0]:
                try:
                    return np.asarray(compiled(*arguments))
                except jax.errors.JAXTypeError:
                    is_traceable[0] = False
            return np.asarray(f(*jax.tree.map(jnp.asarray, arguments)))

    return run


def _written(target: Target, z: Array, t: Array, **keywords: Array) -> str:
    return target.written(_literal(z), _literal(t), **{name: _literal(x) for name, x in keywords.items()})


def _literal(x: Array) -> str:
    return f"jnp.array({numbers(x, 'jnp')}, dtype=jnp.{x.dtype.name})"
