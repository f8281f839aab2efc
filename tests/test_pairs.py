"""Losses of pairs, against a sum over all pairs in exact or in long arithmetic."""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from itertools import permutations

import mpmath
import numpy as np
import pytest

import rashin
from rashin.backends.numpy.groups import pairs
from rashin.registry import parsed, parsed_group_loss

SIZES = (0, 1, 2, 3, 9, 100, 600, 40, 5, 257)
OPTIONS = [{}, {"ndcg": True}, {"truncation": 7}, {"ndcg": True, "truncation": 7}]
ULP = 2.0**-52


def logistic(d):
    """Value, minus the slope, and curvature, each with an error of about an ulp."""
    e = math.exp(-abs(d))
    return (0.0 if d > 0 else -d) + math.log1p(e), (e if d > 0 else 1.0) / (1.0 + e), e / ((1.0 + e) * (1.0 + e))


def change_of_ndcg(t, k):
    """What swapping samples at two ranks changes in NDCG, without differences that cancel."""
    ideal = math.fsum((2.0**x - 1.0) / math.log2(2.0 + r) for r, x in enumerate(sorted(t, reverse=True)[:k]))

    def change(high, low, rank, other):
        gains = 2.0**low * math.expm1((high - low) * math.log(2.0))
        above, below = sorted((2.0 + rank, 2.0 + other))
        discounts = math.log(2.0) * math.log1p((below - above) / above) / (math.log(above) * math.log(below))
        return gains * discounts / ideal

    return change


def direct(z, t, w, ndcg=False, truncation=None):
    """Value, mass, the parts of the gradient that each sample gets, and Hessian diagonal of a set."""
    n = len(z)
    change = change_of_ndcg(t, truncation or n)
    rank = {place: r for r, place in enumerate(sorted(range(n), key=lambda i: -z[i]))}
    values, masses, parts, bends = [], [], [[] for _ in z], [[] for _ in z]
    for i, j in permutations(range(n), 2):
        if t[i] <= t[j] or min(rank[i], rank[j]) >= (truncation or n):
            continue
        mass = w[i] * w[j]
        factor = mass * (change(t[i], t[j], rank[i], rank[j]) if ndcg else 1.0)
        value, slope, bend = logistic(z[i] - z[j])
        values.append(factor * value)
        masses.append(mass)
        parts[i].append(-factor * slope)
        parts[j].append(factor * slope)
        for place in (i, j):
            bends[place].append(factor * bend)
    return math.fsum(values), math.fsum(masses), parts, np.array([math.fsum(b) for b in bends])


def evaluated(z, t, w, starts, order=2, **options):
    program = rashin.pairwise_logistic.replace(**options).program
    return pairs.evaluate(program, z, t, w, np.asarray(starts, np.int64), order)


@functools.cache
def samples(whole, weighted):
    rng = np.random.default_rng(5)
    starts = np.concatenate([[0], np.cumsum(SIZES)])
    z = 3.0 * rng.normal(size=starts[-1])
    t = rng.integers(0, 5, z.size) * 1.0 if whole else rng.uniform(0.0, 3.0, z.size).round(2)
    return z, t, rng.choice([0.5, 1.0, 2.0, 3.7], z.size) if weighted else None, starts


@pytest.mark.parametrize(
    ("options", "whole", "weighted"),
    [
        (OPTIONS[0], False, True),
        (OPTIONS[1], True, False),
        (OPTIONS[2], True, True),
        (OPTIONS[3], False, True),
        (OPTIONS[3], True, False),
    ],
    ids=str,
)
def test_sets_of_many_sizes_are_the_sums_over_their_pairs(options, whole, weighted):
    z, t, w, starts = samples(whole, weighted)
    bound = 16 * ULP if options.get("ndcg") else 6 * ULP  # with half of it for the reference
    found = evaluated(z, t, w, starts, **options)
    for g in range(len(SIZES)):
        own = slice(starts[g], starts[g + 1])
        weights = np.ones(SIZES[g]) if w is None else w[own]
        value, mass, parts, hessian = direct(z[own].tolist(), t[own].tolist(), weights.tolist(), **options)
        assert found.values[g] == pytest.approx(value, rel=bound, abs=0)
        assert found.masses[g] == pytest.approx(mass, rel=4 * ULP, abs=0)
        larger = np.array([max(math.fsum(map(abs, p)), 1e-300) for p in parts])
        assert (np.abs(found.gradient[own] - [math.fsum(p) for p in parts]) <= bound * larger).all()
        assert (np.abs(found.hessian[own] - hessian) <= (bound + 32 * ULP) * hessian).all()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_lower_orders_have_the_same_numbers(options):
    z, t, w, starts = samples(False, True)
    z = z.astype(np.float32).astype(np.float64)
    whole, gradient, value = (evaluated(z, t, w, starts, order, **options) for order in (2, 1, 0))
    assert (whole.values == gradient.values).all()
    assert (whole.values == value.values).all()
    assert (whole.gradient == gradient.gradient).all()
    assert gradient.hessian is value.gradient is value.hessian is None


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("size", [100, pairs.LARGE + 3])
def test_any_number_of_threads_gives_the_same_bits(options, size):
    rng = np.random.default_rng(2)
    starts = np.array([0, size, 2 * size + 1])
    z, t = rng.normal(size=2 * size + 1), rng.integers(0, 3, 2 * size + 1) * 1.0
    if size > 100:
        t[:] = np.where(rng.random(t.size) < 0.01, t, 0.0)
    z, t, starts = (np.tile(z, 20), np.tile(t, 20), np.arange(41) * size) if size == 100 else (z, t, starts)
    z, t = z[: starts[-1]], t[: starts[-1]]
    found = []
    for count in (1, 2, 3):
        with rashin.threads(count):
            found.append(evaluated(z, t, None, starts, **options))
    for other in found[1:]:
        for name in ("values", "masses", "gradient", "hessian"):
            assert (getattr(other, name) == getattr(found[0], name)).all()


def test_a_set_in_strips_is_the_sum_over_its_pairs():
    """Few relevant among many: each of the relevant against all others."""
    rng = np.random.default_rng(8)
    size, few = pairs.LARGE + 100, 40
    z, t = rng.normal(size=size), np.zeros(size)
    t[rng.choice(size, few, replace=False)] = 1.0
    found = evaluated(z, t, None, [0, size])
    values, slopes, _ = np.vectorize(logistic)(z[t == 1.0][:, None] - z[t == 0.0])
    assert found.values[0] == pytest.approx(math.fsum(values.ravel()), rel=4 * ULP, abs=0)
    assert found.masses[0] == few * (size - few)
    gradient = np.empty(size)
    gradient[t == 1.0] = [-math.fsum(row) for row in slopes]
    gradient[t == 0.0] = [math.fsum(column) for column in slopes.T]
    np.testing.assert_allclose(found.gradient, gradient, rtol=6 * ULP)


def test_ties_of_targets_are_no_pairs():
    loss = rashin.pairwise_logistic
    assert loss([3.0, 1.0, 2.0], [1.0, 1.0, 1.0]) == 0.0
    assert (loss.gradient([3.0, 1.0, 2.0], [1.0, 1.0, 1.0], ndcg=True) == 0.0).all()
    assert loss([1.0, 1.0], [-0.0, 0.0]) == 0.0
    assert loss([1.0, 1.0], [1.0, 0.0]) == math.log(2.0)


def test_scores_far_apart_keep_their_digits():
    loss = rashin.pairwise_logistic
    assert loss([1e100, -1e100], [0, 1]) == 2e100
    assert loss([700.0, -40.0], [1, 0]) == pytest.approx(4.19955798965e-322, rel=2e-2, abs=0)  # a subnormal
    assert loss([60.0, 0.0], [1, 0]) == float(mpmath.exp(-60))
    assert (loss.gradient([1e100, -1e100], [0, 1]) == [1.0, -1.0]).all()
    assert (loss.gradient([1e100, -1e100], [1, 0]) == 0.0).all()


def test_what_rounding_takes_from_a_difference_is_added():
    """Between 600.1 and 1e-3 it is half an ulp of 600, or 300 ulps of the loss."""
    without = []
    for high, low in [(600.1, 1e-3), (-1e-3, -512.3), (345.6789, -350.1234567)]:
        with mpmath.workdps(60):
            exact = mpmath.log1p(mpmath.exp(mpmath.mpf(low) - mpmath.mpf(high)))
        found = rashin.pairwise_logistic([high, low], [1.0, 0.0])
        slope = rashin.pairwise_logistic.gradient([high, low], [1.0, 0.0])
        assert found == pytest.approx(float(exact), rel=4 * ULP, abs=0)
        assert slope[1] == -slope[0] == pytest.approx(float(exact), rel=4 * ULP, abs=0)  # e^-d, where it is small
        without.append(abs(math.exp(-(high - low)) / float(exact) - 1.0))
    assert max(without) > 50 * ULP


def test_changes_of_ndcg_keep_their_digits():
    """Neighbours at rank 1000, and relevances that differ in the tenth digit."""
    n = 1002
    z, t = -np.arange(n, dtype=np.float64), np.zeros(n)
    t[n - 1] = 1e-10
    with mpmath.workdps(50):
        gain = mpmath.mpf(2) ** mpmath.mpf(t[n - 1]) - 1
        terms = [
            (1 / mpmath.log(2 + r, 2) - 1 / mpmath.log(1 + n, 2)) * mpmath.log1p(mpmath.exp(n - 1 - r))
            for r in range(n - 1)
        ]
        exact = mpmath.fsum(terms)  # the ideal DCG is the gain at rank 1
        assert gain > 0
    assert rashin.pairwise_logistic(z, t, ndcg=True, reduction="sum") == pytest.approx(float(exact), rel=8 * ULP, abs=0)
    pair = rashin.pairwise_logistic.gradient(z[-2:], [0.25, 0.25 + 1e-9], ndcg=True, reduction="sum")
    with mpmath.workdps(50):
        two, high = mpmath.mpf(2), mpmath.mpf(0.25 + 1e-9)
        discounts = 1, 1 / mpmath.log(3, 2)
        ideal = (two**high - 1) * discounts[0] + (two ** mpmath.mpf(0.25) - 1) * discounts[1]
        swap = (two**high - two ** mpmath.mpf(0.25)) * (discounts[0] - discounts[1]) / ideal
        slope = swap / (1 + mpmath.exp(-1))
    assert pair[0] == pytest.approx(float(slope), rel=8 * ULP, abs=0)


def test_large_relevances_do_not_overflow():
    found = rashin.pairwise_logistic([0.0, 0.0, 0.0], [500.0, 0.0, 499.0], ndcg=True, reduction="sum")
    assert math.isfinite(found)
    with pytest.raises(ValueError, match=r"target: got 501.0 at index 1; expected a relevance in \[0, 500\]"):
        rashin.pairwise_logistic([0.0, 0.0], [0.0, 501.0], ndcg=True)
    with pytest.raises(ValueError, match=r"target: got -1.0 at index 0; expected a relevance"):
        rashin.pairwise_logistic([0.0, 0.0], [-1.0, 1.0], ndcg=True)
    assert rashin.pairwise_logistic([0.0, 0.0], [-1.0, 501.0]) == math.log(2.0)
    with pytest.raises(ValueError, match="prediction: got inf at index 1"):
        rashin.pairwise_logistic([0.0, math.inf], [0.0, 1.0])


def test_a_truncation_beyond_the_list_is_none():
    z, t = [0.3, -1.0, 2.0], [0, 2, 1]
    whole = rashin.pairwise_logistic(z, t, ndcg=True)
    assert whole == rashin.pairwise_logistic(z, t, ndcg=True, truncation=3)
    assert whole == rashin.pairwise_logistic(z, t, ndcg=True, truncation=1e300)


def test_equal_scores_rank_by_place():
    first, second = (
        rashin.pairwise_logistic([0.0, 0.0, 0.0], t, ndcg=True, truncation=1, reduction="sum")
        for t in ([0, 1, 0], [0, 0, 1])
    )
    discount = [1.0, 1.0 / math.log2(3.0), 0.5]
    assert first == pytest.approx((discount[0] - discount[1]) * math.log(2.0), rel=8 * ULP, abs=0)
    assert second == pytest.approx((discount[0] - discount[2]) * math.log(2.0), rel=8 * ULP, abs=0)


@pytest.mark.parametrize("options", [{}, {"truncation": 4}], ids=str)
def test_a_weight_of_two_is_the_sample_twice(options):
    """With a truncation where all that are among the first have weight 1."""
    rng = np.random.default_rng(4)
    z, t, group = rng.normal(size=60), rng.integers(0, 4, 60), rng.integers(0, 3, 60)
    w = np.ones(60)
    w[[place for place in range(60) if z[place] < np.sort(z[group == group[place]])[-4]]] = 2.0
    twice = np.repeat(np.arange(60), w.astype(int))
    loss = rashin.pairwise_logistic.replace(**options)
    value, gradient = loss.value_and_gradient(z, t, group=group, weight=w)
    other, parts = loss.value_and_gradient(z[twice], t[twice], group=group[twice])
    assert value == pytest.approx(other, rel=4 * ULP, abs=0)
    np.testing.assert_allclose(gradient, np.bincount(twice, parts), rtol=1e-13)


def test_samples_of_weight_0_have_no_rank():
    z, t = [3.0, 2.0, 1.0, 0.0], [0, 2, 0, 1]
    loss = rashin.pairwise_logistic.replace(ndcg=True, truncation=2)
    value, gradient = loss.value_and_gradient(z, t, weight=[0, 1, 1, 1])
    masked, others = loss.value_and_gradient(z, t, where=[False, True, True, True])
    alone, own = loss.value_and_gradient(z[1:], t[1:])
    assert value == masked == alone
    assert (gradient == others).all()
    assert (gradient[1:] == own).all()
    assert gradient[0] == 0.0


def test_the_gradient_is_the_slope_of_the_value():
    """By differences of rational numbers' worth: the pairs' weights are constant."""
    z, t, w = [0.3, -1.2, 2.0, 0.7], [1, 0, 0, 2], [1.0, 0.5, 2.0, 3.0]
    gradient = rashin.pairwise_logistic.gradient(z, t, weight=w, reduction="sum")
    hessian = rashin.pairwise_logistic.hessian(z, t, weight=w, reduction="sum")

    def exact(x, k):
        moved = [mpmath.mpf(y) + (x if place == k else 0) for place, y in enumerate(z)]
        return sum(
            w[i] * w[j] * mpmath.log1p(mpmath.exp(moved[j] - moved[i]))
            for i, j in permutations(range(4), 2)
            if t[i] > t[j]
        )

    for k in range(4):
        with mpmath.workdps(40):
            assert gradient[k] == pytest.approx(float(mpmath.diff(lambda x: exact(x, k), 0)), rel=8 * ULP, abs=0)  # noqa: B023
            assert hessian[k] == pytest.approx(float(mpmath.diff(lambda x: exact(x, k), 0, 2)), rel=8 * ULP, abs=0)  # noqa: B023


def test_single_precision_is_rounded_once():
    rng = np.random.default_rng(9)
    z, t = (4.0 * rng.normal(size=200)).astype(np.float32), rng.integers(0, 5, 200)
    gradient = rashin.pairwise_logistic.gradient(z, t, reduction="sum")
    _, _, parts, _ = direct(z.tolist(), t.tolist(), [1.0] * 200)
    exact = np.array([float(sum(map(Fraction, p))) for p in parts])
    assert gradient.dtype == np.float32
    assert (np.abs(gradient - exact) <= 0.5001 * np.spacing(np.abs(gradient)) + 2.0**-50 * 1000).all()


def test_a_loss_of_ones_own_sees_the_differences():
    @rashin.groupwise(over="pairs", prediction=rashin.domain.REAL, target=rashin.domain.REAL, options=("truncation",))
    def margin_of_difference(xp, z, t, scale=1.0):
        short = xp.where(scale * t > z, scale * t - z, 0.0)
        return short * short, -2.0 * short, xp.where(short > 0.0, 2.0, 0.0)

    z, t = [1.0, 0.5, -2.0], [3.0, 1.0, 0.0]
    short = [2.0 * (t[i] - t[j]) - (z[i] - z[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    found = margin_of_difference.value_gradient_and_hessian(z, t, scale=2.0, reduction="sum")
    assert found[0] == sum(x * x for x in short if x > 0)
    expected = [-2 * (short[0] + short[1]), 2 * short[0], 2 * short[1]]
    assert short[2] < 0
    assert found[1].tolist() == expected
    assert found[2].tolist() == [4.0, 2.0, 2.0]


def test_the_text_of_a_loss_has_its_switches():
    loss = rashin.pairwise_logistic.replace(ndcg=True, truncation=5)
    assert repr(loss) == "pairwise_logistic(ndcg=True, truncation=5.0)"
    assert parsed_group_loss(repr(loss)) == loss
    fair = rashin.crps_ensemble.replace(fair=True)
    assert parsed(repr(fair)) == fair


# ------------------------------------------------------------------------------------------------------ peers


def derivatives_of_lightgbm(z, t, sizes, weight=None, **parameters):
    """The leaf of each row in a tree of as many leaves as LightGBM makes, and slope and curvature of each leaf."""
    lightgbm = pytest.importorskip("lightgbm")
    n = len(z)
    fine = {"max_bin": 10 * n, "min_data_in_bin": 1, "verbose": -1, "feature_pre_filter": False}
    rows = np.arange(n, dtype=np.float64)[:, None]
    data = lightgbm.Dataset(rows, label=t, weight=weight, group=sizes, init_score=z, params=fine)
    whole = {"num_leaves": n, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0.0, "learning_rate": 1.0}
    given = {"objective": "lambdarank", "num_threads": 1, "lambdarank_norm": False, **whole, **fine, **parameters}
    model = lightgbm.train(given, data, 1)
    leaves = model.trees_to_dataframe().query("left_child.isnull()")
    numbers = leaves["node_index"].str.extract(r"L(\d+)")[0].astype(int)
    found = {k: (-v * w, w) for k, v, w in zip(numbers, leaves["value"], leaves["weight"], strict=True)}
    return model.predict(rows, pred_leaf=True).reshape(-1), found


def normalized_derivatives(z, t):
    """Slope and curvature of one list, as the text of the loss says that LightGBM normalizes them."""
    rank = np.argsort(np.argsort(-z, kind="stable")) + 1
    better, apart = t[:, None] > t, z[:, None] - z
    gain, discount = 2.0**t, 1.0 / np.log2(1.0 + rank)
    ideal = (np.sort(gain - 1.0)[::-1] * np.sort(discount)[::-1]).sum()
    change = better * (gain[:, None] - gain) / ideal * np.abs(discount[:, None] - discount)
    change = change / (0.01 + np.abs(apart)) if np.ptp(z) else change
    p = 1.0 / (1.0 + np.exp(apart))
    slopes, curvatures = -change * p, change * p * (1.0 - p)
    total = 2.0 * np.abs(slopes).sum()
    scale = np.log2(1.0 + total) / total
    return scale * (slopes.sum(1) - slopes.sum(0)), scale * (curvatures.sum(1) + curvatures.sum(0))


def test_at_weight_0_the_loss_jumps_and_lightgbm_s_does_not():
    rng = np.random.default_rng(3)
    z, t, light, absent = 2.0 * rng.normal(size=24), rng.integers(0, 5, 24), np.ones(24), np.ones(24)
    top = int(np.argmax(z))
    light[top], absent[top] = 1e-6, 0.0
    for options in ({"ndcg": True}, {"truncation": 3}):
        values = [rashin.pairwise_logistic(z, t, weight=w, reduction="sum", **options) for w in (light, absent)]
        assert values[0] != pytest.approx(values[1], rel=1e-2, abs=0)
    slopes = []
    for weight in (light, absent):
        leaf, found = derivatives_of_lightgbm(z, t, [24], weight, lambdarank_truncation_level=3)
        slopes.append({tuple(np.flatnonzero(leaf == number)): slope for number, (slope, _) in found.items()})
    common = slopes[0].keys() & slopes[1].keys()
    assert len(common) > 12
    assert all(slopes[0][rows] == slopes[1][rows] for rows in common)


def test_lightgbm_s_normalization_is_what_the_text_says():
    rng = np.random.default_rng(5)
    sizes = [7, 12, 5]
    z, t, weight = 2.0 * rng.normal(size=24), rng.integers(0, 5, 24), rng.uniform(0.3, 3.0, 24)
    z[:7] = 0.5
    leaf, found = derivatives_of_lightgbm(z, t, sizes, weight, lambdarank_norm=True)
    cuts = np.cumsum(sizes)[:-1]
    lists = [normalized_derivatives(*one) for one in zip(np.split(z, cuts), np.split(t, cuts), strict=True)]
    gradient, hessian = weight * np.concatenate(lists, axis=1)
    assert len(found) > 12
    for number, (slope, curvature) in found.items():
        own = leaf == number
        assert slope == pytest.approx(gradient[own].sum(), rel=1e-3, abs=0)
        assert curvature == pytest.approx(hessian[own].sum(), rel=1e-3, abs=0)


@pytest.mark.parametrize("truncation", [3, 30])
def test_lightgbm_without_its_normalization_agrees_to_its_table_of_sigmoids(truncation):
    rng = np.random.default_rng(3)
    sizes = [7, 12, 5]
    z, t = 2.0 * rng.normal(size=24), rng.integers(0, 5, 24)
    leaf, found = derivatives_of_lightgbm(z, t, sizes, lambdarank_truncation_level=truncation)
    _, gradient, hessian = rashin.pairwise_logistic.value_gradient_and_hessian(
        z, t, group=np.repeat(np.arange(3), sizes), ndcg=True, truncation=truncation, reduction="sum"
    )
    assert len(found) > 15
    for number, (slope, curvature) in found.items():
        own = leaf == number
        assert slope == pytest.approx(gradient[own].sum(), rel=1e-4, abs=0)
        assert curvature == pytest.approx(hessian[own].sum(), rel=1e-3, abs=0)
