"""``rashin.measure_table``: the loss of a table of any size, in memory, on disk or in a remote store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from rashin.loss import Loss
from rashin.measurement.accumulate import Options
from rashin.measurement.arrays import chosen
from rashin.measurement.dask import measure_frame, measure_partitions, of_dask
from rashin.measurement.decisions import decides, no_classes, two_classes
from rashin.measurement.measurement import Measurement
from rashin.measurement.sums.codes import check_missing
from rashin.measurement.table.checkpoint import START, Checkpoint, Position
from rashin.measurement.table.outcomes import labelled
from rashin.measurement.table.partition import (
    Ending,
    Partition,
    Reading,
    TableAccumulator,
    batches,
    partitions,
    without_sources,
)
from rashin.measurement.table.recorded import recorded_in
from rashin.storage import alone
from rashin.tables.ahead import read_ahead
from rashin.tables.columns import Columns, Names, name_of, names_of
from rashin.tables.dialect import PLAIN, Dialect, dialect_of
from rashin.tables.frames import frame_of

__all__ = ["Progress", "measure_table"]

Progress: TypeAlias = Callable[[int, "int | None"], None]


def measure_table(
    loss: Loss | str | None,
    source: Any,
    *,
    prediction: str | Sequence[str] | Mapping[Any, str],
    target: str | Sequence[str] | Mapping[Any, str],
    weight: str | None = None,
    group: str | None = None,
    cluster: str | None = None,
    missing: Literal["group", "refuse"] = "group",
    positive: str | float | None = None,
    worst: int = 0,
    by_class: bool = False,
    accuracy: bool = False,
    baseline: bool = False,
    details: bool = False,
    on_error: Literal["raise", "skip"] = "raise",
    delimiter: str | None = None,
    decimal: str = ".",
    encoding: str = "utf-8",
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    engine: Literal["local", "dask"] = "local",
    client: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    batch_rows: int | None = None,
) -> Measurement:
    """The loss of a table, read once, batch by batch: exact, mergeable, with its confidence interval and its sources.

    Parameters
    ----------
    loss : loss, or its name; None takes the loss recorded in the files, as in those written by ``rashin train``.
    source : path, folder, glob, URL for fsspec such as ``s3://...``, or a list of these. Files end with .parquet,
        .arrow or .feather, .csv or .tsv (also compressed: .gz, .bz2, .xz, .zst, .lz4), .npz or .npy. A folder named
        ``key=value`` adds a column to its files. Or a table in memory: a pandas, polars or Dask data frame; a pyarrow
        Table, RecordBatch or RecordBatchReader, or another object with an Arrow stream, such as a DuckDB query; a dict
        of columns, (rows,) or (rows, classes), in arrays, lists or series; a structured array. Rows are matched by
        position; an index is ignored.
    prediction : column of the prediction. For a row loss, the columns of the classes: a pattern such as ``"p_*"``,
        where the star stands for the numbers 0 to C - 1 or for the names of the classes; a list of columns in the order
        of the labels; a dict of columns by class, such as ``{1: "cat", 2: "dog"}``; or one column of lists. For a
        pointwise loss also several columns, with the same number of target columns; the loss of a row is then the sum
        over them, without accuracy, baseline or classes.
    target : column of the target. For a row loss, a label, or the name of a class as text, number or boolean: 1, 1.0
        and ``"1"`` are ``p_1``, True and ``"true"`` are ``p_True``. Or, as for ``prediction``, the columns of a
        distribution.
    weight : column of weights >= 0.
    group, cluster : columns of keys; see ``rashin.measure``. In text files all keys are text.
    missing : treatment of rows without a group: ``"group"`` makes them one group, ``"(missing)"``; ``"refuse"`` treats
        them as rows that cannot be read. A cluster may not be missing.
    positive : target word of the positive class, such as ``"yes"``, if the targets of a two-class loss are two words.
        The default is the word at the end of the name of the prediction column, such as ``p_yes``.
    worst, by_class, accuracy, baseline, details : additional results; see ``rashin.measure``.
    on_error : ``"raise"`` stops at the first row that cannot be read or that the loss refuses; the error names file,
        column and row, counted from 0. ``"skip"`` leaves such rows out, and also the rest of a part of a file after a
        break; ``skipped`` of the measurement counts them by reason.
    delimiter, decimal, encoding : format of text files: the letter between fields, by default a tab in .tsv and
        otherwise a comma; the decimal point, ``"."`` or ``","``; and the encoding, such as ``"cp932"`` or ``"utf-16"``.
    checkpoint : file to which the state is written every few seconds, if the source is files. A second run with the
        same arguments continues where the first was killed, counts no row twice and gives the same result to the last
        bit; after the end it returns at once. One run at a time writes to it.
    progress : function that is called with the number of rows done and the total number, which is None if the files do
        not give it in advance; for ``engine="local"``.
    engine, client : ``"dask"`` reads and measures on the workers of a ``distributed.Client``; ``client`` may also be a
        cluster or the address of a scheduler. None is the active client, or else a cluster of this machine's CPUs for
        this call.
    storage_options : options for fsspec to reach an address.
    batch_rows : rows read at a time; the default makes about two million numbers.

    Returns
    -------
    The measurement. The keys of its ``classes`` are the names of the classes from a pattern, a dict or the two words of
    the target; names that are whole numbers become numbers.

    Raises
    ------
    TypeError : an argument is not the name of a column, or not a source.
    BlockingIOError : another run writes to the checkpoint.
    FileNotFoundError : a file does not exist, or nothing matches.
    ImportError : pyarrow, fsspec or dask is needed and not installed.
    ValueError : a file is broken, a column is missing or has unexpected content, or a row has a null, a number outside
        its domain, or a label without a class; the message names file, column and row.

    Examples
    --------
    >>> import tempfile, numpy as np, rashin
    >>> logits, labels = np.array([[2.0, 0.0], [0.5, 1.0], [0.0, 3.0]]), np.array([0, 1, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder, "held-out.npz"), z_0=logits[:, 0], z_1=logits[:, 1], target=labels)
    ...     found = rashin.measure_table("softmax_cross_entropy", folder, prediction="z_*", target="target", worst=1)
    >>> found.mean == rashin.softmax_cross_entropy(logits, labels), found.worst[0].row
    (True, 2)
    """
    check_missing(missing)
    loss = chosen(_recorded(source, storage_options, on_error) if loss is None else loss)
    columns = Columns(
        names_of("prediction", prediction),
        names_of("target", target),
        name_of("weight", weight),
        name_of("group", group),
        name_of("cluster", cluster),
        on_error,
        None if batch_rows is None else _whole("batch_rows", batch_rows, 1),
        None if positive is None else str(positive),
        missing,
    )
    dialect = dialect_of(delimiter, decimal, encoding)
    options = Options(_whole("worst", worst, 0), by_class, accuracy, baseline, details)
    _check(loss, columns, options, "dask" if of_dask(source) else engine, checkpoint, progress)
    frame = frame_of(source)
    if frame is not None or of_dask(source):
        _check_memory(dialect, checkpoint, "local" if of_dask(source) else engine)
    if of_dask(source):
        return measure_frame(loss, source, columns, options, client)
    found = partitions(frame or source, columns, storage_options, two_classes(loss), dialect)
    labels = next((partition.roles.labels for partition in found if partition.roles is not None), None)
    if engine == "dask":
        return labelled(measure_partitions(loss, found, columns, options, client), labels)
    kept = None if checkpoint is None else Checkpoint(Path(checkpoint), loss, columns, options, found)
    with nullcontext() if kept is None else alone(kept.path):
        measured = _measured(loss, found, columns, options, kept, progress or _silent)
    return labelled(measured if frame is None else without_sources(measured), labels)


def _recorded(source: Any, storage_options: Mapping[str, Any] | None, on_error: str) -> Loss:
    in_memory = of_dask(source) or frame_of(source) is not None
    found = None if in_memory else recorded_in(source, storage_options, skip=on_error == "skip")
    if found is None:
        raise ValueError("loss: got None, and the source records no loss; expected a loss or its name, such as 'huber'")
    return found.loss


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name}: got {value!r}; expected a whole number >= {least}")
    return int(value)


def _check(loss: Loss, columns: Columns, options: Options, engine: str, checkpoint: Any, progress: Any) -> None:
    if columns.on_error not in ("raise", "skip"):
        raise ValueError(f"on_error: got {columns.on_error!r}; expected 'raise' or 'skip'")
    if engine not in ("local", "dask"):
        raise ValueError(f"engine: got {engine!r}; expected 'local' or 'dask'")
    if engine == "dask" and checkpoint is not None:
        raise ValueError("checkpoint: got one with engine='dask', which repeats lost work by itself; expected None")
    if engine == "dask" and progress is not None:
        raise ValueError("progress: got one with engine='dask', whose dashboard shows it; expected None")
    if columns.positive is not None and (two_classes(loss) is None or not _is_one(columns.target)):
        raise ValueError(
            f"positive: got {columns.positive!r} with {loss.name} and target {columns.target!r}; expected a loss of "
            "two classes, such as binary_cross_entropy, and one column of targets"
        )
    if (options.by_class or options.accuracy) and not decides(loss):
        raise no_classes(loss)


def _is_one(target: Names) -> bool:
    return isinstance(target, str) and "*" not in target


def _check_memory(dialect: Dialect, checkpoint: Any, engine: str) -> None:
    for name in ("delimiter", "decimal", "encoding"):
        if (given := getattr(dialect, name)) != getattr(PLAIN, name):
            raise ValueError(f"{name}: got {given!r} for a table in memory; expected files of text; fix: leave it out")
    if engine == "dask":
        raise ValueError(
            "engine: got 'dask' for a table in memory; expected files or a Dask data frame; fix: leave engine out, or "
            "dask.dataframe.from_pandas(frame, npartitions=16)"
        )
    if checkpoint is not None:
        raise ValueError(
            f"checkpoint: got {os.fspath(checkpoint)!r} for a table in memory; expected files, which a second run "
            "finds again; fix: leave checkpoint out, or write the table to a Parquet file"
        )


def _silent(rows: int, total: int | None) -> None:
    pass


def _measured(
    loss: Loss,
    found: Sequence[Partition],
    columns: Columns,
    options: Options,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> Measurement:
    position, before = (START, None) if checkpoint is None else checkpoint.read()
    tally, total = TableAccumulator(loss, options, before), _total(found)
    progress(position.rows, total)
    with read_ahead(_readings(loss, found, columns, position)) as readings:
        for after, reading in readings:
            tally.add(reading)
            progress(after.rows, total)
            if checkpoint is not None:
                checkpoint.write_if_due(after, tally.result)
            position = after
    if checkpoint is not None:
        checkpoint.write(position, tally.result())
    return tally.result()


def _total(found: Sequence[Partition]) -> int | None:
    rows = [partition.rows for partition in found]
    return None if None in rows else sum(filter(None, rows))


def _readings(
    loss: Loss, found: Sequence[Partition], columns: Columns, position: Position
) -> Iterator[tuple[Position, Reading]]:
    """The batches from a position on, each with the position after it."""
    number, first, rows = position
    for at in range(number, len(found)):
        for reading in batches(loss, found[at], columns, first if at == number else 0):
            if isinstance(reading, Ending):
                yield Position(at + 1, 0, rows), reading
            else:
                rows += reading.faults.rows
                yield Position(at, reading.next_row, rows), reading
