"""The files of reports: a page and, for an explanation, its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rashin.language import check_language, font_family, said, speaking
from rashin.measurement import Measurement
from rashin.report.explained import figures
from rashin.report.explained.explanation import Explanation
from rashin.report.explained.page import downhill_way, explanation_page, weight_way
from rashin.report.measured.page import Images, measurement_page
from rashin.report.measured.predicted import ByRow, Predicted
from rashin.report.page import frame as page
from rashin.storage import written_beside

__all__ = ["Explained", "check_our_page", "check_ours", "files_in", "write_explanation", "write_measurement"]


@dataclass(frozen=True)
class Explained:
    """The paths of the page and the pictures."""

    page: Path
    downhill: Path
    weight: Path
    landscape: Path
    minibatches: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """All paths, the page first."""
        return self.page, self.downhill, self.weight, self.landscape, self.minibatches


def files_in(folder: str | Path) -> Explained:
    """The paths of an explanation's files in a folder."""
    names = ("explanation.html", "downhill.png", "one-weight.png", "landscape.png", "minibatches.png")
    return Explained(*(Path(folder, name) for name in names))


def check_ours(folder: str | Path) -> None:
    """Refuse to replace files with these names that rashin has not written.

    Raises
    ------
    FileExistsError : there is such a file.
    NotADirectoryError : the path is not a folder.
    """
    if Path(folder).exists() and not Path(folder).is_dir():
        raise NotADirectoryError(f"{folder}: got a file; expected a folder; fix: name another one")
    for path in files_in(folder).files:
        _check_ours(path, "folder")


def check_our_page(path: Path) -> None:
    """Refuse to replace a file that is not a page written by rashin.

    Raises
    ------
    FileExistsError : the file is not such a page.
    """
    _check_ours(path, "file")


def _check_ours(path: Path, other: str) -> None:
    if path.exists() and not _is_ours(path):
        raise FileExistsError(
            f"{path}: got a file that rashin did not write; expected none, or one that it wrote; fix: move it away or "
            f"name another {other}"
        )


def write_explanation(found: Explanation, folder: str | Path, lang: str = "en") -> Explained:
    """Write the page and the pictures to a folder, which is created if necessary; earlier ones are replaced.

    Parameters
    ----------
    lang : language of page and pictures, "en" or "ja"; Japanese needs a font such as Noto Sans CJK for the pictures.

    Raises
    ------
    ValueError : rashin is not translated into that language.
    LookupError : no font with its letters is installed; the message names one.
    FileExistsError : the folder contains files with these names that rashin has not written.
    ImportError : matplotlib or jinja2 is not installed; the message says how to get it.
    OSError : the folder cannot be written.
    """
    check_ours(folder)
    font_family(lang)  # before anything is written
    html = page.page_html(explanation_page(found, lang))
    Path(folder).mkdir(parents=True, exist_ok=True)
    to = files_in(folder)
    _draw(found, to, lang)
    with written_beside(to.page) as part:
        part.write_text(html, encoding="utf-8")
    return to


def _draw(found: Explanation, to: Explained, lang: str) -> None:
    with speaking(lang):
        about = said("{loss} of a {network} network on {data}", loss=found.loss, network=found.network, data=found.data)
        figures.draw_curves(found.downhill, downhill_way(), about, to.downhill, lang)
        figures.draw_curves(found.weight, weight_way(found), about, to.weight, lang)
    figures.draw_landscape(found.landscape, about, to.landscape, lang)
    figures.draw_minibatches(found.minibatches, about, to.minibatches, lang)


def write_measurement(
    measurement: Measurement,
    path: str | Path,
    *,
    title: str | None = None,
    confidence: float = 0.95,
    images: Images = None,
    source: str | None = None,
    prediction: ByRow = None,
    target: ByRow = None,
    classes: Sequence[str] | None = None,
    lang: str = "en",
) -> Path:
    """Write the report of a measurement: one HTML file that works offline.

    It shows the contents of the measurement: request ``by_class``, ``accuracy``, ``baseline``, ``worst`` and
    ``details`` in ``measure`` to get their sections. An earlier report is replaced; folders are created if necessary.

    Parameters
    ----------
    title : heading of the page.
    confidence : level of every confidence interval, in (0, 1).
    images : images of the worst rows: a mapping from (source, row) to an image, or an array of images by row, each
        (H, W), (H, W, 3), or (H * H,).
    source : name of the measured data, such as that of the file.
    prediction, target : values to show with the worst rows: the measured arrays, or mappings from (source, row), as
        ``rashin.measurement.table.lookup.values_at`` reads them from files.
    classes : names of the classes, in the order of the predictions; by default their numbers.
    lang : language of the page, "en" or "ja".

    Returns
    -------
    The path of the page.

    Raises
    ------
    ValueError : rashin is not translated into that language; nothing was measured; or ``images``, ``prediction`` or
        ``target`` do not fit the rows.
    FileExistsError : a file of that name exists that is not a page written by rashin.
    ImportError : jinja2 is not installed; the message says how to get it.
    OSError : the file cannot be written.

    Examples
    --------
    >>> import tempfile, rashin
    >>> found = rashin.measure("squared_error", [1.0, 2.0, 4.0], [1.5, 2.0, 3.0], group=["a", "b", "b"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_measurement(found, Path(folder, "report.html"), source="three rows")
    ...     "<h2 id=\\"section-2\\">By group</h2>" in written.read_text(encoding="utf-8")
    True
    """
    check_language(lang)
    path = Path(path)
    check_our_page(path)
    predicted = Predicted(prediction, target, classes)
    content = measurement_page(
        measurement,
        title=title,
        confidence=confidence,
        images=images,
        source=source,
        predicted=predicted,
        lang=lang,
    )
    html = page.page_html(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as part:
        part.write_text(html, encoding="utf-8")
    return path


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        top = file.read(512)
    return page.MARK.encode() in top or figures.MARK.encode() in top
