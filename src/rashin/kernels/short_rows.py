"""Rows of few classes, laid side by side: the vector instructions run across the rows, class by class.

Ten classes would not fill a vector; taken row by row they cost 14 ns a class, here 3. Numbers and formulas are those of
``rows`` and ``labelwise``.

Measured per class, C = 10, one thread: layout 0.4 ns, NaN 0.15, peaks 0.25, exponentials 0.7, sums 0.4, gradient 0.55.
Blocks of 512 or 1,024 rows, whose classes lie multiples of 4 KiB apart, took 0.8 for layout and 0.9 for gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import scalar
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED
from rashin.kernels.rows import hessian_entry, label_hessian_entry, peak_of
from rashin.native.language import interleaved

__all__ = ["FEW", "block_rows", "column_derivatives", "column_parts"]

CELLS = 1 << 14  # about so many numbers to a block
FEW = 160  # classes; from here on rows are long enough to be taken one by one


def block_rows(classes: int) -> int:
    """How many rows to a block: not a power of two, which would put all classes of a row on the same cache lines."""
    return min(512, CELLS // classes // 8 * 8) + 8


def _laid_out(z: Any, start: int, x: Any, size: int) -> None:
    """Fill x[j, r] with class j of row start + r, eight rows at a time."""
    whole = size - size % 8
    for first in range(0, whole, 8):
        for j in range(z.shape[1]):
            for r in range(8):
                x[j, first + r] = z[start + first + r, j]
    for r in range(whole, size):
        for j in range(z.shape[1]):
            x[j, r] = z[start + r, j]


def _any_nan(x: Any, size: int) -> Any:
    found = np.int64(0)
    for j in range(x.shape[0]):
        for r in range(size):
            found |= np.int64(x[j, r] != x[j, r])
    return found != 0


def _checked(z: Any, start: int, size: int, labels: Any, w: Any, outside: int, x: Any) -> tuple[int, int]:
    """What is wrong with the rows, and where; rows outside are cleared."""
    suspicious = _any_nan(x, size)
    for r in range(size):
        i = start + r
        k = labels[i]
        if k == outside and w.size and w[i] == 0.0:
            for j in range(x.shape[0]):
                x[j, r] = 0.0
            continue
        if suspicious:
            peak = peak_of(z, i)
            if peak != peak:
                return PREDICTION, i
        if not 0 <= k < z.shape[1]:
            return TARGET, i
    return FINE, 0


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


def _peaks(x: Any, size: int, peaks: Any, shift: Any) -> None:
    """Fill in the peak of each row, NaN where it has no limit, and what to subtract."""
    for r in range(size):
        peaks[r] = x[0, r]
    for j in range(1, x.shape[0]):
        for r in range(size):
            peaks[r] = scalar.where(x[j, r] > peaks[r], x[j, r], peaks[r])
    for r in range(size):
        shift[r] = peaks[r]
        if not -np.inf < peaks[r] < np.inf:
            peaks[r] = _settle_peak(x, r, peaks[r])
            shift[r] = 0.0


@interleaved
def _plain_exponentials(x: Any, size: int, shift: Any, e: Any) -> None:
    """Fill ``e`` with e^(x - shift) of what was float32, where the difference is exact wherever it matters."""
    for j in range(x.shape[0]):
        for r in range(size):
            e[j, r] = scalar.exp_plain(x[j, r] - shift[r])


@interleaved
def _exponentials(x: Any, size: int, shift: Any, e: Any) -> None:
    """Fill ``e`` with e^(x - shift), with the rounding error of the difference."""
    for j in range(x.shape[0]):
        for r in range(size):
            d = x[j, r] - shift[r]
            back = d - x[j, r]
            error = (x[j, r] - (d - back)) - (shift[r] + back)
            y = scalar.exp(d)
            e[j, r] = scalar.where(y > 0.0, y + y * error, 0.0)


def _plain_sums(x: Any, e: Any, size: int, shift: Any, rests: Any, ties: Any) -> None:
    """Fill ``rests`` with the sums of the exponentials besides one class at the peak, to a few ulps of double."""
    for r in range(size):
        rests[r], ties[r] = 0.0, -1.0
    for j in range(x.shape[0]):
        for r in range(size):
            below = x[j, r] < shift[r]
            rests[r] += scalar.where(below, e[j, r], 0.0)
            ties[r] += scalar.where(below, 0.0, 1.0)
    for r in range(size):
        rests[r] += ties[r]


def _sums(x: Any, e: Any, size: int, shift: Any, rests: Any, errors: Any, ties: Any) -> None:
    """The same, with the rounding errors of the additions.

    In a loop of its own, with the exponentials before: together they would not compile to vector instructions.
    """
    for r in range(size):
        rests[r], errors[r], ties[r] = 0.0, 0.0, -1.0
    for j in range(x.shape[0]):
        for r in range(size):
            below = x[j, r] < shift[r]
            term = scalar.where(below, e[j, r], 0.0)
            total = rests[r] + term
            went = total - rests[r]
            errors[r] += (rests[r] - (total - went)) + (term - went)
            ties[r] += scalar.where(below, 0.0, 1.0)
            rests[r] = total
    for r in range(size):
        rests[r] = (rests[r] + errors[r]) + ties[r]


def column_parts(
    z: Any, start: int, size: int, labels: Any, w: Any, outside: int, x: Any, e: Any, peaks: Any, rests: Any,
    others: Any, own: Any, own_error: Any,
) -> tuple[int, int]:  # fmt: skip
    """Of each row the peak, the sums over the others than the peak and than the label, and z - peak of the label."""
    _laid_out(z, start, x, size)
    found, i = _checked(z, start, size, labels, w, outside, x)
    if found != FINE:
        return found, i
    shift = own_error
    _peaks(x, size, peaks, shift)
    if z.itemsize == 4:
        _plain_exponentials(x, size, shift, e)
        _plain_sums(x, e, size, shift, rests, own)
    else:
        _exponentials(x, size, shift, e)
        _sums(x, e, size, shift, rests, others, own)
    undefined = np.int64(0)
    for r in range(size):
        undefined |= np.int64(peaks[r] != peaks[r])
    if undefined != 0:
        for r in range(size):
            if peaks[r] != peaks[r] and not (w.size and w[start + r] == 0.0):
                return UNDEFINED, start + r
    for r in range(size):
        k = max(labels[start + r], 0)
        top, logit = shift[r], x[k, r]
        d = logit - top
        back = d - logit
        own[r] = d
        own_error[r] = scalar.where(d > -np.inf, (logit - (d - back)) - (top + back), 0.0)
        others[r] = scalar.where(d == 0.0, rests[r], 1.0 + (rests[r] - e[k, r]))
    return FINE, 0


def _laid_back(x: Any, factors: Any, start: int, size: int, labels: Any, own: Any, z: Any) -> None:
    """Fill rows of z with factor[r] x[j, r], but own[r] for the label, eight rows at a time."""
    whole = size - size % 8
    for first in range(0, whole, 8):
        for j in range(z.shape[1]):
            for r in range(8):
                z[start + first + r, j] = factors[first + r] * x[j, first + r]
    for r in range(whole, size):
        for j in range(z.shape[1]):
            z[start + r, j] = factors[r] * x[j, r]
    for r in range(size):
        z[start + r, max(labels[start + r], 0)] = own[r]


def column_derivatives(
    start: int, size: int, labels: Any, e: Any, rests: Any, others: Any, slopes: Any, curvatures: Any, pulls: Any,
    z_loss: float, factors: Any, gradient: Any, hessian: Any, coefficients: Any, own: Any,
) -> None:  # fmt: skip
    """Gradient and Hessian diagonal of the rows, as ``row_derivatives``."""
    if gradient.size:
        for r in range(size):
            k, total = max(labels[start + r], 0), 1.0 + rests[r]
            coefficients[r] = (pulls[r] - slopes[r]) * factors[r] / total
            own[r] = factors[r] * ((slopes[r] * others[r] + pulls[r] * e[k, r]) / total)
        _laid_back(e, coefficients, start, size, labels, own, gradient)
    if hessian.size:
        for r in range(size):
            k, bend = max(labels[start + r], 0), pulls[r] - slopes[r]
            own[r] = factors[r] * label_hessian_entry(e[k, r], rests[r], others[r], curvatures[r], bend, z_loss)
        for j in range(e.shape[0]):  # in the place of the exponentials: their last use
            for r in range(size):
                bend = pulls[r] - slopes[r]
                e[j, r] = hessian_entry(e[j, r], rests[r], curvatures[r], bend, z_loss)
        _laid_back(e, factors, start, size, labels, own, hessian)
