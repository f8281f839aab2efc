"""The gradient check finds what is wrong, says where, and does not cry wolf."""

from __future__ import annotations

import numpy as np
import pytest

import rashin
from rashin.learn import ACTIVATIONS, Network, check_gradient, output_for
from shipped import PATHS, learns_classes

CLASSES = 4


LEARNING = [loss for loss in PATHS if learns_classes(loss)]
WITH_KINKS = [loss for loss in LEARNING if loss.facts.kinks]


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    return rng.normal(size=(12, 6)).astype(np.float32), rng.integers(0, CLASSES, 12)


def checked(network, data, loss=rashin.softmax_cross_entropy, **options):
    return check_gradient(network, *data, loss, **options)


# ------------------------------------------------------------------------------------------- right gradients


OTHERS = [activation for activation in ACTIVATIONS if activation != "sigmoid"]
# Each loss with the sigmoid, and with one of the other activations, in turn: neither knows of the other.
PAIRS = [
    pytest.param(loss, activation, id=f"{loss.name}-{activation}")
    for place, loss in enumerate(LEARNING)
    for activation in ("sigmoid", OTHERS[place % len(OTHERS)])
]


@pytest.mark.parametrize(("loss", "activation"), PAIRS)
def test_a_right_gradient_agrees_within_what_is_expected(loss, activation, data):
    entries = None if activation == "sigmoid" else 8  # of each array; a loss or an activation errs in all of them
    network = Network((6, 5, CLASSES), activation=activation, output=output_for(loss))
    report = checked(network, data, loss, entries=entries)
    assert report.ok, report
    for array in report.arrays:
        assert array.difference <= 4 * array.expected, report
        assert array.expected < 1e-8, report


@pytest.mark.parametrize("sizes", [(6, CLASSES), (6, 5, 5, 5, CLASSES)])
def test_every_array_has_its_name_and_shape(sizes, data):
    network = Network(sizes)
    report = checked(network, data)
    assert [array.shape for array in report.arrays] == [p.shape for p in network.parameters]
    assert [array.name for array in report.arrays][:2] == ["weight_1", "bias_1"]
    assert report.arrays[-1].name == f"bias_{len(sizes) - 1}"


def test_the_book_takes_one_step_for_all(data):
    book, best = (checked(Network((6, 5, CLASSES)), data, method=method) for method in ("book", "optimal"))
    assert book.ok
    assert best.ok
    assert "h = 0.0001" in str(book)
    for coarse, fine in zip(book.arrays, best.arrays, strict=True):
        assert fine.expected < coarse.expected


def test_the_expected_error_of_the_book_is_its_truncation():
    """A loss whose third derivative is known in closed form; rounding adds a little."""
    tilted = rashin.tweedie  # e^((2-p) z) / (2-p) - t e^((1-p) z) / (1-p)
    network, power = Network((1, 1), output=output_for(tilted)), tilted.parameters["power"]
    network.parameters = [np.array([[0.3]]), np.zeros(1)]
    target, z = 0.75, 0.3
    report = check_gradient(network, np.ones((1, 1)), [target], tilted, method="book")
    third = (2 - power) ** 2 * np.exp((2 - power) * z) - target * (1 - power) ** 2 * np.exp((1 - power) * z)
    weight = report.arrays[0]
    np.testing.assert_allclose(weight.expected * abs(weight.numerical), 1e-8 / 6 * abs(third), rtol=0.05)
    np.testing.assert_allclose(weight.difference, weight.expected, rtol=0.1)


def test_large_inputs_need_shorter_steps(data):
    x, labels = data
    report = checked(Network((6, CLASSES)), (1000 * x, labels))
    assert report.ok, report
    assert max(array.expected for array in report.arrays) < 1e-7


def test_nothing_is_changed(data):
    network, (x, labels) = Network((6, 5, CLASSES)), data
    before = [p.tobytes() for p in network.parameters], x.tobytes(), labels.tobytes()
    checked(network, data)
    assert ([p.tobytes() for p in network.parameters], x.tobytes(), labels.tobytes()) == before
    assert all(p.dtype == np.float32 for p in network.parameters)


def test_a_small_array_is_tried_whole_and_a_large_one_in_part(data):
    network = Network((6, 5, CLASSES))
    assert [array.checked for array in checked(network, data, entries=7).arrays] == [7, 5, 7, CLASSES]
    assert [array.checked for array in checked(network, data, entries=None).arrays] == [30, 5, 20, CLASSES]
    assert str(checked(network, data, entries=7, seed=1)) == str(checked(network, data, entries=7, seed=1))
    assert str(checked(network, data, entries=7, seed=1)) != str(checked(network, data, entries=7, seed=2))


def test_a_report_is_a_line_per_array(data):
    report = checked(Network((6, 5, CLASSES)), data)
    assert repr(report) == str(report)
    title, heading, *lines, conclusion = str(report).splitlines()
    assert title.startswith("gradient of softmax_cross_entropy against central differences")
    assert [line.split()[0] for line in lines] == ["weight_1", "bias_1", "weight_2", "bias_2"]
    assert {line.index("agrees") for line in lines} == {heading.index("verdict")}
    assert conclusion == "The gradient is the derivative, as far as this can be seen."


def test_what_is_too_small_to_be_seen_is_said():
    """Saturated units pass back a gradient far below the rounding of the loss."""
    network = Network((2, 3, 2))
    network.parameters[0][...] = -18.0
    report = check_gradient(network, np.ones((4, 2), np.float32), [0, 1, 0, 0], rashin.softmax_cross_entropy)
    assert report.ok
    assert report.arrays[0].verdict == "too small to be seen"
    assert report.arrays[3].verdict == "agrees"


# ------------------------------------------------------------------------------------------- wrong gradients


class Broken(Network):
    """A network whose way back is written out, so that a step of it can be spoilt."""

    def __init__(self, sizes, spoilt):
        super().__init__(sizes, activation="sigmoid")
        self.spoilt = spoilt

    def backward(self, trace, gradient):
        delta, gradients = gradient, []
        for layer in reversed(range(len(self.layers))):
            weight, entered = self.layers[layer][0], trace.inputs[layer]
            gradients += [delta.sum(axis=0), entered.T @ delta]
            delta = delta @ (weight if self.spoilt == "transposed on the way" and layer == 1 else weight.T)
            if self.spoilt != "slope":
                delta = delta * entered * (1.0 - entered)
        gradients.reverse()
        if self.spoilt in SPOILT_AFTERWARDS:
            place, spoil = SPOILT_AFTERWARDS[self.spoilt]
            gradients[place] = spoil(gradients[place])
        return gradients


def _one_entry_off(gradient):
    gradient[2, 3] *= 1.0 + 1e-6
    return gradient


SPOILT_AFTERWARDS = {
    "bias": (3, lambda gradient: gradient / 12),
    "transposed": (2, lambda gradient: gradient.T),
    "shape": (0, lambda gradient: gradient.T),
    "sign": (5, lambda gradient: -gradient),
    "entry": (2, _one_entry_off),
    "nan": (1, lambda gradient: gradient * np.nan),
}


@pytest.mark.parametrize(
    ("spoilt", "wrong", "words"),
    [
        (None, [], "The gradient is the derivative"),
        ("bias", ["bias_2"], "bias_2 alone: weight_2 is right"),
        ("transposed", ["weight_2"], "weight_2 alone: bias_2 is right"),
        ("shape", ["weight_1"], "WRONG: the gradient has shape (5, 6)"),
        ("sign", ["bias_3"], "-1 times the derivative throughout"),
        ("entry", ["weight_2"], "WRONG in 1\n"),
        ("nan", ["bias_1"], "bias_1 alone"),
        ("slope", ["weight_1", "bias_1", "weight_2", "bias_2"], "back to layer 2: look at the slope of the activation"),
        ("transposed on the way", ["weight_1", "bias_1"], "back to layer 1: look at"),
    ],
)
@pytest.mark.parametrize("method", ["optimal", "book"])
def test_a_broken_gradient_is_found_and_named(spoilt, wrong, words, method, data):
    report = checked(Broken((6, 5, 5, CLASSES), spoilt), data, method=method)
    assert [array.name for array in report.arrays if array.wrong] == wrong, report
    assert report.ok == (not wrong)
    assert words in str(report)


def test_the_entry_that_parts_is_named(data):
    report = checked(Broken((6, 5, 5, CLASSES), "entry"), data)
    weight = report.arrays[2]
    assert (weight.index, weight.wrong) == ((2, 3), 1)
    np.testing.assert_allclose(weight.analytic, weight.numerical * (1 + 1e-6), rtol=1e-7)
    assert weight.difference > 10 * weight.expected


def test_a_forgotten_mean_shows_as_one_factor(data):
    class Summed(Network):
        def backward(self, trace, gradient):
            return super().backward(trace, gradient * len(gradient))

    report = checked(Summed((6, 5, CLASSES)), data)
    assert all(array.wrong for array in report.arrays)
    assert all("12 times the derivative throughout" in array.verdict for array in report.arrays)
    assert "back to layer 2: look at the gradient of the loss" in report.conclusion


# ----------------------------------------------------------------------------------------------------- kinks


@pytest.fixture
def at_a_kink(data):
    """A sample of zeros: every unit of the hidden layer stands right at the corner of its ReLU."""
    x, labels = data
    x[0] = 0.0
    return x, labels


def test_a_kink_is_no_error(at_a_kink):
    report = checked(Network((6, 5, CLASSES), activation="relu"), at_a_kink)
    bias = report.arrays[1]
    assert report.ok, report
    assert (bias.checked, bias.at_kink, bias.wrong) == (5, 5, 0)
    assert bias.difference > 10 * bias.expected  # a plain comparison would have called it wrong
    assert [array.at_kink for array in report.arrays if array is not bias] == [0, 0, 0]
    assert bias.verdict == "agrees, 5 at a kink"


@pytest.mark.parametrize("method", ["optimal", "book"])
def test_a_kink_beside_an_entry_is_no_error(method, data):
    x, labels = data
    network = Network((6, 5, CLASSES), activation="relu")
    network.parameters[1][...] = 1e-7  # within the step
    x[0] = 0.0
    report = checked(network, (x, labels), method=method)
    assert report.ok, report
    assert report.arrays[1].at_kink == (5 if method == "book" else 0)  # the best step is short enough to leave it out


class Spoilt(Network):
    """A ReLU network whose gradient is multiplied by a factor for one of its arrays."""

    factors = (1.0, 1.0, 1.0, 1.0)

    def backward(self, trace, gradient):
        return [f * g for f, g in zip(self.factors, super().backward(trace, gradient), strict=True)]


SPOILT = [
    (1.0, 1.0, 1.0, 1.0),
    (1.01, 1.0, 1.0, 1.0),
    (1.0, 1.5, 1.0, 1.0),
    (1.0, 1.0, 0.0, 1.0),
    (1.0, 1.0, 1.0, -1.0),
]


def spoilt_reports(loss, scale, dtype, seeds, factors):
    for seed in seeds:
        rng = np.random.default_rng(seed)
        x, labels = (scale * rng.normal(size=(12, 6))).astype(dtype), rng.integers(0, CLASSES, 12)
        network = Spoilt((6, 5, CLASSES), activation="relu", output=output_for(loss), seed=seed, dtype=dtype)
        network.factors = factors
        yield check_gradient(network, x, labels, loss, entries=6)


@pytest.mark.parametrize("factors", SPOILT, ids=str)
@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1e-3, 1e3, 1e6])
def test_a_step_sees_the_kinks_of_inputs_of_any_size(scale, factors):
    """Biases of 0 put the kinks of all units as near as the inputs are small."""
    for report in spoilt_reports(rashin.softmax_cross_entropy, scale, np.float32, range(2), factors):
        assert [bool(array.wrong) for array in report.arrays] == [factor != 1.0 for factor in factors], report


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e12])
@pytest.mark.parametrize("loss", [*WITH_KINKS, rashin.softmax_cross_entropy], ids=lambda loss: loss.name)
def test_a_right_gradient_is_never_called_wrong(loss, scale):
    for report in spoilt_reports(loss, scale, np.float64, range(2), SPOILT[0]):
        assert report.ok, report


@pytest.mark.parametrize("loss", WITH_KINKS, ids=lambda loss: loss.name)
def test_kinks_of_losses_hide_no_wrong_gradient(loss):
    for factors in SPOILT[1:]:
        for report in spoilt_reports(loss, 1e-6, np.float64, [3], factors):
            assert [bool(array.wrong) for array in report.arrays] == [factor != 1.0 for factor in factors], report


def test_where_every_unit_is_at_its_kink_the_slopes_of_each_sample_count():
    """Weights of 0: half of the samples bend to the left, half to the right, and ReLU's slope at 0 is taken as 0."""
    rng = np.random.default_rng(2)
    x, labels = rng.normal(size=(12, 6)), rng.integers(0, CLASSES, 12)
    network = Network((6, 5, CLASSES), activation="relu", dtype=np.float64)
    network.parameters[0][...] = 0.0
    report = checked(network, (x, labels))
    assert report.ok, report
    network = Spoilt((6, 5, CLASSES), activation="relu", dtype=np.float64)
    network.parameters[0][...], network.factors = 0.0, (1.0, 1.0, 1.0, 1.01)
    assert [array.name for array in checked(network, (x, labels)).arrays if array.wrong] == ["bias_2"]


def test_lists_and_frames_are_taken(data):
    pandas = pytest.importorskip("pandas")
    x, labels = data
    frame = pandas.DataFrame(x, index=np.arange(12)[::-1])
    series = pandas.Series(labels, index=np.random.default_rng(0).permutation(12))
    expected = str(checked(Network((6, 5, CLASSES)), data))
    assert str(checked(Network((6, 5, CLASSES)), (x.tolist(), labels.tolist()))) == expected
    assert str(checked(Network((6, 5, CLASSES)), (frame, series))) == expected


def test_a_kink_excuses_no_other_slope(at_a_kink):
    class Wrong(Network):
        def backward(self, trace, gradient):
            gradients = super().backward(trace, gradient)
            gradients[1] += 1.0
            return gradients

    report = checked(Wrong((6, 5, CLASSES), activation="relu"), at_a_kink)
    assert report.arrays[1].wrong == 5
    assert not report.ok


def test_the_middle_of_the_slopes_at_a_kink_of_the_loss_agrees():
    network = Network((1, 2))
    network.parameters = [np.zeros((1, 2)), np.array([1.0, 0.0])]  # the prediction is the target
    report = check_gradient(network, np.ones((1, 1)), [0], rashin.absolute_error)
    assert report.ok
    assert [array.analytic for array in report.arrays] == [0.0, 0.0]


# ---------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "forward"}, "method: got 'forward'; expected 'optimal' or 'book'"),
        ({"entries": 0}, "entries: got 0; expected a whole number >= 1, or None for all"),
        ({"entries": 2.5}, "got 2.5"),
        ({"x": np.zeros((12, 5))}, r"x: got shape \(12, 5\); expected \(n, 6\)"),
        ({"target": np.full(12, CLASSES)}, f"got {CLASSES} at index 0"),
        ({"loss": rashin.binary_cross_entropy}, "network: got output='identity'; expected 'sigmoid'"),
    ],
)
def test_what_cannot_be_checked_is_refused(options, words, data):
    fitting = {"x": data[0], "target": data[1], "loss": rashin.softmax_cross_entropy}
    with pytest.raises(ValueError, match=words):
        check_gradient(Network((6, CLASSES)), **fitting | options)


def test_losses_near_the_largest_number_are_checked_all_the_same():
    """Squares of such losses are infinite, and so is what a longer step would find."""
    rng = np.random.default_rng(0)
    x, target = 255.0 * rng.normal(size=(15, 5)), np.abs(rng.normal(size=(15, 3)))
    network = Network((5, 6, 3), activation="relu", output="identity", seed=0, dtype=np.float64)
    assert rashin.poisson(network.predict(x), target) > 1e290
    report = check_gradient(network, x, target, rashin.poisson)
    assert [array.verdict for array in report.arrays] == ["agrees"] * 4
    assert all(array.difference < 1e-8 for array in report.arrays)


def test_an_infinite_loss_has_no_gradient():
    network = Network((1, 2), output="softmax")
    network.parameters[0][...] = [[2000.0, -2000.0]]
    with pytest.raises(ValueError, match=r"^x: got samples on which categorical_cross_entropy is inf; .* fix: scale"):
        check_gradient(network, np.ones((1, 1)), [1], rashin.categorical_cross_entropy)


def test_missing_gradients_are_counted(data):
    class Forgetful(Network):
        def backward(self, trace, gradient):
            return super().backward(trace, gradient)[1:]

    with pytest.raises(ValueError, match="backward: got 3 arrays; expected 4, as parameters has"):
        checked(Forgetful((6, 5, CLASSES)), data)
