"""The sweeps of losses of the moments of two arrays in sets: exact sums of w, w z, w t, w z z, w z t, w t t.

A product of doubles is kept as the sum of two, so that the sums are exact, and with them the variances, however far the
numbers lie from 0.
"""

from __future__ import annotations

from typing import Any

from rashin.exact import add_block, clear
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, all_within
from rashin.native.kernel import kernel
from rashin.native.language import STACK, fma, inline

__all__ = ["COUNT", "add", "spread"]

COUNT = 6  # of 1, z, t, z z, z t, t t


def _room() -> int:
    return 7 * STACK


@inline
def _add_products(limbs: Any, x: Any, y: Any, w: Any, weighted: bool, room: Any, size: int) -> None:
    """Add the exact w x y of a block."""
    high, low, rest = room[:STACK], room[STACK : 2 * STACK], room[2 * STACK :]
    for i in range(size):
        high[i] = x[i] * y[i]
        low[i] = fma(x[i], y[i], -high[i])
    if weighted:
        _add_weighted(limbs, high, w, rest, size)
        _add_weighted(limbs, low, w, rest, size)
    else:
        add_block(limbs, high[:size])
        add_block(limbs, low[:size])


@inline
def _add_weighted(limbs: Any, x: Any, w: Any, room: Any, size: int) -> None:
    high, low = room[:STACK], room[STACK:]
    for i in range(size):
        high[i] = x[i] * w[i]
        low[i] = fma(x[i], w[i], -high[i])
    add_block(limbs, high[:size])
    add_block(limbs, low[:size])


@kernel("x[:] x[:] f8[:] i8[:] f8[:] i8[:, :]", finds=True, room=_room)
def add(z: Any, t: Any, w: Any, starts: Any, bounds: Any, limbs: Any, room: Any) -> tuple[int, int]:
    """Fill in the sums of sets: set g has six rows of ``limbs``; the rest as for the confusion."""
    ones, x, y, rest = room[:STACK], room[STACK : 2 * STACK], room[2 * STACK : 3 * STACK], room[3 * STACK :]
    weighted = w.size > 0
    for i in range(STACK):
        ones[i] = 1.0
    for g in range(starts.size - 1):
        for row in range(COUNT):
            clear(limbs[COUNT * g + row])
        for start in range(starts[g], starts[g + 1], STACK):
            size = min(STACK, starts[g + 1] - start)
            zs, ts, ws = z[start : start + size], t[start : start + size], w[start : start + size]
            if not all_within(zs, bounds[0], bounds[1], bounds[2] != 0.0):
                return PREDICTION, start
            if not all_within(ts, bounds[3], bounds[4], bounds[5] != 0.0):
                return TARGET, start
            for i in range(size):
                x[i], y[i] = zs[i], ts[i]
            of = COUNT * g
            _add_products(limbs[of], ones, ones, ws, weighted, rest, size)
            _add_products(limbs[of + 1], x, ones, ws, weighted, rest, size)
            _add_products(limbs[of + 2], ones, y, ws, weighted, rest, size)
            _add_products(limbs[of + 3], x, x, ws, weighted, rest, size)
            _add_products(limbs[of + 4], x, y, ws, weighted, rest, size)
            _add_products(limbs[of + 5], y, y, ws, weighted, rest, size)
    return FINE, 0


@kernel("x[:] x[:] f8[:] i8[:] f8[:, :] x[:] x[:]")
def spread(z: Any, t: Any, w: Any, starts: Any, slopes: Any, gradient: Any, hessian: Any) -> None:
    """Fill in the derivatives by the members.

    A row of ``slopes`` has, of a set, the means of z and of t, each as two doubles, the sum of the weights, the slopes
    by shift, variance and covariance, and the triangle of the curvatures.
    """
    weighted = w.size > 0
    for g in range(starts.size - 1):
        s = slopes[g]
        for i in range(starts[g], starts[g + 1]):
            share = (w[i] if weighted else 1.0) / s[4]
            dz, dt = (z[i] - s[0]) - s[1], (t[i] - s[2]) - s[3]
            gradient[i] = share * (s[5] + 2.0 * s[6] * dz + s[7] * dt)
        if hessian.size:
            for i in range(starts[g], starts[g + 1]):
                share = (w[i] if weighted else 1.0) / s[4]
                dz, dt = 2.0 * ((z[i] - s[0]) - s[1]), (t[i] - s[2]) - s[3]
                squares = s[8] + dz * (2.0 * s[9] + s[11] * dz) + dt * (2.0 * (s[10] + s[12] * dz) + s[13] * dt)
                hessian[i] = share * (share * squares + 2.0 * s[6] * (1.0 - share))
