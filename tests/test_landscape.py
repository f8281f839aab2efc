"""Curves, surfaces and mini-batch losses are what a plain evaluation gives, and show what they are meant to show."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import rashin
from rashin.datasets import load_digits
from rashin.learn import (
    Network,
    accuracy,
    class_targets,
    loss_and_accuracy_along,
    loss_gradient,
    loss_landscape,
    minibatch_losses,
    one_hot,
    output_for,
    random_direction,
)
from rashin.learn.training.objective import loss_per_sample, loss_per_sample_and_gradient

CLASSES, INPUTS = 3, 4
LOSS = rashin.softmax_cross_entropy
SHAPES = [(INPUTS, CLASSES), (INPUTS, 5, CLASSES), (INPUTS, 5, 6, CLASSES)]


def samples(n, seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, INPUTS)).astype(np.float32), rng.integers(0, CLASSES, n)


def in_doubles(network, moves=None):
    """The network in float64, its parameters moved."""
    double = Network(network.sizes, activation=network.activation, output=network.output)
    moves = moves or [0.0] * len(network.parameters)
    double.parameters = [p.astype(np.float64) + move for p, move in zip(network.parameters, moves, strict=True)]
    return double


def plainly(network, moves, x, labels, loss=LOSS):
    prediction = in_doubles(network, moves).predict(x.astype(np.float64))
    return loss_per_sample(loss, prediction, class_targets(loss, labels, CLASSES)), accuracy(prediction, labels)


def plain_gradient(network, x, labels, loss=LOSS):
    double = in_doubles(network)
    trace = double.forward(x.astype(np.float64))
    _, slope = loss_per_sample_and_gradient(loss, trace.prediction, class_targets(loss, labels, CLASSES))
    return double.backward(trace, slope)


def one_entry(network, index, entry):
    arrays = [np.zeros(p.shape) for p in network.parameters]
    arrays[index][entry] = 1.0
    return arrays


# ---------------------------------------------------------------------------------------------------- curves


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("loss", [LOSS, rashin.huber, rashin.binary_cross_entropy], ids=lambda loss: loss.name)
def test_a_curve_is_a_plain_evaluation_at_each_place(sizes, loss):
    """More samples than are looked at in one piece, and a last piece that is shorter."""
    network, (x, labels) = Network(sizes, output=output_for(loss), activation="tanh"), samples(2500)
    direction = [np.random.default_rng(1).normal(size=p.shape) for p in network.parameters]
    curve = loss_and_accuracy_along(network, direction, x, labels, loss, offsets=[-0.5, 0.0, 0.7])
    for offset, found, right in zip(curve.offsets, curve.loss, curve.accuracy, strict=True):
        expected, share = plainly(network, [offset * d for d in direction], x, labels, loss)
        np.testing.assert_allclose(found, expected, rtol=1e-13)
        assert right == share
    assert curve.value == curve.loss[1]
    assert curve.samples == 2500


@pytest.mark.parametrize("index", range(6))
def test_one_weight_is_a_direction_of_its_own(index):
    network, (x, labels) = Network(SHAPES[2]), samples(40)
    entry = (2, 1) if index % 2 == 0 else 2
    by_name = loss_and_accuracy_along(network, (index, entry), x, labels, LOSS, offsets=[-1.0, 2.0])
    by_arrays = loss_and_accuracy_along(network, one_entry(network, index, entry), x, labels, LOSS, offsets=[-1.0, 2.0])
    np.testing.assert_array_equal(by_name.loss, by_arrays.loss)
    expected = [plainly(network, [o * d for d in one_entry(network, index, entry)], x, labels)[0] for o in (-1.0, 2.0)]
    np.testing.assert_allclose(by_name.loss, expected, rtol=1e-13)
    assert by_name.slope == loss_gradient(network, x, labels, LOSS)[index][entry]


def test_the_tangent_touches_the_curve():
    network, (x, labels) = Network(SHAPES[1]), samples(50)
    step = 1e-5
    curve = loss_and_accuracy_along(network, random_direction(network), x, labels, LOSS, offsets=[-step, 0.0, step])
    np.testing.assert_allclose((curve.loss[2] - curve.loss[0]) / (2 * step), curve.slope, rtol=1e-8)
    np.testing.assert_allclose(curve.tangent, curve.loss, rtol=1e-8)
    assert curve.tangent[1] == curve.value


def test_the_network_is_left_as_it_is():
    network, (x, labels) = Network(SHAPES[1]), samples(50)
    before = [p.tobytes() for p in network.parameters]
    loss_and_accuracy_along(network, (0, (1, 1)), x, labels, LOSS)
    loss_landscape(network, x, labels, LOSS, offsets=[-1.0, 1.0])
    minibatch_losses(network, x, labels, LOSS, draws=3)
    assert [p.tobytes() for p in network.parameters] == before


def test_accuracy_stands_still_where_the_loss_tells_the_way():
    """Of 100 digits as many stay right, however the weight moves; the loss falls against its slope all the way."""
    (x, labels), _ = load_digits()
    network = Network((64, 50, 10), seed=1)
    curve = loss_and_accuracy_along(
        network, (2, (7, 3)), x[:100], labels[:100], LOSS, offsets=np.linspace(-1e-3, 1e-3, 101)
    )
    assert np.unique(curve.accuracy).size == 1
    assert np.all(np.sign(np.diff(curve.loss)) == np.sign(curve.slope))
    wide = loss_and_accuracy_along(network, (2, (7, 3)), x[:100], labels[:100], LOSS, offsets=np.linspace(-10, 10, 501))
    right = wide.accuracy * 100
    np.testing.assert_allclose(right, np.round(right), rtol=1e-12)
    assert 5 < np.unique(right.round()).size < 100
    assert np.count_nonzero(np.diff(right)) < 200  # more than half of all steps stand still
    assert np.all(np.diff(wide.loss) != 0.0)


def test_the_memory_does_not_grow_with_the_samples():
    network, peaks = Network((INPUTS, 200, CLASSES)), []
    for n in (4096, 32768):
        x, labels = samples(n)
        loss_and_accuracy_along(network, (0, (1, 1)), x[:10], labels[:10], LOSS, offsets=[0.1])
        tracemalloc.start()
        loss_and_accuracy_along(network, (0, (1, 1)), x, labels, LOSS, offsets=[0.1, 0.2])
        loss_landscape(network, x, labels, LOSS, offsets=[0.1, 0.2])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
    assert peaks[1] < 32768 * 200 * 8 / 3  # a third of what the hidden layer alone would take


# -------------------------------------------------------------------------------------------------- surfaces


def test_a_landscape_is_a_plain_evaluation_at_each_place():
    network, (x, labels) = Network(SHAPES[1]), samples(60)
    found = loss_landscape(network, x, labels, LOSS, offsets=[-1.0, 0.0, 0.5], seed=4)
    first, second = found.directions
    for i, up in enumerate(found.offsets[0]):
        for j, across in enumerate(found.offsets[1]):
            expected = plainly(network, [up * a + across * b for a, b in zip(first, second, strict=True)], x, labels)
            np.testing.assert_allclose(found.loss[i, j], expected[0], rtol=1e-13)
            assert found.accuracy[i, j] == expected[1]


def test_one_direction_gives_a_curve():
    network, (x, labels) = Network(SHAPES[1]), samples(60)
    found = loss_landscape(network, x, labels, LOSS, directions=1, offsets=[-1.0, 0.3], seed=4)
    curve = loss_and_accuracy_along(network, found.directions[0], x, labels, LOSS, offsets=[-1.0, 0.3])
    np.testing.assert_array_equal(found.loss, curve.loss)
    assert found.slopes == (curve.slope,)


def test_directions_may_be_given():
    network, (x, labels) = Network(SHAPES[1]), samples(60)
    gradient = loss_gradient(network, x, labels, LOSS)
    found = loss_landscape(network, x, labels, LOSS, directions=[gradient, (3, 1)], offsets=[-0.2, 0.0, 0.2])
    np.testing.assert_allclose(found.slopes[0], sum((g**2).sum() for g in gradient), rtol=1e-13)
    assert found.slopes[1] == gradient[3][1]
    assert found.loss[0, 1] < found.loss[1, 1] < found.loss[2, 1]


def test_a_random_direction_has_the_length_of_each_unit():
    network = Network((INPUTS, 5, CLASSES))
    network.parameters[0][:, 2] *= 100.0
    network.parameters[1][:] = 3.0
    direction = random_direction(network, seed=2)
    for parameter, part in zip(network.parameters, direction, strict=True):
        if parameter.ndim == 1:
            np.testing.assert_array_equal(part, 0.0)
        else:
            np.testing.assert_allclose(np.linalg.norm(part, axis=0), np.linalg.norm(parameter, axis=0), rtol=1e-6)
    again, other = random_direction(network, seed=2), random_direction(network, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(direction, again, strict=True))
    assert not np.array_equal(direction[0], other[0])


def test_a_landscape_does_not_see_how_large_weights_are_written():
    """ReLU units ten times as large, read with weights ten times as small: the same network, the same landscape."""
    plain, scaled, (x, labels) = *(Network(SHAPES[1], activation="relu") for _ in range(2)), samples(60)
    scaled.parameters[0] *= 16.0
    scaled.parameters[2] /= 16.0
    found = [loss_landscape(n, x, labels, LOSS, offsets=[-0.5, 0.0, 0.5], seed=1) for n in (plain, scaled)]
    np.testing.assert_allclose(found[0].loss, found[1].loss, rtol=1e-10)


@pytest.mark.parametrize("loss", [LOSS, rashin.huber, rashin.categorical_cross_entropy], ids=lambda loss: loss.name)
def test_the_gradient_is_that_of_all_samples(loss):
    network, (x, labels) = Network(SHAPES[2], output=output_for(loss)), samples(2500)
    for found, expected in zip(
        loss_gradient(network, x, labels, loss), plain_gradient(network, x, labels, loss), strict=True
    ):
        assert found.dtype == np.float64
        assert np.linalg.norm(found - expected) <= 1e-13 * np.linalg.norm(expected)


# ---------------------------------------------------------------------------------------------- mini-batches


def test_mini_batches_close_in_on_the_whole_as_statistics_promises():
    network, (x, labels) = Network(SHAPES[1]), samples(1000)
    found = minibatch_losses(network, x, labels, LOSS, sizes=[1, 10, 100, 1000], draws=4000)
    expected, _ = plainly(network, None, x, labels)
    np.testing.assert_allclose(found.whole, expected, rtol=1e-6)
    np.testing.assert_allclose(found.spread[:-1], found.expected_spread[:-1], rtol=0.05)
    np.testing.assert_allclose(found.losses[-1], found.whole, rtol=1e-12)
    np.testing.assert_allclose(found.losses[0].mean(), found.whole, rtol=0.05)
    assert found.expected_spread[-1] == 0.0
    np.testing.assert_allclose(found.expected_spread[:2] * [1, 10**0.5], found.deviation, rtol=0.01)
    assert np.all(found.quantile(0.05) <= found.quantile(0.95))


def test_a_batch_of_one_is_a_sample():
    network, (x, labels) = Network(SHAPES[1]), samples(30)
    found = minibatch_losses(network, x, labels, rashin.huber, sizes=[1], draws=50)
    rows = rashin.huber(network.predict(x).astype(np.float64), class_targets(rashin.huber, labels, 3), reduction="none")
    assert set(found.losses[0]) <= set(rows.sum(axis=1))
    assert len(set(found.losses[0])) > 10


def test_mini_batches_follow_the_seed_and_come_in_powers_of_two():
    network, (x, labels) = Network(SHAPES[1]), samples(30)
    first, again, other = (minibatch_losses(network, x, labels, LOSS, draws=5, seed=seed) for seed in (1, 1, 2))
    assert first.sizes.tolist() == [1, 2, 4, 8]
    np.testing.assert_array_equal(first.losses, again.losses)
    assert not np.array_equal(first.losses, other.losses)


def test_a_single_sample_is_the_whole():
    network, (x, labels) = Network(SHAPES[1]), samples(1)
    found = minibatch_losses(network, x, labels, LOSS, draws=3)
    assert found.sizes.tolist() == [1]
    np.testing.assert_array_equal(found.losses, found.whole)
    np.testing.assert_array_equal(found.expected_spread, 0.0)


# ---------------------------------------------------------------------------------------------------- errors


def _zeros():
    return [np.zeros(shape) for shape in ((INPUTS, 5), (5,), (5, CLASSES), (CLASSES,))]


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (
            (0, (9, 0)),
            r"directions: got \(0, \(9, 0\)\); expected one entry of a parameter array; their shapes are \[\(4, 5\)",
        ),
        ((7, 0), r"directions: got \(7, 0\); expected one entry of a parameter array"),
        ((0, 1), r"directions: got \(0, 1\); expected one entry of a parameter array"),
        ((1, "b"), "expected one entry of a parameter array"),
        (_zeros()[:3], r"directions: got arrays of shapes \[\(4, 5\), \(5,\), \(5, 3\)\]; expected"),
        ([*_zeros()[:3], np.zeros(4)], r"\(4,\)\]"),
        (_zeros(), "directions: got 0 everywhere"),
        ([np.full((INPUTS, 5), np.nan), *_zeros()[1:]], "directions: got a NaN"),
    ],
)
def test_a_direction_that_is_none_is_refused(direction, words):
    network, (x, labels) = Network(SHAPES[1]), samples(10)
    with pytest.raises(ValueError, match=words):
        loss_and_accuracy_along(network, direction, x, labels, LOSS)
    with pytest.raises(ValueError, match=words):
        loss_landscape(network, x, labels, LOSS, directions=[direction])


@pytest.mark.parametrize("offsets", [[], 1.0, [np.nan], [[0.0]], [np.inf]])
def test_offsets_that_are_none_are_refused(offsets):
    network, (x, labels) = Network(SHAPES[1]), samples(10)
    with pytest.raises(ValueError, match=r"offsets: got .*; expected one or more finite numbers"):
        loss_and_accuracy_along(network, (1, 0), x, labels, LOSS, offsets=offsets)
    with pytest.raises(ValueError, match=r"offsets: got .*; expected one or more finite numbers"):
        loss_landscape(network, x, labels, LOSS, offsets=offsets)


@pytest.mark.parametrize("directions", [0, 3, [], [(1, 0)] * 3, None])
def test_a_landscape_has_one_or_two_directions(directions):
    network, (x, labels) = Network(SHAPES[1]), samples(10)
    with pytest.raises(ValueError, match=r"directions: got .*; expected 1, 2, or a list of one or two directions"):
        loss_landscape(network, x, labels, LOSS, directions=directions)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sizes": [0]}, r"sizes: got \[0\]; expected whole numbers from 1 to 10, the number of samples"),
        ({"sizes": [11]}, r"got \[11\]"),
        ({"sizes": []}, r"got \[\]"),
        ({"sizes": [1.5]}, r"got \[1.5\]"),
        ({"draws": 0}, "draws: got 0; expected a whole number >= 1"),
        ({"draws": 2.5}, "got 2.5"),
    ],
)
def test_impossible_mini_batches_are_refused(options, words):
    network, (x, labels) = Network(SHAPES[1]), samples(10)
    with pytest.raises(ValueError, match=words):
        minibatch_losses(network, x, labels, LOSS, **options)


def test_what_does_not_fit_is_named():
    network, (x, labels) = Network(SHAPES[1]), samples(10)
    for call in (
        lambda: loss_and_accuracy_along(network, (1, 0), x[:, :3], labels, LOSS),
        lambda: loss_landscape(network, x[:, :3], labels, LOSS),
        lambda: loss_gradient(network, x[:, :3], labels, LOSS),
        lambda: minibatch_losses(network, x[:, :3], labels, LOSS),
    ):
        with pytest.raises(ValueError, match=r"x: got shape \(10, 3\); expected \(n, 4\), as the network takes"):
            call()


def test_one_hot_targets_are_the_same_as_labels():
    x, labels = samples(60)
    network, direction = Network((x.shape[1], 5, CLASSES)), (0, (1, 2))
    one, other = (
        loss_and_accuracy_along(network, direction, x, t, rashin.softmax_cross_entropy, offsets=[-1.0, 0.0, 2.0])
        for t in (labels, one_hot(labels, CLASSES))
    )
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-14)
    assert one.accuracy.tobytes() == other.accuracy.tobytes()


def test_targets_that_are_numbers_have_a_loss_and_no_accuracy():
    x, labels = samples(60)
    network = Network((x.shape[1], 5, 1))
    curve = loss_and_accuracy_along(network, (0, (1, 2)), x, 0.5 * labels, rashin.huber, offsets=[-1.0, 1.0])
    assert np.isfinite(curve.loss).all()
    assert np.isnan(curve.accuracy).all()
