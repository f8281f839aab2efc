"""Small arrays, which one call of compiled code takes: the bits of the way that takes all arrays, and its errors."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rashin
from exact_sums import exactly
from rashin import exact
from rashin.backends import numpy as backend
from rashin.backends.numpy import direct
from rashin.exact import rounded_quotient
from rashin.native.kernel import DOUBLE, Argument, Kernel
from shipped import LOSSES, changed
from test_reduction import inside, keep_rows, predictions, targets

METHODS = ["__call__", "gradient", "hessian", "value_and_gradient", "value_gradient_and_hessian"]
DIRECT = [loss for loss in LOSSES if loss.kind in ("pointwise", "labelwise")]


@pytest.fixture
def seen(monkeypatch):
    """What the direct way answered."""
    answers = []

    def watched(*arguments):
        answers.append(direct.evaluate(*arguments))
        return answers[-1]

    monkeypatch.setattr(backend, "evaluate_directly", watched)
    return answers


def bits(results):
    parts = results if isinstance(results, tuple) else (results,)
    return [(type(part), np.shape(part), np.asarray(part).dtype, np.asarray(part).tobytes()) for part in parts]


def both_ways(loss, method, z, t, **keywords):
    """The bits for the arrays as they are, and under a mask that leaves nothing out."""
    everything = np.ones(loss.prediction.batch_shape(z.shape), bool)
    call = getattr(loss, method)
    return bits(call(z, t, **keywords)), bits(call(z, t, where=everything, **keywords))


def samples(loss, dtype, n=60):
    rng = np.random.default_rng(7)
    if loss.kind == "labelwise":
        return rng.normal(0.0, 9.0, (n, 5)).astype(dtype), rng.integers(0, 5, n)
    return inside(loss, predictions(loss)(rng, n).astype(dtype), reach=60.0), targets(loss)(rng, n).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", DIRECT, ids=lambda loss: loss.name)
def test_every_result_has_the_bits_of_the_way_for_all(loss, dtype, seen):
    other = keep_rows(changed(loss))
    if loss.kind == "labelwise" and "softcap" in other.options:
        other = loss.replace(z_loss=0.25)
    for chosen in (loss, other):
        z, t = samples(chosen, dtype)
        for reduction in ("mean", "sum"):
            for method in METHODS:
                small, general = both_ways(chosen, method, z, t, reduction=reduction)
                assert small == general, (method, reduction)
    assert len(seen) == 20
    assert all(answer is not None for answer in seen)


def test_arrays_of_more_axes_keep_their_shape(seen):
    z, t = samples(rashin.huber, np.float64)
    for shape in ((60,), (4, 15), (3, 4, 5), (1, 60, 1)):
        assert rashin.huber.gradient(z.reshape(shape), t.reshape(shape)).shape == shape
        same, general = both_ways(rashin.huber, "value_and_gradient", z.reshape(shape), t.reshape(shape))
        assert same == general
    z, k = samples(rashin.focal, np.float32)
    for rows in ((60,), (4, 15), (3, 4, 5)):
        same, general = both_ways(rashin.focal, "value_gradient_and_hessian", z.reshape(*rows, 5), k.reshape(rows))
        assert same == general
    assert rashin.focal(z[0], 3) == rashin.focal(z[:1], [3])
    assert all(answer is not None for answer in seen)


def test_results_are_written_where_the_caller_wants_them(seen):
    z, t = samples(rashin.log_cosh, np.float32)
    value, gradient, hessian = rashin.log_cosh.value_gradient_and_hessian(z, t)
    out, hessian_out = np.empty_like(z), np.empty_like(z)
    found = rashin.log_cosh.value_gradient_and_hessian(z, t, out=out, hessian_out=hessian_out)
    assert found[0] == value
    assert found[1] is out
    assert found[2] is hessian_out
    assert bits((out, hessian_out)) == bits((gradient, hessian))
    cube = np.empty((3, 4, 5), np.float32)
    assert rashin.log_cosh.gradient(z.reshape(cube.shape), t.reshape(cube.shape), out=cube) is cube
    assert bits(cube.reshape(-1)) == bits(gradient)
    assert all(answer is not None for answer in seen)
    for lay_out in (lambda z, t: np.empty((60, 2), np.float32)[:, 0], lambda z, t: z[:], lambda z, t: t[:]):
        z, t = samples(rashin.log_cosh, np.float32)  # what is not apart from the inputs is left to the way for all
        assert bits(rashin.log_cosh.gradient(z, t, out=lay_out(z, t))) == bits(gradient)
    assert seen[-3:] == [None] * 3


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint16, np.float64])
def test_labels_of_any_type_give_the_same(dtype):
    z, k = samples(rashin.softmax_cross_entropy, np.float32)
    expected = rashin.softmax_cross_entropy(z, k)
    assert rashin.softmax_cross_entropy(z, k.astype(dtype)) == expected
    assert rashin.softmax_cross_entropy(z.T.copy(), k.astype(dtype), axis=0) == expected
    assert rashin.softmax_cross_entropy(z[::-1], k[::-1].astype(dtype)) == expected


def test_what_it_cannot_take_is_left_to_the_way_for_all(seen):
    z, t = samples(rashin.huber, np.float64)
    expected = rashin.huber(z, t)
    assert rashin.huber(z[::-1], t[::-1]) == expected
    assert rashin.huber(np.frombuffer(b" " + z.tobytes(), np.float64, offset=1), t) == expected
    assert rashin.huber(z, np.float32(t)) == rashin.huber(z, np.float32(t).astype(float))
    assert seen == [seen[0], None, None, None, seen[4]]
    assert rashin.absolute_error([1.7e308, 1.7e308], [0.0, 0.0]) == 1.7e308  # a sum beyond the doubles
    assert rashin.half_squared_error([1e-160], [0.0]) == 5e-321  # a subnormal number
    assert rashin.absolute_error([np.inf, 1.0], [0.0, 0.0]) == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rashin.huber([1.0, np.nan], [0.0, 0.0]), r"^prediction: got nan at index 1; expected a real number"),
        (lambda: rashin.poisson([1.0, 2.0], [0.0, -1.0]), r"^target: got -1.0 at index 1; expected a finite number"),
        (lambda: rashin.huber(np.zeros(2), np.zeros(3)), r"^target: got shape \(3,\) for a prediction of shape \(2,\)"),
        (lambda: rashin.huber(np.zeros(0), np.zeros(0)), r"^prediction: got 0 samples with reduction='mean'"),
        (lambda: rashin.focal(np.zeros((2, 3)), [0, 3]), r"^target: got 3 at index 1; expected a class label"),
        (lambda: rashin.focal(np.full((2, 3), np.nan), [0, 1]), r"^prediction: got nan at index \(0, 0\)"),
        (lambda: rashin.huber(np.zeros(2), np.zeros(2), reduction="avg"), r"^reduction: got 'avg'"),
    ],
)
def test_errors_are_those_of_the_way_for_all(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def divided(limbs, count, answer):
    answer[0] = rounded_quotient(limbs, count)


def test_a_sum_is_divided_and_rounded_as_by_python():
    """Against the division of whole numbers: ties, sums that cancel, long tails, results at both ends of the range."""
    rng, choice = np.random.default_rng(3), random.Random(4).choice
    arguments = (Argument("limbs", "i8", 1), Argument("count", "i8", 0), Argument("answer", "f8", 1))
    divide, answer, decided = Kernel(divided, arguments, False, (DOUBLE,), None)(DOUBLE), np.empty(1), 0
    for turn in range(4000):
        span = choice([0.0, 5.0, 60.0, 300.0, 900.0, 1060.0])
        x = rng.normal(size=choice([1, 2, 3, 7])) * 2.0 ** rng.uniform(-span, min(span, 1000.0))
        if turn % 7 == 0:  # halfway between two doubles, and just beside
            x = np.array([1.0 + 2.0**-52, 2.0**-53, choice([0.0, 2.0**-200, -(2.0**-200)])]) * 2.0 ** rng.integers(
                -9, 9
            )
        if turn % 11 == 0:
            x = np.concatenate([x, -x[:1]])
        count = choice([1, 2, 3, 10, 640, 999_983, 2**30, 2**31 - 1])
        limbs = exact.empty_limbs()
        exact.add(limbs, x)
        divide(limbs, count, answer)
        expected = float(exactly(x) / count)
        if answer[0] == answer[0]:
            decided += 1
            assert answer[0] == expected, (x.tolist(), count)
        else:
            assert expected == 0.0 or not 1e-307 < abs(expected) < 1e307
    assert decided > 3500
    limbs[exact.PLUS_INF] = 1
    divide(limbs, 1, answer)
    assert np.isnan(answer[0])
