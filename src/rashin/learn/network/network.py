"""A network small enough to read: affine layers, activations between them, and an output layer that fits the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rashin.learn.network.activations import ACTIVATIONS
from rashin.learn.network.outputs import OUTPUTS
from rashin.refusal import Refusal
from rashin.storage import content_of, read_arrays, written_beside

__all__ = ["Network", "Trace"]

Array = NDArray[Any]

_WORDS = ("activation", "output", "sizes")  # the entries of ``arrays`` that are not parameters


class Trace(NamedTuple):
    """The inputs of each affine layer, (n, units), and the prediction, (n, outputs)."""

    inputs: list[Array]
    prediction: Array


class Network:
    """Affine layers with an activation between them.

    Parameters
    ----------
    sizes : units per layer, from the inputs to the outputs: ``(64, 50, 10)`` has one hidden layer of 50.
    activation : activation after each hidden layer, a key of ``rashin.learn.ACTIVATIONS``.
    output : output layer, a key of ``rashin.learn.OUTPUTS``; ``output_for(loss)`` returns the right one.
    seed : seed for the initial weights, normal with standard deviation gain / sqrt(inputs); biases start at 0.
    dtype : dtype of parameters and products: float32, or float64 if precision matters more than time.

    Attributes
    ----------
    parameters : arrays that are trained: weight (inputs, units) and bias (units,) of each layer in turn.

    Raises
    ------
    ValueError : there are fewer than two sizes, a size is below 1, the activation or the output is unknown, or the
        dtype is another one.

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
        dtype: DTypeLike = np.float32,
    ) -> None:
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"sizes: got {tuple(sizes)}; expected two or more whole numbers >= 1")
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype: got {np.dtype(dtype)}; expected float32 or float64")
        self.activation = _known(activation, ACTIVATIONS, "activation")
        self.output = _known(output, OUTPUTS, "output")
        start, gain = np.random.default_rng(seed), ACTIVATIONS[activation].gain
        self.parameters = [array.astype(dtype) for array in _starting_parameters(sizes, gain, start)]

    @property
    def layers(self) -> list[tuple[Array, Array]]:
        """Weight and bias of each affine layer, first to last."""
        return list(zip(self.parameters[::2], self.parameters[1::2], strict=True))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the parameters and of the products."""
        return self.parameters[0].dtype

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units per layer, from the inputs to the outputs."""
        weights = self.parameters[::2]
        return (weights[0].shape[0], *(weight.shape[1] for weight in weights))

    def forward(self, x: Array) -> Trace:
        """The prediction for ``x``, of shape (n, inputs), and the intermediate results that ``backward`` needs.

        A SciPy sparse ``x`` stays sparse: the cost of the first layer depends on the number of stored entries.
        """
        bend, hidden = ACTIVATIONS[self.activation], self.parameters[:-2]
        inputs = [x.astype(self.dtype, copy=False) if _is_sparse(x) else np.asarray(x, self.dtype)]
        for index in range(0, len(hidden), 2):
            inputs.append(bend.forward(_affine(inputs[-1], hidden[index], hidden[index + 1])))
        return Trace(inputs, OUTPUTS[self.output].forward(_affine(inputs[-1], *self.parameters[-2:])))

    def backward(self, trace: Trace, gradient: Array, out: list[Array] | None = None) -> list[Array]:
        """d loss / d parameters, in the order of ``parameters``, from d loss / d prediction of shape (n, outputs).

        They are written to ``out`` if given, arrays shaped like the parameters. For a large network, reusing memory
        avoids the page faults of new arrays.
        """
        gradients = [np.empty_like(parameter) for parameter in self.parameters] if out is None else out
        bend, delta = ACTIVATIONS[self.activation], OUTPUTS[self.output].backward(trace.prediction, gradient)
        delta, everyone = delta.astype(self.dtype, copy=False), np.empty(len(gradient), self.dtype)
        everyone.fill(1.0)
        for index in reversed(range(len(trace.inputs))):
            entered = trace.inputs[index]
            if _is_sparse(entered):
                gradients[2 * index][...] = entered.T @ delta
            else:
                np.matmul(entered.T, delta, out=gradients[2 * index])
            np.matmul(
                everyone, delta, out=gradients[2 * index + 1]
            )  # the sum over the samples, in half the time of np.sum
            if index:
                delta = bend.backward(delta @ self.parameters[2 * index].T, entered)
        return gradients

    def predict(self, x: Array) -> Array:
        """The prediction for ``x``, (n, inputs): an array (n, outputs)."""
        return self.forward(x).prediction

    def save(self, path: str | Path) -> None:
        """Write the network as an ``.npz`` file of plain arrays; an earlier file of that name is replaced."""
        arrays: dict[str, Any] = self.arrays
        with written_beside(Path(path)) as part, part.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Network:
        """The network that ``save`` wrote; nothing is unpickled.

        Raises
        ------
        ValueError : the file does not contain a network.
        OSError : the file cannot be read.
        """
        arrays = read_arrays(path, "a network")
        with content_of(path, "a network"):
            network = cls.from_arrays(arrays)
            if not all(np.isfinite(array).all() for array in network.parameters):
                raise Refusal("parameters", "a NaN or an infinite number", "finite numbers")
        return network

    @property
    def arrays(self) -> dict[str, Array]:
        """The whole network as arrays by name."""
        named = dict(zip(_names(len(self.parameters)), self.parameters, strict=True))
        words = {"activation": np.array(self.activation), "output": np.array(self.output)}
        return {**words, "sizes": np.array(self.sizes, np.int64), **named}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Network:
        """The network from the arrays that ``arrays`` returned.

        Raises
        ------
        KeyError, ValueError : the arrays do not describe a network.
        """
        network = cls((1, 1), activation=str(arrays["activation"]), output=str(arrays["output"]))
        network.parameters = _checked_parameters({name: a for name, a in arrays.items() if name not in _WORDS})
        if "sizes" in arrays and arrays["sizes"].tolist() != list(
            network.sizes
        ):  # otherwise the last layer could be missing
            raise Refusal(
                "layers", f"sizes {list(network.sizes)}", f"{arrays['sizes'].tolist()}, as array 'sizes' says"
            )
        return network


def _is_sparse(x: Any) -> bool:
    return hasattr(x, "tocsr")  # this check needs no import of SciPy


def _affine(x: Array, weight: Array, bias: Array) -> Array:
    z: Array = x @ weight
    z += bias
    return z


def _checked_parameters(arrays: Mapping[str, Array]) -> list[Array]:
    """The arrays in their order: a weight and a bias of each layer, and nothing else."""
    names = _names(len(arrays) + len(arrays) % 2)
    if set(names) != set(arrays):
        raise Refusal("arrays", str(sorted(arrays)), f"a weight and a bias of each layer: {names}")
    parameters = [arrays[name] for name in names]
    types = {array.dtype for array in parameters}
    if len(types) != 1 or not types <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise Refusal("arrays", ", ".join(sorted(map(str, types))) or "none", "float32 in all, or float64 in all")
    _check_chain(list(zip(parameters[::2], parameters[1::2], strict=True)))
    return parameters


def _check_chain(layers: list[tuple[Array, Array]]) -> None:
    shapes = [(weight.shape, bias.shape) for weight, bias in layers]
    each_fits = all(len(weight) == 2 and bias == weight[1:] for weight, bias in shapes)
    if not shapes or not each_fits or any(left[1] != (right[0][0],) for left, right in pairwise(shapes)):
        expected = "a weight (inputs, units) and a bias (units,) of each layer, whose inputs are the units before it"
        raise Refusal("layers", f"shapes {shapes}", expected)


def _starting_parameters(sizes: Sequence[int], gain: float, rng: np.random.Generator) -> list[Array]:
    parameters: list[Array] = []
    for inputs, units in pairwise(sizes):
        weight = rng.normal(0.0, gain / inputs**0.5, (inputs, units))
        parameters += [weight, np.zeros(units)]
    return parameters


def _names(count: int) -> list[str]:
    return [f"{kind}_{layer}" for layer in range(1, count // 2 + 1) for kind in ("weight", "bias")]


def _known(name: str, among: dict[str, Any], what: str) -> str:
    if name not in among:
        raise Refusal(what, repr(name), ", ".join(map(repr, among)))
    return name
