"""A few rows of very many classes: shared by the threads, they give the bits of one thread alone."""

from __future__ import annotations

import numpy as np
import pytest

import rashin
from rashin.backends.numpy import rows
from rashin.backends.numpy.wide import WIDE

CLASSES = WIDE + 4_321  # whole spans, and a part of one
ce = rashin.softmax_cross_entropy
LOSSES = [ce, ce.replace(z_loss=0.01), rashin.focal.replace(gamma=3.0)]


@pytest.fixture
def shared(monkeypatch):
    """Counts the rows that the threads have shared."""
    found = []

    def counted(*arguments):
        found.append(rows_sweep(*arguments))
        return found[-1]

    rows_sweep = rows.sweep_wide_row
    monkeypatch.setattr(rows, "sweep_wide_row", counted)
    return found


def problem(dtype, n=3):
    rng = np.random.default_rng(7)
    z = (3 * rng.standard_normal((n, CLASSES))).astype(dtype)
    z[:, 5] = -np.inf
    z[1:2, 77] = 60.0  # a row that one class rules
    return z, np.array([CLASSES - 1, 77, 4][:n])


def bits(answer):
    value, gradient = answer
    return np.asarray(value).tobytes(), gradient.tobytes()


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2"])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_threads_that_share_a_row_give_the_bits_of_one(shared, loss, dtype):
    z, t = problem(dtype)
    w = np.array([0.5, 2.0, 3.0])
    for keywords in ({}, {"weight": w}, {"weight": w, "reduction": "none"}, {"where": [True, True, False]}):
        with rashin.threads(1):
            expected = bits(loss.value_and_gradient(z, t, **keywords))
        assert not shared
        for count in (2, 3, 8):
            with rashin.threads(count):
                assert bits(loss.value_and_gradient(z, t, **keywords)) == expected
                assert loss.gradient(z, t, **keywords).tobytes() == expected[1]
        assert True in shared
        shared.clear()


def test_strided_rows_and_a_gradient_in_place_are_shared_too(shared):
    z, t = problem("f4")
    expected = bits(ce.value_and_gradient(z, t))
    columns = np.asfortranarray(z)
    with rashin.threads(2):
        assert bits(ce.value_and_gradient(columns, t)) == expected
        value, gradient = ce.value_and_gradient(z.T, t, axis=0)
        assert bits((value, gradient.T)) == expected
        assert bits(ce.value_and_gradient(z, t, out=z)) == expected
    assert shared == [True] * len(shared)


def test_what_is_wrong_in_a_shared_row_is_told_as_elsewhere():
    z, t = problem("f4")
    nan, lone, several = z.copy(), z.copy(), z.copy()
    nan[2, 1000], lone[0, -1], several[0, :2] = np.nan, np.inf, np.inf
    with rashin.threads(2):
        with pytest.raises(ValueError, match=r"^prediction: got nan at index \(2, 1000\)"):
            ce(nan, t)
        with pytest.raises(ValueError, match=r"^target: got -1 at index \(1,\)"):
            ce(z, [3, -1, 4])
        with pytest.raises(ValueError, match="limit"):
            ce(several, t)
        value, gradient = ce.value_and_gradient(lone, t, reduction="sum")
    assert value == ce(lone[1:], t[1:], reduction="sum")
    assert not gradient[0].any()


def test_options_and_hessians_that_are_not_shared_still_work(shared):
    z, t = problem("f4", 1)
    with rashin.threads(2):
        ce(z[:, :CLASSES], t, softcap=5.0)
        hessian = ce.hessian(z, t)
    assert not shared
    assert hessian.shape == z.shape
