"""Losses in XGBoost: the trees of its own objectives, and models that predict by themselves."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest

import rashin
from boosters import samples

xgboost = pytest.importorskip("xgboost")
from rashin.adapters import xgboost as adapter  # noqa: E402

PARAMS = {"nthread": 1, "max_depth": 4, "eta": 0.3}
PARITY = [
    ("reg:squarederror", {}, rashin.half_squared_error, "number"),
    ("binary:logistic", {}, rashin.sigmoid_cross_entropy, "binary"),
    ("binary:logistic", {"scale_pos_weight": 3.0}, rashin.sigmoid_cross_entropy.replace(positive_weight=3.0), "binary"),
    ("multi:softprob", {"num_class": 3}, rashin.softmax_cross_entropy, "classes"),
    ("count:poisson", {}, rashin.poisson, "count"),
    ("reg:gamma", {}, rashin.gamma, "positive"),
    ("reg:tweedie", {"tweedie_variance_power": 1.3}, rashin.tweedie.replace(power=1.3), "zeros"),
    ("reg:pseudohubererror", {"huber_slope": 0.5}, rashin.pseudo_huber.replace(delta=0.5), "number"),
    ("reg:absoluteerror", {}, rashin.absolute_error, "number"),
    ("reg:quantileerror", {"quantile_alpha": 0.8}, rashin.quantile.replace(quantile=0.8), "number"),
]


def data(kind, weighted=False):
    x, y, w = samples(kind, weighted)
    return xgboost.DMatrix(x, label=y, weight=w)


def splits(model):
    return [re.findall(r"\[([^\]]*)\]", tree) for tree in model.get_dump()]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "extra", "loss", "kind"), PARITY)
def test_the_trees_are_those_of_the_librarys_own_objective(name, extra, loss, kind, weighted):
    d = data(kind, weighted)
    ours = adapter.train(PARAMS, d, 15, loss=loss, hessian="library")
    weight = d.get_weight() if weighted else None
    base = adapter.settings(loss, adapter.start(loss, d.get_label(), weight))["base_score"]
    theirs = xgboost.train({**PARAMS, **extra, "objective": name, "base_score": base}, d, 15)
    assert splits(ours) == splits(theirs)
    np.testing.assert_allclose(ours.predict(d), theirs.predict(d), rtol=1e-5)


@pytest.mark.parametrize("name", ["sigmoid_focal", "focal", "log_cosh", "gamma"])
def test_models_contain_start_and_link_and_need_nothing_of_rashin(name):
    loss = getattr(rashin, name)
    d = data({"sigmoid_focal": "binary", "focal": "classes"}.get(name, "positive"))
    model = adapter.train(PARAMS, d, 5, loss=loss)
    constant = adapter.train(PARAMS, d, 0, loss=loss).predict(d, output_margin=True)
    np.testing.assert_allclose(constant[0], adapter.start(loss, d.get_label()), rtol=1e-6)
    margin = model.predict(d, output_margin=True).astype(np.float64)
    expected = adapter.boosting.linked(loss, margin)
    np.testing.assert_allclose(model.predict(d), expected, rtol=1e-5)
    again = xgboost.Booster(model_file=model.save_raw("ubj"))
    np.testing.assert_array_equal(again.predict(d), model.predict(d))


@pytest.mark.parametrize("name", ["sigmoid_focal", "focal", "gamma", "huber"])
def test_finish_folds_start_and_link_into_a_model_trained_from_a_margin(name):
    loss = getattr(rashin, name)
    x, y, _ = samples({"sigmoid_focal": "binary", "focal": "classes"}.get(name, "positive"))
    start = np.asarray(adapter.start(loss, y))
    d = xgboost.DMatrix(x, label=y, base_margin=np.broadcast_to(start, (len(y), *start.shape)).astype(np.float32))
    own = {"num_class": 3, "objective": "multi:softprob"} if name == "focal" else {"objective": "reg:squarederror"}
    raw = xgboost.train({**PARAMS, **own}, d, 5, obj=adapter.objective(loss, "exact"))
    finished = adapter.finish(raw, loss, start)
    without = xgboost.DMatrix(x)
    expected = adapter.boosting.linked(loss, raw.predict(d, output_margin=True).astype(np.float64))
    np.testing.assert_allclose(finished.predict(without), expected, rtol=2e-5)


def test_the_metric_is_exact_and_stops_training():
    x, y, w = samples("binary", weighted=True)
    train_, held = (xgboost.DMatrix(x[i], label=y[i], weight=w[i]) for i in (slice(0, 400), slice(400, None)))
    history = {}
    model = adapter.train(
        PARAMS, train_, 60, loss=rashin.sigmoid_focal, evals=[(train_, "fit"), (held, "held")], evals_result=history,
        early_stopping_rounds=3, verbose_eval=False,
    )  # fmt: skip
    losses = history["held"]["sigmoid_focal"]
    assert model.best_iteration == int(np.argmin(losses))
    assert len(losses) == model.best_iteration + 4 < 60
    margin = model.predict(held, output_margin=True, iteration_range=(0, model.best_iteration + 1))
    assert losses[model.best_iteration] == rashin.sigmoid_focal(margin, held.get_label(), weight=held.get_weight())
    assert set(history["fit"]) == {"sigmoid_focal"}


def test_several_targets_and_several_numbers():
    x, y, w = samples("number", weighted=True)
    table = np.column_stack([y, -y, 2.0 * y])
    d = xgboost.DMatrix(x, label=table, weight=w)
    together = adapter.train(PARAMS, d, 5, loss=rashin.half_squared_error).predict(d)
    alone = xgboost.DMatrix(x, label=y, weight=w)
    np.testing.assert_allclose(
        together[:, 0], adapter.train(PARAMS, alone, 5, loss=rashin.half_squared_error).predict(alone), rtol=1e-6
    )
    model = adapter.train(PARAMS, alone, 20, loss=rashin.gaussian, hessian="fisher")
    found = model.predict(alone)
    assert found.shape == (len(y), 2)
    constant = np.broadcast_to(adapter.start(rashin.gaussian, y, w), found.shape)
    assert rashin.gaussian(found.astype(float), y, weight=w) < rashin.gaussian(constant, y, weight=w) - 0.5


def test_bare_callables_serve_the_librarys_own_estimators():
    x, y, w = samples("binary", weighted=True)
    own = xgboost.XGBClassifier(
        n_estimators=5, n_jobs=1, max_depth=4, learning_rate=0.3, base_score=0.5,
        objective=adapter.objective("sigmoid_cross_entropy"), eval_metric=adapter.metric("sigmoid_cross_entropy"),
    ).fit(x, y, sample_weight=w, eval_set=[(x, y)], sample_weight_eval_set=[w], verbose=False)  # fmt: skip
    d = data("binary", weighted=True)
    ours = adapter.train(PARAMS, d, 5, loss="sigmoid_cross_entropy", start=0.0)
    np.testing.assert_allclose(own.predict_proba(x)[:, 1], ours.predict(d), rtol=1e-6)
    margin = ours.predict(d, output_margin=True)
    reported = own.evals_result()["validation_0"]["sigmoid_cross_entropy"][-1]
    assert reported == pytest.approx(rashin.sigmoid_cross_entropy(margin, y, weight=w), rel=2e-6, abs=0)  # six decimals
    assert pickle.loads(pickle.dumps(own)).predict_proba(x).tolist() == own.predict_proba(x).tolist()


def test_what_the_loss_sets_is_refused_as_a_parameter():
    with pytest.raises(ValueError, match=r"^params: got 'objective'; expected none"):
        adapter.train({"objective": "reg:gamma"}, data("number"), loss="huber")


def test_dask_trains_the_same_model():
    dask_array, distributed = pytest.importorskip("dask.array"), pytest.importorskip("distributed")
    from xgboost import dask as xgboost_dask

    x, y, w = samples("binary", weighted=True)
    d = data("binary", weighted=True)
    loss, start = rashin.sigmoid_focal, adapter.start("sigmoid_focal", y, w)
    local = adapter.train({**PARAMS, "tree_method": "hist"}, d, 5, loss=loss, start=start)
    with distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        parts = [dask_array.from_array(a, chunks=(300, *a.shape[1:])) for a in (x, y, w)]
        shared = xgboost_dask.DaskDMatrix(client, parts[0], parts[1], weight=parts[2])
        settings = {**adapter.settings(loss, start), **PARAMS, "tree_method": "hist"}
        found = xgboost_dask.train(
            client, settings, shared, 5, obj=adapter.objective(loss), custom_metric=adapter.metric(loss)
        )
    np.testing.assert_allclose(found["booster"].predict(d), local.predict(d), rtol=1e-5)
