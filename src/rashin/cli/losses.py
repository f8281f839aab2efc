"""``rashin losses``: the list of losses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rashin import list_group_losses, list_losses
from rashin.cli.plain_text import formula_line
from rashin.domain import Row
from rashin.group_loss import GroupLoss
from rashin.synonyms import Synonym, advice, found, in_words, is_part, synonym

if TYPE_CHECKING:
    from rashin.parametric import Parametric

__all__ = ["show_losses"]

_WIDE = 120
_CAPTION = "z: prediction, t: target, k: label; a loss takes (prediction, target)"


_GROUPS = (
    "one number per sample",
    "one number per class",
    "several numbers per sample",
    "sets of samples, by group= or axis= (Python only)",
)


class _Row(NamedTuple):
    group: int
    name: str
    parameters: list[str]
    takes: str
    formula: str


def show_losses(
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Name to search for, in rashin or another library, such as mse or bce."),
    ] = None,
) -> None:
    """List the losses: inputs, parameters and formulas, grouped by what a prediction is.

    z is the prediction and t the target. Each parameter is shown with its default. --search also finds a loss by its
    name in torch, Keras, scikit-learn, XGBoost and others, and prints the rashin expression that equals theirs.
    """
    entries = [] if search is None else found(search)
    meant = {entry.loss for entry in entries}
    rows = [_row(loss) for loss in _all() if not search or loss.name in meant or is_part(search, loss.name)]
    rows.sort(key=lambda row: row.group)
    if not rows:
        raise typer.BadParameter(_not_found(search or ""), param_hint="'--search'")
    if sys.stdout.isatty():
        _print_table(rows)
    else:
        _print_lines(rows)
    for entry in entries:
        typer.echo(f"{_called(entry, search or '')}: {in_words(entry)}")


def _all() -> list[Parametric]:
    return [*list_losses(), *list_group_losses()]


def _not_found(search: str) -> str:
    nearest = advice(search, [loss.name for loss in _all()])
    return f"got {search!r}; expected part of a loss's name; {nearest or 'fix: rashin losses lists all of them'}"


def _called(entry: Synonym, search: str) -> str:
    """The name that was searched for, or the names that contain it."""
    if synonym(search) is entry:
        return search
    return ", ".join(name for name in entry.names if is_part(search, name)) or entry.names[0]


def _row(loss: Parametric) -> _Row:
    parameters = [f"{name}={_number(default)}" for name, default in loss.parameters.items()]
    sample = loss.prediction
    several = sample.axes and not isinstance(sample, Row)
    group = 3 if isinstance(loss, GroupLoss) else 2 if several else sample.axes
    return _Row(group, loss.name, parameters, f"{sample.name}, {loss.target.name}", formula_line(loss.__doc__))


def _number(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(map(_number, default))
    return str(default) if default is None or isinstance(default, bool) else f"{default:g}"


def _print_table(rows: list[_Row]) -> None:
    """Print for a terminal. Below 120 columns, the inputs of a loss move under its formula, so that 80 are enough."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    is_wide = console.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=_CAPTION, caption_justify="left")
    for heading in ("loss", "takes", "formula") if is_wide else ("loss", "formula, and what it takes"):
        table.add_column(heading, overflow="fold")
    for place, row in enumerate(rows):
        if place == 0 or rows[place - 1].group != row.group:
            table.add_row(Text(_GROUPS[row.group], style="bold italic"), *[""] * (len(table.columns) - 1))
        name = Text.assemble((row.name, "bold cyan"), *((f"\n  {p}", "dim") for p in row.parameters))
        if is_wide:
            table.add_row(name, row.takes, Text(row.formula))
        else:
            table.add_row(name, Text.assemble(row.formula, (f"\ntakes {row.takes}", "dim")))
    console.print(table)


def _print_lines(rows: list[_Row]) -> None:
    """Print for a pipe or a file: one line per loss, in aligned columns, never truncated."""
    cells = [(row.name, row.takes, " ".join(row.parameters) or "-", row.formula) for row in rows]
    widths = [max((len(line[column]) for line in cells), default=0) for column in range(3)]
    for *left, formula in cells:
        padded = (cell.ljust(width) for cell, width in zip(left, widths, strict=True))
        typer.echo("  ".join((*padded, formula)))
