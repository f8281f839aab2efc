"""The vocabulary on JAX arrays.

A number in a formula belongs to no dtype, and with 64-bit types enabled JAX makes float64 of two of them, whatever the
arrays around it. So the vocabulary is made for an array, and numbers take its dtype.

Two things are XLA's. On the CPU its threads flush subnormal numbers to 0. And where it compiles a whole formula, its
simplifier moves constants through sums, (1 - z) - 1 becomes -z, and with them go the rounding errors that a formula has
kept: compile with ``compiler_options={"xla_disable_hlo_passes": "algsimp"}``.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rashin.arithmetic.arrays import MOST
from rashin.arithmetic.special import with_special_functions

__all__ = ["like"]

_SAME = ("abs", "exp", "expm1", "log", "log1p", "max", "round", "sign", "sqrt", "sum", "tanh")


def like(z: jax.Array) -> SimpleNamespace:
    """The vocabulary for arrays with the dtype of ``z``, float32 or float64."""

    def array(x: Any) -> Any:
        with np.errstate(over="ignore"):  # JAX converts through NumPy, which warns of numbers that become infinite
            return x if isinstance(x, jax.Array) else jnp.asarray(x, z.dtype)

    def taking_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *x, **axis: function(*map(array, x), **axis)

    def where(condition: Any, a: Any, b: Any) -> Any:
        return jnp.where(condition, array(a), array(b))

    same = {name: taking_numbers(getattr(jnp, name)) for name in _SAME}
    words = SimpleNamespace(
        **same,
        log1p_unit=same["log1p"],
        narrow=lambda: False,
        float_power=taking_numbers(jnp.power),
        where=where,
        concat=jnp.concatenate,
        iterate=iterate,
    )
    return with_special_functions(words, array)


def iterate(step: Callable[[Any], Any], x: Any) -> Any:
    """As on NumPy arrays, in a loop of XLA's."""

    def moves(state: Any) -> Any:
        steps, before, x = state
        return (steps < MOST) & jnp.any((x != before) & (x == x))

    return jax.lax.while_loop(moves, lambda state: (state[0] + 1, state[2], step(state[2])), (1, x, step(x)))[2]
