"""The loss after a linear layer on JAX arrays: value and gradients from one walk over blocks of logits."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import JaxRuntimeError

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.jax.call import Call
from rashin.backends.jax.logits import softmax_statistics
from rashin.backends.jax.memory import array_of, kept_type, shadow, wide_type
from rashin.backends.jax.primitive import bind
from rashin.backends.numpy.layer import LEAST, LOGITS, MOST, checked_layer
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
    asked = ("value", "gradient") if derive else ("value",)
    kept = "none" if reduction == "none" else "sum"
    call = Call(program, program.rule, kept, -1, weight is not None, False, asked)
    if not derive:
        return _value(call, reduction, x, w, b, t, weights, m), None
    return _run(call, reduction, None, x, w, b, t, weights, m)


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
    return part.dtype if not jnp.issubdtype(part.dtype, jnp.floating) else _floating(x)


def _floating(x: Any) -> Any:
    return x.dtype if jnp.issubdtype(x.dtype, jnp.floating) else wide_type()


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


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _value(call: Call, reduction: str, x: Any, w: Any, b: Any, t: Any, weights: Any, m: Any) -> Any:
    return _run(call, reduction, None, x, w, b, t, weights, m)[0]


def _forward(call: Call, reduction: str, *primals: Any) -> Any:
    """The value, and the gradients beside it; if each sample has its own, they wait for what comes from above."""
    for name, primal in zip(("target", "weight"), primals[3:5], strict=True):
        if primal is not None and primal.perturbed:
            raise TypeError(
                f"{name}: got an array that a gradient is asked for; expected a constant, as the linear form has "
                f"derivatives by inputs, classifier and bias only; fix: use jax.lax.stop_gradient({name})"
            )
    given = [None if primal is None else primal.value for primal in primals]
    if reduction == "none":
        return _run(call, reduction, None, *given)[0], given
    value, gradients = _run(_derived(call), reduction, None, *given)
    return value, gradients


def _derived(call: Call) -> Call:
    return dataclasses.replace(call, asked=("value", "gradient"))


def _backward(call: Call, reduction: str, kept: Any, d: Any) -> Any:
    if reduction == "none":
        gradients = _run(_derived(call), reduction, d, *kept)[1]
    else:
        gradients = tuple(None if part is None else (part * d).astype(part.dtype) for part in kept)
    return (*gradients, None, None, None)


_value.defvjp(_forward, _backward, symbolic_zeros=True)


def _run(call: Call, reduction: str, factor: Any, *arrays: Any) -> Any:
    """The value, and the gradients if the call asks for them, times the factor of each sample."""
    if any(isinstance(array, jax.core.Tracer) for array in (*arrays, factor)):
        return _walked(call, reduction, factor, *arrays)
    try:
        return jax.block_until_ready(_walked(call, reduction, factor, *arrays))
    except JaxRuntimeError:  # whose words count the rows of a block
        x, w, b, t, weights, m = (None if array is None else np.asarray(array) for array in arrays)
    sweeps.evaluate_linear(call.program, x, w, t, b, weights, m, reduction, False)
    raise RuntimeError("a loss that JAX could not compute could be computed again")


def _walked(call: Call, reduction: str, factor: Any, x: Any, w: Any, b: Any, t: Any, weights: Any, m: Any) -> Any:
    dtype, wide = _dtype(x, w, b), wide_type()
    counts = jnp.ones(len(x), wide) if weights is None else weights.astype(wide)
    counts = counts if m is None else jnp.where(m, counts, 0.0)
    total = jnp.sum(counts) if reduction == "mean" else jnp.ones((), wide)
    every = jnp.broadcast_to((1.0 / total).astype(dtype), (len(x),)) if factor is None else factor.astype(dtype)
    if weights is not None or m is not None:
        x = jnp.where((counts != 0.0)[:, None], x, 0)  # 0 * inf must not appear
    rows = _blocks(_Rows(x, t, weights, m, every), len(w), dtype)
    derive, matrix = "gradient" in call.asked, w.astype(dtype)

    def body(sums: Any, rows: _Rows) -> Any:
        given = rows.inputs.astype(dtype)
        arrays = [_logits(given, matrix, b), rows.target, rows.weight, rows.where]
        one = dataclasses.replace(call, masked=rows.where is not None)
        value, *gradient = bind(one, *(array for array in arrays if array is not None))
        if not derive:
            return sums, (value, None)
        g = gradient[0] * rows.factor[:, None]
        return (sums[0] + _product(g.T, given), sums[1] + jnp.sum(g, 0)), (value, _product(g, matrix).astype(x.dtype))

    zeros = (jnp.zeros(w.shape, dtype), jnp.zeros(len(w), dtype)) if derive else None
    sums, (values, by_inputs) = jax.lax.scan(body, zeros, rows)
    value = values.reshape(-1)[: len(x)] if reduction == "none" else jnp.sum(values) / total
    value = value.astype(_floating(x) if reduction == "none" else kept_type(x))
    if not derive:
        return value, None
    by_bias = None if b is None else sums[1].astype(_floating(b))
    return value, (
        by_inputs.reshape(-1, x.shape[1])[: len(x)].astype(_floating(x)),
        sums[0].astype(_floating(w)),
        by_bias,
    )


def _blocks(rows: _Rows, classes: int, dtype: Any) -> _Rows:
    """The rows in blocks of equal height, the last of which is filled up with rows that do not count."""
    samples = len(rows.inputs)
    most = LOGITS // (classes * dtype.itemsize)
    blocks = max(1, -(-samples // min(max(most - most % LEAST, LEAST), MOST)))
    height = -(-samples // blocks)
    more = blocks * height - samples
    if more and rows.where is None:
        rows = rows._replace(where=jnp.ones(samples, bool))

    def cut(array: Any) -> Any:
        if array is None:
            return None
        filled = jnp.pad(array, ((0, more), *[(0, 0)] * (array.ndim - 1))) if more else array
        return filled.reshape(blocks, height, *array.shape[1:])

    return _Rows(*map(cut, rows))
