"""Optimizers, which turn gradients into steps. Each moves the parameters in place and has a state that can be saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["OPTIMIZERS", "SGD", "Adam", "Momentum", "Optimizer"]

Array = NDArray[Any]


class Optimizer:
    """The base class of optimizers; a new optimizer implements ``move``.

    Attributes
    ----------
    learning_rate : finite number > 0; it may be changed between steps, as a schedule does.
    steps : number of steps taken.
    memory : state kept between steps: for each name an array per parameter, made at the first step.
    """

    remembers: tuple[str, ...] = ()  # the names of the memory

    def __init__(self, learning_rate: float) -> None:
        if not (np.isfinite(learning_rate) and learning_rate > 0):
            raise ValueError(f"learning_rate: got {learning_rate}; expected a finite number > 0")
        self.learning_rate = learning_rate
        self.steps = 0
        self.memory: dict[str, list[Array]] = {}

    def step(self, parameters: list[Array], gradients: list[Array]) -> None:
        """Move the parameters, in place, against their gradients.

        The gradients are overwritten: the step is computed in their memory, as separate memory would have to pass
        through the cache too.
        """
        if not self.memory:
            self.memory = {name: [np.zeros_like(p) for p in parameters] for name in self.remembers}
        self.steps += 1
        for each in zip(parameters, gradients, *self.memory.values(), strict=True):
            self.move(*each)

    def move(self, parameter: Array, gradient: Array, *memory: Array) -> None:
        """Move one parameter, overwriting its gradient; ``memory`` contains an array of its shape for each name."""
        raise NotImplementedError

    @property
    def settings(self) -> dict[str, float]:
        """The settings of the optimizer: numbers by name."""
        return {
            name: value for name, value in vars(self).items() if isinstance(value, (int, float)) and name != "steps"
        }

    @property
    def state(self) -> dict[str, Array]:
        """All that later steps depend on apart from the settings: arrays by name, to save and restore."""
        arrays = {f"{name}_{i}": a for name, each in self.memory.items() for i, a in enumerate(each, 1)}
        return {"steps": np.array(self.steps), **arrays}

    @state.setter
    def state(self, arrays: Mapping[str, Array]) -> None:
        self.steps = int(arrays["steps"])
        count = max(1, (len(arrays) - 1) // max(1, len(self.remembers))) if self.steps else 0
        kept = {name: [f"{name}_{i}" for i in range(1, count + 1)] for name in self.remembers if count}
        self.memory = {name: [arrays[key].copy() for key in keys] for name, keys in kept.items()}


class SGD(Optimizer):
    r"""Plain gradient descent.

    .. math:: w \leftarrow w - \eta g

    Parameters
    ----------
    learning_rate : eta, a finite number > 0.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([1.0])
    >>> SGD(learning_rate=0.1).step([w], [2 * w])  # downhill on w ** 2
    >>> w
    array([0.8])

    Reference: H. Robbins, S. Monro (1951), A stochastic approximation method.
    """

    def __init__(self, learning_rate: float = 0.1) -> None:
        super().__init__(learning_rate)

    def move(self, parameter: Array, gradient: Array, *memory: Array) -> None:
        gradient *= self.learning_rate
        parameter -= gradient


class Momentum(Optimizer):
    r"""Gradient descent with momentum: gradients that agree add up, and gradients that disagree cancel.

    .. math:: v \leftarrow \mu v - \eta g, \quad w \leftarrow w + v

    Parameters
    ----------
    learning_rate : eta, a finite number > 0.
    momentum : share mu in [0, 1) of the last step that is kept; 0 is plain gradient descent.
    nesterov : switch; True looks ahead: the step is mu v - eta g, with the new v.

    Raises
    ------
    ValueError : a parameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([1.0])
    >>> optimizer = Momentum(learning_rate=0.1)
    >>> for _ in range(2):
    ...     optimizer.step([w], [2 * w])  # downhill on w ** 2
    >>> w
    array([0.46])

    Reference: B. T. Polyak (1964), Some methods of speeding up the convergence of iteration methods;
    Y. Nesterov (1983), A method of solving a convex programming problem with convergence rate O(1/k^2).
    """

    remembers = ("velocity",)

    def __init__(self, learning_rate: float = 0.1, momentum: float = 0.9, *, nesterov: bool = False) -> None:
        super().__init__(learning_rate)
        self.momentum = _share(momentum, "momentum")
        self.nesterov = nesterov

    def move(self, parameter: Array, gradient: Array, *memory: Array) -> None:
        (velocity,) = memory
        gradient *= self.learning_rate
        velocity *= self.momentum
        velocity -= gradient
        if self.nesterov:
            parameter -= gradient
            np.multiply(velocity, self.momentum, out=gradient)
            parameter += gradient
        else:
            parameter += velocity


class Adam(Optimizer):
    r"""Steps of nearly equal length for every parameter, whatever the size of its gradient.

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
        w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}

    Parameters
    ----------
    learning_rate : eta, a finite number > 0.
    beta_1, beta_2 : decay rates in [0, 1) of the mean and the mean square of the gradient.
    epsilon : finite number > 0, added to the root of the mean square.
    epsilon_hat : switch; False is the formula above, and True adds epsilon to the root of v before its correction, as
        the paper's faster order of computation and scikit-learn do.

    Raises
    ------
    ValueError : a parameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.array([1.0, 100.0])
    >>> Adam(learning_rate=0.1).step([w], [2 * w])  # the first step has the length of the rate
    >>> w
    array([ 0.9, 99.9])

    Reference: D. P. Kingma, J. Ba (2015), Adam: a method for stochastic optimization, ICLR.
    """

    remembers = ("mean", "square")
    epsilon_hat = False

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        *,
        epsilon_hat: bool = False,
    ) -> None:
        super().__init__(learning_rate)
        self.beta_1, self.beta_2 = _share(beta_1, "beta_1"), _share(beta_2, "beta_2")
        if not (np.isfinite(epsilon) and epsilon > 0):
            raise ValueError(f"epsilon: got {epsilon}; expected a finite number > 0")
        self.epsilon = epsilon
        if epsilon_hat:
            self.epsilon_hat = True  # a setting only if True, so that older checkpoints still fit

    def move(self, parameter: Array, gradient: Array, *memory: Array) -> None:
        mean, square = memory
        new_1, new_2 = 1.0 - self.beta_1, 1.0 - self.beta_2
        gradient *= new_1
        mean *= self.beta_1
        mean += gradient
        gradient *= gradient
        gradient *= new_2 / (new_1 * new_1)
        square *= self.beta_2
        square += gradient
        bias = (1.0 - self.beta_2**self.steps) ** 0.5  # both means start at 0, and are too small at first
        step = np.sqrt(square, out=gradient)
        step += self.epsilon if self.epsilon_hat else self.epsilon * bias
        np.divide(mean, step, out=step)
        step *= self.learning_rate * bias / (1.0 - self.beta_1**self.steps)
        parameter -= step


def _share(number: float, name: str) -> float:
    if not 0 <= number < 1:
        raise ValueError(f"{name}: got {number}; expected a number in [0, 1)")
    return number


OPTIMIZERS = {"sgd": SGD, "momentum": Momentum, "adam": Adam}
