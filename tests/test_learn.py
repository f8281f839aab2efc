"""The network learns by the true gradient, repeatably, and says clearly why it cannot."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

import rashin
from rashin.domain import Thresholds
from rashin.learn import (
    ACTIVATIONS,
    OUTPUTS,
    Adam,
    Diverged,
    Network,
    Trainer,
    class_targets,
    draw_history,
    evaluate,
    minibatches,
    one_hot,
    output_for,
    run_training,
    samples_for,
    train,
)
from rashin.learn.training.objective import loss_per_sample, loss_per_sample_and_gradient
from shipped import PATHS, every_path, learns_classes

CLASSES = 3


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def blobs(rng):
    """Three clouds of points, easily told apart."""
    labels = rng.integers(0, CLASSES, 90)
    centres = np.array([[2.0, 0.0], [-2.0, 1.0], [0.0, -2.0]])
    return (centres[labels] + 0.3 * rng.normal(size=(90, 2))).astype(np.float32), labels


def double_network(sizes, seed=3, **choices):
    network = Network(sizes, seed=seed, **choices)
    network.parameters = [
        p.astype(np.float64) + 0.1 * np.random.default_rng(seed).normal(size=p.shape) for p in network.parameters
    ]
    return network


def numerical_gradients(network, loss, x, target, step=1e-5):
    """Central differences, one parameter at a time."""
    gradients = [np.zeros_like(p) for p in network.parameters]
    for parameter, gradient in zip(network.parameters, gradients, strict=True):
        for index in np.ndindex(parameter.shape):
            kept, values = parameter[index], []
            for sign in (1, -1):
                parameter[index] = kept + sign * step
                values.append(loss_per_sample(loss, network.predict(x), target))
            parameter[index] = kept
            gradient[index] = (values[0] - values[1]) / (2 * step)
    return gradients


def assert_true_gradient(network, loss, x, target):
    trace = network.forward(x)
    value, slope = loss_per_sample_and_gradient(loss, trace.prediction, target)
    np.testing.assert_allclose(value, loss_per_sample(loss, trace.prediction, target), rtol=1e-15)
    for found, expected in zip(
        network.backward(trace, slope), numerical_gradients(network, loss, x, target), strict=True
    ):
        assert found.shape == expected.shape
        assert np.linalg.norm(found - expected) <= 1e-7 * np.linalg.norm(expected)


# ------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("loss", [loss for loss in PATHS if learns_classes(loss)], ids=lambda loss: loss.name)
def test_backward_is_the_derivative_for_every_loss(loss, rng):
    network = double_network((4, 5, CLASSES), output=output_for(loss))
    target = class_targets(loss, rng.integers(0, CLASSES, 6), CLASSES)
    assert_true_gradient(network, loss, rng.normal(size=(6, 4)), target)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [(), (5,), (5, 6, 4)])
def test_backward_is_the_derivative_for_every_activation_and_depth(activation, hidden, rng):
    network = double_network((4, *hidden, CLASSES), activation=activation)
    loss = rashin.softmax_cross_entropy.replace(label_smoothing=0.1)
    assert_true_gradient(network, loss, rng.normal(size=(6, 4)), rng.integers(0, CLASSES, 6))


def test_every_output_layer_is_used_by_some_loss():
    learnt = [loss for loss in PATHS if not isinstance(loss.prediction, Thresholds)]  # for which there is none
    assert {output_for(loss) for loss in learnt} == set(OUTPUTS)


@pytest.mark.parametrize(
    ("by_probability", "by_logit"),
    [
        (rashin.binary_cross_entropy, rashin.sigmoid_cross_entropy),
        (rashin.categorical_cross_entropy, rashin.softmax_cross_entropy),
        (rashin.negative_log_likelihood, rashin.softmax_cross_entropy),
    ],
    ids=lambda loss: loss.name,
)
def test_output_layer_and_loss_together_equal_the_loss_from_logits(by_probability, by_logit, rng):
    logits = 8 * rng.normal(size=(20, CLASSES))
    output = OUTPUTS[output_for(by_probability)]
    target = class_targets(by_probability, rng.integers(0, CLASSES, 20), CLASSES)
    value, expected = loss_per_sample_and_gradient(by_logit, logits, target)
    prediction = output.forward(logits)
    found_value, slope = loss_per_sample_and_gradient(by_probability, prediction, target)
    np.testing.assert_allclose(found_value, value, rtol=1e-8)
    found = output.backward(prediction, slope)
    assert np.linalg.norm(found - expected) <= 1e-12 * np.linalg.norm(expected)


def test_a_certain_and_wrong_probability_still_has_its_slope():
    """In float32 the probability of a logit of 30 is 1, the cost of being wrong infinite, its gradient NaN."""
    network = Network((1, 1), output="sigmoid")
    network.parameters[0][:] = 30.0
    trace = network.forward(np.ones((1, 1), np.float32))
    value, slope = loss_per_sample_and_gradient(rashin.binary_cross_entropy, trace.prediction, np.zeros((1, 1)))
    np.testing.assert_allclose(value, 30.0, rtol=0.01)
    np.testing.assert_allclose(network.backward(trace, slope)[1], [1.0])


# ---------------------------------------------------------------------------------------------- mini-batches


@pytest.mark.parametrize(("n", "size"), [(10, 3), (10, 5), (3, 10), (1, 1)])
def test_an_epoch_holds_every_sample_once(n, size):
    batches = list(minibatches(np.arange(n), np.arange(n) ** 2, size=size, seed=5))
    x, square = (np.concatenate(column) for column in zip(*batches, strict=True))
    np.testing.assert_array_equal(np.sort(x), np.arange(n))
    np.testing.assert_array_equal(square, x**2)
    assert [len(a) for a, _ in batches[:-1]] == [size] * (len(batches) - 1)


def test_batches_follow_the_seed():
    def order(**options):
        return np.concatenate([x for (x,) in minibatches(np.arange(50), size=7, **options)]).tolist()

    assert order(seed=1) == order(seed=1)
    assert order(seed=1) != order(seed=2)
    assert order(shuffle=False) == list(range(50))
    assert len(order(seed=1, drop_last=True)) == 49
    assert order(shuffle=False, drop_last=True) == list(range(49))


@pytest.mark.parametrize(
    ("arrays", "size", "words"),
    [
        ([], 2, "at least one array"),
        ([np.zeros(3), np.zeros(4)], 2, r"\[3, 4\]"),
        ([np.zeros(3)], 0, "got 0"),
        ([np.zeros(3)], 1.5, "got 1.5"),
    ],
)
def test_bad_batches_are_refused_at_once(arrays, size, words):
    with pytest.raises(ValueError, match=words):
        minibatches(*arrays, size=size)


# -------------------------------------------------------------------------------------------------- training


@every_path
def test_every_loss_trains_or_is_refused_in_one_line(loss, blobs):
    if isinstance(loss.prediction, Thresholds):
        with pytest.raises(ValueError, match=rf"\Aloss: got {loss.name}, whose predictions are thresholds [^\n]+\Z"):
            output_for(loss)
        return
    network = Network((2, 8, CLASSES), output=output_for(loss))
    if learns_classes(loss):
        before = evaluate(network, loss, *blobs)
        history = train(network, loss, *blobs, epochs=20)
        assert history.epochs[-1].training.loss < before.loss
        assert history.epochs[-1].training.accuracy > 0.9
    else:
        with pytest.raises(
            ValueError,
            match=rf"\Aloss: got {loss.name}, whose target is [^\n]+; expected a loss that takes labels[^\n]*\Z",
        ):
            train(network, loss, *blobs, epochs=1)


def test_the_same_seed_gives_the_same_bits(blobs):
    def trained(seed):
        network = Network((2, 8, CLASSES), seed=seed)
        history = train(network, rashin.softmax_cross_entropy, *blobs, held_out=blobs, epochs=3, seed=seed)
        return history, [p.tobytes() for p in network.parameters]

    assert trained(1) == trained(1)
    assert trained(1) != trained(2)


def test_the_history_holds_every_step_and_epoch(blobs):
    calls = []
    history = train(
        Network((2, CLASSES)),
        rashin.softmax_cross_entropy,
        *blobs,
        held_out=(blobs[0][:9], blobs[1][:9]),
        epochs=2,
        batch_size=40,
        callback=lambda history: calls.append(len(history.steps)),
    )
    assert calls == [1, 2, 3, 4, 5, 6]
    assert [step.epoch for step in history.steps] == [1, 1, 1, 2, 2, 2]
    assert [epoch.step for epoch in history.epochs] == [3, 6]
    assert all(epoch.held_out is not None for epoch in history.epochs)


def test_evaluation_is_the_mean_over_all_samples(blobs):
    network, (x, labels) = Network((2, CLASSES)), blobs
    score = evaluate(network, rashin.half_squared_error, x, labels)
    rows = ((network.predict(x).astype(np.float64) - one_hot(labels, CLASSES)) ** 2).sum(axis=1) / 2
    np.testing.assert_allclose(score.loss, rows.mean(), rtol=1e-12)
    assert score.accuracy == (network.predict(x).argmax(axis=1) == labels).mean()


@pytest.mark.parametrize("learning_rate", [1e3, 1e10, 1e38])
@pytest.mark.parametrize("name", ["softmax_cross_entropy", "squared_error", "poisson", "binary_cross_entropy"])
def test_divergence_stops_with_advice(name, learning_rate, blobs):
    loss = getattr(rashin, name)
    network = Network((2, 8, CLASSES), output=output_for(loss))
    with pytest.raises(Diverged, match=r"at step \d+; expected a loss that falls; fix: a learning rate well below 1"):
        train(network, loss, *blobs, learning_rate=learning_rate)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "epochs: got 0; expected a whole number >= 1"),
        ({"batch_size": 0}, "batch_size: got 0; expected a whole number >= 1"),
        ({"epochs": 1.5}, "got 1.5"),
        ({"learning_rate": 0.0}, "learning_rate: got 0.0; expected a finite number > 0"),
        ({"learning_rate": np.nan}, "got nan"),
        ({"learning_rate": np.inf}, "got inf"),
        ({"x": np.zeros((90, 3), np.float32)}, r"x: got shape \(90, 3\); expected \(n, 2\)"),
        ({"x": np.zeros((80, 2), np.float32)}, "target: got 90 rows; expected 80, one for each row of x"),
        (
            {"x": np.full((90, 2), np.nan)},
            r"x: got nan at index \(0, 0\); expected finite numbers; fix: leave the row out",
        ),
        ({"x": np.zeros((0, 2)), "target": np.zeros(0)}, "no samples"),
        ({"held_out": (np.zeros((5, 3)), np.zeros(5))}, r"got shape \(5, 3\)"),
        ({"target": np.full(90, 3)}, "got 3 at index 0; expected class labels from 0 to 2"),
        ({"target": np.full(90, 0.5)}, "got 0.5 at index 0"),
        (
            {"target": np.zeros((90, 1))},
            r"got shape \(90, 1\); expected \(n,\) or \(n, 3\), as softmax_cross_entropy takes it; fix: target\[:, 0\]",
        ),
        ({"target": np.array(["a"] * 90)}, "target: got 'a' at index 0; expected numbers"),
        (
            {"target": np.full((90, 3), np.inf), "loss": rashin.huber},
            r"target: got inf at index \(0, 0\); expected a real number, finite",
        ),
        (
            {"target": np.full((90, 3), -1.0), "loss": rashin.poisson},
            r"got -1.0 at index \(0, 0\); expected a finite number >= 0$",
        ),
        ({"weight": np.ones(80)}, r"weight: got shape \(80,\)"),
        ({"weight": -np.ones(90)}, "expected finite weights >= 0"),
        ({"weight": np.zeros(90)}, "weight: got zero for all samples"),
        ({"optimizer": "adagrad"}, "optimizer: got 'adagrad'; expected 'sgd', 'momentum', 'adam'"),
        ({"optimizer": Adam(), "learning_rate": 0.1}, "learning_rate: got 0.1 and an Optimizer;"),
        ({"weight_decay": -1.0}, "weight_decay: got -1.0; expected a finite number >= 0"),
        ({"schedule": "step"}, "schedule: got 'step'; expected 'constant', 'inverse', 'cosine'"),
        ({"patience": 0}, "patience: got 0; expected a whole number >= 1"),
        ({"patience": 3}, "held_out: got None with patience"),
        (
            {"loss": rashin.binary_cross_entropy},
            "network: got output='identity'; expected 'sigmoid', which binary_cross_entropy needs",
        ),
    ],
)
def test_what_does_not_fit_is_named(options, words, blobs):
    fitting = {"loss": rashin.softmax_cross_entropy, "x": blobs[0], "target": blobs[1]}
    with pytest.raises(ValueError, match=words):
        train(Network((2, CLASSES)), **fitting | options)


@pytest.mark.parametrize(
    ("sizes", "options", "words"),
    [
        ((3,), {}, r"got \(3,\)"),
        ((3, 0), {}, r"got \(3, 0\)"),
        ((3, 2), {"activation": "step"}, "activation: got 'step'; expected 'sigmoid'"),
        ((3, 2), {"output": "step"}, "output: got 'step'; expected 'identity'"),
        ((3, 2), {"dtype": np.float16}, "dtype: got float16; expected float32 or float64"),
    ],
)
def test_impossible_networks_are_refused(sizes, options, words):
    with pytest.raises(ValueError, match=words):
        Network(sizes, **options)


# ----------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_saved_network_comes_back(output, tmp_path, rng):
    network = Network((4, 5, 6, 3), activation="tanh", output=output, seed=1)
    network.save(tmp_path / "model.npz")
    again, x = Network.load(tmp_path / "model.npz"), rng.normal(size=(7, 4)).astype(np.float32)
    assert (again.sizes, again.activation, again.output) == (network.sizes, "tanh", output)
    np.testing.assert_array_equal(again.predict(x), network.predict(x))
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.npz"]


def _npy():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def _npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        _npy(),
        _npz(weight_1=np.zeros((2, 3))),
        _npz(activation="sigmoid", output="identity"),
        _npz(activation="step", output="identity", weight_1=np.zeros((2, 3)), bias_1=np.zeros(3)),
        _npz(activation="tanh", output="identity", weight_1=np.zeros((2, 3)), bias_1=np.zeros(4)),
        _npz(
            activation="tanh",
            output="identity",
            weight_1=np.ones((2, 3)),
            bias_1=np.ones(3),
            weight_2=np.ones((2, 1)),
            bias_2=np.ones(1),
        ),
        _npz(activation="tanh", output="identity", weight_1=np.array([{}]), bias_1=np.zeros(4)),
        _npz(activation="tanh", output="identity", weight_1=np.zeros((2, 3)), bias_1=np.zeros(3))[:-40],
    ],
)
def test_a_file_that_holds_no_network_is_refused(content, tmp_path):
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"model\.npz(: got .+; expected a network$|, \w+( '\w+')?(, \w+)?: got .+; expected .+)"
    ):
        Network.load(path)


def test_a_run_writes_three_files_and_replaces_its_own(blobs, tmp_path):
    out = tmp_path / "deep" / "run"
    for epochs in (1, 2):
        run = run_training(rashin.huber, blobs, blobs, out=out, classes=True, hidden=4, epochs=epochs)
    names = ["checkpoint.npz", "history.csv", "history.png", "model.npz"]
    assert sorted(entry.name for entry in out.iterdir()) == names
    assert run.picture_file.read_bytes().startswith(b"\x89PNG")
    assert Network.load(run.model_file).sizes == (2, 4, CLASSES)
    rows = list(csv.DictReader(run.history_file.read_text().splitlines()))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["held_out_loss"] != "" for row in rows] == [False, False, True] * 2
    assert float(rows[-1]["training_loss"]) == run.history.epochs[-1].training.loss


def test_a_folder_of_others_is_left_alone(blobs, tmp_path):
    (tmp_path / "history.csv").write_text("year,event\n1868,Meiji\n")
    with pytest.raises(FileExistsError, match=r"got other files, such as history\.csv"):
        run_training(rashin.huber, blobs, blobs, out=tmp_path, epochs=1)
    assert (tmp_path / "history.csv").read_text() == "year,event\n1868,Meiji\n"


def test_a_run_that_fails_leaves_no_folder(blobs, tmp_path):
    with pytest.raises(Diverged):
        run_training(rashin.huber, blobs, blobs, out=tmp_path / "run", learning_rate=1e38)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_fails_leaves_the_old_one(blobs, tmp_path, monkeypatch):
    (tmp_path / "history.png").write_text("old")
    history = train(Network((2, CLASSES)), rashin.softmax_cross_entropy, *blobs, epochs=1)
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        draw_history(history, tmp_path / "history.png")
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["old"]


def test_drawing_without_matplotlib_names_the_extra(blobs, tmp_path, monkeypatch):
    history = train(Network((2, CLASSES)), rashin.softmax_cross_entropy, *blobs, epochs=1)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[learn\]'"):
        draw_history(history, tmp_path / "history.png")


def test_a_batch_of_weight_0_teaches_nothing_and_has_no_score():
    network, loss = Network((2, 3)), rashin.softmax_cross_entropy
    samples = samples_for(network, loss, np.ones((4, 2)), [0, 1, 2, 0], [0, 0, 1, 1])
    trainer = Trainer(network, loss)
    before = trainer.parameters.copy()
    score = trainer.step(samples.rows(slice(0, 2)))
    assert np.isnan(score.loss)
    assert score.accuracy is None
    assert trainer.parameters.tobytes() == before.tobytes()
