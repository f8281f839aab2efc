"""The sweep of label losses where the target is a distribution, or a smoothed label: a formula of all classes.

Rows are taken one by one. The exponentials of a row are filled in first; all that follows, classes in parts of MANY,
stays in the L1 cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.exact import add_block
from rashin.kernels.labelwise import OUTSIDE, cleared, row_derivatives, sharpened
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
    label_others,
    log_probabilities,
    log_probability,
    peak_of,
    plus,
    shares,
    sum_of_lanes,
)
from rashin.native.kernel import kernel
from rashin.native.language import bits, call, separate, shaped

__all__ = [
    "MIXTURE",
    "distribution",
    "largest",
    "mixture",
    "mixture_gradient",
    "mixture_hessian",
    "only_label",
    "sweep_distributions",
]


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


MIXTURE = 5 * MANY  # numbers of room for the parts of a row where the target is a distribution


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
            value[0] += z_loss * lse * lse + (lse - lse)  # NaN where it is infinite
            pull = 2.0 * z_loss * lse
        if value[0] != value[0]:
            return UNDEFINED, i
        value[0] *= weight
        if values.size:
            values[i] = value[0]
        add_block(limbs, value)
        factor = weight / divisor
        if certain:
            others = label_others(own[0], e[0, k], rest)
            row_derivatives(i, k, e, 0, rest, others, slopes[0, 0], curvatures[0, 0], pull, z_loss, factor,
                             gradient, hessian)  # fmt: skip
        else:
            bend = pull - steepness
            mixture_gradient(e, rest, slopes, bend, factor, gradient, i)
            if hessian.size:
                mixture_hessian(e, rest, curvatures, bend, z_loss, factor, hessian, i, lanes)
    return FINE, 0
