"""``rashin train``: train a network on real data with a loss of your choice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rashin.cli.choices import Data, LossParameters, PictureLang, chosen_loss, has_classes, load_data

__all__ = ["train_network"]

_OUT = Path("rashin-run")
_DIGITS: dict[str, Any] = {
    "epochs": 30,
    "batch_size": 32,
    "hidden": (50,),
    "activation": "sigmoid",
    "optimizer": "momentum",
    "schedule": "constant",
    "validation": 0.0,
}
_LARGER: dict[str, Any] = {  # MNIST: 98 % within a minute on two cores
    "epochs": 15,
    "batch_size": 100,
    "hidden": (400,),
    "activation": "relu",
    "optimizer": "adam",
    "schedule": "cosine",
    "validation": 0.0,
}
_AT_LEAST_ONE: dict[str, Any] = {"min": 1, "metavar": "N"}


def train_network(
    data: Data = "digits",
    loss: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the loss to minimise; 'rashin losses' lists them.")
    ] = "softmax_cross_entropy",
    loss_parameter: LossParameters = None,
    classes: Annotated[
        bool | None,
        typer.Option(
            "--classes/--numbers",
            show_default=False,
            help="Targets as classes or as numbers [images: classes; FILE.npz: what the loss takes].",
        ),
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(metavar="N,N,..", help="Units of the hidden layers, or none [50; 400].")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Activation: sigmoid, relu, tanh, identity [sigmoid; relu].")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(**_AT_LEAST_ONE, help="Number of passes over the training data [30; 15].")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(**_AT_LEAST_ONE, help="Samples per step [32; 100].")] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Optimizer: sgd, momentum, adam [momentum; adam].")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Learning rate, > 0 [0.1; for adam 0.001].")
    ] = None,
    weight_decay: Annotated[float, typer.Option(metavar="LAMBDA", help="L2 penalty on the weights, >= 0.")] = 0.0,
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Schedule of the learning rate: constant, inverse, cosine [constant; cosine]."
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Share of the training data held out to compare epochs [0; with --patience 0.1]."
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(**_AT_LEAST_ONE, help="Epochs without progress before training stops; the best epoch is kept."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Seed for the initial weights and the sample order.")
    ] = 0,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for the model, history, picture and checkpoint.")
    ] = _OUT,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the interrupted run in DIR.")] = False,
    predictions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File for the held-out predictions, .parquet or .npz.")
    ] = None,
    lang: PictureLang = "en",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores, files and settings as JSON.")] = False,
) -> None:
    """Train a network on real data.

    Loads the 1,797 digits that come with scikit-learn, MNIST, Fashion-MNIST or Kuzushiji-MNIST, or your own arrays.
    Trains a network by mini-batches. Writes the model, its history, a picture of loss and accuracy over the steps, and
    a checkpoint after each epoch.

    For FILE.npz the loss decides what the targets t are, whatever their type. With a loss that takes labels they are
    classes, numbered from 0 or named by text; otherwise they are numbers to predict. --classes and --numbers override
    this.

    If two defaults are given, the first is for digits and the second for all other data.
    """
    from rashin.cli.train_screen import progress, show_json, show_table
    from rashin.learn import run_training

    chosen = chosen_loss(loss, loss_parameter)
    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "hidden": _units(hidden),
        "activation": activation,
        "optimizer": optimizer,
        "schedule": schedule,
        "validation": 0.1 if patience and validation is None else validation,
    }
    presets = _DIGITS if data == "digits" else _LARGER
    settings: dict[str, Any] = {**presets, **{name: value for name, value in given.items() if value is not None}}
    settings |= {"learning_rate": learning_rate, "weight_decay": weight_decay, "patience": patience, "seed": seed}
    training, held_out = load_data(data, seed)
    settings["classes"] = has_classes(data) if classes is None else classes
    files: dict[str, Any] = {"out": out, "resume": resume, "predictions": predictions, "lang": lang}
    with progress(len(training[0]), settings, hidden=quiet or as_json) as show:
        run = run_training(chosen, training, held_out, **settings, **files, callback=show)
    if as_json:
        show_json(run, {"data": data, "loss": repr(chosen), **settings})
    elif not quiet:
        show_table(run, _described(loss, loss_parameter))
    if run.history.stopped == "interrupted":
        raise typer.Exit(130)


def _units(text: str | None) -> tuple[int, ...] | None:
    """Units of the hidden layers; ``none`` stands for no hidden layer."""
    if text is None or text == "none":
        return None if text is None else ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        message = f"got {text!r}; expected whole numbers >= 1, such as 50,20, or none"
        raise typer.BadParameter(message, param_hint="'--hidden'")
    return tuple(int(part) for part in parts)


def _described(loss: str, settings: list[str] | None) -> str:
    return f"{loss}({', '.join(settings)})" if settings else loss
