"""What a sample is, and where its numbers may lie: shapes, membership, words for errors, and samples for tests.

A sample is one number in a :class:`Domain`, a :class:`Row` of numbers, one for each class, :class:`Thresholds` between
ordered classes and a logit, :class:`Columns`, a few numbers of different meaning, such as location and scale, or
:class:`Members`, several of one meaning, such as quantiles. All answer the same questions (``axes``, ``has_classes``,
``is_joint``, ``columns``, ``batch_shape``, ``sample_shape``, ``flattened``, ``entry``, ``contains``, ``draw``,
``name``). The code above the losses asks these, and not which decorator made the loss.

Losses name the domains of their prediction, target and parameters; ``checks`` words its errors from them, the kernels
test their bounds in the sweep, and the tests draw from them.
"""

from rashin.domain.numbers import (
    ABOVE_MINUS_ONE,
    BINARY,
    COUNT,
    DISTRIBUTION,
    ENTMAX_INDEX,
    FACTOR,
    FOCUS,
    LABEL,
    LEVELS,
    LOG_PROBABILITY,
    LOGIT,
    MODERATE,
    NONNEGATIVE,
    NONZERO,
    OPEN_UNIT,
    POSITIVE,
    PROBABILITY,
    REAL,
    RELEVANCE,
    ROBUSTNESS,
    SIGN,
    SWITCH,
    TEMPERATURE,
    TOP,
    TWEEDIE_POWER,
    TWIST,
    Domain,
)
from rashin.domain.samples import Columns, Members, Row, Sample, Thresholds

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
    "Columns",
    "Domain",
    "Members",
    "Row",
    "Sample",
    "Thresholds",
]
