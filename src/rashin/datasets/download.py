"""Downloads: mirrors are tried in turn, and each file is verified in memory before it is written to disk."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rashin.datasets.cache import import_pooch
from rashin.datasets.published import PublishedFile, Variant, verified

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["downloaded"]

_TIMEOUT = (4.0, 15.0)  # seconds to connect to a mirror, and to wait for more data
_CHUNK = 1 << 16
_WHAT_TO_DO = (
    "name another mirror with `rashin fetch --mirror URL`; or, offline, get the four files by other means and name "
    "their folder with path= or the environment variable RASHIN_DATA_DIR"
)


def downloaded(
    variant: Variant, files: Sequence[PublishedFile], mirrors: Sequence[str]
) -> Iterator[tuple[PublishedFile, bytes, bytes]]:
    """Each file, its bytes to cache, and its content, from the first mirror that serves the correct file.

    Raises
    ------
    ConnectionError : no mirror does; the message says what each did instead, and what to do.
    """
    order = list(mirrors)
    with _progress() as progress:
        for file in files:
            data, content = _from_mirrors(variant, file, order, progress)
            yield file, data if file.is_packed else content, content


def _from_mirrors(variant: Variant, file: PublishedFile, mirrors: list[str], progress: Progress) -> tuple[bytes, bytes]:
    """The .gz and its content. A mirror that fails is moved to the end, and tried last for the next file."""
    failures = []
    for mirror in tuple(mirrors):
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        try:
            with _bar(progress, f"{variant.name} {file.name}") as bar:
                data = _received(url, file.limit, bar)
                return data, verified(data, file, url)
        except ValueError as error:  # its message names the address
            failures.append(str(error))
        except OSError as error:
            failures.append(f"{url}: {_gist(error)}")
        mirrors.append(mirrors.pop(mirrors.index(mirror)))
    tried = "; ".join(failures) or "none is named"
    place = f"{file.name}.gz of {variant.name}"
    raise ConnectionError(f"{place}: got it from no mirror ({tried}); expected one that serves it; fix: {_WHAT_TO_DO}")


def _received(url: str, limit: int, bar: _Bar) -> bytes:
    body = _Bounded(limit, url)
    as_it_is = {"Accept-Encoding": "identity"}
    get = import_pooch().HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT, headers=as_it_is)
    get(url, body, None)
    bar.finish(body.tell())
    return body.getvalue()


class _Bounded(io.BytesIO):
    """Bytes in memory up to a limit, as a mirror may send data without end."""

    def __init__(self, limit: int, name: str) -> None:
        super().__init__()
        self._limit, self._name = limit, name

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(chunk) > self._limit:
            raise ValueError(f"{self._name}: got more than {self._limit:,} bytes; expected fewer")
        return super().write(chunk)


def _gist(error: OSError) -> str:
    """A short form of an error from requests: the original messages take three lines and name its classes."""
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {_TIMEOUT[isinstance(error, requests.ReadTimeout)]:g} s"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return str(error).rstrip(".")


# ------------------------------------------------------------------------------------------------- the progress bar


@contextmanager
def _progress() -> Iterator[Progress]:
    """Live bars on standard error if that is a terminal; otherwise nothing is shown."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress


@contextmanager
def _bar(progress: Progress, title: str) -> Iterator[_Bar]:
    """A bar that stays after success and is removed after an error."""
    task = progress.add_task(title, total=None)
    try:
        yield _Bar(progress, task)
    except BaseException:
        progress.remove_task(task)
        raise


class _Bar:
    """The interface of a pooch progress bar, implemented with rich."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def _announce(self, size: int) -> None:
        self._progress.update(self._task, total=size or None)  # 0 if the mirror does not send the size

    total = property(fset=_announce)

    def update(self, count: int) -> None:
        self._progress.advance(self._task, count)

    def reset(self) -> None:
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        self._progress.refresh()

    def finish(self, size: int) -> None:
        self._progress.update(self._task, completed=size, total=size)
