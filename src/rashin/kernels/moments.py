"""Exact sums over rows, apart for each cell (a group, a class, a cluster) that a row falls to.

A cell's sums lie in a row of limbs each. With weights the sums are of w l, w, (w l)^2, w^2, (w l) w and (w l) l; with
none they are of l and l^2. The product w l is rounded once, as it is in every mean; its own products are added whole,
each as a double and the rest that its rounding left, so that a variance made of them loses nothing by cancellation.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from rashin.exact import BLOCK, add_block, add_one
from rashin.kept import kept
from rashin.scalar import fma

__all__ = ["PLAIN_SUMS", "WEIGHED_SUMS", "add_by_cell", "add_together"]

PLAIN_SUMS = 2  # of l, l^2
WEIGHED_SUMS = 6  # of w l, w, (w l)^2, w^2, (w l) w, (w l) l


@nb.njit(forceinline=True)
def _rest(product: float, x: float, y: float) -> Any:
    """What rounding took from the product; 0 where it is infinite."""
    return fma(x, y, -product) if abs(product) < np.inf else 0.0


@nb.njit(error_model="numpy", nogil=True)
def _products(x: Any, y: Any, product: Any, rest: Any) -> None:
    for i in range(x.size):
        product[i] = x[i] * y[i]
        rest[i] = _rest(product[i], x[i], y[i])


@nb.njit(error_model="numpy", nogil=True)
def _add_products(limbs: Any, x: Any, y: Any, product: Any, rest: Any) -> None:
    _products(x, y, product[: x.size], rest[: x.size])
    add_block(limbs, product[: x.size])
    add_block(limbs, rest[: x.size])


def _together(_element: Any) -> Any:
    readonly = nb.types.Array(nb.float64, 1, "C", readonly=True)
    return nb.float64(readonly, readonly, nb.types.Array(nb.int64, 2, "C"))


@kept(_together)
def add_together(losses: Any, w: Any, limbs: Any) -> float:
    """Add all rows to one cell, ``limbs`` (sums, digits), and return the largest loss; ``w`` is empty for weight 1.

    Where ``limbs`` has fewer rows, the sums that come first are taken.
    """
    highest = -np.inf
    weighed, a = np.empty(BLOCK), np.empty(BLOCK)
    product, rest = np.empty(BLOCK), np.empty(BLOCK)
    for start in range(0, losses.size, BLOCK):
        lb = losses[start : start + BLOCK]
        for i in range(lb.size):
            highest = max(highest, lb[i])
        if w.size == 0:
            add_block(limbs[0], lb)
            _add_products(limbs[1], lb, lb, product, rest)
            continue
        wb = w[start : start + BLOCK]
        for i in range(lb.size):
            weighed[i] = wb[i] * lb[i]
        a = weighed[: lb.size]
        add_block(limbs[0], a)
        add_block(limbs[1], wb)
        _add_products(limbs[2], a, a, product, rest)
        _add_products(limbs[3], wb, wb, product, rest)
        _add_products(limbs[4], a, wb, product, rest)
        _add_products(limbs[5], a, lb, product, rest)
    return highest


def _by_cell(_element: Any) -> Any:
    readonly = nb.types.Array(nb.float64, 1, "C", readonly=True)
    codes = nb.types.Array(nb.int64, 1, "C", readonly=True)
    return nb.void(
        readonly,
        readonly,
        codes,
        nb.types.Array(nb.int64, 1, "C"),
        nb.types.Array(nb.float64, 1, "C"),
        nb.types.Array(nb.int64, 3, "C"),
    )


@nb.njit(error_model="numpy", nogil=True)
def _add_product(limbs: Any, x: float, y: float) -> None:
    product = x * y
    add_one(limbs, product)
    add_one(limbs, _rest(product, x, y))


@kept(_by_cell)
def add_by_cell(losses: Any, w: Any, codes: Any, counts: Any, highest: Any, limbs: Any) -> None:
    """Add each row to the cell of its code: its count, its largest loss, and its ``limbs``, (cells, sums, digits)."""
    squares = limbs.shape[1] > 2 or (w.size == 0 and limbs.shape[1] > 1)
    for i in range(losses.size):
        cell, loss = codes[i], losses[i]
        counts[cell] += 1
        highest[cell] = max(highest[cell], loss)
        if w.size == 0:
            add_one(limbs[cell, 0], loss)
            if squares:
                _add_product(limbs[cell, 1], loss, loss)
            continue
        a = w[i] * loss
        add_one(limbs[cell, 0], a)
        add_one(limbs[cell, 1], w[i])
        if squares:
            _add_product(limbs[cell, 2], a, a)
            _add_product(limbs[cell, 3], w[i], w[i])
            _add_product(limbs[cell, 4], a, w[i])
            _add_product(limbs[cell, 5], a, loss)
