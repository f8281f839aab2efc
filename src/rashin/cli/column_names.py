"""Names of columns on the command line: one name, a pattern, several names, or one name per class."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence

import typer

__all__ = ["columns_named"]

Names = str | list[str] | dict[str, str]


def columns_named(values: Sequence[str], option: str, known: Callable[[], Sequence[str]]) -> Names:
    """The columns that the values of an option name; the option may be given several times.

    Parameters
    ----------
    values : name, pattern, comma-separated names (quoted as in CSV if they contain a comma), or comma-separated
        ``CLASS=COLUMN`` pairs.
    option : name of the option for error messages.
    known : function that returns the names of the columns; called only if a value may be one name or several.

    Examples
    --------
    >>> columns_named(["p_1,p_2", '"p,3"'], "--prediction", lambda: ["p_1", "p_2", "p,3"])
    ['p_1', 'p_2', 'p,3']
    >>> columns_named(["p,*"], "--prediction", lambda: ["p,1", "p,2"])
    'p,*'
    >>> columns_named(["cat=p_1,dog=p_2"], "--prediction", lambda: ["p_1", "p_2"])
    {'cat': 'p_1', 'dog': 'p_2'}
    """
    if len(values) == 1 and not set(',="') & set(values[0]):
        return values[0]
    columns = set(known())
    names = [name for value in values for name in _split(value, columns)]
    if not all("=" in name and name not in columns for name in names):
        return names if len(names) > 1 else names[0]
    pairs = [name.partition("=") for name in names]
    by_class = {name.strip(): column.strip() for name, _, column in pairs}
    if len(by_class) < len(pairs):
        raise typer.BadParameter(
            f"got a class twice in {', '.join(values)}; expected each once", param_hint=f"'{option}'"
        )
    return by_class


def _split(value: str, columns: set[str]) -> list[str]:
    """The fields of a CSV line; one field if the whole is a column, ``CLASS=COLUMN`` or a pattern that matches."""
    from rashin.tables.columns import matching

    if columns & {value, value.partition("=")[2]} or (value.count("*") == 1 and matching(value, columns)):
        return [value]
    return [name.strip() for name in next(csv.reader([value], skipinitialspace=True))]
