"""``rashin measure``: the loss of a data set, its confidence interval, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rashin.cli.choices import LossParameters, chosen_loss, known_language
from rashin.cli.column_names import columns_named

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
            help="Files, folders, globs or URLs: .parquet, .arrow, .feather, .csv, .tsv, .npz, .npy.",
        ),
    ],
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            show_default="the loss recorded in the files; else categorical_cross_entropy for p_*, "
            "softmax_cross_entropy for z_*, binary_cross_entropy for one column p_.., sigmoid_cross_entropy for one "
            "column z_..",
            help="Name of the loss; 'rashin losses' lists them.",
        ),
    ] = None,
    loss_parameter: LossParameters = None,
    prediction: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            show_default="p_* or z_*, whichever the files contain",
            help="Column of the prediction; a pattern such as 'p_*'; comma-separated columns in the order of the "
            "labels; or columns by label, such as 1=cat,2=dog. May be repeated. Quote a name that contains a comma: "
            "'\"p,1\",p_2'.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", show_default="target", help="Column of the target; several as for --prediction."
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="WORD",
            show_default="the end of the prediction's name, such as yes for p_yes",
            help="Target word of the positive class, if the targets of a two-class loss are two words.",
        ),
    ] = None,
    weight: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of weights, >= 0.")] = None,
    group: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of groups; adds the loss by group.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of clusters, rows that belong together, for the interval."),
    ] = None,
    missing: Annotated[
        str,
        typer.Option(metavar="group|refuse", help="Rows without a group: count them as '(missing)', or refuse them."),
    ] = "group",
    classes: Annotated[bool, typer.Option(help="Loss by class, if the target is a class.")] = True,
    confidence: Annotated[
        float, typer.Option(metavar="SHARE", help="Level of the confidence intervals, in (0, 1).")
    ] = 0.95,
    worst: Annotated[int, typer.Option(min=0, metavar="K", help="Number of rows with the largest losses to list.")] = 5,
    on_error: Annotated[
        str, typer.Option(metavar="raise|skip", help="Action at a row that cannot be measured.")
    ] = "raise",
    delimiter: Annotated[
        str | None,
        typer.Option(metavar="LETTER", show_default="tab for .tsv, else ,", help="Separator of fields in text files."),
    ] = None,
    decimal: Annotated[str, typer.Option(metavar=".|,", help="Decimal point of numbers in text files.")] = ".",
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="Encoding of text files, such as cp932, cp1252 or utf-16.")
    ] = "utf-8",
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File for the state; after a crash, the same command resumes from it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all results as JSON, with the exact sums.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="File for a page that shows the results in charts.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Heading of the page.")] = None,
    images: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Images of the worst rows for the page: a column of pixels, or an array FILE.npy."
        ),
    ] = None,
    lang: Annotated[
        str | None,
        typer.Option(metavar="en|ja", show_default="en", callback=known_language, help="Language of the page."),
    ] = None,
) -> None:
    """Measure a loss on files, and show where it comes from.

    Reads the files once, in chunks, so they may be larger than memory. Prints the mean loss with its confidence
    interval, the loss of the best constant prediction, the accuracy, the shares of the loss by class and by group
    (worst first), the rows with the largest losses, and the rows that were left out.
    """
    from rashin.cli.measure_report import report_of
    from rashin.cli.measure_screen import show_json, show_text
    from rashin.measurement import measure_table
    from rashin.measurement.decisions import decides
    from rashin.measurement.intervals import check_confidence
    from rashin.measurement.table.lookup import column_names
    from rashin.measurement.table.recorded import recorded_in
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
    has_classes = decides(settings) and (settings.prediction.has_classes or _is_one(targets))
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
            baseline=not settings.prediction.has_classes or (classes and _is_one(targets)),
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
            f"{', '.join(files)}: got no row that can be measured; expected at least one; fix: --on-error raise names "
            "the first fault"
        )


def _choice(
    known: Callable[[], tuple[str, list[str]]], prediction: list[str] | None, loss: Loss | str | None
) -> tuple[Any, Loss | str]:
    """The columns of the prediction and the loss, inferred from the names of the columns where not given."""
    from rashin.tables.columns import Columns, default_prediction, names_of

    if prediction and loss is not None:
        return columns_named(prediction, "--prediction", lambda: known()[1]), loss
    path, names = known()
    asked = columns_named(prediction, "--prediction", lambda: names) if prediction else default_prediction(names, path)
    columns = Columns(names_of("prediction", asked), ()).several("prediction", names, path)
    letter = columns[0].partition("_")[0]
    if loss is None and letter not in _LOSSES:
        message = f"got none for column {columns[0]!r}; expected one, as only columns p_.. and z_.. have a default"
        raise typer.BadParameter(message, param_hint="'--loss'")
    single = len(columns) == 1
    return columns[0] if single else asked, loss or _LOSSES[letter][not single]


def _is_one(target: Any) -> bool:
    return isinstance(target, str) and "*" not in target


@contextmanager
def _progress(hidden: bool) -> Iterator[Callable[[int, int | None], None] | None]:
    """A live line on standard error if that is a terminal; otherwise nothing is shown."""
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
