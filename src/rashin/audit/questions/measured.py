"""The results of a function at hard inputs, beside the exact ones, with the error in ULPs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.audit.inputs import DTYPES, Points, hard
from rashin.audit.reference import Reference
from rashin.audit.subject import Evaluation

if TYPE_CHECKING:
    from rashin.audit.questions.case import Case

__all__ = ["Measured", "agreement", "measured"]

Array = NDArray[Any]


class Measured(NamedTuple):
    """One output at the hard points of one dtype.

    ``ulps`` is the error in units of the last place; in float64 a unit is also what the reference cannot resolve.
    Without ``is_judged``, nothing exact is known but whether the input is finite: there ``exact`` is 0, else NaN.
    """

    output: str
    dtype: str
    points: Points
    got: Array
    exact: Array
    ulps: Array
    is_judged: bool = True

    @property
    def limits(self) -> Any:
        """The limits of the dtype."""
        return np.finfo(DTYPES[self.dtype])

    @property
    def has_subnormal_input(self) -> Array:
        """Where a number of the prediction is subnormal, in the shape of the results."""
        size = np.abs(self.points.z.astype(np.float64))
        found = (size > 0.0) & (size < float(self.limits.tiny))
        return found if found.ndim == self.got.ndim else self.at(found)

    def at(self, where: Array) -> Array:
        """Whether any entry of each sample is concerned."""
        return np.asarray(where.reshape(len(where), -1).any(axis=1))

    def worst(self, where: Array) -> tuple[int, int]:
        """The sample, and its entry, with the largest error among those concerned."""
        ranked = np.where(where, np.nan_to_num(self.ulps, nan=np.inf, posinf=np.inf), -1.0)
        sample, *entry = np.unravel_index(int(np.argmax(ranked)), ranked.shape)
        return int(sample), int(entry[0]) if entry else 0

    def numbers(self, where: Array) -> str:
        """The given and the exact number at the worst sample."""
        sample, entry = self.worst(where)
        got, exact = (np.atleast_1d(x[sample])[entry] for x in (self.got, self.exact))
        return f"got {float(got):.7g}, exact {float(exact):.7g}"


def measured(case: Case) -> Iterator[Measured]:
    """Every output in every dtype that the function takes."""
    for dtype in DTYPES:
        if dtype == "float64" and case.is_narrow:
            continue
        points = hard(case.form, dtype)
        for output, f in case.subject.outputs.items():
            found = _at_points(case, f, points)
            if len(found[0]) and case.reference is not None and _is_judged(case, output):
                yield _compared(case, output, dtype, *found)
            elif len(found[0]):
                exact = np.where(_is_finite(found[0].z, found[1]), 0.0, np.nan)
                yield Measured(output, dtype, *found, exact, np.zeros(found[1].shape), is_judged=False)


def _is_judged(case: Case, output: str) -> bool:
    """A value with a term of its own cannot be judged, nor derivatives of what is applied to the reduced loss."""
    reference = case.reference
    assert reference is not None
    if output == "value":
        return reference.offset != "unknown" and case.fits
    return not reference.outer and case.is_right(output)


def _is_finite(z: Array, got: Array) -> Array:
    finite = np.isfinite(z)
    return np.asarray(finite if got.ndim == z.ndim else finite.all(axis=1))


def _at_points(case: Case, f: Evaluation, points: Points) -> tuple[Points, Array]:
    """The results at the points that the function accepts: of one call if it gives them per sample."""
    if case.seen.returned != "scalar":
        try:
            found = np.asarray(f(*points))
            if len(found) == len(points):
                whole = found if f is not case.subject.value else found.reshape(len(points), -1).sum(axis=1)
                return points, whole
        except Exception:  # some point was refused; each is tried alone
            pass
    kept, results = [], []
    for k in range(len(points)):
        try:
            results.append(case.alone(f, points.z[k : k + 1], points.t[k : k + 1])[0])
            kept.append(k)
        except Exception:  # refused, and so it says
            continue
    return points.chosen(kept), np.array(results)


def _compared(case: Case, output: str, dtype: str, points: Points, got: Array) -> Measured:
    reference = case.reference
    assert reference is not None
    f = _evaluation(case, reference, output)
    exact, kept = _exact(f, points)
    points, got = points.chosen(kept), got[kept]
    got = np.asarray(got, np.float64)
    unit = _spacing(_scale_of(exact), dtype)
    low, high = _nearby(f, points, exact)
    for shift in (np.inf, -np.inf) if reference.form.link == "log" else ():  # which is rounded
        found = np.asarray(_evaluation(case, replace(reference, shift=shift), output)(*points))
        low, high = _widened(low, high, found, exact)
    if dtype == "float64":
        unit = np.maximum(unit, high - low)
    if output == "value":
        unit = np.maximum(unit, reference.doubt(*points))
    if not reference.is_exact:
        unit = np.maximum(unit, 1e-6 * np.abs(exact))
    with np.errstate(all="ignore"):
        is_between = (low <= got) & (got <= high)  # at a kink, between the slopes to both sides
        overflows = (
            np.isinf(got) & (np.abs(exact) > float(np.finfo(DTYPES[dtype]).max)) & (np.sign(got) == np.sign(exact))
        )
        ulps = np.where((got == exact) | is_between | overflows, 0.0, np.abs(got - exact) / unit)
    return Measured(output, dtype, points, got, exact, ulps)


def _evaluation(case: Case, reference: Reference, output: str) -> Evaluation:
    """The exact counterpart of an output."""
    return _in_company(case, reference) if reference.outer == "exponential of" else reference.of(output)


def _in_company(case: Case, reference: Reference) -> Evaluation:
    """The values of batches that hold one of the samples each."""

    def values(z: Array, t: Array, /, **_: Any) -> Array:
        batches = [case.in_company(z[k : k + 1], t[k : k + 1]) for k in range(len(z))]
        return np.array([reference.of_batch(*batch) for batch in batches])

    return values


def _exact(f: Evaluation, points: Points) -> tuple[Array, Array]:
    """The exact results, and which points the reference takes."""
    try:
        return np.asarray(f(*points)), np.arange(len(points))
    except ValueError:
        kept, found = [], []
        for k in range(len(points)):
            try:
                found.append(np.asarray(f(points.z[k : k + 1], points.t[k : k + 1]))[0])
                kept.append(k)
            except ValueError:
                continue
        return np.array(found), np.array(kept, int)


def _scale_of(exact: Array) -> Array:
    """The size whose digits count: that of the result, and for a 0 in a row that of the largest entry."""
    if exact.ndim == 1:
        return exact
    largest = np.max(np.where(np.isfinite(exact), np.abs(exact), 0.0), axis=1, keepdims=True)
    return np.where(exact == 0.0, largest, exact)


def _spacing(exact: Array, dtype: str) -> Array:
    """One unit in the last place of exact results in the dtype."""
    limits = np.finfo(DTYPES[dtype])
    with np.errstate(all="ignore"):
        exponent = np.frexp(np.where(np.isfinite(exact), np.abs(exact), 1.0))[1] - 1
        exponent = np.where(exact == 0.0, -2000, exponent)
        least, most = int(np.log2(float(limits.tiny))), int(limits.maxexp) - 1
        spacing: Array = np.ldexp(1.0, np.clip(exponent, least, most) - int(limits.nmant))
    return spacing


def _nearby(f: Evaluation, points: Points, exact: Array) -> tuple[Array, Array]:
    """The range of the results if the prediction moves by an ULP: what a reference in double may miss."""
    z = points.z.astype(np.float64)
    low, high = exact.copy(), exact.copy()
    signs = np.where(np.arange(z.size).reshape(z.shape) % 2, 1.0, -1.0)
    for way in (np.inf * signs, -np.inf * signs):
        try:
            moved = np.where(np.isfinite(z), np.nextafter(z, way), z)
            found = np.asarray(f(moved, points.t))
        except ValueError:  # beyond the domain
            continue
        low, high = _widened(low, high, found, exact)
    return low, high


def _widened(low: Array, high: Array, found: Array, exact: Array) -> tuple[Array, Array]:
    """The range with the finite results in it."""
    finite = np.isfinite(found) & np.isfinite(exact)
    return np.where(finite, np.minimum(low, found), low), np.where(finite, np.maximum(high, found), high)


def agreement(case: Case) -> dict[str, dict[str, float]]:
    """The worst finite error by dtype and output."""
    found: dict[str, dict[str, float]] = {}
    if case.reference is None or not case.fits:
        return found
    for one in case.measured:
        counted = one.is_judged & np.isfinite(one.ulps) & np.isfinite(one.exact)
        if counted.any():
            found.setdefault(one.dtype, {})[one.output] = float(f"{float(np.max(one.ulps[counted])):.3g}")
    return found
