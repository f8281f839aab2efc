"""``rashin train``: a network learns from real data, with a loss of your choice as its compass."""

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
        str, typer.Option(metavar="NAME", help="The loss to make small; 'rashin losses' lists them.")
    ] = "softmax_cross_entropy",
    loss_parameter: LossParameters = None,
    classes: Annotated[
        bool | None,
        typer.Option(
            "--classes/--numbers",
            show_default=False,
            help="Targets are classes, or numbers [images: classes; FILE.npz: what the loss takes].",
        ),
    ] = None,
    hidden: Annotated[
        str | None, typer.Option(metavar="N,N,..", help="Units of the hidden layers [50; beyond digits 400].")
    ] = None,
    activation: Annotated[
        str | None, typer.Option(metavar="NAME", help="sigmoid, relu, tanh, identity [sigmoid; relu].")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(**_AT_LEAST_ONE, help="How often all samples are seen [30; 15].")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(**_AT_LEAST_ONE, help="Samples per step [32; 100].")] = None,
    optimizer: Annotated[str | None, typer.Option(metavar="NAME", help="sgd, momentum, adam [momentum; adam].")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Length of a step, > 0 [0.1; for adam 0.001].")
    ] = None,
    weight_decay: Annotated[float, typer.Option(metavar="LAMBDA", help="L2 penalty of the weights, >= 0.")] = 0.0,
    schedule: Annotated[
        str | None, typer.Option(metavar="NAME", help="constant, inverse, cosine [constant; cosine].")
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Of the training data, to judge epochs by [0; with patience 0.1]."),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(**_AT_LEAST_ONE, help="Stop after N epochs without progress; keep the best.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of the weights and the order of samples.")] = 0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for model, history, picture, checkpoint.")] = _OUT,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in DIR was cut off.")] = False,
    predictions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Held-out predictions, .parquet or .npz.")
    ] = None,
    lang: PictureLang = "en",
    quiet: Annotated[bool, typer.Option("--quiet", help="Show nothing but errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Scores, files and settings as JSON.")] = False,
) -> None:
    """Train a network on real data.

    Loads the 1,797 digits that come with scikit-learn, MNIST or one of its relatives, or your own arrays; trains a
    network by mini-batches; and writes the model, its history, a picture of loss and accuracy over the steps, and a
    checkpoint after each epoch. In a file, the loss decides what the targets t are, not their type: classes, numbered
    from 0 or named by text, where it takes labels, and else numbers to predict. --classes says otherwise.

    Where two defaults are given, the first is for digits and the second for all else.
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
    """Units of the hidden layers; ``none`` is no layer."""
    if text is None or text == "none":
        return None if text is None else ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        message = f"{text!r} is not of the form N,N,.. with whole numbers >= 1, or none"
        raise typer.BadParameter(message, param_hint="'--hidden'")
    return tuple(int(part) for part in parts)


def _described(loss: str, settings: list[str] | None) -> str:
    return f"{loss}({', '.join(settings)})" if settings else loss
