"""Activations between the affine layers; without them, a deep network equals a single layer."""

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
    """A function applied to each number. Forward and backward work in place, so that a step allocates little memory.

    Parameters
    ----------
    forward : function that replaces ``z`` by ``a`` in place.
    backward : function of ``(delta, a)`` that multiplies ``delta`` by da/dz, computed from ``a`` alone, so that ``z``
        need not be kept.
    gain : factor of the initial weights, whose standard deviation is gain / sqrt(inputs): 1 (Xavier), or sqrt 2 (He)
        if half of the units are zero. It keeps the size of the signal from layer to layer.
    is_kinked : True if the slope jumps at z = 0.

    Examples
    --------
    >>> import numpy as np
    >>> a = ACTIVATIONS["relu"].forward(np.array([-1.0, 2.0]))
    >>> a, ACTIVATIONS["relu"].backward(np.array([3.0, 3.0]), a)
    (array([0., 2.]), array([0., 3.]))
    """

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array], Array]
    gain: float
    is_kinked: bool = False


def _identity(z: Array) -> Array:
    return z


def _identity_backward(delta: Array, _: Array) -> Array:
    return delta


def _sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)) without overflow."""
    z *= 0.5
    np.tanh(z, out=z)
    z *= 0.5
    z += 0.5
    return z


def _sigmoid_backward(delta: Array, a: Array) -> Array:
    slope = 1.0 - a
    slope *= a
    delta *= slope
    return delta


def _tanh(z: Array) -> Array:
    return np.tanh(z, out=z)


def _tanh_backward(delta: Array, a: Array) -> Array:
    slope = a * a
    np.subtract(1.0, slope, out=slope)
    delta *= slope
    return delta


def _relu(z: Array) -> Array:
    return np.maximum(z, 0.0, out=z)


def _relu_backward(delta: Array, a: Array) -> Array:
    delta *= a > 0.0
    return delta


ACTIVATIONS = {
    "sigmoid": Activation(_sigmoid, _sigmoid_backward, gain=1.0),
    "relu": Activation(_relu, _relu_backward, gain=2**0.5, is_kinked=True),
    "tanh": Activation(_tanh, _tanh_backward, gain=1.0),
    "identity": Activation(_identity, _identity_backward, gain=1.0),
}
