"""Sets of real numbers, by their bounds, and those that losses name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from rashin.domain.shapes import Shaped

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ABOVE_MINUS_ONE",
    "BINARY",
    "COUNT",
    "DISTRIBUTION",
    "ENTMAX_INDEX",
    "FACTOR",
    "FOCUS",
    "LABEL",
    "LEVELS",
    "LOGIT",
    "LOG_PROBABILITY",
    "MODERATE",
    "NONNEGATIVE",
    "NONZERO",
    "OPEN_UNIT",
    "POSITIVE",
    "PROBABILITY",
    "REAL",
    "RELEVANCE",
    "ROBUSTNESS",
    "SIGN",
    "SWITCH",
    "TEMPERATURE",
    "TOP",
    "TWEEDIE_POWER",
    "TWIST",
    "Domain",
]

Shape = Literal["interval", "ends", "integers", "outside", "shares"]

_LEAST = 5e-324  # the smallest positive double: a closed bound that says "open at 0"
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Domain(Shaped):
    """A set of real numbers, given by two bounds and what they mean. A sample is one number of it.

    Parameters
    ----------
    name : a short name, as the tables print it.
    description : what an error says is accepted.
    low, high : the closed bounds; an open end is the next double.
    shape : ``"interval"`` is ``low <= x <= high``, ``"ends"`` is ``x in {low, high}``, ``"integers"`` is the whole
        numbers of the interval, ``"outside"`` is ``x <= low or x >= high``, ``"shares"`` is the interval for numbers
        that sum to 1 along the last axis. Between the bounds of a prediction or target that lies ``"outside"``, the
        formula must answer NaN, by which the kernels notice it.
    samples : numbers that belong, the hard ones first; tests draw from them.
    reach : the largest absolute value of an ``"outside"`` domain.

    Examples
    --------
    >>> from rashin.domain import POSITIVE
    >>> POSITIVE.contains([0.0, 1e-300, 2.0]).tolist()
    [False, True, True]
    >>> POSITIVE.batch_shape((60, 10)), POSITIVE.sample_shape((60, 10))
    ((60, 10), ())
    """

    axes: ClassVar[int] = 0

    name: str
    description: str
    low: float
    high: float
    shape: Shape = "interval"
    samples: tuple[float, ...] = ()
    reach: float = np.inf

    def contains(self, x: ArrayLike) -> NDArray[np.bool_]:
        """Whether each number belongs; NaN belongs nowhere."""
        values: NDArray[Any] = np.asarray(x, dtype=np.float64)
        inside: NDArray[np.bool_] = (values >= self.low) & (values <= self.high)
        if self.shape == "ends":
            inside = (values == self.low) | (values == self.high)
        elif self.shape == "integers":
            inside = inside & (values == np.floor(values))
        elif self.shape == "outside":
            inside = ((values <= self.low) | (values >= self.high)) & (np.abs(values) <= self.reach)
        return inside

    @property
    def is_choice(self) -> bool:
        """True if a number is one of two classes, or the probability of the upper one: 0 and 1, or -1 and +1."""
        return bool(np.isfinite(self.low + self.high)) and self.high <= 1.0

    def entry(self, place: int = 0) -> Domain:
        """The domain of the number at that place of a sample."""
        return self

    @property
    def harmless(self) -> float:
        """A sample that every target can have."""
        return self.samples[0]

    def draw(self, rng: np.random.Generator, size: int, classes: int = 3) -> NDArray[np.float64]:
        """``size`` numbers of the domain, its hard samples first; labels and distributions are of ``classes``."""
        if self.shape == "shares":
            return rng.dirichlet(np.ones(classes), size)
        hard = np.asarray(self.samples[:size])
        if self.shape == "integers":
            fresh = self.low + rng.integers(classes, size=size).astype(np.float64)
            hard = self.low + (hard - self.low) % classes
        elif self.shape != "interval":
            fresh = rng.choice(np.asarray(self.samples), size=size)
        elif self.low >= 0.0 and self.high <= 1.0:
            fresh = rng.uniform(1e-3, 1 - 1e-3, size)
        else:
            fresh = rng.normal(0.0, 2.0, size)
            fresh = np.abs(fresh) if self.low >= 0 else -np.abs(fresh) if self.high <= 0 else fresh
            fresh = np.where(self.contains(fresh), fresh, self.samples[0])
        fresh[: hard.size] = hard
        return fresh


REAL = Domain("real", "a real number", -np.inf, np.inf, samples=(0.0, -1.5, 30.0))
LOGIT = Domain("logit", "a logit, any real number", -np.inf, np.inf, samples=(0.0, -20.0, 30.0))
POSITIVE = Domain("positive", "a finite number > 0", _LEAST, _LARGEST, samples=(1.0, 1e-3, 50.0))
FACTOR = Domain("factor", "a number in [1e-100, 1e100]", 1e-100, 1e100, samples=(1.0, 1e-3, 50.0))
FOCUS = Domain("focus", "a number in [0, 100]", 0.0, 100.0, samples=(0.0, 1.0, 5.0))
ROBUSTNESS = Domain("shape", "a number in [-1e18, 2]", -1e18, 2.0, samples=(1.0, 0.0, -2.0))
NONNEGATIVE = Domain("non-negative", "a finite number >= 0", 0.0, _LARGEST, samples=(0.0, 1.0, 50.0))
ABOVE_MINUS_ONE = Domain("above -1", "a finite number > -1", -1 + 2**-53, _LARGEST, samples=(1.0, -0.5, 50.0))
NONZERO = Domain(
    "non-zero", "a finite number other than 0", -_LEAST, _LEAST, "outside", samples=(1.0, -1e-3, 50.0), reach=_LARGEST
)
PROBABILITY = Domain("probability", "a probability in [0, 1]", 0.0, 1.0, samples=(0.5, 1e-3, 0.999))
OPEN_UNIT = Domain("fraction", "a number in (0, 1)", _LEAST, 1 - 2**-53, samples=(0.5, 0.1, 0.9))
TWIST = Domain("twist", "a finite number >= -1", -1.0, _LARGEST, samples=(1.0, -1.0, 0.5))
LOG_PROBABILITY = Domain("log-probability", "a log-probability, <= 0", -np.inf, 0.0, samples=(-0.5, -1e-3, -30.0))
SIGN = Domain("sign", "-1 or +1", -1.0, 1.0, "ends", samples=(-1.0, 1.0))
BINARY = Domain("binary", "0 or 1", 0.0, 1.0, "ends", samples=(0.0, 1.0))
SWITCH = Domain("switch", "True or False", 0.0, 1.0, "ends", samples=(1.0, 0.0))
LABEL = Domain("label", "a class label, a whole number >= 0", 0.0, _LARGEST, "integers", samples=(0.0, 1.0, 2.0))
TOP = Domain("top", "a whole number >= 1", 1.0, _LARGEST, "integers", samples=(1.0, 2.0, 3.0))
RELEVANCE = Domain("relevance", "a relevance in [0, 500]", 0.0, 500.0, samples=(0.0, 1.0, 4.0))
MODERATE = Domain("number", "a number in [-1e100, 1e100]", -1e100, 1e100, samples=(0.0, -1.5, 30.0))
LEVELS = Domain("levels", "increasing numbers in (0, 1)", _LEAST, 1 - 2**-53, samples=(0.5, 0.1, 0.9))
COUNT = Domain("count", "a whole number >= 0", 0.0, _LARGEST, "integers", samples=(0.0, 1.0, 2.0))
DISTRIBUTION = Domain(
    "label or distribution",
    "a class label, or a distribution over the classes",
    0.0,
    1.0,
    "shares",
    samples=(0.25, 0.5, 0.25),
)
ENTMAX_INDEX = Domain(
    "index",
    "a number in (1, 2]; softmax_cross_entropy is the limit at 1",
    1.0 + 2.0**-52,
    2.0,
    samples=(1.5, 2.0, 1.001),
)
TEMPERATURE = Domain("temperature", "a number in [1e-6, 1e6]", 1e-6, 1e6, samples=(1.0, 0.25, 4.0))
TWEEDIE_POWER = Domain(
    "power",
    "a number in [-100, 0] or [1, 100] (no Tweedie distribution lies between)",
    0.0,
    1.0,
    "outside",
    samples=(1.5, 2.0),
    reach=100.0,
)
