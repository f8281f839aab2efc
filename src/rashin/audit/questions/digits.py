"""NaN, infinities and lost digits at hard inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.findings import Finding
from rashin.audit.questions.case import Case
from rashin.audit.questions.measured import Measured
from rashin.domain import PROBABILITY

__all__ = ["digits", "faults"]

Array = NDArray[Any]

_FAR = 0.25  # relative: the rounding of logits near 1e4 in 16 bits moves results that are given as 8 by a sixth
_FEW = {"float64": 16.0, "float32": 4.0, "float16": 4.0}  # ULPs; the reference itself has some in float64


def digits(case: Case) -> Iterator[Finding]:
    """What is lost at hard inputs. Of outputs without an exact counterpart only NaN is judged, at finite inputs."""
    if case.is_narrow:
        yield Finding("inexact", "precision", "float64 inputs are computed in float32", dtype="float64")
    for one in case.measured:
        yield from _judged(case, one)


def _judged(case: Case, one: Measured) -> Iterator[Finding]:
    total = len(one.points)
    for code, (severity, where, text) in faults(case, one).items():
        if where.any():
            sample, _ = one.worst(where)
            z, t = one.points.z[sample : sample + 1], one.points.t[sample : sample + 1]
            words = f"{text} at {int(one.at(where).sum())} of {total} hard inputs"
            words += f", worst: {one.numbers(where)}" if one.is_judged else ""
            size = _largest(one, where) if code == "ulps" else float(one.at(where).mean())
            example = case.subject.pasted(*case.in_company(z, t))
            yield Finding(severity, code, words, one.output, one.dtype, example, size)


def faults(case: Case, one: Measured) -> Mapping[str, tuple[str, Array, str]]:
    """By code: severity, places and words. A place has one fault."""
    got, exact, limits = one.got, one.exact, one.limits
    with np.errstate(all="ignore"):
        size = np.abs(exact)
        fits = size <= float(limits.max)
        nan = np.isnan(got) & ~np.isnan(exact)
        infinite = np.isinf(got) & fits & ~(size > 0.999 * float(limits.max))
        if not one.is_judged:
            is_score = case.is_guess and case.seen.returned == "scalar"  # some have no value for a single sample
            return {"nan": ("convention" if is_score else "wrong", nan & (exact == 0.0), "NaN")}
        tiny = one.has_subnormal_input
        known = np.isfinite(got) & ~np.isnan(exact)
        clipped = known & np.isinf(exact)
        off = known & np.isfinite(exact) & fits & (one.ulps > _FEW[one.dtype])
        subnormal = off & (size < float(limits.tiny)) & (np.abs(got) < float(limits.tiny))
        subnormal |= (off | nan | infinite) & tiny  # some libraries flush such inputs to 0, and say so
        nan, infinite = nan & ~tiny, infinite & ~tiny
        flushed = subnormal & (got == 0.0)
        lost = off & ~subnormal & (np.abs(got - exact) > 0.5 * size)
    clips = _clip(case, one, off)
    clipped, lost = clipped | clips, lost & ~clips
    return {
        "nan": ("wrong", nan, "NaN"),
        "inf": ("wrong", infinite, "inf"),
        "digits": ("wrong", lost, "no correct digit"),
        "clip": ("convention" if _takes_shares(case) else "wrong", clipped, "clipped"),
        "ulps": (
            "inexact",
            off & ~lost & ~clips & ~subnormal,
            f"up to {_largest(one, off & ~lost & ~clips & ~subnormal):.3g} ULP off",
        ),
        "subnormal": (
            "inexact",
            subnormal & ~clips,
            "subnormal numbers are flushed to 0" if flushed.any() else "subnormal numbers lose digits",
        ),
    }


def _largest(one: Measured, where: Array) -> float:
    return float(np.max(one.ulps[where], initial=0.0))


def _clip(case: Case, one: Measured, off: Array) -> Array:
    """Where results are clipped: several inputs give one number; slopes of probabilities are cut where values are."""
    if one.output != "value":
        return np.asarray(off & _is_cut(one, _clipped_at(case, one.dtype))) if _takes_shares(case) else off & False
    return np.asarray(off & np.isin(one.got, _constants(case, one, off)))


def _constants(case: Case, one: Measured, off: Array) -> Array:
    """The numbers other than 0 that several inputs give whose exact results differ markedly, or are infinite.

    A loss of the distance gives one number for r and -r, and cancellation leaves few different numbers. Shares of 1
    cost 0, and a clip makes them cost more.
    """
    has_shares = _takes_shares(case)
    where = off | np.isinf(one.exact)
    got, exact = one.got[where], one.exact[where]
    values = np.unique(got[(got != 0.0) if has_shares else (np.abs(got) >= 1.0)])
    groups = [(x, exact[got == x]) for x in values]
    return np.array(
        [x for x, right in groups if len(right) > 1 and (_differ(right) or (has_shares and not right.any()))]
    )


def _differ(exact: Array) -> bool:
    """Whether exact results are infinite or far apart."""
    size = np.max(np.abs(exact))
    return bool(np.isinf(size) or np.ptp(exact) > _FAR * size)


def _clipped_at(case: Case, dtype: str) -> float:
    """The probability at which logarithms are clipped, doubled for its rounding; 0 if they are not."""
    for one in case.measured:
        if one.output == "value" and one.dtype == dtype and one.is_judged:
            with np.errstate(all="ignore"):
                off = np.isfinite(one.got) & ~(np.abs(one.got - one.exact) <= 0.5 * np.abs(one.exact))
            constants = _constants(case, one, off)
            return 2.0 * float(np.exp(-np.max(constants))) if constants.size else 0.0
    return 0.0


def _is_cut(one: Measured, bound: float) -> Array:
    """Where a share, or in rows that of the target, lies beyond the clip."""
    cut = np.zeros(one.got.shape, bool)
    for shares in (one.points.z, *([one.points.t] if cut.ndim == 2 else [])) if bound else ():
        if shares.shape == cut.shape:
            x = shares.astype(np.float64)
            cut |= np.minimum(x, 1.0 - x) <= bound
    return cut


def _takes_shares(case: Case) -> bool:
    return case.form.prediction.entry() == PROBABILITY
