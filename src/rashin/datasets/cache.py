"""The folder where downloads are kept, each file whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rashin.storage import written_beside

__all__ = ["cache_folder", "import_pooch", "keep"]


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
    """Write the file, in a folder that is made if need be, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as part:
        part.write_bytes(data)
