"""The names of classes, and the class that a target names as text, number or boolean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Classes", "Key", "Outcomes", "check_case", "is_number", "names_false", "outcomes_of"]

Key = int | str

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d) 00:00:00")  # pandas stores dates as times
_BOOLEANS = {"true": Decimal(1), "false": Decimal(0)}
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}  # words for a value that is missing
_PAIRS = 3  # columns by label that an error lists
_SHOWN = 8  # names that an error lists


@dataclass(frozen=True)
class Classes:
    """The classes of the prediction's columns.

    Parameters
    ----------
    columns, names : columns, and the name of the class of each, in the same order.
    listed : True if the user listed the columns in the order of the labels, so that numbers are indices of the list.

    Raises
    ------
    ValueError : two names are equal as numbers.
    """

    columns: tuple[str, ...]
    names: tuple[str, ...]
    listed: bool = False

    def __post_init__(self) -> None:
        counts = Counter(map(_comparable, self.names))
        twice = [name for name in self.names if counts[_comparable(name)] > 1]
        if twice and not self.listed:
            raise ValueError(f"got columns that name one class twice, {', '.join(twice[:_SHOWN])}")

    @classmethod
    def of_list(cls, columns: Sequence[str]) -> Classes:
        """Columns in the order of the labels; the names of the classes are those of the columns without common ends.

        >>> Classes.of_list(["p_cat", "p_car"]).names
        ('cat', 'car')
        """
        begin, end = _common(columns)
        names = tuple(column[begin : len(column) - end] for column in columns)
        return cls(tuple(columns), names if all(names) else tuple(columns), listed=True)

    @property
    def labels(self) -> tuple[Key, ...] | None:
        """The keys of the classes in measurements: whole numbers if all names are; None for indices of a list."""
        if self.listed:
            return None
        keys = tuple(_key(name) for name in self.names)
        return keys if all(isinstance(key, int) for key in keys) else self.names

    @property
    def take_numbers(self) -> bool:
        """True if a number may name one of the classes."""
        return self.listed or any(_value(name) is not None for name in self.names)

    @property
    def misleading(self) -> bool:
        """True if the columns are listed, and the number in a name differs from its index."""
        values = map(_value, self.names)
        return self.listed and any(value not in (None, place) for place, value in enumerate(values))

    def places(self, words: Sequence[str]) -> list[int]:
        """The index of the class that each word names; -1 if it does not name one.

        A word is a name or, in a list, a column; or it equals a name, or an index of a list, as a number or a boolean.

        >>> Classes(("p_-1", "p_1"), ("-1", "1")).places(["1", "-1.0", "true", "x"])
        [1, 0, 1, -1]
        """
        known = self._known()
        return [known.get(word, known.get(_comparable(word), -1)) for word in words]

    def _known(self) -> Mapping[object, int]:
        """The index of each class by everything that names it."""
        count = len(self.names)
        numbers = map(Decimal, range(count)) if self.listed and not self.misleading else ()
        columns = self.columns if self.listed else ()
        ways = (numbers, map(_comparable, self.names), columns, self.names)  # the exact name takes precedence
        return {name: place for way in ways for place, name in enumerate(way)}

    def agree(self, other: Classes) -> bool:
        """True if both are the same classes in the same order, as far as the names in lists of columns show."""
        unlike = set(self.names) != set(other.names)
        return self.names == other.names or (unlike and (self.listed or other.listed))

    def remedy(self, label: object) -> str:
        """The fix for a number that is not one of the classes; labels up to C start from 1."""
        first = int(str(label) == str(len(self.columns)))
        labels = range(first, first + len(self.columns))
        return f"; fix: say which label each column stands for, such as {self.by_label(labels)}"

    def by_label(self, labels: Sequence[object]) -> str:
        """The argument, and the option, that give the columns by label.

        >>> Classes(("p_cat", "p_dog"), ("cat", "dog")).by_label([1, 2])
        "prediction={1: 'p_cat', 2: 'p_dog'} (--prediction 1=p_cat,2=p_dog)"
        """
        pairs = list(zip(labels, self.columns, strict=True))[:_PAIRS]
        more = ["..."] if len(self.columns) > _PAIRS else []
        argument = ", ".join([f"{label}: {column!r}" for label, column in pairs] + more)
        option = ",".join([f"{label}={column}" for label, column in pairs] + more)
        return f"prediction={{{argument}}} (--prediction {option})"

    def __str__(self) -> str:
        shown = ", ".join(self.names[:_SHOWN]) + (", ..." if len(self.names) > _SHOWN else "")
        return f"one of the classes {shown}{self._or_places}"

    @property
    def _or_places(self) -> str:
        last = len(self.names) - 1
        named = self.names != tuple(map(str, range(len(self.names))))
        return f", or 0 to {last}" if self.listed and named and not self.misleading else ""


@dataclass(frozen=True)
class Outcomes:
    """The two words of a target, and the numbers that a two-class loss takes for them.

    Parameters
    ----------
    positive, negative : words of the classes; the negative one is None if all rows were found to be positive.
    numbers : numbers of the negative and of the positive class, such as (0, 1) or (-1, 1).
    """

    positive: str
    negative: str | None
    numbers: tuple[int, int] = (0, 1)

    @property
    def labels(self) -> dict[int, Key]:
        """The words by number."""
        negative = f"not {self.positive}" if self.negative is None else self.negative
        return {self.numbers[0]: _key(negative), self.numbers[1]: _key(self.positive)}

    def places(self, words: Sequence[str]) -> list[int]:
        """0 for the negative word, 1 for the positive one, -1 for any other.

        >>> Outcomes("yes", "no").places(["no", "yes", "maybe"])
        [0, 1, -1]
        """
        known = {} if self.negative is None else {_comparable(self.negative): 0}
        known[_comparable(self.positive)] = 1
        return [known.get(_comparable(word), -1) for word in words]

    @property
    def remedy(self) -> str:
        """The fix for a word that is neither of the two."""
        return "; fix: positive= (--positive) names one of the two values of the target"

    def __str__(self) -> str:
        negative = "" if self.negative is None else f", or {self.negative!r}"
        return f"{self.positive!r}, the positive class{negative}"


def outcomes_of(
    words: Mapping[str, int], column: str, positive: str | None, numbers: tuple[int, int]
) -> Outcomes | None:
    """The two words of a target, from the counts of words in the first rows; None if it contains numbers.

    The positive one is ``positive``, or else the word at the end of the name of the prediction's ``column``. A number
    at the end, as in ``p_0``, may be that of an output, and is ignored.

    >>> outcomes_of({"no": 3, "yes": 1}, "p_yes", None, (0, 1))
    Outcomes(positive='yes', negative='no', numbers=(0, 1))
    """
    known = [word for word in words if word.strip().lower() not in _MISSING]
    if positive is None and not all(_value(word.strip()) is not None for word in known):
        positive = _ending(column, known)
    elif positive is None and names_false(column):
        positive = "False"
    if positive is None:
        return None
    others = [word for word in known if _comparable(word) != _comparable(positive)]
    return Outcomes(positive, max(others, key=lambda word: (words[word], word), default=None), numbers)


def check_case(positive: str, words: Sequence[str]) -> None:
    """Refuse a word that differs from one of the target's only in case: no row would be positive.

    Raises
    ------
    ValueError : the word occurs in the target only in another case.
    """
    plain = positive.strip().casefold()
    meant = [word for word in words if word.strip().casefold() == plain]
    if meant and all(_comparable(word) != _comparable(positive) for word in meant):
        raise ValueError(
            f"positive (--positive): got {positive!r}; expected a value of the target as it is written; "
            f"fix: {meant[0]!r}"
        )


def _ending(column: str, words: Sequence[str]) -> str | None:
    """The word at the end of the name of a column, after a ``_``; the longest if several match."""
    parts = column.lower().split("_")
    by_name = {word.strip().lower(): word for word in words}
    endings = ("_".join(parts[start:]) for start in range(len(parts)))
    return next((by_name[ending] for ending in endings if ending in by_name), None)


def names_false(column: str) -> bool:
    """True if a column of predictions is that of the class False, so that True and 1 in the target are negative.

    >>> names_false("p_False"), names_false("p_1")
    (True, False)
    """
    return column.lower().rpartition("_")[2] == "false"


def _key(name: str) -> Key:
    """A name as a whole number, if it is written as one.

    >>> _key("7"), _key("007")
    (7, '007')
    """
    return int(name) if re.fullmatch(r"0|-?[1-9]\d{0,17}", name, re.ASCII) else name


def is_number(word: str) -> bool:
    """True if a word is written as a number.

    >>> is_number("-1e3"), is_number("true"), is_number("nan")
    (True, False, False)
    """
    return _NUMBER.fullmatch(word.strip()) is not None


def _value(word: str) -> Decimal | None:
    """The numeric value of a word, if it is a number or a boolean.

    >>> _value("1e1") == _value("10.0"), _value("TRUE"), _value("cat")
    (True, Decimal('1'), None)
    """
    return Decimal(word) if _NUMBER.fullmatch(word) else _BOOLEANS.get(word.lower())


def _comparable(word: str) -> Decimal | str:
    word = _MIDNIGHT.sub(r"\1", word.strip())
    value = _value(word)
    return word if value is None else value


def _common(columns: Sequence[str]) -> tuple[int, int]:
    """The lengths of the common beginning and end of different names, cut at a ``_`` or a space."""
    begin = _shared(columns)
    return begin, _shared([column[begin:][::-1] for column in columns])


def _shared(words: Sequence[str]) -> int:
    """The number of letters with which all words begin, up to the last ``_`` or space."""
    unlike = (place for place, letters in enumerate(zip(*words, strict=False)) if len(set(letters)) > 1)
    same = words[0][: next(unlike, min(map(len, words)))]
    return 1 + max(same.rfind("_"), same.rfind(" "))
