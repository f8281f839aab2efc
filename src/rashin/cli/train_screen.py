"""The output of ``rashin train``: a live line while it runs, then the results as a table or as JSON."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rashin.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from rashin.learn import History, Score, TrainingRun

__all__ = ["progress", "show_json", "show_table"]

_REFRESH = 0.1  # seconds between two updates: an update at every step would cost as much as the step


@contextmanager
def progress(samples: int, settings: dict[str, Any], hidden: bool) -> Iterator[Callable[[History], None] | None]:
    """A live line on standard error if that is a terminal; otherwise nothing is shown and the callback is None."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if hidden or not console.is_terminal:
        yield None
        return
    texts = (TextColumn(f"{{task.fields[{name}]}}") for name in ("score", "speed", "left"))
    with Progress(TextColumn("{task.description}"), BarColumn(bar_width=None), *texts, console=console) as bar:
        per_epoch = -(-(samples - round(settings["validation"] * samples)) // settings["batch_size"])
        task = bar.add_task("preparing", total=settings["epochs"] * per_epoch, score="", speed="", left="")
        yield _Line(bar, task, settings, per_epoch).update


@dataclass
class _Line:
    """The state of the live line between updates."""

    bar: Progress
    task: TaskID
    settings: dict[str, Any]
    per_epoch: int
    seen: int = -1  # steps at the last update
    begun: int = 0  # steps that an earlier run had done
    start: float = 0.0
    last: float = 0.0

    def update(self, history: History) -> None:
        now, done = time.monotonic(), len(history.steps)
        if self.seen < 0:
            self.begun, self.start, self.seen = done - 1, now, done - 1
        total = self.settings["epochs"] * self.per_epoch
        if now - self.last < _REFRESH and done < total:
            return
        recent = [step.batch for step in history.steps[max(self.seen, done - 100) :]]
        pace = (done - self.begun) / max(now - self.start, 1e-9)  # steps per second
        self.bar.update(
            self.task,
            completed=done,
            description=f"epoch {history.steps[-1].epoch}/{self.settings['epochs']}",
            score=_live_score(recent),
            speed=f"{pace * self.settings['batch_size']:,.0f}/s" if done > self.begun + 1 else "",
            left=f"{_clock((total - done) / pace)} left" if done > self.begun + 1 else "",
        )
        self.seen, self.last = done, now


def _live_score(recent: list[Score]) -> str:
    """The mean over the batches since the last update."""
    loss = f"loss {sum(batch.loss for batch in recent) / len(recent):.4f}"
    shares = [batch.accuracy for batch in recent if batch.accuracy is not None]
    return f"{loss}  accuracy {sum(shares) / len(shares):6.1%}" if shares else loss


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(math.ceil(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if minutes >= 60 else f"{minutes}:{seconds:02}"


# ------------------------------------------------------------------------------------------- the results


def show_table(run: TrainingRun, loss: str) -> None:
    """Print the scores next to those of the best constant prediction, remarks on them, and the files."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console, constant = Console(), run.history.constant
    headings = ["data", "samples", "loss"]
    if run.scores["training"].accuracy is not None:
        headings.append("accuracy")
    table = Table(box=box.ROUNDED)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "data" else "right")
    for name, score in run.scores.items():
        table.add_row(name, f"{run.samples[name]:,}", *_cells(score))
    if constant is not None:
        table.add_section()
        table.add_row("best constant", "", *_cells(constant), style="dim")
    console.print(f"{loss} after {_epochs(run)}", soft_wrap=True, highlight=False, markup=False)
    console.print(table)
    for line in (*_remarks(run), *(f"wrote {printable(str(file))}" for file in _files(run).values())):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _cells(score: Score) -> tuple[str, ...]:
    loss = f"{score.loss:.4f}"
    return (loss,) if score.accuracy is None else (loss, f"{score.accuracy:.2%}")


def _epochs(run: TrainingRun) -> str:
    done = len(run.history.epochs)
    return "1 epoch" if done == 1 else f"{done} epochs"


def _remarks(run: TrainingRun) -> Iterator[str]:
    history, best = run.history, run.history.best
    if best is not None and history.stopped:
        why = "interrupted" if history.stopped == "interrupted" else "no progress any more"
        yield f"{why}: these are the parameters of epoch {best.epoch}, the best"
    if history.constant is not None and run.scores["training"].loss >= history.constant.loss:
        yield "no better than the constant that ignores the input: try another learning rate, or more epochs"


def _files(run: TrainingRun) -> dict[str, Path]:
    files = {
        "model": run.model_file,
        "history": run.history_file,
        "picture": run.picture_file,
        "checkpoint": run.checkpoint_file,
    }
    return files if run.predictions_file is None else {**files, "predictions": run.predictions_file}


def show_json(run: TrainingRun, settings: dict[str, Any]) -> None:
    """Print the same for scripts: one JSON object on standard output; non-finite numbers are null."""
    history = run.history
    scores = {name.replace(" ", "_"): _plain(score) for name, score in run.scores.items()}
    report = {
        "scores": {**scores, "best_constant": _plain(history.constant)},
        "samples": {name.replace(" ", "_"): count for name, count in run.samples.items()},
        "epochs": len(history.epochs),
        "best_epoch": None if history.best is None else history.best.epoch,
        "stopped": history.stopped or None,
        "classes": run.classes,
        "files": {name: str(file) for name, file in _files(run).items()},
        "settings": settings,
    }
    typer.echo(json.dumps(report, indent=2, allow_nan=False))


def _plain(score: Score | None) -> dict[str, float | None] | None:
    if score is None:
        return None
    return {"loss": score.loss if math.isfinite(score.loss) else None, "accuracy": score.accuracy}
