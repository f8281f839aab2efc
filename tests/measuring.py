"""Measures a loss against its definition, sample by sample.

An error is counted in ULPs of the exact result (see ``ulp``). Where summands of opposite sign cancel,
each is a rounded double, and the unit makes room for that:

- float64: the larger of an ULP of the result and an ULP of the largest summand;
- narrower types, computed in double and rounded once: an ULP of the result and 8 double ULPs of that
  summand.

The rule does not touch a result without cancellation: its largest summand is no larger than itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp, mpf
from numpy.typing import NDArray

import rashin
from calculus import Exact, exact_gradient, exact_hessian, exact_value
from cases import Case, cases
from losses import ENTRIES
from losses.longdouble import Result
from references import clearly_right, reference
from ulp import spacing, ulp_error

__all__ = [
    "BOUNDS",
    "EXACT",
    "Sample",
    "bound",
    "bound_of_product",
    "doubts",
    "judge",
    "measure",
    "measure_case",
    "referred_to",
    "unit_of",
]

BOUNDS = {  # in ULPs: (float64, narrower)
    "value": (4.0, 0.51),
    "gradient": (4.0, 0.7),
    "hessian": (8.0, 0.7),
}
PRODUCT = 8.0  # ULPs more than of the gradient: two more sums of a row
STEPS = {"float64": 4, "float32": 8, "float16": 8, "bfloat16": 8}  # one in so many samples of a case is judged
MANY = 8  # classes
HUNDRED, LONG = 100, 4.0  # rows of more than so many classes have so many ULPs more
EXACT = {"value": exact_value, "gradient": exact_gradient, "hessian": exact_hessian}


def bound(loss: str, what: str, dtype: str, parameters: dict[str, Any], classes: int = 1) -> float:
    """The bound in ULPs; in float64 an entry may state a wider one, and the sums of long rows have more roundings."""
    wide, narrow = BOUNDS[what]
    if dtype != "float64":
        return narrow
    ulps = ENTRIES[loss].ulps
    return (wide if ulps is None else max(wide, ulps(**parameters))) + LONG * (classes > HUNDRED)


def bound_of_product(loss: str, parameters: dict[str, Any], classes: int = 1) -> float:
    """The bound in float64 of the Hessian of a loss of labels times a vector."""
    return PRODUCT + bound(loss, "gradient", "float64", parameters, classes)


class Sample(NamedTuple):
    """One measured result, with all that is needed to repeat it."""

    loss: str
    parameters: dict[str, Any]
    dtype: str
    case: str
    what: str
    z: NDArray[Any]
    t: NDArray[Any]
    got: float
    exact: mpf
    error: float

    @property
    def within(self) -> bool:
        return self.error <= bound(self.loss, self.what, self.dtype, self.parameters)

    def __str__(self) -> str:
        return (
            f"{self.error:.4g} ULP: {self.loss}{self.parameters} {self.what} in {self.dtype}, {self.case}: "
            f"z={_text(self.z)} t={_text(self.t)} got {self.got!r}, exact {mp.nstr(self.exact, 20)}"
        )


def measure(loss: Any, dtype: str, parameters: dict[str, Any]) -> Iterator[Sample]:
    """Value, gradient and Hessian of every case."""
    for case in cases(loss, dtype, parameters):
        yield from measure_case(loss, dtype, parameters, case)


def measure_case(
    loss: Any, dtype: str, parameters: dict[str, Any], case: Case, whats: tuple[str, ...] = tuple(BOUNDS)
) -> Iterator[Sample]:
    for what in whats:
        results = _results(loss, what, case, parameters)
        yield from _measured(loss, dtype, parameters, case, what, results, np.ones(results.shape, bool))


def judge(loss: Any, dtype: str, parameters: dict[str, Any]) -> Iterator[Sample]:
    """The results of every case that lie outside the bounds.

    The fast reference, where there is one, judges all of them, the definition those that it leaves in doubt and, in
    float64, one sample of each case beside, of a row one class, each in its turn: so it judges the reference, which
    knows of no dtype and of no class, as well. Of many classes it judges every fourth, with the label: they are alike,
    and the definition takes longer with each. The table of the documentation is made of all of them.
    """
    for number, case in enumerate(cases(loss, dtype, parameters)):
        referred = referred_to(loss, parameters, case)
        for what in BOUNDS:
            results = _results(loss, what, case, parameters)
            doubtful = doubts(loss, dtype, parameters, case, what, results, referred)
            if doubtful.shape[1:] > (MANY,):
                doubtful[:, np.arange(doubtful.shape[1]) % 4 != 1] = False
            if dtype == "float64" and len(case.z) > 1:
                doubtful[tuple(number % size for size in doubtful.shape)] = True
            measured = _measured(loss, dtype, parameters, case, what, results, doubtful)
            yield from (sample for sample in measured if not sample.within)


def referred_to(loss: Any, parameters: dict[str, Any], case: Case) -> Result | None:
    """What the fast reference, if there is one, says of value, gradient and Hessian."""
    return None if ENTRIES[loss.name].fast is None else reference(loss.name, case.z, case.t, parameters)


def doubts(
    loss: Any,
    dtype: str,
    parameters: dict[str, Any],
    case: Case,
    what: str,
    results: NDArray[Any],
    referred: Result | None,
) -> NDArray[np.bool_]:
    """Which results the fast reference does not find right; where there is none, some of each case.

    The definition takes seconds for each loss. The table of the documentation is made of all samples.
    """
    if referred is None:
        some, step = np.zeros(results.shape, bool), min(STEPS[dtype], len(results))
        some[zlib.crc32(case.name.encode()) % step :: step] = True
        return some
    summands = referred[list(BOUNDS).index(what)]
    return ~clearly_right(results, summands, dtype, bound(loss.name, what, dtype, parameters))


def _measured(
    loss: Any,
    dtype: str,
    parameters: dict[str, Any],
    case: Case,
    what: str,
    results: NDArray[Any],
    chosen: NDArray[np.bool_],
) -> Iterator[Sample]:
    """The chosen results against the definition."""
    for place in np.flatnonzero(chosen.any(axis=tuple(range(1, chosen.ndim)))):
        z, t = case.z[place], case.t[place]
        if what == "hessian" and _at_kink(loss.name, z, t, parameters):
            continue
        entries = np.flatnonzero(chosen[place]).tolist()
        arguments = loss.name, to_mpf(z), to_target(t), parameters
        exact = EXACT[what](*arguments, entries) if results.ndim == 2 else [EXACT[what](*arguments)]
        if what == "hessian" and not loss.facts.convex and results.ndim == 1 and ENTRIES[loss.name].largest is None:
            exact = [_turning(*arguments, exact[0])]
        for number, wanted in zip(np.atleast_1d(results[place])[entries], exact, strict=True):
            error = ulp_error(number, wanted.value, dtype, unit=unit_of(wanted, dtype))
            yield Sample(loss.name, parameters, dtype, case.name, what, z, t, float(number), wanted.value, error)


def _turning(name: str, z: Any, t: Any, parameters: dict[str, Any], exact: Exact) -> Exact:
    """A curvature that changes its sign is judged by what a rounding of z - t moves it by: it vanishes nearby."""
    if not mp.isfinite(z) or not mp.isfinite(exact.value):
        return exact
    with mp.workprec(3000):
        moved = EXACT["hessian"](name, z + mp.ldexp(abs(z - t), -53), t, parameters).value
        return exact._replace(largest=max(exact.largest, mp.ldexp(abs(moved - exact.value), 53)))


def _results(loss: Any, what: str, case: Case, parameters: dict[str, Any]) -> NDArray[Any]:
    function = loss if what == "value" else getattr(loss, what)
    results = function(case.z, case.t, reduction="none", **parameters)
    if results.dtype != case.z.dtype:
        raise TypeError(f"{loss.name} {what}: {results.dtype} for a prediction of {case.z.dtype}")
    return np.asarray(results)


def unit_of(exact: Exact, dtype: str) -> mpf:
    """What an error of ``exact`` is counted in."""
    if not mp.isfinite(exact.value):
        return mpf(1)
    own = spacing(exact.value, dtype)
    largest = spacing(exact.largest if mp.isfinite(exact.largest) else mpf(0), "float64")
    return max(own, largest) if dtype == "float64" else own + 8 * largest


def to_mpf(z: Any) -> Any:
    """The prediction as the definition takes it: exact."""
    return [mpf(float(x)) for x in z] if np.ndim(z) else mpf(float(z))


def to_target(t: Any) -> Any:
    if np.ndim(t):
        return [mpf(float(x)) for x in t]
    return int(t) if np.asarray(t).dtype.kind == "i" else mpf(float(t))


def _at_kink(name: str, z: Any, t: Any, parameters: dict[str, Any]) -> bool:
    """Whether the rounded difference of prediction and target may lie at a kink, or on its other side."""
    entry = ENTRIES[name]
    kinks = [x for where in (entry.kinks, entry.ends) if where for x in where(to_target(t), **parameters)]
    if np.ndim(z) and not rashin.registry.get(name).prediction.is_joint:
        return False
    return any(_is_near(float(x), float(t), kink) for kink in kinks for x in np.atleast_1d(z))


def _is_near(z: float, t: float, kink: mpf) -> bool:
    return bool(abs(mpf(z) - kink) <= np.finfo(float).eps * max(abs(z), abs(t)))


def _text(x: Any) -> str:
    return repr(np.asarray(x).astype(float).tolist())
