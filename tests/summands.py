"""The largest summand of a derivative: what its error is judged by where summands of opposite sign cancel.

The summands of a value are those of its definition. A derivative has others: by the product rule, by the
chain rule of the losses on log softmax, and through exponentials. Only magnitudes are found here, a few digits
of them; the exact derivative itself never comes from this file.

- ``softmax_cross_entropy`` and ``focal`` with soft targets: q_j phi'(u_j) and p_j S, S = sum_k q_k phi'(u_k), in
  the gradient; q_j phi''(u_j) (1 - p_j)^2, p_j^2 sum of the other q_k phi''(u_k), and p_j (1 - p_j) S in the Hessian.
- The focal losses are a product A B of a power and a logarithm: A'' B, 2 A' B', A B'' in the Hessian.
- An exponent x that had to be rounded costs e^x as many ULPs as x is large. This is granted only where x itself
  is the result of rounded arithmetic: to ``softcap``, whose logits are up to c large and rounded, and to the
  Hessian of ``focal``, where p is e^u.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mpmath import mp, mpf

from oracles import exp, log, logsumexp, smoothed

__all__ = ["exponent", "largest_summand"]


def exponent(parameters: dict[str, Any]) -> mpf:
    """How large the rounded exponent may be; 1 where there is none."""
    softcap = parameters.get("softcap")
    return mpf(1) if softcap is None else mpf(softcap)


def largest_summand(name: str, order: int, z: Any, t: Any, parameters: dict[str, Any], j: int | None, bits: int) -> mpf:
    """The largest summand of the focal losses' derivative of that order; 0 for other losses."""
    with mp.workprec(2 * bits):
        if name == "sigmoid_focal" and order == 2:
            return max(map(abs, _product_rule(lambda x: _sigmoid_focal_factors(x, t, **parameters), z)))
        if name == "focal" and order > 0:
            return _focal(order, z, t, j, **parameters)
    return mpf(0)


def _focal(order: int, z: list[mpf], t: Any, j: int, gamma: float = 2.0) -> mpf:
    if order == 1 and isinstance(t, int):
        return mpf(0)
    p, slopes, curvatures = _focal_parts(tuple(z), t if isinstance(t, int) else tuple(t), gamma, mp.prec)
    if order == 1:
        return max(slopes[j], p[j] * mp.fsum(slopes)) if slopes.count(0) < len(z) - 1 else mpf(0)
    others = mp.fsum(curvatures[:j] + curvatures[j + 1 :])
    return max(curvatures[j] * (1 - p[j]) ** 2, p[j] ** 2 * others, p[j] * (1 - p[j]) * mp.fsum(slopes))


@lru_cache(maxsize=8)
def _focal_parts(z: tuple[mpf, ...], t: Any, gamma: float, prec: int) -> tuple[list[mpf], list[mpf], list[mpf]]:
    """p_k, q_k phi'(u_k) and the largest summand of q_k phi''(u_k), whose exponent u_k is a rounded number.

    ``prec`` only keeps the precisions apart that are remembered.
    """
    total = logsumexp(z)
    rows = [(x - total, q_k) for x, q_k in zip(z, smoothed(t, len(z), 0), strict=True)]
    slopes = [q_k * abs(_slope_of(u, gamma)) if q_k else mpf(0) for u, q_k in rows]
    curvatures = [q_k * max(1, -u) * _curvature_of(u, gamma) if q_k else mpf(0) for u, q_k in rows]
    return [exp(u) for u, _ in rows], slopes, curvatures


def _focal_factors(u: mpf, gamma: float) -> tuple[mpf, mpf]:
    return max(mpf(0), 1 - exp(u)) ** mpf(gamma), -u


def _sigmoid_focal_factors(z: mpf, t: mpf, gamma: float = 2.0, alpha: float | None = None) -> tuple[mpf, mpf]:
    weight = mpf(1) if alpha is None else mpf(alpha) if t == 1 else 1 - mpf(alpha)
    p = 1 / (1 + exp(-z if t == 1 else z))
    return weight * max(mpf(0), 1 - p) ** mpf(gamma), -log(p)


def _slope_of(u: mpf, gamma: float) -> mpf:
    h = _step(u)
    after, before = (_focal_factors(x, gamma) for x in (u + h, u - h))
    return (after[0] * after[1] - before[0] * before[1]) / (2 * h)


def _curvature_of(u: mpf, gamma: float) -> mpf:
    return max(map(abs, _product_rule(lambda x: _focal_factors(x, gamma), u)))


def _product_rule(factors: Callable[[mpf], tuple[mpf, mpf]], x: mpf) -> tuple[mpf, mpf, mpf]:
    """A'' B, 2 A' B' and A B'' at x."""
    h = _step(x)
    (a0, b0), (a1, b1), (a2, b2) = factors(x - h), factors(x), factors(x + h)
    curved = (a2 - 2 * a1 + a0) * b1, (b2 - 2 * b1 + b0) * a1
    return curved[0] / h**2, 2 * (a2 - a0) * (b2 - b0) / (2 * h) ** 2, curved[1] / h**2


def _step(x: mpf) -> mpf:
    """Small beside x and beside 1."""
    return mp.ldexp(min(mpf(1), abs(x)) or mpf(1), -mp.prec // 4)
