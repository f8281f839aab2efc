"""The header of an array in NumPy files, checked against the size of the file.

A header may be wrong: 160 bytes can announce 2^62 rows. Memory is not allocated for more than the file can contain.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

import numpy as np

from rashin.refusal import Refusal

__all__ = ["ArrayHeader", "opened_member"]

_MOST_TEXT = 1 << 20  # bytes of a header: some tens of thousands of fields
_MOST_EMPTY = 1 << 20  # entries along the other axes of an array without numbers
_DENSEST = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}  # the largest compression ratios
_DENSEST_OTHER = 1 << 21


@dataclass(frozen=True)
class ArrayHeader:
    """The shape and dtype of an array, and the number of bytes of its numbers."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]

    @classmethod
    def read(cls, stream: IO[bytes], size: int) -> ArrayHeader:
        """The header at the beginning of a stream; ``size`` is the size of the stream in bytes.

        Raises
        ------
        ValueError : it is not such a header, or announces Python objects or more bytes than there are.

        Examples
        --------
        >>> file = BytesIO()
        >>> np.save(file, np.zeros((3, 2)))
        >>> file.seek(0), ArrayHeader.read(file, len(file.getvalue())).shape
        (0, (3, 2))
        """
        header = cls(*_parsed(stream))
        header._check(size - stream.tell())
        return header

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def _check(self, room: int) -> None:
        if self.dtype.hasobject:
            raise Refusal("dtype", "Python objects, which are never unpickled", "numbers, booleans or strings")
        empty = 0 in self.shape
        places = math.prod(filter(None, self.shape)) if empty else 0
        if min(self.shape, default=0) < 0 or places > _MOST_EMPTY or not (empty or self.dtype.itemsize):
            raise Refusal("header", f"shape {self.shape} and {self.dtype}", "an array that the file can contain")
        if self.bytes > room:
            got = f"shape {self.shape} and {self.dtype}, {self.bytes} bytes"
            raise Refusal("header", got, f"at most the {max(room, 0)} bytes after it")


def _parsed(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        width = 2 if version == (1, 0) else 4
        length = int.from_bytes(_exactly(stream, width), "little")
        if length > _MOST_TEXT:
            raise ValueError(f"it is {length} bytes long")
        text = _exactly(stream, length)
        if version == (3, 0):  # in UTF-8; what Python reads from the text is the same
            text = text.decode().encode("ascii", "backslashreplace")
        rest = BytesIO(len(text).to_bytes(width, "little") + text)
        read = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
        return read(rest, max_header_size=_MOST_TEXT * 10)
    except (OSError, zipfile.BadZipFile):
        raise
    except Exception as error:  # a dozen kinds, by what is damaged: it is parsed as Python's text
        words = " ".join(str(error).split())[:160] or type(error).__name__
        raise Refusal("header", f"bytes that cannot be read ({words})", "the header of an array") from error


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise EOFError("it ends too early")
    return found


def opened_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> tuple[IO[bytes], ArrayHeader]:
    """The array of an ``.npz`` archive of ``size`` bytes, opened after its header.

    Raises
    ------
    ValueError : the member is encrypted, or no array that can be there; the message names it.
    """
    try:
        if info.flag_bits & 1:
            raise Refusal("content", "encrypted bytes", "an archive without a password")
        if info.compress_size > size or info.file_size > info.compress_size * _DENSEST.get(
            info.compress_type, _DENSEST_OTHER
        ):
            got = f"{info.file_size} bytes, as the archive says"
            raise Refusal("size", got, f"at most what {info.compress_size} bytes can unpack to")
        stream = archive.open(info)
        try:
            return stream, ArrayHeader.read(stream, info.file_size)
        except BaseException:
            stream.close()
            raise
    except Refusal as refusal:
        raise refusal.within(f"array {info.filename.removesuffix('.npy')!r}") from refusal
