"""Which columns of a table hold what: names, patterns such as ``p_*``, and the classes that the names stand for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rashin.tables.table import Uses

__all__ = ["Columns", "Roles", "default_prediction", "name_of", "names_of"]

Names: TypeAlias = "str | Sequence[str]"
OnError: TypeAlias = Literal["raise", "skip"]

_SHOWN = 8  # names that an error lists


@dataclass(frozen=True)
class Roles:
    """The columns of one file by what they hold.

    ``classes`` is the class that each column of the prediction stands for, by name; None where they are numbered.
    """

    prediction: tuple[str, ...]
    target: tuple[str, ...]
    weight: str | None
    group: str | None
    cluster: str | None
    classes: tuple[str, ...] | None

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names by which the classes are known; None where they are numbers, as in a list of columns."""
        return None if self.classes == self.prediction else self.classes

    @property
    def names(self) -> list[str]:
        """Every column that is needed, once."""
        single = (self.weight, self.group, self.cluster)
        return list(dict.fromkeys((*self.prediction, *self.target, *(name for name in single if name is not None))))

    @property
    def listed(self) -> frozenset[str]:
        """The columns that may hold a list in each row."""
        return frozenset(names[0] for names in (self.prediction, self.target) if len(names) == 1)

    def uses(self, kind: str) -> Uses:
        """What the columns are for, with a loss of that kind."""
        weight = () if self.weight is None else (self.weight,)
        keys = frozenset(name for name in (self.group, self.cluster) if name is not None)
        numbers = {*self.prediction, *weight, *(self.target if kind == "pointwise" or len(self.target) > 1 else ())}
        return Uses(frozenset(numbers), keys, keys & {*numbers, *self.target})


@dataclass(frozen=True)
class Columns:
    """What the caller says of a table, and how to read it.

    Parameters
    ----------
    prediction, target : a name, a pattern with one ``*``, or several names in the order of the classes.
    weight, group, cluster : names.
    on_error : whether a row that cannot be read or lies outside the loss's domain raises or is left out and counted.
    batch_rows : rows that are read at a time; None is about 2^21 numbers.
    """

    prediction: str | tuple[str, ...]
    target: str | tuple[str, ...]
    weight: str | None = None
    group: str | None = None
    cluster: str | None = None
    on_error: OnError = "raise"
    batch_rows: int | None = None

    def roles(self, names: Sequence[str], path: str) -> Roles:
        """The columns of a file that has ``names``.

        Raises
        ------
        ValueError : a name is missing, or the classes of a pattern are not complete.

        Examples
        --------
        >>> Columns("p_*", "target").roles(["target", "p_10", *(f"p_{k}" for k in range(10))], "a.csv").prediction
        ('p_0', 'p_1', 'p_2', 'p_3', 'p_4', 'p_5', 'p_6', 'p_7', 'p_8', 'p_9', 'p_10')
        """
        prediction, classes = _several("prediction", self.prediction, names, path)
        target, target_classes = _several("target", self.target, names, path)
        if len(target) > 1 and len(target) != len(prediction):
            raise ValueError(
                f"{path}: target names {len(target)} columns, and prediction {len(prediction)}; name equally many"
            )
        if len(target) > 1 and target_classes != classes and None not in (target_classes, classes):
            raise ValueError(
                f"{path}: {self.target} and {self.prediction} stand for different classes: {target_classes}, {classes}"
            )
        weight, group, cluster = (
            _known(role, getattr(self, role), names, path) for role in ("weight", "group", "cluster")
        )
        return Roles(prediction, target, weight, group, cluster, classes)

    def several(self, role: Literal["prediction", "target"], names: Sequence[str], path: str) -> tuple[str, ...]:
        """The columns of one role of a file that has ``names``; raises as ``roles`` does."""
        return _several(role, getattr(self, role), names, path)[0]


def name_of(role: str, name: object) -> str | None:
    """The name of a column, or None.

    Raises
    ------
    TypeError : it is something else.
    """
    if name is None or isinstance(name, str):
        return name
    raise TypeError(f"{role}: got {name!r}; accepted is the name of a column, or None")


def names_of(role: str, names: object) -> str | tuple[str, ...]:
    """A name, a pattern, or the names of a list.

    Raises
    ------
    TypeError : it is something else.
    """
    if isinstance(names, str):
        return names
    found = tuple(names) if isinstance(names, Iterable) else (None,)
    if all(isinstance(name, str) for name in found):
        return found
    raise TypeError(
        f"{role}: got {names!r}; accepted is the name of a column, a pattern such as 'p_*', or a list of names"
    )


def default_prediction(names: Sequence[str], path: str) -> str:
    """``p_*`` (probabilities) or ``z_*`` (logits), whichever columns there are.

    >>> default_prediction(["z_0", "z_1", "target"], "held-out.parquet")
    'z_*'
    """
    found = [pattern for pattern in ("p_*", "z_*") if _matching(pattern, names)]
    if len(found) != 1:
        what = "columns p_* and z_*" if found else "no column p_* or z_*"
        raise ValueError(f"{path} has {what}; say which columns hold the prediction{_among(names)}")
    return found[0]


# ------------------------------------------------------------------------------------------------- names and patterns


def _several(
    role: str, asked: Names, names: Sequence[str], path: str
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The columns of a role, and the names of the classes they stand for."""
    if not isinstance(asked, str):
        columns = tuple(_known(role, name, names, path) or "" for name in asked)
        if len(set(columns)) < len(columns) or not columns:
            raise ValueError(f"{role}: got {list(asked)!r}; accepted is a list of different columns")
        return columns, columns
    if asked in names or "*" not in asked:
        return (_known(role, asked, names, path) or "",), None
    if asked.count("*") > 1:
        raise ValueError(f"{role}: got the pattern {asked!r}; accepted is one * in it, where the class stands")
    found = _matching(asked, names)
    if not found:
        raise ValueError(f"{path} has no column that matches {role} {asked!r}{_among(names)}")
    if all(word.isdecimal() for word in found.values()):
        return _numbered(role, asked, found, path), None
    columns = tuple(sorted(found, key=found.__getitem__))  # the order in which measurements of classes add up, too
    return columns, tuple(found[column] for column in columns)


def _matching(pattern: str, names: Sequence[str]) -> dict[str, str]:
    """What stands for the star, by column."""
    before, after = map(re.escape, pattern.split("*"))
    matches = {name: re.fullmatch(f"{before}(.+){after}", name) for name in names}
    return {name: match[1] for name, match in matches.items() if match}


def _numbered(role: str, pattern: str, found: dict[str, str], path: str) -> tuple[str, ...]:
    columns = sorted(found, key=lambda name: int(found[name]))
    numbers = [int(found[name]) for name in columns]
    if numbers != list(range(len(columns))):
        shown = _listed(list(map(str, numbers)))
        raise ValueError(
            f"{path}: the columns that match {role} {pattern!r} are numbered {shown}; accepted is "
            f"0 to {len(columns) - 1}, each once; or a list of columns in the order of the labels"
        )
    return tuple(columns)


def _known(role: str, name: str | None, names: Sequence[str], path: str) -> str | None:
    if name is not None and name not in names:
        raise ValueError(f"{path} has no column {name!r} for the {role}{_nearest(name, names)}")
    return name


def _nearest(name: str, names: Sequence[str]) -> str:
    lower = {known.lower(): known for known in names}
    close = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, 3, 0.5)]
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else _among(names)


def _among(names: Sequence[str]) -> str:
    return f"; its columns are {_listed(names)}" if names else "; it has no columns"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > _SHOWN else shown
