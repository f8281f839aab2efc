"""Measuring parts that can be named, such as files and their row groups."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from rashin.kernels.threads import only
from rashin.loss import Loss
from rashin.measurement.accumulate import Accumulator, Options
from rashin.measurement.dask.client import connection
from rashin.measurement.dask.tree import added, computed, tree
from rashin.measurement.measurement import Measurement
from rashin.measurement.table.partition import Partition, measure_partition
from rashin.tables.columns import Columns

__all__ = ["LEAST_TASKS", "TASKS_PER_THREAD", "measure_each", "measure_partitions"]

Part = TypeVar("Part")

TASKS_PER_THREAD = 16  # enough that no thread idles for long at the end, and no more, to spare the scheduler
LEAST_TASKS = 256  # needs milliseconds for each; a cluster that adapts begins with no thread at all


def measure_partitions(
    loss: Loss, partitions: Sequence[Partition], columns: Columns, options: Options, client: Any = None
) -> Measurement:
    """Measure the partitions of a table on the workers, all of which must reach the files by the same names.

    Raises
    ------
    ValueError : as ``rashin.measure_table`` does; and as :func:`measure_each`.
    """
    if not partitions:
        return Accumulator(loss, options).result()
    return measure_each(partial(measure_partition, loss, columns=columns, options=options), partitions, client)


def measure_each(measure_one: Callable[[Part], Measurement], parts: Sequence[Part], client: Any = None) -> Measurement:
    """The sum of ``measure_one(part)`` over all parts, measured and added on the workers.

    Parameters
    ----------
    measure_one : function that a worker calls; it must pickle, and return the same result when called again.
    parts : parts to measure, at least one; each must pickle, and should contain the location of rows, not the rows.
    client : ``distributed.Client``; or a cluster or the address of a scheduler, to which a client connects for this
        call. None is the active client; without one, a cluster of this machine's CPUs is started for this call.

    Raises
    ------
    ImportError : dask or distributed is not installed.
    TypeError : ``client`` is of another type, or asynchronous.
    Exception : ``measure_one`` raised it.
    """
    with connection(client) as connected:
        most = max(LEAST_TASKS, TASKS_PER_THREAD * sum(connected.nthreads().values()))
        size = -(-len(parts) // most)
        runs = (parts[start : start + size] for start in range(0, len(parts), size))
        name = f"measure-{uuid.uuid4().hex}"
        leaves = {(name, number): (partial(_measured_run, measure_one, run),) for number, run in enumerate(runs)}
        found: Measurement = computed(tree(leaves, list(leaves)), connected)
    return found


def _measured_run(measure_one: Callable[[Part], Measurement], run: Sequence[Part]) -> Measurement:
    with only(1):  # each thread of a worker already runs its own task
        return added([measure_one(part) for part in run])
