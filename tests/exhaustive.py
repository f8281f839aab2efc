"""Tries every float32 prediction of the losses of one variable: ``python tests/exhaustive.py [loss ...]``.

Value and gradient of each case of ``one_variable`` are compared with the exact result, rounded. Who judges a result:

1. a reference in double. Its relative error is below ``MARGIN``: unless the exact result may lie on either side of the
   middle of two float32 numbers, it is clear what the result must be. That leaves about one result in a million;
2. the references in long double, in the same way, with ``LONG_MARGIN``;
3. the definition in mpmath, which also confirms the worst case.

Each case is written to tests/worst_cases/float32.csv and to docs/accuracy.md when it is done. Without names the
command tries the cases that the file does not hold for the present kernels, so it may be interrupted.
"""

from __future__ import annotations

import csv
import hashlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import reduce
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mpmath import mp, mpf
from numpy.typing import NDArray

import rashin
from accuracy_table import PAGE, replaced
from calculus import exact_gradient, exact_value
from one_variable import CASES, OneVariable
from rashin.kernels.threads import count
from rashin.native.targets import of_this_machine
from references import reference
from ulp import FORMATS, spacing, ulp_error

__all__ = ["LONG_MARGIN", "MARGIN", "PATH", "Line", "Tally", "in_long_double", "read", "table", "tried"]

PATH = Path(__file__).parent / "worst_cases" / "float32.csv"
BEGIN, END = "<!-- float32: begin -->\n", "<!-- float32: end -->"
MARGIN, LONG_MARGIN = 2.0**-44, 512 * float(np.finfo(np.longdouble).eps)  # the references err by an eighth at most
PART, CHUNK = 2**25, 2**16  # patterns that a process takes, and of which it computes at a time: they fit its cache
WHATS = ("value", "gradient", "gradient")  # the results of a case, in order
F32 = np.float32
Array = NDArray[Any]


class Tally(NamedTuple):
    """Results of one kind: how many, how many were not rounded correctly, and the worst of them."""

    points: int
    wrong: int
    ulp: float
    prediction: float

    def __add__(self, other: Tally) -> Tally:
        worst = max(self, other, key=lambda each: each.ulp)
        return Tally(self.points + other.points, self.wrong + other.wrong, worst.ulp, worst.prediction)


class Line(NamedTuple):
    """One line of the file, as text."""

    case: str
    what: str
    points: str
    wrong: str
    ulp: str
    prediction: str
    version: str
    target: str
    sources: str


# One array of predictions


def tried(case: OneVariable, z: NDArray[np.float32]) -> list[Tally]:
    """Value and gradient at these predictions, which are in order and of one sign."""
    got, constants = case.results(z), _constants(case, z)
    if all(constant is not None and np.all(x == constant) for x, constant in zip(got, constants, strict=True)):
        tallies = [Tally(z.size, 0, 0.0, 0.0) for _ in got]
    else:
        judged = zip(got, case.references(z), strict=True)
        tallies = [_judged(case, entry, z, *both) for entry, both in enumerate(judged)]
    return [tallies[0], reduce(Tally.__add__, tallies[1:])]


def _constants(case: OneVariable, z: Array) -> list[Any]:
    """The numbers that all results must be, where they must: what is monotone lies between its ends."""
    ends = case.references(z[[0, -1]])
    if any(case.exact) or not rashin.registry.get(case.loss).facts.convex or ends[1][0] * ends[1][1] < 0:
        return [None] * len(ends)
    with np.errstate(all="ignore"):
        rounded = [np.outer(end, [1 - MARGIN, 1 + MARGIN]).astype(F32).ravel() for end in ends]
    return [some[0] if np.all(some == some[0]) else None for some in rounded]


def _judged(case: OneVariable, entry: int, z: Array, got: Array, double: Array) -> Tally:
    exact = case.exact[min(entry, 1)]
    with np.errstate(all="ignore"):
        below, above = (double, double) if exact else (double * (1 - MARGIN), double * (1 + MARGIN))
        doubtful = _doubtful(got, below, above)
        tally = Tally(z.size, 0, 0.0, 0.0)
        if exact:  # the others come near the worst case only where they are doubtful
            tally += _worst(z, got, double)
    if not doubtful.size:
        return tally
    z, got = z[doubtful], got[doubtful]
    long, largest = in_long_double(case, entry, z)
    with np.errstate(all="ignore"):
        margin = np.minimum(largest, 1e300) * LONG_MARGIN  # infinity less infinity would be NaN
        below, above = (long - margin).astype(F32), (long + margin).astype(F32)
        clear = below == above
        tally += _worst(z[clear], got[clear], long[clear])._replace(wrong=int(np.sum(got[clear] != below[clear])))
    left = np.flatnonzero(~clear)
    return reduce(Tally.__add__, (by_definition(case, entry, z[i], got[i]) for i in left), tally)


def _doubtful(got: Array, below: Array, above: Array) -> Array:
    """Where an exact result between these two may round to another number than ``got``."""
    return np.flatnonzero((below.astype(F32) != got) | (above.astype(F32) != got))


def _errors(got: Array, exact: Array) -> Array:
    """In ULPs; 0 where an infinity is right, infinity where it is wrong or missing."""
    form = FORMATS["float32"]
    ulp = np.ldexp(exact.dtype.type(1), np.maximum(np.frexp(exact)[1] - 1, form.least) - form.bits + 1)
    errors = np.abs(got - exact) / ulp
    return np.where(np.isfinite(errors), errors, np.where(got == exact.astype(F32), 0.0, np.inf))


def _worst(z: Array, got: Array, exact: Array) -> Tally:
    if np.array_equal(got, exact):  # also where there are none
        return Tally(0, 0, 0.0, 0.0)
    errors = _errors(got, exact)
    place = int(np.argmax(errors))
    return Tally(0, 0, float(errors[place]), float(z[place]))


def in_long_double(case: OneVariable, entry: int, z: Array) -> tuple[Array, Array]:
    """The second reference, and the magnitude of its largest summand."""
    summands = reference(case.loss, *case.inputs(z), dict(case.parameters))[min(entry, 1)]
    columns = [each[..., entry - 1] if each.ndim == 2 else each for each in np.broadcast_arrays(*summands)]
    with np.errstate(all="ignore"):
        return sum(columns), np.max(np.abs(columns), axis=0)


def by_definition(case: OneVariable, entry: int, z: np.float32, got: np.float32) -> Tally:
    """The verdict of mpmath on one result."""
    exact = exact_result(case, entry, float(z))
    with mp.workprec(2000):  # an error of half an ULP and a trace more is one
        inside = mp.isfinite(exact) and np.isfinite(got)
        error = abs(mpf(float(got)) - exact) / spacing(exact, F32) if inside else ulp_error(got, exact, F32)
        return Tally(0, int(error > 0.5), float(error), float(z))


def exact_result(case: OneVariable, entry: int, z: float) -> mpf:
    point = [mpf(z), mpf(0)] if case.of_rows else mpf(z)
    arguments = case.loss, point, case.target if case.of_rows else mpf(case.target), dict(case.parameters)
    if entry == 0:
        return exact_value(*arguments).value
    return exact_gradient(*arguments, [entry - 1])[0].value if case.of_rows else exact_gradient(*arguments).value


# All of them


def fingerprint() -> str:
    """A digest of the formulas and kernels."""
    package = Path(rashin.__file__).parent
    sources = [
        *(each for kind in ("arithmetic", "kernels", "losses") for each in sorted((package / kind).glob("*.py")))
    ]
    return hashlib.sha256(b"".join(each.read_bytes() for each in [*sources, package / "exact.py"])).hexdigest()[:12]


def parts(case: OneVariable) -> Iterator[tuple[int, int]]:
    for first, end in case.ranges():
        yield from ((start, min(start + PART, end)) for start in range(first, end, PART))


def try_part(name: str, first: int, end: int) -> list[Tally]:
    """Every pattern from ``first`` to before ``end``, in one thread."""
    np.ones(2**21)  # glibc keeps what is freed from now on, and page faults take no time
    with rashin.threads(1):
        found = (
            tried(CASES[name], np.arange(start, min(start + CHUNK, end), dtype=np.uint32).view(F32))
            for start in range(first, end, CHUNK)
        )
        return reduce(lambda some, more: [a + b for a, b in zip(some, more, strict=True)], found)


def try_all(name: str, pool: ProcessPoolExecutor) -> list[Line]:
    """The lines of a case."""
    jobs = [pool.submit(try_part, name, *part) for part in parts(CASES[name])]
    whole = [reduce(Tally.__add__, column) for column in zip(*(job.result() for job in jobs), strict=True)]
    whole = [
        t._replace(ulp=worst_error(CASES[name], what, t.prediction)) for what, t in zip(WHATS, whole, strict=False)
    ]
    about = rashin.__version__, of_this_machine().name, fingerprint()
    return [
        Line(name, what, str(t.points), str(t.wrong), f"{t.ulp:.9f}", t.prediction.hex(), *about)
        for what, t in zip(WHATS, whole, strict=False)
    ]


def worst_error(case: OneVariable, what: str, prediction: float) -> float:
    """The error in ULPs at one prediction, by the definition."""
    z = np.array([prediction], F32)
    entries = [entry for entry in range(3 if case.of_rows else 2) if WHATS[entry] == what]
    return max(by_definition(case, entry, z[0], case.results(z)[entry][0]).ulp for entry in entries)


# The file and the page


def read(path: Path = PATH) -> list[Line]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as lines:
        return [Line(**line) for line in csv.DictReader(lines)]


def write(lines: list[Line]) -> None:
    """The file and the table of the page, in the order of the cases."""
    places = {name: place for place, name in enumerate(CASES)}
    lines = sorted((line for line in lines if line.case in places), key=lambda line: places[line.case])
    with PATH.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Line._fields)
        writer.writerows(lines)
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), BEGIN, END, table(lines)), encoding="utf-8")


def table(lines: list[Line]) -> str:
    """Markdown: a row for the value and one for the gradient of each case."""
    rows = ["| loss at a target | | predictions | wrongly rounded | worst error in ULPs | at the prediction |"]
    rows += ["|---|---|--:|--:|--:|--:|"]
    for line in lines:
        worst = f"{line.ulp} | {float.fromhex(line.prediction):.9g}"
        rows.append(f"| `{line.case}` | {line.what} | {int(line.points):,} | {int(line.wrong):,} | {worst} |")
    rows += ["", *dict.fromkeys(f"Tried with version {x.version} for {x.target}, sources {x.sources}." for x in lines)]
    return "\n".join(rows) + "\n"


def main(asked: list[str]) -> None:
    if unknown := set(asked) - {case.loss for case in CASES.values()} - set(CASES):
        sys.exit(f"loss: got {', '.join(sorted(unknown))}; expected losses or cases such as {next(iter(CASES))}")
    done = {line.case for line in read() if line.sources == fingerprint()}
    names = [name for name, case in CASES.items() if {name, case.loss} & set(asked) or (not asked and name not in done)]
    with ProcessPoolExecutor(count(), mp_context=get_context("spawn")) as pool:
        for name in names:
            start = time.perf_counter()
            lines = try_all(name, pool)
            write([*(line for line in read() if line.case != name), *lines])
            said = "; ".join(f"{line.what} {line.wrong} wrong, {line.ulp} ULP" for line in lines)
            print(f"{name}: {said} ({time.perf_counter() - start:.0f} s)", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
