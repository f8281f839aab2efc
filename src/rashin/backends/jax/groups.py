"""Losses of groups on JAX arrays and tracers: NumPy's sweeps as a callback, with the first derivative."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.jax.memory import array_of, kept_type, value_type

__all__ = ["evaluate_groups"]


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
    z = array_of("prediction", prediction)
    keys = group if group is None or isinstance(group, jax.Array) else _codes(group)
    given = {
        name: array_of(name, x)
        for name, x in (("target", target), ("weight", weight), ("where", where))
        if x is not None
    }
    call = _Call(program, reduction, axis, tuple(given), keys is not None)
    operands = (*given.values(), *(() if keys is None else (keys,)))
    value = _value(call, z, *operands)
    if not order:
        return sweeps.Answer(value, None, None)
    derivatives = _closed(call, order, z, *operands)
    dtype = z.dtype if jnp.issubdtype(z.dtype, jnp.floating) else kept_type(z)
    return sweeps.Answer(value, *(x.astype(dtype) for x in derivatives), *(None,) * (2 - order))


def _codes(group: Any) -> Any:
    """Keys of any type as numbers in their order."""
    keys = np.asarray(group)
    return np.unique(keys, return_inverse=True)[1].reshape(keys.shape).astype(np.int32)


class _Call:
    """What is asked, but for the arrays; equal if all parts are, so that JAX compiles once."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self.program, self.reduction, self.axis, self.names, self.keyed = parts

    def __hash__(self) -> int:
        return hash((self.program.rule, *self.parts[1:]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and (self.program.rule, *self.parts[1:]) == (
            other.program.rule,
            *other.parts[1:],
        )

    def answer(self, order: int, z: Any, *operands: Any) -> tuple[np.ndarray[Any, Any], ...]:
        """Value and derivatives, computed by NumPy's sweeps."""
        arrays = [np.asarray(x) for x in (z, *operands)]
        wide = arrays[0].astype(np.float32) if arrays[0].dtype == np.float16 else arrays[0]
        given = dict(zip(self.names, arrays[1:], strict=False))
        group = arrays[-1] if self.keyed else None
        found = sweeps.evaluate_groups(
            self.program, wide, given["target"], group, given.get("weight"), given.get("where"), self.reduction,
            self.axis, order,
        )  # fmt: skip
        types = value_type(arrays[0]), kept_type(arrays[0]), kept_type(arrays[0])
        return tuple(np.asarray(x, dtype) for x, dtype in zip(found[: order + 1], types, strict=False))

    def asked(self, order: int, z: Any, *operands: Any) -> Any:
        """The same as an operation of JAX."""
        shapes = [jax.ShapeDtypeStruct(self._sets(z.shape), value_type(z))]
        shapes += [jax.ShapeDtypeStruct(z.shape, kept_type(z))] * order
        return jax.pure_callback(partial(self.answer, order), tuple(shapes), z, *operands, vmap_method="sequential")

    def _sets(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.reduction != "none" or self.axis is None:
            return ()
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        own = {axis % len(shape) for axis in axes}
        return tuple(size for k, size in enumerate(shape) if k not in own)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _value(call: _Call, z: Any, *operands: Any) -> Any:
    return call.asked(0, z, *operands)[0]


def _forward(call: _Call, z: Any, *operands: Any) -> Any:
    value, gradient = call.asked(1, z, *operands)
    return value, (gradient, z, operands)


def _backward(call: _Call, kept: Any, d: Any) -> Any:
    gradient, z, operands = kept
    if d.ndim:
        axes = call.axis if isinstance(call.axis, tuple) else (call.axis,)
        d = jnp.expand_dims(d, tuple(axis % gradient.ndim for axis in axes))
    return ((gradient * d).astype(z.dtype), *(None for _ in operands))


_value.defvjp(_forward, _backward)


def _closed(call: _Call, order: int, z: Any, *operands: Any) -> Any:
    """The derivatives as functions of constants: JAX refuses to differentiate a callback."""
    return call.asked(order, z, *operands)[1:]
