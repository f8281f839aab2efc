"""Boxes of arrays in plain rows that sweeps read and write: the arrays' own memory where it lies well, else buffers."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.chunks import Box
from rashin.kernels.halves import round_to_bfloat, round_to_half, widen_bfloats, widen_halves
from rashin.native.kernel import DOUBLE, SINGLE, Kernel

__all__ = ["factors", "is_contiguous", "multiply", "place_in", "read", "store"]

HALF = np.dtype(np.float16)
WIDE = (SINGLE, DOUBLE)


def read(source: NDArray[Any], box: Box, buffer: NDArray[Any], own: bool = False) -> NDArray[Any]:
    """The box as a contiguous row of the buffer's dtype; a view if it already is one (and need not be ``own``)."""
    part = source[box]
    if not own and part.dtype == buffer.dtype and part.flags.c_contiguous and part.flags.aligned:
        return part.reshape(-1)
    row = buffer[: part.size]
    widen = _widening(part.dtype) if row.dtype in WIDE else None
    if widen is not None:
        widen(row.dtype)(np.require(part, None, ["C", "A"]).reshape(-1).view(np.uint16), row)
    else:
        np.copyto(row.reshape(part.shape), part, casting="unsafe")
    return row


@functools.cache
def _widening(dtype: np.dtype[Any]) -> Kernel | None:
    return widen_halves if dtype == HALF else widen_bfloats if dtype.name == "bfloat16" else None


@functools.cache
def _rounding(dtype: np.dtype[Any]) -> Kernel | None:
    return round_to_half if dtype == HALF else round_to_bfloat if dtype.name == "bfloat16" else None


def is_contiguous(array: NDArray[Any] | None, element: np.dtype[Any]) -> bool:
    """Whether a sweep can work on the array where it lies; on none it need not."""
    if array is None:
        return True
    flags = array.flags
    return array.dtype == element and flags.c_contiguous and flags.aligned


def place_in(result: NDArray[Any] | None, box: Any, buffer: NDArray[Any], cells: int) -> NDArray[Any]:
    """Where a sweep writes: into the result if it lies well, else into the buffer; empty if nothing is wanted."""
    if result is None:
        return buffer[:0]
    part = result[box]
    if is_contiguous(part, buffer.dtype):
        return part.reshape(-1)  # type: ignore[no-any-return]
    return buffer[:cells]


def store(result: NDArray[Any] | None, box: Any, row: NDArray[Any], buffer: NDArray[Any]) -> None:
    """Put a row of the buffer back in its box, rounded to the result's type; other rows are there already."""
    if result is not None and row.base is buffer:
        part = result[box]
        rounding = _rounding(part.dtype) if row.dtype in WIDE else None
        if rounding is not None:
            there = is_contiguous(part, part.dtype)
            pattern = part.reshape(-1).view(np.uint16) if there else np.empty(row.size, np.uint16)
            rounding(row.dtype)(row.reshape(-1), pattern)
            if there:
                return
            row = pattern.view(part.dtype)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            np.copyto(part, row.reshape(part.shape), casting="unsafe")


def multiply(
    derivative: NDArray[Any], vector: NDArray[Any], box: Any, buffer: NDArray[Any], outside: NDArray[np.bool_] | None
) -> None:
    """Multiply a row of second derivatives by the box of a vector: 0 outside, and wherever the vector is 0."""
    v = factors(vector, box, buffer, outside)
    with np.errstate(all="ignore"):
        derivative *= v
    derivative[v == 0.0] = 0.0


def factors(vector: NDArray[Any], box: Any, buffer: NDArray[Any], outside: NDArray[np.bool_] | None) -> NDArray[Any]:
    """The box of a vector as a row, 0 outside, where it may be anything."""
    v = read(vector, box, buffer, own=outside is not None)
    if outside is not None:
        v[np.repeat(outside, v.size // outside.size)] = 0.0
    return v
