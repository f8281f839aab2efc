"""``rashin explain``: pictures and a page that show why training follows the loss and not the accuracy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rashin.cli.choices import Data, LossParameters, PictureLang, chosen_loss, load_data
from rashin.printable import printable

if TYPE_CHECKING:
    from rashin.learn import Network
    from rashin.loss import Loss
    from rashin.report import Explained, Explanation

__all__ = ["explain_model"]

_MODEL = Path("rashin-run/model.npz")
_DEFAULT_LOSS = "softmax_cross_entropy"


def explain_model(
    model: Annotated[Path, typer.Argument(metavar="MODEL.npz", help="Model that 'rashin train' wrote.")] = _MODEL,
    data: Data = "digits",
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default=f"the loss of the training run, else {_DEFAULT_LOSS}",
            help="Name of the loss; 'rashin losses' lists them.",
        ),
    ] = None,
    loss_parameter: LossParameters = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", show_default="explained, next to the model", help="Folder for the page and the pictures."
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Largest number of samples for curves and landscape, drawn at random."),
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed for the random draws.")] = 0,
    lang: PictureLang = "en",
) -> None:
    """Show why training follows the loss and not the accuracy.

    Writes explanation.html, a page that works offline, and PNG pictures: loss and accuracy along the gradient and for
    one weight, the loss landscape around the trained network, and the losses of mini-batches around the loss of all
    data.
    """
    from rashin.learn import named_labels
    from rashin.report import check_ours, explain, write_explanation

    folder = model.parent / "explained" if out is None else out
    check_ours(folder)
    network = _loaded(model)
    recorded = None if loss or loss_parameter else _recorded_loss(model, network)
    chosen = recorded or chosen_loss(loss or _DEFAULT_LOSS, loss_parameter)
    (x, t), (_, t_held_out) = load_data(data, seed)
    (labels, _), _ = named_labels(t, t_held_out)
    if x.shape[1:] != network.sizes[:1]:
        raise ValueError(
            f"{data}: got samples of {x[0].size} numbers; expected {network.sizes[0]}, as {model} takes; fix: name the "
            "data it was trained on with --data"
        )
    with _progress() as show:
        found = explain(network, x, labels, chosen, data=data, samples=samples, seed=seed, callback=show)
        show("pictures and page")
        written = write_explanation(found, folder, lang)
    _tell(found, written)


def _loaded(model: Path) -> Network:
    from rashin.learn import Network

    if not model.exists():
        raise FileNotFoundError(
            f"{model}: got a name that does not exist; expected a network; fix: 'rashin train' writes one"
        )
    return Network.load(model)


def _recorded_loss(model: Path, network: Network) -> Loss | None:
    """The loss named in the run folder's checkpoint, such as ``focal(gamma=3.0)``; None if it names none."""
    from rashin.registry import parsed
    from rashin.storage import read_arrays

    try:
        settings = json.loads(str(read_arrays(model.with_name("checkpoint.npz"), "a checkpoint")["settings"]))
        if settings["sizes"] != list(network.sizes):
            return None
        return parsed(settings["loss"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """A live bar on standard error if that is a terminal; otherwise nothing is shown."""
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
        typer.echo(f"wrote {printable(str(file))}")
