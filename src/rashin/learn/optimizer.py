"""How a gradient becomes a step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Momentum"]

Array = NDArray[Any]


class Momentum:
    r"""Gradient descent that keeps going: gradients that agree add up, those that quarrel cancel.

    .. math:: v \leftarrow \mu v - \eta g, \quad w \leftarrow w + v

    Parameters
    ----------
    learning_rate : eta, a finite number > 0.
    momentum : mu in [0, 1); 0 is plain gradient descent.

    Raises
    ------
    ValueError : a parameter outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([1.0])
    >>> optimizer = Momentum(learning_rate=0.1)
    >>> for _ in range(2):
    ...     optimizer.step([w], [2 * w])  # downhill on w ** 2
    >>> w
    array([0.46])

    Reference: B. T. Polyak (1964), Some methods of speeding up the convergence of iteration methods.
    """

    def __init__(self, learning_rate: float = 0.1, momentum: float = 0.9) -> None:
        if not (np.isfinite(learning_rate) and learning_rate > 0):
            raise ValueError(f"the learning rate must be a finite number > 0; got {learning_rate}")
        if not 0 <= momentum < 1:
            raise ValueError(f"the momentum must be in [0, 1); got {momentum}")
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.velocities: list[Array] = []

    def step(self, parameters: list[Array], gradients: list[Array]) -> None:
        """Move the parameters, in place, against their gradients."""
        if not self.velocities:
            self.velocities = [np.zeros_like(parameter) for parameter in parameters]
        for parameter, velocity, gradient in zip(parameters, self.velocities, gradients, strict=True):
            velocity *= self.momentum
            velocity -= self.learning_rate * gradient
            parameter += velocity
