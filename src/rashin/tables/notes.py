"""Notes: metadata of a file in addition to its columns, as JSON under the key ``rashin``.

Parquet and Arrow files store it in the metadata of their schema, ``.npz`` files as an entry of text. CSV and ``.npy``
files cannot contain one.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from typing import IO, Any

import numpy as np

from rashin.array_header import ArrayHeader, opened_member
from rashin.refusal import Refusal
from rashin.tables.arrow import ArrowTable, pyarrow
from rashin.tables.sources import File

__all__ = ["KEY", "note_of"]

KEY = "rashin"


def note_of(file: File) -> Mapping[str, Any] | None:
    """The note of a file; None if it has none, or cannot contain one.

    Raises
    ------
    ValueError : the note is not JSON.
    """
    with ExitStack() as stack:
        text = _text(file, stack)
    if text is None:
        return None
    try:
        note = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{file.path}, metadata {KEY!r}: got {text[:40]!r}; expected JSON ({error})") from None
    if not isinstance(note, dict):
        raise ValueError(f"{file.path}, metadata {KEY!r}: got {text[:40]!r}; expected a JSON object")
    return note


def _text(file: File, stack: ExitStack) -> str | None:
    if file.format in ("csv", "npy"):
        return None
    if file.format == "npz":
        archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(file.open())))
        info = archive.NameToInfo.get(f"{KEY}.npy")
        return None if info is None else _entry(*opened_member(archive, info, file.size))
    found = _schema(file, stack).metadata or {}
    return found[KEY.encode()].decode("utf-8", "replace") if KEY.encode() in found else None


def _entry(stream: IO[bytes], header: ArrayHeader) -> str:
    with stream:
        found = np.frombuffer(stream.read(header.bytes), header.dtype)
    if header.shape or header.dtype.kind != "U" or len(found) != 1:
        raise Refusal(f"array {KEY!r}", f"shape {header.shape} and {header.dtype}", "one text")
    return str(found[0])


def _schema(file: File, stack: ExitStack) -> Any:
    if file.format == "arrow":
        return ArrowTable(file, stack).schema
    pyarrow()
    from pyarrow import parquet

    return parquet.read_schema(stack.enter_context(file.open()))
