"""Scorers: each loss gets from an estimator what it is a function of."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.metrics import get_scorer, hinge_loss, log_loss, mean_pinball_loss
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.svm import LinearSVC

import rashin
from rashin.adapters.sklearn import scorer

X, CODE = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
Y = np.array(["malign", "benign"])[1 - CODE]
WEIGHT = np.random.default_rng(0).uniform(0.1, 3.0, len(Y))
TWO = ("sigmoid_cross_entropy", "binary_cross_entropy", "softmax_cross_entropy", "categorical_cross_entropy")


@pytest.mark.parametrize("name", [*TWO, "negative_log_likelihood"])
@pytest.mark.parametrize(
    "model", [LogisticRegression(), GradientBoostingClassifier(loss="exponential", n_estimators=3)]
)
def test_losses_of_logits_and_of_probabilities_agree_on_two_classes(name, model):
    """The decision function of exponential boosting is half the logit: it is not taken for the logit."""
    model = model.fit(X, Y)
    expected = -log_loss(Y, model.predict_proba(X), sample_weight=WEIGHT)
    assert scorer(name)(model, X, Y, WEIGHT) == pytest.approx(expected, rel=1e-12, abs=0)


@pytest.mark.parametrize("name", TWO[2:])
def test_losses_of_several_classes(name):
    x, y = load_iris(return_X_y=True)
    model = LogisticRegression(C=0.1).fit(x, y)
    assert scorer(name)(model, x, y) == pytest.approx(-log_loss(y, model.predict_proba(x)), rel=1e-12, abs=0)
    with pytest.raises(ValueError, match="loss: got sigmoid_cross_entropy for 3 classes"):
        scorer("sigmoid_cross_entropy")(model, x, y)


def test_margins_come_from_the_decision_function():
    model = LinearSVC().fit(X, Y)
    expected = -hinge_loss(Y, model.decision_function(X), sample_weight=WEIGHT)
    assert scorer("hinge")(model, X, Y, WEIGHT) == pytest.approx(expected, rel=1e-12, abs=0)
    assert scorer("crammer_singer")(model, X, Y, WEIGHT) == pytest.approx(expected, rel=1e-12, abs=0)
    with pytest.raises(ValueError, match="RandomForestClassifier, which has no decision_function"):
        scorer("hinge")(RandomForestClassifier(2).fit(X, Y), X, Y)


def test_numbers_are_on_the_scale_of_the_loss_and_not_swapped_with_the_target():
    x, y = load_diabetes(return_X_y=True)
    ridge = Ridge().fit(x, y)
    expected = -mean_pinball_loss(y, ridge.predict(x), alpha=0.8, sample_weight=y)
    assert scorer("quantile", quantile=0.8)(ridge, x, y, y) == pytest.approx(expected, rel=1e-12, abs=0)
    poisson = PoissonRegressor().fit(x, y)
    assert scorer("poisson")(poisson, x, y) == -rashin.poisson(np.log(poisson.predict(x)), y)
    with pytest.raises(ValueError, match=r"prediction -.* at index 0; expected a number in \[0, inf\] for gamma"):
        scorer("gamma")(ridge.fit(x, y - 1000.0), x, y)


def test_certain_and_wrong_scores_minus_infinity_and_unknown_classes_are_refused():
    model = DummyClassifier(strategy="constant", constant="benign").fit(X, Y)
    assert scorer("categorical_cross_entropy")(model, X, Y) == -np.inf
    assert scorer("binary_brier")(model, X, Y) == -np.mean(Y == "malign")
    with pytest.raises(ValueError, match=r"y: got .*'other'.* at index 1; expected a class .*'benign', 'malign'"):
        scorer("brier")(model, X[:2], np.array(["benign", "other"]))


def test_it_searches_validates_clones_and_pickles():
    score = pickle.loads(pickle.dumps(clone(scorer("sigmoid_focal", gamma=1.0))))
    assert score.loss == rashin.sigmoid_focal.replace(gamma=1.0)
    search = GridSearchCV(LogisticRegression(), {"C": [1e-4, 1.0]}, scoring=score, cv=2).fit(X, Y)
    assert search.best_params_ == {"C": 1.0}
    both = cross_validate(LogisticRegression(), X, Y, scoring={"focal": score, "log": "neg_log_loss"}, cv=2)
    assert np.all(both["test_focal"] > both["test_log"])
    ours = cross_val_score(LogisticRegression(), X, Y, scoring=scorer("softmax_cross_entropy"), cv=2)
    np.testing.assert_allclose(ours, both["test_log"], rtol=1e-12)


def test_weights_by_metadata_routing():
    routed = {"sample_weight": WEIGHT}
    with sklearn.config_context(enable_metadata_routing=True):
        model = LogisticRegression().set_fit_request(sample_weight=True)
        found = [
            cross_val_score(model, X, Y, scoring=one.set_score_request(sample_weight=asks), cv=2, params=routed)
            for one in (scorer("sigmoid_cross_entropy"), get_scorer("neg_log_loss"))
            for asks in (True, False)
        ]
    np.testing.assert_allclose(found[:2], found[2:], rtol=1e-12)
    assert np.all(found[0] != found[1])
