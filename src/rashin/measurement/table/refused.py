"""Refused rows: finding them, with messages that name the column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.domain import LABEL, LOG_PROBABILITY, NONNEGATIVE, Domain, Row, Sample
from rashin.loss import Loss
from rashin.measurement.accumulate import Accumulator, Options
from rashin.measurement.decisions import two_classes
from rashin.measurement.sums.codes import Codes
from rashin.measurement.table.batch import Batch
from rashin.refusal import Refusal
from rashin.tables.faults import failing_rows

__all__ = ["add_rows", "leave_out_refused"]

Array = NDArray[Any]

_POSITIVE = "; fix: if the target has two values, positive= (--positive) names the one of the positive class"
_SHOWN = 12  # names of columns in a message
_LOOKED_AT = 1000  # rows that decide if one column does not belong to the others
_NEAR = 0.1  # distance of a sum from 1; sums further away need no closer check


def leave_out_refused(loss: Loss, options: Options, batch: Batch) -> None:
    """Find the rows for which the loss raises, after it has raised; this may be slow.

    Most refused rows have a number outside its domain, or predictions that do not sum to 1, and are found directly.
    Others, such as targets that do not sum to 1, are found by halving.

    Raises
    ------
    ValueError : a row is refused, unless such rows are left out; the message names file, column and row.
    """
    names = batch.roles
    _leave_out(batch, names.prediction, batch.prediction, loss.prediction)
    if loss.parameters.get("normalized"):
        _leave_out_unnormalized(batch, loss.prediction == Row(LOG_PROBABILITY))
    target, classes = _target_domain(loss, batch)
    fix = _POSITIVE if two_classes(loss) is not None and len(names.target) == 1 else ""
    _leave_out(batch, names.target, batch.target, target, fix)
    if classes:
        _leave_out_labels(batch, classes)
    if batch.weight is not None and names.weight is not None:
        _leave_out(batch, (names.weight,), batch.weight, NONNEGATIVE)
    _leave_out_rest(loss, options if batch.target.ndim == 1 else Options(), batch)


def _target_domain(loss: Loss, batch: Batch) -> tuple[Domain, int]:
    """The domain of the target's numbers, and the number of classes if they are labels."""
    if loss.prediction.has_classes and batch.target.ndim == 1:
        return LABEL, batch.prediction.shape[1]
    return loss.target.entry(), 0


def _leave_out(batch: Batch, names: tuple[str, ...], values: Array, sample: Sample, fix: str = "") -> None:
    """Leave out rows with a number outside its domain."""
    columns = values.reshape(len(values), -1).T
    for k, column in enumerate(columns):
        name, domain = names[k] if len(names) > 1 else names[0], sample.entry(k)
        batch.faults.add(~domain.contains(column), "outside the domain", _Got(column, domain, fix), name)


@dataclass(frozen=True)
class _Got:
    """The value found in a row, and the accepted values."""

    column: Array
    domain: Domain
    fix: str = ""

    def __call__(self, row: int) -> str:
        return f"got {self.column[row]}; expected {self.domain.description}{self.fix}"


def _leave_out_unnormalized(batch: Batch, of_logarithms: bool) -> None:
    """Leave out rows of predictions that do not sum to 1."""
    from rashin.backends.numpy.rowwise import are_normalized

    rows, names = np.asarray(batch.prediction, np.float64), batch.roles.prediction
    wrong = ~are_normalized(rows, of_logarithms)

    def words(row: int) -> str:
        if len(names) == 1:
            return checks.total_refusal(rows[row], (), of_logarithms).finding
        columns = f" in the columns {_listed(names)}"
        return checks.total_refusal(rows[row], (), of_logarithms, columns).finding + _stranger(
            batch, rows, of_logarithms
        )

    column = names[0] if len(names) == 1 else None
    batch.faults.add(wrong, "predictions that do not sum to 1", words, column)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= _SHOWN else ", ".join((*names[: _SHOWN - 1], "...", names[-1]))


def _stranger(batch: Batch, rows: Array, of_logarithms: bool) -> str:
    """The column that does not belong to the others, if the rows of all others sum to 1."""
    from rashin.backends.numpy.rowwise import are_normalized

    good = np.ones(len(rows), bool) if batch.faults.where is None else batch.faults.where
    some, names = rows[good][:_LOOKED_AT], batch.roles.prediction
    shares = np.exp(some) if of_logarithms else some
    without = shares.sum(axis=1, keepdims=True) - shares
    near = np.flatnonzero((np.abs(without - 1.0) < _NEAR).all(axis=0))
    if near.size != 1 or not are_normalized(np.delete(some, near[0], axis=1), of_logarithms).all():
        return ""
    return f", or leave out {names[near[0]]!r}, without which the columns sum to 1"


def _leave_out_labels(batch: Batch, classes: int) -> None:
    def words(row: int) -> str:
        label, named = batch.target[row], batch.roles.classes
        fix = "" if named is None else named.remedy(label)
        return f"got label {label}; expected a whole number from 0 to {classes - 1}, for {classes} classes{fix}"

    batch.faults.add(batch.target >= classes, "no such class", words, batch.roles.target[0])


def _leave_out_rest(loss: Loss, options: Options, batch: Batch) -> None:
    """Leave out rows that the loss refuses for another reason."""
    asked = Options(by_class=options.by_class, accuracy=options.accuracy)

    def check(rows: slice) -> None:
        add_rows(Accumulator(loss, asked, rows=True), batch, rows)

    for row in failing_rows(check, 0, len(batch.target), not batch.faults.skip):
        wrong = np.zeros(len(batch.target), bool)
        wrong[row] = True
        batch.faults.add(wrong, f"refused by {loss.name}", lambda row: _refusal(check, row))


def _refusal(check: Callable[[slice], None], row: int) -> str:
    try:
        check(slice(row, row + 1))
    except Refusal as refusal:
        return str(refusal.at(refusal.index[1:]))
    except ValueError as error:
        return str(error)
    raise AssertionError("a row that was refused is refused again")


def add_rows(running: Accumulator, batch: Batch, rows: slice) -> None:
    """Add some of the rows of a batch."""

    def some(values: Any) -> Any:
        return None if values is None else values[rows]

    def keys(codes: Codes | None) -> Codes | None:
        return None if codes is None else codes.of(rows)

    running.add(
        batch.prediction[rows],
        batch.target[rows],
        weight=some(batch.weight),
        where=some(batch.faults.where),
        group=keys(batch.group),
        cluster=keys(batch.cluster),
        source=batch.faults.path,
        first_row=batch.faults.first_row + (rows.start or 0),
    )
