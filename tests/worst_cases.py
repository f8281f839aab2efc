"""The worst cases ever found, kept in a file and judged again by every test run.

Each line holds a loss, its parameters, the dtype, what was measured, the inputs as hexadecimal floats (so
that no digit is lost) and the error when recorded. ``python tests/accuracy_table.py`` appends; tests only
read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cases import Case
from measuring import Sample
from ulp import DTYPES

__all__ = ["PATH", "WorstCase", "as_case", "read", "record"]

PATH = Path(__file__).parent / "worst_cases" / "losses.csv"


class WorstCase(NamedTuple):
    """One line of the file, as text."""

    loss: str
    parameters: str
    dtype: str
    what: str
    prediction: str
    target: str
    ulp: str


def read(path: Path = PATH) -> Iterator[WorstCase]:
    if path.exists():
        with path.open(newline="", encoding="utf-8") as lines:
            yield from (WorstCase(**line) for line in csv.DictReader(lines))


def record(samples: Iterable[Sample], path: Path = PATH) -> int:
    """Append the samples whose inputs the file does not hold yet, and say how many they were."""
    known = {line[:-1] for line in read(path)}
    fresh = {line[:-1]: line for line in map(_as_line, samples) if line[:-1] not in known}
    path.parent.mkdir(exist_ok=True)
    empty = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        if empty:
            writer.writerow(WorstCase._fields)
        writer.writerows(fresh.values())
    return len(fresh)


def as_case(line: WorstCase) -> Case:
    """The inputs of a line, one sample as a batch."""
    z = np.atleast_1d(_from_hex(line.prediction, line.dtype))
    t = np.array(int(line.target)) if line.target.isdecimal() else _from_hex(line.target, line.dtype)
    return Case("worst case", z[np.newaxis] if " " in line.prediction else z, t[np.newaxis])


def _as_line(sample: Sample) -> WorstCase:
    parameters = json.dumps(sample.parameters, sort_keys=True)
    inputs = _hex(sample.z), _hex(sample.t)
    return WorstCase(sample.loss, parameters, sample.dtype, sample.what, *inputs, f"{sample.error:.4g}")


def _hex(x: Any) -> str:
    x = np.asarray(x)
    return str(int(x)) if x.dtype.kind == "i" else " ".join(float(v).hex() for v in x.ravel())


def _from_hex(text: str, dtype: str) -> np.ndarray[Any, Any]:
    numbers = np.array([float.fromhex(v) for v in text.split()]).astype(DTYPES[dtype])
    return numbers if " " in text else numbers[0]
