"""Thresholds between ordered classes: their order, classes between equal ones, decisions, and what is told of them."""

from __future__ import annotations

import numpy as np
import pytest

import rashin
from rashin.measurement.calibration.reliability import reliability
from rashin.measurement.decisions import class_probabilities

INF = np.inf


@pytest.fixture
def samples():
    rng = np.random.default_rng(3)
    z = np.c_[np.sort(rng.normal(0, 2, (300, 3)), axis=1), rng.normal(0, 2, 300)]
    return z, rng.integers(0, 4, 300), rng.random(300) < 0.8


def probabilities(z):
    """Of the four classes, as differences of distribution functions."""
    below = 1 / (1 + np.exp(z[:, -1:] - z[:, :-1]))
    return np.diff(below, axis=1, prepend=0.0, append=1.0)


def test_thresholds_must_not_fall(samples):
    z, t, keep = samples
    z[[7, 9], 1] = z[[7, 9], 0] - 0.5
    with pytest.raises(
        ValueError, match=r"^prediction: got the threshold \S+ at index \(7, 1\); expected thresholds in or"
    ):
        rashin.ordinal(z, t)
    with pytest.raises(ValueError, match=r"at index \(1, 7\); .* here at least \S+, which stands before; fix: "):
        rashin.ordinal.gradient(z.T, t, axis=0)
    keep[[7, 9]] = False
    assert np.isfinite(rashin.ordinal(z, t, where=keep))
    with pytest.raises(ValueError, match=r"at index \(2, 3\); expected a real number, not NaN"):
        rashin.ordinal(np.where(np.arange(1200).reshape(300, 4) == 11, np.nan, z), t, where=keep | True)


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_other_arrays_are_refused_in_the_same_words(library):
    xp = pytest.importorskip(library)
    with pytest.raises(ValueError, match=r"^prediction: got the threshold 0.5 at index \(0, 1\)"):
        rashin.ordinal(xp.asarray([[1.0, 0.5, 0.0]]), xp.asarray([0]))


def test_a_class_between_equal_thresholds_has_probability_0():
    z = [[0.5, 0.5, 0.25]] * 3
    value, gradient, hessian = rashin.ordinal.value_gradient_and_hessian(z, [0, 1, 2], reduction="none")
    alone = rashin.ordinal.value_gradient_and_hessian([[0.5, 0.25]] * 2, [0, 1], reduction="none")
    assert value[1] == INF
    assert np.array_equal(gradient[1, :2], [INF, -INF])
    assert gradient[1, 2] == pytest.approx(-np.tanh(0.125), rel=1e-15, abs=0)
    assert np.array_equal(hessian[1, :2], [INF, INF])
    assert np.array_equal(value[[0, 2]], alone[0])
    for place, other in ((gradient, alone[1]), (hessian, alone[2])):
        assert np.array_equal(place[0], [other[0, 0], 0.0, other[0, 1]])
        assert np.array_equal(place[2], [0.0, *other[1]])


def test_infinite_thresholds_and_logits_have_their_limits():
    z = [[-INF, INF, 3.0], [0.0, INF, 1.0], [0.0, 1.0, INF], [0.0, 1.0, -INF], [0.0, 1.0, INF], [INF, INF, 0.0]]
    assert rashin.ordinal(z, [1, 2, 2, 0, 0, 1], reduction="none").tolist() == [0.0, INF, 0.0, 0.0, INF, INF]
    gradient = rashin.ordinal.gradient(z, [1, 2, 2, 0, 0, 1], reduction="none")
    assert not gradient[[0, 2, 3]].any()
    assert np.array_equal(gradient[4], [-1.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="where the loss has no limit"):
        rashin.ordinal([[0.0, INF, INF]], [1])


def test_the_decision_is_the_class_of_the_largest_probability(samples):
    z, t, keep = samples
    p = probabilities(z)
    assert np.allclose(class_probabilities(rashin.ordinal, z), p, rtol=1e-8, atol=0.0)  # of the differences
    assert (p.argmax(axis=1) != z.argmax(axis=1)).any()
    dirty = np.where(keep[:, None], z, np.nan)
    found = rashin.measure("ordinal", dirty, t, where=keep, by_class=True, accuracy=True, details=True, baseline=True)
    right = (p.argmax(axis=1) == t)[keep]
    assert found.accuracy == right.mean()
    assert found.mean == pytest.approx(-np.log(p[np.arange(300), t])[keep].mean(), rel=1e-12, abs=0)
    shares = np.bincount(t[keep]) / keep.sum()
    assert found.baseline.mean == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-12, abs=0)
    top = p.max(axis=1)[keep]
    told = reliability(found.details.calibration, bins=1)
    assert told.predicted[0] == pytest.approx(top.mean(), rel=1e-8, abs=0)
    assert told.frequency[0] == pytest.approx(right.mean(), rel=1e-12, abs=0)
