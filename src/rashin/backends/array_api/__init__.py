"""Losses on the arrays of any library of the array API, such as CuPy and Dask, by their formula in doubles.

Sums are those of the library, not exact ones, and nothing is fused. Dask arrays stay lazy, but for the checks.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj, is_cupy_array, is_dask_array

from rashin import checks
from rashin.arithmetic import array_api as vocabulary
from rashin.backends import numpy as sweeps
from rashin.backends.array_api.evaluation import ByFormula
from rashin.backends.formula import Space, links

__all__ = [
    "axis_last",
    "beside",
    "detached",
    "evaluate",
    "evaluate_groups",
    "evaluate_linear",
    "fisher",
    "hessian_vector_product",
    "linear_statistics",
    "log_softmax",
    "logsumexp",
    "namespace",
    "rounded",
    "sample_losses",
    "sigmoid",
    "softmax",
    "softmax_statistics",
    "stacked",
    "widened",
]


def evaluate(
    program: sweeps.Program,
    prediction: Any,
    target: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: int,
    wanted: tuple[bool, bool, bool],
    out: Any = None,
    hessian_out: Any = None,
) -> sweeps.Answer:
    """Value, gradient and Hessian diagonal, as ``wanted``, of the reduced loss."""
    _refuse_output(out, hessian_out)
    given = _checked(prediction, target=target, weight=weight, where=where)
    parts = _by_formula(program, prediction, reduction, axis).evaluated(prediction, *given)
    return sweeps.Answer(
        *(rounded(part, prediction) if want else None for part, want in zip(parts, wanted, strict=True))
    )


def sample_losses(program: sweeps.Program, prediction: Any, target: Any, where: Any, axis: int) -> Any:
    """The samples' losses as doubles; 0 outside ``where``."""
    given = _checked(prediction, target=target, weight=None, where=where)
    return _by_formula(program, prediction, "none", axis).evaluated(prediction, *given).value


def hessian_vector_product(
    program: sweeps.Program, prediction: Any, target: Any, vector: Any, weight: Any, where: Any, reduction: str,
    axis: int, out: Any,
) -> Any:  # fmt: skip
    """The Hessian of the reduced loss times a vector."""
    _refuse_output(out, None)
    given: Any = _checked(prediction, target=target, weight=weight, where=where, vector=vector)
    found = _by_formula(program, prediction, reduction, axis).product(prediction, *given)
    return rounded(found, prediction)


def fisher(program: sweeps.Program, prediction: Any, weight: Any, where: Any, reduction: str, axis: int) -> Any:
    """The expected Hessian of each sample, computed by NumPy."""
    w, m = (None if x is None else to_numpy(x) for x in _checked(prediction, weight=weight, where=where))
    return beside(sweeps.fisher(program, to_numpy(prediction), w, m, reduction, axis), prediction)


def axis_last(array: Any, axis: int) -> Any:
    """The array with an axis moved to the end."""
    return array_namespace(array).moveaxis(array, axis, -1)


def softmax(logits: Any, axis: int) -> Any:
    """Probabilities along ``axis``."""
    return _link(logits, axis, 0)


def log_softmax(logits: Any, axis: int) -> Any:
    """Log-probabilities along ``axis``."""
    return _link(logits, axis, 1)


def logsumexp(logits: Any, axis: int) -> Any:
    """The logarithm of the sum of the exponentials along ``axis``."""
    return _link(logits, axis, 2)


@np.errstate(all="ignore")
def sigmoid(logits: Any) -> Any:
    """The logistic function, element by element."""
    xp = array_namespace(logits)
    z = xp.astype(logits, xp.float64)
    if bool(xp.any(xp.isnan(z))):
        sweeps.sigmoid(to_numpy(logits))  # which says what is wrong
    space = Space(xp, vocabulary.like(z))
    e = space.words.exp(-xp.abs(z))
    return rounded(space.words.where(z >= 0.0, 1.0, e) / (1.0 + e), logits)


def evaluate_linear(program: sweeps.Program, inputs: Any, *_: Any) -> NoReturn:
    """Not here."""
    _refuse_all("inputs", inputs)


def linear_statistics(inputs: Any, *_: Any) -> NoReturn:
    """Not here."""
    _refuse_all("inputs", inputs)


def evaluate_groups(program: sweeps.Program, prediction: Any, *_: Any) -> NoReturn:
    """Not here."""
    _refuse_all("prediction", prediction)


def softmax_statistics(logits: Any, *_: Any) -> NoReturn:
    """Not here."""
    _refuse_all("logits", logits)


def _refuse_all(name: str, array: Any) -> NoReturn:
    raise TypeError(
        f"{name}: got a {type(array).__module__.partition('.')[0]} array; expected a NumPy array or a torch tensor, as "
        f"this function has no form for others; fix: convert it"
    )


def _refuse_output(out: Any, hessian_out: Any) -> None:
    if out is not None or hessian_out is not None:
        raise TypeError(
            "out: got an array; expected None for arrays that are neither of NumPy nor of torch; fix: leave it out"
        )


def _checked(prediction: Any, **others: Any) -> list[Any]:
    """Arrays of one library, real numbers all."""
    space = array_namespace(prediction)
    for name, array in {"prediction": prediction, **others}.items():
        if array is None and name in ("weight", "where"):
            continue
        if not is_array_api_obj(array) or array_namespace(array) is not space:
            raise TypeError(
                f"{name}: got {type(array).__name__}; expected an array of the prediction's library; fix: convert it"
            )
        _require_sizes(name, array)
        kinds = "bool" if name == "where" else ("real floating", "integral", "bool")
        if not space.isdtype(array.dtype, kinds):
            raise TypeError(
                f"{name}: got dtype {array.dtype}; expected {'bool' if name == 'where' else 'real numbers'}"
            )
    return list(others.values())


def _require_sizes(name: str, array: Any) -> None:
    if any(size is None or math.isnan(size) for size in array.shape):  # NaN is Dask's
        raise ValueError(
            f"{name}: got an array of unknown shape {array.shape}; expected one whose sizes are known; "
            f"fix: use .compute_chunk_sizes()"
        )


def _by_formula(program: sweeps.Program, z: Any, reduction: str, axis: int) -> ByFormula:
    return ByFormula(_space(z), to_numpy, program, reduction, axis)


def _space(z: Any) -> Space:
    xp = array_namespace(z)
    return Space(xp, vocabulary.like(xp.astype(z, xp.float64)), device(z))


def to_numpy(array: Any) -> Any:
    """The array on the host."""
    if is_dask_array(array):
        array = array.compute()
    return array.get() if is_cupy_array(array) else np.asarray(array)


def detached(array: Any) -> Any:
    """The numbers, which have no derivative here."""
    return array


def rounded(found: Any, like: Any) -> Any:
    """Numbers in the type of a prediction."""
    xp = array_namespace(like)
    return xp.astype(found, like.dtype) if xp.isdtype(like.dtype, "real floating") else found


def _link(logits: Any, axis: int, which: int) -> Any:
    _require_sizes("logits", logits)
    space = _space(logits)
    axis = checks.axis(np.broadcast_to(0.0, tuple(logits.shape)), axis, "logits")
    rows = space.xp.moveaxis(space.xp.astype(logits, space.xp.float64), axis, -1)
    with np.errstate(all="ignore"):
        parts = links(space, rows)
        if bool(space.xp.any(space.xp.isnan(parts[2]))):
            sweeps.softmax(to_numpy(logits), axis)  # which says what is wrong
    found = parts[which]
    return rounded(found if which == 2 else space.xp.moveaxis(found, -1, axis), logits)


def stacked(parts: Any) -> Any:
    """Arrays beside each other along a new last axis."""
    return array_namespace(*parts).stack(parts, axis=-1)


def namespace(array: Any) -> Any:
    """The functions of the array's library by the names of the array API."""
    return array_namespace(array)


def beside(values: Any, like: Any) -> Any:
    """The values as an array, on the device of another one."""
    return array_namespace(like).asarray(values, device=device(like))


def widened(array: Any) -> Any:
    """The numbers in doubles."""
    xp = array_namespace(array)
    return xp.astype(array, xp.float64)
