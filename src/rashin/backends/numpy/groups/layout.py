"""Sets of members: where they lie in the caller's arrays, and how they come to lie side by side."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.chunks import unravelled
from rashin.tables.keys import key_of

__all__ = ["Sets", "layout"]


class Sets(NamedTuple):
    """The places of the members, set by set.

    ``order`` has the place of each in the array with the axes of a set last, flattened; None if that is their order.
    Set g has the members from ``starts[g]`` to ``starts[g + 1]``. ``shape`` is that of the losses of the sets, and
    ``axes`` are those along which members lie, or None.
    """

    order: NDArray[np.int64] | None
    starts: NDArray[np.int64]
    shape: tuple[int, ...]
    axes: tuple[int, ...] | None
    ndim: int

    def gathered(self, values: NDArray[Any]) -> NDArray[Any]:
        """The members' numbers side by side; further axes of the values stay last."""
        values = self._moved(values)
        flat = values.reshape(-1, *values.shape[self.ndim :])
        return np.ascontiguousarray(flat if self.order is None else flat[self.order])

    def scattered(self, members: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """The members' numbers at the places they came from, 0 elsewhere."""
        axes = self._axes_last()
        moved = tuple(shape[axis] for axis in axes)
        if self.order is None:
            flat = members.astype(dtype, copy=False)
        else:
            flat = np.zeros(math.prod(shape), dtype)
            flat[self.order] = members
        return flat.reshape(moved).transpose(np.argsort(axes))

    def place(self, member: int, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The index of a member in the caller's array."""
        axes = self._axes_last()
        at = member if self.order is None else int(self.order[member])
        index = unravelled(at, tuple(shape[axis] for axis in axes))
        return tuple(index[axes.index(axis)] for axis in range(self.ndim))

    def _axes_last(self) -> tuple[int, ...]:
        own = self.axes or ()
        return tuple(axis for axis in range(self.ndim) if axis not in own) + own

    def _moved(self, values: NDArray[Any]) -> NDArray[Any]:
        beyond = tuple(range(self.ndim, values.ndim))
        return values.transpose(self._axes_last() + beyond)


def layout(shape: tuple[int, ...], group: Any, axis: Any, where: NDArray[np.bool_] | None) -> Sets:
    """The sets of an array of that shape, without the members outside ``where``."""
    if group is not None and axis is not None:
        raise TypeError("axis: got axes beside group=; expected one of the two; fix: leave the other out")
    if group is not None:
        return _by_keys(shape, group, where)
    axes = tuple(range(len(shape))) if axis is None else _checked(axis, len(shape))
    sets = Sets(None, np.empty(0, np.int64), tuple(n for k, n in enumerate(shape) if k not in axes), axes, len(shape))
    size, count = math.prod(shape[k] for k in axes), math.prod(sets.shape)
    if where is None or where.all():
        return sets._replace(starts=np.arange(count + 1) * size)
    chosen = sets.gathered(where).reshape(count, size)
    return sets._replace(order=np.flatnonzero(chosen), starts=_starts(np.count_nonzero(chosen, axis=1)))


def _by_keys(shape: tuple[int, ...], group: Any, where: NDArray[np.bool_] | None) -> Sets:
    keys = _keys(group, shape, where)
    order = None if where is None or where.all() else np.flatnonzero(where)
    keys = keys if order is None else keys[order]
    if keys.size and (keys[1:] < keys[:-1]).any():
        by_key = np.argsort(keys, kind="stable")
        order, keys = by_key if order is None else order[by_key], keys[by_key]
    first = np.flatnonzero(np.append(keys.size > 0, keys[1:] != keys[:-1])) if keys.size else np.empty(0, np.int64)
    return Sets(order, np.append(first, keys.size).astype(np.int64), (first.size,), None, len(shape))


def _keys(group: Any, shape: tuple[int, ...], where: NDArray[np.bool_] | None) -> NDArray[Any]:
    keys = np.asarray(group)
    if keys.shape != shape:
        raise ValueError(f"group: got shape {keys.shape}; expected one key for each prediction, shape {shape}")
    keys = keys.reshape(-1)
    if keys.dtype.kind in "biuUSmM" and not (keys.dtype.kind in "mM" and np.isnat(keys).any()):
        return keys
    missing = keys != keys if keys.dtype.kind in "fmM" else np.array([key_of(key) is None for key in keys], bool)
    missing = missing if where is None else missing & where.reshape(-1)
    if missing.any():
        place = unravelled(int(np.argmax(missing)), shape)
        raise ValueError(
            f"group: got {keys[missing][0]} at index {place[0] if len(place) == 1 else place}; expected a key for each "
            f"member; fix: leave such members out by where=..."
        )
    if keys.dtype.kind == "f":
        return keys
    if where is not None:
        keys = np.where(where.reshape(-1), keys, keys[np.argmax(where)] if where.any() else "")
    return _codes(keys)


def _codes(keys: NDArray[Any]) -> NDArray[np.int64]:
    """Numbers in the order of keys that are objects."""
    try:
        return np.unique(keys, return_inverse=True)[1]
    except TypeError:
        kinds = sorted({type(key).__name__ for key in keys})
        raise TypeError(f"group: got keys of types {', '.join(kinds)}; expected keys of one type") from None


def _checked(axis: Any, ndim: int) -> tuple[int, ...]:
    axes = axis if isinstance(axis, tuple) else (axis,)
    for one in axes:
        if isinstance(one, bool) or not isinstance(one, (int, np.integer)) or not -ndim <= one < ndim:
            raise ValueError(
                f"axis: got {axis!r} for a prediction with {ndim} axes; expected an axis, or a tuple of axes"
            )
    found = tuple(int(one) % ndim for one in axes)
    if len(set(found)) != len(found) or not found:
        raise ValueError(f"axis: got {axis!r}; expected different axes")
    return found


def _starts(sizes: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
