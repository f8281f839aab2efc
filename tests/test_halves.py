"""float16 to doubles and back: against NumPy's, which is exact and slow, for every float16 and what lies between."""

from __future__ import annotations

import numpy as np

from rashin.kernels.halves import doubles_of_halves, round_to_half
from rashin.native.kernel import DOUBLE


def rounded(x):
    half = np.empty(x.size, np.uint16)
    round_to_half(DOUBLE)(x, half)
    return half


def expected(x):
    with np.errstate(all="ignore"):
        return x.astype(np.float16).view(np.uint16)


def test_it_rounds_as_numpy():
    every = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    ties = (every[:-1] + every[1:]) / 2.0
    ends = np.array([65519.99999999999, 65520.0, 65536.0, 1e300, np.inf, 5e-324, 2.0**-25, 2.0**-14, 0.0])
    rng = np.random.default_rng(0)
    anywhere = np.exp(rng.uniform(-30.0, 12.0, 200_000))
    for x in (every, ties, np.nextafter(ties, 0.0), np.nextafter(ties, np.inf), ends, anywhere):
        for signed in (x, -x):
            np.testing.assert_array_equal(rounded(signed), expected(signed))


def test_nan_stays_nan():
    assert np.isnan(rounded(np.array([np.nan, -np.nan])).view(np.float16)).all()


def test_every_half_is_read_as_numpy_reads_it():
    halves, x = np.arange(1 << 16, dtype=np.uint16), np.empty(1 << 16)
    doubles_of_halves(DOUBLE)(halves, x)
    np.testing.assert_array_equal(x, halves.view(np.float16).astype(np.float64))
    assert np.array_equal(np.signbit(x), halves >> 15)
