"""The sweep of losses of pairs: within a set, a formula of the difference of two predictions whose targets differ.

Samples of a set are sorted by target, largest first, so that the pairs that a sample leads are with a run of later
ones. A few leaders meet a few of the others at a time, as a block in the L1 cache for which the formula is called once:
nothing is as large as the pairs. Pairs of equal targets have weight 0 there.

Pairs may be restricted to those with one sample among the first by score: then the first meet all others, and the
others meet the first. Samples that meet others, and those that are met, are sides: an array with a row for each number
of a sample, and rows for the sums of its derivatives. What a sample gets from the pairs that it leads and from those
that it does not has opposite signs as a rule: the two are summed apart, in parts of few terms added with their rounding
errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.exact import MAGNITUDE, bits_of, grid_at, top_bits
from rashin.kernels.memberwise import sort_places
from rashin.kernels.pair_blocks import (
    APART,
    BELOW,
    BEND,
    BEND_LOW,
    BENT,
    BENT_LOW,
    BLOCK,
    CURVATURE,
    FACTOR,
    FALL,
    FALL_LOW,
    FOLLOWED,
    FOLLOWED_LOW,
    GAIN,
    LED,
    LED_LOW,
    LN2,
    LOST,
    PLACE,
    SCORE,
    SIDE,
    SLOPE,
    STEP,
    TARGET,
    TARGETS_APART,
    VALUE,
    WEIGHT,
    WIDE,
    corrected,
    fill,
    spread,
    terms,
)
from rashin.kernels.rows import MANY, plus, span_sum
from rashin.native.kernel import DOUBLE, kernel
from rashin.native.language import call, shaped

__all__ = ["discounts", "sweep"]

FEW = 256  # numbers that are sorted by counting


def _first_below(t: Any, target: float, first: int) -> Any:
    """The first place, from ``first`` on, of a target that is less."""
    while first < t.size and t[first] >= target:
        first += 1
    return first


def _weigh(led: Any, i: int, last: int, met: Any, first: int, size: int, sums: Any) -> None:
    """Add the weights of the pairs of some leaders."""
    for k in range(i, last):
        first = _first_below(met[TARGET, :size], led[TARGET, k], first)
        if first < size:
            sums[2], sums[3] = plus(sums[2], sums[3], led[WEIGHT, k] * met[BELOW, first])


def _pairs(
    loop: int, parameters: Any, led: Any, leaders: int, met: Any, size: int, strip: int, strips: int, order: int,
    wide: bool, swaps: int, room: Any, sums: Any,
) -> None:  # fmt: skip
    """Add the pairs of two sides to their sums; loss and weight, each with an error, to ``sums``.

    Of the leaders, STEP at a time fall to the strips in turn.
    """
    first, lanes = 0, room[BLOCK * STEP * WIDE :]
    for i in range(STEP * strip, leaders, STEP * strips):
        first = _first_below(met[TARGET, :size], led[TARGET, i], first)
        _weigh(led, i, min(i + STEP, leaders), met, first, size, sums)
        x = slice(i, i + STEP)
        for j in range(first, size, WIDE):
            width = min(size - j, WIDE)
            width += -width & (STEP - 1)
            used = STEP * width
            y, flat, block = slice(j, j + width), shaped(room, (BLOCK, used)), shaped(room, (BLOCK, STEP, width))
            fill(led, x, met, y, block, wide, swaps)
            values, slopes, curvatures = flat[VALUE], flat[SLOPE], flat[CURVATURE]
            call(loop, flat[APART], flat[TARGETS_APART], flat[FACTOR], parameters, values, slopes, curvatures, used)
            terms(flat[FACTOR], values)
            if wide:
                corrected(values, slopes, flat[LOST])
            sums[0], sums[1] = plus(sums[0], sums[1], span_sum(values, lanes))
            if order > 0:
                if wide:
                    corrected(slopes, curvatures, flat[LOST])
                spread(block[SLOPE], slopes, led[LED, x], led[LED_LOW, x], met[FOLLOWED, y], met[FOLLOWED_LOW, y])
            if order > 1:
                spread(block[CURVATURE], curvatures, led[BENT, x], led[BENT_LOW, x], met[BEND, y], met[BEND_LOW, y])


def _exactly_apart(z: Any) -> Any:
    """Whether no difference of two of the numbers is rounded: all are whole numbers of a grid, of 52 bits."""
    top = top_bits(z)
    exponent = (top >> 52) - 1023 + 2
    if not -1022 <= exponent <= 1023:
        return top == 0
    grid, left = grid_at(exponent), np.int64(0)
    for k in range(z.size):
        left |= bits_of(z[k] - ((z[k] + grid) - grid)) & MAGNITUDE
    return left == 0


def _are_whole(x: Any) -> Any:
    """Whether all numbers are whole and below 2^52."""
    wrong = np.int64(0)
    for k in range(x.size):
        y = x[k] + 2.0**52
        wrong |= np.int64(y - 2.0**52 != x[k])
    return wrong == 0


def _at_least(x: Any, y: float) -> Any:
    count = np.int64(0)
    for k in range(x.size):
        count += np.int64(x[k] >= y)
    return count


def _above(x: Any, y: float) -> Any:
    count = np.int64(0)
    for k in range(x.size):
        count += np.int64(x[k] > y)
    return count


def _sorted(x: Any, keys: Any, places: Any, other: Any) -> None:
    """Fill in the places of ``x`` from the largest number on, equal ones in their order.

    Few numbers are sorted by counting, without a branch that cannot be foreseen: 100 in a third of the time.
    """
    n = x.size
    if n <= FEW:
        for k in range(n):
            places[_at_least(x[:k], x[k]) + _above(x[k + 1 :], x[k])] = k
        return
    for k in range(n):
        keys[k], places[k] = -x[k], k
    sort_places(keys, places, other)


def _gathered(side: Any, places: Any, z: Any, t: Any, w: Any, ranks: Any, low: float, high: float) -> Any:
    """Fill in a side with the samples whose rank lies in [low, high), in the order of the places; how many."""
    count = 0
    for k in range(places.size):
        place = int(places[k])
        if ranks.size == 0 or low <= ranks[place] < high:
            side[SCORE, count], side[TARGET, count], side[PLACE, count] = z[place], t[place], places[k]
            side[WEIGHT, count] = w[place] if w.size else 1.0
            count += 1
    last = max(count - 1, 0)
    for k in range(count, count + STEP):  # of weight 0, and otherwise like the last
        for row in range(SIDE):
            side[row, k] = side[row, last]
        side[WEIGHT, k] = 0.0
    for row in range(LED, SIDE):
        for k in range(count + STEP):
            side[row, k] = 0.0
    total, error = 0.0, 0.0
    for k in range(count - 1, -1, -1):
        total, error = plus(total, error, side[WEIGHT, k])
        side[BELOW, k] = total + error
    return count


def _valued(side: Any, count: int, ranks: Any, table: Any, share: float) -> None:
    """Fill in the gains of the targets times ``share``, and where the discounts of the ranks have fallen to."""
    for k in range(count + STEP):
        rank = int(ranks[int(side[PLACE, k])])
        side[GAIN, k] = share * elementary.float_power(2.0, side[TARGET, k])
        side[FALL, k], side[FALL_LOW, k] = table[1, rank], table[2, rank]


def _ideal(side: Any, count: int, table: Any) -> Any:
    """The discounted gain of the best order of the first samples."""
    total, error = 0.0, 0.0
    for k in range(count):
        t = side[TARGET, k]
        gain = elementary.expm1(LN2 * t) if t < 1.0 else elementary.float_power(2.0, t) - 1.0
        total, error = plus(total, error, gain * table[0, k])
    return total + error


def _settled(side: Any, count: int, order: int, gradient: Any, hessian: Any) -> None:
    """Add the sums of a side's samples to the derivatives."""
    for k in range(count):
        place = int(side[PLACE, k])
        if order > 0:
            total, error = plus(side[LED, k], side[LED_LOW, k] - side[FOLLOWED_LOW, k], -side[FOLLOWED, k])
            gradient[place] += total + error
        if order > 1:
            total, error = plus(side[BENT, k], side[BENT_LOW, k] + side[BEND_LOW, k], side[BEND, k])
            hessian[place] += total + error


def _length(most: int) -> int:
    """The room of each number of a side: a whole number of steps, with one more."""
    return most + 2 * STEP - most % STEP


def _room(most: int, truncation: int) -> int:
    sides = 3 if truncation > 0 else 1
    return _length(most) * (sides * SIDE + 4) + BLOCK * STEP * WIDE + MANY + 4


@kernel(
    "i8 i8 f8[:] f8[:] f8[:] f8[:] i8[:] i8 i8 i8 i8 i8 f8[:, :] f8[:] f8[:] f8[:] f8[:]",
    elements=(DOUBLE,),
    room=_room,
)
def sweep(
    loop: int,
    careful: int,
    z: Any,
    t: Any,
    w: Any,
    parameters: Any,
    starts: Any,
    most: int,
    order: int,
    truncation: int,
    strip: int,
    strips: int,
    table: Any,
    values: Any,
    masses: Any,
    gradient: Any,
    hessian: Any,
    room: Any,
) -> None:
    """Sweep over the sets ``starts[g]:starts[g + 1]`` of at most ``most`` samples.

    ``careful`` is the loop of the next derivative, for scores whose differences are rounded. ``table`` is that of
    ``discounts`` if pairs are weighted by their swaps in NDCG, else empty; ``truncation`` is 0 for all pairs. Of a set
    only every ``strips``-th block of leaders is taken, from ``strip`` on. The derivatives are added to what is there.
    """
    length, swapped = _length(most), table.size > 0
    keys, places, other = room[:length], room[length : 2 * length], room[2 * length : 3 * length]
    ranks = room[3 * length : 4 * length]
    wholly, first = shaped(room[4 * length :], (SIDE, length)), shaped(room[(4 + SIDE) * length :], (SIDE, length))
    second = shaped(room[(4 + 2 * SIDE) * length :], (SIDE, length))
    rest = room[(4 + (3 if truncation > 0 else 1) * SIDE) * length :]
    sums, block = rest[:4], rest[4:]
    for g in range(starts.size - 1):
        own = slice(starts[g], starts[g + 1])
        zs, ts, ws = z[own], t[own], w[own] if w.size else w
        gradients, hessians = gradient[own] if order > 0 else gradient, hessian[own] if order > 1 else hessian
        for k in range(4):
            sums[k] = 0.0
        count = zs.size
        ranked = ranks[:0]
        if swapped or truncation > 0:
            ranked = ranks[:count]
            _sorted(zs, keys, places[:count], other)
            for k in range(count):
                ranked[int(places[k])] = k
        _sorted(ts, keys, places[:count], other)
        _gathered(wholly, places[:count], zs, ts, ws, ranked, 0.0, np.inf)
        wide = not _exactly_apart(wholly[SCORE, :count])
        run = careful if wide else loop
        share, swaps = 1.0, 0
        if swapped:
            ideal = _ideal(wholly, min(count, truncation) if truncation > 0 else count, table)
            share, swaps = 1.0 / ideal if ideal > 0.0 else 0.0, 1 if _are_whole(wholly[TARGET, :count]) else 2
            _valued(wholly, count, ranked, table, share)
        if truncation == 0 or truncation >= count:
            _pairs(run, parameters, wholly, count, wholly, count, strip, strips, order, wide, swaps, block, sums)
        else:
            many = _gathered(first, places[:count], zs, ts, ws, ranked, 0.0, truncation)
            others = _gathered(second, places[:count], zs, ts, ws, ranked, truncation, np.inf)
            if swapped:
                _valued(first, many, ranked, table, share)
                _valued(second, others, ranked, table, share)
            _pairs(run, parameters, first, many, wholly, count, strip, strips, order, wide, swaps, block, sums)
            _pairs(run, parameters, second, others, first, many, strip, strips, order, wide, swaps, block, sums)
            _settled(first, many, order, gradients, hessians)
            _settled(second, others, order, gradients, hessians)
        _settled(wholly, count, order, gradients, hessians)
        values[g] = sums[0] + sums[1] if abs(sums[0]) < np.inf else sums[0]
        masses[g] = sums[2] + sums[3] if abs(sums[2]) < np.inf else sums[2]


@kernel("f8[:, :]", elements=(DOUBLE,))
def discounts(table: Any) -> None:
    """Fill in 1 / log2(2 + r) of the ranks r = 0, 1, ..., and how far it has fallen since rank 0, as high + low.

    The discounts of neighbours would cancel: what lies between them, log2((3 + r) / (2 + r)) over the product of their
    logarithms, is summed.
    """
    total, error = 0.0, 0.0
    for r in range(table.shape[1]):
        m = 2.0 + r
        here, next = elementary.log(m), elementary.log(m + 1.0)
        table[0, r], table[1, r], table[2, r] = LN2 / here, total, error
        total, error = plus(total, error, LN2 * elementary.log1p(1.0 / m) / (here * next))
