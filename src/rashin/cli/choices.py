"""Options that several commands share: the data, and the loss with its parameters."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["Data", "LossParameters", "PictureLang", "chosen_loss", "has_classes", "known_language", "load_data"]

_SWITCHES = {"true": 1.0, "false": 0.0}
_MNIST_FAMILY = ("mnist", "fashion", "kmnist")

Data = Annotated[
    str, typer.Option(metavar="NAME", help="Data set: digits, mnist, fashion, kmnist, or FILE.npz with arrays x and t.")
]
LossParameters = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=NUMBER", help="Parameter of the loss, such as gamma=3; may be repeated."),
]


def known_language(lang: str | None) -> str | None:
    """The language; an option error if rashin is not translated into it."""
    from rashin.language import LANGUAGES

    if lang is not None and lang not in LANGUAGES:
        message = f"got {lang!r}; expected {' or '.join(LANGUAGES)}"
        raise typer.BadParameter(message, param_hint="'--lang'")
    return lang


def _drawable_language(lang: str) -> str:
    """The language; an option error also if no font on this machine has its letters."""
    from rashin.language import font_family

    known_language(lang)
    try:
        if lang != "en":
            font_family(lang)
    except LookupError as error:
        raise typer.BadParameter(str(error), param_hint="'--lang'") from None
    return lang


PictureLang = Annotated[
    str, typer.Option(metavar="en|ja", callback=_drawable_language, help="Language of the pictures and pages.")
]


def load_data(data: str, seed: int) -> Any:
    """Samples and targets for training, then samples and targets of the held-out set."""
    from rashin.learn import read_samples

    datasets: Any = import_module("rashin.datasets")
    if data == "digits":
        return datasets.load_digits()
    if data in _MNIST_FAMILY:
        return datasets.load_mnist(normalize=True, flatten=True, variant=data)
    if data.endswith(".npz"):
        return read_samples(data, seed=seed)
    message = f"got {data!r}; expected digits, {', '.join(_MNIST_FAMILY)}, or FILE.npz"
    raise typer.BadParameter(message, param_hint="'--data'")


def has_classes(data: str) -> bool | None:
    """Whether the targets are known to be classes; None if the loss decides."""
    return None if data.endswith(".npz") else True


def chosen_loss(named: Loss | str, settings: list[str] | None) -> Loss:
    """The loss, given as an object or a name, with the parameters set by ``NAME=NUMBER``."""
    from rashin.registry import get

    loss = get(named) if isinstance(named, str) else named
    try:
        return loss.replace(**dict(_parsed(setting) for setting in settings or []))
    except TypeError as error:  # a parameter that the loss does not have
        raise typer.BadParameter(str(error), param_hint="'--loss-parameter'") from None


def _parsed(setting: str) -> tuple[str, float]:
    name, _, value = setting.partition("=")
    try:
        return name.strip(), float(_SWITCHES.get(value.strip().lower(), value))
    except ValueError:
        message = f"got {setting!r}; expected NAME=NUMBER"
        raise typer.BadParameter(message, param_hint="'--loss-parameter'") from None
