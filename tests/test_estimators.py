"""The estimators: scikit-learn's interface and its own checks, its networks to the last digits, and any loss."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_array
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import rashin
from rashin.domain import ABOVE_MINUS_ONE, NONZERO
from rashin.extras import missing
from rashin.learn import Diverged, Network, NetworkClassifier, NetworkRegressor, Trainer, estimators, samples_for
from rashin.loss import Loss
from shipped import PATHS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

OF_NUMBERS = [
    loss
    for loss in PATHS
    if loss.kind == "pointwise" and loss.target.shape != "ends" and loss.prediction != ABOVE_MINUS_ONE  # has no layer
]
PROBABLE = ["softmax_cross_entropy", "focal", "sigmoid_cross_entropy", "sigmoid_focal", "binary_cross_entropy",
            "categorical_cross_entropy", "negative_log_likelihood"]  # fmt: skip
SCORING = ["hinge", "squared_hinge", "half_squared_error", "huber", "poisson"]
SETTINGS = {
    "adam": {"batch_size": 32},
    "full batches": {"activation": "tanh"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.05, "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 1e-2, "n_iter_no_change": 2, "max_iter": 120},
    "early stopping": {"early_stopping": True, "activation": "logistic", "batch_size": 17, "n_iter_no_change": 3},
    "in order": {"shuffle": False, "batch_size": 32, "nesterovs_momentum": False, "solver": "sgd", "alpha": 1.0},
    "no hidden layer": {"hidden_layer_sizes": ()},
}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def same_network(found, expected, rtol=1e-9):
    """Within rtol of each array's largest entry."""
    for mine, theirs in zip(found.coefs_ + found.intercepts_, expected.coefs_ + expected.intercepts_, strict=True):
        assert np.abs(mine - theirs).max() <= rtol * np.abs(theirs).max()


# ---------------------------------------------------------------------------- scikit-learn's judgement, and its digits


# The checks that train longest, as often as a container or a type differs: of these the first estimators leave one to
# the second, whose loss is another, and the second leave two to the first. The second train for a quarter of the time.
ELSEWHERE = {
    None: ("check_estimator_sparse_matrix",),
    "hinge": (
        "check_estimator_sparse_array",
        "check_classifiers_train",
        "check_classifiers_train(readonly_memmap=True)",
    ),
    "huber": ("check_estimator_sparse_array", "check_regressors_train", "check_regressors_train(readonly_memmap=True)"),
}
CHECKS = parametrize_with_checks(
    [
        NetworkClassifier(),
        NetworkClassifier(loss="hinge", max_iter=50),
        NetworkRegressor(),
        NetworkRegressor(loss="huber", max_iter=50),
    ]
)
NAMED = CHECKS.kwargs["ids"]
EVERY = [(model, check) for model, check in CHECKS.args[1] if NAMED(check) not in ELSEWHERE.get(model.loss, ())]


def test_every_check_meets_both_estimators():
    for kind, other in ((NetworkClassifier, "hinge"), (NetworkRegressor, "huber")):
        met = {NAMED(check) for model, check in EVERY if isinstance(model, kind)}
        assert met == {NAMED(check) for _, check in parametrize_with_checks([kind()]).args[1]}
        assert any(model.loss == other and "sparse_matrix" in NAMED(check) for model, check in EVERY)


@pytest.mark.filterwarnings("ignore")  # the checks judge warnings themselves
@pytest.mark.parametrize(("estimator", "check"), EVERY, ids=NAMED)
def test_scikit_learns_own_checks_pass_without_exception(estimator, check):
    check(estimator)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("problem", ["classes", "two classes", "labels", "numbers", "several numbers", "counts"])
def test_training_is_scikit_learns_up_to_rounding(problem, settings, iris):
    """The same random state draws the same start and batches; then every step must agree."""
    x, y = iris
    mine, theirs = {
        "numbers": (NetworkRegressor(), MLPRegressor()),
        "several numbers": (NetworkRegressor(), MLPRegressor()),
        "counts": (NetworkRegressor(loss="poisson"), MLPRegressor(loss="poisson")),
    }.get(problem, (NetworkClassifier(), MLPClassifier()))
    x, y = {
        "classes": (x, y),
        "two classes": (x[:100], y[:100]),
        "labels": (x, np.column_stack([y > 0, y > 1]).astype(int)),
        "numbers": (x[:, :3], x[:, 3]),
        "several numbers": (x[:, :2], x[:, 2:]),
        "counts": (x[:, :2] / 8, np.round(x[:, 2])),
    }[problem]
    common = {"hidden_layer_sizes": (8, 5), "max_iter": 40, "random_state": 3, **settings}
    scale = 1
    if problem == "several numbers":  # scikit-learn reports their mean, but goes down their sum, which rashin reports
        common, scale = {"tol": 1e-4, **common, "alpha": 0.0}, 2
        mine.set_params(**{**common, "tol": 2 * common["tol"]}).fit(x, y)
    else:
        mine.set_params(**common).fit(x, y)
    theirs.set_params(**common).fit(x, y)
    same_network(mine, theirs)
    names = "n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"
    assert [getattr(mine, name) for name in names] == [getattr(theirs, name) for name in names]
    constant = theirs.loss_ - mine.loss_ if problem == "counts" else 0.0  # scikit-learn's deviance has log t! too
    np.testing.assert_allclose(np.add(mine.loss_curve_, constant), np.multiply(theirs.loss_curve_, scale), rtol=1e-9)
    if settings.get("early_stopping"):
        np.testing.assert_allclose(mine.validation_scores_, theirs.validation_scores_, rtol=1e-9)
        np.testing.assert_allclose(mine.best_validation_score_, theirs.best_validation_score_, rtol=1e-9)
        assert mine.best_loss_ is theirs.best_loss_ is None
    else:
        np.testing.assert_allclose(mine.best_loss_ + constant, scale * theirs.best_loss_, rtol=1e-9)
        assert mine.validation_scores_ is mine.best_validation_score_ is None
    np.testing.assert_allclose(mine.predict(x), theirs.predict(x), rtol=1e-9)
    np.testing.assert_allclose(mine.score(x, y), theirs.score(x, y), rtol=1e-9)
    if hasattr(theirs, "predict_proba"):
        np.testing.assert_allclose(mine.predict_proba(x), theirs.predict_proba(x), rtol=1e-9)
        np.testing.assert_allclose(mine.predict_log_proba(x), theirs.predict_log_proba(x), rtol=1e-8)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fits_and_warm_starts_are_scikit_learns_too(solver, iris):
    x, y = iris
    settings = {"hidden_layer_sizes": 7, "solver": solver, "random_state": 1, "batch_size": 20, "max_iter": 6}
    mine, theirs = NetworkClassifier(**settings), MLPClassifier(**settings)
    for chunk in (slice(0, 60), slice(40, 90), slice(90, 150)):
        for each in (mine, theirs):
            each.partial_fit(x[chunk], y[chunk], classes=[0, 1, 2])
    assert (mine.n_iter_, mine.t_) == (theirs.n_iter_, theirs.t_)
    same_network(mine, theirs)
    for each in (mine, theirs):
        each.set_params(warm_start=True).fit(x, y).fit(x, y)
    assert (mine.n_iter_, mine.t_, len(mine.loss_curve_)) == (theirs.n_iter_, theirs.t_, len(theirs.loss_curve_))
    same_network(mine, theirs)


def test_weighted_training_on_all_samples_is_scikit_learns_too(iris, rng):
    x, y = iris
    weight = rng.random(len(y))
    settings = {"hidden_layer_sizes": 7, "batch_size": 150, "random_state": 1, "max_iter": 30}
    mine, theirs = NetworkClassifier(**settings), MLPClassifier(**settings)
    same_network(mine.fit(x, y, weight), theirs.fit(x, y, weight))
    np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(mine.score(x, y, weight), theirs.score(x, y, weight), rtol=1e-12)


def test_scores_on_digits_and_diabetes_are_scikit_learns():
    x, y = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x / 16, y, random_state=0)
    found, expected = (kind(max_iter=40, random_state=0).fit(x, y) for kind in (NetworkClassifier, MLPClassifier))
    assert found.score(x_test, y_test) == expected.score(x_test, y_test) > 0.95
    x, y = load_diabetes(return_X_y=True)
    x, x_test, y, y_test = train_test_split(20 * x, (y - 152) / 77, random_state=0)
    found, expected = (kind(max_iter=60, random_state=0).fit(x, y) for kind in (NetworkRegressor, MLPRegressor))
    np.testing.assert_allclose(found.score(x_test, y_test), expected.score(x_test, y_test), rtol=1e-7)
    assert found.score(x_test, y_test) > 0.2


# ---------------------------------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", PROBABLE + SCORING)
def test_classes_are_learnt_by_every_loss_that_can_tell_them(name, classes, iris):
    x, y = iris
    x, y = x[y < classes][:, :2], np.array(["setosa", "versicolor", "virginica"])[y[y < classes]]
    model = make_pipeline(StandardScaler(), NetworkClassifier(20, loss=name, learning_rate_init=0.02, random_state=0))
    model.fit(x, y)
    assert model.score(x, y) > (0.98 if classes == 2 else 0.75)
    assert set(model.predict(x)) == set(y)
    scores, network = model.decision_function(x), model[-1]
    winners = np.where(scores > 0, 1, 0) if classes == 2 else scores.argmax(axis=1)
    np.testing.assert_array_equal(model.predict(x), model.classes_[winners])
    assert network.n_outputs_ == (
        1 if classes == 2 and estimators.tells_yes_from_no(rashin.registry.get(name)) else classes
    )
    assert hasattr(model, "predict_proba") == hasattr(model, "predict_log_proba") == (name in PROBABLE)
    if name in PROBABLE:
        probabilities = model.predict_proba(x)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)
        np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(x))
        np.testing.assert_allclose(np.exp(model.predict_log_proba(x)), probabilities, rtol=1e-9)
        assert log_loss(y, probabilities) < 0.8 * np.log(classes)


def test_the_mean_loss_reported_is_the_losss_own(iris):
    """One step from a known network: what the curve says is the loss of that network, and its penalty."""
    x, y = iris
    model = NetworkClassifier(6, loss=rashin.focal.replace(gamma=1.5), alpha=0.3, batch_size=150, random_state=2)
    start = clone(model).set_params(learning_rate_init=1e-300, solver="sgd", max_iter=1).fit(x, y)
    model.set_params(max_iter=1).fit(x, y)
    penalty = 0.15 * sum((w * w).sum() for w in start.coefs_) / 150
    logits = start.decision_function(x)
    np.testing.assert_allclose(model.loss_, rashin.focal(logits, y, gamma=1.5) + penalty, rtol=1e-12)


@pytest.mark.parametrize("name", ["hinge", "half_squared_error", "poisson"])
def test_a_loss_without_probabilities_says_so(name, iris):
    model = NetworkClassifier(loss=name, max_iter=2)
    for each in (model, model.fit(*iris)):
        assert not hasattr(each, "predict_proba")
        with pytest.raises(AttributeError) as error:
            _ = each.predict_log_proba
        assert f"loss: got '{name}', which gives scores; expected a loss that gives probabilities" in str(
            error.value.__cause__
        )


def test_probabilities_without_rounding_to_one(iris):
    """Far from the boundary the log-probability of the other class is minus the score, where log(1 - p) is lost."""
    x, y = iris
    model = NetworkClassifier(5, random_state=0).fit(x[:100], y[:100])
    model.coefs_[-1] *= 1e4
    scores, logarithms = model.decision_function(x), model.predict_log_proba(x)
    assert np.abs(scores).max() > 1000.0
    np.testing.assert_allclose(logarithms[:, 1] - logarithms[:, 0], scores, rtol=1e-9)
    assert np.isfinite(logarithms).all()


def test_a_softcap_is_part_of_the_probabilities(iris):
    x, y = iris
    capped = rashin.softmax_cross_entropy.replace(softcap=2.0)
    model = NetworkClassifier(5, loss=capped, learning_rate_init=0.05, random_state=0).fit(x, y)
    probabilities = model.predict_proba(x)
    mean = -np.log(probabilities[np.arange(150), y]).mean()
    np.testing.assert_allclose(mean, capped(model.decision_function(x), y), rtol=1e-12)


@pytest.mark.parametrize("name", ["sigmoid_cross_entropy", "sigmoid_focal", "hinge"])
def test_labels_that_can_be_true_together(name, iris):
    x, y = iris
    target = np.column_stack([y > 0, y > 1, y == 1, np.ones(150)]).astype(int)
    model = NetworkClassifier(30, loss=name, learning_rate_init=0.02, random_state=0).fit(x, target)
    assert model.predict(x).shape == model.decision_function(x).shape == (150, 4)
    assert (model.predict(x) == target).mean() > 0.95
    np.testing.assert_array_equal(model.fit(x, csr_array(target)).classes_, range(4))
    with pytest.raises(ValueError, match="loss: got focal for several columns of y; expected"):
        model.set_params(loss="focal").fit(x, target)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("loss", OF_NUMBERS, ids=lambda loss: loss.name)
def test_numbers_are_learnt_by_every_pointwise_loss(loss, outputs, rng):
    x = rng.normal(size=(300, 3))
    signal = np.column_stack([x[:, 0] - 0.5 * x[:, 1], np.sin(x[:, 2])])[:, :outputs]
    target = {"exp": np.exp, "logistic": rashin.sigmoid}.get(estimators.out_activation(loss), np.array)(signal)
    model = NetworkRegressor((20,), loss=loss, learning_rate_init=0.01, activation="tanh", max_iter=300, random_state=0)
    target = target + 4.0 if loss.target == NONZERO else target  # those near 0 would outweigh the others
    target = target[:, 0] if outputs == 1 else target
    model.fit(x, target)
    assert model.predict(x).shape == ((300,) if outputs == 1 else (300, 2))
    assert model.score(x, target) > 0.95


def test_quantiles_hold_their_shares(rng):
    x = rng.uniform(-1, 1, (800, 1))
    y = x[:, 0] + rng.exponential(size=800)
    for share in (0.2, 0.9):
        loss = rashin.quantile.replace(quantile=share)
        model = NetworkRegressor((20,), loss=loss, learning_rate_init=0.01, max_iter=400, random_state=0).fit(x, y)
        np.testing.assert_allclose(np.mean(y <= model.predict(x)), share, rtol=0.1)


def test_a_loss_of_ones_own_by_object_and_by_name(tmp_path, monkeypatch, iris):
    (tmp_path / "own_losses.py").write_text(
        "import rashin\n\n"
        "@rashin.pointwise()\n"
        "def cubed_error(xp, z, t):\n"
        "    r = xp.abs(z - t)\n"
        "    return r * r * r, 3 * r * (z - t), 6 * r\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    x, target = iris[0][:, :3], iris[0][:, 3]
    named = NetworkRegressor(loss="own_losses:cubed_error", random_state=0, max_iter=30).fit(x, target)
    loss = sys.modules["own_losses"].cubed_error
    by_object = NetworkRegressor(loss=loss, random_state=0, max_iter=30).fit(x, target)
    np.testing.assert_array_equal(named.predict(x), by_object.predict(x))
    del rashin.registry._registry["cubed_error"]


# --------------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("make", [
    lambda **kw: NetworkClassifier(**kw), lambda **kw: NetworkClassifier(loss="hinge", **kw),
    lambda **kw: NetworkRegressor(loss="huber", **kw),
], ids=["cross-entropy", "hinge", "huber"])  # fmt: skip
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_weight_of_two_is_the_sample_twice_and_of_zero_not_at_all(make, solver, iris, rng):
    x, y = iris
    weight = rng.integers(0, 3, 150)
    repeated = np.repeat(np.arange(150), weight)
    model = make(hidden_layer_sizes=6, solver=solver, batch_size=500, shuffle=False, random_state=1, max_iter=40)
    found, expected = clone(model).fit(x, y, weight), clone(model).fit(x[repeated], y[repeated])
    same_network(found, expected, rtol=1e-7)
    np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(found.score(x, y, weight), expected.score(x[repeated], y[repeated]), rtol=1e-9)
    unweighted = clone(model).fit(x, y)
    assert np.abs(unweighted.coefs_[0] - found.coefs_[0]).max() > 1e-4


def test_partial_fit_takes_weights_and_a_batch_of_weight_zero_takes_no_step(iris):
    x, y = iris
    model = NetworkClassifier(6, batch_size=50, shuffle=False, random_state=1)
    found = clone(model).partial_fit(x, y, np.r_[np.zeros(50), np.ones(100)], classes=[0, 1, 2])
    expected = clone(model).partial_fit(x[50:], y[50:], classes=[0, 1, 2])
    same_network(found, expected, rtol=1e-12)
    np.testing.assert_allclose(found.loss_, expected.loss_, rtol=1e-12)


@pytest.mark.parametrize(("weight", "message"), [
    (np.ones(149), r"sample_weight: got shape \(149,\); expected one weight per sample, shape \(150,\)"),
    (np.r_[-1.0, np.ones(149)], r"sample_weight: got -1.0; expected finite weights >= 0"),
    (np.zeros(150), "sample_weight: got zero for all"),
    (np.r_[np.nan, np.ones(149)], "sample_weight contains NaN"),
])  # fmt: skip
def test_wrong_weights_are_told(weight, message, iris):
    with pytest.raises(ValueError, match=message):
        NetworkClassifier().fit(*iris, weight)


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
@pytest.mark.parametrize("scalar", [2.0, 3, np.float32(0.5), np.array(2.0)])
def test_one_weight_for_all_is_a_weight_for_each(kind, scalar, iris):
    x, y = iris
    model = kind(5, max_iter=3, tol=0.0, n_iter_no_change=9, random_state=0)
    with pytest.warns(ConvergenceWarning):
        found = clone(model).fit(x, y, sample_weight=scalar)
    with pytest.warns(ConvergenceWarning):
        expected = clone(model).fit(x, y, sample_weight=np.full(150, float(scalar)))
    same_network(found, expected, rtol=0.0)
    np.testing.assert_allclose(found.score(x, y.tolist(), sample_weight=scalar), expected.score(x, y), rtol=1e-13)
    same_network(
        clone(model).partial_fit(x, y, scalar, **CLASSES_OF[kind]),
        clone(model).partial_fit(x, y, np.full(150, float(scalar)), **CLASSES_OF[kind]),
        rtol=0.0,
    )


CLASSES_OF = {NetworkClassifier: {"classes": [0, 1, 2]}, NetworkRegressor: {}}


@pytest.mark.parametrize(
    ("scalar", "message"), [(-1.0, "got -1.0; expected"), (0, "got zero for all samples"), (np.nan, "NaN")]
)
def test_one_wrong_weight_for_all_is_told(scalar, message, iris):
    with pytest.raises(ValueError, match=f"sample_weight.*{message}"):
        NetworkClassifier().fit(*iris, sample_weight=scalar)


def test_weights_that_all_lie_in_the_samples_set_aside_are_told(iris):
    x, y = iris
    model = NetworkRegressor(early_stopping=True, random_state=0)
    _, aside = train_test_split(np.arange(150), random_state=model_state_after_start(model, x), test_size=0.1)
    weight = np.zeros(150)
    weight[aside] = 1.0
    with pytest.raises(ValueError, match="sample_weight: got zero for all samples to train on"):
        model.fit(x, y.astype(float), weight)


def model_state_after_start(model, x):
    random = np.random.RandomState(model.random_state)
    estimators.glorot_start((x.shape[1], 100, 1), model.activation, random, x.dtype)
    return random


# ------------------------------------------------------------------------------------------- scikit-learn's company


def test_a_grid_is_searched_over_losses(iris):
    x, y = iris
    losses = ["softmax_cross_entropy", rashin.focal.replace(gamma=1.0), "hinge", None]
    pipeline = make_pipeline(
        StandardScaler(), NetworkClassifier(8, max_iter=60, random_state=0, learning_rate_init=0.02)
    )
    search = GridSearchCV(pipeline, {"networkclassifier__loss": losses}, cv=3, error_score="raise").fit(x, y)
    assert (search.cv_results_["mean_test_score"] > 0.85).all()
    assert search.best_params_["networkclassifier__loss"] in losses


def test_calibration_gives_probabilities_to_scores(iris):
    x, y = iris
    model = CalibratedClassifierCV(NetworkClassifier(8, loss="hinge", random_state=0, learning_rate_init=0.02), cv=3)
    assert log_loss(y, model.fit(x, y).predict_proba(x)) < 0.5


def test_cross_validation_counts_a_diverging_training_as_failed(iris):
    x, y = iris
    model = NetworkRegressor(solver="sgd", learning_rate_init=1e6, random_state=0)
    with pytest.raises(Diverged, match="learning rate well below 1e\\+06"):
        model.fit(x, y.astype(float))
    rates = {"learning_rate_init": [1e6, 1e-3]}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search = GridSearchCV(model, rates, cv=3).fit(x, y.astype(float))
    assert any("3 fits failed out of a total of 6" in str(each.message) for each in caught)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [True, False]


@pytest.mark.parametrize("make", [
    lambda: NetworkClassifier(8, loss=rashin.focal.replace(gamma=1.0), max_iter=5, random_state=0),
    lambda: NetworkRegressor(8, loss="huber", max_iter=5, random_state=0, warm_start=True),
], ids=["classifier", "regressor"])  # fmt: skip
def test_a_pickled_estimator_predicts_and_learns_on_alike(make, iris):
    x, y = iris
    model = make().fit(x, y)
    copy = pickle.loads(pickle.dumps(model))
    assert type(model).__module__.startswith("rashin.learn.sklearn.")
    np.testing.assert_array_equal(copy.predict(x), model.predict(x))
    for each in (model, copy):
        each.partial_fit(x[::3], y[::3])
    same_network(copy, model, rtol=0.0)
    assert clone(model).get_params()["loss"] == model.loss


def test_an_estimator_with_a_loss_of_this_place_travels_by_cloudpickle(iris):
    @rashin.pointwise()
    def quartic_error(xp, z, t):
        r = z - t
        return r**4, 4 * r**3, 12 * r**2

    x, y = iris
    model = NetworkRegressor(8, loss=quartic_error, max_iter=5, random_state=0).fit(x, y.astype(float))
    copy = cloudpickle.loads(cloudpickle.dumps(model))
    np.testing.assert_array_equal(copy.fit(x, y.astype(float)).predict(x), model.predict(x))
    assert isinstance(clone(model).loss, Loss)
    del rashin.registry._registry["quartic_error"]


def test_data_frames_bring_their_names(iris):
    x, y = iris
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    names = pd.Series(np.array(["x", "y", "z"])[y], dtype="category")
    model = NetworkClassifier(8, max_iter=5, random_state=0).fit(frame, names)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert model.classes_.tolist() == ["x", "y", "z"]
    assert set(model.predict(frame)) <= {"x", "y", "z"}
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c", "d"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # its own look at the samples set aside warns of nothing
        warnings.simplefilter("ignore", ConvergenceWarning)
        NetworkClassifier(8, max_iter=5, early_stopping=True).fit(frame, names)


@pytest.mark.parametrize("form", [csr_array, csc_matrix])
@pytest.mark.parametrize("settings", [{}, {"shuffle": False, "batch_size": 16}, {"early_stopping": True}])
def test_sparse_samples_train_as_dense_ones(form, settings, iris):
    x, y = iris
    x = np.where(x > 2.0, x, 0.0)
    for make, target in ((NetworkClassifier, y), (NetworkRegressor, y + 0.5)):
        model = make(8, max_iter=10, random_state=0, **settings)
        sparse, dense = clone(model).fit(form(x), target), clone(model).fit(x, target)
        same_network(sparse, dense, rtol=1e-12)
        np.testing.assert_allclose(sparse.predict(form(x)), dense.predict(x), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_is_trained_in_float32(dtype, iris):
    x, y = iris
    model = NetworkClassifier(8, max_iter=5, random_state=0).fit(x.astype(dtype), y)
    assert {array.dtype for array in model.coefs_ + model.intercepts_} == {np.dtype(dtype)}
    assert model.predict_proba(x.astype(dtype)).dtype == dtype


def test_one_class_is_always_right(iris):
    for loss in (None, "hinge", "sigmoid_cross_entropy", "focal"):
        model = NetworkClassifier(4, loss=loss, random_state=0).fit(iris[0], ["only"] * 150)
        assert set(model.predict(iris[0])) == {"only"}
        if loss != "hinge":
            np.testing.assert_array_equal(model.predict_proba(iris[0]), np.ones((150, 1)))


# ------------------------------------------------------------------------------------------- how training ends


def test_the_last_epoch_warns_and_a_converged_training_does_not(iris):
    with pytest.warns(ConvergenceWarning, match="max_iter=3 epochs are over") as caught:
        NetworkClassifier(max_iter=3).fit(*iris)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = NetworkClassifier(tol=10.0).fit(*iris)
        model.partial_fit(*iris)
    assert model.n_iter_ == 1
    assert len(model.loss_curve_) == 13  # 1 that gains, 11 that do not, and the pass


def test_early_stopping_keeps_the_best_epoch(iris, monkeypatch):
    """The score of what is set aside, measured again in the end, is the best of the curve."""
    x, y = iris
    judged = []
    judge = NetworkClassifier._judged
    monkeypatch.setattr(NetworkClassifier, "_judged", lambda self, *data: judged.append(data) or judge(self, *data))
    model = NetworkClassifier(8, early_stopping=True, random_state=4, learning_rate_init=0.05, max_iter=60).fit(x, y)
    assert model.validation_scores_[-1] < model.best_validation_score_ == max(model.validation_scores_)
    assert judge(model, *judged[0]) == model.best_validation_score_


def test_an_interrupted_fit_keeps_what_it_has_learnt(iris, monkeypatch):
    x, y = iris
    run, calls = estimators.epoch, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(estimators, "epoch", interrupted)
    with pytest.warns(UserWarning, match="training was interrupted") as caught:
        model = NetworkClassifier(8, random_state=0).fit(x, y)
    assert caught[0].filename == __file__
    monkeypatch.undo()
    same_network(model, NetworkClassifier(8, random_state=0, max_iter=3).fit(x, y), rtol=0.0)


def test_verbose_prints_a_line_for_each_epoch(iris, capsys):
    NetworkClassifier(8, verbose=True, random_state=0, tol=10.0, n_iter_no_change=2, early_stopping=True).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Iteration 1, loss = ")
    assert lines[1].startswith("Validation score: ")
    assert lines[-1] == "No gain of tol=10 for 3 epochs: stopping."
    adaptive = {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1, "max_iter": 200}
    model = NetworkClassifier(8, verbose=True, random_state=0, **adaptive).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    assert "No gain of tol=10 for 2 epochs: the learning rate is now 0.0002." in lines
    assert model.n_iter_ == 1 + 2 * 6  # 0.001 is divided by 5 until it is 3.2e-7, and then is given up


def test_an_outlier_in_a_batch_is_no_divergence():
    """The trainer gives up where a batch's loss rises a hundredfold; the estimators leave that to infinity."""
    x, y = np.linspace(-1, 1, 40)[:, None], np.r_[np.zeros(30), np.full(10, 1e3)]
    settings = {"shuffle": False, "batch_size": 10, "max_iter": 2}
    assert np.isfinite(NetworkRegressor(4, **settings).fit(x, y).loss_)
    network, loss = Network((1, 4, 1)), rashin.half_squared_error
    with pytest.raises(Diverged, match="a loss that rose from"):
        Trainer(network, loss, batch_size=10, shuffle=False).epoch(samples_for(network, loss, x, y))
    with pytest.raises(ValueError, match="rise: got 0; expected a number > 0"):
        Trainer(network, loss, rise=0)


# ------------------------------------------------------------------------------------------------- wrong settings


@pytest.mark.parametrize(("settings", "message"), [
    ({"solver": "lbfgs"}, "solver: got 'lbfgs', but training goes by mini-batches; expected 'sgd' or 'adam'"),
    ({"activation": "sigmoid"}, "activation: got 'sigmoid'; expected 'logistic' or 'relu' or"),
    ({"learning_rate": "cosine"}, "learning_rate: got 'cosine'; expected 'constant' or 'invscaling' or 'adaptive'"),
    ({"alpha": -1.0}, "alpha: got -1.0; expected a finite number >= 0"),
    ({"learning_rate_init": 0.0}, "learning_rate_init: got 0.0; expected a finite number > 0"),
    ({"momentum": 1.0}, r"momentum: got 1.0; expected a number in \[0, 1\)"),
    ({"beta_2": True}, r"beta_2: got True; expected a number in \[0, 1\)"),
    ({"tol": "small"}, "tol: got 'small'; expected a finite number >= 0"),
    ({"max_iter": 0}, "max_iter: got 0; expected a whole number >= 1"),
    ({"batch_size": 2.5}, "batch_size: got 2.5; expected a whole number >= 1"),
    ({"n_iter_no_change": 0}, "n_iter_no_change: got 0; expected a whole number >= 1"),
    ({"hidden_layer_sizes": (5, 0)}, r"hidden_layer_sizes: got \(5, 0\); expected whole numbers >= 1"),
    ({"hidden_layer_sizes": "poisson"}, "hidden_layer_sizes: got 'poisson'"),
    ({"loss": "log_loss"}, "loss: got 'log_loss'; expected the name of a loss; did you mean"),
    ({"loss": 3}, "loss: got 3; expected a Loss, a name that `rashin losses` lists, or 'module:name'"),
    ({"early_stopping": True, "validation_fraction": 0.005}, "validation_fraction: got 0.005, which sets 1 of 150"),
])  # fmt: skip
def test_wrong_settings_are_told_by_name(settings, message, iris):
    for model, target in ((NetworkClassifier, iris[1]), (NetworkRegressor, iris[1] + 0.5)):
        with pytest.raises(ValueError, match=message):
            model(**settings).fit(iris[0], target)


def test_settings_may_be_numpys_numbers(iris):
    settings = {"hidden_layer_sizes": np.array([4, 3]), "max_iter": np.int64(3), "n_iter_no_change": np.inf}
    model = NetworkClassifier(**settings, alpha=np.float32(0.1), batch_size=np.int32(50)).fit(*iris)
    assert [w.shape for w in model.coefs_] == [(4, 4), (4, 3), (3, 3)]


def test_a_loss_that_does_not_fit_is_told(iris):
    x, y = iris
    with pytest.raises(
        ValueError, match="loss: got softmax_cross_entropy, which compares rows of classes; expected a loss"
    ):
        NetworkRegressor(loss="softmax_cross_entropy").fit(x, y)
    with pytest.raises(ValueError, match="target: got 0 at index 0; expected a finite number > 0"):
        NetworkRegressor(loss="gamma").fit(x, y)
    with pytest.raises(ValueError, match="loss: got gamma, whose target is"):
        NetworkClassifier(loss="gamma").fit(x, y)
    model = NetworkClassifier(loss="focal", max_iter=1, warm_start=True).fit(x[:100], y[:100])
    with pytest.raises(
        ValueError,
        match=r"targets for 1 outputs with hinge; expected 2, .*; fix: start a new one with warm_start=False",
    ):
        model.set_params(loss="hinge").fit(x[:100], y[:100])
    with pytest.raises(ValueError, match="y: got several columns of classes"):
        NetworkClassifier().fit(x, np.column_stack([y, y]))


def test_classes_are_known_from_the_first_call_on(iris):
    x, y = iris
    model = NetworkClassifier(4, max_iter=2)
    with pytest.raises(ValueError, match="classes: got None on the first call"):
        model.partial_fit(x, y)
    model.partial_fit(x[:50], y[:50], classes=[2, 1, 0])
    assert model.predict_proba(x).shape == (150, 3)
    with pytest.raises(ValueError, match=r"classes: got \[0, 1\]; expected \[0 1 2\], as in the last call"):
        model.partial_fit(x, y, classes=[0, 1])
    with pytest.raises(
        ValueError, match=r"y: got the classes \[1 2 3\]; expected \[0 1 2\], for which the network was made"
    ):
        model.partial_fit(x, y + 1)
    with pytest.raises(
        ValueError, match=r"y: got the classes \[0 1\]; expected \[0 1 2\], for which the network was made"
    ):
        model.set_params(warm_start=True).fit(x[:100], y[:100])
    with pytest.raises(ValueError, match="early_stopping: got True; expected False for partial_fit"):
        model.set_params(early_stopping=True).partial_fit(x, y)
    with pytest.raises(NotFittedError):
        NetworkClassifier().predict_proba(x)


def test_a_warm_start_may_change_the_judge_and_the_loss(iris):
    x, y = iris
    model = NetworkClassifier(8, warm_start=True, max_iter=5, random_state=0).fit(x, y)
    before = [w.copy() for w in model.coefs_]
    model.set_params(loss="focal", early_stopping=True, learning_rate_init=1e-9).fit(x, y)
    assert model.best_loss_ is None
    assert len(model.validation_scores_) == 5
    for found, expected in zip(model.coefs_, before, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    model.set_params(early_stopping=False).fit(x, y)
    assert model.validation_scores_ is None
    assert model.best_loss_ == min(model.loss_curve_[-5:])


# ------------------------------------------------------------------------------------------- scikit-learn is optional


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_scikit_learn_is_imported_at_the_first_use_of_an_estimator():
    code = "import sys, rashin.learn as learn; {0}; learn.NetworkClassifier; {0}".format(
        "print('sklearn' in sys.modules)"
    )
    assert python(code).split() == ["False", "True"]


def test_without_scikit_learn_the_message_says_what_to_install():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from rashin.learn import *\n"
        "import rashin.learn as l\n"
        "assert {'NetworkClassifier', 'Network'} <= set(dir(l)) and not hasattr(l, 'no_such_name')\n"
        "try: l.NetworkRegressor\n"
        "except ImportError as error: print(error)"
    )
    assert python(code) == str(missing("scikit-learn", "learn", "NetworkRegressor"))
