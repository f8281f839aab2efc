"""The sweeps of label losses: rows of logits, and a formula of the label's log-probability.

With m the largest logit of a row and n the number of classes that have it,

    rest = (n - 1) + sum of e^(z_j - m) over z_j < m,      logsumexp(z) = m + log1p(rest),
    u_j = (z_j - m) - log1p(rest),                         p_j = e^(z_j - m) / (1 + rest),

and 1 - p is the sum of the others, so that no digit is lost when one class dominates, which is where training ends.

Rows are taken in blocks that fit the L2 cache. What costs, the exponential, runs over the block as one flat array, so
that rows of ten classes fill the vector instructions as rows of ten thousand do. Sums of a row run in 32 fixed lanes
over 512 terms, and those partial sums are added with their rounding errors (Knuth, TAOCP 2, 4.2.2): the same bits
wherever the row lies. The functions take a block and the number of a row, since a slice per row would cost more than
the arithmetic of ten classes.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from rashin import scalar
from rashin.exact import BLOCK, add_block
from rashin.kernels.formula import call
from rashin.kernels.kept import kept
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED

__all__ = ["OUTSIDE", "links", "softcapped", "sweep_distributions", "sweep_labels"]

OUTSIDE = -(1 << 62)  # the label of a row that `where` leaves out

LANES = 32
SPAN = 512  # terms of a row summed in lanes before the error-free addition
CELLS = 4096  # elements of a block of rows, unless one row is longer; BLOCK rows at most

_jit = nb.njit(error_model="numpy", nogil=True)


@_jit
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


@_jit
def _has_nan(z: Any, i: int) -> Any:
    found = np.int64(0)
    for j in range(z.shape[1]):
        found |= np.int64(z[i, j] != z[i, j])
    return found != 0


@_jit
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


@_jit
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


@_jit
def _prepared(z: Any, i: int, lanes: Any, d: Any, error: Any, r: int) -> Any:
    """Fill row ``r`` of ``d`` with z - peak; returns the peak, NaN where the row has no limit."""
    peak = _peak(z, i, lanes)
    if -np.inf < peak < np.inf:
        _below_peak(z, i, peak, d, error, r)
        return peak
    if peak == np.inf and _at_infinite_peak(z, i, d, error, r):
        return peak
    d[r] = 0.0
    return np.nan


@_jit
def _exponentials(d: Any, error: Any, e: Any, below: Any, cells: int) -> None:
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


@_jit
def _sum_of_few(x: Any, r: int) -> Any:
    """The sum of a row that would not fill the lanes, with its rounding errors."""
    total, error = 0.0, 0.0
    for j in range(x.shape[1]):
        new = total + x[r, j]
        back = new - total
        error += (total - (new - back)) + (x[r, j] - back)
        total = new
    return total + error if abs(total) < np.inf else total


@_jit
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


@_jit
def _accurate_sum(x: Any, r: int, lanes: Any) -> Any:
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


@_jit
def _rest(below: Any, d: Any, r: int, lanes: Any) -> Any:
    """What the classes besides one at the peak add to the sum of exponentials."""
    ties = np.int64(-1)
    for j in range(d.shape[1]):
        ties += np.int64(d[r, j] == 0.0)
    return _accurate_sum(below, r, lanes) + ties


@_jit
def _others(k: int, d: Any, e: Any, r: int, rest: float) -> Any:
    """(1 - p) of the label times the sum of exponentials: the sum over the other classes."""
    return rest if d[r, k] == 0.0 else 1.0 + (rest - e[r, k])


@_jit
def _one_less(e: float, p: float, rest: float, total: float) -> Any:
    """1 - p of a class that is not the label."""
    return rest / total if e == 1.0 else 1.0 - p


@_jit
def _label_derivatives(
    k: int, e: Any, r: int, rest: float, others: float, slope: float, curvature: float, pull: float, z_loss: float,
    factor: float, gradient: Any, hessian: Any, i: int,
) -> None:  # fmt: skip
    """The derivatives of phi(u_k) + z_loss lse^2 by the row; ``pull`` is 2 z_loss lse.

    d/dz_j = slope (1k - p_j) + pull p_j,
    d2/dz_j2 = curvature (1k - p_j)^2 + (pull - slope) p_j (1 - p_j) + 2 z_loss p_j^2.
    """
    total = 1.0 + rest
    bend = pull - slope
    if gradient.size:
        coefficient = bend * factor / total
        for j in range(e.shape[1]):
            gradient[i, j] = coefficient * e[r, j]
        gradient[i, k] = factor * ((slope * others + pull * e[r, k]) / total)
    if hessian.size:
        square = curvature + 2.0 * z_loss
        for j in range(e.shape[1]):
            p = e[r, j] / total
            hessian[i, j] = factor * (square * p * p + bend * p * _one_less(e[r, j], p, rest, total))
        p, q = e[r, k] / total, others / total
        hessian[i, k] = factor * (curvature * q * q + 2.0 * z_loss * p * p + bend * p * q)


@_jit
def _clear(gradient: Any, hessian: Any, i: int) -> None:
    """Zeros for a row of weight 0."""
    if gradient.size:
        gradient[i] = 0.0
    if hessian.size:
        hessian[i] = 0.0


def _array(item: Any, dimensions: int, readonly: bool = False) -> Any:
    return nb.types.Array(item, dimensions, "C", readonly=readonly)


def _signature(element: Any, distributions: bool) -> Any:
    double, rows, row = nb.float64, _array(element, 2, True), _array(nb.float64, 1, True)
    return nb.types.Tuple((nb.int64, nb.int64))(
        *(nb.int64, rows, rows) if distributions else (nb.int64, rows),
        *(_array(nb.int64, 1, True), row, double, row, double),
        *(double, double) if distributions else (),
        *(_array(double, 1), _array(element, 2), _array(element, 2), _array(nb.int64, 1)),
    )


@kept(lambda element: _signature(element, False))
def sweep_labels(
    loop: int,
    z: Any,
    labels: Any,
    w: Any,
    divisor: float,
    parameters: Any,
    z_loss: float,
    values: Any,
    gradient: Any,
    hessian: Any,
    limbs: Any,
) -> tuple[int, int]:
    """Sweep over rows ``z`` (n, C) with labels; arguments and answer as in the pointwise sweep.

    A row of weight 0 is checked and then left out; one with the label OUTSIDE is not even checked.
    """
    n, classes = z.shape
    height = min(BLOCK, max(1, CELLS // classes), max(1, n))
    d, e, below = np.empty((height, classes)), np.empty((height, classes)), np.empty((height, classes))
    error = np.empty((height if z.itemsize == 8 else 0, classes))
    flat_d, flat_e, flat_below, flat_error = d.reshape(-1), e.reshape(-1), below.reshape(-1), error.reshape(-1)
    lanes, peaks, rests, others = np.empty(LANES), np.empty(height), np.empty(height), np.empty(height)
    u, lse, terms = np.empty(height), np.empty(height), np.empty(height)
    low, slopes, curvatures = np.empty(height), np.empty(height), np.empty(height)
    for start in range(0, n, height):
        size = min(height, n - start)
        for r in range(size):
            i = start + r
            weight, k = w[i] if w.size else 1.0, labels[i]
            if weight == 0.0 and k == OUTSIDE:
                d[r] = 0.0
                peaks[r] = 0.0
                continue
            if _has_nan(z, i):
                return PREDICTION, i
            if not 0 <= k < classes:
                return TARGET, i
            peaks[r] = _prepared(z, i, lanes, d, error, r)
            if peaks[r] != peaks[r] and weight != 0.0:
                return UNDEFINED, i
        _exponentials(flat_d, flat_error, flat_e, flat_below, size * classes)
        for r in range(size):
            k = max(labels[start + r], 0)
            rests[r] = _rest(below, d, r, lanes)
            others[r] = _others(k, d, e, r, rests[r])
            u[r], lse[r] = d[r, k], error[r, k] if error.size else 0.0
        for r in range(size):
            x = rests[r]
            log_rest = scalar.log1p(x)
            certain = u[r] == 0.0
            u[r] = scalar.where(certain, -log_rest, (u[r] - log_rest) + lse[r])  # -0 for a certain label
            lse[r] = peaks[r] + log_rest
            # How far u lies from where -expm1(u) is 1 - p = x / (1 + x), small x: powers of 1 - p would raise the
            # roundings of log1p and expm1.
            away = (-scalar.expm1(u[r]) - x) + x * x * (1.0 - x * (1.0 - x * (1.0 - x)))
            low[r] = scalar.where(certain & (x < 2.0**-16), away * (1.0 + x), 0.0)
        call(loop, u.ctypes.data, u.ctypes.data, u.ctypes.data, parameters.ctypes.data, terms.ctypes.data,
             slopes.ctypes.data, curvatures.ctypes.data, size)  # fmt: skip
        for r in range(size):
            shift = scalar.where(curvatures[r] != 0.0, low[r], 0.0)
            terms[r] += slopes[r] * shift
            slopes[r] += curvatures[r] * shift
        for r in range(size):
            i = start + r
            weight = w[i] if w.size else 1.0
            if weight == 0.0:
                terms[r] = 0.0
                _clear(gradient, hessian, i)
                continue
            pull = 0.0
            if z_loss != 0.0:
                terms[r] += z_loss * lse[r] * lse[r]
                pull = 2.0 * z_loss * lse[r]
            if terms[r] != terms[r]:
                return UNDEFINED, i
            terms[r] *= weight
            _label_derivatives(labels[i], e, r, rests[r], others[r], slopes[r], curvatures[r], pull, z_loss,
                               weight / divisor, gradient, hessian, i)  # fmt: skip
        if values.size:
            values[start : start + size] = terms[:size]
        add_block(limbs, terms[:size])
    return FINE, 0


@_jit
def _distribution(q: Any, i: int, tolerance: float, mix: Any, lanes: Any) -> bool:
    """Fill the only row of ``mix`` with row ``i`` of ``q``; False if it is no distribution."""
    outside = np.int64(0)
    for j in range(q.shape[1]):
        x = np.float64(q[i, j])
        mix[0, j] = x
        outside |= np.int64(not (x >= 0.0)) | np.int64(not (x <= 1.0))
    return outside == 0 and abs(_accurate_sum(mix, 0, lanes) - 1.0) <= tolerance


@_jit
def _only_label(q: Any) -> Any:
    """The label of a one-hot row, else -1."""
    label, count = -1, 0
    for j in range(q.shape[1]):
        if q[0, j] != 0.0:
            label, count = j, count + 1
    return label if count == 1 and q[0, label] == 1.0 else -1


@_jit
def _smoothed(k: int, smoothing: float, mix: Any) -> None:
    """Turn ``mix`` from q into (1 - s) q + s / C, q being the label ``k`` if that is given."""
    uniform = smoothing / mix.shape[1]
    if k >= 0:
        mix[0] = uniform
        mix[0, k] = (1.0 - smoothing) + uniform
    elif smoothing != 0.0:
        for j in range(mix.shape[1]):
            mix[0, j] = (1.0 - smoothing) * mix[0, j] + uniform


@_jit
def _weighted(mix: Any, x: Any) -> None:
    """Multiply ``x`` by ``mix``, to 0 where mix is 0."""
    for j in range(mix.shape[1]):
        x[0, j] = scalar.where(mix[0, j] != 0.0, mix[0, j] * x[0, j], 0.0)


@_jit
def _mixture_derivatives(
    e: Any, rest: float, slopes: Any, curvatures: Any, pull: float, z_loss: float, factor: float,
    gradient: Any, hessian: Any, i: int, lanes: Any,
) -> None:  # fmt: skip
    """The derivatives of sum_k q_k phi(u_k) + z_loss lse^2; slopes and curvatures are q_k phi', q_k phi''.

    d/dz_j = q_j phi'_j - p_j (S - pull),
    d2/dz_j2 = q_j phi''_j (1 - p_j)^2 + p_j^2 (T - q_j phi''_j + 2 z_loss) - p_j (1 - p_j) (S - pull).
    """
    total = 1.0 + rest
    bend = pull - _accurate_sum(slopes, 0, lanes)
    if gradient.size:
        for j in range(e.shape[1]):
            gradient[i, j] = factor * (slopes[0, j] + bend * (e[0, j] / total))
    if hessian.size:
        largest = 0  # its share of T is kept apart: T - q phi'' would cancel there
        for j in range(e.shape[1]):
            if abs(curvatures[0, j]) > abs(curvatures[0, largest]):
                largest = j
        top = curvatures[0, largest]
        curvatures[0, largest] = 0.0
        other_curvatures = _accurate_sum(curvatures, 0, lanes)
        curvatures[0, largest] = top
        for j in range(e.shape[1]):
            p = e[0, j] / total
            q = _one_less(e[0, j], p, rest, total)
            own = curvatures[0, j]
            rest_curvature = other_curvatures if j == largest else (other_curvatures - own) + curvatures[0, largest]
            hessian[i, j] = factor * (own * q * q + p * p * (rest_curvature + 2.0 * z_loss) + bend * p * q)


@_jit
def _log_probabilities(d: Any, error: Any, log_rest: float, u: Any) -> None:
    """Fill the only row of ``u`` with log softmax(z)."""
    for j in range(d.shape[1]):
        u[0, j] = scalar.where(d[0, j] == 0.0, -log_rest, d[0, j] - log_rest)
    if error.size:
        for j in range(d.shape[1]):
            u[0, j] += error[0, j]


@kept(lambda element: _signature(element, True))
def sweep_distributions(
    loop: int,
    z: Any,
    q: Any,
    labels: Any,
    w: Any,
    divisor: float,
    parameters: Any,
    z_loss: float,
    smoothing: float,
    tolerance: float,
    values: Any,
    gradient: Any,
    hessian: Any,
    limbs: Any,
) -> tuple[int, int]:
    """Sweep over rows ``z`` (n, C) with distributions ``q`` (n, C), or with smoothed labels if ``q`` is empty.

    With ``q`` the labels say only which rows lie outside. The formula runs over all classes, one row at a time.
    """
    n, classes = z.shape
    d, e, u, mix = np.empty((1, classes)), np.empty((1, classes)), np.empty((1, classes)), np.empty((1, classes))
    error = np.empty((1 if z.itemsize == 8 else 0, classes))
    terms, slopes, curvatures = np.empty((1, classes)), np.empty((1, classes)), np.empty((1, classes))
    value, lanes = np.empty(1), np.empty(LANES)
    for i in range(n):
        weight, k = w[i] if w.size else 1.0, labels[i]
        if values.size:
            values[i] = 0.0
        if weight == 0.0:
            _clear(gradient, hessian, i)
            if k == OUTSIDE:
                continue
        if _has_nan(z, i):
            return PREDICTION, i
        if q.size:
            if not _distribution(q, i, tolerance, mix, lanes):
                return TARGET, i
            k = _only_label(mix)
        elif not 0 <= k < classes:
            return TARGET, i
        if weight == 0.0:
            continue
        _smoothed(k, smoothing, mix)
        peak = _prepared(z, i, lanes, d, error, 0)
        if peak != peak:
            return UNDEFINED, i
        _exponentials(d[0], error.reshape(-1), e[0], u[0], classes)
        rest = _rest(u, d, 0, lanes)
        log_rest = scalar.log1p(rest)
        _log_probabilities(d, error, log_rest, u)
        call(loop, u.ctypes.data, u.ctypes.data, u.ctypes.data, parameters.ctypes.data, terms.ctypes.data,
             slopes.ctypes.data, curvatures.ctypes.data, classes)  # fmt: skip
        _weighted(mix, terms)
        value[0] = _accurate_sum(terms, 0, lanes)
        pull = 0.0
        if z_loss != 0.0:
            lse = peak + log_rest
            value[0] += z_loss * lse * lse
            pull = 2.0 * z_loss * lse
        if value[0] != value[0]:
            return UNDEFINED, i
        value[0] *= weight
        if values.size:
            values[i] = value[0]
        add_block(limbs, value)
        factor = weight / divisor
        if k >= 0 and smoothing == 0.0:
            _label_derivatives(k, e, 0, rest, _others(k, d, e, 0, rest), slopes[0, k], curvatures[0, k],
                               pull, z_loss, factor, gradient, hessian, i)  # fmt: skip
        elif gradient.size or hessian.size:
            _weighted(mix, slopes)
            _weighted(mix, curvatures)
            _mixture_derivatives(e, rest, slopes, curvatures, pull, z_loss, factor, gradient, hessian, i, lanes)
    return FINE, 0


@kept(
    lambda element: nb.types.Tuple((nb.int64, nb.int64))(
        _array(element, 2, True), _array(element, 2), _array(element, 2), _array(nb.float64, 1)
    )
)
def links(z: Any, probabilities: Any, log_probabilities: Any, logsumexp: Any) -> tuple[int, int]:
    """Softmax, log softmax and logsumexp of the rows of ``z``; those are filled that are not empty."""
    n, classes = z.shape
    d, e, u, lanes = np.empty((1, classes)), np.empty((1, classes)), np.empty((1, classes)), np.empty(LANES)
    error = np.empty((1 if z.itemsize == 8 else 0, classes))
    for i in range(n):
        if _has_nan(z, i):
            return PREDICTION, i
        peak = _prepared(z, i, lanes, d, error, 0)
        if peak != peak:
            if not logsumexp.size:
                return UNDEFINED, i
            logsumexp[i] = _peak(z, i, lanes)  # +inf or -inf, whatever the number of classes that have it
            continue
        _exponentials(d[0], error.reshape(-1), e[0], u[0], classes)
        rest = _rest(u, d, 0, lanes)
        log_rest = scalar.log1p(rest)
        if logsumexp.size:
            logsumexp[i] = peak + log_rest
        if log_probabilities.size:
            _log_probabilities(d, error, log_rest, u)
            log_probabilities[i] = u[0]
        if probabilities.size:
            for j in range(classes):
                probabilities[i, j] = e[0, j] / (1.0 + rest)
    return FINE, 0


@kept(lambda element: nb.void(_array(element, 1, True), nb.float64, *[_array(element, 1)] * 3))
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
