"""Data of your own come from an archive of arrays, and predictions go to one, or say clearly why they do not."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import rashin
from rashin.learn import Network, read_samples, run_training, write_predictions

X, T = np.arange(60.0).reshape(10, 3, 2), np.arange(10)


def test_a_split_that_is_there_is_taken(tmp_path):
    np.savez(tmp_path / "data.npz", x_train=X[:7], t_train=T[:7], x_test=X[7:], t_test=T[7:], comment="kept")
    (x_train, t_train), (x_test, t_test) = read_samples(tmp_path / "data.npz")
    np.testing.assert_array_equal(x_train, X[:7].reshape(7, 6))
    np.testing.assert_array_equal(x_test, X[7:].reshape(3, 6))
    np.testing.assert_array_equal(np.r_[t_train, t_test], T)


def test_else_a_fifth_is_held_out_by_the_seed(tmp_path):
    np.savez(tmp_path / "data.npz", x=X, t=T)
    (_, t_train), (x_test, t_test) = read_samples(tmp_path / "data.npz", seed=3)
    assert (len(t_train), len(t_test)) == (8, 2)
    np.testing.assert_array_equal(np.sort(np.r_[t_train, t_test]), T)
    np.testing.assert_array_equal(x_test, X.reshape(10, 6)[t_test])
    np.testing.assert_array_equal(read_samples(tmp_path / "data.npz", seed=3)[1][1], t_test)
    assert any(set(read_samples(tmp_path / "data.npz", seed=seed)[1][1]) != set(t_test) for seed in range(9))


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, r"data\.npz: got the arrays \(none\); expected x_train, t_train, x_test, t_test, or x, t"),
        ({"x": X, "y": T}, "got the arrays x, y; expected"),
        ({"x": X, "t": T[:4]}, r"array 'x': got shape \(10, 3, 2\) for t of \(4,\)"),
        ({"x": T, "t": T}, r"array 'x': got shape \(10,\) for t of \(10,\); expected \(n, ...\)"),
        ({"x": X[:0], "t": T[:0]}, r"array 'x': got shape \(0, 3, 2\); expected at least one sample"),
        ({"x": X[:1], "t": T[:1]}, "array 'x': got 1 sample; expected at least 2"),
        ({"x": X, "t": T * 1j}, "array 't': got dtype complex128; expected real numbers, or text"),
        ({"x": X.astype(str), "t": T}, "array 'x': got dtype <U32; expected real numbers$"),
        (
            {"x": X, "t": np.array([{}] * 10)},
            r"data\.npz, array 't', dtype: got Python objects, which are never unpickled; expected numbers",
        ),
        (
            {"x": X, "t": np.where(np.equal(T, 7), np.nan, T)},
            r"data\.npz, array 't': got nan at index 7; expected finite numbers; fix: ",
        ),
        ({"x": np.where(np.equal(X, 59), np.inf, X), "t": T}, r"npz, array 'x': got inf at index \(9, 2, 1\); "),
        (
            {"x_train": X, "t_train": T, "x_test": X[:, :2], "t_test": T},
            "array 'x_test': got samples of 4 numbers; expected 6, as in x_train",
        ),
    ],
)
def test_an_archive_that_does_not_fit_is_named(arrays, words, tmp_path):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(ValueError, match=words):
        read_samples(tmp_path / "data.npz")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04 cut"])
def test_a_file_that_is_no_archive_is_refused(content, tmp_path):
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"data\.npz: got another kind of file; expected arrays of numbers"):
        read_samples(tmp_path / "data.npz")
    with pytest.raises(FileNotFoundError):
        read_samples(tmp_path / "none.npz")


# ------------------------------------------------------------------------------------------------- predictions


def columns(path):
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: arrays[name] for name in arrays.files}
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names}


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize(
    ("output", "target", "names"),
    [
        ("identity", T[:3], ["z_0", "z_1", "target"]),
        ("softmax", T[:3], ["p_0", "p_1", "target"]),
        ("identity", X[:3, 0], ["z_0", "z_1", "target_0", "target_1"]),
    ],
)
def test_predictions_are_a_column_for_each_output(suffix, output, target, names, tmp_path):
    network, x = Network((4, 2), output=output), np.random.default_rng(0).normal(size=(3, 4))
    write_predictions(tmp_path / f"held-out{suffix}", network, x, target)
    found = columns(tmp_path / f"held-out{suffix}")
    assert list(found) == names
    np.testing.assert_array_equal(np.column_stack([found[name] for name in names[:2]]), network.predict(x))
    np.testing.assert_array_equal(np.column_stack([found[name] for name in names[2:]]).reshape(target.shape), target)
    assert [entry.name for entry in tmp_path.iterdir()] == [f"held-out{suffix}"]


@pytest.mark.parametrize("name", ["held-out.csv", "held-out", "none/held-out.npz"])
def test_where_predictions_cannot_go_is_said_before_the_training(name, tmp_path):
    def never(history):
        raise AssertionError

    with pytest.raises((ValueError, FileNotFoundError), match=r"predictions"):
        run_training(
            rashin.huber, (X[:, 0], T), (X[:, 0], T), out=tmp_path / "run", predictions=tmp_path / name, callback=never
        )
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[parquet\]'"):
        write_predictions(tmp_path / "held-out.parquet", Network((4, 2)), np.zeros((3, 4)), T[:3])
