"""Numbers of 16 bits to wider ones and back: against NumPy's and ml_dtypes', for every one and what lies between."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from rashin.kernels.halves import round_to_bfloat, round_to_half, widen_bfloats, widen_halves
from rashin.native.kernel import DOUBLE, SINGLE

HALF, BFLOAT = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)
ROUNDING, WIDENING = {HALF: round_to_half, BFLOAT: round_to_bfloat}, {HALF: widen_halves, BFLOAT: widen_bfloats}
every_type = pytest.mark.parametrize("narrow", [HALF, BFLOAT], ids=lambda dtype: dtype.name)
every_element = pytest.mark.parametrize("element", [SINGLE, DOUBLE], ids=lambda dtype: dtype.name)


def rounded(x, narrow):
    found = np.empty(x.size, np.uint16)
    ROUNDING[narrow](x.dtype)(x, found)
    return found


def expected(x, narrow):
    """Of doubles to bfloat16, ml_dtypes rounds twice: there the nearer of two neighbours, the even one of a tie."""
    with np.errstate(all="ignore"):
        found = x.astype(narrow)
        if narrow == HALF or x.dtype == SINGLE:
            return found.view(np.uint16)
        pattern = found.view(np.uint16)
        near = np.stack([pattern - 1, pattern, pattern + 1])
        distance = np.abs(near.view(narrow).astype(float) - x)
        distance = np.where(np.isfinite(distance), distance, np.where(near.view(narrow) == x, 0.0, np.inf))
        best = np.lexsort((near & 1, distance), axis=0)[0]
        ordinary = (np.abs(x) > 0.0) & (np.abs(x) < float(ml_dtypes.finfo(narrow).max))
        return np.where(ordinary, near[best, np.arange(x.size)], pattern)


@every_type
@every_element
def test_it_rounds_to_the_nearest(narrow, element):
    last = int(np.array(np.inf, narrow).view(np.uint16))
    every = np.arange(last, dtype=np.uint16).view(narrow).astype(element)
    ties = (every[:-1].astype(float) + every[1:].astype(float)) / 2.0
    form = ml_dtypes.finfo(narrow)
    ends = np.array([float(form.max), np.inf, float(form.tiny), float(form.smallest_subnormal), 0.0])
    rng = np.random.default_rng(0)
    spread = 12.0 if narrow == HALF else 80.0
    anywhere = np.exp(rng.uniform(-2.5 * spread if narrow == HALF else -spread, spread, 100_000))
    for x in (every, ties, np.nextafter(ties, 0.0), np.nextafter(ties, np.inf), ends, anywhere):
        for signed in (x.astype(element), -x.astype(element)):
            np.testing.assert_array_equal(rounded(signed, narrow), expected(signed, narrow))


@every_element
@pytest.mark.parametrize(("narrow", "largest"), [(HALF, 65520.0), (BFLOAT, 2.0**128 - 2.0**119)])
def test_it_overflows_where_the_nearest_would(narrow, largest, element):
    ends = np.array([np.nextafter(largest, 0.0), largest, 1e300 if element == DOUBLE else 3.4e38, np.inf])
    finite = np.isfinite(rounded(ends.astype(element), narrow).view(narrow).astype(float))
    assert finite.tolist() == [element == DOUBLE or float(np.float32(ends[0])) < largest, False, False, False]


@every_type
@every_element
def test_nan_stays_nan(narrow, element):
    assert np.isnan(rounded(np.array([np.nan, -np.nan], element), narrow).view(narrow).astype(float)).all()


@every_type
@every_element
def test_every_number_is_read_exactly(narrow, element):
    pattern, x = np.arange(1 << 16, dtype=np.uint16), np.empty(1 << 16, element)
    WIDENING[narrow](element)(pattern, x)
    with np.errstate(invalid="ignore"):  # signalling ones
        np.testing.assert_array_equal(x, pattern.view(narrow).astype(element))
    assert np.array_equal(np.signbit(x), pattern >> 15)
