"""The order of a set's samples by time, as sorted integers.

A sample is one integer: from the top, what stands for its time, whether it is chosen, and its place. These sort as
the samples do, later times first and of equal times the chosen last, and say all that a scan wants of the order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.exact import MAGNITUDE
from rashin.native.language import bits, inline

__all__ = ["BUCKETS", "bit_length", "packed", "refined", "sort"]

BUCKETS = 256  # of a digit of 8 bits
SHORT = 24  # so many are sorted by insertion


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


def _insert(v: Any) -> None:
    """Sort a few integers."""
    for i in range(1, v.size):
        x, k = v[i], i
        while k > 0 and v[k - 1] > x:
            v[k] = v[k - 1]
            k -= 1
        v[k] = x


def _largest(v: Any) -> Any:
    """The largest integer; -1 if they are sorted."""
    falls, most = np.int64(0), v[0]
    for i in range(1, v.size):
        falls |= np.int64(v[i] < v[i - 1])
        most = max(most, v[i])
    return most if falls != 0 else np.int64(-1)


def sort(v: Any, other: Any, counts: Any, low: int) -> None:
    """Sort integers >= 0, of which those with equal bits from ``low`` on ascend already.

    By digits of 8 bits from the lowest. ``other`` is memory of the same size, ``counts`` has BUCKETS integers.
    """
    if v.size <= SHORT:
        _insert(v)
        return
    most = _largest(v)
    if most < 0:
        return
    high = bit_length(most)
    source, target = v, other
    for shift in range(low, high, 8):
        for c in range(BUCKETS):
            counts[c] = 0
        for i in range(v.size):
            counts[(source[i] >> shift) & (BUCKETS - 1)] += 1
        place = np.int64(0)
        for c in range(BUCKETS):
            count = counts[c]
            counts[c] = place
            place += count
        for i in range(v.size):
            c = (source[i] >> shift) & (BUCKETS - 1)
            target[counts[c]] = source[i]
            counts[c] += 1
        source, target = target, source
    if max(high - low + 7, 0) // 8 % 2 == 1:
        for i in range(v.size):
            v[i] = other[i]


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
