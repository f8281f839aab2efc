"""Mini-batches: a few samples drawn at random, whose loss is a cheap and unbiased estimate of the loss of all data."""

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

    The last batch contains the rest, and may be shorter. To average over an epoch, weight each batch by its number of
    samples: the summed losses of the batches, added and divided by n, give the mean over the data; the plain mean of
    the batch means does not.

    Parameters
    ----------
    *arrays : one or more arrays, lists, series or data frames with first axes of equal length n. Rows are matched by
        position; the index of a series or frame is ignored. From a ``numpy.memmap`` only the rows of the batch are
        read.
    size : samples per batch, a whole number >= 1.
    seed : seed for the order; the same seed gives the same batches.
    shuffle : switch; False keeps the order of the arrays, and the batches are then views, not copies.
    drop_last : switch; True leaves out a last batch of fewer than ``size`` samples.

    Returns
    -------
    An iterator of tuples with one NumPy array of shape (size, ...) per argument, whatever the argument's type.

    Raises
    ------
    ValueError : there are no arrays, their lengths differ, or the size is not a whole number >= 1.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> x = np.arange(5)
    >>> [batch.tolist() for batch, square in minibatches(x, x * x, size=2, shuffle=False)]
    [[0, 1], [2, 3], [4]]

    The mean of a loss over an epoch, computed from its batches:

    >>> z, t = np.array([1.0, 2.0, 3.0, 4.0, 6.0]), np.zeros(5)
    >>> batches = minibatches(z, t, size=2, seed=0)
    >>> sum(rashin.squared_error(*batch, reduction="sum") for batch in batches) / 5, rashin.squared_error(z, t)
    (13.2, 13.2)
    """
    given = [_by_position(a) for a in arrays]
    n = _common_length(given)
    if not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"size: got {size!r}; expected a whole number >= 1")
    rows = batch_rows(n, size, seed, shuffle, drop_last)
    return (tuple(a[chosen] for a in given) for chosen in rows)


def batch_rows(n: int, size: int, seed: Seed, shuffle: bool = True, drop_last: bool = False) -> Iterator[Any]:
    """The samples of each batch, out of n: indices in random order, or slices in the given order."""
    stop = n - n % size if drop_last else n
    if not shuffle:
        return (slice(start, min(start + size, stop)) for start in range(0, stop, size))
    order = np.random.default_rng(seed).permutation(n)[:stop]
    return (order[start : start + size] for start in range(0, stop, size))


def set_aside(n: int, count: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """``count`` of n samples, drawn at random, and the rest; both in the original order."""
    order = np.random.default_rng((seed, 0)).permutation(n)  # epoch e draws from (seed, e), with e from 1
    return np.sort(order[:count]), np.sort(order[count:])


def _by_position(values: ArrayLike) -> Array:
    """The rows as an array; a memory map stays a memory map, and a frame of several dtypes becomes numbers."""
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
        raise ValueError("arrays: got none; expected at least one array")
    for number, array in enumerate(arrays):
        if array.ndim == 0:
            raise ValueError(f"arrays: got {array[()]!r} as number {number}; expected samples along a first axis")
    lengths = [len(a) for a in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"arrays: got lengths {lengths}; expected the same length along the first axis")
    return lengths[0]
