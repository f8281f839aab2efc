"""scikit-learn's losses and ours under their names: the same numbers, and exact where scikit-learn's are not."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from sklearn import metrics

from rashin import conventions
from rashin.dialects import sklearn as ours

RNG = np.random.default_rng(19)
N, C = 9, 4
Z, T, W = RNG.normal(size=N), RNG.normal(size=N), RNG.uniform(0.2, 3.0, N)
MANY_Z, MANY_T = RNG.gamma(2.0, 1.0, (N, 3)), RNG.gamma(2.0, 1.0, (N, 3))
MEANS, COUNTS, AMOUNTS = RNG.gamma(2.0, 1.0, N) + 0.1, RNG.poisson(1.0, N), RNG.gamma(2.0, 1.0, N) + 0.1
P, LABELS, CHANCES = (
    RNG.dirichlet(np.ones(C), N),
    np.array([*range(C), *RNG.integers(0, C, N - C)]),
    RNG.uniform(0.02, 0.98, N),
)
BITS, WORDS = RNG.permutation(N) % 2, np.array(["ham", "spam"])
ROWS = RNG.normal(size=(N, C))

CASES = {
    "squares": ("mean_squared_error", (T, Z), {}),
    "absolute": ("mean_absolute_error", (T, Z), {}),
    "percentages": ("mean_absolute_percentage_error", (T, Z), {}),
    "logarithms": ("mean_squared_log_error", (COUNTS, MEANS), {}),
    "root": ("root_mean_squared_error", (T, Z), {}),
    "root of logarithms": ("root_mean_squared_log_error", (COUNTS, MEANS), {}),
    "pinball": ("mean_pinball_loss", (T, Z), {"alpha": 0.8}),
    "outputs": ("root_mean_squared_error", (MANY_T, MANY_Z), {}),
    "raw outputs": ("mean_pinball_loss", (MANY_T, MANY_Z), {"alpha": 0.3, "multioutput": "raw_values"}),
    "weighted outputs": ("mean_squared_log_error", (MANY_T, MANY_Z), {"multioutput": [0.2, 0.3, 1.5]}),
    "a column": ("mean_absolute_error", (T[:, None], Z), {}),
    "poisson": ("mean_poisson_deviance", (COUNTS, MEANS), {}),
    "gamma": ("mean_gamma_deviance", (AMOUNTS, MEANS), {}),
    "tweedie": ("mean_tweedie_deviance", (COUNTS, MEANS), {"power": 1.3}),
    "tweedie 0": ("mean_tweedie_deviance", (T, Z), {}),
    "tweedie 3": ("mean_tweedie_deviance", (AMOUNTS, MEANS), {"power": 3}),
    "tweedie -1.5": ("mean_tweedie_deviance", (T, MEANS), {"power": -1.5}),
    "log loss": ("log_loss", (LABELS, P), {}),
    "log loss, sum": ("log_loss", (LABELS, P), {"normalize": False}),
    "log loss of two": ("log_loss", (WORDS[BITS], CHANCES), {}),
    "log loss of a column": ("log_loss", (BITS, CHANCES[:, None]), {}),
    "log loss of a matrix": ("log_loss", (np.eye(C)[LABELS], P), {}),
    "brier of a matrix": ("brier_score_loss", (np.eye(C)[LABELS], P), {}),
    "log loss, labels": ("log_loss", (LABELS % 3, P), {"labels": range(C)}),
    "hinge": ("hinge_loss", (WORDS[BITS], Z), {}),
    "hinge of several": ("hinge_loss", (LABELS, ROWS), {}),
    "brier": ("brier_score_loss", (BITS, CHANCES), {}),
    "brier, not halved": ("brier_score_loss", (WORDS[BITS], CHANCES), {"scale_by_half": False, "pos_label": "ham"}),
    "brier of several": ("brier_score_loss", (LABELS, P), {}),
    "brier of several, halved": ("brier_score_loss", (LABELS, P), {"scale_by_half": True}),
    "brier of two columns": ("brier_score_loss", (BITS, np.c_[1 - CHANCES, CHANCES]), {}),
}  # fmt: skip


@pytest.mark.parametrize("weight", [None, W])
@pytest.mark.parametrize("case", CASES)
def test_ordinary_numbers_are_sklearns(case, weight):
    name, arguments, settings = CASES[case]
    expected = getattr(metrics, name)(*arguments, sample_weight=weight, **settings)
    found = getattr(ours, name)(*arguments, sample_weight=weight, **settings)
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", [entry.name for entry in conventions.TABLES["sklearn"]])
def test_signatures_are_sklearns(name):
    theirs = inspect.signature(getattr(metrics, name)).parameters.values()
    mine = list(inspect.signature(getattr(ours, name)).parameters.values())
    assert [(p.name, p.kind, p.default) for p in theirs] == [(p.name, p.kind, p.default) for p in mine[: len(theirs)]]
    assert {p.name for p in mine[len(theirs) :]} <= {"clip"}


def test_every_loss_of_sklearn_is_there_or_has_a_reason():
    theirs = {name for name in metrics.__all__ if name.endswith(("_error", "_loss", "_deviance"))}
    assert theirs <= set(conventions.named("sklearn")) | set(conventions.MISSING["sklearn"])
    with pytest.raises(AttributeError, match=r"rashin.dialects.sklearn has no max_error: it is a maximum, not a mean"):
        ours.max_error  # noqa: B018


def test_certain_and_wrong_costs_inf_unless_clipped_as_in_sklearn():
    for p in (np.array([0.0, 1.0, 0.25]), np.float32([0.0, 1.0, 0.25])):
        bits = [1, 0, 1]
        assert ours.log_loss(bits, p) == np.inf
        assert ours.log_loss(bits, p, clip=True) == pytest.approx(metrics.log_loss(bits, p), rel=1e-6, abs=0)
        rows = np.stack([p, 1 - p], axis=1)
        assert ours.log_loss(bits, rows, clip=True) == pytest.approx(metrics.log_loss(bits, rows), rel=1e-6, abs=0)


def test_a_small_log_loss_keeps_its_digits():
    p = np.float32([1e-20, 1e-30])
    assert ours.log_loss([0, 1], p) == pytest.approx((1e-20 - np.log(float(p[1]))) / 2, rel=1e-12, abs=0)
    assert metrics.log_loss([0, 1], p) < 10.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ours.mean_squared_error(T, Z, sample_weight=-W), "weight: got"),
        (lambda: ours.mean_absolute_percentage_error(np.zeros(N), Z), "target: got 0.0"),
        (lambda: ours.mean_squared_error(T[:3], Z), "y_true: got shape (3,)"),
        (lambda: ours.mean_poisson_deviance(COUNTS[:3], MEANS), "y_true: got shape (3,)"),
        (lambda: ours.log_loss(LABELS, 2 * P), "prediction: got"),
        (lambda: ours.log_loss(LABELS, P, labels=[0, 1, 2]), "y_true: got 3 at index 3"),
        (lambda: ours.log_loss(LABELS, P, labels=[1, 0, 2, 3]), "labels: got [1, 0, 2, 3]"),
        (lambda: ours.log_loss(BITS, P), "labels: got 2 classes for 4 columns"),
        (lambda: ours.log_loss(np.eye(C)[LABELS] + np.eye(C)[0], P), "y_true: got [2.0, 0.0, 0.0, 0.0] at index 0"),
        (lambda: ours.log_loss(np.eye(C)[LABELS], P, labels=range(C)), "labels: got [0, 1, 2, 3] beside a matrix"),
        (lambda: ours.hinge_loss([1, 1], [0.5, 0.5]), "y_true: got the only label"),
        (lambda: ours.brier_score_loss(WORDS[BITS], CHANCES), "pos_label: got None"),
    ],
)
def test_what_sklearn_lets_pass_is_refused(call, words):
    with pytest.raises(ValueError, match="expected") as caught:
        call()
    assert words in str(caught.value)


def test_outputs_are_weighed_by_what_is_known():
    y = np.ones((3, 2))
    with pytest.raises(ValueError, match="multioutput: got 'variance_weighted'; expected 'uniform_average'"):
        ours.mean_squared_error(y, y, multioutput="variance_weighted")
    with pytest.raises(ValueError, match=r"outputs: got shape \(2,\); expected \(3,\), the shape of multioutput"):
        ours.mean_squared_error(y, y, multioutput=[1.0, 2.0, 3.0])
