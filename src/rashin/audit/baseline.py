"""A file of findings that are accepted, by target: new ones are then all that fails."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from rashin.audit.findings import Report

__all__ = ["read_baseline", "write_baseline"]


def read_baseline(path: str | Path) -> dict[str, set[str]]:
    """The accepted findings by target.

    Raises
    ------
    OSError : the file cannot be read.
    ValueError : it is not a baseline.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return {target: set(map(str, keys)) for target, keys in found["accepted"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"baseline: got {path}, which is not a baseline; expected a file that --update-baseline wrote"
        ) from None


def write_baseline(path: str | Path, reports: Iterable[Report]) -> None:
    """Write the findings of the reports as accepted; those of other targets in the file are kept.

    Raises
    ------
    OSError : the file cannot be written.
    ValueError : it exists and is not a baseline.
    """
    kept = read_baseline(path) if Path(path).exists() else {}
    accepted = {**kept, **{report.target: report.keys for report in reports}}
    text = json.dumps({"accepted": {target: sorted(keys) for target, keys in sorted(accepted.items())}}, indent=2)
    Path(path).write_text(text + "\n", encoding="utf-8")
