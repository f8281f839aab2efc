"""``python -m benchmarks.reduction``: what it costs to bring the measurements of many partitions together.

Real measurements are added in the tree that Dask's workers use, for each number of partitions; the time of an addition
and the bytes of a measurement are measured. From them follows, by arithmetic, what a cluster has to move and to wait.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from functools import reduce
from operator import add
from time import perf_counter
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

import rashin
from rashin.measurement import Measurement
from rashin.measurement.dask.parts import LEAST_TASKS, TASKS_PER_THREAD
from rashin.measurement.dask.tree import FAN_IN

KINDS = {"the mean alone": (0, 0), "10 groups": (10, 0), "1,000 groups": (1000, 0), "1,000 clusters": (0, 1000)}
PARTITIONS = (10**3, 10**4, 10**5)
DIFFERENT = 64  # measurements at most, each of rows of its own, which stand in turn for the partitions
ROWS = 4096  # of each
PROTOCOL = 5  # of pickle

# The cluster that is only computed. A row is ten float32 logits and a label; its time is that of benchmarks.workers.
THREADS, TOTAL_ROWS, ROW_BYTES, ROW_NANOSECONDS = 1000, 10**12, 44, 270.0
PARTITION_BYTES, BYTES_PER_SECOND = 256 << 20, 1e9

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class Reduced(NamedTuple):
    """A tree: how deep, the milliseconds of an addition, and the share that there was time to add."""

    depth: int
    milliseconds: float
    share: float


class Cost(NamedTuple):
    """Of a measurement: its bytes, and the milliseconds to add two in memory, and two that come from other workers."""

    pickled: int
    as_json: int
    in_memory: float
    between_workers: float


@app.command()
def main(
    most: Annotated[int, typer.Option(min=8, help="Partitions, at most.")] = max(PARTITIONS),
    seconds: Annotated[
        float, typer.Option(min=0.0, help="For each tree; of what takes longer a share is added.")
    ] = 40.0,
) -> None:
    """Add real measurements in the tree of the workers, and tell time, bytes and depth."""
    console = Console(width=140)
    trees, costs = _table("Measured: trees", ("measurement of", "partitions", "depth", "added", "ms an addition")), {}
    for kind, (groups, clusters) in KINDS.items():
        parts = list(measurements(groups, clusters, min(DIFFERENT, most)))
        packed = [pickle.dumps(part, PROTOCOL) for part in parts]
        for count in sorted({min(count, most) for count in PARTITIONS}):
            found = reduced(packed, count, seconds)
            trees.add_row(kind, f"{count:,}", str(found.depth), f"{found.share:.1%}", f"{found.milliseconds:.3f}")
        costs[kind] = _cost(parts, found.milliseconds)
    console.print(trees, _sizes(costs), _computed(costs))


def measurements(groups: int, clusters: int, different: int) -> Iterator[Measurement]:
    """Of weighted rows of ten classes; every group and cluster occurs in each."""
    for seed in range(different):
        rng = np.random.default_rng(seed)
        logits = rng.normal(size=(ROWS, 10)).astype(np.float32)
        keys = {name: np.arange(ROWS) % count for name, count in (("group", groups), ("cluster", clusters)) if count}
        labels, weight = rng.integers(10, size=ROWS), rng.random(ROWS)
        yield rashin.measure("softmax_cross_entropy", logits, labels, weight, worst=5, accuracy=True, **keys)


def reduced(packed: list[bytes], count: int, seconds: float) -> Reduced:
    """Add up ``count`` measurements, level by level, from pickles to pickles, as they come from and go to workers."""
    level = [packed[number % len(packed)] for number in range(count)]
    depth, additions, start = 0, 0, perf_counter()
    while len(level) > 1:
        runs = [level[first : first + FAN_IN] for first in range(0, len(level), FAN_IN)]
        above: list[bytes] = []
        for run in runs:
            if above and perf_counter() - start > seconds:
                break
            above.append(pickle.dumps(reduce(add, map(pickle.loads, run)), PROTOCOL))
            additions += len(run) - 1
        level, depth = [above[number % len(above)] for number in range(len(runs))], depth + 1
    return Reduced(depth, (perf_counter() - start) / additions * 1e3, additions / (count - 1))


def _cost(parts: list[Measurement], between_workers: float) -> Cost:
    start = perf_counter()
    whole = reduce(add, parts)
    in_memory = (perf_counter() - start) / (len(parts) - 1) * 1e3
    return Cost(len(pickle.dumps(whole, PROTOCOL)), len(json.dumps(whole.to_dict())), in_memory, between_workers)


def _sizes(costs: dict[str, Cost]) -> Table:
    table = _table(
        "Measured: a measurement", ("measurement of", "bytes pickled", "bytes of JSON", "ms to add in memory")
    )
    for kind, cost in costs.items():
        table.add_row(kind, f"{cost.pickled:,}", f"{cost.as_json:,}", f"{cost.in_memory:.3f}")
    return table


def _computed(costs: dict[str, Cost]) -> Table:
    """What follows for a data set of ``TOTAL_ROWS`` and a cluster of ``THREADS``."""
    partitions = -(-TOTAL_ROWS * ROW_BYTES // PARTITION_BYTES)
    tasks = min(partitions, max(LEAST_TASKS, TASKS_PER_THREAD * THREADS))
    depth, adding = _depth(tasks)
    title = (
        f"Computed: {TOTAL_ROWS:.0e} rows of {ROW_BYTES} bytes in {partitions:,} partitions, {THREADS:,} threads at "
        f"{ROW_NANOSECONDS:.0f} ns a row: "
        f"{TOTAL_ROWS * ROW_NANOSECONDS * 1e-9 / THREADS:.0f} s; {tasks:,} tasks measure, "
        f"{adding:,} add, depth {depth}"
    )
    table = _table(
        title, ("measurement of", "MB sent in all", "s a thread adds inside tasks", "s from last task to result")
    )
    for kind, cost in costs.items():
        sent = cost.pickled * (tasks + adding)
        inside = (partitions - tasks) / THREADS * cost.in_memory * 1e-3
        path = depth * FAN_IN * (cost.between_workers * 1e-3 + cost.pickled / BYTES_PER_SECOND)
        table.add_row(kind, f"{sent / 1e6:,.0f}", f"{inside:.2f}", f"{path:.3f}")
    return table


def _depth(leaves: int) -> tuple[int, int]:
    """Of the tree, and how many tasks add."""
    depth = adding = 0
    while leaves > 1:
        leaves = -(-leaves // FAN_IN)
        depth, adding = depth + 1, adding + leaves
    return depth, adding


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, box=box.MARKDOWN, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


if __name__ == "__main__":
    app()
