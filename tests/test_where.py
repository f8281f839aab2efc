"""What ``where`` leaves out is as if it were deleted, whatever stands there and in whatever array or frame it came."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import rashin
from shipped import every_path, in_order, takes_logits

NAN, INF = np.nan, np.inf
WHERE = np.array([True, False, True, True, False, False])
WEIGHT = [1.5, None, 0.25, 3.0, "heavy", -2.0]
STRANGE = [None, pd.NA, pd.NaT, "n/a", np.datetime64("NaT"), 1j]


def good(loss):
    """Three samples, with labels for losses of rows."""
    rng = np.random.default_rng(7)
    facts = loss.facts
    if loss.kind == "pointwise":
        return facts.prediction.draw(rng, 3), facts.target_domain(loss.parameters).draw(rng, 3)
    p = rng.dirichlet(np.ones(4), 3)
    if takes_logits(loss):
        return np.log(p), np.log(p[::-1])
    return (p if facts.prediction.entry().high == 1.0 else in_order(loss, np.log(p))), np.array([3, 0, 1])


def among(rows, garbage, dtype=object):
    """The rows where WHERE is True, and garbage in turn between them."""
    rows = np.asarray(rows)
    whole = np.empty((WHERE.size, *rows.shape[1:]), dtype)
    whole[WHERE] = rows
    for place, index in enumerate(np.flatnonzero(~WHERE)):
        whole[index] = garbage[place % len(garbage)]
    return whole


def everything(loss, z, t, weight, where):
    """Bits of every method, of the samples that count."""
    keywords = {"weight": weight, "where": where}
    chosen = slice(None) if where is None else where
    found = [loss(z, t, reduction=how, **keywords) for how in ("mean", "sum")]
    found += [loss(z, t, reduction="none", **keywords), loss.per_sample(z, t, where=where)]
    found += [loss.gradient(z, t, **keywords), loss.hessian(z, t, **keywords)]
    found += loss.value_and_gradient(z, t, reduction="none", **keywords)
    arrays = [np.asarray(part) for part in found]
    for array in arrays:
        assert array.ndim == 0 or where is None or not array[~where].any()  # exactly 0, no NaN
    return [(array if array.ndim == 0 else array[chosen]).tobytes() for array in arrays]


@every_path
def test_numbers_that_no_sample_may_hold_count_as_deleted(loss):
    z, t = good(loss)
    worst_z, worst_t = (NAN, -INF, 1e308), (NAN, 1e300, -7.0)
    got = everything(
        loss, among(z, worst_z, float), among(t, worst_t, float), among([1.5, 0.25, 3], (NAN, -1), float), WHERE
    )
    assert got == everything(loss, z, t, [1.5, 0.25, 3.0], None)


@every_path
@pytest.mark.parametrize("shift", range(2))
def test_what_is_no_number_counts_as_deleted(loss, shift):
    z, t = good(loss)
    got = everything(
        loss, among(z, STRANGE[3 * shift :]), among(t, STRANGE[shift:]), among([1.5, 0.25, 3], STRANGE), WHERE
    )
    assert got == everything(loss, z, t, [1.5, 0.25, 3.0], None)


def test_numbers_beyond_float64_count_as_deleted_and_infinity_stays_what_it_is():
    whole = [1.0, 10**400, INF, Fraction(-(10**400))]
    inside = [True, False, True, False]
    assert rashin.absolute_error(whole, [0.5, 0.0, 0.0, 0.0], where=inside, reduction="none").tolist() == [
        0.5,
        0,
        INF,
        0,
    ]
    assert rashin.absolute_error([1.0, 3.0], [0.0, 0.0], weight=[2.0, 10**400], where=[True, False]) == 1.0
    with pytest.raises(ValueError, match=r"prediction: got a number beyond the range of float64 at index 1"):
        rashin.absolute_error(whole, [0.0] * 4, where=[True, True, True, False])


def test_distributions_and_another_axis():
    z, q = np.random.default_rng(0).normal(size=(3, 4)), np.random.default_rng(1).dirichlet(np.ones(4), 3)
    for loss, rows in ((rashin.focal, z), (rashin.categorical_cross_entropy, q[::-1])):
        expected = everything(loss, rows, q, None, None)
        assert everything(loss, among(rows, STRANGE), among(q, STRANGE), None, WHERE) == expected
        for method in (loss, loss.gradient, loss.hessian):
            turned = method(among(rows, STRANGE).T, among(q, STRANGE).T, where=WHERE, axis=0)
            assert np.array_equal(np.transpose(turned), method(among(rows, STRANGE), among(q, STRANGE), where=WHERE))


def test_lists_with_missing_entries_and_missing_rows():
    expected = rashin.softmax_cross_entropy.value_and_gradient([[1.0, 2.0], [3.0, 1.0]], [0, 1])
    for missing in ([None, None], [2.0, None], ["?", NAN], None):
        value, gradient = rashin.softmax_cross_entropy.value_and_gradient(
            [[1.0, 2.0], missing, [3.0, 1.0]], [0, None, 1], where=[True, False, True]
        )
        assert value == expected[0]
        assert np.array_equal(gradient[[0, 2]], expected[1])
        assert not gradient[1].any()


FRAMES = {
    "objects": (lambda x: np.array(x, object), lambda x: np.array(x, object), lambda x: np.array(x, object)),
    "pandas": (
        lambda x: pd.Series(x, dtype="Float64"), lambda x: pd.Series(x, dtype="Int64"),
        lambda x: pd.Series(x, dtype="boolean"),
    ),
    "pandas, arrow": (
        lambda x: pd.Series(x, dtype="double[pyarrow]"), lambda x: pd.Series(x, dtype="int64[pyarrow]"),
        lambda x: pd.Series(x, dtype="bool[pyarrow]"),
    ),
    "pandas arrays": (
        lambda x: pd.array(x, "Float64"), lambda x: pd.array(x, "Int64"), lambda x: pd.Series(x, index=[3, 1, 0, 2]),
    ),
    "polars": (pl.Series, pl.Series, pl.Series),
    "pyarrow": (pa.array, pa.array, lambda x: pa.chunked_array([x])),
}  # fmt: skip
frames = pytest.mark.parametrize("frame", FRAMES)


@frames
def test_nulls_of_every_frame_count_as_deleted(frame):
    floats, integers, mask = FRAMES[frame]
    where = [True, False, True, False]
    z, t, w = floats([0.5, None, -2.0, 1.0]), integers([1, None, 0, 5]), integers([3, None, 1, None])
    loss = rashin.sigmoid_cross_entropy
    assert loss(z, t, weight=w, where=mask(where)) == loss([0.5, -2.0], [1, 0], weight=[3, 1])
    assert loss.gradient(z, t, weight=w, where=mask(where)).tolist()[1::2] == [0.0, 0.0]
    with pytest.raises((TypeError, ValueError), match=r"^target: got (None|<NA>|nan) at index 1"):
        loss([0.5] * 4, t)


@frames
def test_a_mask_that_does_not_decide_is_refused(frame):
    with pytest.raises(TypeError, match=r"^where: got (None|<NA>) at index 2; expected True or False; fix: "):
        rashin.huber([1.0] * 4, [0.0] * 4, where=FRAMES[frame][2]([True, False, None, True]))


@pytest.mark.parametrize(
    "series",
    [pd.Series, pl.Series, pa.array, lambda x: np.array([*x, None], object)[:-1]],
    ids=["pandas", "polars", "pyarrow", "objects"],
)
def test_series_of_lists_are_rows(series):
    rows, labels, where = [[1.0, 2.0], [3.0, 1.0], [0.5, 0.0]], [0, 1, 1], [True, False, True]
    loss = rashin.softmax_cross_entropy
    assert loss(series(rows), series(labels)) == loss(rows, labels)
    assert loss(series([rows[0], None, rows[2]]), labels, where=where) == loss([rows[0], rows[2]], [0, 1])
    with pytest.raises(TypeError, match=r"^prediction: got None at index \(1, 0\); expected a real number; fix: leave"):
        loss(series([rows[0], None, rows[2]]), labels)
    with pytest.raises(
        ValueError, match=r"^prediction: got a row of length 2 at index 1; expected length 1, as at index 0"
    ):
        loss(series([[1.0], rows[1], rows[2]]), labels)


@pytest.mark.parametrize("kept", [list, pd.Series, lambda x: np.array([*x, None], object)[:-1]])
def test_a_number_is_no_row(kept):
    rows, labels, loss = kept([[1.0, 2.0], 0.5, [0.5, 0.0]]), [0, 1, 1], rashin.softmax_cross_entropy
    with pytest.raises(
        ValueError, match=r"^prediction: got 0.5 at index 1; expected a row of length 2, as at index 0; "
    ):
        loss(rows, labels)
    assert loss(rows, labels, where=[True, False, True]) == loss([rows[0], rows[2]], [0, 1])


@pytest.mark.parametrize(
    ("arguments", "keywords", "words"),
    [
        (([1.0, None], [0, 1]), {}, r"^prediction: got None at index 1; expected a real number; fix: leave"),
        (([1.0, 2.0], [0, pd.NA]), {}, r"^target: got <NA> at index 1; "),
        (([1.0, 2.0], [0, 1]), {"weight": [None, 1]}, r"^weight: got None at index 0; "),
        (([1.0, None], [0, 1]), {"where": [False, True]}, r"^prediction: got None at index 1; "),
        (([1.0, "2"], [0, 1]), {}, r"^prediction: got '2' at index 1; .* fix: convert the text to a number"),
        ((np.array(["a", "b"]), [0, 1]), {}, r"^prediction: got 'a' at index 0; "),
        (([Decimal("NaN"), 1.0], [0, 1]), {}, r"^prediction: got Decimal\('NaN'\) at index 0; "),
        (([1.0, Decimal("1e400")], [0, 1]), {}, r"^prediction: got Decimal\('1E\+400'\) at index 1; "),
        ((None, [0, 1]), {}, r"^prediction: got None; expected an array of real numbers; fix: pass a NumPy array"),
        (([0.0], {"a": 1}), {}, r"^target: got an object of type dict; expected an array of real numbers; fix: pass"),
    ],
)  # fmt: skip
def test_inside_it_is_named(arguments, keywords, words):
    with pytest.raises(TypeError, match=words):
        rashin.huber(*arguments, **keywords)


def test_decimals_are_numbers_and_outside_they_are_as_if_deleted():
    z, nothing = [Decimal("0.5"), 3, Decimal("-Infinity")], Decimal("sNaN")
    assert rashin.squared_error.gradient(z, [0, 1, 0], reduction="sum").tolist() == [1.0, 4.0, -np.inf]
    assert (
        rashin.squared_error([*z, nothing, Decimal("1e400")], [0] * 5, where=[True, True, False, False, False]) == 4.625
    )


def test_the_mask_must_fit_also_beside_what_is_no_number():
    with pytest.raises(ValueError, match=r"^where: got shape \(2,\); expected one boolean per sample, shape \(3,\)"):
        rashin.huber([1.0, None, 2.0], [0, 0, 0], where=[True, False])
    with pytest.raises(TypeError, match=r"^where: got dtype int64"):
        rashin.huber([1.0, None, 2.0], [0, 0, 0], where=[1, 0, 1])


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_measurements_of_everything_asked_for(name):
    loss = getattr(rashin, name)
    z, t = np.random.default_rng(0).normal(size=(3, 4)[: 1 + (loss.kind != "pointwise")]), np.array([1, 0, 1])
    asked = {"by_class": True, "accuracy": True, "baseline": True, "details": True}
    expected = rashin.measure(loss, z, t, [1.5, 0.25, 3.0], group=["a", "b", "a"], cluster=[1, 2, 2], **asked)
    keys = among(np.array(["a", "b", "a"]), [None, pd.NA, 1.5]), among(np.array([1, 2, 2]), [None, "x", NAN])
    for garbage in (STRANGE, [NAN, INF, -5]):
        got = rashin.measure(
            loss, among(z, garbage), among(t, garbage), WEIGHT, WHERE, keys[0], cluster=keys[1], **asked
        )
        assert got == expected
    worst = rashin.measure(loss, among(z, STRANGE), among(t, STRANGE), WEIGHT, WHERE, worst=3).worst
    assert sorted(row.row for row in worst) == np.flatnonzero(WHERE).tolist()
    assert worst[0].loss == expected.maximum


def test_pieces_of_a_measurement_have_the_mask_of_their_rows(monkeypatch):
    monkeypatch.setattr("rashin.measurement.arrays.SAMPLES", 4)
    z, t = np.tile(among([0.5, 1.0, -2.0], STRANGE), 3), np.tile(among([0.0, 1.0, 1.0], STRANGE), 3)
    group = np.tile(among(np.array([1, 2, 2]), [None]), 3)
    found = rashin.measure("huber", z, t, where=np.tile(WHERE, 3), group=group)
    assert found.count == 9
    assert found.groups[2].count == 6
    assert found.mean == rashin.huber([0.5, 1.0, -2.0], [0.0, 1.0, 1.0])


def test_an_estimate_draws_nothing_from_outside():
    z, t = among([0.5, 1.0, -2.0], STRANGE), among([0.0, 1.0, 1.0], STRANGE)
    found = rashin.estimate("squared_error", z, t, WEIGHT, WHERE)
    assert (found.mean, found.rows) == (
        rashin.squared_error([0.5, 1.0, -2.0], [0.0, 1.0, 1.0], weight=[1.5, 0.25, 3]),
        3,
    )


def test_statistics_and_the_linear_form():
    x, labels = np.random.default_rng(3).normal(size=(3, 4)), np.array([2, 0, 1])
    classifier = np.random.default_rng(4).normal(size=(5, 4))
    inputs, target = among(x, STRANGE), among(labels, STRANGE)
    for got, expected in zip(
        rashin.softmax_statistics(inputs, target, where=WHERE), rashin.softmax_statistics(x, labels), strict=True
    ):
        assert np.array_equal(got[WHERE], expected)
    linear, weight = rashin.linear_softmax_cross_entropy, [1.5, 0.25, 3.0]
    value, (d_inputs, *rest) = linear.value_and_gradient(inputs, classifier, target, weight=WEIGHT, where=WHERE)
    expected, (expected_inputs, *expected_rest) = linear.value_and_gradient(x, classifier, labels, weight=weight)
    assert value == expected
    assert np.array_equal(d_inputs[WHERE], expected_inputs)
    assert not d_inputs[~WHERE].any()
    assert np.array_equal(rest[0], expected_rest[0])
    got = rashin.linear_softmax_statistics(inputs, classifier, target, where=WHERE)
    assert np.array_equal(got.entropy[WHERE], rashin.linear_softmax_statistics(x, classifier, labels).entropy)


def test_out_is_0_outside_and_the_inputs_stay_as_they_were():
    z, t = among([0.5, 1.0, -2.0], STRANGE), among([0.0, 1.0, 1.0], STRANGE)
    kept, out = z.copy(), np.full(6, NAN)
    rashin.huber.gradient(z, t, where=WHERE, out=out)
    assert out[~WHERE].tolist() == [0.0] * 3
    assert not np.isnan(out).any()
    assert all(a is b or a == b for a, b in zip(z, kept, strict=True))
