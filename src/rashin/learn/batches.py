"""Mini-batches: the loss over all data is costly; over a few of them, drawn at random, it is a fair estimate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["minibatches"]

Array = NDArray[Any]


def minibatches(
    *arrays: Array,
    size: int,
    seed: int | Sequence[int] | np.random.Generator | None = None,
    shuffle: bool = True,
    drop_last: bool = False,
) -> Iterator[tuple[Array, ...]]:
    """One epoch: every sample once, ``size`` at a time, in random order.

    Parameters
    ----------
    *arrays : one or more arrays whose first axes, of equal length n, belong together.
    size : samples per batch; the last batch holds what is left.
    seed : of the order; the same seed gives the same batches.
    shuffle : False keeps the order of the arrays; the batches are then views, not copies.
    drop_last : leave out a last batch of less than ``size``.

    Returns
    -------
    An iterator of tuples with one array of shape (size, ...) per argument.

    Raises
    ------
    ValueError : no arrays, arrays of different lengths, or a size that is not a whole number >= 1.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(5)
    >>> [batch.tolist() for batch, square in minibatches(x, x * x, size=2, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    """
    n = _common_length(arrays)
    if not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"size must be a whole number >= 1; got {size!r}")
    stop = n - n % size if drop_last else n
    if not shuffle:
        return (tuple(a[start : min(start + size, stop)] for a in arrays) for start in range(0, stop, size))
    order = np.random.default_rng(seed).permutation(n)[:stop]
    return (tuple(a[order[start : start + size]] for a in arrays) for start in range(0, stop, size))


def _common_length(arrays: tuple[Array, ...]) -> int:
    if not arrays:
        raise ValueError("minibatches needs at least one array")
    lengths = [len(a) for a in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"arrays must have the same length along their first axis; got {lengths}")
    return lengths[0]
