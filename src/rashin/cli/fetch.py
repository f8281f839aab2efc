"""``rashin fetch``: a data set is downloaded, once and for all."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["fetch_data"]


def fetch_data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="mnist, fashion or kmnist.")],
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Folder that serves the files, in place of the known ones; may be repeated."),
    ] = None,
) -> None:
    """Download MNIST or one of its family.

    Nothing is downloaded that is on this machine already: in the folder named by RASHIN_DATA_DIR or the user's cache,
    or where torchvision, Keras, TensorFlow or Debian left it. Each file is verified by its published SHA-256. Shows
    where the files are.
    """
    from rashin.datasets import fetch_mnist
    from rashin.printable import printable

    for path in dict.fromkeys(fetch_mnist(name, mirror)):
        typer.echo(printable(str(path)))
