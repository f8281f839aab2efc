"""The losses that are functions of one float32 once the target is fixed: what they are fed, and what they should give.

A reference computes value and slope in double by NumPy alone, in a form that loses no digit: ``exhaustive`` holds it to
``MARGIN``. It shares nothing with the formulas of the package, nor with the references in long double.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import rashin

__all__ = ["CASES", "OneVariable"]

Double = NDArray[np.float64]
Reference = Callable[[Double], tuple[Double, Double]]


@dataclass(frozen=True)
class OneVariable:
    """A loss at a fixed target. The prediction of a loss of rows is [z, 0], and its gradient has two entries.

    loss, target, parameters : what is called.
    reference : value and slope of z; the second entry of a row's gradient is minus the first.
    exact : for value and slope, whether the double is the result itself, or rounds to float32 as the result does.
    """

    loss: str
    target: float | int
    reference: Reference
    parameters: Mapping[str, float] = field(default_factory=dict)
    exact: tuple[bool, bool] = (False, False)

    @property
    def name(self) -> str:
        return f"{self.loss}({', '.join([f'{self.target:g}', *(f'{k}={v:g}' for k, v in self.parameters.items())])})"

    @property
    def of_rows(self) -> bool:
        return isinstance(self.target, int)

    def ranges(self) -> list[tuple[int, int]]:
        """The bit patterns of the float32 numbers that the loss accepts, positive and negative ones."""
        where = rashin.registry.get(self.loss).prediction.entry()
        low, high = (int(np.float32(abs(end)).view(np.uint32)) for end in (where.low, where.high))
        return [(0, high + 1), (2**31, 2**31 + low + 1)]

    def inputs(self, z: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Prediction and target as the loss takes them."""
        if self.of_rows:
            return np.stack([z, np.zeros_like(z)], axis=-1), np.full(z.shape, self.target)
        return z, np.full(z.shape, self.target, np.float32)

    def results(self, z: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """What the package gives: the value and every entry of the gradient."""
        loss = rashin.registry.get(self.loss)
        value, gradient = loss.value_and_gradient(*self.inputs(z), reduction="none", **self.parameters)
        assert value.dtype == gradient.dtype == np.float32
        return [value, *(gradient.T if self.of_rows else [gradient])]

    def references(self, z: NDArray[np.float32]) -> list[Double]:
        """The same in double."""
        with np.errstate(all="ignore"):
            value, slope = self.reference(z.astype(np.float64))
        return [value, slope, -slope] if self.of_rows else [value, slope]


# Words of the references


def mirrored(f: Reference) -> Reference:
    """The reference of -z."""

    def at(z: Double) -> tuple[Double, Double]:
        value, slope = f(-z)
        return value, -slope

    return at


FAR = 150.0  # e^-FAR is 0 in float32 and e^FAR infinite; NumPy is slow where they are so in double


def softplus_and_sigmoid(z: Double) -> tuple[Double, Double]:
    e = np.exp(-np.minimum(np.abs(z), FAR))
    return np.maximum(z, 0.0) + np.log1p(e), np.where(z > 0.0, 1.0, e) / (1.0 + e)


def log_cosh(z: Double) -> tuple[Double, Double]:
    a = np.abs(z)
    near = np.log1p(2.0 * np.sinh(0.5 * np.minimum(a, 1.0)) ** 2)
    far = a + (np.log1p(np.exp(-2.0 * np.minimum(a, FAR))) - np.log(2.0))
    return np.where(a < 1.0, near, far), np.tanh(z)


def exponential(z: Double) -> tuple[Double, Double]:
    e = np.exp(np.clip(z, -FAR, FAR))
    return e, e


def minus_log(p: Double) -> tuple[Double, Double]:
    return -np.log(p), -1.0 / p


def minus_log_of_rest(p: Double) -> tuple[Double, Double]:
    return -np.log1p(-p), 1.0 / (1.0 - p)


def pseudo_huber(delta: float) -> Reference:
    def at(z: Double) -> tuple[Double, Double]:
        root = np.sqrt(1.0 + (z / delta) ** 2)
        return z * (z / (1.0 + root)), z / root

    return at


def squared_focal(z: Double) -> tuple[Double, Double]:
    """Class 0 with gamma = 2: p^2 softplus(z)."""
    loss, p = softplus_and_sigmoid(z)
    rest = softplus_and_sigmoid(-z)[1]
    return p * p * loss, p * p * (2.0 * rest * loss + p)


def parabola(z: Double) -> tuple[Double, Double]:
    return 0.5 * z * z, z


def huber(delta: float) -> Reference:
    def at(z: Double) -> tuple[Double, Double]:
        a = np.abs(z)
        return np.where(a <= delta, 0.5 * a * a, delta * (a - 0.5 * delta)), np.clip(z, -delta, delta)

    return at


def hinge(z: Double) -> tuple[Double, Double]:
    return np.maximum(1.0 - z, 0.0), 0.5 * (-1.0 - np.sign(1.0 - z))


def squared_hinge(z: Double) -> tuple[Double, Double]:
    rest = np.maximum(1.0 - z, 0.0)
    return rest * rest, -2.0 * rest


# Where a square or a half is exact in double, results half-way between two float32 numbers are many.
CASES = {
    case.name: case
    for case in (
        OneVariable("sigmoid_cross_entropy", 0.0, softplus_and_sigmoid),
        OneVariable("sigmoid_cross_entropy", 1.0, mirrored(softplus_and_sigmoid)),
        OneVariable("log_cosh", 0.0, log_cosh),
        OneVariable("poisson", 0.0, exponential),
        OneVariable("softmax_cross_entropy", 0, mirrored(softplus_and_sigmoid)),
        OneVariable("softmax_cross_entropy", 1, softplus_and_sigmoid),
        OneVariable("binary_cross_entropy", 0.0, minus_log_of_rest),
        OneVariable("binary_cross_entropy", 1.0, minus_log),
        OneVariable("pseudo_huber", 0.0, pseudo_huber(1.0)),
        OneVariable("pseudo_huber", 0.0, pseudo_huber(0.3), {"delta": 0.3}),
        OneVariable("huber", 0.0, huber(1.0), exact=(True, True)),
        OneVariable("huber", 0.0, huber(0.3), {"delta": 0.3}, exact=(False, True)),
        OneVariable("half_squared_error", 0.0, parabola, exact=(True, True)),
        OneVariable("hinge", 1.0, hinge, exact=(True, True)),
        OneVariable("squared_hinge", 1.0, squared_hinge, exact=(False, True)),
        OneVariable("sigmoid_focal", 0.0, squared_focal),
        OneVariable("sigmoid_focal", 1.0, mirrored(squared_focal)),
    )
}
