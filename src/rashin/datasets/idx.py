"""IDX, the file format of MNIST and its family: a short header, then one byte per element.

A file is accepted only if it matches its header exactly, to the last byte. A header may be wrong, so its sizes are
compared with the true size of the file before anything is read or inflated.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rashin.refusal import Refusal

__all__ = ["Shape", "file_bytes", "idx_array", "idx_content", "idx_header"]

Shape = tuple[int | None, ...]  # None: any number of samples, but at least one

_UNSIGNED_BYTES = 8
_GZIP = b"\x1f\x8b"
_GZIP_FORM = 31  # zlib's code for one gzip member, with checksum and length verified
_DENSEST = 1032  # bytes, at most, that deflate encodes in one byte


def file_bytes(path: Path, limit: int | None = None) -> bytes:
    """The bytes of the file; a file larger than ``limit`` bytes is refused, and never read in full."""
    if not path.is_file():
        found = (
            "a folder" if path.is_dir() else "a link to nothing" if path.is_symlink() else "a name that does not exist"
        )
        raise Refusal(str(path), found, "a file")
    with path.open("rb") as file:
        data = file.read() if limit is None else file.read(limit + 1)
    if limit is not None and len(data) > limit:
        raise Refusal(str(path), f"more than {limit:,} bytes", "fewer")
    return data


def idx_content(data: bytes, shape: Shape, name: str) -> bytes:
    """The IDX file of unsigned bytes in ``data``, unpacked if it is gzipped: header and elements.

    Parameters
    ----------
    data : whole file, gzipped or not.
    shape : shape that the header must have.
    name : name of the file in messages.

    Raises
    ------
    ValueError : ``data`` is not such a file; the message says what came and what is expected.

    Examples
    --------
    >>> idx_array(idx_content(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]), (3,), "labels"))
    array([5, 0, 4], dtype=uint8)
    >>> idx_content(b"<!DOCTYPE html>", (3,), "labels")
    Traceback (most recent call last):
    ...
    rashin.refusal.Refusal: labels: got b'<!DO', a page of HTML, in place of the magic number; expected 0x00000801
    (unsigned bytes, 1 dimension)
    """
    if data.startswith(_GZIP):
        return _inflated(data, shape, name)
    size = _size(data, shape, name)
    if len(data) != size:
        raise Refusal(name, f"{len(data):,} bytes", f"{size:,}, as its header says")
    return data


def idx_array(content: bytes) -> NDArray[np.uint8]:
    """The elements of a checked IDX file, as a read-only view of it."""
    start = _header_size(content[3])
    return np.frombuffer(content, np.uint8, offset=start).reshape(struct.unpack(f">{content[3]}I", content[4:start]))


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The header of an IDX file of unsigned bytes of this shape."""
    return struct.pack(f">4B{len(shape)}I", 0, 0, _UNSIGNED_BYTES, len(shape), *shape)


def _header_size(dimensions: int) -> int:
    return 4 + 4 * dimensions


def _size(start: bytes, shape: Shape, name: str) -> int:
    """The size of the file in bytes by its header, which must be that of unsigned bytes of the shape."""
    magic, size = bytes((0, 0, _UNSIGNED_BYTES, len(shape))), _header_size(len(shape))
    if not start:
        raise Refusal(name, "an empty file", f"an IDX file of shape {_words(shape)}")
    if not magic.startswith(start[:4]):
        dimensions = "1 dimension" if len(shape) == 1 else f"{len(shape)} dimensions"
        raise Refusal(name, _strange(start[:4]), f"0x{magic.hex().upper()} (unsigned bytes, {dimensions})")
    if len(start) < size:
        raise Refusal(name, f"{len(start)} bytes", f"a header of {size}")
    found: tuple[int, ...] = struct.unpack(f">{len(shape)}I", start[4:size])
    if not all(length > 0 and wanted in (None, length) for length, wanted in zip(found, shape, strict=True)):
        raise Refusal(name, f"shape {_words(found)} in its header", _words(shape))
    return size + math.prod(found)


def _inflated(data: bytes, shape: Shape, name: str) -> bytes:
    """The content of one gzip member; at most one byte more is inflated than the header announces."""
    start, _ = _gunzipped(data, _header_size(len(shape)), name)
    size = _size(start, shape, name)
    if size > _DENSEST * len(data):
        raise Refusal(name, f"{len(data):,} bytes of gzip", f"what holds the {size:,} that its header says")
    content, rest = _gunzipped(data, size + 1, name)
    if len(content) != size:
        more = "more than " if len(content) > size else ""
        raise Refusal(name, f"{more}{min(len(content), size):,} bytes when inflated", f"{size:,}, as its header says")
    if rest:
        raise Refusal(name, f"{rest:,} bytes after the end of the gzip data", "none")
    return content


def _gunzipped(data: bytes, most: int, name: str) -> tuple[bytes, int]:
    """The first bytes of a gzip member, at most ``most``, and the number of bytes after its end."""
    gunzip = zlib.decompressobj(_GZIP_FORM)
    try:
        content = gunzip.decompress(data, most)
    except zlib.error as error:
        raise Refusal(name, f"damaged gzip data ({error})", "a whole gzip file") from None
    if len(content) < most and not gunzip.eof:
        raise Refusal(name, f"gzip data that breaks off after {len(content):,} bytes inflated", "a whole gzip file")
    return content, len(gunzip.unused_data)


def _strange(start: bytes) -> str:
    if start.startswith(b"\0\0"):
        return f"magic number 0x{start.hex().upper()}"
    page = ", a page of HTML," if start.startswith(b"<") else ""
    return f"{start!r}{page} in place of the magic number"


def _words(shape: Shape) -> str:
    lengths = ["any" if length is None else str(length) for length in shape]
    return f"({', '.join(lengths)}{',' if len(lengths) == 1 else ''})"
