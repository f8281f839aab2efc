"""Weights, masks and reduction: the linear part of every loss, in one place.

``"none"`` is w l per sample, ``"sum"`` is sum(w l), ``"mean"`` is sum(w l) / sum(w). Outside ``where`` the weight is
0, and weight 0 means that the formula is not evaluated there, so that no 0 * inf appears.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.chunks import Box, boxes

__all__ = ["Weighing", "weigh"]

_NONE = np.empty(0)
_CHUNK = 1 << 16
_LARGE = 2.0**64  # for totals of weights above this, or below 1 / this, w l could leave the range of doubles


class Weighing(NamedTuple):
    """The weighing of samples: their weights, their selection, and the divisor of a mean.

    ``divisor`` is 1 for sum and none; ``total`` is the exact denominator of the mean, a whole number or limbs.
    """

    weight: NDArray[Any] | None
    where: NDArray[np.bool_] | None
    reduction: str
    divisor: float
    total: Any

    @property
    def plain(self) -> bool:
        """True if all samples count equally."""
        return self.weight is None and self.where is None

    def transposed(self, axes: tuple[int, ...]) -> Weighing:
        """The same with the axes in another order."""
        weight = None if self.weight is None else self.weight.transpose(axes)
        where = None if self.where is None else self.where.transpose(axes)
        return Weighing(weight, where, self.reduction, self.divisor, self.total)

    def read(self, box: Box) -> NDArray[np.float64]:
        """The weights of a box as a row of doubles, 0 outside ``where``; empty if all samples count equally."""
        if self.plain:
            return _NONE
        chosen = None if self.where is None else self.where[box]
        if self.weight is None:
            return np.ascontiguousarray(chosen, dtype=np.float64).reshape(-1)
        weight = np.array(self.weight[box], dtype=np.float64, order="C", ndmin=1)
        if chosen is not None:
            weight[np.logical_not(chosen).reshape(weight.shape)] = 0.0
        return weight.reshape(-1)

    def outside(self, box: Box) -> NDArray[np.bool_] | None:
        """A mask of the samples of a box that are not selected, as a row; None if all are."""
        return None if self.where is None else np.logical_not(self.where[box]).reshape(-1)

    def reduce(self, limbs: Any) -> float:
        """The sum or the mean, from the exact sum of w l: rounded once."""
        exact = _exact()
        return exact.quotient(limbs, self.total) if self.reduction == "mean" else exact.as_float(limbs)  # type: ignore[no-any-return]


@functools.cache
def _exact() -> Any:
    """The exact sums, imported at the first use. The statement itself takes 0.6 microseconds."""
    from rashin import exact

    return exact


def weigh(weight: Any, where: Any, shape: tuple[int, ...], reduction: str) -> Weighing:
    """Check weights and mask for samples of ``shape``, and sum the weights if a mean needs the sum."""
    checks.choice("reduction", reduction)
    where = None if where is None else checks.selection(where, shape)
    if weight is None:
        total: Any = math.prod(shape) if where is None else int(np.count_nonzero(where))
        if reduction == "mean" and total == 0:
            checks.refuse_mean(math.prod(shape), where is not None, False)
        return Weighing(None, where, reduction, float(total) if reduction == "mean" else 1.0, total)
    weight = checks.weights(weight, shape, where)
    checks.weights_fit(weight, where)
    weighing = Weighing(weight, where, reduction, 1.0, None)
    return weighing if reduction != "mean" else _with_total(weighing, shape)


def _with_total(weighing: Weighing, shape: tuple[int, ...]) -> Weighing:
    exact = _exact()
    limbs = exact.empty_limbs()
    for box in boxes(shape, _CHUNK):
        exact.add(limbs, weighing.read(box))
    divisor = exact.as_float(limbs)
    if divisor == 0.0:
        nothing_selected = weighing.where is not None and not weighing.where.any()
        checks.refuse_mean(math.prod(shape), nothing_selected, bool(math.prod(shape)))
    if not 1.0 / _LARGE <= divisor <= _LARGE:
        return _with_total(_scaled(weighing, divisor), shape)
    return Weighing(weighing.weight, weighing.where, "mean", divisor, limbs)


def _scaled(weighing: Weighing, total: float) -> Weighing:
    """The weights times the power of two that brings their sum near 1; the mean does not change."""
    exponent = math.frexp(total)[1] if total < math.inf else 1024
    with np.errstate(all="ignore"):
        weight = np.ldexp(np.asarray(weighing.weight, np.float64), -exponent)
    return Weighing(weight, weighing.where, "mean", 1.0, None)
