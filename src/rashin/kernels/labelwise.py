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
    MANY,
    SPAN,
    accurate_sum,
    below,
    clear_lanes,
    exponentials,
    has_limit,
    hessian_entry,
    label_hessian_entry,
    label_others,
    log_probabilities,
    log_probability,
    peak_of,
    plus,
    shares,
    sum_of_lanes,
)
from rashin.kernels.short_rows import CELLS, FEW, block_rows, column_derivatives, column_parts, wide
from rashin.native.kernel import kernel
from rashin.native.language import as_elements, as_integers, bits, call, interleaved, separate, shaped

__all__ = [
    "MIXTURE",
    "OUTSIDE",
    "cleared",
    "distribution",
    "finished",
    "largest",
    "log_probabilities_of_labels",
    "mixture",
    "mixture_gradient",
    "mixture_hessian",
    "only_label",
    "row_derivatives",
    "sharpened",
    "sweep_distributions",
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


@separate
def _add_watched(q: Any, lanes: Any) -> tuple[Any, Any]:
    """Add a span of q to the lanes; the largest of their bits, and a sign if one of them has it."""
    top, sign = np.int64(0), np.int64(0)
    for first in range(0, q.size, MANY):
        part = q[first : first + MANY]
        for j in range(part.size):
            x = np.float64(part[j])
            lanes[j] += x
            top = max(top, bits(x))
            sign |= bits(x)
    return top, sign


def _is_below_zero(q: Any, i: int) -> Any:
    """Whether a number of row ``i`` is, which -0 is not."""
    some = np.int64(0)
    for j in range(q.shape[1]):
        some |= np.int64(q[i, j] < 0.0)
    return some != 0


def distribution(q: Any, i: int, tolerance: float, lanes: Any) -> bool:
    """Whether row ``i`` of ``q`` is one."""
    top: Any = np.int64(0)
    sign, total, error = np.int64(0), 0.0, 0.0
    for first in range(0, q.shape[1], SPAN):
        clear_lanes(lanes)
        largest_bits, signs = _add_watched(q[i, first : first + SPAN], lanes)
        top, sign = max(top, largest_bits), sign | signs
        total, error = plus(total, error, sum_of_lanes(lanes))
    if top > bits(1.0) or (sign < 0 and _is_below_zero(q, i)):
        return False
    return abs((total - 1.0) + error) <= tolerance  # not where one of them is NaN


def only_label(q: Any, i: int) -> Any:
    """The label of a one-hot row, else -1."""
    label = 0
    while label < q.shape[1] - 1 and q[i, label] == 0.0:
        label += 1
    if q[i, label] != 1.0:  # before all others are looked at, a nanosecond each
        return -1
    others = np.int64(0)
    for j in range(label + 1, q.shape[1]):
        others |= np.int64(q[i, j] != 0.0)
    return label if others == 0 else -1


@separate
def _mixed(q: Any, certain: float, uniform: float, mix: Any) -> None:
    """Fill in (1 - s) q + s / C of a part of the classes; without q, s / C."""
    for j in range(q.size):
        mix[j] = certain * np.float64(q[j]) + uniform
    for j in range(q.size, mix.size):
        mix[j] = uniform


@separate
def _weigh(mix: Any, terms: Any, slopes: Any, curvatures: Any, sums: Any, steep: Any) -> None:
    """Multiply by ``mix``, to 0 where it is 0, and add to the lanes."""
    for j in range(mix.size):
        some = mix[j] != 0.0
        slope = elementary.where(some, mix[j] * slopes[j], 0.0)
        sums[j] += elementary.where(some, mix[j] * terms[j], 0.0)
        steep[j] += slope
        slopes[j] = slope
    for j in range(curvatures.size):
        curvatures[j] = elementary.where(mix[j] != 0.0, mix[j] * curvatures[j], 0.0)


MIXTURE = 4 * MANY + LANES  # numbers of room for the parts of a row where the target is a distribution


def mixture(
    loop: int, parameters: Any, z: Any, q: Any, i: int, k: int, smoothing: float, peak: float, log_rest: float,
    slopes: Any, curvatures: Any, bent: bool, lanes: Any, room: Any,
) -> tuple[float, float]:  # fmt: skip
    """The sums of q phi(u) and q phi'(u) over a row; fill in q phi'(u), and q phi''(u) if it is ``bent``.

    q is smoothed; without one it is the label ``k``. In parts that stay in the L1 cache: with whole rows of 1,000
    classes the sweep took 3.4 ns a class.
    """
    classes = z.shape[1]
    uniform, certain = smoothing / classes, 1.0 - smoothing
    mix, u, terms, flat = room[:MANY], room[MANY : 2 * MANY], room[2 * MANY : 3 * MANY], room[3 * MANY : 4 * MANY]
    steep = room[4 * MANY :]
    total, error, slope, slope_error = 0.0, 0.0, 0.0, 0.0
    for span in range(0, classes, SPAN):
        clear_lanes(lanes)
        clear_lanes(steep)
        for first in range(span, min(span + SPAN, classes), MANY):
            last = min(first + MANY, classes)
            size, part = last - first, slice(first, last)
            _mixed(q[i, part] if q.size else q[0, :0], certain, uniform, mix[:size])
            if not q.size and first <= k < last:
                mix[k - first] = certain + uniform
            log_probabilities(z[i, part], peak, log_rest, u[:size])
            bends = curvatures[part] if bent else flat[:size]
            call(loop, u, u, u, parameters, terms, slopes[part], bends, size)
            _weigh(mix[:size], terms, slopes[part], bends[: size if bent else 0], lanes, steep)
        total, error = plus(total, error, sum_of_lanes(lanes))
        slope, slope_error = plus(slope, slope_error, sum_of_lanes(steep))
    total = total + error if abs(total) < np.inf else total
    return total, slope + slope_error if abs(slope) < np.inf else slope


def largest(x: Any) -> Any:
    """The first class of the only row of ``x`` whose number is the largest in magnitude."""
    most = 0.0
    for j in range(x.shape[1]):
        most = elementary.maximum(most, abs(x[0, j]))
    for j in range(x.shape[1]):
        if abs(x[0, j]) == most:
            return j
    return 0


def mixture_gradient(e: Any, rest: float, slopes: Any, bend: float, factor: float, gradient: Any, i: int) -> None:
    """The gradient of a row where the target is a distribution, if one is wanted."""
    coefficient = bend / (1.0 + rest)
    if gradient.size:
        for j in range(e.shape[1]):
            gradient[i, j] = factor * (slopes[0, j] + coefficient * e[0, j])


def mixture_hessian(
    e: Any, rest: float, curvatures: Any, bend: float, z_loss: float, factor: float, hessian: Any, i: int, lanes: Any
) -> None:
    """The Hessian's diagonal of such a row."""
    top_class = largest(curvatures)  # its share of T is kept apart: T - q phi'' would cancel there
    top = curvatures[0, top_class]
    curvatures[0, top_class] = 0.0
    other_curvatures = accurate_sum(curvatures, 0, lanes)
    curvatures[0, top_class] = top
    for j in range(e.shape[1]):
        p, q = shares(e[0, j], rest)
        own = curvatures[0, j]
        rest_curvature = other_curvatures if j == top_class else (other_curvatures - own) + curvatures[0, top_class]
        hessian[i, j] = factor * (own * q * q + p * p * (rest_curvature + 2.0 * z_loss) + bend * p * q)


NUMBERS = 8  # room for numbers of a row: a whole cache line, as vectors across two of them cost twice


def _lines(classes: int) -> int:
    """The classes up to whole cache lines."""
    return classes + (-classes & 7)


def _room_of_rows(z: Any) -> int:
    return 3 * _lines(int(z.shape[1])) + NUMBERS + LANES + MIXTURE


@kernel("i8 x[:, :] x[:, :] i8[:] f8[:] f8 f8[:] f8 f8 f8 f8[:] x[:, :] x[:, :] i8[:]", finds=True, room=_room_of_rows)
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
    room: Any,
) -> tuple[int, int]:
    """Sweep over rows ``z`` (n, C) with distributions ``q`` (n, C), or with smoothed labels if ``q`` is empty.

    With ``q`` the labels say only which rows lie outside. The formula runs over all classes, one row at a time. With
    S = sum_k q_k phi'_k and T = sum_k q_k phi''_k, the derivatives of sum_k q_k phi(u_k) + z_loss lse^2 are
    d/dz_j = q_j phi'_j - p_j (S - pull),
    d2/dz_j2 = q_j phi''_j (1 - p_j)^2 + p_j^2 (T - q_j phi''_j + 2 z_loss) - p_j (1 - p_j) (S - pull).
    """
    n, classes = z.shape
    lanes, parts, numbers = room[:LANES], room[LANES : LANES + MIXTURE], room[LANES + MIXTURE :]
    value, u, own, rests = numbers[:1], numbers[1:2], numbers[2:3], numbers[3:4]
    rows, width = numbers[NUMBERS:], _lines(classes)
    e = shaped(rows, (1, classes))
    slopes, curvatures = shaped(rows[width:], (1, classes)), shaped(rows[2 * width :], (1, classes))
    for i in range(n):
        weight, k = w[i] if w.size else 1.0, labels[i]
        if values.size:
            values[i] = 0.0
        if weight == 0.0:
            cleared(gradient, hessian, i)
            if k == OUTSIDE:
                continue
        peak = peak_of(z, i)
        if peak != peak:
            return PREDICTION, i
        if q.size:
            if not distribution(q, i, tolerance, lanes):
                return TARGET, i
            k = only_label(q, i)
        elif not 0 <= k < classes:
            return TARGET, i
        if weight == 0.0:
            continue
        if not has_limit(z, i, peak):
            return UNDEFINED, i
        rest = exponentials(z, i, peak, e, 0, lanes)
        log_rest = elementary.log1p(rest)
        certain, steepness = k >= 0 and smoothing == 0.0, 0.0
        if certain:
            own[0], rests[0] = below(np.float64(z[i, k]), peak)[0], rest
            u[0] = log_probability(np.float64(z[i, k]), peak, log_rest)
            call(loop, u, u, u, parameters, value, slopes[0], curvatures[0], 1)
            sharpened(1, rests, own, u, value, slopes[0], curvatures[0])
        else:
            value[0], steepness = mixture(loop, parameters, z, q, i, k, smoothing, peak, log_rest, slopes[0],
                                          curvatures[0], hessian.size > 0, lanes, parts)  # fmt: skip
        pull = 0.0
        if z_loss != 0.0:
            lse = peak + log_rest
            value[0] += z_loss * lse * lse + (lse - lse)
            pull = 2.0 * z_loss * lse
        if value[0] != value[0]:
            return UNDEFINED, i
        value[0] *= weight
        if values.size:
            values[i] = value[0]
        add_block(limbs, value)
        factor = weight / divisor
        if certain:
            others = label_others(below(np.float64(z[i, k]), peak)[0], e[0, k], rest)
            row_derivatives(i, k, e, 0, rest, others, slopes[0, 0], curvatures[0, 0], pull, z_loss, factor,
                             gradient, hessian)  # fmt: skip
        else:
            bend = pull - steepness
            mixture_gradient(e, rest, slopes, bend, factor, gradient, i)
            if hessian.size:
                mixture_hessian(e, rest, curvatures, bend, z_loss, factor, hessian, i, lanes)
    return FINE, 0
