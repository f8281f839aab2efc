"""The sweep of label losses: rows of logits, and a formula of the label's log-probability.

With m the largest logit of a row and a its class (the label, if it is the largest too),

    rest = sum of e^(z_j - m) over j != a,      logsumexp(z) = m + log1p(rest),
    u_j = (z_j - m) - log1p(rest),              p_j = e^(z_j - m) / (1 + rest),

and 1 - p of the label is the sum of the others, so that no digit is lost when one class dominates, which is where
training ends. Row sums run in 32 fixed lanes over 512 terms, and the partial sums are added with their rounding
errors (Knuth, TAOCP 2, 4.2.2): the same bits wherever the row lies.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from rashin import scalar
from rashin.exact import add_block
from rashin.kernels.formula import call
from rashin.kernels.kept import kept
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED, all_within, any_nan

__all__ = ["CELLS", "OUTSIDE", "links", "softcapped", "sweep_distributions", "sweep_labels"]

OUTSIDE = -(1 << 62)  # the label of a row that `where` leaves out

LANES = 32
SPAN = 512  # terms of a row summed in lanes before the error-free addition
ROWS = 64  # rows a formula's loop sees at once
CELLS = 8192  # doubles of the exponentials of a block of rows: 64 KiB, in the L2 cache

_jit = nb.njit(error_model="numpy", nogil=True)


@_jit
def _lane_sum(x: Any, lanes: Any) -> float:
    """The sum of at most SPAN numbers in fixed lanes."""
    for j in range(LANES):
        lanes[j] = 0.0
    whole = x.size - x.size % LANES
    for i in range(0, whole, LANES):
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
def _accurate_sum(x: Any, lanes: Any) -> float:
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
def _peak(z: Any) -> float:
    peak = -np.inf
    for j in range(z.size):
        peak = max(peak, z[j])
    return peak


@_jit
def _place(z: Any, peak: float, preferred: int) -> int:
    """The class of the peak: the preferred one if it is as large."""
    if preferred >= 0 and z[preferred] == peak:
        return preferred
    for j in range(z.size):
        if z[j] == peak:
            return j
    return 0


@_jit
def _exponentials(z: Any, peak: float, top: int, e: Any) -> bool:
    """Fill ``e`` with e^(z - peak), 0 at ``top``; False where the row has no limit.

    z - peak is rounded; in float64 its error moves the exponential by ulps, so it is carried (Knuth's two-sum).
    """
    if peak == -np.inf:
        return False
    if peak == np.inf:
        for j in range(z.size):
            if z[j] == np.inf and j != top:
                return False
            e[j] = 0.0
        return True
    for j in range(z.size):
        x = np.float64(z[j])
        d = x - peak
        back = d - x
        error = (x - (d - back)) - (peak + back)
        y = scalar.exp(d)
        e[j] = scalar.where(y > 0.0, y + y * error, 0.0)
    e[top] = 0.0
    return True


@_jit
def _log_probabilities(z: Any, peak: float, top: int, log_rest: float, u: Any) -> None:
    """Fill ``u`` with log softmax(z)."""
    for j in range(z.size):
        u[j] = (np.float64(z[j]) - peak) - log_rest
    if peak == np.inf:
        u[:] = -np.inf
    u[top] = -log_rest


@_jit
def _label_derivatives(
    k: int, top: int, e: Any, rest: float, others: float, slope: float, curvature: float, pull: float, z_loss: float,
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
            hessian[j] = factor * (square * p * p + bend * p * (1.0 - p))
        p, q = e[top] / total, rest / total
        hessian[top] = factor * (square * p * p + bend * p * q)
        p, q = e[k] / total, others / total
        hessian[k] = factor * (curvature * q * q + 2.0 * z_loss * p * p + bend * p * q)


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
    """Sweep over rows ``z`` (n, C) with labels; arguments and answer as in the pointwise sweep."""
    n, classes = z.shape
    height = max(1, min(ROWS, CELLS // classes))
    e, lanes = np.empty((height, classes)), np.empty(LANES)
    u, terms, slopes, curvatures = np.empty(height), np.empty(height), np.empty(height), np.empty(height)
    lse, rests, others = np.empty(height), np.empty(height), np.empty(height)
    tops = np.empty(height, np.int64)
    nothing = np.empty(0, z.dtype)
    for start in range(0, n, height):
        size = min(height, n - start)
        for r in range(size):
            row, k = z[start + r], labels[start + r]
            if w.size and w[start + r] == 0.0 and k == OUTSIDE:
                u[r], lse[r] = 0.0, 0.0
                continue
            if any_nan(row):
                return PREDICTION, start + r
            if not 0 <= k < classes:
                return TARGET, start + r
            peak = np.float64(_peak(row))
            top = _place(row, peak, k)
            if not _exponentials(row, peak, top, e[r]):
                if w.size and w[start + r] == 0.0:
                    u[r], lse[r] = 0.0, 0.0
                    continue
                return UNDEFINED, start + r
            own = e[r, k]
            e[r, k] = 0.0
            aside = _accurate_sum(e[r], lanes)
            e[r, k] = own
            rest = aside + own
            e[r, top] = 1.0
            others[r] = aside if k == top else 1.0 + aside
            rests[r], tops[r] = rest, top
            log_rest = scalar.log1p(rest)
            lse[r] = peak + log_rest
            u[r] = -log_rest
            if k != top:
                u[r] = (np.float64(row[k]) - peak) - log_rest if peak != np.inf else -np.inf
        call(loop, u.ctypes.data, u.ctypes.data, u.ctypes.data, parameters.ctypes.data, terms.ctypes.data,
             slopes.ctypes.data, curvatures.ctypes.data, size)  # fmt: skip
        for r in range(size):
            weight = w[start + r] if w.size else 1.0
            if weight == 0.0:
                terms[r] = 0.0
                if gradient.size:
                    gradient[start + r] = 0.0
                if hessian.size:
                    hessian[start + r] = 0.0
                continue
            if z_loss != 0.0:
                terms[r] += z_loss * lse[r] * lse[r]
            if terms[r] != terms[r]:
                return UNDEFINED, start + r
            terms[r] *= weight
            if gradient.size or hessian.size:
                factor = weight / divisor
                gr = gradient[start + r] if gradient.size else nothing
                hr = hessian[start + r] if hessian.size else nothing
                pull = 2.0 * z_loss * lse[r] if z_loss != 0.0 else 0.0
                _label_derivatives(labels[start + r], tops[r], e[r], rests[r], others[r], slopes[r], curvatures[r],
                                   pull, z_loss, factor, gr, hr)  # fmt: skip
        if values.size:
            values[start : start + size] = terms[:size]
        add_block(limbs, terms[:size])
    return FINE, 0


@_jit
def _only_label(q: Any) -> int:
    """The label of a one-hot row, else -1."""
    label, count = -1, 0
    for j in range(q.size):
        if q[j] != 0.0:
            label, count = j, count + 1
    return label if count == 1 and q[label] == 1.0 else -1


@_jit
def _mixed(q: Any, k: int, smoothing: float, mix: Any) -> None:
    """Fill ``mix`` with (1 - s) q + s / C, q being the label ``k`` if that is given."""
    uniform = smoothing / mix.size
    if k >= 0:
        mix[:] = uniform
        mix[k] = (1.0 - smoothing) + uniform
    elif smoothing == 0.0:
        for j in range(mix.size):
            mix[j] = q[j]
    else:
        for j in range(mix.size):
            mix[j] = (1.0 - smoothing) * q[j] + uniform


@_jit
def _weighted(mix: Any, x: Any, out: Any) -> None:
    """Fill ``out`` with mix * x, 0 where mix is 0."""
    for j in range(mix.size):
        out[j] = scalar.where(mix[j] != 0.0, mix[j] * x[j], 0.0)


@_jit
def _mixture_derivatives(
    mix: Any, top: int, e: Any, rest: float, slopes: Any, total_slope: float, curvatures: Any, total_curvature: float,
    pull: float, z_loss: float, factor: float, gradient: Any, hessian: Any,
) -> None:  # fmt: skip
    """The derivatives of sum_k q_k phi(u_k) + z_loss lse^2 by the row; the first two are q_k times phi', phi''.

    d/dz_j = q_j phi'_j - p_j (S - pull),
    d2/dz_j2 = q_j phi''_j (1 - p_j)^2 + p_j^2 (T - q_j phi''_j + 2 z_loss) - p_j (1 - p_j) (S - pull).
    """
    total = 1.0 + rest
    bend = pull - total_slope
    for j in range(gradient.size):
        gradient[j] = factor * (slopes[j] + bend * (e[j] / total))
    for j in range(hessian.size):
        p = e[j] / total
        q = rest / total if j == top else 1.0 - p
        own = curvatures[j]
        hessian[j] = factor * (own * q * q + p * p * (total_curvature - own + 2.0 * z_loss) + bend * p * q)


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
    """Sweep over rows ``z`` (n, C) with distributions ``q`` (n, C), or with ``labels`` if ``q`` is empty.

    With ``q`` the labels say only which rows lie outside.
    """
    n, classes = z.shape
    e, u, mix, lanes = np.empty(classes), np.empty(classes), np.empty(classes), np.empty(LANES)
    terms, slopes, curvatures = np.empty(classes), np.empty(classes), np.empty(classes)
    value, nothing = np.empty(1), np.empty(0, z.dtype)
    for i in range(n):
        weight = w[i] if w.size else 1.0
        gr = gradient[i] if gradient.size else nothing
        hr = hessian[i] if hessian.size else nothing
        if values.size:
            values[i] = 0.0
        gr[:] = 0.0
        hr[:] = 0.0
        k = labels[i]
        if weight == 0.0 and k == OUTSIDE:
            continue
        row = z[i]
        if any_nan(row):
            return PREDICTION, i
        if not q.size:
            if not 0 <= k < classes:
                return TARGET, i
        else:
            for j in range(classes):
                mix[j] = q[i, j]
            if not all_within(mix, 0.0, 1.0, False) or not abs(_accurate_sum(mix, lanes) - 1.0) <= tolerance:
                return TARGET, i
            k = _only_label(mix)
        if weight == 0.0:
            continue
        if smoothing != 0.0 or k < 0:
            _mixed(mix, k, smoothing, mix)
        else:
            mix[:] = 0.0
            mix[k] = 1.0
        peak = np.float64(_peak(row))
        top = _place(row, peak, k)
        if not _exponentials(row, peak, top, e):
            return UNDEFINED, i
        rest = _accurate_sum(e, lanes)
        log_rest = scalar.log1p(rest)
        _log_probabilities(row, peak, top, log_rest, u)
        others = 0.0
        if k >= 0:
            own = e[k]
            e[k] = 0.0
            others = _accurate_sum(e, lanes) + (0.0 if k == top else 1.0)
            e[k] = own
        e[top] = 1.0
        call(loop, u.ctypes.data, u.ctypes.data, u.ctypes.data, parameters.ctypes.data, terms.ctypes.data,
             slopes.ctypes.data, curvatures.ctypes.data, classes)  # fmt: skip
        lse = peak + log_rest
        pull = 2.0 * z_loss * lse if z_loss != 0.0 else 0.0
        _weighted(mix, terms, terms)
        value[0] = _accurate_sum(terms, lanes)
        if z_loss != 0.0:
            value[0] += z_loss * lse * lse
        if value[0] != value[0]:
            return UNDEFINED, i
        value[0] *= weight
        if values.size:
            values[i] = value[0]
        add_block(limbs, value)
        if gradient.size or hessian.size:
            if k >= 0 and smoothing == 0.0:
                _label_derivatives(k, top, e, rest, others, slopes[k], curvatures[k], pull, z_loss,
                                   weight / divisor, gr, hr)  # fmt: skip
            else:
                _weighted(mix, slopes, slopes)
                _weighted(mix, curvatures, curvatures)
                total_slope, total_curvature = _accurate_sum(slopes, lanes), _accurate_sum(curvatures, lanes)
                _mixture_derivatives(mix, top, e, rest, slopes, total_slope, curvatures, total_curvature,
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
    e, u, lanes = np.empty(classes), np.empty(classes), np.empty(LANES)
    for i in range(n):
        row = z[i]
        if any_nan(row):
            return PREDICTION, i
        peak = np.float64(_peak(row))
        if peak == -np.inf and logsumexp.size:
            logsumexp[i] = -np.inf
            continue
        top = _place(row, peak, -1)
        if not _exponentials(row, peak, top, e):
            return UNDEFINED, i
        rest = _accurate_sum(e, lanes)
        log_rest = scalar.log1p(rest)
        if logsumexp.size:
            logsumexp[i] = peak + log_rest
        if log_probabilities.size:
            _log_probabilities(row, peak, top, log_rest, u)
            log_probabilities[i] = u
        if probabilities.size:
            e[top] = 1.0
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
