"""``rashin measure``: the loss of a data set, how sure it is, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rashin.cli.choices import LossParameters, chosen_loss

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["measure_files"]

_LOSSES = {  # by the first letter of the columns: of one column, of several
    "p": ("binary_cross_entropy", "categorical_cross_entropy"),
    "z": ("sigmoid_cross_entropy", "softmax_cross_entropy"),
}


def measure_files(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Files, folders, globs or addresses: .parquet, .arrow, .feather, .csv, .tsv, .npz, .npy.",
        ),
    ],
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="what the files record; else for p_* categorical_cross_entropy, for z_* "
            "softmax_cross_entropy; for one column p_.. or z_.. binary_cross_entropy, sigmoid_cross_entropy",
            help="The loss; 'rashin losses' lists them.",
        ),
    ] = None,
    loss_parameter: LossParameters = None,
    prediction: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            show_default="p_* or z_*, whichever there are",
            help="A column, a pattern such as 'p_*', or columns with commas between them.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", show_default="target", help="Likewise, with the target.")
    ] = None,
    weight: Annotated[str | None, typer.Option(metavar="COLUMN", help="Weights, >= 0.")] = None,
    group: Annotated[str | None, typer.Option(metavar="COLUMN", help="Give the loss by group too.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows that belong together, for the interval.")
    ] = None,
    classes: Annotated[bool, typer.Option(help="Give the loss by class too, where the target is one.")] = True,
    confidence: Annotated[float, typer.Option(metavar="SHARE", help="Of the intervals, in (0, 1).")] = 0.95,
    worst: Annotated[int, typer.Option(min=0, metavar="K", help="Name the K rows with the largest losses.")] = 5,
    on_error: Annotated[
        str, typer.Option(metavar="raise|skip", help="What to do at a row that cannot be measured.")
    ] = "raise",
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the state there, and go on from it after a crash.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON, with the exact sums.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page with all this in pictures.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="The heading of that page.")] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Show the worst rows on that page: a column of pixels, or an array FILE.npy."
        ),
    ] = None,
) -> None:
    """Measure a loss on files, and show where it comes from.

    Reads the files once, batch by batch, however large they are. Prints the mean loss with its interval beside that of
    the best constant prediction, the accuracy, the shares of the loss by class and by group, worst first, the rows with
    the largest losses, and what was left out.
    """
    from rashin.cli.measure_report import report_of
    from rashin.cli.measure_screen import show_json, show_text
    from rashin.measurement import measure_table
    from rashin.measurement.decisions import decides
    from rashin.measurement.intervals import check_confidence
    from rashin.measurement.recorded import recorded_in
    from rashin.measurement.shown import printable
    from rashin.tables.columns import Columns, names_of

    check_confidence(confidence)  # reject a bad confidence before reading
    page = report_of(report, title, images, files, on_error)  # type: ignore[arg-type]
    recorded = recorded_in(files) if loss is None else None
    names, chosen = _choice(files, prediction, recorded.loss if recorded else loss)
    settings = chosen_loss(chosen, loss_parameter)
    target = target or (recorded.target if recorded else "target")
    has_classes = decides(settings) and (settings.kind != "pointwise" or _is_one(target))
    with _progress(hidden=as_json) as show:
        found = measure_table(
            settings,
            files,
            prediction=names,
            target=_names(target),
            weight=weight,
            group=group,
            cluster=cluster,
            worst=worst,
            by_class=has_classes and classes and _is_one(target),
            accuracy=has_classes,
            baseline=settings.kind == "pointwise" or (classes and _is_one(target)),
            details=page is not None,
            on_error=on_error,  # type: ignore[arg-type]
            checkpoint=checkpoint,
            progress=show,
        )
    columns = Columns(names_of("prediction", names), names_of("target", _names(target)))
    written = None if page is None else page.write(found, confidence, columns)  # first: a pipe may be closed early
    if as_json:
        show_json(found, files, confidence)
    else:
        show_text(found, confidence)
    for remark in found.remarks:
        typer.echo(f"rashin: {remark}", err=True)
    if written is not None:
        typer.echo(f"wrote {printable(str(written))}", err=as_json)


def _choice(files: list[str], prediction: str | None, loss: Loss | str | None) -> tuple[str | list[str], Loss | str]:
    """The columns of the prediction and the loss, where the names of the columns tell them."""
    from rashin.measurement.lookup import column_names
    from rashin.tables.columns import Columns, default_prediction

    if prediction is not None and loss is not None:
        return _names(prediction), loss
    path, names = column_names(files)
    pattern = _names(prediction or default_prediction(names, path))
    columns = Columns(pattern if isinstance(pattern, str) else tuple(pattern), ()).several("prediction", names, path)
    letter = columns[0].partition("_")[0]
    if loss is None and letter not in _LOSSES:
        message = f"say which; columns p_.. and z_.. have a default, and {columns[0]!r} is none of them"
        raise typer.BadParameter(message, param_hint="'--loss'")
    single = len(columns) == 1
    return columns[0] if single else pattern, loss or _LOSSES[letter][not single]


def _names(text: str) -> str | list[str]:
    return [name.strip() for name in text.split(",")] if "," in text else text


def _is_one(target: str) -> bool:
    return "*" not in target and "," not in target


@contextmanager
def _progress(hidden: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """A live line on the standard error, where that is a terminal; else nothing is shown."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if hidden or not console.is_terminal:
        yield None
        return
    texts = (TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[pace]}"))
    with Progress(*texts, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("reading", total=None, pace="")

        def show(rows: int, total: int | None) -> None:
            speed = bar.tasks[task].speed
            pace = f"{speed:,.0f} rows/s" if speed else ""
            bar.update(task, completed=rows, total=total, description=f"{rows:,} rows", pace=pace)

        yield show
