"""The arithmetic of the kernels: its error against mpmath, its special values, and that loops over it vectorise.

Every function is tested as kernels use it, in a compiled loop. ``worst_cases/scalar.csv`` keeps the worst points that
longer searches (some 10**8 points) found; each is measured again here.
"""

from __future__ import annotations

import csv
import math
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite.binding
import numpy as np
import pytest
from mpmath import mp, mpf
from numpy.typing import NDArray

from machine_code import (
    PACKED_LOAD,
    TAKEN_APART,
    assembly_of,
    called_functions,
    elementwise,
    elementwise_object,
    reads_objects,
)
from rashin.arithmetic import elementary, gamma, plain, scalar, special
from ulp import spacing, ulp_error

Doubles = NDArray[np.float64]

# In ULPs: where the result is normal, and where it is subnormal. They stand in the docstrings too.
BOUNDS = {
    "exp": (0.53, 0.77),
    "expm1": (0.60, 0.0),
    "log": (0.53, 0.5),
    "log1p": (0.53, 0.0),
    "log1p_unit": (1.5, 0.5),
    "tanh": (0.56, 0.0),
    "float_power": (0.54, 0.77),
    "sqrt": (0.5, 0.5),
    "erf": (1.45, 0.6),
    "erfc": (2.0, 1.4),
    "ndtr": (2.1, 1.4),
    "log_ndtr": (2.8, 1.4),
    "lgamma": (1.75, 0.5),
    "digamma": (4.5, 0.5),
    "trigamma": (3.0, 0.5),
    "lgamma_difference": (5.0, 5.0),
    "digamma_difference": (3.0, 3.0),
    "trigamma_difference": (4.5, 4.5),
}
DIFFERENCES = ("lgamma_difference", "digamma_difference", "trigamma_difference")
BINARY = ("float_power", *DIFFERENCES)
EXACT_WITHOUT_ROUNDING = ("abs", "sign")
WORST_CASES = Path(__file__).parent / "worst_cases" / "scalar.csv"
TINY, LARGEST, INFINITY, NAN = 2.0**-1074, float.fromhex("0x1.fffffffffffffp1023"), math.inf, math.nan
SPECIALS = [0.0, TINY, 2.0**-1022, 2.0**-54, 0.5, 1.0, 1.0 + 2.0**-52, 2.0, 2.0**53, LARGEST, INFINITY, NAN]


# --- compiled loops, and the exact values


def compiled(name: str) -> Any:
    """A function of arrays that applies ``scalar.<name>`` in a loop."""
    return elementwise(getattr(scalar, name), 2 if name in BINARY else 1)


def evaluate(name: str, *arguments: float) -> float:
    return float(compiled(name)(*(np.array([a]) for a in arguments))[0])


def exponential(x: mpf) -> mpf:
    """exp(x), with the ends cut that no double reaches."""
    return mpf(0) if x < -800 else mp.inf if x > 800 else mp.exp(x)


def log_ndtr(x: mpf) -> mpf:
    return mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2) if x > 0 else mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)


def trigamma(x: mpf) -> mpf:
    return mp.psi(1, x)


def difference(function: Callable[[mpf], mpf], x: mpf, k: mpf) -> mpf:
    """With twice the digits that cancel."""
    if x == 0:
        return mpf(0)
    with mp.extraprec(2 * max(0, int(mp.mag(k) - mp.mag(x))) + abs(int(mp.mag(k)))):
        return function(x + k) - function(k)


EXACT: dict[str, Callable[..., mpf]] = {
    "erf": mp.erf,
    "erfc": mp.erfc,
    "ndtr": lambda x: mp.erfc(-x / mp.sqrt(2)) / 2,
    "log_ndtr": log_ndtr,
    "lgamma": mp.loggamma,
    "digamma": mp.digamma,
    "trigamma": trigamma,
    "lgamma_difference": lambda x, k: difference(mp.loggamma, x, k),
    "digamma_difference": lambda x, k: difference(mp.digamma, x, k),
    "trigamma_difference": lambda x, k: difference(trigamma, x, k),
}


def scale(name: str, value: mpf, *arguments: float) -> mpf:
    """What an error is measured by: the result, and for the difference of lgamma, which has zeros, that at k + 8."""
    if name != "lgamma_difference" or arguments[1] >= 8:
        return value
    return max(abs(value), abs(difference(mp.loggamma, mpf(arguments[0]), mpf(arguments[1]) + 8)))


def exact(name: str, *arguments: float) -> mpf:
    """To 200 bits at least; mpmath itself adds the digits that cancel in log near 1, expm1, log1p and tanh."""
    x = mpf(arguments[0])
    if name == "exp":
        return exponential(x)
    if name == "expm1":
        return mp.expm1(x) if abs(x) < 800 else exponential(x) - 1
    if name == "float_power":  # the product is below 2^2100 and so needs no digits beyond these
        return exponential(mpf(arguments[1]) * mp.log(x))
    if name == "tanh":
        return mp.tanh(x) if abs(x) < 100 else mp.sign(x)
    if name in EXACT:
        return EXACT[name](*map(mpf, arguments))
    return getattr(mp, "log1p" if name == "log1p_unit" else name)(x)


def error(name: str, got: float, *arguments: float) -> float:
    with mp.workprec(230):
        value = exact(name, *arguments)
        unit = spacing(scale(name, value, *arguments), np.float64) if mp.isfinite(value) else mpf(1)
        return ulp_error(got, value, np.float64, unit=unit)


def bound(name: str, got: float) -> float:
    return BOUNDS[name][abs(got) < 2.0**-1022]


LONG = np.longdouble  # where it has 64 bits, its functions lose a few of the last
OTHERS: dict[str, Callable[..., Any]] = {"log1p_unit": np.log1p, "float_power": np.power}


def in_doubt(name: str, got: Doubles, arguments: tuple[Doubles, ...], allowed: Doubles) -> NDArray[np.bool_]:
    """Where mpmath must judge: a longer type cannot tell that an error is a fiftieth of an ULP within the bound.

    Everywhere, if no type is longer or NumPy has no such function; and at every 16th point, so that the longer type is
    judged as well.
    """
    if name in EXACT:
        return np.ones(got.size, bool)
    with np.errstate(all="ignore"):
        function = OTHERS.get(name) or getattr(np, name)
        near = function(*(a.astype(LONG) for a in arguments))
        mantissa, exponent = np.frexp(near)
        unit = np.ldexp(LONG(1), np.maximum(exponent, -1021) - 53)
        sure = np.abs(got.astype(LONG) - near) <= (allowed - 0.02) * unit
    sure &= np.isfinite(got) & (np.abs(mantissa) > 0.5 + 2.0**-50) & (np.arange(got.size) % 16 != 0)
    return ~sure if np.finfo(LONG).nmant >= 63 else np.ones(got.size, bool)


def assert_within(name: str, got: Doubles, arguments: tuple[Doubles, ...], allowed: Doubles) -> None:
    doubtful = in_doubt(name, got, arguments, allowed)
    columns = (got, allowed, *arguments)
    for result, most, *point in zip(*(column[doubtful].tolist() for column in columns), strict=True):
        measured = error(name, result, *point)
        assert measured <= most, (name, *map(float.hex, point), measured)


# --- samples


def any_bits(rng: np.random.Generator, n: int) -> Doubles:
    x = rng.integers(0, 2**64, n, dtype=np.uint64).view(np.float64)
    return x[np.isfinite(x)]


def spread(rng: np.random.Generator, n: int, low: float, high: float) -> Doubles:
    """Uniform in the logarithm, of both signs."""
    return np.exp(rng.uniform(math.log(low), math.log(high), n)) * rng.choice([-1, 1], n)


def beside(rng: np.random.Generator, n: int, places: Any, steps: int = 50) -> Doubles:
    """A few representable steps from one of the places, none of which is 0."""
    bits = rng.choice(np.asarray(places, np.float64), n).view(np.int64) + rng.integers(-steps, steps + 1, n)
    return bits.view(np.float64)


def subnormal(rng: np.random.Generator, n: int) -> Doubles:
    return rng.integers(1, 2**52, n).view(np.float64)


def samples_of_exponentials(rng: np.random.Generator, n: int) -> Iterator[Doubles]:
    halves = (np.arange(-1075, 1025) + 0.5) * math.log(2)  # where the reduction changes k
    yield any_bits(rng, n)
    yield rng.uniform(-746, 710, n)
    yield rng.uniform(-746, -708, n)  # subnormal results
    yield rng.uniform(-1.5, 1.5, 2 * n)
    yield spread(rng, n, 1e-18, 1)
    yield beside(rng, n, np.concatenate([halves, halves / 2]))
    yield beside(rng, n, np.arange(1, 1024) * math.log(2))
    yield beside(rng, n, [709.782712893384, -745.1332191019412, -708.3964185322641, -40.0, 40.0, 19.0615, 2.0**-54])
    yield subnormal(rng, n) * rng.choice([-1, 1], n)


def samples_of_logarithms(rng: np.random.Generator, n: int) -> Iterator[Doubles]:
    powers = 2.0 ** np.arange(-1022, 1024)
    yield np.abs(any_bits(rng, n))
    yield rng.uniform(0.5, 2, 2 * n)
    yield 1 + spread(rng, n, 1e-16, 0.5)
    yield beside(rng, n, powers)
    yield beside(rng, n, powers[:-1] * math.sqrt(2))  # where the reduction changes k
    yield beside(rng, n, [math.sqrt(0.5), math.sqrt(2)], steps=10000)
    yield subnormal(rng, n)


def samples_of_the_normal(name: str, rng: np.random.Generator, n: int) -> Iterator[tuple[Doubles, ...]]:
    wide = 1.0 if name.startswith("erf") else math.sqrt(2)
    yield (rng.uniform(-1.2, 1.2, 2 * n),)
    yield (spread(rng, n, 1e-300, 1),)
    yield (beside(rng, n, [-0.5, 0.5, -0.7, 0.7]),)
    tails = rng.uniform(0.5 * wide, 26.5 * wide, 2 * n), rng.uniform(26.5 * wide, 27.3 * wide, n)
    yield from ((-x if name == "ndtr" else x,) for x in tails)
    yield (rng.uniform(-6, 9, n),)
    if name == "log_ndtr":
        yield (-np.abs(spread(rng, n, 1, 1e154)),)
    if name == "erf":
        yield (subnormal(rng, n),)


def samples_of_gammas(rng: np.random.Generator, n: int) -> Iterator[tuple[Doubles, ...]]:
    root = 1.4616321449683623  # of digamma
    yield (np.abs(spread(rng, n, 1e-300, 1e300)),)
    yield (np.concatenate([rng.uniform(low, low + 1, n) for low in range(9)]),)
    yield (np.concatenate([place + spread(rng, n, 1e-15, 0.1) for place in (1.0, root, 2.0)]),)
    yield (beside(rng, n, [0.5, 1.0, 1.5, root, *np.arange(2.0, 8.5, 0.5)]),)


def samples_of_differences(rng: np.random.Generator, n: int) -> Iterator[tuple[Doubles, ...]]:
    yield np.abs(spread(rng, n, 1e-3, 1e3)), np.abs(spread(rng, n, 1e-3, 1e3))
    yield np.abs(spread(rng, n, 1e-20, 1e20)), np.abs(spread(rng, n, 1e-20, 1e20))
    yield rng.integers(1, 60, n).astype(float), np.abs(spread(rng, n, 1e-2, 1e10))
    yield rng.uniform(12, 20, n), rng.uniform(0.01, 8, n)
    yield np.abs(spread(rng, n, 1e-8, 1)), rng.uniform(0.1, 8, n)
    yield np.abs(spread(rng, n, 1, 1e300)), np.abs(spread(rng, n, 1e-100, 8))


def samples(name: str, rng: np.random.Generator, n: int) -> Iterator[tuple[Doubles, ...]]:
    if name in DIFFERENCES:
        yield from samples_of_differences(rng, n // 20)
    elif name.endswith("gamma"):
        yield from samples_of_gammas(rng, n // 20)
    elif name in EXACT:
        yield from samples_of_the_normal(name, rng, n // 8)
    elif name == "float_power":
        yield from ((x, y) for x, y in pairs_of_powers(rng, n))
    elif name in ("log", "sqrt"):
        yield from ((x,) for x in samples_of_logarithms(rng, n))
    elif name == "log1p":
        yield from ((x - 1,) for x in samples_of_logarithms(rng, n))
        yield (spread(rng, 2 * n, 1e-18, 0.999),)
        yield (subnormal(rng, n) * rng.choice([-1, 1], n),)
    elif name == "log1p_unit":
        yield (rng.uniform(0.0, 1.0, 4 * n),)
        yield (np.abs(spread(rng, n, 1e-18, 1.0)),)
        yield (beside(rng, n, [0.3, 1.0 - 2.0**-40]),)
        yield (subnormal(rng, n),)
    else:
        yield from ((x,) for x in samples_of_exponentials(rng, n))


def pairs_of_powers(rng: np.random.Generator, n: int) -> Iterator[tuple[Doubles, Doubles]]:
    x = np.abs(any_bits(rng, n))
    yield x, any_bits(rng, 2 * n)[: x.size]
    yield rng.uniform(0, 3, n), rng.uniform(-5, 5, n)
    yield np.abs(spread(rng, n, 1e-10, 1e10)), rng.integers(-8, 9, n) / 2
    yield subnormal(rng, n), rng.uniform(-1, 1, n)
    for base in (x, rng.uniform(0.5, 2, n), 1 + spread(rng, n, 1e-15, 0.5)):
        base = base[base != 1]
        for low, high in ((-746, 710), (-746, -708), (709, 709.8)):  # all results, subnormal ones, huge ones
            yield base, rng.uniform(low, high, base.size) / np.log(base)


# --- the tests


@pytest.mark.parametrize("name", BOUNDS)
def test_error_is_within_the_bound(name: str) -> None:
    rng = np.random.default_rng(20)
    for arguments in samples(name, rng, 2000):
        results = compiled(name)(*arguments)
        assert_within(name, results, arguments, np.array([bound(name, got) for got in results.tolist()]))


def worst_cases() -> list[tuple[str, tuple[float, ...], str]]:
    with WORST_CASES.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(row["function"], tuple(map(float.fromhex, row["arguments"].split())), row["ulp"]) for row in rows]


@pytest.mark.parametrize("name", BOUNDS)
def test_an_error_beyond_the_bound_is_found(name: str) -> None:
    """Results that are a few doubles further than they are."""
    rng = np.random.default_rng(24)
    for arguments in samples(name, rng, 20):
        results = compiled(name)(*arguments)
        ordinary = np.isfinite(results) & (results != 0.0) & (np.abs(results) < 1e300)
        given = tuple(a[ordinary] for a in arguments)
        for step in (1, -1):
            moved = results[ordinary] + 4 * step * np.spacing(results[ordinary])
            assert in_doubt(name, moved, given, np.full(moved.shape, bound(name, 1.0))).all()


@pytest.mark.parametrize(("name", "arguments", "recorded"), worst_cases())
def test_worst_cases_known(name: str, arguments: tuple[float, ...], recorded: str) -> None:
    got = evaluate(name, *arguments)
    measured = error(name, got, *arguments)
    assert f"{measured:.4f}" == recorded
    assert measured <= bound(name, got)


def test_every_bound_stands_in_the_docstring_and_has_a_worst_case() -> None:
    cases = {name for name, _, _ in worst_cases()}
    for name, (normal, below) in BOUNDS.items():
        if name == "sqrt":
            continue
        text = getattr(scalar, name).__doc__
        stated = [f"<= {b:.2f} ULP" for b in dict.fromkeys((normal, below)) if b > 0.5]
        assert re.findall(r"<= [\d.]+ ULP", text) == stated
        assert name in cases


def test_vocabulary() -> None:
    assert {*BOUNDS, *EXACT_WITHOUT_ROUNDING, "where", "narrow"} == set(scalar.__all__)
    assert all(hasattr(np, name.removesuffix("_unit")) for name in scalar.__all__ if name not in (*EXACT, "narrow"))


SPECIAL_VALUES = [
    ("exp", (0.0,), 1.0), ("exp", (-0.0,), 1.0), ("exp", (INFINITY,), INFINITY), ("exp", (-INFINITY,), 0.0),
    ("exp", (NAN,), NAN), ("exp", (709.782712893384,), float.fromhex("0x1.fffffffffff2ap1023")),
    ("exp", (math.nextafter(709.782712893384, 710),), INFINITY), ("exp", (LARGEST,), INFINITY),
    ("exp", (-745.1332191019411,), TINY), ("exp", (-745.1332191019412,), 0.0), ("exp", (-LARGEST,), 0.0),
    ("expm1", (0.0,), 0.0), ("expm1", (-0.0,), -0.0), ("expm1", (INFINITY,), INFINITY), ("expm1", (NAN,), NAN),
    ("expm1", (-INFINITY,), -1.0), ("expm1", (709.782712893384,), float.fromhex("0x1.fffffffffff2ap1023")),
    ("expm1", (math.nextafter(709.782712893384, 710),), INFINITY), ("expm1", (TINY,), TINY), ("expm1", (-TINY,), -TINY),
    ("log", (0.0,), -INFINITY), ("log", (-0.0,), -INFINITY), ("log", (1.0,), 0.0), ("log", (INFINITY,), INFINITY),
    ("log", (-TINY,), NAN), ("log", (-INFINITY,), NAN), ("log", (NAN,), NAN),
    ("log1p", (0.0,), 0.0), ("log1p", (-0.0,), -0.0), ("log1p", (-1.0,), -INFINITY), ("log1p", (INFINITY,), INFINITY),
    ("log1p", (math.nextafter(-1, -2),), NAN), ("log1p", (-INFINITY,), NAN), ("log1p", (NAN,), NAN),
    ("log1p", (TINY,), TINY), ("log1p", (-TINY,), -TINY),
    ("tanh", (0.0,), 0.0), ("tanh", (-0.0,), -0.0), ("tanh", (INFINITY,), 1.0), ("tanh", (-INFINITY,), -1.0),
    ("tanh", (NAN,), NAN), ("tanh", (TINY,), TINY), ("tanh", (-TINY,), -TINY), ("tanh", (-LARGEST,), -1.0),
    ("sqrt", (-0.0,), -0.0), ("sqrt", (-1.0,), NAN), ("sqrt", (INFINITY,), INFINITY), ("sqrt", (NAN,), NAN),
    ("abs", (-0.0,), 0.0), ("abs", (-TINY,), TINY), ("abs", (-INFINITY,), INFINITY), ("abs", (NAN,), NAN),
    ("sign", (0.0,), 0.0), ("sign", (-0.0,), 0.0), ("sign", (-TINY,), -1.0), ("sign", (INFINITY,), 1.0),
    ("sign", (NAN,), NAN),
    ("float_power", (0.0, 3.0), 0.0), ("float_power", (-0.0, 3.0), 0.0), ("float_power", (-0.0, -3.0), INFINITY),
    ("float_power", (-1.0, 2.0), NAN), ("float_power", (-2.0, 0.0), 1.0), ("float_power", (-INFINITY, 2.0), NAN),
    ("float_power", (2.0, 1023.0), 2.0**1023), ("float_power", (2.0, 1024.0), INFINITY),
    ("float_power", (2.0, -1074.0), TINY), ("float_power", (2.0, -1075.5), 0.0), ("float_power", (3.0, 2.0), 9.0),
    ("float_power", (0.5, 1.0), 0.5), ("float_power", (LARGEST, 1.0), LARGEST), ("float_power", (TINY, 1.0), TINY),
    ("erf", (0.0,), 0.0), ("erf", (-0.0,), -0.0), ("erf", (TINY,), TINY), ("erf", (LARGEST,), 1.0),
    ("erf", (-INFINITY,), -1.0), ("erf", (NAN,), NAN), ("erfc", (0.0,), 1.0), ("erfc", (-TINY,), 1.0),
    ("erfc", (INFINITY,), 0.0), ("erfc", (-LARGEST,), 2.0), ("erfc", (NAN,), NAN), ("erfc", (27.3,), 0.0),
    ("ndtr", (0.0,), 0.5), ("ndtr", (-TINY,), 0.5), ("ndtr", (LARGEST,), 1.0), ("ndtr", (-INFINITY,), 0.0),
    ("ndtr", (NAN,), NAN), ("ndtr", (-38.6,), 0.0), ("log_ndtr", (-0.0,), -math.log(2.0)),
    ("log_ndtr", (INFINITY,), -0.0), ("log_ndtr", (LARGEST,), -0.0), ("log_ndtr", (-INFINITY,), -INFINITY),
    ("lgamma", (1.0,), 0.0), ("lgamma", (2.0,), 0.0), ("lgamma", (-0.0,), INFINITY), ("lgamma", (INFINITY,), INFINITY),
    ("lgamma", (LARGEST,), INFINITY), ("lgamma", (-0.5,), NAN), ("lgamma", (-INFINITY,), NAN), ("lgamma", (NAN,), NAN),
    ("digamma", (0.0,), -INFINITY), ("digamma", (TINY,), -INFINITY), ("digamma", (INFINITY,), INFINITY),
    ("digamma", (-0.5,), NAN), ("digamma", (NAN,), NAN), ("trigamma", (0.0,), INFINITY),
    ("trigamma", (1e-155,), INFINITY), ("trigamma", (INFINITY,), 0.0), ("trigamma", (-2.5,), NAN),
    ("trigamma", (NAN,), NAN),
    ("lgamma_difference", (0.0, 3.0), 0.0), ("lgamma_difference", (0.0, TINY), 0.0),
    ("lgamma_difference", (1.0, 1.0), 0.0), ("lgamma_difference", (1.0, 0.0), -INFINITY),
    ("lgamma_difference", (1.0, INFINITY), INFINITY), ("lgamma_difference", (INFINITY, 1.0), INFINITY),
    ("lgamma_difference", (LARGEST, LARGEST), INFINITY), ("lgamma_difference", (-1.0, 4.0), NAN),
    ("lgamma_difference", (1.0, -4.0), NAN), ("lgamma_difference", (NAN, 1.0), NAN),
    ("lgamma_difference", (1.0, NAN), NAN), ("digamma_difference", (0.0, 9.0), 0.0),
    ("digamma_difference", (1.0, 1.0), 1.0), ("digamma_difference", (1.0, 0.0), INFINITY),
    ("digamma_difference", (1.0, INFINITY), 0.0), ("digamma_difference", (INFINITY, 9.0), INFINITY),
    ("digamma_difference", (-1.0, 4.0), NAN), ("digamma_difference", (1.0, NAN), NAN),
    ("trigamma_difference", (0.0, 1.0), 0.0), ("trigamma_difference", (1.0, 1.0), -1.0),
    ("trigamma_difference", (1.0, 0.0), -INFINITY), ("trigamma_difference", (INFINITY, 1.0), -1.6449340668482264),
    ("trigamma_difference", (-1.0, 4.0), NAN), ("trigamma_difference", (NAN, 1.0), NAN),
    ("log_ndtr", (-1e155,), -INFINITY), ("log_ndtr", (-LARGEST,), -INFINITY), ("log_ndtr", (NAN,), NAN),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "expected"), SPECIAL_VALUES)
def test_special_values_to_the_bit(name: str, arguments: tuple[float, ...], expected: float) -> None:
    assert evaluate(name, *arguments).hex() == expected.hex()  # also the sign of zero; every NaN is "nan"


@pytest.mark.parametrize("x", SPECIALS)
@pytest.mark.parametrize("y", SPECIALS + [-y for y in SPECIALS])
def test_power_has_the_special_values_of_c(x: float, y: float) -> None:
    try:
        expected = math.pow(x, y)
    except (OverflowError, ValueError):  # Python raises where C returns infinity
        expected = INFINITY
    got = evaluate("float_power", x, y)
    if 0 < x < INFINITY and x != 1 and math.isfinite(y):
        assert error("float_power", got, x, y) <= bound("float_power", got)
    else:
        assert got.hex() == expected.hex()


@pytest.mark.parametrize("name", [*BOUNDS, *EXACT_WITHOUT_ROUNDING])
def test_bits_do_not_depend_on_the_place_in_the_loop(name: str) -> None:
    """The packed instructions of the loop and the scalar ones of its last turns agree."""
    rng = np.random.default_rng(21)
    x = np.concatenate([rng.uniform(-2, 2, 40), any_bits(rng, 40), SPECIALS, np.negative(SPECIALS)])
    y = rng.permutation(x)
    given = np.array([x, y] if name in BINARY else [x])
    together = compiled(name)(*given)
    alone = np.concatenate([compiled(name)(*given[:, i : i + 1]) for i in range(x.size)])
    nan = np.isnan(together)
    assert np.array_equal(nan, np.isnan(alone))
    assert np.array_equal(together[~nan].view(np.int64), alone[~nan].view(np.int64))


def test_where_converts_its_branches_and_combines_comparisons() -> None:
    x, y = np.random.default_rng(22).uniform(-2, 2, (2, 101))
    expected = np.where((x > 0) & (y > 0) | (x < -1), 1.0, np.where(x > y, x, 0.0))
    assert np.array_equal(elementwise(conditions, 2)(x, y), expected)
    assert elementwise(constants)(np.zeros(3)).tolist() == [3.0] * 3


def conditions(x, y):
    within = (x > 0.0) & (y > 0.0) | (x < -1.0)
    return scalar.where(within, 1, scalar.where(x > y, x, 0))


def constants(x):
    return scalar.where(True, 1, 2.5) + scalar.where(False, 1, 2)


def quadratic_near_linear_beyond(xp, z, t):
    r = z - t
    near = xp.abs(r) <= 1.5
    c = xp.where(near, r, 1.5 * xp.sign(r))
    return c * (r - 0.5 * c)


def formula(x, y):
    return quadratic_near_linear_beyond(scalar, x, y)


def test_the_module_serves_a_formula_as_numpy_does() -> None:
    x, y = np.random.default_rng(23).uniform(-4, 4, (2, 101))
    assert np.array_equal(elementwise(formula, 2)(x, y), quadratic_near_linear_beyond(np, x, y))


PACKED = r"\bv?(?:p?and[dq]?|(?:and|mul|add|sqrt|cmp\w*)p[sd])\b"


@reads_objects
@pytest.mark.skipif(
    not llvmlite.binding.get_host_cpu_features().get("fma", False), reason="this processor has no FMA to vectorise"
)
@pytest.mark.parametrize("name", [*BOUNDS, *EXACT_WITHOUT_ROUNDING, "where", "formula"])
def test_loops_vectorise(name: str) -> None:
    function = {"where": conditions, "formula": formula}.get(name) or getattr(scalar, name)
    content = elementwise_object(function, 2 if name in ("where", "formula", *BINARY) else 1)
    assembly = assembly_of(content)

    # The loop as a whole, no part of it taken out element by element.
    assert re.search(PACKED_LOAD, assembly)
    assert re.search(PACKED, assembly)
    assert not re.search(TAKEN_APART, assembly)

    assert not called_functions(content)


def chebyshev(function: Callable[[mpf], mpf], low: mpf, high: mpf, terms: int) -> set[float]:
    with warnings.catch_warnings():  # mpmath 1.4 warns that it will turn the order round, which is no matter here
        warnings.simplefilter("ignore", DeprecationWarning)
        return {float(c) for c in mp.chebyfit(function, [low, high], terms)}


def near_zero(w: mpf) -> mpf:
    x = mp.sqrt(w)
    return -2 / (3 * mp.sqrt(mp.pi)) if w == 0 else (mp.erf(x) / x - 2 / mp.sqrt(mp.pi)) / w


def beyond(t: mpf) -> mpf:
    if t == 1:
        return 2 / mp.sqrt(mp.pi)
    a = 4 * (1 + t) / (1 - t)
    return (1 + 2 * a) * mp.exp(a * a) * mp.erfc(a)


def test_coefficients_are_those_of_the_comments() -> None:
    with mp.workprec(300):
        b = mpf("0.34658")
        w = (2 * (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
        q = chebyshev(lambda r: (mp.expm1(r) - r - r**2 / 2) / r**3, -b, b, 10)
        r = chebyshev(
            lambda w: (
                (2 * mp.atanh(mp.sqrt(w) / 2) - mp.sqrt(w) - mp.sqrt(w) ** 3 / 12 - mp.sqrt(w) ** 5 / 80)
                / mp.sqrt(w) ** 7
            ),
            mpf(0),
            w,
            7,
        )
        assert float(mp.log(2) - mpf(elementary._LN2_HIGH)) == elementary._LN2_LOW
        assert float(mpf(1) / 12 - mpf(1 / 12)) in elementary.logarithm_parts.__code__.co_consts
        assert -float(mpf(1) / 80 - mpf(1 / 80)) in elementary.logarithm_parts.__code__.co_consts
        near = chebyshev(near_zero, mpf(0), mpf("0.26"), 9)
        far = chebyshev(beyond, mpf(-1), mpf(1), 26)
    assert len(q) == 10
    assert q <= set(elementary._exponential_parts.__code__.co_consts)
    assert len(r) == 7
    assert r <= set(elementary._series.__code__.co_consts)
    assert len(near) == 9
    assert near <= set(special.error_series.__code__.co_consts)
    assert len(far) == 26
    assert far <= set(special.complement_series.__code__.co_consts)


PLAIN_BOUNDS = {"exp": 1.1, "expm1": 1.7, "log": 1.4, "log1p": 1.4}  # ULP; they stand in the docstrings too


def within_the_plain_bound(name, x):
    assert_within(name, elementwise(getattr(plain, name))(x), (x,), np.full(x.shape, PLAIN_BOUNDS[name]))


def test_the_plain_exponentials_are_within_their_bounds():
    rng = np.random.default_rng(21)
    ordinary = np.concatenate(
        [rng.uniform(-708, 709.78, 4000), rng.uniform(-2, 2, 4000), spread(rng, 2000, 1e-20, 1.0)]
    )
    within_the_plain_bound("exp", ordinary)
    within_the_plain_bound("expm1", ordinary)
    ends = np.array([-INFINITY, -708.5, 0.0, -0.0, 709.79, INFINITY])
    assert elementwise(plain.exp)(ends).tolist() == [0.0, 0.0, 1.0, 1.0, INFINITY, INFINITY]
    assert elementwise(plain.expm1)(ends).tolist() == [-1.0, -1.0, 0.0, 0.0, INFINITY, INFINITY]
    assert np.isnan(elementwise(plain.exp)(np.array([NAN])))[0]
    assert np.isnan(elementwise(plain.expm1)(np.array([NAN])))[0]


def test_the_exponential_of_what_is_not_positive_has_the_bits_of_the_plain_one():
    rng = np.random.default_rng(24)
    ends = [-INFINITY, -709.0, -708.76, 0.0, -0.0]
    x = np.concatenate([-rng.uniform(0, 708.3, 4000), -rng.uniform(0, 2, 4000), ends])
    assert elementwise(elementary.exp_below)(x).tolist() == elementwise(elementary.exp_plain)(x).tolist()


def test_the_rough_exponential_is_within_its_bound():
    rng = np.random.default_rng(25)
    x = np.concatenate([rng.uniform(-708, 1, 4000), rng.uniform(-2, 0, 4000)])
    exact = np.array([float(mp.exp(mpf(argument))) for argument in x.tolist()])
    got = elementwise(elementary.exp_rough)(x)
    assert np.max(np.abs(got / exact - 1.0)) <= 2.0**-26
    assert elementwise(elementary.exp_rough)(np.array([-INFINITY, -709.0, 0.0, -0.0])).tolist() == [0.0, 0.0, 1.0, 1.0]


def test_the_plain_power_is_within_its_bound():
    rng = np.random.default_rng(23)
    x, y = np.abs(spread(rng, 4000, 1e-30, 1e30)), rng.uniform(-8.0, 8.0, 4000)
    power = elementwise(plain.float_power, 2)
    assert_within("float_power", power(x, y), (x, y), 2.0 + 2.0 * np.abs(y * np.log(x)))
    x, y = np.array([0.0, 0.0, 0.0, 1.0, INFINITY, INFINITY]), np.array([2.0, 0.0, -1.5, INFINITY, -2.0, 0.5])
    assert power(x, y).tolist() == [0.0, 1.0, INFINITY, 1.0, 0.0, INFINITY]


def test_the_plain_logarithms_are_within_their_bounds():
    rng = np.random.default_rng(22)
    near_one = 1.0 + rng.uniform(-0.5, 1.0, 4000) * 2.0 ** rng.uniform(-50, 0, 4000)
    within_the_plain_bound("log", np.concatenate([near_one, np.abs(spread(rng, 4000, TINY, LARGEST))]))
    small = rng.uniform(-1.0, 1.0, 4000) * 2.0 ** rng.uniform(-80, 0, 4000)
    within_the_plain_bound(
        "log1p", np.concatenate([small, rng.uniform(-1, 3, 4000), np.abs(spread(rng, 2000, 1.0, LARGEST))])
    )
    log, log1p = elementwise(plain.log), elementwise(plain.log1p)
    assert log(np.array([0.0, -0.0, 1.0, INFINITY])).tolist() == [-INFINITY, -INFINITY, 0.0, INFINITY]
    assert log1p(np.array([-1.0, 0.0, INFINITY])).tolist() == [-INFINITY, 0.0, INFINITY]
    assert np.isnan(log(np.array([-TINY, NAN]))).all()
    assert np.isnan(log1p(np.array([-1.0 - 2.0**-52, -INFINITY, NAN]))).all()


def root_of_digamma() -> mpf:
    return mp.findroot(mp.digamma, 1.46)


def around_two(d: mpf) -> mpf:
    return (mp.zeta(2) - 1) / 2 if d == 0 else (mp.loggamma(2 + d) - (1 - mp.euler) * d) / d**2


def stirling(w: mpf) -> mpf:
    if w == 0:
        return mpf(1) / 12
    z = 1 / mp.sqrt(w)
    return (mp.loggamma(z) - (z - 0.5) * mp.log(z) + z - mp.log(2 * mp.pi) / 2) * z


def digamma_tail(w: mpf) -> mpf:
    z = 1 / mp.sqrt(w) if w else mpf(1)
    return (mp.log(z) - 1 / (2 * z) - mp.digamma(z)) / w if w else mpf(1) / 12


def trigamma_tail(w: mpf) -> mpf:
    z = 1 / mp.sqrt(w) if w else mpf(1)
    return (mp.psi(1, z) - 1 / z - w / 2) * z / w if w else mpf(1) / 6


def test_coefficients_of_the_gamma_functions_are_those_of_the_comments() -> None:
    with mp.workprec(300):
        root, half = root_of_digamma(), mpf("0.5")
        series = {
            gamma._lgamma_series: chebyshev(around_two, -half, half, 18),
            gamma._digamma_series: chebyshev(lambda d: mp.digamma(1.5 + d) / (1.5 + d - root), -half, half, 23),
            gamma._stirling: chebyshev(stirling, mpf(0), 1 / mpf("7.5") ** 2, 7),
            gamma._digamma_tail: chebyshev(digamma_tail, mpf(0), mpf(1) / 64, 7),
            gamma._trigamma_tail: chebyshev(trigamma_tail, mpf(0), mpf(1) / 64, 7),
        }
        assert float(root) == gamma._ROOT + gamma._ROOT_MIDDLE
        assert float(root - mpf(float(root))) == gamma._ROOT_LOW
        assert float(1 - mp.euler) == gamma._SLOPE
        assert float(1 - mp.euler - mpf(gamma._SLOPE)) == gamma._SLOPE_LOW
        assert float(mp.log(2 * mp.pi) / 2 - half) == gamma._CONSTANT
        assert float(96 * mp.log(2)) == gamma._LOG_2_96
    for function, coefficients in series.items():
        assert coefficients <= set(function.__code__.co_consts)  # type: ignore[attr-defined]
