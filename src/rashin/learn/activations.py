"""The bends between the affine layers: without one, a deep network is no more than a single layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACTIVATIONS", "Activation"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Activation:
    """A function of one number, applied to each.

    Parameters
    ----------
    value : ``a = value(z)``.
    slope : da/dz, told from ``a`` alone, so that the backward pass need not keep ``z``.
    gain : the weights start with standard deviation gain / sqrt(inputs): 1 (Xavier), or sqrt 2 (He) where half of
        the units are silent, which keeps the signal's size from layer to layer.
    """

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    gain: float


def _sigmoid(z: Array) -> Array:
    return 0.5 * np.tanh(0.5 * z) + 0.5  # 1 / (1 + exp(-z)), without its overflow


ACTIVATIONS = {
    "sigmoid": Activation(_sigmoid, lambda a: a * (1.0 - a), gain=1.0),
    "tanh": Activation(np.tanh, lambda a: 1.0 - a * a, gain=1.0),
    "relu": Activation(lambda z: np.maximum(z, 0.0), lambda a: a > 0.0, gain=2**0.5),
}
