"""Measures losses and writes the table of docs/accuracy.md: ``python tests/accuracy_table.py [loss ...]``.

Without names it measures every loss; with names it keeps the rows of the others. The worst cases that it meets are
kept in tests/worst_cases/losses.csv.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from losses import ENTRIES
from measuring import BOUNDS, Sample, measure
from shipped import SHIPPED, of_any_rows
from ulp import DTYPES
from worst_cases import record

__all__ = ["PAGE", "cells_of", "replaced", "rows_of", "table", "worst_samples"]

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->"


def rows_of(page: str, begin: str = BEGIN, end: str = END) -> dict[str, list[str]]:
    """The cells of a table of the page, between two markers, by the name of the loss."""
    lines = page.split(begin)[1].split(end)[0].splitlines()[2:]
    rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0].strip("`"): row[1:] for row in rows}


def worst_samples(loss: Any) -> dict[tuple[str, str], Sample]:
    """The worst sample of a loss for each dtype and each of value, gradient, Hessian."""
    worst: dict[tuple[str, str], Sample] = {}
    for sample in _samples(loss):
        key = (sample.dtype, sample.what)
        if key not in worst or sample.error > worst[key].error:
            worst[key] = sample
    return worst


def _samples(loss: Any) -> Iterator[Sample]:
    for parameters in ENTRIES[loss.name].settings:
        for dtype in DTYPES:
            yield from measure(loss, dtype, parameters)


def cells_of(worst: dict[tuple[str, str], Sample]) -> list[str]:
    """For each dtype, the three errors of a loss."""
    return [" · ".join(_printed(worst[dtype, what].error) for what in BOUNDS) for dtype in DTYPES]


def table(rows: dict[str, list[str]]) -> str:
    """Markdown: a row for each loss, a column for each dtype."""
    lines = ["| loss | " + " | ".join(DTYPES) + " |", "|---" * (1 + len(DTYPES)) + "|"]
    lines += [f"| `{name}` | " + " | ".join(rows[name]) + " |" for name in sorted(rows)]
    return "\n".join(lines) + "\n"


def _printed(error: float) -> str:
    return f"{error:.2f}" if error < 100 else f"{error:.0e}"


def replaced(page: str, begin: str, end: str, table: str) -> str:
    """The page with the table between two markers replaced."""
    before, rest = page.split(begin)
    return before + begin + table + end + rest.split(end)[1]


def main(names: list[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    shipped = {loss.name: of_any_rows(loss) for loss in SHIPPED}
    if unknown := set(names) - set(shipped):
        sys.exit(f"loss: got {', '.join(sorted(unknown))}; expected names of losses that losses/__init__.py imports")
    measured = {name: worst_samples(shipped[name]) for name in names or shipped}
    for name, worst in measured.items():
        _report(name, worst.values())
    rows = rows_of(page) | {name: cells_of(worst) for name, worst in measured.items()}
    new_table = table({name: rows[name] for name in shipped if name in rows})
    PAGE.write_text(replaced(page, BEGIN, END, new_table), encoding="utf-8")
    fresh = record(sample for worst in measured.values() for sample in worst.values() if sample.error > 0)
    print(f"{PAGE.name} written, {fresh} new worst cases")  # noqa: T201


def _report(name: str, samples: Iterable[Sample]) -> None:
    outside = [sample for sample in samples if not sample.within]
    print(f"{name}: " + ("within its bounds" if not outside else ""))  # noqa: T201
    for sample in outside:
        print(f"  {sample}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
