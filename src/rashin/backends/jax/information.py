"""The expected Hessian of each sample on JAX arrays: NumPy's sweep, on the CPU, without derivatives."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.interpreters import ad

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.jax.call import Fisher
from rashin.backends.jax.callbacks import on_the_host
from rashin.backends.jax.memory import array_of, floating, shadow
from rashin.backends.jax.programs import alike, beside
from rashin.reduction import weigh

__all__ = ["fisher"]

CONSTANT = (
    "prediction: got an array that a gradient is asked for; expected a constant, as JAX does not follow the Fisher "
    "information; fix: use jax.lax.stop_gradient(prediction)"
)


def fisher(program: sweeps.Program, prediction: Any, weight: Any, where: Any, reduction: str, axis: int) -> jax.Array:
    """The expected Hessian of each sample."""
    checks.choice("reduction", reduction)
    z = array_of("prediction", prediction)
    w = None if weight is None else array_of("weight", weight)
    m = None if where is None else array_of("where", where)
    axis = checks.axis(shadow(z), axis)
    samples = checks.numbers(shadow(z), None, axis, program.rule)
    weigh(None, None if m is None else shadow(m), samples, "sum")
    if w is not None:
        checks.weights(shadow(w), samples)
    call = Fisher(program, program.rule, reduction, axis, w is not None, m is not None)
    return fisher_p.bind(*alike(tuple(x for x in (z, w, m) if x is not None)), call=call)[0]


def _results(z: Any, *others: Any, call: Fisher) -> list[Any]:
    columns = z.shape[call.axis]
    return [beside(z, (*np.delete(z.shape, call.axis).tolist(), columns, columns), floating(z))]


def _differentiated(primals: Any, tangents: Any, *, call: Fisher) -> Any:
    raise TypeError(CONSTANT)


fisher_p = on_the_host("rashin_fisher", _results)
ad.primitive_jvps[fisher_p] = _differentiated
