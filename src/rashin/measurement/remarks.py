"""One-line remarks on a measurement: problems that make the number useless, and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rashin.domain import LOG_PROBABILITY, PROBABILITY
from rashin.language import said
from rashin.loss import Loss
from rashin.registry import parsed

if TYPE_CHECKING:
    from rashin.measurement.sums.moments import Moments

__all__ = ["infinite_remark", "loss_of"]


def loss_of(name: str) -> Loss | None:
    """The loss of a measurement by its text, such as ``focal(gamma=3.0)``; None if it is not registered here."""
    try:
        return parsed(name)
    except ValueError:
        return None


def infinite_remark(loss: Loss | None, total: Moments) -> str | None:
    """The number of rows that make the mean infinite, the mean of the others, and how to bound the loss.

    Examples
    --------
    >>> import rashin
    >>> found = rashin.measure("negative_log_likelihood", [[-float("inf"), 0.0], [-float("inf"), 0.0]], [0, 1])
    >>> infinite_remark(rashin.negative_log_likelihood, found.total)
    '1 of 2 rows gave probability 0 to what happened; the other costs 0'
    """
    count = total.infinite.rows
    if not count:
        return None
    of_probability = loss is not None and loss.prediction.entry() in (PROBABILITY, LOG_PROBABILITY)
    rows = {"count": count, "of": total.count}
    if of_probability:
        words = said("{count:,} of {of:,} rows gave probability 0 to what happened", **rows)
    else:
        words = said("{count:,} of {of:,} rows have an infinite loss", **rows)
    if total.count > count + 1:
        words += said("; the others average {mean:.5g}", mean=total.finite.mean)
    elif total.count > count:
        words += said("; the other costs {mean:.5g}", mean=total.finite.mean)
    if loss is not None and loss.parameters.get("epsilon") == 0.0:
        words += said("; --loss-parameter epsilon=1e-6 bounds such losses")
    return words
