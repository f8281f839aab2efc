"""Large arrays cut into boxes that fit a cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "boxes", "memory_order", "start_of", "unravelled", "with_axis"]

Box: TypeAlias = tuple[Any, ...]  # an integer or a slice for each of the first axes; (...,) for the whole


def boxes(shape: tuple[int, ...], most: int) -> Iterator[Box]:
    """Cut ``shape`` into boxes of at most ``most`` elements (one at least), in C order.

    Examples
    --------
    >>> from rashin.chunks import boxes
    >>> list(boxes((2, 5), 3))
    [(0, slice(0, 3, None)), (0, slice(3, 5, None)), (1, slice(0, 3, None)), (1, slice(3, 5, None))]
    >>> list(boxes((5, 2), 4))
    [(slice(0, 2, None),), (slice(2, 4, None),), (slice(4, 5, None),)]
    """
    size = math.prod(shape)
    if size == 0:
        return
    if size <= most:
        yield (...,)  # an index that returns an array even without axes
        return
    cut = len(shape) - 1
    while cut > 0 and math.prod(shape[cut:]) <= most:
        cut -= 1
    step = max(1, most // math.prod(shape[cut + 1 :]))
    for outer in product(*map(range, shape[:cut])):
        for start in range(0, shape[cut], step):
            yield (*outer, slice(start, min(start + step, shape[cut])))


def start_of(box: Box, inside: tuple[int, ...]) -> tuple[int, ...]:
    """The index in the whole array of the element at ``inside`` of a box."""
    inner = iter(inside)
    outer = [cut if isinstance(cut, int) else cut.start + next(inner) for cut in box if cut is not ...]
    return (*outer, *inner)


def with_axis(index: tuple[int, ...], axis: int, place: int) -> tuple[int, ...]:
    """The index with ``place`` inserted at the axis, which is counted from the end of the whole array."""
    position = len(index) + 1 + axis
    return (*index[:position], place, *index[position:])


def unravelled(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of the element that is ``place``-th in C order."""
    return tuple(int(i) for i in np.unravel_index(place, shape))


def memory_order(z: NDArray[Any]) -> tuple[int, ...]:
    """The axes from the largest stride to the smallest: a walk in this order reads memory in sequence."""
    return tuple(sorted(range(z.ndim), key=lambda k: -abs(z.strides[k])))
