"""Softmax, its logarithm, logsumexp and sigmoid on NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.arithmetic import arrays
from rashin.backends.numpy.buffers import read, store
from rashin.backends.numpy.results import element_type, gradient_type, job
from rashin.chunks import boxes, start_of, unravelled, with_axis
from rashin.domain import LOGIT
from rashin.kernels.pointwise import FINE, PREDICTION
from rashin.kernels.rows import links as kernel

__all__ = ["log_softmax", "logsumexp", "sigmoid", "softmax"]

CELLS = 1 << 17  # elements of a chunk
SOFTMAX, LOG_SOFTMAX, LOGSUMEXP = range(3)


def softmax(logits: Any, axis: int) -> NDArray[Any]:
    """Probabilities along ``axis``."""
    return _over_rows(logits, axis, SOFTMAX)


def log_softmax(logits: Any, axis: int) -> NDArray[Any]:
    """Log-probabilities along ``axis``."""
    return _over_rows(logits, axis, LOG_SOFTMAX)


def logsumexp(logits: Any, axis: int) -> NDArray[Any]:
    """The logarithm of the sum of the exponentials along ``axis``."""
    return _over_rows(logits, axis, LOGSUMEXP)


@np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
def sigmoid(logits: Any) -> NDArray[Any]:
    """The logistic function, element by element."""
    z = checks.array("logits", logits)
    result = np.empty(z.shape, gradient_type(z))
    for box in boxes(z.shape, CELLS):
        part = np.asarray(z[box], dtype=np.float64)
        if np.isnan(part).any():
            place = start_of(box, unravelled(int(np.argmax(np.isnan(part))), part.shape))
            checks.refuse_prediction(np.nan, place, LOGIT, "logits")
        e = arrays.exp(-np.abs(part))
        with np.errstate(under="ignore"):
            result[box] = np.where(part >= 0.0, 1.0, e) / (1.0 + e)
    return result


def _over_rows(logits: Any, axis: int, which: int) -> NDArray[Any]:
    """softmax, log softmax or logsumexp of the rows along ``axis``."""
    given = checks.array("logits", logits)
    axis = checks.axis(given, axis, "logits")
    z = np.moveaxis(given, axis, -1)
    rows, classes, element = z.shape[:-1], z.shape[-1], element_type(given)
    shape = rows if which == LOGSUMEXP else given.shape
    result = np.empty(shape, gradient_type(given))
    moved = result if which == LOGSUMEXP else np.moveaxis(result, axis, -1)

    sweep = kernel(element)

    def work(mine: Iterator[Any], _: Any) -> None:
        size = max(CELLS, classes)
        source, target = np.empty(size, element), np.empty(size, element)
        for box in mine:
            row = read(z, box, source).reshape(-1, classes)
            empty, sums = target[:0].reshape(0, 0), np.empty(len(row) if which == LOGSUMEXP else 0)
            filled = target[: row.size].reshape(row.shape)
            found, place = sweep(
                row, filled if which == SOFTMAX else empty, filled if which == LOG_SOFTMAX else empty, sums
            )
            if found != FINE:
                _refuse(z, axis, box, place, found == PREDICTION)
            store(moved, box, *((sums[:], sums) if which == LOGSUMEXP else (filled, target)))

    job(work, boxes(rows, max(1, CELLS // classes)), given.size)
    return result


@np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
def _refuse(z: NDArray[Any], axis: int, box: Any, place: int, nan: bool) -> None:
    index = start_of(box, unravelled(place, z[box].shape[:-1]))
    row = z[index].astype(np.float64)
    if nan:
        column = int(np.argmax(np.isnan(row)))
        checks.refuse_prediction(np.nan, with_axis(index, axis, column), LOGIT, "logits")
    checks.refuse_row("logits", row, index)
