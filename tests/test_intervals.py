"""Intervals that keep within the bounds of a loss, rows of infinite loss, clusters by group, and who stands out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import scipy.stats

import rashin
from rashin import Measurement, measure
from rashin.measurement.intervals import interval_around, student_quantile


def through_json(found):
    return Measurement.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False)))


# ------------------------------------------------------------------------------------------------ bounds


def ends_on(scale, back, slope, found, confidence):
    """The interval by the delta method: on another scale, and back."""
    reach = scipy.stats.norm.ppf((1 + confidence) / 2) * found.standard_error * slope
    return back(scale + np.array([-1, 1]) * reach)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9999])
def test_a_loss_that_cannot_be_negative_has_an_interval_on_the_scale_of_logarithms(confidence):
    z = np.random.default_rng(5).normal(size=40)
    found = measure("half_squared_error", z, np.zeros(40), 1.0 + np.arange(40.0))
    expected = ends_on(np.log(found.mean), np.exp, 1 / found.mean, found, confidence)
    np.testing.assert_allclose(found.interval(confidence), expected, rtol=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9999])
def test_a_loss_between_two_bounds_has_an_interval_on_the_scale_of_log_odds(confidence):
    loss = rashin.binary_cross_entropy.replace(epsilon=0.25)
    p, t = np.random.default_rng(5).random(40), np.arange(40) % 2
    found = measure(loss, p, t)
    low, high = -math.log(1.25), math.log(4.0)
    share = (found.mean - low) / (high - low)
    expected = ends_on(
        scipy.special.logit(share), scipy.special.expit, 1 / share / (1 - share) / (high - low), found, confidence
    )
    np.testing.assert_allclose(found.interval(confidence), low + (high - low) * expected, rtol=1e-12)


def test_one_bad_row_of_many_does_not_reach_below_zero():
    z = np.r_[np.zeros(99), 3.0]
    found = measure("absolute_error", z, np.zeros(100), group=np.arange(100) % 2)
    assert found.mean - 2 * found.standard_error < 0.0 < found.interval().low < 0.03
    assert found.groups[1].interval().low > 0.0
    assert found.groups[0].interval() == (0.0, 0.0)


@pytest.mark.parametrize(("low", "high"), [(0.0, math.inf), (-math.inf, 1.0), (-1.0, 1.0), (-math.inf, math.inf)])
def test_an_interval_stays_between_the_bounds_and_holds_the_mean(low, high):
    for mean in (max(low, -5.0), 1e-300, 0.25, min(high, 5.0)):
        for error in (0.0, 1e-300, 0.1, 1e3, 1e300, math.inf, math.nan):
            found = interval_around(mean, error, 1.96, (low, high))
            assert low <= found.low <= mean <= found.high <= high


@pytest.mark.parametrize("rows", [15, 60])
@pytest.mark.parametrize("losses", ["exponential", "chi-squared", "uniform", "rare"])
def test_the_interval_covers_the_mean_at_least_as_often_as_the_normal_one(rows, losses):
    draw, mean = {
        "exponential": (lambda rng, size: rng.exponential(size=size), 1.0),
        "chi-squared": (lambda rng, size: rng.normal(size=size) ** 2, 1.0),
        "uniform": (lambda rng, size: rng.random(size), 0.5),
        "rare": (lambda rng, size: np.where(rng.random(size) < 0.2, 5.0, 0.05), 1.04),
    }[losses]
    samples = draw(np.random.default_rng(2), (4000, rows))
    means, errors = samples.mean(axis=1), samples.std(axis=1) / math.sqrt(rows)
    covered = {}
    for bounds in ((0.0, math.inf), (-math.inf, math.inf)):
        ends = np.array([interval_around(m, e, 1.959964, bounds) for m, e in zip(means, errors, strict=True)])
        covered[bounds] = np.mean((ends[:, 0] <= mean) & (mean <= ends[:, 1]))
    ours, normal = covered.values()
    assert ours > normal - 0.012
    assert ours > (0.85 if rows == 15 else 0.92)


def test_students_quantile_is_that_of_scipy():
    for freedom in (1, 2, 3, 4, 5, 10, 100, 10**6):
        for tails in (0.5, 0.05, 1e-3, 1e-8):
            expected = scipy.stats.t.isf(tails / 2, freedom)
            assert student_quantile(tails, freedom) == pytest.approx(expected, rel=1e-5, abs=0)


# ---------------------------------------------------------------------------------------------- clusters


def clustered(rows=600, seed=4):
    rng = np.random.default_rng(seed)
    patient = rng.integers(0, 40, rows)
    logits = rng.normal(size=(rows, 3)) + rng.normal(size=(40, 3))[patient]
    return logits, rng.integers(0, 3, rows), rng.lognormal(size=rows), np.array(["n", "s", "w"])[patient % 3], patient


def sandwich(losses, w, cluster):
    """Liang and Zeger, with the factor G / (G - 1)."""
    mean = np.sum(w * losses) / np.sum(w)
    sums = np.array([np.sum((w * (losses - mean))[cluster == each]) for each in np.unique(cluster)])
    return math.sqrt(sums.size / (sums.size - 1) * np.sum(sums**2)) / np.sum(w)


@pytest.mark.parametrize("weighted", [False, True])
def test_groups_and_classes_have_cluster_robust_intervals(weighted):
    z, t, w, site, patient = clustered()
    w = w if weighted else np.ones(600)
    found = measure("softmax_cross_entropy", z, t, w if weighted else None, group=site, cluster=patient, by_class=True)
    losses = rashin.softmax_cross_entropy.per_sample(z, t)
    for keys, parts in ((site, found.groups), (t, found.classes)):
        for key, part in parts.items():
            rows = keys == key
            expected = sandwich(losses[rows], w[rows], patient[rows])
            assert part.standard_error == pytest.approx(expected, rel=1e-12, abs=0)
            assert len(part.clusters) == np.unique(patient[rows]).size
    assert found.standard_error == pytest.approx(sandwich(losses, w, patient), rel=1e-12, abs=0)
    assert found == through_json(found)


def test_clusters_of_groups_add_up_to_the_same_however_the_rows_are_split():
    z, t, w, site, patient = clustered()
    asked = {"by_class": True, "accuracy": True}

    def of(rows):
        return measure("focal", z[rows], t[rows], w[rows], group=site[rows], cluster=patient[rows], **asked)

    whole = of(slice(None))
    order = np.random.default_rng(1).permutation(600)
    parts = [of(rows) for rows in np.array_split(order, 5)]
    assert sum(parts[1:], start=parts[0]) == whole
    assert measure("focal", z, t, w, cluster=patient, accuracy=True).total == whole.total


# ------------------------------------------------------------------------------------ rows of infinite loss


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("robust", [False, True])
def test_the_rows_of_finite_loss_are_known_beside_those_of_infinite_loss(weighted, robust):
    rng = np.random.default_rng(6)
    p, t, site, patient = rng.random(500), rng.integers(0, 2, 500), rng.integers(0, 3, 500), rng.integers(0, 20, 500)
    p[::25] = 1 - t[::25]
    w = rng.lognormal(size=500) if weighted else None
    asked = {"group": site, "cluster": patient if robust else None, "by_class": True}
    found, rest = (
        measure("binary_cross_entropy", p, t, w, where, **asked) for where in (None, np.arange(500) % 25 > 0)
    )
    assert (found.mean, found.total.infinite.rows) == (math.inf, 20)
    assert found.total.infinite.weight == pytest.approx(20 if w is None else np.sum(w[::25]), rel=1e-15, abs=0)
    for part, alone in (
        (found.total, rest.total),
        *((found.groups[k], rest.groups[k]) for k in range(3)),
        *((found.classes[k], rest.classes[k]) for k in range(2)),
    ):
        assert (part.finite.count, part.finite.mean) == (alone.count, alone.mean)
        assert (part.finite.standard_error, part.finite.spread) == (alone.standard_error, alone.spread)
        assert part.finite.interval(0.9) == alone.interval(0.9)
        assert alone.finite is alone
    assert through_json(found) == found
    halves = [
        measure(
            "binary_cross_entropy", p[i::2], t[i::2], None if w is None else w[i::2], group=site[i::2], by_class=True
        )
        for i in range(2)
    ]
    assert (halves[0] + halves[1]).total.infinite == found.total.infinite


@pytest.mark.parametrize(
    ("loss", "remark"),
    [
        (
            "binary_cross_entropy",
            "2 of 50 rows gave probability 0 to what happened; the others average 0.69315; "
            "--loss-parameter epsilon=1e-6 bounds such losses",
        ),
        ("squared_error", None),
        (rashin.binary_cross_entropy.replace(epsilon=1e-6), None),
    ],
)
def test_rows_of_infinite_loss_are_remarked_upon_with_the_remedy(loss, remark):
    found = measure(loss, np.r_[0.0, 0.0, np.full(48, 0.5)], np.ones(50))
    assert found.remarks == ([] if remark is None else [remark])


def test_an_infinite_loss_without_a_remedy_is_counted():
    found = measure("absolute_error", [math.inf, 1.0, 2.0], np.zeros(3))
    assert found.remarks == ["1 of 3 rows have an infinite loss; the others average 1.5"]
    assert measure("absolute_error", [math.inf], [0.0]).remarks == ["1 of 1 rows have an infinite loss"]


def test_a_weight_that_makes_a_finite_loss_infinite_is_counted_too():
    found = measure("squared_error", [1e150, 1.0, 2.0], np.zeros(3), [1e10, 1.0, 3.0])
    assert (found.mean, found.total.infinite.rows, found.total.finite.mean) == (math.inf, 1, 13.0 / 4.0)


def test_squares_that_overflow_leave_the_mean_of_the_others_and_no_interval():
    found = measure("absolute_error", [1e200, 1.0, math.inf], np.zeros(3)).total
    assert (found.infinite.rows, found.finite.mean) == (1, 5e199)
    assert math.isnan(found.finite.standard_error)


# ------------------------------------------------------------------------------------------ who stands out


def sites(*sizes_and_means, seed=0):
    rng = np.random.default_rng(seed)
    losses = [mean * rng.exponential(size=size) for size, mean in sizes_and_means]
    return np.concatenate(losses), np.repeat(np.arange(len(losses)), [size for size, _ in sizes_and_means])


def test_a_small_group_that_is_truly_bad_stands_out_beside_the_largest():
    losses, site = sites((5000, 0.2), (3000, 0.25), (40, 2.0))
    found = measure("absolute_error", losses, np.zeros(losses.size), group=site)
    name, low, times = found.standout()
    assert name == 2
    assert found.mean < low < found.groups[2].mean
    assert times == pytest.approx(found.groups[2].mean / found.mean, rel=1e-12, abs=0)


def test_three_rows_that_went_wrong_do_not_stand_out():
    losses, site = sites((5000, 0.2), (3000, 0.2), *[(50, 0.2)] * 30)
    losses, site = np.r_[losses, 1.9, 2.0, 2.1], np.r_[site, 99, 99, 99]
    found = measure("absolute_error", losses, np.zeros(losses.size), group=site)
    assert found.groups[99].interval().low > 8 * found.mean
    assert found.standout() is None
    patient = np.where(site == 99, -1, np.arange(losses.size) % 100)
    losses, site, patient = (np.r_[each, np.repeat(each[-3:], 20)] for each in (losses, site, patient))
    found = measure("absolute_error", losses, np.zeros(losses.size), group=site)
    assert found.standout().key == 99
    assert measure("absolute_error", losses, np.zeros(losses.size), group=site, cluster=patient).standout() is None


def test_groups_that_are_alike_stand_out_seldom():
    named = 0
    for seed in range(200):
        losses, site = sites(*[(20 + 10 * k, 1.0) for k in range(12)], seed=seed)
        named += (
            measure("absolute_error", losses, np.zeros(losses.size), group=site).standout(confidence=0.9) is not None
        )
    assert named < 20


def test_standing_out_needs_another_group_and_a_finite_loss():
    assert measure("huber", [1.0, 2.0], [0.0, 0.0]).standout() is None
    assert measure("huber", [1.0, 2.0], [0.0, 0.0], group=[1, 1]).standout() is None
    losses, site = sites((500, 0.2), (60, 2.0))
    losses[0] = np.inf
    found = measure("absolute_error", losses, np.zeros(losses.size), group=site)
    assert (found.mean, found.standout().key) == (math.inf, 1)
    with pytest.raises(ValueError, match="by: got 'row'"):
        found.standout("row")


def test_classes_stand_out_too_and_clusters_count_as_one():
    z, t, _, _, patient = clustered()
    z[np.arange(600), t] += np.where(t == 2, -3.0, 3.0)
    found = measure("softmax_cross_entropy", z, t, by_class=True, cluster=patient)
    assert found.standout("class").key == 2
    alone = measure("softmax_cross_entropy", z, t, by_class=True, cluster=np.zeros(600, int))
    assert alone.standout("class") is None
