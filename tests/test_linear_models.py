"""Linear models: scikit-learn's coefficients where it has the loss, and certified minima where it does not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import check_estimator

import rashin
from rashin.adapters.sklearn import LinearClassifier, LinearRegressor, linear_path
from rashin.decorators import pointwise

N, P, ALPHA = 400, 6, 0.05
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, P)) * np.geomspace(0.1, 10.0, P) + 3.0  # neither centred nor scaled
SIGNAL = (X - 3.0) @ (np.array([1.0, 0.0, -1.0, 0.5, 0.0, 2.0]) / np.geomspace(0.1, 10.0, P))
Y = SIGNAL + RNG.standard_t(3, N)
MEAN = np.exp(0.3 * SIGNAL)
WEIGHT = RNG.uniform(0.1, 3.0, N)
TOTAL = WEIGHT.sum()
TWO = np.where(Y.mean() < Y, "yes", "no")
THREE = np.digitize(Y, np.quantile(Y, [0.3, 0.6]))
NEWTON = {"tol": 1e-12, "solver": "newton-cholesky"}
PEERS = {
    "ridge": (LinearRegressor(alpha=ALPHA), Ridge(ALPHA * TOTAL, solver="cholesky"), Y),
    "lasso": (LinearRegressor(alpha=ALPHA, penalty="l1"), Lasso(ALPHA, tol=1e-15, max_iter=10**6), Y),
    "elasticnet": (
        LinearRegressor(alpha=ALPHA, penalty="elasticnet", l1_ratio=0.3),
        ElasticNet(ALPHA, l1_ratio=0.3, tol=1e-15, max_iter=10**6),
        Y,
    ),
    "logistic": (LinearClassifier(alpha=ALPHA), LogisticRegression(C=1 / (ALPHA * TOTAL), **NEWTON), TWO),
    "softmax": (LinearClassifier(alpha=ALPHA), LogisticRegression(C=1 / (ALPHA * TOTAL), **NEWTON), THREE),
    "poisson": (LinearRegressor("poisson", alpha=ALPHA), PoissonRegressor(alpha=ALPHA, **NEWTON), RNG.poisson(MEAN)),
    "gamma": (
        LinearRegressor("gamma", alpha=ALPHA),
        GammaRegressor(alpha=ALPHA, **NEWTON),
        MEAN * RNG.gamma(2.0, 0.5, N),
    ),
    "tweedie": (
        LinearRegressor(rashin.tweedie.replace(power=1.3), alpha=ALPHA),
        TweedieRegressor(power=1.3, alpha=ALPHA, link="log", **NEWTON),
        RNG.poisson(MEAN) * 1.5,
    ),
    "quantile": (
        LinearRegressor(rashin.quantile.replace(quantile=0.8), alpha=ALPHA, penalty="l1"),
        QuantileRegressor(quantile=0.8, alpha=ALPHA),
        Y,
    ),
}


CONVEX = (
    *("hinge", "epsilon_insensitive", "absolute_error", "log_cosh"),
    *("expectile", "squared_hinge", "exponential", "entmax"),
)


def objective(model, x, y, weight, alpha=ALPHA, l1_ratio=0.0, center=0.0):
    """The objective in plain NumPy, of a model of one number."""
    c = np.ravel(model.coef_)
    z = x @ c + model.intercept_
    losses = model.loss_(z, y, reduction="none")
    return np.average(losses, weights=weight) + alpha * (l1_ratio * np.abs(c).sum() + (1 - l1_ratio) / 2 * c @ c)


@pytest.mark.parametrize("name", PEERS)
def test_coefficients_are_those_of_scikit_learn(name):
    ours, theirs, y = PEERS[name]
    ours = clone(ours).set_params(tol=1e-10).fit(X, y, WEIGHT)
    theirs = clone(theirs).fit(X, y, WEIGHT)
    part = 1e-6 if name == "softmax" else 1e-9  # of the largest
    assert np.abs(ours.coef_ - theirs.coef_).max() <= part * np.abs(theirs.coef_).max()
    ends = [np.ravel(model.intercept_) for model in (ours, theirs)]
    if name == "softmax":  # these may have a common shift
        ends = [end - end.mean() for end in ends]
    assert np.abs(ends[0] - ends[1]).max() <= part * np.abs(ends[1]).max()
    assert ours.duality_gap_ < 1e-13 * ours.objective_


def test_huber_and_the_linear_support_vector_machine_are_not_higher_than_scikit_learn():
    theirs = HuberRegressor(alpha=2.0, tol=1e-9, max_iter=10**4).fit(X, Y, WEIGHT)
    delta, alpha = theirs.epsilon * theirs.scale_, 2.0 * theirs.scale_ / TOTAL
    ours = LinearRegressor(rashin.huber.replace(delta=delta), alpha=alpha, tol=1e-10).fit(X, Y, WEIGHT)
    theirs.loss_ = ours.loss_
    best, other = (objective(one, X, Y, WEIGHT, alpha) for one in (ours, theirs))
    assert best == pytest.approx(ours.objective_, rel=1e-14, abs=0)
    assert best <= other < best * (1 + 1e-4)
    sign, x = np.where(TWO == "yes", 1.0, -1.0), X - 3.0
    theirs = LinearSVC(
        C=1 / (ALPHA * TOTAL), loss="hinge", fit_intercept=False, tol=1e-6, max_iter=10**6, random_state=0
    )
    theirs.fit(x, TWO, WEIGHT)
    ours = LinearClassifier("hinge", alpha=ALPHA, fit_intercept=False).fit(x, TWO, WEIGHT)
    theirs.loss_ = ours.loss_
    best, other = (objective(one, x, sign, WEIGHT) for one in (ours, theirs))
    assert best == pytest.approx(ours.objective_, rel=1e-14, abs=0)
    assert best * (1 - 1e-12) <= other < best * (1 + 1e-3)


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize(
    "loss",
    [
        "hinge",
        "epsilon_insensitive",
        "absolute_error",
        "log_cosh",
        "expectile",
        "squared_hinge",
        "exponential",
        "entmax",
    ],
)
def test_the_gap_certifies_the_minimum(loss, penalty):
    """The objective of other points is higher, and by how much the gap bounds: of the start, and of less exact fits."""
    is_class = not np.any(rashin.registry.get(loss).target.entry().contains(0.5))
    model = (LinearClassifier if is_class else LinearRegressor)(loss, alpha=ALPHA, penalty=penalty)
    y = TWO if is_class else Y
    best = clone(model).fit(X, y, WEIGHT)
    assert 0.0 <= best.duality_gap_ < (1e-5 if loss == "entmax" else 1e-8 if penalty == "l2" else 1e-11)
    for steps in (1, 3, 6):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            rough = clone(model).set_params(max_iter=steps).fit(X, y, WEIGHT)
        excess = rough.objective_ - best.objective_
        assert -best.duality_gap_ <= excess <= rough.duality_gap_ * (1 + 1e-9) + 1e-14
    if not is_class or loss == "hinge":
        target = y if not is_class else np.where(y == "yes", 1.0, -1.0)
        share = {"l2": 0.0, "l1": 1.0, "elasticnet": 0.5}[penalty]
        assert best.objective_ == pytest.approx(objective(best, X, target, WEIGHT, ALPHA, share), rel=1e-13, abs=0)


CASES = [
    LinearRegressor("poisson", alpha=ALPHA),
    LinearRegressor("huber", alpha=ALPHA, penalty="l1"),
    LinearRegressor("quantile", alpha=ALPHA, penalty="elasticnet"),
    LinearClassifier("squared_hinge", alpha=ALPHA),
    LinearClassifier(alpha=ALPHA, penalty="l1"),
    LinearClassifier("hinge", alpha=ALPHA, fit_intercept=False),
]


@pytest.mark.parametrize("model", CASES, ids=str)
def test_weights_are_repeated_rows_and_sparse_is_dense(model):
    y = THREE if isinstance(model, LinearClassifier) else np.abs(Y)
    times = RNG.integers(0, 4, N)
    x = np.where(np.abs(X - 3.0) > 0.5, X, 0.0)
    model = clone(model).set_params(tol=1e-9)
    whole = clone(model).fit(np.repeat(x, times, axis=0), np.repeat(y, times))
    for data in (x, sparse.csr_matrix(x), sparse.csc_array(x)):
        weighted = clone(model).fit(data, y, times * 0.7)
        assert weighted.objective_ == pytest.approx(whole.objective_, rel=1e-12, abs=0)
        assert np.abs(weighted.coef_ - whole.coef_).max() <= 1e-5 * np.abs(whole.coef_).max()
        np.testing.assert_allclose(model.fit(data, y).predict(data), clone(model).fit(x, y).predict(x), rtol=1e-5)


def test_more_columns_than_rows_and_columns_that_are_equal_or_constant():
    x = np.hstack([X[:30], X[:30, :2], np.ones((30, 1)), RNG.normal(size=(30, 40))])
    for loss, penalty in (("huber", "l1"), ("quantile", "l1"), ("quantile", "l2"), ("log_cosh", "l2"), ("huber", "l2")):
        fit = LinearRegressor(loss, alpha=ALPHA, penalty=penalty).fit(x, Y[:30])
        assert fit.duality_gap_ < 1e-8 * fit.objective_
    ridge = LinearRegressor(alpha=ALPHA, tol=1e-12).fit(x, Y[:30])
    np.testing.assert_allclose(ridge.predict(x), Ridge(ALPHA * 30).fit(x, Y[:30]).predict(x), rtol=1e-8)


def test_a_path_starts_each_fit_at_the_last():
    path = linear_path(LinearRegressor("huber", penalty="l1"), X, Y, n_alphas=8, sample_weight=WEIGHT)
    assert not path.coefs[0].any()
    assert np.all(np.diff((path.coefs != 0.0).sum(axis=1)) >= 0)
    assert np.all(path.coefs[-1])
    assert np.all(path.duality_gaps < 1e-11)
    for place in (2, 5):
        alone = LinearRegressor("huber", alpha=path.alphas[place], penalty="l1").fit(X, Y, WEIGHT)
        assert np.abs(path.coefs[place] - alone.coef_).max() <= 1e-5 * np.abs(alone.coef_).max()
    several = linear_path(LinearClassifier(), X, THREE, alphas=[0.1, 1.0])
    assert several.alphas.tolist() == [1.0, 0.1]
    assert several.coefs.shape == (2, 3, P)
    assert several.model.set_params(alpha=0.1).fit(X, THREE).n_iter_ == 1  # at the minimum, nothing is left to do
    with pytest.raises(ValueError, match="alphas: got None for a model without an L1 penalty"):
        linear_path(LinearRegressor(), X, Y)


@pointwise(convex=True, kinks=lambda t: (t,))
def kinked_and_curved(xp, z, t):
    r = z - t
    return xp.abs(r) + r * r, xp.sign(r) + 2.0 * r, 2.0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            LinearRegressor("binary_cross_entropy"),
            "loss: got binary_cross_entropy, whose predictions are a prob",
        ),
        (LinearRegressor("gaussian"), r"loss: got gaussian, whose prediction is \(location, log_scale\)"),
        (LinearRegressor("softmax_cross_entropy"), "a loss of classes; expected one of numbers; fix: LinearClassifier"),
        (LinearClassifier("crammer_singer"), "loss: got crammer_singer, which has kinks between classes"),
        (
            LinearClassifier("poisson"),
            "loss: got poisson, whose target is a finite number >= 0; expected one",
        ),
        (LinearRegressor(kinked_and_curved), "loss: got kinked_and_curved, whose slope jumps between curved parts"),
        (LinearRegressor(solver="interior-point"), "solver: got 'interior-point' with half_squared_error"),
        (LinearRegressor("quantile", solver="lbfgs"), "expected 'auto' or 'interior-point'"),
        (LinearRegressor(alpha=-1.0), "alpha: got -1.0; expected a finite number >= 0"),
        (LinearRegressor(penalty="l3"), "penalty: got 'l3'; expected 'l2' or 'l1' or 'elasticnet' or None"),
        (LinearRegressor(max_iter=0), "max_iter: got 0; expected a whole number >= 1"),
    ],
)
def test_what_no_solver_takes_is_refused(model, message):
    y = TWO if isinstance(model, LinearClassifier) else Y
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


def test_a_fit_that_is_not_finished_says_so_and_probabilities_need_logits():
    with pytest.warns(ConvergenceWarning, match="max_iter=2: the fit stopped with objective .* duality gap of"):
        LinearRegressor("quantile", max_iter=2).fit(X, Y)
    assert not hasattr(LinearClassifier("hinge").fit(X, TWO), "predict_proba")
    model = LinearClassifier("sigmoid_cross_entropy").fit(X, THREE)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), rtol=1e-13)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0, rtol=1e-13)


@pytest.mark.parametrize("model", [LinearRegressor(), LinearClassifier()], ids=str)
def test_scikit_learn_accepts_the_estimator(model):
    failed = [one for one in check_estimator(model, on_skip=None, on_fail=None) if one["status"] == "failed"]
    assert not failed, [(one["check_name"], one["exception"]) for one in failed]


def test_few_rows_of_thousands_of_columns_are_solved_exactly():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(5, 2100)) + 1.0
    y = x[:, :3].sum(axis=1)
    found, wanted = LinearRegressor(alpha=0.5).fit(x, y).coef_, Ridge(0.5 * 5).fit(x, y).coef_
    assert np.abs(found - wanted).max() <= 1e-9 * np.abs(wanted).max()
