"""A table in partitions, each of which can be measured separately, on this machine or on another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from rashin.loss import Loss
from rashin.measurement.accumulate import Accumulator, Options
from rashin.measurement.measurement import Measurement
from rashin.measurement.table.batch import Batch, batch_of
from rashin.measurement.table.outcomes import Words
from rashin.measurement.table.refused import add_rows, leave_out_refused
from rashin.tables.columns import Columns, Roles
from rashin.tables.dialect import PLAIN, Dialect
from rashin.tables.frames import Frame, frame_of
from rashin.tables.opening import BrokenFileError, open_table, reading
from rashin.tables.sources import File, find_files
from rashin.tables.table import Chunk, Part, Table

__all__ = [
    "Ending",
    "Partition",
    "TableAccumulator",
    "batches",
    "measure_partition",
    "partitions",
    "without_sources",
]

_NUMBERS = 1 << 21  # read at a time, unless the caller sets ``batch_rows``
_MOST_ROWS, _LEAST_ROWS = 1 << 18, 1 << 10
_LISTED_ROWS = 1 << 13  # read at a time from a column of lists of unknown length


@dataclass(frozen=True)
class Partition:
    """Some rows of one file, as a small object that pickles; or a table in memory.

    Parameters
    ----------
    lengths : lengths of the lists in columns of lists; rows with lists of another length are faults, in all files.
    roles : roles of the columns of all files; None if no file can be opened.
    """

    file: File | Frame
    part: Part
    lengths: Mapping[str, int] = field(default_factory=dict)
    roles: Roles | None = None

    @property
    def rows(self) -> int | None:
        """The number of rows; None if it is unknown before reading."""
        return self.part.rows


@dataclass
class Ending:
    """The end of a partition, after its last batch: counts of what could not be read at all, by reason."""

    reasons: Counter[str] = field(default_factory=Counter)


Reading: TypeAlias = "Batch | Ending"


def partitions(
    source: Any,
    columns: Columns,
    storage_options: Mapping[str, Any] | None = None,
    numbers: tuple[int, int] | None = None,
    dialect: Dialect = PLAIN,
) -> list[Partition]:
    """The partitions of all files of a source, in the order of the files; or the single one of a table in memory.

    Every file is opened, but rows are read for two purposes only: the first list of a column of lists gives the number
    of classes, and the first two words of the target are needed for a two-class loss, whose targets are ``numbers``.
    ``dialect`` is the format of text files.

    Raises
    ------
    FileNotFoundError, ImportError : the file does not exist, or a package for reading it is not installed.
    ValueError : a column is missing or stands for other classes than in the first file; or a file is broken, unless
        broken files are skipped.
    """
    found: list[Partition] = []
    lengths: dict[str, int] = {}  # shared by all partitions, so that lengths found in later files reach them too
    words = Words(columns.positive, numbers)
    first: tuple[str, Roles] | None = None
    for file in _files(source, storage_options, dialect):
        try:
            roles, parts = _looked_at(file, columns, lengths, words)
        except BrokenFileError:
            if columns.on_error == "raise":
                raise
            found.append(Partition(file, Part(), lengths))  # it is counted as broken when its turn comes
            continue
        first = first or (file.path, roles)
        if roles != first[1]:
            raise ValueError(f"{file.path}: got the columns {roles.names}; expected {first[1].names}, as in {first[0]}")
        found += [Partition(file, part, lengths) for part in parts]
    given = None if first is None else words.given_to(first[1])
    return [replace(partition, roles=given) for partition in found]


def _files(source: Any, storage_options: Mapping[str, Any] | None, dialect: Dialect) -> Sequence[File | Frame]:
    frame = frame_of(source)
    return find_files(source, storage_options, dialect) if frame is None else [frame]


def _looked_at(file: File | Frame, columns: Columns, lengths: dict[str, int], words: Words) -> tuple[Roles, list[Part]]:
    with _opened(file, columns) as table:
        roles = columns.roles(table.names, file.path)
        with reading(file, 0):
            parts = table.parts(roles.names)
            for name in roles.listed.difference(lengths):
                length = table.list_length(name)
                lengths |= {} if length is None else {name: length}
            words.look(table, roles, parts)
            return roles, parts


# ---------------------------------------------------------------------------------------------- reading


@contextmanager
def _opened(file: File | Frame, columns: Columns) -> Iterator[Table]:
    with ExitStack() as stack:
        yield open_table(file, stack, columns.on_error == "skip")


def batches(loss: Loss, partition: Partition, columns: Columns, first_row: int = 0) -> Iterator[Reading]:
    """The rows of a partition from ``first_row`` of its file, batch by batch; then counts of what could not be read.

    Raises
    ------
    ValueError : the file is broken, or a column or a row has unexpected content; unless such rows are skipped.
    """
    file, part, skip = partition.file, partition.part, columns.on_error == "skip"
    row, malformed = part.first_row, Counter[str]()
    try:
        with _opened(file, columns) as table:
            malformed = table.malformed
            roles = columns.roles(table.names, file.path)
            roles = roles if partition.roles is None else replace(roles, outcomes=partition.roles.outcomes)
            roles = _in_order(loss, roles, file.path)
            rows = columns.batch_rows or _batch_rows(loss, roles)
            chunks = table.chunks(roles.names, part, rows, roles.uses(loss.prediction.has_classes))
            for chunk in _whole(chunks, file, row):
                row = chunk.first_row + chunk.rows
                if row > first_row:
                    yield batch_of(
                        chunk.since(first_row), roles, loss, file.path, skip, partition.lengths, columns.missing
                    )
    except BrokenFileError:
        if not skip:
            raise
        lost = 1 if part.rows is None else part.first_row + part.rows - row
        yield Ending(malformed + Counter({f"{file.path} is broken": lost}))
    else:
        yield Ending(+malformed)


def _in_order(loss: Loss, roles: Roles, path: str) -> Roles:
    """The columns in the order of the loss's numbers, if it has several per sample and a pattern found them."""
    found, names = roles.classes, loss.prediction.names
    if not names or found is None or found.listed:
        return roles
    if sorted(found.names) != sorted(names):
        raise ValueError(
            f"{path}, prediction: got the columns {', '.join(roles.prediction)}; expected one for each of "
            f"{', '.join(names)}; fix: list them in this order"
        )
    places = [found.names.index(name) for name in names]
    return replace(roles, prediction=tuple(roles.prediction[place] for place in places), classes=None)


def _batch_rows(loss: Loss, roles: Roles) -> int:
    if loss.prediction.axes and len(roles.prediction) == 1:
        return _LISTED_ROWS
    return max(_LEAST_ROWS, min(_MOST_ROWS, _NUMBERS // len(roles.prediction)))


def _whole(chunks: Iterator[Chunk], file: File | Frame, row: int) -> Iterator[Chunk]:
    """Chunks up to the place where the file is broken."""
    while True:
        with reading(file, row):
            chunk = next(chunks, None)
        if chunk is None:
            return
        row = chunk.first_row + chunk.rows
        yield chunk


# ---------------------------------------------------------------------------------------------- measuring


class TableAccumulator:
    """The running measurement of batches, and of their left-out rows; it can continue an earlier measurement.

    Parameters
    ----------
    loss, options : loss to measure, and additional results.
    before : measurement of earlier batches.
    """

    def __init__(self, loss: Loss, options: Options, before: Measurement | None = None) -> None:
        self.loss, self.options, self.before = loss, options, before
        self.running = Accumulator(loss, options, rows=True)
        self.skipped: Counter[str] = Counter()

    def add(self, reading: Reading) -> None:
        """Add a batch, or the counts of what could not be read.

        Raises
        ------
        ValueError : the loss refuses a row, unless such rows are skipped.
        """
        if isinstance(reading, Ending):
            self.skipped += reading.reasons
            return
        if reading.is_empty:
            self.skipped += reading.faults.reasons
            return
        try:
            add_rows(self.running, reading, slice(None))
        except ValueError:
            before = reading.faults.reasons.total()
            leave_out_refused(self.loss, self.options, reading)
            if reading.faults.reasons.total() == before:
                raise
            add_rows(self.running, reading, slice(None))
        self.skipped += reading.faults.reasons

    def result(self) -> Measurement:
        """The measurement so far; more may follow."""
        found = replace(self.running.result(), skipped=dict(sorted(self.skipped.items())))
        if self.before is None:
            return found
        if found.count == 0:  # only left-out rows to add
            return replace(self.before, skipped=dict(sorted((Counter(self.before.skipped) + self.skipped).items())))
        return self.before + found


def without_sources(found: Measurement) -> Measurement:
    """The measurement with the worst rows by number alone, as a table in memory has no name."""
    return replace(found, worst=[row._replace(source="") for row in found.worst])


def measure_partition(loss: Loss, partition: Partition, columns: Columns, options: Options) -> Measurement:
    """The measurement of one partition; the sum over all partitions is that of the table.

    Raises
    ------
    ValueError : as ``batches`` and the loss do.
    """
    tally = TableAccumulator(loss, options)
    for batch in batches(loss, partition, columns):  # no reading ahead: other partitions keep the other threads busy
        tally.add(batch)
    return tally.result()
