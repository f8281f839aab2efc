"""Details that a report shows in addition to the moments: the distribution of the losses, and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.domain import BINARY, LOG_PROBABILITY, LOGIT, PROBABILITY, Row, Thresholds
from rashin.logits import sigmoid
from rashin.loss import Loss
from rashin.losses import binary_cross_entropy, sigmoid_cross_entropy
from rashin.measurement.calibration.calibration import Calibration, Kind
from rashin.measurement.decisions import class_probabilities
from rashin.measurement.distribution import Distribution

__all__ = ["Details"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Details:
    """Counts and exact sums, mergeable with ``+``. However the rows are split or ordered, the result is the same.

    Parameters
    ----------
    losses : distribution of the losses of single rows.
    calibration : frequency of the predicted event, by the predicted probability. None if predictions are not
        probabilities or logits of probabilities, or if a target is not a class but a distribution or a number between
        0 and 1.

    Examples
    --------
    >>> import numpy as np, rashin
    >>> p, t = np.array([0.8, 0.3, 0.5]), np.array([1, 0, 0])
    >>> found = Details.of(rashin.binary_cross_entropy, -np.log([0.8, 0.7, 0.5]), None, p, t)
    >>> found.losses.count, found.calibration.kind
    (3, 'binary')
    >>> found + found == Details.of(rashin.binary_cross_entropy, -np.log([0.8, 0.7, 0.5] * 2), None,
    ...                             np.tile(p, 2), np.tile(t, 2))
    True
    """

    losses: Distribution
    calibration: Calibration | None

    @classmethod
    def of(
        cls, loss: Loss, losses: ArrayLike, weight: ArrayLike | None, prediction: ArrayLike, target: ArrayLike
    ) -> Details:
        """The details of a batch of rows, all of which count.

        Parameters
        ----------
        losses : loss of each row, unweighted, (n,).
        weight : weights > 0, (n,), or None if all rows count equally.
        prediction : predictions (n,), or (n, C) for row losses.
        target : numbers or labels (n,), or distributions (n, C).
        """
        w = None if weight is None else np.ascontiguousarray(weight, dtype=np.float64).reshape(-1)
        values = np.ascontiguousarray(losses, dtype=np.float64).reshape(-1)
        kind = _kind(loss)
        z, t = np.asarray(prediction), np.asarray(target)
        found = None
        if kind == "binary":
            found = _of_events(loss, values, z.reshape(-1), t.reshape(-1), w)
        elif kind == "top label":
            found = _of_rows(loss, z, t, w)
        return cls(Distribution.of(values), found)

    @classmethod
    def of_sums(cls, losses: ArrayLike) -> Details:
        """The details of rows whose losses are sums over several outputs, without a common probability."""
        return cls(Distribution.of(np.ascontiguousarray(losses, dtype=np.float64)), None)

    def __add__(self, other: Details) -> Details:
        if not isinstance(other, Details):
            return NotImplemented
        both = self.calibration is not None and other.calibration is not None
        return Details(self.losses + other.losses, self.calibration + other.calibration if both else None)  # type: ignore[operator]

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """The details as whole numbers and words, for JSON."""
        return {
            "losses": self.losses.to_dict(),
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Details:
        """The details from the result of :meth:`to_dict`."""
        found = content["calibration"]
        return cls(Distribution.from_dict(content["losses"]), None if found is None else Calibration.from_dict(found))

    def __reduce__(self) -> Any:
        return Details.from_dict, (self.to_dict(),)


def _kind(loss: Loss) -> Kind | None:
    """The kind of event of which the predictions are probabilities; None if they are not probabilities."""
    if loss.prediction in (Row(LOGIT), Row(PROBABILITY), Row(LOG_PROBABILITY)) or isinstance(
        loss.prediction, Thresholds
    ):
        return "top label"
    of_events = loss.target in (BINARY, PROBABILITY)
    return "binary" if of_events and loss.prediction in (LOGIT, PROBABILITY) else None


def _of_events(loss: Loss, losses: Array, z: NDArray[Any], t: NDArray[Any], w: Array | None) -> Calibration | None:
    event = t == 1
    if not np.all(event | (t == 0)):
        return None
    z = np.ascontiguousarray(z, dtype=np.float64)
    logit = loss.prediction == LOGIT
    cross_entropy = sigmoid_cross_entropy if logit else binary_cross_entropy
    costs = losses if loss == cross_entropy else cross_entropy(z, event, reduction="none")
    if logit:
        return Calibration.of("binary", sigmoid(-np.abs(z)), z > 0.0, event, costs, w)
    return Calibration.of("binary", np.minimum(z, 1.0 - z), z > 0.5, event, costs, w)


def _of_rows(loss: Loss, prediction: NDArray[Any], target: NDArray[Any], w: Array | None) -> Calibration | None:
    z = np.asarray(prediction, dtype=np.float64)
    if target.ndim == 2:
        if not np.all(target.max(axis=1, initial=0.0) == 1.0):
            return None
        target = target.argmax(axis=1)
    top = (class_probabilities(loss, z) if isinstance(loss.prediction, Thresholds) else z).argmax(axis=1)
    z = class_probabilities(loss, z)
    p = z[np.arange(top.size), top]
    if loss.prediction == Row(LOG_PROBABILITY):
        p = np.exp(p)
    right = top == target
    costs = binary_cross_entropy(p, right, reduction="none")
    return Calibration.of("top label", np.minimum(p, 1.0 - p), p > 0.5, right, costs, w)
