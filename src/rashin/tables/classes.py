"""The names of classes, and which of them a target names: as text, as a number, or as a boolean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Classes", "Key", "Outcomes", "check_case", "is_number", "names_false", "outcomes_of"]

Key = int | str

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d) 00:00:00")  # pandas keeps dates as times
_BOOLEANS = {"true": Decimal(1), "false": Decimal(0)}
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}  # words for a value that is missing
_PAIRS = 3  # columns by label that an error lists
_SHOWN = 8  # names that an error lists


@dataclass(frozen=True)
class Classes:
    """The classes that columns stand for.

    Parameters
    ----------
    columns, names : the columns and what each stands for, in the same order.
    listed : whether the user listed the columns in the order of the labels, so that numbers are places in the list.

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
        """Columns in the order of the labels; their names are what is left without a common beginning and end.

        >>> Classes.of_list(["p_cat", "p_car"]).names
        ('cat', 'car')
        """
        begin, end = _common(columns)
        names = tuple(column[begin : len(column) - end] for column in columns)
        return cls(tuple(columns), names if all(names) else tuple(columns), listed=True)

    @property
    def labels(self) -> tuple[Key, ...] | None:
        """The keys by which measurements know the classes: whole numbers if all are; None for places in a list."""
        if self.listed:
            return None
        keys = tuple(_key(name) for name in self.names)
        return keys if all(isinstance(key, int) for key in keys) else self.names

    @property
    def take_numbers(self) -> bool:
        """Whether a number may name one of the classes."""
        return self.listed or any(_value(name) is not None for name in self.names)

    @property
    def misleading(self) -> bool:
        """Whether the columns are listed, and one is numbered otherwise than by its place."""
        values = map(_value, self.names)
        return self.listed and any(value not in (None, place) for place, value in enumerate(values))

    def places(self, words: Sequence[str]) -> list[int]:
        """The place of the class that each word names; -1 if it names none.

        A word is a name or, in a list, a column; or it equals a name, or a place in a list, as a number or a boolean.

        >>> Classes(("p_-1", "p_1"), ("-1", "1")).places(["1", "-1.0", "true", "x"])
        [1, 0, 1, -1]
        """
        known = self._known()
        return [known.get(word, known.get(_comparable(word), -1)) for word in words]

    def _known(self) -> Mapping[object, int]:
        """The place of each class by all that names it."""
        count = len(self.names)
        numbers = map(Decimal, range(count)) if self.listed and not self.misleading else ()
        columns = self.columns if self.listed else ()
        ways = (numbers, map(_comparable, self.names), columns, self.names)  # the exact name comes before all else
        return {name: place for way in ways for place, name in enumerate(way)}

    def agree(self, other: Classes) -> bool:
        """Whether both are the same classes in the same order, as far as the names in lists of columns show."""
        unlike = set(self.names) != set(other.names)
        return self.names == other.names or (unlike and (self.listed or other.listed))

    def remedy(self, label: object) -> str:
        """What to do where a number is none of the classes; labels up to C count from 1 on."""
        first = int(str(label) == str(len(self.columns)))
        labels = range(first, first + len(self.columns))
        return f"; fix: say which label each column stands for, such as {self.by_label(labels)}"

    def by_label(self, labels: Sequence[object]) -> str:
        """The argument that gives the columns by label, and the option.

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
    """The two words of a target, and the numbers that a loss of two classes takes for them.

    Parameters
    ----------
    positive, negative : the words; the negative one is None where all rows were found to be positive.
    numbers : those of the negative and of the positive class, such as (0, 1) or (-1, 1).
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
        """What to do about a word that is neither."""
        return "; fix: positive= (--positive) names one of the two values of the target"

    def __str__(self) -> str:
        negative = "" if self.negative is None else f", or {self.negative!r}"
        return f"{self.positive!r}, the positive class{negative}"


def outcomes_of(
    words: Mapping[str, int], column: str, positive: str | None, numbers: tuple[int, int]
) -> Outcomes | None:
    """The two words of a target, by how often each was found in the first rows; None where it holds numbers.

    The positive one is ``positive``, or else the word with which the name of the prediction's ``column`` ends. Numbers
    at the end, as in ``p_0``, may count outputs and say nothing.

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
    """A word that differs from one of the target's by case alone is a slip, and would leave no row positive.

    Raises
    ------
    ValueError : the word stands in the target, and in other letters.
    """
    plain = positive.strip().casefold()
    meant = [word for word in words if word.strip().casefold() == plain]
    if meant and all(_comparable(word) != _comparable(positive) for word in meant):
        raise ValueError(
            f"positive (--positive): got {positive!r}; expected a value of the target as it is written; "
            f"fix: {meant[0]!r}"
        )


def _ending(column: str, words: Sequence[str]) -> str | None:
    """The word with which the name of a column ends, after a ``_``; of several the longest."""
    parts = column.lower().split("_")
    by_name = {word.strip().lower(): word for word in words}
    endings = ("_".join(parts[start:]) for start in range(len(parts)))
    return next((by_name[ending] for ending in endings if ending in by_name), None)


def names_false(column: str) -> bool:
    """Whether a column of predictions is that of the class False, so that the target's True and 1 are negative.

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
    """Whether a word is written as a number.

    >>> is_number("-1e3"), is_number("true"), is_number("nan")
    (True, False, False)
    """
    return _NUMBER.fullmatch(word.strip()) is not None


def _value(word: str) -> Decimal | None:
    """What a word is equal to, if it is a number or a boolean.

    >>> _value("1e1") == _value("10.0"), _value("TRUE"), _value("cat")
    (True, Decimal('1'), None)
    """
    return Decimal(word) if _NUMBER.fullmatch(word) else _BOOLEANS.get(word.lower())


def _comparable(word: str) -> Decimal | str:
    word = _MIDNIGHT.sub(r"\1", word.strip())
    value = _value(word)
    return word if value is None else value


def _common(columns: Sequence[str]) -> tuple[int, int]:
    """How long the common beginning and end of different names are, which end and begin at a ``_`` or a space."""
    begin = _shared(columns)
    return begin, _shared([column[begin:][::-1] for column in columns])


def _shared(words: Sequence[str]) -> int:
    """With how many letters all words begin, up to the last ``_`` or space."""
    unlike = (place for place, letters in enumerate(zip(*words, strict=False)) if len(set(letters)) > 1)
    same = words[0][: next(unlike, min(map(len, words)))]
    return 1 + max(same.rfind("_"), same.rfind(" "))
