"""An accumulator that turns batches into a measurement."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.measurement.decisions import classes_of, right_of
from rashin.measurement.intervals import UNBOUNDED
from rashin.measurement.measurement import Measurement, Row, worst_of
from rashin.measurement.signs import Signs
from rashin.measurement.sums.cells import EVERYTHING, Cells, by_first, pairs_of
from rashin.measurement.sums.clusters import NO_CLUSTERS, Clusters, Key, together
from rashin.measurement.sums.codes import Codes
from rashin.measurement.sums.moments import Moments

if TYPE_CHECKING:
    from rashin.loss import Loss
    from rashin.measurement.details import Details

__all__ = ["Accumulator", "Options"]

Array = NDArray[Any]


class Options(NamedTuple):
    """Results requested in addition to the loss and its interval; see ``rashin.measure``."""

    worst: int = 0
    by_class: bool = False
    accuracy: bool = False
    baseline: bool = False
    details: bool = False


class Accumulator:
    """The running measurement of a loss.

    Parameters
    ----------
    loss : loss to measure.
    options : additional results.
    rows : True if a sample is a row, also for a pointwise loss; its loss is then the sum over the numbers of the row.

    Examples
    --------
    >>> import rashin
    >>> running = Accumulator(rashin.huber.replace(delta=2.0), Options(worst=1))
    >>> first = running.add([0.5, 1.0], [0.0, 0.0])
    >>> last = running.add([3.0], [0.0], weight=[2.0], first_row=first)
    >>> running.result().sum, running.result().worst
    (8.625, [Row(loss=4.0, source='', row=2)])
    """

    def __init__(self, loss: Loss, options: Options, rows: bool = False) -> None:
        self._loss, self.options, self._rows = loss, options, rows
        self._total, self._groups, self._classes, self._targets = Cells(), Cells(), Cells(), Cells()
        # Sums of all rows, or of each group and each class; the total is then the sum of theirs.
        self._clusters, self._group_clusters, self._class_clusters = (Cells(plain=1, weighed=2) for _ in range(3))
        self._worst: list[Row] = []
        self._shape: tuple[Any, ...] | None = None  # the properties that all batches must share
        self._details: Details | None = None
        self._signs = Signs()

    def add(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        group: Codes | None = None,
        cluster: Codes | None = None,
        source: str = "",
        first_row: int = 0,
    ) -> int:
        """Add samples, and return their number.

        Parameters
        ----------
        prediction, target, weight, where : arrays as the loss takes them.
        group, cluster : key of each sample, in C order.
        source, first_row : name of the source and number of its first sample, for the worst rows.

        Raises
        ------
        TypeError, ValueError : as the loss does; none of the samples is then counted.
        """
        z, t = checks.array("prediction", prediction, where), checks.array("target", target, where)
        shape = self._checked_shape(z, group, cluster)
        summed = self._is_summed(z)
        samples = z.shape[:-1] if summed else self._loss.prediction.batch_shape(z.shape)
        where = None if where is None else checks.selection(where, samples)
        if weight is not None:
            weight = checks.weights(weight, samples, where)
            checks.weights_fit(weight, where)
        if summed:
            self._refuse_decisions()
        losses: Any = _sums_of_rows(self._loss, z, t, where) if summed else self._loss.per_sample(z, t, where=where)
        losses = losses.reshape(-1)
        classes = classes_of(self._loss, z, t, where) if self._wants_classes else None
        right = right_of(self._loss, z, t) if self.options.accuracy else None
        chosen = _chosen(weight, where)
        w = None if weight is None else np.ascontiguousarray(weight, np.float64).reshape(-1)
        if chosen is not None:
            losses, w, right = (None if part is None else part[chosen] for part in (losses, w, right))
            group, cluster, classes = (None if keys is None else keys.of(chosen) for keys in (group, cluster, classes))
        details = self._details_of(z, t, losses, w, chosen) if self.options.details else None
        signs = Signs() if summed else Signs.of(self._loss, z, t, chosen)
        self._shape = shape  # from here on nothing raises
        self._signs += signs
        self._count(losses, w, right, group, cluster, classes)
        self._keep_worst(losses, chosen, source, first_row)
        if self.options.baseline and not (summed or self._loss.prediction.has_classes):
            numbers = t.astype(np.float64).reshape(-1)
            self._targets.add(numbers if chosen is None else numbers[chosen], w, None, EVERYTHING)
        if details is not None:
            self._details = details if self._details is None else self._details + details
        return math.prod(samples)

    def _is_summed(self, z: Array) -> bool:
        """True if a sample is a row of several outputs, whose losses are added."""
        return self._rows and not self._loss.prediction.axes and z.ndim == 2

    def _refuse_decisions(self) -> None:
        if self.options.by_class or self.options.accuracy:
            raise ValueError("by_class, accuracy: got several outputs in a row; expected one, or a loss of rows")

    @property
    def _wants_classes(self) -> bool:
        return self.options.by_class or (self.options.baseline and self._loss.prediction.has_classes)

    def _count(self, losses: Any, w: Any, right: Any, group: Any, cluster: Any, classes: Any) -> None:
        if group is not None:
            self._groups.add(losses, w, right, group)
        if classes is not None:
            self._classes.add(losses, w, right, classes)
        if group is None and classes is None:  # otherwise the total is the sum of the parts
            self._total.add(losses, w, right, EVERYTHING)
        if cluster is None:
            return
        if group is not None:
            self._group_clusters.add(losses, w, None, pairs_of(group, cluster))
        if classes is not None:
            self._class_clusters.add(losses, w, None, pairs_of(classes, cluster))
        if group is None and classes is None:
            self._clusters.add(losses, w, None, cluster)

    def _keep_worst(self, losses: Array, chosen: Array | None, source: str, first_row: int) -> None:
        most = self.options.worst
        if most == 0 or losses.size == 0:
            return
        least = self._worst[-1].loss if len(self._worst) == most else -np.inf
        places = np.flatnonzero(losses >= least)
        if places.size > most:
            bound = np.partition(losses[places], -most)[-most]
            places = places[losses[places] >= bound]
            places = places[np.argsort(-losses[places], kind="stable")[:most]]
        rows = places if chosen is None else chosen[places]
        found = [
            Row(float(losses[place]), source, first_row + int(row)) for place, row in zip(places, rows, strict=True)
        ]
        self._worst = worst_of([*self._worst, *found], most)

    def _checked_shape(self, z: Array, group: Codes | None, cluster: Codes | None) -> tuple[Any, ...]:
        """Properties that all batches share: the shape of a sample, and if there are groups and clusters."""
        if self._loss.prediction.axes:
            checks.axis(z, -1)
        sample = self._loss.prediction.sample_shape(z.shape)
        shape = (sample, group is not None, cluster is not None)
        if self._shape is None or shape == self._shape:
            return shape
        if sample != self._shape[0]:
            raise ValueError(
                f"prediction: got rows of {sample[0]} numbers after rows of {self._shape[0][0]}; expected rows of one "
                "length in all batches"
            )
        raise ValueError("group, cluster: got batches with and without; expected the one or the other")

    def _details_of(self, z: Array, t: Array, losses: Array, w: Array | None, chosen: Array | None) -> Details:
        from rashin.measurement.details import Details

        if self._is_summed(z):
            return Details.of_sums(losses)
        z, t = self._loss.prediction.flattened(z, t)
        if chosen is not None:
            z, t = z[chosen], t[chosen]
        return Details.of(self._loss, losses, w, z, t)

    def like(self) -> Accumulator:
        """An empty accumulator with the same loss and options."""
        return Accumulator(self._loss, self.options, self._rows)

    def absorb(self, other: Accumulator) -> None:
        """Add the counts and sums of another accumulator with the same loss and options."""
        self._shape = self._shape or other._shape
        self._total.absorb(other._total)
        self._groups.absorb(other._groups)
        self._classes.absorb(other._classes)
        self._targets.absorb(other._targets)
        self._clusters.absorb(other._clusters)
        self._group_clusters.absorb(other._group_clusters)
        self._class_clusters.absorb(other._class_clusters)
        self._worst = worst_of([*self._worst, *other._worst], self.options.worst)
        self._signs += other._signs
        if other._details is not None:
            self._details = other._details if self._details is None else self._details + other._details

    def result(self) -> Measurement:
        """The measurement of all samples added so far; more may follow."""
        counted = next((cells for cells in (self._groups, self._classes) if cells), self._total)
        of_groups, of_classes = by_first(self._group_clusters.clusters()), by_first(self._class_clusters.clusters())
        clusters = together((self._clusters.clusters(), *(of_groups or of_classes).values()))
        return Measurement(
            repr(self._loss),
            _finished(counted.total(), clusters, self._bounds()),
            self._each_finished(self._groups.moments(), of_groups, empty=False),
            self._each_finished(self._classes.moments(), of_classes, empty=True),
            self._worst,
            self.options.worst,
            next(iter(self._targets.moments().values()), None),
            self._details,
            signs=self._signs,
        )

    def _each_finished(
        self, moments: dict[Key, Moments], clusters: Mapping[Key, Clusters], empty: bool
    ) -> dict[Key, Moments]:
        """Those of each key completed, in place: there may be millions; those without rows only if ``empty``."""
        bounds = self._bounds()
        for key in list(moments):
            if moments[key].count or empty:
                moments[key] = _finished(moments[key], clusters.get(key, NO_CLUSTERS), bounds)
            else:
                del moments[key]
        return moments

    def _bounds(self) -> tuple[float, float]:
        """Bounds of the loss."""
        bounds = self._loss.facts.bounds
        if bounds is None or self._shape is None:
            return UNBOUNDED
        return bounds(*self._shape[0], **self._loss.parameters)


def _finished(moments: Moments, clusters: Clusters, bounds: tuple[float, float]) -> Moments:
    """The moments completed with clusters and bounds, which the sums by cell do not contain."""
    return replace(moments, clusters=clusters, bounds=bounds) if moments.count else moments


def _sums_of_rows(loss: Loss, z: Array, t: Array, where: Array | None) -> Array:
    """The loss of each row, summed over its numbers."""
    inside = None if where is None else np.broadcast_to(where[:, None], z.shape)
    return np.asarray(loss.per_sample(z, t, where=inside).sum(axis=1))


def _chosen(weight: Array | None, where: Array | None) -> Array | None:
    """The indices of the samples that count; None if all do."""
    counts = where if weight is None else weight != 0.0 if where is None else where & (weight != 0.0)
    return None if counts is None or counts.all() else np.flatnonzero(counts)
