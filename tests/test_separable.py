"""Row losses that are sums over the classes: the compiled sweeps for labels and for distributions."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import rashin
from exact_sums import exactly
from rashin import rowwise
from rashin.domain import NONNEGATIVE

BLOCKS = [1, 2, 203, 204, 205, 1023, 1024, 1025, 2049, 5000]  # rows, around the blocks of the sweeps
LENGTHS = [1, 2, 63, 64, 65, 127, 128, 129, 1000, 2049, 20_000]  # classes, around the ways to sum a row


@rowwise(separable=True, prediction=NONNEGATIVE)
def expected_cost(xp, z, t):
    """The mean of the predicted costs over the target's distribution: every term is one product."""
    return t * z, t, 0.0


def rows(n, classes, dtype=np.float64, seed=0):
    """Costs, distributions and labels."""
    rng = np.random.default_rng(seed)
    q = rng.standard_exponential((n, classes)).astype(dtype)
    q /= q.sum(axis=1, keepdims=True)
    return rng.standard_exponential((n, classes)).astype(dtype), q, rng.integers(0, classes, n)


@pytest.mark.parametrize("classes", LENGTHS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_of_any_length_are_summed(classes, dtype):
    z, q, labels = rows(12, classes, dtype)
    got = expected_cost(z, q, reduction="none")
    for value, terms in zip(got, z.astype(float) * q.astype(float), strict=True):  # the terms as the loop rounds them
        exact = exactly(terms)
        unit = Fraction(float(np.spacing(value)))
        assert abs(Fraction(float(value)) - exact) <= unit * Fraction(2 if dtype == "float64" else 0.501)
    assert np.array_equal(expected_cost(z, labels, reduction="none"), z[np.arange(12), labels])


@pytest.mark.parametrize("n", BLOCKS)
@pytest.mark.parametrize("classes", [1, 10, 70])
def test_any_number_of_rows_fills_every_entry(n, classes):
    z, q, labels = rows(n, classes)
    weight = np.random.default_rng(1).integers(0, 3, n).astype(float)
    weight[-1] = 2.0
    for keywords, factor in (({"reduction": "sum"}, np.ones(n)), ({"weight": weight, "reduction": "sum"}, weight)):
        out = np.full(z.shape, np.nan)
        value, gradient = expected_cost.value_and_gradient(z, labels, out=out, **keywords)
        assert value == float(exactly(factor * z[np.arange(n), labels]))
        assert np.array_equal(gradient, factor[:, None] * np.eye(classes)[labels])
        out[:] = np.nan
        assert np.array_equal(expected_cost.gradient(z, q, out=out, **keywords), factor[:, None] * q)
        assert not np.any(expected_cost.hessian(z, q, **keywords))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_a_label_costs_what_its_one_hot_distribution_costs_bit_for_bit(dtype):
    z, _, labels = rows(500, 7)
    p, hot = (z / z.sum(axis=1, keepdims=True)).astype(dtype), np.eye(7).astype(dtype)[labels]
    weight = np.random.default_rng(2).random(500)
    loss = rashin.categorical_cross_entropy.replace(epsilon=1e-3)
    for method in (loss, loss.gradient, loss.hessian):
        for keywords in ({}, {"weight": weight, "where": weight > 0.3}, {"reduction": "none"}):
            assert np.array_equal(method(p, labels, **keywords), method(p, hot, **keywords))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("soft", [False, True])
def test_the_gradient_may_take_the_place_of_the_prediction(dtype, soft):
    z, q, labels = rows(3000, 9, dtype)
    p, target = z / z.sum(axis=1, keepdims=True), q if soft else labels
    weight = np.random.default_rng(3).random(3000)
    loss = rashin.categorical_cross_entropy
    value, gradient = loss.value_and_gradient(p, target, weight=weight)
    place = p.copy()
    assert loss.value_and_gradient(place, target, weight=weight, out=place)[0] == value
    assert place.tobytes() == gradient.tobytes()
    bad = p.copy()
    bad[2999, 8] = 2.0
    before = bad.copy()
    with pytest.raises(ValueError, match=r"^prediction: got 2.0 at index \(2999, 8\)"):
        loss.gradient(bad, target, out=bad)
    assert bad.tobytes() == before.tobytes()


def test_a_class_without_a_share_costs_nothing_even_where_the_formula_is_infinite():
    p, q = np.array([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]]), np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
    loss = rashin.categorical_cross_entropy
    assert loss(p, q, reduction="none").tolist() == [-math.log(0.25), math.log(2.0)]
    assert loss.gradient(p, q, reduction="none").tolist() == [[0.0, -4.0, 0.0], [-1.0, -1.0, 0.0]]
    assert loss.hessian(p, q, reduction="none").tolist() == [[0.0, 16.0, 0.0], [2.0, 2.0, 0.0]]


@pytest.mark.parametrize("soft", [False, True])
def test_a_row_of_weight_0_leaves_no_infinity(soft):
    p, target = np.array([[0.0, 1.0], [0.5, 0.5]]), np.array([0, 0])
    target = np.eye(2)[target] if soft else target
    for keywords in ({"weight": [0.0, 1.0]}, {"where": [False, True]}):
        value, gradient = rashin.categorical_cross_entropy.value_and_gradient(p, target, **keywords)
        assert value == math.log(2.0)
        assert gradient.tolist() == [[0.0, 0.0], [-2.0, 0.0]]
        assert rashin.categorical_cross_entropy.hessian(p, target, **keywords).tolist() == [[0.0, 0.0], [4.0, 0.0]]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_of_several_bad_rows_the_first_is_named_whatever_is_wrong_with_it(dtype, soft, threads):
    z, q, labels = rows(150_000, 9, dtype)
    target, wrong, words = (q, np.full(9, 0.3), "sums to") if soft else (labels, 9, "expected a class label")
    z[[120_007, 149_000], 3] = np.nan

    def refused(message, **keywords):
        with pytest.raises(ValueError, match=message):
            expected_cost.gradient(z, target, **keywords)

    with rashin.threads(threads):
        refused(r"^prediction: got nan at index \(120007, 3\)")
        target[125_000] = wrong
        refused(r"^prediction: got nan at index \(120007, 3\)")
        target[120_006] = wrong
        refused(rf"^target: .* at index 120006.* {words}")
        keep = np.ones(150_000, bool)
        keep[[120_006, 120_007, 125_000]] = False
        refused(r"^prediction: got nan at index \(149000, 3\)", where=keep)
        keep[149_000] = False
        gradient = expected_cost.gradient(z, target, where=keep)
    assert np.isfinite(gradient).all()
    assert not gradient[~keep].any()


@pytest.mark.parametrize("soft", [False, True])
def test_a_loss_without_a_value_is_refused_by_row(soft):
    @rowwise(separable=True, prediction=NONNEGATIVE)
    def undefined_at_7(xp, z, t):
        return t * xp.log(xp.where(z == 7.0, -1.0, 1.0)), t, 0.0

    z, q, labels = rows(3000, 4)
    z[2500, labels[2500]] = 7.0
    target = q if soft else labels
    with pytest.raises(ValueError, match=r"at index 2500, where the loss has no limit"):
        undefined_at_7(z, target)
    assert undefined_at_7(z, target, where=np.arange(3000) != 2500) == 0.0


@rowwise(separable=True, every_class=True, prediction=NONNEGATIVE)
def relative_distance(xp, z, t):
    r = z - t
    return r * r + z, 2.0 * r + 1.0, 2.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_classes_without_a_share_may_count(dtype):
    z, q, labels = rows(40_000, 7)
    z, weight, where = z.astype(dtype), np.linspace(0.0, 2.0, 40_000), np.arange(40_000) % 7 != 3
    for target, share in ((labels, np.eye(7)[labels]), (q, q)):
        r, w = z.astype(float) - share, np.where(where, weight, 0.0)[:, None]
        found = relative_distance.value_gradient_and_hessian(z, target, weight=weight, where=where, reduction="sum")
        exact = np.sum(w * (r * r + z)), w * (2.0 * r + 1.0), np.broadcast_to(2.0 * w, z.shape)
        for got, wanted in zip(found, exact, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("label", [7, -1])
def test_a_label_that_is_no_class_is_refused_where_every_class_counts(label):
    z, _, labels = rows(30_000, 7)
    labels[29_000] = label
    with pytest.raises(ValueError, match=rf"^target: got {label} at index 29000; expected a class label from 0 to 6 "):
        relative_distance(z, labels)
    relative_distance(z, labels, where=np.arange(30_000) != 29_000)


def test_a_formula_of_whole_rows_has_no_classes_to_leave_out():
    with pytest.raises(TypeError, match=r"^every_class: got True .*; fix: pass separable=True too"):
        rowwise(prediction=NONNEGATIVE, every_class=True)


def test_a_general_formula_may_be_met_first_by_many_threads():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent("""
            import numpy as np, rashin
            from rashin.domain import PROBABILITY
            from rashin.arithmetic import arrays

            assert not arrays._log._compiled  # nothing is loaded yet

            @rashin.rowwise(prediction=PROBABILITY)
            def brier_and_entropy(xp, z, t):
                r = z - t
                return xp.sum(r * r + z * xp.log(z), axis=-1), 2.0 * r + xp.log(z) + 1.0, 2.0 + 1.0 / z

            z = np.full((200_000, 2), 0.5)
            with rashin.threads(4):
                print(brier_and_entropy(z, np.zeros(len(z), int)))
        """)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == f"{0.5 - math.log(2.0)}\n", done.stderr
