"""What happened on the way: the loss and accuracy of each mini-batch, and of all data after each epoch."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from rashin.learn.storage import written_beside

__all__ = ["CSV_HEADER", "Epoch", "History", "Score", "Step"]

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
    """How good a network is on some samples: the mean loss per sample, and the share of them it gets right."""

    loss: float
    accuracy: float


class Step(NamedTuple):
    """One update: its number from 1 on, its epoch, and the mini-batch's score before the update."""

    step: int
    epoch: int
    batch: Score


class Epoch(NamedTuple):
    """The end of an epoch: its number from 1 on, its last step, and the scores over all data."""

    epoch: int
    step: int
    training: Score
    held_out: Score | None


@dataclass
class History:
    """The steps and epochs of one training, in order."""

    steps: list[Step] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)

    def write_csv(self, path: str | Path) -> None:
        """A row per step; those that end an epoch also hold the scores over all data.

        Examples
        --------
        >>> import tempfile
        >>> history = History([Step(1, 1, Score(2.3, 0.25))], [Epoch(1, 1, Score(2.1, 0.5), None)])
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
    return [step.step, step.epoch, *step.batch, *whole]
