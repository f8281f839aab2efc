"""Rows that are drawn one batch at a time, from arrays and memory maps or with a function that reads them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.loss import Loss
from rashin.measurement.sampling.shuffle import Shuffle
from rashin.measurement.sums.cells import EVERYTHING, Cells
from rashin.measurement.sums.clusters import Cluster
from rashin.refusal import Refusal

__all__ = ["Drawn", "Rows", "rows_of_arrays", "rows_of_reader"]

Array = NDArray[Any]
Fetch = Callable[[Array], tuple[Any, Any, Any, Any]]

_PIECE = 1 << 18  # rows whose weights are summed together
_MOST_PLACES = 1 << 20  # of the random order that are processed together


class Drawn(NamedTuple):
    """A batch of rows, in the order in which they were drawn.

    Attributes
    ----------
    weight, weighted : sums of w and of w l over the samples of each row.
    losses, rows : loss and row of each sample that counts, in the order of the rows.
    sample : shape of one sample, such as (classes,) for a row loss.
    """

    weight: Array
    weighted: Array
    losses: Array
    rows: Array
    sample: tuple[int, ...]


class Rows:
    """The rows of a data set.

    Parameters
    ----------
    size : number of rows.
    counts : mask of the rows that count, those with a sample that is selected and has a weight; None if all do.
    total, heaviest : sum of the weights of the rows, and the largest weight; None if unknown before reading.
    fetch : function ``(indices) -> prediction, target, weight, where`` that reads rows, in ascending order.
    """

    def __init__(
        self, size: int, counts: Array | None, total: float | None, heaviest: float | None, fetch: Fetch
    ) -> None:
        self.size, self.counts, self.total, self.heaviest, self._fetch = size, counts, total, heaviest, fetch
        self.count = size if counts is None else int(np.count_nonzero(counts))
        self._sums = Cells(plain=1, weighed=2)

    def batches(self, loss: Loss, batch: int, seed: int) -> Iterator[Drawn]:
        """All rows that count, in random order, about ``batch`` at a time."""
        if not self.count:
            return
        order, step = Shuffle(self.size, seed), min(-(-batch * self.size // self.count), _MOST_PLACES)
        for start in range(0, self.size, step):
            rows = order.rows(start, min(start + step, self.size))
            if self.counts is not None:
                rows = rows[self.counts[rows]]
            if rows.size:
                yield self._read(loss, rows)

    def _read(self, loss: Loss, rows: Array) -> Drawn:
        order = np.argsort(rows)
        rows, back = rows[order], np.argsort(order)
        prediction, target, weight, where = self._fetch(rows)
        z, t = checks.array("prediction", prediction, where), checks.array("target", target, where)
        samples = loss.prediction.batch_shape(z.shape)
        if samples[:1] != rows.shape or t.shape[:1] != rows.shape:
            raise ValueError(
                f"read: got a prediction of shape {z.shape} and a target of shape {t.shape} for {rows.size} "
                f"rows; expected one of each for every row"
            )
        w, where = _weights(weight, where, samples)
        losses = _losses(loss, z, t, where, rows)
        chosen = slice(None) if where is None else where
        counted = losses[chosen].reshape(-1)
        row_of = np.broadcast_to(rows.reshape(-1, *(1,) * (losses.ndim - 1)), samples)[chosen].reshape(-1)
        self._sums.add(counted, None if w is None else w[chosen].reshape(-1), None, EVERYTHING)
        each = np.ones(samples) if where is None else where.astype(np.float64) if w is None else w
        weight, weighted = (part.reshape(rows.size, -1).sum(axis=1)[back] for part in (each, each * losses))
        return Drawn(weight, weighted, counted, row_of, loss.prediction.sample_shape(z.shape))

    def sums(self) -> Cluster | None:
        """The exact sums of w l and w over the drawn rows; None if no sample counts."""
        return self._sums.clusters().get(0)


def _weights(weight: Any, where: Array | None, samples: tuple[int, ...]) -> tuple[Array | None, Array | None]:
    """The weights, 0 outside ``where``, and the samples that count."""
    if weight is None:
        return None, where
    weight = checks.weights(weight, samples)
    checks.weights_fit(weight, where)
    w = weight.astype(np.float64)
    if where is not None:
        w[~where] = 0.0
    return w, w > 0.0


def _losses(loss: Loss, z: Array, t: Array, where: Array | None, rows: Array) -> Array:
    try:
        return loss.per_sample(z, t, where=where)  # type: ignore[no-any-return]
    except Refusal as refusal:
        place, *rest = refusal.index
        raise refusal.at((int(rows[place]), *rest)) from None


def rows_of_arrays(loss: Loss, prediction: Any, target: Any, weight: Any, where: Any) -> Rows:
    """The rows along the first axis of arrays; from memory maps only the drawn rows are read."""
    z, t = checks.array("prediction", prediction, where), checks.array("target", target, where)
    samples = loss.prediction.batch_shape(z.shape)
    if not samples or t.shape[:1] != samples[:1]:
        raise ValueError(
            f"target: got shape {t.shape} for a prediction of shape {z.shape}; expected arrays with a row each, of "
            f"the same number of rows"
        )
    w = None if weight is None else checks.weights(weight, samples, where)
    chosen = None if where is None else checks.selection(where, samples)
    counts, total, heaviest = _weighed(w, chosen, samples)

    def fetch(rows: Array) -> tuple[Any, Any, Any, Any]:
        return z[rows], t[rows], None if w is None else w[rows], None if chosen is None else chosen[rows]

    return Rows(len(z), counts, total, heaviest, fetch)


def rows_of_reader(loss: Loss, read: Callable[[Array], Any], size: int, weight: Any, where: Any) -> Rows:
    """The rows that ``read(indices)`` returns, as (prediction, target) or (prediction, target, weight)."""
    w = None if weight is None else checks.weights(weight, (size,), where)
    chosen = None if where is None else checks.selection(where, (size,))

    def fetch(rows: Array) -> tuple[Any, Any, Any, Any]:
        prediction, target, *more = _parts(read(rows), w is None)
        if more or np.ndim(prediction) > 1 + loss.prediction.axes:
            found.total = None  # weights or samples are unknown before reading
        return prediction, target, more[0] if more else None if w is None else w[rows], None

    found = Rows(size, *_weighed(w, chosen, (size,)), fetch)
    return found


def _parts(batch: Any, may_weigh: bool) -> Any:
    if isinstance(batch, tuple | list) and (len(batch) == 2 or (len(batch) == 3 and may_weigh)):
        return batch
    got = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
    accepted = "(prediction, target)" + (" or (prediction, target, weight)" if may_weigh else ", as there is a weight")
    raise TypeError(f"read: got {got}; expected {accepted}")


def _weighed(weight: Array | None, where: Array | None, samples: tuple[int, ...]) -> tuple[Array | None, float, float]:
    """The rows that count, the sum of their weights, and the largest weight."""
    rows, each = samples[0], math.prod(samples[1:])
    if weight is None and where is None:
        return None, float(rows * each), float(each)
    counts, totals, heaviest = np.zeros(rows, np.bool_), [], 0.0
    for start in range(0, rows, _PIECE):
        piece = slice(start, start + _PIECE)
        w = _weights_of_rows(weight, where, piece)
        counts[piece] = w > 0.0
        totals.append(w.sum())
        heaviest = max(heaviest, w.max(initial=0.0))
    return counts, math.fsum(totals), float(heaviest)


def _weights_of_rows(weight: Array | None, where: Array | None, piece: slice) -> Array:
    w, chosen = None if weight is None else weight[piece], None if where is None else where[piece]
    if weight is not None:
        try:
            checks.weights_fit(weight[piece], chosen)
        except ValueError:
            checks.weights_fit(weight, where)  # again, to find the index in the whole array
            raise
    each: Array = np.asarray(chosen if w is None else w if chosen is None else np.where(chosen, w, 0.0), np.float64)
    return np.asarray(each.reshape(len(each), -1).sum(axis=1))
