"""The only place that raises for what the caller passed.

A message names the argument, what came, what is accepted, and what to do. Callers write ``checks.array(...)``.
"""

from rashin.checks.arguments import choice, parameter
from rashin.checks.arrays import array, mask, selection
from rashin.checks.refusals import (
    recoding,
    refuse_distribution,
    refuse_label,
    refuse_logits,
    refuse_mean,
    refuse_prediction,
    refuse_row,
    refuse_target,
    refuse_threshold,
    refuse_without_limit,
    row_in_words,
    total_refusal,
)
from rashin.checks.rules import fisher, matrix, products
from rashin.checks.samples import labels, output, separate, sum_tolerance, vector, weights, weights_fit
from rashin.checks.shapes import axis, holds_distributions, holds_rows, numbers, same_shape

__all__ = [
    "array",
    "axis",
    "choice",
    "fisher",
    "holds_distributions",
    "holds_rows",
    "labels",
    "mask",
    "matrix",
    "numbers",
    "output",
    "parameter",
    "products",
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
    "same_shape",
    "selection",
    "separate",
    "sum_tolerance",
    "total_refusal",
    "vector",
    "weights",
    "weights_fit",
]
