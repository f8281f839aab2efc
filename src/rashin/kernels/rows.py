"""Rows of numbers: peaks, sums and exponentials, without losing a digit; and the links built of them.

With m the largest logit of a row and n the number of classes that have it,

    rest = (n - 1) + sum of e^(z_j - m) over z_j < m,      logsumexp(z) = m + log1p(rest),
    u_j = (z_j - m) - log1p(rest),                         p_j = e^(z_j - m) / (1 + rest),

and 1 - p is the sum of the others, so that no digit is lost when one class dominates, which is where training ends.

Sums of a row run in 32 fixed lanes over 512 terms, and those partial sums are added with their rounding errors (Knuth,
TAOCP 2, 4.2.2): the same bits wherever the row lies. The functions take a block and the number of a row, since a
slice per row would cost more than the arithmetic of a short one.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from rashin import scalar
from rashin.kernels.kept import kept
from rashin.kernels.pointwise import FINE, PREDICTION, UNDEFINED

__all__ = [
    "LANES",
    "accurate_sum",
    "array_type",
    "exponentials",
    "fill_log_probabilities",
    "has_nan",
    "hessian_entry",
    "jit",
    "label_hessian_entry",
    "label_others",
    "links",
    "prepared",
    "rest_of",
    "shares",
    "softcapped",
]

LANES = 32
SPAN = 512  # terms of a row summed in lanes before the error-free addition

jit = nb.njit(error_model="numpy", nogil=True)


def array_type(item: Any, dimensions: int, readonly: bool = False) -> Any:
    """The type of a C-contiguous array; what is declared read-only takes writable arrays too."""
    return nb.types.Array(item, dimensions, "C", readonly=readonly)


@jit
def _peak(z: Any, i: int, lanes: Any) -> Any:
    """The largest of row ``i``. Compared lane by lane, since LLVM keeps the order of a plain maximum."""
    peak, classes = -np.inf, z.shape[1]
    whole = classes - classes % LANES
    if whole:
        lanes[:] = -np.inf
        for first in range(0, whole, LANES):
            for j in range(LANES):
                x = np.float64(z[i, first + j])
                lanes[j] = x if x > lanes[j] else lanes[j]
        for j in range(LANES):
            peak = max(peak, lanes[j])
    for j in range(whole, classes):
        x = np.float64(z[i, j])
        peak = x if x > peak else peak
    return peak


@jit
def has_nan(z: Any, i: int) -> Any:
    found = np.int64(0)
    for j in range(z.shape[1]):
        found |= np.int64(z[i, j] != z[i, j])
    return found != 0


@jit
def _below_peak(z: Any, i: int, peak: float, d: Any, error: Any, r: int) -> None:
    """Fill row ``r`` of ``d`` with z - peak and of ``error`` with what rounding took from it (Knuth's two-sum).

    In float64 that error moves the exponential by ulps; differences of float32 are exact wherever it matters.
    """
    if error.size:
        for j in range(z.shape[1]):
            x = np.float64(z[i, j])
            difference = x - peak
            back = difference - x
            d[r, j] = difference
            error[r, j] = scalar.where(difference > -np.inf, (x - (difference - back)) - (peak + back), 0.0)
    else:
        for j in range(z.shape[1]):
            d[r, j] = np.float64(z[i, j]) - peak


@jit
def _at_infinite_peak(z: Any, i: int, d: Any, error: Any, r: int) -> bool:
    """The limit of a row whose peak is +inf: that class takes all. False if there are several."""
    count = 0
    for j in range(z.shape[1]):
        top = z[i, j] == np.inf
        count += top
        d[r, j] = 0.0 if top else -np.inf
    if error.size:
        error[r] = 0.0
    return count == 1


@jit
def prepared(z: Any, i: int, lanes: Any, d: Any, error: Any, r: int) -> Any:
    """Fill row ``r`` of ``d`` with z - peak; returns the peak, NaN where the row has no limit."""
    peak = _peak(z, i, lanes)
    if -np.inf < peak < np.inf:
        _below_peak(z, i, peak, d, error, r)
        return peak
    if peak == np.inf and _at_infinite_peak(z, i, d, error, r):
        return peak
    d[r] = 0.0
    return np.nan


@jit
def exponentials(d: Any, error: Any, e: Any, below: Any, cells: int) -> None:
    """Fill ``e`` with e^d, and ``below`` with the same but 0 for the classes at the peak; flat arrays."""
    if error.size:
        for i in range(cells):
            y = scalar.exp(d[i])
            y = scalar.where(y > 0.0, y + y * error[i], 0.0)
            e[i] = y
            below[i] = scalar.where(d[i] < 0.0, y, 0.0)
    else:
        for i in range(cells):
            y = scalar.exp(d[i])
            e[i] = y
            below[i] = scalar.where(d[i] < 0.0, y, 0.0)


@jit
def _sum_of_few(x: Any, r: int) -> Any:
    """The sum of a row that would not fill the lanes, with its rounding errors."""
    total, error = 0.0, 0.0
    for j in range(x.shape[1]):
        new = total + x[r, j]
        back = new - total
        error += (total - (new - back)) + (x[r, j] - back)
        total = new
    return total + error if abs(total) < np.inf else total


@jit
def _lane_sum(x: Any, r: int, first: int, last: int, lanes: Any) -> Any:
    """The sum of a span of a row, LANES numbers at least, in fixed lanes."""
    whole = last - (last - first) % LANES
    for j in range(LANES):
        lanes[j] = x[r, first + j]
    for i in range(first + LANES, whole, LANES):
        for j in range(LANES):
            lanes[j] += x[r, i + j]
    for j in range(last - whole):
        lanes[j] += x[r, whole + j]
    width = LANES // 2
    while width:
        for j in range(width):
            lanes[j] += lanes[j + width]
        width //= 2
    return lanes[0]


@jit
def accurate_sum(x: Any, r: int, lanes: Any) -> Any:
    """The sum of row ``r``: lanes within spans, spans added with their rounding errors."""
    classes = x.shape[1]
    if classes < LANES:
        return _sum_of_few(x, r)
    total, error = 0.0, 0.0
    first = 0
    while first < classes:
        last = first + SPAN if classes - first >= SPAN + LANES else classes
        part = _lane_sum(x, r, first, last, lanes)
        new = total + part
        back = new - total
        error += (total - (new - back)) + (part - back)
        total, first = new, last
    return total + error if abs(total) < np.inf else total


@jit
def rest_of(below: Any, d: Any, r: int, lanes: Any) -> Any:
    """What the classes besides one at the peak add to the sum of exponentials."""
    ties = np.int64(-1)
    for j in range(d.shape[1]):
        ties += np.int64(d[r, j] == 0.0)
    return accurate_sum(below, r, lanes) + ties


@jit
def label_others(d: float, e: float, rest: float) -> Any:
    """(1 - p) of the label times the sum of exponentials: the sum over the other classes."""
    return rest if d == 0.0 else 1.0 + (rest - e)


@jit
def shares(e: float, rest: float) -> Any:
    """p and 1 - p of a class that is not the label."""
    p = e / (1.0 + rest)
    return p, rest / (1.0 + rest) if e == 1.0 else 1.0 - p


@jit
def hessian_entry(e: float, rest: float, curvature: float, bend: float, z_loss: float) -> Any:
    """d2/dz_j2 of a class that is not the label; ``bend`` is 2 z_loss lse - slope."""
    p, q = shares(e, rest)
    return (curvature + 2.0 * z_loss) * p * p + bend * p * q


@jit
def label_hessian_entry(e: float, rest: float, others: float, curvature: float, bend: float, z_loss: float) -> Any:
    """d2/dz_k2 of the label."""
    p, q = e / (1.0 + rest), others / (1.0 + rest)
    return curvature * q * q + 2.0 * z_loss * p * p + bend * p * q


@jit
def fill_log_probabilities(d: Any, error: Any, log_rest: float, u: Any) -> None:
    """Fill the only row of ``u`` with log softmax(z)."""
    for j in range(d.shape[1]):
        u[0, j] = scalar.where(d[0, j] == 0.0, -log_rest, d[0, j] - log_rest)
    if error.size:
        for j in range(d.shape[1]):
            u[0, j] += error[0, j]


@kept(
    lambda element: nb.types.Tuple((nb.int64, nb.int64))(
        array_type(element, 2, True), array_type(element, 2), array_type(element, 2), array_type(nb.float64, 1)
    )
)
def links(z: Any, probabilities: Any, log_probabilities: Any, logsumexp: Any) -> tuple[int, int]:
    """Softmax, log softmax and logsumexp of the rows of ``z``; those are filled that are not empty."""
    n, classes = z.shape
    d, e, u, lanes = np.empty((1, classes)), np.empty((1, classes)), np.empty((1, classes)), np.empty(LANES)
    error = np.empty((1 if z.itemsize == 8 else 0, classes))
    for i in range(n):
        if has_nan(z, i):
            return PREDICTION, i
        peak = prepared(z, i, lanes, d, error, 0)
        if peak != peak:
            if not logsumexp.size:
                return UNDEFINED, i
            logsumexp[i] = _peak(z, i, lanes)  # +inf or -inf, whatever the number of classes that have it
            continue
        exponentials(d[0], error.reshape(-1), e[0], u[0], classes)
        rest = rest_of(u, d, 0, lanes)
        log_rest = scalar.log1p(rest)
        if logsumexp.size:
            logsumexp[i] = peak + log_rest
        if log_probabilities.size:
            fill_log_probabilities(d, error, log_rest, u)
            log_probabilities[i] = u[0]
        if probabilities.size:
            for j in range(classes):
                probabilities[i, j] = e[0, j] / (1.0 + rest)
    return FINE, 0


@kept(lambda element: nb.void(array_type(element, 1, True), nb.float64, *[array_type(element, 1)] * 3))
def softcapped(z: Any, cap: float, capped: Any, first: Any, second: Any) -> None:
    """Fill in cap tanh(z / cap) and its two derivatives by z; the first is sech^2, without 1 - tanh^2."""
    for i in range(z.size):
        x = z[i] / cap
        lost = scalar.where(scalar.abs(x) < 1e3, scalar.fma(-x, cap, z[i]) / cap, 0.0)  # what rounding took from x
        tanh = scalar.tanh(x)
        e = scalar.exp(-2.0 * scalar.abs(x))
        e -= e * scalar.where(x < 0.0, -2.0 * lost, 2.0 * lost)
        capped[i] = cap * tanh
        first[i] = 4.0 * e / ((1.0 + e) * (1.0 + e))
        second[i] = -2.0 * tanh * first[i] / cap
