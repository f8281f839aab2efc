"""The mean of very many samples is the exact quotient, rounded once, whatever the order, layout and threads.

The exact sum is Python's: every double is a whole number times a power of two, and the whole numbers that share a
power are added as integers. The terms are losses of one rounding at most, so NumPy has the same ones.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import rashin

MILLIONS = 3_000_000
CHUNK = 5_000_000


def exact_sum(terms):
    """The sum of finite doubles as a fraction."""
    mantissa, exponent = np.frexp(terms)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    total = Fraction(0)
    for part, shift in ((whole & 0x7FF_FFFF, 0), (whole >> 27, 27)):  # 27 bits: sums of a chunk fit a double
        sums = np.bincount(exponent - exponent.min(), part.astype(np.float64))
        for place, each in enumerate(sums.tolist()):
            total += Fraction(int(each)) * Fraction(2) ** (place + shift + int(exponent.min()) - 53)
    return total


def exact_mean(terms_of, size, weight=None, keep=None):
    """sum(w l) / sum(w) of the selected samples, rounded once; the terms come chunk by chunk."""
    above, below = Fraction(0), Fraction(0)
    for start in range(0, size, CHUNK):
        part = slice(start, start + CHUNK)
        terms = terms_of(part)
        w = np.ones(terms.size) if weight is None else weight[part].astype(np.float64)
        if keep is not None:
            w = w * keep[part]
        above += exact_sum(terms * w)
        below += exact_sum(w)
    return above.numerator * below.denominator / (above.denominator * below.numerator)


def test_the_exact_sum_is_that_of_fractions():
    x = np.random.default_rng(0).normal(size=2000) * 10.0 ** np.arange(2000.0) ** 0.5
    x[:3] = 0.0, 5e-324, -1e300
    assert exact_sum(x) == sum(map(Fraction, x.tolist()), Fraction(0))


def drawn(size):
    """Numbers of many magnitudes, weights of which some are 0, and a selection, all in float32."""
    rng = np.random.default_rng(size)
    z = rng.standard_normal(size, np.float32) * np.float32(10.0) ** rng.integers(-6, 7, size, np.int8)
    t = rng.standard_normal(size, np.float32)
    weight = np.maximum(rng.standard_normal(size, np.float32), 0)
    return z, t, weight, rng.random(size, np.float32) < 0.9


def squares(z, t):
    """The terms of the squared error, in double."""
    return lambda part: (z[part].astype(np.float64) - t[part]) ** 2


def orders(size):
    """Views of the same samples in memory of another order, and the samples in another order."""

    def strided(a):
        return np.repeat(a, 2)[::2]

    def reversed_(a):
        return a[::-1]

    places = np.random.default_rng(5).permutation(size)
    return {"contiguous": lambda a: a, "strided": strided, "reversed": reversed_, "shuffled": lambda a: a[places]}


@pytest.fixture(scope="module")
def samples():
    z, t, weight, keep = drawn(MILLIONS)
    plain = exact_mean(squares(z, t), MILLIONS)
    weighted = exact_mean(squares(z, t), MILLIONS, weight, keep)
    return (z, t), {"weight": weight, "where": keep}, plain, weighted


@pytest.mark.parametrize("order", ["contiguous", "strided", "reversed", "shuffled"])
def test_the_mean_of_three_million_is_rounded_once(samples, order):
    arrays, keywords, plain, weighted = samples
    lay = orders(MILLIONS)[order]
    z, t = map(lay, arrays)
    keywords = {name: lay(array) for name, array in keywords.items()}
    for number in (1, 2, 3, 8):
        with rashin.threads(number):
            assert rashin.squared_error(z, t) == plain
            assert rashin.squared_error.value_and_gradient(z, t, **keywords)[0] == weighted


@pytest.mark.parametrize("order", ["contiguous", "strided", "reversed", "shuffled"])
def test_the_mean_of_rows_is_rounded_once(samples, order):
    (z, _), keywords, _, _ = samples
    u, labels = -np.abs(z).reshape(-1, 5), np.arange(MILLIONS // 5) % 5
    w, keep = keywords["weight"][: len(u)], keywords["where"][: len(u)]

    def terms(part):
        return -np.take_along_axis(u[part], labels[part, None], axis=1)[:, 0].astype(np.float64)

    plain, weighted = exact_mean(terms, len(u)), exact_mean(terms, len(u), w, keep)
    lay = orders(len(u))[order] if order != "strided" else lambda a: np.repeat(a, 2, axis=0)[::2]
    u, labels, w, keep = map(lay, (u, labels, w, keep))
    loss = rashin.negative_log_likelihood.replace(normalized=False)
    for number in (1, 2, 3, 8):
        with rashin.threads(number):
            assert loss(u, labels) == plain
            assert loss(u, labels, weight=w, where=keep) == weighted


def test_the_mean_of_a_hundred_million_is_rounded_once():
    """One million, a hundred times over without a copy: sums so long, whose mean is that of the million."""
    few = drawn(1_000_000)
    z, t, weight, keep = (np.broadcast_to(numbers, (100, 1_000_000)) for numbers in few)
    expected = exact_mean(squares(*few[:2]), 1_000_000, *few[2:])
    with rashin.threads(3):
        assert rashin.squared_error(z, t, weight=weight, where=keep) == expected
