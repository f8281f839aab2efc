"""``rashin measure``: the loss of a data set, how sure it is, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rashin.cli.choices import LossParameters, chosen_loss, known_language
from rashin.cli.columns import columns_named

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
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            show_default="p_* or z_*, whichever there are",
            help="A column; a pattern such as 'p_*'; columns in the order of the labels with commas between them, or "
            "by label, such as 1=cat,2=dog. May be repeated; quote a name with a comma: '\"p,1\",p_2'.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", show_default="target", help="Likewise, with the target.")
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="WORD",
            show_default="the word with which the prediction's name ends, such as yes for p_yes",
            help="The target of the positive class, where the target of a loss of two classes holds two words.",
        ),
    ] = None,
    weight: Annotated[str | None, typer.Option(metavar="COLUMN", help="Weights, >= 0.")] = None,
    group: Annotated[str | None, typer.Option(metavar="COLUMN", help="Give the loss by group too.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows that belong together, for the interval.")
    ] = None,
    missing: Annotated[
        str,
        typer.Option(metavar="group|refuse", help="Rows without a group are one, '(missing)', or cannot be measured."),
    ] = "group",
    classes: Annotated[bool, typer.Option(help="Give the loss by class too, where the target is one.")] = True,
    confidence: Annotated[float, typer.Option(metavar="SHARE", help="Of the intervals, in (0, 1).")] = 0.95,
    worst: Annotated[int, typer.Option(min=0, metavar="K", help="Name the K rows with the largest losses.")] = 5,
    on_error: Annotated[
        str, typer.Option(metavar="raise|skip", help="What to do at a row that cannot be measured.")
    ] = "raise",
    delimiter: Annotated[
        str | None,
        typer.Option(metavar="LETTER", show_default="tab for .tsv, else ,", help="What separates fields of text."),
    ] = None,
    decimal: Annotated[str, typer.Option(metavar=".|,", help="The decimal point of numbers in text.")] = ".",
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="That of text files, such as cp932, cp1252 or utf-16.")
    ] = "utf-8",
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
    lang: Annotated[
        str | None,
        typer.Option(metavar="en|ja", show_default="en", callback=known_language, help="Language of that page."),
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
    from rashin.measurement.lookup import column_names
    from rashin.measurement.recorded import recorded_in
    from rashin.printable import printable
    from rashin.tables.columns import Columns, names_of
    from rashin.tables.dialect import dialect_of

    check_confidence(confidence)  # reject a bad confidence before reading
    dialect = dialect_of(delimiter, decimal, encoding)
    page = report_of(report, title, images, lang, files, on_error, dialect)  # type: ignore[arg-type]
    recorded = recorded_in(files, skip=on_error == "skip") if loss is None else None

    @cache
    def known() -> tuple[str, list[str]]:
        return column_names(files, on_error=on_error, dialect=dialect)  # type: ignore[arg-type]

    targets = columns_named(target or [recorded.target if recorded else "target"], "--target", lambda: known()[1])
    names, chosen = _choice(known, prediction, recorded.loss if recorded else loss)
    settings = chosen_loss(chosen, loss_parameter)
    has_classes = decides(settings) and (settings.kind != "pointwise" or _is_one(targets))
    with _progress(hidden=as_json) as show:
        found = measure_table(
            settings,
            files,
            prediction=names,
            target=targets,
            weight=weight,
            group=group,
            cluster=cluster,
            missing=missing,  # type: ignore[arg-type]
            positive=positive,
            worst=worst,
            by_class=has_classes and classes and _is_one(targets),
            accuracy=has_classes,
            baseline=settings.kind == "pointwise" or (classes and _is_one(targets)),
            details=page is not None,
            on_error=on_error,  # type: ignore[arg-type]
            delimiter=delimiter,
            decimal=decimal,
            encoding=encoding,
            checkpoint=checkpoint,
            progress=show,
        )
    columns = Columns(names_of("prediction", names), names_of("target", targets))
    written = None if page is None else page.write(found, confidence, columns)  # first: a pipe may be closed early
    if as_json:
        show_json(found, files, confidence)
    else:
        show_text(found, confidence)
    for remark in found.remarks:
        typer.echo(f"rashin: {printable(remark)}", err=True)
    if written is not None:
        typer.echo(f"wrote {printable(str(written))}", err=as_json)
    if found.skipped and not found.count:
        raise ValueError(
            f"{', '.join(files)}: got no row that can be measured; --on-error raise says what the first is"
        )


def _choice(
    known: Callable[[], tuple[str, list[str]]], prediction: list[str] | None, loss: Loss | str | None
) -> tuple[Any, Loss | str]:
    """The columns of the prediction and the loss, where the names of the columns tell them."""
    from rashin.tables.columns import Columns, default_prediction, names_of

    if prediction and loss is not None:
        return columns_named(prediction, "--prediction", lambda: known()[1]), loss
    path, names = known()
    asked = columns_named(prediction, "--prediction", lambda: names) if prediction else default_prediction(names, path)
    columns = Columns(names_of("prediction", asked), ()).several("prediction", names, path)
    letter = columns[0].partition("_")[0]
    if loss is None and letter not in _LOSSES:
        message = f"say which; columns p_.. and z_.. have a default, and {columns[0]!r} is none of them"
        raise typer.BadParameter(message, param_hint="'--loss'")
    single = len(columns) == 1
    return columns[0] if single else asked, loss or _LOSSES[letter][not single]


def _is_one(target: Any) -> bool:
    return isinstance(target, str) and "*" not in target


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
