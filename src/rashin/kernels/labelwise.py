"""The sweeps of label losses: rows of logits, and a formula of the label's log-probability.

Rows are taken in blocks that fit the L2 cache. What costs, the exponential, runs over a block as one flat array. Rows
of few classes lie side by side in their block, class by class (``columns``), so that they fill the vector
instructions as rows of ten thousand do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.exact import SUM, add_block, clear, rounded_quotient
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED
from rashin.kernels.rows import (
    LANES,
    below,
    exponentials,
    has_limit,
    hessian_entry,
    label_hessian_entry,
    label_others,
    peak_of,
)
from rashin.kernels.short_rows import CELLS, FEW, block_rows, column_derivatives, column_parts, wide
from rashin.native.kernel import kernel
from rashin.native.language import as_elements, as_integers, call, interleaved, shaped

__all__ = [
    "OUTSIDE",
    "cleared",
    "finished",
    "log_probabilities_of_labels",
    "row_derivatives",
    "sharpened",
    "sweep_labels",
]

OUTSIDE = -(1 << 62)  # the label of a row that `where` leaves out


def _row_parts(
    z: Any, start: int, size: int, labels: Any, w: Any, e: Any, lanes: Any, peaks: Any, rests: Any, others: Any,
    own: Any, own_error: Any,
) -> tuple[int, int]:  # fmt: skip
    """Of each row the peak, the sums over the others than the peak and than the label, and z - peak of the label."""
    for r in range(size):
        i = start + r
        weight, k = w[i] if w.size else 1.0, labels[r]
        peaks[r], rests[r], others[r], own[r], own_error[r] = 0.0, 0.0, 0.0, 0.0, 0.0
        if weight == 0.0 and k == OUTSIDE:
            e[r] = 0.0
            continue
        peaks[r] = peak_of(z, i)
        if peaks[r] != peaks[r]:
            return PREDICTION, i
        if not 0 <= k < z.shape[1]:
            return TARGET, i
        if not has_limit(z, i, peaks[r]):
            if weight != 0.0:
                return UNDEFINED, i
            e[r] = 0.0
            continue
        rests[r] = exponentials(z, i, peaks[r], e, r, lanes)
        own[r], own_error[r] = below(np.float64(z[i, k]), peaks[r])
        others[r] = label_others(own[r], e[r, k], rests[r])
    return FINE, 0


def row_derivatives(
    i: int, k: int, e: Any, r: int, rest: float, others: float, slope: float, curvature: float, pull: float,
    z_loss: float, factor: float, gradient: Any, hessian: Any,
) -> None:  # fmt: skip
    """The derivatives of phi(u_k) + z_loss lse^2 by row ``i``, whose exponentials are row ``r`` of ``e``.

    ``pull`` is 2 z_loss lse, ``factor`` the weight's share:
    d/dz_j = slope (1k - p_j) + pull p_j,
    d2/dz_j2 = curvature (1k - p_j)^2 + (pull - slope) p_j (1 - p_j) + 2 z_loss p_j^2.
    """
    bend = pull - slope
    if gradient.size:
        coefficient = bend * factor / (1.0 + rest)
        for j in range(e.shape[1]):
            gradient[i, j] = coefficient * e[r, j]
        gradient[i, k] = factor * ((slope * others + pull * e[r, k]) / (1.0 + rest))
    if hessian.size:
        for j in range(e.shape[1]):
            hessian[i, j] = factor * hessian_entry(e[r, j], rest, curvature, bend, z_loss)
        hessian[i, k] = factor * label_hessian_entry(e[r, k], rest, others, curvature, bend, z_loss)


@interleaved
def log_probabilities_of_labels(size: int, peaks: Any, rests: Any, own: Any, own_error: Any, u: Any, lse: Any) -> None:
    """Fill in u of the labels, and logsumexp."""
    for r in range(size):
        log_rest = elementary.log1p(rests[r])
        u[r] = elementary.where(own[r] == 0.0, -log_rest, (own[r] - log_rest) + own_error[r])  # -0 for a certain label
        lse[r] = peaks[r] + log_rest


def sharpened(size: int, rests: Any, own: Any, u: Any, terms: Any, slopes: Any, curvatures: Any) -> None:
    """Move phi and phi' from u to where -expm1(u) is 1 - p = x / (1 + x), for small x.

    Powers of 1 - p, of which a curvature tells, would raise the roundings of log1p and expm1.
    """
    curved = np.int64(0)
    for r in range(size):
        curved |= np.int64(curvatures[r] != 0.0)
    if curved == 0:
        return
    for r in range(size):
        x = rests[r]
        away = (-elementary.expm1(u[r]) - x) + x * x * (1.0 - x * (1.0 - x * (1.0 - x)))
        sharp = (own[r] == 0.0) & (x < 2.0**-16) & (curvatures[r] != 0.0)
        shift = elementary.where(sharp, away * (1.0 + x), 0.0)
        terms[r] += slopes[r] * shift
        slopes[r] += curvatures[r] * shift


def _with_z_loss(size: int, z_loss: float, lse: Any, terms: Any, pulls: Any) -> None:
    """Add z_loss lse^2, and fill in its slope; a row whose lse is infinite is left without a limit."""
    for r in range(size):
        terms[r] += z_loss * lse[r] * lse[r] + (lse[r] - lse[r])
        pulls[r] = 2.0 * z_loss * lse[r]


def _weighed(w: Any, terms: Any, slopes: Any, curvatures: Any, pulls: Any) -> None:
    """Turn phi into w phi."""
    for r in range(w.size):
        weight = w[r]
        if weight == 0.0:  # not 0 * inf: every part of the row is made finite
            terms[r], slopes[r], curvatures[r], pulls[r] = 0.0, 0.0, 0.0, 0.0
        terms[r] *= weight


def finished(
    size: int, w: Any, divisor: float, z_loss: float, lse: Any, terms: Any, slopes: Any, curvatures: Any, pulls: Any,
    factors: Any,
) -> int:  # fmt: skip
    """Turn phi into w l and fill in pulls and factors; the row without a limit, or -1."""
    for r in range(size):
        pulls[r] = 0.0
    for r in range(size):
        factors[r] = 1.0 / divisor
    if z_loss != 0.0:
        _with_z_loss(size, z_loss, lse, terms, pulls)
    if w.size:
        _weighed(w, terms, slopes, curvatures, pulls)
        for r in range(size):
            factors[r] = w[r] / divisor
    undefined = np.int64(0)
    for r in range(size):
        undefined |= np.int64(terms[r] != terms[r])
    if undefined != 0:
        for r in range(size):
            if terms[r] != terms[r]:
                return r
    return -1


def cleared(gradient: Any, hessian: Any, i: int) -> None:
    """Zeros for a row of weight 0."""
    for derivative in (gradient, hessian):
        if derivative.size:
            for j in range(derivative.shape[1]):
                derivative[i, j] = 0.0


COLUMNS = 16  # numbers of each row of a block, of which one fills a cache line


def _height(n: int, classes: int) -> int:
    """How many rows to a block."""
    if classes < FEW:
        return min(block_rows(classes), wide(max(1, n)))
    return min(max(1, CELLS // classes), max(1, n))


def _room(z: Any) -> int:
    n, classes = z.shape
    tables = 2 if classes < FEW else 1
    return int(_height(n, classes) * (tables * classes + COLUMNS) + LANES + SUM)


@kernel("i8 x[:, :] i8[:] f8[:] f8 f8[:] f8 f8[:] x[:, :] x[:, :] i8[:] i8 f8[:]", finds=True, room=_room)
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
    count: int,
    answer: Any,
    room: Any,
) -> tuple[int, int]:
    """Sweep over rows ``z`` (n, C) with labels; arguments and answer as in the pointwise sweep.

    A row of weight 0 is checked and then left out; one with the label OUTSIDE is not even checked.
    """
    n, classes = z.shape
    few, height = classes < FEW, _height(n, classes)
    cells = height * classes
    sums = limbs if limbs.size else as_integers(room)
    if not limbs.size:
        clear(sums)
    lanes, rows = room[SUM : SUM + LANES], room[SUM + LANES :]
    columns, tables = shaped(rows, (COLUMNS, height)), rows[COLUMNS * height :]
    e = shaped(tables, (classes, height) if few else (height, classes))
    x = shaped(as_elements(tables[cells:], z), (classes, height) if few else (0, 0))
    peaks, rests, others, own, own_error, u = columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]
    lse, terms, slopes, curvatures = columns[6], columns[7], columns[8], columns[9]
    pulls, factors, own_e, tops = columns[10], columns[11], columns[12], as_elements(columns[13], z)
    mine = as_integers(columns[14])  # labels of a block: who else writes to them now is not heard
    for start in range(0, n, height):
        stop = min(start + height, n)
        size, block = stop - start, slice(start, stop)
        given = labels[block]
        for r in range(size):
            mine[r] = given[r]
        if few:
            found, r = column_parts(z[block], mine[:size], w[block], OUTSIDE, x, e, tops, peaks, rests, own_e, others,
                                    own, own_error)  # fmt: skip
            i = start + r
        else:
            found, i = _row_parts(z, start, size, mine, w, e, lanes, peaks, rests, others, own, own_error)
        if found != FINE:
            return found, i
        log_probabilities_of_labels(size, peaks, rests, own, own_error, u, lse)
        call(loop, u, u, u, parameters, terms, slopes, curvatures, size)
        sharpened(size, rests, own, u, terms, slopes, curvatures)
        r = finished(size, w[block], divisor, z_loss, lse, terms, slopes, curvatures, pulls, factors)
        if r >= 0:
            return UNDEFINED, start + r
        if few:
            column_derivatives(mine[:size], x, e, own_e, rests, others, slopes, curvatures, pulls, z_loss, factors,
                               gradient[block], hessian[block], own, own_error)  # fmt: skip
        else:
            for r in range(size):
                i, k = start + r, max(mine[r], 0)
                row_derivatives(i, k, e, r, rests[r], others[r], slopes[r], curvatures[r], pulls[r], z_loss,
                                 factors[r], gradient, hessian)  # fmt: skip
        if values.size:
            for r in range(size):
                values[start + r] = terms[r]
        add_block(sums, terms[:size])
    if not limbs.size:
        answer[0] = rounded_quotient(sums, count)
    return FINE, 0
