"""The estimators of the three boosters, as users of scikit-learn take them."""

from __future__ import annotations

import importlib
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

import rashin
from boosters import samples

SETTINGS = {
    "xgboost": {"max_depth": 2, "nthread": 1},
    "lightgbm": {"num_leaves": 4, "num_threads": 1},
    "catboost": {"depth": 2, "thread_count": 1, "learning_rate": 0.3},
}


@pytest.fixture(params=SETTINGS)
def booster(request):
    pytest.importorskip(request.param)
    module = importlib.import_module(f"rashin.adapters.{request.param}")
    return module, {"n_estimators": 8, **SETTINGS[request.param]}


def test_probabilities_of_two_classes_and_early_stopping(booster):
    module, settings = booster
    x, y, w = samples("binary", weighted=True)
    names = np.array(["benign", "malign"])[y.astype(int)]
    model = module.Classifier(rashin.sigmoid_focal, **{**settings, "n_estimators": 30}, early_stopping_rounds=2)
    model.fit(x[:400], names[:400], w[:400], eval_set=[(x[400:], names[400:])], eval_weight=[w[400:]])
    p = model.predict_proba(x)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    assert model.predict(x).tolist() == model.classes_[p.argmax(axis=1)].tolist()
    assert model.score(x[400:], names[400:]) > 0.9
    losses = model.evals_result_["eval0"]
    assert model.best_iteration_ == int(np.argmin(losses)) + 1
    raw = model.raw_predict(x[400:])
    np.testing.assert_allclose(min(losses), rashin.sigmoid_focal(raw, y[400:], weight=w[400:]), rtol=1e-6)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(x), p)


def test_regressors_predict_means_through_the_link(booster):
    module, settings = booster
    x, y, w = samples("count", weighted=True)
    model = module.Regressor("poisson", **{**settings, "n_estimators": 60}).fit(x, y, w)
    np.testing.assert_allclose(model.predict(x), np.exp(model.raw_predict(x)), rtol=1e-6)
    assert abs(np.average(model.predict(x), weights=w) / np.average(y, weights=w) - 1.0) < 0.02
    plain = module.Regressor(**settings).fit(x, y[:, None])
    np.testing.assert_array_equal(plain.predict(x), plain.raw_predict(x))
    assert plain.start_ == pytest.approx(y.mean(), rel=1e-14, abs=0)


def test_a_weight_of_2_is_a_sample_twice(booster):
    module, settings = booster
    x, y, _ = samples("number")
    x, times = np.round(x * 100.0), 1 + np.arange(len(y)) % 2  # few numbers, so that all borders are tried
    extra = {"min_data_in_leaf": 1} if "num_leaves" in settings else {}
    no_l2 = {"l2_leaf_reg": 1e-9}  # CatBoost multiplies it by the mean weight
    extra |= {"bootstrap_type": "No", "random_strength": 0, **no_l2} if "depth" in settings else {}
    models = [module.Regressor("huber", hessian="majorized", **settings, **extra) for _ in range(2)]
    weighted = models[0].fit(x, y, times)
    repeated = models[1].fit(x.repeat(times, axis=0), y.repeat(times))
    assert weighted.start_ == pytest.approx(repeated.start_, rel=1e-14, abs=0)
    np.testing.assert_allclose(weighted.predict(x), repeated.predict(x), rtol=1e-6)


def test_rows_of_classes_and_margins(booster):
    module, settings = booster
    x, y, _ = samples("classes")
    model = module.Classifier("focal", **{**settings, "n_estimators": 4}).fit(x, y)
    assert model.predict_proba(x).shape == (len(y), 3)
    assert model.score(x, y) > 0.9
    assert module.Classifier(**{**settings, "n_estimators": 1}).fit(x, y).loss_ is rashin.softmax_cross_entropy
    x, y, _ = samples("binary")
    margins = module.Classifier("hinge", hessian="unit", **settings).fit(x, y)
    assert not hasattr(margins, "predict_proba")
    assert margins.score(x, y) > 0.6


def test_scikit_learn_clones_scores_and_searches(booster):
    module, settings = booster
    x, y, _ = samples("binary")
    model = module.Classifier("sigmoid_focal", **{**settings, "n_estimators": 3})
    assert clone(model).get_params() == model.get_params()
    assert np.all(cross_val_score(model, x, y, scoring="neg_log_loss", cv=2) > -0.69)
    grid = {"learning_rate": [0.01, 0.3], "loss": ["sigmoid_cross_entropy"]}
    best = GridSearchCV(model, grid, scoring="neg_log_loss", cv=2).fit(x, y).best_params_
    assert best["learning_rate"] == 0.3


def test_wrong_targets_are_refused(booster):
    module, settings = booster
    x, y, _ = samples("classes")
    with pytest.raises(ValueError, match=r"^loss: got sigmoid_cross_entropy for 3 classes"):
        module.Classifier("sigmoid_cross_entropy", **settings).fit(x, y)
    with pytest.raises(
        ValueError, match=r"^loss: got focal, a loss of classes; expected one of numbers; fix: use a Classifier"
    ):
        module.Regressor("focal", **settings).fit(x, y)
    with pytest.raises(ValueError, match=r"^eval_set: got the class 7.0; expected those of y"):
        module.Classifier(**settings).fit(x, y, eval_set=[(x[:2], [0.0, 7.0])])
    with pytest.raises(ValueError, match=r"^eval_set: got none; expected one"):
        module.Classifier(early_stopping_rounds=2, **settings).fit(x, y)
    with pytest.raises(ValueError, match=r"^y: got 1 class; expected at least two"):
        module.Classifier(**settings).fit(x, np.zeros(len(x)))
    with pytest.raises(NotFittedError):
        module.Regressor(**settings).predict(x)
    with pytest.raises(ValueError, match=r"^target: got -1.0"):
        module.Regressor("poisson", **settings).fit(x[:2], [1.0, -1.0])
