"""The order of a set's samples by time, as sorted integers.

A sample is one integer: from the top, what stands for its time, whether it is chosen, and its place. These sort as
the samples do, later times first and of equal times the chosen last, and say all that a scan wants of the order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.exact import MAGNITUDE
from rashin.native.kernel import DOUBLE, kernel
from rashin.native.language import as_integers, bits, inline

__all__ = ["BUCKETS", "bit_length", "count_digits", "deal", "packed", "refined", "sort", "sort_dealt"]

BUCKETS = 256  # of a digit of 8 bits
FEW = 128  # so many are sorted by counting


def _key(time: float) -> Any:
    """An integer that falls where the time rises; the two zeros are equal."""
    b = bits(time + 0.0)
    return ~(b ^ ((b >> 63) & MAGNITUDE))


def bit_length(x: Any) -> Any:
    """How many bits a number has; 64 if it is negative."""
    if x < 0:
        return np.int64(64)
    length = np.int64(0)
    while x > 0:
        x >>= 1
        length += 1
    return length


def _zeros(x: Any) -> Any:
    """How many bits at the low end of a number are 0; of 0 itself, 64."""
    count = np.int64(0)
    while count < 64 and (x >> count) & 1 == 0:
        count += 1
    return count


def _below(v: Any, x: Any) -> Any:
    """How many integers are less."""
    count = np.int64(0)
    for i in range(v.size):
        count += np.int64(v[i] < x)
    return count


def _count(v: Any, other: Any) -> None:
    """Sort different integers, each by how many are less: without a branch that cannot be foreseen."""
    for i in range(v.size):
        other[_below(v, v[i])] = v[i]
    for i in range(v.size):
        v[i] = other[i]


def _differing(v: Any) -> Any:
    """The bits in which integers differ from the first; 0 if they are sorted."""
    falls, differing = np.int64(0), np.int64(0)
    for i in range(1, v.size):
        falls |= np.int64(v[i] < v[i - 1])
        differing |= v[i] ^ v[0]
    return differing if falls != 0 else np.int64(0)


def _counted(v: Any, shift: int, counts: Any) -> None:
    """Fill in how many integers have each digit, ``counts.size`` being a power of 2."""
    for c in range(counts.size):
        counts[c] = 0
    for i in range(v.size):
        counts[(v[i] >> shift) & (counts.size - 1)] += 1


def _dealt(v: Any, shift: int, places: Any, target: Any) -> None:
    """Bring integers to the next of the places of their digit."""
    for i in range(v.size):
        c = (v[i] >> shift) & (places.size - 1)
        target[places[c]] = v[i]
        places[c] += 1


def sort(v: Any, other: Any, counts: Any, low: int) -> None:
    """Sort different integers >= 0, of which those with equal bits from ``low`` on ascend already.

    By digits of 8 bits from the lowest. ``other`` is memory of the same size, ``counts`` has BUCKETS integers.
    """
    if v.size <= FEW:
        _count(v, other)
        return
    differing = _differing(v)
    source, target, swapped = v, other, False
    for shift in range(low, bit_length(differing), 8):
        if (differing >> shift) & (BUCKETS - 1) == 0:
            continue
        _counted(source, shift, counts)
        place = np.int64(0)
        for c in range(BUCKETS):
            count = counts[c]
            counts[c] = place
            place += count
        _dealt(source, shift, counts, target)
        source, target, swapped = target, source, not swapped
    if swapped:
        for i in range(v.size):
            v[i] = other[i]


# -------------------------------------------------------------------------- a large set, divided among threads


@kernel("i8[:] i8 i8[:]", elements=(DOUBLE,))
def count_digits(v: Any, shift: int, counts: Any) -> None:
    """Fill in how many integers of a span have each of the digits from bit ``shift`` on."""
    _counted(v, shift, counts)


@kernel("i8[:] i8 i8[:] i8[:]", elements=(DOUBLE,))
def deal(v: Any, shift: int, places: Any, target: Any) -> None:
    """Bring the integers of a span to the places of their digits, in their order."""
    _dealt(v, shift, places, target)


@kernel("i8[:] i8[:] i8", elements=(DOUBLE,), room=lambda: BUCKETS)
def sort_dealt(dealt: Any, v: Any, low: int, room: Any) -> None:
    """Sort the integers of one digit, as ``sort`` does, into ``v``."""
    sort(dealt, v, as_integers(room[:BUCKETS]), low)  # the room may be larger
    for i in range(v.size):
        v[i] = dealt[i]


@inline
def _time(times: Any, i: int) -> Any:
    return times[i] if times.size else 0.0


@inline
def _is_chosen(shares: Any, w: Any, i: int) -> Any:
    return np.int64((shares[i] if shares.size else 1.0) * (w[i] if w.size else 1.0) > 0.0)


def packed(times: Any, shares: Any, w: Any, v: Any) -> Any:
    """Fill in the integers, not yet sorted; returns how many bits of the times they lack, 0 if none that differ.

    ``times`` are empty if all are equal; ``shares`` and weights ``w`` if all are 1. Those are chosen that have neither
    0.
    """
    n = v.size
    width = bit_length(np.int64(n - 1))
    first, differing = _key(_time(times, 0)), np.int64(0)
    for i in range(times.size):
        differing |= _key(times[i]) ^ first
    high = bit_length(differing)
    low = min(_zeros(differing), high)
    lacking = max(high - low - (62 - width), 0)
    low += lacking
    flip = np.int64(-1) << 63 if high == 64 else np.int64(0)
    field = (np.int64(1) << (high - low)) - 1
    for i in range(n):
        key = ((_key(_time(times, i)) ^ flip) >> low) & field if high > low else np.int64(0)
        v[i] = (((key << 1) | _is_chosen(shares, w, i)) << width) | i
    return low if lacking > 0 else np.int64(0)


def _refined_run(times: Any, v: Any, other: Any, counts: Any, width: int, low: int) -> None:
    """Sort samples by the ``low`` bits of their times, which take the place of the others."""
    places = (np.int64(1) << width) - 1
    for k in range(v.size):
        rest = _key(times[v[k] & places]) & ((np.int64(1) << low) - 1)
        v[k] = (rest << (width + 1)) | (v[k] & (2 * places + 1))
    sort(v, other, counts, width)


def refined(times: Any, v: Any, other: Any, counts: Any, width: int, low: int) -> None:
    """Sort runs of sorted integers with equal times by the ``low`` bits that these lack; times become ranks.

    ``width`` is the number of bits of a place.
    """
    n, places = v.size, (np.int64(1) << width) - 1
    rank, first = np.int64(-1), 0
    while first < n:
        last = first + 1
        while last < n and v[last] >> (width + 1) == v[first] >> (width + 1):
            last += 1
        if last == first + 1:
            rank += 1
            v[first] = (rank << (width + 1)) | (v[first] & (2 * places + 1))
        else:
            _refined_run(times, v[first:last], other[first:last], counts, width, low)
            before = np.int64(-1)
            for k in range(first, last):
                rank += np.int64(v[k] >> (width + 1) != before)
                before = v[k] >> (width + 1)
                v[k] = (rank << (width + 1)) | (v[k] & (2 * places + 1))
        first = last
