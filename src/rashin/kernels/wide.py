"""A row of very many classes, cut into parts for the threads: the numbers of ``labelwise``, bit for bit."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from rashin.kept import kept
from rashin.kernels.formula import call
from rashin.kernels.labelwise import finished, log_probabilities_of_labels, sharpened
from rashin.kernels.rows import MANY, SPAN, array_type, below, label_others, plus, rest_of_sum, span_exponentials

__all__ = ["COEFFICIENT", "LABEL_SLOPE", "TERM", "fill", "finish", "scale"]

TERM, COEFFICIENT, LABEL_SLOPE = 0, 1, 2  # places in the answer of `finish`


@kept(lambda element: nb.void(array_type(element, 1, True), nb.float64, *[array_type(nb.float64, 1)] * 2))
def fill(z: Any, peak: float, e: Any, sums: Any) -> None:
    """Fill in e^(z - peak) of a part of the row, and the sum of each of its spans."""
    lanes = np.empty(MANY)
    for span in range(sums.size):
        first = span * SPAN
        sums[span] = span_exponentials(z[first : first + SPAN], peak, e[first : first + SPAN], lanes)


def _signature(element: Any) -> Any:
    double, one, many = nb.float64, array_type(nb.float64, 1), array_type(nb.float64, 2)
    row, numbers = array_type(element, 2, True), array_type(nb.float64, 1, True)
    return nb.void(nb.int64, row, nb.int64, double, numbers, double, numbers, double, one, many, one)


@kept(_signature)
def finish(
    loop: int,
    z: Any,
    label: int,
    peak: float,
    weight: Any,
    divisor: float,
    parameters: Any,
    z_loss: float,
    sums: Any,
    e: Any,
    answer: Any,
) -> None:
    """From the spans' sums of a row, (1, C), to its term w l and what its gradient is made of.

    The gradient is ``answer[COEFFICIENT] * e``, but at the label, where it is ``answer[LABEL_SLOPE]``.
    """
    lanes, one = np.empty(MANY), np.empty((12, 1))
    peaks, rests, own, own_error, u, lse = one[0], one[1], one[2], one[3], one[4], one[5]
    terms, slopes, curvatures, pulls, factors = one[6], one[7], one[8], one[9], one[10]
    total, error = 0.0, 0.0
    for part in sums:
        total, error = plus(total, error, part)
    peaks[0], rests[0] = peak, rest_of_sum(total, error, z, 0, peak, e, 0, lanes)
    own[0], own_error[0] = below(np.float64(z[0, label]), peak)
    others = label_others(own[0], e[0, label], rests[0])
    log_probabilities_of_labels(1, peaks, rests, own, own_error, u, lse)
    call(loop, u.ctypes.data, u.ctypes.data, u.ctypes.data, parameters.ctypes.data, terms.ctypes.data,
         slopes.ctypes.data, curvatures.ctypes.data, 1)  # fmt: skip
    sharpened(1, rests, own, u, terms, slopes, curvatures)
    finished(0, 1, weight, divisor, z_loss, lse, terms, slopes, curvatures, pulls, factors)
    answer[TERM] = terms[0]
    answer[COEFFICIENT] = (pulls[0] - slopes[0]) * factors[0] / (1.0 + rests[0])
    answer[LABEL_SLOPE] = factors[0] * ((slopes[0] * others + pulls[0] * e[0, label]) / (1.0 + rests[0]))


@kept(lambda element: nb.void(array_type(nb.float64, 1, True), nb.float64, array_type(element, 1)))
def scale(e: Any, coefficient: float, gradient: Any) -> None:
    """Fill in the gradient of a part of the row."""
    for j in range(e.size):
        gradient[j] = coefficient * e[j]
