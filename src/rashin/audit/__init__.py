"""Checks of losses of any library: ``rashin.check``, ``rashin check`` and, for tests, ``assert_sound``."""

from rashin.audit.baseline import read_baseline, write_baseline
from rashin.audit.checking import check
from rashin.audit.findings import SEVERITIES, Finding, Report
from rashin.audit.forms import FORMS, Form
from rashin.audit.libraries.arrays import BoosterData
from rashin.audit.sound import assert_sound

__all__ = [
    "FORMS",
    "SEVERITIES",
    "BoosterData",
    "Finding",
    "Form",
    "Report",
    "assert_sound",
    "check",
    "read_baseline",
    "write_baseline",
]
