"""Measuring Dask data frames."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from rashin.kernels.threads import only
from rashin.loss import Loss
from rashin.measurement.accumulate import Options
from rashin.measurement.dask.blocks import delayed, over_blocks, told
from rashin.measurement.dask.client import connection
from rashin.measurement.dask.piece import Piece
from rashin.measurement.decisions import two_classes
from rashin.measurement.measurement import Measurement
from rashin.measurement.table.outcomes import Words, labelled
from rashin.measurement.table.partition import measure_partition, partitions, without_sources
from rashin.tables.classes import names_false
from rashin.tables.columns import Columns, Roles
from rashin.tables.frames import frame_of, is_a, text_names
from rashin.tables.opening import open_table

__all__ = ["measure_frame"]


def measure_frame(loss: Loss, frame: Any, columns: Columns, options: Options, client: Any = None) -> Measurement:
    """``rashin.measure_table`` for a Dask data frame; rows are numbered from its first partition.

    Raises
    ------
    TypeError : the data are another collection.
    ValueError : as ``rashin.measure_table`` does; it names the partition.
    """
    if not is_a(frame, "dask", "DataFrame"):
        raise TypeError(
            f"source: got a Dask {type(frame).__name__}; expected a data frame; fix: rashin.measure takes arrays"
        )
    labels = text_names(frame.columns, "the data frame")
    roles = columns.roles(list(labels), "the data frame")
    with nullcontext() if client is None else connection(client) as connected:
        roles = _with_words(loss, frame[[labels[roles.target[0]]]], columns, roles, connected)
        measure_one = partial(_measured_frame, loss, columns, roles, options)
        blocks = _planned(frame, [labels[name] for name in roles.names], connected)
        return labelled(over_blocks(measure_one, blocks, connected), roles.labels)


def _with_words(loss: Loss, target: Any, columns: Columns, roles: Roles, client: Any) -> Roles:
    """The roles with the two words of a target of words; partitions are computed until both are found."""
    words = Words(columns.positive, two_classes(loss))
    is_number = target.dtypes.iloc[0].kind in "biuf"
    if is_number and columns.positive is None and not names_false(roles.prediction[0]):
        return roles
    for number in range(target.npartitions):
        if words.enough(roles):
            break
        some = target.get_partition(number)
        found = frame_of(some.compute() if client is None else client.compute(some).result(), f"partition {number}")
        with ExitStack() as stack:
            table = open_table(found, stack)  # type: ignore[arg-type]
            words.look(table, roles, table.parts(list(table.names)))
    return words.given_to(roles)


def _planned(frame: Any, labels: list[Any], client: Any) -> list[Any]:
    """The partitions; only the columns that are needed are read and computed."""
    try:
        return delayed(frame[labels], client)
    except Exception:  # Dask fails if rows were chosen by another column, as by nlargest, and may fail in other cases
        return delayed(frame, client)


def _measured_frame(loss: Loss, columns: Columns, roles: Roles, options: Options, number: int, frame: Any) -> Piece:
    place = f"partition {number}"
    with only(1), told(place):
        (partition,) = partitions(frame_of(frame, place), columns)
        found = measure_partition(loss, replace(partition, roles=roles), columns, options)
    return Piece(without_sources(found), len(frame), tuple(partition.lengths.items()))
