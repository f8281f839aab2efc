"""A few rows of very many classes: the threads share each row, where else they would share the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.backends.numpy.results import PARALLEL, place_in, store
from rashin.exact import Limbs, add
from rashin.kernels import threads
from rashin.kernels.rows import SPAN
from rashin.kernels.wide import COEFFICIENT, LABEL_SLOPE, TERM, fill, finish, scale
from rashin.pieces import Box, read

__all__ = ["WIDE", "sweep_wide_row"]

WIDE = 6 * PARALLEL  # classes from which threads gain by sharing a row: meeting three times costs 0.3 ms
PARTS = 4  # of a row, to each thread


def sweep_wide_row(sweep: Any, box: Box, limbs: Limbs, scratch: tuple[NDArray[Any], ...]) -> bool:
    """Sweep over the row in the box; False, and nothing is done, if it needs the words or the limits of the others."""
    rows = sweep.rows
    buffer, e, gradient_buffer = scratch
    z, label, weight = read(rows.z, box, buffer), int(rows.labels[box].item()), rows.weighing.read(box)
    if not 0 <= label < rows.classes or (weight.size and weight[0] == 0.0):
        return False
    parts = _parts(rows.classes)
    peak = float(np.max(_shared(lambda part: z[part].max(), parts)))
    if not -np.inf < peak < np.inf:
        return False
    sums, answer = np.empty(-(-rows.classes // SPAN)), np.empty(3)
    filled, finished, scaled = (kernel(sweep.element) for kernel in (fill, finish, scale))
    _shared(lambda part: filled(z[part], peak, e[part], sums[part.start // SPAN : -(-part.stop // SPAN)]), parts)
    divisor, row = rows.weighing.divisor, (1, rows.classes)
    finished(sweep.loop.address, z.reshape(row), label, peak, weight, divisor, sweep.parameters, sweep.z_loss, sums,
             e.reshape(row), answer)  # fmt: skip
    if np.isnan(answer[TERM]):
        return False
    add(limbs, answer[:1])
    store(rows.results.values, box, answer[:1], answer)
    gradient = place_in(rows.gradient, box, gradient_buffer, rows.classes)
    if gradient.size:
        _shared(lambda part: scaled(e[part], answer[COEFFICIENT], gradient[part]), parts)
        gradient[label] = answer[LABEL_SLOPE]
    store(rows.gradient, box, gradient, gradient_buffer)
    return True


def _parts(classes: int) -> list[slice]:
    """The classes in whole spans, for the threads to share."""
    spans = -(-classes // (SPAN * PARTS * threads.count()))
    return [slice(first, min(first + spans * SPAN, classes)) for first in range(0, classes, spans * SPAN)]


def _shared(work: Callable[[slice], Any], parts: list[slice]) -> list[Any]:
    def over(mine: Iterator[slice]) -> list[Any]:
        return [work(part) for part in mine]

    return [result for results in threads.share(over, parts, threads.count()) for result in results]
