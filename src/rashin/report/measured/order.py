"""The natural order of names: numbers by size, dates by time, and 2 before 10 within words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rashin.measurement.sums.codes import MISSING

__all__ = ["are_dates", "are_numbers", "in_order"]

T = TypeVar("T")

_MISSING = ("None", MISSING)
_NUMBER = re.compile(r"[+\-−]?(\d+(\.\d*)?|\.\d+)(e[+\-]?\d+)?", re.IGNORECASE)
_DATE = re.compile(r"\d{4}[-/.]?(\d{1,2}|[WQ]\d{1,2})([-/.]?\d{1,2}([T ]\d.*)?)?", re.IGNORECASE)


def are_dates(names: Iterable[str]) -> bool:
    """Whether several names are dates or times, year first.

    Examples
    --------
    >>> are_dates(["2026-02-01", "2026-01-31T08:00"]), are_dates(["2026-W02", "2026-W10"]), are_dates(["1", "2"])
    (True, True, False)
    """
    return _all(_DATE, names)


def are_numbers(names: Iterable[str]) -> bool:
    """Whether several names are numbers.

    Examples
    --------
    >>> are_numbers(["10", "2", "-1.5"]), are_numbers(["site_10", "site_2"])
    (True, False)
    """
    return _all(_NUMBER, names)


def in_order(items: Sequence[T], name: Callable[[T], str] = str) -> list[T]:
    """Items in the natural order of their names; those of missing values stand last.

    Examples
    --------
    >>> in_order(["site_10", "site_2"]), in_order(["10", "-1.5", "2"]), in_order(["2026-10-1", "2026-9-30"])
    (['site_2', 'site_10'], ['-1.5', '2', '10'], ['2026-9-30', '2026-10-1'])
    """
    found = [item for item in items if name(item) not in _MISSING]
    rest = [item for item in items if name(item) in _MISSING]
    if all(_NUMBER.fullmatch(name(item)) for item in found):
        return [*sorted(found, key=lambda item: float(name(item).replace("−", "-"))), *rest]
    return [*sorted(found, key=lambda item: _pieces(name(item))), *rest]


def _all(form: re.Pattern[str], names: Iterable[str]) -> bool:
    found = [name for name in names if name not in _MISSING]
    return len(found) > 1 and all(map(form.fullmatch, found))


def _pieces(name: str) -> list[tuple[int, int, str]]:
    """Runs of digits as numbers, before and between words."""
    pieces = re.split(r"(\d+)", name.casefold())
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in pieces if piece] + [(-1, 0, name)]
