"""The sweep of losses that compare the softmax of a row with another distribution, class by class.

With x_j = (z_j - peak) / T, log_rest = log1p of what all but the peak add to the sum of e^x, u = x - log_rest and
p = e^u, and with v and q the same of the target, the loss of a row is T^2 times the sum of f(u_j, p_j, v_j, q_j). With
s_j = df/du_j and S their sum,

    dl/dz_j = T (s_j - p_j S),
    d2l/dz_j2 = f''_j (1 - p_j)^2 + p_j^2 (sum of the other f'') - p_j (1 - p_j) S.

The entry of a class with more than half of the probability is s (1 - p) - p (sum of the other s), where 1 - p is the
sum of the others, so that no digit is lost when it dominates. A formula may leave out of s, and of f'' with it, any
multiple of p, which adds nothing.

A row is read twice, for its peak and its exponentials, and then span by span: what the formula takes and gives for a
span lies in the L1 cache, and the exponentials and slopes of a row of 32,000 classes in the L2 cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary, scalar
from rashin.exact import add_block
from rashin.kernels.distributions import distribution, mixture_hessian
from rashin.kernels.labelwise import OUTSIDE, cleared
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED
from rashin.kernels.products import differences, mean_difference, mixture_product, stored
from rashin.kernels.rows import LANES, SPAN, has_limit, peak_of, plus, rest_of_sum, span_sum
from rashin.native.kernel import kernel
from rashin.native.language import call, inline, interleaved, shaped

__all__ = ["LABELS", "LOGITS", "SHARES", "sweep_class_products", "sweep_classes"]

LABELS, SHARES, LOGITS = 0, 1, 2  # what targets are
LEFT_OUT = 4  # beside what a sweep may find wrong
PLACES = 8  # numbers of a row beside its classes
PEAK, REST, VALUE, OTHERS, OWN, TOP = 0, 1, 2, 3, 4, 5


# ------------------------------------------------------------------------------------------- softmax of z / T


@inline
def _apart(x: float, peak: float, temperature: float, inverse: float) -> Any:
    """(x - peak) / T, and what rounding took from it; the limit at a peak of +inf."""
    d = scalar.where(x == peak, 0.0, x - peak)
    back = d - x
    y = d * inverse
    lost = ((x - (d - back)) - (peak + back)) + elementary.fma(-y, temperature, d)
    return y, scalar.where((d < 0.0) & (d > -np.inf), lost * inverse, 0.0)


@interleaved
def _wide_exponentials(z: Any, peak: float, temperature: float, inverse: float, e: Any) -> None:
    for j in range(z.size):
        x, lost = _apart(np.float64(z[j]), peak, temperature, inverse)
        y = scalar.exp(x)
        e[j] = scalar.where(y > 0.0, y + y * lost, 0.0)


@interleaved
def _narrow_exponentials(z: Any, peak: float, inverse: float, e: Any) -> None:
    """Of float32, whose differences are exact wherever it matters."""
    for j in range(z.size):
        x = np.float64(z[j])
        e[j] = elementary.exp_plain(scalar.where(x == peak, 0.0, x - peak) * inverse)


def _exponentials(z: Any, i: int, peak: float, temperature: float, e: Any, lanes: Any) -> Any:
    """Fill the only row of ``e`` with e^((z - peak) / T); what all but one class at the peak add to the sum."""
    total, error, inverse = 0.0, 0.0, 1.0 / temperature
    for first in range(0, z.shape[1], SPAN):
        zs, es = z[i, first : first + SPAN], e[0, first : first + SPAN]
        if z.itemsize == 4:
            _narrow_exponentials(zs, peak, inverse, es)
        else:
            _wide_exponentials(zs, peak, temperature, inverse, es)
        total, error = plus(total, error, span_sum(es, lanes))
    return rest_of_sum(total, error, z, i, peak, e, 0, lanes)


@interleaved
def _wide_probabilities(z: Any, e: Any, peak: float, rest: float, temperature: float, u: Any, p: Any) -> None:
    log_rest, total, inverse = scalar.log1p(rest), 1.0 + rest, 1.0 / temperature
    for j in range(z.size):
        x, lost = _apart(np.float64(z[j]), peak, temperature, inverse)
        u[j] = scalar.where(x == 0.0, -log_rest, (x - log_rest) + lost)  # -0 where it is certain
        p[j] = e[j] / total


@interleaved
def _narrow_probabilities(z: Any, e: Any, peak: float, rest: float, temperature: float, u: Any, p: Any) -> None:
    log_rest, share, inverse = scalar.log1p(rest), 1.0 / (1.0 + rest), 1.0 / temperature
    for j in range(z.size):
        x = np.float64(z[j])
        u[j] = scalar.where(x == peak, 0.0, x - peak) * inverse - log_rest
        p[j] = e[j] * share


def _probabilities(z: Any, e: Any, peak: float, rest: float, temperature: float, parts: Any) -> None:
    """Fill in u and p of a span, the two rows of ``parts``."""
    if z.itemsize == 4:
        _narrow_probabilities(z, e, peak, rest, temperature, parts[0], parts[1])
    else:
        _wide_probabilities(z, e, peak, rest, temperature, parts[0], parts[1])


# ------------------------------------------------------------------------------------------------- targets


@interleaved
def _wide_logarithms(q: Any, v: Any) -> None:
    for j in range(q.size):
        v[j] = scalar.log(q[j])


@interleaved
def _narrow_logarithms(q: Any, v: Any) -> None:
    for j in range(q.size):
        v[j] = elementary.log_plain(q[j])


def _shares(q: Any, parts: Any) -> Any:
    """Fill in v and q of a span; whether all are probabilities."""
    outside, shares = np.int64(0), parts[1]
    for j in range(q.size):
        x = np.float64(q[j])
        shares[j] = x
        outside |= np.int64(not (x >= 0.0)) | np.int64(not (x <= 1.0))
    if q.itemsize == 4:
        _narrow_logarithms(shares, parts[0])
    else:
        _wide_logarithms(shares, parts[0])
    return outside == 0


def _one_hot(k: int, parts: Any) -> None:
    """Fill in v and q of a span, of which the label is the k-th class if that lies there."""
    for j in range(parts.shape[1]):
        parts[0, j], parts[1, j] = -np.inf, 0.0
    if 0 <= k < parts.shape[1]:
        parts[0, k], parts[1, k] = 0.0, 1.0


def _is_target(mode: int, q: Any, i: int, k: int, classes: int, tolerance: float, lanes: Any) -> Any:
    """Whether the target of a row is one, though the sweep leaves the row out."""
    if mode == LABELS:
        return 0 <= k < classes
    if mode == SHARES:
        return distribution(q, i, tolerance, lanes)
    peak = peak_of(q, i)
    return peak == peak and has_limit(q, i, peak)


# ------------------------------------------------------------------------------------------------- one row


def _top(z: Any, i: int, peak: float) -> Any:
    """The class that has more than half of the probability: the only one at the peak."""
    top = z.dtype.type(peak)
    for first in range(0, z.shape[1], SPAN):
        zs, seen = z[i, first : first + SPAN], np.int64(0)
        for j in range(zs.size):
            seen |= np.int64(zs[j] == top)
        if seen != 0:
            for j in range(zs.size):
                if zs[j] == top:
                    return first + j
    return -1


def _row(
    loop: int, z: Any, mode: int, q: Any, i: int, k: int, parameters: Any, temperature: float, tolerance: float, e: Any,
    slopes: Any, curvatures: Any, pair: Any, terms: Any, lanes: Any, found: Any,
) -> int:  # fmt: skip
    """Fill rows with exponentials, slopes and curvatures, those that the loop gives, and ``found`` with sums.

    The row of slopes holds the exponentials of the target's logits before.
    """
    classes = z.shape[1]
    peak, target_peak, target_rest = found[PEAK], 0.0, 0.0
    if mode == LOGITS:
        target_peak = peak_of(q, i)
        if target_peak != target_peak or not has_limit(q, i, target_peak):
            return TARGET
        target_rest = _exponentials(q, i, target_peak, temperature, slopes, lanes)
    rest = _exponentials(z, i, peak, temperature, e, lanes)
    top = _top(z, i, peak) if rest < 1.0 else -1
    own, value, value_error, others, others_error, mass, mass_error = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for first in range(0, classes, SPAN):
        size = min(SPAN, classes - first)
        place = slice(first, first + SPAN)
        mine, theirs = shaped(pair, (2, size)), shaped(pair[2 * SPAN :], (2, size))
        _probabilities(z[i, place], e[0, place], peak, rest, temperature, mine)
        steep, bent = slopes[0, place], curvatures[0, place]
        if mode == LOGITS:
            _probabilities(q[i, place], steep, target_peak, target_rest, temperature, theirs)
        elif mode == LABELS:
            _one_hot(k - first, theirs)
        else:
            if not _shares(q[i, place], theirs):
                return TARGET
            mass, mass_error = plus(mass, mass_error, span_sum(theirs[1], lanes))
        call(loop, mine, theirs, lanes, parameters, terms, steep, bent, size)
        value, value_error = plus(value, value_error, span_sum(terms[:size], lanes))
        if first <= top < first + size:
            own = steep[top - first]
            steep[top - first] = 0.0
        others, others_error = plus(others, others_error, span_sum(steep, lanes))
        if first <= top < first + size:
            steep[top - first] = own
    if mode == SHARES and not abs((mass + mass_error) - 1.0) <= tolerance:
        return TARGET
    found[REST], found[OWN], found[TOP] = rest, own, top
    found[VALUE] = value + value_error if abs(value) < np.inf else value
    found[OTHERS] = others + others_error if abs(others) < np.inf else others
    return FINE


def _checked_row(
    loop: int, z: Any, mode: int, q: Any, i: int, k: int, weight: float, parameters: Any, temperature: float,
    tolerance: float, e: Any, slopes: Any, curvatures: Any, pair: Any, terms: Any, lanes: Any, found: Any,
) -> int:  # fmt: skip
    """The same once prediction and target are found to be right; a row of weight 0 is checked and left out."""
    found[PEAK] = peak_of(z, i)
    if found[PEAK] != found[PEAK]:
        return PREDICTION
    if weight == 0.0:
        return LEFT_OUT if _is_target(mode, q, i, k, z.shape[1], tolerance, lanes) else TARGET
    if mode == LABELS and not 0 <= k < z.shape[1]:
        return TARGET
    if not has_limit(z, i, found[PEAK]):
        return UNDEFINED
    wrong = _row(loop, z, mode, q, i, k, parameters, temperature, tolerance, e, slopes, curvatures, pair, terms, lanes,
                 found)  # fmt: skip
    return UNDEFINED if wrong == FINE and found[VALUE] != found[VALUE] else wrong


def _gradient(e: Any, slopes: Any, found: Any, factor: float, gradient: Any, i: int) -> None:
    """Fill in row ``i`` of the gradient."""
    rest, others, own, top = found[REST], found[OTHERS], found[OWN], int(found[TOP])
    whole, share, total = 1.0 + rest, 1.0 / (1.0 + rest), others + own
    if abs(total) == np.inf:  # a class without a share in the target costs inf: away from it, whatever the others do
        for j in range(e.shape[1]):
            gradient[i, j] = 0.0 if e[0, j] == 0.0 else factor * (np.inf if slopes[0, j] == np.inf else -np.inf)
        return
    if gradient.itemsize == 4:
        for j in range(e.shape[1]):
            gradient[i, j] = factor * (slopes[0, j] - e[0, j] * (total * share))
    else:
        for j in range(e.shape[1]):
            gradient[i, j] = factor * (slopes[0, j] - (e[0, j] / whole) * total)
    if top >= 0:
        gradient[i, top] = factor * (own * (rest / whole) - others / whole)


# ------------------------------------------------------------------------------------------------- sweeps


def _room(z: Any) -> int:
    return 3 * int(z.shape[1]) + PLACES + LANES + 5 * SPAN


@kernel(
    "i8 x[:, :] i8 x[:, :] i8[:] f8[:] f8 f8[:] f8 f8 f8[:] x[:, :] x[:, :] i8[:]",
    finds=True,
    room=_room,
)
def sweep_classes(
    loop: int,
    z: Any,
    mode: int,
    q: Any,
    labels: Any,
    w: Any,
    divisor: float,
    parameters: Any,
    temperature: float,
    tolerance: float,
    values: Any,
    gradient: Any,
    hessian: Any,
    limbs: Any,
    room: Any,
) -> tuple[int, int]:
    """Sweep over rows ``z`` (n, C) with targets ``q`` of a mode: labels, shares or logits.

    With shares and logits the labels say only which rows lie outside. The loop gives what the results need.
    """
    n, classes = z.shape
    lanes, found = room[:LANES], room[LANES : LANES + PLACES]
    pair, terms = room[LANES + PLACES :], room[LANES + PLACES + 4 * SPAN :]
    rows = room[LANES + PLACES + 5 * SPAN :]
    e, slopes = shaped(rows, (1, classes)), shaped(rows[classes:], (1, classes))
    curvatures = shaped(rows[2 * classes :], (1, classes))
    for i in range(n):
        weight, k = w[i] if w.size else 1.0, labels[i]
        if values.size:
            values[i] = 0.0
        if weight == 0.0:
            cleared(gradient, hessian, i)
            if k == OUTSIDE:
                continue
        wrong = _checked_row(loop, z, mode, q, i, k, weight, parameters, temperature, tolerance, e, slopes, curvatures,
                             pair, terms, lanes, found)  # fmt: skip
        if wrong == LEFT_OUT:
            continue
        if wrong != FINE:
            return wrong, i
        found[VALUE] = weight * (temperature * temperature * found[VALUE])
        if values.size:
            values[i] = found[VALUE]
        add_block(limbs, found[VALUE : VALUE + 1])
        factor = weight / divisor
        if gradient.size:
            _gradient(e, slopes, found, temperature * factor, gradient, i)
        if hessian.size:
            bend = -(found[OTHERS] + found[OWN])
            mixture_hessian(e, found[REST], curvatures, bend, 0.0, factor, hessian, i, lanes)
    return FINE, 0


def _room_of_products(z: Any) -> int:
    return 5 * int(z.shape[1]) + PLACES + LANES + 5 * SPAN


@kernel(
    "i8 x[:, :] i8 x[:, :] i8[:] x[:, :] f8[:] f8 f8[:] f8 f8 x[:, :]",
    finds=True,
    room=_room_of_products,
)
def sweep_class_products(
    loop: int,
    z: Any,
    mode: int,
    q: Any,
    labels: Any,
    v: Any,
    w: Any,
    divisor: float,
    parameters: Any,
    temperature: float,
    tolerance: float,
    product: Any,
    room: Any,
) -> tuple[int, int]:
    """The same for the product of the Hessian with vectors ``v``, as in ``products``; the loop is of order 2."""
    n, classes = z.shape
    lanes, found = room[:LANES], room[LANES : LANES + PLACES]
    pair, terms = room[LANES + PLACES :], room[LANES + PLACES + 4 * SPAN :]
    rows = room[LANES + PLACES + 5 * SPAN :]
    e, slopes = shaped(rows, (1, classes)), shaped(rows[classes:], (1, classes))
    curvatures, d = shaped(rows[2 * classes :], (1, classes)), shaped(rows[3 * classes :], (1, classes))
    results = shaped(rows[4 * classes :], (1, classes))
    for i in range(n):
        weight, k = w[i] if w.size else 1.0, labels[i]
        if weight == 0.0:
            cleared(product, product[:0], i)
            if k == OUTSIDE:
                continue
        wrong = _checked_row(loop, z, mode, q, i, k, weight, parameters, temperature, tolerance, e, slopes, curvatures,
                             pair, terms, lanes, found)  # fmt: skip
        if wrong == LEFT_OUT:
            continue
        if wrong != FINE:
            return wrong, i
        rest = found[REST]
        _, scale = differences(z, v, i, found[PEAK], rest, d)
        mean = mean_difference(e, rest, d, results, lanes)
        bend = -(found[OTHERS] + found[OWN])
        mixture_product(e, d, curvatures, mean, rest, bend, 0.0, results, lanes)
        if not stored(results, weight / divisor, scale, i, product):
            return UNDEFINED, i
    return FINE, 0
