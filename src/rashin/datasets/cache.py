"""The folder where downloads are kept, each file whole or not at all."""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["cache_folder", "import_pooch", "keep"]

_PART = ".part"  # how the name of an unfinished file ends


def cache_folder() -> Path:
    """The user's own, by the habits of the platform: ~/.cache/rashin on Linux."""
    return Path(import_pooch().os_cache("rashin")).expanduser()


def import_pooch() -> Any:
    """The module, or word of how to get it and how to do without."""
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "data sets are downloaded with pooch: pip install 'rashin[learn]'; or name the folder of their files with "
            "path= or the environment variable RASHIN_DATA_DIR"
        ) from error
    return pooch


def keep(data: bytes, path: Path) -> None:
    """Write the file beside its place, then rename it; what killed processes left of it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_native_id()}{_PART}")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    unfinished = re.compile(rf"{re.escape(path.name)}\.(\d+)-\d+{re.escape(_PART)}")
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
