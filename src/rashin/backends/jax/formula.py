"""The loss as its formula in JAX's own operations, for devices that the sweeps do not run on.

It runs in float64, whatever the arrays are, and rounds once. XLA's programs cannot raise an error for a number: one
that is refused elsewhere, such as a label that is no class, makes the value and the sample's derivatives NaN here.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rashin import checks
from rashin.arithmetic.jax import like
from rashin.backends.formula import Space, accepts, derived, product, target_slope
from rashin.backends.jax.call import Call
from rashin.domain import LOG_PROBABILITY
from rashin.rule import Rule

__all__ = ["evaluate"]

FAR = 0.05  # from 1, farther than the sum of any row of predictions that is accepted


def evaluate(call: Call, dtypes: list[Any], *arrays: Any) -> list[Any]:
    """The results that the call asks for, of these types."""
    with jax.enable_x64(True):
        batch = np.broadcast_shapes(*(array.shape[: call.batch] for array in arrays))
        whole = [jnp.broadcast_to(array, batch + array.shape[call.batch :]) for array in arrays]

        def one(*arrays: Any) -> list[Any]:
            found = _evaluate(call, *arrays)
            return [result.astype(dtype) for result, dtype in zip(found, dtypes, strict=True)]

        for _ in batch:
            one = jax.vmap(one)
        return one(*whole)


def _evaluate(call: Call, z: Any, t: Any, *others: Any) -> list[Any]:
    """Results in doubles. Samples are in rows, the classes last: (n,) or (n, C)."""
    rest = list(others)
    w = rest.pop(0) if call.weighted else None
    m = rest.pop(0) if call.masked else None
    shape, rows = z.shape, _rows(call, z)
    samples = rows.shape[:1]
    targets = _rows(call, t) if t.ndim == z.ndim else t.reshape(-1).astype(jnp.float64)
    selected = jnp.ones(samples, bool) if m is None else m.reshape(-1)
    weights = jnp.ones(samples, jnp.float64) if w is None else w.reshape(-1).astype(jnp.float64)
    weights = jnp.where(selected, weights, 0.0)
    space = Space(jnp, like(rows))
    fine = _is_fine(space, call.rule, rows, targets, t.dtype) & (weights >= 0.0) & (weights < jnp.inf)
    counts = selected & fine
    sample = call.rule.prediction
    rows = jnp.where(_beside(counts, rows), rows, jnp.asarray(sample.harmless))
    at_ease = 0.0 if sample.has_classes else call.rule.target.entry().samples[0]
    targets = jnp.where(_beside(counts, targets), targets, at_ease)
    total = jnp.sum(weights) if call.reduction == "mean" else 1.0

    def weighed(part: Any) -> Any:
        factor = _beside(weights, part)
        found = jnp.where(factor != 0.0, part * factor, 0.0)
        return jnp.where(_beside(fine | ~selected, part), found, jnp.nan)

    def placed(part: Any) -> Any:
        part = weighed(part) / total
        if part.ndim == 1:
            return part.reshape(shape)
        return jnp.moveaxis(part.reshape(_samples(call, shape) + part.shape[1:]), -1, call.axis)

    def value(reduction: str) -> Any:
        losses = weighed(derived(space, call.rule, rows, targets)[0])
        return losses.reshape(_samples(call, shape)) if reduction == "none" else jnp.sum(losses) / total

    def by_weight() -> Any:
        losses = derived(space, call.rule, rows, targets)[0]
        losses = (losses - value("mean")) / total if call.reduction == "mean" else losses
        return jnp.where(selected, losses, 0.0).reshape(_samples(call, shape))

    def vector() -> Any:
        v = _rows(call, rest[0])
        return jnp.where(_beside(counts, v), v, 0.0)

    results = {
        "value": lambda: value(call.reduction),
        "gradient": lambda: placed(derived(space, call.rule, rows, targets)[1]),
        "hessian": lambda: placed(derived(space, call.rule, rows, targets)[2]),
        "product": lambda: placed(product(space, call.rule, rows, targets, vector())),
        "by_target": lambda: placed(target_slope(space, call.rule, rows, targets)),
        "by_weight": by_weight,
    }
    return [results[name]() for name in call.asked]


def _rows(call: Call, x: Any) -> Any:
    x = x.astype(jnp.float64)
    if not call.rule.prediction.axes:
        return x.reshape(-1)
    x = jnp.moveaxis(x, call.axis, -1)
    return x.reshape(-1, x.shape[-1])


def _samples(call: Call, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(np.delete(shape, call.axis).tolist()) if call.rule.prediction.axes else shape


def _beside(x: Any, like: Any) -> Any:
    """Numbers of samples, so shaped that they go with their rows."""
    return x if like.ndim == 1 else x[:, None]


def _is_fine(space: Space, rule: Rule, z: Any, t: Any, dtype: Any) -> Any:
    """Which samples have no number that would be refused; ``dtype`` is the target's own."""
    kind = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.float64
    fine = accepts(space, rule, z, t, checks.sum_tolerance(z.shape[-1], float(jnp.finfo(kind).eps)))
    if dict(rule.options).get("normalized"):
        parts = jnp.exp(z) if rule.prediction.entry() == LOG_PROBABILITY else z
        fine &= jnp.abs(jnp.sum(parts, -1) - 1.0) <= FAR
    return fine
