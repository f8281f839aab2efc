"""The distribution of the losses of single rows: counts in bins that are the same for all data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAST_BIN", "Distribution", "lower_edge"]

# A bin is the sign, the exponent and the first bits of the fraction of a double: 32 bins per octave, each at most 3.2 %
# wide. The bits of positive doubles have the same order as the doubles, those of negative doubles the reverse order,
# hence the minus below.
_DROPPED = 47
_ZERO, LAST_BIN = 0, 0x7FF0_0000_0000_0000 >> _DROPPED  # the bins of zeros and of infinite losses


@dataclass(frozen=True, eq=False)
class Distribution:
    """Counts of losses by bin; each row counts once, whatever its weight.

    ``bins`` are sorted, and each has a count. Bin 0 contains the zeros (and losses below 2**-1027), bin +-k the losses
    of that sign whose bits begin with k, and the last and the first bin the infinite losses.

    Examples
    --------
    >>> import numpy as np
    >>> some = Distribution.of(np.array([0.0, 0.5, 4.0, 4.01, np.inf]))
    >>> some.count, some.zeros, some.infinite
    (5, 1, 1)
    >>> (some + some).quantile(0.5)
    4.0625
    """

    bins: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, losses: NDArray[np.float64]) -> Distribution:
        """The distribution of losses (n,), none of them NaN."""
        losses = np.ascontiguousarray(losses, dtype=np.float64)
        codes = losses.view(np.int64) >> _DROPPED
        if losses.size and losses.min() < 0.0:
            magnitudes = np.abs(losses).view(np.int64) >> _DROPPED
            codes = np.where(losses < 0.0, -magnitudes, magnitudes)
        else:
            codes = np.maximum(codes, 0)  # -0.0 is a zero
        return cls(*_counted(codes, np.ones(0, np.int64)))

    @property
    def count(self) -> int:
        """The number of rows."""
        return int(self.counts.sum())

    @property
    def zeros(self) -> int:
        """The number of rows with loss 0."""
        return int(self.counts[self.bins == _ZERO].sum())

    @property
    def infinite(self) -> int:
        """The number of rows with an infinite loss."""
        return int(self.counts[np.abs(self.bins) == LAST_BIN].sum())

    @property
    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The lower and the upper bound of each bin."""
        inner, outer = lower_edge(np.abs(self.bins)), lower_edge(np.abs(self.bins) + 1)
        outer = np.where(self.bins == _ZERO, 0.0, outer)
        return np.where(self.bins < 0, -outer, inner), np.where(self.bins < 0, -inner, outer)

    def quantile(self, share: float) -> float:
        """The loss below which ``share`` of the rows lie, to 1.6 %: the middle of the bin that reaches that share.

        Raises
        ------
        ValueError : there are no rows, or ``share`` is outside [0, 1].
        """
        if self.count == 0 or not 0.0 <= share <= 1.0:
            raise ValueError(f"share: got {share!r} of {self.count} rows; expected a number in [0, 1], of some rows")
        place = int(np.searchsorted(np.cumsum(self.counts), max(share * self.count, 1), side="left"))
        low, high = (float(edge[min(place, self.bins.size - 1)]) for edge in self.edges)
        return low if low == high else low + (high - low) / 2

    def __add__(self, other: Distribution) -> Distribution:
        if not isinstance(other, Distribution):
            return NotImplemented
        return Distribution(
            *_counted(np.concatenate([self.bins, other.bins]), np.concatenate([self.counts, other.counts]))
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Distribution):
            return NotImplemented
        return np.array_equal(self.bins, other.bins) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, Any]:
        """The counts, for JSON."""
        return {"bins": self.bins.tolist(), "counts": self.counts.tolist()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Distribution:
        """The distribution from the result of :meth:`to_dict`."""
        return cls(np.array(content["bins"], np.int64), np.array(content["counts"], np.int64))


def _counted(codes: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct codes, sorted, and their total counts; ``counts`` is the count of each entry of ``codes``."""
    if codes.size == 0:
        return codes, np.zeros(0, np.int64)
    least, most = int(codes.min()), int(codes.max())
    table = np.zeros(most - least + 1, np.int64)
    if counts.size:
        np.add.at(table, codes - least, counts)
    else:
        table += np.bincount(codes - least, minlength=table.size)
    bins = np.flatnonzero(table)
    return bins + least, table[bins]


def lower_edge(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The smallest loss of each bin >= 0; inf from the bin of infinite losses."""
    return (np.minimum(bins, LAST_BIN) << _DROPPED).view(np.float64)
