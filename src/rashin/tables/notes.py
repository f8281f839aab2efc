"""What a file says of itself beside its columns: a note, as JSON under the key ``rashin``.

Parquet and Arrow files hold it in the metadata of their schema, ``.npz`` files as an entry of text. CSV and ``.npy``
files have no place for one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from rashin.tables.arrow import ArrowTable, pyarrow
from rashin.tables.sources import File

__all__ = ["KEY", "note_of"]

KEY = "rashin"


def note_of(file: File) -> Mapping[str, Any] | None:
    """The note of a file; None if it has none, or no place for one.

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
        raise ValueError(f"{file.path}, metadata {KEY!r}: got {text[:40]!r}; expected JSON: {error}") from None
    if not isinstance(note, dict):
        raise ValueError(f"{file.path}, metadata {KEY!r}: got {text[:40]!r}; expected a JSON object")
    return note


def _text(file: File, stack: ExitStack) -> str | None:
    if file.format in ("csv", "npy"):
        return None
    if file.format == "npz":
        archive = stack.enter_context(np.load(stack.enter_context(file.open()), allow_pickle=False))
        return str(archive[KEY]) if KEY in archive.files else None
    found = _schema(file, stack).metadata or {}
    return found[KEY.encode()].decode("utf-8", "replace") if KEY.encode() in found else None


def _schema(file: File, stack: ExitStack) -> Any:
    if file.format == "arrow":
        return ArrowTable(file, stack).schema
    pyarrow()
    from pyarrow import parquet

    return parquet.read_schema(stack.enter_context(file.open()))
