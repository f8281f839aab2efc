"""Keras's losses and ours under their names: the same numbers with Keras's epsilon, and exact ones without it."""

from __future__ import annotations

import functools
import inspect

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import rashin
from rashin import conventions
from rashin.conventions.keras import CLASSES
from rashin.dialects import keras as ours

pytestmark = [
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide"),  # Keras's, in rows that are ignored
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of Keras with torch
    pytest.mark.filterwarnings("ignore:Explicitly requested dtype:UserWarning"),  # of Keras with JAX
]
RNG = np.random.default_rng(18)
N, C = 6, 4
Z, T, POSITIVE, COUNTS = (
    RNG.normal(size=(N, 3)),
    RNG.normal(size=(N, 3)),
    RNG.gamma(2.0, 1.0, (N, 3)) + 0.1,
    RNG.poisson(3.0, (N, 3)) * 1.0,
)
ROWS, LABELS, SOFT, P = (
    RNG.normal(size=(N, C)),
    RNG.integers(0, C, N),
    RNG.dirichlet(np.ones(C), N),
    RNG.dirichlet(np.ones(C), N),
)
HOT, BITS, CHANCES = np.eye(C)[LABELS], RNG.integers(0, 2, (N, 3)) * 1.0, RNG.uniform(0.02, 0.98, (N, 3))
WEIGHTS = RNG.uniform(0.3, 3.0, N)
CLIPPED = np.array(
    [[1.0, 0.0], [0.25, 0.0], [0.0, 0.0]]
)  # 1 - 1e-7 has one digit in float32, so that a 0 stands beside it
CLIPPED_BITS = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
CERTAIN, CERTAIN_LABELS = np.array([[1.0, 0.0, 0.0], [0.0, 0.3, 0.7], [0.2, 0.2, 0.1]]), np.array([1, 2, 0])

CASES = {
    "mean_squared_error": ((T, Z), {}),
    "mean_absolute_error": ((T, Z), {}),
    "mean_absolute_percentage_error": ((T, Z), {}),
    "mean_squared_logarithmic_error": ((COUNTS, POSITIVE), {}),
    "huber": ((T, Z), {"delta": 0.7}),
    "log_cosh": ((T, Z), {}),
    "poisson": ((COUNTS, POSITIVE), {}),
    "hinge": ((BITS, Z), {}),
    "squared_hinge": ((2 * BITS - 1, Z), {}),
    "categorical_hinge": ((HOT, ROWS), {}),
    "binary_crossentropy": ((BITS, CHANCES), {"label_smoothing": 0.1}),
    "binary_focal_crossentropy": ((BITS, CHANCES), {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5}),
    "categorical_crossentropy": ((SOFT, P), {"label_smoothing": 0.1}),
    "sparse_categorical_crossentropy": ((LABELS, P), {"ignore_class": LABELS[1]}),
    "categorical_focal_crossentropy": ((SOFT, P), {"alpha": [0.1, 0.2, 0.3, 0.4], "label_smoothing": 0.1}),
    "categorical_generalized_cross_entropy": ((LABELS, P), {"q": 0.6}),
    "kl_divergence": ((SOFT, P), {}),
    "dice": ((BITS, CHANCES), {"axis": 1}),
    "tversky": ((BITS, CHANCES), {"alpha": 0.8, "beta": 0.3, "axis": (1,)}),
}  # fmt: skip
OTHERS = {
    "binary logits": ("binary_crossentropy", (BITS, Z), {"from_logits": True, "label_smoothing": 0.2, "axis": 0}),
    "focal logits": ("binary_focal_crossentropy", (BITS, Z), {"from_logits": True}),
    "categorical logits": ("categorical_crossentropy", (SOFT, ROWS), {"from_logits": True, "label_smoothing": 0.2}),
    "labels of logits": ("sparse_categorical_crossentropy", (LABELS[:, None], ROWS), {"from_logits": True}),
    "focal logits of rows": ("categorical_focal_crossentropy", (SOFT, ROWS), {"from_logits": True, "alpha": 0.5}),
    "focal, smoothed": (
        "binary_focal_crossentropy", (BITS, CHANCES),
        {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5, "label_smoothing": 0.1},
    ),
    "signs of bits": ("squared_hinge", (BITS, Z), {}),
    "a column": ("mean_squared_error", (T[:, 0], Z[:, :1]), {}),
    "another column": ("log_cosh", (T[:, :1], Z[:, 0]), {}),
    "one set": ("tversky", (BITS, CHANCES), {}),
    "one dice": ("dice", (BITS, CHANCES), {}),
}  # fmt: skip
CLIPS = {
    "mean_absolute_percentage_error": (np.zeros_like(T), Z),
    "mean_squared_logarithmic_error": (COUNTS, Z),
    "poisson": (CLIPPED_BITS, CLIPPED),
    "binary_crossentropy": (CLIPPED_BITS, CLIPPED),
    "binary_focal_crossentropy": (CLIPPED_BITS, CLIPPED),
    "categorical_crossentropy": (np.eye(3)[CERTAIN_LABELS], CERTAIN),
    "categorical_focal_crossentropy": (np.eye(3)[CERTAIN_LABELS], CERTAIN),
    "sparse_categorical_crossentropy": (CERTAIN_LABELS, CERTAIN),
    "kl_divergence": (np.eye(3)[CERTAIN_LABELS], CERTAIN),
    "dice": (CLIPPED_BITS, CLIPPED * 1e-6),
    "tversky": (CLIPPED_BITS, CLIPPED * 1e-6),
}


def tensor(given):
    return keras.ops.convert_to_tensor(given) if isinstance(given, np.ndarray) else given


def theirs(function, *arguments, **settings):
    """Keras's number, whatever its backend is."""
    settings = {name: tensor(given) for name, given in settings.items()}
    return keras.ops.convert_to_numpy(function(*map(tensor, arguments), **settings))


def assert_same(found, expected, rtol=3e-6):
    """As near as Keras's arithmetic in float32 comes."""
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)


def as_keras_does(name, settings):
    """With the exchange of alpha and beta that Keras has."""
    return {**settings, "swapped": True} if name == "tversky" else settings


@pytest.mark.parametrize("name", CASES)
def test_ordinary_numbers_are_keras(name):
    arguments, settings = CASES[name]
    expected = theirs(getattr(keras.losses, name), *arguments, **settings)
    found = getattr(ours, name)(*arguments, **as_keras_does(name, settings))
    assert_same(found, expected)
    if name in CLIPS:
        assert_same(getattr(ours, name)(*arguments, epsilon=1e-7, **as_keras_does(name, settings)), expected)


@pytest.mark.parametrize("case", OTHERS)
def test_other_forms_are_keras(case):
    name, arguments, settings = OTHERS[case]
    expected = theirs(getattr(keras.losses, name), *arguments, **settings)
    assert_same(getattr(ours, name)(*arguments, **as_keras_does(name, settings)), expected)


@pytest.mark.parametrize("name", CLIPS)
def test_the_switch_reproduces_what_keras_clips(name):
    expected = theirs(getattr(keras.losses, name), *CLIPS[name])
    assert_same(getattr(ours, name)(*CLIPS[name], epsilon=1e-7), expected)


@pytest.mark.parametrize("name", ["binary_focal_crossentropy", "categorical_focal_crossentropy"])
def test_the_switch_reproduces_the_clip_of_logits(name):
    arguments = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[-30.0, 30.0], [2.0, 1.0]])
    expected = theirs(getattr(keras.losses, name), *arguments, from_logits=True)
    assert_same(getattr(ours, name)(*arguments, from_logits=True, epsilon=1e-7), expected, rtol=0.02)
    assert np.max(getattr(ours, name)(*arguments, from_logits=True)) > 1.5 * np.max(expected)


def test_the_classes_may_lie_along_another_axis():
    pixels = np.moveaxis(P.reshape(2, 3, C), -1, 1), np.moveaxis(SOFT.reshape(2, 3, C), -1, 1)
    for name in ("categorical_crossentropy", "categorical_focal_crossentropy"):
        function = functools.partial(getattr(ours, name), label_smoothing=0.1)
        found = function(pixels[1], pixels[0], axis=1)
        np.testing.assert_allclose(found, function(SOFT, P).reshape(2, 3), rtol=1e-12)
        expected = theirs(getattr(keras.losses, name), pixels[1], pixels[0], axis=1)
        assert_same(getattr(ours, name)(pixels[1], pixels[0], axis=1), expected)
    found = ours.sparse_categorical_crossentropy(LABELS.reshape(2, 1, 3), pixels[0], axis=1)
    np.testing.assert_allclose(found, ours.sparse_categorical_crossentropy(LABELS, P).reshape(2, 3), rtol=1e-12)


def test_tversky_weighs_false_positives_by_alpha_as_its_text_says():
    assert ours.tversky(BITS, CHANCES, 0.9, 0.1) == rashin.tversky(CHANCES, BITS, alpha=0.9, beta=0.1)
    expected = theirs(keras.losses.tversky, BITS, CHANCES, 0.9, 0.1)
    assert ours.tversky(BITS, CHANCES, 0.9, 0.1, epsilon=1e-7, swapped=True) == pytest.approx(expected, rel=3e-6, abs=0)
    assert ours.tversky(BITS, CHANCES, 0.9, 0.1) != pytest.approx(expected, rel=1e-3, abs=0)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum", None])
@pytest.mark.parametrize("name", CLASSES)
def test_classes_reduce_as_keras_does(name, reduction):
    function = CLASSES[name][0]
    arguments, settings = CASES[function]
    if "axis" in settings:
        arguments, settings = CASES[function][0], {**settings, "axis": 1}
    expected = theirs(getattr(keras.losses, name)(reduction=reduction, **settings), *arguments, sample_weight=WEIGHTS)
    found = getattr(ours, name)(reduction=reduction, **as_keras_does(function, settings))(
        *arguments, sample_weight=WEIGHTS
    )
    assert_same(found, expected)


@pytest.mark.parametrize("reduction", ["sum", None])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", np.float64, keras.DTypePolicy("mixed_float16")])
def test_the_type_of_a_class_is_that_of_its_result(dtype, reduction):
    narrow = T.astype(np.float32), Z.astype(np.float32)
    original = keras.losses.Huber(0.7, dtype=dtype, reduction=reduction)
    found = ours.Huber(0.7, dtype=dtype, reduction=reduction)(*narrow)
    assert found.dtype == original.dtype
    exact = rashin.huber(*(x.astype(np.float64) for x in narrow[::-1]), delta=0.7, reduction="none").mean(-1)
    exact = (exact.sum() if reduction else exact).astype(found.dtype)
    np.testing.assert_array_max_ulp(found, exact, maxulp=1)
    if found.dtype == np.float32:
        assert_same(found, theirs(original, *narrow))


def test_classes_without_a_sample_have_no_mean():
    loss = ours.SparseCategoricalCrossentropy(ignore_class=2)
    with pytest.raises(ValueError, match="got 6 samples with reduction='mean', but `where` selects nothing"):
        loss(0 * LABELS + 2, P)
    with pytest.raises(ValueError, match="but the weights are all 0"):
        ours.MeanSquaredError(reduction="mean_with_sample_weight")(T, Z, 0.0 * WEIGHTS)


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "BinaryFocalCrossentropy", "KLDivergence", "Dice", "Huber"])
def test_classes_take_columns_against_vectors(name):
    labels, column = BITS[:, 0], CHANCES[:, :1]
    for given in ((labels, column), (labels[:, None], column[:, 0])):
        weight = None if name == "Dice" else WEIGHTS[:, None]
        settings = {"epsilon": 1e-7} if name != "Huber" else {}
        expected = theirs(getattr(keras.losses, name)(reduction=None), *given, sample_weight=weight)
        assert_same(getattr(ours, name)(reduction=None, **settings)(*given, sample_weight=weight), expected)


def test_classes_take_columns_of_weights_and_no_weights():
    for weight in (None, WEIGHTS[:, None], WEIGHTS[:1, None], WEIGHTS, 2.5):
        expected = theirs(keras.losses.MeanSquaredError(), T, Z, sample_weight=weight)
        assert_same(ours.MeanSquaredError()(T, Z, weight), expected)
    pictures = ROWS.reshape(2, 3, C), LABELS.reshape(2, 3)
    expected = theirs(
        keras.losses.CategoricalHinge(), np.eye(C)[pictures[1]], pictures[0], sample_weight=WEIGHTS[:2, None]
    )
    assert_same(ours.CategoricalHinge()(np.eye(C)[pictures[1]], pictures[0], WEIGHTS[:2, None]), expected)


@pytest.mark.parametrize("name", [*conventions.named("keras"), *CLASSES])
def test_signatures_are_keras(name):
    original = inspect.signature(getattr(keras.losses, name)).parameters.values()
    mine = list(inspect.signature(getattr(ours, name)).parameters.values())
    assert [(p.name, p.kind, p.default) for p in original] == [
        (p.name, p.kind, p.default) for p in mine[: len(original)]
    ]
    assert {p.name for p in mine[len(original) :]} <= {"epsilon", "swapped"}


def test_every_loss_of_keras_is_there_or_has_a_reason():
    other = {"Loss", "deserialize", "get", "serialize"}
    original = {name for name in dir(keras.losses) if not name.startswith("_")} - other
    assert original <= {*conventions.named("keras"), *CLASSES, *conventions.MISSING["keras"]}
    with pytest.raises(AttributeError, match=r"rashin.dialects.keras has no CTC: rashin has no alignments"):
        ours.CTC  # noqa: B018


def test_probabilities_near_0_and_1_keep_their_digits():
    p, t = np.float32([[1e-20], [1.0]]), np.float32([[1.0], [0.0]])
    assert_same(ours.binary_crossentropy(t, p), np.float32([46.0517018598809, np.inf]), rtol=1e-7)
    assert theirs(keras.losses.binary_crossentropy, t, p)[0] < 17.0
    sure = np.float32([[1.0]]), np.float32([[20.0]])
    focal = ours.binary_focal_crossentropy(*sure, from_logits=True)
    assert focal[0] == pytest.approx(np.exp(-20.0) ** 3, rel=1e-6, abs=0)
    assert theirs(keras.losses.binary_focal_crossentropy, *sure, from_logits=True)[0] == 0.0
    assert ours.log_cosh(np.float32([[0.0]]), np.float32([[2.0**-16]]))[0] == np.float32(2.0**-33)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ours.hinge(np.array([[0.0, -1.0]]), np.ones((1, 2))), "target: got -3.0"),
        (lambda: ours.sparse_categorical_crossentropy(LABELS + C, ROWS, from_logits=True), "target: got"),
        (lambda: ours.categorical_crossentropy(SOFT, 2 * P), "prediction: got"),
        (lambda: ours.categorical_generalized_cross_entropy(LABELS, 0.5 * P, 0.5), "prediction: got"),
        (lambda: ours.categorical_hinge(SOFT, ROWS), "target: got"),
        (lambda: ours.binary_focal_crossentropy(BITS + 0.5, CHANCES), "target: got 1.5"),
        (lambda: ours.MeanSquaredError(dtype="int32"), "dtype: got 'int32'"),
        (lambda: ours.MeanSquaredError(dtype="bfloat16")(T, Z), "dtype: got 'bfloat16'"),
        (lambda: ours.mean_squared_error(T[:, :1], Z), "target: got shape"),
        (lambda: ours.mean_absolute_percentage_error(np.zeros_like(T), Z), "target: got 0.0"),
        (lambda: ours.poisson(COUNTS, -POSITIVE), "prediction: got nan"),
        (lambda: ours.MeanSquaredError(reduction="batch"), "reduction: got 'batch'"),
        (lambda: ours.MeanSquaredError()(T, Z, -WEIGHTS), "weight: got -"),
        (lambda: ours.MeanSquaredError()(T, Z, WEIGHTS[:3]), "sample_weight: got shape (3,)"),
    ],
)
def test_what_keras_lets_pass_is_refused(call, words):
    with pytest.raises(ValueError, match="expected") as caught:
        call()
    assert words in str(caught.value)
