"""Rows of numbers: peaks, sums and exponentials, without losing a digit; and the links built of them.

With m the largest logit of a row and n the number of classes that have it,

    rest = (n - 1) + sum of e^(z_j - m) over z_j < m,      logsumexp(z) = m + log1p(rest),
    u_j = (z_j - m) - log1p(rest),                         p_j = e^(z_j - m) / (1 + rest),

and 1 - p is the sum of the others, so that no digit is lost when one class dominates, which is where training ends.

Sums of a row run in fixed lanes over spans of 2,048 terms, and the spans' sums are added with their rounding errors
(Knuth, TAOCP 2, 4.2.2): the same bits wherever the row lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.kernels.pointwise import FINE, PREDICTION, UNDEFINED
from rashin.native.kernel import kernel
from rashin.native.language import inline, interleaved, separate, shaped

__all__ = [
    "LANES",
    "MANY",
    "SPAN",
    "accurate_sum",
    "below",
    "clear_lanes",
    "exponentials",
    "has_limit",
    "hessian_entry",
    "label_hessian_entry",
    "label_others",
    "links",
    "log_probabilities",
    "log_probability",
    "peak_of",
    "plus",
    "rest_of_sum",
    "shares",
    "softcapped",
    "span_exponentials",
    "span_sum",
    "sum_of_lanes",
]

SPAN = 2048  # terms of a row summed in lanes before the error-free addition
MANY, FEWER = 256, 32  # lanes
LANES = MANY + SPAN  # of which the last are room for a span


def peak_of(z: Any, i: int) -> Any:
    """The largest of row ``i``, NaN if one is NaN."""
    peak = z[i, 0]
    for j in range(z.shape[1]):
        peak = elementary.maximum(peak, z[i, j])
    return np.float64(peak)


def has_limit(z: Any, i: int, peak: float) -> Any:
    """Whether the row has a softmax: its peak is finite, or a lone +inf."""
    if -np.inf < peak < np.inf:
        return True
    count = 0
    for j in range(z.shape[1]):
        count += z[i, j] == np.inf
    return count == 1


def below(x: float, peak: float) -> Any:
    """x - peak and what rounding took from it (Knuth's two-sum); the limit at a peak of +inf."""
    if peak == np.inf:
        return (0.0, 0.0) if x == np.inf else (-np.inf, 0.0)
    d = x - peak
    back = d - x
    return d, elementary.where(d > -np.inf, (x - (d - back)) - (peak + back), 0.0)


def _in_many_lanes(x: Any, lanes: Any) -> None:
    """Add up a span of at least MANY terms in MANY lanes."""
    whole = x.size - x.size % MANY
    for j in range(MANY):
        lanes[j] = x[j]
    for i in range(MANY, whole, MANY):
        for j in range(MANY):
            lanes[j] += x[i + j]
    for j in range(x.size - whole):
        lanes[j] += x[whole + j]


def _in_fewer_lanes(x: Any, lanes: Any) -> None:
    """Add up a short span in FEWER lanes."""
    whole = x.size - x.size % FEWER
    for j in range(FEWER):
        lanes[j] = 0.0
    for i in range(0, whole, FEWER):
        for j in range(FEWER):
            lanes[j] += x[i + j]
    for j in range(x.size - whole):
        lanes[j] += x[whole + j]


def clear_lanes(lanes: Any) -> None:
    """Make MANY lanes sums of nothing."""
    for j in range(MANY):
        lanes[j] = 0.0


def sum_of_lanes(lanes: Any) -> Any:
    """The sum of MANY lanes, halved again and again."""
    for j in range(MANY // 2):
        lanes[j] += lanes[j + MANY // 2]
    for j in range(MANY // 4):
        lanes[j] += lanes[j + MANY // 4]
    for j in range(MANY // 8):
        lanes[j] += lanes[j + MANY // 8]
    return _sum_of_fewer(lanes)


def _sum_of_fewer(lanes: Any) -> Any:
    """The sum of FEWER lanes."""
    for j in range(16):  # bounds that are constants, for the vector instructions
        lanes[j] += lanes[j + 16]
    for j in range(8):
        lanes[j] += lanes[j + 8]
    for j in range(4):
        lanes[j] += lanes[j + 4]
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])


def span_sum(x: Any, lanes: Any) -> Any:
    """The sum of a span in fixed lanes, so many that no addition waits for the one before.

    Measured per term, in the L1 cache: 256 lanes 0.15 ns on 2,048 terms and 0.26 on 1,000; 32 lanes 0.28 on both.
    Halving the span again and again took 0.4 on 1,000.
    """
    if x.size >= MANY:
        _in_many_lanes(x, lanes)
        return sum_of_lanes(lanes)
    _in_fewer_lanes(x, lanes)
    return _sum_of_fewer(lanes)


def plus(total: float, error: float, part: float) -> tuple[float, float]:
    """``total + part``, and what rounding took from it added to ``error``."""
    new = total + part
    back = new - total
    return new, error + ((total - (new - back)) + (part - back))


def accurate_sum(x: Any, r: int, lanes: Any) -> Any:
    """The sum of row ``r``: halved within spans, spans added with their rounding errors."""
    total, error = 0.0, 0.0
    for first in range(0, x.shape[1], SPAN):
        total, error = plus(total, error, span_sum(x[r, first : first + SPAN], lanes))
    return total + error if abs(total) < np.inf else total


@inline
def _wide_exponential(x: float, peak: float) -> Any:
    """e^(x - peak) of float64, where the rounding of the difference moves the exponential by ulps."""
    d = x - peak
    back = d - x
    y = elementary.exp(d)
    return elementary.where(y > 0.0, y + y * ((x - (d - back)) - (peak + back)), 0.0)


@inline
def _exponential(z: Any, j: int, peak: float) -> Any:
    """e^(z - peak); of float32, whose differences are exact wherever it matters."""
    if z.itemsize == 4:
        return elementary.exp_below(np.float64(z[j]) - peak)
    return _wide_exponential(np.float64(z[j]), peak)


@interleaved
@separate
def _whole_parts(z: Any, peak: float, e: Any, lanes: Any) -> None:
    """Fill in e^(z - peak) of as many whole parts of MANY classes as there are, and add them to the lanes."""
    for i in range(0, z.size - z.size % MANY, MANY):
        zs, es = z[i : i + MANY], e[i : i + MANY]
        for j in range(MANY):  # a bound that is a constant: else the loop's numbers would not stay in registers
            y = _exponential(zs, j, peak)
            es[j] = y
            lanes[j] += y


@interleaved
@separate
def _part(z: Any, peak: float, e: Any, lanes: Any) -> None:
    """The same of less than MANY classes."""
    for j in range(z.size):
        y = _exponential(z, j, peak)
        e[j] = y
        lanes[j] += y


def _clear_peak(z: Any, peak: float, e: Any, rest: Any) -> None:
    """Copy a span of exponentials, with 0 for the classes at the peak."""
    for j in range(z.size):
        rest[j] = elementary.where(np.float64(z[j]) < peak, e[j], 0.0)


def _ties(z: Any, i: int, peak: float) -> Any:
    """How many classes have the peak."""
    count, top = np.int64(0), z.dtype.type(peak)
    for j in range(z.shape[1]):
        count += np.int64(z[i, j] == top)
    return count


def _careful_rest(z: Any, i: int, peak: float, e: Any, r: int, lanes: Any) -> Any:
    """The sum of the classes below the peak, and one for each class at the peak beyond the first."""
    span = lanes[MANY:LANES]
    total, error = 0.0, 0.0
    for first in range(0, z.shape[1], SPAN):
        zs = z[i, first : first + SPAN]
        _clear_peak(zs, peak, e[r, first : first + SPAN], span)
        total, error = plus(total, error, span_sum(span[: zs.size], lanes))
    return (total + error) + (_ties(z, i, peak) - 1)


def span_exponentials(z: Any, peak: float, e: Any, lanes: Any) -> Any:
    """Fill in e^(z - peak) of a span, for a peak that is no less than any of it, and their sum in fixed lanes."""
    whole = z.size - z.size % MANY
    clear_lanes(lanes)
    _whole_parts(z, peak, e, lanes)
    _part(z[whole:], peak, e[whole:], lanes)
    return sum_of_lanes(lanes)


def rest_of_sum(total: float, error: float, z: Any, i: int, peak: float, e: Any, r: int, lanes: Any) -> Any:
    """What all but one class at the peak add to the sum of a row.

    Where the peak is less than lanes of the sum, it may simply be taken off; else the others are summed without it.
    """
    return (total - 1.0) + error if total >= 2.0 else _careful_rest(z, i, peak, e, r, lanes)


def exponentials(z: Any, i: int, peak: float, e: Any, r: int, lanes: Any) -> Any:
    """Fill row ``r`` of ``e`` with e^(z - peak); returns what all but one class at the peak add to the sum.

    Measured per class of float32, one thread: on a Cascade Lake (AVX-512) peak 0.08 ns, exponentials 0.62, sum 0.15,
    gradient 0.13, where a copy costs 0.2; on a Zen 4 (AVX-512) peak 0.08, exponentials with their sum 0.62 (0.87 when
    the sum had a loop of its own), gradient 0.12. The 16 multiplications of an exponential alone, of eight doubles each
    and one at a time, take 0.55 there. Tried and rejected on 2048 x 32000, value and gradient: a sum without the peak
    from the start, which compares each class with it (0.15 more); the sum in the loop of the exponentials in one lane
    for each number of a vector (0.15 more); prefetching the next row and the gradient's (0.1 more on a Cascade Lake, of
    1.2; 0.06 less on a Zen 4, of 1.1); writing the gradient of one row while the next one is exponentiated (no less),
    the same with non-temporal stores (0.1 less, but 0.2 more at 1,000 classes); exponentials to 2^-44 (0.2 less, but
    the mean of confident rows, a double, shows it).
    """
    classes = z.shape[1]
    if peak == np.inf:
        for j in range(classes):
            e[r, j] = 1.0 if z[i, j] == np.inf else 0.0
        return 0.0
    total, error = 0.0, 0.0
    for first in range(0, classes, SPAN):
        # A slice per span: with bounds as arguments the index might be negative, and nothing would vectorise.
        part = span_exponentials(z[i, first : first + SPAN], peak, e[r, first : first + SPAN], lanes)
        total, error = plus(total, error, part)
    return rest_of_sum(total, error, z, i, peak, e, r, lanes)


def label_others(d: float, e: float, rest: float) -> Any:
    """(1 - p) of the label times the sum of exponentials: the sum over the other classes."""
    return rest if d == 0.0 else 1.0 + (rest - e)


def shares(e: float, rest: float) -> Any:
    """p and 1 - p of a class that is not the label."""
    p = e / (1.0 + rest)
    return p, rest / (1.0 + rest) if e == 1.0 else 1.0 - p


def hessian_entry(e: float, rest: float, curvature: float, bend: float, z_loss: float) -> Any:
    """d2/dz_j2 of a class that is not the label; ``bend`` is 2 z_loss lse - slope."""
    p, q = shares(e, rest)
    return (curvature + 2.0 * z_loss) * p * p + bend * p * q


def label_hessian_entry(e: float, rest: float, others: float, curvature: float, bend: float, z_loss: float) -> Any:
    """d2/dz_k2 of the label."""
    p, q = e / (1.0 + rest), others / (1.0 + rest)
    return curvature * q * q + 2.0 * z_loss * p * p + bend * p * q


def log_probability(x: float, peak: float, log_rest: float) -> Any:
    """log softmax of a logit; -0 where it is certain."""
    d, error = below(x, peak)
    return -log_rest if d == 0.0 else (d - log_rest) + error


@interleaved
@separate
def _finite_log_probabilities(z: Any, peak: float, log_rest: float, u: Any) -> None:
    for j in range(z.size):
        x = np.float64(z[j])
        d = x - peak
        known = d - log_rest
        if z.itemsize != 4:  # differences of float32 are exact wherever it matters
            back = d - x
            known += elementary.where(d > -np.inf, (x - (d - back)) - (peak + back), 0.0)
        u[j] = elementary.where(d == 0.0, -log_rest, known)


def log_probabilities(z: Any, peak: float, log_rest: float, u: Any) -> None:
    """Fill ``u`` with log softmax of logits of a row of this peak."""
    if peak < np.inf:
        _finite_log_probabilities(z, peak, log_rest, u)
        return
    for j in range(z.size):
        u[j] = log_probability(np.float64(z[j]), peak, log_rest)


def _room(z: Any) -> int:
    return 2 * int(z.shape[1]) + LANES


@kernel("x[:, :] x[:, :] x[:, :] f8[:]", finds=True, room=_room)
def links(z: Any, softmax: Any, log_softmax: Any, logsumexp: Any, room: Any) -> tuple[int, int]:
    """Softmax, log softmax and logsumexp of the rows of ``z``; those are filled that are not empty."""
    n, classes = z.shape
    e, u = shaped(room, (1, classes)), shaped(room[classes:], (1, classes))
    lanes = room[2 * classes :]
    for i in range(n):
        peak = peak_of(z, i)
        if peak != peak:
            return PREDICTION, i
        if not has_limit(z, i, peak):
            if not logsumexp.size:
                return UNDEFINED, i
            logsumexp[i] = peak  # +inf or -inf, whatever the number of classes that have it
            continue
        rest = exponentials(z, i, peak, e, 0, lanes)
        log_rest = elementary.log1p(rest)
        if logsumexp.size:
            logsumexp[i] = peak + log_rest
        if log_softmax.size:
            log_probabilities(z[i], peak, log_rest, u[0])
            for j in range(classes):
                log_softmax[i, j] = u[0, j]
        if softmax.size:
            for j in range(classes):
                softmax[i, j] = e[0, j] / (1.0 + rest)
    return FINE, 0


@kernel("x[:] f8 x[:] x[:] x[:]")
def softcapped(z: Any, cap: float, capped: Any, first: Any, second: Any) -> None:
    """Fill in cap tanh(z / cap) and its two derivatives by z; the first is sech^2, without 1 - tanh^2."""
    for i in range(z.size):
        x = z[i] / cap
        lost = elementary.where(
            elementary.abs(x) < 1e3, elementary.fma(-x, cap, z[i]) / cap, 0.0
        )  # what rounding took from x
        tanh = elementary.tanh(x)
        e = elementary.exp(-2.0 * elementary.abs(x))
        e -= e * elementary.where(x < 0.0, -2.0 * lost, 2.0 * lost)
        capped[i] = cap * tanh
        first[i] = 4.0 * e / ((1.0 + e) * (1.0 + e))
        second[i] = -2.0 * tanh * first[i] / cap
