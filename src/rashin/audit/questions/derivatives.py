"""Is the gradient the derivative of the value, and the Hessian that of the gradient?

Where the function resembles a loss of rashin, that loss's exact derivatives decide. Elsewhere central differences do,
in the steps of ``check_gradient``: each has an estimate of its own error, from the noise of the results and the bend of
the curve, and a disagreement counts only if it is ten times as large and not explained by a kink.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.findings import Finding
from rashin.audit.questions.case import Case, tried
from rashin.audit.subject import Evaluation
from rashin.differences import Probe, Seen
from rashin.differences import tried as by_differences

__all__ = ["curvature", "derivatives", "direction", "likeness", "shapes"]

Array = NDArray[Any]

_SHARE = 0.1  # of the entries: fewer disagreements may be kinks


def shapes(case: Case) -> Iterator[Finding]:
    """Derivatives have the shape of the prediction."""
    z, t = case.ordinary
    for name, f in case.subject.outputs.items():
        found = tried(f, z, t)
        if name != "value" and isinstance(found, np.ndarray) and found.shape != z.shape:
            yield Finding("wrong", "shape", f"shape {found.shape} for a prediction of shape {z.shape}", name)


def derivatives(case: Case) -> Iterator[Finding]:
    """Each gradient against the value, and the Hessian against the gradient."""
    subject = case.subject
    value = subject.value
    for name, gradient in subject.gradients.items():
        if value is not None or case.reference is not None:
            yield from _compared(case, name, gradient, value, "the derivative of the value")
    if subject.hessian is not None and subject.gradient is not None:
        yield from _compared(case, "hessian", subject.hessian, subject.gradient, "the derivative of the gradient")


def likeness(case: Case) -> Iterator[Finding]:
    """Is it the loss that was stated, and with which factor?"""
    reference = case.reference
    if reference is None or case.subject.value is None:
        return
    if not case.fits:
        words = f"differs from {reference.loss!r} by {reference.error:.2g} of the largest value on ordinary inputs"
        example = case.subject.pasted(*(x[:1] for x in case.ordinary))
        yield Finding("wrong", "like", words, "value", example=example, size=reference.error)
    elif reference.scale != 1.0:
        yield Finding("convention", "factor", f"it is {reference}", "value")


def direction(case: Case) -> Iterator[Finding]:
    """An objective is minimised: its gradient must not be that of minus the loss."""
    reference = case.reference
    if case.seen.returned == "gradient" and reference is not None and case.fits and reference.scale < 0.0:
        yield Finding("wrong", "sign", f"it is minus that of {reference.loss!r}: boosting would climb", "gradient")


def _compared(case: Case, name: str, f: Evaluation, below: Evaluation | None, meaning: str) -> Iterator[Finding]:
    z, t = case.some
    got = case.outputs[name]
    found = got if isinstance(got, Exception) else tried(lambda: _right(case, name, z, t, got, below))
    if isinstance(got, Exception) or isinstance(found, Exception):
        if "does not require grad" in str(found):
            yield Finding("wrong", "gradient", "autograd has none by the prediction: nothing would be learnt", name)
            return
        yield Finding("inexact", "call", f"not checked: {type(found).__name__}: {str(found)[:120]}", name)
        return
    right, wrong = found
    if got.shape != right.shape or wrong.mean() <= _SHARE:
        return
    factor = _common_factor(got[wrong], right[wrong])
    place = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
    share = f"at {wrong.mean():.0%} of ordinary inputs"
    sample = z[place : place + 1], t[place : place + 1]
    what = "hessian" if name == "hessian" else "gradient"
    severity = _severity(what, got, right, factor)
    words = f"not {meaning if below is not None else f'that of {case.reference}'} {share}{_in_words(got, factor)}"
    first = np.ravel(got[wrong])[0], np.ravel(right[wrong])[0]
    words += f": {first[0]:.6g} for {first[1]:.6g}"
    yield Finding(severity, what, words, name, "float64", case.subject.pasted(*sample), _relative(got, right))


def _relative(got: Array, right: Array) -> float:
    """The largest error, relative to the largest number; NaN and infinities count as the largest double."""
    with np.errstate(all="ignore"):
        error = np.max(np.abs(got - right)) / np.max(np.abs(right))
    return float(np.nan_to_num(error, nan=np.finfo(float).max))


def _right(
    case: Case, name: str, z: Array, t: Array, got: Array, below: Evaluation | None
) -> tuple[Array, NDArray[np.bool_]]:
    """The right derivatives, and where the given ones are wrong."""
    reference = case.reference
    known = reference is not None and not reference.outer and not case.subject.is_own
    known = known and not (case.has_own_slopes and below is not None)
    if known and reference is not None and (case.fits or below is None):
        right = np.asarray(reference.of("hessian" if name == "hessian" else "gradient")(z, t))
        largest = np.max(np.abs(right), initial=1e-300)
        tolerated = 1e-4 * np.maximum(np.abs(right), 1e-3 * largest)
        return right, ~(np.abs(got - right) <= tolerated)
    assert below is not None
    right, wrong = np.empty(got.shape), np.zeros(got.shape, bool)
    for place in np.ndindex(got.shape):
        right[place], wrong[place] = _by_differences(case, below, z, t, place, float(got[place]))
    return right, wrong


def _by_differences(
    case: Case, below: Evaluation, z: Array, t: Array, place: tuple[int, ...], analytic: float
) -> tuple[float, bool]:
    """The derivative at one entry, and whether the given one disagrees beyond its error."""
    row, *entry = place
    moved, target = np.array(z[row : row + 1], np.float64), t[row : row + 1]

    def look() -> Seen:
        try:
            found = np.asarray(below(moved, target), np.float64)
        except ValueError:  # beyond the domain
            return Seen(np.array([np.inf]), np.array([[False]]))
        total = found[(0, *entry)] if found.shape == moved.shape and below is not case.subject.value else found.sum()
        return Seen(np.array([float(total)]), np.array([[bool(np.isfinite(total))]]))

    here = look()
    noise = max(_noise(look, moved, (0, *entry), here.mean), case.noise * abs(here.mean), np.finfo(float).tiny)
    found = by_differences(moved, (0, *entry), analytic, Probe(look, here, None, noise))
    if not np.isfinite(analytic):
        return found.numerical, True
    return found.numerical, found.is_wrong and abs(analytic - found.numerical) > 1e-6 * abs(found.numerical)


def _noise(look: Callable[[], Seen], moved: Array, place: tuple[int, ...], value: float) -> float:
    """The noise of the results, from fourth differences: steps of 2^-18 show the rounding of float32 too."""
    kept = moved[place]
    values = []
    for step in range(16):
        moved[place] = kept * (1.0 + step * 2.0**-18) + step * 2.0**-24
        values.append(look().mean)
    moved[place] = kept
    return float(np.sqrt(np.mean(np.square(np.diff(values, 4))) / 70.0))  # 1 + 16 + 36 + 16 + 1


def _severity(what: str, got: Array, right: Array, factor: float | None) -> str:
    """Upper bounds of the Hessian that boosters use are conventions: a constant, or a factor above 1."""
    is_constant = bool(np.all(got >= right * (1.0 - 1e-9)) and np.ptp(got) == 0.0)
    is_bound = is_constant or (factor is not None and factor > 1.0)
    return "convention" if what == "hessian" and is_bound else "wrong"


def _common_factor(got: Array, right: Array) -> float | None:
    """The factor by which all differ; None if there is none."""
    with np.errstate(all="ignore"):
        factors = got / right
    if not np.isfinite(factors).all() or not np.ptp(factors) < 1e-4 * abs(factors[0]):
        return None
    return float(np.mean(factors))


def _in_words(got: Array, factor: float | None) -> str:
    if factor is not None:
        return f", but {factor:.5g} times it"
    return f", but constant {np.ravel(got)[0]:.5g}" if got.size > 1 and np.ptp(got) == 0.0 else ""


def curvature(case: Case) -> Iterator[Finding]:
    """What a Hessian means for boosters that divide by it."""
    if case.subject.hessian is None or case.subject.is_own:
        return
    found = tried(case.subject.hessian, *case.ordinary)
    if isinstance(found, np.ndarray) and found.size:
        for where, words in ((found < 0.0, "negative"), (found == 0.0, "zero, where trees cannot split,")):
            if where.any():
                text, size = f"{words} at {where.mean():.0%} of ordinary inputs", float(where.mean())
                yield Finding("convention", "curvature", text, "hessian", size=size)
