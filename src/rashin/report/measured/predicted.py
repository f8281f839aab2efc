"""The prediction and the target of a row, in the cells of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.domain import LOG_PROBABILITY, LOGIT, PROBABILITY, Thresholds
from rashin.language import said
from rashin.logits import sigmoid
from rashin.loss import Loss
from rashin.measurement import Row
from rashin.measurement.decisions import class_probabilities
from rashin.registry import parsed
from rashin.report.page.frame import Cell
from rashin.report.page.numbers import number, percent

__all__ = ["ByRow", "Predicted", "at_rows"]

ByRow: TypeAlias = Mapping[tuple[str, int], Any] | ArrayLike | None


@dataclass(frozen=True)
class Predicted:
    """Predictions and targets by row: arrays as they were measured, or mappings from (source, row).

    Parameters
    ----------
    prediction, target : predictions and targets as they were measured; None shows neither.
    classes : names of the classes, in the order of the predictions; None if they are numbered.
    """

    prediction: ByRow = None
    target: ByRow = None
    classes: Sequence[str] | None = None

    def columns(self, loss: str, rows: Sequence[Row]) -> tuple[list[str], list[list[Cell]]]:
        """Headings, and cells for each row; empty if there is nothing to show.

        Raises
        ------
        ValueError : an array does not contain the rows, or the rows come from several files.
        """
        if self.prediction is None or self.target is None or not rows:
            return [], [[] for _ in rows]
        known = _known(loss)
        of_rows = _has_classes(self.prediction) if known is None else known.prediction.has_classes
        shape = None if isinstance(self.prediction, Mapping) else np.shape(self.prediction)
        predictions = _at("prediction", self.prediction, rows, shape if of_rows else None)
        pairs = list(zip(predictions, _at("target", self.target, rows, shape if of_rows else None), strict=True))
        return _of_rows(known, pairs, self.classes) if of_rows else _of_numbers(known, pairs)


def _has_classes(prediction: Any) -> bool:
    """True if there are several numbers per row, for a loss that is not registered in this process."""
    if isinstance(prediction, Mapping):
        return any(np.size(value) > 1 for value in prediction.values())
    return np.ndim(prediction) > 1


def _known(loss: str) -> Loss | None:
    try:
        return parsed(loss)
    except ValueError:
        return None


def _at(name: str, values: Any, rows: Sequence[Row], wide: tuple[int, ...] | None) -> list[Any]:
    """The values at the rows; an array of the shape ``wide`` has one entry per class."""

    def table(values: Any) -> NDArray[Any]:
        array = np.asarray(values)
        return array.reshape(-1, array.shape[-1]) if array.ndim and array.shape == wide else array.reshape(-1)

    return at_rows(name, values, rows, table)


def at_rows(name: str, values: Any, rows: Sequence[Row], table_of: Callable[[Any], NDArray[Any]]) -> list[Any]:
    """The values at the rows, None if a mapping has none; ``table_of`` turns an array into one entry per row.

    Raises
    ------
    ValueError : an array does not contain the rows, or the rows come from several files.
    """
    if isinstance(values, Mapping):
        return [values.get((row.source, row.row)) for row in rows]
    if len({row.source for row in rows}) > 1:
        raise ValueError(
            f"{name}: got an array for rows of several files; expected a mapping from (source, row); fix: read the "
            f"values with rashin.measurement.table.lookup.values_at"
        )
    table, last = table_of(values), max((row.row for row in rows), default=-1)
    if table.ndim == 0 or len(table) <= last:
        raise ValueError(
            f"{name}: got shape {table.shape}; expected the rows that were measured, with a row {last}; fix: pass one "
            f"entry for each row"
        )
    return [table[row.row] for row in rows]


# ---------------------------------------------------------------------------------------------------- classes


def _of_rows(
    loss: Loss | None, pairs: Sequence[tuple[Any, Any]], classes: Sequence[str] | None
) -> tuple[list[str], list[list[Cell]]]:
    cells = []
    for prediction, target in pairs:
        if prediction is None or target is None:
            cells.append([Cell(said("unknown"))] * 4)
            continue
        z = np.asarray(prediction, np.float64).reshape(-1)
        names = list(map(str, classes)) if classes is not None else [str(k) for k in range(z.size)]
        label, p = _label(target, names), _probabilities(loss, z)
        top = int(np.argmax(p if p is not None and _has_thresholds(loss) else z))
        right = np.nan if p is None or label is None else float(p[label])
        cells.append(
            [
                Cell(_word(target, names)),
                Cell(names[top]),
                _share(np.nan if p is None else float(p[top])),
                _share(right),
            ]
        )
    headings = [said("target"), said("predicted"), said("its probability"), said("probability of the target")]
    return headings, cells


def _has_thresholds(loss: Loss | None) -> bool:
    return loss is not None and isinstance(loss.prediction, Thresholds)


def _probabilities(loss: Loss | None, z: NDArray[np.float64]) -> NDArray[np.float64] | None:
    domain = None if loss is None else loss.prediction.entry()
    if loss is not None and (domain == LOGIT or _has_thresholds(loss)):
        return class_probabilities(loss, z)
    if domain == LOG_PROBABILITY:
        return np.exp(z)
    return z if domain == PROBABILITY else None


def _label(target: Any, names: Sequence[str]) -> int | None:
    """The index of the target's class, or of the most probable class of a distribution."""
    value = np.asarray(target)
    if value.ndim and value.size > 1:
        return int(value.argmax())
    word = _plain(target)
    if word in names:
        return names.index(word)
    return int(word) if word.isdecimal() and int(word) < len(names) else None


def _word(target: Any, names: Sequence[str]) -> str:
    value = np.asarray(target)
    if value.ndim and value.size > 1:
        top = int(value.argmax())
        share = float(value[top])
        return names[top] if share == 1.0 else f"{names[top]} ({percent(share)})"
    label = _label(target, names)
    return _plain(target) if label is None else names[label]


# ---------------------------------------------------------------------------------------------------- numbers


def _of_numbers(loss: Loss | None, pairs: Sequence[tuple[Any, Any]]) -> tuple[list[str], list[list[Cell]]]:
    domain = None if loss is None else loss.prediction.entry()
    is_share = domain in (LOGIT, PROBABILITY)
    cells = []
    for prediction, target in pairs:
        value = _float(prediction)
        value = float(sigmoid(value)) if domain == LOGIT else value
        shown = _share(value) if is_share else Cell(number(value, 6), _key(value))
        right = _float(target)
        cells.append([Cell(_plain(target) if np.isnan(right) else number(right, 6), _key(right)), shown])
    return [said("target"), said("predicted probability of 1") if is_share else said("prediction")], cells


def _float(value: Any) -> float:
    """A number; NaN if there is none."""
    try:
        return float(np.asarray(value, np.float64).reshape(()))
    except (TypeError, ValueError):
        return float("nan")


def _share(value: float) -> Cell:
    return Cell(percent(value), _key(value))


def _key(value: float) -> float | None:
    return None if np.isnan(value) else float(np.nan_to_num(value))


def _plain(value: Any) -> str:
    """A label as text; whole numbers without decimals."""
    if value is None:
        return said("unknown")
    item = np.asarray(value).reshape(-1)
    if item.size == 1 and item.dtype.kind in "fc" and float(item[0]).is_integer():
        return str(int(item[0]))
    return str(item[0]) if item.size == 1 else str(value)
