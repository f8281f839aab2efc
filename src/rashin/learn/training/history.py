"""The history of a training run: loss and accuracy of each mini-batch and of each epoch."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from rashin.storage import written_beside

__all__ = ["CSV_HEADER", "Epoch", "History", "Score", "Step", "Steps"]

CSV_HEADER = (
    "step",
    "epoch",
    "batch_loss",
    "batch_accuracy",
    "training_loss",
    "training_accuracy",
    "held_out_loss",
    "held_out_accuracy",
)


class Score(NamedTuple):
    """The score of a network on some samples: the mean loss per sample, and the accuracy.

    The accuracy is None if the targets are numbers and not classes.
    """

    loss: float
    accuracy: float | None


class Step(NamedTuple):
    """One update: its number, from 1, its epoch, and the score of the mini-batch before the update."""

    step: int
    epoch: int
    batch: Score


class Epoch(NamedTuple):
    """The end of an epoch: its number, from 1, its last step, and its scores.

    ``training`` is the mean over the mini-batches of the epoch, each scored before its own update, so that it needs no
    extra pass; ``held_out`` is measured after the last update.
    """

    epoch: int
    step: int
    training: Score
    held_out: Score | None

    @property
    def judged(self) -> float:
        """The loss by which epochs are compared: the held-out loss if there is one, otherwise the training loss."""
        return (self.held_out or self.training).loss


class Steps(Sequence[Step]):
    """A list of steps that takes 24 bytes per step, so that a long training run does not fill the memory.

    Examples
    --------
    >>> steps = Steps([Step(1, 1, Score(2.3, 0.25)), Step(2, 1, Score(2.1, None))])
    >>> steps[-1], len(steps)
    (Step(step=2, epoch=1, batch=Score(loss=2.1, accuracy=None)), 2)
    """

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self._epochs, self._losses, self._accuracies = array("q"), array("d"), array("d")
        for step in steps:
            self.append(step.epoch, step.batch)

    def append(self, epoch: int, batch: Score) -> None:
        """Append a step with the next number."""
        self._epochs.append(epoch)
        self._losses.append(batch.loss)
        self._accuracies.append(math.nan if batch.accuracy is None else batch.accuracy)

    def __len__(self) -> int:
        return len(self._losses)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]  # handles negative numbers, and raises IndexError
        accuracy = self._accuracies[place]
        score = Score(self._losses[place], None if math.isnan(accuracy) else accuracy)
        return Step(place + 1, self._epochs[place], score)

    def __iter__(self) -> Iterator[Step]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Steps) and all(
            mine.tobytes() == theirs.tobytes() for mine, theirs in zip(self._columns, other._columns, strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def _columns(self) -> tuple[array[Any], ...]:
        return self._epochs, self._losses, self._accuracies

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Epoch, loss and accuracy of every step, as arrays (NaN: no accuracy)."""
        names = ("epoch", "loss", "accuracy")
        return {name: np.array(column) for name, column in zip(names, self._columns, strict=True)}

    @classmethod
    def from_arrays(cls, epoch: NDArray[Any], loss: NDArray[Any], accuracy: NDArray[Any]) -> Steps:
        """The steps from the arrays that ``arrays`` returned."""
        steps = cls()
        for column, values in zip(steps._columns, (epoch, loss, accuracy), strict=True):
            column.frombytes(np.ascontiguousarray(values, column.typecode).tobytes())
        return steps


@dataclass
class History:
    """The steps and epochs of one training run, in order.

    Attributes
    ----------
    steps, epochs : steps and epochs so far.
    constant : score of the best constant prediction on the training data; None if unknown.
    stopped : reason why training ended before its last epoch: ``"patience"``, ``"interrupted"``, or empty.
    """

    steps: Steps = field(default_factory=Steps)
    epochs: list[Epoch] = field(default_factory=list)
    constant: Score | None = None
    stopped: str = ""

    @property
    def best(self) -> Epoch | None:
        """The first epoch with the lowest held-out loss, or the lowest training loss if nothing is held out."""
        return min(self.epochs, key=lambda epoch: epoch.judged, default=None)

    def write_csv(self, path: str | Path) -> None:
        """Write a row per step; the last row of an epoch also contains the scores of the epoch.

        Examples
        --------
        >>> import tempfile
        >>> history = History(Steps([Step(1, 1, Score(2.3, 0.25))]), [Epoch(1, 1, Score(2.1, 0.5), None)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     history.write_csv(Path(folder, "history.csv"))
        ...     print(Path(folder, "history.csv").read_text().splitlines()[1])
        1,1,2.3,0.25,2.1,0.5,,
        """
        ends = {epoch.step: epoch for epoch in self.epochs}
        with written_beside(Path(path)) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(CSV_HEADER)
            writer.writerows(_row(step, ends.get(step.step)) for step in self.steps)


def _row(step: Step, end: Epoch | None) -> list[object]:
    blank = ("", "")
    whole = (*end.training, *(end.held_out or blank)) if end else blank + blank
    return [step.step, step.epoch, *step.batch, *whole]  # the CSV writer leaves None blank
