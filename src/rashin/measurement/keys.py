"""Groups and clusters as numbers: which key each row has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.measurement.clusters import Key

__all__ = ["Codes", "codes_of"]

_NEAR = 1 << 16  # whole numbers that lie so close together need no sorting


class Codes(NamedTuple):
    """For each row the place of its key among ``keys``; not every key need occur."""

    codes: NDArray[Any]
    keys: Sequence[Key]

    def of(self, rows: Any) -> Codes:
        """Those of some rows."""
        return Codes(self.codes[rows], self.keys)


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
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if high - low < _NEAR:
        return Codes(np.subtract(array, low, dtype=np.int64, casting="unsafe"), range(low, high + 1))
    keys, codes = np.unique(array, return_inverse=True)
    return Codes(codes.astype(np.int64), keys.tolist())
