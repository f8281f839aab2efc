"""The folder in which downloads are cached; each file is written completely or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rashin.extras import needs
from rashin.storage import written_beside

__all__ = ["cache_folder", "import_pooch", "keep"]


def cache_folder() -> Path:
    """The cache folder of the user, by the conventions of the platform: ~/.cache/rashin on Linux."""
    return Path(import_pooch().os_cache("rashin")).expanduser()


def import_pooch() -> Any:
    """The module, or an error that says how to get it and how to do without it."""
    with needs("pooch", "learn", "downloading data", instead="name their folder with path= or RASHIN_DATA_DIR"):
        import pooch
    return pooch


def keep(data: bytes, path: Path) -> None:
    """Write the file completely or not at all; its folder is created if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as part:
        part.write_bytes(data)
