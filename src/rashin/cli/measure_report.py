"""The page of ``rashin measure``: its options are checked before the files are read; it is written afterwards."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import typer

if TYPE_CHECKING:
    from rashin.measurement import Measurement
    from rashin.tables.columns import Columns
    from rashin.tables.dialect import Dialect

__all__ = ["Report", "report_of"]


@dataclass(frozen=True)
class Report:
    """A page that is written when the measurement is done.

    Parameters
    ----------
    path, title, lang : file, heading and language of the page.
    files : files that are measured.
    column : column with the images of the rows.
    pictures : array with an image for each row.
    on_error, dialect : options for reading the files.
    """

    path: Path
    title: str | None
    lang: str
    files: Sequence[str]
    column: str | None
    pictures: Any
    on_error: Literal["raise", "skip"]
    dialect: Dialect

    def write(self, found: Measurement, confidence: float, columns: Columns) -> Path:
        """Write the page, with the values of ``columns`` in the worst rows, and their images if there are any."""
        from rashin.measurement.table.lookup import values_at
        from rashin.report import write_measurement

        pictures = self.pictures
        if self.column is not None:
            pictures = values_at(self.files, self.column, found.worst, on_error=self.on_error, dialect=self.dialect)
        names = ", ".join(self.files)
        return write_measurement(
            found,
            self.path,
            title=self.title,
            confidence=confidence,
            images=pictures,
            source=names,
            lang=self.lang,
            **self._worst(found, columns),
        )

    def _worst(self, found: Measurement, columns: Columns) -> dict[str, Any]:
        """Prediction and target of the worst rows, and the names of the classes."""
        from rashin.measurement.table.lookup import column_names, values_at

        path, names = column_names(self.files, on_error=self.on_error, dialect=self.dialect)
        roles = columns.roles(names, path)
        by_role = {"prediction": roles.prediction, "target": roles.target}
        reading: dict[str, Any] = {"on_error": self.on_error, "dialect": self.dialect}
        shown: dict[str, Any] = {
            role: values_at(self.files, some if len(some) > 1 else some[0], found.worst, **reading)
            for role, some in by_role.items()
        }
        return {**shown, "classes": None if roles.labels is None else tuple(map(str, roles.labels.values()))}


def report_of(
    path: Path | None,
    title: str | None,
    images: str | None,
    lang: str | None,
    files: Sequence[str],
    on_error: Literal["raise", "skip"],
    dialect: Dialect,
) -> Report | None:
    """The requested page; None if none is requested.

    Raises
    ------
    typer.BadParameter : a title, images or a language are given without a page.
    OSError : the page would replace a file that rashin did not write, its folder is not a folder, or the images cannot
        be read.
    ImportError : a package for writing pages is not installed.
    ValueError : the files have no such column, or the array does not contain images of their rows.
    """
    if path is None:
        for option, given in (("--title", title), ("--images", images), ("--lang", lang)):
            if given is not None:
                raise typer.BadParameter(
                    "got it without a page; expected it with --report FILE.html", param_hint=f"'{option}'"
                )
        return None
    _check_page(path)
    spoken = lang or "en"
    if images is not None and images.endswith(".npy"):
        return Report(path, title, spoken, files, None, _pictures(images, files), on_error, dialect)
    if images is not None:
        from rashin.measurement.table.lookup import check_column

        check_column(files, images, on_error=on_error, dialect=dialect)
    return Report(path, title, spoken, files, images, None, on_error, dialect)


def _check_page(path: Path) -> None:
    from rashin.report import Page, page_html
    from rashin.report.writing import check_our_page

    check_our_page(path)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise NotADirectoryError(
            f"{path}: got a file in {folder}, which is not a folder; expected a folder; fix: name another file"
        )
    page_html(Page("", "", ()))  # an empty page needs the same packages as a full one


def _pictures(images: str, files: Sequence[str]) -> Any:
    """An array with an image for each row, mapped into memory."""
    from rashin.array_header import ArrayHeader
    from rashin.refusal import Refusal
    from rashin.tables.sources import find_files

    with Path(images).open("rb") as file:
        try:
            ArrayHeader.read(file, os.fstat(file.fileno()).st_size)
        except Refusal as refusal:
            raise refusal.within(images) from None
    array = np.load(images, mmap_mode="r", allow_pickle=False)
    if array.ndim < 2:
        raise ValueError(f"{images}: got shape {array.shape}; expected a picture for each row, such as (n, H, W)")
    if len(find_files(files)) > 1:
        raise ValueError(
            f"{images}: got one array for several files; expected one file; fix: name a column of pictures"
        )
    return array
