"""Whether rows of probabilities, or of their logarithms, sum to 1, up to what storing them has done to the sum.

A row of C numbers may miss 1 by the first of these, and by one of the others more, each of them at most MOST:

    all rows                              C 10^-6; of logarithms at least 10^-3
    all numbers have 2 to 5 decimals      half a unit of the last decimal for each class; of logarithms for all together
    all have 2 to 5 significant digits    half a unit of the last digit of each; of logarithms e^z times that
    all numbers are bfloat16 or float16   2 eps of the type; of logarithms (1 + log C) eps

The first allows for probabilities computed in float32 (a softmax in NumPy misses by up to C 2^-24) and for text of six
or more digits; logits near 10^4 in float32 move all of their log-probabilities by 10^-3 together. Rounding to 16 bits
moves a number by eps / 2 of itself at most, and so the sum; a softmax whose sum is rounded too moves it by eps.

Measured with labels, value only, while other jobs kept the machine busy (processor time, ns per class, without the
check -> with it): probabilities of 1,000 classes 0.9 -> 1.3 in float32 and 1.4 -> 1.8 in float64, of ten classes 2.5 ->
4.3 and 2.4 -> 4.1; log-probabilities of 1,000 classes 0.8 -> 3.0 and 1.1 -> 3.2, nearly all of it exponentials, which
were exact to 2^-52 then. To 2^-26, as they are now, they take 0.9 less (value and gradient, float32, 2.9 -> 2.0).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.kernels.rows import LANES
from rashin.kernels.sums import fill_plain_sums
from rashin.native.kernel import kernel
from rashin.native.language import interleaved, shaped

__all__ = ["EXPONENTIALS", "FREE", "SUM", "deviation", "fill_normalized", "fill_totals", "is_normalized"]

FREE, SUM, EXPONENTIALS = 0.0, 1.0, 2.0  # what of a row must be 1
MOST = 0.05
EACH, LOGARITHMS = 1e-6, 1e-3
TO_11_BITS, TO_8_BITS = 2.0**42 + 1.0, 2.0**45 + 1.0  # Dekker's splitters: float16 and bfloat16 hold so many bits
FLOAT16, BFLOAT16 = 2.0**-10, 2.0**-7  # eps
DECADE = 0.4342944819032518  # a logarithm to base 10 in natural ones
SINGLE = 2.0**-24  # decimals that passed through float32 are off by as much of themselves


def deviation(classes: int, whole: float) -> Any:
    """By how much any row may miss 1."""
    each = EACH * classes
    return min(MOST, max(each, LOGARITHMS) if whole == EXPONENTIALS else each)


def _is_whole(scaled: float) -> Any:
    """Whether it is a whole number; -inf is what the logarithm of 0 is."""
    return scaled == -np.inf or abs(scaled - np.floor(scaled + 0.5)) <= SINGLE * abs(scaled)


def _are_decimals(x: Any, scale: float) -> Any:
    """Whether all numbers are multiples of 1 / scale."""
    for j in range(x.size):
        scaled = np.float64(x[j]) * scale
        if not _is_whole(scaled):
            return False
    return True


def _have_bits(x: Any, splitter: float) -> Any:
    """Whether all numbers have no more bits than the splitter leaves."""
    for j in range(x.size):
        number = np.float64(x[j])
        high = number * splitter
        if number > -np.inf and high - (high - number) != number:
            return False
    return True


def _of_decimals(x: Any, whole: float) -> Any:
    """By how much rounding to as few decimals as the numbers have may move the sum."""
    scale = 100.0
    while scale < 1e6:
        if _are_decimals(x, scale):
            # All logarithms may be off by h together: e^h - 1.
            return elementary.expm1(0.5 / scale) if whole == EXPONENTIALS else 0.5 * x.size / scale
        scale *= 10.0
    return 0.0


def _unit(number: float, digits: int) -> Any:
    """A unit of the last of so many significant digits; 0 of what is too small to show in a sum."""
    size = abs(number)
    return (
        elementary.float_power(10.0, np.floor(elementary.log(size) * DECADE + 1e-9) + 1.0 - digits)
        if 1e-290 < size < np.inf
        else 0.0
    )


def _of_these_digits(x: Any, whole: float, digits: int) -> Any:
    """By how much rounding to so many significant digits may move the sum; -1 if the numbers have more."""
    room = 0.0
    for j in range(x.size):
        number = np.float64(x[j])
        unit = _unit(number, digits)
        if unit > 0.0 and not _is_whole(number / unit):
            return -1.0
        room += elementary.exp(number) * elementary.expm1(0.5 * unit) if whole == EXPONENTIALS else 0.5 * unit
    return room


def _of_digits(x: Any, whole: float) -> Any:
    """The same of as few significant digits as the numbers have."""
    for digits in range(2, 6):
        room = _of_these_digits(x, whole, digits)
        if room >= 0.0:
            return room
    return 0.0


def _of_bits(x: Any, whole: float) -> Any:
    """The same of rounding to 16 bits."""
    factor = 1.0 + elementary.log(np.float64(x.size)) if whole == EXPONENTIALS else 2.0
    if _have_bits(x, TO_8_BITS):
        return factor * BFLOAT16
    return factor * FLOAT16 if _have_bits(x, TO_11_BITS) else 0.0


def is_normalized(x: Any, total: float, whole: float) -> Any:
    """Whether a row whose numbers, or exponentials, add up to ``total`` is a distribution."""
    miss, close = abs(total - 1.0), deviation(x.size, whole)
    if miss <= close:
        return True
    if miss > close + MOST:
        return False
    return miss <= close + max(_of_decimals(x, whole), _of_digits(x, whole), _of_bits(x, whole))


@interleaved
def _fill_exponentials(x: Any, e: Any) -> None:
    """Fill in the exponentials as exactly as their sum is looked at."""
    for j in range(x.size):
        e[j] = elementary.exp_rough(np.float64(x[j]))


def fill_totals(z: Any, start: int, whole: float, parts: Any, lanes: Any, totals: Any) -> None:
    """Fill in the sums of the rows of ``z`` from ``start`` on, or of their exponentials, for which ``parts`` has room.

    Plain sums will do: their error, C 2^-53, is negligible compared with the tolerance of a row.
    """
    if whole == SUM:
        fill_plain_sums(z, start, totals, lanes)
        return
    # All rows as one: a loop over ten classes is too short for vectors.
    cells = totals.size * z.shape[1]
    flat, exponentials = shaped(z[start : start + totals.size], (cells,)), shaped(parts, (cells,))
    _fill_exponentials(flat, exponentials)
    fill_plain_sums(parts, 0, totals, lanes)


def _room(z: Any) -> int:
    return int(z.shape[1]) + 1 + LANES


@kernel("x[:, :] f8 b1[:]", room=_room)
def fill_normalized(z: Any, whole: float, fine: Any, room: Any) -> None:
    """Fill in which of the rows of ``z`` are distributions."""
    lanes, total, parts = room[:LANES], room[LANES : LANES + 1], shaped(room[LANES + 1 :], (1, z.shape[1]))
    for i in range(fine.size):
        fill_totals(z, i, whole, parts, lanes, total)
        fine[i] = is_normalized(z[i], total[0], whole)
