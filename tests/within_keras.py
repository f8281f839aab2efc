"""Losses in the backend of Keras that the environment names: test_keras.py runs this in a process for each."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest
from keras import layers, losses, ops
from keras.src.backend import set_keras_mask
from mpmath import mpf

import rashin
from losses.textbook import ENTRIES
from rashin.adapters.keras import loss

BACKEND = keras.backend.backend()
SAVED = Path(os.environ["SAVED_MODEL"])

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch itself still scripts
derives = pytest.mark.skipif(BACKEND == "numpy", reason="Keras's NumPy backend has no derivatives")
in_torch = pytest.mark.skipif(BACKEND != "torch", reason="torch")

rng = np.random.default_rng(7)
N = 12
WEIGHT = rng.uniform(0.25, 4.0, N).astype(np.float32)
MASK = np.arange(N) % 4 != 2
LABELS = rng.integers(0, 3, N)


def normal(*shape):
    return rng.normal(0.0, 2.0, shape).astype(np.float32)


def distributions(n):
    return (rng.integers(1, 60, (n, 2)) @ [[1, 0, -1], [0, 1, -1]] / 128 + [0, 0, 1]).astype(np.float32)


CASES = {
    "huber": (rashin.huber.replace(delta=0.7), normal(N), normal(N)),
    "sigmoid": (rashin.sigmoid_cross_entropy.replace(positive_weight=3.0), normal(N), LABELS > 0),
    "softmax": (rashin.softmax_cross_entropy.replace(label_smoothing=0.1), normal(N, 3), LABELS),
    "soft labels": (rashin.focal.replace(gamma=1.5), normal(N, 3), distributions(N)),
    "gaussian": (rashin.gaussian, normal(N, 2), normal(N)),
    "quantiles": (rashin.quantiles.replace(levels=(0.1, 0.7)), normal(N, 2), normal(N)),
}


def masked(z, mask):
    """The prediction as a layer hands it on."""
    tensor = ops.convert_to_tensor(z)
    set_keras_mask(tensor, None if mask is None else ops.convert_to_tensor(mask))
    return tensor


def derived(criterion, z, t, weight=None, mask=None):
    """Value and gradient."""
    if BACKEND == "torch":
        leaf = masked(z, mask).requires_grad_()
        value = criterion(t, leaf, weight)
        value.backward()
        return value.detach(), leaf.grad
    import jax

    return jax.jit(jax.value_and_grad(lambda z: criterion(t, masked(z, mask), weight)))(ops.convert_to_tensor(z))


def array(tensor):
    return ops.convert_to_numpy(tensor)


def exact_sum(case, weights):
    """The textbook's sum, of what the library saw."""
    function, z, t = CASES[case]
    definition, parameters = ENTRIES[function.name].definition, dict(function.parameters)

    def number(x):
        return (
            [mpf(float(one)) for one in x]
            if np.ndim(x)
            else int(x)
            if np.issubdtype(x.dtype, np.integer)
            else mpf(float(x))
        )

    found = [definition(number(a), number(b), **parameters) for a, b in zip(z, t, strict=True)]
    terms = [sum(one) if isinstance(one, (list, tuple)) else one for one in found]
    return sum(mpf(float(w)) * term for w, term in zip(weights, terms, strict=True))


# ------------------------------------------------------------------------------------------------- numbers


@derives
@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_of_weighted_means_are_those_of_numpy_to_the_bit(case):
    function, z, t = CASES[case]
    value, gradient = derived(loss(function, reduction="mean_with_sample_weight"), z, t, WEIGHT, MASK)
    expected, slopes = function.value_and_gradient(z, t, weight=WEIGHT, where=MASK)
    assert array(value) == np.float32(expected)
    assert np.array_equal(array(gradient), slopes)
    assert float(expected) == pytest.approx(
        float(exact_sum(case, WEIGHT * MASK) / mpf(float(WEIGHT[MASK].sum(dtype=np.float64)))), rel=1e-14, abs=0
    )


@derives
@pytest.mark.parametrize("case", CASES)
def test_weighted_sums_over_the_batch_size_divide_by_the_number_of_samples(case):
    function, z, t = CASES[case]
    value, gradient = derived(loss(function), z, t, WEIGHT, MASK)
    shares = WEIGHT / np.float32(MASK.sum())
    assert np.array_equal(array(gradient), function.gradient(z, t, weight=shares, where=MASK, reduction="sum"))
    exact = exact_sum(case, WEIGHT * MASK) / int(MASK.sum())
    assert float(value) == pytest.approx(float(exact), rel=2.0**-23, abs=0)


@derives
def test_unweighted_means_are_those_of_numpy_to_the_bit():
    function, z, t = CASES["softmax"]
    value, gradient = derived(loss(function), z, t)
    expected, slopes = function.value_and_gradient(z, t)
    assert array(value) == np.float32(expected)
    assert np.array_equal(array(gradient), slopes)


@in_torch
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum", "none"])
def test_predictions_in_double_are_reduced_in_double(reduction, weight):
    z, t = normal(N, 3).astype(np.float64), normal(N, 3).astype(np.float64)
    found = loss("log_cosh", reduction=reduction)(t, z, weight)
    w = np.ones(N) if weight is None else WEIGHT.astype(np.float64)
    each = w * rashin.log_cosh(z, t, reduction="none").mean(-1)
    shares = {"none": 1, "sum": 1, "sum_over_batch_size": 1 / N, "mean_with_sample_weight": 1 / w.sum()}[reduction]
    assert array(found) == pytest.approx((each if reduction == "none" else each.sum()) * shares, rel=1e-14, abs=0)


@derives
def test_predictions_of_half_precision_stay_what_they_are():
    z, t = normal(N, 1).astype(ml_dtypes.bfloat16), normal(N)
    value, gradient = derived(loss("log_cosh"), ops.convert_to_tensor(z), t)
    assert keras.backend.standardize_dtype(gradient.dtype) == "bfloat16"
    assert float(value) == np.float32(rashin.log_cosh(z[:, 0], t))  # float32 from the double, not a bfloat16
    assert np.array_equal(
        array(ops.cast(gradient, "float32"))[:, 0], rashin.log_cosh.gradient(z[:, 0], t).astype(np.float32)
    )


def test_a_confident_prediction_still_has_a_loss():
    z, t = np.float32([[20.0, 0.0]]), np.array([0])
    assert float(losses.SparseCategoricalCrossentropy(from_logits=True)(t, ops.convert_to_tensor(z))) == 0.0
    assert np.float32(loss("softmax_cross_entropy")(t, z)) == np.float32(2.061153620314381e-09)
    assert float(loss("binary_cross_entropy")(np.ones(1), np.float32([1e-20]))) == pytest.approx(
        46.0517, rel=1e-6, abs=0
    )


# ------------------------------------------------------------------------------------- what Keras's own give


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None])
def test_reductions_are_those_of_keras(reduction, with_mask, weighted):
    z, t = normal(N, 4), normal(N, 4)
    weight, mask = WEIGHT if weighted else None, MASK if with_mask else None
    found = loss(rashin.huber.replace(delta=0.7), reduction=reduction)(t, masked(z, mask), weight)
    expected = losses.Huber(0.7, reduction=reduction)(t, masked(z, mask), weight)
    assert np.shape(found) == np.shape(expected)
    assert array(found) == pytest.approx(array(expected), rel=4e-7, abs=0)


P, Q = distributions(N), distributions(N)
ALIKE = {
    "MeanSquaredError": (losses.MeanSquaredError, {}, rashin.squared_error, normal(N, 1), normal(N)),
    "MeanAbsoluteError": (losses.MeanAbsoluteError, {}, rashin.absolute_error, normal(N, 1), normal(N)),
    "MeanSquaredLogarithmicError": (
        losses.MeanSquaredLogarithmicError, {}, rashin.squared_log_error, abs(normal(N, 1)), abs(normal(N)),
    ),
    "LogCosh": (losses.LogCosh, {}, rashin.log_cosh, normal(N, 1), normal(N)),
    "Hinge": (losses.Hinge, {}, rashin.hinge, normal(N, 1), np.sign(normal(N))),
    "SquaredHinge": (losses.SquaredHinge, {}, rashin.squared_hinge, normal(N, 1), np.sign(normal(N))),
    "BinaryCrossentropy": (
        losses.BinaryCrossentropy, {"from_logits": True}, rashin.sigmoid_cross_entropy, normal(N, 1), LABELS > 0,
    ),
    "BinaryFocalCrossentropy": (
        losses.BinaryFocalCrossentropy,
        {"from_logits": True, "gamma": 1.5, "alpha": 0.3, "apply_class_balancing": True},
        rashin.sigmoid_focal.replace(gamma=1.5, alpha=0.3), normal(N, 1), LABELS > 0,
    ),
    "CategoricalCrossentropy": (
        losses.CategoricalCrossentropy, {"from_logits": True, "label_smoothing": 0.1},
        rashin.softmax_cross_entropy.replace(label_smoothing=0.1), normal(N, 3), Q,
    ),
    "CategoricalCrossentropy of probabilities": (
        losses.CategoricalCrossentropy, {}, rashin.categorical_cross_entropy, P, Q,
    ),
    "SparseCategoricalCrossentropy": (
        losses.SparseCategoricalCrossentropy, {"from_logits": True}, rashin.softmax_cross_entropy, normal(N, 3), LABELS,
    ),
    "SparseCategoricalCrossentropy of probabilities": (
        losses.SparseCategoricalCrossentropy, {}, rashin.categorical_cross_entropy, P, LABELS,
    ),
}  # fmt: skip


@in_torch
@pytest.mark.parametrize("name", ALIKE)
def test_weighted_losses_are_those_of_keras(name):
    own, settings, function, z, t = ALIKE[name]
    expected = own(**settings)(t, z, WEIGHT)  # Keras sums in float32, whatever its dtype
    assert float(loss(function)(t, z, WEIGHT)) == pytest.approx(float(expected), rel=1e-6, abs=0)


def test_poisson_takes_the_logarithm_of_keras_s_prediction():
    mean, t = np.exp(normal(N, 1)), rng.integers(0, 5, N).astype(np.float32)
    expected = losses.Poisson()(t[:, None], mean, WEIGHT)
    assert float(loss("poisson")(t, np.log(mean), WEIGHT)) == pytest.approx(float(expected), rel=1e-5, abs=0)


def test_an_ignored_class_may_be_any_number_and_does_not_count():
    z, t = CASES["softmax"][1], np.where(MASK, LABELS, -1)
    found = float(loss("softmax_cross_entropy", ignore_class=-1)(t[:, None], z, WEIGHT))
    own = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    assert found == pytest.approx(float(own(t, z, WEIGHT)), rel=4e-7, abs=0)
    assert found == pytest.approx(
        rashin.softmax_cross_entropy(z, t, weight=WEIGHT, where=MASK, reduction="sum") / MASK.sum(), rel=2e-7, abs=0
    )


def test_weights_of_rows_hold_for_all_time_steps():
    z, t = normal(4, 4, 1), normal(4, 4)
    found = float(loss("half_squared_error")(t, z, WEIGHT[:4]))
    assert found == pytest.approx(float(np.mean(WEIGHT[:4, None] * (z[..., 0] - t) ** 2) / 2), rel=1e-6, abs=0)
    # In Keras the weights of rows are taken for those of time steps.
    own = float(losses.MeanSquaredError()(t[..., None], z, WEIGHT[:4])) / 2
    assert own == pytest.approx(float(np.mean(WEIGHT[:4] * (z[..., 0] - t) ** 2) / 2), rel=1e-6, abs=0)
    steps = WEIGHT[:8].reshape(4, 2).repeat(2, 1)
    assert float(loss("half_squared_error")(t, z, steps)) == pytest.approx(
        float(np.mean(steps * (z[..., 0] - t) ** 2) / 2), rel=1e-6, abs=0
    )


# -------------------------------------------------------------------------------------------------- training

X = normal(48, 5)
Y = (X @ np.float32([1, -2, 3, 0.5, 1]) + normal(48)).astype(np.float32)
SAMPLE_WEIGHT = np.linspace(0.5, 2.0, 48)


def compiled(criterion, units=1, **settings):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, activation="relu"), layers.Dense(units)])
    model.compile(keras.optimizers.SGD(0.05), criterion, **settings)
    return model


def fitted(criterion, y=Y, **settings):
    model = compiled(criterion, **settings)
    history = model.fit(X, y, epochs=2, batch_size=16, shuffle=False, verbose=0, sample_weight=SAMPLE_WEIGHT)
    return model, history.history["loss"]


@derives
def test_a_training_is_that_of_keras_s_own_loss_and_the_saved_model_has_it():
    criterion = loss(rashin.huber.replace(delta=2.0))
    model, history = fitted(criterion)
    assert history == pytest.approx(fitted(losses.Huber(2.0))[1], rel=1e-6, abs=0)
    model.save(SAVED)
    np.save(SAVED.with_suffix(".npy"), model.predict(X, verbose=0))
    loaded = keras.models.load_model(SAVED)
    assert repr(loaded.loss) == "<KerasLoss huber(delta=2.0), reduction='sum_over_batch_size'>"
    means = [one.evaluate(X, Y, sample_weight=SAMPLE_WEIGHT, verbose=0) for one in (model, loaded)]
    assert means[0] == means[1]


@pytest.mark.skipif(BACKEND != "numpy", reason="another process has saved the model")
def test_a_model_is_evaluated_without_derivatives():
    model = keras.models.load_model(SAVED)
    exact = (
        rashin.huber(np.load(SAVED.with_suffix(".npy"))[:, 0], Y, weight=SAMPLE_WEIGHT, reduction="sum", delta=2.0) / 48
    )
    found = model.evaluate(X, Y, sample_weight=SAMPLE_WEIGHT, batch_size=48, verbose=0)
    assert found == pytest.approx(exact, rel=1e-5, abs=0)  # the predictions are of another library


@derives
def test_masks_of_layers_select_the_time_steps():
    tokens, t = rng.integers(0, 4, (6, 5)), rng.integers(0, 3, (6, 5))
    model = keras.Sequential([keras.Input((5,)), layers.Embedding(4, 3, mask_zero=True), layers.Dense(3)])
    model.compile("sgd", loss("softmax_cross_entropy"))
    found = model.evaluate(tokens, t, sample_weight=WEIGHT[:6], batch_size=6, verbose=0)
    z, where, weight = model.predict(tokens, verbose=0), tokens != 0, np.broadcast_to(WEIGHT[:6, None], t.shape)
    exact = rashin.softmax_cross_entropy(z, t, weight=weight, where=where, reduction="sum") / where.sum()
    assert found == pytest.approx(exact, rel=2e-7, abs=0)


@derives
def test_a_metric_is_the_weighted_mean_over_all_batches():
    model = compiled(loss("huber"), weighted_metrics=[loss("log_cosh", reduction="none")])
    found = model.evaluate(X, Y, sample_weight=SAMPLE_WEIGHT, batch_size=20, verbose=0, return_dict=True)
    exact = rashin.log_cosh(model.predict(X, verbose=0)[:, 0], Y, weight=SAMPLE_WEIGHT)
    assert found["log_cosh"] == pytest.approx(exact, rel=1e-6, abs=0)


@derives
def test_predictions_of_a_distribution_are_trained_along_the_last_axis():
    found = fitted(loss("gaussian"), units=2)[1]
    assert found[1] < found[0]


@derives
def test_a_label_that_is_none_stops_the_training_and_is_named():
    labels = np.where(np.arange(48) == 21, 7, 1)
    with pytest.raises(Exception, match="target: got 7 at index 5; expected a class label from 0 to 2"):
        float(fitted(loss("softmax_cross_entropy"), labels, units=3)[1][0])  # JAX raises where the number is read


@in_torch
def test_compiled_graphs_take_the_loss_as_one_operator():
    import torch

    criterion, z = loss(rashin.huber.replace(delta=0.7)), torch.tensor(normal(N, 1), requires_grad=True)
    t, w = torch.tensor(normal(N)), torch.tensor(WEIGHT)
    value = torch.compile(lambda t, z, w: criterion(t, z, w), backend="eager", fullgraph=True)(t, z, w)
    assert torch.equal(value, criterion(t, z, w))


# -------------------------------------------------------------------------------------------- text and errors


@pytest.mark.parametrize("function", [one for one, *_ in CASES.values()] + [rashin.softmax_cross_entropy])
def test_the_config_gives_the_loss_again(function):
    axis = {"axis": 1} if function.prediction.axes else {}
    made = loss(function, reduction="sum", name="mine", **axis)
    again = losses.deserialize(losses.serialize(made))
    assert (again.loss, again.reduction, again.name, again.axis) == (function, "sum", "mine", made.axis)


def test_another_axis_holds_the_classes():
    function, z, t = CASES["softmax"]
    moved = z.T.reshape(3, 2, N // 2).transpose(1, 0, 2)
    found = loss(function, axis=1)(t.reshape(2, -1), moved, WEIGHT.reshape(2, -1))
    assert float(found) == pytest.approx(float(loss(function)(t, z, WEIGHT)), rel=2e-7, abs=0)


ERRORS = {
    "a loss of groups": (lambda: loss("tversky"), "loss: got 'tversky', a loss of groups; expected a loss of single"),
    "the loss of groups itself": (lambda: loss(rashin.cox), "loss: got cox.*; expected a loss of single samples"),
    "an axis of single numbers": (
        lambda: loss("huber", axis=1),
        "axis: got 1 for huber; expected -1, .*; fix: leave it out",
    ),
    "an ignored class": (lambda: loss("huber", ignore_class=1), "ignore_class: got 1 for huber; expected None"),
    "ignored distributions": (
        lambda: loss("softmax_cross_entropy", ignore_class=1)(P, Q),
        r"ignore_class: got 1 with y_true of shape \(12, 3\); expected class labels of shape \(12,\)",
    ),
    "weights of another shape": (
        lambda: loss("huber")(normal(2, 5), normal(2, 5), normal(5)),
        r"sample_weight: got shape \(5,\) for losses of shape \(2, 5\); expected that shape, or its first axes; fix: ",
    ),
    "targets of another shape": (
        lambda: loss("huber")(normal(4, 1), normal(4, 3)),
        r"target: got shape \(4, 1\) for a prediction of shape \(4, 3\); expected equal shapes; fix: ",
    ),
    "nothing that counts": (
        lambda: loss("softmax_cross_entropy", ignore_class=1)(np.ones(3, int), normal(3, 3)),
        "`where` selects nothing",
    ),
    "nothing that counts, with weights": (
        lambda: loss("softmax_cross_entropy", ignore_class=1)(np.ones(3, int), normal(3, 3), np.ones(3, "float32")),
        "weight: got nan at index 0; expected finite weights >= 0",
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors_say_what_came_and_what_is_expected(what):
    act, message = ERRORS[what]
    with pytest.raises((TypeError, ValueError), match=message):
        act()


def test_keras_s_other_backends_are_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(
        RuntimeError, match=r"keras: got the backend 'tensorflow'; expected one .*, jax, torch, numpy; fix"
    ):
        loss("huber")
