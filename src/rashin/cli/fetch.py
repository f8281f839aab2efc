"""``rashin fetch``: download a data set once and keep it."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["fetch_data"]


def fetch_data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Data set: mnist, fashion or kmnist.")],
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Folder to download from instead of the known ones; may be repeated."),
    ] = None,
) -> None:
    """Download MNIST, Fashion-MNIST or Kuzushiji-MNIST.

    Files that are already on this machine are not downloaded again: those in the folder named by RASHIN_DATA_DIR or
    in the user's cache, and those that torchvision, Keras, TensorFlow or Debian put there. Each file is verified by
    its published SHA-256. Prints where the files are.
    """
    from rashin.datasets import fetch_mnist
    from rashin.printable import printable

    for path in dict.fromkeys(fetch_mnist(name, mirror)):
        typer.echo(printable(str(path)))
