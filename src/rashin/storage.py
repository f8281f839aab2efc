"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import errno
import math
import os
import re
import secrets
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PART", "locked", "read_arrays", "written_beside"]

PART = ".part"  # how the name of an unfinished file ends
_MOST_DENSE = 1100  # times that zip's compression shrinks what is most regular
_OLD = 3600.0  # seconds without writing, after which an unfinished file has no writer any more


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A path to write to, in the same folder; it takes the name ``path`` at the end, or vanishes on an error.

    The content is on the disk before the name is, so that not even a power cut leaves half a file. Several processes,
    on several machines, and threads may write at once: the last one's file stays, and is whole. What killed ones left
    of the same file goes once nobody has written to it for an hour.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_beside(Path(folder, "note.txt")) as part:
    ...         _ = part.write_text("whole")
    ...     Path(folder, "note.txt").read_text()
    'whole'
    """
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PART}")
    try:
        part.touch()
        _sweep(path, part.stat().st_mtime - _OLD)
        yield part
        _flush(part, os.O_RDWR)
        part.replace(path)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _flush(path.parent, os.O_RDONLY)
    finally:
        part.unlink(missing_ok=True)


def _sweep(path: Path, oldest: float) -> None:
    """Remove unfinished files of that name that were last written before a time, by the clock of their own disk."""
    unfinished = re.compile(rf"{re.escape(path.name)}\.[0-9a-f]{{16}}{re.escape(PART)}")
    for entry in path.parent.iterdir():
        if unfinished.fullmatch(entry.name):
            with suppress(OSError):
                if entry.stat().st_mtime < oldest:
                    entry.unlink()


def _flush(path: Path, mode: int) -> None:
    """Put on the disk what was written to a file, or the names in a folder."""
    descriptor = os.open(path, mode)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems have nothing to flush
            raise
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file ``path`` locked, which is there for as long: for one writer at a time, who may also be killed.

    Raises
    ------
    BlockingIOError : another thread or process, also of another container, holds it.
    """
    descriptor = _lock(path)
    try:
        yield
    finally:
        with suppress(OSError):  # where a file cannot be removed while it is open, it stays
            path.unlink()
        os.close(descriptor)


def _lock(path: Path) -> int:
    """An open file that has the name and the lock; who had both may remove the name between our opening and locking."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock_descriptor(descriptor)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock_descriptor(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def read_arrays(path: str | Path, what: str) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` file by name; nothing is unpickled.

    Raises
    ------
    ValueError : the file is no such archive, is damaged, or holds objects; the message says that it does not hold
        ``what``.
    OSError : the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            _check_sizes(file)
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array")
            return {name: archive[name] for name in archive.files}
    except OSError:
        raise
    except Exception as error:  # a dozen kinds, by what is damaged
        raise ValueError(f"{path} does not hold {what}: {error or type(error).__name__}") from error


def _check_sizes(file: IO[bytes]) -> None:
    """Raise unless each array of an archive is as large as its header says: NumPy would ask for the memory first."""
    if not zipfile.is_zipfile(file):
        return
    with zipfile.ZipFile(file) as archive:
        names = [info.filename for info in archive.infolist()]
        if len(set(names)) < len(names):
            raise ValueError("it holds an array twice")
        for info in archive.infolist():
            with archive.open(info) as member:
                shape, dtype = _header(member)
                if dtype.hasobject:
                    name = info.filename.removesuffix(".npy")
                    raise ValueError(f"{name} has Python objects; fix: save {name}.astype(str) or {name}.astype(float)")
                size = member.tell() + math.prod(shape) * dtype.itemsize
            if size != info.file_size or info.file_size > _MOST_DENSE * os.fstat(file.fileno()).st_size:
                raise ValueError(f"{info.filename} says that it has {size} bytes, and has {info.file_size}")
    file.seek(0)


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    return shape, dtype
