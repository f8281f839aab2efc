"""What a report needs beside the moments: exact under any split, and what the textbooks say it is."""

from __future__ import annotations

import json
import math
import pickle
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import binomtest
from sklearn.isotonic import IsotonicRegression

import rashin
from rashin.domain import REAL
from rashin.kernels.bins import BINS, HALF, bin_starts, fill_bins
from rashin.measurement.calibration.reliability import reliability, split
from rashin.measurement.calibration.thresholds import thresholds
from rashin.measurement.details import Details
from rashin.measurement.distribution import Distribution
from rashin.measurement.sums.tally import Tally

LOGITS, PROBABILITIES = rashin.sigmoid_cross_entropy, rashin.binary_cross_entropy
ROWS = rashin.softmax_cross_entropy


def bin_of(q, is_upper):
    """The bins of probabilities, as measurements find them."""
    q, bins = np.asarray(q, np.float64), np.empty(np.size(q), np.int64)
    fill_bins(q.dtype)(np.ascontiguousarray(q), np.ascontiguousarray(is_upper, np.bool_), bins)
    return bins


def binary_rows(n, seed=0, spread=3.0):
    """Logits, targets that follow them but for a slope of 0.7, weights."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-0.5, spread, n)
    t = (rng.random(n) < rashin.sigmoid(0.7 * z)).astype(float)
    return z, t, rng.lognormal(0.0, 2.0, n)


def class_rows(n, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(0.0, 2.0, (n, classes))
    labels = np.where(rng.random(n) < 0.6, z.argmax(axis=1), rng.integers(0, classes, n))
    return z, labels, rng.lognormal(0.0, 2.0, n)


def details(loss, z, t, w=None):
    return Details.of(loss, loss(z, t, reduction="none"), w, z, t)


def of_binary(z, t, w=None):
    return details(LOGITS, z, t, w).calibration


# ------------------------------------------------------------------------------------------------------- exact


@pytest.mark.parametrize("scale", [1.0, 1e-290, 1e290])
def test_a_tally_rounds_nothing(scale):
    rng = np.random.default_rng(1)
    x = rng.lognormal(0.0, 8.0, 999) * scale
    x[:3] = [0.0, 5e-324, 1.7e308]
    codes = rng.integers(0, 7, x.size)
    exact = [sum(map(Fraction, x[codes == code])) for code in range(7)]
    found = Tally.of(codes, x, 7)
    assert [Fraction(integer) * Fraction(2) ** (32 * found.first) for integer in found.integers()] == exact
    assert found.values().tolist() == [float(total) for total in exact]
    assert found.total() == float(sum(exact))
    assert Tally.from_dict(json.loads(json.dumps(found.to_dict())), 7) == found


def test_a_tally_carries_and_overflows_only_at_the_end():
    big = Tally.whole(np.array([2**62, 3]))
    for _ in range(4):
        big += big
    assert big.integers()[0] == 2**66 >> 32 * big.first
    assert big.values().tolist() == [2.0**66, 48.0]
    huge = Tally.of(np.zeros(2, np.int64), np.full(2, 1.7e308), 1)
    assert huge.values().tolist() == [math.inf]
    empty = Tally.empty(2)
    assert empty + empty == empty == Tally.of(np.zeros(1, np.int64), np.zeros(1), 2)
    assert empty + big == big != empty


CASES = {
    "logits": (LOGITS, *binary_rows(500)),
    "probabilities": (PROBABILITIES, rashin.sigmoid(binary_rows(500)[0]), *binary_rows(500)[1:]),
    "focal": (rashin.sigmoid_focal, *binary_rows(500)),
    "rows of logits": (ROWS, *class_rows(500)),
    "rows of probabilities": (
        rashin.categorical_cross_entropy, rashin.softmax(class_rows(500)[0]), *class_rows(500)[1:]
    ),
    "rows of logarithms": (
        rashin.negative_log_likelihood, rashin.log_softmax(class_rows(500)[0]), *class_rows(500)[1:]
    ),
    "numbers": (rashin.huber.replace(delta=2.0), *binary_rows(500)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("size", [1, 7, 256])
def test_any_split_in_any_order_gives_the_same_bits(case, weighted, size):
    loss, z, t, w = CASES[case]
    some = slice(100 if size == 1 else 300)
    z, t, w = z[some], t[some], w[some] if weighted else None
    whole = details(loss, z, t, w)
    order = np.random.default_rng(2).permutation(len(t))
    pieces = [order[start : start + size] for start in range(0, len(t), size)]
    parts = [details(loss, z[i], t[i], None if w is None else w[i]) for i in pieces]
    while len(parts) > 1:  # a tree, so that it shows if the grouping matters
        parts = [sum(parts[i + 1 : i + 3], parts[i]) for i in range(0, len(parts), 3)]
    assert parts[0] == whole
    assert pickle.loads(pickle.dumps(whole)) == whole
    assert Details.from_dict(json.loads(json.dumps(whole.to_dict()))).to_dict() == parts[0].to_dict()
    assert (whole.calibration is None) == (case == "numbers")


def test_weights_of_1_are_no_weights():
    z, t, w = binary_rows(400)
    assert of_binary(z, t) == of_binary(z, t, np.ones(400))
    assert of_binary(z, t) != of_binary(z, t, w)
    both = of_binary(z, t) + of_binary(z, t, 2.0 * np.ones(400))
    assert both.weight.values().sum() == 1200.0


def test_it_is_small():
    z, t, w = binary_rows(100_000)
    assert len(pickle.dumps(details(LOGITS, z, t))) < 40_000
    assert len(pickle.dumps(details(LOGITS, z, t, w))) < 80_000


def test_an_empty_batch_changes_nothing():
    for loss, z, t, _ in CASES.values():
        whole = details(loss, z, t)
        assert whole + Details.of(loss, np.zeros(0), None, z[:0], t[:0]) == whole


# ----------------------------------------------------------------------------------------------- distribution


def test_quantiles_are_near_the_true_ones():
    losses = np.random.default_rng(3).lognormal(-2.0, 3.0, 5001)
    found = Distribution.of(losses)
    for share in (0.0, 0.01, 0.5, 0.9, 0.999, 1.0):
        np.testing.assert_allclose(found.quantile(share), np.quantile(losses, share, method="lower"), rtol=0.032)


def test_zeros_infinities_and_negative_losses_are_kept_apart():
    losses = np.array([0.0, -0.0, 5e-324, math.inf, math.inf, -math.inf, -2.0, -2.01, 3.0])
    found = Distribution.of(losses)
    assert (found.count, found.zeros, found.infinite) == (9, 3, 3)
    low, high = found.edges
    assert np.all(np.diff(found.bins) > 0)
    assert (low[0], low[2], low[-1]) == (-math.inf, 0.0, math.inf)
    assert low[1] < -2.01 < -2.0 <= high[1]
    assert np.all(low <= high)
    assert found.quantile(0.0) == -math.inf
    assert found.quantile(1.0) == math.inf
    assert found.quantile(0.5) == 0.0
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"expected a number in \[0, 1\]"):
            found.quantile(share)


def test_every_loss_lies_in_its_bin():
    rng = np.random.default_rng(4)
    for loss in (*rng.lognormal(0.0, 100.0, 200), *-rng.lognormal(0.0, 3.0, 200), 1.0, -1.0, 1.7e308):
        low, high = Distribution.of(np.array([loss])).edges
        assert low[0] <= loss <= high[0]
        assert abs(high[0] - low[0]) <= abs(loss) / 31 or high[0] == math.inf


# ------------------------------------------------------------------------------------------------ calibration


def test_bins_are_where_they_are_said_to_be():
    starts = bin_starts()
    assert starts.size == HALF + 1
    assert np.all(np.diff(starts) > 0)
    lower = np.zeros(starts.size, bool)
    assert bin_of(starts, lower).tolist() == list(range(HALF + 1))
    assert bin_of(np.nextafter(starts[1:], 0.0), lower[1:]).tolist() == list(range(HALF))
    assert bin_of(starts[:-1], ~lower[:-1]).tolist() == [BINS - 1 - code for code in range(HALF)]
    assert {0.0, 2.0**-40, 1 / 32, 1 / 16, 0.25, 0.5} <= set(starts)


def naive_bins(p, t, w, edges):
    place = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, edges.size - 2)
    some = [place == b for b in range(edges.size - 1) if np.any(place == b)]
    return [np.array([np.average(x[b], weights=w[b]) for b in some]) for x in (p, t)], [w[b].sum() for b in some]


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_the_reliability_curve_is_that_of_the_textbook(weighted):
    z, t, w = binary_rows(3000)
    w = w if weighted else np.ones_like(w)
    found = reliability(of_binary(z, t, w if weighted else None), equal="width")
    (predicted, frequency), shares = naive_bins(rashin.sigmoid(z), t, w, np.linspace(0, 1, 17))
    np.testing.assert_allclose(found.predicted, predicted, rtol=1e-12)
    np.testing.assert_allclose(found.against, 1 - predicted, rtol=1e-10)
    np.testing.assert_allclose(found.frequency, frequency, rtol=1e-12)
    np.testing.assert_allclose(found.share, shares / w.sum(), rtol=1e-12)
    error = np.average(np.abs(frequency - predicted), weights=shares)
    np.testing.assert_allclose(found.error, error, rtol=1e-11)


def test_bins_of_equal_weight_have_it():
    z, t, w = binary_rows(20_000, spread=1.0)
    w = np.minimum(w, 5.0)
    found = reliability(of_binary(z, t, w), bins=10)
    assert found.count.size == 10
    np.testing.assert_allclose(found.share, 0.1, rtol=0.15)
    assert np.all(np.diff(found.predicted) > 0)
    assert found.count.sum() == 20_000


def test_intervals_are_wilsons():
    z, t, _ = binary_rows(800)
    found = reliability(of_binary(z, t), bins=5, confidence=0.8)
    for count, frequency, low, high in zip(found.count, found.frequency, found.low, found.high, strict=True):
        interval = binomtest(round(frequency * count), count).proportion_ci(0.8, "wilson")
        np.testing.assert_allclose([low, high], interval, rtol=1e-10)


def test_unequal_weights_widen_the_interval():
    z, t, w = binary_rows(4000)
    plain, weighted = (reliability(of_binary(z, t, x), bins=4) for x in (None, w))
    assert np.all(weighted.high - weighted.low > 2.0 * (plain.high - plain.low))


def entropy(f):
    return -(f * np.log(f) + (1 - f) * np.log1p(-f))


@pytest.mark.parametrize("name", ["logits", "probabilities", "focal"])
def test_the_parts_of_the_cross_entropy_are_its_sum(name):
    loss, z, t, w = CASES[name]
    p = z if name == "probabilities" else rashin.sigmoid(z)
    found = split(details(loss, z, t, w).calibration)
    cross_entropy = rashin.binary_cross_entropy(p, t, weight=w)
    np.testing.assert_allclose(found.cross_entropy, cross_entropy, rtol=1e-12)
    np.testing.assert_allclose(found.calibration + found.refinement, cross_entropy, rtol=1e-12)
    np.testing.assert_allclose(found.uncertainty, entropy(np.average(t, weights=w)), rtol=1e-12)
    np.testing.assert_allclose(found.refinement, found.uncertainty - found.resolution, rtol=1e-12)
    np.testing.assert_allclose(found.bias, found.levels * (w @ w) / (2 * w.sum() ** 2), rtol=1e-12)
    assert min(found.calibration, found.resolution) > 0.0


def test_calibration_is_the_divergence_that_was_put_in():
    rng = np.random.default_rng(5)
    truth, said = np.array([0.1, 0.5, 0.8]), np.array([0.25, 0.4, 0.9])
    which = rng.integers(0, 3, 300_000)
    t = (rng.random(which.size) < truth[which]).astype(float)
    found = split(details(PROBABILITIES, said[which], t).calibration)
    divergence = np.mean(truth * np.log(truth / said) + (1 - truth) * np.log((1 - truth) / (1 - said)))
    np.testing.assert_allclose(found.calibration, divergence, rtol=0.02)
    np.testing.assert_allclose(found.refinement, np.mean(entropy(truth)), rtol=0.005)
    np.testing.assert_allclose(found.calibration + found.refinement, found.cross_entropy, rtol=1e-12)


def test_fitting_the_scale_to_the_same_rows_moves_about_the_bias():
    """Perfectly calibrated predictions: what is called calibration is the gain of the fit, 1 to 1.6 times the bias."""
    rng = np.random.default_rng(6)
    for low, high in ((0.2, 0.8), (0.001, 0.999)):
        found = []
        for _ in range(100):
            p = rng.uniform(low, high, 2000)
            found.append(split(details(PROBABILITIES, p, (rng.random(2000) < p).astype(float)).calibration))
        gain, bias = np.mean([s.calibration for s in found]), np.mean([s.bias for s in found])
        assert bias < gain < 1.6 * bias
        assert [s.bias for s in found] == [s.levels / 4000 for s in found]


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_refinement_is_the_cost_of_the_isotonic_regression(weighted):
    rng = np.random.default_rng(8)
    p = rng.integers(4, 252, 3000) / 256.0 + 1 / 512  # each bin of the calibration has one prediction
    t = (rng.random(3000) < 0.9 * p**2).astype(float)
    w = rng.lognormal(0.0, 2.0, 3000) if weighted else np.ones(3000)
    f = IsotonicRegression(y_min=0.0, y_max=1.0).fit(p, t, w).predict(p)
    found = split(details(PROBABILITIES, p, t, w if weighted else None).calibration)
    refinement = -np.average(xlogy(t, f) + xlogy(1 - t, 1 - f), weights=w)
    np.testing.assert_allclose(found.refinement, refinement, rtol=1e-9)
    np.testing.assert_allclose(found.calibration, rashin.binary_cross_entropy(p, t, weight=w) - refinement, rtol=1e-9)
    assert found.levels == np.unique(f.round(12)).size


def test_the_parts_add_up_where_calibration_is_below_0():
    """Predictions that are right within a bin, which an isotonic frequency of the bin cannot be."""
    p = np.repeat([0.5002, 0.5036], 10_000)
    t = (np.tile(np.arange(10_000), 2) < 10_000 * p).astype(float)
    found = split(details(PROBABILITIES, p, t).calibration)
    np.testing.assert_allclose(found.calibration + found.refinement, rashin.binary_cross_entropy(p, t), rtol=1e-13)
    assert found.calibration < 0.0


def test_small_probabilities_keep_their_digits():
    z, t = np.full(1000, 25.0), np.ones(1000)
    t[0] = 0.0
    found = reliability(of_binary(z, t))
    np.testing.assert_allclose(found.against, [rashin.sigmoid(-25.0)], rtol=1e-14)
    np.testing.assert_allclose(split(of_binary(z, t)).cross_entropy, rashin.sigmoid_cross_entropy(z, t), rtol=1e-14)


def test_what_was_impossible_and_came_costs_infinitely_much():
    p, t = np.array([0.0, 1.0, 0.3, 0.0]), np.array([1.0, 1.0, 0.0, 0.0])
    found = details(PROBABILITIES, p, t)
    assert found.calibration.impossible == 1
    assert found.losses.infinite == 1
    parts = split(found.calibration)
    assert parts.cross_entropy == math.inf
    assert math.isfinite(parts.refinement)


def test_rows_are_calibrated_by_their_top_class():
    z, labels, w = class_rows(2000)
    p = rashin.softmax(z)
    one_hot = np.eye(5)[labels]
    found = details(ROWS, z, labels, w).calibration
    assert found == details(ROWS, z, one_hot, w).calibration
    assert found.kind == "top label"
    for loss, given in ((rashin.categorical_cross_entropy, p), (rashin.negative_log_likelihood, np.log(p))):
        other = reliability(details(loss, given, labels, w).calibration, equal="width")
        np.testing.assert_allclose(other.predicted, reliability(found, equal="width").predicted, rtol=1e-9)
    right = (p.argmax(axis=1) == labels).astype(float)
    (predicted, frequency), _ = naive_bins(p.max(axis=1), right, w, np.linspace(0, 1, 17))
    curve = reliability(found, equal="width")
    np.testing.assert_allclose(curve.predicted, predicted, rtol=1e-12)
    np.testing.assert_allclose(curve.frequency, frequency, rtol=1e-12)
    with pytest.raises(ValueError, match="thresholds need two classes"):
        thresholds(found)


def test_a_softcap_belongs_to_the_probabilities():
    z, labels, _ = class_rows(50)
    capped = details(ROWS.replace(softcap=2.0), 5 * z, labels).calibration
    same = details(ROWS, 2.0 * np.tanh(5 * z / 2.0), labels).calibration
    assert capped == same != details(ROWS, 5 * z, labels).calibration


@rashin.rowwise(prediction=REAL)
def unlikeness(xp, z, t):
    """Predictions that are no probabilities."""
    return xp.sum((z - t) ** 2, axis=-1), 2.0 * (z - t), 2.0 * xp.where(z == z, 1.0, 1.0)


@pytest.mark.parametrize(
    ("loss", "z", "t"),
    [
        (LOGITS, np.array([0.5, 1.0]), np.array([0.5, 1.0])),
        (ROWS, np.array([[0.5, 1.0]]), np.array([[0.25, 0.75]])),
        (rashin.hinge, np.array([0.5, 1.0]), np.array([-1.0, 1.0])),
        (rashin.squared_error, np.array([0.5, 1.0]), np.array([1.0, 1.0])),
        (unlikeness, np.array([[0.5, 1.0]]), np.array([[0.0, 1.0]])),
    ],
    ids=["soft targets", "distributions", "margins", "numbers", "a row loss of numbers"],
)
def test_where_there_is_no_event_there_is_no_calibration(loss, z, t):
    found = Details.of(loss, np.ones(len(t)), None, z, t)
    assert found.calibration is None
    assert found.losses.count == len(t)
    if loss is LOGITS:
        hard = details(loss, z, np.array([1.0, 0.0]))
        assert (found + hard).calibration is None
        assert (hard + found).calibration is None


def test_different_kinds_do_not_mix():
    with pytest.raises(ValueError, match="binary and of top label"):
        details(LOGITS, *binary_rows(5)[:2]) + details(ROWS, *class_rows(5)[:2])


def test_nothing_has_no_curve():
    nothing = of_binary(np.zeros(0), np.zeros(0))
    for ask in (reliability, split, thresholds):
        with pytest.raises(ValueError, match="calibration: got no row that counts; expected"):
            ask(nothing)


# -------------------------------------------------------------------------------------------------- decisions


def test_decisions_are_counted_as_they_fall():
    z, t, w = binary_rows(2000)
    found, p = thresholds(of_binary(z, t, w)), rashin.sigmoid(z)
    for place in (10, 150, 200, HALF, 300, 400):
        called = p >= found.threshold[place]
        np.testing.assert_allclose(found.missed[place], w[(t == 1) & ~called].sum() / w.sum(), rtol=1e-12)
        np.testing.assert_allclose(found.alarms[place], w[(t == 0) & called].sum() / w.sum(), rtol=1e-12)
        np.testing.assert_allclose(found.accuracy[place], np.average(called == t, weights=w), rtol=1e-12)
        np.testing.assert_allclose(found.true_positive_rate[place], np.average(called[t == 1], weights=w[t == 1]))
        np.testing.assert_allclose(found.false_positive_rate[place], np.average(called[t == 0], weights=w[t == 0]))
    assert found.threshold[0] == 0.0
    assert found.threshold[-1] == 1.0
    assert np.all(np.diff(found.threshold) >= 0)
    np.testing.assert_array_equal(found.logit, -found.logit[::-1])


def test_half_counts_as_called():
    found = thresholds(of_binary(np.zeros(4), np.array([1.0, 1.0, 1.0, 0.0])))
    assert found.accuracy[HALF] == 0.75
    assert found.accuracy[HALF + 1] == 0.25


def test_the_area_under_the_fair_cost_is_the_cross_entropy():
    z, t, w = binary_rows(5000, spread=2.0)
    found = thresholds(of_binary(z, t, w))
    inner = np.isfinite(found.logit)
    height, place = found.fair_cost[inner], found.logit[inner]
    area = np.sum((height[1:] + height[:-1]) / 2 * np.diff(place))
    np.testing.assert_allclose(area, rashin.sigmoid_cross_entropy(z, t, weight=w), rtol=2e-3)


def test_rates_of_a_class_that_is_not_there_are_unknown():
    found = thresholds(of_binary(np.array([1.0, -1.0]), np.zeros(2)))
    assert np.all(np.isnan(found.true_positive_rate))
    assert found.false_positive_rate[HALF] == 0.5
