"""Log-probability and rank of the label, logsumexp and entropy of rows of logits, on NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.buffers import read
from rashin.backends.numpy.results import element_type, gradient_type, job
from rashin.chunks import Box, boxes, start_of, unravelled, with_axis
from rashin.domain import LOGIT
from rashin.kernels.pointwise import FINE, PREDICTION, TARGET
from rashin.kernels.statistics import OUTSIDE, statistics

__all__ = ["Statistics", "empty_statistics", "fill", "softmax_statistics"]

CELLS = 1 << 17  # elements of a chunk

Array = NDArray[Any]
Statistics: TypeAlias = "tuple[Array, Array, Array, Array]"  # log-probability, logsumexp, entropy, rank


def softmax_statistics(logits: Any, target: Any, axis: int, where: Any) -> Statistics:
    """The statistics of each row along ``axis``."""
    z, t = checks.array("logits", logits, where, axis), checks.array("target", target, where)
    axis = checks.axis(z, axis, "logits")
    rows = np.moveaxis(z, axis, -1).shape[:-1]
    checks.holds_distributions(z, t, rows, True)
    chosen = None if where is None else checks.selection(where, rows)
    results = empty_statistics(rows, z)
    fill(results, z, axis, t, chosen)
    return results


def empty_statistics(rows: tuple[int, ...], like: NDArray[Any]) -> Statistics:
    """Room for the statistics of ``rows``."""
    first, second, third = (np.empty(rows, gradient_type(like)) for _ in range(3))
    return first, second, third, np.empty(rows, np.int64)


def fill(
    results: Statistics, logits: NDArray[Any], axis: int, target: NDArray[Any], chosen: NDArray[np.bool_] | None
) -> None:
    """Fill in the statistics of checked arguments, in threads."""
    z, element = np.moveaxis(logits, axis, -1), element_type(logits)
    rows, classes = z.shape[:-1], z.shape[-1]
    labels = np.maximum(checks.labels(target, chosen), -1)
    if chosen is not None:
        labels = np.where(chosen, labels, OUTSIDE)
    sweep = statistics(element)

    def work(mine: Iterator[Box], _: Any) -> None:
        source = np.empty(max(min(CELLS, z.size), classes), element)
        for box in mine:
            part, own = read(z, box, source).reshape(-1, classes), np.ascontiguousarray(labels[box]).reshape(-1)
            numbers, rank = np.empty((3, own.size)), np.empty(own.size, np.int64)
            found, place = sweep(part, own, *numbers, rank)
            if found != FINE:
                _refuse(found, z, axis, target, start_of(box, unravelled(place, z[box].shape[:-1])))
            _store(results, box, (*numbers, rank))

    job(work, boxes(rows, max(1, CELLS // classes)), z.size)


def _store(results: Statistics, box: Box, numbers: tuple[NDArray[Any], ...]) -> None:
    for result, row in zip(results, numbers, strict=True):
        with np.errstate(over="ignore", under="ignore"):
            result[box] = row.reshape(result[box].shape)


@np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
def _refuse(found: int, z: NDArray[Any], axis: int, target: NDArray[Any], index: tuple[int, ...]) -> None:
    """Words for the row that the sweep refused."""
    row = z[index].astype(np.float64)
    if found == PREDICTION:
        checks.refuse_prediction(np.nan, with_axis(index, axis, int(np.argmax(np.isnan(row)))), LOGIT, "logits")
    if found == TARGET:
        checks.refuse_label(target[index], index, row.size)
    checks.refuse_row("logits", row, index)
