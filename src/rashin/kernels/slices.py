"""Exact sums of losses and of their squares by cell, without sorting: as whole numbers of a few common grids.

Of up to 262,144 rows the largest fixes grids 44 bits apart. Each loss is cut into two slices, its square, whole, into
three; a slice is an integer, and integers are added to the row of the loss's cell. The little that is left of a loss
far below the largest is added by itself.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from rashin.exact import MAGNITUDE, add_integer, add_one, bits_of, grid_at, top_bits
from rashin.scalar import fma

__all__ = ["AT_ONCE", "MOST_CELLS", "add_by_slices"]

AT_ONCE = 1 << 18  # rows: sums of so many integers up to 2^43 stay below 2^62
MOST_CELLS = 1 << 14  # beyond, emptying their integers into limbs costs more than sorting
BLOCK = 256  # rows whose slices stay in the L1 cache
BITS = 44


@nb.njit(error_model="numpy", nogil=True)
def _cut(x: Any, grids: Any, slices: Any, rests: Any) -> Any:
    """Slices of losses (rows 0, 1) and squares (2, 3, 4), and what they leave of losses, products and their rests."""
    first, second, square, square2, square3 = grids[0], grids[1], grids[2], grids[3], grids[4]
    left = np.int64(0)
    for i in range(x.size):
        on = x[i] + first
        loss = x[i] - (on - first)
        on2 = loss + second
        loss -= on2 - second
        product = x[i] * x[i]
        rest = fma(x[i], x[i], -product)
        above = product + square
        product -= above - square
        above2, rest2 = product + square2, rest + square2
        product -= above2 - square2
        rest -= rest2 - square2
        rest3 = rest + square3
        rest -= rest3 - square3
        slices[0, i] = bits_of(on) - bits_of(first)
        slices[1, i] = bits_of(on2) - bits_of(second)
        slices[2, i] = bits_of(above) - bits_of(square)
        slices[3, i] = bits_of(above2) + bits_of(rest2) - 2 * bits_of(square2)
        slices[4, i] = bits_of(rest3) - bits_of(square3)
        rests[0, i], rests[1, i], rests[2, i] = loss, product, rest
        left |= bits_of(loss) | bits_of(product) | bits_of(rest)
    return left & MAGNITUDE


@nb.njit(error_model="numpy", nogil=True)
def _scatter(x: Any, cells: Any, slices: Any, sums: Any, highest: Any) -> None:
    for i in range(x.size):
        cell = cells[i]
        sums[cell, 0] += 1
        for k in range(5):
            sums[cell, k + 1] += slices[k, i]
        if x[i] > highest[cell]:
            highest[cell] = x[i]


@nb.njit(error_model="numpy", nogil=True)
def _add_rests(x: Any, cells: Any, rests: Any, limbs: Any) -> None:
    for i in range(x.size):
        if rests[0, i] != 0.0:
            add_one(limbs[cells[i], 0], rests[0, i])
        for k in (1, 2):
            if rests[k, i] != 0.0:
                add_one(limbs[cells[i], 1], rests[k, i])


@nb.njit(error_model="numpy", nogil=True)
def add_by_slices(losses: Any, codes: Any, low: int, cell_of: Any, counts: Any, highest: Any, limbs: Any) -> bool:
    """Add at most ``AT_ONCE`` rows to the cells ``cell_of[code - low]``; False, and none, for losses out of range."""
    top = (top_bits(losses) >> 52) - 1023 + 2  # each loss is below 2^(top - 1)
    if not -400 < top < 480:
        return False
    grids = np.empty(5)
    for k in range(2):
        grids[k] = grid_at(top + 52 - BITS * (k + 1))
    for k in range(3):
        grids[2 + k] = grid_at(2 * top + 52 - BITS * (k + 1))
    slices, rests = np.empty((5, BLOCK), np.int64), np.empty((3, BLOCK))
    cells, sums = np.empty(BLOCK, np.int64), np.zeros((counts.size, 8), np.int64)
    for start in range(0, losses.size, BLOCK):
        x = losses[start : start + BLOCK]
        for i in range(x.size):
            cells[i] = cell_of[codes[start + i] - low]
        left = _cut(x, grids, slices, rests)
        _scatter(x, cells, slices, sums, highest)
        if left != 0:
            _add_rests(x, cells, rests, limbs)
    for cell in range(counts.size):
        counts[cell] += sums[cell, 0]
        if sums[cell, 0] != 0:
            for k in range(2):
                add_integer(limbs[cell, 0], sums[cell, 1 + k], top - BITS * (k + 1))
            for k in range(3):
                add_integer(limbs[cell, 1], sums[cell, 3 + k], 2 * top - BITS * (k + 1))
    return True
