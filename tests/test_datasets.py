"""The digits are the real ones, split the same way every time."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits as embedded_digits

from rashin.datasets import load_digits


def test_shapes_and_types_by_default():
    (x_train, t_train), (x_test, t_test) = load_digits()
    assert (x_train.shape, x_test.shape) == ((1437, 64), (360, 64))
    assert (t_train.shape, t_test.shape) == ((1437,), (360,))
    assert x_train.dtype == x_test.dtype == np.float32
    assert t_train.dtype.kind == "i"
    assert (x_train.min(), x_train.max()) == (0.0, 1.0)


def test_the_forms_agree():
    (x, t), _ = load_digits()
    (image, row), _ = load_digits(normalize=False, flatten=False, one_hot_label=True)
    assert (image.shape, image.dtype) == ((1437, 1, 8, 8), np.uint8)
    assert (row.shape, row.dtype) == ((1437, 10), np.float32)
    np.testing.assert_array_equal(image.reshape(-1, 64) / np.float32(16), x)
    np.testing.assert_array_equal(row.argmax(axis=1), t)
    np.testing.assert_array_equal(row.sum(axis=1), 1)


def test_both_parts_together_are_all_digits():
    images, labels = embedded_digits(return_X_y=True)
    (x_train, t_train), (x_test, t_test) = load_digits(normalize=False)
    found = np.column_stack([np.concatenate([x_train, x_test]), np.concatenate([t_train, t_test])])
    expected = np.column_stack([images, labels])
    np.testing.assert_array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])


def test_the_split_is_fixed_and_fair():
    (first, t_train), (_, t_test) = load_digits()
    np.testing.assert_array_equal(first, load_digits()[0][0])
    share = np.bincount(t_test) / (np.bincount(t_test) + np.bincount(t_train))
    np.testing.assert_allclose(share, 0.2, rtol=0.02)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"scikit-learn: pip install 'rashin\[learn\]'"):
        load_digits()
