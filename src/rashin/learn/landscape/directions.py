"""Directions in the space of the parameters: given, random, or along one weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rashin.learn.network.network import Network

__all__ = ["Direction", "as_arrays", "chosen_directions", "random_direction"]

Array = NDArray[Any]
Direction = Sequence[Any]  # an array per parameter array, or one weight: (index of its array, index of its entry)


def random_direction(network: Network, seed: int | np.random.Generator | None = 0) -> list[Array]:
    """A random direction in which the move of each unit's weights has the same norm as these weights.

    Without this scaling, a network with large weights would look flat and one with small weights steep, even if both
    compute the same function. Biases do not move.

    Parameters
    ----------
    seed : seed for the direction; the same seed gives the same direction.

    Returns
    -------
    Arrays shaped like ``network.parameters``, in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from rashin.learn import Network
    >>> network = Network((4, 3), seed=0)
    >>> weight, bias = random_direction(network, seed=1)
    >>> (np.linalg.norm(weight, axis=0) / np.linalg.norm(network.parameters[0], axis=0)).round(6)
    array([1., 1., 1.])

    Reference: H. Li, Z. Xu, G. Taylor, C. Studer, T. Goldstein (2018), Visualizing the loss landscape of neural nets.
    """
    rng = np.random.default_rng(seed)
    return [_like_filters(p.astype(np.float64), rng) if p.ndim > 1 else np.zeros(p.shape) for p in network.parameters]


def chosen_directions(network: Network, given: int | Sequence[Direction], seed: int) -> list[list[Array]]:
    """One or two directions: the given ones, or that number of random ones."""
    if given in (1, 2):
        rng = np.random.default_rng(seed)
        return [random_direction(network, rng) for _ in range(int(given))]
    if not isinstance(given, Sequence) or len(given) not in (1, 2):
        raise ValueError(f"directions: got {given!r}; expected 1, 2, or a list of one or two directions")
    return [as_arrays(direction, network.parameters) for direction in given]


def as_arrays(direction: Direction, parameters: list[Array]) -> list[Array]:
    """A direction as arrays shaped like the parameters; raises if it is not a direction."""
    if len(direction) == 2 and isinstance(direction[0], int | np.integer):
        return _one_entry(int(direction[0]), direction[1], parameters)
    arrays, shapes = [np.asarray(array, np.float64) for array in direction], [p.shape for p in parameters]
    if [array.shape for array in arrays] != shapes:
        found = [array.shape for array in arrays]
        raise ValueError(f"directions: got arrays of shapes {found}; expected those of the parameters, {shapes}")
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("directions: got a NaN or an infinite number; expected finite numbers")
    if not any(array.any() for array in arrays):
        raise ValueError("directions: got 0 everywhere; expected a direction in which a parameter changes")
    return arrays


def _one_entry(index: int, entry: int | tuple[int, ...], parameters: list[Array]) -> list[Array]:
    arrays = [np.zeros(parameter.shape) for parameter in parameters]
    try:
        is_one = arrays[index][entry].ndim == 0
        arrays[index][entry] = 1.0
    except (IndexError, TypeError, ValueError):
        is_one = False
    if not is_one:
        shapes = [p.shape for p in parameters]
        raise ValueError(
            f"directions: got ({index}, {entry}); expected one entry of a parameter array; their shapes are {shapes}"
        )
    return arrays


def _like_filters(weight: Array, rng: np.random.Generator) -> Array:
    drawn = rng.normal(size=weight.shape)
    length: Array = np.linalg.norm(weight, axis=0) / np.linalg.norm(drawn, axis=0)
    return drawn * length
