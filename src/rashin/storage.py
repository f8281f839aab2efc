"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import os
import re
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PART", "read_arrays", "written_beside"]

PART = ".part"  # how the name of an unfinished file ends


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A path to write to, in the same folder; it takes the name ``path`` at the end, or vanishes on an error.

    What killed processes left of the same file goes first. Several processes and threads may write at once: the last
    one's file stays, and is whole.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_beside(Path(folder, "note.txt")) as part:
    ...         _ = part.write_text("whole")
    ...     Path(folder, "note.txt").read_text()
    'whole'
    """
    _sweep(path)
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_native_id()}{PART}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    unfinished = re.compile(rf"{re.escape(path.name)}\.(\d+)-\d+{re.escape(PART)}")
    for entry in path.parent.iterdir():
        match = unfinished.fullmatch(entry.name)
        if match and not _is_running(int(match[1])):
            with suppress(OSError):
                entry.unlink()


def _is_running(process: int) -> bool:
    if os.name != "posix":  # elsewhere a file cannot be removed while it is being written
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


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
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array")
            return {name: archive[name] for name in archive.files}
    except (TypeError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} does not hold {what}: {error}") from error
