"""Keys of groups and clusters: values that compare equal are one key, in whatever array, frame or file they are.

Whole numbers of every type, including booleans, become whole numbers; everything else becomes text. The text of dates,
times and durations does not depend on their unit, and the missing values of all libraries become None.
"""

from __future__ import annotations

import datetime
import numbers
import re
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin.tables.classes import Key

__all__ = ["AS_TEXT", "KEYS", "Key", "NoKey", "distinct", "key_of", "keys_in", "moment"]

KEYS = "whole numbers, booleans, text, dates or times"
AS_TEXT = "cast it to text, or to whole numbers"

_MOMENT = re.compile(
    r"(?P<date>[+-]?\d+-\d\d-\d\d)?[T ]?(?P<time>\d\d:\d\d:\d\d)?(?P<part>\.\d+)?(?P<zone>Z|[+-][\d:]+)?"
)
_UNITS = {"W": 7 * 86400, "D": 86400, "h": 3600, "m": 60, "s": 1}  # in seconds
_PARTS = {"s": 0, "ms": 3, "us": 6, "ns": 9, "ps": 12, "fs": 15, "as": 18}  # digits after the point of a second


class NoKey(str):
    """A value that is not a key, in words."""

    __slots__ = ()


def key_of(value: Any) -> Key | NoKey | None:
    """The key of a value; None if it is missing.

    >>> [key_of(value) for value in (3.0, Decimal("2.50"), datetime.datetime(2024, 1, 1, 12), float("nan"))]
    [3, '2.5', '2024-01-01 12:00:00', None]
    """
    known: Callable[[Any], Key | NoKey | None] | None = next(
        (of for kind, of in _KINDS if isinstance(value, kind)), None
    )
    if known is not None:
        return known(value)
    name = type(value).__name__
    if value is None or name in ("NAType", "NaTType"):
        return None
    if name == "Period":  # of pandas
        return str(value)
    return NoKey(f"{value!r}, a {name}")


def _of_real(value: Any) -> Key | NoKey | None:
    if value != value:
        return None
    return int(value) if np.isfinite(value) and value == np.floor(value) else _fraction(value)


def _fraction(value: Any) -> NoKey:
    return NoKey(f"{value}, which is no whole number")


def _of_decimal(value: Decimal) -> Key | NoKey | None:
    if value.is_nan():
        return None
    if value.is_infinite():
        return _fraction(value)
    return int(value) if value == value.to_integral_value() else format(value, "f").rstrip("0")


def _of_bytes(value: bytes) -> Key | NoKey:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return NoKey(f"{value!r}, which is no text in UTF-8")


def _of_datetime(value: datetime.datetime) -> str | None:
    return None if value != value else moment(str(value))  # NaT is one


def _of_timedelta(value: Any) -> str | None:
    if value != value:
        return None
    nanoseconds = getattr(value, "value", None)  # of pandas, which counts in its unit
    if nanoseconds is not None:
        return _duration(int(value.as_unit("ns").value), 9)
    return _duration(value // datetime.timedelta(microseconds=1), 6)


_KINDS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (str, str),
    (bytes, _of_bytes),
    (datetime.datetime, _of_datetime),
    (datetime.date, str),
    (datetime.time, lambda value: moment(str(value))),
    (np.datetime64, lambda value: _moments(np.array([value]))[0]),
    (np.timedelta64, lambda value: _durations(np.array([value]))[0]),  # which NumPy counts among the whole numbers
    (datetime.timedelta, _of_timedelta),
    ((numbers.Integral, np.bool_), int),
    (Decimal, _of_decimal),
    ((numbers.Real, np.floating), _of_real),
    (uuid.UUID, str),
)


# ---------------------------------------------------------------------------------------------- dates and times


def moment(text: str) -> str:
    """A date, a time or both in one format, without zeros at the end of a second, or a midnight without a zone.

    >>> moment("2024-01-01T00:00:00.000"), moment("2024-01-01 06:00:00.120000+00:00")
    ('2024-01-01', '2024-01-01 06:00:00.12Z')
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    date, time, part, zone = (found[name] or "" for name in ("date", "time", "part", "zone"))
    time += part.rstrip("0").rstrip(".")
    zone = zone.replace(":", "")
    zone = "Z" if zone in ("+0000", "-0000") else zone
    if date and time in ("", "00:00:00") and not zone:
        return date
    return f"{date} {time}{zone}".lstrip()


def _moments(values: NDArray[Any]) -> list[Any]:
    unit = np.datetime_data(values.dtype)[0]
    if unit == "generic":
        return [None] * len(values)  # all are NaT
    to = unit if unit in _PARTS else "D" if unit in "YMWD" else "s"
    texts = np.datetime_as_string(values.astype(f"M8[{to}]")).tolist()
    return [None if text == "NaT" else moment(text) for text in texts]


def _durations(values: NDArray[Any]) -> list[Any]:
    unit, count = np.datetime_data(values.dtype)
    if unit in "YM":
        months = count * (12 if unit == "Y" else 1)
        return [None if np.isnat(value) else f"{int(value.astype(np.int64)) * months} months" for value in values]
    if unit == "generic":
        return [None if np.isnat(value) else int(value.astype(np.int64)) for value in values]
    scale, digits = count * _UNITS.get(unit, 1), _PARTS.get(unit, 0)
    return [None if np.isnat(value) else _duration(int(value.astype(np.int64)) * scale, digits) for value in values]


def _duration(units: int, digits: int) -> str:
    """Units of 10^-digits s as days and a time of day."""
    seconds, part = divmod(units, 10**digits)
    days, seconds = divmod(seconds, 86400)
    point = f".{part:0{digits}d}".rstrip("0").rstrip(".") if digits else ""
    return f"{days} days {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}"


# ---------------------------------------------------------------------------------------------- columns


def distinct(array: NDArray[Any]) -> tuple[NDArray[np.int64], Sequence[Key | NoKey | None]]:
    """For each entry of a NumPy array, the index of its key in the keys, which may contain duplicates."""
    if array.dtype.kind == "O":
        return _of_objects(array.tolist())
    if array.dtype.kind not in "biufUSMm" and array.dtype.name != "bfloat16":
        return np.zeros(len(array), np.int64), [NoKey(f"dtype {array.dtype}")]
    array = array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    found, codes = np.unique(array, return_inverse=True)
    return codes.astype(np.int64), keys_in(found)


def keys_in(values: Any) -> list[Key | NoKey | None]:
    """The key of each value of an array or a list."""
    if not isinstance(values, np.ndarray):
        return [key_of(value) for value in values]
    if values.dtype.kind == "M":
        return _moments(values)
    return _durations(values) if values.dtype.kind == "m" else keys_in(values.tolist())


def _of_objects(values: Sequence[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    keys: list[Any] = []
    known: dict[Any, int] = {}
    codes = np.empty(len(values), np.int64)
    for row, value in enumerate(values):
        try:
            place = known.setdefault(value, len(keys))
        except TypeError:  # for example a list
            place = len(keys)
        if place == len(keys):
            keys.append(key_of(value))
        codes[row] = place
    return codes, keys
