"""Loss and accuracy around a network: the loss is smooth with a slope to follow, the accuracy is a staircase."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.learn.landscape.directions import Direction, as_arrays, chosen_directions
from rashin.learn.samples.batches import minibatches
from rashin.learn.samples.samples import samples_for
from rashin.learn.training.objective import right

if TYPE_CHECKING:
    from rashin.learn.network.network import Network
    from rashin.loss import Loss

__all__ = [
    "Curve",
    "Landscape",
    "in_double",
    "loss_and_accuracy_along",
    "loss_gradient",
    "loss_landscape",
]

Array = NDArray[Any]

_ROWS = 1024  # samples per block: the results of a layer stay in the cache, however many samples there are
_ALONG = np.linspace(-1.0, 1.0, 201)
_ACROSS = np.linspace(-1.0, 1.0, 25)


@dataclass(frozen=True, eq=False)
class Curve:
    """Loss and accuracy along a straight line through the parameters.

    Attributes
    ----------
    offsets : distances that the parameters are moved, in lengths of the direction, (k,).
    loss, accuracy : mean loss per sample, and accuracy, (k,); the accuracy is NaN without classes.
    value, slope : loss at offset 0, and its directional derivative there, from the analytic gradient.
    samples : number of samples; one more correct prediction raises the accuracy by 1 / samples.
    """

    offsets: Array
    loss: Array
    accuracy: Array
    value: float
    slope: float
    samples: int

    @property
    def tangent(self) -> Array:
        """The tangent line that the gradient predicts, at the offsets, (k,)."""
        return self.value + self.slope * self.offsets


@dataclass(frozen=True, eq=False)
class Landscape:
    """Loss and accuracy along one direction or over the plane of two.

    Attributes
    ----------
    offsets : distances that the parameters are moved along each direction, one array (k,) or two, (k,) and (m,).
    loss, accuracy : values with one axis per direction: (k,) or (k, m).
    directions : moves at offset 1: a list of arrays shaped like the parameters per direction.
    slopes : directional derivatives of the loss at the middle, one per direction.
    """

    offsets: tuple[Array, ...]
    loss: Array
    accuracy: Array
    directions: tuple[list[Array], ...]
    slopes: tuple[float, ...]


def loss_and_accuracy_along(
    network: Network,
    direction: Direction,
    x: Array,
    target: ArrayLike,
    loss: Loss,
    *,
    offsets: ArrayLike = _ALONG,
) -> Curve:
    """Loss and accuracy when the parameters move by ``offset * direction``, and the tangent of the loss at 0.

    The network is not changed. All is computed in float64, so that moves far below the resolution of float32 show.

    Parameters
    ----------
    network, x, target, loss : as in ``evaluate``.
    direction : list of arrays shaped like ``network.parameters``, or ``(array, entry)`` for one weight:
        ``(0, (12, 3))`` is ``network.parameters[0][12, 3]``, ``(1, 4)`` is ``network.parameters[1][4]``.
    offsets : distances to move, finite numbers, (k,).

    Raises
    ------
    ValueError : network, loss and data do not fit together, or the direction or the offsets are not valid.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> network = Network((1, 2), seed=0)
    >>> network.parameters[0][:] = 0.0
    >>> x = np.array([[1.0], [2.0]], np.float32)
    >>> curve = loss_and_accuracy_along(network, (0, (0, 0)), x, [0, 0], rashin.softmax_cross_entropy, offsets=[0, 1])
    >>> curve.loss.round(4), curve.slope, curve.tangent.round(4)
    (array([0.6931, 0.2201]), -0.75, array([ 0.6931, -0.0569]))
    """
    far = _checked_offsets(offsets)
    arrays = as_arrays(direction, network.parameters)
    losses, hits = _scores(network, [arrays], np.append(far, 0.0)[:, None], x, target, loss)
    slope = _inner(loss_gradient(network, x, target, loss), arrays)
    return Curve(far, losses[:-1], hits[:-1], float(losses[-1]), slope, len(x))


def loss_landscape(
    network: Network,
    x: Array,
    target: ArrayLike,
    loss: Loss,
    *,
    directions: int | Sequence[Direction] = 2,
    offsets: ArrayLike = _ACROSS,
    seed: int = 0,
) -> Landscape:
    """Loss and accuracy along one direction or over the plane of two.

    Random directions are normalised filter by filter, so that landscapes of different networks can be compared.

    Parameters
    ----------
    network, x, target, loss : as in ``evaluate``.
    directions : number of random directions, 1 or 2, or one or two directions as ``loss_and_accuracy_along`` takes
        them.
    offsets : distances to move along each direction, finite numbers, (k,).
    seed : seed for the random directions.

    Raises
    ------
    ValueError : as in ``loss_and_accuracy_along``, or there are not one or two directions.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> x = np.eye(4, dtype=np.float32)
    >>> found = loss_landscape(Network((4, 3), seed=0), x, [0, 1, 2, 0], rashin.softmax_cross_entropy)
    >>> found.loss.shape, found.accuracy.shape, len(found.directions)
    ((25, 25), (25, 25), 2)

    Reference: H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein (2018), Visualizing the loss landscape of neural nets.
    """
    chosen, far = chosen_directions(network, directions, seed), _checked_offsets(offsets)
    axes = np.meshgrid(*[far] * len(chosen), indexing="ij")
    grid = np.stack([axis.ravel() for axis in axes], axis=1)
    losses, hits = _scores(network, chosen, grid, x, target, loss)
    gradient, shape = loss_gradient(network, x, target, loss), axes[0].shape
    slopes = tuple(_inner(gradient, arrays) for arrays in chosen)
    return Landscape((far,) * len(chosen), losses.reshape(shape), hits.reshape(shape), tuple(chosen), slopes)


def loss_gradient(network: Network, x: Array, target: ArrayLike, loss: Loss) -> list[Array]:
    """d loss / d parameters over all samples, as ``backward`` gives it, in float64: the direction of steepest ascent.

    Parameters
    ----------
    network, x, target, loss : as in ``evaluate``.

    Raises
    ------
    ValueError : network, loss and data do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> weight, bias = loss_gradient(Network((1, 2)), np.zeros((3, 1)), [0, 0, 1], rashin.softmax_cross_entropy)
    >>> bias.round(4)
    array([-0.1667,  0.1667])
    """
    targets, double = samples_for(network, loss, x, target).target, in_double(network)
    whole = [np.zeros_like(parameter) for parameter in double.parameters]
    for batch, part in minibatches(x, targets, size=_ROWS, shuffle=False):
        trace = double.forward(batch.astype(np.float64))
        gradient = loss.gradient(trace.prediction, part, reduction="sum") / len(x)
        for total, share in zip(whole, double.backward(trace, gradient), strict=True):
            total += share
    return whole


def in_double(network: Network) -> Network:
    """A copy of the network with float64 parameters."""
    copied = copy(network)
    copied.parameters = [parameter.astype(np.float64) for parameter in network.parameters]
    return copied


def _scores(
    network: Network, directions: list[list[Array]], grid: Array, x: Array, target: ArrayLike, loss: Loss
) -> tuple[Array, Array]:
    """Loss and accuracy at each row of ``grid``, (points, directions)."""
    samples, double = samples_for(network, loss, x, target), in_double(network)
    first = _first_moved_layer(directions)
    losses, hits, moved = np.zeros(len(grid)), np.zeros(len(grid)), copy(double)
    for start in range(0, len(x), _ROWS):
        part = samples.rows(slice(start, start + _ROWS))
        entered = _affine(double.forward(part.x.astype(np.float64)).inputs[first], double, directions, first)
        for point, offsets in enumerate(grid):
            moved.parameters = _moved(double.parameters, directions, offsets, first)
            prediction = moved.predict(entered)
            losses[point] += loss(prediction, part.target, reduction="sum")
            hits[point] += right(network, prediction, part)
    return losses / len(x), hits / len(x)


# The first layer that moves is affine, and its inputs do not change: its outputs are those at the start plus the offset
# times those of the direction. Both are computed once, and enter a network whose first weight only adds them. With 784
# inputs and 50 units a point takes 6.3 ms per 10,000 samples; the full computation took 15 ms.


def _affine(entered: Array, network: Network, directions: list[list[Array]], first: int) -> Array:
    layers = [arrays[2 * first : 2 * first + 2] for arrays in (network.parameters, *directions)]
    return np.hstack([entered @ weight + bias for weight, bias in layers])


def _moved(start: list[Array], directions: list[list[Array]], offsets: Array, first: int) -> list[Array]:
    _, bias, *behind = start[2 * first :]
    adding = np.vstack([factor * np.eye(bias.size) for factor in (1.0, *offsets)])
    steps = zip(behind, *(arrays[2 * first + 2 :] for arrays in directions), strict=True)
    moved = [p + sum(o * d for o, d in zip(offsets, step, strict=True)) for p, *step in steps]
    return [adding, np.zeros(bias.size), *moved]


def _first_moved_layer(directions: list[list[Array]]) -> int:
    return min(index // 2 for arrays in directions for index, array in enumerate(arrays) if array.any())


def _inner(left: list[Array], right: list[Array]) -> float:
    return float(sum(np.vdot(a, b) for a, b in zip(left, right, strict=True)))


def _checked_offsets(offsets: ArrayLike) -> Array:
    far = np.asarray(offsets, np.float64)
    if far.ndim != 1 or far.size == 0 or not np.isfinite(far).all():
        raise ValueError(f"offsets: got {offsets!r}; expected one or more finite numbers, of shape (k,)")
    return far
