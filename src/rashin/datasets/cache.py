"""The folder where downloads are kept, each file whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rashin.extras import needs
from rashin.storage import written_beside

__all__ = ["cache_folder", "import_pooch", "keep"]


def cache_folder() -> Path:
    """The user's own, by the habits of the platform: ~/.cache/rashin on Linux."""
    return Path(import_pooch().os_cache("rashin")).expanduser()


def import_pooch() -> Any:
    """The module, or word of how to get it and how to do without."""
    with needs("pooch", "learn", "downloading data", instead="name their folder with path= or RASHIN_DATA_DIR"):
        import pooch
    return pooch


def keep(data: bytes, path: Path) -> None:
    """Write the file, in a folder that is made if need be, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as part:
        part.write_bytes(data)
