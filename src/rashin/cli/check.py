"""``rashin check``: the faults of a loss of any library."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rashin.printable import printable

if TYPE_CHECKING:
    from rashin.audit import Report
    from rashin.audit.findings import Accepted

__all__ = ["check_target"]

_GRACE = 2.0  # seconds
_STYLES = {"wrong": "bold red", "inexact": "yellow", "convention": "dim"}


def check_target(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="Function, class or method, as package.module:name.", show_default=False),
    ],
    like: Annotated[
        str | None,
        typer.Option(metavar="LOSS", help="Loss of rashin that it must equal, such as 'huber(delta=0.7)'."),
    ] = None,
    domain: Annotated[
        str | None, typer.Option(metavar="NAME", help="What it takes, such as real, binary, sign or labels.")
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(metavar="ORDER", help="Order of its arguments: prediction,target or target,prediction."),
    ] = None,
    library: Annotated[
        str | None, typer.Option(metavar="NAME", help="Library of its arrays, such as numpy, torch or jax.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Number of classes, such as that of its weights.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Keyword of the function, or argument of the class; may be repeated."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="Kind of finding to leave out; may be repeated.")
    ] = None,
    fail_on: Annotated[
        str, typer.Option(metavar="SEVERITY", help="Least severity that fails: wrong, inexact or convention.")
    ] = "wrong",
    seconds: Annotated[float, typer.Option(metavar="NUMBER", help="Limit of time for the whole check.")] = 60.0,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of accepted findings, which do not fail.")
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write what was found to the baseline, and accept it.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Find the faults of a loss: wrong derivatives, NaN, lost digits, bad input accepted, sums that do not add up.

    TARGET is a function of arrays, a loss of torch, JAX or Keras, a metric of scikit-learn, or an objective of a
    booster. The exit code is 1 if there are findings of the severity --fail-on or graver that the baseline does not
    accept, and 2 if TARGET cannot be checked. Severities: wrong (a wrong number, or one given silently for bad input),
    inexact (lost digits), convention.
    """
    from rashin.audit import read_baseline, write_baseline
    from rashin.audit.sound import check_severity

    check_severity(fail_on)
    if update_baseline and baseline is None:
        raise typer.BadParameter("got no file; expected --baseline FILE with it", param_hint="'--update-baseline'")
    _find_modules_here()
    stated = {"domain": domain, "order": order, "library": library, "classes": classes}
    choices = {**stated, "settings": _settings(set_ or [])}
    report = _report(target, like, ignore=ignore or (), seconds=seconds, **choices)
    if baseline is not None and update_baseline:
        write_baseline(baseline, [report])
    accepted = read_baseline(baseline).get(report.target, {}) if baseline is not None else {}
    if as_json:
        typer.echo(json.dumps({**report.as_dict(), "accepted": sorted(_known(report, accepted))}, indent=2))
    else:
        _print(report, accepted)
    if report.worst(fail_on, accepted):
        raise typer.Exit(1)


def _report(target: str, *arguments: Any, seconds: float, **choices: Any) -> Report:
    """The report; what the function prints goes to standard error, and what it raises becomes one line."""
    from rashin.audit import check

    try:
        with contextlib.redirect_stdout(sys.stderr), _ended(target, seconds):
            return check(target, *arguments, seconds=seconds, **choices)
    except TypeError as error:
        raise ValueError(str(error)) from error
    except SystemExit:
        raise ValueError(
            f"target: got {target}, which ends the process (sys.exit); expected a function that returns"
        ) from None


@contextlib.contextmanager
def _ended(target: str, seconds: float) -> Iterator[None]:
    """End the process some seconds after the limit: the alarm of ``check`` does not interrupt compiled code."""
    from rashin.audit.limit import check_seconds, in_words

    check_seconds(seconds)

    def end() -> None:
        sys.stderr.write(f"rashin: {printable(in_words(target, seconds))}\n")
        sys.stderr.flush()
        os._exit(2)

    timer = threading.Timer(seconds + _GRACE, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _find_modules_here() -> None:
    """Modules of the current folder can be named, as ``python -m`` allows."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _settings(given: list[str]) -> dict[str, Any]:
    settings = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip().isidentifier():
            raise typer.BadParameter(f"got {one!r}; expected NAME=VALUE", param_hint="'--set'")
        settings[name.strip()] = _value(value)
    return settings


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text.lower(), text)


def _known(report: Report, accepted: Mapping[str, Accepted]) -> set[str]:
    """The keys of findings that are as bad as in the baseline, or less."""
    return report.keys - {one.key for one in report.worst("convention", accepted)}


def _print(report: Report, accepted: Mapping[str, Accepted]) -> None:
    """The report as a table; the worst inputs follow as lines that can be pasted."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from rashin.audit.findings import agreement_lines, summary_lines

    console = Console()
    console.print(Text(report.target, style="bold"))
    for line in (
        f"like {report.like}" if report.like else "not recognised: no loss of rashin gives its numbers",
        *report.assumed,
        *agreement_lines(report),
    ):
        console.print(Text(f"  {printable(line)}"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("severity", "finding", "where", "what"):
        table.add_column(heading, overflow="fold")
    shown = report.worst("convention", accepted)
    for one in shown:
        worse = "worse than in the baseline: " if one.key in accepted else ""
        where = " ".join(filter(None, (one.output, one.dtype)))
        table.add_row(
            Text(one.severity, style=_STYLES[one.severity]), one.code, Text(where), Text(printable(worse + one.text))
        )
    if shown:
        console.print(table)
    pasted = [one for one in shown if one.example and one.severity == "wrong"]
    if pasted:
        typer.echo(report.preparation)
    for one in pasted:
        typer.echo(f"{one.example}  # {one.key}")
    known, stale = _known(report, accepted), accepted.keys() - report.keys
    for line in summary_lines(report, shown):
        typer.echo(line)
    if known:
        typer.echo(f"{len(known)} accepted by the baseline")
    if stale:
        typer.echo(f"No longer found, still in the baseline: {', '.join(sorted(stale))}")
