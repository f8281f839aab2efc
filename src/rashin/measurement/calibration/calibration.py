"""Calibration of predicted probabilities: event frequencies by bins of probability, the same bins for all data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rashin.kernels.bins import BINS, fill_bins
from rashin.measurement.sums.tally import Tally

__all__ = ["Calibration", "Kind"]

Array = NDArray[np.float64]
Kind = Literal["binary", "top label"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """For each bin of the probability, the rows, their weight, their mean probability, and the frequency of the event.

    For ``"binary"`` targets the event is the target 1. For ``"top label"`` the event is that the most probable class is
    the label, and its probability is the largest of the row.

    Parameters
    ----------
    kind : ``"binary"`` or ``"top label"``.
    counts : rows of each bin without and with the event, (BINS, 2).
    weight : sums of the weights for 2 BINS codes, ``2 bin + event``.
    square : sums of the squared weights by bin.
    minor : sums of weight times q by bin, where q is the smaller of p and 1 - p.
    cross_entropy : sum of weight times -log(probability of the outcome), for one code, over the rows where it is
        finite.
    impossible : number of rows where it is infinite: the event occurred at probability 0, or did not at probability 1.
    """

    kind: Kind
    counts: NDArray[np.int64]
    weight: Tally
    square: Tally
    minor: Tally
    cross_entropy: Tally
    impossible: int

    @classmethod
    def of(
        cls, kind: Kind, q: Array, is_upper: NDArray[np.bool_], event: NDArray[np.bool_], costs: Array, w: Array | None
    ) -> Calibration:
        """From rows (n,): ``q`` and side of the probability, the event, the cross-entropy, and the weight."""
        bins = np.empty(q.size, np.int64)
        fill_bins(q.dtype)(np.require(q, None, ["C", "A"]), np.require(is_upper, np.bool_, "C"), bins)
        codes = 2 * bins + event
        counts = np.bincount(codes, minlength=2 * BINS)
        finite = np.isfinite(costs)
        impossible = int(costs.size - np.count_nonzero(finite))
        costs = np.where(finite, costs, 0.0) if impossible else costs
        if w is None:
            weight, square = Tally.whole(counts), Tally.whole(counts.reshape(-1, 2).sum(axis=1))
        else:
            with np.errstate(over="ignore"):
                squares = np.minimum(w * w, np.finfo(np.float64).max)
            weight, square = Tally.of(codes, w, 2 * BINS), Tally.of(bins, squares, BINS)
            q, costs = w * q, w * costs
        cross_entropy = Tally.of(np.zeros(q.size, np.int64), costs, 1)
        return cls(kind, counts.reshape(-1, 2), weight, square, Tally.of(bins, q, BINS), cross_entropy, impossible)

    def __add__(self, other: Calibration) -> Calibration:
        if not isinstance(other, Calibration):
            return NotImplemented
        if self.kind != other.kind:
            raise ValueError(
                f"+: got calibrations of {self.kind} and of {other.kind} predictions; expected those of one kind"
            )
        pairs = ((getattr(self, name), getattr(other, name)) for name in _ADDED)
        return Calibration(self.kind, *(mine + others for mine, others in pairs))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Calibration):
            return NotImplemented
        same = all(getattr(self, name) == getattr(other, name) for name in ("kind", *_ADDED[1:]))
        return same and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """The sums as whole numbers, for JSON."""
        codes = np.flatnonzero(self.counts)
        return {
            "kind": self.kind,
            "codes": codes.tolist(),
            "counts": self.counts.reshape(-1)[codes].tolist(),
            **{name: getattr(self, name).to_dict() for name in _TALLIES},
            "impossible": self.impossible,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Calibration:
        """The calibration from the result of :meth:`to_dict`."""
        counts = np.zeros(2 * BINS, np.int64)
        counts[np.array(content["codes"], np.int64)] = content["counts"]
        tallies = {name: Tally.from_dict(content[name], size) for name, size in _TALLIES.items()}
        return cls(content["kind"], counts.reshape(-1, 2), **tallies, impossible=content["impossible"])


def check_rows(weight: float) -> None:
    """Raise if the rows of a calibration have no weight.

    Raises
    ------
    ValueError : the weight is 0, so that there are no frequencies.
    """
    if weight == 0.0:
        raise ValueError("calibration: got no row that counts; expected at least one; fix: measure some rows first")


_TALLIES = {"weight": 2 * BINS, "square": BINS, "minor": BINS, "cross_entropy": 1}
_ADDED = ("counts", *_TALLIES, "impossible")
