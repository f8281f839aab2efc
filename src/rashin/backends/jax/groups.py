"""Losses of groups on JAX arrays and tracers: NumPy's sweeps, on the CPU, with the first derivative."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters import ad

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.jax.call import Groups
from rashin.backends.jax.callbacks import on_the_host
from rashin.backends.jax.memory import array_of, floating, kept_type, shadow, value_type
from rashin.backends.jax.programs import alike, beside
from rashin.backends.numpy.groups.layout import layout

__all__ = ["evaluate_groups"]

SECOND = (
    "prediction: got a second derivative of a loss of groups; expected the first; fix: use .hessian, the diagonal, or "
    "jax.lax.stop_gradient on the prediction"
)


def evaluate_groups(
    program: sweeps.Program,
    prediction: Any,
    target: Any,
    group: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: Any,
    order: int,
    out: Any = None,
) -> Any:
    """The reduced loss and its derivatives up to an order."""
    if out is not None:
        raise TypeError("out: got an array; expected None, as JAX's arrays cannot be written; fix: leave it out")
    checks.choice("reduction", reduction)
    if reduction == "none" and group is not None:
        raise TypeError(
            "reduction: got 'none' with group= for a JAX array, whose number of sets JAX cannot know; expected 'mean' "
            "or 'sum'; fix: use axis=, or pass np.asarray(prediction)"
        )
    z, t = array_of("prediction", prediction), array_of("target", target)
    axes = None if axis is None else layout(z.shape, group, axis, None).axes
    keys = group if group is None or isinstance(group, jax.Array) else _codes(group, z.shape, where)
    w = None if weight is None else array_of("weight", weight)
    m = None if where is None else array_of("where", where)
    _check_shapes(program, z, t, w, m)
    given = alike(tuple(x for x in (z, t, keys, w, m) if x is not None))
    call = Groups(program, program.rule, reduction, axes, keys is not None, w is not None, m is not None)
    value = groups_p.bind(*given, call=call)[0]
    if not order:
        return sweeps.Answer(value, None, None)
    # Apart from the value, so that it can be differentiated where they cannot.
    derivatives = groups_p.bind(*given, call=dataclasses.replace(call, order=order))[1:]
    return sweeps.Answer(value, *(x.astype(floating(z)) for x in derivatives), *(None,) * (2 - order))


def _codes(group: Any, shape: tuple[int, ...], where: Any) -> Any:
    """Keys of any type as numbers in their order; those outside a mask that is known may be missing."""
    keys = np.asarray(group)
    known = where is not None and not isinstance(where, jax.core.Tracer)
    sets = layout(shape, keys, None, checks.selection(np.asarray(where), shape) if known else None)
    sizes = np.diff(sets.starts)
    return jnp.asarray(sets.scattered(np.repeat(np.arange(sizes.size), sizes), shape, np.dtype(np.int32)))


def _check_shapes(program: sweeps.Program, z: Any, t: Any, w: Any, m: Any) -> None:
    if not program.rule.target.columns:
        checks.same_shape(shadow(z), shadow(t))
    if w is not None:
        checks.weights(shadow(w), z.shape)
    if m is not None:
        checks.selection(shadow(m), z.shape)


def _results(z: Any, *others: Any, call: Groups) -> list[Any]:
    sets = () if call.reduction != "none" else np.delete(z.shape, _axes(call, z)).tolist()
    return [beside(z, tuple(sets), value_type(z)), *[beside(z, z.shape, kept_type(z))] * call.order]


def _axes(call: Groups, z: Any) -> tuple[int, ...]:
    return tuple(range(z.ndim)) if call.axis is None else call.axis


groups_p = on_the_host("rashin_groups", _results)


# ------------------------------------------------------------------------------------------- derivatives


def _differentiated(primals: Any, tangents: Any, *, call: Groups) -> Any:
    """The value and its tangent, with the gradient from the same evaluation."""
    primals = tuple(map(jnp.asarray, primals))  # numbers of Python's may be among them
    varies = [type(tangent) is not ad.Zero for tangent in tangents]
    _refuse(call, varies)
    z = primals[0]
    value, gradient = groups_p.bind(*primals, call=dataclasses.replace(call, order=1))
    product = gradient.astype(value.dtype) * tangents[0].astype(value.dtype)
    return [value], [jnp.sum(product, None if call.reduction != "none" else _axes(call, z))]


def _refuse(call: Groups, varies: list[bool]) -> None:
    for name, one in zip(call.names(), varies, strict=True):
        if one and name != "prediction":
            raise TypeError(
                f"{name}: got an array that a gradient is asked for; expected a constant, as losses of groups have no "
                f"derivative by it; fix: use jax.lax.stop_gradient({name})"
            )
    if call.order:
        raise NotImplementedError(SECOND)


ad.primitive_jvps[groups_p] = _differentiated
