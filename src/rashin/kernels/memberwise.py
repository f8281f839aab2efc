"""The sweep of losses of the members of a sample, such as quantiles and ensembles: one pass over samples (n, K).

The loss of a sample is the mean over its members of a formula of member, target and level. Levels belong to places, or
to ranks: then each sample is sorted first, by merging, and equal members share the mean of their levels. The formula
runs over a block of samples as one flat array.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.exact import add_block
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED
from rashin.kernels.rows import LANES, accurate_sum, plus
from rashin.native.kernel import kernel
from rashin.native.language import call, shaped

__all__ = ["sort_places", "sweep"]

CELLS, FEW = 512, 16  # numbers of a block; members from which their sum takes lanes


def sort_places(x: Any, places: Any, other: Any) -> None:
    """Sort places of ``x`` by its numbers, in runs of 1, 2, 4, ...; ``other`` is memory of as many."""
    n, width = places.size, 1
    while width < n:
        for start in range(0, n, 2 * width):
            left, right = start, min(start + width, n)
            middle, end = right, min(start + 2 * width, n)
            for k in range(start, end):
                if left < middle and (right >= end or x[int(places[left])] <= x[int(places[right])]):
                    other[k] = places[left]
                    left += 1
                else:
                    other[k] = places[right]
                    right += 1
        for k in range(n):
            places[k] = other[k]
        width *= 2


def _by_rank(x: Any, levels: Any, places: Any, other: Any, own: Any) -> None:
    """Fill in the level of each member: that of its rank, of equal members the mean of theirs."""
    n = x.size
    for k in range(n):
        places[k] = k
    sort_places(x, places, other)
    first = 0
    while first < n:
        last = first
        while last + 1 < n and x[int(places[last + 1])] == x[int(places[first])]:
            last += 1
        for k in range(first, last + 1):
            own[int(places[k])] = 0.5 * (levels[first] + levels[last])  # levels are linear in the rank
        first = last + 1


def _sums(terms: Any, count: int, size: int, lanes: Any, sums: Any) -> None:
    """Fill in the sum of each sample's terms, few of them with one rounding error carried along, many in lanes."""
    rows = shaped(terms, (size, count))
    if count < FEW:
        for r in range(size):
            total, error = 0.0, 0.0
            for k in range(count):
                total, error = plus(total, error, rows[r, k])
            sums[r] = total + error if abs(total) < np.inf else total
        return
    for r in range(size):
        sums[r] = accurate_sum(rows, r, lanes)


def _strange(x: Any) -> Any:
    """The place of the first NaN, or -1."""
    found = np.int64(0)
    for c in range(x.size):
        found |= np.int64(x[c] != x[c])
    if found != 0:
        for c in range(x.size):
            if x[c] != x[c]:
                return c
    return -1


def _height(count: int) -> int:
    """How many samples to a block."""
    return max(1, CELLS // count)


def _room(z: Any) -> int:
    count = int(z.shape[1])
    height = _height(count)
    return 7 * height * count + height + 2 * count + LANES


@kernel("i8 x[:, :] x[:] f8[:] f8 f8[:] f8[:] i8 f8[:] x[:, :] x[:, :] i8[:]", finds=True, room=_room)
def sweep(
    loop: int,
    z: Any,
    t: Any,
    w: Any,
    divisor: float,
    parameters: Any,
    levels: Any,
    ranked: int,
    values: Any,
    gradient: Any,
    hessian: Any,
    limbs: Any,
    room: Any,
) -> tuple[int, int]:
    """Sweep over samples ``z`` (n, K) with targets ``t`` (n,); arguments and answer as in the pointwise sweep.

    ``levels`` are K, by place or, if ``ranked``, by rank. A sample of weight 0 is checked for NaN and left out.

    Measured (float32, AVX-512, value and gradient, two threads, 1e7 samples of 3, without ranks): between a fifth and a
    quarter of the time of the expression in torch. Tried and rejected: one call of the loop for each sample (two
    thirds).
    """
    n, count = z.shape
    height = _height(count)
    cells = height * count
    lanes, sums = room[:LANES], room[LANES : LANES + height]
    places, other = room[LANES + height :], room[LANES + height + count :]
    rows = room[LANES + height + 2 * count :]
    ts, ws, terms = rows[:cells], rows[cells : 2 * cells], rows[2 * cells : 3 * cells]
    slopes, curvatures, pairs = rows[3 * cells : 4 * cells], rows[4 * cells : 5 * cells], rows[5 * cells :]
    for start in range(0, n, height):
        size = min(height, n - start)
        block = slice(start, start + size)
        used, zs, targets = size * count, z[block], t[block]
        x, own = pairs[:used], pairs[used : 2 * used]
        flat = shaped(zs, (used,))
        for c in range(used):
            x[c] = flat[c]
        wrong, wrong_target = _strange(x), _strange(targets)
        if wrong >= 0 and (wrong_target < 0 or wrong // count <= wrong_target):
            return PREDICTION, start + wrong // count
        if wrong_target >= 0:
            return TARGET, start + wrong_target
        for r in range(size):
            weight = w[start + r] if w.size else 1.0
            factor = weight / divisor / count
            for k in range(count):
                c = r * count + k
                own[c], ts[c], ws[c] = levels[k], targets[r], factor
            if ranked != 0:
                part = slice(r * count, (r + 1) * count)
                _by_rank(x[part], levels, places[:count], other[:count], own[part])
            if weight == 0.0:
                for c in range(r * count, (r + 1) * count):
                    x[c], ts[c] = 0.0, 0.0
        call(loop, pairs, ts, ws, parameters, terms, slopes, curvatures, used)
        _sums(terms, count, size, lanes, sums)
        for r in range(size):
            weight = w[start + r] if w.size else 1.0
            sums[r] = sums[r] / count * weight if weight != 0.0 else 0.0
        if gradient.size:
            out = shaped(gradient[block], (used,))
            for c in range(used):
                out[c] = slopes[c]
        if hessian.size:
            out = shaped(hessian[block], (used,))
            for c in range(used):
                out[c] = curvatures[c]
        if values.size:
            for r in range(size):
                values[start + r] = sums[r]
        if not add_block(limbs, sums[:size]):
            return UNDEFINED, start
    return FINE, 0
