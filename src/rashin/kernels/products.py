"""The sweep of label losses for the product of the Hessian with a vector: one pass over the rows.

With p the softmax of a row, u = log p, q the target, a = q phi'(u), b = q phi''(u), S the sum of a, s = p . v and
c = v - s, the derivative of the gradient along v is

    (H v)_j = b_j c_j - p_j (b . c) + (2 z_loss lse - S) p_j c_j + 2 z_loss p_j s.

Only differences of v matter but for z_loss. If one class has half of the probability or more, they are taken from its
entry: its own c is then the small sum of the others' shares, and no digit is lost when it dominates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.kernels.distributions import MIXTURE, distribution, largest, mixture, mixture_gradient, only_label
from rashin.kernels.labelwise import OUTSIDE, cleared, log_probabilities_of_labels, row_derivatives, sharpened
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED
from rashin.kernels.rows import (
    LANES,
    accurate_sum,
    below,
    exponentials,
    has_limit,
    label_others,
    peak_of,
    shares,
)
from rashin.native.kernel import kernel
from rashin.native.language import call, shaped

__all__ = ["differences", "mean_difference", "mixture_product", "stored", "sweep_products"]

LARGE, SHRUNK = 2.0**900, 2.0**-30  # vectors that reach this far are shrunk
PLACES = 8  # numbers of a row beside its classes


def differences(z: Any, v: Any, i: int, peak: float, rest: float, d: Any) -> tuple[float, float]:
    """Fill the only row of ``d`` with v less its entry at the peak, if that dominates; what was taken off, and a scale.

    v is multiplied by the scale first, so that differences of large numbers are finite.
    """
    at, most = -1, 0.0
    for j in range(z.shape[1]):
        most = elementary.maximum(most, abs(np.float64(v[i, j])))
    while at < 0 or np.float64(z[i, at]) != peak:
        at += 1
    scale = SHRUNK if most > LARGE else 1.0
    origin = np.float64(v[i, at]) * scale if rest <= 1.0 else 0.0
    for j in range(z.shape[1]):
        d[0, j] = np.float64(v[i, j]) * scale - origin
    return origin, scale


def mean_difference(e: Any, rest: float, d: Any, terms: Any, lanes: Any) -> Any:
    """p . d"""
    for j in range(e.shape[1]):
        terms[0, j] = e[0, j] * d[0, j]
    return accurate_sum(terms, 0, lanes) / (1.0 + rest)


def _label_product(
    e: Any, d: Any, k: int, mean: float, rest: float, others: float, curvature: float, bend: float, flat: float,
    terms: Any,
) -> None:  # fmt: skip
    """Fill the only row of ``terms`` with H v where the target is the label ``k``; ``flat`` is 2 z_loss s."""
    total = 1.0 + rest
    turned = curvature * (d[0, k] - mean)
    for j in range(e.shape[1]):
        terms[0, j] = (e[0, j] / total) * ((bend * (d[0, j] - mean) - turned) + flat)
    p = e[0, k] / total
    terms[0, k] = turned * (others / total) + p * (bend * (d[0, k] - mean) + flat)


def mixture_product(
    e: Any, d: Any, curvatures: Any, mean: float, rest: float, bend: float, flat: float, terms: Any, lanes: Any
) -> None:
    """The same where the target is a distribution, of curvatures q phi''."""
    for j in range(e.shape[1]):
        curvatures[0, j] *= d[0, j] - mean
    top = largest(curvatures)  # kept apart, as in the diagonal
    most = curvatures[0, top]
    curvatures[0, top] = 0.0
    sum_of_others = accurate_sum(curvatures, 0, lanes)
    curvatures[0, top] = most
    for j in range(e.shape[1]):
        p, q = shares(e[0, j], rest)
        own = curvatures[0, j]
        turned = sum_of_others if j == top else (sum_of_others - own) + most
        terms[0, j] = own * q + p * ((bend * (d[0, j] - mean) - turned) + flat)


def stored(terms: Any, factor: float, scale: float, i: int, product: Any) -> Any:
    """Write row ``i`` of the product; whether all of it are numbers."""
    undefined = np.int64(0)
    for j in range(terms.shape[1]):
        x = terms[0, j] * factor / scale
        undefined |= np.int64(x != x)
        product[i, j] = x
    return undefined == 0


def _room(z: Any) -> int:
    return 5 * int(z.shape[1]) + PLACES + LANES + MIXTURE


@kernel("i8 x[:, :] x[:, :] i8[:] x[:, :] f8[:] f8 f8[:] f8 f8 f8 x[:, :] x[:, :]", finds=True, room=_room)
def sweep_products(
    loop: int,
    z: Any,
    q: Any,
    labels: Any,
    v: Any,
    w: Any,
    divisor: float,
    parameters: Any,
    z_loss: float,
    smoothing: float,
    tolerance: float,
    gradient: Any,
    product: Any,
    room: Any,
) -> tuple[int, int]:
    """Sweep over rows ``z`` (n, C) with distributions ``q``, or with labels if ``q`` is empty, and vectors ``v``.

    The gradient is filled too if it is not empty. Checks are those of the sweeps for labels and distributions.
    """
    n, classes = z.shape
    lanes, parts, numbers = room[:LANES], room[LANES : LANES + MIXTURE], room[LANES + MIXTURE :]
    places, rows = numbers[:PLACES], numbers[PLACES:]
    e, terms = shaped(rows, (1, classes)), shaped(rows[classes:], (1, classes))
    slopes, curvatures = shaped(rows[2 * classes :], (1, classes)), shaped(rows[3 * classes :], (1, classes))
    d = shaped(rows[4 * classes :], (1, classes))
    rests, own, own_error, peaks = places[:1], places[1:2], places[2:3], places[3:4]
    lse, value, surprise = places[4:5], places[5:6], places[6:7]
    for i in range(n):
        weight, k = w[i] if w.size else 1.0, labels[i]
        if weight == 0.0:
            cleared(gradient, product, i)
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
        certain, steepness = k >= 0 and smoothing == 0.0, 0.0
        rests[0], peaks[0] = exponentials(z, i, peak, e, 0, lanes), peak
        own[0], own_error[0] = below(np.float64(z[i, max(k, 0)]), peak)
        log_probabilities_of_labels(1, peaks, rests, own, own_error, surprise, lse)
        if certain:
            call(loop, surprise, surprise, surprise, parameters, value, slopes[0], curvatures[0], 1)
            sharpened(1, rests, own, surprise, value, slopes[0], curvatures[0])
        else:
            log_rest = elementary.log1p(rests[0])
            value[0], steepness = mixture(loop, parameters, z, q, i, k, smoothing, peak, log_rest, slopes[0],
                                          curvatures[0], True, lanes, parts)  # fmt: skip
        pull = 2.0 * z_loss * lse[0] if z_loss != 0.0 else 0.0
        if value[0] != value[0] or pull != pull:
            return UNDEFINED, i
        origin, scale = differences(z, v, i, peak, rests[0], d)
        mean = mean_difference(e, rests[0], d, terms, lanes)
        flat, factor = 2.0 * z_loss * (origin + mean), weight / divisor
        if certain:
            others = label_others(own[0], e[0, k], rests[0])
            slope, curvature = slopes[0, 0], curvatures[0, 0]
            row_derivatives(i, k, e, 0, rests[0], others, slope, curvature, pull, z_loss, factor, gradient,
                            product[:0])  # fmt: skip
            _label_product(e, d, k, mean, rests[0], others, curvature, pull - slope, flat, terms)
        else:
            bend = pull - steepness
            mixture_gradient(e, rests[0], slopes, bend, factor, gradient, i)
            mixture_product(e, d, curvatures, mean, rests[0], bend, flat, terms, lanes)
        if not stored(terms, factor, scale, i, product):
            return UNDEFINED, i
    return FINE, 0
