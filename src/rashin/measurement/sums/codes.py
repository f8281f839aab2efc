"""Groups and clusters as numbers: the key of each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.kernels import moments as kernel
from rashin.kernels import threads
from rashin.native.kernel import DOUBLE
from rashin.refusal import Refusal, place_in_words
from rashin.tables.arrow import pyarrow
from rashin.tables.keys import AS_TEXT, KEYS, NoKey, distinct

__all__ = ["MISSING", "Codes", "Missing", "check_missing", "codes_of", "keys_of", "settled", "strange_in"]

Missing = Literal["group", "refuse"]

MISSING = "(missing)"  # the key of rows without a group

_PIECE = 1 << 20  # numbers per thread and chunk
_NEAR = 1 << 16  # largest range of whole numbers that needs no sorting; for few numbers it is smaller


class Codes(NamedTuple):
    """For each row the index of its key in ``keys``, plus ``low``; not every key need occur."""

    codes: NDArray[np.int64]
    keys: Sequence[Any]
    low: int = 0

    def of(self, rows: Any) -> Codes:
        """The codes of some rows."""
        return self._replace(codes=self.codes[rows])


def codes_of(column: Any) -> Codes:
    """The codes of a one-dimensional column of NumPy or Arrow; until ``settled``, keys may be None or invalid.

    Raises
    ------
    TypeError : an Arrow column has a type that cannot be a key; the message is that type.
    """
    if isinstance(column, np.ndarray):
        return _of_numbers(column) if column.dtype.kind in "biu" else Codes(*distinct(column))
    try:
        return _of_arrow(column)
    except (ValueError, NotImplementedError) as error:  # an unknown time zone, or lists
        raise TypeError(f"{column.type} ({' '.join(str(error).split())})") from None


def _of_arrow(column: Any) -> Codes:
    from rashin.tables.arrow import distinct as distinct_in
    from rashin.tables.arrow import holds_whole_numbers, numbers

    if not holds_whole_numbers(column):
        return Codes(*distinct_in(column))
    values, missing = numbers(column)
    found = _of_numbers(values)
    if missing is None:
        return found
    codes = np.where(missing, len(found.keys), found.codes - found.low)
    return Codes(codes, [*found.keys, None])


class Strange(NamedTuple):
    """Rows without a key: masks of the missing and of the invalid ones; None without such rows."""

    missing: NDArray[np.bool_] | None
    refused: NDArray[np.bool_] | None


def strange_in(codes: Codes) -> Strange:
    """The rows without a key."""
    if isinstance(codes.keys, range):
        return Strange(None, None)
    kinds = ([key is None for key in codes.keys], [isinstance(key, NoKey) for key in codes.keys])
    return Strange(*(np.array(some, bool)[codes.codes - codes.low] if any(some) else None for some in kinds))


def settled(codes: Codes) -> Codes:
    """The codes with ``MISSING`` as the key of missing and of invalid ones, which only rows that do not count have."""
    if isinstance(codes.keys, range):
        return codes
    keys = [MISSING if key is None or isinstance(key, NoKey) else key for key in codes.keys]
    return codes._replace(keys=keys)


def keys_of(name: str, values: Any, samples: tuple[int, ...], where: Any = None, missing: Missing = "group") -> Codes:
    """The codes of an array, a list or a series with a key for each sample; ``where`` selects the samples that count.

    Raises
    ------
    TypeError : a value is not a key.
    ValueError : the shape is another one, or a key is missing and ``missing`` is ``"refuse"``.
    """
    column, shape = _column(name, values)
    if shape != samples:
        raise ValueError(f"{name}: got shape {shape}; expected one for each sample, shape {samples}")
    try:
        codes = codes_of(column)
    except TypeError as error:
        raise TypeError(f"{name}: got {error}; expected {KEYS}") from None
    counts = None if where is None else np.asarray(where).reshape(-1)
    strange = strange_in(codes)
    at = _first(strange.refused, counts)
    if at is not None:
        got, place = codes.keys[codes.codes[at]], place_in_words(_index(at, samples))
        raise TypeError(f"{name}: got {got}{place}; expected {KEYS}; fix: {AS_TEXT}")
    at = _first(strange.missing, counts) if missing == "refuse" else None
    if at is not None:
        fix = "leave it out by where=..., or give it a key of its own"
        raise Refusal(name, "a missing value", KEYS, fix, _index(at, samples))
    return settled(codes)


def _first(strange: Any, counts: Any) -> int | None:
    """The number of the first strange sample that counts."""
    if strange is not None and counts is not None:
        strange = strange & counts
    return None if strange is None or not strange.any() else int(np.argmax(strange))


def _index(at: int, samples: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(at, samples)))


def _column(name: str, values: Any) -> tuple[Any, tuple[int, ...]]:
    """A one-dimensional array of NumPy or Arrow, and the original shape."""
    package = type(values).__module__.partition(".")[0]
    if package == "pyarrow":
        return (values.combine_chunks() if hasattr(values, "num_chunks") else values), (len(values),)
    if package == "polars" and not (values.dtype.is_numeric() and values.null_count() == 0):
        return pyarrow(name) and values.to_arrow(), (len(values),)
    if package == "pandas" and hasattr(values, "factorize"):
        return _factors(values), (len(values),)
    if isinstance(values, np.ma.MaskedArray):
        holes, values = np.ma.getmaskarray(values), values.data.astype(object)
        values[holes] = None
    array = _listed(values) if isinstance(values, (list, tuple)) else np.asarray(values)
    return array.reshape(-1), array.shape


def _listed(values: Sequence[Any]) -> NDArray[Any]:
    """A list as an array of whole numbers or of objects: otherwise a 1 in a list with words would become a word."""
    try:
        array = np.asarray(values)
        return array if array.dtype.kind in "biuMm" else np.asarray(values, dtype=object)
    except ValueError:  # a list among the keys
        array = np.empty(len(values), object)
        array[:] = values
        return array


def _factors(values: Any) -> Any:
    """A pandas series, index or array as codes, so that its many types need no further handling."""
    if getattr(values.dtype, "kind", "O") in "biu" and isinstance(values.dtype, np.dtype):
        return np.asarray(values)
    try:
        codes, uniques = values.factorize()
    except TypeError:  # of lists
        return np.asarray(values, dtype=object)
    return np.append(np.asarray(uniques, dtype=object), [None])[codes]


def _of_numbers(array: NDArray[Any]) -> Codes:
    low, high = _extent(array)
    if high - low < min(_NEAR, max(1024, array.size)) and high < 2**63:
        return Codes(array.astype(np.int64, copy=False), range(low, high + 1), low)
    keys, codes = np.unique(array, return_inverse=True)
    return Codes(codes.astype(np.int64), keys.tolist())


def _extent(array: NDArray[Any]) -> tuple[int, int]:
    """The smallest and the largest number; (0, 0) for an empty array."""
    if array.size == 0:
        return 0, 0
    if array.dtype != np.int64 or not (array.flags.c_contiguous and array.flags.aligned):
        return int(array.min()), int(array.max())

    def work(mine: Iterator[int]) -> list[tuple[int, int]]:
        found = []
        for start in mine:
            ends = np.empty(2, np.int64)
            kernel.extent(DOUBLE)(array[start : start + _PIECE], ends)
            found.append((int(ends[0]), int(ends[1])))
        return found

    workers = threads.count() if array.size > _PIECE else 1
    ends = [pair for found in threads.share(work, range(0, array.size, _PIECE), workers) for pair in found]
    return min(low for low, _ in ends), max(high for _, high in ends)


def check_missing(missing: object) -> None:
    """Raise for anything but ``"group"`` and ``"refuse"``."""
    if missing not in ("group", "refuse"):
        raise ValueError(f"missing: got {missing!r}; expected 'group' or 'refuse'")
