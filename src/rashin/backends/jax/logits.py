"""Links and statistics of logits on JAX arrays, whose derivatives are made of links."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import batching

from rashin import checks
from rashin.arithmetic.jax import like
from rashin.backends.formula import Space, links
from rashin.backends.jax.call import Link, Statistics
from rashin.backends.jax.memory import array_of, floating, shadow
from rashin.backends.jax.programs import alike, beside, defined

__all__ = ["log_softmax", "logsumexp", "sigmoid", "softmax", "softmax_statistics"]


def softmax(logits: Any, axis: int) -> jax.Array:
    """Probabilities along ``axis``."""
    return _checked("softmax", logits, axis)


def log_softmax(logits: Any, axis: int) -> jax.Array:
    """Log-probabilities along ``axis``."""
    return _checked("log_softmax", logits, axis)


def logsumexp(logits: Any, axis: int) -> jax.Array:
    """The logarithm of the sum of the exponentials along ``axis``."""
    return _checked("logsumexp", logits, axis)


def sigmoid(logits: Any) -> jax.Array:
    """The logistic function, element by element."""
    return _link("sigmoid", -1, array_of("logits", logits))


def _checked(name: str, logits: Any, axis: int) -> jax.Array:
    z = array_of("logits", logits)
    return _link(name, checks.axis(shadow(z), axis, "logits"), z)


# ------------------------------------------------------------------------------------------------- links


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _link(name: str, axis: int, z: Any) -> Any:
    return link_p.bind(z, call=Link(name, axis))[0]


@_link.defjvp
def _link_differentiated(name: str, axis: int, primals: Any, tangents: Any) -> Any:
    """A link and its tangent."""
    (z,), (dz,) = primals, tangents
    value = _link(name, axis, z)
    if not jnp.issubdtype(jnp.result_type(z), jnp.floating):
        return value, jnp.zeros_like(value)
    if name == "sigmoid":
        return value, dz * value * _link(name, axis, -z)
    p = value if name == "softmax" else _link("softmax", axis, z)
    mean = jnp.sum(p * dz, axis, keepdims=name != "logsumexp")
    tangent = {"softmax": lambda: p * (dz - mean), "log_softmax": lambda: dz - mean, "logsumexp": lambda: mean}
    return value, tangent[name]()


def _link_result(z: Any, call: Link) -> list[Any]:
    shape = tuple(np.delete(z.shape, call.axis).tolist()) if call.name == "logsumexp" else z.shape
    return [beside(z, shape, floating(z))]


def _link_formula(call: Link, dtypes: list[Any], logits: Any) -> list[Any]:
    z = logits.astype(jnp.float64)
    if call.name == "sigmoid":
        e = jnp.exp(-jnp.abs(z))
        return [(jnp.where(z >= 0.0, 1.0, e) / (1.0 + e)).astype(dtypes[0])]
    p, u, lse = links(Space(jnp, like(z)), jnp.moveaxis(z, call.axis, -1))
    found = {"softmax": p, "log_softmax": u, "logsumexp": lse}[call.name]
    return [(found if call.name == "logsumexp" else jnp.moveaxis(found, -1, call.axis)).astype(dtypes[0])]


def _link_batched(arrays: Any, axes: Any, *, call: Link) -> Any:
    return link_p.bind(jnp.moveaxis(arrays[0], axes[0], 0), call=call), [0]


link_p = defined("rashin_link", _link_formula, _link_result)
batching.primitive_batchers[link_p] = _link_batched


# ------------------------------------------------------------------------------------------------ statistics


def softmax_statistics(logits: Any, target: Any, axis: int, where: Any) -> tuple[jax.Array, ...]:
    """Log-probability of the label, logsumexp, entropy and rank of each row; the first three have derivatives."""
    z, t = array_of("logits", logits), array_of("target", target)
    m = None if where is None else array_of("where", where)
    axis = checks.axis(shadow(z), axis, "logits")
    rows = tuple(np.delete(z.shape, axis).tolist())
    checks.holds_distributions(shadow(z), shadow(t), rows, True)
    if m is not None:
        checks.selection(shadow(m), rows)
    return tuple(_statistics(jnp.moveaxis(z, axis, -1), t, m))


@jax.custom_jvp
def _statistics(z: Any, t: Any, m: Any) -> Any:
    arrays = [z, t] if m is None else [z, t, m]
    return statistics_p.bind(*alike(tuple(arrays)), call=Statistics(m is not None))


@_statistics.defjvp
def _statistics_differentiated(primals: Any, tangents: Any) -> Any:
    z, t, m = primals
    results = _statistics(z, t, m)
    zero = np.zeros(results[3].shape, jax.dtypes.float0)
    if not jnp.issubdtype(jnp.result_type(z), jnp.floating):
        return results, [jnp.zeros_like(result) for result in results[:3]] + [zero]
    if m is not None:
        z, t = jnp.where(m[..., None], z, 0.0), jnp.where(m, t, 0)
    dz = tangents[0] if m is None else jnp.where(m[..., None], tangents[0], 0.0)
    u = _link("log_softmax", -1, z)
    p = jnp.exp(u)
    surprise = jnp.where(p > 0.0, -u, 0.0)
    mean = jnp.sum(p * dz, -1)
    own = jnp.take_along_axis(dz, t.astype(int)[..., None], -1)[..., 0]
    entropy = jnp.sum(p * (surprise - jnp.sum(p * surprise, -1, keepdims=True)) * dz, -1)
    return results, [own - mean, mean, entropy, zero]


def _statistics_results(z: Any, t: Any, *m: Any, call: Statistics) -> list[Any]:
    rank = jnp.dtype(jnp.int64 if jax.config.jax_enable_x64 else jnp.int32)
    return [beside(z, z.shape[:-1], dtype) for dtype in (*[floating(z)] * 3, rank)]


def _statistics_formula(call: Statistics, dtypes: list[Any], logits: Any, t: Any, *m: Any) -> list[Any]:
    z = logits.astype(jnp.float64)
    inside = m[0] if m else jnp.ones(t.shape, bool)
    z, labels = jnp.where(inside[..., None], z, 0.0), jnp.where(inside, t, 0).astype(jnp.int32)
    p, u, lse = links(Space(jnp, like(z)), z)
    own = jnp.take_along_axis(z, labels[..., None], -1)
    fine = ~inside | ((t >= 0) & (t < z.shape[-1]))
    found = [
        jnp.take_along_axis(u, labels[..., None], -1)[..., 0],
        lse,
        jnp.sum(jnp.where(p > 0.0, -p * u, 0.0), -1),
    ]
    numbers = [jnp.where(inside, jnp.where(fine, part, jnp.nan), 0.0) for part in found]
    rank = jnp.where(inside & fine, jnp.sum(z > own, -1), -1)
    return [result.astype(dtype) for result, dtype in zip([*numbers, rank], dtypes, strict=True)]


def _statistics_batched(arrays: Any, axes: Any, *, call: Statistics) -> Any:
    size = next(array.shape[axis] for array, axis in zip(arrays, axes, strict=True) if axis is not None)
    given = [
        jnp.broadcast_to(array, (size, *array.shape)) if axis is None else jnp.moveaxis(array, axis, 0)
        for array, axis in zip(arrays, axes, strict=True)
    ]
    return statistics_p.bind(*given, call=call), [0] * 4


statistics_p = defined("rashin_statistics", _statistics_formula, _statistics_results)
batching.primitive_batchers[statistics_p] = _statistics_batched
