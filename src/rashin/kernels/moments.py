"""Exact sums over rows, apart for each cell (a group, a class, a cluster) that a row falls to.

A cell's sums lie in a row of limbs each. With weights the sums are of w l, w, (w l)^2, w^2, (w l) w and (w l) l; with
none they are of l and l^2. The product w l is rounded once, as it is in every mean; its own products are added whole,
each as a double and the rest that its rounding left, so that a variance made of them loses nothing by cancellation (but
for products below 2^-968, whose rests no double holds: losses below 1e-145).
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from rashin.arithmetic.scalar import fma
from rashin.cached import cached
from rashin.exact import (
    BLOCK,
    DIGITS,
    MAGNITUDE,
    add_block,
    add_block_below,
    add_integer,
    add_one,
    bits_of,
    grid_at,
    top_bits,
)

__all__ = ["PLAIN_SUMS", "WEIGHED_SUMS", "add_by_cell", "add_together", "carry", "extent"]

PLAIN_SUMS = 2  # of l, l^2
WEIGHED_SUMS = 6  # of w l, w, (w l)^2, w^2, (w l) w, (w l) l

FEW = 8  # rows of a cell below which they go one by one


@nb.njit(forceinline=True)
def _rest(product: float, x: float, y: float) -> Any:
    """What rounding took from the product; 0 where it is infinite."""
    return fma(x, y, -product) if abs(product) < np.inf else 0.0


@nb.njit(forceinline=True)
def _in_order(bits: Any) -> Any:
    """An integer that orders as the double of these bits does; and back."""
    return bits ^ ((bits >> 63) & MAGNITUDE)


@nb.njit(error_model="numpy", nogil=True)
def _on_four_grids(x: Any, y: Any, first: float, second: float, third: float, fourth: float) -> Any:
    """The products as sums of whole numbers of four grids, and whether anything was left."""
    total, total2, total3, total4, left = np.int64(0), np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for i in range(x.size):
        product = x[i] * y[i]
        rest = fma(x[i], y[i], -product)
        on = product + first
        product -= on - first
        on2 = product + second
        product -= on2 - second
        on3 = product + third
        rest_on2 = rest + second
        rest -= rest_on2 - second
        rest_on3 = rest + third
        rest -= rest_on3 - third
        on4 = rest + fourth
        total += bits_of(on) - bits_of(first)
        total2 += bits_of(on2) + bits_of(rest_on2) - 2 * bits_of(second)
        total3 += bits_of(on3) + bits_of(rest_on3) - 2 * bits_of(third)
        total4 += bits_of(on4) - bits_of(fourth)
        left |= bits_of(product - (on3 - third)) | bits_of(rest - (on4 - fourth))
    return total, total2, total3, total4, left & MAGNITUDE


@nb.njit(error_model="numpy", nogil=True)
def _add_products(limbs: Any, x: Any, y: Any, top: int, top_y: int) -> None:
    """Add x y, whole; the largest magnitudes are given by their bits.

    Four grids hold products that spread over 2^48, as losses from 1e-7 to 10 have. Others go by way of arrays.
    """
    bound = np.int64(top).view(np.float64) * np.int64(top_y).view(np.float64)
    if bound == 0.0 and (top == 0 or top_y == 0):
        return
    exponent = (bits_of(bound) >> 52) - 1023 + 2
    if -860 < exponent < 1000:
        grids = grid_at(exponent), grid_at(exponent - 51), grid_at(exponent - 102), grid_at(exponent - 153)
        first, second, third, fourth, left = _on_four_grids(x, y, *grids)
        if left == 0:
            add_integer(limbs, first, exponent - 52)
            add_integer(limbs, second, exponent - 103)
            add_integer(limbs, third, exponent - 154)
            add_integer(limbs, fourth, exponent - 205)
            return
    product, rest = x * y, np.empty(x.size)
    for i in range(x.size):
        rest[i] = _rest(product[i], x[i], y[i])
    add_block(limbs, product)
    add_block(limbs, rest)


@nb.njit(error_model="numpy", nogil=True)
def _add_block_sums(losses: Any, w: Any, limbs: Any) -> None:
    """Add at most ``BLOCK`` rows to one cell."""
    top = top_bits(losses)
    if w.size == 0:
        add_block_below(limbs[0], losses, top)
        if limbs.shape[0] > 1:
            _add_products(limbs[1], losses, losses, top, top)
        return
    a = w * losses
    top_a, top_w = top_bits(a), top_bits(w)
    add_block_below(limbs[0], a, top_a)
    add_block_below(limbs[1], w, top_w)
    if limbs.shape[0] > 2:
        _add_products(limbs[2], a, a, top_a, top_a)
        _add_products(limbs[3], w, w, top_w, top_w)
        _add_products(limbs[4], a, w, top_a, top_w)
        _add_products(limbs[5], a, losses, top_a, top)


@nb.njit(error_model="numpy", nogil=True)
def _largest(losses: Any) -> float:
    """By the integers that order as the numbers do, which vectorises; never -0.0. Of nothing it is -inf."""
    highest = _in_order(bits_of(-np.inf))
    for i in range(losses.size):
        highest = max(highest, _in_order(bits_of(losses[i])))
    return np.int64(_in_order(highest)).view(np.float64) + 0.0


@nb.njit(error_model="numpy", nogil=True)
def _add_run(losses: Any, w: Any, limbs: Any) -> float:
    for start in range(0, losses.size, BLOCK):
        _add_block_sums(losses[start : start + BLOCK], w[start : start + BLOCK], limbs)
    return _largest(losses)


def _together(_element: Any) -> Any:
    readonly = nb.types.Array(nb.float64, 1, "C", readonly=True)
    return nb.float64(readonly, readonly, nb.types.Array(nb.int64, 2, "A"))


@cached(_together)
def add_together(losses: Any, w: Any, limbs: Any) -> float:
    """Add all rows to one cell, ``limbs`` (sums, digits), and return the largest loss; ``w`` is empty for weight 1.

    Where ``limbs`` has fewer rows, the sums that come first are taken.
    """
    return _add_run(losses, w, limbs)


def _by_cell(_element: Any) -> Any:
    readonly = nb.types.Array(nb.float64, 1, "C", readonly=True)
    codes = nb.types.Array(nb.int64, 1, "C", readonly=True)
    counts, highest = nb.types.Array(nb.int64, 1, "C"), nb.types.Array(nb.float64, 1, "C")
    return nb.void(readonly, readonly, codes, nb.int64, codes, counts, highest, nb.types.Array(nb.int64, 3, "A"))


@nb.njit(error_model="numpy", nogil=True)
def _sorted_by_cell(losses: Any, w: Any, codes: Any, low: int, cell_of: Any, cells: int) -> Any:
    """Where the rows of each cell start, and losses and weights in the order of the cells."""
    starts = np.zeros(cells + 1, np.int64)
    for i in range(codes.size):
        starts[cell_of[codes[i] - low] + 1] += 1
    for cell in range(cells):
        starts[cell + 1] += starts[cell]
    places, in_order, weights = starts.copy(), np.empty(losses.size), np.empty(w.size)
    for i in range(codes.size):
        cell = cell_of[codes[i] - low]
        place = places[cell]
        places[cell] = place + 1
        in_order[place] = losses[i]
        if w.size:
            weights[place] = w[i]
    return starts, in_order, weights


@nb.njit(error_model="numpy", nogil=True)
def _add_product(limbs: Any, x: float, y: float) -> None:
    product = x * y
    add_one(limbs, product)
    add_one(limbs, _rest(product, x, y))


@nb.njit(error_model="numpy", nogil=True)
def _add_few(losses: Any, w: Any, limbs: Any) -> float:
    """Add rows one by one: 17 ns each, 45 with weights, where a block costs 130 ns, 300, however short it is."""
    for i in range(losses.size):
        loss = losses[i]
        if w.size == 0:
            add_one(limbs[0], loss)
            if limbs.shape[0] > 1:
                _add_product(limbs[1], loss, loss)
            continue
        a = w[i] * loss
        add_one(limbs[0], a)
        add_one(limbs[1], w[i])
        if limbs.shape[0] > 2:
            _add_product(limbs[2], a, a)
            _add_product(limbs[3], w[i], w[i])
            _add_product(limbs[4], a, w[i])
            _add_product(limbs[5], a, loss)
    return _largest(losses)


# Of 262,144 rows in 1,000 cells, ns a row of one thread: sorted by cell 6.2, with weights 15.5; cut into slices of 44
# bits and these added, unsorted, as integers to the cell's row 8.1 (10 cells: 5.2 and 6.8); each row by itself 15, 45.
@cached(_by_cell)
def add_by_cell(losses: Any, w: Any, codes: Any, low: int, cell_of: Any, counts: Any, highest: Any, limbs: Any) -> None:
    """Add each row to the cell ``cell_of[code - low]``: to its count, largest loss and ``limbs``, (sums, digits)."""
    starts, in_order, weights = _sorted_by_cell(losses, w, codes, low, cell_of, counts.size)
    for cell in range(counts.size):
        first, last = starts[cell], starts[cell + 1]
        if first == last:
            continue
        run, v = in_order[first:last], weights[first:last]
        counts[cell] += last - first
        few = last - first < FEW
        found = _add_few(run, v, limbs[cell]) if few else _add_run(run, v, limbs[cell])
        highest[cell] = max(highest[cell], found)


def _carry(_element: Any) -> Any:
    return nb.void(nb.types.Array(nb.int64, 3, "A"))


@cached(_carry)
def carry(limbs: Any) -> None:
    """Bring the digits of each sum, (cells, sums, digits), below 2**32; the last has the sign.

    A digit that stays as it is is not written: memory that is still empty takes no room.
    """
    cells, sums = limbs.shape[:2]
    over = np.zeros((cells, sums), np.int64)
    for digit in range(DIGITS):
        for cell in range(cells):
            for i in range(sums):
                total = limbs[cell, i, digit] + over[cell, i]
                kept = total & 0xFFFF_FFFF if digit < DIGITS - 1 else total
                over[cell, i] = total >> 32
                if kept != limbs[cell, i, digit]:
                    limbs[cell, i, digit] = kept


def _extent(_element: Any) -> Any:
    return nb.types.UniTuple(nb.int64, 2)(nb.types.Array(nb.int64, 1, "C", readonly=True))


@cached(_extent)
def extent(codes: Any) -> tuple[int, int]:
    """The least and the largest of at least one number."""
    low, high = codes[0], codes[0]
    for i in range(codes.size):
        low, high = min(low, codes[i]), max(high, codes[i])
    return low, high
