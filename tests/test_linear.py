"""The loss after a linear layer equals the loss of logits written out in float64, in little memory."""

from __future__ import annotations

import copy
import pickle
import re
import tracemalloc

import numpy as np
import pytest

import rashin
from rashin.backends.numpy import layer
from rashin.backends.numpy import linear as blocks
from ulp import BFLOAT16

linear_ce, ce = rashin.linear_softmax_cross_entropy, rashin.softmax_cross_entropy
N, D, C = 150, 7, 140  # blocks of 64, 64 and 22 rows, chunks of 64, 64 and 12 classes
NAN, INF = np.nan, np.inf


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    for room in ("LOGITS", "GATHERED"):
        monkeypatch.setattr(blocks, room, 1)
    monkeypatch.setattr(layer, "CHUNK", 1)


class Data:
    """A layer, its targets and weights."""

    def __init__(self, dtype=np.float64, seed=0, soft=False, shape=(N, D, C)):
        rng = np.random.default_rng(seed)
        n, d, c = shape
        self.inputs = rng.normal(0, 2, (n, d)).astype(dtype)
        self.classifier = rng.normal(0, 1, (c, d)).astype(dtype)
        self.bias = rng.normal(0, 1, c).astype(dtype)
        self.target = rng.dirichlet(np.ones(c), n) if soft else rng.integers(0, c, n)
        self.weight = rng.gamma(1.0, 2.0, n)
        self.where = rng.random(n) < 0.7

    def arguments(self, bias=True):
        return self.inputs, self.classifier, self.target, self.bias if bias else None


def written_out(inputs, classifier, target, bias=None, **keywords):
    """Value, gradients, and of every number the sum of the magnitudes that it is the sum of; all in float64."""
    x, w = inputs.astype(float), classifier.astype(float)
    z = x @ w.T + (0.0 if bias is None else bias.astype(float))
    where = keywords.get("where")
    z = z if where is None else np.where(where[:, None], z, 0.0)
    x = x if where is None else np.where(where[:, None], x, 0.0)
    value, g = ce.value_and_gradient(z, target, **keywords)
    terms = np.abs(x) @ np.abs(w).T + (0.0 if bias is None else np.abs(bias.astype(float)))
    spread = np.abs(g).max(axis=1, keepdims=True)  # what an error in one logit moves in the gradient of the others
    scale = (1.0 + terms.max(axis=1, keepdims=True)) * (np.abs(g) + spread * (g != 0.0))
    gradients = (g @ w, g.T @ x, None if bias is None else g.sum(0))
    scales = (scale @ np.abs(w), scale.T @ np.abs(x), scale.sum(0))
    return value, gradients, scales, (1.0 + terms.max(axis=1))


def agree(got, exact, scale, dtype, steps=16.0):
    """Whether every number lies within a few roundings of ``dtype`` of its summands."""
    epsilon = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}[np.dtype(dtype).name]
    assert got.dtype == dtype
    assert got.shape == exact.shape
    assert np.all(np.abs(got.astype(float) - exact) <= steps * epsilon * scale)


def check(arguments, dtype=np.float64, **keywords):
    value, gradients = linear_ce.value_and_gradient(*arguments, **keywords)
    exact, exact_gradients, scales, terms = written_out(*arguments, **keywords)
    kind = np.float64 if dtype == np.float64 else np.float32
    if keywords.get("reduction") == "none":
        agree(value, exact, terms * keywords.get("weight", 1.0), dtype)
    else:
        steps = 64 * float(np.finfo(kind).eps) * float(terms.max())
        assert value == pytest.approx(exact, rel=steps, abs=0)
        assert isinstance(value, float)
    for got, wanted, scale in zip(gradients, exact_gradients, scales, strict=True):
        if wanted is None:
            assert got is None
        else:
            agree(got, wanted, scale, dtype)
    alone = linear_ce.gradient(*arguments, **keywords)
    assert all(a is b or np.array_equal(a, b) for a, b in zip(alone, gradients, strict=True))
    assert np.array_equal(linear_ce(*arguments, **keywords), value)


OPTIONS = {
    "plain": {},
    "smoothing": {"label_smoothing": 0.1},
    "z_loss": {"z_loss": 0.01},
    "softcap": {"softcap": 3.0},
    "all": {"label_smoothing": 0.2, "z_loss": 0.02, "softcap": 5.0},
}


@pytest.mark.parametrize("soft", [False, True], ids=["labels", "distributions"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("option", OPTIONS)
def test_it_equals_the_loss_of_logits_written_out(option, reduction, soft):
    data = Data(soft=soft)
    check(data.arguments(), reduction=reduction, weight=data.weight, **OPTIONS[option])
    check(data.arguments(bias=False), reduction=reduction, where=data.where, **OPTIONS[option])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16], ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("soft", [False, True], ids=["labels", "distributions"])
def test_every_type_of_numbers(dtype, soft):
    data = Data(dtype, soft=soft)
    check(data.arguments(), dtype, weight=data.weight, where=data.where)
    check(data.arguments(bias=False), dtype, reduction="sum")


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 128, 129])
def test_block_boundaries(rows):
    data = Data(seed=rows, shape=(rows, 5, 65))
    check(data.arguments(), weight=data.weight)


@pytest.mark.parametrize("shape", [(3, 1, 1), (5, 3, 2), (70, 1, 200), (4, 0, 3)])
def test_small_shapes(shape):
    data = Data(shape=shape)
    check(data.arguments(), reduction="sum")


def test_where_leaves_rows_out_whatever_they_hold():
    data = Data()
    arguments = data.arguments()
    keywords = {"where": data.where, "weight": np.where(data.where, data.weight, NAN)}
    clean = linear_ce.value_and_gradient(*arguments, where=data.where, weight=data.weight)
    data.inputs[~data.where] = [NAN, INF, -INF, 1e300, 0, 0, 1]
    data.target[~data.where] = -100
    value, gradients = linear_ce.value_and_gradient(*arguments, **keywords)
    assert value == clean[0]
    for got, wanted in zip(gradients, clean[1], strict=True):
        assert np.array_equal(got, wanted)
    assert not gradients[0][~data.where].any()
    assert not linear_ce(*arguments, **keywords, reduction="none")[~data.where].any()


def test_weight_zero_counts_as_left_out_but_is_checked():
    data = Data()
    data.weight[::3] = 0.0
    check(data.arguments(), weight=data.weight)
    data.inputs[3] = INF  # logits of inf and -inf, without a limit
    data.classifier[:, 1:] = 0.25
    data.classifier[:, 0] = 1.0
    for part in linear_ce.gradient(*data.arguments(), weight=data.weight):
        assert np.isfinite(part).all()
    data.inputs[3] = NAN
    with pytest.raises(ValueError, match=r"^inputs: got nan at index \(3, 0\)"):
        linear_ce(*data.arguments(), weight=data.weight)


def test_the_gradient_is_the_slope_of_the_value():
    data = Data(shape=(70, 5, 9))
    rng = np.random.default_rng(5)
    for option in OPTIONS.values():
        gradients = linear_ce.gradient(*data.arguments(), weight=data.weight, **option)
        for place, name in ((0, "inputs"), (1, "classifier"), (2, "bias")):
            direction = rng.normal(size=getattr(data, name).shape)
            values = []
            for step in (1e-5, -1e-5):
                moved = copy.copy(data)
                setattr(moved, name, getattr(data, name) + step * direction)
                values.append(linear_ce(*moved.arguments(), weight=data.weight, **option))
            products = gradients[place] * direction
            assert abs(products.sum() - (values[0] - values[1]) / 2e-5) <= 1e-7 * np.abs(products).sum()


LAYOUTS = {
    "strided": lambda a: np.repeat(a, 2, axis=0)[::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "Fortran": np.asfortranarray,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "cut from wider": lambda a: np.concatenate([a, a], axis=-1)[..., : a.shape[-1]],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_however_the_arrays_lie(layout, dtype):
    data = Data(dtype)
    plain = linear_ce.value_and_gradient(*data.arguments())
    data.inputs, data.classifier = LAYOUTS[layout](data.inputs), LAYOUTS[layout](data.classifier)
    check(data.arguments(), dtype)
    got = linear_ce.value_and_gradient(*data.arguments())
    assert got[0] == pytest.approx(plain[0], rel=1e-5, abs=0)
    assert all(part.dtype == dtype and part.flags.c_contiguous for part in got[1])


def test_read_only_arrays_are_read_and_no_argument_changes():
    data = Data()
    before = copy.deepcopy(data)
    for array in (data.inputs, data.classifier, data.bias, data.target, data.weight, data.where):
        array.flags.writeable = False
    linear_ce.value_and_gradient(*data.arguments(), weight=data.weight, where=data.where)
    for name in ("inputs", "classifier", "bias", "target"):
        assert np.array_equal(getattr(data, name), getattr(before, name))


def test_integers_lists_and_mixed_types():
    rng = np.random.default_rng(3)
    x, w, t = rng.integers(-2, 3, (6, 4)), rng.integers(-2, 3, (5, 4)), rng.integers(0, 5, 6)
    value, (dx, dw, db) = linear_ce.value_and_gradient(x.tolist(), w, t.astype(float).tolist(), bias=[0, 1, 2, 0, 0])
    exact = ce(x @ w.T + np.array([0, 1, 2, 0, 0]), t)
    assert value == pytest.approx(exact, rel=1e-15, abs=0)
    assert (dx.dtype, dw.dtype, db.dtype) == (np.float64,) * 3
    dx, dw, _ = linear_ce.gradient(x.astype(np.float32), w.astype(np.float64), t)
    assert (dx.dtype, dw.dtype) == (np.float32, np.float64)


def test_an_empty_batch():
    w = np.ones((3, 2), np.float32)
    value, (dx, dw, db) = linear_ce.value_and_gradient(np.ones((0, 2)), w, np.zeros(0, int), [0, 0, 0], reduction="sum")
    assert value == 0.0
    assert dx.shape == (0, 2)
    assert not dw.any()
    assert dw.dtype == np.float32
    assert not db.any()
    with pytest.raises(ValueError, match="there are no samples"):
        linear_ce(np.ones((0, 2)), w, np.zeros(0, int))
    nothing = np.zeros(4, bool)
    assert linear_ce(np.full((4, 2), NAN), w, np.full(4, -100), where=nothing, reduction="sum") == 0.0


def test_the_sum_is_exact_in_any_order_of_rows():
    data = Data(np.float32)
    data.weight = 10.0 ** np.random.default_rng(1).integers(-12, 12, N)
    terms = linear_ce(*data.arguments(), weight=data.weight, reduction="none")
    total = linear_ce(*data.arguments(), weight=data.weight, reduction="sum")
    assert total == pytest.approx(float(np.sum(terms, dtype=float)), rel=2.0**-24, abs=0)


def test_masked_classes_and_infinite_logits():
    x, w, t = np.array([[1.0], [2.0]]), np.array([[1.0], [2.0], [3.0]]), [0, 1]
    masked = linear_ce.value_and_gradient(x, w, t, [0.0, 0.0, -INF])
    fewer = linear_ce.value_and_gradient(x, w[:2], t, [0.0, 0.0])
    assert masked[0] == fewer[0]
    assert np.array_equal(masked[1][0], fewer[1][0])
    assert masked[1][1][2, 0] == 0.0
    assert linear_ce(x, w, [2, 2], [0.0, 0.0, INF]) == 0.0
    assert linear_ce(x, w, t, [0.0, 0.0, INF]) == INF
    large = np.array([[3e38]], np.float32)
    assert linear_ce(large, np.array([[10.0], [1.0]], np.float32), [0]) == 0.0  # 3e39 is +inf in float32


def test_memory_stays_below_64_mib_beyond_the_gradients(monkeypatch):
    monkeypatch.undo()
    data = Data(np.float32, shape=(1500, 16, 32000))
    for keywords in ({}, {"softcap": 9.0}, {"label_smoothing": 0.1}):
        arguments = data.arguments()
        linear_ce.gradient(data.inputs[:2], data.classifier, data.target[:2], data.bias, **keywords)  # compile first
        tracemalloc.start()
        parts = linear_ce.gradient(*arguments, **keywords)
        extra = tracemalloc.get_traced_memory()[1] - sum(part.nbytes for part in parts)
        tracemalloc.stop()
        assert extra <= 64 << 20
        assert extra >= 20 << 20  # else nothing was measured: all logits are 183 MiB


def test_it_is_a_value_that_pickles_and_has_a_name():
    assert repr(linear_ce) == "linear_softmax_cross_entropy"
    assert pickle.loads(pickle.dumps(linear_ce)) == linear_ce
    with pytest.raises(AttributeError):
        linear_ce.loss = ce


# ------------------------------------------------------------------------------------------ bad inputs


def changed(array, index, value):
    array = np.array(array, float if isinstance(value, float) else None)
    array[index] = value
    return array


X, K, T = np.ones((4, 2)), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([0, 1, 2, 0])
Q = np.array([[0.5, 0.25, 0.25]] * 4)
BAD = [
    ("inputs of one axis", ValueError, "inputs", (X[0], K, T), {}, ("(2,)", "(N, D)", "reshape")),
    ("inputs of three axes", ValueError, "inputs", (X[None], K, T), {}, ("(1, 4, 2)", "reshape")),
    ("classifier of another width", ValueError, "classifier", (X, np.ones((3, 5)), T), {}, ("(3, 5)", "(4, 2)")),
    ("classifier transposed", ValueError, "classifier", (X, K.T, T), {}, ("(2, 3)", "classifier.T")),
    ("classifier of no class", ValueError, "classifier", (X, K[:0], T), {}, ("(0, 2)", "one class")),
    ("bias too short", ValueError, "bias", (X, K, T, [0.0, 1.0]), {}, ("(2,)", "(3,)")),
    ("text", TypeError, "inputs", ("text", K, T), {}, ("real number",)),
    ("complex", TypeError, "classifier", (X, K + 1j, T), {}, ("complex128",)),
    ("3 targets", ValueError, "target", (X, K, T[:3]), {}, ("(3,)", "(4, 3)")),
    ("targets (4, 1)", ValueError, "target", (X, K, T[:, None]), {}, ("(4, 1)", "target[..., 0]")),
    ("label 3", ValueError, "target", (X, K, changed(T, 2, 3)), {}, ("got 3", "index 2", "0 to 2")),
    ("label -100", ValueError, "target", (X, K, changed(T, 3, -100)), {}, ("got -100", "index 3", "where=")),
    ("label 0.5", ValueError, "target", (X, K, changed(T, 1, 0.5)), {}, ("got 0.5", "index 1", "whole")),
    ("label -2^62", ValueError, "target", (X, K, changed(T, 1, -(2**62))), {}, ("got -4611686018427387904", "index 1")),
    ("sums to 2", ValueError, "target", (X, K, changed(Q, (2, 1), 1.0)), {}, ("index 2", "sums to 1.75")),
    ("soft -0.5", ValueError, "target", (X, K, changed(Q, (3, 1), -0.5)), {}, ("-0.5", "(3, 1)", "[0, 1]")),
    ("NaN in inputs", ValueError, "inputs", (changed(X, (2, 1), NAN), K, T), {}, ("nan", "(2, 1)", "not NaN")),
    ("NaN in classifier", ValueError, "classifier", (X, changed(K, (1, 0), NAN), T), {}, ("nan", "(1, 0)", "not NaN")),
    ("NaN in bias", ValueError, "bias", (X, K, T, [0.0, 0.0, NAN]), {}, ("nan", "index 2", "not NaN")),
    ("0 times inf", ValueError, "inputs", (changed(X, (1, 0), INF), K, T), {}, ("row 1", "nan", "infinities")),
    ("several inf", ValueError, "inputs", (X, K, T, [INF, INF, 0.0]), {}, ("row 0", "inf", "limit", "where")),
    ("all -inf", ValueError, "inputs", (X, K, T, [-INF] * 3), {}, ("row 0", "-inf", "limit")),
    ("weight", ValueError, "weight", (X, K, T), {"weight": [1.0, 2.0, -1.0, 1.0]}, ("-1.0", "index 2")),
    ("2 weights", ValueError, "weight", (X, K, T), {"weight": [1.0, 2.0]}, ("(2,)", "(4,)")),
    ("where of integers", TypeError, "where", (X, K, T), {"where": [1, 0, 1, 1]}, ("boolean",)),
    ("where of 3", ValueError, "where", (X, K, T), {"where": [True] * 3}, ("(3,)", "(4,)")),
    ("reduction", ValueError, "reduction", (X, K, T), {"reduction": "avg"}, ("'avg'", "'mean'")),
    ("smoothing", ValueError, "label_smoothing", (X, K, T), {"label_smoothing": 2.0}, ("2.0",)),
    ("softcap", ValueError, "softcap", (X, K, T), {"softcap": 0.0}, ("0.0",)),
    ("z_loss", TypeError, "z_loss", (X, K, T), {"z_loss": "much"}, ("much",)),
]


@pytest.mark.parametrize(
    ("error", "name", "arguments", "keywords", "words"), [b[1:] for b in BAD], ids=[b[0] for b in BAD]
)
def test_bad_inputs_are_named(error, name, arguments, keywords, words):
    for call in (linear_ce, linear_ce.gradient, linear_ce.value_and_gradient):
        with pytest.raises(error, match=f"^{name}: ") as caught:
            call(*arguments, **keywords)
        assert all(word in str(caught.value) for word in words), str(caught.value)


def test_rows_are_counted_from_the_start_of_the_batch():
    data = Data()
    for row, inside in ((0, None), (64, None), (149, None), (130, data.where | (np.arange(N) == 130))):
        x = changed(data.inputs, (row, 2), NAN)
        with pytest.raises(ValueError, match=re.escape(f"inputs: got nan at index ({row}, 2)")):
            linear_ce(x, data.classifier, data.target, where=inside)
        q = Data(soft=True).target
        q[row, 1] += 1.0
        with pytest.raises(ValueError, match=rf"^target: .*index \(?{row}\b"):
            linear_ce(data.inputs, data.classifier, q, where=inside)
        with pytest.raises(ValueError, match=rf"^inputs: got row {row}, "):
            linear_ce(
                changed(data.inputs, row, [INF, 0, 0, 0, 0, 0, 0]),
                np.ones((C, D)) * [1, *[0.0] * 6] + 0 * data.classifier,
                data.target,
                where=inside,
            )


# ------------------------------------------------------------------------------- statistics of the rows


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_statistics_equal_those_of_logits_written_out(dtype):
    data = Data(dtype)
    data.inputs[~data.where] = NAN
    data.target[~data.where] = -100
    got = rashin.linear_softmax_statistics(*data.arguments(), where=data.where)
    x, w = np.where(data.where[:, None], data.inputs, 0).astype(float), data.classifier.astype(float)
    z = x @ w.T + data.bias
    exact = rashin.softmax_statistics(z, data.target, where=data.where)
    scale = 1.0 + (np.abs(x) @ np.abs(w).T + np.abs(data.bias)).max(axis=1)
    for name in ("log_probability", "logsumexp"):
        agree(getattr(got, name), getattr(exact, name), scale, dtype)
    agree(got.entropy, exact.entropy, scale * (1.0 + exact.entropy), dtype, 64.0)
    assert np.array_equal(got.rank, exact.rank)
    assert got.rank[~data.where].tolist() == [-1] * int((~data.where).sum())


def test_statistics_refuse_what_the_loss_refuses():
    statistics = rashin.linear_softmax_statistics
    for arguments, words in (
        ((changed(X, (2, 1), NAN), K, T), "inputs: got nan at index (2, 1)"),
        ((X, changed(K, (1, 0), NAN), T), "classifier: got nan at index (1, 0)"),
        ((X, K, T, [INF, INF, 0.0]), "inputs: got row 0, which gives the logits"),
        ((X, K, changed(T, 3, 7)), "target: got 7 at index 3"),
        ((X, K, Q), "target: got shape (4, 3)"),
    ):
        with pytest.raises(ValueError, match="^" + re.escape(words)):
            statistics(*arguments)
