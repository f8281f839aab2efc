"""Statistics of rows against their definitions in mpmath, in ULPs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

import rashin
from ulp import BFLOAT16, spacing, ulp_error

NAN, INF = np.nan, np.inf
BOUNDS = {"float64": 4.0, "float32": 0.51, "float16": 0.51, "bfloat16": 0.51}
DTYPES = [np.float64, np.float32, np.float16, BFLOAT16]


def oracle(row, label):
    """Log-probability, logsumexp, entropy and rank by definition, and the larger summand of logsumexp."""
    z = [mpf(float(x)) for x in row]
    finite = [x for x in z if x > mp.ninf]
    span = min(max(z) - min(finite), 1000)  # e^-1000 is far below the least double
    with mp.workprec(200 + int(1.5 * span)):  # e^-d is 1.443 d bits below 1
        lse = max(z) + mp.log(mp.fsum(mp.exp(x - max(z)) for x in finite))  # exact for one class
        p = [mp.exp(x - lse) for x in finite]
        entropy = -mp.fsum(q * mp.log(q) for q in p)
        return z[label] - lse, lse, entropy, sum(x > z[label] for x in z), max(abs(max(z)), abs(lse - max(z)))


def check(rows, labels, dtype):
    rows = np.asarray(rows).astype(dtype)
    found = rashin.softmax_statistics(rows, labels)
    assert [a.dtype for a in found] == [dtype, dtype, dtype, np.int64]
    bound = BOUNDS[np.dtype(dtype).name]
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        log_probability, lse, entropy, rank, summand = oracle(row, label)
        assert ulp_error(found.log_probability[i], log_probability, dtype) <= bound
        assert ulp_error(found.entropy[i], entropy, dtype) <= bound
        # logsumexp is a sum of two; where they cancel, each is a rounded double
        unit = spacing(lse, dtype)
        unit = max(unit, spacing(summand, dtype)) if dtype == np.float64 else unit + 8 * spacing(summand, np.float64)
        assert ulp_error(found.logsumexp[i], lse, dtype, unit=unit) <= bound
        assert found.rank[i] == rank


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 37, 300])
def test_random_rows(classes, dtype):
    rng = np.random.default_rng(classes)
    rows = np.concatenate([rng.normal(0, scale, (4, classes)) for scale in (0.1, 3.0, 30.0)])
    check(rows, rng.integers(0, classes, len(rows)), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("margin", [20.0, 50.0, 100.0, 300.0, 650.0, 700.0, 720.0, 740.0, 800.0, 1500.0])
def test_a_dominant_class(margin, dtype):
    rows = [[margin, 0.0, -1.5], [0.0, -margin, -INF], [-margin, 0.25, 0.25], [margin / 3, margin, margin - 3]]
    check(rows, [0, 1, 2, 1], dtype)
    check(rows, [1, 0, 0, 2], dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_ties_masks_and_large_logits(dtype):
    check([[1.0, 1.0, 1.0], [2.0, 2.0, -INF], [0.0, -INF, -INF], [300.0, 299.5, 300.0]], [0, 1, 0, 1], dtype)
    check([[0.0, 0.0, 5.0, 5.0, 7.0]] * 3, [0, 2, 4], dtype)


def test_sums_that_are_subnormal_keep_their_digits():
    rng = np.random.default_rng(4)
    rows = np.concatenate([np.full((6, 1), 1.25), rng.uniform(-746, -690, (6, 40))], axis=1)
    check(rows, [0] * 6, np.float64)
    rows = np.concatenate([np.zeros((6, 1)), rng.uniform(-104, -87, (6, 40))], axis=1)
    check(rows, [0] * 6, np.float32)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=40), st.integers(0, 39))
def test_any_row(row, label):
    for dtype in (np.float64, np.float32):
        check([row], [label % len(row)], dtype)


def test_the_label_masked_and_a_lone_infinity():
    found = rashin.softmax_statistics([[0.0, -INF, 0.0], [INF, 0.0, -INF], [INF, 0.0, -INF]], [1, 0, 1])
    assert found.log_probability.tolist() == [-INF, 0.0, -INF]
    assert found.logsumexp.tolist() == [np.log(2.0), INF, INF]
    assert found.entropy.tolist() == [np.log(2.0), 0.0, 0.0]
    assert found.rank.tolist() == [2, 0, 1]


def test_it_agrees_with_the_loss_and_the_links():
    rng = np.random.default_rng(8)
    z, t = rng.normal(0, 3, (50, 1000)).astype(np.float32), rng.integers(0, 1000, 50)
    found = rashin.softmax_statistics(z, t)
    assert np.array_equal(-found.log_probability, rashin.softmax_cross_entropy(z, t, reduction="none"))
    assert np.array_equal(found.logsumexp, rashin.logsumexp(z))
    order = np.argsort(-z, axis=1)
    assert np.array_equal(found.rank, np.argmax(order == t[:, None], axis=1))


def test_any_axis_layout_type_and_number_of_threads():
    rng = np.random.default_rng(9)
    z, t = rng.normal(0, 3, (4, 2000, 70)), rng.integers(0, 70, (4, 2000))
    plain = rashin.softmax_statistics(z, t)
    with rashin.threads(1):
        assert same(rashin.softmax_statistics(z, t), plain)
    with rashin.threads(3):
        assert same(rashin.softmax_statistics(z, t), plain)
    assert same(rashin.softmax_statistics(np.moveaxis(z, -1, 0), t, axis=0), plain)
    assert same(rashin.softmax_statistics(np.asfortranarray(z), t.astype(float)), plain)
    assert same(rashin.softmax_statistics(z[::-1], t[::-1]), [a[::-1] for a in plain])
    z.flags.writeable = False
    assert same(rashin.softmax_statistics(z.astype(z.dtype.newbyteorder()), t), plain)
    whole = rashin.softmax_statistics([[3, 1], [0, 0]], [1, 1])
    assert [a.dtype for a in whole] == [np.float64] * 3 + [np.int64]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_no_rows_and_a_row_alone():
    assert [a.shape for a in rashin.softmax_statistics(np.zeros((0, 3)), np.zeros(0, int))] == [(0,)] * 4
    alone = rashin.softmax_statistics([0.0, 0.0], 1)
    assert alone.entropy.shape == ()
    assert alone.entropy == pytest.approx(np.log(2.0), rel=1e-16, abs=0)


def test_where_leaves_rows_out():
    z = np.array([[0.0, 1.0], [NAN, INF], [2.0, 2.0]])
    where = np.array([True, False, True])
    found = rashin.softmax_statistics(z, [0, -100, 1], where=where)
    assert same([a[where] for a in found], rashin.softmax_statistics(z[where], [0, 1]))
    assert [a[1] for a in found] == [0.0, 0.0, 0.0, -1]


Z, T = np.zeros((3, 2)), np.array([0, 1, 0])


@pytest.mark.parametrize(
    ("logits", "target", "keywords", "words"),
    [
        ([[0, 0], [0, NAN], [0, 0]], T, {}, ("logits", "nan", "(1, 1)", "not NaN")),
        ([[0, 0], [-INF, -INF], [0, 0]], T, {}, ("logits", "-inf", "index 1", "limit")),
        ([[0, 0], [0, 0], [INF, INF]], T, {}, ("logits", "inf", "index 2", "limit")),
        (Z, [0, 2, 0], {}, ("target", "got 2", "index 1", "0 to 1")),
        (Z, [0, 0, -100], {}, ("target", "got -100", "index 2", "where=target != -100")),
        (Z, [0, 0, -(2**62)], {}, ("target", "-4611686018427387904", "index 2")),
        (Z, [0, 0.5, 0], {}, ("target", "0.5", "index 1", "whole")),
        (Z, Z + 0.5, {}, ("target", "(3, 2)", "argmax")),
        (Z, [0, 1], {}, ("target", "(2,)", "(3, 2)")),
        (Z, T, {"axis": 2}, ("axis", "got 2")),
        (np.zeros((3, 0)), T, {}, ("logits", "(3, 0)", "class")),
        (1.0, 0, {}, ("logits", "()")),
        (Z, T, {"where": [True]}, ("where", "(1,)", "(3,)")),
    ],
)
def test_bad_inputs_are_named(logits, target, keywords, words):
    with pytest.raises(ValueError, match=f"^{words[0]}: ") as caught:
        rashin.softmax_statistics(logits, target, **keywords)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_other_things_than_numbers_are_refused():
    with pytest.raises(TypeError, match=r"^logits: "):
        rashin.softmax_statistics("text", [0])
    with pytest.raises(TypeError, match=r"^where: "):
        rashin.softmax_statistics(Z, T, where=[1, 0, 1])
