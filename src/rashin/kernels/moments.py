"""Exact sums over rows, apart for each cell (a group, a class, a cluster) that a row falls to.

A cell's sums lie in a row of limbs each. With weights the sums are of w l, w, (w l)^2, w^2, (w l) w and (w l) l; with
none they are of l and l^2. The product w l is rounded once, as it is in every mean; its own products are added whole,
each as a double and the rest that its rounding left, so that a variance made of them loses nothing by cancellation (but
for products below 2^-968, whose rests no double holds: losses below 1e-145).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic.elementary import fma
from rashin.exact import (
    BLOCK,
    DIGITS,
    MAGNITUDE,
    add_block_below,
    add_integer,
    add_one,
    bits_of,
    grid_at,
    top_bits,
)
from rashin.native.kernel import DOUBLE, kernel
from rashin.native.language import as_integers, from_bits, inline

__all__ = ["PLAIN_SUMS", "WEIGHED_SUMS", "add_by_cell", "add_together", "carry", "extent"]

PLAIN_SUMS = 2  # of l, l^2
WEIGHED_SUMS = 6  # of w l, w, (w l)^2, w^2, (w l) w, (w l) l

FEW = 8  # rows of a cell below which they go one by one


@inline
def _rest(product: float, x: float, y: float) -> Any:
    """What rounding took from the product; 0 where it is infinite."""
    return fma(x, y, -product) if abs(product) < np.inf else 0.0


@inline
def _in_order(bits: Any) -> Any:
    """An integer that orders as the double of these bits does; and back."""
    return bits ^ ((bits >> 63) & MAGNITUDE)


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


def _add_products(limbs: Any, x: Any, y: Any, top: int, top_y: int) -> None:
    """Add x y, whole; the largest magnitudes are given by their bits.

    Four grids hold products that spread over 2^48, as losses from 1e-7 to 10 have. Others go one by one.
    """
    bound = from_bits(top) * from_bits(top_y)
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
    for i in range(x.size):
        _add_product(limbs, x[i], y[i])


def _add_block_sums(losses: Any, w: Any, limbs: Any, room: Any) -> None:
    """Add at most ``BLOCK`` rows to one cell; ``room`` is for so many numbers."""
    top = top_bits(losses)
    if w.size == 0:
        add_block_below(limbs[:, 0], losses, top)
        if limbs.shape[1] > 1:
            _add_products(limbs[:, 1], losses, losses, top, top)
        return
    a = room[: losses.size]
    for i in range(losses.size):
        a[i] = w[i] * losses[i]
    top_a, top_w = top_bits(a), top_bits(w)
    add_block_below(limbs[:, 0], a, top_a)
    add_block_below(limbs[:, 1], w, top_w)
    if limbs.shape[1] > 2:
        _add_products(limbs[:, 2], a, a, top_a, top_a)
        _add_products(limbs[:, 3], w, w, top_w, top_w)
        _add_products(limbs[:, 4], a, w, top_a, top_w)
        _add_products(limbs[:, 5], a, losses, top_a, top)


def _largest(losses: Any) -> float:
    """By the integers that order as the numbers do, which vectorises; never -0.0. Of nothing it is -inf."""
    highest = _in_order(bits_of(-np.inf))
    for i in range(losses.size):
        highest = max(highest, _in_order(bits_of(losses[i])))
    return from_bits(_in_order(highest)) + 0.0


def _add_run(losses: Any, w: Any, limbs: Any, room: Any) -> float:
    for start in range(0, losses.size, BLOCK):
        _add_block_sums(losses[start : start + BLOCK], w[start : start + BLOCK], limbs, room)
    return _largest(losses)


def _room_together() -> int:
    return BLOCK


@kernel("f8[:] f8[:] f8[:] i8[:, :, :]", elements=(DOUBLE,), room=_room_together)
def add_together(losses: Any, w: Any, highest: Any, limbs: Any, room: Any) -> None:
    """Add all rows to the first cell: to its largest loss and ``limbs``; ``w`` is empty for weight 1.

    ``limbs`` is (digits, cells, sums): the same digit of all cells lies together. Where it has fewer sums, those that
    come first are taken.
    """
    highest[0] = max(highest[0], _add_run(losses, w, limbs[:, 0], room))


def _sorted_by_cell(
    losses: Any, w: Any, codes: Any, low: int, cell_of: Any, starts: Any, places: Any, in_order: Any, weights: Any
) -> None:
    """Fill in where the rows of each cell start, and losses and weights in the order of the cells."""
    cells = places.size
    for cell in range(cells + 1):
        starts[cell] = 0
    for i in range(codes.size):
        starts[cell_of[codes[i] - low] + 1] += 1
    for cell in range(cells):
        starts[cell + 1] += starts[cell]
    for cell in range(cells):
        places[cell] = starts[cell]
    for i in range(codes.size):
        cell = cell_of[codes[i] - low]
        place = places[cell]
        places[cell] = place + 1
        in_order[place] = losses[i]
        if w.size:
            weights[place] = w[i]


def _add_product(limbs: Any, x: float, y: float) -> None:
    product = x * y
    add_one(limbs, product)
    add_one(limbs, _rest(product, x, y))


def _add_few(losses: Any, w: Any, limbs: Any) -> float:
    """Add rows one by one: 17 ns each, 45 with weights, where a block costs 130 ns, 300, however short it is."""
    for i in range(losses.size):
        loss = losses[i]
        if w.size == 0:
            add_one(limbs[:, 0], loss)
            if limbs.shape[1] > 1:
                _add_product(limbs[:, 1], loss, loss)
            continue
        a = w[i] * loss
        add_one(limbs[:, 0], a)
        add_one(limbs[:, 1], w[i])
        if limbs.shape[1] > 2:
            _add_product(limbs[:, 2], a, a)
            _add_product(limbs[:, 3], w[i], w[i])
            _add_product(limbs[:, 4], a, w[i])
            _add_product(limbs[:, 5], a, loss)
    return _largest(losses)


# Of 262,144 rows in 1,000 cells, ns a row of one thread: sorted by cell 6.2, with weights 15.5; cut into slices of 44
# bits and these added, unsorted, as integers to the cell's row 8.1 (10 cells: 5.2 and 6.8); each row by itself 15, 45.
def _room_by_cell(losses: Any, w: Any, counts: Any) -> int:
    return int(2 * counts.size + 1 + losses.size + w.size + BLOCK)


@kernel("f8[:] f8[:] i8[:] i8 i8[:] i8[:] f8[:] i8[:, :, :]", elements=(DOUBLE,), room=_room_by_cell)
def add_by_cell(
    losses: Any, w: Any, codes: Any, low: int, cell_of: Any, counts: Any, highest: Any, limbs: Any, room: Any
) -> None:
    """Add each row to the cell ``cell_of[code - low]``: to its count, largest loss and ``limbs``."""
    cells, n = counts.size, losses.size
    starts, places = as_integers(room[: cells + 1]), as_integers(room[cells + 1 : 2 * cells + 1])
    rest = room[2 * cells + 1 :]
    in_order, weights, rest = rest[:n], rest[n : n + w.size], rest[n + w.size :]
    _sorted_by_cell(losses, w, codes, low, cell_of, starts, places, in_order, weights)
    for cell in range(cells):
        first, last = starts[cell], starts[cell + 1]
        if first == last:
            continue
        run, v = in_order[first:last], weights[first:last]
        counts[cell] += last - first
        few = last - first < FEW
        found = _add_few(run, v, limbs[:, cell]) if few else _add_run(run, v, limbs[:, cell], rest)
        highest[cell] = max(highest[cell], found)


@kernel("i8[:, :, :]", elements=(DOUBLE,))
def carry(limbs: Any) -> None:
    """Bring the digits of each sum, (digits, cells, sums), below 2**32; the last has the sign.

    A digit that stays as it is is not written: memory that is still empty takes no room.
    """
    for cell in range(limbs.shape[1]):
        for i in range(limbs.shape[2]):
            over = np.int64(0)
            for digit in range(DIGITS):
                total = limbs[digit, cell, i] + over
                carried = total & 0xFFFF_FFFF if digit < DIGITS - 1 else total
                over = total >> 32
                if carried != limbs[digit, cell, i]:
                    limbs[digit, cell, i] = carried


@kernel("i8[:] i8[:]", elements=(DOUBLE,))
def extent(codes: Any, ends: Any) -> None:
    """Fill in the least and the largest of at least one number."""
    low, high = codes[0], codes[0]
    for i in range(codes.size):
        low, high = min(low, codes[i]), max(high, codes[i])
    ends[0], ends[1] = low, high
