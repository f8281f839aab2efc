"""Sums of rows: term by term where rows are short, in fixed lanes where they are long."""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.kernels.rows import accurate_sum, plus

__all__ = ["fill_plain_sums", "fill_sums"]

SHORT = 64  # classes below which a row is summed term by term
LANES = 32  # of the sum of a longer row


def _plain_sum(x: Any) -> Any:
    """The sum of a short row, term by term: 0.15 ns a term of ten, since the rows overlap in the processor.

    Four lanes, or halves side by side, cost 0.3 to 0.7 there; class by class across the rows 0.7.
    """
    total = 0.0
    for j in range(x.size):
        total += x[j]
    return total


def _careful_sum(x: Any) -> Any:
    """The same with the roundings added, 1 ns a term: float64 would show them."""
    total, error = 0.0, 0.0
    for j in range(x.size):
        total, error = plus(total, error, np.float64(x[j]))
    return total + error if abs(total) < np.inf else total


def _sum_in_lanes(x: Any, lanes: Any) -> Any:
    """The sum of a row in fixed lanes, four terms at a time: 0.13 ns a term of a thousand, accurate_sum 0.27.

    Lanes of 16 cost 0.2 to 0.3 there, of 64 as much as 32.
    """
    double = np.float64
    whole, rest = x.size - x.size % (4 * LANES), x.size - x.size % LANES
    for j in range(LANES):
        lanes[j] = 0.0
    for i in range(0, whole, 4 * LANES):
        # A slice each: with sums of two numbers as an index nothing would vectorise.
        a, b = x[i : i + LANES], x[i + LANES : i + 2 * LANES]
        c, d = x[i + 2 * LANES : i + 3 * LANES], x[i + 3 * LANES : i + 4 * LANES]
        for j in range(LANES):
            lanes[j] += (double(a[j]) + double(b[j])) + (double(c[j]) + double(d[j]))
    for i in range(whole, rest, LANES):
        a = x[i : i + LANES]
        for j in range(LANES):
            lanes[j] += a[j]
    for j in range(rest, x.size):
        lanes[j - rest] += x[j]
    width = LANES
    while width > 1:
        width //= 2
        for j in range(width):
            lanes[j] += lanes[j + width]
    return lanes[0]


def fill_plain_sums(x: Any, start: int, sums: Any, lanes: Any) -> None:
    """Fill in the sums of the rows of ``x`` from ``start`` on, with roundings that only float64 would show."""
    if x.shape[1] < SHORT:
        for r in range(sums.size):
            sums[r] = _plain_sum(x[start + r])
    else:
        for r in range(sums.size):
            sums[r] = _sum_in_lanes(x[start + r], lanes)


def fill_sums(x: Any, start: int, sums: Any, lanes: Any, narrow: bool) -> None:
    """Fill in the sums of the rows of ``x`` from ``start`` on; ``narrow`` ones are not shown in float64."""
    if narrow:
        fill_plain_sums(x, start, sums, lanes)
        return
    short = x.shape[1] < SHORT
    for r in range(sums.size):
        sums[r] = _careful_sum(x[start + r]) if short else accurate_sum(x, start + r, lanes)
