"""Rows of few classes, laid side by side: the vector instructions run across the rows, class by class.

Ten classes would not fill a vector; taken row by row they cost 14 ns a class, here 2 to 4. Numbers and formulas are
those of ``rows`` and ``labelwise``. All loops run to a whole number of steps, over rows of zeros beyond the last one:
what is left over would be done one by one. Arrays are cut out of larger ones before they are handed over: an index of
two terms might be negative, and nothing would be vectorised.

Measured per class of float32, C = 10, one thread, AVX-512 (ns, on a busy machine; the whole took 3.7, and 6.5 before
rows were transposed in tiles): layout 0.2, peaks 0.15, exponentials and sums 1.05, label 0.25, logarithm 0.3, factors
0.15, gradient 0.4, and 0.7 for memory. Transposing number by number, with the conversion to double, took 0.7 more.
Tried and rejected: blocks of 64 or 96 rows (0.2 more; of 128 to 256 no less); tiles of 8 x 8, which ten classes do not
fill (0.1 more); the sums in a loop of their own (0.15 more); a shorter logarithm (0.05 less, and the mean shows it).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED
from rashin.kernels.rows import hessian_entry, label_hessian_entry
from rashin.native.language import NARROW, TALL, fetch, interleaved, stack, turn, turn_back

__all__ = ["FEW", "block_rows", "column_derivatives", "column_parts", "wide"]

MOST, CELLS = 192, 1 << 14  # rows of a block, which its sums on the stack limit too, and about so many numbers
STEP = 16  # rows that two vectors of doubles hold
LINE = 64  # bytes of a cache line
FEW = 160  # classes; from here on rows are long enough to be taken one by one


def block_rows(classes: int) -> int:
    """How many rows to a block: a whole number of steps."""
    return min(MOST, max(STEP, CELLS // classes // STEP * STEP))


def wide(size: int) -> int:
    """The rows up to a whole number of steps."""
    return size + (-size & (STEP - 1))


def _in_tiles(z: Any) -> Any:
    """How many rows are transposed in tiles, the rest number by number."""
    size, classes = z.shape
    return size - size % TALL if classes >= NARROW else 0


def _laid_out(z: Any, x: Any) -> None:
    """Fill x[j, r] with class j of row r, and zeros beyond the last row; meanwhile the next block is fetched."""
    size, classes = z.shape
    whole = _in_tiles(z)
    for first in range(0, whole, TALL):
        for j in range(0, TALL * classes, LINE // z.itemsize):
            fetch(z, first + x.shape[1], j)
        for j in range(0, classes, NARROW):  # the last tile overlaps the one before
            j = min(j, classes - NARROW)
            turn(z, first, j, x, j, first)
    for r in range(whole, size):
        for j in range(classes):
            x[j, r] = z[r, j]
    for j in range(classes):
        for r in range(size, wide(size)):
            x[j, r] = 0


def _settle_peak(x: Any, r: int, peak: float) -> Any:
    """A row whose peak is infinite: of a lone +inf the limit, else NaN; the row is made finite."""
    count = 0
    for j in range(x.shape[0]):
        top = x[j, r] == np.inf
        count += top
        x[j, r] = 0.0 if top or peak < 0.0 else -np.inf
    if count == 1:
        return peak
    for j in range(x.shape[0]):
        x[j, r] = 0.0
    return np.nan


@interleaved
def _peaks(x: Any, size: int, tops: Any, peaks: Any, shift: Any) -> Any:
    """Fill in the peak of each row, NaN if one is NaN, and what to subtract; whether all are finite."""
    for r in range(size):
        tops[r] = x[0, r]
    for j in range(1, x.shape[0]):
        for r in range(size):
            tops[r] = elementary.maximum(tops[r], x[j, r])
    for r in range(size):
        peaks[r] = tops[r]
    for r in range(size):
        shift[r] = tops[r]
    infinite = np.int64(0)
    for r in range(size):
        infinite |= np.int64(shift[r] - shift[r] != 0.0)
    return infinite == 0


def _are_labels(labels: Any, classes: int) -> Any:
    """Whether all of them are classes."""
    wrong = np.int64(0)
    for r in range(labels.size):
        wrong |= np.int64(labels[r] < 0) | np.int64(labels[r] >= classes)
    return wrong == 0


def _settled(labels: Any, w: Any, outside: int, x: Any, peaks: Any, shift: Any) -> tuple[int, int]:
    """What is wrong with the rows, and where; rows outside, and rows without a limit that do not count, are cleared."""
    for r in range(labels.size):
        k = labels[r]
        if k == outside and w.size and w[r] == 0.0:
            peaks[r], shift[r] = 0.0, 0.0
            for j in range(x.shape[0]):
                x[j, r] = 0.0
            continue
        if peaks[r] != peaks[r]:
            return PREDICTION, r
        if not 0 <= k < x.shape[0]:
            return TARGET, r
    for r in range(labels.size):
        if not -np.inf < peaks[r] < np.inf:
            peaks[r] = _settle_peak(x, r, peaks[r])
            shift[r] = 0.0
            if peaks[r] != peaks[r] and not (w.size and w[r] == 0.0):
                return UNDEFINED, r
    return FINE, 0


@interleaved
def _plain_exponentials(x: Any, size: int, shift: Any, e: Any, rests: Any) -> Any:
    """Fill ``e`` with e^(x - shift) of what was float32, where the difference is exact wherever it matters.

    Fill ``rests`` with the sums of those below the peak, to a few ulps of double; how many there are in all.
    """
    sums = stack()  # nothing overlaps it, as the compiler knows: else it would not vectorise the loop
    for r in range(size):
        sums[r] = 0.0
    count = np.int64(0)
    for j in range(x.shape[0]):
        for r in range(size):
            d = np.float64(x[j, r]) - shift[r]
            y = elementary.exp_below(d)
            e[j, r] = y
            sums[r] = elementary.where(d < 0.0, sums[r] + y, sums[r])
            count += np.int64(d < 0.0)
    for r in range(size):
        rests[r] = sums[r]
    return count


def _add_ties(x: Any, size: int, tops: Any, ties: Any, rests: Any) -> None:
    """Add one for each class at the peak beyond the first, of which most blocks have none."""
    for r in range(size):
        ties[r] = -1.0
    for j in range(x.shape[0]):
        for r in range(size):
            ties[r] += elementary.where(x[j, r] < tops[r], 0.0, 1.0)
    for r in range(size):
        rests[r] += ties[r]


@interleaved
def _exponentials(x: Any, size: int, shift: Any, e: Any) -> None:
    """Fill ``e`` with e^(x - shift), with the rounding error of the difference."""
    for j in range(x.shape[0]):
        for r in range(size):
            d = x[j, r] - shift[r]
            back = d - x[j, r]
            error = (x[j, r] - (d - back)) - (shift[r] + back)
            y = elementary.exp(d)
            e[j, r] = elementary.where(y > 0.0, y + y * error, 0.0)


def _sums(x: Any, e: Any, size: int, shift: Any, rests: Any, errors: Any, ties: Any) -> None:
    """Fill ``rests`` with the sums besides one class at the peak, with the rounding errors of the additions."""
    for r in range(size):
        rests[r], errors[r], ties[r] = 0.0, 0.0, -1.0
    for j in range(x.shape[0]):
        for r in range(size):
            below = x[j, r] < shift[r]
            term = elementary.where(below, e[j, r], 0.0)
            total = rests[r] + term
            went = total - rests[r]
            errors[r] += (rests[r] - (total - went)) + (term - went)
            ties[r] += elementary.where(below, 0.0, 1.0)
            rests[r] = total
    for r in range(size):
        rests[r] = (rests[r] + errors[r]) + ties[r]


@interleaved
def _of_labels(labels: Any, x: Any, e: Any, shift: Any, rests: Any, own_e: Any, others: Any, own: Any) -> None:
    """Fill in the exponential of the label, the sum over the others, z - peak, and in place of the peak its error."""
    for r in range(labels.size):
        k = max(labels[r], 0)
        own[r], own_e[r] = x[k, r], e[k, r]
    for r in range(labels.size):
        top, logit = shift[r], own[r]
        d = logit - top
        back = d - logit
        own[r] = d
        shift[r] = elementary.where(d > -np.inf, (logit - (d - back)) - (top + back), 0.0)
    for r in range(labels.size):
        others[r] = elementary.where(own[r] == 0.0, rests[r], 1.0 + (rests[r] - own_e[r]))


def column_parts(
    z: Any, labels: Any, w: Any, outside: int, x: Any, e: Any, tops: Any, peaks: Any, rests: Any, own_e: Any,
    others: Any, own: Any, own_error: Any,
) -> tuple[int, int]:  # fmt: skip
    """Of each row the peak, the sums over the others than the peak and than the label, and z - peak of the label."""
    _laid_out(z, x)
    shift, full = own_error, wide(z.shape[0])
    finite = _peaks(x, full, tops, peaks, shift)
    if not (finite and _are_labels(labels, z.shape[1])):
        found, r = _settled(labels, w, outside, x, peaks, shift)
        if found != FINE:
            return found, r
    if z.itemsize == 4:
        if _plain_exponentials(x, full, shift, e, rests) != full * (z.shape[1] - 1):
            _add_ties(x, full, shift, own, rests)
    else:
        _exponentials(x, full, shift, e)
        _sums(x, e, full, shift, rests, others, own)
    _of_labels(labels, x, e, shift, rests, own_e, others, own)
    return FINE, 0


@interleaved
def _scaled(e: Any, size: int, factors: Any, x: Any) -> None:
    """Fill x[j, r] with factor[r] e[j, r], rounded to the type of x."""
    for j in range(e.shape[0]):
        for r in range(size):
            x[j, r] = factors[r] * e[j, r]


def _laid_back(x: Any, z: Any) -> None:
    """Fill z[r, j] with x[j, r]."""
    size, classes = z.shape
    whole = _in_tiles(z)
    for first in range(0, whole, TALL):
        for j in range(0, classes, NARROW):
            j = min(j, classes - NARROW)
            turn_back(x, j, first, z, first, j)
    for r in range(whole, size):
        for j in range(classes):
            z[r, j] = x[j, r]


def _put_back(e: Any, factors: Any, labels: Any, own: Any, x: Any, z: Any) -> None:
    """Fill rows of z with factor[r] e[j, r], but own[r] for the label, by way of ``x``."""
    _scaled(e, wide(labels.size), factors, x)
    _laid_back(x, z)
    for r in range(labels.size):
        z[r, max(labels[r], 0)] = own[r]


@interleaved
def _of_gradient(
    size: int, own_e: Any, rests: Any, others: Any, slopes: Any, pulls: Any, factors: Any, coefficients: Any, own: Any,
) -> None:  # fmt: skip
    """Fill in what to multiply the exponentials by, and the label's entry."""
    for r in range(size):
        coefficients[r] = (pulls[r] - slopes[r]) * factors[r] / (1.0 + rests[r])
    for r in range(size):
        own[r] = factors[r] * ((slopes[r] * others[r] + pulls[r] * own_e[r]) / (1.0 + rests[r]))


@interleaved
def _of_plain_gradient(
    size: int, own_e: Any, rests: Any, others: Any, slopes: Any, pulls: Any, factors: Any, coefficients: Any, own: Any,
) -> None:  # fmt: skip
    """The same for a gradient of float32, with one division."""
    for r in range(size):
        coefficients[r] = factors[r] / (1.0 + rests[r])
    for r in range(size):
        own[r] = coefficients[r] * (slopes[r] * others[r] + pulls[r] * own_e[r])
    for r in range(size):
        coefficients[r] *= pulls[r] - slopes[r]


def column_derivatives(
    labels: Any, x: Any, e: Any, own_e: Any, rests: Any, others: Any, slopes: Any, curvatures: Any, pulls: Any,
    z_loss: float, factors: Any, gradient: Any, hessian: Any, coefficients: Any, own: Any,
) -> None:  # fmt: skip
    """Gradient and Hessian diagonal of the rows, as ``row_derivatives``."""
    size = labels.size
    if gradient.size:
        if gradient.itemsize == 4:
            _of_plain_gradient(size, own_e, rests, others, slopes, pulls, factors, coefficients, own)
        else:
            _of_gradient(size, own_e, rests, others, slopes, pulls, factors, coefficients, own)
        _put_back(e, coefficients, labels, own, x, gradient)
    if hessian.size:
        for r in range(size):
            bend = pulls[r] - slopes[r]
            own[r] = factors[r] * label_hessian_entry(own_e[r], rests[r], others[r], curvatures[r], bend, z_loss)
        for j in range(e.shape[0]):  # in the place of the exponentials: their last use
            for r in range(size):
                bend = pulls[r] - slopes[r]
                e[j, r] = hessian_entry(e[j, r], rests[r], curvatures[r], bend, z_loss)
        _put_back(e, factors, labels, own, x, hessian)
