"""The tables: Markdown for the pages, made from results.json and from nothing else, and Rich for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.peers import PEERS
from benchmarks.records import Results

__all__ = ["PAGES", "Table", "between_markers", "page_text", "rewritten", "shown_ratio", "shown_time", "tables"]

HERE = Path(__file__).parent
PAGES = {"front": HERE.parent / "README.md", "all": HERE / "README.md"}
BEGIN, END = "<!-- benchmark: begin -->\n", "<!-- benchmark: end -->\n"
UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
TITLES = {
    "rows": "Rows",
    "elements": "Element by element",
    "other losses": "Every other loss",
    "linear": "After a linear layer",
    "size": "Cost against size",
}


class Table(NamedTuple):
    """A heading and cells of text; the first row names the columns."""

    title: str
    cells: list[list[str]]

    def markdown(self) -> str:
        """Numbers stand to the right."""
        head, *rows = (f"| {' | '.join(row)} |" for row in self.cells)
        return "\n".join([head, "|---" + "|---:" * (len(self.cells[0]) - 1) + "|", *rows]) + "\n"


def tables(results: Results, spread: bool = True) -> Iterator[Table]:
    """Every table, with the quartiles of every ratio where there is room for the ``spread``."""
    for group, title in TITLES.items():
        records = [record for record in results["speed"] if record["group"] == group]
        if group == "linear" and (records or results["memory"]):
            yield Table(title, _linear(records, results["memory"]))
        elif records:
            yield Table(title, _sizes(records) if group == "size" else _compared(records, spread))
    if results["first_calls"]:
        yield Table("First calls", _first_calls(results["first_calls"]))


# --------------------------------------------------------------------------------------------- the cells


def _compared(records: list[Results], spread: bool) -> list[list[str]]:
    """A row for each workload: our time, and how many times as long the others take."""
    peers = [name for name in PEERS if any(name in record["contestants"] for record in records)]
    head = ["value + gradient", "rashin", "rashin / copy", *(PEERS[name].title for name in peers)]
    return [head, *([*_own_cells(record, spread), *_peer_cells(record, peers, spread)] for record in records)]


def _own_cells(record: Results, spread: bool) -> list[str]:
    own = record["contestants"]["rashin"]
    return [_name(record), shown_time(own["seconds"]["median"]), shown_ratio(own.get("over_limit"), spread)]


def _peer_cells(record: Results, peers: list[str], spread: bool) -> list[str]:
    found = (record["contestants"].get(name, {}).get("over_rashin") for name in peers)
    return [shown_ratio(ratio, spread) for ratio in found]


def _name(record: Results) -> str:
    loss, _, rest = record["name"].partition(", ")
    return f"`{loss}`, {rest}"


def shown_ratio(ratio: dict[str, float] | None, spread: bool) -> str:
    if ratio is None:
        return ""
    between = f" ({_short(ratio['low'])}-{_short(ratio['high'])})" if spread else ""
    return f"{_short(ratio['median'])} ×{between}"


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 20 else f"{number:.1f}" if number >= 3 else f"{number:.2f}"


def shown_time(seconds: float) -> str:
    unit, size = next(((u, s) for u, s in UNITS if seconds >= s), UNITS[-1])
    return f"{seconds / size:.3g} {unit}"


def _linear(records: list[Results], memory: list[Results]) -> list[list[str]]:
    """A row for each contestant: time, and memory beyond inputs and gradients."""
    times: dict[str, Any] = records[0]["contestants"] if records else {}
    marks = {record["contestant"]: record for record in memory}
    names = ["rashin", "limit", *PEERS]
    shape = _name(records[0]) if records else "contestant"
    head = [shape, "time", "times rashin's", "memory beyond the gradients"]
    known = (name for name in names if name in times or name in marks)
    return [head, *([_title(name), *_linear_cells(times.get(name), marks.get(name))] for name in known)]


def _linear_cells(found: dict[str, Any] | None, mark: Results | None) -> list[str]:
    extra = "" if mark is None else f"{max(mark['bytes'] - mark['gradients'], 0) / 2**20:.0f} MiB"
    if found is None:
        return ["", "", extra]
    return [shown_time(found["seconds"]["median"]), shown_ratio(found.get("over_rashin"), spread=False), extra]


def _title(name: str) -> str:
    return {"rashin": "rashin", "limit": "the three matrix products alone"}.get(name) or PEERS[name].title


def _sizes(records: list[Results]) -> list[list[str]]:
    """Nanoseconds per element."""
    cells = [["value + gradient", "ns per element", "of a threaded z + t"]]
    for record in records:
        found = [record["contestants"].get(name) for name in ("rashin", "limit")]
        per_element = (f["seconds"]["median"] / record["elements"] * 1e9 if f else None for f in found)
        cells.append([_name(record), *("" if ns is None else f"{ns:.2f}" for ns in per_element)])
    return cells


def _first_calls(found: dict[str, dict[str, float]]) -> list[list[str]]:
    head = ["in a fresh process", "nothing kept", "compiled code kept on disk"]
    return [head, *([step, shown_time(found["new"][step]), shown_time(found["kept"][step])] for step in found["new"])]


# ---------------------------------------------------------------------------------------------- the pages


def page_text(results: Results, page: str) -> str:
    """What stands between the markers of a page."""
    if page == "front":
        return f"{_front_line(results)}\n\n" + "\n".join(table.markdown() for table in _front_tables(results)) + "\n"
    parts = (f"### {table.title}\n\n{table.markdown()}" for table in tables(results))
    return f"{setting(results)}\n\n" + "\n".join(parts) + _left_out(results)


def _left_out(results: Results) -> str:
    """Who raised or disagreed, and where: an empty cell alone would not tell."""
    reasons = [
        f"- {_name(record)}: {PEERS[peer].title} {reason}.\n"
        for record in results["speed"]
        for peer, reason in record["left_out"].items()
    ]
    return "\n### Left out\n\n" + "".join(reasons) if reasons else ""


def _front_tables(results: Results) -> Iterator[Table]:
    records = [record for record in results["speed"] if record["group"] in ("rows", "elements")]
    linear = [record for record in results["speed"] if record["group"] == "linear"]
    if records:
        yield Table("", _compared(records, spread=False))
    if linear:
        yield Table("", _linear(linear, results["memory"]))


def _front_line(results: Results) -> str:
    return (
        "Time for value and gradient, the time relative to a threaded copy of the same bytes, and how many times "
        "slower the others are:\n"
        f"{setting(results)} Measured by `python -m benchmarks`; [what is compared](benchmarks/README.md)."
    )


def setting(results: Results) -> str:
    """Kind of numbers, machine and versions in a sentence."""
    machine, versions = results["machine"], results["versions"]
    names = ", ".join(f"{name} {number}" for name, number in versions.items())
    on = f"{machine['threads']} threads on {machine['cpu']} ({machine['system']})"
    return f"{results['protocol']['dtype']}, {on}, {names}."


def between_markers(page: str) -> str:
    """The text that a page has between its markers."""
    return page.split(BEGIN)[1].split(END)[0]


def rewritten(page: str, text: str) -> str:
    """The page with the text between its markers replaced."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + text + END + rest.split(END)[1]
