"""The files of a source: a path, a folder, a glob, an address for fsspec, or a list of these."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from rashin.tables.dialect import PLAIN, Dialect

__all__ = ["FORMATS", "File", "Source", "find_files"]

Source: TypeAlias = "str | os.PathLike[str] | Iterable[str | os.PathLike[str]]"

FORMATS: dict[str, tuple[str, ...]] = {  # the endings of file names by format
    "parquet": (".parquet", ".parq", ".pq"),
    "arrow": (".arrow", ".feather", ".ipc", ".arrows"),
    "csv": (".csv", ".tsv"),
    "npz": (".npz",),
    "npy": (".npy",),
}
_WHOLE = re.compile(r"0|-?[1-9]\d*", re.ASCII)  # 007 is not a number: it is a different key from 7
_NULL = ("__HIVE_DEFAULT_PARTITION__", "")  # stand for a missing value
_COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".lz4")  # of text files


@dataclass(frozen=True)
class File:
    """A file of a table.

    Parameters
    ----------
    path : path or address, as errors and the worst rows name it.
    format : key of ``FORMATS``.
    size : size in bytes.
    state : text that changes with the content: the time of the last change, or its equivalent in a remote store.
    keys : columns that a folder name such as ``year=2024`` gives to all rows.
    storage_options : options for fsspec to open the file.
    dialect : format of the text, for text files.
    """

    path: str
    format: str
    size: int
    state: str
    keys: tuple[tuple[str, int | str | None], ...] = ()
    storage_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    dialect: Dialect = PLAIN

    @property
    def is_local(self) -> bool:
        return not _is_address(self.path)

    def open(self) -> BinaryIO:
        """The file, opened for reading bytes."""
        if self.is_local:
            return Path(self.path).open("rb")
        from rashin.tables.remote import open_remote

        return open_remote(self.path, self.storage_options)


def find_files(
    source: Source, storage_options: Mapping[str, Any] | None = None, dialect: Dialect = PLAIN
) -> list[File]:
    """The files that ``source`` names, sorted by path.

    For a folder, these are all files below it with the ending of a known format; names that begin with a dot or an
    underscore are left out. Folders named ``key=value`` add a column to their files.

    Raises
    ------
    FileNotFoundError : a file or folder does not exist, or nothing matches.
    TypeError : ``source`` is of another type.
    ValueError : a file is named twice, or has an unknown format.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.csv", "a.csv", "_SUCCESS"):
    ...         _ = Path(folder, name).write_text("p,target")
    ...     [Path(file.path).name for file in find_files(folder)]
    ['a.csv', 'b.csv']
    """
    items = _items(source)
    if not items:
        raise ValueError("source: got an empty list; expected at least one file, folder, glob or address")
    options = dict(storage_options or {})
    files = sorted((file for item in items for file in _named(os.fspath(item), options)), key=lambda file: file.path)
    for one, other in pairwise(files):
        if one.path == other.path:
            raise ValueError(f"{one.path}: got it twice, so that its rows would count twice; expected it once")
    return _with_keys([replace(file, dialect=dialect) for file in files])


def _items(source: Any) -> list[str | os.PathLike[str]]:
    single = isinstance(source, (str, os.PathLike)) or not isinstance(source, Iterable)
    items: list[Any] = [source] if single else list(source)
    if all(isinstance(item, (str, os.PathLike)) for item in items):
        return items
    strange = next(item for item in items if not isinstance(item, (str, os.PathLike)))
    named = repr(strange) if isinstance(strange, (int, float, type(None))) else f"a {type(strange).__name__}"
    shown = named if single else f"a list with {named} in it"
    raise TypeError(
        f"source: got {shown}; expected a file, folder, glob or address, a list of these, or a table in memory: a "
        "pandas, polars or Dask data frame, a pyarrow Table, or a dict of columns"
    )


def _named(text: str, options: dict[str, Any]) -> Iterator[File]:
    if text.startswith("file://"):
        text = url2pathname(unquote(urlsplit(text).path))
    if _is_address(text):
        yield from _remote(text, options)
    elif Path(text).is_file():
        yield _local(Path(text))
    elif Path(text).is_dir():
        yield from _below(Path(text))
    elif glob.has_magic(text):
        yield from _matching(text)
    else:
        raise FileNotFoundError(f"{text}: got a name that does not exist; expected a file, folder, glob or address")


def _is_address(text: str) -> bool:
    return "://" in text


def _matching(pattern: str) -> Iterator[File]:
    found = [Path(name) for name in glob.glob(pattern, recursive=True)]  # noqa: PTH207 (a pattern with its folder)
    if not found:
        raise FileNotFoundError(f"{pattern}: got a pattern that no file matches; expected at least one file")
    for path in found:
        if path.is_file():
            yield _local(path)
        elif not any(other in path.parents for other in found):
            yield from _below(path)


def _below(folder: Path) -> Iterator[File]:
    paths = [path for path in folder.rglob("*") if path.is_file() and _is_data(path.relative_to(folder).as_posix())]
    if not paths:
        raise FileNotFoundError(f"{folder}: got a folder without data; expected a file that ends with {_endings()}")
    yield from map(_local, paths)


def _local(path: Path) -> File:
    status = path.stat()
    return File(str(path), _known_format(str(path)), status.st_size, str(status.st_mtime_ns))


def _remote(address: str, options: dict[str, Any]) -> Iterator[File]:
    from rashin.tables.remote import list_remote

    entries = list_remote(address, options)
    alone = len(entries) == 1 and entries[0].path.rstrip("/") == address.rstrip("/")
    wanted = entries if alone or "*" in address else [entry for entry in entries if _is_data(entry.below)]
    if not wanted:
        raise FileNotFoundError(f"{address}: got an address without data; expected a file that ends with {_endings()}")
    for entry in wanted:
        yield File(entry.path, _known_format(entry.path), entry.size, entry.state, (), options)


# ------------------------------------------------------------------------------------------------- what names say


def _is_data(path: str) -> bool:
    """True if a path below a folder belongs to the table: its ending is known, and no part of it is hidden."""
    return _format(path) is not None and not any(part.startswith((".", "_")) for part in path.split("/"))


def _format(path: str) -> str | None:
    name = path.lower()
    for ending in _COMPRESSIONS:
        if name.endswith(ending):
            return "csv" if name.removesuffix(ending).endswith(FORMATS["csv"]) else None
    return next((known for known, endings in FORMATS.items() if name.endswith(endings)), None)


def _known_format(path: str) -> str:
    known = _format(path)
    if known is None:
        raise ValueError(f"{path}: got a file of an unknown format; expected a name that ends with {_endings()}")
    return known


def _endings() -> str:
    *most, last = (ending for endings in FORMATS.values() for ending in endings)
    return f"{', '.join(most)} or {last} (text also compressed: {', '.join(_COMPRESSIONS)})"


def _with_keys(files: list[File]) -> list[File]:
    """Files with columns from folders named ``key=value``: whole numbers if all values of a key are, in every file."""
    found = [dict(_pairs(file.path)) for file in files]
    words = {key for pairs in found for key, value in pairs.items() if value and not _WHOLE.fullmatch(value)}
    return [
        replace(
            file, keys=tuple((key, value if key in words or not value else int(value)) for key, value in pairs.items())
        )
        for file, pairs in zip(files, found, strict=True)
    ]


def _pairs(path: str) -> Iterator[tuple[str, str | None]]:
    """The keys from the names of folders, as text; None if missing."""
    for folder in Path(path).parts[:-1]:
        key, equals, value = folder.partition("=")
        if key and equals:
            yield unquote(key), None if value in _NULL else unquote(value)
