"""Losses in CatBoost: the trees of its own objectives, and models that predict by themselves."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import rashin
from boosters import samples

catboost = pytest.importorskip("catboost")
from rashin.adapters import catboost as adapter  # noqa: E402

PARAMS = {
    "iterations": 10, "depth": 3, "learning_rate": 0.1, "thread_count": 1, "verbose": False, "random_strength": 0,
    "bootstrap_type": "No", "boosting_type": "Plain", "allow_writing_files": False, "random_seed": 0,
}  # fmt: skip
PARITY = [
    ("RMSE", rashin.half_squared_error, "number", 1e-14),
    ("Logloss", rashin.sigmoid_cross_entropy, "binary", 1e-13),
    ("CrossEntropy", rashin.sigmoid_cross_entropy, "binary", 1e-13),
    ("MultiClass", rashin.softmax_cross_entropy, "classes", 1e-12),
    ("Poisson", rashin.poisson, "count", 1e-14),
    ("Tweedie:variance_power=1.3", rashin.tweedie.replace(power=1.3), "zeros", 1e-14),
    ("LogCosh", rashin.log_cosh, "number", 1e-14),
    ("Huber:delta=0.5", rashin.huber.replace(delta=0.5), "number", 1e-13),
    ("Focal:focal_alpha=0.5;focal_gamma=2.0", rashin.sigmoid_focal.replace(gamma=2.0, alpha=0.5), "binary", 1e-13),
    ("MAE", rashin.absolute_error, "number", 1e-14),
    ("Expectile:alpha=0.75", rashin.expectile.replace(level=0.75), "number", 1e-8),  # its alpha is kept in float32
    ("Quantile:alpha=0.75", rashin.quantile.replace(quantile=0.75), "number", 1e-14),
]


def pool(kind, weighted=False):
    x, y, w = samples(kind, weighted)
    return catboost.Pool(x, y, weight=w)


def trees(model, path):
    model.save_model(str(path), format="json")
    grown = json.loads(path.read_text())["oblivious_trees"]
    return [[(split["float_feature_index"], split["border"]) for split in tree["splits"]] for tree in grown]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "loss", "kind", "tolerance"), PARITY, ids=[name for name, *_ in PARITY])
def test_the_trees_are_those_of_the_librarys_own_objective(name, loss, kind, tolerance, weighted, tmp_path):
    start = [0.0] * 3 if kind == "classes" else 0.0
    settings = adapter.settings(loss, "library", start=start)
    leaves = {key: value for key, value in settings.items() if key.startswith("leaf_")}
    own = {} if name == "MultiClass" else {"boost_from_average": False, **leaves}
    theirs = catboost.CatBoost({**PARAMS, **own, "loss_function": name}).fit(pool(kind, weighted))
    ours = adapter.train(PARAMS, pool(kind, weighted), loss=loss, hessian="library", start=start)
    assert trees(ours, tmp_path / "ours") == trees(theirs, tmp_path / "theirs")
    x = samples(kind)[0]
    found, expected = (model.predict(x, prediction_type="RawFormulaVal") for model in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def test_squared_errors_from_the_mean_are_the_librarys_default():
    x = samples("number")[0]
    theirs = catboost.CatBoost({**PARAMS, "loss_function": "RMSE"}).fit(pool("number"))
    ours = adapter.train(PARAMS, pool("number"), loss="half_squared_error")
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=1e-7)  # its start is kept in float32


@pytest.mark.parametrize("name", ["sigmoid_focal", "gamma", "huber"])
def test_models_contain_the_start_and_need_nothing_of_rashin(name):
    loss, kind = getattr(rashin, name), "binary" if name == "sigmoid_focal" else "positive"
    x, y, _ = samples(kind)
    model = adapter.train(PARAMS, pool(kind), loss=loss)
    assert model.get_scale_and_bias() == (1.0, adapter.start(loss, np.float32(y)))
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert b"rashin" not in pickle.dumps(model)
    if name != "huber":
        raw = model.predict(x, prediction_type="RawFormulaVal")
        linked = model.predict(x, prediction_type="Exponent" if name == "gamma" else "Probability")
        np.testing.assert_allclose(linked.reshape(len(x), -1)[:, -1], adapter.boosting.linked(loss, raw), rtol=1e-12)


def test_the_metric_is_exact_and_stops_training():
    x, y, w = samples("binary", weighted=True)
    fit, held = (catboost.Pool(x[i], y[i], weight=w[i]) for i in (slice(0, 400), slice(400, None)))
    params = {**PARAMS, "iterations": 80, "learning_rate": 0.5}
    model = adapter.train(params, fit, loss="sigmoid_focal", eval_set=held, early_stopping_rounds=3)
    losses = model.get_evals_result()["validation"]["Metric"]
    assert model.tree_count_ == int(np.argmin(losses)) + 1 < 80
    raw = model.predict(x[400:], prediction_type="RawFormulaVal")
    expected = rashin.sigmoid_focal(raw, y[400:], weight=np.float32(w[400:]))
    np.testing.assert_allclose(min(losses), expected, rtol=1e-12)


@pytest.mark.parametrize("hessian", ["exact", "majorized", "unit"])
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_have_the_derivatives_of_minus_the_loss(hessian, weighted):
    z, t = np.linspace(-3.0, 3.0, 7), np.float32([0, 1, 0, 1, 1, 0, 1])
    w = np.float32([1, 2, 3, 0.5, 0, 1, 4]) if weighted else None
    found = adapter.objective("sigmoid_cross_entropy", hessian, start=0.25).calc_ders_range(z, t, w)
    expected = adapter.Derivatives("sigmoid_cross_entropy", hessian, 0.0, {})(z + 0.25, t, w)
    np.testing.assert_allclose(found, -np.stack(expected, axis=1), rtol=1e-15)


def test_rows_of_classes_have_the_whole_matrix():
    z, w = np.array([0.5, -1.0, 2.0]), 2.0
    for loss in (rashin.softmax_cross_entropy.replace(label_smoothing=0.1), rashin.focal):
        g, h = adapter.objective(loss, "exact").calc_ders_multi(z, 1.0, w)
        np.testing.assert_allclose(g, -w * loss.gradient(z[None], [1])[0], rtol=1e-14)
        np.testing.assert_allclose(np.diagonal(h), -w * loss.hessian(z[None], [1])[0], rtol=1e-13)
        columns = [loss.hessian_vector_product(z[None], [1], unit[None])[0] for unit in np.eye(3)]
        np.testing.assert_allclose(h, -w * np.array(columns), rtol=1e-13)
    g, h = adapter.objective("crammer_singer", "unit").calc_ders_multi(z, 1.0, None)
    np.testing.assert_array_equal(h, -np.eye(3))


@pytest.mark.parametrize("weighted", [False, True])
def test_several_targets_are_those_of_the_librarys_own_objective(weighted):
    x, y, w = samples("number", weighted)
    table = np.column_stack([y, -2.0 * y, y**2])
    ours = adapter.train(PARAMS, catboost.Pool(x, table, weight=w), loss="half_squared_error", start=np.zeros(3))
    theirs = catboost.CatBoost({**PARAMS, "loss_function": "MultiRMSE", "boost_from_average": False})
    expected = theirs.fit(catboost.Pool(x, table, weight=w)).predict(x)
    np.testing.assert_allclose(ours.predict(x), expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


def test_several_numbers_and_their_metric():
    x, y, w = samples("number", weighted=True)
    settings = {
        key: value for key, value in PARAMS.items() if key not in ("verbose", "allow_writing_files", "iterations")
    }
    model = adapter.Regressor("gaussian", hessian="fisher", n_estimators=5, **settings)
    model.fit(x, y, w, eval_set=[(x, y)], eval_weight=[w])
    found = model.predict(x)
    assert found.shape == (len(y), 2)
    assert model.evals_result_["eval0"][-1] == pytest.approx(
        rashin.gaussian(found, np.float32(y), weight=np.float32(w)), rel=1e-12, abs=0
    )
    one = adapter.objective("gaussian", "fisher", start=(0.5, -0.25)).calc_ders_multi((1.0, 0.5), (3.0, 3.0), 2.0)
    z = np.array([[1.5, 0.25]])
    np.testing.assert_allclose(one[0], -2.0 * rashin.gaussian.gradient(z, [3.0])[0], rtol=1e-14)
    np.testing.assert_allclose(one[1], -2.0 * rashin.gaussian.fisher(z)[0], rtol=1e-14)
    table = adapter.metric("huber", start=np.zeros(2)).evaluate([y, -y], [y + 0.5, y], w)
    exact = rashin.huber(np.stack([y, -y], 1), np.stack([y + 0.5, y], 1), weight=np.stack([w, w], 1), reduction="sum")
    assert table == pytest.approx((exact, 2 * w.sum()), rel=1e-13, abs=0)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"^params: got 'loss_function'; expected none"):
        adapter.train({"loss_function": "RMSE"}, pool("number"), loss="huber")
    with pytest.raises(ValueError, match=r"^pool: got labels of shape \(442,\); expected 2 columns for gaussian"):
        adapter.train(PARAMS, pool("number"), loss="gaussian")
    with pytest.raises(ValueError, match=r"^gradient: got inf at index 0"):
        adapter.objective("poisson").calc_ders_range(np.array([800.0]), np.float32([1.0]), None)
    with pytest.raises(ValueError, match=r"^target: got 3.0 at index 0"):
        adapter.objective("softmax_cross_entropy").calc_ders_multi([0.0, 1.0, 2.0], 3.0, None)
    with pytest.raises(ValueError, match=r"^prediction: got nan"):
        adapter.objective("softmax_cross_entropy").calc_ders_multi([0.0, np.nan, 2.0], 1.0, None)
    with pytest.raises(ValueError, match=r"^target: got -1.0 at index 1"):
        adapter.objective("poisson").calc_ders_range(np.zeros(2), np.float32([1.0, -1.0]), None)


def test_objectives_pickle():
    own = pickle.loads(pickle.dumps(adapter.objective("log_cosh", start=1.0)))
    z, t = np.array([0.5, 3.0]), np.zeros(2)
    expected = adapter.objective("log_cosh").calc_ders_range(z + 1.0, t, None)
    np.testing.assert_array_equal(own.calc_ders_range(z, t, None), expected)
