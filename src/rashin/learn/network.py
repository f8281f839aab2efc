"""A network small enough to read: affine layers, a bend between them, and an output that suits the loss."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.learn.activations import ACTIVATIONS
from rashin.learn.outputs import OUTPUTS
from rashin.learn.storage import written_beside

__all__ = ["Network", "Trace"]

Array = NDArray[Any]


class Trace(NamedTuple):
    """What entered each affine layer, (n, units), and the prediction that came out, (n, outputs)."""

    inputs: list[Array]
    prediction: Array


class Network:
    """Affine layers with an activation between them, in float32.

    Parameters
    ----------
    sizes : units per layer, from the inputs to the outputs: ``(64, 50, 10)`` has one hidden layer of 50.
    activation : after each hidden layer: a key of ``rashin.learn.ACTIVATIONS``.
    output : after the last layer: a key of ``rashin.learn.OUTPUTS``; ``output_for(loss)`` names the right one.
    seed : of the starting weights, normal with standard deviation gain / sqrt(inputs); biases start at 0.

    Attributes
    ----------
    parameters : the arrays that are learnt: weight (inputs, units) and bias (units,) of each layer in turn.

    Raises
    ------
    ValueError : fewer than two sizes or one below 1, an unknown activation or output.

    Examples
    --------
    >>> import numpy as np
    >>> network = Network((64, 50, 10), output="softmax", seed=0)
    >>> network.predict(np.zeros((2, 64), np.float32)).shape
    (2, 10)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str = "sigmoid",
        output: str = "identity",
        seed: int | np.random.Generator | None = 0,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes must be two or more whole numbers >= 1; got {tuple(sizes)}")
        self.activation = _known(activation, ACTIVATIONS, "activation")
        self.output = _known(output, OUTPUTS, "output")
        self.parameters = _starting_parameters(sizes, ACTIVATIONS[activation].gain, np.random.default_rng(seed))

    @property
    def layers(self) -> list[tuple[Array, Array]]:
        """Weight and bias of each affine layer, first to last."""
        return list(zip(self.parameters[::2], self.parameters[1::2], strict=True))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units per layer, from the inputs to the outputs."""
        weights = self.parameters[::2]
        return (weights[0].shape[0], *(weight.shape[1] for weight in weights))

    def forward(self, x: Array) -> Trace:
        """The prediction for ``x``, of shape (n, inputs), and what ``backward`` needs of the way there."""
        (*hidden, (weight, bias)), bend = self.layers, ACTIVATIONS[self.activation]
        inputs = [x]
        for hidden_weight, hidden_bias in hidden:
            inputs.append(bend.value(inputs[-1] @ hidden_weight + hidden_bias))
        return Trace(inputs, OUTPUTS[self.output].forward(inputs[-1] @ weight + bias))

    def backward(self, trace: Trace, gradient: Array) -> list[Array]:
        """d loss / d parameters, in the order of ``parameters``, from d loss / d prediction of shape (n, outputs)."""
        bend, gradients = ACTIVATIONS[self.activation], []
        delta = OUTPUTS[self.output].backward(trace.prediction, gradient)
        delta = delta.astype(self.parameters[0].dtype, copy=False)
        for index, (weight, _) in reversed(list(enumerate(self.layers))):
            entered = trace.inputs[index]
            gradients += [delta.sum(axis=0), entered.T @ delta]
            if index:
                delta = (delta @ weight.T) * bend.slope(entered)
        return gradients[::-1]

    def predict(self, x: Array) -> Array:
        """The prediction for ``x``, (n, inputs): an array (n, outputs)."""
        return self.forward(x).prediction

    def save(self, path: str | Path) -> None:
        """Write the network as an ``.npz`` file of plain arrays, in place of an earlier file of that name."""
        arrays: dict[str, Any] = dict(zip(_names(len(self.parameters)), self.parameters, strict=True))
        with written_beside(Path(path)) as part, part.open("wb") as file:
            np.savez(file, activation=self.activation, output=self.output, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """The network that ``save`` wrote; nothing is unpickled.

        Raises
        ------
        ValueError : the file does not hold a network.
        OSError : the file cannot be read.
        """
        try:
            with Path(path).open("rb") as file:
                return cls._from_arrays(np.load(file, allow_pickle=False))
        except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} does not hold a network: {error}") from error

    @classmethod
    def _from_arrays(cls, arrays: Any) -> Network:
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise TypeError("it is a single array")
        network = cls((1, 1), activation=str(arrays["activation"]), output=str(arrays["output"]))
        network.parameters = [arrays[name] for name in _names(len(arrays.files) - 2)]
        _check_chain(network.layers)
        return network


def _check_chain(layers: list[tuple[Array, Array]]) -> None:
    shapes = [(weight.shape, bias.shape) for weight, bias in layers]
    each_fits = all(len(weight) == 2 and bias == weight[1:] for weight, bias in shapes)
    if not shapes or not each_fits or any(left[1] != (right[0][0],) for left, right in pairwise(shapes)):
        raise ValueError(f"layers of shapes {shapes} do not fit together")


def _starting_parameters(sizes: Sequence[int], gain: float, rng: np.random.Generator) -> list[Array]:
    parameters: list[Array] = []
    for inputs, units in pairwise(sizes):
        weight = rng.normal(0.0, gain / inputs**0.5, (inputs, units))
        parameters += [weight.astype(np.float32), np.zeros(units, np.float32)]
    return parameters


def _names(count: int) -> list[str]:
    return [f"{kind}_{layer}" for layer in range(1, count // 2 + 1) for kind in ("weight", "bias")]


def _known(name: str, among: dict[str, Any], what: str) -> str:
    if name not in among:
        raise ValueError(f"unknown {what} {name!r}; there are {', '.join(among)}")
    return name
