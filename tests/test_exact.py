"""The exact accumulator against sums of fractions."""

from __future__ import annotations

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exact_sums import exactly
from rashin.exact import BLOCK, UNIT_EXPONENT, add, as_float, as_integer, empty_limbs, quotient

LARGEST = float(np.finfo(np.float64).max)
LEAST = 5e-324
finite = st.floats(allow_nan=False, allow_infinity=False)


def summed(x):
    limbs = empty_limbs()
    add(limbs, np.asarray(x, dtype=np.float64))
    return limbs


def integer_of(fraction):
    scaled = fraction * Fraction(2) ** -UNIT_EXPONENT
    assert scaled.denominator == 1
    return scaled.numerator


def rounded(fraction):
    """The double nearest to a fraction, infinite beyond the doubles."""
    try:
        return float(fraction)
    except OverflowError:
        return math.inf if fraction > 0 else -math.inf


def check(x):
    limbs, exact = summed(x), exactly(x)
    assert as_integer(limbs) == integer_of(exact)
    assert as_float(limbs) == rounded(exact)


def _bits(rng, n):
    """Finite doubles of every exponent, subnormals included."""
    x = rng.integers(0, 2**64, n, dtype=np.uint64).view(np.float64)
    return np.where(np.isfinite(x), x, 1.0)


def _binades(low, high):
    return lambda rng, n: np.ldexp(rng.choice([-1.0, 1.0], n) * rng.uniform(1, 2, n), rng.integers(low, high, n))


def _cancelling(rng, n):
    half = _bits(rng, n // 2)
    return rng.permutation(np.concatenate([half, -half, [LEAST, 1.0, 1e-300][: max(1, n % 4)]]))


KINDS = {
    "every exponent": _bits,
    "ordinary": lambda rng, n: rng.normal(size=n),
    "one binade": _binades(0, 1),
    "50 binades": _binades(-25, 25),
    "110 binades": _binades(-60, 50),
    "subnormal": lambda rng, n: rng.integers(-(2**52) + 1, 2**52, n) * LEAST,
    "subnormal and least normal": _binades(-1074, -1015),
    "near overflow": _binades(1019, 1024),
    "largest of both signs": lambda rng, n: rng.choice([LARGEST, -LARGEST], n),
    "largest": lambda rng, n: np.full(n, LARGEST),
    "alternating": lambda rng, n: np.arange(1, n + 1) ** 3 * np.where(np.arange(n) % 2, -1.0, 1.0) / 7,
    "cancelling": _cancelling,
    "large and tiny": lambda rng, n: rng.choice([1e300, -1e300, LEAST, 1.0, -(2.0**-600)], n),
    "zeros": lambda rng, n: rng.choice([0.0, -0.0], n),
    "powers of two": lambda rng, n: np.ldexp(1.0, rng.integers(-1074, 1024, n)),
    "all bits set": lambda rng, n: np.ldexp(2.0 - 2.0**-52, rng.integers(-1000, 1000, n)) * rng.choice([-1, 1], n),
    "halfway": lambda rng, n: np.concatenate([[1.0, 2.0**-53], rng.choice([LEAST, -LEAST], n)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_judge_adds_as_fractions_do(kind):
    x = KINDS[kind](np.random.default_rng(6), 300)
    assert exactly(x) == sum(map(Fraction, x.tolist()), Fraction(0))


@pytest.mark.parametrize("size", [1, 2, 7, 63, BLOCK - 1, BLOCK, BLOCK + 1, 5000])
@pytest.mark.parametrize("kind", KINDS)
def test_sums_are_those_of_fractions(kind, size):
    rng = np.random.default_rng(size)
    for _ in range(3):
        check(KINDS[kind](rng, size))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(finite, max_size=40))
@example([LARGEST, LARGEST, -LARGEST])
@example([1.0, 2.0**-53, LEAST])
@example([1.0, 2.0**-53, -LEAST])
@example([LEAST, 2.0**-1022, -(2.0**-1022)])
def test_sums_of_any_doubles_are_those_of_fractions(numbers):
    check(numbers)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(numbers=st.lists(finite, min_size=1, max_size=60), seed=st.integers(0, 2**32 - 1))
def test_any_order_and_split_ends_in_the_same_integer(numbers, seed):
    rng = np.random.default_rng(seed)
    x = np.array(numbers)
    whole = as_integer(summed(x))
    shuffled = rng.permutation(x)
    cuts = np.sort(rng.integers(0, x.size + 1, 4))
    parts = np.split(shuffled, cuts)
    assert as_integer(np.sum([summed(part) for part in parts], axis=0)) == whole
    one_by_one = empty_limbs()
    for part in parts:
        add(one_by_one, part)
    assert as_integer(one_by_one) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_any_size_end_in_the_same_integer(kind):
    rng = np.random.default_rng(9)
    x = KINDS[kind](rng, 4000)
    whole = as_integer(summed(x))
    for size in (1, 3, 511, BLOCK):
        limbs = empty_limbs()
        for start in range(0, x.size, size):
            add(limbs, np.ascontiguousarray(x[start : start + size]))
        assert as_integer(limbs) == whole
    assert as_integer(summed(x[::-1].copy())) == whole


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    above=st.lists(finite, min_size=1, max_size=12),
    below=st.lists(st.floats(0, 1e308), min_size=1, max_size=12).filter(any),
    count=st.integers(1, 10**12),
)
def test_quotients_are_rounded_once(above, below, count):
    numerator = summed(above)
    assert quotient(numerator, count) == rounded(exactly(above) / count)
    assert quotient(numerator, summed(below)) == rounded(exactly(above) / exactly(below))


@pytest.mark.parametrize("exponent", range(-1074, 1023, 149))
def test_quotients_near_a_tie_are_rounded_to_the_right_side(exponent):
    unit = math.ldexp(1.0, exponent)
    for extra in (-LEAST, 0.0, LEAST):
        terms = [unit, unit * 2.0**-53, extra]
        for count in (1, 3, 7, 10):
            repeated = terms * count
            assert quotient(summed(repeated), count) == rounded(exactly(repeated) / count)


@pytest.mark.parametrize("place", [0, 1, 700, 1500])
def test_infinities_sum_to_infinity_or_nan(place):
    def with_infinities(*signs):
        x = np.linspace(-1e3, 2e3, 1501)
        for shift, sign in enumerate(signs):
            x[(place + shift) % x.size] = sign * np.inf
        return summed(x)

    assert as_float(with_infinities(1)) == quotient(with_infinities(1), 3) == math.inf
    assert as_float(with_infinities(1, 1)) == math.inf
    assert as_float(with_infinities(-1)) == quotient(with_infinities(-1), 3) == -math.inf
    assert math.isnan(as_float(with_infinities(1, -1)))
    assert math.isnan(quotient(with_infinities(-1, 1), summed([2.0])))
    assert as_float(summed([math.inf, -LARGEST, LARGEST])) == math.inf


def test_a_finite_sum_that_overflows_on_the_way_comes_back():
    assert as_float(summed([LARGEST] * 1000 + [-LARGEST] * 999)) == LARGEST
    assert as_float(summed([LARGEST] * 2)) == math.inf
    assert as_float(summed([-LARGEST] * 2)) == -math.inf
    assert quotient(summed([LARGEST] * 1000), 1000) == LARGEST
    assert quotient(summed([LEAST] * 3), 2) == 2 * LEAST  # 1.5 of the least rounds to even
    assert as_float(empty_limbs()) == 0.0
    assert quotient(empty_limbs(), 5) == 0.0


@pytest.mark.parametrize("kind", ["every exponent", "one binade", "50 binades", "largest", "all bits set"])
def test_many_blocks_overflow_no_limb(kind):
    x = KINDS[kind](np.random.default_rng(4), 200_000)
    limbs = empty_limbs()
    for _ in range(5):
        add(limbs, x)
    assert as_integer(limbs) == integer_of(5 * exactly(x))


def test_ten_million_terms_are_summed_exactly():
    rng = np.random.default_rng(7)
    x = rng.lognormal(0, 3, 10_000_000)
    x[::3] *= -1
    assert as_float(summed(x)) == math.fsum(x)
    exact = Fraction(as_integer(summed(x))) * Fraction(2) ** UNIT_EXPONENT
    assert quotient(summed(x), x.size) == rounded(exact / x.size)


def test_ordinary_sums_cost_no_more_than_a_few_passes():
    """Ordinary terms must not take the way by many grids, which is an order of magnitude slower."""
    x = np.random.default_rng(0).exponential(size=1_000_000)
    wild = np.random.default_rng(0).integers(0, 2**62, x.size).view(np.float64)

    def best(values):
        times = []
        for _ in range(5):
            limbs, start = empty_limbs(), time.perf_counter()
            add(limbs, values)
            times.append(time.perf_counter() - start)
        return min(times)

    best(x[:10])
    assert best(x) * 3 < best(wild)
