"""The loss decides what targets are: numbers of any type for a loss of numbers, classes for a loss of labels."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import rashin
from rashin.cli import main
from rashin.learn import Network, evaluate, named_labels, read_samples, run_training
from rashin.learn.samples.targets import outputs_for, targets_for

pytestmark = pytest.mark.usefixtures("undrawn")

RNG = np.random.default_rng(4)
N = 120
X = RNG.normal(size=(N, 3))
COUNTS = RNG.poisson(np.exp(1.5 + 0.5 * X[:, 0]))
WHOLE = [np.int8, np.uint8, np.int64, np.float32, np.float64]
AN_N_BY_1 = r"got shape \(240, 1\).*class labels of shape \(n,\); fix: target\[:, 0\]"


def ran(loss, t, tmp_path, name="run", **options):
    data = X[: len(t)], t
    return run_training(loss, data, data, out=tmp_path / name, hidden=4, epochs=3, **options)


# ----------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("loss", [rashin.poisson, rashin.squared_error, rashin.quantile])
def test_counts_of_every_type_train_to_the_same_numbers(loss, tmp_path):
    runs = [ran(loss, COUNTS.astype(dtype), tmp_path, np.dtype(dtype).name) for dtype in WHOLE]
    for run in runs:
        assert run.network.sizes == (3, 4, 1)
        np.testing.assert_array_equal(run.network.parameters[0], runs[-1].network.parameters[0])
        assert run.scores == runs[-1].scores
        assert run.scores["training"].accuracy is None


def test_large_whole_numbers_are_one_output_and_not_a_thousand(tmp_path):
    run = ran(rashin.half_squared_error, np.arange(N) * 8, tmp_path, optimizer="adam")
    assert run.network.sizes[-1] == 1


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float64])
@pytest.mark.parametrize("loss", [rashin.hinge, rashin.squared_hinge])
def test_signs_train_a_loss_of_signs(loss, dtype, tmp_path):
    signs = np.where(X[:, 0] > 0, 1, -1).astype(dtype)
    run = ran(loss, signs, tmp_path)
    assert run.network.sizes[-1] == 1
    told = np.where(run.network.predict(X)[:, 0] > 0, 1, -1)
    assert run.scores["held out"].accuracy == np.mean(told == signs)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float32])
def test_zeros_and_ones_train_a_loss_of_yes_and_no(dtype, tmp_path):
    run = ran(rashin.sigmoid_cross_entropy, (X[:, 0] > 0).astype(dtype), tmp_path)
    assert run.network.sizes[-1] == 1
    assert run.scores["training"].accuracy > 0.5


# ----------------------------------------------------------------------------------------------------- classes


def test_classes_are_coded_where_they_are_asked_for(tmp_path):
    labels = np.arange(N) % 3
    run = ran(rashin.half_squared_error, labels, tmp_path, classes=True)
    assert run.network.sizes[-1] == 3
    rows = (run.network.predict(X).astype(np.float64) - np.eye(3)[labels]) ** 2
    np.testing.assert_allclose(run.scores["training"].loss, rows.sum(axis=1).mean() / 2, rtol=1e-7)
    assert evaluate(run.network, rashin.half_squared_error, X, labels) == run.scores["training"]


@pytest.mark.parametrize("dtype", WHOLE)
def test_a_loss_of_labels_takes_whole_numbers_of_any_type(dtype, tmp_path):
    assert ran(rashin.focal, (np.arange(N) % 3).astype(dtype), tmp_path).network.sizes[-1] == 3


@pytest.mark.parametrize("form", [np.array, lambda t: np.array(t, object), list, lambda t: np.array(t, "S")])
def test_classes_by_name_are_the_sorted_names(form, tmp_path):
    names = [("dog", "cat", "eel")[k % 3] for k in range(N)]
    labels = np.array([("cat", "dog", "eel").index(name) for name in names])
    file = tmp_path / "held-out.npz"
    run = ran(rashin.softmax_cross_entropy, form(names), tmp_path, "text", predictions=file)
    assert run.classes == ("cat", "dog", "eel")
    assert run.scores == ran(rashin.softmax_cross_entropy, labels, tmp_path, "whole").scores
    with np.load(file) as columns:
        assert columns.files == ["z_cat", "z_dog", "z_eel", "target", "rashin"]
        assert columns["target"].tolist() == names


def test_names_are_numbered_over_all_parts():
    (first, second), names = named_labels(["b", "c"], np.array(["a"]))
    assert (first.tolist(), second.tolist(), names) == ([1, 2], [0], ("a", "b", "c"))
    whole = np.array([1, 0])
    assert named_labels(whole)[0][0] is whole
    assert named_labels(whole)[1] is None


# ------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(("loss", "target", "options", "words"), [
    (rashin.focal, np.zeros((N, 1), int), {}, AN_N_BY_1),
    (rashin.huber, np.zeros((N, 1), int), {"classes": True}, AN_N_BY_1),
    (rashin.huber, np.zeros((N, 2), int), {"classes": True}, r"got shape \(240, 2\); expected class labels"),
    (rashin.focal, np.r_[np.zeros(N - 1, int), 10**9], {}, "label 1000000000 at index 119, which makes 1,000,000,001"),
    (rashin.focal, np.r_[np.zeros(N - 1), 2.0**70], {}, r"target: got 1\.18\S+ at index 119; expected class labels"),
    (rashin.focal, np.r_[0, -1, np.zeros(N - 2, int)], {}, "target: got -1 at index 1; expected class labels"),
    (rashin.focal, np.r_[0.0, 0.5, np.zeros(N - 2)], {}, r"target: got 0\.5 at index 1; expected class labels"),
    (rashin.focal, np.r_[0.0, np.nan, np.zeros(N - 2)], {}, "target: got nan at index 1; expected class labels"),
    (rashin.focal, np.zeros(N, int), {}, "target: got one class; expected two or more"),
    (rashin.focal, np.zeros(N), {"classes": False}, "classes: got False for focal, which compares classes; expected"),
    (rashin.hinge, np.arange(N) % 2, {}, r"target: got 0 at index 0; expected -1 or \+1; fix: 2 \* target - 1 turns"),
    (rashin.hinge, np.arange(N) % 3 + 1, {}, r"target: got 2 at index 1; .*; fix: .*--classes .*NetworkClassifier"),
    (rashin.sigmoid_focal, np.arange(N) % 2 * 2 - 1, {}, r"target: got -1 at index 0; expected 0 or 1; fix: \(targ"),
    (rashin.focal, np.arange(N) - 0.5, {}, r"target: got -0.5 at .* np.unique.* numbers need a loss such as squared"),
    (rashin.poisson, np.arange(N) - 1, {}, "target: got -1 at index 0; expected a finite number >= 0"),
    (rashin.huber, np.array(["a", "b"] * 60), {}, "target: got text, such as 'a'; expected numbers, as huber"),
    (rashin.focal, np.array([["a"]] * N), {}, r"text of shape \(120, 1\); expected shape \(n,\); fix: target\[:, 0\]"),
    (rashin.focal, np.array(["a", None] * 60, object), {}, "target: got None at index 1; expected text"),
    (rashin.focal, [*["a", "b"] * 59, "a", 1], {}, "target: got 1 at index 119; expected text, as at index 0"),
])  # fmt: skip
def test_what_is_wrong_with_targets_is_said(loss, target, options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        ran(loss, target, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_samples_are_rows(tmp_path):
    for x, words in ((X[:, 0], r"\(120,\); expected \(n, inputs\)"), (X[:, None, :], r"fix: np.reshape\(x, \(len")):
        with pytest.raises(ValueError, match=words):
            run_training(rashin.focal, (x[:N], np.arange(N) % 2), (x[:N], np.arange(N) % 2), out=tmp_path / "run")


def test_many_classes_that_occur_are_many_outputs():
    assert outputs_for(rashin.focal, np.arange(20_000)) == 20_000
    assert outputs_for(rashin.focal, [0, 999]) == 1000


def test_rows_of_one_class_are_no_distributions():
    with pytest.raises(
        ValueError, match=r"got shape \(2, 1\); expected \(n,\), as softmax_cross_entropy takes it; fix: target"
    ):
        targets_for(rashin.softmax_cross_entropy, np.ones((2, 1)), 1)


# ----------------------------------------------------------------------------------------- on the command line


def commanded(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rashin", *map(str, arguments)])
    code = main()
    return (code, *capsys.readouterr())


@pytest.mark.parametrize(("options", "outputs"), [
    (["--loss", "poisson"], 1), (["--loss", "half_squared_error"], 1), (["--loss", "focal"], 4),
    (["--loss", "half_squared_error", "--classes"], 4), (["--loss", "huber", "--numbers"], 1),
])  # fmt: skip
def test_the_loss_or_an_option_decides_for_a_file(options, outputs, tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "data.npz", x=X, t=np.arange(N) % 4)
    fixed = ["--data", tmp_path / "data.npz", "--epochs", 1, "--hidden", 3, "--out", tmp_path / "run", "--json"]
    code, out, err = commanded(["train", *options, *fixed], monkeypatch, capsys)
    assert (code, err) == (0, "")
    assert Network.load(json.loads(out)["files"]["model"]).sizes[-1] == outputs


@pytest.mark.parametrize(("options", "outputs"), [([], 10), (["--numbers"], 1)])
def test_digits_are_classes_unless_said_otherwise(options, outputs, tmp_path, monkeypatch, capsys):
    fixed = ["--loss", "half_squared_error", "--epochs", 1, "--out", tmp_path / "run", "--quiet"]
    fixed += ["--learning-rate", 0.001]
    assert commanded(["train", *options, *fixed], monkeypatch, capsys) == (0, "", "")
    assert Network.load(tmp_path / "run" / "model.npz").sizes[-1] == outputs


def test_names_in_a_file_are_learnt_explained_and_predicted(tmp_path, monkeypatch, capsys):
    pytest.importorskip("jinja2")
    np.savez(tmp_path / "data.npz", x=X, t=np.where(X[:, 0] > 0, "yes", "no"))
    assert read_samples(tmp_path / "data.npz")[0][1].dtype.kind == "U"
    data = ["--data", tmp_path / "data.npz"]
    fixed = ["--epochs", 3, "--hidden", 3, "--out", tmp_path / "run", "--json"]
    fixed += ["--predictions", tmp_path / "held-out.npz"]
    code, out, _ = commanded(["train", *data, *fixed], monkeypatch, capsys)
    assert code == 0
    report = json.loads(out)
    assert report["classes"] == ["no", "yes"]
    with np.load(tmp_path / "held-out.npz") as columns:
        told = np.where(columns["z_yes"] > columns["z_no"], "yes", "no")
        assert report["scores"]["held_out"]["accuracy"] == np.mean(told == columns["target"])
    code, _, err = commanded(["explain", tmp_path / "run" / "model.npz", *data], monkeypatch, capsys)
    assert (code, err) == (0, "")


def test_a_wide_gap_in_a_file_is_one_line(tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "data.npz", x=X, t=np.resize([0, 10**9], N))
    code, _, err = commanded(["train", "--data", tmp_path / "data.npz", "--out", tmp_path / "run"], monkeypatch, capsys)
    assert code == 2
    assert "which makes 1,000,000,001 classes, of which 2 occur" in err
    assert err.count("\n") == 1
