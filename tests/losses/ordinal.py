"""Losses of ordered classes: a difference of two distribution functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from losses.textbook import Number, Row, exp, log, textbook
from ulp import dtype_limits


def probability(z: Row, t: int) -> mpf:
    """sigma(high) - sigma(low) as one fraction, (e^-low - e^-high) / ...: 1 - e^-x would need x bits."""
    low, high = ends(z, t)
    if low is None or high is None:
        return mpf(1) if low is high else 1 / (1 + exp(low if high is None else -high))
    return -exp(-low) * mp.expm1(z[t - 1] - z[t]) / ((1 + exp(-low)) * (1 + exp(-high)))


def ends(z: Row, t: int) -> tuple[Number | None, Number | None]:
    """Where the label's class begins and ends, from the logit; None is infinite."""
    low, high = (None if t == 0 else z[t - 1] - z[-1]), (None if t == len(z) - 1 else z[t] - z[-1])
    return low, high


def density(x: Number | None) -> tuple[mpf, mpf]:
    """sigma' and sigma'' there."""
    if x is None:
        return mpf(0), mpf(0)
    a = exp(-abs(x))
    return a / (1 + a) ** 2, mp.sign(x) * a * (a - 1) / (1 + a) ** 3


def derivatives_of_ordinal(z: Row, t: int) -> tuple[list[mpf], list[mpf]]:
    """The quotient rule; no difference quotient holds where thresholds are equal."""
    gradient, hessian = ([mpf(0)] * len(z) for _ in range(2))
    (low, high), k = ends(z, t), t
    p, (a, da), (b, db) = probability(z, t), density(low), density(high)
    if p == 0:
        gradient[k - 1 : k + 1], hessian[k - 1 : k + 1] = [mp.inf, mp.ninf], [mp.inf] * 2
        gradient[-1], hessian[-1] = mp.tanh(-low / 2), 2 * a
        return gradient, hessian
    if high is not None:
        gradient[k], hessian[k] = -b / p, (b / p) ** 2 - db / p
    if low is not None:
        gradient[k - 1], hessian[k - 1] = a / p, (a / p) ** 2 + da / p
    gradient[-1], hessian[-1] = (b - a) / p, ((b - a) / p) ** 2 - (db - da) / p
    return gradient, hessian


def thresholds_close(dtype: str, parameters: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any, Any]]:
    eps, labels = dtype_limits(dtype)[1], np.array([1, 2, 1, 2])
    first = np.array([0.5, 1.0, 12.0, 20.0])
    steps = np.array([eps, 4 * eps, 0.5, 0.5])
    yield "steps of a few roundings", np.c_[first, first * (1 + steps), first * (1 + 2 * steps), -first / 3], labels
    yield "beside the logit", np.c_[first - steps, first, first + 3 * steps, first], np.array([0, 1, 2, 3])
    yield "symmetric", np.c_[-first, -first / 2, first / 2 * (1 + eps), eps * first], labels


@textbook(derivatives=derivatives_of_ordinal, hard=thresholds_close)
def ordinal(z: Row, t: int) -> mpf:
    return -log(probability(z, t))
