"""``rashin measure``: the loss of a data set, how sure it is, and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from rashin.cli.choices import LossParameters, chosen_loss
from rashin.cli.columns import columns_named

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
            show_default="for p_* categorical_cross_entropy, for z_* softmax_cross_entropy; for one column p_.. or "
            "z_.. binary_cross_entropy, sigmoid_cross_entropy",
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
    from rashin.measurement.lookup import column_names
