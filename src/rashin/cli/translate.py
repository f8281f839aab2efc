"""``rashin translate``: a loss of another library in rashin."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rashin.dialects.translation import Number, Translation

__all__ = ["page", "translate_name"]

_WIDE = 110
_SAMPLES = (
    "Each function with its defaults on the same three samples, in the form that it takes; then with the weights 1, 2 "
    "and 5, of the samples or of the classes."
)


def translate_name(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name such as torch.nn.functional.cross_entropy or log_loss.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Print the page of all names, as Markdown.")] = False,
) -> None:
    """Show how a loss of torch, optax, Keras or scikit-learn is written with rashin, and how its namesakes differ.

    The convention is in words; the numbers are computed on three samples.
    """
    if (name is None) == (not everything):
        raise typer.BadParameter("got neither or both; expected a name, or --all", param_hint="'NAME'")
    if everything:
        typer.echo("\n".join(page()))
        return
    from rashin.dialects import translate

    _print(translate(name or ""))


def _print(found: Translation) -> None:
    from rashin.dialects.translation import signature

    entry = found.entry
    _write(f"{found.name}{signature(found.library, entry)}", hanging="    ")
    _write(f"rashin.{entry.expression}", "  ")
    _write(entry.words, "  ")
    _write(f"The original {entry.fault}" if entry.fault else "", "  ")
    _write(f"rashin.dialects.{found.library}.{entry.name} has the same arguments.", "  ")
    typer.echo()
    _write(_SAMPLES)
    _write_table([("", "takes", "value", "weighted"), *map(_row, found.numbers)])


def _row(number: Number) -> tuple[str, ...]:
    return number.name, number.takes, _text(number.plain), _text(number.weighted)


def _write_table(rows: list[tuple[str, ...]]) -> None:
    """Aligned columns; in a narrow terminal the name is on a line of its own."""
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    is_narrow = sum(widths) + 8 > shutil.get_terminal_size((1000, 0)).columns
    for name, *cells in rows:
        if is_narrow and name:
            typer.echo(f"  {name}")
        first = " " * 4 if is_narrow else f"  {name.ljust(widths[0])}  "
        rest = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths[1:], strict=True))
        typer.echo((first + rest).rstrip())


def _write(text: str, indent: str = "", hanging: str = "") -> None:
    """A paragraph, as wide as the terminal."""
    width = min(shutil.get_terminal_size((_WIDE, 0)).columns, _WIDE)
    for line in textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + hanging):
        typer.echo(line)


def _text(number: Any) -> str:
    """Seven digits of a number, or of each."""
    if number is None:
        return "-"
    return f"{float(number):.7g}" if getattr(number, "ndim", 0) == 0 else f"[{', '.join(map(_text, number))}]"


_HEAD = """# Losses of torch, optax, Keras and scikit-learn in rashin

This page is the output of `rashin translate --all`. `rashin translate NAME` shows one of them, such as
`rashin translate torch.nn.functional.cross_entropy`. [The dialects](dialects.md) have functions with these names and
arguments."""


def page() -> Iterator[str]:
    """The page of all names: a table for each library, then the numbers of those that are one loss of ours."""
    from rashin.conventions import FAMILIES, HOME
    from rashin.dialects.translation import translations

    entries = list(translations())
    yield _HEAD
    for library, home in HOME.items():
        yield f"\n## `{home}`\n\n| theirs | with rashin | convention |\n|---|---|---|"
        yield from (_entry_row(each) for each in entries if each.library == library)
    yield f"\n## The same samples in all of them\n\n{_SAMPLES}"
    joined = [family for family in FAMILIES if any(each.entry.loss in family for each in entries)]
    single = sorted({each.entry.loss for each in entries} - frozenset().union(*joined))
    for family in (*joined, *(frozenset((loss,)) for loss in single)):
        yield from _family(family, [each for each in entries if each.entry.loss in family])


def _entry_row(found: Translation) -> str:
    also = "".join(f", `{name}`" for name in found.entry.also)
    fault = f"*The original {found.entry.fault}*" if found.entry.fault else ""
    expression = found.entry.expression.replace("|", "\\|")
    return f"| `{found.entry.name}`{also} | `{expression}` | {f'{found.entry.words} {fault}'.strip()} |"


def _family(names: Iterable[str], members: list[Translation]) -> Iterator[str]:
    if len(members) > 1:
        title = ", ".join(f"`{name}`" for name in sorted(names) if any(m.entry.loss == name for m in members))
        yield f"\n### {title}\n\n| | takes | value | weighted |\n|---|---|---|---|"
        yield from (_number_row(number) for member in members for number in member.numbers)


def _number_row(number: Number) -> str:
    return f"| `{number.name}` | {number.takes} | {_text(number.plain)} | {_text(number.weighted)} |"
