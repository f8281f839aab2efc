"""``python -m benchmarks``: measure, print the tables, keep the results and put them on the pages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

import rashin
from benchmarks import records, table
from benchmarks.first_call import first_calls
from benchmarks.harness import Protocol
from benchmarks.memory import CAN_MEASURE, memory_records
from benchmarks.peers import PEERS, present
from benchmarks.workloads import LINEAR, all_workloads, linear_workload

KEPT = Path(__file__).parent / "results.json"
FIRST_CALLS, MEMORY = "first calls", f"memory of {LINEAR}"
QUICK = Protocol(seconds=0.0, rounds=2)
WIDE = 180  # columns that the tables take with the quartiles

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
console = Console(stderr=True)


@app.command()
def main(
    only: Annotated[str, typer.Option(help="Measure what has this text in its name.")] = "",
    peers: Annotated[str, typer.Option(help=f"Which of {', '.join(PEERS)}; or none.")] = ",".join(PEERS),
    seconds: Annotated[float, typer.Option(min=0.0, help="How long each workload runs, after warm-up.")] = 10.0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes: shows that everything runs, and no more.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Keep the results in this JSON file.")] = None,
    readme: Annotated[
        bool, typer.Option("--readme", help="Put the kept results on the pages; measures nothing.")
    ] = False,
) -> None:
    """Time of value and gradient beside the peers and the limit, memory, and first calls."""
    if readme:
        _write_pages()
        return
    protocol = QUICK if quick else Protocol(seconds)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    _same_threads_for_all(threads)
    results = records.empty(threads, protocol, quick)
    keep = _keeper(results, out, bool(only))
    _measure(results, only, _chosen(peers), threads, protocol, keep)
    terminal = Console()
    wide = terminal if terminal.is_terminal else Console(width=WIDE)  # a file is never too narrow
    for each in table.tables(results, spread=wide.width >= WIDE):
        wide.print(_as_rich(each))


def _same_threads_for_all(threads: int) -> None:
    """Before any peer is imported: each library reads its own variable, once."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC", "RASHIN_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["JAX_PLATFORMS"] = "cpu"


def _chosen(peers: str) -> list[str]:
    wanted = [name.strip() for name in peers.split(",") if name.strip() not in ("", "none")]
    unknown = [name for name in wanted if name not in PEERS]
    if unknown:
        raise typer.BadParameter(f"got {unknown[0]!r}; expected {', '.join(PEERS)}", param_hint="--peers")
    found = present(wanted)
    for name in wanted:
        if name not in found:
            console.print(f"{PEERS[name].title} is not installed and left out")
    return found


def _keeper(results: records.Results, out: Path | None, partial: bool) -> Callable[[], None]:
    """What to do after each record: nothing, or write the file, with an earlier run's other records if partial."""
    if out is None:
        return lambda: None
    old = records.load(out) if partial else None
    if old is None:
        return lambda: records.save(results, out)
    order = [workload.name for workload in all_workloads()]
    try:
        records.joined(results, old, order)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return lambda: records.save(records.joined(results, old, order), out)


def _measure(
    results: records.Results, only: str, peers: list[str], threads: int, protocol: Protocol, keep: Callable[[], None]
) -> None:
    """Everything that ``only`` matches, and after each a word and the file: a long run may be cut short."""
    chosen = [workload for workload in all_workloads() if only in workload.name]
    for workload in dict.fromkeys(each.small() for each in chosen) if results["quick"] else chosen:
        results["speed"].append(_told(records.speed_record(workload, peers, threads, protocol)))
        keep()
    if only in MEMORY and CAN_MEASURE and hasattr(rashin, LINEAR):
        workload = linear_workload()
        sized = workload.small() if results["quick"] else workload
        results["memory"] = list(memory_records(sized, peers, threads))
        keep()
    if only in FIRST_CALLS:
        results["first_calls"] = first_calls()
        keep()


def _told(record: dict[str, Any]) -> dict[str, Any]:
    """Say on the standard error that it is done, and who was left out."""
    reasons = "".join(f"; {PEERS[name].title} {reason}" for name, reason in record["left_out"].items())
    milliseconds = record["contestants"]["rashin"]["seconds"]["median"] * 1e3
    console.print(f"{record['name']}: {milliseconds:.4g} ms, {record['rounds']} rounds{reasons}", highlight=False)
    return record


def _as_rich(each: table.Table) -> RichTable:
    shown = RichTable(title=each.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, heading in enumerate(each.cells[0]):
        shown.add_column(heading.replace("`", ""), justify="left" if place == 0 else "right", overflow="fold")
    for row in each.cells[1:]:
        shown.add_row(*(cell.replace("`", "") for cell in row))
    return shown


def _write_pages() -> None:
    results = records.load(KEPT)
    if results is None or results["quick"]:
        raise typer.BadParameter(
            "there are no full results yet: run python -m benchmarks --out benchmarks/results.json"
        )
    for name, page in table.PAGES.items():
        text = table.page_text(results, name)
        page.write_text(table.rewritten(page.read_text(encoding="utf-8"), text), encoding="utf-8")
        console.print(f"{page.relative_to(KEPT.parents[1])} written")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
