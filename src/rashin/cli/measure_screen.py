"""What ``rashin measure`` shows: tables on a terminal, aligned text in a pipe, or JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from rashin.printable import printable, shown

if TYPE_CHECKING:
    from rashin.measurement import Measurement, Moments

__all__ = ["show_json", "show_text"]

_LISTED = 20  # classes, or groups
_NAME = 12  # letters of a name that fit in a line of a narrow terminal


class _Table(NamedTuple):
    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: frozenset[int] = frozenset({0})  # the columns of words, which are aligned left
    first_to_go: tuple[str, ...] = ()  # headings of the columns that a narrow terminal drops, in order


def show_text(found: Measurement, confidence: float) -> None:
    """Print the whole, its parts, the worst rows and the rows that were left out."""
    tables = [_escaped(table) for table in _tables(found, confidence)]
    if sys.stdout.isatty():
        _print_rich(found.loss, tables)
    else:
        typer.echo(printable(found.loss))
        for table in tables:
            _print_plain(table)


def _escaped(table: _Table) -> _Table:
    """Text with control characters escaped: in names of groups and files a terminal would obey them."""
    return table._replace(rows=[tuple(map(printable, row)) for row in table.rows])


def _tables(found: Measurement, confidence: float) -> Iterator[_Table]:
    yield _Table("", (), list(_facts(found, confidence)))
    for name, parts in (("class", found.classes), ("group", found.groups)):
        counted = {key: part for key, part in parts.items() if part.count}
        if counted:
            yield _parts(name, counted, found, confidence)
    if found.worst:
        rows = [(_number(row.loss), str(row.row), row.source) for row in found.worst]
        yield _Table("worst rows", ("loss", "row", "file"), rows, frozenset({2}))
    if found.skipped:
        yield _Table(
            "left out", ("rows", "reason"), [(f"{n:,}", why) for why, n in found.skipped.items()], frozenset({1})
        )


def _facts(found: Measurement, confidence: float) -> Iterator[tuple[str, str]]:
    if found.count == 0:
        yield "rows", "0, nothing to take the mean of"
        return
    yield "mean loss", f"{_number(found.mean)}  {_interval(found.interval(confidence), confidence)}"
    baseline = found.baseline
    if baseline is not None:
        worse = ", no worse than these predictions" if baseline.mean <= found.mean else ""
        yield "best constant", f"{_number(baseline.mean)}{worse}"
    if found.accuracy is not None:
        yield "accuracy", f"{found.accuracy:.2%}"
    yield "rows", f"{found.count:,}"
    if found.weight != found.count:
        yield "weight", _number(found.weight)
    if found.clusters:
        yield "clusters", f"{len(found.clusters):,}"
    for name, parts in (("class", found.classes), ("group", found.groups)):
        if len(parts) > 1:
            yield from _worst_parts(name, parts, found, confidence)


def _worst_parts(
    name: str, parts: Mapping[Any, Moments], found: Measurement, confidence: float
) -> Iterator[tuple[str, str]]:
    """The part with the largest share of the loss, and the part with the largest loss for its size."""
    whole = found.total.finite
    largest = max(parts, key=lambda key: parts[key].finite.sum)
    if math.isfinite(whole.sum) and all(part.finite.sum >= 0.0 for part in parts.values()) and whole.sum > 0.0:
        size = f"{parts[largest].finite.weights.over(whole.weights):.1%} of the {_unit(found)}"
        yield f"largest {name}", f"{shown(largest)}: {_share(parts[largest].finite.sum, whole.sum)} of the loss, {size}"
    worst = found.standout("class" if name == "class" else "group", confidence)
    if worst is not None:
        times = f", {worst.times:.3g} times that of all rows" if whole.mean > 0.0 else ""
        yield (
            f"worst {name} for its size",
            f"{shown(worst.key)}: mean loss {_number(parts[worst.key].finite.mean)}{times}",
        )


def _unit(found: Measurement) -> str:
    return "rows" if found.weight == found.count else "weight"


def _parts(name: str, parts: Mapping[Any, Moments], found: Measurement, confidence: float) -> _Table:
    """The parts, worst first. Rows of infinite loss are counted separately; the other numbers leave them out."""
    whole, infinite = found.total.finite, found.total.infinite.rows
    ordered = sorted(parts.items(), key=lambda pair: (-pair[1].finite.sum, -pair[1].infinite.rows))
    rows = [(shown(key), *_cells(part, whole, infinite, confidence)) for key, part in ordered[:_LISTED]]
    more = f", the first {_LISTED} of {len(ordered):,}" if len(ordered) > _LISTED else ""
    rest = ", without the rows of infinite loss" if infinite else ""
    beyond = ("infinite",) if infinite else ()
    right = ("accuracy",) if found.accuracy is not None else ()
    size, interval = f"of {_unit(found)}", f"{confidence:.4g} interval"
    headings = (name, "share", size, "mean loss", interval, *right, "rows", *beyond)
    order = (*right, interval, size, *beyond, "rows")
    return _Table(f"share of the loss by {name}{more}{rest}", headings, rows, first_to_go=order)


def _cells(part: Moments, whole: Moments, infinite: int, confidence: float) -> tuple[str, ...]:
    rest = part.finite
    right = () if part.accuracy is None else (f"{part.accuracy:.2%}",)
    beyond = (f"{part.infinite.rows:,}",) if infinite else ()
    if not rest.count:
        return "-", "-", "-", "-", *right, f"{part.count:,}", *beyond
    low, high = rest.interval(confidence)
    shares = _share(rest.sum, whole.sum), f"{rest.weights.over(whole.weights):.1%}"
    return *shares, _number(rest.mean), f"{_number(low)} .. {_number(high)}", *right, f"{part.count:,}", *beyond


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole and math.isfinite(whole) else "-"


def _number(value: float) -> str:
    return f"{value:.5g}"


def _interval(interval: Any, confidence: float) -> str:
    return f"[{_number(interval.low)}, {_number(interval.high)}] with confidence {confidence:g}"


# ------------------------------------------------------------------------------------------- on the screen


def _print_plain(table: _Table) -> None:
    lines = [table.headings, *table.rows] if table.headings else table.rows
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    if table.title:
        typer.echo(f"\n{table.title}")
    for line in lines:
        cells = (
            c.ljust(w) if k in table.words or not table.headings else c.rjust(w)
            for k, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        typer.echo("  ".join(cells).rstrip())


def _print_rich(loss: str, tables: list[_Table]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(Text(loss, style="bold cyan"))
    for table in tables:
        console.print(_drawn(_fitting(table, console.width)))


def _drawn(table: _Table) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title, has_head = table.title or None, bool(table.headings)
    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", show_header=has_head)
    for k in range(len(table.rows[0])):
        is_words = k in table.words or not has_head
        heading = table.headings[k] if has_head else ""
        drawn.add_column(heading, justify="left" if is_words else "right", overflow="fold", no_wrap=not is_words)
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    return drawn


def _fitting(table: _Table, width: int) -> _Table:
    """The table without the columns of numbers that do not fit next to the names in a narrow terminal."""
    kept, left_out = list(range(len(table.headings))), []
    for heading in filter(table.headings.__contains__, table.first_to_go):
        if _width(table, kept) <= width:
            break
        kept.remove(table.headings.index(heading))
        left_out.append(heading)
    if not left_out:
        return table
    return table._replace(
        title=f"{table.title}; wider terminals show {', '.join(left_out)}",
        headings=tuple(table.headings[k] for k in kept),
        rows=[tuple(row[k] for k in kept) for row in table.rows],
    )


def _width(table: _Table, kept: Sequence[int]) -> int:
    """The width that some columns need: numbers never break, names may break after some letters."""
    widths = [max(len(line[k]) for line in (table.headings, *table.rows)) for k in kept]
    return sum(min(w, _NAME) if k in table.words else w for k, w in zip(kept, widths, strict=True)) + 3 * len(kept) - 1


# ------------------------------------------------------------------------------------------- for scripts


def show_json(found: Measurement, files: list[str], confidence: float) -> None:
    """Print one JSON object; non-finite numbers are null. ``Measurement.from_dict`` reads its ``measurement``."""
    baseline = found.baseline
    told = {
        "loss": found.loss,
        "files": files,
        "confidence": confidence,
        **_told(found.total, confidence),
        "remarks": found.remarks,
        "best_constant": None if baseline is None else _finite(baseline.mean),
        "classes": {str(key): _told(part, confidence) for key, part in found.classes.items()},
        "groups": {str(key): _told(part, confidence) for key, part in found.groups.items()},
        "worst": [{"loss": _finite(row.loss), "file": row.source, "row": row.row} for row in found.worst],
        "skipped": dict(found.skipped),
        "measurement": found.to_dict(),
    }
    typer.echo(json.dumps(told, indent=2, allow_nan=False))


def _told(part: Moments, confidence: float) -> dict[str, Any]:
    if part.count == 0:
        return {"mean": None, "interval": None, "sum": 0.0, "rows": 0, "weight": 0.0, "accuracy": None}
    return {
        "mean": _finite(part.mean),
        "interval": [_finite(bound) for bound in part.interval(confidence)],
        "sum": _finite(part.sum),
        "rows": part.count,
        "weight": _finite(part.weight),
        "accuracy": part.accuracy,
        "infinite": _infinite(part),
    }


def _infinite(part: Moments) -> dict[str, Any] | None:
    """The number of rows of infinite loss, and the mean of the others; None without such rows."""
    if not part.infinite.rows:
        return None
    rest = part.finite
    return {
        "rows": part.infinite.rows,
        "weight": _finite(part.infinite.weight),
        "mean_of_the_others": _finite(rest.mean) if rest.count else None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
