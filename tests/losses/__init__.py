"""One entry for each loss, in the file of its family: all that the tests know of it beside its code."""

from losses import (
    binary,
    counts,
    distributions,
    divergences,
    margins,
    multiclass,
    ordinal,
    outliers,
    regression,
    relative,
    sparse,
    uncertainty,
)
from losses.textbook import ENTRIES, Entry

__all__ = [
    "ENTRIES",
    "Entry",
    "binary",
    "counts",
    "distributions",
    "divergences",
    "margins",
    "multiclass",
    "ordinal",
    "outliers",
    "regression",
    "relative",
    "sparse",
    "uncertainty",
]
