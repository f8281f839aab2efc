"""Losses in LightGBM: the trees of its own objectives, and models that predict by themselves."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest

import rashin
from boosters import samples

lightgbm = pytest.importorskip("lightgbm")
from rashin.adapters import lightgbm as adapter  # noqa: E402

PARAMS = {"verbosity": -1, "num_threads": 1, "num_leaves": 15, "deterministic": True, "force_row_wise": True}
PARITY = [
    ("regression", {}, rashin.half_squared_error, "number"),
    ("binary", {}, rashin.sigmoid_cross_entropy, "binary"),
    ("cross_entropy", {}, rashin.sigmoid_cross_entropy, "binary"),
    ("multiclass", {"num_class": 3}, rashin.softmax_cross_entropy, "classes"),
    ("poisson", {}, rashin.poisson, "count"),
    ("gamma", {}, rashin.gamma, "positive"),
    ("tweedie", {"tweedie_variance_power": 1.3}, rashin.tweedie.replace(power=1.3), "zeros"),
    ("huber", {"alpha": 0.5}, rashin.huber.replace(delta=0.5), "number"),
    ("fair", {"fair_c": 0.7}, rashin.fair.replace(scale=0.7), "number"),
]


def data(kind, weighted=False):
    x, y, w = samples(kind, weighted)
    return lightgbm.Dataset(x, label=y, weight=w, params={"verbosity": -1})


def splits(model):
    return re.findall(r"(?:split_feature|threshold)=[^\n]*", model.model_to_string())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "extra", "loss", "kind"), PARITY)
def test_the_trees_are_those_of_the_librarys_own_objective(name, extra, loss, kind, weighted):
    x, y, w = samples(kind, weighted)
    of_mean = name in ("huber", "fair")  # LightGBM starts them at the mean, which is not their best constant
    start = adapter.start("half_squared_error", y, w) if of_mean else None
    ours = adapter.train(PARAMS, data(kind, weighted), 15, loss=loss, hessian="library", start=start)
    theirs = lightgbm.train({**PARAMS, **extra, "objective": name}, data(kind, weighted), 15)
    assert splits(ours) == splits(theirs)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=3e-8)
    mine, other = (model.predict(x, raw_score=True) for model in (ours, theirs))
    assert np.abs(mine - other).max() <= 3e-8 * np.abs(other).max()  # scores may lie near 0


@pytest.mark.parametrize("name", ["sigmoid_focal", "focal", "log_cosh", "gamma"])
def test_models_contain_start_and_link_and_need_nothing_of_rashin(name):
    loss, kind = getattr(rashin, name), {"sigmoid_focal": "binary", "focal": "classes"}.get(name, "positive")
    x, y, _ = samples(kind)
    model = adapter.train({**PARAMS, "learning_rate": 1e-13}, data(kind), 3, loss=loss)
    start = adapter.start(loss, np.float32(y))
    np.testing.assert_allclose(model.predict(x, raw_score=True)[0], start, rtol=1e-9)
    model = adapter.train(PARAMS, data(kind), 5, loss=loss)
    np.testing.assert_allclose(
        model.predict(x), adapter.boosting.linked(loss, model.predict(x, raw_score=True)), rtol=1e-14
    )
    again = lightgbm.Booster(model_str=model.model_to_string())
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(x), model.predict(x))


def test_trees_without_a_split_contain_the_start():
    x, y, _ = samples("number")
    model = adapter.train({**PARAMS, "min_gain_to_split": 1e9}, data("number"), 2, loss="half_squared_error")
    np.testing.assert_allclose(model.predict(x[:2]), np.float32(y).mean(dtype=float), rtol=1e-7)


def test_the_metric_is_exact_and_stops_training():
    x, y, w = samples("binary", weighted=True)
    first = lightgbm.Dataset(x[:400], label=y[:400], weight=w[:400])
    held = lightgbm.Dataset(x[400:], label=y[400:], weight=w[400:], reference=first)
    history = {}
    model = adapter.train(
        {**PARAMS, "learning_rate": 0.3}, first, 80, [held], loss="sigmoid_focal", valid_names=["held"],
        callbacks=[lightgbm.record_evaluation(history), lightgbm.early_stopping(3, verbose=False)],
    )  # fmt: skip
    losses = history["held"]["sigmoid_focal"]
    assert model.best_iteration == int(np.argmin(losses)) + 1 < 80
    raw = model.predict(x[400:], raw_score=True, num_iteration=model.best_iteration)
    expected = rashin.sigmoid_focal(raw, y[400:], weight=held.get_weight())
    np.testing.assert_allclose(losses[model.best_iteration - 1], expected, rtol=1e-13)
    assert model.best_score["held"]["sigmoid_focal"] == min(losses)
    assert first.get_init_score() is held.get_init_score() is None  # the start does not stay in the data


def test_an_offset_of_the_data_replaces_the_start():
    x, y, _ = samples("count")
    exposure = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    d = lightgbm.Dataset(x, label=y, init_score=np.log(exposure))
    model = adapter.train(PARAMS, d, 10, loss="poisson")
    theirs = lightgbm.train(
        {**PARAMS, "objective": "poisson"}, lightgbm.Dataset(x, label=y, init_score=np.log(exposure)), 10
    )
    np.testing.assert_allclose(model.predict(x), theirs.predict(x), rtol=3e-8)
    np.testing.assert_array_equal(d.get_init_score(), np.log(exposure))


@pytest.mark.parametrize(("name", "extra", "loss", "kind"), PARITY[3:5])
def test_folds_of_cross_validation_are_those_of_the_librarys_own_objective(name, extra, loss, kind):
    x = samples(kind)[0]
    settings = {"nfold": 3, "return_cvbooster": True, "stratified": True, "seed": 1}
    ours = adapter.cv(PARAMS, data(kind, weighted=True), 6, loss=loss, **settings)
    theirs = lightgbm.cv({**PARAMS, **extra, "objective": name}, data(kind, weighted=True), 6, **settings)
    for own, other in zip(ours["cvbooster"].boosters, theirs["cvbooster"].boosters, strict=True):
        np.testing.assert_allclose(own.predict(x), other.predict(x), rtol=3e-8)
    if kind == "classes":  # their Poisson metric is another
        mine, native = ours[f"valid {loss.name}-mean"], theirs["valid multi_logloss-mean"]
        np.testing.assert_allclose(mine, native, rtol=1e-6)


def test_folds_keep_an_offset_of_the_data_and_are_not_stratified_by_numbers():
    x, y, _ = samples("count")
    offset = np.linspace(-0.5, 0.5, len(y))
    sets = [lightgbm.Dataset(x, label=y, init_score=offset, params={"verbosity": -1}) for _ in range(2)]
    calls = []

    def seen(*given):
        calls.append(given)
        return given

    ours = adapter.cv(PARAMS, sets[0], 4, loss="poisson", nfold=2, shuffle=False, fpreproc=seen, return_cvbooster=True)
    model = adapter.train(PARAMS, sets[1].subset(np.arange((len(y) + 1) // 2, len(y))).construct(), 4, loss="poisson")
    assert len(calls) == 2
    np.testing.assert_allclose(ours["cvbooster"].boosters[0].predict(x), model.predict(x), rtol=1e-12)
    with pytest.raises(ValueError, match=r"^params: got 'objective'"):
        adapter.cv({"objective": "gamma"}, sets[0], loss="huber")


def test_several_numbers():
    x, y, w = samples("number", weighted=True)
    model = adapter.train(PARAMS, data("number", weighted=True), 20, loss="gaussian", hessian="fisher")
    found = model.predict(x)
    constant = np.broadcast_to(adapter.start("gaussian", y, w), found.shape)
    assert rashin.gaussian(found, y, weight=w) < rashin.gaussian(constant, y, weight=w) - 0.3


def test_bare_callables_serve_the_librarys_own_estimators():
    x, y, w = samples("binary", weighted=True)
    own = lightgbm.LGBMRegressor(objective=adapter.objective("sigmoid_focal"), n_estimators=5, **PARAMS)
    own.fit(
        x,
        y,
        sample_weight=w,
        eval_X=(x,),
        eval_y=(y,),
        eval_sample_weight=[w],
        eval_metric=adapter.metric("sigmoid_focal"),
    )
    ours = adapter.train(PARAMS, data("binary", weighted=True), 5, loss="sigmoid_focal", start=0.0)
    np.testing.assert_allclose(own.predict(x), ours.predict(x, raw_score=True), rtol=1e-12)
    reported = own.evals_result_["training"]["sigmoid_focal"][-1]
    np.testing.assert_allclose(reported, rashin.sigmoid_focal(own.predict(x), y, weight=np.float32(w)), rtol=1e-13)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"^params: got 'objective'; expected none"):
        adapter.train({"objective": "gamma"}, data("number"), loss="huber")
    with pytest.raises(ValueError, match=r"^model: got linear trees"):
        adapter.train(
            {**PARAMS, "linear_tree": True}, lightgbm.Dataset(*samples("number")[:2]), 3, loss="half_squared_error"
        )


@pytest.mark.filterwarnings("ignore:Parameter n_jobs will be ignored")
def test_dask_trains_the_same_model():
    dask_array, distributed = pytest.importorskip("dask.array"), pytest.importorskip("distributed")
    x, y, w = samples("binary", weighted=True)
    start = adapter.start("sigmoid_focal", y, w)
    settings = {key: value for key, value in PARAMS.items() if key != "num_threads"}
    with distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as client:
        parts = [dask_array.from_array(a, chunks=(300, *a.shape[1:])) for a in (x, y, w, np.full(len(y), start))]
        model = lightgbm.DaskLGBMRegressor(
            client=client, objective=adapter.objective("sigmoid_focal"), n_estimators=5, **settings
        ).fit(*parts[:2], sample_weight=parts[2], init_score=parts[3])
    finished = adapter.finish(model.booster_, "sigmoid_focal", start)
    local = adapter.train(PARAMS, data("binary", weighted=True), 5, loss="sigmoid_focal", start=start)
    np.testing.assert_allclose(finished.predict(x), local.predict(x), rtol=1e-9)
