"""Other conventions for the same losses, by their own names."""

from rashin.dialects import keras, optax, scratch, sklearn, torch
from rashin.dialects.translation import Translation, translate

__all__ = ["Translation", "keras", "optax", "scratch", "sklearn", "torch", "translate"]
