"""A file of accepted findings by target: only new ones fail, and those that became much worse."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rashin.audit.findings import Accepted, Report, reaches

__all__ = ["read_baseline", "write_baseline"]


def read_baseline(path: str | Path) -> dict[str, dict[str, Accepted]]:
    """The accepted findings by target and key.

    Raises
    ------
    OSError : the file cannot be read.
    ValueError : it is not a baseline.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return {target: _read(accepted) for target, accepted in found["accepted"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"baseline: got {path}, which is not a baseline; expected a file that --update-baseline wrote; "
            f"fix: delete the file and write it again"
        ) from None


def _read(accepted: dict[str, Any]) -> dict[str, Accepted]:
    found = {key: Accepted(str(one["severity"]), float(one["size"])) for key, one in accepted.items()}
    for one in found.values():
        reaches(one.severity, "wrong")
    return found


def write_baseline(path: str | Path, reports: Iterable[Report]) -> None:
    """Write the findings of the reports as accepted; those of other targets in the file are kept.

    Raises
    ------
    OSError : the file cannot be written.
    ValueError : it exists and is not a baseline.
    """
    kept = read_baseline(path) if Path(path).exists() else {}
    accepted = {**kept, **{report.target: _of(report) for report in reports}}
    written = {
        target: {key: one._asdict() for key, one in sorted(found.items())} for target, found in sorted(accepted.items())
    }
    Path(path).write_text(json.dumps({"accepted": written}, indent=2) + "\n", encoding="utf-8")


def _of(report: Report) -> dict[str, Accepted]:
    """The findings by key: of several with the same key, the gravest severity and the largest size."""
    found: dict[str, Accepted] = {}
    for one in reversed(report.findings):  # the gravest last
        size = max(one.size, found[one.key].size) if one.key in found else one.size
        found[one.key] = Accepted(one.severity, size)
    return found
