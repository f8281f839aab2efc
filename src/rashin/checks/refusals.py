"""What the sweeps found, in words."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin.chunks import with_axis
from rashin.domain import BINARY, LOGIT, PROBABILITY, SIGN, Domain
from rashin.refusal import Refusal

__all__ = [
    "recoding",
    "refuse_distribution",
    "refuse_label",
    "refuse_logits",
    "refuse_mean",
    "refuse_prediction",
    "refuse_row",
    "refuse_target",
    "refuse_threshold",
    "refuse_without_limit",
    "row_in_words",
    "total_refusal",
]


def refuse_prediction(value: Any, index: tuple[int, ...], domain: Domain, name: str = "prediction") -> NoReturn:
    raise Refusal(name, str(value), domain.description + (", not NaN" if math.isnan(value) else ""), index=index)


def refuse_threshold(row: NDArray[Any], column: int, index: tuple[int, ...]) -> NoReturn:
    """Words for a threshold below the one before."""
    raise Refusal(
        "prediction",
        f"the threshold {row[column]!s}",
        f"thresholds in order, here at least {row[column - 1]!s}, which stands before",
        "make them of a first one and steps, np.cumsum([first, *np.exp(log_steps)])",
        index,
    )


def refuse_target(value: Any, index: tuple[int, ...], domain: Domain) -> NoReturn:
    raise Refusal("target", str(value), domain.description, recoding(value, domain), index)


def recoding(value: Any, domain: Domain) -> str:
    """The fix where a target seems to be of two classes in another code."""
    if domain == SIGN and value == 0:
        return "2 * target - 1 turns 0 and 1 into -1 and +1"
    if domain in (BINARY, PROBABILITY) and value == -1:
        return "(target + 1) / 2 turns -1 and +1 into 0 and 1"
    return ""


def refuse_label(label: Any, index: tuple[int, ...], classes: int) -> NoReturn:
    expected = f"a class label from 0 to {classes - 1} (the prediction has {classes} classes)"
    raise Refusal(
        "target", str(label), expected, f"leave it out by where=target != {label}" if label < 0 else "", index
    )


def refuse_distribution(row: NDArray[Any], index: tuple[int, ...], axis: int, tolerance: float) -> NoReturn:
    wrong = ~((row >= 0.0) & (row <= 1.0))
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise Refusal("target", str(row[place]), "a probability in [0, 1]", index=with_axis(index, axis, place))
    raise Refusal(
        "target",
        row_in_words(row),
        f"a distribution, whose sum is 1 within {tolerance:.1e}",
        f"divide by target.sum({axis}, keepdims=True)" if row.any() else "leave it out by where=",
        index,
        f"which sums to {row.astype(np.float64).sum()!s}",
    )


def refuse_logits(row: NDArray[Any], index: tuple[int, ...], axis: int) -> NoReturn:
    """Words for a target of logits that have no softmax."""
    wrong = np.isnan(row)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        refuse_prediction(row[place], with_axis(index, axis, place), LOGIT, "target")
    raise Refusal(
        "target", row_in_words(row), "at most one +inf, and not -inf alone", index=index, also="a row without a limit"
    )


def refuse_row(name: str, row: NDArray[Any], index: tuple[int, ...]) -> NoReturn:
    raise Refusal(name, row_in_words(row), "at most one +inf", index=index, also="a row without a limit")


def refuse_without_limit(prediction: Any, target: Any, index: tuple[int, ...]) -> NoReturn:
    raise Refusal(
        "prediction",
        f"{prediction} with target {target}",
        "a sample with a finite loss or a limit",
        "leave the sample out by where=..., or change the prediction",
        index,
        "where the loss has no limit",
    )


def refuse_mean(samples: int, selected: bool, weighted: bool) -> NoReturn:
    """A mean needs something to divide by."""
    what = "`where` selects nothing" if selected else "the weights are all 0" if weighted else "there are no samples"
    raise ValueError(
        f"prediction: got {samples} samples with reduction='mean', but {what}; "
        f"expected a sample that counts; fix: reduction='sum', which gives 0"
    )


def total_refusal(row: NDArray[Any], index: tuple[int, ...], of_logarithms: bool, columns: str = "") -> Refusal:
    """What is wrong with a row of predicted probabilities, or of their logarithms, that does not sum to 1."""
    shown, keep = row_in_words(row) + columns, "or normalized=False to take such rows as they are"
    if of_logarithms:
        expected = "log-probabilities, whose exponentials sum to 1"
        also = f"whose exponentials sum to {math.fsum(np.exp(row)):.8g}"
        return Refusal("prediction", shown, expected, f"pass rashin.log_softmax of logits, {keep}", index, also)
    fix = f"divide each row by its sum, pass rashin.softmax of logits, {keep}"
    also = f"which sums to {math.fsum(row):.8g}"
    return Refusal("prediction", shown, "probabilities, which sum to 1", fix, index, also)


def row_in_words(row: NDArray[Any]) -> str:
    """A row on one line, a long one by its ends."""
    return np.array2string(row, threshold=8, max_line_width=4096)
