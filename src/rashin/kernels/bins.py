"""Which bin a probability falls into; the bins are the same for all data, and their edges are exact.

With q the smaller of p and 1 - p there are 256 to the unit where q >= 1/32, and below that 4 to the octave down to
2**-40; q < 2**-40, q = 0 and q = 1/2 have bins of their own. Those of p > 1/2 are the mirror image.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.native.kernel import kernel
from rashin.native.language import bits

__all__ = ["BINS", "HALF", "bin_starts", "fill_bins"]

_LEAST, _COARSE = -40, -5  # exponents of the first octave of bins, and of where the even ones begin
_DROPPED = 50  # bits of a double: all of the fraction but two
_FIRST = (_LEAST + 1023) << 2  # what is left of the bits of 2**-40
_OCTAVES = 4 * (_COARSE - _LEAST)  # bins
_EVEN = 2 + _OCTAVES - 8  # q = k / 256 is in bin _EVEN + k, the first k being 8
HALF = _EVEN + 128
BINS = 2 * HALF + 1


@kernel("x[:] b1[:] i8[:]")
def fill_bins(q: Any, is_upper: Any, bins: Any) -> None:
    """Fill in the bin of each probability that lies ``q``, in [0, 1/2], from the nearer of 0 and 1."""
    for i in range(q.size):
        x = np.float64(q[i])
        if x >= 0.03125:
            place = np.int64(x * 256.0) + _EVEN
        else:
            place = max((bits(x) >> _DROPPED) - (_FIRST - 2), np.int64(x > 0.0))
        bins[i] = BINS - 1 - place if is_upper[i] else place


def bin_starts() -> Any:
    """The least q of each bin from 0 to 1/2, (HALF + 1,)."""
    octaves = ((np.arange(_OCTAVES, dtype=np.int64) + _FIRST) << _DROPPED).view(np.float64)
    return np.concatenate([[0.0, 5e-324], octaves, np.arange(8, 129) / 256.0])
