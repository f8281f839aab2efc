"""Losses by their formula, on arrays of the array API: those of array_api_strict and of Dask."""

from __future__ import annotations

import array_api_strict
import dask.array
import numpy as np
import pytest

import rashin
from shipped import of_any_rows
from test_reduction import CASES

# Dask computes later, and then NumPy warns of what a formula computes beside the branch that it takes.
pytestmark = pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")

LIBRARIES = {
    "strict": (array_api_strict.asarray, np.asarray),
    "dask": (lambda x: dask.array.from_array(x, chunks=7), lambda x: x.compute()),
}
every_library = pytest.mark.parametrize(("made", "back"), LIBRARIES.values(), ids=LIBRARIES)
CLOSE = {np.float32: 2.0**-23, np.float64: 2.0**-40}  # one rounding of the result; summands of doubles that cancel
# Dask has the formulas of NumPy: what is tried on it is that they stay lazy, in chunks, for a loss of each kind.
KINDS = ["huber", "softmax_cross_entropy", "softmax_cross_entropy, soft", "categorical_cross_entropy, soft"]
TRIED = [("strict", case) for case in CASES] + [("dask", case) for case in KINDS]


def drawn(case, dtype, n=20):
    loss, draw_z, draw_t = CASES[case]
    rng = np.random.default_rng(9)
    z, t = draw_z(rng, n).astype(dtype), np.asarray(draw_t(rng, n))
    keywords = {"weight": rng.random(n) + 0.5, "where": rng.random(n) > 0.3}
    return of_any_rows(loss), z, t, keywords


def near(found, exact, dtype):
    found = np.asarray(found)
    assert found.dtype == dtype
    finite = np.abs(exact)[np.isfinite(exact)]
    rest = 2.0**-50 * np.max(finite, initial=0.0)  # a share of the largest entry, for sums that cancel
    same = found == exact  # infinities
    with np.errstate(invalid="ignore"):
        return np.all(same | (np.abs(found - exact) <= CLOSE[dtype] * np.abs(exact) + rest))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize(("library", "case"), TRIED)
def test_value_and_derivatives_are_numpys_in_double_rounded_once(library, case, dtype):
    made, back = LIBRARIES[library]
    loss, z, t, keywords = drawn(case, dtype)
    theirs = {name: made(array) for name, array in keywords.items()}
    vector = np.cos(np.arange(z.size)).reshape(z.shape).astype(dtype)
    for reduction in ("mean", "none"):
        exact = loss.value_gradient_and_hessian(z, t, reduction=reduction, **keywords)
        found = loss.value_gradient_and_hessian(made(z), made(t), reduction=reduction, **theirs)
        for a, b in zip(found, exact, strict=True):
            assert type(a) is type(made(z))
            assert near(back(a), b, dtype)
    exact = loss.per_sample(z, t, where=keywords["where"])
    assert np.allclose(back(loss.per_sample(made(z), made(t), where=theirs["where"])), exact, rtol=2.0**-40, atol=0.0)
    if not loss.rule.has_products:
        return
    exact = loss.hessian_vector_product(z, t, vector, **keywords)
    assert near(back(loss.hessian_vector_product(made(z), made(t), made(vector), **theirs)), exact, dtype)


@every_library
def test_links_are_numpys(made, back):
    z = np.array([[20.0, 0.0, -np.inf], [-3.0, 1e4, 1e4 - 30.0]], np.float32)
    for link in (rashin.softmax, rashin.log_softmax, rashin.logsumexp):
        assert near(back(link(made(z), axis=-1)), link(z, axis=-1), np.float32)
        assert near(back(link(made(z.T), axis=0)), link(z.T, axis=0), np.float32)
    assert near(back(rashin.sigmoid(made(z))), rashin.sigmoid(z), np.float32)


@every_library
def test_a_certain_and_right_prediction_loses_no_digits(made, back):
    z = np.array([[20.0, 0.0, -5.0], [40.0, -30.0, 0.0]])
    value, gradient, hessian = rashin.softmax_cross_entropy.value_gradient_and_hessian(
        made(z), made(np.array([0, 0])), reduction="none"
    )
    exact = rashin.softmax_cross_entropy.value_gradient_and_hessian(z, [0, 0], reduction="none")
    assert all(near(back(a), b, np.float64) for a, b in zip((value, gradient, hessian), exact, strict=True))


@every_library
@pytest.mark.parametrize(
    ("z", "t", "keywords", "words"),
    [
        ([[0.0, 1.0]], [2], {}, "target: got 2.* at index 0; expected a class label from 0 to 1"),
        ([[0.0, np.nan]], [1], {}, r"prediction: got nan at index \(0, 1\)"),
        ([[np.inf, np.inf]], [1], {}, "without a limit|where the loss has no limit"),
        ([[0.0, 1.0]], [1], {"weight": [-1.0]}, "weight: got -1.0 at index 0"),
        ([[0.0, 1.0]], [1], {"where": [False]}, "`where` selects nothing"),
        ([[0.0, 1.0]], [[1]], {}, r"target: got shape \(1, 1\)"),
        ([[0.0, 1.0]], [[0.5, 0.6]], {}, "a distribution, whose sum is 1"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_for_numpy_arrays(made, back, z, t, keywords, words):
    theirs = {name: made(np.array(value)) for name, value in keywords.items()}
    with pytest.raises(ValueError, match=words):
        back(rashin.softmax_cross_entropy(made(np.array(z)), made(np.array(t)), **theirs))


@every_library
def test_vectors_and_links_are_checked_too(made, back):
    z, t = np.array([[0.5, 1.0], [2.0, -1.0]]), made(np.array([0, 1]))
    ce, vector = rashin.softmax_cross_entropy, np.array([[np.nan, 1.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match=r"vector: got nan at index \(0, 0\)"):
        ce.hessian_vector_product(made(z), t, made(vector))
    with pytest.raises(ValueError, match=r"vector: got shape \(2, 1\)"):
        ce.hessian_vector_product(made(z), t, made(vector[:, 1:]))
    outside = np.array([False, True])
    found = back(ce.hessian_vector_product(made(z), t, made(vector), where=made(outside)))
    assert near(found, ce.hessian_vector_product(z, [0, 1], vector, where=outside), np.float64)
    with pytest.raises(ValueError, match="logits: got nan at index 0"):
        rashin.sigmoid(made(np.array([np.nan, 1.0])))


def test_an_unknown_shape_of_dask_is_refused_by_name():
    z = dask.array.from_array(np.ones((4, 2)), chunks=2)
    with pytest.raises(ValueError, match="prediction: got an array of unknown shape"):
        rashin.huber(z[z > 0.0], z[z > 0.0])
    with pytest.raises(ValueError, match="logits: got an array of unknown shape"):
        rashin.softmax(z[z[:, 0] > 0.0])


@every_library
def test_other_arrays_and_outputs_are_refused(made, back):
    z, t = made(np.zeros(3)), made(np.zeros(3))
    with pytest.raises(TypeError, match="target: got ndarray; expected an array of the prediction's library"):
        rashin.huber(z, np.zeros(3))
    with pytest.raises(TypeError, match="target: got list"):
        rashin.huber(z, [0.0, 0.0, 0.0])
    with pytest.raises(TypeError, match="out: got an array"):
        rashin.huber.gradient(z, t, out=np.zeros(3))
    with pytest.raises(TypeError, match="inputs: got a"):
        rashin.linear_softmax_cross_entropy(made(np.zeros((2, 3))), made(np.zeros((4, 3))), made(np.zeros(2)))


@every_library
def test_rows_that_do_not_sum_to_one_are_refused_as_numpy_does(made, back):
    z = np.array([[0.2, 0.8], [0.5, 0.6]])
    with pytest.raises(ValueError, match=r"which sums to 1\.1"):
        rashin.categorical_cross_entropy(made(z), made(np.array([0, 1])))
    rounded = np.array([[0.33, 0.33, 0.33]])  # of two decimals, which NumPy's backend lets pass
    assert near(
        back(rashin.categorical_cross_entropy(made(rounded), made(np.array([0])))),
        rashin.categorical_cross_entropy(rounded, [0]),
        np.float64,
    )


def test_z_loss_of_a_lone_infinite_logit_is_refused_as_on_numpy():
    """Its gradient was NaN."""
    z = array_api_strict.asarray([[np.inf, 0.0, 1.0], [0.5, 2.0, 1.0]])
    t = array_api_strict.asarray([2, 0])
    for call in (rashin.softmax_cross_entropy, rashin.softmax_cross_entropy.gradient):
        with pytest.raises(ValueError, match="at index 0, where the loss has no limit"):
            call(z, t, z_loss=0.3)
    kept = array_api_strict.asarray([False, True])
    got = np.asarray(rashin.softmax_cross_entropy.gradient(z, t, z_loss=0.3, where=kept))
    exact = rashin.softmax_cross_entropy.gradient(np.array([[0.5, 2.0, 1.0]]), [0], z_loss=0.3)
    np.testing.assert_allclose(got, np.concatenate([np.zeros((1, 3)), exact]), rtol=2.0**-40)
