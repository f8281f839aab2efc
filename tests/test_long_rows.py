"""Rows of many classes stay within the bounds of docs/accuracy.md; their sums have many roundings."""

from __future__ import annotations

import json

import pytest
from mpmath import mp, mpf

import rashin
from long_rows import LongRow, exact_and_size, read
from measuring import bound, bound_of_product
from ulp import spacing

ROWS = list(read())


@pytest.mark.parametrize("line", ROWS, ids=lambda line: f"{line.loss}-{'product' if line.vector else 'gradient'}")
def test_worst_long_rows_stay_within_the_bounds(line: LongRow):
    assert error_of(line) <= bound_of(line)


def test_every_loss_of_labels_has_long_rows():
    lines = {(line.loss, bool(line.vector), " " in line.target) for line in ROWS}
    names = {name for name, *_ in lines} - {"distillation"}
    assert names == {"softmax_cross_entropy", "focal", "poly_one", "generalized_cross_entropy"}
    assert all((name, True, soft) in lines for name in names for soft in (False, True))


def error_of(line: LongRow) -> float:
    """The largest error of the entries of a row."""
    loss, parameters, (z, t, v) = rashin.registry.get(line.loss), json.loads(line.parameters), line.inputs
    if v is None:
        got = loss.gradient(z, t, reduction="sum", **parameters)[0]
    else:
        got = loss.hessian_vector_product(z, t, v, reduction="sum", **parameters)[0]
    with mp.workprec(300):
        target = int(t[0]) if t.ndim == 1 else list(map(mpf, t[0].tolist()))
        vector = None if v is None else list(map(mpf, v[0].tolist()))
        exact, sizes = exact_and_size(line.loss, parameters, list(map(mpf, z[0].tolist())), target, vector)
        errors = [abs(mpf(x) - y) / spacing(s, "float64") for x, y, s in zip(got.tolist(), exact, sizes, strict=True)]
        return float(max(errors))


def bound_of(line: LongRow) -> float:
    parameters, classes = json.loads(line.parameters), len(line.prediction.split())
    if line.vector:
        return bound_of_product(line.loss, parameters, classes)
    return bound(line.loss, "gradient", "float64", parameters, classes)
