"""Rows belong together by their positions: an index is not looked at, whatever holds the numbers."""

from __future__ import annotations

import numpy as np
import pytest

import rashin
from rashin.dialects import scratch
from rashin.learn import (
    Network,
    accuracy,
    best_constant,
    check_gradient,
    class_targets,
    evaluate,
    loss_and_accuracy_along,
    loss_gradient,
    loss_landscape,
    minibatch_losses,
    minibatches,
    one_hot,
    run_training,
    samples_for,
    train,
    write_predictions,
)
from rashin.report import explain
from rashin.report.measured.thumbnails import thumbnails

pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))

pytestmark = pytest.mark.usefixtures("undrawn")

N = 24
RNG = np.random.default_rng(8)
X, T = RNG.normal(size=(N, 3)), RNG.integers(0, 3, N)
NUMBERS, WEIGHT = RNG.normal(size=N), RNG.integers(1, 4, N)
INDEX = RNG.permutation(N)


def frame(x):
    """Columns of several types, and an index that a label would look rows up by."""
    made = pd.DataFrame(x, index=INDEX, columns=list("cab")[: x.shape[1]])
    made["c"] = made["c"].astype("Float64")
    return made


HOLDERS = {
    "pandas": (frame, lambda v: pd.Series(v, index=INDEX)),
    "pandas nullable": (frame, lambda v: pd.Series(v, index=INDEX).convert_dtypes()),
    "pandas category": (frame, lambda v: pd.Series(v, index=INDEX).astype("category")),
    "pandas arrow": (frame, lambda v: pd.Series(pd.array(v, dtype=pd.ArrowDtype(pa.array(v).type)), index=INDEX)),
    "polars": (lambda x: pl.DataFrame(x, schema=["c", "a", "b"]), pl.Series),
    "arrow": (lambda x: pa.table(dict(zip("cab", x.T, strict=True))), lambda v: pa.chunked_array([v[:5], v[5:]])),
    "lists": (lambda x: x.tolist(), lambda v: v.tolist()),
}


@pytest.fixture(params=HOLDERS)
def held(request):
    """Samples, labels, numbers and weights in the same holders."""
    rows, column = HOLDERS[request.param]
    return rows(X), column(T), column(NUMBERS), column(WEIGHT)


PLAIN = (X, T, NUMBERS, WEIGHT)


def squares(x):
    """Images of one pixel for each row, held as x is: its first column."""
    if isinstance(x, list):
        return [row[:1] for row in x]
    if isinstance(x, pd.DataFrame):
        return x.iloc[:, :1]
    return x.select(["c"]) if hasattr(x, "select") else x[:, :1]


LOSS = rashin.softmax_cross_entropy


def network(outputs=3):
    return Network((3, 4, outputs), seed=1, dtype=np.float64)


def _batches(x, t, v, w):
    return [[part.tolist() for part in batch] for batch in minibatches(x, t, v, w, size=5, seed=3)]


def _trained(x, t, v, w):
    net = network()
    train(net, LOSS, x, t, held_out=(x, t, w), weight=w, epochs=2, batch_size=5)
    return net.parameters


def _trained_on_numbers(x, t, v, w):
    net = network(1)
    train(net, rashin.huber, x, v, weight=w, epochs=2, batch_size=5)
    return net.parameters


def _estimated(x, t, v, w):
    from rashin.learn import NetworkClassifier, NetworkRegressor

    settings = {"max_iter": 2, "n_iter_no_change": 9, "random_state": 0}
    x, t, v, w = (np.asarray(held) if type(held).__module__.startswith("pyarrow") else held for held in (x, t, v, w))
    fitted = [NetworkClassifier(4, **settings).fit(x, t, w), NetworkRegressor(4, loss="huber", **settings).fit(x, v, w)]
    return [model.score(x, y, w) for model, y in zip(fitted, (t, v), strict=True)]


def _measured(x, t, v, w):
    group = t.to_numpy() if type(t).__module__.startswith("pyarrow") else t
    found = rashin.measure(LOSS, x, t, weight=w, group=group, worst=3)
    return [found.mean, *(found.groups[k].mean for k in range(3)), *(row.row for row in found.worst)]


def _explained(x, t, v, w):
    found = explain(network(), x, t, LOSS, samples=9)
    return [found.landscape.loss, found.minibatches.losses[0], found.of]


CALLS = {
    "minibatches": _batches,
    "unshuffled": lambda x, t, v, w: list(minibatches(x, v, size=7, shuffle=False))[2],
    "loss": lambda x, t, v, w: LOSS(x, t, weight=w),
    "loss of numbers": lambda x, t, v, w: rashin.huber(v, t, weight=w, reduction="none"),
    "gradient": lambda x, t, v, w: LOSS.gradient(x, t, weight=w),
    "hessian": lambda x, t, v, w: rashin.poisson.hessian(v, t),
    "value and gradient": lambda x, t, v, w: rashin.quantile.value_and_gradient(v, t, weight=w)[1],
    "per sample": lambda x, t, v, w: LOSS.per_sample(x, t),
    "softmax": lambda x, t, v, w: rashin.softmax(x),
    "statistics": lambda x, t, v, w: rashin.softmax_statistics(x, t).log_probability,
    "linear": lambda x, t, v, w: rashin.linear_softmax_cross_entropy(x, np.eye(3), t),
    "measure": _measured,
    "estimate": lambda x, t, v, w: rashin.estimate(LOSS, x, t, w, batch=4, minimum=4, tolerance=0.5).mean,
    "explain": _explained,
    "images": lambda x, t, v, w: str(thumbnails(rashin.measure(LOSS, X, T, worst=2).worst, squares(x))),
    "scratch": lambda x, t, v, w: scratch.cross_entropy_error(rashin.softmax(x), t),
    "samples": lambda x, t, v, w: samples_for(network(), LOSS, x, t, w).target,
    "train": _trained,
    "train on numbers": _trained_on_numbers,
    "evaluate": lambda x, t, v, w: evaluate(network(), LOSS, x, t, w),
    "check_gradient": lambda x, t, v, w: str(check_gradient(network(), x, t, LOSS, entries=2)),
    "loss_gradient": lambda x, t, v, w: loss_gradient(network(), x, t, LOSS)[0],
    "along": lambda x, t, v, w: loss_and_accuracy_along(network(), (0, (1, 1)), x, t, LOSS, offsets=[0.0, 1.0]).loss,
    "landscape": lambda x, t, v, w: loss_landscape(network(), x, t, LOSS, directions=1, offsets=[0.0, 1.0]).accuracy,
    "minibatch_losses": lambda x, t, v, w: minibatch_losses(network(), x, t, LOSS, sizes=[4], draws=3).losses,
    "best constant": lambda x, t, v, w: best_constant(LOSS, network(), samples_for(network(), LOSS, x, t, w)).score,
    "predict": lambda x, t, v, w: network().predict(x),
    "accuracy": lambda x, t, v, w: accuracy(X, t),
    "one_hot": lambda x, t, v, w: one_hot(t, 3),
    "class targets": lambda x, t, v, w: class_targets(rashin.hinge, t, 3),
    "estimators": _estimated,
}


def flat(result):
    """All numbers of a result, in their order."""
    if isinstance(result, list | tuple):
        return [number for part in result for number in flat(part)]
    return np.asarray(result, float).ravel().tolist()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore:max_iter")
def test_the_holder_changes_no_number(call, held):
    found, expected = CALLS[call](*held), CALLS[call](*PLAIN)
    if isinstance(expected, str):
        assert found == expected
    else:
        np.testing.assert_allclose(flat(found), flat(expected), rtol=1e-12)


def test_a_run_takes_rows_by_position(held, tmp_path):
    x, t, _, _ = held
    settings = {"epochs": 1, "validation": 0.25, "hidden": 4}
    runs = [
        run_training(LOSS, (a, b), (a, b), out=tmp_path / name, predictions=tmp_path / f"{name}.npz", **settings)
        for name, a, b in (("held", x, t), ("plain", X, T))
    ]
    assert runs[0].scores == runs[1].scores
    columns = [np.load(run.predictions_file) for run in runs]
    for name in columns[1].files:
        np.testing.assert_array_equal(columns[0][name], columns[1][name])


def test_predictions_are_written_by_position(held, tmp_path):
    write_predictions(tmp_path / "held.npz", network(), held[0], held[1])
    write_predictions(tmp_path / "plain.npz", network(), X, T)
    found, expected = np.load(tmp_path / "held.npz"), np.load(tmp_path / "plain.npz")
    for name in expected.files:
        np.testing.assert_array_equal(found[name], expected[name])


def test_batches_are_numpy_arrays_of_the_type_that_is_held(held):
    for batch in minibatches(*held, size=5):
        assert [type(part) for part in batch] == [np.ndarray] * 4
        assert [part.dtype.kind for part in batch] == ["f", "i", "f", "i"]


@pytest.mark.parametrize("names", [
    pd.Series(list("bac"), index=[2, 0, 1]), pl.Series(list("bac")), pd.Series(list("bac"), dtype="category"),
])  # fmt: skip
def test_text_goes_by_position_too(names):
    assert [part.tolist() for (part,) in minibatches(names, size=2, shuffle=False)] == [["b", "a"], ["c"]]


def test_of_a_memory_map_only_the_batch_is_read(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X)
    x = np.load(path, mmap_mode="r")
    first, _ = next(minibatches(x, pd.Series(T, index=INDEX), size=5, shuffle=False))
    assert isinstance(first, np.memmap)
    assert np.shares_memory(first, x)
    assert np.shares_memory(samples_for(network(), LOSS, x, T).x, x)


@pytest.mark.parametrize("missing", [
    pd.Series([0, None, 1], dtype="Int64"), pl.Series([0, None, 1]), pa.array([0, None, 1]),
    pd.Series([0, None, 1], dtype="int64[pyarrow]"), [0.0, float("nan"), 1.0],
])  # fmt: skip
def test_a_missing_number_is_refused_with_its_place(missing):
    for call in (
        lambda: samples_for(network(), LOSS, X[:3], missing),
        lambda: samples_for(network(1), rashin.huber, X[:3], missing),
        lambda: LOSS(X[:3], missing),
    ):
        with pytest.raises((ValueError, TypeError), match=r"target: got (nan|<NA>) at index \(?1"):
            call()


@pytest.mark.parametrize("given", [5, "text"])
def test_what_has_no_rows_is_refused(given):
    with pytest.raises(ValueError, match=r"arrays: got .* as number 1; expected samples along a first axis"):
        minibatches(X, given, size=2)
