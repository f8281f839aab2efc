"""The vocabulary of formulas in mpmath, on numbers and arrays: a formula's text runs at any precision."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from mpmath import mp, mpf

from rashin.arithmetic.arrays import iterate

__all__ = ["MPMATH", "jet", "row"]


def _each(function: Any, arguments: int = 1) -> Any:
    """A function of numbers, on arrays too."""
    many = np.frompyfunc(function, arguments, 1)
    return lambda *x: many(*x) if any(isinstance(a, np.ndarray) for a in x) else function(*x)


def _log(x: Any) -> mpf:
    return mp.log(x) if x > 0 else mp.ninf if x == 0 else mp.nan


def _power(x: Any, y: Any) -> mpf:
    if x < 0:
        return mp.nan
    return mp.inf if x == 0 and y < 0 else mpf(x) ** mpf(y)


def _log_ndtr(x: Any) -> mpf:
    return mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2) if x > 0 else mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)


def _trigamma(x: Any) -> mpf:
    return mp.psi(1, x)


MPMATH = SimpleNamespace(
    abs=_each(abs),
    sign=_each(mp.sign),
    where=_each(lambda condition, a, b: a if condition else b, 3),
    sqrt=_each(lambda x: mp.sqrt(x) if x >= 0 else mp.nan),
    exp=_each(mp.exp),
    expm1=_each(mp.expm1),
    log=_each(_log),
    log1p=_each(lambda x: mp.log1p(x) if x > -1 else mp.ninf if x == -1 else mp.nan),
    log1p_unit=_each(lambda x: mp.log1p(x) if 0 <= x <= 1 else mp.nan),  # a formula that goes beyond is found out
    narrow=lambda: False,
    tanh=_each(mp.tanh),
    float_power=_each(_power, 2),
    erf=_each(mp.erf),
    erfc=_each(mp.erfc),
    ndtr=_each(lambda x: mp.erfc(-x / mp.sqrt(2)) / 2),
    log_ndtr=_each(_log_ndtr),
    lgamma=_each(mp.loggamma),
    digamma=_each(mp.digamma),
    trigamma=_each(_trigamma),
    lgamma_difference=_each(lambda x, k: mp.loggamma(x + k) - mp.loggamma(k), 2),
    digamma_difference=_each(lambda x, k: mp.digamma(x + k) - mp.digamma(k), 2),
    trigamma_difference=_each(lambda x, k: _trigamma(x + k) - _trigamma(k), 2),
    sum=np.sum,
    max=np.max,
    concat=np.concatenate,
    iterate=iterate,
)


def jet(loss: Any, *numbers: Any, **parameters: Any) -> tuple[Any, Any, Any]:
    """Value, slope and curvature by the formula's own text, in mpmath."""
    settings = {**loss.parameters, **parameters}
    own = [settings[name] for name in settings if name not in loss.options]
    return loss.formula(MPMATH, *map(mpf, numbers), *(p if p is None else mpf(p) for p in own))


def row(loss: Any, z: Any, t: Any, **parameters: Any) -> tuple[mpf, list[mpf], list[mpf]]:
    """Value, gradient and Hessian diagonal of one row, by the formula of a row loss."""
    if loss.facts.separable:
        counts = loss.facts.every_class
        jets = [jet(loss, x, q, **parameters) if q or counts else (mpf(0),) * 3 for x, q in zip(z, t, strict=True)]
        value, gradient, hessian = ([mpf(x) for x in part] for part in zip(*jets, strict=True))
        return mp.fsum(value), gradient, hessian
    settings = {**loss.parameters, **parameters}
    arrays = [np.array([[mpf(x) for x in a]], dtype=object) for a in (z, t)]
    value, gradient, hessian = loss.formula(MPMATH, *arrays, *(p if p is None else mpf(p) for p in settings.values()))
    return value[0], *([mpf(x) for x in np.broadcast_to(a, arrays[0].shape)[0]] for a in (gradient, hessian))
