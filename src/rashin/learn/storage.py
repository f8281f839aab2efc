"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PART", "read_arrays", "written_beside"]

PART = ".part"  # how the name of an unfinished file ends


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """A path to write to, in the same folder; it takes the name ``path`` at the end, or vanishes on an error.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with written_beside(Path(folder, "note.txt")) as part:
    ...         _ = part.write_text("whole")
    ...     Path(folder, "note.txt").read_text()
    'whole'
    """
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
