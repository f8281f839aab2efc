"""Mini-batches: the loss over all data is costly; over a few of them, drawn at random, it is a fair estimate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin import checks

__all__ = ["Seed", "batch_rows", "minibatches", "set_aside"]

Array = NDArray[Any]
Seed: TypeAlias = int | Sequence[int] | np.random.Generator | None


def minibatches(
    *arrays: ArrayLike, size: int, seed: Seed = None, shuffle: bool = True, drop_last: bool = False
) -> Iterator[tuple[Array, ...]]:
    """One epoch: every sample once, ``size`` at a time, in random order.

    The last batch holds what is left, and may be shorter. Its mean says as much about each of its samples as the
    others' do, so that over the epoch batches count by their samples: the sum of the batches' summed losses,
    divided by n, is the mean over the data; the plain mean of the batches' means is not.

    Parameters
    ----------
    *arrays : one or more arrays, lists, series or data frames whose first axes, of equal length n, belong together by
        position; the index of a series or frame does not count. Of a ``numpy.memmap`` only the rows of the batch are
        read.
    size : samples per batch, a whole number >= 1.
    seed : of the order; the same seed gives the same batches.
    shuffle : False keeps the order of the arrays; the batches are then views, not copies.
    drop_last : leave out a last batch of less than ``size``.

    Returns
    -------
    An iterator of tuples with one NumPy array of shape (size, ...) per argument, whatever type that is of.

    Raises
    ------
    ValueError : no arrays, arrays of different lengths, or a size that is not a whole number >= 1.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> x = np.arange(5)
    >>> [batch.tolist() for batch, square in minibatches(x, x * x, size=2, shuffle=False)]
    [[0, 1], [2, 3], [4]]

    The mean of a loss over an epoch, by its batches:

    >>> z, t = np.array([1.0, 2.0, 3.0, 4.0, 6.0]), np.zeros(5)
    >>> batches = minibatches(z, t, size=2, seed=0)
    >>> sum(rashin.squared_error(*batch, reduction="sum") for batch in batches) / 5, rashin.squared_error(z, t)
    (13.2, 13.2)
    """
    given = [_by_position(a) for a in arrays]
    n = _common_length(given)
    if not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"size must be a whole number >= 1; got {size!r}")
    rows = batch_rows(n, size, seed, shuffle, drop_last)
    return (tuple(a[chosen] for a in given) for chosen in rows)


def batch_rows(n: int, size: int, seed: Seed, shuffle: bool = True, drop_last: bool = False) -> Iterator[Any]:
    """Which of n samples are in each batch: indices in random order, or slices of the given one."""
    stop = n - n % size if drop_last else n
    if not shuffle:
        return (slice(start, min(start + size, stop)) for start in range(0, stop, size))
    order = np.random.default_rng(seed).permutation(n)[:stop]
    return (order[start : start + size] for start in range(0, stop, size))


def set_aside(n: int, count: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """``count`` of n samples, drawn at random, and the rest; both in their order."""
    order = np.random.default_rng((seed, 0)).permutation(n)  # the epochs of a training draw from (seed, 1) on
    return np.sort(order[:count]), np.sort(order[count:])


def _by_position(values: ArrayLike) -> Array:
    """The array that holds these rows; a memory map stays one, and what a frame of several types holds are numbers."""
    given = np.asanyarray(values)
    if given.dtype.kind != "O":
        return given
    try:
        numbers: Array = checks.array("arrays", given)
    except TypeError:  # text, dates and the like
        return given
    return numbers


def _common_length(arrays: list[Array]) -> int:
    if not arrays:
        raise ValueError("minibatches needs at least one array")
    for number, array in enumerate(arrays):
        if array.ndim == 0:
            raise ValueError(f"arrays: got {array[()]!r} as number {number}; expected samples along a first axis")
    lengths = [len(a) for a in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"arrays must have the same length along their first axis; got {lengths}")
    return lengths[0]
