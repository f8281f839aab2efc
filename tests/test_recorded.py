"""Files of predictions that record their loss: what is measured of them is what the trainer reported."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import rashin
from rashin.cli import main
from rashin.datasets import load_digits
from rashin.domain import Thresholds
from rashin.learn import Network, evaluate, output_for, train, write_predictions
from rashin.measurement.table.recorded import note_about, recorded_in
from shipped import PATHS, takes_logits


@pytest.fixture
def measured(monkeypatch, capsys):
    """Runs ``rashin measure`` in this process; gives its exit code, its JSON and what it wrote on standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rashin", "measure", *map(str, arguments), "--json"])
        code, (out, err) = main(), capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return run


def trained(loss):
    """A network for classes, or, where the loss takes no 0 and 1, for positive numbers; and held-out samples."""
    (x, t), (x_test, t_test) = load_digits()
    codes, outputs = loss.facts.target_domain(loss.parameters), 10
    if takes_logits(loss):
        t, t_test = (np.eye(10)[labels] * 3.0 for labels in (t, t_test))
    elif loss.kind == "pointwise" and not any(codes.contains([low, 1.0]).all() for low in (0.0, -1.0)):
        t, t_test, outputs = 1.0 + t, 1.0 + t_test, 1
    network = Network((64, 6, outputs), output=output_for(loss))
    train(network, loss, x[:200], t[:200], epochs=1, learning_rate=0.01)
    return network, x_test[:100], t_test[:100]


@pytest.mark.parametrize(
    "loss", [loss for loss in PATHS if not isinstance(loss.prediction, Thresholds)], ids=lambda loss: loss.name
)
def test_the_file_gives_the_loss_that_the_trainer_reports(loss, tmp_path, measured):
    if "delta" in loss.parameters:
        loss = loss.replace(delta=0.3)
    network, x, t = trained(loss)
    reported = evaluate(network, loss, x, t)
    for name in ("held-out.parquet", "held-out.npz")[: 2 if loss.name in ("huber", "focal") else 1]:
        write_predictions(tmp_path / name, network, x, t, loss=loss)
        code, told, err = measured(tmp_path / name)
        assert (code, err) == (0, "")
        assert told["loss"] == repr(loss)
        assert told["mean"] == pytest.approx(reported.loss, rel=1e-12, abs=0)
        assert told["rows"] == 100
        if told["accuracy"] is not None:
            assert told["accuracy"] == pytest.approx(reported.accuracy, rel=1e-12, abs=0)


def write(path, note, **columns):
    columns = columns or {"z_0": [0.5, 1.0], "target": [0.0, 3.0]}
    table = pa.table(columns).replace_schema_metadata({} if note is None else {"rashin": note, "pandas": "{}"})
    (feather.write_feather if str(path).endswith("feather") else parquet.write_table)(table, str(path))
    return path


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_a_named_loss_or_parameter_goes_before_the_recorded_one(ending, tmp_path, measured):
    file = write(tmp_path / f"a.{ending}", note_about(rashin.huber.replace(delta=2.0)))
    assert measured(file)[1]["loss"] == "huber(delta=2.0)"
    assert measured(file, "--loss-parameter", "delta=0.5")[1]["loss"] == "huber(delta=0.5)"
    assert measured(file, "--loss", "absolute_error")[1]["loss"] == "absolute_error()"
    found = rashin.measure_table(None, file, prediction="z_0", target="target")
    assert found.mean == rashin.huber([0.5, 1.0], [0.0, 3.0], delta=2.0)


def test_files_that_record_different_losses_are_refused(tmp_path, measured):
    first = write(tmp_path / "a.parquet", note_about(rashin.huber))
    for note in (note_about(rashin.huber.replace(delta=2.0)), note_about(rashin.log_cosh), None):
        second = write(tmp_path / "b.parquet", note)
        code, _, err = measured(first, second)
        assert (code, err.count("\n")) == (2, 1)
        assert "b.parquet: got " in err
        assert "fix: name it with --loss" in err
        assert measured(first, second, "--loss", "huber")[0] == 0


@pytest.mark.parametrize("note", ["no JSON", "[1]", '{"loss": "hubert", "parameters": {}, "target": "t"}', "{}"])
def test_a_broken_note_is_named_with_its_file(note, tmp_path, measured):
    file = write(tmp_path / "a.parquet", note)
    code, _, err = measured(file)
    assert (code, err.count("\n")) == (2, 1)
    assert "a.parquet, metadata 'rashin': got" in err
    assert measured(file, "--loss", "huber")[0] == 0


def test_files_without_a_note_are_measured_by_the_names_of_their_columns(tmp_path, measured):
    file = write(tmp_path / "a.parquet", None, z_0=[0.5, 1.0], z_1=[0.0, 2.0], target=[0, 1])
    assert measured(file)[1]["loss"].startswith("softmax_cross_entropy")
    text = tmp_path / "a.csv"
    text.write_text("z_0,z_1,target\n0.5,0.0,0\n1.0,2.0,1\n")
    assert measured(text)[1]["loss"].startswith("softmax_cross_entropy")
    with pytest.raises(ValueError, match="loss: got None, and the source records no loss"):
        rashin.measure_table(None, file, prediction="z_*", target="target")


def test_a_loss_of_your_own_is_recorded_by_its_module(tmp_path, monkeypatch):
    Path(tmp_path, "my_losses_of_mine.py").write_text(
        "import rashin\n@rashin.pointwise()\ndef quartic(xp, z, t):\n"
        "    r = z - t\n    return r * r * r * r, 4.0 * r * r * r, 12.0 * r * r\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    loss = rashin.registry.get("my_losses_of_mine:quartic")
    try:
        file = write(tmp_path / "a.parquet", note_about(loss))
        assert recorded_in(str(file)).loss.formula is loss.formula
        assert json.loads(note_about(loss))["loss"] == "my_losses_of_mine:quartic"
    finally:
        rashin.registry._registry.pop("quartic", None)


def test_a_row_of_several_outputs_costs_their_sum(tmp_path):
    rng = np.random.default_rng(0)
    z, t, w, site = rng.normal(size=(50, 3)), rng.normal(size=(50, 3)), rng.lognormal(size=50), np.arange(50) % 2
    columns = {f"z_{k}": z[:, k] for k in range(3)} | {f"t_{k}": t[:, k] for k in range(3)} | {"w": w, "site": site}
    file = write(tmp_path / "a.parquet", None, **columns)
    asked = {"prediction": "z_*", "target": "t_*"}
    found = rashin.measure_table(
        "squared_error", file, **asked, weight="w", group="site", worst=1, baseline=True, details=True
    )
    costs = np.sum((z - t) ** 2, axis=1)
    assert found.mean == pytest.approx(np.average(costs, weights=w), rel=1e-14, abs=0)
    assert found.groups[1].mean == pytest.approx(np.average(costs[1::2], weights=w[1::2]), rel=1e-14, abs=0)
    assert (found.worst[0].row, found.baseline, found.count) == (int(costs.argmax()), None, 50)
    assert found.details.losses.count == 50
    with pytest.raises(ValueError, match="got several outputs in a row"):
        rashin.measure_table("squared_hinge", sign_file(tmp_path), **asked, accuracy=True)


def sign_file(folder):
    return write(folder / "b.parquet", None, z_0=[0.5], z_1=[0.5], t_0=[1.0], t_1=[-1.0])
