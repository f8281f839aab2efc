"""The loss as its formula in JAX's own operations, for devices that the sweeps do not run on.

It runs in float64, whatever the arrays are, and rounds once. XLA's programs cannot raise an error for a number: one
that is refused elsewhere, such as a label that is no class, makes the value and the sample's derivatives NaN here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rashin.arithmetic.jax import like
from rashin.backends.jax.call import Call
from rashin.domain import LOG_PROBABILITY, Domain
from rashin.rule import RESIDUAL, Rule

__all__ = ["evaluate"]

FAR = 0.05  # from 1, farther than the sum of any row of probabilities that is accepted


class Jet(NamedTuple):
    """Losses of samples, their derivatives by the prediction, and by a target that can vary."""

    value: Any
    slope: Any
    curvature: Any
    by_target: Any


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
    rest = [x.astype(jnp.float64) for x in others]
    w = rest.pop(0) if call.weighted else None
    m = others[int(call.weighted)] if call.masked else None
    v = rest[-1] if call.asked == ("product",) else None
    rows = call.rule.prediction.axes
    z, t, v = (None if x is None else _classes_last(call, x, z.ndim).astype(jnp.float64) for x in (z, t, v))
    z, t, v, fine = _within(call.rule, z, t, v, m)
    jet = _pointwise(call.rule, z, t) if not rows else _of_rows(call.rule, z, t, v)
    if v is not None and (not rows or call.rule.separable):
        jet = jet._replace(curvature=jnp.where(v == 0.0, 0.0, jet.curvature * v))
    return _reduced(call, Jet(*(_poisoned(part, fine) for part in jet)), w, m, fine.shape)


def _classes_last(call: Call, x: Any, dimensions: int) -> Any:
    return jnp.moveaxis(x, call.axis, -1) if call.rule.prediction.axes and x.ndim == dimensions else x


def _poisoned(part: Any, fine: Any) -> Any:
    return None if part is None else jnp.where(fine.reshape(fine.shape + (1,) * (part.ndim - fine.ndim)), part, jnp.nan)


# --------------------------------------------------------------------------------------------- reduction


def _reduced(call: Call, jet: Jet, w: Any, m: Any, samples: tuple[int, ...]) -> list[Any]:
    weight = jnp.ones(samples, jnp.float64) if w is None else w
    weight = weight if m is None else jnp.where(m, weight, 0.0)
    good = jnp.all((weight >= 0.0) & (weight < jnp.inf))
    total = jnp.where(good, jnp.sum(weight) if call.reduction == "mean" else 1.0, jnp.nan)

    def weighed(part: Any) -> Any:
        factor = weight.reshape(samples + (1,) * (part.ndim - len(samples)))
        return jnp.where(factor != 0.0, part * factor, 0.0)

    def placed(part: Any) -> Any:
        part = weighed(part) / total
        return jnp.moveaxis(part, -1, call.axis) if part.ndim > len(samples) else part

    losses = weighed(jet.value)
    value = losses / total if call.reduction == "none" else jnp.sum(losses) / total
    known = jet.value if m is None else jnp.where(m, jet.value, 0.0)
    by_weight = (known - value) / total if call.reduction == "mean" else known
    results = {
        "value": lambda: value,
        "gradient": lambda: placed(jet.slope),
        "hessian": lambda: placed(jet.curvature),
        "product": lambda: placed(jet.curvature),
        "by_target": lambda: placed(jet.by_target),
        "by_weight": lambda: by_weight if m is None else jnp.where(m, by_weight, 0.0),
    }
    return [results[name]() for name in call.asked]


# -------------------------------------------------------------------------------------- what is accepted


def _within(rule: Rule, z: Any, t: Any, v: Any, m: Any) -> tuple[Any, Any, Any, Any]:
    """The arrays with harmless numbers outside the mask, and which samples have none that would be refused."""
    shares = t.ndim == z.ndim and rule.prediction.axes
    if m is not None:
        chosen = m[..., None] if rule.prediction.axes else m
        z = jnp.where(chosen, z, rule.prediction.entry().samples[0])
        v = None if v is None else jnp.where(chosen, v, 0.0)
        t = jnp.where(chosen, t, 1.0 / t.shape[-1]) if shares else jnp.where(m, t, rule.target.samples[0])
    fine = _contains(rule.prediction.entry(), z)
    if not rule.prediction.axes:
        return z, t, v, fine & _contains(rule.target, t)
    fine = jnp.all(fine, -1)
    if dict(rule.options).get("normalized"):
        sums = jnp.sum(jnp.exp(z) if rule.prediction.entry() == LOG_PROBABILITY else z, -1)
        inside = True if m is None else m
        fine &= (jnp.abs(sums - 1.0) <= FAR) | ~jnp.asarray(inside)
    if shares:
        return z, t, v, fine & jnp.all((t >= 0.0) & (t <= 1.0), -1) & (jnp.abs(jnp.sum(t, -1) - 1.0) <= FAR)
    return z, t, v, fine & (t >= 0.0) & (t < z.shape[-1]) & (t == jnp.floor(t))


def _contains(domain: Domain, x: Any) -> Any:
    """As the domain has it, of JAX's arrays."""
    if domain.shape == "ends":
        return (x == domain.low) | (x == domain.high)
    return (x >= domain.low) & (x <= domain.high)


# ----------------------------------------------------------------------------------------- the formulas


def _full(part: Any, z: Any) -> Any:
    return jnp.broadcast_to(jnp.asarray(part, jnp.float64), z.shape)


def _pointwise(rule: Rule, z: Any, t: Any) -> Jet:
    xp = like(z)
    value, slope, curvature = (_full(part, z) for part in rule.formula(xp, z, t, *rule.parameters))
    by_target = -slope if rule.target_slope == RESIDUAL else None
    if callable(rule.target_slope):
        by_target = _full(rule.target_slope(xp, z, t, *rule.parameters), z)
    return Jet(value, slope, curvature, by_target)


def _of_rows(rule: Rule, z: Any, t: Any, v: Any) -> Jet:
    """The jet of rows; in the place of the curvature the product with v, if there is one and it is not the diagonal."""
    shares = t if t.ndim == z.ndim else jax.nn.one_hot(t.astype(jnp.int32), z.shape[-1], dtype=jnp.float64)
    if rule.kind == "labelwise":
        return _capped(rule, z, shares, v)
    if not rule.separable:
        value, slope, curvature = rule.formula(like(z), z, shares, *rule.parameters)
        return Jet(value, _full(slope, z), _full(curvature, z), None)
    jet = _pointwise(rule, z, shares)
    value, slope, curvature = (jnp.where(shares > 0.0, part, 0.0) for part in jet[:3])
    return Jet(jnp.sum(value, -1), slope, curvature, jet.by_target)


def _capped(rule: Rule, z: Any, shares: Any, v: Any) -> Jet:
    """The jet of a label loss, of capped logits where there is a cap."""
    options = dict(rule.options)
    cap = options.get("softcap")
    if not cap:
        return _labels(rule, options, z, shares, v)
    tanh = jnp.tanh(z / cap)
    first = 1.0 / jnp.square(jnp.cosh(z / cap))
    second = -2.0 / cap * tanh * first
    jet = _labels(rule, options, cap * tanh, shares, None if v is None else first * v)
    bent = jet.slope * second
    curvature = jet.curvature * first * first + bent if v is None else jet.curvature * first + bent * v
    return jet._replace(slope=jet.slope * first, curvature=curvature)


def _labels(rule: Rule, options: dict[str, Any], z: Any, shares: Any, v: Any) -> Jet:
    """Of sum_k q_k phi(u_k) + z_loss lse^2: slopes are q_k phi', curvatures q_k phi''."""
    smoothing, z_loss = options.get("label_smoothing") or 0.0, options.get("z_loss") or 0.0
    u, lse = _log_softmax(z)
    losses, slopes, curvatures = (_full(part, z) for part in rule.formula(like(z), u, *rule.parameters))
    mix = (1.0 - smoothing) * shares + smoothing / z.shape[-1]
    terms, slopes, curvatures = (jnp.where(mix != 0.0, mix * part, 0.0) for part in (losses, slopes, curvatures))
    p, away = jnp.exp(u), -jnp.expm1(u)
    total, pull = jnp.sum(slopes, -1, keepdims=True), 2.0 * z_loss * lse
    value = jnp.sum(terms, -1) + z_loss * jnp.square(lse[..., 0])
    slope = slopes * away - p * (_others(slopes) - pull)
    if v is None:
        curvature = curvatures * away * away + p * p * (_others(curvatures) + 2.0 * z_loss) + (pull - total) * p * away
    else:
        mean = jnp.sum(p * v, -1, keepdims=True)
        c = v - mean
        bent = curvatures * c
        curvature = bent - p * jnp.sum(bent, -1, keepdims=True) + (pull - total) * p * c + 2.0 * z_loss * p * mean
    return Jet(value, slope, curvature, (1.0 - smoothing) * losses)


def _others(x: Any) -> Any:
    """The sum of the other classes, exact where only one is not 0."""
    return jnp.sum(x, -1, keepdims=True) - x


def _log_softmax(z: Any) -> tuple[Any, Any]:
    """The log-probabilities, and logsumexp, without losing a digit where one class dominates."""
    peak = jnp.max(z, -1, keepdims=True)
    below = jnp.where(z == peak, 0.0, z - peak)
    first = jnp.arange(z.shape[-1], dtype=jnp.int32) == jax.lax.argmax(z, z.ndim - 1, jnp.int32)[..., None]
    log_rest = jnp.log1p(jnp.sum(jnp.where(first, 0.0, jnp.exp(below)), -1, keepdims=True))
    return below - log_rest, peak + log_rest
