"""The loss of a data set: against rational arithmetic, and with the same bits however the rows are split."""

from __future__ import annotations

import json
import math
import pickle
import tracemalloc
from fractions import Fraction
from statistics import NormalDist
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rashin
from rashin import Measurement, measure
from rashin.domain import LOG_PROBABILITY, NONNEGATIVE, PROBABILITY, REAL
from rashin.kernels.moments import FEW
from rashin.measurement import Accumulator, Codes, Interval, Moments, Options, accumulate, arrays
from rashin.measurement.baseline import baseline_of
from rashin.measurement.sums import cells
from rashin.measurement.sums.sums import ExactSum
from shipped import every_path, in_order, takes_logits

EPS = float(np.finfo(float).eps)
NUMBERS = ["half_squared_error", "huber", "poisson", "sigmoid_cross_entropy"]
EVERYTHING = {"by_class": True, "accuracy": True, "baseline": True}


def problem(name, n=900, classes=4, seed=3):
    """Predictions, targets, unequal weights (some of them 0), a mask, groups in words, and clusters."""
    rng = np.random.default_rng(seed)
    if name in NUMBERS:
        z = rng.normal(size=n).astype(np.float32)
        t = rng.integers(0, 2, n).astype(np.float32)
    else:
        z, t = rng.normal(size=(n, classes)).astype(np.float32), rng.integers(0, classes, n)
    w, where = rng.lognormal(size=n), rng.random(n) < 0.8
    w[::9] = 0.0
    return z, t, w, where, np.array(["b", "a", "c"])[rng.integers(0, 3, n)], rng.integers(-5, 60, n)


class Exactly:
    """Everything that a measurement says, in rational numbers, from the losses of the rows that count."""

    def __init__(self, losses, weights):
        self.l = [Fraction(float(x)) for x in losses]
        self.w = [Fraction(float(x)) for x in weights]
        self.a = [Fraction(float(x) * float(y)) for x, y in zip(losses, weights, strict=True)]  # w l is rounded once
        self.mean = sum(self.a) / sum(self.w)

    @property
    def spread(self):
        second = sum(a * x for a, x in zip(self.a, self.l, strict=True)) / sum(self.w)
        return root(second - self.mean**2)

    @property
    def standard_error(self):
        residuals = ((a - self.mean * w) ** 2 for a, w in zip(self.a, self.w, strict=True))
        return root(sum(residuals) / sum(self.w) ** 2)

    def of_clusters(self, names):
        sums = {}
        for a, w, name in zip(self.a, self.w, names, strict=True):
            sums[name] = sums.get(name, 0) + a - self.mean * w
        return root(Fraction(len(sums), len(sums) - 1) * sum(r * r for r in sums.values()) / sum(self.w) ** 2)


def root(x):
    """The square root of a rational number, to 60 digits and then rounded."""
    scale = 10**60
    return math.isqrt(x.numerator * scale**2 // x.denominator) / scale


def close(x, y, ulps=2):
    return x == y or abs(x - y) <= ulps * EPS * abs(y)


def expected(name, z, t, w, where):
    losses = rashin.registry.get(name).per_sample(z, t).reshape(-1)
    weights = np.ones(losses.size) if w is None else w
    counts = weights > 0 if where is None else where & (weights > 0)
    return Exactly(losses[counts], weights[counts]), counts


# ------------------------------------------------------------------------------------------- what it says


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", [*NUMBERS, "softmax_cross_entropy", "focal"])
def test_every_number_is_that_of_rational_arithmetic(name, weighted, masked):
    z, t, w, where, group, cluster = problem(name)
    w, where = w if weighted else None, where if masked else None
    exact, counts = expected(name, z, t, w, where)
    plain, found = (measure(name, z, t, w, where, group, cluster=each) for each in (None, cluster))
    loss = rashin.registry.get(name)
    assert found.mean == loss(z, t, weight=w, where=where) == float(exact.mean)
    assert found.sum == loss(z, t, weight=w, where=where, reduction="sum") == float(sum(exact.a))
    assert found.weight == float(sum(exact.w))
    assert found.count == np.count_nonzero(counts)
    assert found.maximum == max(map(float, exact.l))
    assert close(found.spread, exact.spread)
    assert close(plain.standard_error, exact.standard_error)
    assert close(found.standard_error, exact.of_clusters(cluster[counts]))
    for key, moments in found.groups.items():
        inside = counts & (group == key)
        alone = Exactly(*(np.asarray(x)[inside] for x in (loss.per_sample(z, t), np.ones(len(z)) if w is None else w)))
        assert (moments.mean, moments.count) == (float(alone.mean), np.count_nonzero(inside))
        assert close(plain.groups[key].standard_error, alone.standard_error)
        assert close(moments.standard_error, alone.of_clusters(cluster[inside]))
    assert list(found.groups) == ["a", "b", "c"]


def test_a_variance_survives_a_mean_that_is_large_beside_it():
    z = 1e8 + np.arange(5000) % 3 * 1e-7
    exact = Exactly(z, np.ones(z.size))
    found = measure("absolute_error", z, np.zeros(z.size))
    assert exact.standard_error > 0
    assert close(found.spread, exact.spread)
    assert close(found.standard_error, exact.standard_error)


@pytest.mark.parametrize("w", [None, np.full(3000, 0.1), np.random.default_rng(1).lognormal(size=3000)])
def test_equal_losses_have_an_interval_of_no_width(w):
    found = measure("absolute_error", np.full(3000, 0.1), np.zeros(3000), w)
    if w is None or np.ptp(w) == 0:
        assert found.interval() == (found.mean, found.mean)
    assert found.standard_error <= 2 * EPS * found.mean  # w l is rounded


def test_the_interval_is_as_wide_as_asked():
    z = np.random.default_rng(5).normal(size=400)
    found = measure("poisson", z, np.ones(400))
    for confidence in (0.5, 0.9, 0.999):
        low, high = found.interval(confidence)
        reach = NormalDist().inv_cdf((1 + confidence) / 2) * found.standard_error
        assert (low, high) == (found.mean - reach, found.mean + reach)
    with pytest.raises(ValueError, match=r"confidence: got 95; expected a number between 0 and 1, such as 0.95"):
        found.interval(95)


@pytest.mark.parametrize(("robust", "runs"), [(False, 500), (True, 2000)])
def test_the_interval_covers_the_mean_of_the_population(robust, runs):
    """Samples of 60 clusters of 5 rows that are alike: only the robust interval knows that they are 60 facts."""
    rng = np.random.default_rng(8)
    covered = 0
    cluster = np.repeat(np.arange(60), 5)
    for _ in range(runs):
        z = np.repeat(rng.normal(size=60), 5) + 0.1 * rng.normal(size=300)
        found = measure("half_squared_error", z, np.zeros(300), cluster=cluster if robust else None)
        low, high = found.interval(0.9)
        covered += low <= 0.5 * 1.01 <= high
    assert (0.84 < covered / runs < 0.92) if robust else covered / runs < 0.7


def test_fewer_than_two_rows_or_clusters_tell_nothing_of_the_error():
    assert measure("poisson", [3.0], [0.0]).interval() == (-math.inf, math.inf)
    assert measure("huber", [3.0], [0.0]).interval() == (0.0, math.inf)
    assert measure("huber", [3.0, 1.0], [0.0, 0.0], cluster=[7, 7]).interval() == (0.0, math.inf)


def test_an_infinite_loss_is_told_and_nothing_is_no_number():
    found = measure("binary_cross_entropy", [0.0, 0.5], [1.0, 1.0], worst=1)
    assert (found.mean, found.sum, found.maximum, found.worst[0].loss) == (math.inf,) * 4
    assert found.interval() == (0.0, math.inf)
    assert Measurement.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found


def test_nothing_has_no_mean():
    found = measure("huber", [1.0, 2.0], [0.0, 0.0], where=[False, False], worst=2, accuracy=False)
    assert (found.count, found.sum, found.weight, found.maximum, found.worst) == (0, 0.0, 0.0, -math.inf, [])
    with pytest.raises(ValueError, match="mean: got no row that counts"):
        _ = found.mean
    assert measure("huber", [], []).count == 0


def test_accuracy_counts_the_weight_of_what_is_right_and_ties_go_to_the_first():
    z, t, w, where, group, _ = problem("softmax_cross_entropy")
    found = measure("softmax_cross_entropy", z, t, w, where, group, accuracy=True, by_class=True)
    counts = where & (w > 0)
    right = z.argmax(axis=1) == t
    assert close(found.accuracy, math.fsum(w[counts & right]) / math.fsum(w[counts]))
    for parts, keys in ((found.groups, group), (found.classes, t)):
        for key, moments in parts.items():
            inside = counts & (keys == key)
            assert close(moments.accuracy, math.fsum(w[inside & right]) / math.fsum(w[inside]))
    assert measure("softmax_cross_entropy", np.zeros((3, 2)), [0, 1, 0], accuracy=True).accuracy == 2 / 3
    assert measure("sigmoid_cross_entropy", [0.0, 1.0, -1.0], [0, 1, 1], accuracy=True).accuracy == 2 / 3
    assert measure("binary_cross_entropy", [0.5, 0.75, 0.25], [0, 1, 1], accuracy=True).accuracy == 2 / 3
    assert measure("hinge", [-2.0, 0.5], [-1, -1], accuracy=True).accuracy == 0.5
    dense = np.eye(4)[t]
    soft = measure("softmax_cross_entropy", z, dense, w, where, accuracy=True)
    assert soft.accuracy == found.accuracy


def test_classes_are_those_of_the_prediction_also_without_a_row():
    z = np.zeros((3, 4))
    found = measure("softmax_cross_entropy", z, [0, 2, 2], by_class=True)
    assert {key: moments.count for key, moments in found.classes.items()} == {0: 1, 1: 0, 2: 2, 3: 0}
    assert repr(found.classes[1]) == "Moments(count=0)"
    signs = measure("hinge", [0.5, 0.5], [-1, 1], by_class=True)
    assert {key: moments.sum for key, moments in signs.classes.items()} == {-1: 1.5, 1: 0.5}


def test_the_worst_rows_come_in_order_and_ties_stand_as_in_the_data():
    z = np.array([1.0, 5.0, 2.0, 5.0, 5.0, np.nan])
    where = np.isfinite(z)
    found = measure("absolute_error", np.nan_to_num(z), np.zeros(6), where=where, worst=4)
    assert [(row.loss, row.row) for row in found.worst] == [(5.0, 1), (5.0, 3), (5.0, 4), (2.0, 2)]
    running = Accumulator(rashin.absolute_error, Options(worst=2))
    for source in ("c", "a", "b"):
        running.add([3.0], [0.0], source=source, first_row=7)
    assert running.result().worst == [(3.0, "a", 7), (3.0, "b", 7)]


# ---------------------------------------------------------------------------------------- the same bits


def everything(name, rows, worst=5):
    z, t, w, where, group, cluster = problem(name)
    wanted = EVERYTHING if name not in NUMBERS else {}
    part = [a[rows] for a in (z, t, w, where, group)]
    return measure(name, *part, cluster=cluster[rows], worst=worst, **wanted)


@pytest.mark.parametrize("name", ["huber", "softmax_cross_entropy"])
@pytest.mark.parametrize("size", [1, 7, 400, 900])
def test_parts_in_any_order_add_up_to_the_bits_of_the_whole(name, size):
    n = 300 if size == 1 else 900
    whole = everything(name, np.arange(n), worst=0)
    rows = np.random.default_rng(size).permutation(n)
    parts = [everything(name, rows[i : i + size], worst=0) for i in range(0, n, size)]
    left = parts[0]
    for part in parts[1:]:
        left = left + part
    while len(parts) > 1:  # as a tree, from behind
        parts = [sum(parts[i + 1 : i + 3], start=parts[i]) for i in range(0, len(parts), 3)][::-1]
    assert left == whole == parts[0]
    assert json.dumps(left.to_dict()) == json.dumps(whole.to_dict()) == json.dumps(parts[0].to_dict())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=60), st.data())
def test_sums_are_exact_for_any_numbers_and_cuts(numbers, data):
    z = np.array(numbers)
    cut = data.draw(st.integers(1, len(numbers) - 1))
    codes = Codes(np.array(data.draw(st.lists(st.integers(0, 2), min_size=z.size, max_size=z.size))), ["x", "y", "z"])

    def measured(rows):
        running = Accumulator(rashin.absolute_error, Options())
        running.add(z[rows], np.zeros(z.size)[rows], group=codes.of(rows))
        return running.result()

    whole = measured(slice(None))
    assert measured(slice(cut, None)) + measured(slice(cut)) == whole
    assert whole.mean == float(sum(Fraction(abs(x)) for x in numbers) / len(numbers))


@pytest.mark.parametrize("size", [1, 7, 4096, 9000])
def test_batches_of_any_size_have_the_bits_of_the_arrays(size):
    n = 2000 if size == 1 else 9000
    z, t, w, *_ = problem("softmax_cross_entropy", n=n)
    batches = ((z[i : i + size], t[i : i + size], w[i : i + size]) for i in range(0, n, size))
    assert measure("softmax_cross_entropy", batches, worst=7) == measure("softmax_cross_entropy", z, t, w, worst=7)


@pytest.mark.parametrize("weighted", [False, True])
def test_threads_and_layouts_change_no_bit(weighted):
    n = 300_000
    rng = np.random.default_rng(2)
    z, t, w = rng.normal(size=n).astype(np.float32), np.zeros(n, np.float32), rng.random(n) if weighted else None
    group = rng.integers(0, 300, n)
    group[:5000] = rng.integers(300, 4000, 5000)  # cells of few rows beside cells of many
    found = []
    for workers in (1, 2, 3, 8):
        with rashin.threads(workers):
            found.append(measure("huber", z, t, w, group=group, worst=3))
    turned = slice(None, None, -1)
    again = measure("huber", z[turned], t[turned], None if w is None else w[turned], group=group[turned])
    assert found[0] == found[1] == found[2] == found[3]
    assert again.groups == found[0].groups
    assert again.total == found[0].total == measure("huber", z, t, w).total
    key, rows = 17, group == 17
    alone = measure("huber", z[rows], t[rows], None if w is None else w[rows])
    assert np.count_nonzero(rows) > FEW
    assert alone.total == found[0].groups[key]


def test_chunks_change_nothing(monkeypatch):
    z, t, w, where, group, cluster = problem("focal")
    before = measure("focal", z, t, w, where, group, 9, cluster=cluster, **EVERYTHING)
    monkeypatch.setattr(arrays, "SAMPLES", 64)
    monkeypatch.setattr(cells, "MOST_UNCARRIED", 100)
    assert measure("focal", z, t, w, where, group, 9, cluster=cluster, **EVERYTHING) == before


def test_pointwise_arrays_of_many_axes_are_rows_in_c_order(monkeypatch):
    rng = np.random.default_rng(4)
    z, group = rng.normal(size=(6, 5, 4)), rng.integers(0, 3, (6, 5, 4))
    flat = measure("huber", z.ravel(), np.zeros(120), group=group.ravel(), worst=4)
    monkeypatch.setattr(arrays, "SAMPLES", 25)
    assert measure("huber", z, np.zeros(z.shape), group=group, worst=4) == flat
    assert measure("huber", np.asfortranarray(z), np.zeros(z.shape), group=group, worst=4) == flat


def test_a_memory_map_is_read_piece_by_piece(tmp_path):
    rng = np.random.default_rng(6)
    z = rng.normal(size=(2000, 10)).astype(np.float32)
    np.save(tmp_path / "z.npy", z)
    mapped = np.load(tmp_path / "z.npy", mmap_mode="r")
    labels = rng.integers(0, 10, 2000)
    assert measure("softmax_cross_entropy", mapped, labels) == measure("softmax_cross_entropy", z, labels)


def test_a_measurement_outlives_its_process_and_is_small():
    found = everything("softmax_cross_entropy", np.arange(900))
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert Measurement.from_dict(json.loads(text)) == found
    assert pickle.loads(pickle.dumps(found)) == found
    assert len(json.dumps(measure("huber", [1.5, 2.5], [0.0, 0.0]).to_dict())) < 1000
    for digits in found.to_dict()["total"]["losses"]["limbs"]:
        assert abs(digits) < 2**32


@given(st.lists(st.floats(allow_nan=False), max_size=20))
def test_exact_sums_come_back_from_json(numbers):
    total = ExactSum()
    for x in numbers:
        part = ExactSum(plus=1) if x == math.inf else ExactSum(minus=1) if x == -math.inf else None
        total += part or ExactSum(int(Fraction(x) * 2**1088))
    state = json.loads(json.dumps(total.to_dict()))
    assert ExactSum.from_dict(state) == total
    if not total.infinite:
        assert sum(Fraction(2) ** (state["exponent"] + 32 * i) * x for i, x in enumerate(state["limbs"])) == Fraction(
            total.units, 2**1088
        )


# ------------------------------------------------------------------------------------------- the baseline


@every_path
def test_the_baseline_is_the_best_constant_where_the_loss_tells_it(loss):
    rng = np.random.default_rng(9)
    domain = loss.facts.target_domain(loss.parameters)
    w = rng.random(500)
    if loss.kind == "pointwise":
        t = domain.draw(rng, 500)
        t[np.abs(t) > 1e6] = domain.samples[-1]
        z = np.full(500, loss.facts.prediction.entry().samples[0])
        found = measure(loss, z, t, w, baseline=True).baseline
        if loss.facts.target_degree is None and domain.shape != "ends":
            assert found is None
            return
        constant = rashin.best_constant(loss, t, w)
    else:
        t = rng.integers(0, 3, 500)
        z = (
            np.log(rng.dirichlet(np.ones(3), 500))
            if loss.facts.prediction.entry().low < 0
            else rng.dirichlet(np.ones(3), 500)
        )
        z = in_order(loss, z)
        if takes_logits(loss):
            with pytest.raises(ValueError, match=r"^target: got .* expected labels"):
                measure(loss, z, z[::-1], w, baseline=True)
            return
        found = measure(loss, z, t, w, baseline=True).baseline
        constant = rashin.best_constant(loss, t, w)
    everywhere = np.broadcast_to(constant, (500, *np.shape(constant)))
    closed = loss.facts.best_constant is not None  # a search for several numbers ends within 1e-9
    assert np.allclose(found.prediction, constant, rtol=1e-12 if closed else 1e-7, atol=0)
    assert math.isclose(found.mean, loss(everywhere, t, weight=w), rel_tol=1e-12)


@pytest.mark.parametrize("domain", [PROBABILITY, NONNEGATIVE, LOG_PROBABILITY, REAL], ids=lambda domain: domain.name)
def test_a_baseline_of_squares_asks_for_targets_of_the_domain_only(domain):
    def squares(xp, z, t):
        return (z - t) * (z - t), 2.0 * (z - t), 2.0

    made = rashin.pointwise(target=domain, target_degree=2, best_constant=lambda t, w: np.average(t, weights=w))
    loss, rng = made(squares), np.random.default_rng(2)
    try:
        t, w = domain.draw(rng, 300), rng.random(300)
        t = np.clip(t, -50.0, 50.0)
        found = measure(loss, np.zeros(300), t, w, baseline=True).baseline
        mean = np.average(t, weights=w)
        assert math.isclose(found.prediction, mean, rel_tol=1e-12)
        assert math.isclose(found.mean, loss(np.full(300, mean), t, weight=w), rel_tol=1e-12)
        alike = measure(loss, np.zeros(3), t[-3:-2].repeat(3), baseline=True).baseline
        assert (alike.prediction, alike.mean) == (t[-3], 0.0)
    finally:
        del rashin.registry._registry["squares"]


def test_the_baseline_knows_the_parameters():
    t = np.array([0, 0, 1, 2, 2, 2])
    loss = rashin.softmax_cross_entropy.replace(label_smoothing=0.25)
    found = measure(loss, np.zeros((6, 4)), t, baseline=True).baseline
    everywhere = np.broadcast_to(found.prediction, (6, 4))
    assert math.isclose(found.mean, loss(everywhere, t), rel_tol=1e-14)
    nudged = [loss(everywhere + 0.01 * step, t) for step in np.eye(4)]
    assert min(nudged) > found.mean


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "categorical_cross_entropy", "negative_log_likelihood"])
def test_the_baseline_of_many_classes_takes_memory_in_proportion_to_them(name):
    weight = np.random.default_rng(4).random(32_000) + 0.5
    weight[::7] = 0.0
    classes = {k: SimpleNamespace(weight=float(w)) for k, w in enumerate(weight)}
    baseline_of(name + "()", {0: SimpleNamespace(weight=1.0), 1: SimpleNamespace(weight=2.0)}, None)  # compiled
    tracemalloc.start()
    try:
        found = baseline_of(name + "()", classes, None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    total = math.fsum(weight)
    entropy = -math.fsum(w / total * math.log(w / total) for w in weight if w)
    assert math.isclose(found.mean, entropy, rel_tol=1e-13)
    assert peak < 1000 * weight.size


def test_the_baseline_of_rows_that_are_no_polynomial_looks_at_each_class():
    """The best constant of the summed absolute differences is the label of more than half, not the shares."""

    def absolute_rows(xp, z, t):
        return xp.sum(xp.abs(z - t), axis=-1), xp.sign(z - t), 0.0

    def medians(t, w):
        return (w @ t > w.sum() / 2).astype(float)

    made = rashin.rowwise(prediction=PROBABILITY, best_constant=medians)
    loss = made(absolute_rows)
    try:
        t, w = np.array([0, 1, 1, 2]), np.array([1.0, 3.0, 2.0, 4.0])
        found = measure(loss, np.full((4, 3), 0.25), t, w, baseline=True).baseline
        assert found.prediction == [0.0, 0.0, 0.0]
        assert math.isclose(found.mean, 1.0, rel_tol=1e-15)
        many = {k: SimpleNamespace(weight=1.0) for k in range(3000)}
        assert baseline_of("absolute_rows()", many, None) is None
    finally:
        del rashin.registry._registry["absolute_rows"]


def test_a_baseline_that_fails_costs_the_measurement_nothing():
    def impossible(t, w):
        raise MemoryError("Unable to allocate 7.63 GiB")

    def squared_rows(xp, z, t):
        return (z - t) * (z - t), 2.0 * (z - t), 2.0

    loss = rashin.pointwise(target_degree=2, best_constant=impossible)(squared_rows)
    try:
        measured = measure(loss, [1.0, 2.0], [0.0, 0.0], baseline=True)
        with pytest.warns(UserWarning, match=r"^baseline: left out, since squared_rows.* MemoryError: Unable"):
            assert measured.baseline is None
        assert measured.mean == 2.5
    finally:
        del rashin.registry._registry["squared_rows"]


# ------------------------------------------------------------------------------------------------- errors


def test_errors_name_the_sample_in_the_whole_array(monkeypatch):
    monkeypatch.setattr(arrays, "SAMPLES", 10)
    z, t = np.zeros((40, 3)), np.zeros(40, int)
    t[27] = 3
    with pytest.raises(ValueError, match=r"target: got 3 at index 27"):
        measure("softmax_cross_entropy", z, t)
    w = np.ones(40)
    w[33] = -1.0
    with pytest.raises(ValueError, match=r"weight: got -1.0 at index 33"):
        measure("softmax_cross_entropy", z, np.zeros(40, int), w)
    with pytest.raises(ValueError, match=r"batch 1, prediction: got nan at index 1"):
        measure("huber", [([0.0], [0.0]), ([1.0, math.nan], [0.0, 0.0])])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"loss": "hubr"}, "did you mean huber?"),
        ({"loss": 3}, "loss: got int; expected a loss"),
        ({"worst": -1}, "worst: got -1; expected a whole number >= 0"),
        ({"worst": True}, "worst: got True"),
        ({"group": [0]}, r"group: got shape \(1,\); expected one for each sample, shape \(2,\)"),
        (
            {"group": [0.5, 1.0]},
            "group: got 0.5, which is no whole number at index 0; expected whole numbers",
        ),
        ({"cluster": [None, "a"]}, "cluster: got a missing value at index 0"),
        ({"target": None}, "target: got none; expected an array, or batches"),
        ({"by_class": True}, "loss: got huber, whose targets are numbers; expected a loss of classes"),
        ({"accuracy": True}, "loss: got huber, whose targets are numbers; expected a loss of classes"),
        ({"target": [0.0]}, r"target: got shape \(1,\) for a prediction of shape \(2,\)"),
        ({"where": [1, 0]}, "where: got dtype int64"),
        ({"prediction": iter([]), "target": None, "group": [0]}, "group: got one beside batches"),
        ({"prediction": [1.0], "target": None}, r"batch 0: got float; expected \(prediction, target\) or"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, told):
    given_arguments = {"loss": "huber", "prediction": np.zeros(2), "target": np.zeros(2)} | arguments
    with pytest.raises((TypeError, ValueError), match=told):
        measure(**given_arguments)


def test_classes_need_labels():
    with pytest.raises(ValueError, match=r"target: got 0.5 at index 1; expected 0 or 1, for classes"):
        measure("binary_cross_entropy", [0.5, 0.5], [1.0, 0.5], by_class=True)
    with pytest.raises(ValueError, match="target: got distributions, of shape"):
        measure("softmax_cross_entropy", np.zeros((1, 2)), [[0.5, 0.5]], by_class=True)


def test_an_accumulator_counts_nothing_of_a_batch_that_it_refuses():
    running = Accumulator(rashin.huber, Options(worst=3))
    running.add([1.0, 2.0], [0.0, 0.0])
    before = running.result()
    with pytest.raises(ValueError, match="prediction"):
        running.add([1.0, math.nan], [0.0, 0.0])
    assert running.result() == before


def test_what_only_a_part_was_asked_for_a_sum_does_not_tell():
    z, t = np.zeros((4, 3)), np.array([0, 1, 2, 2])
    asked = measure("softmax_cross_entropy", z, t, worst=3, **EVERYTHING)
    plain = measure("softmax_cross_entropy", z, t, worst=1)
    nothing = measure("softmax_cross_entropy", z[:0], t[:0])
    both = asked + plain
    assert (both.classes, both.accuracy, both.baseline, len(both.worst)) == ({}, None, None, 1)
    for parts in ([asked, plain, nothing], [plain, asked, asked], [asked, asked, plain], [nothing, asked, plain]):
        a, b, c = parts
        assert (a + b) + c == a + (b + c) == c + (b + a)
    assert asked + nothing == nothing + asked == asked
    for name in ("group", "cluster"):
        keyed = measure("softmax_cross_entropy", z, t, **{name: [1, 1, 2, 2]})
        with pytest.raises(ValueError, match=f"got one measurement with {name}=, and one without"):
            keyed + plain
        assert (keyed + nothing).standard_error == keyed.standard_error


def test_batches_are_alike_in_classes_groups_and_clusters():
    running = Accumulator(rashin.softmax_cross_entropy, Options())
    running.add(np.zeros((2, 3)), [0, 1])
    with pytest.raises(ValueError, match="prediction: got rows of 4 numbers after rows of 3"):
        running.add(np.zeros((2, 4)), [0, 1])
    with pytest.raises(ValueError, match="group, cluster: got batches with and without"):
        running.add(np.zeros((2, 3)), [0, 1], group=Codes(np.zeros(2, int), ["a"]))
    assert running.result().count == 2


@pytest.mark.parametrize("name", ["huber", "softmax_cross_entropy", "binary_cross_entropy"])
def test_an_empty_batch_is_nothing(name):
    z, t, *_ = problem("softmax_cross_entropy" if name.startswith("soft") else "sigmoid_cross_entropy", n=50)
    z = rashin.sigmoid(z) if name.startswith("binary") else z
    batches = [(z[:0], t[:0]), (z[:30], t[:30]), (z[30:30], t[30:30]), (z[30:], t[30:])]
    found = measure(name, iter(batches), details=True, worst=2)
    assert found == measure(name, z, t, details=True, worst=2)


def test_keys_far_apart_take_no_room():
    found = measure("huber", [1.0, 2.0], [0.0, 0.0], group=[0, 65000], cluster=[-(2**62), 2**62])
    assert list(found.groups) == [0, 65000]
    assert list(found.clusters) == [-(2**62), 2**62]


def test_measurements_of_different_losses_do_not_add():
    with pytest.raises(ValueError, match=r"\+: got measurements of huber\(delta=1.0\) and of huber\(delta=2.0\)"):
        measure("huber", [1.0], [0.0]) + measure(rashin.huber.replace(delta=2.0), [1.0], [0.0])
    with pytest.raises(TypeError):
        measure("huber", [1.0], [0.0]) + 1.0
    with pytest.raises(ValueError, match="state: got version None; expected what"):
        Measurement.from_dict({})


def test_keys_of_groups_may_be_words_numbers_and_booleans():
    z, t = np.arange(4.0), np.zeros(4)
    for group, keys in (
        (["b", "a", "b", "b"], ["a", "b"]),
        (np.array(["b", "a", "b", "b"], object), ["a", "b"]),
        ([7, -(2**40), 7, 7], [-(2**40), 7]),
        (np.array([3, 1, 3, 3], np.uint8), [1, 3]),
        ([True, False, True, True], [0, 1]),
        (np.array([7, 2, 7, 7], object), [2, 7]),
    ):
        found = measure("absolute_error", z, t, group=group)
        assert list(found.groups) == keys
        assert [moments.sum for moments in found.groups.values()] == [1.0, 5.0]
        assert all(type(key) in (int, str) for key in found.groups)


def test_what_is_public():
    assert isinstance(measure("huber", [1.0, 2.0], [0.0, 0.0]).interval(), Interval)
    assert isinstance(measure("huber", [1.0], [0.0]).total, Moments)
    assert accumulate.Options() == Options(0, False, False, False, False)
