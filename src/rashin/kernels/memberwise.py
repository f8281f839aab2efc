"""The sweep of losses of the members of a sample, such as quantiles and ensembles: one pass over samples (n, K).

The loss of a sample is the mean over its members of a formula of member, target and level. Levels belong to places, or
to ranks: then each sample is sorted first, by merging, and equal members share the mean of their levels.
"""

from __future__ import annotations

from typing import Any

from rashin.exact import SUM, add_block
from rashin.kernels.formula import HEIGHT
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED
from rashin.kernels.rows import LANES, accurate_sum
from rashin.native.kernel import kernel
from rashin.native.language import call, shaped

__all__ = ["sweep"]


def _merged(x: Any, places: Any, other: Any) -> None:
    """Sort the places of ``x`` by its numbers, in runs of 1, 2, 4, ...; ``other`` is memory of the same size."""
    n, width = x.size, 1
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
    _merged(x, places, other)
    first = 0
    while first < n:
        last = first
        while last + 1 < n and x[int(places[last + 1])] == x[int(places[first])]:
            last += 1
        for k in range(first, last + 1):
            own[int(places[k])] = 0.5 * (levels[first] + levels[last])  # levels are linear in the rank
        first = last + 1


def _room(z: Any) -> int:
    return 7 * int(z.shape[1]) + 7 * HEIGHT + LANES + SUM


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
    """
    n, count = z.shape
    lanes, value, rest = room[:LANES], room[LANES : LANES + 1], room[LANES + SUM :]
    x, own = rest[:count], rest[count : 2 * count]
    places, other = rest[2 * count : 3 * count], rest[3 * count : 4 * count]
    terms, slopes, curvatures = (
        shaped(rest[4 * count :], (1, count)),
        rest[5 * count : 6 * count],
        rest[6 * count : 7 * count],
    )
    blocks = rest[7 * count :]
    pair, ts, ws = blocks[: 2 * HEIGHT], blocks[2 * HEIGHT : 3 * HEIGHT], blocks[3 * HEIGHT : 4 * HEIGHT]
    of_terms, of_slopes, of_curvatures = (
        blocks[4 * HEIGHT : 5 * HEIGHT],
        blocks[5 * HEIGHT : 6 * HEIGHT],
        blocks[6 * HEIGHT : 7 * HEIGHT],
    )
    for k in range(count):
        own[k] = levels[k]
    for i in range(n):
        weight = w[i] if w.size else 1.0
        strange = 0
        for k in range(count):
            x[k] = z[i, k]
            strange |= int(x[k] != x[k])
        if strange != 0:
            return PREDICTION, i
        if t[i] != t[i]:
            return TARGET, i
        if ranked != 0:
            _by_rank(x, levels, places, other, own)
        factor = weight / divisor / count
        for k in range(min(count, HEIGHT)):
            ws[k] = factor
        for start in range(0, count, HEIGHT):
            size = min(HEIGHT, count - start)
            for k in range(size):
                pair[k] = x[start + k] if weight != 0.0 else 0.0
                pair[HEIGHT + k] = own[start + k]
                ts[k] = t[i] if weight != 0.0 else 0.0
            call(loop, pair, ts, ws, parameters, of_terms, of_slopes, of_curvatures, size)
            for k in range(size):
                terms[0, start + k] = of_terms[k]
                slopes[start + k] = of_slopes[k]
                curvatures[start + k] = of_curvatures[k]
        value[0] = accurate_sum(terms, 0, lanes) / count * weight if weight != 0.0 else 0.0
        if gradient.size:
            for k in range(count):
                gradient[i, k] = slopes[k]
        if hessian.size:
            for k in range(count):
                hessian[i, k] = curvatures[k]
        if values.size:
            values[i] = value[0]
        if not add_block(limbs, value):
            return UNDEFINED, i
    return FINE, 0
