"""The progress of a table's measurement on disk, to resume after a crash with the same result to the last bit."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rashin.loss import Loss
from rashin.measurement.accumulate import Options
from rashin.measurement.measurement import Measurement
from rashin.measurement.table.partition import Partition
from rashin.refusal import Refusal
from rashin.storage import check_folder, content_of, written_beside
from rashin.tables.columns import Columns
from rashin.tables.sources import File

__all__ = ["SECONDS", "START", "Checkpoint", "Position"]

SECONDS = 5.0  # between two writes
_SHARE = 0.05  # of the time, at most, that may be spent on writing
_VERSION = 2
_ANOTHER = "name another file"
_RESUME = "go on with the arguments and data of that run, or name another file to start again"


class Position(NamedTuple):
    """The current partition, the next row of its file, and the total number of rows done."""

    partition: int
    row: int
    rows: int


START = Position(0, 0, 0)


class Checkpoint:
    """A file with the measurement of all rows before a position; written completely or not at all.

    Parameters
    ----------
    path : file, which need not exist yet.
    loss, columns, options, partitions : task to measure. A file that was written for another task is refused.

    Raises
    ------
    FileNotFoundError : the folder of the file does not exist.
    """

    def __init__(
        self, path: Path, loss: Loss, columns: Columns, options: Options, partitions: Sequence[Partition]
    ) -> None:
        check_folder(path)
        self.path = path
        files = {p.file.path: [p.file.size, p.file.state] for p in partitions if isinstance(p.file, File)}
        spoken = {name: value for name, value in vars(columns).items() if name != "batch_rows"}
        self.task: dict[str, Any] = {
            "loss": repr(loss),
            **{name: list(value) if isinstance(value, tuple) else value for name, value in spoken.items()},
            **options._asdict(),
            **{
                name: value
                for p in partitions[:1]
                if isinstance(p.file, File)
                for name, value in vars(p.file.dialect).items()
            },
            "files": files,
            "partitions": len(partitions),
        }
        self.due = time.monotonic() + SECONDS

    def read(self) -> tuple[Position, Measurement | None]:
        """The position and the measurement of an earlier run of the same task; without one, the start and None.

        Raises
        ------
        ValueError : the file does not contain a checkpoint, or its task differs; the message names what differs.
        """
        if not self.path.exists():
            return START, None
        with content_of(self.path, "a checkpoint of a measurement"):
            state = json.loads(self.path.read_text(encoding="utf-8"))
            if state["checkpoint"] != _VERSION:
                raise Refusal("version", str(state["checkpoint"]), str(_VERSION), _ANOTHER)
            if state.pop("digest") != _digest(json.dumps(state)):
                raise Refusal("digest", "another one than that of the content", "an unaltered file", _ANOTHER)
            self._check(state["task"])
            before = Measurement.from_dict(state["measurement"])
            return self._checked(Position(*state["position"]), before), before

    def _checked(self, position: Position, before: Measurement) -> Position:
        is_whole = all(type(number) is int and number >= 0 for number in position)
        if not is_whole or position.partition > self.task["partitions"] or before.count > position.rows:
            expected = f"[partition, row, rows] in {self.task['partitions']} partitions, of {before.count} rows or more"
            raise Refusal("position", str(list(position)), expected, _ANOTHER)
        return position

    def _check(self, kept: dict[str, Any]) -> None:
        for name in {**self.task, **kept}:
            if kept.get(name) != self.task.get(name):
                is_files = name == "files"
                got = _file_that_differs(kept, self.task) if is_files else repr(kept.get(name))
                expected = "those of this run" if is_files else f"{self.task.get(name)!r}, as in this run"
                raise Refusal(name, got, expected, _RESUME)

    def write_if_due(self, position: Position, measurement: Any) -> None:
        """Write the result of ``measurement()`` if some seconds have passed; less often if writing takes long."""
        start = time.monotonic()
        if start >= self.due:
            self.write(position, measurement())
            end = time.monotonic()
            self.due = end + max(SECONDS, (end - start) / _SHARE)

    def write(self, position: Position, measurement: Measurement) -> None:
        """Write the measurement of all rows before a position; an earlier one is replaced."""
        state = {
            "checkpoint": _VERSION,
            "finished": position.partition == self.task["partitions"],
            "position": position,
            "task": self.task,
            "measurement": measurement.to_dict(),
        }
        text = json.dumps(state)
        with written_beside(self.path) as part:
            part.write_text(f'{text[:-1]}, "digest": "{_digest(text)}"}}', encoding="utf-8")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _file_that_differs(kept: dict[str, Any], wanted: dict[str, Any]) -> str:
    for path in {**wanted["files"], **kept["files"]}:
        if kept["files"].get(path) != wanted["files"].get(path):
            in_both = path in kept["files"] and path in wanted["files"]
            return f"other content in the file {path}" if in_both else f"the file {path} in one of the runs only"
    return "another order of the files"
