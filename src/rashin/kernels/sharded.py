"""The sweeps over some classes of rows whose other classes are elsewhere: what they add to the sums, their gradient.

With m and rest of ``rows`` for each part of the classes, those of the whole follow without its logits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.kernels.labelwise import OUTSIDE
from rashin.kernels.pointwise import FINE, PREDICTION
from rashin.kernels.rows import LANES, SPAN, accurate_sum, below, exponentials, label_others, peak_of, span_exponentials
from rashin.native.kernel import kernel
from rashin.native.language import shaped

__all__ = ["sweep_gradient", "sweep_sums"]


def _infinite_rest(z: Any, i: int) -> Any:
    """How many +inf the row has beyond the first; -1 if it has none, which makes 1 + rest, its share, 0."""
    count = np.int64(0)
    for j in range(z.shape[1]):
        count += np.int64(z[i, j] == np.inf)
    return np.float64(count - 1)


def _spread(z: Any, i: int, peak: float, e: Any, lanes: Any) -> Any:
    """The sum of peak - z over the classes."""
    if peak == -np.inf or (peak == np.inf and z.shape[1] > 1):
        return np.inf
    if peak == np.inf:
        return 0.0
    for j in range(z.shape[1]):
        e[0, j] = peak - np.float64(z[i, j])
    return accurate_sum(e, 0, lanes)


def _room(z: Any) -> int:
    return int(z.shape[1]) + LANES


@kernel("x[:, :] i8[:] f8[:] f8[:] f8[:] f8[:] f8[:]", finds=True, room=_room)
def sweep_sums(
    z: Any, labels: Any, w: Any, peaks: Any, rests: Any, own: Any, spreads: Any, room: Any
) -> tuple[int, int]:
    """Of rows ``z`` (n, C) the peak, the rest of the sum, the logit of the label, and the spread if that is wanted.

    A label of -1 is elsewhere, and a row of weight 0 with the label OUTSIDE is not even checked.
    """
    lanes, e = room[:LANES], shaped(room[LANES:], (1, z.shape[1]))
    for i in range(z.shape[0]):
        k, weight = labels[i], w[i] if w.size else 1.0
        peaks[i], rests[i], own[i] = 0.0, 0.0, 0.0
        if spreads.size:
            spreads[i] = 0.0
        if weight == 0.0 and k == OUTSIDE:
            continue
        peak = peak_of(z, i)
        if peak != peak:
            return PREDICTION, i
        peaks[i] = peak
        if -np.inf < peak < np.inf:
            rests[i] = exponentials(z, i, peak, e, 0, lanes)
        else:
            rests[i] = _infinite_rest(z, i)
        if k >= 0:
            own[i] = z[i, k]
        if spreads.size:
            spreads[i] = _spread(z, i, peak, e, lanes)
    return FINE, 0


def _powers(z: Any, i: int, peak: float, e: Any, lanes: Any) -> None:
    """Fill the only row of ``e`` with e^(z - peak), which has its limits at a peak of +inf."""
    if peak == np.inf:
        for j in range(z.shape[1]):
            e[0, j] = 1.0 if z[i, j] == np.inf else 0.0
        return
    for first in range(0, z.shape[1], SPAN):
        span_exponentials(z[i, first : first + SPAN], peak, e[0, first : first + SPAN], lanes)


@kernel("x[:, :] i8[:] f8[:] f8[:] f8[:] f8[:] f8 f8 x[:, :]", room=_room)
def sweep_gradient(
    z: Any, labels: Any, peaks: Any, rests: Any, pulls: Any, factors: Any, certain: float, uniform: float,
    gradient: Any, room: Any,
) -> None:  # fmt: skip
    """The gradient by rows ``z`` (n, C) of the loss over all classes, whose peaks and rests are given.

    The target is ``certain`` at the label and ``uniform`` elsewhere; a label below 0 is in another part of the classes.
    """
    lanes, e = room[:LANES], shaped(room[LANES:], (1, z.shape[1]))
    for i in range(z.shape[0]):
        k, factor = labels[i], factors[i]
        if factor == 0.0:
            for j in range(z.shape[1]):
                gradient[i, j] = 0.0
            continue
        pull, total = pulls[i], 1.0 + rests[i]
        others = 0.0
        _powers(z, i, peaks[i], e, lanes)
        if k >= 0:
            others = label_others(below(np.float64(z[i, k]), peaks[i])[0], e[0, k], rests[i])
        if uniform == 0.0:
            coefficient = (1.0 + pull) * factor / total
            for j in range(z.shape[1]):
                gradient[i, j] = coefficient * e[0, j]
            if k >= 0:
                gradient[i, k] = factor * ((pull * e[0, k] - others) / total)
        else:
            for j in range(z.shape[1]):
                gradient[i, j] = factor * ((1.0 + pull) * (e[0, j] / total) - uniform)
            if k >= 0:
                gradient[i, k] = factor * ((1.0 + pull) * (e[0, k] / total) - certain)
