"""Do batches and masks add up?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.findings import Finding
from rashin.audit.questions.case import Case, is_near, tried

__all__ = ["batches", "masks", "padding", "reduction", "repeats", "streams"]

Array = NDArray[Any]

_LONG = 2**24  # rows: beyond, float32 no longer counts by ones


def repeats(case: Case) -> Iterator[Finding]:
    """Does the same input give the same result?"""
    one, other = (tried(case.subject.main, *case.ordinary) for _ in range(2))
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) and not np.array_equal(one, other, equal_nan=True):
        yield Finding("wrong", "random", "two calls with the same input give different results")


def batches(case: Case) -> Iterator[Finding]:
    """Does a sample's result depend on the others, or a mean on how the batch is cut?"""
    z, t = case.ordinary
    order = np.argsort(t, kind="stable") if t.ndim == 1 and case.form.is_discrete else np.arange(len(z))
    z, t = z[order], t[order]
    cut = int(np.argmax(t != t[0])) if t.ndim == 1 and case.form.is_discrete else len(z) // 3
    whole, first, rest = (tried(case.subject.main, z[k], t[k]) for k in (slice(None), slice(cut), slice(cut, None)))
    if isinstance(whole, Exception) or isinstance(first, Exception) or isinstance(rest, Exception):
        return
    if case.seen.returned != "scalar":
        yield from _parts_of_samples(case, whole, first, rest)
        return
    a, b, all_ = (float(case.undone(np.asarray(x, np.float64))) for x in (first, rest, whole))
    sums, mean = a + b, (cut * a + (len(z) - cut) * b) / len(z)
    if not is_near(case, all_, sums) and not is_near(case, all_, mean):
        given = f"{all_:.7g}, not {sums:.7g} or {mean:.7g}"
        words = f"the value of a batch is neither the sum nor the mean of its parts: {given}"
        severity = "wrong" if case.reference is not None else "convention"
        size = min(abs(all_ - one) for one in (sums, mean)) / max(abs(all_), 1e-300)
        yield Finding(severity, "batch", words, example=case.subject.pasted(z[:cut], t[:cut]), size=size)


def _parts_of_samples(case: Case, whole: Array, first: Array, rest: Array) -> Iterator[Finding]:
    if whole.ndim == 0 or len(first) + len(rest) != len(whole):
        return
    joined = np.concatenate([first, rest]).astype(np.float64)
    if np.max(np.abs(joined - whole)) > 16.0 * case.noise * np.max(np.abs(whole)):
        yield Finding(case.grave, "batch", "a sample's result depends on the other samples")


def reduction(case: Case) -> Iterator[Finding]:
    """Are value, gradient and Hessian of one function all those of the sum, or all those of the mean?"""
    if case.seen.returned != "scalar":
        return
    kinds = {name: _reduced(case, name) for name in case.subject.outputs}
    for name, kind in kinds.items():
        below = next(iter(case.subject.gradients), "") if name == "hessian" else "value"
        other = kinds.get(below, "")
        if kind and other and kind != other:
            factor = "n times" if kind == "sum" else "1 / n of"
            words = f"that of the {kind} over n rows, while the {below} is that of the {other}: {factor} the derivative"
            yield Finding("wrong", "reduction", words, name, example=case.subject.pasted(*(x[:2] for x in case.some)))


def _reduced(case: Case, name: str) -> str:
    """``"sum"`` or ``"mean"``, whichever makes an output of a batch from those of its rows; "" for neither.

    The rows come twice: with the size of other batches, as some libraries compile for each.
    """
    alone = case.outputs[name]
    found = tried(case.subject.outputs[name], *(np.concatenate([x, x]) for x in case.some))
    if isinstance(alone, Exception) or isinstance(found, Exception) or not np.any(alone):
        return ""
    rows = np.concatenate([alone, alone])
    total = np.asarray(rows.sum() if name == "value" else rows)
    fitting = [kind for kind, x in (("sum", total), ("mean", total / len(rows))) if _is_alike(case, found, x)]
    return fitting[0] if len(fitting) == 1 else ""


def _is_alike(case: Case, a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.max(np.abs(a - b)) <= 64.0 * case.noise * np.max(np.abs(b)))


def masks(case: Case) -> Iterator[Finding]:
    """A masked sample must not count, even if it is NaN."""
    name = case.subject.masks or case.subject.weights
    z, t = case.ordinary
    keep = np.arange(len(z)) > 0
    if not name or (case.seen.returned == "gradient" and not case.subject.masks):  # margins of boosters are finite
        return
    mask = keep if case.subject.masks else keep.astype(np.float64)
    odd = z.copy()
    odd[0] = np.nan
    got, right = tried(case.subject.main, z, t, **{name: mask}), tried(case.subject.main, z[1:], t[1:])
    leaking = tried(case.subject.main, odd, t, **{name: mask})
    if isinstance(leaking, np.ndarray) and np.isnan(leaking).any():
        yield Finding("convention", "mask", f"NaN in a sample with {name} 0 leaks into the result")
    if not case.subject.masks or not isinstance(got, np.ndarray) or not isinstance(right, np.ndarray) or got.ndim:
        return
    a, b = float(got), float(right)
    if not is_near(case, a, b):
        severity = "convention" if is_near(case, a * len(z), b * (len(z) - 1)) else case.grave
        words = f"a masked sample is not as if it were absent: {a:.7g} for {b:.7g}"
        yield Finding(severity, "mask", words, size=abs(a - b) / max(abs(b), 1e-300))


def padding(case: Case) -> Iterator[Finding]:
    """Rows with the label to ignore must not change the mean."""
    z, t = case.ordinary
    ignored = case.subject.ignored
    if ignored is None or not case.form.has_labels:
        return
    padded = np.concatenate([z, z[:3]]), np.concatenate([t, np.full(3, ignored)])
    got, right = tried(case.subject.main, *padded), tried(case.subject.main, z, t)
    if isinstance(got, np.ndarray) and isinstance(right, np.ndarray) and got.ndim == 0:
        a, b = float(got), float(right)
        if not is_near(case, a, b):
            words = f"rows with the label {ignored} change the value: {a:.7g} for {b:.7g}"
            yield Finding("wrong", "padding", words, size=abs(a - b) / max(abs(b), 1e-300))


def streams(case: Case) -> Iterator[Finding]:
    """A metric that adds batches up must not lose the later ones."""
    reference = case.reference
    if case.subject.streams is None or reference is None or reference.reduction != "mean" or reference.outer:
        return
    if case.form.prediction.axes:
        return
    z, t = (x.astype(np.float32) for x in case.ordinary)
    losses = reference.per_sample(z, t)
    row = int(np.argmin(np.frexp(losses)[0]))  # just above a power of two: the next row is half the spacing of the sum
    update, compute = case.subject.streams()
    update(np.full(_LONG, z[row]), np.full(_LONG, t[row]))
    before = compute()
    for _ in range(100):
        update(z[row : row + 1], t[row : row + 1])
    change = (compute() - before) / before
    if abs(change) > 1e-6:
        words = (
            f"after 2^24 equal rows, 100 more of them, one by one, change the mean by {change:.2g} of it instead of 0"
        )
        yield Finding("wrong", "stream", words, dtype="float32", size=abs(change))
