"""The loss after a linear layer on JAX arrays: value and gradients from one walk over blocks of logits."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.jax.call import Call, Linear
from rashin.backends.jax.logits import softmax_statistics
from rashin.backends.jax.memory import array_of, floating, kept_type, shadow, value_type, wide_type
from rashin.backends.jax.primitive import bind
from rashin.backends.jax.programs import alike, beside, defined, one_by_one
from rashin.backends.numpy.layer import LOGITS, checked_layer, height
from rashin.reduction import weigh

__all__ = ["evaluate_linear", "linear_statistics"]


class _Rows(NamedTuple):
    """What there is for each sample; the factor multiplies its gradient."""

    inputs: Any
    target: Any
    weight: Any
    where: Any
    factor: Any


def evaluate_linear(
    program: sweeps.Program, inputs: Any, classifier: Any, target: Any, bias: Any, weight: Any, where: Any,
    reduction: str, derive: bool,
) -> tuple[Any, Any]:  # fmt: skip
    """The reduced value, and the gradients if ``derive``."""
    x, w, b, t, m = _arguments(inputs, classifier, target, bias, where, False)
    weights = None if weight is None else array_of("weight", weight)
    weigh(None, None, (len(x),), reduction)
    if weights is not None:
        checks.weights(shadow(weights), (len(x),))
    call = Linear(program, program.rule, reduction, b is not None, weight is not None, m is not None, derive)
    if not derive:
        return _value(call, x, w, b, t, weights, m), None
    return _evaluated(call, x, w, b, t, weights, m)


def linear_statistics(inputs: Any, classifier: Any, target: Any, bias: Any, where: Any) -> tuple[jax.Array, ...]:
    """The statistics of the rows of logits; outside ``where`` 0, and the rank -1."""
    x, w, b, t, m = _arguments(inputs, classifier, target, bias, where, True)
    dtype = _dtype(x, w, b)

    def body(_: Any, rows: _Rows) -> Any:
        z = _logits(rows.inputs.astype(dtype), w.astype(dtype), b)
        return None, softmax_statistics(z, rows.target, -1, rows.where)

    rows = _blocks(_Rows(x, t, None, m, None), len(w), dtype)
    found = jax.lax.scan(body, None, rows)[1]
    return tuple(part.reshape(-1)[: len(x)].astype(_like(part, x)) for part in found)


def _like(part: Any, x: Any) -> Any:
    return part.dtype if not jnp.issubdtype(part.dtype, jnp.floating) else floating(x)


def _arguments(inputs: Any, classifier: Any, target: Any, bias: Any, where: Any, only_labels: bool) -> Any:
    x, w, t = array_of("inputs", inputs), array_of("classifier", classifier), array_of("target", target)
    b = None if bias is None else array_of("bias", bias)
    m = None if where is None else array_of("where", where)
    checked_layer(shadow(x), shadow(w), None if b is None else shadow(b), None, LOGITS)
    checks.holds_distributions(np.broadcast_to(0.0, (len(x), len(w))), shadow(t), (len(x),), only_labels)
    if m is not None:
        checks.selection(shadow(m), (len(x),))
    return x, w, b, t, m


def _dtype(*arrays: Any) -> Any:
    """The type of the products: float32 unless something is wider than that."""
    single = all(array is None or kept_type(array).itemsize <= 4 for array in arrays)
    return jnp.dtype(jnp.float32 if single else jnp.float64)


def _logits(x: Any, w: Any, b: Any) -> Any:
    z = _product(x, w.T)
    return z if b is None else z + b.astype(z.dtype)


def _product(a: Any, b: Any) -> Any:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


# --------------------------------------------------------------------------------------- value and derivatives


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _value(call: Linear, *arrays: Any) -> Any:
    return _evaluated(call, *arrays)[0]


def _forward(call: Linear, *primals: Any) -> Any:
    """The value, and the gradients beside it; if each sample has its own, they wait for what comes from above."""
    for name, primal in zip(("target", "weight"), primals[3:5], strict=True):
        if primal is not None and primal.perturbed:
            raise TypeError(
                f"{name}: got an array that a gradient is asked for; expected a constant, as the linear form has "
                f"derivatives by inputs, classifier and bias only; fix: use jax.lax.stop_gradient({name})"
            )
    given = [None if primal is None else primal.value for primal in primals]
    types = [None if array is None else array[:0] for array in given[:3]]
    if call.reduction == "none":
        return _evaluated(call, *given)[0], (types, given)
    # What is scaled later would have vanished in float16.
    wide = [None if array is None else array.astype(kept_type(array)) for array in given[:3]]
    value, gradients = _evaluated(dataclasses.replace(call, derive=True), *wide, *given[3:])
    return value, (types, gradients)


def _backward(call: Linear, kept: Any, d: Any) -> Any:
    types, parts = kept
    if call.reduction == "none":
        parts, d = _walked(dataclasses.replace(call, derive=True), d, *parts)[1], 1.0
    scaled = (None if one is None else (part * d).astype(one.dtype) for one, part in zip(types, parts, strict=True))
    return (*scaled, None, None, None)


_value.defvjp(_forward, _backward, symbolic_zeros=True)


def _evaluated(call: Linear, x: Any, w: Any, b: Any, t: Any, weights: Any, m: Any) -> Any:
    """The value, and the gradients if the call asks for them."""
    arrays = [array for array in (x, w, t, b, weights, m) if array is not None]
    value, *gradients = linear_p.bind(*alike(tuple(arrays)), call=call)
    return value, (*gradients, None)[:3] if call.derive else None


def _results(*avals: Any, call: Linear) -> list[Any]:
    x, w, _, b, *_ = call.sorted(avals)
    value = beside(x, x.shape[:1], floating(x)) if call.reduction == "none" else beside(x, (), value_type(x))
    if not call.derive:
        return [value]
    return [value, *(beside(each, each.shape, floating(each)) for each in (x, w, b) if each is not None)]


def _formula(call: Linear, dtypes: list[Any], *arrays: Any) -> list[Any]:
    """Block by block, by products of JAX's, also on the CPU.

    Of 512 rows and 128256 classes (D 256, float32, a busy machine), value and gradients took 2.9 s, of all logits at
    once 2.2 s, and by NumPy's backend in a custom call 14 s.
    """
    x, w, t, b, weights, m = call.sorted(arrays)
    value, gradients = _walked(call, None, x, w, b, t, weights, m)
    found = [value, *(part for part in gradients or () if part is not None)]
    return [result.astype(dtype) for result, dtype in zip(found, dtypes, strict=True)]


linear_p = defined("rashin_linear", _formula, _results, swept=False)
one_by_one(linear_p)


# ------------------------------------------------------------------------------------------ block by block


def _walked(call: Linear, factor: Any, x: Any, w: Any, b: Any, t: Any, weights: Any, m: Any) -> Any:
    """The value, and the gradients if the call asks for them, times the factor of each sample."""
    dtype, wide, samples = _dtype(x, w, b), wide_type(), len(x)
    counts = jnp.ones(samples, wide) if weights is None else weights.astype(wide)
    counts = counts if m is None else jnp.where(m, counts, 0.0)
    total = jnp.sum(counts) if call.reduction == "mean" else jnp.ones((), wide)
    every = jnp.broadcast_to((1.0 / total).astype(dtype), samples) if factor is None else factor.astype(dtype)
    if weights is not None or m is not None:
        x = jnp.where((counts != 0.0)[:, None], x, 0)  # 0 * inf must not appear
    rows, matrix = _blocks(_Rows(x, t, weights, m, every), len(w), dtype), w.astype(dtype)
    asked = ("value", "gradient") if call.derive else ("value",)
    kept = "none" if call.reduction == "none" else "sum"

    def body(sums: Any, rows: _Rows) -> Any:
        given = rows.inputs.astype(dtype)
        arrays = [_logits(given, matrix, b), rows.target, rows.weight, rows.where]
        one = Call(call.program, call.rule, kept, -1, rows.weight is not None, rows.where is not None, asked)
        value, *gradient = bind(one, *(array for array in arrays if array is not None))
        if not call.derive:
            return sums, (value, None)
        (g,), column = gradient, rows.factor[:, None]
        by_inputs = column * _product(g, matrix)
        return (sums[0] + _product(g.T, column * given), sums[1] + _product(rows.factor, g)), (value, by_inputs)

    zeros = (jnp.zeros(w.shape, dtype), jnp.zeros(len(w), dtype)) if call.derive else None
    sums, (values, by_inputs) = jax.lax.scan(body, zeros, rows)
    value = values.reshape(-1)[:samples] if call.reduction == "none" else jnp.sum(values) / total
    if not call.derive:
        return value, None
    return value, (by_inputs.reshape(-1, x.shape[1])[:samples], sums[0], None if b is None else sums[1])


def _blocks(rows: _Rows, classes: int, dtype: Any) -> _Rows:
    """The rows in blocks of equal height, the last of which is filled up with rows that do not count."""
    samples = len(rows.inputs)
    blocks = max(1, -(-samples // height(classes, rows.inputs.shape[1], dtype)))
    rows_each = -(-samples // blocks)
    more = blocks * rows_each - samples
    if more and rows.where is None:
        rows = rows._replace(where=jnp.ones(samples, bool))

    def cut(array: Any) -> Any:
        if array is None:
            return None
        filled = jnp.pad(array, ((0, more), *[(0, 0)] * (array.ndim - 1))) if more else array
        return filled.reshape(blocks, rows_each, *array.shape[1:])

    return _Rows(*map(cut, rows))
