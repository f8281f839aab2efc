"""How right the losses of other libraries are: ``python tests/rightness.py`` writes docs/how-right.json and .md.

``rashin.audit`` finds the worst float32 input of every function in ``rightness_rows``. The exact number there is
computed anew from the textbook definition in mpmath, which knows nothing of rashin, and the error is counted in ULPs of
it (``ulp``). Points at which a library clips probabilities, or flushes subnormal results to 0, are conventions: they
are named, and not counted.
"""

from __future__ import annotations

import json
import platform
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from mpmath import mp, mpf

import rashin
from calculus import exact_gradient
from losses import ENTRIES
from rashin.audit.checking import examined
from rashin.audit.libraries.keras import prepare
from rashin.audit.questions.case import Case
from rashin.audit.questions.digits import faults
from rashin.audit.questions.measured import Measured
from rashin.audit.reference import Reference
from rashin.domain import SIGN
from rightness_page import page
from rightness_rows import ROWS, Row
from ulp import ulp_error

__all__ = ["JSON", "PAGE", "exact_of", "measured_row"]

DOCS = Path(__file__).parents[1] / "docs"
JSON, PAGE = DOCS / "how-right.json", DOCS / "how-right.md"
DTYPE = "float32"
PACKAGES = ("torch", "jax", "optax", "keras", "scikit-learn", "xgboost-cpu", "lightgbm", "torchmetrics", "skglm")
_BITS = 4000  # 1 + e^-745 and its differences are exact to 160 bits


def measured_row(row: Row) -> dict[str, Any]:
    """The row as the JSON has it."""
    choices = dict(row.choices)
    case, report = examined(row.target, choices.pop("like", None), **choices)
    outputs = [one for one in case.measured if one.dtype == DTYPE and one.is_judged and one.output in _outputs(case)]
    severities = {one.code: one.severity for one in report.findings}
    accepted = [one for one in report.findings if one.severity == "wrong" and one.code in _ACCEPTING]
    return {
        "loss": row.group,
        "library": row.library,
        "function": row.name,
        "like": report.like,
        **{("value" if one.output == "value" else "gradient"): worst_of(case, one, row.least) for one in outputs},
        "accepts": _accepted(accepted),
        "sums": [_sum(one) for one in report.findings if one.severity == "wrong" and one.code in _SUMS],
        "conventions": [*_at_infinity(outputs), *_conventions(row, severities)],
        "links": list(row.links),
    }


_ACCEPTING = ("target", "prediction", "broadcast")
_SUMS = ("batch", "weight", "stream", "padding", "gradient")
_CONVENTIONS = {
    "clip": "clips",
    "subnormal": "subnormals become 0",
    "weight": "weighted means are divided by the number of samples",
    "precision": "float64 is computed in float32",
}
_KNOWN = {
    "clip": ("convention",),
    "subnormal": ("inexact",),
    "weight": ("convention",),
    "precision": ("inexact",),
}


def _conventions(row: Row, severities: dict[str, str]) -> list[str]:
    known = {**_KNOWN, "precision": ()} if row.library in ("XGBoost", "LightGBM") else _KNOWN  # they store float32
    return [word for code, word in _CONVENTIONS.items() if severities.get(code) in known[code]]


def _at_infinity(outputs: list[Measured]) -> list[str]:
    """Infinite logits on the right side have the limit 0."""
    found = [np.isnan(one.got) & np.isinf(one.points.z) for one in outputs if one.points.z.ndim == one.got.ndim == 1]
    return ["NaN at infinite logits"] if any(one.any() for one in found) else []


def _sum(finding: Any) -> str:
    return finding.text if finding.output in ("", "gradient") else f"{finding.output}: {finding.text}"


def _outputs(case: Case) -> set[str]:
    """The value and the usual gradient."""
    return {"value", next(iter(case.subject.gradients), "value")}


def _accepted(findings: list[Any]) -> list[str]:
    """What is accepted, in words: targets and predictions are listed."""
    shapes = [one.text for one in findings if one.code == "broadcast"]
    words = ["(n, 1) against (n,)" if "(12, 1)" in text else "fewer targets than rows" for text in shapes]
    for code in ("target", "prediction"):
        named = [_NAMES.get(one.dtype, one.dtype) for one in findings if one.code == code]
        words += [f"{code}{'s' * (len(named) > 1)} {', '.join(named)}"] if named else []
    return words


_NAMES = {"the number of classes": "C", "nan": "NaN"}


# ------------------------------------------------------------------------------------------------ the worst input


def worst_of(case: Case, one: Measured, least: float = 0.0) -> dict[str, Any]:
    """The worst input that is not a convention, with the exact number."""
    found = faults(case, one)
    out = found["subnormal"][1] | (found["clip"][1] if found["clip"][0] == "convention" else False)
    counted = ~out & ~np.isnan(one.exact) & (np.isfinite(one.exact) | np.isinf(one.got))
    counted &= (np.abs(one.exact) >= least) & ~one.has_subnormal_input
    if one.points.z.ndim == 1:
        counted &= np.isfinite(one.points.z)
    bad = found["nan"][1] | found["inf"][1]
    ranked = np.where(counted, np.where(bad, np.inf, one.ulps), -1.0)
    place = np.unravel_index(int(np.argmax(ranked)), ranked.shape)
    sample, entry = int(place[0]), int(place[1]) if len(place) > 1 else None
    z, t = one.points.z[sample], one.points.t[sample]
    got = np.atleast_1d(one.got[sample])[entry or 0]
    reference = case.reference
    assert reference is not None
    exact = exact_of(case, reference, one.output, z, t, entry)
    ulps = float(one.ulps[place]) if exact == 0 and entry is not None else ulp_error(np.float32(got), exact, DTYPE)
    return {
        "prediction": _plain(z),
        "target": _plain(t),
        "entry": entry,
        "given": _number(float(got)),
        "exact": mp.nstr(exact, 12),
        "ulps": _number(float(f"{ulps:.3g}")),  # of an exact 0 in a row, those of its largest entry
        "share_without_a_digit": round(float(np.mean((found["digits"][1] | bad)[counted])), 3),
    }


def exact_of(case: Case, reference: Reference, output: str, z: Any, t: Any, entry: int | None) -> mpf:
    """The exact value or derivative, from the definition."""
    with mp.workprec(_BITS):
        if output == "value":
            batch = case.in_company(np.asarray(z)[None], np.asarray(t)[None])
            losses = [_loss(reference, *pair) for pair in zip(*batch, strict=True)]
            reduced = mp.fsum(losses) / (1 if reference.reduction == "sum" else len(losses)) * mpf(reference.scale)
            return _OUTER[reference.outer](reduced) + mpf(reference.constant)
        return _slope(reference, z, t, entry) * mpf(reference.scale)


_OUTER = {"": lambda x: x, "root of": mp.sqrt, "exponential of": mp.exp}


def _loss(reference: Reference, z: Any, t: Any) -> mpf:
    entry, parameters = ENTRIES[reference.loss.name], _parameters(reference)
    value = entry.value(_encoded(reference, z), _target(reference, t), **parameters)
    if reference.offset != "self":
        return value
    itself = np.log(t) if reference.form.link == "exp" else t
    own = _mpf(t) if reference.form.link == "exp" else _encoded(reference, itself)
    return value - entry.value(own, _target(reference, t), **parameters)


def _slope(reference: Reference, z: Any, t: Any, entry: int | None) -> mpf:
    u = _encoded(reference, z)
    found = exact_gradient(reference.loss.name, u, _target(reference, t), _parameters(reference))
    slope, x = (found.value, _mpf(z)) if entry is None else (found[entry].value, _mpf(z[entry]))
    link = reference.form.link
    return slope if not link else slope / x if link == "log" else slope * mp.exp(x)


def _parameters(reference: Reference) -> dict[str, Any]:
    return {name: x for name, x in reference.loss.parameters.items() if name != "normalized"}


def _encoded(reference: Reference, z: Any) -> Any:
    found = _mpf(z)
    how = {"": lambda x: x, "log": mp.log, "exp": mp.exp}[reference.form.link]
    return [how(x) for x in found] if isinstance(found, list) else how(found)


def _target(reference: Reference, t: Any) -> Any:
    if np.asarray(t).dtype.kind in "iu":
        return int(t)
    found = _mpf(t)
    return (found + 1) / 2 if reference.form.target == SIGN and reference.loss.target != SIGN else found


def _mpf(x: Any) -> Any:
    return [mpf(float(one)) for one in x] if np.ndim(x) else mpf(float(x))


def _plain(x: Any) -> Any:
    return (
        [_number(float(one)) for one in x]
        if np.ndim(x)
        else _number(float(x))
        if np.asarray(x).dtype.kind == "f"
        else int(x)
    )


def _number(x: float) -> float | str:
    """A number as JSON can hold it: infinities and NaN are words there."""
    return x if np.isfinite(x) else str(x)


# ------------------------------------------------------------------------------------------------ all of it


def main(libraries: list[str]) -> None:
    prepare()
    warnings.simplefilter("ignore")
    kept = json.loads(JSON.read_text(encoding="utf-8"))["rows"] if libraries else []
    known = {(row["loss"], row["library"], row["function"]): row for row in kept}
    rows = []
    for row in ROWS:
        key = row.group, row.library, row.name
        if libraries and row.library not in libraries and key in known:
            rows.append(known[key])
            continue
        rows.append(measured_row(row))
        print(*key, {what: rows[-1][what]["ulps"] for what in ("value", "gradient") if what in rows[-1]})  # noqa: T201
    found = {
        "dtype": DTYPE,
        "versions": {"rashin": rashin.__version__, **{name: version(name) for name in PACKAGES}},
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "rows": rows,
    }
    JSON.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
