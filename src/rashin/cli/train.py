"""``rashin train``: a network learns real handwritten digits, with a loss of your choice as its compass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rashin.learn import History, Score, TrainingRun
    from rashin.loss import Loss

__all__ = ["train_digits"]

_OUT = Path("rashin-run")


def train_digits(
    loss: Annotated[
        str, typer.Option(metavar="NAME", help="The loss to make small; 'rashin losses' lists them.")
    ] = "softmax_cross_entropy",
    loss_parameter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=NUMBER", help="A parameter of the loss, such as gamma=3; may be repeated."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, metavar="N", help="How often all samples are seen.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, metavar="N", help="Samples per step.")] = 32,
    learning_rate: Annotated[float, typer.Option(metavar="RATE", help="Length of a step, > 0.")] = 0.1,
    hidden: Annotated[int, typer.Option(min=1, metavar="N", help="Units in the hidden layer.")] = 50,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the weights and the order of samples.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for model, history and picture.")] = _OUT,
) -> None:
    """Train a network on real handwritten digits.

    Loads the 1,797 digits that come with scikit-learn, trains a network with one hidden layer by mini-batches, and
    writes the model, its history and a picture of loss and accuracy over the steps.
    """
    from rashin.datasets import load_digits
    from rashin.learn import run_training

    chosen = _chosen_loss(loss, loss_parameter or [])
    training, held_out = load_digits()
    steps = epochs * -(-len(training[0]) // batch_size)
    with _progress(steps, epochs) as show:
        run = run_training(
            chosen,
            training,
            held_out,
            out=out,
            hidden=hidden,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            callback=show,
        )
    _show_result(run, _described(loss, loss_parameter), len(training[0]), len(held_out[0]))


def _chosen_loss(name: str, settings: list[str]) -> Loss:
    from rashin.loss import get

    try:
        return get(name).replace(**dict(_parsed(setting) for setting in settings))
    except TypeError as error:  # a parameter that the loss does not have
        raise typer.BadParameter(str(error), param_hint="'--loss-parameter'") from None


def _parsed(setting: str) -> tuple[str, float]:
    name, _, value = setting.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        message = f"{setting!r} is not of the form NAME=NUMBER"
        raise typer.BadParameter(message, param_hint="'--loss-parameter'") from None


@contextmanager
def _progress(steps: int, epochs: int) -> Iterator[Callable[[History], None]]:
    """A live bar on the standard error, where that is a terminal; else nothing is shown."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    words, score = TextColumn("{task.description}"), TextColumn("{task.fields[score]} ")
    columns = (words, BarColumn(bar_width=None), score, TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("preparing", total=steps, score="")

        def show(history: History) -> None:
            step = history.steps[-1]
            progress.update(
                task,
                completed=step.step,
                description=f"epoch {step.epoch}/{epochs}",
                score=f"loss {step.batch.loss:.4f}  accuracy {step.batch.accuracy:6.1%}",
            )

        yield show


def _described(loss: str, settings: list[str] | None) -> str:
    return f"{loss}({', '.join(settings)})" if settings else loss


def _show_result(run: TrainingRun, loss: str, training: int, held_out: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    end, console = run.history.epochs[-1], Console()
    table = Table(box=box.ROUNDED)
    for heading in ("data", "samples", "loss", "accuracy"):
        table.add_column(heading, justify="left" if heading == "data" else "right")
    table.add_row("training", f"{training:,}", *_cells(end.training))
    table.add_row("held out", f"{held_out:,}", *_cells(end.held_out))
    console.print(f"{loss} after {_epochs(end.epoch)}", soft_wrap=True, highlight=False, markup=False)
    console.print(table)
    for file in (run.model_file, run.history_file, run.picture_file):
        console.print(f"wrote {file}", soft_wrap=True, highlight=False, markup=False)


def _cells(score: Score | None) -> tuple[str, str]:
    return ("", "") if score is None else (f"{score.loss:.4f}", f"{score.accuracy:.2%}")


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"
