"""``python -m benchmarks.workers``: two Dask workers of one thread each against one, on the same table.

Both clusters are up all the time and take turns; the workers that wait cost nothing. What is told are medians and
quartiles, of the seconds and of the ratio within a turn.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import numpy as np
import typer

import rashin
from rashin.measurement import Measurement

CLASSES = 10
COLUMNS = {"prediction": "z_*", "target": "target", "weight": "weight", "group": "site"}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(
    rows: Annotated[int, typer.Option(min=1, help="Of each of the files.")] = 1_000_000,
    files: Annotated[int, typer.Option(min=1, help="Each is a task.")] = 32,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of both clusters, after one to warm up.")] = 9,
    loss: Annotated[str, typer.Option(help="A loss that takes logits and labels.")] = "softmax_cross_entropy",
) -> None:
    """Measure a loss of rows of ten classes, with weights and 50 groups, in Parquet files that lie in memory."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_table(Path(folder), rows, files)
        clients = {workers: stack.enter_context(_cluster(workers)) for workers in (1, 2)}
        times: dict[int, list[float]] = {workers: [] for workers in clients}
        here = _measured(loss, folder, engine="local")
        for turn in range(rounds + 1):
            for workers, client in clients.items():
                start = perf_counter()
                there = _measured(loss, folder, engine="dask", client=client)
                if turn:
                    times[workers].append(perf_counter() - start)
                if there.to_dict() != here.to_dict():
                    raise AssertionError(f"{workers} workers give other bits than one process")
    _tell(times, rows * files, loss)


def write_table(folder: Path, rows: int, files: int) -> None:
    """One file of so many rows, under many names: each is read as if it were another, and all fit in memory."""
    import pyarrow
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {f"z_{k}": 3.0 * rng.standard_normal(rows, np.float32) for k in range(CLASSES)}
    columns |= {"target": rng.integers(CLASSES, size=rows), "weight": rng.random(rows)}
    columns["site"] = rng.integers(50, size=rows)
    parquet.write_table(pyarrow.table(columns), folder / "0.parquet", row_group_size=rows // 4 + 1)
    for number in range(1, files):
        (folder / f"{number}.parquet").symlink_to(folder / "0.parquet")


@contextmanager
def _cluster(workers: int) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _measured(loss: str, folder: str, **engine: Any) -> Measurement:
    return rashin.measure_table(loss, folder, **COLUMNS, worst=5, accuracy=True, **engine)


def _tell(times: dict[int, list[float]], rows: int, loss: str) -> None:
    one, two = (np.array(times[workers]) for workers in (1, 2))
    typer.echo(f"{loss}, {rows:.3g} rows of {CLASSES} classes, {len(one)} turns, {os.cpu_count()} CPUs")
    typer.echo(f"one worker   {_spread(one)} s, {np.median(one) / rows * 1e9:.1f} ns a row")
    typer.echo(f"two workers  {_spread(two)} s")
    typer.echo(f"one / two    {_spread(one / two)}")


def _spread(numbers: Any) -> str:
    low, median, high = np.percentile(numbers, (25, 50, 75))
    return f"{median:.3f} ({low:.3f}-{high:.3f})"


if __name__ == "__main__":
    app()
