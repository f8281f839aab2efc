"""What the linear form needs besides BLAS and the sweeps: the sum over the rows, for the bias."""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.native.kernel import kernel

__all__ = ["column_sums"]


@kernel("x[:, :] i8 i8 f8[:]")
def column_sums(z: Any, first: int, last: int, sums: Any) -> None:
    """Add the rows of ``z`` to ``sums``, for the columns from ``first`` to ``last``.

    In double, row by row, the sums in the L1 cache. NumPy's sum(axis=0, dtype=float64) casts piece by piece.
    """
    own = sums[first:last]
    for i in range(z.shape[0]):
        row = z[i, first:last]
        for j in range(row.size):
            own[j] += np.float64(row[j])
