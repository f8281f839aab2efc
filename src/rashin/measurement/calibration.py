"""Whether predicted probabilities come true: frequencies by bins of probability that are the same for all data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rashin.kernels.bins import BINS, bin_of
from rashin.measurement.tally import Tally

__all__ = ["Calibration", "Kind"]

Array = NDArray[np.float64]
Kind = Literal["binary", "top label"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """By bin of the probability: how many rows, their weight, their mean probability, and how often the event came.

    The event of ``"binary"`` targets is 1. That of ``"top label"`` is that the most probable class is the label, and
    its probability the largest of the row.

    Parameters
    ----------
    kind : which of the two.
    counts : (BINS, 2), rows by whether the event came.
    weight : of 2 BINS codes, ``2 bin + event``, the weights.
    square : by bin, the squares of the weights.
    minor : by bin, weight times q, the smaller of p and 1 - p.
    cross_entropy : of one code, weight times -log(probability of what came), where that is finite.
    impossible : how many rows have an infinite one: the event came at probability 0, or did not at 1.
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
        """Of rows (n,): ``q`` and side of the probability, whether the event came, its cross-entropy, the weight."""
        bins = bin_of(q, is_upper)
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
            raise ValueError(f"calibration of {self.kind} and of {other.kind} predictions cannot be added")
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
        """What :meth:`to_dict` gave."""
        counts = np.zeros(2 * BINS, np.int64)
        counts[np.array(content["codes"], np.int64)] = content["counts"]
        tallies = {name: Tally.from_dict(content[name], size) for name, size in _TALLIES.items()}
        return cls(content["kind"], counts.reshape(-1, 2), **tallies, impossible=content["impossible"])


_TALLIES = {"weight": 2 * BINS, "square": BINS, "minor": BINS, "cross_entropy": 1}
_ADDED = ("counts", *_TALLIES, "impossible")
