"""What a check finds, and the report of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

__all__ = ["CODES", "SEVERITIES", "Accepted", "Finding", "Report", "agreement_lines", "reaches", "summary_lines"]

_WORSE = 2.0  # times: less may be other processors and versions
SEVERITIES = ("wrong", "inexact", "convention")  # the gravest first
CODES = (
    "like", "factor", "call", "gradient", "hessian", "shape", "sign", "curvature", "nan", "inf", "digits", "ulps",
    "subnormal", "clip", "precision", "broadcast", "one-target", "target", "prediction", "empty", "random", "batch",
    "reduction", "weight", "mask", "padding", "stream", "input",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One fault or convention.

    Attributes
    ----------
    severity : ``"wrong"`` for a wrong number, or one given silently for bad input; ``"inexact"`` for lost digits;
        ``"convention"`` for what is documented or can be seen in the result.
    code : name of the question that found it, such as ``"digits"``.
    output : ``"value"``, ``"gradient"``, ``"hessian"``, or "" if all are concerned.
    dtype : dtype of the prediction, or "".
    text : the fault in words, with numbers.
    example : the worst input, as a line of Python that can be pasted.
    size : how bad it is, as a number that is larger the worse it is: the share of hard inputs, the error in ULPs, or
        the relative error; 0 where nothing can be measured.
    """

    severity: str
    code: str
    text: str
    output: str = ""
    dtype: str = ""
    example: str = ""
    size: float = 0.0

    @property
    def key(self) -> str:
        """What identifies it in a baseline: everything but its numbers."""
        return ":".join(filter(None, (self.code, self.output, self.dtype)))

    def __str__(self) -> str:
        where = " ".join(filter(None, (self.output, self.dtype)))
        line = f"{self.severity}: {self.code}: {where + ': ' if where else ''}{self.text}"
        return f"{line}\n    {self.example}" if self.example else line


class Accepted(NamedTuple):
    """How bad a finding may be: its severity and size when it was accepted."""

    severity: str
    size: float

    def covers(self, finding: Finding) -> bool:
        """False if the finding is graver, or more than twice as large.

        >>> Accepted("inexact", 50.0).covers(Finding("inexact", "ulps", "up to 60 ULP off", size=60.0))
        True
        >>> Accepted("inexact", 50.0).covers(Finding("inexact", "ulps", "up to 4e6 ULP off", size=4e6))
        False
        """
        return reaches(self.severity, finding.severity) and not finding.size > _WORSE * self.size


def reaches(severity: str, threshold: str) -> bool:
    """Whether a severity is as grave as the threshold.

    >>> reaches("wrong", "inexact"), reaches("convention", "inexact")
    (True, False)
    """
    if threshold not in SEVERITIES:
        raise ValueError(f"threshold: got {threshold!r}; expected {', '.join(SEVERITIES)}")
    return SEVERITIES.index(severity) <= SEVERITIES.index(threshold)


@dataclass(frozen=True, repr=False)
class Report:
    """The report of ``rashin.check``.

    Attributes
    ----------
    target : how the function is written.
    like : the rashin loss that it resembles or was compared with, with the factor; "" if none was found.
    assumed : what was found out or assumed about the function, in words.
    findings : the faults and conventions, the gravest first.
    agreement : worst error in ULPs by dtype and output, over hard inputs on which it is neither clipped nor wrong.
    versions : versions of the libraries involved.
    seconds : duration.
    tested, untested : what was tested and what was not, in words, if the function resembles no loss of rashin.
    preparation : imports that the examples of the findings need, as a line of Python.
    """

    target: str
    like: str
    assumed: tuple[str, ...]
    findings: tuple[Finding, ...]
    agreement: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    tested: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()
    preparation: str = ""

    @property
    def keys(self) -> set[str]:
        """What identifies the findings in a baseline."""
        return {finding.key for finding in self.findings}

    def worst(self, threshold: str = "wrong", accepted: Mapping[str, Accepted] | None = None) -> list[Finding]:
        """The findings as grave as the threshold that are not accepted, or that are worse than what was accepted."""
        known = accepted or {}
        return [
            one
            for one in self.findings
            if reaches(one.severity, threshold) and not (one.key in known and known[one.key].covers(one))
        ]

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(self.as_dict(), indent=2)

    def as_dict(self) -> dict[str, Any]:
        """The report as dictionaries and lists."""
        found = [{**asdict(one), "key": one.key} for one in self.findings]
        lists = {name: list(getattr(self, name)) for name in ("assumed", "tested", "untested")}
        return {**asdict(self), **lists, "findings": found}

    def __str__(self) -> str:
        lines = [
            f"{self.target}, like {self.like}"
            if self.like
            else f"{self.target}, not recognised: no loss of rashin gives its numbers"
        ]
        lines += [f"  assumed: {one}" for one in self.assumed]
        lines += [f"  {one}" for one in agreement_lines(self)]
        lines += [f"  {line}" for one in self.findings for line in str(one).splitlines()]
        lines += [f"  before the examples: {self.preparation}"] if self.preparation else []
        return "\n".join([*lines, *(f"  {one}" for one in summary_lines(self, self.findings))])

    __repr__ = __str__


def agreement_lines(report: Report) -> list[str]:
    """The agreement, a line for each dtype.

    >>> agreement_lines(Report("f", "huber()", (), (), {"float32": {"value": 0.5, "gradient": 0.0}}))
    ['float32: value within 0.5 ULP, gradient within 0 ULP']
    """
    return [
        f"{dtype}: " + ", ".join(f"{output} within {error:.3g} ULP" for output, error in errors.items())
        for dtype, errors in report.agreement.items()
    ]


def summary_lines(report: Report, shown: Sequence[Finding]) -> list[str]:
    """How many findings are shown, and what was not tested.

    >>> summary_lines(Report("f", "huber()", (), ()), [Finding("wrong", "nan", "NaN")])
    ['1 finding: 1 wrong']
    """
    counts = [(sum(one.severity == severity for one in shown), severity) for severity in SEVERITIES]
    kinds = ", ".join(f"{count} {severity}" for count, severity in counts if count)
    lines = [f"{len(shown)} finding{'s' * (len(shown) != 1)}{f': {kinds}' if kinds else ''}"]
    if report.untested:
        lines.append(
            f"Not recognised. Tested: {', '.join(report.tested)}. Not tested: {', '.join(report.untested)}; "
            f"fix: state the loss that it must equal with --like NAME, such as --like 'huber(delta=0.5)'"
        )
    return lines
