"""Divergences of a softmax from distributions and teachers: near equality, at the ends, and as matrices."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

import rashin
from losses import ENTRIES
from test_products import WEIGHT, rows_of, worst

KL, JS = rashin.softmax_kullback_leibler, rashin.softmax_jensen_shannon
TEACHERS = [rashin.distillation, rashin.jensen_shannon_distillation]
SETTINGS = [
    KL.replace(temperature=2.5),
    KL.replace(reverse=True),
    JS.replace(beta=0.9, temperature=3.0),
    rashin.distillation.replace(reverse=True, temperature=0.3),
    rashin.jensen_shannon_distillation.replace(beta=0.1),
]


def exact(loss, z, t):
    with mp.workdps(60):
        rows = [[mpf(float(x)) for x in a] for a in (z, t)]
        return float(ENTRIES[loss.name].value(*rows, **loss.parameters))


@pytest.mark.parametrize("loss", [each.replace(**others) for each in TEACHERS for others in ({}, {"temperature": 4.0})])
@pytest.mark.parametrize("step", [1e-2, 1e-5, 0.0])
def test_near_equality_no_digit_of_float32_is_lost(loss, step):
    rng = np.random.default_rng(3)
    z = rng.normal(0, 2, (1, 50)).astype(np.float32)
    t = (z * (1 + step * rng.normal(size=z.shape))).astype(np.float32)
    if step:
        assert loss(z, t) == pytest.approx(exact(loss, z[0], t[0]), rel=1e-9, abs=0)
    assert (loss(z, t) == 0.0) == np.array_equal(z, t)


@pytest.mark.parametrize("loss", [KL, JS])
def test_a_target_whose_sum_is_rounded_costs_no_less_than_0(loss):
    z = np.random.default_rng(4).normal(0, 1, (200, 30))
    q = rashin.softmax(z).astype(np.float32)
    assert np.abs(q.sum(axis=1, dtype=np.float64) - 1.0).max() > 1e-8
    losses = loss.per_sample(z, q)
    assert losses.min() >= 0.0
    assert losses.max() < 1e-13


def test_against_a_label_it_is_the_cross_entropy():
    z, labels, _, v = rows_of(3, np.float64, 30.0)
    ce = rashin.softmax_cross_entropy
    np.testing.assert_allclose(KL.per_sample(z, labels), ce.per_sample(z, labels), rtol=1e-15)
    np.testing.assert_allclose(KL.gradient(z, labels), ce.gradient(z, labels), rtol=1e-15)
    products = (loss.hessian_vector_product(z, labels, v) for loss in (KL, ce))
    np.testing.assert_allclose(*products, rtol=1e-14)
    assert KL(z, np.eye(4)[labels]) == KL(z, labels)


def test_in_reverse_a_class_without_a_share_costs_infinity_and_pushes_away():
    z, q = [[0.0, 1.0, -1.0]], [[0.0, 0.5, 0.5]]
    assert KL(z, q, reverse=True) == np.inf
    assert KL.gradient(z, q, reverse=True).tolist() == [[np.inf, -np.inf, -np.inf]]
    masked = [[-np.inf, 1.0, -1.0]]
    assert KL(masked, q, reverse=True) == KL([[1.0, -1.0]], [[0.5, 0.5]], reverse=True)
    assert KL.gradient(masked, q, reverse=True)[0, 0] == 0.0
    far = [[-900.0, 0.0, 0.0]]  # whose probability is no number of float64, but its logarithm is
    assert rashin.distillation([[0.0, 0.0, 0.0]], far, reverse=True) == pytest.approx(
        300.0 - np.log(1.5), rel=1e-14, abs=0
    )


@pytest.mark.parametrize("loss", [KL, JS])
def test_masked_classes_add_nothing(loss):
    z, q = np.array([[1.0, -2.0, 0.5]]), np.array([[0.25, 0.5, 0.25]])
    wide, shares = np.c_[z, [[-np.inf]]], np.c_[q, [[0.0]]]
    assert loss(wide, shares) == loss(z, q)
    assert loss.gradient(wide, shares)[0].tolist() == [*loss.gradient(z, q)[0], 0.0]
    assert KL([[0.0, -np.inf]], [[0.5, 0.5]]) == np.inf
    assert JS([[0.0, -np.inf]], [[0.5, 0.5]]) == pytest.approx(exact(JS, [0.0, -mp.inf], [0.5, 0.5]), rel=1e-15, abs=0)


@pytest.mark.parametrize("loss", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_products_are_those_of_the_definition(loss, dtype):
    z, _, soft, v = rows_of(3, dtype)
    t = (z[::-1] if loss.target.axes else (soft + 0.25) / 2).astype(dtype)
    rows = [0, 3]
    got = loss.hessian_vector_product(z[rows], t[rows], v[rows], weight=WEIGHT[rows], reduction="sum")
    assert worst(loss, z[rows], t[rows], v[rows], got, WEIGHT[rows]) <= (0.7 if dtype is np.float32 else 64.0)


def test_a_teacher_is_checked():
    z = np.zeros((2, 3))
    for wrong, words in (
        ([0, 1], r"^target: got shape \(2,\) for a prediction of shape \(2, 3\); expected logits"),
        ([[0, 0, 0], [np.nan, 0, 0]], r"^target: got nan at index \(1, 0\); expected a logit"),
        ([[0, 0, 0], [-np.inf] * 3], r"^target: got \[-inf -inf -inf\] at index 1, a row without a limit; expected"),
        ([[np.inf, np.inf, 0], [0, 0, 0]], r"^target: got \[inf inf  0.\] at index 0, a row without a limit; expected"),
    ):
        with pytest.raises(ValueError, match=words):
            rashin.distillation(z, wrong)
    keep = np.array([True, False])
    assert rashin.distillation(z, [[0, 0, 0], [np.nan, 0, 0]], where=keep) == 0.0


def test_long_rows_in_spans_have_the_loss_of_their_classes():
    rng = np.random.default_rng(8)
    z, t = rng.normal(0, 2, (2, 3, 5000))
    z[0, 4000] += 40.0
    for loss in TEACHERS:
        p, q = (rashin.softmax(a.astype(np.longdouble).astype(float)) for a in (z, t))
        of_shares = KL if loss is rashin.distillation else JS
        np.testing.assert_allclose(loss.per_sample(z, t), of_shares.per_sample(z, q), rtol=1e-12)
        gradient = loss.gradient(z, t, reduction="sum")
        np.testing.assert_allclose(gradient, of_shares.gradient(z, q, reduction="sum"), rtol=1e-9, atol=0)
        assert np.abs(gradient.sum(axis=1)).max() <= 1e-15
        if loss is rashin.distillation:
            rest = np.arange(5000) != 4000  # where one class dominates, it has the sum of the others, exactly
            np.testing.assert_allclose(gradient[:, rest], (p - q)[:, rest], rtol=1e-9, atol=0)
