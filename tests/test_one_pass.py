"""Value, gradient and Hessian diagonal from one pass: the bits of the three calls, wherever they are written."""

from __future__ import annotations

import re
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

import rashin
from rashin import rowwise
from rashin.domain import PROBABILITY
from shipped import of_any_rows
from test_reduction import CASES, drawn, inside

mse, ce, cce = rashin.half_squared_error, rashin.softmax_cross_entropy, rashin.categorical_cross_entropy
LARGE = ["log_cosh", "poisson", "focal", "softmax_cross_entropy, soft", "categorical_cross_entropy, soft"]
every_case = pytest.mark.parametrize("case", CASES)


@rowwise(prediction=PROBABILITY)
def user_spread(xp, z, t):
    """A formula of whole rows, whose Hessian has no zeros."""
    r = z - t
    return 0.5 * xp.sum(r * r, axis=-1) + 0.25 * xp.sum(z, axis=-1) ** 2, r + 0.5 * xp.sum(z, axis=-1)[:, None], 1.5


def bits(*parts):
    return [np.asarray(part).tobytes() for part in parts]


def apart(loss, z, t, **keywords):
    """What three calls return."""
    parts = loss(z, t, **keywords), loss.gradient(z, t, **keywords), loss.hessian(z, t, **keywords)
    return bits(*parts)


def cast(loss, z, dtype):
    """The predictions in a dtype, with the loss that takes their rows: rounded, these may no longer sum to 1."""
    return (loss, z) if dtype == np.float64 else (of_any_rows(loss), inside(loss, z.astype(dtype), reach=60.0))


def strided(a, axis):
    """The same numbers, every other of an array twice as long."""
    wide = np.zeros([2 * n if k == axis else n for k, n in enumerate(a.shape)], a.dtype)
    picked = np.moveaxis(np.moveaxis(wide, axis, 0)[1::2], 0, axis)
    picked[...] = a
    return picked


def places(shape, dtype):
    """Pairs of arrays to write to, laid out in several ways."""
    side_by_side = np.full((*shape, 2), np.nan, dtype)
    yield np.full(shape, np.nan, dtype), np.full(shape, np.nan, dtype)
    yield side_by_side[..., 0], side_by_side[..., 1]
    yield np.full(shape, np.nan, dtype, order="F"), None
    yield None, np.full(shape, np.nan, dtype)[::-1]


# ------------------------------------------------------------------------------------------------ the bits


@every_case
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_one_pass_has_the_bits_of_three_calls(case, dtype):
    loss, z, t, weight, rng = drawn(case, 11, 41)
    loss, z = cast(loss, z, dtype)
    keep = rng.random(41) < 0.7
    for keywords in (
        {},
        {"weight": weight, "reduction": "sum"},
        {"where": keep, "reduction": "none"},
        {"weight": weight, "where": keep},
    ):
        expected = apart(loss, z, t, **keywords)
        for x, target in ((z, t), (strided(z, 0), strided(t, 0)), (np.asfortranarray(z), t)):
            value, gradient, hessian = loss.value_gradient_and_hessian(x, target, **keywords)
            assert bits(value, gradient, hessian) == expected
            assert type(value) is type(loss(z, t, **keywords))
            assert gradient.dtype == hessian.dtype == dtype


@every_case
def test_both_are_written_to_the_arrays_given(case):
    loss, z, t, weight, _ = drawn(case, 12, 41)
    expected = apart(loss, z, t, weight=weight)
    for out, hessian_out in places(z.shape, z.dtype):
        found = loss.value_gradient_and_hessian(z, t, weight=weight, out=out, hessian_out=hessian_out)
        assert out is None or found[1] is out
        assert hessian_out is None or found[2] is hessian_out
        assert bits(*found) == expected


@every_case
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "layout", [np.copy, lambda a: strided(a, 0), lambda a: a.copy(order="F")], ids=["C", "strided", "F"]
)
def test_either_may_take_the_place_of_the_prediction(case, dtype, layout):
    loss, z, t, weight, _ = drawn(case, 13, 41)
    loss, z = cast(loss, z, dtype)
    for keywords in ({}, {"weight": weight}):
        expected = apart(loss, z, t, **keywords)
        for name in ("out", "hessian_out"):
            place = layout(z)
            found = loss.value_gradient_and_hessian(place, t, **keywords, **{name: place})
            assert found[1 if name == "out" else 2] is place
            assert bits(*found) == expected


@pytest.mark.parametrize("case", LARGE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_many_samples_in_threads_and_in_place(case, dtype):
    loss, z, t, _, rng = drawn(case, 14, 70_001)
    loss, z = cast(loss, z, dtype)
    weight = rng.random(70_001) + 0.5
    expected = apart(loss, z, t, weight=weight)
    assert bits(*loss.value_gradient_and_hessian(z, t, weight=weight)) == expected
    for name in ("out", "hessian_out"):
        place = z.copy()
        assert bits(*loss.value_gradient_and_hessian(place, t, weight=weight, **{name: place})) == expected


@pytest.mark.parametrize(
    "loss", [ce.replace(softcap=3.0, z_loss=0.25), rashin.focal, cce.replace(epsilon=0.5), user_spread]
)
def test_rows_along_another_axis(loss):
    p, labels, weight = (
        np.random.default_rng(3).dirichlet(np.ones(4), (6, 5)),
        np.arange(30).reshape(6, 5) % 4,
        np.ones((6, 5)),
    )
    weight[1], weight[2] = 0.0, 2.5
    z = np.moveaxis(p, -1, 0).copy()
    expected = apart(loss, z, labels, weight=weight, axis=0)
    for name in ("out", "hessian_out"):
        place = z.copy()
        found = loss.value_gradient_and_hessian(place, labels, weight=weight, axis=0, **{name: place})
        assert bits(*found) == expected
    assert np.moveaxis(found[2], 0, -1).tobytes() == loss.hessian(p, labels, weight=weight).tobytes()


def test_nothing_but_zero_dimensions():
    assert ce.value_gradient_and_hessian(np.zeros((0, 3)), np.zeros(0, int), reduction="sum")[2].shape == (0, 3)
    value, gradient, hessian = mse.value_gradient_and_hessian(3.0, 1.0)
    assert (value, gradient.shape, float(gradient), float(hessian)) == (2.0, (), 2.0, 1.0)


# --------------------------------------------------------------------------------------------- memory, errors


@pytest.mark.parametrize("loss", [mse, rashin.huber, rashin.poisson, ce, cce, user_spread], ids=str)
def test_either_may_overlap_any_input(loss):
    rng, n = np.random.default_rng(4), 501
    rows = loss.kind != "pointwise"
    z = rng.dirichlet(np.ones(3), n) if rows else rng.normal(size=n)
    t = np.eye(3)[rng.integers(0, 3, n)] if rows else rng.integers(0, 5, n).astype(float)
    weight = rng.random(n) + 0.5
    expected = apart(loss, z, t, weight=weight)
    longer = np.empty((n + 1, *z.shape[1:]))
    for first, second in ((0, 1), (1, 0), (2, 1), (1, 2), (0, None), (None, 0), (3, 1), (1, 3)):
        longer[:-1] = z
        arrays = {0: z.copy(), 1: t.copy(), 2: np.empty_like(z) if rows else weight.copy(), 3: longer[1:], None: None}
        x, w = longer[:-1] if 3 in (first, second) else arrays[0], weight if rows else arrays[2]
        outs = {"out": arrays[first], "hessian_out": arrays[second]}
        assert bits(*loss.value_gradient_and_hessian(x, arrays[1], weight=w, **outs)) == expected


def test_the_two_must_not_overlap():
    room, z = np.empty((4, 3)), np.zeros((4, 3))
    for out, hessian_out in ((room, room), (room, room[::-1]), (z, z)):
        with pytest.raises(ValueError, match=r"^hessian_out: got an array that overlaps out; .*fix: ") as caught:
            ce.value_gradient_and_hessian(z, [0, 1, 2, 0], out=out, hessian_out=hessian_out)
        assert "\n" not in str(caught.value)
    assert not z.any()


@pytest.mark.parametrize("name", ["out", "hessian_out"])
def test_an_array_that_cannot_take_a_derivative_is_named(name):
    locked = np.empty(4)
    locked.flags.writeable = False
    for array, error, fragment in (
        (np.empty(3), ValueError, "(3,)"),
        (np.empty(4, np.float32), ValueError, "float32"),
        (locked, ValueError, "read-only"),
        ([0.0] * 4, TypeError, "list"),
    ):
        with pytest.raises(error, match=rf"^{name}: .*{re.escape(fragment)}"):
            mse.value_gradient_and_hessian(np.zeros(4), np.ones(4), **{name: array})


@pytest.mark.parametrize("method", [mse, mse.gradient, mse.hessian, mse.value_and_gradient])
def test_no_other_method_takes_an_array_for_the_hessian(method):
    with pytest.raises(TypeError, match="'hessian_out'"):
        method(np.zeros(4), np.ones(4), hessian_out=np.empty(4))


@pytest.mark.parametrize("name", ["out", "hessian_out"])
def test_an_error_leaves_inputs_whole(name):
    z, t = np.linspace(-3, 3, 300_000), np.zeros(300_000)
    t[-1] = np.nan
    before = z.copy()
    with pytest.raises(ValueError, match=r"^target: got nan at index 299999"):
        mse.value_gradient_and_hessian(z, t, **{name: z})
    assert z.tobytes() == before.tobytes()
    logits, labels = np.zeros((50_000, 5)), np.zeros(50_000, int)
    labels[-1] = 5
    with pytest.raises(ValueError, match=r"^target: got 5 at index 49999"):
        ce.value_gradient_and_hessian(logits, labels, **{name: logits})
    assert not logits.any()


@pytest.mark.parametrize("loss", [mse, ce, rashin.focal, cce], ids=str)
@pytest.mark.parametrize("name", ["out", "hessian_out"])
def test_a_derivative_in_place_of_the_prediction_takes_no_memory(loss, name):
    rng = np.random.default_rng(5)
    z, labels = rng.dirichlet(np.ones(7), 60_000), rng.integers(0, 7, 60_000)
    t, other = (z > 0.3).astype(float) if loss.kind == "pointwise" else labels, np.empty_like(z)
    given = {name: z, ("hessian_out" if name == "out" else "out"): other}
    tracemalloc.start()
    loss.value_gradient_and_hessian(z, t, **given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.9 * z.nbytes
