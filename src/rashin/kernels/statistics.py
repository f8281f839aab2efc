"""What a row of logits says of its softmax: the label's log-probability, logsumexp, entropy and the label's rank.

With m the largest logit, rest the sum of e^(z_j - m) over all but one class at m, and p = softmax(z),

    H = -sum_j p_j log p_j = log1p(rest) + sum_j e^(z_j - m) (m - z_j) / (1 + rest),

whose terms are all >= 0: nothing cancels, and an entropy near 0 keeps its digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rashin.arithmetic import elementary
from rashin.kernels.labelwise import OUTSIDE
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET, UNDEFINED
from rashin.kernels.rows import (
    LANES,
    accurate_sum,
    below,
    exponentials,
    has_limit,
    log_probability,
    peak_of,
)
from rashin.native.kernel import kernel
from rashin.native.language import shaped

__all__ = ["NO_RANK", "OUTSIDE", "statistics"]

NO_RANK = -1  # the rank of a label whose row is left out

FAINT = 1e-290  # a rest below it is summed e^128 times as large, since subnormal terms have lost their digits
LIFT = 128.0


def _rank(z: Any, k: int) -> Any:
    """How many logits are larger than that of class ``k``."""
    larger = np.int64(0)
    for j in range(z.size):
        larger += np.int64(z[j] > z[k])
    return larger


def _fill_spread(z: Any, peak: float, e: Any, terms: Any) -> None:
    """Fill in e^(z - peak) (peak - z), 0 for masked classes."""
    for j in range(z.size):
        terms[j] = elementary.where(e[j] > 0.0, e[j] * (peak - np.float64(z[j])), 0.0)


def _faint_sums(z: Any, peak: float) -> Any:
    """Rest and entropy of a row whose classes below the peak are negligible: log1p(rest) is rest, 1 + rest is 1."""
    rest, entropy = 0.0, 0.0
    for j in range(z.size):
        d, error = below(np.float64(z[j]), peak)
        if -1000.0 < d < 0.0:
            e = elementary.exp(d + LIFT)
            e += e * error
            rest += e
            entropy += e * (1.0 - d)
    fall = elementary.exp(-LIFT)
    return rest * fall, entropy * fall


def _room(z: Any) -> int:
    return 2 * int(z.shape[1]) + LANES


@kernel("x[:, :] i8[:] f8[:] f8[:] f8[:] i8[:]", finds=True, room=_room)
def statistics(
    z: Any, labels: Any, log_probabilities: Any, logsumexp: Any, entropy: Any, rank: Any, room: Any
) -> tuple[int, int]:
    """Fill in the statistics of the rows of ``z``; a row with the label OUTSIDE is not looked at."""
    n, classes = z.shape
    e, terms = shaped(room, (1, classes)), shaped(room[classes:], (1, classes))
    lanes = room[2 * classes :]
    for i in range(n):
        k = labels[i]
        if k == OUTSIDE:
            log_probabilities[i], logsumexp[i], entropy[i], rank[i] = 0.0, 0.0, 0.0, NO_RANK
            continue
        peak = peak_of(z, i)
        if peak != peak:
            return PREDICTION, i
        if not 0 <= k < classes:
            return TARGET, i
        if not has_limit(z, i, peak):
            return UNDEFINED, i
        rest = exponentials(z, i, peak, e, 0, lanes)
        log_rest = elementary.log1p(rest)
        entropy[i] = 0.0  # for a lone +inf
        if rest < FAINT and peak < np.inf:
            log_rest, entropy[i] = _faint_sums(z[i], peak)
        elif peak < np.inf:
            _fill_spread(z[i], peak, e[0], terms[0])
            entropy[i] = log_rest + accurate_sum(terms, 0, lanes) / (1.0 + rest)
        log_probabilities[i] = log_probability(np.float64(z[i, k]), peak, log_rest)
        logsumexp[i] = peak + log_rest
        rank[i] = _rank(z[i], k)
    return FINE, 0
