"""Remote files at the addresses that fsspec supports, such as ``s3://``, ``gs://`` or ``memory://``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple, cast

from rashin.extras import needs

__all__ = ["Entry", "list_remote", "open_remote"]


class Entry(NamedTuple):
    path: str  # its whole address
    below: str  # its path below the requested address
    size: int
    state: str


def list_remote(address: str, options: Mapping[str, Any]) -> list[Entry]:
    """The files at an address: the file itself, the files below it, or those that match its pattern.

    Raises
    ------
    ImportError : fsspec, or a package it needs for this protocol, is not installed.
    FileNotFoundError : the address does not exist, or nothing matches.
    """
    if "::" in address:  # a chain, such as simplecache::s3://..., names one file
        with open_remote(address, options) as file:
            return [Entry(address, address.rsplit("/", 1)[-1], file.seek(0, 2), "")]
    files, root = _file_system(address, options)
    found = files.glob(root) if "*" in address else files.find(root)
    if not found:
        raise FileNotFoundError(f"{address}: got an address without files; expected at least one")
    return [_entry(files, root, path) for path in found if files.isfile(path)]


def _entry(files: Any, root: str, path: str) -> Entry:
    below = path.removeprefix(root).lstrip("/") or path.rsplit("/", 1)[-1]
    return Entry(str(files.unstrip_protocol(path)), below, int(files.size(path) or 0), str(files.ukey(path)))


def open_remote(address: str, options: Mapping[str, Any]) -> BinaryIO:
    """The file at an address, opened for reading bytes."""
    if "::" in address:
        return cast("BinaryIO", _fsspec().open(address, "rb", **options).open())
    files, path = _file_system(address, options)
    return cast("BinaryIO", files.open(path, "rb"))


def _file_system(address: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    files, path = _fsspec().core.url_to_fs(address, **options)
    return files, path


def _fsspec() -> Any:
    with needs("fsspec", "parquet", "an address such as s3://..."):
        import fsspec
    return fsspec
