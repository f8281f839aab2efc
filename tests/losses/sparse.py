"""Losses of entmax: the convex conjugate of Tsallis' entropy, less the label's score.

A probability is a power of 1 + (alpha - 1) (z_j - theta), a difference that cancels near the edge of the support: what
a rounding of it moves a result by is the largest summand here.
"""

from __future__ import annotations

from functools import lru_cache

from mpmath import mp, mpf

from losses.textbook import Number, Row, textbook


def probabilities(z: Row, alpha: Number) -> list[mpf]:
    return _probabilities(tuple(mpf(x) for x in z), mpf(alpha), mp.prec)


@lru_cache(maxsize=512)
def _probabilities(z: tuple[mpf, ...], alpha: mpf, prec: int) -> list[mpf]:
    """p_j = ((alpha - 1) z_j - tau)^(1 / (alpha - 1)), 0 for negative bases, with the tau of sum 1, by Newton's method.

    The sum is a convex function of tau, above 1 at the start: the steps go up to tau and stop there.
    """
    a = alpha - 1
    with mp.workprec(prec + 40):
        tau = a * max(z) - 1
        while True:
            bases = [max(mpf(0), a * x - tau) for x in z]
            p = [x ** (1 / a) if x else mpf(0) for x in bases]
            step = (mp.fsum(p) - 1) / mp.fsum(y / x / a for x, y in zip(bases, p, strict=True) if x)
            if step <= mp.ldexp(max(abs(tau), mpf(1)), -prec - 20):
                return p
            tau += step


def derivatives_of_entmax(z: Row, t: int, alpha: Number = 1.5) -> tuple[list[mpf], list[mpf]]:
    p = probabilities(z, alpha)
    s = [x ** (2 - mpf(alpha)) if x else mpf(0) for x in p]
    gradient = [-mp.fsum(p[:t] + p[t + 1 :]) if j == t else x for j, x in enumerate(p)]
    return gradient, [x * mp.fsum(s[:j] + s[j + 1 :]) / mp.fsum(s) for j, x in enumerate(s)]


def largest_of_entmax(order: int, z: list[mpf], t: int, parameters: dict[str, float], j: int) -> mpf:
    alpha = mpf(parameters.get("alpha", 1.5))
    p = probabilities(z, alpha)
    slopes = [x ** (2 - alpha) / (alpha - 1) if x else mpf(0) for x in p]  # by 1 + (alpha - 1) (z_j - theta)
    if order == 0:
        return mpf(0)
    if order == 1:
        return max(slopes[:t] + slopes[t + 1 :]) if j == t else slopes[j]
    return max([x ** (3 - 2 * alpha) / (alpha - 1) if x else mpf(0) for x in p], default=mpf(0))


@textbook(
    {"alpha": 2.0},
    {"alpha": 1.001},
    derivatives=derivatives_of_entmax,
    largest=largest_of_entmax,
    exponent=lambda alpha=1.5: max(1, 0.1 / (alpha - 1)),  # log p, a rounded number, may be -100 as alpha nears 1
)
def entmax(z: Row, t: int, alpha: Number = 1.5) -> mpf:
    p, a = probabilities(z, alpha), mpf(alpha)
    scores = mp.fsum(p_j * (x - z[t]) for p_j, x in zip(p, z, strict=True) if p_j)
    return scores + (1 - mp.fsum(x**a for x in p)) / (a * (a - 1))
