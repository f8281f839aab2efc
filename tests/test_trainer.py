"""Steps and epochs: weights, numbers as targets, the short batch, memory, stopping in time and giving up in words."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import rashin
from rashin.domain import PROBABILITY
from rashin.learn import (
    SGD,
    Adam,
    Diverged,
    Interrupted,
    Network,
    Score,
    Trainer,
    best_constant,
    evaluate,
    minibatches,
    output_for,
    samples_for,
    train,
)
from shipped import PATHS, learns_classes

CLASSES = 3
LEARNING = [
    pytest.param(loss, outputs, id=f"{outputs}-{loss.name}")
    for loss in PATHS
    for outputs in (1, CLASSES)
    if (loss.kind == "pointwise" if outputs == 1 else learns_classes(loss))
]


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def noisy(rng):
    """Classes that overlap: there is something to learn, and something to overfit."""
    labels = rng.integers(0, CLASSES, 120)
    return rng.normal(size=(120, 4)) + 0.7 * labels[:, None] * np.array([1.0, -1.0, 0.5, 0.0]), labels


def trained(x, target, loss=rashin.softmax_cross_entropy, outputs=CLASSES, optimizer=None, weight=None, epochs=20):
    """The parameters after full-batch training in double precision, where only the order of sums can differ."""
    network = Network((x.shape[1], 5, outputs), output=output_for(loss), dtype=np.float64)
    samples = samples_for(network, loss, x, target, weight)
    trainer = Trainer(network, loss, optimizer or SGD(0.5), batch_size=len(x), shuffle=False, weight_decay=0.01)
    scores = [trainer.epoch(samples).training for _ in range(epochs)]
    return trainer.parameters.copy(), scores


# ---------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [(rashin.softmax_cross_entropy, 3), (rashin.huber, 3), (rashin.categorical_cross_entropy, 3), (rashin.huber, 1)],
    ids=["labels", "one-hot", "probabilities", "numbers"],
)
@pytest.mark.parametrize("make", [lambda: SGD(0.5), Adam], ids=["sgd", "adam"])
def test_a_weight_of_two_is_the_sample_twice_and_of_zero_not_at_all(loss, outputs, make, noisy, rng):
    x, labels = noisy
    target = labels if outputs > 1 else rng.normal(size=120)
    weight = rng.integers(0, 3, 120)
    assert {0, 1, 2} == set(weight)
    found, scores = trained(x, target, loss, outputs, make(), weight)
    repeated = np.repeat(np.arange(120), weight)
    expected, expected_scores = trained(x[repeated], target[repeated], loss, outputs, make())
    np.testing.assert_allclose(found, expected, rtol=1e-8)
    for score, wanted in zip(scores, expected_scores, strict=True):
        np.testing.assert_allclose(score.loss, wanted.loss, rtol=1e-10)
        assert (score.accuracy is None) == (outputs == 1)
        if score.accuracy is not None:
            np.testing.assert_allclose(score.accuracy, wanted.accuracy, rtol=1e-12)


def test_weights_count_in_evaluation_too(noisy, rng):
    x, labels = noisy
    network, weight = Network((4, CLASSES)), rng.integers(0, 3, 120)
    repeated = np.repeat(np.arange(120), weight)
    found = evaluate(network, rashin.focal, x, labels, weight)
    wanted = evaluate(network, rashin.focal, x[repeated], labels[repeated])
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_batch_of_weight_zero_takes_no_step(noisy):
    x, labels = noisy
    weight = np.r_[np.zeros(40), np.ones(80)]
    network, calls = Network((4, CLASSES)), []
    samples = samples_for(network, rashin.softmax_cross_entropy, x, labels, weight)
    trainer = Trainer(network, rashin.softmax_cross_entropy, batch_size=40, shuffle=False)
    end = trainer.epoch(samples, callback=calls.append)
    assert (end.step, len(calls), trainer.optimizer.steps) == (2, 2, 2)
    alone = Network((4, CLASSES))
    other = Trainer(alone, rashin.softmax_cross_entropy, batch_size=40, shuffle=False)
    assert other.epoch(samples_for(alone, rashin.softmax_cross_entropy, x[40:], labels[40:])).training == end.training


# -------------------------------------------------------------------------------- batches, and the short last one


@pytest.mark.parametrize("size", [7, 32, 119, 500])
def test_the_batches_of_an_epoch_add_up_to_the_data(size, noisy):
    x, labels = noisy
    logits = Network((4, CLASSES), seed=2).predict(x)
    batches = minibatches(logits, labels, size=size, seed=1)
    total = sum(rashin.softmax_cross_entropy(*batch, reduction="sum") for batch in batches)
    np.testing.assert_allclose(total / 120, rashin.softmax_cross_entropy(logits, labels), rtol=1e-15)


def test_the_epochs_loss_is_the_mean_over_its_samples_and_not_over_its_batches(noisy):
    """With a network that does not move, the epoch's loss is the data's, whatever the size of the last batch."""
    x, labels = noisy
    network = Network((4, 5, CLASSES), seed=2)
    samples = samples_for(network, rashin.softmax_cross_entropy, x, labels)
    trainer = Trainer(network, rashin.softmax_cross_entropy, SGD(1e-30), batch_size=50)
    end, whole = trainer.epoch(samples).training, evaluate(network, rashin.softmax_cross_entropy, x, labels)
    np.testing.assert_allclose(end.loss, whole.loss, rtol=1e-6)  # float32 products of other shapes
    assert end.accuracy == whole.accuracy
    means = [step.batch.loss for step in trainer.history.steps]
    np.testing.assert_allclose(end.loss, np.dot(means, [50, 50, 20]) / 120, rtol=1e-12)
    assert not np.isclose(np.mean(means), whole.loss, rtol=1e-4)


def test_a_short_batch_steps_along_its_own_mean(noisy):
    x, labels = noisy
    network, alone = Network((4, CLASSES), dtype=np.float64), Network((4, CLASSES), dtype=np.float64)
    loss, last = rashin.softmax_cross_entropy, slice(100, 120)
    Trainer(network, loss, SGD(0.1), batch_size=100, shuffle=False).epoch(samples_for(network, loss, x, labels))
    first = Trainer(alone, loss, SGD(0.1), batch_size=100, shuffle=False)
    first.step(samples_for(alone, loss, x[:100], labels[:100]))
    trace = alone.forward(x[last])
    slope = loss.gradient(trace.prediction, labels[last])  # of the mean over 20
    for parameter, gradient in zip(alone.parameters, alone.backward(trace, slope), strict=True):
        parameter -= 0.1 * gradient
    for found, expected in zip(network.parameters, alone.parameters, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.fixture
def large(tmp_path, rng):
    """A file of 64 MB and its labels."""
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float32, shape=(4000, 4000))
    for rows in np.split(x, 10):
        rows[...] = rng.random(rows.shape, np.float32)
    x.flush()
    return np.load(tmp_path / "x.npy", mmap_mode="r"), rng.integers(0, CLASSES, 4000)


def peak_of(run):
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_batches_of_a_memory_map_read_their_rows_only(large):
    x, labels = large

    def pass_over():
        for batch, _ in minibatches(x, labels, size=50, seed=0):
            assert type(batch) is np.ndarray

    assert peak_of(pass_over) < 6 * 50 * 4000 * 4  # a few batches, of 64 MB


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_on_a_memory_map_takes_the_memory_of_batches(dtype, large):
    x, labels = large
    network = Network((4000, 4, CLASSES), dtype=dtype)
    data = x, labels
    train(network, rashin.softmax_cross_entropy, x[:60], labels[:60], epochs=1)  # compile and load what is needed
    peak = peak_of(lambda: train(network, rashin.softmax_cross_entropy, *data, epochs=1, batch_size=50))
    assert peak < 12e6  # one batch of 0.8 MB, blocks of 1 MB of flags, and what float64 has to be cast to


def test_data_of_any_layout_and_type_train_to_the_same_bits(noisy):
    x, labels = noisy
    x = np.round(16 * x).astype(np.int16)
    forms = [x, x.astype(np.float32), np.asfortranarray(x, np.float32), x.astype(">f4"), x.astype(np.float64).tolist()]
    results = []
    for form in forms:
        network = Network((4, 5, CLASSES))
        train(network, rashin.softmax_cross_entropy, form, labels.tolist(), epochs=2, learning_rate=0.01)
        results.append([p.tobytes() for p in network.parameters])
    assert results.count(results[0]) == len(forms)


# --------------------------------------------------------------------------------------------------- regression


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("name", ["half_squared_error", "huber", "absolute_error", "quantile", "poisson", "gamma"])
def test_numbers_are_learnt(name, outputs, rng):
    x = rng.normal(size=(300, 3)).astype(np.float32)
    loss, signal = getattr(rashin, name), 2 * np.sin(x[:, :outputs]) + np.cos(2 * x[:, 1:2])
    target = rng.poisson(np.exp(signal)) + 0.5 if loss.facts.link == "log" else signal
    target = target[:, 0] if outputs == 1 else target
    network = Network((3, 20, outputs), activation="tanh", output=output_for(loss))
    history = train(network, loss, x, target, (x[:50], target[:50]), epochs=60, learning_rate=0.02)
    constant, end = history.constant, history.epochs[-1]
    assert constant.accuracy is end.training.accuracy is end.held_out.accuracy is None
    first = history.epochs[0].training.loss
    assert end.training.loss < constant.loss - 0.2 * (first - constant.loss) - 0.02
    np.testing.assert_allclose(evaluate(network, loss, x[:50], target[:50]).loss, end.held_out.loss, rtol=1e-12)


def test_least_squares_finds_the_line(rng):
    """A layer without a hidden one, by gradient descent, against the solution in closed form."""
    x, weight = rng.normal(size=(50, 2)), rng.random(50)
    y = x @ [[1.0, -2.0], [0.5, 3.0]] + [0.3, -0.4] + rng.normal(size=(50, 2))
    network = Network((2, 2), dtype=np.float64)
    train(network, rashin.half_squared_error, x, y, weight=weight, epochs=500, batch_size=50, learning_rate=0.1)
    design = np.column_stack([x, np.ones(50)]) * np.sqrt(weight)[:, None]
    exact = np.linalg.lstsq(design, y * np.sqrt(weight)[:, None], rcond=None)[0]
    np.testing.assert_allclose(np.vstack(network.parameters), exact, rtol=1e-9)


@pytest.mark.parametrize("loss", [rashin.sigmoid_cross_entropy, rashin.binary_cross_entropy, rashin.squared_hinge])
def test_one_output_tells_two_classes(loss, noisy):
    x, labels = noisy
    yes = (labels > 0) * 1.0
    target = 2 * yes - 1 if loss is rashin.squared_hinge else yes
    network = Network((4, 1), output=output_for(loss), seed=1)
    end = train(network, loss, x, target, epochs=20).epochs[-1].training
    prediction = network.predict(x)[:, 0]
    told = prediction > (0.5 if loss is rashin.binary_cross_entropy else 0.0)
    assert evaluate(network, loss, x, target).accuracy == np.mean(told == yes)
    assert end.accuracy > 0.75


def test_distributions_are_targets_of_row_losses(noisy):
    x, labels = noisy
    soft = 0.9 * np.eye(CLASSES)[labels] + 0.1 / CLASSES
    hard, smooth = Network((4, CLASSES)), Network((4, CLASSES))
    smoothed = rashin.softmax_cross_entropy.replace(label_smoothing=0.1)
    first = train(hard, smoothed, x, labels, epochs=3).epochs[-1].training
    second = train(smooth, rashin.softmax_cross_entropy, x, soft, epochs=3).epochs[-1].training
    np.testing.assert_allclose(first, second, rtol=1e-5)


# ---------------------------------------------------------------------------------------- the constant to beat


def constant_of(loss, target, outputs, weight=None):
    network = Network((1, outputs), output=output_for(loss))
    return best_constant(loss, network, samples_for(network, loss, np.zeros((len(target), 1)), target, weight))


def test_the_constant_of_the_cross_entropy_is_the_entropy_of_the_shares():
    found = constant_of(rashin.softmax_cross_entropy, np.repeat([0, 1, 2], [1, 2, 5]), 3)
    shares = np.array([1, 2, 5]) / 8
    np.testing.assert_allclose(found.score, (-(shares * np.log(shares)).sum(), 5 / 8), rtol=1e-12)


def test_a_class_that_never_occurs_costs_the_constant_nothing():
    found = constant_of(rashin.softmax_cross_entropy, [0, 1, 0, 1], 3)
    np.testing.assert_allclose(found.score.loss, np.log(2), rtol=1e-12)


@pytest.mark.parametrize(("loss", "outputs"), LEARNING)
def test_no_training_of_a_bare_bias_beats_the_best_constant(loss, outputs, rng):
    """Where the loss's facts give the constant; elsewhere the guess is at least a constant with a finite loss."""
    if outputs == 1:
        target = np.resize(loss.facts.target_domain(loss.parameters).draw(rng, 40), 40)
    else:
        target = np.repeat([0, 1, 2], [20, 15, 5])
    network = Network((1, outputs), output=output_for(loss), dtype=np.float64)
    x, weight = np.zeros((40, 1)), rng.random(40)
    samples = samples_for(network, loss, x, target, weight)
    found = best_constant(loss, network, samples)
    assert found is not None
    np.testing.assert_allclose(found.score.loss, loss_of(loss, found.prediction, samples), rtol=1e-9)
    if loss.facts.best_constant is not None:
        for change in np.vstack([np.eye(outputs), -np.eye(outputs)]) * 0.01:
            other = moved(loss, found.prediction, change)
            if loss.facts.prediction.contains(other).all():
                assert loss_of(loss, other, samples) >= found.score.loss


def moved(loss, prediction, change):
    """Another constant: a row of probabilities, or of their logarithms, stays one."""
    if loss.kind != "rowwise":
        return prediction + change
    if loss.facts.prediction.entry() is PROBABILITY:
        other = prediction * np.exp(change)
        return other / other.sum()
    return prediction + change - np.logaddexp.reduce(prediction + change)


def loss_of(loss, prediction, samples):
    everyone = np.tile(prediction, (len(samples.x), 1))
    losses = loss(everyone, samples.target, reduction="none")
    return np.average(losses.sum(axis=1) if losses.ndim == 2 else losses, weights=samples.weight)


# --------------------------------------------------------------------------------------------- stopping in time


def test_patience_keeps_the_best_epoch(noisy):
    x, labels = noisy
    network = Network((4, 40, CLASSES), activation="relu")
    history = train(
        network, rashin.softmax_cross_entropy, x[:60], labels[:60], (x[60:], labels[60:]), epochs=300, patience=4
    )
    assert history.stopped == "patience"
    assert len(history.epochs) == history.best.epoch + 4
    assert history.best.held_out.loss == min(end.held_out.loss for end in history.epochs)
    assert evaluate(network, rashin.softmax_cross_entropy, x[60:], labels[60:]) == history.best.held_out


def test_ctrl_c_leaves_the_best_epoch(noisy):
    x, labels = noisy
    network, held_out = Network((4, 40, CLASSES), activation="relu"), (x[60:], labels[60:])

    def interrupt(history):
        if len(history.epochs) == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        train(network, rashin.softmax_cross_entropy, x[:60], labels[:60], held_out, epochs=99, callback=interrupt)
    history = caught.value.history
    assert isinstance(caught.value, Interrupted)
    assert (history.stopped, len(history.epochs)) == ("interrupted", 30)
    assert history.best.epoch < 30
    assert evaluate(network, rashin.softmax_cross_entropy, *held_out) == history.best.held_out


# ------------------------------------------------------------------------------------------- giving up in words


@pytest.fixture(scope="module")
def digits():
    from rashin.datasets import load_digits

    return load_digits()[0]


@pytest.mark.parametrize("activation", ["sigmoid", "relu", "tanh"])
def test_a_rate_far_too_high_ends_in_words(activation, digits):
    network = Network((64, 50, 10), activation=activation)
    with pytest.raises(Diverged, match=r"at step \d+; expected a loss that falls; fix: a learning rate well below 30"):
        train(network, rashin.softmax_cross_entropy, *digits, epochs=20, learning_rate=30.0)


def test_a_loss_that_stays_bad_names_the_constants(digits):
    network = Network((64, 50, 10))
    words = r"has not fallen below \d+\.\d+ for 5 epochs, where a constant prediction has 2\.302"
    with pytest.raises(Diverged, match=words):
        train(network, rashin.softmax_cross_entropy, *digits, epochs=20, optimizer="sgd", learning_rate=30.0)


@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize("what", ["random labels", "no input", "rare class"])
def test_a_hard_task_is_no_alarm(what, batch_size, digits, rng):
    x, labels = (array[:400] for array in digits)
    if what == "random labels":
        labels = rng.integers(0, 10, 400)
    elif what == "no input":
        x = np.zeros_like(x)
    else:
        labels = (np.arange(400) < 4).astype(int)
    network = Network((64, 20, int(labels.max()) + 1))
    rate = 0.1 if batch_size == 32 else 0.05
    train(network, rashin.softmax_cross_entropy, x, labels, epochs=15, batch_size=batch_size, learning_rate=rate)


def test_a_start_far_from_the_targets_is_no_alarm(rng):
    """The loss is ten thousand times the constant's for a long time, and falls."""
    x = rng.normal(size=(200, 3))
    network = Network((3, 1))
    history = train(network, rashin.huber, x, 1000.0 + x[:, 0], epochs=12, learning_rate=1e-3)
    assert history.epochs[-1].training.loss > 1000 * history.constant.loss


def test_a_diverging_trainer_says_so_at_once(noisy):
    network = Network((4, CLASSES))
    samples = samples_for(network, rashin.softmax_cross_entropy, *noisy)
    network.parameters[0][0, 0] = np.nan
    with pytest.raises(Diverged, match="got a network that overflows at step 1"):
        Trainer(network, rashin.softmax_cross_entropy).epoch(samples)


# -------------------------------------------------------------------------------------------------- long trainings


def test_ten_thousand_steps_take_no_more_memory_than_a_hundred(noisy):
    """But for 24 bytes of history a step, which grow by doubling."""
    x, labels = noisy
    network, seen = Network((4, 5, CLASSES)), {}

    def look(history):
        if (step := len(history.steps)) in (100, 10_000):
            seen[step] = tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        train(
            network, rashin.softmax_cross_entropy, x, labels, epochs=334, batch_size=4, optimizer="sgd", callback=look
        )
    finally:
        tracemalloc.stop()
    assert seen[10_000] - seen[100] < 10_000 * 24 * 1.25 + 100_000


def test_the_history_gives_back_what_happened(noisy):
    history = train(Network((4, CLASSES)), rashin.softmax_cross_entropy, *noisy, epochs=2, batch_size=50)
    assert [step.step for step in history.steps] == [1, 2, 3, 4, 5, 6]
    assert history.steps[-1].epoch == 2
    assert history.steps[1:3] == list(history.steps)[1:3]
    with pytest.raises(IndexError):
        history.steps[6]
    assert isinstance(history.steps[0].batch, Score)


def test_an_epoch_can_be_run_at_a_time_with_other_data_each(noisy):
    """What `partial_fit` needs: the optimizer and the history go on."""
    x, labels = noisy
    network = Network((4, CLASSES))
    trainer = Trainer(network, rashin.softmax_cross_entropy, Adam(), batch_size=10)
    for part in np.split(np.arange(120), 4):
        trainer.epoch(samples_for(network, rashin.softmax_cross_entropy, x[part], labels[part]))
    assert (trainer.optimizer.steps, len(trainer.history.epochs), len(trainer.history.steps)) == (12, 4, 12)


def test_parameters_put_in_place_of_the_old_are_the_ones_trained(noisy):
    network = Network((4, CLASSES), seed=0)
    samples = samples_for(network, rashin.softmax_cross_entropy, *noisy)
    trainer = Trainer(network, rashin.softmax_cross_entropy, SGD(0.1))
    network.parameters = [np.zeros_like(parameter) for parameter in network.parameters]
    trainer.epoch(samples)
    other = Network((4, CLASSES), seed=0)
    other.parameters = [np.zeros_like(parameter) for parameter in other.parameters]
    Trainer(other, rashin.softmax_cross_entropy, SGD(0.1)).epoch(samples)
    np.testing.assert_array_equal(network.parameters[0], other.parameters[0])
    assert network.parameters[0].any()
