"""Statistics of rows of logits that training and reinforcement learning ask for, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.domain import LOGIT
from rashin.pieces import Box, boxes, read, start_of, unravelled, with_axis

__all__ = ["SoftmaxStatistics", "fill", "softmax_statistics"]

CELLS = 1 << 17  # elements of a piece


class SoftmaxStatistics(NamedTuple):
    """What :func:`softmax_statistics` says of each row; outside ``where`` the numbers are 0 and the rank is -1."""

    log_probability: Any  # of the label
    logsumexp: Any
    entropy: Any  # in nats
    rank: Any  # of the label: how many logits are strictly larger


def softmax_statistics(logits: Any, target: Any, *, axis: int = -1, where: Any = None) -> SoftmaxStatistics:
    r"""Log-probability of the label, logsumexp, entropy and rank of the label, of each row, in one pass.

    .. math::
        z_k - \log \sum_j e^{z_j}, \quad \log \sum_j e^{z_j}, \quad -\sum_j p_j \log p_j, \quad |\{j : z_j > z_k\}|

    Parameters
    ----------
    logits : array of real numbers (..., C), with the C classes along ``axis``; -inf masks a class.
    target : integer labels (...).
    axis : the class axis.
    where : boolean mask (...); what it leaves out is neither evaluated nor checked, and gets 0, its rank -1.

    Returns
    -------
    :class:`SoftmaxStatistics` of arrays of shape (...): ``log_probability``, ``logsumexp`` and ``entropy`` (in nats)
    have the dtype of the logits (float64 for integers and lists), ``rank`` is int64, 0 where no logit is larger.
    Where the peak and log1p of the rest cancel, logsumexp is exact to an ULP of the larger of the two.

    Raises
    ------
    TypeError : an argument is not an array of real numbers.
    ValueError : shapes do not fit, a logit is NaN, a label is no class, or a row has no limit (all -inf, several +inf).

    Examples
    --------
    >>> import rashin
    >>> found = rashin.softmax_statistics([[20.0, 0.0, 0.0], [1.0, 1.0, 2.0]], [0, 1])
    >>> found.log_probability
    array([-4.12230724e-09, -1.55144471e+00])
    >>> found.entropy
    array([8.65684518e-08, 9.75327829e-01])
    >>> found.rank
    array([0, 1])

    Reference: Shannon (1948), A mathematical theory of communication.
    """
    z, t = checks.array("logits", logits, where, axis), checks.array("target", target, where)
    axis = checks.axis(z, axis, "logits")
    rows = np.moveaxis(z, axis, -1).shape[:-1]
    checks.holds_distributions(z, t, rows, True)
    chosen = None if where is None else checks.selection(where, rows)
    results = empty_statistics(rows, z)
    fill(results, z, axis, t, chosen)
    return results


def empty_statistics(rows: tuple[int, ...], like: NDArray[Any]) -> SoftmaxStatistics:
    """Room for the statistics of ``rows``."""
    from rashin.backends.numpy.results import gradient_type

    first, second, third = (np.empty(rows, gradient_type(like)) for _ in range(3))
    return SoftmaxStatistics(first, second, third, np.empty(rows, np.int64))


def fill(
    results: SoftmaxStatistics, logits: NDArray[Any], axis: int, target: NDArray[Any], chosen: NDArray[np.bool_] | None
) -> None:
    """Fill in the statistics of checked arguments, in threads."""
    from rashin.backends.numpy.results import element_type, job
    from rashin.kernels.pointwise import FINE
    from rashin.kernels.statistics import OUTSIDE, statistics

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


def _store(results: SoftmaxStatistics, box: Box, numbers: tuple[NDArray[Any], ...]) -> None:
    for result, row in zip(results, numbers, strict=True):
        with np.errstate(over="ignore", under="ignore"):
            result[box] = row.reshape(result[box].shape)


def _refuse(found: int, z: NDArray[Any], axis: int, target: NDArray[Any], index: tuple[int, ...]) -> None:
    """Words for the row that the sweep refused."""
    from rashin.kernels.pointwise import PREDICTION, TARGET

    row = z[index].astype(np.float64)
    if found == PREDICTION:
        checks.refuse_prediction(np.nan, with_axis(index, axis, int(np.argmax(np.isnan(row)))), LOGIT, "logits")
    if found == TARGET:
        checks.refuse_label(target[index], index, row.size)
    checks.refuse_row("logits", row, index)
