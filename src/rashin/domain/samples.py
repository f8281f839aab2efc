"""Samples of several numbers: of classes, of different meaning, or of one meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from rashin.domain.numbers import DISTRIBUTION, LOG_PROBABILITY, PROBABILITY, Domain
from rashin.domain.shapes import Shaped

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Columns", "Members", "Row", "Sample", "Thresholds"]


@dataclass(frozen=True)
class Row(Shaped):
    """A sample with one number for each class, along the last axis.

    Parameters
    ----------
    of : domain of each number.

    Examples
    --------
    >>> from rashin.domain import LOGIT, Row
    >>> Row(LOGIT).name, Row(LOGIT).batch_shape((60, 10)), Row(LOGIT).sample_shape((60, 10))
    ('logits', (60,), (10,))
    """

    axes: ClassVar[int] = 1
    target_axes: ClassVar[int] = 1
    has_classes: ClassVar[bool] = True

    of: Domain

    @property
    def name(self) -> str:
        """The name of the numbers, in the plural."""
        one = self.of.name
        return f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"

    def entry(self, place: int = 0) -> Domain:
        """The domain of the number at that place of a sample."""
        return self.of

    @property
    def harmless(self) -> float:
        """A number that all classes of a sample can have."""
        return self.of.harmless

    def contains(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Whether each number belongs; NaN belongs nowhere."""
        return self.of.contains(x)

    def draw(self, rng: np.random.Generator, size: int, classes: int = 3) -> NDArray[np.float64]:
        """Rows (size, classes); the probabilities of each row sum to 1, also if their logarithms are drawn."""
        if self.of not in (PROBABILITY, LOG_PROBABILITY):
            return self.of.draw(rng, size * classes).reshape(size, classes)
        p = DISTRIBUTION.draw(rng, size, classes)
        return p if self.of == PROBABILITY else np.log(p)


@dataclass(frozen=True)
class Thresholds(Shaped):
    """A sample with K - 1 thresholds between K ordered classes, which must not fall, and then a logit.

    Parameters
    ----------
    of : domain of each number.

    Examples
    --------
    >>> from rashin.domain import REAL, Thresholds
    >>> Thresholds(REAL).name, Thresholds(REAL).batch_shape((60, 10))
    ('(thresholds, logit)', (60,))
    >>> Thresholds(REAL).contains([[0.0, 1.0, 0.5, 0.25]]).tolist()
    [[True, True, False, True]]
    """

    axes: ClassVar[int] = 1
    has_classes: ClassVar[bool] = True
    name: ClassVar[str] = "(thresholds, logit)"

    of: Domain

    def entry(self, place: int = 0) -> Domain:
        """The domain of the number at that place of a sample."""
        return self.of

    @property
    def harmless(self) -> float:
        """A number that all entries of a sample can be."""
        return self.of.harmless

    def contains(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Whether each number belongs; a threshold below the one before does not."""
        values = np.asarray(x, dtype=np.float64)
        inside = self.of.contains(values)
        inside[..., 1:-1] &= ~(values[..., 1:-1] < values[..., :-2])
        return inside

    def draw(self, rng: np.random.Generator, size: int, classes: int = 3) -> NDArray[np.float64]:
        """Rows (size, classes), the thresholds in order."""
        rows = self.of.draw(rng, size * classes).reshape(size, classes)
        rows[:, :-1].sort(axis=-1)
        return rows


class Columns(Shaped):
    """A sample with a few numbers of different meaning along the last axis, such as location and scale.

    Parameters
    ----------
    **entries : domain of each number, in their order.

    Examples
    --------
    >>> from rashin.domain import REAL, Columns
    >>> sample = Columns(location=REAL, log_scale=REAL)
    >>> sample.name, sample.batch_shape((60, 2)), sample.sample_shape((60, 2))
    ('(location, log_scale)', (60,), (2,))
    """

    axes: ClassVar[int] = 1
    is_joint: ClassVar[bool] = True

    def __init__(self, **entries: Domain) -> None:
        self._names, self._entries = tuple(entries), tuple(entries.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Columns) and (self.names, self._entries) == (other.names, other._entries)

    def __hash__(self) -> int:
        return hash((self.names, self._entries))

    def __repr__(self) -> str:
        return (
            f"Columns({', '.join(f'{name}={one.name}' for name, one in zip(self.names, self._entries, strict=True))})"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the numbers."""
        return self._names

    @property
    def name(self) -> str:
        """The names of the numbers, as one."""
        return f"({', '.join(self.names)})"

    def entry(self, place: int = 0) -> Domain:
        """The domain of the number at that place of a sample."""
        return self._entries[place]

    @property
    def harmless(self) -> tuple[float, ...]:
        """A sample that every target can have."""
        return tuple(one.harmless for one in self._entries)

    def contains(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Whether each number belongs; NaN belongs nowhere."""
        values = np.asarray(x, dtype=np.float64)
        columns = [one.contains(values[..., place]) for place, one in enumerate(self._entries)]
        return np.stack(columns, axis=-1)

    def draw(self, rng: np.random.Generator, size: int, classes: int = 3) -> NDArray[np.float64]:
        """Rows (size, P), the hard samples first."""
        return np.stack([one.draw(rng, size) for one in self._entries], axis=-1)


@dataclass(frozen=True)
class Members(Shaped):
    """A sample with several numbers of one meaning along the last axis: quantiles, or the members of an ensemble.

    Parameters
    ----------
    of : domain of each number.

    Examples
    --------
    >>> from rashin.domain import REAL, Members
    >>> Members(REAL).name, Members(REAL).batch_shape((60, 10))
    ('reals', (60,))
    """

    axes: ClassVar[int] = 1
    is_joint: ClassVar[bool] = True

    of: Domain

    @property
    def name(self) -> str:
        """The name of the numbers, in the plural."""
        return f"{self.of.name}s"

    def entry(self, place: int = 0) -> Domain:
        """The domain of the number at that place of a sample."""
        return self.of

    @property
    def harmless(self) -> float:
        """A number that all members of a sample can be."""
        return self.of.harmless

    def contains(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Whether each number belongs; NaN belongs nowhere."""
        return self.of.contains(x)

    def draw(self, rng: np.random.Generator, size: int, classes: int = 3) -> NDArray[np.float64]:
        """Rows (size, classes)."""
        return self.of.draw(rng, size * classes).reshape(size, classes)


Sample: TypeAlias = Domain | Row | Thresholds | Columns | Members  # what one prediction is
