"""Files that are whole or not there: written beside their place, then renamed into it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PART", "written_beside"]

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
