"""The roles of a table's columns: names, patterns such as ``p_*``, and the classes that the names stand for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rashin.tables.classes import Classes, Key, Outcomes, is_number
from rashin.tables.dialect import header_hint
from rashin.tables.table import Uses

__all__ = ["Columns", "Names", "Roles", "default_prediction", "matching", "name_of", "names_of", "no_column"]

Names: TypeAlias = "str | tuple[str, ...] | Mapping[str, str]"
OnError: TypeAlias = Literal["raise", "skip"]

_SHOWN = 8  # names that an error lists


@dataclass(frozen=True)
class Roles:
    """The columns of one file by role.

    ``classes`` contains the classes of the prediction's columns; None if they are numbered from 0, or if there is one
    column. ``outcomes`` contains the two words of the target of a two-class loss; None if it contains numbers.
    """

    prediction: tuple[str, ...]
    target: tuple[str, ...]
    weight: str | None
    group: str | None
    cluster: str | None
    classes: Classes | None
    outcomes: Outcomes | None = None

    @property
    def labels(self) -> Mapping[int, Key] | None:
        """The keys of the classes by number; None if the keys are the numbers themselves."""
        if self.outcomes is not None:
            return self.outcomes.labels
        keys = None if self.classes is None or len(self.prediction) == 1 else self.classes.labels
        return None if keys is None else dict(enumerate(keys))

    @property
    def names(self) -> list[str]:
        """Every column that is needed, once."""
        single = (self.weight, self.group, self.cluster)
        return list(dict.fromkeys((*self.prediction, *self.target, *(name for name in single if name is not None))))

    @property
    def listed(self) -> frozenset[str]:
        """The columns that may contain a list in each row."""
        return frozenset(names[0] for names in (self.prediction, self.target) if len(names) == 1)

    def uses(self, has_classes: bool) -> Uses:
        """The uses of the columns if the target is a class, or if it is a number."""
        weight = () if self.weight is None else (self.weight,)
        keys = frozenset(name for name in (self.group, self.cluster) if name is not None)
        numbers = {*self.prediction, *weight, *(self.target if not has_classes or len(self.target) > 1 else ())}
        named = self.classes is not None if has_classes else self.outcomes is not None
        texts = frozenset(self.target if named and len(self.target) == 1 else ())
        return Uses(frozenset(numbers) - texts, keys, keys & {*numbers, *self.target}, texts)


@dataclass(frozen=True)
class Columns:
    """The caller's description of a table, and the options for reading it.

    Parameters
    ----------
    prediction, target : name; pattern with one ``*``; several names in the order of the classes; or columns by class.
    weight, group, cluster : names of columns.
    positive : target word of the positive class, for a two-class loss; None if the target contains numbers, or if the
        name of the prediction's column ends with the word.
    on_error : ``"raise"`` or ``"skip"``: a row that cannot be read, or that the loss refuses, raises, or is left out
        and counted.
    batch_rows : rows read at a time; None is about 2^21 numbers.
    missing : ``"group"`` or ``"refuse"``: rows without a group are one group, or refused.
    """

    prediction: Names
    target: Names
    weight: str | None = None
    group: str | None = None
    cluster: str | None = None
    on_error: OnError = "raise"
    batch_rows: int | None = None
    positive: str | None = None
    missing: Literal["group", "refuse"] = "group"

    def roles(self, names: Sequence[str], path: str) -> Roles:
        """The roles of the columns of a file with ``names``.

        Raises
        ------
        ValueError : a name is missing, or the classes of a pattern are incomplete.

        Examples
        --------
        >>> Columns("p_*", "target").roles(["target", "p_10", *(f"p_{k}" for k in range(10))], "a.csv").prediction
        ('p_0', 'p_1', 'p_2', 'p_3', 'p_4', 'p_5', 'p_6', 'p_7', 'p_8', 'p_9', 'p_10')
        """
        prediction, classes = _several("prediction", self.prediction, names, path)
        target, target_classes = _several("target", self.target, names, path)
        if len(target) > 1 and len(target) != len(prediction):
            raise ValueError(
                f"{path}: got {len(target)} columns for the target; expected {len(prediction)}, as for the prediction"
            )
        if len(target) > 1 and target_classes and classes and not target_classes.agree(classes):
            raise ValueError(
                f"{path}, target: got {target_classes} in {', '.join(target)}; expected {classes} in this order, as in "
                f"the prediction's {', '.join(prediction)}"
            )
        weight, group, cluster = (
            _known(role, getattr(self, role), names, path) for role in ("weight", "group", "cluster")
        )
        return Roles(prediction, target, weight, group, cluster, classes)

    def several(self, role: Literal["prediction", "target"], names: Sequence[str], path: str) -> tuple[str, ...]:
        """The columns of one role in a file with ``names``; raises as ``roles`` does."""
        return _several(role, getattr(self, role), names, path)[0]


def name_of(role: str, name: object) -> str | None:
    """The name of a column, or None.

    Raises
    ------
    TypeError : ``name`` is of another type.
    """
    if name is None or isinstance(name, str):
        return name
    raise TypeError(f"{role}: got {name!r}; expected the name of a column, or None")


def names_of(role: str, names: object) -> Names:
    """A name, a pattern, the names of a list, or names by class.

    Raises
    ------
    TypeError : ``names`` is of another type.
    """
    if isinstance(names, str):
        return names
    if isinstance(names, AbstractSet):
        raise TypeError(f"{role}: got a {type(names).__name__}, which has no order; expected a list of names")
    found: list[object] = list(names) if isinstance(names, Iterable) else [names]
    columns = list(names.values()) if isinstance(names, Mapping) else found
    if all(isinstance(column, str) for column in columns):
        words = tuple(map(str, columns))
        return dict(zip(map(str, found), words, strict=True)) if isinstance(names, Mapping) else words
    raise TypeError(
        f"{role}: got {names!r}; expected the name of a column, a pattern such as 'p_*', a list of names, or a "
        "dict of classes and names"
    )


def default_prediction(names: Sequence[str], path: str) -> str:
    """``p_*`` (probabilities) or ``z_*`` (logits), whichever the table has.

    >>> default_prediction(["z_0", "z_1", "target"], "held-out.parquet")
    'z_*'
    """
    found = [pattern for pattern in ("p_*", "z_*") if matching(pattern, names)]
    if len(found) != 1:
        what = "columns p_* and z_*" if found else "no column p_* or z_*"
        expected = f"either, or the names of its columns{_among(names)}"
        raise ValueError(f"{path}, prediction: got {what}; expected {expected}")
    return found[0]


# ------------------------------------------------------------------------------------------------- names and patterns


def _several(role: str, asked: Names, names: Sequence[str], path: str) -> tuple[tuple[str, ...], Classes | None]:
    """The columns of a role, and their classes."""
    if isinstance(asked, Mapping):
        _checked(role, list(asked.values()), names, path)
        return _of_classes(role, {column: name for name, column in asked.items()}, path)
    if not isinstance(asked, str):
        columns = _checked(role, asked, names, path)
        return columns, Classes.of_list(columns)
    if asked in names or "*" not in asked:
        return _checked(role, [asked], names, path), None
    if asked.count("*") > 1:
        raise ValueError(f"{role}: got the pattern {asked!r}; expected one * in it, where the class stands")
    found = matching(asked, names)
    if not found:
        raise ValueError(f"{path}, {role}: got {asked!r}; expected a pattern that matches a column{_among(names)}")
    _checked(role, list(found), names, path)
    _refuse_strangers(role, asked, found, path)
    return _of_classes(role, found, path)


def _refuse_strangers(role: str, pattern: str, found: Mapping[str, str], path: str) -> None:
    """Refuse a column without a number among columns numbered from 0 or 1: it may not be a class, as ``z_score``."""
    numbered = sorted((int(word), column) for column, word in found.items() if word.isdecimal())
    others = [column for column, word in found.items() if not is_number(word)]
    numbers = [number for number, _ in numbered]
    if len(numbers) > 1 and others and numbers[0] < 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        columns = ", ".join(repr(column) for _, column in numbered[:3]) + (", ..." if len(numbered) > 3 else "")
        raise ValueError(
            f"{path}, {role}: got {pattern!r}, which matches columns {numbers[0]} to {numbers[-1]} and "
            f"{_listed(others)}; expected only columns of classes; fix: list them, such as [{columns}], or "
            f"give them by class in a dict"
        )


def _checked(role: str, asked: Sequence[str], names: Sequence[str], path: str) -> tuple[str, ...]:
    columns = tuple(_known(role, name, names, path) or "" for name in asked)
    if len(set(columns)) < len(columns) or not columns:
        raise ValueError(f"{role}: got {list(asked)!r}; expected a list of different columns")
    return columns


def _of_classes(role: str, found: Mapping[str, str], path: str) -> tuple[tuple[str, ...], Classes | None]:
    """Columns by class, in the order of the classes in measurements."""
    numbered = all(re.fullmatch(r"-?\d+", name, re.ASCII) for name in found.values())
    columns = tuple(sorted(found, key=lambda column: int(found[column]) if numbered else found[column]))
    words = tuple(found[column] for column in columns)
    if numbered and [int(word) for word in words] == list(range(len(words))):
        return columns, None
    try:
        return columns, Classes(columns, words)
    except ValueError as error:
        raise ValueError(f"{path}, {role}: {error}; expected one column for each class") from None


def matching(pattern: str, names: Iterable[str]) -> dict[str, str]:
    """The text matched by the star, by column."""
    before, after = map(re.escape, pattern.split("*"))
    matches = {name: re.fullmatch(f"{before}(.+){after}", name) for name in names}
    return {name: match[1] for name, match in matches.items() if match}


def _known(role: str, name: str | None, names: Sequence[str], path: str) -> str | None:
    if name is not None and name not in names:
        raise no_column(path, role, name, names)
    if name is not None and list(names).count(name) > 1:
        raise ValueError(f"{path}, {role}: got {list(names).count(name)} columns {name!r}; expected one of each name")
    return name


def no_column(path: str, role: str, name: str, names: Sequence[str]) -> ValueError:
    """The error for a column that a file does not have."""
    return ValueError(f"{path}, {role}: got {name!r}; expected the name of a column{_nearest(name, names)}")


def _nearest(name: str, names: Sequence[str]) -> str:
    if header_hint(names):
        return _among(names)
    lower = {known.lower(): known for known in names}
    close = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, 3, 0.5)]
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else _among(names)


def _among(names: Sequence[str]) -> str:
    return f", of which there are {_listed(names)}{header_hint(names)}" if names else ", of which there are none"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > _SHOWN else shown
