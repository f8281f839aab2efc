"""The sweeps of label losses: rows of logits, and a formula of the label's log-probability.

With m the largest logit of a row and n the number of classes that have it,

    rest = (n - 1) + sum of e^(z_j - m) over z_j < m,      logsumexp(z) = m + log1p(rest),
    u_j = (z_j - m) - log1p(rest),                         p_j = e^(z_j - m) / (1 + rest),

and 1 - p is the sum of the others, so that no digit is lost when one class dominates, which is where training ends.

Rows are taken in blocks that fit the L2 cache. What costs, the exponential, runs over the block as one flat array, so
that rows of ten classes fill the vector instructions as rows of ten thousand do. Sums of a row run in 32 fixed lanes
over 512 terms, and those partial sums are added with their rounding errors (Knuth, TAOCP 2, 4.2.2): the same bits
wherever the row lies.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from rashin import scalar
from rashin.exact import BLOCK, add_block
from rashin.kernels.formula import call
from rashin.kernels.kept import kept
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED, all_within, any_nan

__all__ = ["OUTSIDE", "links", "softcapped", "sweep_distributions", "sweep_labels"]

OUTSIDE = -(1 << 62)  # the label of a row that `where` leaves out

LANES = 32
SPAN = 512  # terms of a row summed in lanes before the error-free addition
CELLS = 4096  # elements of a block of rows, unless one row is longer; BLOCK rows at most

_jit = nb.njit(error_model="numpy", nogil=True)


@_jit
def _peak(z: Any, lanes: Any) -> Any:
    """The largest of a row. Compared lane by lane, since LLVM keeps the order of a plain maximum."""
    whole = z.size - z.size % LANES
    peak = -np.inf
    if whole:
        lanes[:] = -np.inf
        for i in range(0, whole, LANES):
            for j in range(LANES):
                x = np.float64(z[i + j])
                lanes[j] = x if x > lanes[j] else lanes[j]
        for j in range(LANES):
            peak = max(peak, lanes[j])
    for j in range(whole, z.size):
        peak = max(peak, np.float64(z[j]))
    return peak


@_jit
def _lane_sum(x: Any, lanes: Any) -> Any:
    """The sum of at most SPAN numbers: in lanes, or one by one where they would not fill them."""
    if x.size < LANES:
        total, error = 0.0, 0.0
        for j in range(x.size):
            new = total + x[j]
            back = new - total
            error += (total - (new - back)) + (x[j] - back)
            total = new
        return total + error
    whole = x.size - x.size % LANES
    lanes[:] = x[:LANES]
    for i in range(LANES, whole, LANES):
        for j in range(LANES):
            lanes[j] += x[i + j]
    for j in range(x.size - whole):
        lanes[j] += x[whole + j]
    width = LANES // 2
    while width:
        for j in range(width):
            lanes[j] += lanes[j + width]
        width //= 2
    return lanes[0]


@_jit
def _accurate_sum(x: Any, lanes: Any) -> Any:
    """The sum of a row: lanes within spans, spans added with their rounding errors."""
    if x.size <= SPAN:
        return _lane_sum(x, lanes)
    total, error = 0.0, 0.0
    for start in range(0, x.size, SPAN):
        part = _lane_sum(x[start : start + SPAN], lanes)
        new = total + part
        back = new - total
        error += (total - (new - back)) + (part - back)
        total = new
    return total + error


@_jit
def _below_peak(z: Any, peak: float, d: Any, error: Any) -> None:
    """Fill ``d`` with z - peak and ``error`` with what rounding took from it (Knuth's two-sum).

    In float64 that error moves the exponential by ulps; differences of float32 are exact wherever it matters.
    """
    if error.size:
        for j in range(z.size):
            x = np.float64(z[j])
            difference = x - peak
            back = difference - x
            d[j] = difference
            error[j] = scalar.where(difference > -np.inf, (x - (difference - back)) - (peak + back), 0.0)
    else:
        for j in range(z.size):
            d[j] = np.float64(z[j]) - peak


@_jit
def _at_infinite_peak(z: Any, d: Any, error: Any) -> bool:
    """The limit of a row whose peak is +inf: that class takes all. False if there are several."""
    count = 0
    for j in range(z.size):
        top = z[j] == np.inf
        count += top
        d[j] = 0.0 if top else -np.inf
        if error.size:
            error[j] = 0.0
    return count == 1


@_jit
def _prepared(z: Any, lanes: Any, d: Any, error: Any) -> Any:
    """Fill d = z - peak; returns the peak, NaN where the row has no limit."""
    peak = _peak(z, lanes)
    if -np.inf < peak < np.inf:
        _below_peak(z, peak, d, error)
        return peak
    if peak == np.inf and _at_infinite_peak(z, d, error):
        return peak
    d[:] = 0.0
    return np.nan


@_jit
def _exponentials(d: Any, error: Any, e: Any, below: Any) -> None:
    """Fill ``e`` with e^d, and ``below`` with the same but 0 for the classes at the peak."""
    if error.size:
        for i in range(d.size):
            y = scalar.exp(d[i])
            y = scalar.where(y > 0.0, y + y * error[i], 0.0)
            e[i] = y
            below[i] = scalar.where(d[i] < 0.0, y, 0.0)
    else:
        for i in range(d.size):
            y = scalar.exp(d[i])
            e[i] = y
            below[i] = scalar.where(d[i] < 0.0, y, 0.0)


@_jit
def _at_peak(d: Any) -> Any:
    """How many classes have the peak."""
    count = np.int64(0)
    for j in range(d.size):
        count += np.int64(d[j] == 0.0)
    return count


@_jit
def _one_less(e: float, p: float, rest: float, total: float) -> Any:
    """1 - p of a class that is not the label."""
    return rest / total if e == 1.0 else 1.0 - p


@_jit
def _label_derivatives(
    k: int, e: Any, rest: float, others: float, slope: float, curvature: float, pull: float, z_loss: float,
    factor: float, gradient: Any, hessian: Any,
) -> None:  # fmt: skip
    """The derivatives of phi(u_k) + z_loss lse^2 by the row; ``pull`` is 2 z_loss lse.

    d/dz_j = slope (1k - p_j) + pull p_j,
    d2/dz_j2 = curvature (1k - p_j)^2 + (pull - slope) p_j (1 - p_j) + 2 z_loss p_j^2.
    """
    total = 1.0 + rest
    bend = pull - slope
    if gradient.size:
        coefficient = bend * factor / total
        for j in range(gradient.size):
            gradient[j] = coefficient * e[j]
        gradient[k] = factor * ((slope * others + pull * e[k]) / total)
    if hessian.size:
        square = curvature + 2.0 * z_loss
        for j in range(hessian.size):
            p = e[j] / total
            hessian[j] = factor * (square * p * p + bend * p * _one_less(e[j], p, rest, total))
        p, q = e[k] / total, others / total
        hessian[k] = factor * (curvature * q * q + 2.0 * z_loss * p * p + bend * p * q)


@_jit
def _nothing(gradient: Any, hessian: Any, i: int) -> None:
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
    height = min(BLOCK, max(1, CELLS // classes))
    cells = height * classes
    d, e, below, lanes = np.empty(cells), np.empty(cells), np.empty(cells), np.empty(LANES)
    error = np.empty(cells if z.itemsize == 8 else 0)
    u, terms, slopes, curvatures = np.empty(height), np.empty(height), np.empty(height), np.empty(height)
    peaks, rests, others, lse = np.empty(height), np.empty(height), np.empty(height), np.empty(height)
    nothing = np.empty(0, z.dtype)
    for start in range(0, n, height):
        size = min(height, n - start)
        for r in range(size):
            i, own = start + r, slice(r * classes, (r + 1) * classes)
            weight, k = w[i] if w.size else 1.0, labels[i]
            if weight == 0.0 and k == OUTSIDE:
                d[own] = 0.0
                peaks[r] = 0.0
                continue
            if any_nan(z[i]):
                return PREDICTION, i
            if not 0 <= k < classes:
                return TARGET, i
            peaks[r] = _prepared(z[i], lanes, d[own], error[own])
            if peaks[r] != peaks[r] and weight != 0.0:
                return UNDEFINED, i
        _exponentials(d[: size * classes], error[: size * classes], e, below)
        for r in range(size):
            first = r * classes
            k = max(labels[start + r], 0)
            rest = _accurate_sum(below[first : first + classes], lanes) + (_at_peak(d[first : first + classes]) - 1)
            own_d, own_error = d[first + k], error[first + k] if error.size else 0.0
            rests[r], u[r] = rest, own_d
            others[r] = rest if own_d == 0.0 else 1.0 + (rest - e[first + k])
            lse[r] = own_error
        for r in range(size):
            log_rest = scalar.log1p(rests[r])
            u[r] = scalar.where(u[r] == 0.0, -log_rest, (u[r] - log_rest) + lse[r])  # -0 for a certain label
            lse[r] = peaks[r] + log_rest
        call(loop, u.ctypes.data, u.ctypes.data, u.ctypes.data, parameters.ctypes.data, terms.ctypes.data,
             slopes.ctypes.data, curvatures.ctypes.data, size)  # fmt: skip
        for r in range(size):
            i = start + r
            weight = w[i] if w.size else 1.0
            if weight == 0.0:
                terms[r] = 0.0
                _nothing(gradient, hessian, i)
                continue
            pull = 0.0
            if z_loss != 0.0:
                terms[r] += z_loss * lse[r] * lse[r]
                pull = 2.0 * z_loss * lse[r]
            if terms[r] != terms[r]:
                return UNDEFINED, i
            terms[r] *= weight
            if gradient.size or hessian.size:
                _label_derivatives(
                    labels[i], e[r * classes : (r + 1) * classes], rests[r], others[r], slopes[r], curvatures[r],
                    pull, z_loss, weight / divisor,
                    gradient[i] if gradient.size else nothing, hessian[i] if hessian.size else nothing,
                )  # fmt: skip
        if values.size:
            values[start : start + size] = terms[:size]
        add_block(limbs, terms[:size])
    return FINE, 0


@_jit
def _only_label(q: Any) -> Any:
    """The label of a one-hot row, else -1."""
    label, count = -1, 0
    for j in range(q.size):
        if q[j] != 0.0:
            label, count = j, count + 1
    return label if count == 1 and q[label] == 1.0 else -1


@_jit
def _mixed(k: int, smoothing: float, mix: Any) -> None:
    """Turn ``mix`` from q into (1 - s) q + s / C, q being the label ``k`` if that is given."""
    uniform = smoothing / mix.size
    if k >= 0:
        mix[:] = uniform
        mix[k] = (1.0 - smoothing) + uniform
    elif smoothing != 0.0:
        for j in range(mix.size):
            mix[j] = (1.0 - smoothing) * mix[j] + uniform


@_jit
def _weighted(mix: Any, x: Any) -> None:
    """Multiply ``x`` by ``mix``, to 0 where mix is 0."""
    for j in range(mix.size):
        x[j] = scalar.where(mix[j] != 0.0, mix[j] * x[j], 0.0)


@_jit
def _mixture_derivatives(
    e: Any, rest: float, slopes: Any, total_slope: float, curvatures: Any, total_curvature: float,
    pull: float, z_loss: float, factor: float, gradient: Any, hessian: Any,
) -> None:  # fmt: skip
    """The derivatives of sum_k q_k phi(u_k) + z_loss lse^2; slopes and curvatures are q_k phi', q_k phi''.

    d/dz_j = q_j phi'_j - p_j (S - pull),
    d2/dz_j2 = q_j phi''_j (1 - p_j)^2 + p_j^2 (T - q_j phi''_j + 2 z_loss) - p_j (1 - p_j) (S - pull).
    """
    total = 1.0 + rest
    bend = pull - total_slope
    for j in range(gradient.size):
        gradient[j] = factor * (slopes[j] + bend * (e[j] / total))
    for j in range(hessian.size):
        p = e[j] / total
        q = _one_less(e[j], p, rest, total)
        own = curvatures[j]
        hessian[j] = factor * (own * q * q + p * p * (total_curvature - own + 2.0 * z_loss) + bend * p * q)


@_jit
def _log_probabilities(d: Any, error: Any, log_rest: float, u: Any) -> None:
    """Fill ``u`` with log softmax(z)."""
    for j in range(d.size):
        u[j] = scalar.where(d[j] == 0.0, -log_rest, d[j] - log_rest)
    for j in range(error.size):
        u[j] += error[j]


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

    With ``q`` the labels say only which rows lie outside. The formula runs over all classes of a row.
    """
    n, classes = z.shape
    d, e, u, mix, lanes = np.empty(classes), np.empty(classes), np.empty(classes), np.empty(classes), np.empty(LANES)
    error = np.empty(classes if z.itemsize == 8 else 0)
    terms, slopes, curvatures = np.empty(classes), np.empty(classes), np.empty(classes)
    value, nothing = np.empty(1), np.empty(0, z.dtype)
    for i in range(n):
        weight, k = w[i] if w.size else 1.0, labels[i]
        if values.size:
            values[i] = 0.0
        if weight == 0.0:
            _nothing(gradient, hessian, i)
            if k == OUTSIDE:
                continue
        if any_nan(z[i]):
            return PREDICTION, i
        if q.size:
            for j in range(classes):
                mix[j] = q[i, j]
            if not all_within(mix, 0.0, 1.0, False) or not abs(_accurate_sum(mix, lanes) - 1.0) <= tolerance:
                return TARGET, i
            k = _only_label(mix)
        elif not 0 <= k < classes:
            return TARGET, i
        if weight == 0.0:
            continue
        _mixed(k, smoothing, mix)
        peak = _prepared(z[i], lanes, d, error)
        if peak != peak:
            return UNDEFINED, i
        _exponentials(d, error, e, u)
        rest = _accurate_sum(u, lanes) + (_at_peak(d) - 1)
        log_rest = scalar.log1p(rest)
        _log_probabilities(d, error, log_rest, u)
        call(loop, u.ctypes.data, u.ctypes.data, u.ctypes.data, parameters.ctypes.data, terms.ctypes.data,
             slopes.ctypes.data, curvatures.ctypes.data, classes)  # fmt: skip
        _weighted(mix, terms)
        value[0] = _accurate_sum(terms, lanes)
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
        if gradient.size or hessian.size:
            gr, hr = gradient[i] if gradient.size else nothing, hessian[i] if hessian.size else nothing
            if k >= 0 and smoothing == 0.0:
                others = rest if d[k] == 0.0 else 1.0 + (rest - e[k])
                _label_derivatives(k, e, rest, others, slopes[k], curvatures[k], pull, z_loss,
                                   weight / divisor, gr, hr)  # fmt: skip
            else:
                _weighted(mix, slopes)
                _weighted(mix, curvatures)
                total_slope, total_curvature = _accurate_sum(slopes, lanes), _accurate_sum(curvatures, lanes)
                _mixture_derivatives(e, rest, slopes, total_slope, curvatures, total_curvature,
                                     pull, z_loss, weight / divisor, gr, hr)  # fmt: skip
    return FINE, 0


@kept(
    lambda element: nb.types.Tuple((nb.int64, nb.int64))(
        _array(element, 2, True), _array(element, 2), _array(element, 2), _array(nb.float64, 1)
    )
)
def links(z: Any, probabilities: Any, log_probabilities: Any, logsumexp: Any) -> tuple[int, int]:
    """Softmax, log softmax and logsumexp of the rows of ``z``; those are filled that are not empty."""
    n, classes = z.shape
    d, e, u, lanes = np.empty(classes), np.empty(classes), np.empty(classes), np.empty(LANES)
    error = np.empty(classes if z.itemsize == 8 else 0)
    for i in range(n):
        if any_nan(z[i]):
            return PREDICTION, i
        peak = _prepared(z[i], lanes, d, error)
        if peak != peak:
            if not logsumexp.size:
                return UNDEFINED, i
            logsumexp[i] = _peak(z[i], lanes)  # +inf or -inf, whatever the number of classes that have it
            continue
        _exponentials(d, error, e, u)
        rest = _accurate_sum(u, lanes) + (_at_peak(d) - 1)
        log_rest = scalar.log1p(rest)
        if logsumexp.size:
            logsumexp[i] = peak + log_rest
        if log_probabilities.size:
            _log_probabilities(d, error, log_rest, u)
            log_probabilities[i] = u
        if probabilities.size:
            for j in range(classes):
                probabilities[i, j] = e[j] / (1.0 + rest)
    return FINE, 0


@kept(lambda element: nb.void(_array(element, 1, True), nb.float64, *[_array(element, 1)] * 3))
def softcapped(z: Any, cap: float, capped: Any, first: Any, second: Any) -> None:
    """Fill in cap tanh(z / cap) and its two derivatives by z; the first is sech^2, without 1 - tanh^2."""
    for i in range(z.size):
        x = z[i] / cap
        tanh = scalar.tanh(x)
        e = scalar.exp(-2.0 * scalar.abs(x))
        capped[i] = cap * tanh
        first[i] = 4.0 * e / ((1.0 + e) * (1.0 + e))
        second[i] = -2.0 * tanh * first[i] / cap
