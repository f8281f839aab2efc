"""Losses that compare the softmax of logits with a distribution, given as it is or by a teacher's logits.

Their summands cancel where the two are nearly equal; derivatives are judged by those of T^2 sum_k q_k log q_k and the
like, class by class.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from mpmath import mp, mpf

from losses.longdouble import Long, Result, columns, shares
from losses.multiclass import OF_ROWS, log_softmax, of_others, smoothed
from losses.textbook import Number, Row, Target, exp, log, logsumexp, textbook
from ulp import dtype_limits

Array = Any


# The fast references


def fast_kullback_leibler(z: Long, target: Any, temperature: float, reverse: bool) -> Result:
    u, p, rest = log_softmax(z / np.longdouble(temperature))
    v, q = target
    if reverse:
        value, logarithm = fast_divergence(p, u, q, v, q - p)
        return chained(p, rest, value, p * logarithm, (p * logarithm, p), temperature)
    return chained(p, rest, fast_divergence(q, v, p, u, p - q)[0], -q, (), temperature)


def fast_jensen_shannon(z: Long, target: Any, temperature: float, beta: float) -> Result:
    u, p, rest = log_softmax(z / np.longdouble(temperature))
    v, q = target
    b = np.longdouble(beta)
    m = b * q + (1 - b) * p
    of_target, _ = fast_divergence(q, v, m, np.log(m), (1 - b) * (p - q))
    of_prediction, logarithm = fast_divergence(p, u, m, np.log(m), b * (q - p))
    own = (1 - b) * np.where(p > 0, p * logarithm, 0)
    bent = (1 - b) * p * b * q / np.where(m > 0, m, 1)
    return chained(p, rest, b * of_target + (1 - b) * of_prediction, own, (own, bent), temperature)


def fast_divergence(p: Long, u: Long, q: Long, v: Long, away: Long) -> tuple[Long, Long]:
    """p log(p / q) - p + q, and log(p / q), of shares, their logarithms u and v, and q - p."""
    near = np.abs(away) < 0.3 * p
    x = np.where(near, away / np.where(p > 0, p, 1), 0)
    far = np.where(p > 0, p * (u - v), 0) + away
    return np.where(near, p * (x - np.log1p(x)), far), np.where(near, -np.log1p(x), u - v)


def chained(p: Long, rest: Long, value: Long, slope: Long, curvatures: Any, temperature: float) -> Result:
    """By the logits, what is by the log-probabilities."""
    t = np.longdouble(temperature)
    hessian = [y for x in curvatures for y in (x * rest**2, p**2 * of_others(x))]
    total = slope.sum(axis=1, keepdims=True)
    return columns(t * t * value), (t * slope * rest, -t * p * of_others(slope)), (*hessian, -p * rest * total)


def fast_shares(t: Any, z: Long) -> tuple[Long, Long]:
    q = shares(t, z)
    return np.log(q), q


def fast_softened(t: Any, temperature: float) -> tuple[Long, Long]:
    return log_softmax(t / np.longdouble(temperature))[:2]


# Hard inputs


def near_a_distribution(dtype: str, parameters: Any, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    """Logits that a narrow type took most of the digits of."""
    temperature = parameters.get("temperature", 1.0)
    z = temperature * rng.normal(0, 1.5, (2, 5))
    e = np.exp((z - z.max(axis=1, keepdims=True)) / temperature)
    yield (
        "near a distribution, soft",
        z * (1 + 4 * dtype_limits(dtype)[1] * rng.normal(size=z.shape)),
        e / e.sum(1)[:, None],
    )


def near_a_teacher(dtype: str, parameters: Any, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    z, eps = rng.normal(0, 3, (2, 5)), dtype_limits(dtype)[1]
    steps = 1 + eps * rng.integers(-4, 5, z.shape)
    yield "equal, soft", z, z
    yield "near equal, soft", z, z * steps
    yield "nearly equal, soft", z, z + 10.0 ** -rng.uniform(1, 8, z.shape)
    yield "shifted, soft", z + 3.0, z
    yield "apart by 50, soft", z, z + 50 * np.eye(5)[[0, 4]]
    yield "both certain, soft", z + 60 * np.eye(5)[[0, 4]], z + 40 * np.eye(5)[[0, 4]]


# Words of the definitions: a distribution is a list of pairs, of a share and its logarithm


def softened(z: Row, temperature: Number) -> list[tuple[mpf, mpf]]:
    """softmax(z / T)."""
    x = [mpf(a) / mpf(temperature) for a in z]
    total = logsumexp(x)
    return [(exp(a - total), a - total) for a in x]


def given(t: Target, classes: int) -> list[tuple[mpf, mpf]]:
    return [(q, log(q)) for q in smoothed(t, classes, 0)]


def divergence(p: list[tuple[mpf, mpf]], q: list[tuple[mpf, mpf]]) -> list[mpf]:
    """The summands of p log p - p log q - p + q, class by class; those of classes in which p has no share are q."""
    found: list[mpf] = []
    for (a, log_a), (b, log_b) in zip(p, q, strict=True):
        found += [a * log_a, -a * log_b, b - a] if a else [b]
    return found


def kullback_leibler(p: Any, q: Any, temperature: Number, reverse: bool) -> tuple[mpf, ...]:
    return tuple(mpf(temperature) ** 2 * x for x in (divergence(p, q) if reverse else divergence(q, p)))


def jensen_shannon(p: Any, q: Any, temperature: Number, beta: Number) -> tuple[mpf, ...]:
    square, beta = mpf(temperature) ** 2, mpf(beta)
    mixed = [beta * b + (1 - beta) * a for (a, _), (b, _) in zip(p, q, strict=True)]
    m = [(x, log(x)) for x in mixed]
    return tuple([square * beta * x for x in divergence(q, m)] + [square * (1 - beta) * x for x in divergence(p, m)])


def parts(z: Row, q: Any, temperature: Number, reverse: bool) -> tuple[mpf, ...]:
    """Of the forward divergence, cut so that the gradient's summands are T p_j and T q_j."""
    if reverse:
        return kullback_leibler(softened(z, temperature), q, temperature, reverse)
    square, x, masses = mpf(temperature) ** 2, [mpf(a) / mpf(temperature) for a in z], [share for share, _ in q]
    labels = [k for k, share in enumerate(masses) if share]
    if len(labels) == 1:
        return (square * masses[labels[0]] * (logsumexp(x) - x[labels[0]]),)
    return square * mp.fsum(masses) * logsumexp(x), -square * mp.fsum(masses[k] * x[k] for k in labels)


# The entries


@textbook(
    {"temperature": 2.5},
    {"reverse": True},
    {"reverse": True, "temperature": 0.3},
    hard=near_a_distribution,
    fast=lambda z, t, reverse=False, temperature=1.0: fast_kullback_leibler(z, fast_shares(t, z), temperature, reverse),
    ulps=lambda **_: OF_ROWS,  # logarithms are differences, u - v
    parts=lambda z, t, reverse=False, temperature=1.0: parts(z, given(t, len(z)), temperature, reverse),
)
def softmax_kullback_leibler(z: Row, t: Target, reverse: bool = False, temperature: Number = 1.0) -> tuple[mpf, ...]:
    return kullback_leibler(softened(z, temperature), given(t, len(z)), temperature, reverse)


@textbook(
    {"temperature": 2.5},
    {"reverse": True, "temperature": 0.3},
    hard=near_a_teacher,
    fast=lambda z, t, reverse=False, temperature=1.0: fast_kullback_leibler(
        z, fast_softened(t, temperature), temperature, reverse
    ),
    ulps=lambda **_: OF_ROWS,
    parts=lambda z, t, reverse=False, temperature=1.0: parts(z, softened(t, temperature), temperature, reverse),
)
def distillation(z: Row, t: Row, reverse: bool = False, temperature: Number = 1.0) -> tuple[mpf, ...]:
    return kullback_leibler(softened(z, temperature), softened(t, temperature), temperature, reverse)


@textbook(
    {"beta": 0.9, "temperature": 3.0},
    hard=near_a_distribution,
    ulps=lambda **_: OF_ROWS,  # logarithms are differences, u - log m
    fast=lambda z, t, beta=0.5, temperature=1.0: fast_jensen_shannon(z, fast_shares(t, z), temperature, beta),
)
def softmax_jensen_shannon(z: Row, t: Target, beta: Number = 0.5, temperature: Number = 1.0) -> tuple[mpf, ...]:
    return jensen_shannon(softened(z, temperature), given(t, len(z)), temperature, beta)


@textbook(
    {"beta": 0.9, "temperature": 3.0},
    hard=near_a_teacher,
    ulps=lambda **_: OF_ROWS,  # logarithms are differences, u - log m
    fast=lambda z, t, beta=0.5, temperature=1.0: fast_jensen_shannon(
        z, fast_softened(t, temperature), temperature, beta
    ),
)
def jensen_shannon_distillation(z: Row, t: Row, beta: Number = 0.5, temperature: Number = 1.0) -> tuple[mpf, ...]:
    return jensen_shannon(softened(z, temperature), softened(t, temperature), temperature, beta)
