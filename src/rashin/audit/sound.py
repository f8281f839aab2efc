"""The check as one line of a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rashin.audit.baseline import read_baseline
from rashin.audit.checking import check
from rashin.audit.findings import SEVERITIES, Report

__all__ = ["assert_sound"]


def assert_sound(
    f: Any, like: Any = None, *, fail_on: str = "wrong", baseline: str | Path | None = None, **choices: Any
) -> Report:
    """Check the function, and raise an AssertionError that shows what was found.

    Parameters
    ----------
    f, like, **choices : as in ``rashin.check``.
    fail_on : least severity that fails: ``"wrong"``, ``"inexact"`` or ``"convention"``.
    baseline : file of accepted findings.

    Raises
    ------
    AssertionError : there are findings of that severity that are not accepted.
    ValueError : the severity is unknown, or the file is not a baseline.

    Examples
    --------
    >>> import rashin
    >>> from rashin.audit import assert_sound
    >>> assert_sound(rashin.huber, fail_on="inexact").target
    'rashin.huber'
    """
    check_severity(fail_on)
    report = check(f, like, **choices)
    accepted = read_baseline(baseline).get(report.target, {}) if baseline else {}
    found = report.worst(fail_on, accepted)
    if found:
        raise AssertionError(
            "\n".join([f"{report.target} has {len(found)} finding{'s' * (len(found) > 1)}", *map(str, found)])
        )
    return report


def check_severity(severity: str) -> None:
    """Refuse a severity that does not exist."""
    if severity not in SEVERITIES:
        raise ValueError(f"fail_on: got {severity!r}; expected {', '.join(SEVERITIES)}")
