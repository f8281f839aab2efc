"""Rows of many classes, kept in a file with the worst errors found, and their exact derivatives.

Logits and vectors are whole numbers of 1/64 and shares those of a power of 2 (a teacher's logits are of 1/64), so that
1,000 classes make a short line. The derivatives are those of the definition: a class of log-probability u costs what
the first of two classes does.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp, mpf

from losses import ENTRIES
from losses.multiclass import MAGNITUDES, smoothed
from losses.textbook import exp, log, logsumexp

__all__ = ["LongRow", "exact_and_size", "read", "sums_of_summands"]

PATH = Path(__file__).parent / "worst_cases" / "long_rows.csv"


class LongRow(NamedTuple):
    """One line of the file, as text; without a vector it is of a gradient, else of the Hessian times the vector."""

    loss: str
    parameters: str
    prediction: str
    target: str
    vector: str
    ulp: str

    @property
    def inputs(self) -> tuple[Any, Any, Any]:
        """The batch of one row: z, t and v."""
        z, v, shares = (
            np.array([int(x) for x in text.split()]) for text in (self.prediction, self.vector, self.target)
        )
        if self.loss == "distillation":
            t = shares[np.newaxis] / 64.0
        else:
            t = shares if shares.size == 1 else (shares / shares.sum())[np.newaxis]
        return z[np.newaxis] / 64.0, t, v[np.newaxis] / 64.0 if v.size else None


def read() -> Iterator[LongRow]:
    with PATH.open(newline="", encoding="utf-8") as lines:
        yield from (LongRow(**line) for line in csv.DictReader(lines))


def exact_and_size(name: str, parameters: dict[str, Any], z: Any, t: Any, v: Any) -> tuple[list[mpf], list[mpf]]:
    """The gradient of a row, or H v, and what its errors are counted in ULPs of."""
    if name == "distillation":  # the gradient p - q of a soft target; only the value differs
        total = logsumexp(t)
        return exact_and_size("softmax_cross_entropy", {}, z, [exp(x - total) for x in t], v)
    own = {key: value for key, value in parameters.items() if key != "label_smoothing"}
    total, q = logsumexp(z), smoothed(t, len(z), parameters.get("label_smoothing", 0.0))
    p = [exp(x - total) for x in z]
    pairs = [_derivatives(name, x - total, own) if q_k else (mpf(0), mpf(0)) for x, q_k in zip(z, q, strict=True)]
    a, b = ([q_k * pair[order] for q_k, pair in zip(q, pairs, strict=True)] for order in (0, 1))
    if v is None:
        exact = [a_j - p_j * mp.fsum(a) for a_j, p_j in zip(a, p, strict=True)]
        return exact, _sizes_of_gradient(name, own, z, q, exact)
    mean = mp.fdot(p, v)
    c = [x - mean for x in v]
    turned, steepness = mp.fdot(b, c), mp.fsum(a)
    exact = [b_j * c_j - p_j * turned - steepness * p_j * c_j for b_j, c_j, p_j in zip(b, c, p, strict=True)]
    return exact, [max(*pair) for pair in zip(sums_of_summands(name, own, z, q, v), map(abs, exact), strict=True)]


def _derivatives(name: str, u: mpf, parameters: dict[str, Any]) -> tuple[mpf, mpf]:
    """phi' and phi'' of a log-probability."""
    h = mp.ldexp(min(mpf(1), -u), -mp.prec // 4)
    below, here, above = (ENTRIES[name].value([x, log(1 - exp(x))], 0, **parameters) for x in (u - h, u, u + h))
    return (above - below) / (2 * h), (above - 2 * here + below) / h**2


def _magnitudes(name: str, parameters: dict[str, Any], z: Any, q: Any) -> tuple[list[mpf], list[mpf], list[mpf]]:
    """p, and q |phi'| and q |phi''| with what the rounding of an exponent costs them."""
    total = logsumexp(z)
    pairs = [
        MAGNITUDES[name](x - total, **parameters) if q_k else (mpf(0), mpf(0)) for x, q_k in zip(z, q, strict=True)
    ]
    a, b = ([q_k * pair[order] for q_k, pair in zip(q, pairs, strict=True)] for order in (0, 1))
    return [exp(x - total) for x in z], a, b


def _sizes_of_gradient(name: str, parameters: dict[str, Any], z: Any, q: Any, exact: list[mpf]) -> list[mpf]:
    """The larger summand of each entry; a label leaves but one, slope (1 - p) or slope p."""
    p, a, _ = _magnitudes(name, parameters, z, q)
    slope = mp.fsum(a)
    if sum(q_k > 0 for q_k in q) == 1:
        return [slope * (mp.fsum(p[:j] + p[j + 1 :]) if a[j] else p[j]) for j in range(len(z))]
    return [max(a_j, p_j * slope, abs(x)) for a_j, p_j, x in zip(a, p, exact, strict=True)]


def sums_of_summands(name: str, parameters: dict[str, Any], z: Any, q: Any, v: Any) -> list[mpf]:
    """For each class j the sum over k of |v_k| times the magnitudes of the summands of H_jk.

    With the distances d_jm = 1 - p_j for m = j, else -p_j, these are q_m phi''_m d_jm d_km, those of all m but j and k
    together, and p_j (1 - p_j) S or p_j p_k S.
    """
    p, a, b = _magnitudes(name, parameters, z, q)
    slope, bend, all_p, away = mp.fsum(a), mp.fsum(b), mp.fdot(p, map(abs, v)), [1 - x for x in p]
    own = [b_k * r_k * abs(x) for b_k, r_k, x in zip(b, away, v, strict=True)]
    near = [b_k * p_k * abs(x) for b_k, p_k, x in zip(b, p, v, strict=True)]
    all_own, all_near = mp.fsum(own), mp.fsum(near)
    sums = []
    for p_j, r_j, b_j, x, own_j, near_j in zip(p, away, b, v, own, near, strict=True):
        rest, others = all_p - p_j * abs(x), bend - b_j
        off = (
            b_j * r_j * rest + p_j * (all_own - own_j) + p_j * (others * rest - all_near + near_j) + slope * p_j * rest
        )
        sums.append(off + abs(x) * (b_j * r_j**2 + p_j**2 * others + slope * p_j * r_j))
    return sums
