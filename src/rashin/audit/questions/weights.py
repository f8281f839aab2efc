"""Is a weight of 2 the row twice, in the value, in the gradient and in the Hessian?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.audit.findings import Finding
from rashin.audit.questions.case import Case, is_near, tried
from rashin.audit.subject import Evaluation

__all__ = ["weights"]

Array = NDArray[Any]

_BOOSTERS = "; boosters leave them to the objective, which multiplies gradient and Hessian by them"
_WEIGHTS = (1.0, 2.0, 3.0, 1.0, 2.0)
_SHOWN = 2


def weights(case: Case) -> Iterator[Finding]:
    """The value first: if its weights are wrong, so are those of derivatives that follow from it."""
    if not case.subject.weights:
        return
    for name, f in case.subject.outputs.items():
        found = list(_weighted(case, name, f))
        yield from found
        if found and name == "value":
            return


def _weighted(case: Case, name: str, f: Evaluation) -> Iterator[Finding]:
    z, t = case.ordinary
    w = np.resize(_WEIGHTS, len(z))
    got, plain = tried(f, z, t, **{case.subject.weights: w}), tried(f, z, t)
    if isinstance(plain, Exception):
        return
    if isinstance(got, Exception):
        if case.seen.returned == "gradient":  # elsewhere a keyword of this name may be for something else
            words = f"not checked with weights: {type(got).__name__}: {str(got)[:120]}"
            yield Finding("inexact", "call", words, name)
    elif got.ndim and got.shape == plain.shape:
        yield from _of_rows(case, name, w, got, plain)
    elif got.size == plain.size == 1:
        yield from _of_sums(case, w, float(got), f)


def _of_rows(case: Case, name: str, w: Array, got: Array, plain: Array) -> Iterator[Finding]:
    """Results of rows: each is its weight times that without weights, divided by the weights in a mean."""
    if len(got) != len(w):
        return
    w = w.reshape(len(w), *[1] * (got.ndim - 1))
    powers = [power for power in (1, 0, 2) if _is_multiple(case, got, w**power * plain)]
    if not powers:
        yield _finding(case, "wrong", "the weighted result of a row is not its weight times the result", name)
    elif powers[0] != 1:
        words = "weights are applied twice: a weight of 2 counts 4 times" if powers[0] else "weights are ignored"
        words += _BOOSTERS if case.seen.returned == "gradient" and not powers[0] else ""
        yield _finding(case, "wrong", words, name)
    elif case.seen.returned == "scalar":
        yield from _beside_the_value(case, name, w, got)
    elif not np.allclose(got, w * plain, rtol=64.0 * case.noise, atol=0.0):
        yield _finding(case, "convention", "weights count relative to their mean: scaling them changes nothing", name)


def _beside_the_value(case: Case, name: str, w: Array, got: Array) -> Iterator[Finding]:
    """Derivatives of a weighted value are those of repeated rows, on the scale of the value."""
    z, t = case.ordinary
    rows, value = _repeated(w), case.subject.value
    if value is None:
        return
    slopes = tried(case.subject.outputs[name], z[rows], t[rows])
    weighted, repeated = tried(value, z, t, **{case.subject.weights: np.ravel(w)}), tried(value, z[rows], t[rows])
    if isinstance(slopes, Exception) or isinstance(weighted, Exception) or isinstance(repeated, Exception):
        return
    with np.errstate(all="ignore"):
        right = w * slopes[np.searchsorted(rows, np.arange(len(z)))] * (weighted / repeated)
        factor = float(np.sum(got * right) / np.sum(right * right))
    if abs(factor - 1.0) > 64.0 * case.noise:
        yield _finding(case, "wrong", f"{factor:.5g} times the derivative of the weighted value", name)


def _repeated(w: Array) -> Array:
    """The numbers of rows, each as often as its weight says."""
    return np.repeat(np.arange(len(w)), np.ravel(w).astype(int))


def _finding(case: Case, severity: str, words: str, name: str = "value", size: float = 0.0) -> Finding:
    z, t = (x[:_SHOWN] for x in case.ordinary)
    example = case.subject.pasted(z, t, np.array(_WEIGHTS[:_SHOWN]))
    return Finding(severity, "weight", words, "" if name == "value" else name, example=example, size=size)


def _is_multiple(case: Case, a: Array, b: Array) -> bool:
    """Whether a is a constant positive factor times b."""
    factor = float(np.sum(a * b) / np.sum(b * b)) if np.any(b) else 1.0
    return factor > 0.0 and bool(np.allclose(a, factor * b, rtol=64.0 * case.noise, atol=0.0))


def _of_sums(case: Case, w: Array, got: float, f: Evaluation) -> Iterator[Finding]:
    z, t = case.ordinary
    rows = _repeated(w)
    repeated = tried(f, z[rows], t[rows])
    if isinstance(repeated, Exception) or is_near(case, got, float(repeated)):
        return
    right = float(repeated)
    if is_near(case, got * len(z), right * float(w.sum())):
        yield _finding(case, "convention", "the weighted mean is divided by the number of samples, not of weights")
        return
    words = f"a weight of 2 is not the row twice, for predictions {_shape(z)}: {got:.7g} for {right:.7g}"
    severity, size = "wrong" if case.reference is not None else "convention", abs(got - right) / max(abs(right), 1e-300)
    yield _finding(case, severity, words, size=size)


def _shape(z: Array) -> str:
    return "(n,)" if z.ndim == 1 else "(n, C)"
