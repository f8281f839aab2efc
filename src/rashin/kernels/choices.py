"""The sweep of losses of choices: the steps from the samples of a set to its loss and derivatives.

Steps over a span of rows may run side by side: what they compute of a row is the same however the rows are divided, and
the sum of the values is that of the spans.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.exact import BLOCK
from rashin.kernels.at_risk import PARTS, scan, score, segmented, weigh
from rashin.kernels.at_risk import gradient as gradient_of
from rashin.kernels.at_risk import hessian as hessian_of
from rashin.kernels.order import BUCKETS, bit_length, packed, refined, sort
from rashin.kernels.rows import LANES, SPAN, plus, span_sum
from rashin.native.kernel import DOUBLE, kernel
from rashin.native.language import as_integers, fetch, shaped

__all__ = [
    "BACK",
    "GATHER",
    "ORDER",
    "REFINE",
    "SCAN",
    "SCATTER",
    "SCORE",
    "SEGMENT",
    "WEIGH",
    "columns",
    "sweep",
    "weigh_choices",
]

ORDER, REFINE, GATHER, SEGMENT, WEIGH, SCAN, SCORE, BACK, SCATTER = range(9)
V, E, OTHERS, INVERSE, OWN, SHARED, PEAKS, ENDS, BEND, BENDS, SQUARE, REST_SQUARE, TOPS = range(13)  # arrays of a set
COLUMNS = 8  # of these, if there is no Hessian; behind them the weights
MEMORY = 7 * BLOCK + BUCKETS + PARTS  # doubles besides


def columns(w: Any, hessian: Any) -> int:
    """How many arrays of the size of a set there are."""
    return (13 if hessian.size > 0 else COLUMNS) + (w.size > 0)


def _first_of(ends: Any, segments: int, row: int) -> Any:
    """The segment where a row lies."""
    low, high = np.int64(0), np.int64(segments - 1)
    while low < high:
        middle = (low + high) // 2
        if ends[middle] <= row:
            low = middle + 1
        else:
            high = middle
    return low


def _gather(z: Any, w: Any, v: Any, shift: int, x: Any, ws: Any) -> None:
    """Fill in predictions and weights in the order of time; what has weight 0 is not at risk."""
    places = (np.int64(1) << shift) - 1
    if not w.size:
        for j in range(v.size):
            x[j] = z[v[j] & places]
        return
    for j in range(v.size):
        ws[j] = w[v[j] & places]
        x[j] = z[v[j] & places] if ws[j] != 0.0 else -np.inf


def _scatter(v: Any, shift: int, found: Any, out: Any) -> None:
    """Bring numbers in the order of time to the places of the samples, fetched ahead: a late store holds up all."""
    places, ahead, n = (np.int64(1) << shift) - 1, 16, v.size
    line = shaped(out, (1, out.size))
    for j in range(n):
        fetch(line, 0, v[min(j + ahead, n - 1)] & places)
        out[v[j] & places] = found[j]


def _over_segments(
    step: int, first: int, last: int, segments: int, loop: int, z: Any, shares: Any, w: Any, parameters: Any, rows: Any,
    bends: Any, memory: Any,
) -> Any:  # fmt: skip
    """A step whose peak is that of each segment; the sum of what it answers."""
    v, e, peaks, ends = as_integers(rows[V]), rows[E], rows[PEAKS], as_integers(rows[ENDS])
    start, segment, total, lost = np.int64(first), _first_of(ends, segments, first), 0.0, 0.0
    while start < last:
        stop, peak = min(ends[segment], last), peaks[segment]
        part = slice(start, stop)
        if step == WEIGH:
            weigh(e[part], peak, w[part], memory)
        else:
            found = score(
                loop, v[part], bit_length(np.int64(z.size - 1)), z, peak, e[part], shares, w[part], parameters,
                rows[OTHERS][part], rows[INVERSE][part], bends[part], memory,
            )  # fmt: skip
            total, lost = plus(total, lost, found)
        start, segment = stop, segment + 1
    return total + lost if abs(total) < np.inf else total


def _step(
    step: int, first: int, last: int, segments: Any, loop: int, z: Any, times: Any, shares: Any, w: Any, efron: int,
    parameters: Any, rows: Any, value: Any, gradient: Any, hessian: Any, memory: Any,
) -> Any:  # fmt: skip
    """Take a step on the rows from ``first`` to ``last``, all of them if they cannot be divided."""
    wide, shift, span = hessian.size > 0, bit_length(np.int64(z.size - 1)), slice(first, last)
    v, e, ends, peaks = as_integers(rows[V]), rows[E], as_integers(rows[ENDS]), rows[PEAKS]
    others, inverse, own, shared = rows[OTHERS], rows[INVERSE], rows[OWN], rows[SHARED]
    ws, none = rows[13 if wide else COLUMNS] if w.size else w, e[:0]
    bend, bends, square = (rows[BEND], rows[BENDS], rows[SQUARE]) if wide else (none, none, none)
    rest_square, tops = rows[REST_SQUARE] if wide else none, as_integers(rows[TOPS] if wide else none)
    counts, parts = as_integers(memory[7 * BLOCK : 7 * BLOCK + BUCKETS]), memory[7 * BLOCK + BUCKETS :]
    if step == ORDER:
        return packed(times, shares, w, v)
    if step == REFINE and segments > 0:
        refined(times, v, as_integers(e), counts, shift, segments)
    if step == GATHER:
        _gather(z, w, v[span], shift, e[span], ws[span])
    if step == SEGMENT:
        return segmented(e, v, shift + 1, ends, peaks)
    if step in (WEIGH, SCORE):
        graded = shares[: shares.size if times.size == 0 else 0]  # of those with times the shares are 1
        value[0] = _over_segments(
            step, first, last, segments, loop, z, graded, ws, parameters, rows, bends, memory
        )  # fmt: skip
    if step == SCAN:
        scan(
            v, shift, e, ends[:segments], peaks, efron, others, inverse, own, shared, square, rest_square, bend, tops,
            parts,
        )  # fmt: skip
    if step == BACK and wide:
        hessian_of(
            v, shift, e, ends[:segments], peaks, inverse, bends, own, shared, square, rest_square, bend, tops
        )  # fmt: skip
    if step == BACK and gradient.size:
        gradient_of(v, shift, e, ends[:segments], peaks, others, inverse, own, shared, wide)
    if step == SCATTER and wide:
        _scatter(v[span], shift, bend[span], hessian)
    if step == SCATTER and gradient.size:
        _scatter(v[span], shift, e[span], gradient)
    return np.int64(0)


@kernel("f8[:] f8[:] i8[:] f8[:]", elements=(DOUBLE,), room=lambda: SPAN + LANES)
def weigh_choices(shares: Any, w: Any, starts: Any, masses: Any, room: Any) -> None:
    """Fill in the sums of the weighted shares of each set; both may be empty, for 1."""
    terms, lanes = room[:SPAN], room[SPAN:]
    for g in range(masses.size):
        total, error = 0.0, 0.0
        for first in range(starts[g], starts[g + 1], SPAN):
            size = min(SPAN, starts[g + 1] - first)
            for j in range(size):
                terms[j] = (shares[first + j] if shares.size else 1.0) * (w[first + j] if w.size else 1.0)
            total, error = plus(total, error, span_sum(terms[:size], lanes))
        masses[g] = total + error


@kernel(
    "i8 i8 i8 i8 i8 i8 f8[:] f8[:] f8[:] f8[:] i8[:] i8 f8[:] f8[:] f8[:] f8[:] f8[:]",
    finds=True,
    elements=(DOUBLE,),
    room=lambda: MEMORY,
)
def sweep(
    begin: int,
    end: int,
    first: int,
    last: int,
    known: int,
    loop: int,
    z: Any,
    times: Any,
    shares: Any,
    w: Any,
    starts: Any,
    efron: int,
    parameters: Any,
    rows: Any,
    values: Any,
    gradient: Any,
    hessian: Any,
    room: Any,
) -> tuple[int, Any]:
    """Take the steps from ``begin`` to ``end`` for each of the sets ``starts``; the answer of the last, after a 0.

    Several steps are all steps. A single step is for one set, on its rows from ``first`` to ``last``; what the step
    before answered is ``known``. ``rows`` is memory, ``columns`` arrays of the size of the largest set; a single step
    reads there what the others left.

    ``times`` are empty if all of a set are at risk. ``shares`` are those of the choices, 0 for what is not chosen;
    empty if all are. ``w`` is empty for weight 1. The value of a set without limit is NaN.
    """
    answer, whole = np.int64(known), end > begin + 1
    for g in range(starts.size - 1):
        start, n = starts[g], starts[g + 1] - starts[g]
        set_of = slice(start, start + n)
        own = shaped(rows, (columns(w, hessian), n))
        values[g] = 0.0
        for step in range(begin, end if n > 0 else begin):
            found = _step(
                step, 0 if whole else first, n if whole else last, answer, loop, z[set_of], times[set_of],
                shares[set_of], w[set_of], efron, parameters, own, values[g : g + 1], gradient[set_of],
                hessian[set_of], room,
            )  # fmt: skip
            if step == ORDER and whole:
                counts = as_integers(room[7 * BLOCK : 7 * BLOCK + BUCKETS])
                sort(as_integers(own[V]), as_integers(own[E]), counts, bit_length(n - 1))
            if step in (ORDER, SEGMENT):
                answer = found  # how many bits are lacking, then how many segments there are
    return 0, answer
