"""The two networks of the chapter, with plain arrays as parameters, which can be read, changed and replaced."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.dialects.scratch.gradients import numerical_gradient
from rashin.dialects.scratch.losses import cross_entropy_error, softmax_loss
from rashin.logits import sigmoid, softmax
from rashin.losses import softmax_cross_entropy

__all__ = ["TwoLayerNet", "simpleNet"]

Array = NDArray[Any]


class simpleNet:  # noqa: N801 - the book's spelling
    """A network with one weight ``W`` of shape (2, 3), drawn by ``np.random.randn``, and a softmax loss.

    Examples
    --------
    >>> import numpy as np
    >>> from rashin.dialects.scratch import numerical_gradient, simpleNet
    >>> net = simpleNet()
    >>> net.W = np.array([[0.47355232, 0.9977393, 0.84668094], [0.85557411, 0.03563661, 0.69422093]])
    >>> x, t = np.array([0.6, 0.9]), np.array([0, 0, 1])
    >>> net.predict(x)
    array([1.05414809, 0.63071653, 1.1328074 ])
    >>> numerical_gradient(lambda W: net.loss(x, t), net.W).round(6)
    array([[ 0.219248,  0.143562, -0.36281 ],
           [ 0.328871,  0.215344, -0.544215]])
    """

    def __init__(self) -> None:
        self.W: Array = np.random.randn(2, 3)  # noqa: NPY002 - drawn as in the book: np.random.seed gives its numbers

    def predict(self, x: ArrayLike) -> Array:
        """The logits of ``x``, (2,) or (N, 2): an array (3,) or (N, 3)."""
        return _rows(x, self.W) @ self.W

    def loss(self, x: ArrayLike, t: ArrayLike) -> float:
        """The :func:`cross_entropy_error` of the softmax for one or more targets ``t``."""
        return softmax_loss(self.predict(x), t)


class TwoLayerNet:
    """A network with a sigmoid layer and a softmax layer.

    Parameters
    ----------
    input_size, hidden_size, output_size : numbers of units.
    weight_init_std : standard deviation of the initial weights, drawn by ``np.random.randn``; biases start at 0.

    Attributes
    ----------
    params : arrays ``W1`` (inputs, hidden), ``b1`` (hidden,), ``W2`` (hidden, outputs) and ``b2`` (outputs,).

    Inputs ``x`` have the shape (N, inputs), or (inputs,) for one sample. Targets ``t`` are rows of the same shape as
    the prediction, or integer labels: the shape decides.

    Examples
    --------
    >>> import numpy as np
    >>> from rashin.dialects.scratch import TwoLayerNet
    >>> np.random.seed(0)
    >>> net, x, t = TwoLayerNet(4, 3, 2), np.ones((5, 4)), np.array([0, 0, 0, 0, 1])
    >>> before = net.loss(x, t)
    >>> gradient = net.gradient(x, t)
    >>> for key in net.params:
    ...     net.params[key] -= 0.1 * gradient[key]
    >>> net.loss(x, t) < before, net.accuracy(x, t)
    (True, 0.8)
    """

    def __init__(self, input_size: int, hidden_size: int, output_size: int, weight_init_std: float = 0.01) -> None:
        draw = np.random.randn
        self.params: dict[str, Array] = {
            "W1": weight_init_std * draw(input_size, hidden_size),
            "b1": np.zeros(hidden_size),
            "W2": weight_init_std * draw(hidden_size, output_size),
            "b2": np.zeros(output_size),
        }

    def predict(self, x: ArrayLike) -> Array:
        """The probabilities of the classes, (N, outputs) or (outputs,)."""
        probabilities: Array = softmax(self._forward(x)[1])
        return probabilities

    def loss(self, x: ArrayLike, t: ArrayLike) -> float:
        """The :func:`cross_entropy_error` of the prediction, averaged over the samples."""
        return cross_entropy_error(self.predict(x), t)

    def accuracy(self, x: ArrayLike, t: ArrayLike) -> float:
        """The share of samples whose most probable class is that of the target."""
        y, t = self.predict(x), np.asarray(t)
        if t.shape not in (y.shape, y.shape[:-1]):
            raise ValueError(
                f"t: got shape {t.shape}; expected {y.shape} or {y.shape[:-1]}; fix: one row or label each"
            )
        labels = t.argmax(axis=-1) if t.shape == y.shape else t
        return float(np.mean(y.argmax(axis=-1) == labels))

    def numerical_gradient(self, x: ArrayLike, t: ArrayLike) -> dict[str, Array]:
        """The derivatives of the loss for each of ``params``, from two losses per entry: slow, but simple to verify."""
        return {key: numerical_gradient(lambda _: self.loss(x, t), array) for key, array in self.params.items()}

    def gradient(self, x: ArrayLike, t: ArrayLike) -> dict[str, Array]:
        """The derivatives of the exact loss for each of ``params``, by backpropagation.

        The exact loss has no delta in the logarithm, as in the book's backward pass: the derivative with respect to
        the logits is (y - t) / N. The relative difference from the numerical gradient is delta / y, a millionth for
        y = 0.1.
        """
        x, t = np.asarray(x), np.asarray(t)
        if x.ndim == 1:
            x, t = x[np.newaxis], t[np.newaxis]
        hidden, logits = self._forward(x)
        slope = softmax_cross_entropy.gradient(logits, t)
        entering = slope @ self.params["W2"].T * hidden * (1.0 - hidden)
        return {"W1": x.T @ entering, "b1": entering.sum(axis=0), "W2": hidden.T @ slope, "b2": slope.sum(axis=0)}

    def _forward(self, x: ArrayLike) -> tuple[Array, Array]:
        """The output of the hidden layer, and the logits."""
        hidden = sigmoid(_rows(x, self.params["W1"]) @ self.params["W1"] + self.params["b1"])
        return hidden, hidden @ self.params["W2"] + self.params["b2"]


def _rows(x: ArrayLike, weight: Array) -> Array:
    rows = np.asarray(x)
    if rows.ndim not in (1, 2) or rows.shape[-1] != len(weight):
        inputs = len(weight)
        fix = "fix: flatten each image, x.reshape(len(x), -1)" if rows.ndim > 2 else f"fix: pass {inputs} numbers a row"
        raise ValueError(f"x: got shape {rows.shape}; expected (N, {inputs}) or ({inputs},); {fix}")
    return rows
