"""Every registered loss against its definition, in ULPs, in every dtype; the bounds are ``measuring.BOUNDS``."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from accuracy_table import PAGE, rows_of
from cases import Case
from losses import ENTRIES
from measuring import judge, measure_case
from shipped import SETTINGS, SHIPPED, name_of, of_any_rows, settings_of
from ulp import DTYPES, ulp_error
from worst_cases import WorstCase, as_case, read

NARROW = [dtype for dtype in DTYPES if dtype != "float64"]  # computed in double, and rounded once


def each():
    """Each loss in every dtype; with other parameters in float64 and in one of the narrower types, in turn.

    The table of the documentation is made of all of them in all types.
    """
    for loss in SHIPPED:
        for number, others in enumerate(ENTRIES[loss.name].settings if loss.name in ENTRIES else ()):
            for dtype in DTYPES if number == 0 else ("float64", NARROW[number % len(NARROW)]):
                name = f"{name_of(loss.replace(**others))}-{dtype}"
                yield pytest.param(of_any_rows(loss), dict(others), dtype, id=name)


@pytest.mark.parametrize("loss", SHIPPED, ids=lambda loss: loss.name)
def test_every_loss_has_an_entry_that_tries_every_parameter(loss):
    family = loss.formula.__module__.rpartition(".")[2]
    assert loss.name in ENTRIES, f"write the textbook value of {loss.name} in tests/losses/{family}.py"
    tried = {name for others in ENTRIES[loss.name].others for name in others}
    needed = {name for name, value in loss.parameters.items() if value is not True}
    assert tried == needed, f"tests/losses/{family}.py: every parameter must be tried beside its default"
    assert len(set(settings_of(loss))) == len(ENTRIES[loss.name].settings), "some parameters are given twice"


def test_every_entry_is_of_a_loss():
    assert set(ENTRIES) == {loss.name for loss in SHIPPED}


@pytest.mark.parametrize(("loss", "parameters", "dtype"), list(each()))
def test_errors_are_within_the_bounds(loss, parameters, dtype):
    outside = sorted(judge(loss, dtype, parameters), key=lambda sample: -sample.error)
    assert not outside, f"{len(outside)} results, the worst:\n" + "\n".join(map(str, outside[:5]))


@pytest.mark.parametrize("line", list(read()), ids=lambda line: f"{line.loss}-{line.dtype}-{line.what}")
def test_worst_cases_stay_within_the_bounds(line: WorstCase):
    loss, parameters = of_any_rows(rashin.registry.get(line.loss)), json.loads(line.parameters)
    for sample in measure_case(loss, line.dtype, parameters, as_case(line), (line.what,)):
        assert sample.within, str(sample)


# The numbers that peers get wrong


def ulps(got: object, exact: str | float, dtype: str = "float64") -> float:
    """Errors in ULPs; never pytest.approx, whose absolute tolerance of 1e-12 hides a 0 for 2e-9."""
    with mp.workprec(200):
        return ulp_error(got, mpf(exact), dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_confident_softmax_keeps_its_tail(dtype):
    z = np.array([[20.0, 0.0]], dtype)
    slope = np.dtype(dtype).type(2.0611536181902037e-09)
    assert rashin.softmax_cross_entropy(z, [0]) == 2.061153620314381e-09
    assert ulps(rashin.softmax_cross_entropy.gradient(z, [0])[0, 0], -float(slope), dtype) <= 1
    assert ulps(rashin.softmax_cross_entropy.gradient(z, [0])[0, 1], float(slope), dtype) <= 1


def test_a_margin_of_50_keeps_its_tail():
    assert ulps(rashin.softmax_cross_entropy([[50.0, 0.0]], [0]), "1.92874984796391778301715681273e-22") <= 1


def test_a_confident_sigmoid_keeps_its_tail():
    assert rashin.sigmoid_cross_entropy(-20.0, 0.0) == 2.061153620314381e-09
    assert ulps(rashin.sigmoid_cross_entropy.gradient(-20.0, 0.0), 2.0611536181902037e-09) <= 1


def test_log_cosh_near_zero_is_a_parabola():
    loss = rashin.log_cosh(np.float32(1e-3), np.float32(0))
    assert abs(loss / 4.9999996416e-07 - 1) < 1e-10  # the eleven digits that the figure has


def test_a_masked_class_of_target_zero_gives_the_limit():
    z, q = np.array([[1.0, -np.inf, 1.0]]), np.array([[0.5, 0.0, 0.5]])
    assert ulps(rashin.softmax_cross_entropy(z, q), math.log(2)) <= 1
    assert ulps(rashin.softmax_cross_entropy(z, [0]), math.log(2)) <= 1
    assert rashin.softmax_cross_entropy.gradient(z, [0]).tolist() == [[-0.5, 0.0, 0.5]]
    assert rashin.sigmoid_cross_entropy([np.inf, -np.inf], [1.0, 0.0]) == 0.0


@pytest.mark.parametrize("loss", [each for each in SETTINGS if each.values[0].kind == "pointwise"])
def test_no_finite_prediction_gives_nan(loss):
    """A default Hessian was 0 times infinity at 1e308."""
    far = np.array([745.0, 1e3, 1e10, 1e154, 1e300, 1e308, 1.79e308])
    z = np.r_[far, -far][loss.facts.prediction.contains(np.r_[far, -far])]
    where = loss.facts.target_domain(loss.parameters)
    for t in filter(where.contains, (0.0, 1.0, -1.0, 0.5)):
        for function in (loss, loss.gradient, loss.hessian):
            assert not np.isnan(function(z, np.full(z.shape, t), reduction="none")).any(), t


@pytest.mark.parametrize("power", [-1e-12, -0.3, -7.3])
def test_negative_powers_are_not_rounded_in_the_exponent(power):
    """1 - power has more digits than a double: e^(709 (1 - power)) was wrong by 389 ULPs."""
    z = np.array([-709.0, -300.5, 77.7, 80.3]) if power > -1.0 else np.array([-80.1, -33.3, 40.7, 70.3])
    t = np.array([10.0, 3.0, 0.5, 2.0])
    case = Case("far", z, t)
    outside = [
        sample for sample in measure_case(rashin.tweedie, "float64", {"power": power}, case) if not sample.within
    ]
    assert not outside, "\n".join(map(str, outside))


# The page


def test_the_page_has_a_row_for_every_loss():
    rows = rows_of(PAGE.read_text(encoding="utf-8"))
    assert list(rows) == [loss.name for loss in SHIPPED], "run: python tests/accuracy_table.py [loss]"
    assert all(len(cells) == len(DTYPES) for cells in rows.values())
