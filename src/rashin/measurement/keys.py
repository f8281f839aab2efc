"""Groups and clusters as numbers: which key each row has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.kernels import moments as kernel
from rashin.kernels import threads
from rashin.measurement.clusters import Key

__all__ = ["Codes", "codes_of"]

_PIECE = 1 << 20  # numbers that a thread looks at at a time
_NEAR = 1 << 16  # whole numbers that lie so close together, and no further apart than there are, need no sorting


class Codes(NamedTuple):
    """For each row the place of its key among ``keys``, plus ``low``; not every key need occur."""

    codes: NDArray[np.int64]
    keys: Sequence[Key]
    low: int = 0

    def of(self, rows: Any) -> Codes:
        """Those of some rows."""
        return self._replace(codes=self.codes[rows])


def codes_of(name: str, values: Any, shape: tuple[int, ...]) -> Codes:
    """The codes of an array of whole numbers, booleans or words, one for each sample.

    Raises
    ------
    TypeError : it holds something else.
    ValueError : its shape is another.
    """
    array = np.asarray(values)
    if array.shape != shape:
        raise ValueError(f"{name}: got shape {array.shape}; accepted is one for each sample, shape {shape}")
    array = array.reshape(-1)
    kinds = {type(value) for value in array} if array.dtype.kind == "O" else set()
    if array.dtype.kind in "biu" or (kinds and kinds <= {int, bool}):
        return _of_numbers(array.astype(np.int64) if array.dtype.kind in "bO" else array)
    if array.dtype.kind == "U" or (kinds and kinds <= {str, np.str_}):
        keys, codes = np.unique(array.astype(str), return_inverse=True)
        return Codes(codes.astype(np.int64), keys.tolist())
    raise TypeError(f"{name}: got dtype {array.dtype}; accepted are whole numbers, booleans and words")


def _of_numbers(array: NDArray[Any]) -> Codes:
    low, high = _extent(array)
    if high - low < min(_NEAR, max(1024, array.size)) and high < 2**63:
        return Codes(array.astype(np.int64, copy=False), range(low, high + 1), low)
    keys, codes = np.unique(array, return_inverse=True)
    return Codes(codes.astype(np.int64), keys.tolist())


def _extent(array: NDArray[Any]) -> tuple[int, int]:
    """The least and the largest number; (0, 0) of none."""
    if array.size == 0:
        return 0, 0
    if array.dtype != np.int64 or not (array.flags.c_contiguous and array.flags.aligned):
        return int(array.min()), int(array.max())

    def work(mine: Iterator[int]) -> list[tuple[int, int]]:
        return [kernel.extent(array.dtype)(array[start : start + _PIECE]) for start in mine]

    workers = threads.count() if array.size > _PIECE else 1
    ends = [pair for found in threads.share(work, range(0, array.size, _PIECE), workers) for pair in found]
    return min(low for low, _ in ends), max(high for _, high in ends)
