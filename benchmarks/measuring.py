"""``python -m benchmarks.measuring``: the loss of a data set, from arrays in memory and from Parquet files.

``arrays``: what group, interval and weights add to the plain mean. ``binary``: a file of probabilities and labels
beside scikit-learn's ``log_loss`` on what pandas reads, each in processes of its own, reading included. ``logits``: a
file of ten logits and a label beside what pyarrow needs to read its columns.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

import rashin
from benchmarks.harness import Protocol, race, summaries
from benchmarks.records import cpu

ROOT = Path(__file__).parents[1]
CLASSES, ROW_GROUP, GROUPS = 10, 1 << 20, 1000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

# ------------------------------------------------------------------------------------------------- arrays

POINTWISE = ("half_squared_error", "huber", "poisson", "sigmoid_cross_entropy", "binary_cross_entropy")
ROWS = ("softmax_cross_entropy", "categorical_cross_entropy")


def _arrays(name: str, rows: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    if name in ROWS:
        z, t = rng.normal(size=(rows, CLASSES)).astype(np.float32), rng.integers(0, CLASSES, rows)
        return (z if name == "softmax_cross_entropy" else rashin.softmax(z)), t
    z, t = rng.normal(size=rows).astype(np.float32), rng.integers(0, 2, rows).astype(np.float32)
    return (rashin.sigmoid(z) if name == "binary_cross_entropy" else z), t


def _forms(name: str, rows: int) -> dict[str, Callable[[], Any]]:
    """The plain mean, and measurements, of the same arrays."""
    loss, (z, t) = rashin.registry.get(name), _arrays(name, rows)
    rng = np.random.default_rng(1)
    group, w = rng.integers(0, GROUPS, rows), rng.random(rows) + 0.5
    ten = group % 10
    return {
        "rashin": lambda: (loss(z, t), None),
        "interval": lambda: (rashin.measure(loss, z, t).mean, None),
        "10 groups": lambda: (rashin.measure(loss, z, t, group=ten).mean, None),
        f"{GROUPS:,} groups": lambda: (rashin.measure(loss, z, t, group=group).mean, None),
        "plain mean, weights": lambda: (loss(z, t, weight=w), None),
        f"{GROUPS:,} groups, weights": lambda: (rashin.measure(loss, z, t, w, group=group).mean, None),
    }


@app.command()
def arrays(
    rows: Annotated[int, typer.Option(min=1, help="Of the pointwise losses; a fifth of them for rows of classes.")] = 10
    ** 7,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long each loss is measured at least.")] = 5.0,
) -> None:
    """Measurements beside the plain mean of the same arrays."""
    table = Table(title=f"times the plain mean; {_machine()}", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in (
        "loss",
        "plain mean, ms",
        "interval",
        "10 groups",
        f"{GROUPS:,} groups",
        f"{GROUPS:,} groups, weights*",
    ):
        table.add_column(heading, justify="left" if heading == "loss" else "right")
    for name in (*POINTWISE, *ROWS):
        runs = _forms(name, rows // 5 if name in ROWS else rows)
        found = summaries(race(runs, Protocol(seconds=seconds)))
        over = [found[form]["over_rashin"] for form in list(runs)[1:]]
        weighted = over[4]["median"] / over[3]["median"]
        cells = [f"{o['median']:.2f} ({o['low']:.2f}-{o['high']:.2f})" for o in over[:3]]
        table.add_row(name, f"{found['rashin']['seconds']['median'] * 1e3:.1f}", *cells, f"{weighted:.2f}")
    table.caption = "* beside the plain mean with weights"
    Console().print(table)


# -------------------------------------------------------------------------------------------------- files


def _write(path: Path, rows: int, columns: Callable[[np.random.Generator, int], dict[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    rng, writer = np.random.default_rng(0), None
    for start in range(0, rows, ROW_GROUP):
        table = pyarrow.table(columns(rng, min(ROW_GROUP, rows - start)))
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=ROW_GROUP)
    if writer is not None:
        writer.close()


def _binary_columns(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    p = rng.beta(0.6, 0.9, rows)
    return {"p": p, "target": (rng.random(rows) < p).astype(np.int8)}


def _logit_columns(rng: np.random.Generator, rows: int) -> dict[str, Any]:
    z = rng.normal(0.0, 2.0, (rows, CLASSES)).astype(np.float32)
    return {**{f"z_{k}": z[:, k].copy() for k in range(CLASSES)}, "target": rng.integers(0, CLASSES, rows, np.int8)}


def _measured(path: str) -> float:
    return rashin.measure_table("binary_cross_entropy", path, prediction="p", target="target").mean


def _sklearn(path: str) -> float:
    import pandas
    from sklearn.metrics import log_loss

    frame = pandas.read_parquet(path, columns=["p", "target"])
    return float(log_loss(frame["target"], frame["p"], labels=[0, 1]))


def _pandas_only(path: str) -> float:
    import pandas

    return float(len(pandas.read_parquet(path, columns=["p", "target"])))


def _logits(path: str) -> float:
    return rashin.measure_table("softmax_cross_entropy", path, prediction="z_*", target="target").mean


def _logits_of_groups(path: str) -> float:
    found = rashin.measure_table("softmax_cross_entropy", path, prediction="z_*", target="target", by_class=True)
    return found.mean


def _columns_read(path: str) -> float:
    """The columns, decoded a row group at a time and dropped: what any reader of the file must do."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return float(sum(batch.num_rows for batch in file.iter_batches(batch_size=ROW_GROUP)))


JOBS: dict[str, Callable[[str], float]] = {
    "rashin": _measured,
    "sklearn.log_loss on pandas": _sklearn,
    "pandas.read_parquet alone": _pandas_only,
    "rashin, logits": _logits,
    "rashin, logits by class": _logits_of_groups,
    "pyarrow reads the columns": _columns_read,
}


@app.command()
def job(name: str, path: str) -> None:
    """One contestant, once, after a small file of the same kind that loads and compiles everything."""
    run = JOBS[name]
    run(f"{path}.small.parquet")
    start = time.perf_counter()
    value = run(path)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    typer.echo(json.dumps({"seconds": seconds, "value": value, "peak": peak}))


def _in_turn(path: Path, names: list[str], rounds: int) -> Iterator[tuple[str, list[dict[str, float]]]]:
    answers: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            command = [sys.executable, "-m", "benchmarks.measuring", "job", name, str(path)]
            done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                answers[name].append(json.loads(done.stdout))
            else:
                typer.echo(f"{name}: {(done.stderr.strip().splitlines() or [done.returncode])[-1]}", err=True)
    yield from answers.items()


def _race_files(title: str, rows: int, columns: Any, names: list[str], rounds: int) -> None:
    table = Table(title=f"{title}, {rows:,} rows; {_machine()}", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("", "seconds", "times rashin's", "peak memory", "value"):
        table.add_column(heading, justify="left" if not heading else "right")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.parquet")
        _write(path, rows, columns)
        _write(Path(f"{path}.small.parquet"), 1000, columns)
        own: list[float] = []
        for name, answers in _in_turn(path, names, rounds):
            seconds = [answer["seconds"] for answer in answers]
            own = own or seconds
            if not seconds:
                table.add_row(name, "failed")
                continue
            low, median, high = np.percentile(seconds, (0, 50, 100))
            ratio = np.median(np.array(seconds) / np.array(own[: len(seconds)]))
            peak = max(answer["peak"] for answer in answers)
            cells = (f"{median:.2f} ({low:.2f}-{high:.2f})", f"{ratio:.2f}", f"{peak / 2**20:,.0f} MiB")
            table.add_row(name, *cells, repr(answers[0]["value"]))
        size = path.stat().st_size
    table.caption = f"{size / 2**20:,.0f} MiB on disk, row groups of {ROW_GROUP:,}"
    Console().print(table)


@app.command()
def binary(rows: Annotated[int, typer.Option(min=1)] = 10**8, rounds: Annotated[int, typer.Option(min=1)] = 3) -> None:
    """Probabilities and labels in Parquet, beside scikit-learn on pandas."""
    names = ["rashin", "sklearn.log_loss on pandas", "pandas.read_parquet alone"]
    _race_files("binary cross-entropy", rows, _binary_columns, names, rounds)


@app.command()
def logits(rows: Annotated[int, typer.Option(min=1)] = 10**7, rounds: Annotated[int, typer.Option(min=1)] = 5) -> None:
    """Ten logits and a label in Parquet, beside reading the columns."""
    names = ["rashin, logits", "rashin, logits by class", "pyarrow reads the columns"]
    _race_files("softmax cross-entropy of 10 classes", rows, _logit_columns, names, rounds)


def _machine() -> str:
    return f"{rashin.kernels.threads.count()} threads on {cpu()}"


if __name__ == "__main__":
    app()
