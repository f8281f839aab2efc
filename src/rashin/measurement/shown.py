"""A measurement in a few lines for the prompt, and as a small table for a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from rashin.printable import shown

if TYPE_CHECKING:
    from rashin.measurement.measurement import Measurement
    from rashin.measurement.sums.clusters import Key
    from rashin.measurement.sums.moments import Moments

__all__ = ["as_html", "as_text"]

_SHOWN = 3  # groups
_CELL = "text-align:left;padding:0.1em 0.8em 0.1em 0"


def as_text(found: Measurement) -> str:
    """The loss, its mean, interval and rows, and the worst groups or classes, as text."""
    lines = _lines(found)
    width = max(len(name) for name, _ in lines)
    return "\n".join([f"Measurement of {found.loss}", *(f"  {name:<{width}}  {value}" for name, value in lines)])


def as_html(found: Measurement) -> str:
    """The same as an HTML table, in the notebook's colours; text from the user is escaped."""
    rows = "".join(
        f'<tr><th style="{_CELL}">{escape(name)}</th><td style="{_CELL}">{escape(value)}</td></tr>'
        for name, value in _lines(found)
    )
    return f"<table><caption>{escape(found.loss)}</caption><tbody>{rows}</tbody></table>"


def _lines(found: Measurement) -> list[tuple[str, str]]:
    if not found.count:
        return [("rows", "0, nothing to take the mean of")]
    low, high = found.interval()
    lines = [("mean", f"{found.mean:.5g}"), ("interval", f"{low:.5g} to {high:.5g}, confidence 0.95")]
    if found.total.infinite.rows:
        lines.append(("infinite", f"{found.total.infinite.rows:,} rows"))
    lines.append(("rows", f"{found.count:,}" + (f", weight {found.weight:.5g}" if found.weight != found.count else "")))
    if found.clusters:
        lines.append(("clusters", f"{len(found.clusters):,}"))
    for one, many, parts in (("group", "groups", found.groups), ("class", "classes", found.classes)):
        lines += _worst(one, many, parts)
    return lines


def _worst(one: str, many: str, parts: Mapping[Key, Moments]) -> list[tuple[str, str]]:
    """The number of parts, and the parts with the highest mean."""
    some = {key: part for key, part in parts.items() if part.count}
    worst = sorted(some.items(), key=lambda pair: -pair[1].mean)[:_SHOWN]
    named = [(f"{one} {shown(key)}", f"{part.mean:.5g} over {part.count:,} rows") for key, part in worst]
    return [(many, f"{len(some):,}, the worst first"), *named] if some else []
