"""``rashin explain``: pictures and a page that show why a trained network follows its loss, and not its accuracy."""

from __future__ import annotations

import ast
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rashin.learn import Network
    from rashin.loss import Loss
    from rashin.report import Explained, Explanation

__all__ = ["explain_model"]

_MODEL = Path("rashin-run/model.npz")
_DEFAULT_LOSS = "softmax_cross_entropy"
_LOADERS: dict[str, tuple[str, dict[str, str]]] = {
    "digits": ("load_digits", {}),
    "mnist": ("load_mnist", {"variant": "mnist"}),
    "fashion": ("load_mnist", {"variant": "fashion"}),
    "kmnist": ("load_mnist", {"variant": "kmnist"}),
}


def explain_model(
    model: Annotated[Path, typer.Argument(metavar="MODEL.npz", help="A model that 'rashin train' wrote.")] = _MODEL,
    data: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE.npz", help="What it was trained on: digits, mnist, fashion, kmnist, or arrays x and t."
        ),
    ] = "digits",
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default=f"the one it was trained with, else {_DEFAULT_LOSS}",
            help="A loss, or one with parameters such as 'focal(gamma=3)'.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", show_default="explained, beside the model", help="Folder for the page and the pictures."
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Look at no more than so many, drawn at random.")
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of all that is drawn at random.")] = 0,
) -> None:
    """Show why a trained network follows its loss, and not its accuracy.

    Writes a page that needs no network, explanation.html, and PNG pictures: loss and accuracy along the gradient and
    for one weight, the landscape around the network, and the losses of mini-batches around the loss of all data.
    """
    from rashin.report import check_ours, explain, write_explanation

    folder = model.parent / "explained" if out is None else out
    check_ours(folder)
    network = _loaded(model)
    chosen = _loss_of(loss or _recorded_loss(model, network) or _DEFAULT_LOSS)
    x, labels = _samples_of(data)
    if x.shape[1:] != network.sizes[:1]:
        raise ValueError(
            f"{model} takes {network.sizes[0]} inputs, and the samples of {data} have {x[0].size}; name the data it "
            "was trained on with --data"
        )
    with _progress() as show:
        found = explain(network, x, labels, chosen, data=data, samples=samples, seed=seed, callback=show)
        show("pictures and page")
        written = write_explanation(found, folder)
    _tell(found, written)


def _loaded(model: Path) -> Network:
    from rashin.learn import Network

    if not model.exists():
        raise FileNotFoundError(f"{model}: there is no such model; 'rashin train' writes one")
    return Network.load(model)


def _recorded_loss(model: Path, network: Network) -> str | None:
    """The loss that the run folder's checkpoint names, such as ``focal(gamma=3.0)``; None where there is none."""
    try:
        settings = json.loads(str(_arrays_in(model.with_name("checkpoint.npz"))["settings"]))
        return str(settings["loss"]) if settings["sizes"] == list(network.sizes) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _loss_of(text: str) -> Loss:
    """The loss that a name, or a name with parameters in parentheses, stands for."""
    from rashin.loss import get

    name, opening, settings = text.partition("(")
    found = get(name.strip())
    if not opening:
        return found
    try:
        call = ast.parse(f"loss({settings}", mode="eval").body
        parameters = {str(word.arg): ast.literal_eval(word.value) for word in getattr(call, "keywords", [])}
        return found.replace(**parameters)
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"loss: got {text!r}; write it like 'focal(gamma=3)': {error}") from None


def _samples_of(data: str) -> tuple[Any, Any]:
    """The training part of the data: samples (n, inputs) and labels (n,)."""
    import rashin.datasets

    if data in _LOADERS:
        name, options = _LOADERS[data]
        training, _ = getattr(rashin.datasets, name)(normalize=True, flatten=True, **options)
        return training  # type: ignore[no-any-return]
    if not data.endswith(".npz"):
        raise ValueError(f"data: got {data!r}; there are {', '.join(_LOADERS)}, or name an .npz file of arrays x and t")
    return _samples_in(Path(data))


def _samples_in(path: Path) -> tuple[Any, Any]:
    arrays = _arrays_in(path)
    names = next((pair for pair in (("x_train", "t_train"), ("x", "t")) if set(pair) <= set(arrays)), None)
    if names is None:
        found = ", ".join(arrays) or "none"
        raise ValueError(f"{path} holds the arrays {found}; accepted are x_train and t_train, or x and t")
    x, labels = (arrays[name] for name in names)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"{path}: {names[0]} has shape {x.shape}; accepted is (n, ...), at least one sample")
    return x.reshape(len(x), -1), labels


def _arrays_in(path: Path) -> dict[str, Any]:
    import numpy as np

    try:
        with path.open("rb") as file:
            return dict(np.load(file, allow_pickle=False))
    except (TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} does not hold arrays: {error}") from None


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A live bar on the standard error, where that is a terminal; else nothing is shown."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from rashin.report import STAGES

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:18}"), BarColumn(bar_width=None), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("preparing", total=len(STAGES) + 2)

        def show(stage: str) -> None:
            progress.update(task, description=stage, advance=1)

        yield show
        progress.update(task, advance=1)


def _tell(found: Explanation, written: Explained) -> None:
    here, nearest = found.downhill[0], found.downhill[-1]
    right = round(float(nearest.accuracy[len(nearest.offsets) // 2]) * found.samples)
    typer.echo(f"{found.loss} {here.value:.5g}, {right:,} of {found.samples:,} right; slope downhill {here.slope:.3g}")
    for file in written.files:
        typer.echo(f"wrote {file}")
