"""Measuring on a Dask cluster: the workers measure the parts of a data set and add the results in a tree."""

from __future__ import annotations

import math
import os
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple, TypeVar

import numpy as np

from rashin.extras import needs
from rashin.kernels.threads import only
from rashin.loss import Loss
from rashin.measurement.accumulate import Accumulator, Options
from rashin.measurement.decisions import two_classes
from rashin.measurement.measurement import Measurement
from rashin.measurement.table.outcomes import Words, labelled
from rashin.measurement.table.partition import Partition, measure_partition, partitions, without_sources
from rashin.tables.classes import names_false
from rashin.tables.columns import Columns, Roles
from rashin.tables.frames import frame_of, is_a, text_names
from rashin.tables.opening import open_table

__all__ = ["FAN_IN", "Piece", "measure_arrays", "measure_each", "measure_frame", "measure_partitions", "of_dask"]

Part = TypeVar("Part")
Sum = TypeVar("Sum", Measurement, "Piece")

FAN_IN = 8  # measurements that one task adds
TASKS_PER_THREAD = (
    16  # measuring tasks: enough that no thread idles for long at the end, and no more, to spare the scheduler
)
LEAST_TASKS = 256  # needs milliseconds for each; a cluster that adapts begins with no thread at all
RETRIES = 2  # of a failed task, as reading from a remote store may fail; retries after a lost worker do not count

Graph = dict[Any, Any]


# ------------------------------------------------------------------------------------------ parts that can be named


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
    with _connected(client) as connected:
        most = max(LEAST_TASKS, TASKS_PER_THREAD * sum(connected.nthreads().values()))
        size = -(-len(parts) // most)
        runs = (parts[start : start + size] for start in range(0, len(parts), size))
        name = f"measure-{uuid.uuid4().hex}"
        leaves = {(name, number): (partial(_measured_run, measure_one, run),) for number, run in enumerate(runs)}
        found: Measurement = _computed(_tree(leaves, list(leaves)), connected)
    return found


def _measured_run(measure_one: Callable[[Part], Measurement], run: Sequence[Part]) -> Measurement:
    with only(1):  # each thread of a worker already runs its own task
        return _added([measure_one(part) for part in run])


def _added(found: Sequence[Sum]) -> Sum:
    return reduce(add, found)


# ------------------------------------------------------------------------------------------------- Dask collections


class Piece(NamedTuple):
    """A measurement of consecutive rows, and their number; in ``a + b`` the rows of ``b`` follow those of ``a``.

    Addition is associative: the worst rows get their row numbers in the whole, although a worker does not know the
    number of rows before its own. ``lengths`` contains the lengths of the lists in columns of lists, equal for all
    rows.
    """

    measurement: Measurement
    rows: int
    lengths: tuple[tuple[str, int], ...] = ()

    def __add__(self, other: object) -> Piece:
        if not isinstance(other, Piece):
            return NotImplemented
        before, after = dict(self.lengths), dict(other.lengths)
        for name in before.keys() & after.keys():
            if before[name] != after[name]:
                raise ValueError(
                    f"the data frame, column {name!r}: got lists of {before[name]} in some partitions and of "
                    f"{after[name]} in others; expected lists of one length"
                )
        moved = [row._replace(row=row.row + self.rows) for row in other.measurement.worst]
        added = self.measurement + replace(other.measurement, worst=moved)
        return Piece(added, self.rows + other.rows, tuple((before | after).items()))


def of_dask(data: Any) -> bool:
    """True if the data are a Dask collection; Dask is not imported for this check."""
    return type(data).__module__.partition(".")[0] == "dask"


def measure_arrays(
    measure: Callable[..., Measurement], loss: Loss, options: Options, prediction: Any, beside: Mapping[str, Any]
) -> Measurement:
    """``measure`` over the blocks of a Dask array or series, and of the other arrays, which are given by name.

    Dask's settings decide where it is computed: by the active client, or in threads.

    Raises
    ------
    ValueError : an array has another length, or it is unknown which of its rows belong to which block.
    """
    given = {"prediction": prediction, **{name: values for name, values in beside.items() if values is not None}}
    for name, values in given.items():
        if of_dask(values) and not (_is_of_frames(values) or is_a(values, "dask", "Array")):
            raise TypeError(f"{name}: got a Dask {type(values).__name__}; expected a Dask array, series or data frame")
    measure_one = partial(_measured_block, measure, loss, options, tuple(given))
    frames = all(_is_of_frames(values) for values in given.values())
    return _over_blocks(
        measure_one, _delayed(_partitions_side_by_side(given) if frames else _blocks_side_by_side(given))
    )


def _is_of_frames(values: Any) -> bool:
    """True for a Dask data frame, series or index."""
    return any(is_a(values, "dask", name) for name in ("DataFrame", "Series", "Index"))


def _partitions_side_by_side(given: Mapping[str, Any]) -> Any:
    """A Dask series of the contents of the partitions of frames and series, matched by position and not by label.

    It is one collection, so that Dask plans for all of them together: for one column it may split Parquet files into
    other partitions than for ten.
    """
    import dask.dataframe

    wanted = given["prediction"].npartitions
    for name, values in given.items():
        if values.npartitions != wanted:
            raise ValueError(
                f"{name}: got {values.npartitions} partitions for a prediction of {wanted}; expected a partition of "
                "the same rows for each; fix: take all from one Dask data frame"
            )
    return dask.dataframe.map_partitions(_together, *given.values(), meta=("blocks", object), enforce_metadata=False)


def _blocks_side_by_side(given: Mapping[str, Any]) -> Any:
    """A Dask array of the contents of the blocks of arrays."""
    import dask.array

    z = _whole_samples(_as_array(given["prediction"]))
    arrays = [z, *(_beside(name, values, z) for name, values in given.items() if name != "prediction")]
    indexed = [part for array in arrays for part in (array, range(array.ndim))]
    return dask.array.blockwise(
        _together,
        range(min(z.ndim, 1)),
        *indexed,
        dtype=object,
        meta=np.empty(0, object),
        concatenate=True,
        align_arrays=False,
    )


def _together(*blocks: Any) -> tuple[Any, ...]:
    return blocks


def _as_array(values: Any) -> Any:
    """A Dask series or frame as a Dask array."""
    if not _is_of_frames(values):
        return values
    with warnings.catch_warnings():  # text becomes Python objects, which is fine for groups
        warnings.filterwarnings("ignore", "Dask currently has limited support for converting pandas", UserWarning)
        return values.to_dask_array()


def _whole_samples(z: Any) -> Any:
    """The array split along its first axis only, so that the samples of a block are contiguous in C order."""
    return z.rechunk(dict.fromkeys(range(1, z.ndim), -1)) if z.ndim > 1 else z


def _beside(name: str, values: Any, z: Any) -> Any:
    """An array split into the blocks of the prediction."""
    import dask.array

    values = _as_array(values) if of_dask(values) else dask.array.from_array(np.asanyarray(values))
    if values.ndim == 0 or z.ndim == 0:
        return values
    lengths, wanted = values.chunks[0], z.chunks[0]
    if math.isnan(sum(lengths)) or math.isnan(sum(wanted)):
        if not (len(lengths) == len(wanted) and math.isnan(sum(lengths)) and math.isnan(sum(wanted))):
            raise ValueError(
                f"{name}: got blocks of unknown length, which cannot be matched with those of the prediction; expected "
                "known lengths; fix: call compute_chunk_sizes() on the Dask arrays first, or "
                "to_dask_array(lengths=True) on a series"
            )
        return _whole_samples(values)
    if values.shape[0] != z.shape[0]:
        raise ValueError(
            f"{name}: got shape {values.shape} for a prediction of shape {z.shape}; expected equal lengths"
        )
    return _whole_samples(values).rechunk({0: wanted})


def _measured_block(
    measure: Callable[..., Measurement],
    loss: Loss,
    options: Options,
    names: Sequence[str],
    number: int,
    blocks: Sequence[Any],
) -> Piece:
    with only(1), _told(f"block {number}"):
        found = measure(loss, **dict(zip(names, blocks, strict=True)), **options._asdict())
    return Piece(found, math.prod(loss.prediction.batch_shape(np.shape(blocks[0]))))


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
    with nullcontext() if client is None else _connected(client) as connected:
        roles = _with_words(loss, frame[[labels[roles.target[0]]]], columns, roles, connected)
        measure_one = partial(_measured_frame, loss, columns, roles, options)
        blocks = _planned(frame, [labels[name] for name in roles.names], connected)
        return labelled(_over_blocks(measure_one, blocks, connected), roles.labels)


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
        return _delayed(frame[labels], client)
    except Exception:  # Dask fails if rows were chosen by another column, as by nlargest, and may fail in other cases
        return _delayed(frame, client)


def _measured_frame(loss: Loss, columns: Columns, roles: Roles, options: Options, number: int, frame: Any) -> Piece:
    place = f"partition {number}"
    with only(1), _told(place):
        (partition,) = partitions(frame_of(frame, place), columns)
        found = measure_partition(loss, replace(partition, roles=roles), columns, options)
    return Piece(without_sources(found), len(frame), tuple(partition.lengths.items()))


@contextmanager
def _told(place: str) -> Iterator[None]:
    """Name the block or partition in errors."""
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(str(error) if str(error).startswith(place) else f"{place}, {error}") from None


def _delayed(collection: Any, client: Any = None) -> list[Any]:
    """A delayed object for each block or partition, in order, optimised by Dask.

    Their number is that of the user's partitions, as errors name partitions by number: without ``tune``, Dask would
    merge partitions of files of which few columns are read. The client is made current, because the way to shuffle
    depends on where it is computed.
    """
    import dask

    with dask.config.set({"optimization.tune.active": False}), nullcontext() if client is None else client.as_current():
        return np.ravel(collection.to_delayed()).tolist()  # type: ignore[no-any-return]


def _over_blocks(measure_one: Callable[[int, Any], Piece], blocks: Sequence[Any], client: Any = None) -> Measurement:
    """The sum of ``measure_one(number, block)`` over the delayed blocks."""
    graph: Graph = dict(blocks[0].__dask_graph__())
    name = f"measure-{uuid.uuid4().hex}"
    leaves = {(name, number): (partial(measure_one, number), block.key) for number, block in enumerate(blocks)}
    found: Piece = _computed(_tree(graph | leaves, list(leaves)), client)
    return found.measurement


# ------------------------------------------------------------------------------------------------------- the tree


def _tree(graph: Graph, keys: list[Any]) -> tuple[Graph, Any]:
    """The graph with a tree above the keys, and the key of its root. Neighbours are added first."""
    name = f"add-{uuid.uuid4().hex}"
    while len(keys) > 1:
        runs = [keys[start : start + FAN_IN] for start in range(0, len(keys), FAN_IN)]
        keys = [(name, len(graph) + number) for number in range(len(runs))]
        graph |= {key: (_added, run) for key, run in zip(keys, runs, strict=True)}
    return graph, keys[0]


def _computed(rooted: tuple[Graph, Any], client: Any) -> Any:
    """The result at the root of a graph. Tasks are pure: results of a lost worker are computed again."""
    from dask.delayed import Delayed

    graph, root = rooted
    whole = Delayed(root, graph)
    return whole.compute() if client is None else client.compute(whole, retries=RETRIES).result()


# ------------------------------------------------------------------------------------------------------- the client


@contextmanager
def _connected(client: Any) -> Iterator[Any]:
    """A client; it is closed at the end if it was created here."""
    distributed = _distributed()
    client = _active() if client is None else client
    if isinstance(client, distributed.Client):
        if client.asynchronous:
            raise TypeError("client: got an asynchronous one; expected one that waits, asynchronous=False")
        yield client
    elif client is None:
        with _own_cluster() as cluster, distributed.Client(cluster, set_as_default=False) as own:
            yield own
    elif isinstance(client, (str, distributed.deploy.Cluster)):
        with distributed.Client(client, set_as_default=False) as own:
            yield own
    else:
        accepted = "a distributed.Client, a cluster, or the address of a scheduler"
        raise TypeError(f"client: got {type(client).__name__}; expected {accepted}")


def _distributed() -> Any:
    with needs("dask and distributed", "dask", "engine='dask'"):
        import distributed
    return distributed


def _active() -> Any:
    try:
        return _distributed().default_client()
    except ValueError:
        return None


def _own_cluster() -> Any:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _distributed().LocalCluster(n_workers=cpus, threads_per_worker=1, dashboard_address=":0")
