"""The book's functions: their printed digits, and what they do not guess."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

from rashin.dialects import scratch
from rashin.dialects.scratch import (
    cross_entropy_error,
    cross_entropy_gradient,
    mean_squared_error,
    mean_squared_gradient,
)

RIGHT = np.array([0.1, 0.05, 0.6, 0.0, 0.05, 0.1, 0.0, 0.1, 0.0, 0.0])
WRONG = np.array([0.1, 0.05, 0.1, 0.0, 0.05, 0.1, 0.0, 0.6, 0.0, 0.0])
TARGET = np.eye(10)[2]


def probabilities(rng, n, classes):
    y = rng.dirichlet(np.ones(classes), n)
    return y / y.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("y", "squared", "entropy"),
    [(RIGHT, 0.09750000000000003, 0.510825457099338), (WRONG, 0.5975, 2.302584092994546)],
)
@pytest.mark.parametrize("listed", [False, True])
def test_the_printed_digits_come_out(y, squared, entropy, listed):
    y, t = (y.tolist(), TARGET.astype(int).tolist()) if listed else (y, TARGET)
    assert mean_squared_error(y, t) == squared
    assert cross_entropy_error(y, t) == entropy
    assert cross_entropy_error(y, 2) == entropy
    assert cross_entropy_error([y], [2]) == entropy
    assert cross_entropy_error(np.array([y]), np.array([t])) == entropy


def test_the_squared_error_is_half_the_sum_over_the_whole_batch():
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(30, 10)), rng.normal(size=(30, 10))
    assert mean_squared_error(y, t) == 0.5 * np.sum((y - t) ** 2)  # NumPy's order, to the bit
    np.testing.assert_array_equal(mean_squared_gradient(y, t), y - t)


def test_labels_are_one_hot_rows_and_the_sum_is_divided_by_the_batch():
    rng = np.random.default_rng(1)
    y, labels = probabilities(rng, 50, 7), rng.integers(0, 7, 50)
    by_label = cross_entropy_error(y, labels)
    assert by_label == cross_entropy_error(y, np.eye(7)[labels])
    exact = -mp.fsum(mp.log(mpf(p) + mpf(1e-7)) for p in y[np.arange(50), labels].tolist()) / 50
    assert abs(by_label - exact) <= 4 * np.spacing(by_label)


def test_soft_labels_count_as_given():
    rng = np.random.default_rng(2)
    y, t = probabilities(rng, 5, 5), probabilities(rng, 5, 5)  # square: a size would say labels as well
    exact = -mp.fsum(mpf(a) * mp.log(mpf(b) + mpf(1e-7)) for a, b in zip(t.ravel(), y.ravel(), strict=True)) / 5
    assert abs(cross_entropy_error(y, t) - exact) <= 8 * np.spacing(float(exact))
    assert cross_entropy_error(y, t) != cross_entropy_error(y, t.argmax(axis=1))


@pytest.mark.parametrize("soft", [False, True])
def test_the_gradient_is_the_derivative_of_the_value_delta_included(soft):
    rng = np.random.default_rng(3)
    y = np.clip(probabilities(rng, 3, 4), 0.05, 0.8)
    t = probabilities(rng, 3, 4) if soft else np.array([3, 0, 2])
    gradient = cross_entropy_gradient(y, t)
    rows = t if soft else np.eye(4)[t]
    np.testing.assert_array_max_ulp(gradient, -rows / (y + scratch.DELTA) / 3, maxulp=3)
    step = 1e-6
    for index in np.ndindex(y.shape):
        moved = np.zeros_like(y)
        moved[index] = step
        slope = (cross_entropy_error(y + moved, t) - cross_entropy_error(y - moved, t)) / (2 * step)
        assert slope == pytest.approx(gradient[index], rel=1e-6, abs=0) or rows[index] == slope == 0


def test_narrow_predictions_are_computed_in_double():
    y = WRONG.astype(np.float32)
    assert cross_entropy_error(y, 2) == cross_entropy_error(y.astype(np.float64), 2)
    assert mean_squared_gradient(y, TARGET.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cross_entropy_error([0.5, 0.5], 2), "target: got 2"),
        (lambda: cross_entropy_error([[0.5, 0.5]], [[0]]), "target: got shape (1, 1)"),
        (lambda: cross_entropy_error([1.5, -0.5], 0), "prediction: got 1.5"),
        (lambda: cross_entropy_error(np.empty((0, 3)), np.empty(0, int)), "no samples"),
        (lambda: mean_squared_error([1.0, 2.0], [1.0]), "target: got shape (1,)"),
        (lambda: mean_squared_error([1.0, np.nan], [1.0, 2.0]), "prediction: got nan"),
    ],
)
def test_what_the_book_lets_pass_is_refused(call, words):
    with pytest.raises(ValueError, match=r"expected|equal|mean") as caught:
        call()
    assert words in str(caught.value)
