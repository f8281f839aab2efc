"""A loss with all but its arrays, run by the sweeps of the NumPy backend on the memory of JAX's arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rashin.backends import numpy as sweeps
from rashin.backends.numpy import sensitivity
from rashin.rule import Rule

__all__ = ["Arrays", "Call", "run"]

Arrays: TypeAlias = "list[NDArray[Any]]"


@dataclass(frozen=True)
class Call:
    """What to compute of prediction, target, and weight, mask and vector where there are such, in this order.

    The arrays may have a number of leading axes, of size 1 or that of a batch, which ``jax.vmap`` has put there: then
    there is a loss for each element of the batch. ``asked`` are the names of the results. A value that is not
    ``rounded`` is a double, if JAX has doubles.
    """

    program: sweeps.Program = field(compare=False)
    rule: Rule
    reduction: str
    axis: int  # counted from the end
    weighted: bool
    masked: bool
    asked: tuple[str, ...]
    rounded: bool = True
    batch: int = 0


def run(call: Call, arrays: Arrays, results: Arrays) -> None:
    """Fill the results."""
    for index in np.ndindex(results[0].shape[: call.batch]):
        one = [a[tuple(min(i, n - 1) for i, n in zip(index, a.shape, strict=False))] for a in arrays]
        _run(call, one, [result[(*index, ...)] for result in results])


def _run(call: Call, arrays: Arrays, results: Arrays) -> None:
    z, t, *others = arrays
    w = others.pop(0) if call.weighted else None
    m = others.pop(0) if call.masked else None
    end = call.reduction, call.axis
    match call.asked:
        case ("product",):
            z = z.astype(np.float32) if z.dtype == np.float16 else z
            results[0][...] = sweeps.hessian_vector_product(call.program, z, t, others[0], w, m, *end, None)
        case ("by_target",):
            results[0][...] = sensitivity.gradient_by_target(call.program, z, t, w, m, *end)
        case ("by_weight",):
            results[0][...] = sensitivity.gradient_by_weight(call.program, z, t, w, m, *end)
        case _:
            _sweep(call, z, t, w, m, dict(zip(call.asked, results, strict=True)))


def _sweep(call: Call, z: Any, t: Any, w: Any, m: Any, results: dict[str, NDArray[Any]]) -> None:
    wanted = "value" in results, "gradient" in results, "hessian" in results
    outputs = sweeps.Outputs(results.get("gradient"), results.get("hessian"))
    answer = sweeps.evaluate_arrays(
        call.program,
        z,
        t,
        w,
        m,
        call.reduction,
        call.axis,
        wanted,
        outputs,
        rounded=False,
    )
    if "value" in results:
        with np.errstate(over="ignore", under="ignore"):
            results["value"][...] = answer.value
