"""The functions that turn logits into probabilities, computed in double and rounded once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.domain import LOGIT
from rashin.pieces import boxes, read, start_of, unravelled, with_axis

__all__ = ["log_softmax", "logsumexp", "sigmoid", "softmax"]

CELLS = 1 << 17


def softmax(logits: Any, *, axis: int = -1) -> Any:
    r"""Probabilities proportional to e^z along ``axis``; shape and dtype of the logits.

    .. math:: p_j = e^{z_j} / \sum_k e^{z_k}

    Raises
    ------
    ValueError : a logit is NaN, or a row has no limit (all -inf, or several +inf).

    Examples
    --------
    >>> import numpy as np, rashin
    >>> rashin.softmax([0.0, 1.0, -np.inf])
    array([0.26894142, 0.73105858, 0.        ])
    """
    return _over_rows(logits, axis, 0)


def log_softmax(logits: Any, *, axis: int = -1) -> Any:
    r"""The logarithm of :func:`softmax`, without forming it; shape and dtype of the logits.

    .. math:: u_j = z_j - \log \sum_k e^{z_k}

    Examples
    --------
    >>> import rashin
    >>> rashin.log_softmax([20.0, 0.0])
    array([-2.06115362e-09, -2.00000000e+01])
    """
    return _over_rows(logits, axis, 1)


def logsumexp(logits: Any, *, axis: int = -1) -> Any:
    r"""The logarithm of the sum of e^z along ``axis``; the logits' shape without that axis.

    .. math:: \log \sum_k e^{z_k}

    Examples
    --------
    >>> import rashin
    >>> rashin.logsumexp([[1000.0, 1000.0]])
    array([1000.69314718])
    """
    return _over_rows(logits, axis, 2)


def sigmoid(logits: Any) -> Any:
    r"""The logistic function, element by element; shape and dtype of the logits.

    .. math:: p = 1 / (1 + e^{-z})

    Examples
    --------
    >>> import rashin
    >>> rashin.sigmoid([0.0, -40.0])
    array([5.00000000e-01, 4.24835426e-18])
    """
    from rashin.arithmetic import arrays
    from rashin.backends.numpy.results import gradient_type

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


def _over_rows(logits: Any, axis: int, which: int) -> Any:
    """softmax, log softmax or logsumexp of the rows along ``axis``."""
    from rashin.backends.numpy.results import element_type, gradient_type, job, store
    from rashin.kernels.pointwise import FINE, PREDICTION
    from rashin.kernels.rows import links

    given = checks.array("logits", logits)
    axis = checks.axis(given, axis, "logits")
    z = np.moveaxis(given, axis, -1)
    rows, classes, element = z.shape[:-1], z.shape[-1], element_type(given)
    shape = rows if which == 2 else given.shape
    result = np.empty(shape, gradient_type(given))
    moved = result if which == 2 else np.moveaxis(result, axis, -1)

    sweep = links(element)

    def work(mine: Iterator[Any], _: Any) -> None:
        size = max(CELLS, classes)
        source, target = np.empty(size, element), np.empty(size, element)
        for box in mine:
            row = read(z, box, source).reshape(-1, classes)
            empty, sums = target[:0].reshape(0, 0), np.empty(len(row) if which == 2 else 0)
            filled = target[: row.size].reshape(row.shape)
            found, place = sweep(row, filled if which == 0 else empty, filled if which == 1 else empty, sums)
            if found != FINE:
                _refuse(z, axis, box, place, found == PREDICTION)
            store(moved, box, *((sums[:], sums) if which == 2 else (filled, target)))

    job(work, boxes(rows, max(1, CELLS // classes)), given.size)
    return result


def _refuse(z: NDArray[Any], axis: int, box: Any, place: int, nan: bool) -> None:
    index = start_of(box, unravelled(place, z[box].shape[:-1]))
    row = z[index].astype(np.float64)
    if nan:
        column = int(np.argmax(np.isnan(row)))
        checks.refuse_prediction(np.nan, with_axis(index, axis, column), LOGIT, "logits")
    checks.refuse_row("logits", row, index)
