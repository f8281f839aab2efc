"""docs/how-right.md, written from its JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["page"]

_HEAD = """# How right are the losses of torch, Keras, JAX, scikit-learn, XGBoost and LightGBM?

Every function below was pointed at by [`rashin check`](check.md) with some fifty hard inputs that are ordinary late in
training: large logits, confident predictions, masked classes, predictions close to their targets. The table shows its
worst float32 input. The exact number there is computed from the textbook definition in mpmath with thousands of bits,
and knows nothing of rashin.

**How to read it.** Errors are in ULPs, units in the last place of the exact float32 result: 0.5 is correctly rounded,
an error of more than 10⁶ leaves hardly a digit, as 0 for 2e-9, and ∞ stands for NaN, or for infinity where the exact
number fits. "No digit" is the share of hard inputs at which no digit is correct. These are worst cases of a sample:
lower bounds, not averages. All functions get the same float32 inputs, and rashin's own row stands first in the same
measure. C is the number of classes.

**What is not held against anyone.** Conventions are not faults, and are named in the last column: clipping of
probabilities that were passed as such, subnormals that become 0, NaN at infinite logits, means that are divided by the
number of samples, and computation of float64 in float32. Inputs where these decide are not counted. A clip is counted
where logits were passed: their exact loss is finite. Factors, reductions and constants are the library's own: each
function is compared with the exact value of its own definition. NaN that comes from NaN is not counted as accepted
silently; a number that comes from an invalid label is. The boosters' metrics are those of a model without trees
whose start is the prediction; XGBoost prints 17 decimals, so that results below 1e-9 are not counted.

{versions}

Regenerate it with `python tests/rightness.py`, or some of it with the names of libraries. The numbers are in
[how-right.json](how-right.json), to be cited and compared.
"""


def page(found: dict[str, Any]) -> str:
    """The page in Markdown."""
    rows = found["rows"]
    groups = list(dict.fromkeys(row["loss"] for row in rows))
    parts = [_HEAD.format(versions=_versions(found)), "## At a glance\n", _summary(rows)]
    for group in groups:
        parts += [f"## {group[0].upper()}{group[1:]}\n", _table([row for row in rows if row["loss"] == group])]
    return "\n".join(parts)


def _versions(found: dict[str, Any]) -> str:
    named = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"Measured with {named}; Keras on JAX; CPU, {found['machine']}."


def _summary(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| library | functions | values within 1 ULP everywhere | with an input without a correct digit | that accept "
        "bad input silently |",
        "|---|---:|---:|---:|---:|",
    ]
    for library in dict.fromkeys(row["library"] for row in rows):
        own = [row for row in rows if row["library"] == library]
        exact = sum("value" in row and _size(row["value"]["ulps"]) <= 1.0 for row in own)
        blank = sum(any(row.get(what, _NONE)["share_without_a_digit"] > 0 for what in _WHATS) for row in own)
        lines.append(
            f"| {_strong(library)} | {len(own)} | {exact} | {blank} | {sum(bool(r['accepts']) for r in own)} |"
        )
    return "\n".join(lines) + "\n"


_WHATS = ("value", "gradient")
_NONE = {"share_without_a_digit": 0.0}


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| library | function | value, ULP | gradient, ULP | no digit | worst input | given | exact | accepts silently "
        "| also |",
        "|---|---|---:|---:|---:|---|---:|---:|---|---|",
    ]
    return "\n".join([*lines, *map(_line, rows)]) + "\n"


def _line(row: dict[str, Any]) -> str:
    measured = {what: row[what] for what in _WHATS if what in row}
    what = max(measured, key=lambda name: (_size(measured[name]["ulps"]), name == "value"), default="")
    worst = measured.get(what)
    share = max((one["share_without_a_digit"] for one in measured.values()), default=0.0)
    cells = [
        _strong(row["library"]),
        f"`{row['function']}`",
        *(_ulps(row.get(name)) for name in _WHATS),
        f"{share:.0%}" if share else "",
        _input(worst, what) if worst else "",
        f"`{_short(worst['given'])}`" if worst else "",
        f"`{_short(worst['exact'])}`" if worst else "",
        ", ".join(row["accepts"]),
        "; ".join([*row["sums"], *row["conventions"], *map(_link, row["links"])]),
    ]
    return f"| {' | '.join(cells)} |"


def _strong(library: str) -> str:
    return f"**{library}**" if library == "rashin" else library


def _ulps(one: dict[str, Any] | None) -> str:
    if one is None:
        return ""
    size = _size(one["ulps"])
    if size > 2.0**22:  # half of the number and more
        return "∞" if size == float("inf") else "> 10⁶"
    return f"{size:.2f}" if size < 10 else f"{size:,.0f}"


def _size(ulps: Any) -> float:
    return float(ulps)


def _input(one: dict[str, Any], what: str) -> str:
    prediction, target = (_written(one[name]) for name in ("prediction", "target"))
    slope = "" if what == "value" else ", gradient" + (f" of class {one['entry']}" if one["entry"] is not None else "")
    return f"z = {prediction}, t = {target}{slope}"


def _written(x: Any) -> str:
    """Inputs with the digits that float32 needs."""
    return f"[{', '.join(map(_written, x))}]" if isinstance(x, list) else str(np.float32(x)).removesuffix(".0")


def _short(x: Any) -> str:
    return f"{float(x):.9g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def _link(url: str) -> str:
    *_, owner, _kind, number = url.split("/")
    return f"[{owner} #{number}]({url})"
