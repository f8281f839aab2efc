"""The rows that were left out of a measurement, by reason."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rashin.language import said
from rashin.report.page.frame import Cell, Listing, Section

__all__ = ["left_out_section"]

_IN_COLUMN = re.compile(r"(.*?) in column (['\"].*['\"])", re.DOTALL)
_REFUSED = re.compile(r"refused by (\w+)")
_BROKEN = re.compile(r"(.*) is broken", re.DOTALL)


def left_out_section(skipped: Mapping[str, int]) -> Section:
    """The section with the number of rows by reason, as ``skipped`` of a measurement counts them."""
    rows = [[Cell(_told(reason)), Cell(f"{count:,}", float(count))] for reason, count in skipped.items()]
    words = [said("These rows could not be measured; no number above includes them.")]
    headings = (said("reason"), said("rows"))
    return Section(
        said("Left out"), words, [], [Listing(said("Reasons"), said("Click a heading to sort."), headings, rows)]
    )


def _told(reason: str) -> str:
    """A reason, which a measurement stores in English, in the current language."""
    if of_column := _IN_COLUMN.fullmatch(reason):
        return said("{reason} in column {column}", reason=_told(of_column[1]), column=of_column[2])
    if refused := _REFUSED.fullmatch(reason):
        return said("refused by {loss}", loss=refused[1])
    if broken := _BROKEN.fullmatch(reason):
        return said("{file} is broken", file=broken[1])
    return _known().get(reason, reason)


def _known() -> dict[str, str]:
    return {
        "null": said("null"),
        "no number": said("no number"),
        "no class": said("no class"),
        "no such class": said("no such class"),
        "no text in the file's encoding": said("no text in the file's encoding"),
        "a list of another length": said("a list of another length"),
        "a line with too few or too many fields": said("a line with too few or too many fields"),
        "outside the domain": said("outside the domain"),
        "predictions that do not sum to 1": said("predictions that do not sum to 1"),
    }
