"""Choices from those at risk, in the order of time: scans over one set.

With R_i the sum of w_j e^(z_j) over those at risk when i is chosen, the loss of a set is the sum of w_i f(u_i), where

    u_i = z_i - log R_i,      du_i / dz_k = [i = k] - p_ik,      p_ik = w_k e^(z_k) / R_i.

Samples are sorted by descending time, so that those at risk are all up to the end of a group of equal times. A scan
forward finds R, a scan backward the sums over all choices for which a sample was at risk.

No digit is lost where one sample dominates: a sum is kept as its largest term and the sum of the others, so that 1 - p
is a sum of others and not a difference. Exponentials are relative to a peak, which is the same throughout a segment; a
new one begins where sums would grow by more than e^30.

Ties by Efron: if d of equal time are chosen, they leave those at risk by parts, and log R is the mean of log(N + f S)
over f = 1, (d - 1) / d, ..., 1 / d, where S is their sum and N that of the others at risk. By Breslow: f = 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.exact import BLOCK
from rashin.kernels.rows import below, plus, span_sum
from rashin.native.language import call, inline, interleaved

__all__ = ["PARTS", "gradient", "hessian", "scan", "score", "segmented", "weigh"]

GROWTH = 30.0  # the logarithm of how much the sums of a segment may grow
TINY = 2.0**-900  # exponentials below lack digits, or an inverse
PARTS = 256  # denominators of Efron's that are computed side by side


def segmented(x: Any, v: Any, shift: int, ends: Any, peaks: Any) -> Any:
    """Fill in where segments end, and their peaks; returns how many there are. Groups of ties are never cut."""
    top, first_top, before, count = -np.inf, -np.inf, -np.inf, np.int64(0)
    start, opening = 0, True  # of the group; whether it is the first of its segment
    for j in range(x.size):
        if j > 0 and v[j] >> shift != v[j - 1] >> shift:
            first_top = top if opening else first_top
            start, opening, before = j, False, top
        if not opening and x[j] > first_top + GROWTH:
            ends[count], peaks[count], opening = start, before, True
            count += 1
        top = max(top, x[j])
    ends[count], peaks[count] = x.size, top
    return count + 1


@interleaved
def _exponentials(x: Any, peak: float, e: Any) -> None:
    """Fill in e^(x - peak), corrected for the rounding of the difference."""
    for j in range(x.size):
        d = x[j] - peak
        back = d - x[j]
        y = elementary.exp_plain(d)
        e[j] = elementary.where(y > 0.0, y + y * ((x[j] - (d - back)) - (peak + back)), 0.0)


def weigh(e: Any, peak: float, w: Any, block: Any) -> None:
    """Put w e^(z - peak) in the place of predictions z; relative to an infinite peak, w for those at it."""
    for start in range(0, e.size, BLOCK):
        part = e[start : start + BLOCK]
        x = block[: part.size]
        for j in range(x.size):
            x[j] = part[j]
        if abs(peak) < np.inf:
            _exponentials(x, peak, part)
        else:
            for j in range(x.size):
                part[j] = 1.0 if x[j] == np.inf else 0.0
    for j in range(w.size):
        e[j] *= w[j]


def _ratio(before: float, after: float) -> Any:
    """e^(before - after) of two peaks, of which the second is larger."""
    d, error = below(before, after)
    y = elementary.exp(d)
    return y + y * error


@inline
def _joined(top: float, rest: float, lost: float, y: float) -> Any:
    """A sum with one term more: the largest term, and the sum of the others with its rounding errors."""
    rest, lost = plus(rest, lost, elementary.where(y < top, y, top))
    return elementary.where(y < top, top, y), rest, lost


@inline
def _without(top: float, rest: float, y: float) -> Any:
    """The sum of all terms but one."""
    return rest if y == top else (rest - y) + top


# -------------------------------------------------------------------------------------------------- forward


def _means(n: float, s: float, d: Any, parts: Any) -> Any:
    """The means of log R, 1/R, f/R, 1/R^2, f/R^2, f^2/R^2 over R = n + f s for f = 1, (d - 1)/d, ..., 1/d."""
    logarithm, r1, f1, r2, g1, g2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    lost, r1_lost, f1_lost, r2_lost, g1_lost, g2_lost = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0  # of thousands of ties, digits
    for start in range(0, d, PARTS):
        size = min(PARTS, d - start)
        for k in range(size):
            parts[k] = elementary.log(n + np.float64(d - start - k) / d * s)
        for k in range(size):
            f = np.float64(d - start - k) / d
            r = 1.0 / (n + f * s)
            logarithm, lost = plus(logarithm, lost, parts[k])
            r1, r1_lost = plus(r1, r1_lost, r)
            f1, f1_lost = plus(f1, f1_lost, f * r)
            r2, r2_lost = plus(r2, r2_lost, r * r)
            g1, g1_lost = plus(g1, g1_lost, f * r * r)
            g2, g2_lost = plus(g2, g2_lost, f * f * r * r)
    return (
        (logarithm + lost) / d,
        (r1 + r1_lost) / d,
        (f1 + f1_lost) / d,
        (r2 + r2_lost) / d,
        (g1 + g1_lost) / d,
        (g2 + g2_lost) / d,
    )


def scan(
    v: Any, shift: int, e: Any, ends: Any, peaks: Any, efron: int, others: Any, inverse: Any, own: Any, shared: Any,
    square: Any, rest_square: Any, bend: Any, tops: Any, parts: Any,
) -> None:  # fmt: skip
    """Fill in for each choice the sum of the ``others`` at risk and the ``inverse`` 1/R.

    In groups of ties the inverse is 1, and each choice gets the mean over its denominators of 1 - p, ``own``; the first
    gets that of f/R, the last that of 1/R, as ``shared``. For a Hessian, where ``square`` is not empty, all groups are
    as those of ties. Their first gets the mean of 1/R^2, and of those at risk but the largest over R^2,
    ``rest_square``, and which that is, ``tops``; each choice gets that of p (1 - p), ``bend``.
    """
    top, rest, lost, place, start = 0.0, 0.0, 0.0, np.int64(-1), np.int64(0)
    for segment in range(ends.size):
        stop, peak = ends[segment], peaks[segment]
        if segment > 0:
            factor = _ratio(peaks[segment - 1], peak)
            top, rest, lost = top * factor, rest * factor, lost * factor
        k, plain = start, abs(peak) < np.inf and not square.size
        while k < stop:
            group = v[k] >> (shift + 1)
            n, y = top + (rest + lost), e[k]
            if plain and (k + 1 == stop or v[k + 1] >> (shift + 1) != group) and n + y >= TINY:
                # Chosen or not: a branch would cost 10 ns where it cannot be foreseen.
                r1 = 1.0 / (n + y)
                others[k], inverse[k] = n, r1
                top, rest, lost = _joined(top, rest, lost, y)
                k += 1
                continue
            begin = k
            while k < stop and v[k] >> shift == 2 * group:
                place = np.int64(k) if e[k] > top else place
                top, rest, lost = _joined(top, rest, lost, e[k])
                k += 1
            first = k
            n, n_rest = top + (rest + lost), rest + lost
            s_top, s_rest, s_lost, s_place = 0.0, 0.0, 0.0, place
            while k < stop and v[k] >> shift == 2 * group + 1:
                s_place = np.int64(k) if e[k] > s_top else s_place
                s_top, s_rest, s_lost = _joined(s_top, s_rest, s_lost, e[k])
                k += 1
            if k == first:
                others[k - 1], inverse[k - 1] = 0.0, 0.0  # of a group of one the scan backward reads these
                continue
            s_rest += s_lost
            s = s_top + s_rest
            by_parts = efron != 0 and k - first > 1
            r = n + s
            r1 = 1.0 / r
            f1, r2, g1, g2 = r1, r1 * r1, r1 * r1, r1 * r1
            if by_parts:
                logarithm, r1, f1, r2, g1, g2 = _means(n, s, k - first, parts)
                r = elementary.exp(logarithm)
            # More than one of e^inf at risk, or a sum of weights too small for digits: there is no limit.
            spoilt = np.nan if (peak == np.inf and n_rest + s_rest + min(top, s_top) > 0.0) or r < TINY else 0.0
            for j in range(first, k):
                other = _without(s_top, s_rest, e[j])
                others[j] = (r - e[j] if by_parts else n + other) + spoilt
                own[j], inverse[j] = n * r1 + other * f1, 1.0
                if square.size:
                    bend[j] = e[j] * (n * g1 + other * g2)
            shared[first], shared[k - 1] = f1, r1 if k - first > 1 else f1
            if k == begin + 1 and not square.size:
                inverse[first] = r1
            if square.size:
                square[first], rest_square[first], tops[first] = r2, n_rest * r2 + s * g1, place
            place = s_place if s_top > top else place
            if s_rest != 0.0:
                rest, lost = plus(rest, lost, s_rest)
            rest, lost = plus(rest, lost, min(top, s_top))
            top = max(top, s_top)
        start = stop


@interleaved
def _log_shares(others: Any, e: Any, w: Any, u: Any) -> Any:
    """Fill in u = -log((others + e) w / e), without loss near 0; returns whether an e was too small for that."""
    small = np.int64(0)
    for j in range(u.size):
        u[j] = -elementary.log1p_plain((w[j] - 1.0) + others[j] / e[j] * w[j])
        small |= np.int64(e[j] < TINY)
    return small != 0


def score(
    loop: int, v: Any, shift: int, z: Any, peak: float, e: Any, shares: Any, w: Any, parameters: Any, others: Any,
    inverse: Any, bends: Any, block: Any,
) -> Any:  # fmt: skip
    """Put slope / R in the place of ``inverse``, and slope (1 - p) of a group of one in that of ``others``.

    Slopes come times weights, in groups of ties without 1 / R. ``bends`` gets the curvatures, if it is not empty.
    Returns the sum of the values.
    """
    total, lost, places = 0.0, 0.0, (np.int64(1) << shift) - 1
    u, ts, ws = block[:BLOCK], block[BLOCK : 2 * BLOCK], block[2 * BLOCK : 3 * BLOCK]
    values, slopes, bent = block[3 * BLOCK : 4 * BLOCK], block[4 * BLOCK : 5 * BLOCK], block[5 * BLOCK : 6 * BLOCK]
    lanes = block[6 * BLOCK : 7 * BLOCK]
    for start in range(0, v.size, BLOCK):
        size = min(BLOCK, v.size - start)
        part = slice(start, start + size)
        mine, inverses, vs, es = others[part], inverse[part], v[part], e[part]
        for j in range(size):
            ts[j] = 1.0
            ws[j] = 1.0
        for j in range(size if shares.size else 0):
            ts[j] = shares[vs[j] & places] if (vs[j] >> shift) & 1 != 0 else 1.0
        for j in range(size if w.size else 0):
            ws[j] = w[start + j]
        if _log_shares(mine, es, ws[:size], u[:size]):
            for j in range(size):
                if es[j] < TINY:
                    d, error = below(z[vs[j] & places], peak)
                    u[j] = (d - elementary.log(mine[j] + es[j])) + error
        for j in range(size):
            u[j] = elementary.where((vs[j] >> shift) & 1 != 0, u[j], -1.0)
        call(loop, u, ts, ws, parameters, values, slopes, bent, size)
        for j in range(size):
            chosen = (vs[j] >> shift) & 1 != 0
            inverses[j] = elementary.where(chosen, slopes[j] * inverses[j], 0.0)
            mine[j] = elementary.where(chosen, mine[j] * inverses[j], 0.0)
            values[j] = elementary.where(chosen, values[j] * ws[j], 0.0)
        if bends.size:
            for j in range(size):
                bends[start + j] = elementary.where((vs[j] >> shift) & 1 != 0, bent[j], 0.0)
        total, lost = plus(total, lost, span_sum(values[:size], lanes))
    return total + lost if abs(total) < np.inf else total


# ------------------------------------------------------------------------------------------------- backward


def _sum_of(x: Any) -> Any:
    """A sum as its term of largest magnitude, and the sum of the others."""
    top, rest, lost = 0.0, 0.0, 0.0
    for j in range(x.size):
        larger = abs(x[j]) > abs(top)
        rest, lost = plus(rest, lost, top if larger else x[j])
        top = x[j] if larger else top
    return top, rest + lost


def gradient(
    v: Any, shift: int, e: Any, ends: Any, peaks: Any, ones: Any, slopes: Any, own: Any, shared: Any, tied: bool
) -> None:
    """Put the gradient in the place of ``e``; ``ones`` and ``slopes`` are what ``score`` left of others and inverse.

    ``tied`` says that groups of one are as those of ties.
    """
    total, lost = 0.0, 0.0  # over later choices, of slope / R
    for segment in range(ends.size - 1, -1, -1):
        start = ends[segment - 1] if segment > 0 else np.int64(0)
        k = ends[segment] - 1
        if segment + 1 < ends.size:
            factor = _ratio(peaks[segment], peaks[segment + 1])
            total, lost = total * factor, lost * factor
        while k >= start:
            later, group = total + lost, v[k] >> (shift + 1)
            if not tied and (k == start or v[k - 1] >> (shift + 1) != group):
                # 0 if it is not chosen: a branch would cost 10 ns where it cannot be foreseen.
                e[k] = ones[k] - e[k] * later
                total, lost = plus(total, lost, slopes[k])
                k -= 1
                continue
            last = k
            while k >= start and v[k] >> shift == 2 * group + 1:
                k -= 1
            if k < last:
                top, rest = _sum_of(slopes[k + 1 : last + 1])
                f, r = shared[k + 1], shared[last]
                for j in range(k + 1, last + 1):
                    e[j] = slopes[j] * own[j] - e[j] * (_without(top, rest, slopes[j]) * f + later)
                total, lost = plus(total, lost, (top + rest) * r)
                later = total + lost
            while k >= start and v[k] >> shift == 2 * group:
                e[k] = 0.0 - e[k] * later
                k -= 1


def hessian(
    v: Any, shift: int, e: Any, ends: Any, peaks: Any, slopes: Any, bends: Any, own: Any, shared: Any, square: Any,
    rest_square: Any, bend: Any, tops: Any,
) -> None:  # fmt: skip
    """Put the diagonal of the Hessian in the place of ``bend``.

    The sums over later choices: ``a`` of slope / R, ``b`` of slope / R^2, ``c`` of curvature / R^2, and ``d`` of slope
    times the others / R^2 since ``top`` is the largest at risk, when a and b were ``a_then`` and ``b_then``.
    """
    a, a_lost, b, b_lost, c, c_lost, d, d_lost = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    top, a_then, b_then = np.int64(-1), 0.0, 0.0
    for segment in range(ends.size - 1, -1, -1):
        start = ends[segment - 1] if segment > 0 else np.int64(0)
        k = ends[segment] - 1
        if segment + 1 < ends.size:
            factor = _ratio(peaks[segment], peaks[segment + 1])
            a, a_lost, d, d_lost, a_then = a * factor, a_lost * factor, d * factor, d_lost * factor, a_then * factor
            b, b_lost, b_then = b * factor * factor, b_lost * factor * factor, b_then * factor * factor
            c, c_lost = c * factor * factor, c_lost * factor * factor
        while k >= start:
            last, group = k, v[k] >> shift
            while k >= start and v[k] >> shift == group:
                k -= 1
            chosen = group & 1 != 0
            first = k + 1
            if not chosen:
                # nothing of their own
                s_top, s_rest, c_top, c_rest, f = 0.0, 0.0, 0.0, 0.0, 0.0
            else:
                s_top, s_rest = _sum_of(slopes[first : last + 1])
                c_top, c_rest = _sum_of(bends[first : last + 1])
                f = shared[first]
            for j in range(first, last + 1):
                y = e[j]
                if j == top:
                    found = y * (y * (b_then + (c + c_lost)) - a_then - (d + d_lost))
                else:
                    found = y * (y * ((b + b_lost) + (c + c_lost)) - (a + a_lost))
                if chosen:
                    p, q = y * f, own[j]
                    found += bends[j] * q * q + _without(c_top, c_rest, bends[j]) * p * p - (s_top + s_rest) * bend[j]
                bend[j] = found
            if chosen:
                if tops[first] != top:
                    top, a_then, b_then, d, d_lost = tops[first], a + a_lost, b + b_lost, 0.0, 0.0
                slope, r = s_top + s_rest, shared[last]
                a, a_lost = plus(a, a_lost, slope * r)
                b, b_lost = plus(b, b_lost, slope * square[first])
                c, c_lost = plus(c, c_lost, (c_top + c_rest) * r * r)
                d, d_lost = plus(d, d_lost, slope * rest_square[first])
