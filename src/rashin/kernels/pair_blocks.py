"""A block of pairs, in the L1 cache: a few leaders with some of the others that they meet.

It is filled with differences and weights, a formula's loop is called for it as one flat array, and what comes of it is
added to the sums of the samples on both sides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.kernels.rows import plus
from rashin.native.language import separate

__all__ = ["corrected", "fill", "spread", "terms"]

STEP, WIDE = 8, 32  # leaders, and the others that they meet at a time, at most
LN2 = 0.6931471805599453

# What a side has of each sample.
SCORE, TARGET, WEIGHT, GAIN, FALL, FALL_LOW, PLACE, BELOW = 0, 1, 2, 3, 4, 5, 6, 7  # BELOW: the weight from here on
LED, LED_LOW, BENT, BENT_LOW = 8, 9, 10, 11  # sums over the pairs that it leads: of slopes, of curvatures
FOLLOWED, FOLLOWED_LOW, BEND, BEND_LOW = 12, 13, 14, 15  # and over those in which it follows
SIDE = 16

# What a block has of each pair.
APART, TARGETS_APART, FACTOR, LOST, VALUE, SLOPE, CURVATURE = 0, 1, 2, 3, 4, 5, 6
BLOCK = 7


@separate
def _apart(z: Any, t: Any, w: Any, zs: Any, ts: Any, ws: Any, d: Any, apart: Any, f: Any) -> None:
    """Fill in the differences and the weight of each pair; where targets do not differ, what does no harm."""
    for i in range(z.size):
        for j in range(zs.size):
            some = t[i] > ts[j]
            d[i, j] = elementary.where(some, z[i] - zs[j], 0.0)
            apart[i, j] = elementary.where(some, t[i] - ts[j], 1.0)
            f[i, j] = elementary.where(some, w[i] * ws[j], 0.0)


@separate
def _lost(z: Any, zs: Any, d: Any, lost: Any) -> None:
    """What rounding took from the differences (Knuth's two-sum)."""
    for i in range(z.size):
        for j in range(zs.size):
            apart = z[i] - zs[j]
            back = apart - z[i]
            error = (z[i] - (apart - back)) - (zs[j] + back)
            lost[i, j] = elementary.where((apart == d[i, j]) & (elementary.abs(apart) < np.inf), error, 0.0)


@separate
def _falls(fall: Any, fall_low: Any, others: Any, others_low: Any, f: Any) -> None:
    """Multiply by how far the discounts of two ranks differ."""
    for i in range(fall.size):
        for j in range(others.size):
            f[i, j] *= elementary.abs((fall[i] - others[j]) + (fall_low[i] - others_low[j]))


@separate
def _whole_gains(gain: Any, others: Any, f: Any) -> None:
    """Multiply by the difference of the gains: exact where targets are whole."""
    for i in range(gain.size):
        for j in range(others.size):
            f[i, j] *= gain[i] - others[j]


@separate
def _gains(gain: Any, others: Any, apart: Any, f: Any) -> None:
    """The same for any targets: those that are close would cancel."""
    for i in range(gain.size):
        for j in range(others.size):
            near = others[j] * elementary.expm1(LN2 * apart[i, j])
            f[i, j] *= elementary.where(apart[i, j] < 1.0, near, gain[i] - others[j])


def fill(led: Any, x: slice, met: Any, y: slice, block: Any, wide: bool, swaps: int) -> None:
    """Fill in the pairs of leaders ``x`` with the others ``y``."""
    d, apart, f = block[APART], block[TARGETS_APART], block[FACTOR]
    _apart(
        led[SCORE, x], led[TARGET, x], led[WEIGHT, x], met[SCORE, y], met[TARGET, y], met[WEIGHT, y], d, apart, f
    )  # fmt: skip
    if wide:
        _lost(led[SCORE, x], met[SCORE, y], d, block[LOST])
    if swaps != 0:
        _falls(led[FALL, x], led[FALL_LOW, x], met[FALL, y], met[FALL_LOW, y], f)
        if swaps == 1:
            _whole_gains(led[GAIN, x], met[GAIN, y], f)
        else:
            _gains(led[GAIN, x], met[GAIN, y], apart, f)


# ------------------------------------------------------------------------------------------- what comes of a block


@separate
def terms(f: Any, values: Any) -> None:
    for k in range(f.size):
        values[k] = elementary.where(f[k] != 0.0, values[k] * f[k], 0.0)


@separate
def corrected(x: Any, slopes: Any, lost: Any) -> None:
    """Add what the rounding of the differences took."""
    for k in range(x.size):
        x[k] += elementary.where(lost[k] != 0.0, slopes[k] * lost[k], 0.0)


def _sum(x: Any) -> Any:
    """The sum of a short row of whole steps, in lanes."""
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(0, x.size, STEP):
        y = x[k : k + STEP]
        a, b, c, d = a + y[0], b + y[1], c + y[2], d + y[3]
        e, f, g, h = e + y[4], f + y[5], g + y[6], h + y[7]
    return ((a + e) + (c + g)) + ((b + f) + (d + h))


@separate
def _add(x: Any, y: Any) -> None:
    for k in range(x.size):
        x[k] += y[k]


@separate
def _carried(x: Any, high: Any, low: Any) -> None:
    """Add to sums, with their rounding errors."""
    for k in range(x.size):
        total = high[k] + x[k]
        back = total - high[k]
        low[k] += (high[k] - (total - back)) + (x[k] - back)
        high[k] = total


def spread(x: Any, flat: Any, led: Any, led_low: Any, met: Any, met_low: Any) -> None:
    """Add a derivative of the pairs of a block, which ``flat`` has too, to the sums of the samples on both sides."""
    for i in range(STEP):
        led[i], led_low[i] = plus(led[i], led_low[i], _sum(x[i]))
    width = met.size
    _add(flat[: 4 * width], flat[4 * width :])
    _add(flat[: 2 * width], flat[2 * width : 4 * width])
    _add(flat[:width], flat[width : 2 * width])
    _carried(flat[:width], met, met_low)
