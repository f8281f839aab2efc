"""The book's chapter, typed as a student types it, against its printed digits and against independent formulas."""

from __future__ import annotations

import numpy as np
import pytest

import rashin
from idx_files import needs_mnist
from rashin.dialects import scratch
from rashin.dialects.scratch import *  # noqa: F403 - as the student does

CHAPTER = {
    "mean_squared_error", "sum_squared_error", "cross_entropy_error", "softmax_loss", "softmax", "sigmoid",
    "sigmoid_grad", "relu", "relu_grad", "step_function", "identity_function", "function_1", "function_2",
    "numerical_diff", "numerical_gradient", "gradient_descent", "simpleNet", "TwoLayerNet", "load_mnist",
}  # fmt: skip


def test_every_name_of_the_chapter_is_there():
    assert set(scratch.__all__) >= CHAPTER
    assert sum_squared_error is mean_squared_error  # noqa: F405
    assert (softmax, sigmoid) == (rashin.softmax, rashin.sigmoid)  # noqa: F405


# ----------------------------------------------------------------------------------------------- small functions


def test_the_small_functions_and_their_slopes():
    x = np.array([-40.0, -1.0, 0.0, 1.5, 40.0])
    np.testing.assert_array_equal(scratch.step_function(x), [0, 0, 0, 1, 1])
    assert scratch.step_function(x).dtype == int
    np.testing.assert_array_equal(scratch.relu(x), [0.0, 0.0, 0.0, 1.5, 40.0])
    np.testing.assert_array_equal(scratch.relu_grad(x), [0.0, 0.0, 1.0, 1.0, 1.0])
    assert scratch.identity_function(x) is x
    exact = np.exp(-np.abs(x)) / (1.0 + np.exp(-np.abs(x))) ** 2  # even, and without cancellation
    np.testing.assert_allclose(scratch.sigmoid_grad(x), exact, rtol=4e-16)
    np.testing.assert_allclose(
        scratch.softmax([0.3, 2.9, 4.0]), [0.01821127, 0.24519181, 0.73659691], rtol=5e-7
    )  # as printed in chapter 3


def test_softmax_loss_is_the_loss_of_the_softmax():
    logits, labels = np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 3, 1, 1, 2, 0])
    assert scratch.softmax_loss(logits, labels) == scratch.cross_entropy_error(scratch.softmax(logits), labels)
    narrow = logits.astype(np.float32)
    assert scratch.softmax_loss(narrow, labels) == scratch.softmax_loss(narrow.astype(np.float64), labels)


# --------------------------------------------------------------------------------------------- numerical slopes


def test_the_printed_derivatives_come_out():
    assert scratch.numerical_diff(scratch.function_1, 5) == 0.1999999999990898
    assert scratch.numerical_diff(scratch.function_1, 10) == 0.2999999999986347
    assert scratch.numerical_diff(lambda x0: x0 * x0 + 4.0**2.0, 3.0) == 6.00000000000378
    assert scratch.numerical_diff(lambda x1: 3.0**2.0 + x1 * x1, 4.0) == 7.999999999999119


def test_a_narrow_number_is_moved_in_double():
    assert scratch.numerical_diff(scratch.function_1, np.float32(5)) == 0.1999999999990898
    slopes = scratch.numerical_diff(scratch.function_1, np.array([5, 10], dtype=np.float16))
    assert slopes.tolist() == [0.1999999999990898, 0.2999999999986347]


@pytest.mark.parametrize(("x", "expected"), [([3.0, 4.0], "[6. 8.]"), ([0.0, 2.0], "[0. 4.]"), ([3.0, 0.0], "[6. 0.]")])
def test_the_printed_gradients_come_out(x, expected):
    assert str(scratch.numerical_gradient(scratch.function_2, np.array(x))) == expected


def test_the_gradient_of_a_matrix_leaves_it_as_it_was():
    rng = np.random.default_rng(1)
    x, a = rng.normal(size=(3, 2, 2)), rng.normal(size=(3, 2, 2))
    before = x.copy()
    np.testing.assert_allclose(scratch.numerical_gradient(lambda w: np.sum(a * w**2), x), 2 * a * x, rtol=1e-7)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_allclose(scratch.numerical_gradient(lambda w: np.sum(a.T * w**2), x.T), (2 * a * x).T, rtol=1e-7)


def test_a_function_that_ignores_its_argument_sees_the_entries_move():
    w = np.array([[1.0, -2.0]])
    np.testing.assert_allclose(scratch.numerical_gradient(lambda _: np.sum(w**3), w), 3 * w**2, rtol=1e-7)


def test_a_function_that_fails_leaves_the_array_as_it_was():
    x, calls = np.array([1.0, 2.0]), []

    def fails_at_the_third_call(w):
        calls.append(w.copy())
        return [0.0, 0.0][len(calls) - 1]

    for function in (scratch.numerical_gradient, scratch.gradient_descent):
        calls.clear()
        with pytest.raises(IndexError):
            function(fails_at_the_third_call, x)
        assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("function", [scratch.numerical_gradient, scratch.gradient_descent])
@pytest.mark.parametrize(
    ("x", "got"),
    [
        (np.array([3, 4]), "got an array of int64"),  # the book's function finds 0 here, without a word
        (np.array([3.0, 4.0], dtype=np.float32), "got an array of float32"),
        (np.array([3.0, 4.0], dtype=np.float16), "got an array of float16"),
        ([3.0, 4.0], "got list"),
        (3.0, "got float"),
    ],
)
def test_what_cannot_be_moved_by_such_a_step_is_refused(function, x, got):
    with pytest.raises(TypeError, match=rf"x: {got}; expected a NumPy array of float64.*; fix: np.array\("):
        function(scratch.function_2, x)


@pytest.mark.parametrize("value", [np.ones(3), None, "1", 1j, np.array(["a"])])
def test_a_function_of_more_than_one_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^f: got .*; expected one number; fix: "):
        scratch.numerical_gradient(lambda _: value, np.array([1.0]))


def test_a_locked_array_is_refused():
    x = np.array([1.0, 2.0])
    x.flags.writeable = False
    with pytest.raises(ValueError, match=r"^init_x: got a read-only array; .*; fix: init_x.copy\(\)$"):
        scratch.gradient_descent(scratch.function_2, x)


@pytest.mark.parametrize(
    ("lr", "printed"),
    [
        (0.1, [-6.11110793e-10, 8.14814391e-10]),
        (10.0, [-2.58983747e13, -1.29524862e12]),  # thrown out; where to is decided by rounding
        (1e-10, [-2.99999994, 3.99999992]),  # hardly moved
    ],
)
def test_the_descents_of_the_book_end_where_it_prints(lr, printed):
    init_x = np.array([-3.0, 4.0])
    found = scratch.gradient_descent(scratch.function_2, init_x=init_x, lr=lr, step_num=100)
    np.testing.assert_allclose(found, printed, rtol=6e-9)
    assert init_x.tolist() == [-3.0, 4.0]


def test_a_descent_moves_what_a_network_holds():
    w = np.array([[1.0, -2.0]])
    found = scratch.gradient_descent(lambda _: np.sum(w**2), w, lr=0.25, step_num=2)
    np.testing.assert_allclose(found, [[0.25, -0.5]], rtol=1e-9)
    assert w.tolist() == [[1.0, -2.0]]


# ----------------------------------------------------------------------------------------------------- networks


def test_the_simple_net_of_the_book():
    net = scratch.simpleNet()
    assert net.W.shape == (2, 3)
    net.W = np.array([[0.47355232, 0.9977393, 0.84668094], [0.85557411, 0.03563661, 0.69422093]])
    x, t = np.array([0.6, 0.9]), np.array([0, 0, 1])
    assert str(net.predict(x)) == "[1.05414809 0.63071653 1.1328074 ]"
    # The book printed these before its repository added the delta, and the weights to eight digits.
    printed = [[0.21924763, 0.14356247, -0.36281009], [0.32887144, 0.2153437, -0.54421514]]
    exact, slope = rashin.softmax_cross_entropy.value_and_gradient(net.predict(x), t)
    assert exact == pytest.approx(0.92806853663411326, rel=2e-8, abs=0)
    np.testing.assert_allclose(np.outer(x, slope), printed, rtol=4e-8)
    assert net.loss(x, t) == pytest.approx(-np.log(np.exp(-exact) + 1e-7), rel=1e-14, abs=0)
    assert net.loss(x, 2) == net.loss([x], [2]) == net.loss(x, t)
    found = scratch.numerical_gradient(lambda _: net.loss(x, t), net.W)
    np.testing.assert_allclose(found, np.outer(x, slope) / (1.0 + 1e-7 * np.exp(exact)), rtol=2e-9)


@pytest.fixture
def net():
    np.random.seed(3)  # noqa: NPY002
    return scratch.TwoLayerNet(input_size=6, hidden_size=5, output_size=4, weight_init_std=0.8)


def problem(n=7, seed=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 6)), rng.integers(0, 4, n)


def test_the_seed_of_numpy_gives_the_weights_of_the_book(net):
    np.random.seed(3)  # noqa: NPY002
    np.testing.assert_array_equal(net.params["W1"], 0.8 * np.random.randn(6, 5))  # noqa: NPY002
    np.testing.assert_array_equal(net.params["W2"], 0.8 * np.random.randn(5, 4))  # noqa: NPY002
    assert not net.params["b1"].any()
    assert not net.params["b2"].any()


def test_a_two_layer_net_is_the_formulas_of_the_book(net):
    x, labels = problem()
    net.params["b1"], net.params["b2"] = np.linspace(-1, 1, 5), np.linspace(0.5, -0.5, 4)
    hidden = 1 / (1 + np.exp(-(x @ net.params["W1"] + net.params["b1"])))
    e = np.exp(hidden @ net.params["W2"] + net.params["b2"])
    y, t = e / e.sum(axis=1, keepdims=True), np.eye(4)[labels]
    np.testing.assert_allclose(net.predict(x), y, rtol=2e-15)
    np.testing.assert_allclose(net.loss(x, t), -np.sum(t * np.log(y + 1e-7)) / 7, rtol=2e-15)
    assert net.accuracy(x, t) == np.sum(y.argmax(1) == labels) / 7
    delta = ((y - t) / 7) @ net.params["W2"].T * hidden * (1 - hidden)
    expected = {"W1": x.T @ delta, "b1": delta.sum(0), "W2": hidden.T @ (y - t) / 7, "b2": (y - t).sum(0) / 7}
    found = net.gradient(x, t)
    assert found.keys() == expected.keys() == net.params.keys()
    for key in expected:
        assert np.abs(found[key] - expected[key]).max() <= 1e-12 * np.abs(expected[key]).max(), key


def test_the_numerical_gradient_is_that_of_the_loss_with_its_delta(net):
    """The exact gradient leaves the delta out: that is all the difference beyond the step's own error."""
    x, labels = problem()
    y, t = net.predict(x), np.eye(4)[labels]
    numerical, exact = net.numerical_gradient(x, labels), net.gradient(x, labels)
    by_y = scratch.cross_entropy_gradient(y, t)
    by_logits = y * (by_y - np.sum(by_y * y, axis=1, keepdims=True))
    np.testing.assert_allclose(numerical["b2"], by_logits.sum(axis=0), rtol=1e-7)
    for key in exact:
        difference = np.abs(numerical[key] - exact[key]).max()
        assert difference < 2e-7 / y[np.arange(7), labels].min() * np.abs(exact[key]).max(), key


def test_labels_rows_and_single_samples_agree(net):
    x, labels = problem()
    t = np.eye(4, dtype=int)[labels]
    assert net.loss(x, t) == net.loss(x, labels)
    assert net.accuracy(x, t) == net.accuracy(x, labels)
    by_rows, by_labels = net.gradient(x, t), net.gradient(x, labels)
    one, alone = net.gradient(x[:1], labels[:1]), net.gradient(x[0], labels[0])
    for key in net.params:
        np.testing.assert_allclose(by_rows[key], by_labels[key], rtol=1e-12)
        np.testing.assert_array_equal(one[key], alone[key])
    np.testing.assert_array_equal(net.gradient(x[0], t[0])["W1"], one["W1"])
    np.testing.assert_allclose(net.loss(x[0], labels[0]), net.loss(x[:1], t[:1]), rtol=1e-15)
    assert net.accuracy(x[0], labels[0]) in (0.0, 1.0)
    np.testing.assert_allclose(net.loss(x.tolist(), labels.tolist()), net.loss(x, t), rtol=1e-15)


def test_a_parameter_may_be_moved_or_replaced(net):
    x, labels = problem()
    start = net.loss(x, labels)
    for key, slope in net.gradient(x, labels).items():
        net.params[key] -= 0.1 * slope
    moved = net.loss(x, labels)
    for key, slope in net.gradient(x, labels).items():
        net.params[key] = net.params[key] - 0.1 * slope
    assert net.loss(x, labels) < moved < start


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net, x, t: net.predict(x[:, :5]), r"^x: got shape \(7, 5\); expected \(N, 6\) or \(6,\); fix: "),
        (lambda net, x, t: net.predict(np.zeros((2, 2, 3))), r"x: got shape \(2, 2, 3\).* fix: flatten each image"),
        (
            lambda net, x, t: net.accuracy(x, t[:3]),
            r"^t: got shape \(3,\); expected \(7, 4\) or \(7,\); fix: ",
        ),
        (lambda net, x, t: net.accuracy(x, t[:, None]), r"^t: got shape \(7, 1\)"),  # the book would broadcast
        (lambda net, x, t: net.loss(x, t + 4), "got [4-7]"),
        (lambda net, x, t: net.gradient(x, t[:3]), r"got shape \(3,\)"),
        (lambda net, x, t: net.gradient(x * np.nan, t), "got nan"),
    ],
)
def test_what_does_not_fit_is_refused(call, words, net):
    with pytest.raises(ValueError, match=words):
        call(net, *problem())


# --------------------------------------------------------------------------------------------- the chapter's end


@needs_mnist
def test_the_mini_batch_training_of_the_chapter():
    (x_train, t_train), (x_test, t_test) = scratch.load_mnist(normalize=True, one_hot_label=True)
    x_train, t_train, x_test, t_test = x_train[:3000], t_train[:3000], x_test[:1000], t_test[:1000]
    np.random.seed(0)  # noqa: NPY002
    network = scratch.TwoLayerNet(input_size=784, hidden_size=50, output_size=10)
    train_loss_list, accuracies = [], [network.accuracy(x_test, t_test)]
    for _ in range(300):
        batch_mask = np.random.choice(3000, 100)  # noqa: NPY002
        x_batch, t_batch = x_train[batch_mask], t_train[batch_mask]
        grad = network.gradient(x_batch, t_batch)
        for key in ("W1", "b1", "W2", "b2"):
            network.params[key] -= 0.5 * grad[key]
        train_loss_list.append(network.loss(x_batch, t_batch))
    accuracies += [network.accuracy(x_train, t_train), network.accuracy(x_test, t_test)]
    assert accuracies[0] < 0.2
    assert min(accuracies[1:]) > 0.84
    assert np.mean(train_loss_list[:10]) == pytest.approx(np.log(10), rel=0.05, abs=0)
    assert np.mean(train_loss_list[-50:]) < 0.5
