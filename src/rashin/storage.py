"""Files that are complete or do not exist: written under another name in the same folder, then renamed."""

from __future__ import annotations

import errno
import os
import re
import secrets
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rashin.array_header import opened_member
from rashin.refusal import Refusal

__all__ = ["PART", "alone", "check_folder", "content_of", "locked", "read_arrays", "written_beside"]

PART = ".part"  # the ending of the name of an unfinished file
_OLD = 3600.0  # seconds without writing, after which an unfinished file is considered abandoned


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A path to write to, in the same folder; it is renamed to ``path`` at the end, or removed on an error.

    The content is on disk before the rename, so that even a power cut does not leave half a file. Several threads,
    processes and machines may write at once: the file of the last one stays, and is complete. Unfinished files of
    killed processes are removed after an hour without writing.

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
    """Flush a file, or the names in a folder, to disk."""
    descriptor = os.open(path, mode)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems have nothing to flush
            raise
    finally:
        os.close(descriptor)


def check_folder(path: Path) -> None:
    """Raise before long work, and not after it, if the folder of a file to write does not exist.

    Raises
    ------
    FileNotFoundError : there is no such folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{path}: got a file in {path.parent}, which does not exist; expected an existing folder; fix: make it, or "
            f"name another file"
        )


@contextmanager
def alone(path: Path, lock: Path | None = None) -> Iterator[None]:
    """Be the only writer of a file or folder; ``lock`` is the lock file, by default next to ``path``.

    Raises
    ------
    BlockingIOError : another thread or process, even in another container, writes to it.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(lock or path.with_name(f"{path.name}{PART}")))
        except BlockingIOError:
            kind = "folder" if path.is_dir() else "file"
            raise BlockingIOError(
                f"{path}: got a {kind} that another run writes to; expected one for each; fix: wait for its end, or "
                f"name another {kind}"
            ) from None
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock the file ``path``, which exists as long as the lock: for one writer at a time, which may also be killed.

    Raises
    ------
    BlockingIOError : another thread or process, even in another container, holds the lock.
    """
    descriptor = _lock(path)
    try:
        yield
    finally:
        with suppress(OSError):  # on systems where an open file cannot be removed, it stays
            path.unlink()
        os.close(descriptor)


def _lock(path: Path) -> int:
    """The open and locked file. The previous holder may remove the name between opening and locking, hence the loop."""
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
    ValueError : the file is not such an archive, is damaged, or contains objects; the message says that ``what`` is
        expected.
    OSError : the file cannot be read.
    """
    with Path(path).open("rb") as file:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            is_array = file.read(6) == np.lib.format.MAGIC_PREFIX
            raise Refusal(str(path), "a single array" if is_array else "another kind of file", what)
        with content_of(path, what):
            _check_sizes(file)
            archive: Any = np.load(file, allow_pickle=False)
            return {name: archive[name] for name in archive.files}


@contextmanager
def content_of(path: str | Path, what: str) -> Iterator[None]:
    """Name the file, and ``what`` it should contain, in errors about its content.

    Raises
    ------
    ValueError : the content is something else, or damaged.
    OSError : the file cannot be read.
    """
    try:
        yield
    except Refusal as refusal:
        raise refusal.within(str(path)) from refusal
    except Exception as error:  # a dozen kinds, by what is damaged; EINVAL is a place before the file, as it may state
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        got = f"no {error}" if isinstance(error, KeyError) else f"content that cannot be read ({_words(error)})"
        raise Refusal(str(path), got, what) from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _check_sizes(file: IO[bytes]) -> None:
    """Raise unless the arrays of the archive have the sizes in their headers, which NumPy would allocate first."""
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        names = [info.filename for info in archive.infolist()]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise Refusal(f"array {twice.removesuffix('.npy')!r}", "it twice", "it once")
        for info in archive.infolist():
            member, header = opened_member(archive, info, size)
            with member:
                told = member.tell() + header.bytes
            if told != info.file_size:
                name = f"array {info.filename.removesuffix('.npy')!r}"
                raise Refusal(name, f"{info.file_size} bytes", f"{told}, as its header says")
    file.seek(0)
