"""The loss of tables: every format, every way to name columns, every fault by file, column and row; and going on."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import reduce

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import rashin
from rashin.measurement.accumulate import Options
from rashin.measurement.table import table as table_module
from rashin.measurement.table.partition import measure_partition, partitions
from rashin.refusal import Refusal
from rashin.storage import alone
from rashin.tables.ahead import read_ahead
from rashin.tables.columns import Columns
from rashin.tables.faults import failing_rows
from rashin.tables.opening import BrokenFileError
from rashin.tables.sources import find_files
from shipped import PATHS
from table_files import CLASSES, ROWS, make_rows, write

FORMATS = [
    *("a.parquet", "a.feather", "a.arrow", "a.arrows", "a.npz", "a.compressed.npz", "a.npy"),
    *("a.csv", "a.tsv", "a.csv.gz", "a.csv.bz2", "a.csv.xz", "a.csv.zst", "a.tsv.lz4"),
]
COLUMNS = {"prediction": "z_*", "target": "target", "weight": "weight", "group": "site", "cluster": "patient"}
ASKED = {"worst": 4, "by_class": True, "accuracy": True, "baseline": True}
LOSS = rashin.softmax_cross_entropy.replace(label_smoothing=0.1)


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module")
def expected(rows):
    return of_arrays(rows)


@pytest.fixture(scope="module")
def expected_of_text(rows):
    return of_arrays(as_text(rows))


def of_arrays(rows):
    return rashin.measure(
        LOSS, logits(rows), rows["target"], rows["weight"], group=rows["site"], cluster=rows["patient"], **ASKED
    )


def as_text(rows):
    """The rows as a file of text gives them, whose keys are no numbers."""
    return {**rows, "patient": rows["patient"].astype(str)}


def is_text(name):
    return ".csv" in name or ".tsv" in name


def logits(rows):
    return np.stack([rows[f"z_{k}"] for k in range(CLASSES)], axis=1)


def same(found, expected):
    """Whether two measurements agree in every bit, save for the names of the files."""
    both = [measurement.to_dict() for measurement in (found, expected)]
    for state in both:
        state["worst"] = [[loss, row] for loss, _, row in state["worst"]]
    return both[0] == both[1]


def measured(source, **changes):
    return rashin.measure_table(LOSS, source, **{**COLUMNS, **ASKED, **changes})


# ------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_bits_of_the_arrays(name, rows, expected, expected_of_text, tmp_path):
    file = write(tmp_path / name, rows)
    for batch_rows in (None, 137):
        found = measured(file, batch_rows=batch_rows)
        assert same(found, expected_of_text if is_text(name) else expected)
        assert {row.source for row in found.worst} == {str(file)}


def test_partitions_of_any_split_and_order_add_up_to_the_same_bits(rows, expected, tmp_path, monkeypatch):
    file = write(tmp_path / "a.parquet", rows)
    for size, batch_rows in ((1, 7), (1, 4096), (20_000, 7), (1 << 28, 1)):  # batches within parts, and larger ones
        monkeypatch.setattr("rashin.tables.parquet._PART_BYTES", size)
        columns = Columns(**COLUMNS, batch_rows=batch_rows)
        found = pickle.loads(pickle.dumps(partitions(file, columns)))
        assert sum(partition.rows for partition in found) == ROWS
        parts = [measure_partition(LOSS, partition, columns, Options(**ASKED)) for partition in found]
        assert same(reduce(lambda one, other: one + other, parts[::-1]), expected)
    assert len(partitions(file, Columns(**COLUMNS))) == 1


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_memory_maps_fall_into_parts_too(name, rows, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("rashin.tables.numpy_files._PART_BYTES", 10_000)
    file = write(tmp_path / name, rows)
    assert len(partitions(file, Columns(**COLUMNS))) > 5
    assert same(measured(file), expected)


def test_large_row_groups_are_read_in_small_pieces(rows, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("rashin.tables.parquet._WHOLE_BYTES", 0)
    assert same(measured(write(tmp_path / "a.parquet", rows)), expected)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("f2", pa.float16()),
        ("f4", pa.float32()),
        ("decimal", pa.decimal128(12, 6)),
        ("dictionary", pa.dictionary(pa.int8(), pa.float64())),
        ("large_list", pa.large_list(pa.float32())),
        ("list", pa.list_(pa.float64())),
        ("fixed", pa.list_(pa.float32(), 3)),
    ],
)
def test_types_of_predictions(kind, values, tmp_path):
    rng = np.random.default_rng(1)
    z, t = np.round(rng.normal(0, 2, (50, 3)), 2).astype(np.float32), rng.integers(0, 3, 50)
    if "list" in kind or kind == "fixed":
        table = pa.table({"z": pa.array(z.tolist(), values), "t": t})
        parquet.write_table(table, tmp_path / "a.parquet", row_group_size=20)
        found = rashin.measure_table("focal", tmp_path / "a.parquet", prediction="z", target="t")
        assert found.mean == rashin.focal(z, t)
        return
    column = pa.array([*z[:30, 0].tolist()])
    column = column.dictionary_encode() if kind == "dictionary" else column.cast(pa.float32()).cast(values)
    parquet.write_table(pa.table({"z": column, "t": t[:30]}), tmp_path / "a.parquet")
    found = rashin.measure_table("huber", tmp_path / "a.parquet", prediction="z", target="t")
    plain = np.array([float(x) for x in column.to_pylist()])
    assert found.mean == rashin.huber(plain, t[:30].astype(float))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpy_archives_hold_rows_in_either_order(order, save, tmp_path):
    rng = np.random.default_rng(2)
    z, t = rng.normal(size=(90, 4)), rng.integers(0, 4, 90)
    save(tmp_path / "a.npz", z=np.asarray(z, order=order), t=t, unused=np.array({}, dtype=object))
    found = rashin.measure_table(LOSS, tmp_path / "a.npz", prediction="z", target="t", batch_rows=7)
    assert found.mean == LOSS(z, t)


def test_numbered_columns_of_a_plain_array(tmp_path):
    table = np.random.default_rng(3).normal(size=(40, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", table)
    found = rashin.measure_table("huber", tmp_path / "a.npy", prediction="2", target="0")
    assert found.mean == rashin.huber(table[:, 2], table[:, 0])


def test_booleans_are_targets_and_groups(rows, tmp_path):
    hit = rows["hit"].astype(bool)
    for name in ("a.parquet", "a.csv", "a.npz"):
        file = write(tmp_path / name, {"p": rows["p"], "hit": hit})
        found = rashin.measure_table("binary_cross_entropy", file, prediction="p", target="hit", group="hit")
        assert found.mean == rashin.binary_cross_entropy(rows["p"], rows["hit"])
        assert sorted(found.groups) == (["false", "true"] if is_text(name) else [0, 1])


# ------------------------------------------------------------------------------------------------- sources


def split(rows, folder, names):
    """The rows, in order, spread over several files."""
    for name, some in zip(names, np.array_split(np.arange(ROWS), len(names)), strict=True):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pa.table({key: values[some] for key, values in rows.items()}), file)


@pytest.mark.parametrize("name", ["*.parquet", ".", "**/*.parquet"])
def test_folders_and_globs(name, rows, expected, tmp_path):
    split(rows, tmp_path, ["b.parquet", "a.parquet", "c.parquet"])
    for other in ("_SUCCESS", ".hidden.parquet", "notes.txt"):
        (tmp_path / other).write_text("nothing to read")
    found = measured(tmp_path / name)
    assert found.total == expected.total
    assert found.groups == expected.groups


def test_lists_of_sources(rows, expected, tmp_path):
    split(rows, tmp_path, ["x/a.parquet", "b.parquet"])
    assert measured([tmp_path / "b.parquet", str(tmp_path / "x")]).total == expected.total


def test_folders_named_as_keys_give_columns(rows, tmp_path):
    split(rows, tmp_path, ["year=2023/site=a/1.parquet", "year=2024/site=b/1.parquet", "year=2024/site=c/1.parquet"])
    years = measured(tmp_path, group="year")
    assert list(years.groups) == [2023, 2024]
    assert [part.count for part in years.groups.values()] == [
        np.count_nonzero(rows["weight"][:334]), np.count_nonzero(rows["weight"][334:])
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"1.parquet, column 'site', row 0: got .*; expected a, as the folder says"):
        measured(tmp_path)


def test_addresses_that_fsspec_reaches(rows, expected, expected_of_text, tmp_path):
    memory = fsspec.filesystem("memory")
    split(rows, tmp_path, ["a.parquet", "sub/b.parquet"])
    for name in ("a.parquet", "sub/b.parquet"):
        memory.pipe(f"/bucket/{name}", (tmp_path / name).read_bytes())
    memory.pipe("/bucket/_SUCCESS", b"")
    for name in FORMATS[1:]:
        memory.pipe(f"/others/{name}", write(tmp_path / name, rows).read_bytes())
    try:
        assert measured("memory://bucket").total == expected.total
        assert measured("memory://bucket/**/*.parquet").total == expected.total
        assert measured(f"file://{tmp_path}/a.parquet").count + measured("memory://bucket/sub").count == expected.count
        for name in FORMATS[1:]:
            found = measured(f"memory://others/{name}", batch_rows=333)
            assert same(found, expected_of_text if is_text(name) else expected)
        with pytest.raises(FileNotFoundError, match="memory://nowhere: got an address without files; expected"):
            measured("memory://nowhere")
    finally:
        memory.rm("/bucket", recursive=True)
        memory.rm("/others", recursive=True)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("nothing.csv", FileNotFoundError, "nothing.csv: got a name that does not exist; expected a file, folder"),
        ("*.csv", FileNotFoundError, r"\*.csv: got a pattern that no file matches; expected"),
        ("empty", FileNotFoundError, "empty: got a folder without data; expected a file that ends with .parquet, "),
        (
            "table.xlsx",
            ValueError,
            "table.xlsx: got a file of an unknown format; expected a name that ends with .parquet, ",
        ),
        (["a.npz", "*.npz"], ValueError, "a.npz: got it twice, so that its rows would count twice; expected it once"),
        ([], ValueError, "source: got an empty list"),
    ],
)
def test_sources_that_are_none(source, error, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.xlsx").write_bytes(b"PK")
    np.savez(tmp_path / "a.npz", p=np.ones(3))
    with pytest.raises(error, match=words):
        find_files(source)


# ------------------------------------------------------------------------------------------------- columns


def test_columns_by_pattern_list_and_name_are_the_same(rows, expected, expected_of_text, tmp_path):
    named = {f"z_{k}": f"z_{chr(ord('a') + k)}" for k in range(CLASSES)}
    words = np.array([chr(ord("a") + k) for k in range(CLASSES)])
    named_classes = dict(zip(words.tolist(), expected.classes.values(), strict=True))
    shuffled = dict(reversed([(named.get(name, name), values) for name, values in rows.items()]))
    by_name = write(tmp_path / "a.parquet", {**shuffled, "target": words[rows["target"]]})
    assert same(measured(by_name), replace(expected, classes=named_classes))
    by_list = write(tmp_path / "b.csv", shuffled)
    assert same(measured(by_list, prediction=[f"z_{word}" for word in words]), expected_of_text)
    dictionary = pa.table({**shuffled, "target": pa.array(words[rows["target"]]).dictionary_encode()})
    parquet.write_table(dictionary, tmp_path / "c.parquet", row_group_size=100)
    assert same(measured(tmp_path / "c.parquet", batch_rows=5), replace(expected, classes=named_classes))


def test_distributions_are_targets(tmp_path):
    rng = np.random.default_rng(5)
    z, q = rng.normal(size=(60, 3)), rng.dirichlet(np.ones(3), 60)
    columns = {**{f"z_{k}": z[:, k] for k in range(3)}, **{f"q_{k}": q[:, k] for k in range(3)}}
    file = write(tmp_path / "a.parquet", columns)
    assert rashin.measure_table(LOSS, file, prediction="z_*", target="q_*").mean == LOSS(z, q)
    np.savez(tmp_path / "b.npz", z=z, q=q)
    assert rashin.measure_table(LOSS, tmp_path / "b.npz", prediction="z", target="q").mean == LOSS(z, q)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight": "wieght"}, "a.parquet, weight: got 'wieght'; expected the name of a column; did you mean 'weight'"),
        (
            {"group": "q"},
            "a.parquet, group: got 'q'; expected the name of a column, of which there are z_0, z_1, .*17 in all",
        ),
        ({"prediction": "y_*"}, r"a.parquet, prediction: got 'y_\*'; expected a pattern that matches a column"),
        ({"prediction": "z_*_*"}, r"the pattern 'z_\*_\*'; expected one \*"),
        ({"prediction": ["z_1", "z_1"]}, "expected a list of different columns"),
        ({"prediction": []}, "expected a list of different columns"),
        ({"prediction": "p"}, "column 'p', row 0: got one number; expected one for each class"),
        (
            {"target": "site"},
            "column 'target', row 0|column 'site', row 0: got '.*'; expected one of the classes 0, 1, 2",
        ),
        ({"target": ["p", "weight"]}, "got 2 columns for the target; expected 11, as for the prediction"),
        ({"prediction": ["z_0", "site"]}, "column 'site', row 0: got string; expected numbers"),
        ({"weight": "site"}, "column 'site', row 0: got string; expected numbers"),
        (
            {"cluster": "p"},
            "column 'p', row 0: got 0.*, which is no whole number; expected whole numbers, booleans, text, dates",
        ),
        ({"batch_rows": 0}, "batch_rows: got 0; expected a whole number >= 1"),
        ({"worst": -1}, "worst: got -1"),
        ({"on_error": "ignore"}, "on_error: got 'ignore'; expected 'raise' or 'skip'"),
        ({"engine": "spark"}, "engine: got 'spark'; expected 'local' or 'dask'"),
        ({"engine": "dask", "checkpoint": "c"}, "checkpoint: got one with engine='dask'"),
        ({"engine": "dask", "progress": print}, "progress: got one with engine='dask', whose dashboard"),
    ],
)
def test_columns_that_cannot_be_meant(changes, words, rows, tmp_path):
    file = tmp_path / "a.parquet"
    kept = {
        name: values for name, values in rows.items() if name not in ("z_0",) or changes.get("prediction") != "z_1*"
    }
    write(file, kept)
    for on_error in ("raise", "skip"):
        if not words.startswith("column 'target'") or on_error == "raise":
            with pytest.raises(ValueError, match=words):
                measured(file, **{"on_error": on_error, **changes})


def test_a_label_in_the_gap_of_the_classes_is_refused(rows, tmp_path):
    file = write(tmp_path / "a.parquet", {name: values for name, values in rows.items() if name != "z_3"})
    row = np.argmax(rows["target"] == 3)
    words = rf"column 'target', row {row}: got 3; expected one of the classes 0, 1, 2, 4, 5, .*; fix: .*{{0: 'z_0', "
    with pytest.raises(ValueError, match=words):
        measured(file)
    found = measured(file, on_error="skip")
    assert found.skipped == {"no class in column 'target'": np.count_nonzero(rows["target"] == 3)}
    assert list(found.classes) == [0, 1, 2, *range(4, CLASSES)]


def test_numbers_say_nothing_of_classes_with_names(tmp_path):
    columns = {"z_cat": np.zeros(3), "z_dog": np.ones(3), "t": np.array([0, 1, 0])}
    file = write(tmp_path / "a.parquet", columns)
    with pytest.raises(ValueError, match=r"'t', row 0: got numbers; expected the name .*z_cat, z_dog"):
        rashin.measure_table(LOSS, file, prediction="z_*", target="t", on_error="skip")
    file = write(tmp_path / "a.csv", columns)
    with pytest.raises(
        ValueError, match=r"'t', row 0: got 0; expected one of the classes cat, dog; fix: .*{0: 'z_cat'"
    ):
        rashin.measure_table(LOSS, file, prediction="z_*", target="t")
    found = rashin.measure_table(LOSS, file, prediction=["z_cat", "z_dog"], target="t")
    assert found.mean == LOSS(np.tile([0.0, 1.0], (3, 1)), [0, 1, 0])


def test_files_with_other_classes_are_refused(rows, tmp_path):
    write(tmp_path / "a.parquet", rows)
    write(tmp_path / "b.parquet", {**rows, f"z_{CLASSES}": rows["z_0"]})
    with pytest.raises(ValueError, match=r"b.parquet: got the columns .*; expected .*, as in .*a.parquet"):
        measured(tmp_path)


def test_classes_of_a_loss_without_any_are_refused_before_reading(rows, tmp_path):
    file = write(tmp_path / "a.parquet", rows)
    for asked in ("by_class", "accuracy"):
        with pytest.raises(ValueError, match="huber, whose targets are numbers; expected a loss of classes"):
            rashin.measure_table("huber", file, prediction="p", target="hit", on_error="skip", **{asked: True})


def test_classes_go_by_their_names_in_the_order_of_the_labels(tmp_path):
    """From a checkpoint, a cluster and added up too; what follows from their order stays the same."""
    rng = np.random.default_rng(9)
    p, words = rng.dirichlet(np.ones(3), 60), np.array(["a", "a1", "b"])
    t = rng.choice(3, 60, p=[0.6, 0.3, 0.1])
    columns = {f"{words[k]}_p": p[:, k] for k in (2, 0, 1)}  # "a1_p" comes before "a_p", and "a" before "a1"
    settings = {"prediction": "*_p", "target": "t", "by_class": True, "baseline": True}
    loss = "categorical_cross_entropy"
    expected = rashin.measure(loss, p, t, by_class=True, baseline=True)
    for name, some in (("a", slice(0, 25)), ("b", slice(25, 60))):
        write(tmp_path / f"{name}.parquet", {**{n: v[some] for n, v in columns.items()}, "t": words[t[some]]})
    state = tmp_path / "state.json"
    measured = [rashin.measure_table(loss, tmp_path, checkpoint=state, **settings) for _ in range(2)]
    one, other = (rashin.measure_table(loss, tmp_path / f"{name}.parquet", **settings) for name in "ab")
    for found in (*measured, one + other, other + one, rashin.Measurement.from_dict(one.to_dict()) + other):
        assert list(found.classes.items()) == list(zip(words.tolist(), expected.classes.values(), strict=True))
        assert found.baseline == expected.baseline
    kept = json.loads(state.read_text())["measurement"]["classes"]
    assert [number for number, _ in kept] == [0, 1, 2]


def test_arguments_of_another_type_are_named(tmp_path):
    file = write(tmp_path / "a.parquet", {"p": [0.5, 0.25], "t": [0, 1], "w": [1, 2]})
    good = {"source": file, "prediction": "p", "target": "t"}
    name, names = (
        "expected the name of a column, or None",
        "expected the name of a column, a pattern such as 'p_*'",
    )
    for wrong, words in (
        ({"prediction": 5}, f"prediction: got 5; {names}"),
        ({"prediction": [0]}, f"prediction: got [0]; {names}"),
        ({"target": None}, f"target: got None; {names}"),
        ({"weight": ["w"]}, f"weight: got ['w']; {name}"),
        ({"group": 1}, f"group: got 1; {name}"),
        ({"cluster": b"w"}, f"cluster: got b'w'; {name}"),
        (
            {"source": 5},
            "source: got 5; expected a file, folder, glob or address, a list of these, or a table in memory",
        ),
        ({"source": [5]}, "source: got a list with 5 in it; expected a file"),
        ({"source": np.zeros(3)}, "source: got a numpy ndarray; expected a table with"),
    ):
        with pytest.raises(TypeError, match=re.escape(words)):
            rashin.measure_table("huber", **{**good, **wrong})
    for wrong in (True, 1.0, "2"):
        with pytest.raises(ValueError, match=r"worst: got .*; expected a whole number >= 0"):
            rashin.measure_table("huber", **good, worst=wrong)
    state = tmp_path / "state.json"
    found = rashin.measure_table("huber", **good, worst=np.int64(2), batch_rows=np.int32(1), checkpoint=state)
    assert found == rashin.measure_table("huber", **good, worst=2, checkpoint=state)
    assert len(found.worst) == 2


def test_errors_of_files_travel_between_processes(tmp_path):
    error = pickle.loads(pickle.dumps(Refusal("row 7", "3 fields", "2").within("a.csv")))
    assert (type(error), str(error)) == (Refusal, "a.csv, row 7: got 3 fields; expected 2")
    (tmp_path / "a.csv").write_text("p,t\n1,2\n3\n")
    with pytest.raises(BrokenFileError, match=r"a.csv, row 1: got 1 field; expected 2, as in the header") as caught:
        rashin.measure_table("huber", tmp_path, prediction="p", target="t")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), str(copy)) == (BrokenFileError, str(caught.value))


def test_workers_name_the_classes_and_know_their_number(tmp_path):
    """Of files and of a data frame; no worker asks another."""
    distributed, frames = pytest.importorskip("distributed"), pytest.importorskip("dask.dataframe")
    pandas = pytest.importorskip("pandas")
    words = np.array(["cat", "dog"])[np.arange(40) % 2]
    p = np.random.default_rng(10).uniform(0.1, 0.9, 40)
    frame = pandas.DataFrame({"p_dog": 1 - p, "p_cat": p, "t": words})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=9)
    for name, lists in (("b", [[0.5, 0.5], [0.25, 0.75]]), ("c", [[0.25, 0.25, 0.5], [0.75, 0.25]])):
        (tmp_path / "lists").mkdir(exist_ok=True)
        parquet.write_table(pa.table({"p": lists, "t": [0, 1]}), tmp_path / "lists" / f"{name}.parquet")
    loss, settings = "categorical_cross_entropy", {"target": "t", "by_class": True, "baseline": True}
    named = {**settings, "prediction": "p_*"}
    here = rashin.measure_table(loss, tmp_path / "a.parquet", **named)
    assert list(here.classes) == ["cat", "dog"]
    listed = {**settings, "source": tmp_path / "lists", "prediction": "p", "on_error": "skip"}
    with distributed.Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        there = rashin.measure_table(loss, tmp_path / "a.parquet", **named, engine="dask", client=client)
        assert there == here
        of_frame = rashin.measure_table(loss, frames.from_pandas(frame, npartitions=3), **named, client=client)
        assert (of_frame.classes, of_frame.baseline) == (here.classes, here.baseline)
        there = rashin.measure_table(loss, **listed, engine="dask", client=client)
    assert there == rashin.measure_table(loss, **listed)
    assert there.skipped == {"a list of another length in column 'p'": 1}


# ------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize("role", ["group", "cluster"])
def test_keys_of_text_stay_the_text_that_they_are(role, tmp_path, monkeypatch):
    """Whatever stands in another file, another block or another row."""
    monkeypatch.setattr("rashin.tables.delimited._BLOCK_BYTES", 64)
    keys = ["007", "12", *["5"] * 30], ["007", "x", "2024-01-01", "true", "1.50", *["5"] * 30, "y"]
    for name, some in zip("ab", keys, strict=True):
        (tmp_path / f"{name}.csv").write_text("p,t,g\n" + "".join(f"0.5,1,{key}\n" for key in some))
    for on_error in ("raise", "skip"):
        for batch_rows in (None, 1, 7):
            found = rashin.measure_table(
                "huber", tmp_path, prediction="p", target="t", on_error=on_error, batch_rows=batch_rows, **{role: "g"}
            )
            assert found.skipped == {}
            by_key = found.groups if role == "group" else found.clusters
            assert list(by_key) == ["007", "1.50", "12", "2024-01-01", "5", "true", "x", "y"]
    counts = rashin.measure_table("huber", tmp_path, prediction="p", target="t", group="g").groups
    assert [counts[key].count for key in ("007", "12", "5")] == [2, 1, 60]


def test_a_column_of_text_is_a_key_and_a_value_at_once(tmp_path):
    (tmp_path / "a.csv").write_text("z_0,z_1,t,w\n1,2,0,02\n0,3,1,0.5\n3,?,1,1\n1,1,0,x\n")
    settings = {"prediction": "z_*", "target": "t", "weight": "w", "on_error": "skip"}
    found = rashin.measure_table(LOSS, tmp_path, group="t", cluster="w", **settings)
    assert found.mean == LOSS([[1.0, 2.0], [0.0, 3.0]], [0, 1], weight=[2.0, 0.5])
    assert found.skipped == {"no number in column 'w'": 1, "no number in column 'z_1'": 1}
    assert (list(found.groups), list(found.clusters)) == (["0", "1"], ["0.5", "02"])
    with pytest.raises(ValueError, match=r"a.csv, column 'w', row 3: got 'x'; expected a number"):
        rashin.measure_table("huber", tmp_path, prediction="t", target="t", weight="w", cluster="w")


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (pa.date32(), ["2024-01-01", "2024-02-01"]),
        (pa.date64(), ["2024-01-01", "2024-02-01"]),
        (pa.timestamp("s"), ["2024-01-01", "2024-02-01"]),
        (pa.timestamp("ns"), ["2024-01-01", "2024-02-01"]),
        (pa.timestamp("us", "UTC"), ["2024-01-01 00:00:00Z", "2024-02-01 00:00:00Z"]),
    ],
)
def test_dates_are_keys_of_text(kind, keys, tmp_path):
    seconds = pa.array([1704067200, 1706745600, 1704067200, None], pa.timestamp("s"))
    days = seconds.cast(kind) if not pa.types.is_date64(kind) else seconds.cast(pa.date32()).cast(kind)
    table = pa.table({"p": [0.5, 1.0, 1.5, 2.0], "t": [0.0] * 4, "day": days, "coded": days.dictionary_encode()})
    parquet.write_table(table, tmp_path / "a.parquet", version="2.6")
    for name in ("day", "coded"):
        settings = {"prediction": "p", "target": "t", "group": name, "cluster": name, "on_error": "skip"}
        found = rashin.measure_table("huber", tmp_path, **settings)
        assert {key: part.count for key, part in found.groups.items()} == dict(zip(keys, [2, 1], strict=True))
        assert list(found.clusters) == keys
        assert found.skipped == {f"null in column '{name}'": 1}


def test_times_of_different_units_are_one_key(tmp_path):
    for unit in ("ms", "us", "ns"):
        times = pa.array([1704067200120, 1704067200000], pa.timestamp("ms")).cast(pa.timestamp(unit))
        table = pa.table({"p": [0.5, 1.0], "t": [0.0, 0.0], "at": times})
        parquet.write_table(table, tmp_path / f"{unit}.parquet", version="2.6")
    found = rashin.measure_table("huber", tmp_path, prediction="p", target="t", group="at")
    assert list(found.groups) == ["2024-01-01", "2024-01-01 00:00:00.12"]


# ------------------------------------------------------------------------------------------------- faults

BAD = 617  # the row with the fault


def faulty(rows, column, value, name, folder):
    """A file with one value put in the place of another; Parquet and NumPy keep its type, text holds anything."""
    values = rows[column].tolist()
    values[BAD] = value
    columns = {**rows, column: values}
    if name.endswith(".npz"):
        return write(folder / name, {**rows, column: np.array(values)})
    return write(folder / name, columns)


FAULTS = [
    ("a.parquet", "z_7", None, "got null; expected a number", "null in column 'z_7'"),
    ("a.parquet", "z_7", np.nan, "got nan; expected a logit", "outside the domain in column 'z_7'"),
    ("a.npz", "z_7", np.nan, "got nan; expected a logit", "outside the domain in column 'z_7'"),
    (
        "a.parquet",
        "target",
        CLASSES,
        "got label 11; expected a whole number from 0 to 10",
        "no such class in column",
    ),
    (
        "a.npz",
        "target",
        -1,
        "got -1; expected a class label",
        "outside the domain in column 'target'",
    ),
    ("a.csv", "target", 0.5, "got 0.5; expected a class label", "outside the domain in column"),
    (
        "a.parquet",
        "weight",
        -0.5,
        "got -0.5; expected a finite number >= 0",
        "outside the domain in column 'weight'",
    ),
    (
        "a.parquet",
        "weight",
        np.inf,
        "got inf; expected a finite number >= 0",
        "outside the domain in column 'weight'",
    ),
    ("a.csv", "patient", None, "got null; expected whole numbers", "null in column 'patient'"),
    ("a.feather", "patient", None, "got null; expected whole numbers", "null in column 'patient'"),
    ("a.csv", "z_7", None, "got null; expected a number", "null in column 'z_7'"),
]


@pytest.mark.parametrize(("name", "column", "value", "words", "reason"), FAULTS)
@pytest.mark.parametrize("batch_rows", [None, 100])
def test_a_faulty_row_is_named_or_left_out(name, column, value, words, reason, batch_rows, rows, tmp_path):
    file = faulty(rows, column, value, name, tmp_path)
    with pytest.raises(ValueError, match=rf"^{file}, column '{column}', row {BAD}: {words}"):
        measured(file, batch_rows=batch_rows)
    found = measured(file, batch_rows=batch_rows, on_error="skip")
    assert list(found.skipped.values()) == [1]
    assert next(iter(found.skipped)).startswith(reason)
    kept = as_text(rows) if is_text(name) else rows
    rest = write(tmp_path / "rest.npz", {key: np.delete(values, BAD) for key, values in kept.items()})
    clean = measured(rest)
    assert (found.total, found.groups, found.classes, found.clusters) == (
        clean.total, clean.groups, clean.classes, clean.clusters
    )  # fmt: skip


def test_text_that_is_no_number_is_named_or_left_out(rows, tmp_path):
    lines = write(tmp_path / "a.csv", rows).read_text().splitlines()
    for row in (0, BAD, 998):
        fields = lines[row + 1].split(",")
        lines[row + 1] = ",".join(["?", *fields[1:]])
    file = tmp_path / "bad.csv"
    file.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"^{file}, column 'z_0', row 0: got '[?]'; expected a number"):
        measured(file)
    found = measured(file, on_error="skip", batch_rows=64)
    assert found.skipped == {"no number in column 'z_0'": 3}
    assert found.count == np.count_nonzero(np.delete(rows["weight"], [0, BAD, 998]))


def test_whole_numbers_may_become_others_after_the_first_block(tmp_path, monkeypatch):
    monkeypatch.setattr("rashin.tables.delimited._BLOCK_BYTES", 1000)
    z = np.arange(2000) / np.where(np.arange(2000) < 1500, 1, 4)
    text = "\n".join(["z,t", *(f"{x:g},0" for x in z)])
    (tmp_path / "a.csv").write_text(text)
    found = rashin.measure_table("huber", tmp_path / "a.csv", prediction="z", target="t")
    assert (found.mean, found.count) == (rashin.huber(z, np.zeros(2000)), 2000)


def test_malformed_lines_are_named_or_left_out(rows, tmp_path):
    lines = write(tmp_path / "a.csv", rows).read_text().splitlines()
    lines.insert(BAD + 1, "1,2,3")
    lines.insert(20, "1,2,3,4")
    file = tmp_path / "bad.csv"
    file.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=rf"^{file}, row 19: got 4 fields; expected 17, as in the header"):
        measured(file)
    found = measured(file, on_error="skip")
    assert found.skipped == {"a line with too few or too many fields": 2}
    assert found.count == np.count_nonzero(rows["weight"])


def test_every_fault_counts_once_and_by_its_first_reason(rows, tmp_path):
    z_0, z_1, weight = rows["z_0"].tolist(), rows["z_1"].tolist(), rows["weight"].copy()
    z_0[3] = z_0[4] = z_1[4] = None
    weight[[4, 5]] = -1
    file = write(tmp_path / "a.parquet", {**rows, "z_0": z_0, "z_1": z_1, "weight": weight})
    found = measured(file, on_error="skip")
    assert found.skipped == {"null in column 'z_0'": 2, "outside the domain in column 'weight'": 1}


def test_a_row_that_only_the_loss_refuses(tmp_path):
    rng = np.random.default_rng(7)
    z, q = rng.normal(size=(300, 3)), rng.dirichlet(np.ones(3), 300)
    q[[41, 250]] *= 0.9
    np.savez(tmp_path / "a.npz", z=z, q=q)
    with pytest.raises(ValueError, match=r"a.npz, row 41: target: .*sum"):
        rashin.measure_table(LOSS, tmp_path / "a.npz", prediction="z", target="q", batch_rows=90)
    found = rashin.measure_table(LOSS, tmp_path / "a.npz", prediction="z", target="q", batch_rows=90, on_error="skip")
    assert found.skipped == {"refused by softmax_cross_entropy": 2}
    keep = np.delete(np.arange(300), [41, 250])
    assert found.mean == LOSS(z[keep], q[keep])


def test_lists_of_another_length(tmp_path):
    lists = [[1.0, 2.0, 3.0]] * 9 + [[1.0, 2.0], None, [1.0, None, 2.0], [3.0, 1.0, 2.0]]
    parquet.write_table(pa.table({"z": lists, "t": [0] * 13}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="column 'z', row 9: got a list of 2; expected lists of 3, as in the first"):
        rashin.measure_table(LOSS, tmp_path / "a.parquet", prediction="z", target="t")
    found = rashin.measure_table(LOSS, tmp_path / "a.parquet", prediction="z", target="t", on_error="skip")
    assert found.skipped == {"a list of another length in column 'z'": 1, "null in column 'z'": 2}
    assert found.mean == LOSS([[1.0, 2.0, 3.0]] * 9 + [[3.0, 1.0, 2.0]], [0] * 10)


@pytest.mark.parametrize("kind", ["list", "fixed", "npz", "npy"])
def test_the_first_list_of_the_first_file_tells_the_classes(kind, tmp_path):
    """However the rows are batched, in whatever partition they lie."""
    rng = np.random.default_rng(8)
    for name, classes in (("a", 2), ("b", 3)):
        z, t = rng.normal(size=(20, classes)), np.arange(20) % 2
        if kind == "npz":
            np.savez(tmp_path / f"{name}.npz", z=z, t=t)
        elif kind == "npy":
            rows = np.array(list(zip(z, t, strict=True)), [("z", "f8", (classes,)), ("t", "i8")])
            np.save(tmp_path / f"{name}.npy", rows)
        else:
            listed = pa.list_(pa.float64(), classes) if kind == "fixed" else pa.list_(pa.float64())
            lists = [None, *z.tolist()[1:]] if name == "a" else z.tolist()
            table = pa.table({"z": pa.array(lists, listed), "t": t})
            parquet.write_table(table, tmp_path / f"{name}.parquet", row_group_size=7)
    nulls = {"null in column 'z'": 1} if kind in ("list", "fixed") else {}
    for batch_rows in (None, 1, 3):
        columns = Columns("z", "t", on_error="skip", batch_rows=batch_rows)
        parts = [
            measure_partition(LOSS, part, columns, Options(by_class=True))
            for part in pickle.loads(pickle.dumps(partitions(tmp_path, columns)))
        ]
        found = reduce(lambda one, other: one + other, parts)
        assert found.skipped == {"a list of another length in column 'z'": 20, **nulls}
        assert (found.count, list(found.classes)) == (20 - len(nulls), [0, 1])
        if not nulls:
            with pytest.raises(ValueError, match=r"b.np., column 'z', row 0: got a list of 3; expected lists of 2"):
                rashin.measure_table(LOSS, tmp_path, prediction="z", target="t", batch_rows=batch_rows)


def test_lists_of_which_there_is_none_are_all_left_out(tmp_path):
    lists = pa.array([None, []], pa.list_(pa.float64()))
    parquet.write_table(pa.table({"z": lists, "t": [0, 1]}), tmp_path / "a.parquet")
    found = rashin.measure_table(LOSS, tmp_path, prediction="z", target="t", on_error="skip", by_class=True)
    reasons = {"a list of another length in column 'z'": 1, "null in column 'z'": 1}
    assert (found.count, found.skipped) == (0, reasons)


def test_a_row_of_other_classes_is_a_fault_in_a_batch_of_its_own(tmp_path):
    lists = [[1.0, 2.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [2.0, 1.0]]
    parquet.write_table(pa.table({"z": lists, "t": [0] * 4}), tmp_path / "a.parquet")
    for batch_rows in (None, 1, 2, 3):
        settings = {"prediction": "z", "target": "t", "batch_rows": batch_rows}
        with pytest.raises(ValueError, match="row 1: got a list of 3; expected lists of 2, as in the first row"):
            rashin.measure_table(LOSS, tmp_path, **settings)
        assert rashin.measure_table(LOSS, tmp_path, on_error="skip", **settings).mean == LOSS(
            [[1, 2], [2, 1.0]], [0, 0]
        )


def test_a_time_is_no_prediction(tmp_path):
    times = pa.array([0, 1], pa.timestamp("s"))
    parquet.write_table(pa.table({"p": times, "t": [0, 1]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a.parquet, column 'p', row 0: got timestamp\[ms\]; expected"):
        rashin.measure_table("huber", tmp_path / "a.parquet", prediction="p", target="t", on_error="skip")


def test_python_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", p=np.array([1, None]), t=np.ones(2))
    with pytest.raises(ValueError, match=r"a.npz, array 'p', dtype: got Python objects"):
        rashin.measure_table("huber", tmp_path / "a.npz", prediction="p", target="t")


@pytest.mark.parametrize("loss", [loss for loss in PATHS if loss.kind == "pointwise"], ids=lambda loss: loss.name)
def test_facts_and_losses_agree_on_what_is_outside(loss):
    """What is left out by the facts alone is what the loss itself refuses."""
    strange = np.array([np.nan, -np.inf, np.inf, -2.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3e300])
    sample = loss.facts.target_domain(loss.parameters).samples[0]
    for value in strange[~loss.facts.prediction.contains(strange)]:
        with pytest.raises(ValueError, match="prediction"):
            loss([value], [sample])


# ------------------------------------------------------------------------------------------------- broken files


def broken(rows, folder):
    """A Parquet file whose last row groups are overwritten, but for its footer."""
    file = write(folder / "a.parquet", rows)
    groups = parquet.read_metadata(file)
    start = min(groups.row_group(3).column(c).dictionary_page_offset or groups.row_group(3).column(c).data_page_offset
                for c in range(groups.num_columns))  # fmt: skip
    content = bytearray(file.read_bytes())
    for place in range(start, groups.row_group(3).column(0).data_page_offset + 400):
        content[place] ^= 0x5A
    file.write_bytes(content)
    return file


def test_a_break_in_the_middle_is_named_or_skipped_from_there_on(rows, tmp_path):
    file = broken(rows, tmp_path)
    with pytest.raises(ValueError, match=rf"^{file}, from row 510: got content that cannot be read "):
        measured(file)
    found = measured(file, on_error="skip")
    assert found.skipped == {f"{file} is broken": ROWS - 510}
    assert found.count == np.count_nonzero(rows["weight"][:510])


@pytest.mark.parametrize(
    "name", ["b.parquet", "b.feather", "b.npz", "b.compressed.npz", "b.npy", "b.csv.gz", "b.csv.xz"]
)
@pytest.mark.parametrize("keep", [0.0, 0.6])
def test_files_that_end_too_early(name, keep, rows, expected, tmp_path):
    whole = write(tmp_path / "a.parquet", rows)
    file = write(tmp_path / name, rows)
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    with pytest.raises(ValueError, match=rf"^{file}(, [^:;]+)?: got .*; expected "):
        measured(tmp_path)
    found = measured(tmp_path, on_error="skip")
    assert list(found.skipped) == [f"{file} is broken"]
    assert expected.count <= found.count < 2 * expected.count
    assert measured(whole).count == expected.count


# ------------------------------------------------------------------------------------------------- going on

ENDLESS = """
import time, rashin
from rashin.measurement.table import checkpoint
checkpoint.SECONDS, checkpoint._SHARE = 0.0, float('inf')
def stop(rows, total):
    if rows >= 300:
        time.sleep(600)
rashin.measure_table({loss!r}, {source!r}, checkpoint={file!r}, progress=stop, batch_rows=60, **{columns!r})
"""


@pytest.mark.parametrize(("name", "last"), [("a.parquet", 290), ("a.csv.gz", 240), ("a.npz", 240)])
def test_a_killed_measurement_goes_on_to_the_same_bits(name, last, rows, tmp_path):
    source, file = write(tmp_path / name, rows), tmp_path / "state.json"
    settings = {**COLUMNS, **ASKED}
    expected = rashin.measure_table("focal", source, **settings)
    code = ENDLESS.format(loss="focal", source=str(source), file=str(file), columns=settings)
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ)
    deadline = time.monotonic() + 60
    while not (file.exists() and json.loads(file.read_text())["position"][2] == last) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = json.loads(file.read_text())
    assert not state["finished"]
    assert state["position"][2] == last
    seen = []
    found = rashin.measure_table(
        "focal", source, checkpoint=file, progress=lambda rows, total: seen.append(rows), batch_rows=77, **settings
    )
    assert seen[0] == state["position"][2]
    assert seen[-1] == ROWS
    assert found.to_dict() == expected.to_dict()
    assert not list(tmp_path.glob("*.part"))


def test_a_finished_checkpoint_returns_at_once(rows, tmp_path, monkeypatch):
    source, file = write(tmp_path / "a.parquet", rows), tmp_path / "state.json"
    found = measured(source, checkpoint=file)
    assert json.loads(file.read_text())["finished"]
    monkeypatch.setattr(table_module, "batches", None)  # nothing is read
    assert measured(source, checkpoint=file) == found


def test_interrupted_at_any_batch_it_counts_no_row_twice(rows, tmp_path, monkeypatch):
    """Faults, malformed lines and files that are broken are counted once, too."""
    monkeypatch.setattr("rashin.measurement.table.checkpoint.SECONDS", 0.0)
    monkeypatch.setattr("rashin.measurement.table.checkpoint._SHARE", np.inf)
    folder, rows = tmp_path / "data", {**rows, "patient": rows["patient"] % 5}  # each is summed and written 200 times
    folder.mkdir()
    write(folder / "a.parquet", {**rows, "z_3": [None, *rows["z_3"][1:]]})
    text = write(folder / "b.csv", rows)
    text.write_text(text.read_text() + "too,few\n")
    (folder / "c.parquet").write_bytes(b"PAR1")
    settings, told = {"on_error": "skip", "batch_rows": 300}, []
    expected = measured(folder, progress=lambda *done: told.append(done), **settings)
    assert len(expected.skipped) == 3
    assert len(told) > 6
    for stop in range(1, len(told)):
        calls = itertools.count()

        def interrupt(done, total, calls=calls, stop=stop):
            if next(calls) == stop:
                raise KeyboardInterrupt

        file = tmp_path / f"{stop}.json"
        with pytest.raises(KeyboardInterrupt):
            measured(folder, checkpoint=file, progress=interrupt, **settings)
        assert measured(folder, checkpoint=file, **settings) == expected


def test_a_checkpoint_has_one_writer(rows, tmp_path):
    source, file = write(tmp_path / "a.parquet", rows), tmp_path / "state.json"
    with alone(file), pytest.raises(BlockingIOError, match=r"state\.json: got a file that another run writes to; exp"):
        measured(source, checkpoint=file)
    measured(source, checkpoint=file)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.parquet", "state.json"]


def test_a_checkpoint_of_another_task_is_refused(rows, tmp_path):
    source, file = write(tmp_path / "a.parquet", rows), tmp_path / "state.json"
    measured(source, checkpoint=file)
    with pytest.raises(ValueError, match=r"state.json, worst: got 4; expected 5, as in this run; fix: go on"):
        measured(source, checkpoint=file, worst=5)
    with pytest.raises(ValueError, match=r"state.json, weight: got 'weight'; expected None"):
        measured(source, checkpoint=file, weight=None)
    os.utime(source, (1, 1))
    with pytest.raises(
        ValueError, match=r"files: got other content in the file .*a.parquet; expected those of this run"
    ):
        measured(source, checkpoint=file)
    write(tmp_path / "b.parquet", rows)
    with pytest.raises(ValueError, match=r"files: got (other content in )?the file .*parquet"):
        measured(tmp_path / "*.parquet", checkpoint=file)
    file.write_text("{}")
    with pytest.raises(ValueError, match=r"state.json(, \w+)?: got .*; expected "):
        measured(source, checkpoint=file)


# ------------------------------------------------------------------------------------------------- the machinery


def test_progress_tells_the_rows_and_how_many_there_are(rows, tmp_path):
    seen = []
    measured(write(tmp_path / "a.parquet", rows), batch_rows=400, progress=lambda *both: seen.append(both))
    assert seen[0] == (0, ROWS)
    assert seen[-1] == (ROWS, ROWS)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    seen.clear()
    measured(write(tmp_path / "a.csv", rows), progress=lambda *both: seen.append(both))
    assert seen[-1] == (ROWS, None)


def test_no_more_than_the_chunks_in_flight_are_in_memory(tmp_path):
    """A table of 160 MB is measured with a tenth of that in Arrow's memory."""
    rows = 200_000
    schema = pa.schema([("p", pa.float64()), ("t", pa.int64())])
    with parquet.ParquetWriter(tmp_path / "a.parquet", schema, compression="none", use_dictionary=False) as writer:
        for k in range(50):
            writer.write_table(pa.table({"p": np.random.default_rng(k).random(rows), "t": np.arange(rows) % 2}))
    code = (
        "import pyarrow as pa, rashin\n"
        f"found = rashin.measure_table('binary_cross_entropy', {str(tmp_path)!r}, prediction='p', target='t')\n"
        "print(found.count, pa.default_memory_pool().max_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, most = map(int, done.stdout.split())
    assert count == 50 * rows
    assert most < 16 << 20


def test_reading_ahead_hands_on_errors_and_ends_with_its_user():
    def items():
        yield 1
        raise ValueError("two")

    with read_ahead(items()) as ahead:
        assert next(ahead) == 1
        with pytest.raises(ValueError, match="two"):
            next(ahead)
    closed = []

    def endless():
        try:
            yield from itertools.count()
        finally:
            closed.append(True)

    with read_ahead(endless()) as ahead:
        assert [next(ahead) for _ in range(3)] == [0, 1, 2]
    assert closed == [True]


@pytest.mark.parametrize("bad", [set(), {0}, {99}, {3, 4, 50}, set(range(100))])
def test_failing_rows_are_found(bad):
    def check(rows):
        if bad & set(range(rows.start, rows.stop)):
            raise ValueError

    assert failing_rows(check, 0, 100, first_only=False) == sorted(bad)
    assert failing_rows(check, 0, 100, first_only=True) == sorted(bad)[:1]


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("p,t\n1,2\n")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"needs pyarrow, which is not installed; fix: pip install '\.\[parquet\]'"):
        rashin.measure_table("huber", tmp_path, prediction="p", target="t")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ImportError, match=r"needs fsspec, which is not installed; fix: pip install '\.\[parquet\]'"):
        rashin.measure_table("huber", "s3://bucket/a.csv", prediction="p", target="t")


def test_empty_tables_have_no_mean(tmp_path):
    for name in ("a.parquet", "a.csv", "a.npz"):
        empty = write(tmp_path / name, {"p": np.zeros(0), "t": np.zeros(0)})
        found = rashin.measure_table("huber", empty, prediction="p", target="t", worst=3)
        assert (found.count, found.sum, found.worst) == (0, 0.0, [])
        with pytest.raises(ValueError, match=r"nothing|no row"):
            _ = found.mean


def test_reads_only_the_columns_it_needs(rows, tmp_path, monkeypatch):
    asked = []
    read = parquet.ParquetFile.iter_batches

    def spy(self, *arguments, columns=None, **options):
        asked.append(columns)
        return read(self, *arguments, columns=columns, **options)

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", spy)
    file = write(tmp_path / "a.parquet", rows)
    rashin.measure_table("binary_cross_entropy", file, prediction="p", target="hit")
    assert asked[0] == ["hit"]  # whose first rows show whether it holds words
    assert asked[1:]
    assert all(columns == ["p", "hit"] for columns in asked[1:])


def test_text_is_read_as_pyarrow_writes_it(tmp_path):
    table = pa.table({"p": [0.25, 1e-300, 1.0], "t": [True, False, True]})
    csv.write_csv(table, tmp_path / "a.csv")
    found = rashin.measure_table("binary_cross_entropy", tmp_path / "a.csv", prediction="p", target="t")
    assert found.mean == rashin.binary_cross_entropy([0.25, 1e-300, 1.0], [1, 0, 1])
