"""The best constant prediction: no other constant costs less, whatever the loss, the targets and the weights."""

from __future__ import annotations

import numpy as np
import pytest

import rashin
from rashin.domain import Members, Row
from shipped import LOSSES

SEARCHED = [loss for loss in LOSSES if loss.facts.best_constant is None and not isinstance(loss.prediction, Members)]
NUMBERS = [loss for loss in SEARCHED if not loss.prediction.axes]


def targets(loss, rng, size):
    if isinstance(loss.target, Row):
        return rng.normal(size=(size, 3))
    return rng.integers(0, 3, size) if loss.prediction.has_classes else loss.target.draw(rng, size + 3)[3:]


def mean_loss(loss, constant, t, w):
    return loss(np.broadcast_to(constant, (len(t), *np.shape(constant))), t, weight=w)


@pytest.mark.parametrize("loss", SEARCHED, ids=lambda loss: loss.name)
def test_no_constant_costs_less_than_the_one_found(loss):
    rng = np.random.default_rng(3)
    t, w = targets(loss, rng, 50), rng.random(50) + 0.5
    best = np.asarray(rashin.best_constant(loss, t, w))
    least = mean_loss(loss, best, t, w)
    for _ in range(60):
        other = best + rng.normal(size=best.shape) * 10.0 ** rng.uniform(-7, 1)
        assert mean_loss(loss, other, t, w) >= least - 4e-16 * abs(least), (best, other)


@pytest.mark.parametrize("loss", NUMBERS, ids=lambda loss: loss.name)
@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_slope_changes_its_sign_at_the_last_digits(loss, scale):
    rng = np.random.default_rng(5)
    t, w = targets(loss, rng, 41), rng.random(41) + 0.5
    t = t * scale if loss.target.low == -np.inf else t
    best, step = rashin.best_constant(loss, t, w), 1e-14 * np.abs(t).max()
    below, above = (loss.gradient(np.full(41, best + s), t, weight=w, reduction="sum").sum() for s in (-step, step))
    assert below <= 0.0 <= above


def test_huber_agrees_with_its_estimating_equation():
    t, w = np.array([0.0, 1.0, 10.0]), np.array([1.0, 2.0, 1.0])
    assert rashin.best_constant(rashin.huber, t, w) == 1.0  # (0 - 1) + 2 (1 - 1) + 1 = 0
    assert rashin.best_constant(rashin.huber.replace(delta=100.0), t, w) == 3.0


def test_weights_may_be_huge_and_zero():
    t = [1.0, 2.0, 1e300]
    assert rashin.best_constant(rashin.log_cosh, t, [1e300, 1e300, 0.0]) == pytest.approx(1.5, rel=1e-15, abs=0)


def test_tables_have_a_constant_for_each_column():
    table, w = np.array([[0.0, 1.0], [2.0, 5.0]]), [1.0, 3.0]
    np.testing.assert_array_equal(rashin.best_constant(rashin.half_squared_error, table, w), [1.5, 4.0])


def test_classes_that_do_not_occur():
    found = rashin.best_constant(rashin.focal, [0, 2, 2], classes=4)
    assert found[1] == found[3] == -np.inf
    assert np.isfinite(found[[0, 2]]).all()
    assert rashin.best_constant(rashin.softmax_cross_entropy, [0, 1], classes=3)[2] == -np.inf


@pytest.mark.parametrize(
    ("loss", "target", "weight", "message"),
    [
        (rashin.huber, [[[1.0]]], None, r"^target: got an array of shape \(1, 1, 1\)"),
        (rashin.huber, [np.nan], None, "^target: got nan"),
        (rashin.huber, [1.0, 2.0], [0.0, 0.0], "where selects no sample|weight"),
        (rashin.softmax_cross_entropy, [0.5], None, "^target: got 0.5"),
        (rashin.gaussian, [2.0, 2.0], None, "^target: got targets for which no constant"),
        (rashin.crps_normal, [2.0, 2.0], None, "^target: got targets for which no constant"),
        (rashin.crps_ensemble, [2.0, 3.0], None, "^target: got targets for which no constant"),
    ],
)
def test_what_has_no_constant_is_refused(loss, target, weight, message):
    with pytest.raises(ValueError, match=message):
        rashin.best_constant(loss, target, weight)


@pytest.mark.parametrize("name", ["huber", "softmax_cross_entropy", "gaussian"])
def test_gradient_and_hessian_come_in_one_pass_with_the_same_bits(name):
    loss, rng = getattr(rashin, name), np.random.default_rng(1)
    z = rng.normal(size=40 if not loss.prediction.axes else (40, loss.prediction.columns or 3))
    t, w = targets(loss, rng, 40), rng.random(40)
    pair = np.empty(z.shape), np.empty(z.shape)
    g, h = loss.gradient_and_hessian(z, t, weight=w, out=pair[0], hessian_out=pair[1])
    assert g is pair[0]
    assert h is pair[1]
    np.testing.assert_array_equal(g, loss.gradient(z, t, weight=w))
    np.testing.assert_array_equal(h, loss.hessian(z, t, weight=w))


def test_losses_of_sets_are_refused():
    with pytest.raises(TypeError, match=r"^loss: got tversky\(.*; expected a loss of single samples"):
        rashin.best_constant(rashin.tversky, [0.0, 1.0])
