"""What is accepted silently: shapes that broadcast, invalid labels, NaN, empty batches; and what is overwritten."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.findings import Finding
from rashin.audit.inputs import bad_predictions, bad_targets
from rashin.audit.questions.case import Case, tried

__all__ = ["broadcasting", "changes", "emptiness", "foreign"]

Array = NDArray[Any]

_ARGUMENTS = ("the prediction", "the target")
_PAIRS = (
    ": a column of predictions, as models return it, against flat targets is a wrong loss; "
    "fix: raise unless the shapes are equal, or leave this out with --ignore broadcast"
)


def broadcasting(case: Case) -> Iterator[Finding]:
    """(n, 1) against (n,), which NumPy turns into n x n pairs, and one target for all."""
    z, t = case.ordinary
    if case.seen.returned == "gradient":  # boosters see to the shapes
        return
    if case.form.prediction.axes:
        yield from _of_rows(case, z, t)
        return
    n, right = len(z), tried(case.subject.main, z, t)
    for one, other in ((z[:, None], t), (z, t[:, None])):
        found, warned = _attempt(case, one, other)
        if isinstance(found, np.ndarray) and not _is_same(found, right):
            pairs = f"{n} x {n} pairs" if found.size in (n * n, 1) else f"a result of shape {found.shape}"
            words = f"shapes {one.shape} and {other.shape} give {pairs}{', with a warning' if warned else ' silently'}"
            words += _PAIRS
            yield Finding(
                "convention" if warned else case.grave,
                "broadcast",
                words,
                example=case.subject.pasted(one[:2], other[:2]),
            )
            break
    found, _ = _attempt(case, z, t[:1])
    if isinstance(found, np.ndarray) and found.size:
        yield Finding("convention", "one-target", "one target is taken for all predictions")


def _of_rows(case: Case, z: Array, t: Array) -> Iterator[Finding]:
    found, _ = _attempt(case, z, t[:-1])
    if isinstance(found, np.ndarray) and np.isfinite(found).all():
        words = f"{len(z)} rows with {len(t) - 1} targets are accepted silently"
        yield Finding(case.grave, "broadcast", words, example=case.subject.pasted(z[:2], t[:1]))


def _attempt(case: Case, z: Array, t: Array) -> tuple[Array | Exception, bool]:
    """The result, and whether a warning about shapes came with it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = tried(case.subject.main, z, t)
    return found, bool(caught)


def _is_same(found: Array, right: Array | Exception) -> bool:
    if not isinstance(right, np.ndarray) or found.size != right.size:
        return False
    return bool(np.allclose(np.ravel(found), np.ravel(right), rtol=1e-5, atol=0.0, equal_nan=True))


def foreign(case: Case) -> Iterator[Finding]:
    """Targets and predictions outside their domains, and NaN."""
    z, t = case.ordinary
    for name, bad in bad_targets(case.form):
        target = np.array(t)
        if target.dtype.kind in "iu" and np.isnan(bad):
            continue
        target[0] = bad
        yield from _accepted(case, "target", name, z, target)
    if case.form.prediction.columns:
        return
    for name, bad in bad_predictions(case.form.prediction):
        prediction = np.array(z)
        prediction[0] = bad
        yield from _accepted(case, "prediction", name, prediction, t)


def _accepted(case: Case, what: str, name: str, z: Array, t: Array) -> Iterator[Finding]:
    found = tried(case.subject.main, z, t)
    if isinstance(found, Exception) or not found.size:
        return
    if np.isnan(found).any() or np.isinf(found).any():
        yield Finding("convention", what, f"accepted, gives {_first_odd(found)}", dtype=name)
        return
    example = case.subject.pasted(z[:1], t[:1])
    yield Finding(case.grave, what, "accepted silently, gives a number", dtype=name, example=example)


def _first_odd(found: Array) -> str:
    return "NaN" if np.isnan(found).any() else "inf"


def emptiness(case: Case) -> Iterator[Finding]:
    """An empty batch has no mean."""
    z, t = case.ordinary
    found = tried(case.subject.main, z[:0], t[:0])
    if case.seen.returned == "scalar" and isinstance(found, np.ndarray) and found.size == 1:
        yield Finding("convention", "empty", f"an empty batch gives {float(np.ravel(found)[0]):g}")


def changes(case: Case) -> Iterator[Finding]:
    """A call must leave its arguments as they are: the caller needs the predictions again."""
    given = case.ordinary
    left = tried(case.subject.leaves, *given) if case.subject.leaves else given
    if isinstance(left, Exception):
        return
    names = [name for name, a, b in zip(_ARGUMENTS, given, left, strict=True) if not np.array_equal(a, b)]
    if names:
        words = f"a call overwrites {' and '.join(names)}; fix: compute on copies, without operators such as -="
        example = case.subject.pasted(*(x[:2] for x in given))
        yield Finding("wrong", "input", words, example=example)
