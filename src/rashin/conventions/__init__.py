"""The losses of four libraries by their names: our expression for each, and what their convention is, as data."""

from __future__ import annotations

from functools import cache

from rashin.conventions import keras, optax, sklearn, torch
from rashin.conventions.convention import Convention

__all__ = ["FAMILIES", "HOME", "MISSING", "TABLES", "Convention", "named"]

TABLES: dict[str, tuple[Convention, ...]] = {
    "torch": torch.TABLE,
    "optax": optax.TABLE,
    "keras": keras.TABLE,
    "sklearn": sklearn.TABLE,
}
MISSING = {"torch": torch.MISSING, "optax": optax.MISSING, "keras": keras.MISSING, "sklearn": sklearn.MISSING}
HOME = {
    "torch": "torch.nn.functional",
    "optax": "optax.losses",
    "keras": "keras.losses",
    "sklearn": "sklearn.metrics",
}

# Losses of ours that other libraries have under one name, or from other inputs.
FAMILIES: tuple[frozenset[str], ...] = (
    frozenset(("squared_error", "half_squared_error")),
    frozenset(("softmax_cross_entropy", "categorical_cross_entropy", "negative_log_likelihood")),
    frozenset(("sigmoid_cross_entropy", "binary_cross_entropy")),
    frozenset(("hinge", "squared_hinge", "modified_huber")),
    frozenset(("crammer_singer", "weston_watkins")),
    frozenset(("softmax_kullback_leibler", "distillation")),
)


@cache
def named(library: str) -> dict[str, Convention]:
    """The entries of a library by name."""
    return {entry.name: entry for entry in TABLES[library]}
