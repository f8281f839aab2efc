"""Tables in memory have the bits of files: whatever holds the columns, by position, and with the errors of files."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet

import rashin
from rashin.tables.frames import frame_of
from table_files import CLASSES, ROWS, make_rows

COLUMNS = {"prediction": "z_*", "target": "target", "weight": "weight", "group": "site", "cluster": "patient"}
ASKED = {"worst": 4, "by_class": True, "accuracy": True, "baseline": True}
LOSS = rashin.softmax_cross_entropy.replace(label_smoothing=0.1)
ROW_LOSS = "softmax_cross_entropy"


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module")
def expected(rows):
    logits = np.stack([rows[f"z_{k}"] for k in range(CLASSES)], axis=1)
    target, weight, site, patient = (rows[name] for name in ("target", "weight", "site", "patient"))
    return rashin.measure(LOSS, logits, target, weight, group=site, cluster=patient, **ASKED)


def measured(source, **changes):
    return rashin.measure_table(LOSS, source, **{**COLUMNS, **ASKED, **changes})


class Query:
    """What a data base gives: a stream of Arrow's, a new one each time."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.to_reader(90).__arrow_c_stream__(requested_schema)


def shuffled(rows):
    return np.random.default_rng(3).permutation(len(rows))


def structured(rows):
    array = np.empty(ROWS, [(name, values.dtype) for name, values in rows.items()])
    for name, values in rows.items():
        array[name] = values
    return array


FRAMES = {
    "pandas": pd.DataFrame,
    "pandas with an index": lambda rows: pd.DataFrame(rows, index=shuffled(rows["p"])),
    "pandas with one label": lambda rows: pd.DataFrame(rows, index=["a"] * ROWS),
    "pandas, nullable": lambda rows: pd.DataFrame(rows).convert_dtypes(),
    "pandas with Arrow's types": lambda rows: pd.DataFrame(rows).convert_dtypes(dtype_backend="pyarrow"),
    "pandas with objects": lambda rows: pd.DataFrame(rows).astype(object),
    "pandas with categories": lambda rows: pd.DataFrame(rows).astype({"site": "category"}),
    "pandas, sparse": lambda rows: pd.DataFrame(rows).astype({"weight": pd.SparseDtype(float)}),
    "polars": pl.DataFrame,
    "polars in chunks": lambda rows: pl.concat([pl.DataFrame(rows)[:300], pl.DataFrame(rows)[300:]], rechunk=False),
    "polars with categories": lambda rows: pl.DataFrame(rows).with_columns(pl.col("site").cast(pl.Categorical)),
    "polars with objects": lambda rows: pl.DataFrame(rows).with_columns(
        pl.Series("unused", [object()] * ROWS, dtype=pl.Object)
    ),
    "a table": pa.table,
    "a table in chunks": lambda rows: pa.concat_tables(
        [pa.table(rows)[:1], pa.table(rows)[1:500], pa.table(rows)[500:]]
    ),
    "a batch": lambda rows: pa.table(rows).to_batches()[0],
    "a reader": lambda rows: pa.table(rows).to_reader(170),
    "a query": lambda rows: Query(pa.table(rows)),
    "a dict of arrays": dict,
    "a dict of lists": lambda rows: {name: values.tolist() for name, values in rows.items()},
    "a dict of series": lambda rows: dict(pd.DataFrame(rows, index=shuffled(rows["p"])).items()),
    "a dict of polars series": lambda rows: {name: pl.Series(values) for name, values in rows.items()},
    "a dict of Arrow's arrays": lambda rows: {name: pa.array(values) for name, values in rows.items()},
    "a structured array": structured,
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_table_in_memory_has_the_bits_of_the_arrays(name, rows, expected):
    found = measured(FRAMES[name](rows), batch_rows=None if "query" in name else 137)
    assert found.to_dict() == expected.to_dict()
    assert [row.source for row in found.worst] == [""] * 4


def test_a_file_of_numpy_and_its_arrays_are_one(rows, expected, tmp_path):
    np.savez(tmp_path / "a.npz", **rows)
    with np.load(tmp_path / "a.npz") as file:
        assert measured(file) == expected


@pytest.mark.parametrize("form", [dict, pd.DataFrame, pl.DataFrame, pa.table])
def test_classes_go_by_name(form, tmp_path):
    columns = {"p_cat": [0.9, 0.2, 0.5], "p_dog": [0.1, 0.8, 0.5], "target": ["cat", "dog", "dog"]}
    asked = {"prediction": "p_*", "target": "target", "by_class": True}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    found = rashin.measure_table("categorical_cross_entropy", form(columns), **asked)
    assert list(found.classes) == ["cat", "dog"]
    assert found == rashin.measure_table("categorical_cross_entropy", tmp_path, **asked)


# --------------------------------------------------------------------------------------------------------- lists

Z = np.random.default_rng(8).normal(size=(40, 3))
T = np.arange(40) % 3
LISTS = {
    "pandas": lambda: pd.DataFrame({"z": Z.tolist(), "t": T}, index=T),
    "pandas with arrays": lambda: pd.DataFrame({"z": list(Z), "t": T}),
    "polars": lambda: pl.DataFrame({"z": Z.tolist(), "t": T}),
    "polars with arrays": lambda: pl.DataFrame({"z": pl.Series(Z.tolist(), dtype=pl.Array(pl.Float64, 3)), "t": T}),
    "a table": lambda: pa.table({"z": Z.tolist(), "t": T}),
    "a reader": lambda: pa.table({"z": Z.tolist(), "t": T}).to_reader(1),
    "a dict of lists": lambda: {"z": Z.tolist(), "t": T},
    "a dict of rows": lambda: {"z": Z, "t": T},
    "a dict of objects": lambda: {"z": Z.astype(object), "t": T},
}


@pytest.mark.parametrize("name", LISTS)
def test_a_column_of_lists_holds_rows_of_classes(name):
    found = rashin.measure_table(ROW_LOSS, LISTS[name](), prediction="z", target="t", worst=2, batch_rows=7)
    assert found == rashin.measure(ROW_LOSS, Z, T, worst=2)


@pytest.mark.parametrize("form", [dict, pd.DataFrame, pl.DataFrame, lambda columns: pa.table(columns).to_reader(1)])
def test_lists_of_another_length_are_faults_of_their_rows(form):
    columns = {"z": [[1.0, 2.0], [3.0, 1.0], [0.0, 1.0, 3.0], None], "t": [0, 1, 1, 0]}
    asked = {"prediction": "z", "target": "t"}
    with pytest.raises(ValueError, match=r"^the (table|data frame), column 'z', row 2: got a list of 3"):
        rashin.measure_table(ROW_LOSS, form(columns), **asked)
    found = rashin.measure_table(ROW_LOSS, form(columns), **asked, on_error="skip")
    assert found.mean == rashin.softmax_cross_entropy(columns["z"][:2], [0, 1])
    assert found.skipped == {"a list of another length in column 'z'": 1, "null in column 'z'": 1}


# -------------------------------------------------------------------------------------------------------- faults

P, HIT = [0.1, 0.7, 0.9, 0.4], [0, 1, 1, 1]
MISSING = {
    "NaN": lambda: pd.DataFrame({"p": [0.1, np.nan, 0.9, 0.4], "hit": HIT}, index=[3, 2, 1, 0]),
    "NA": lambda: pd.DataFrame({"p": [0.1, pd.NA, 0.9, 0.4], "hit": HIT}),
    "None": lambda: {"p": [0.1, None, 0.9, 0.4], "hit": HIT},
    "null": lambda: pl.DataFrame({"p": [0.1, None, 0.9, 0.4], "hit": HIT}),
    "masked": lambda: {"p": np.ma.masked_array(P, [0, 1, 0, 0]), "hit": HIT},
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_value_is_named_by_position_or_skipped(name):
    asked = {"prediction": "p", "target": "hit", "worst": 1}
    with pytest.raises(ValueError, match=r"^the (table|data frame), column 'p', row 1: got null;"):
        rashin.measure_table("binary_cross_entropy", MISSING[name](), **asked)
    found = rashin.measure_table("binary_cross_entropy", MISSING[name](), **asked, on_error="skip")
    assert found.mean == rashin.binary_cross_entropy([0.1, 0.9, 0.4], [0, 1, 1])
    assert (found.worst[0].row, found.skipped) == (3, {"null in column 'p'": 1})


GOOD = {"p": P, "hit": HIT}
REFUSED = {
    "LazyFrame": (lambda: pl.LazyFrame(GOOD), "source: got a polars LazyFrame; .* fix: frame.collect()"),
    "polars series": (lambda: pl.Series(P), "source: got a polars Series; .* fix: series.to_frame()"),
    "pandas series": (lambda: pd.Series(P), "source: got a pandas Series; .* fix: series.to_frame()"),
    "array": (lambda: np.array(P), "source: got a numpy ndarray; .* fix: a dict of columns"),
    "Arrow's array": (lambda: pa.array(P), "source: got a pyarrow DoubleArray; .* fix: pyarrow.table"),
    "data set": (lambda: dataset.dataset(pa.table(GOOD)), "source: got a pyarrow InMemoryDataset; .*.to_reader()"),
    "frames": (lambda: [pd.DataFrame(GOOD)], "source: got a list with a DataFrame in it; expected a file, "),
    "levels": (
        lambda: pd.DataFrame([P, HIT]).T.set_axis(pd.MultiIndex.from_product([["a"], ["p", "hit"]]), axis=1),
        "the data frame: got the column name ('a', 'p') of 2 levels; expected names of one level",
    ),
    "one name": (
        lambda: pd.DataFrame(np.ones((4, 3)), columns=["p", "hit", "p"]),
        "the data frame: got two columns named 'p'; expected one",
    ),
    "one name in a table": (lambda: pa.table([P, P, HIT], ["p", "p", "hit"]), "the table: got two columns named 'p'"),
    "no such column": (
        lambda: pl.DataFrame({"q": P}),
        "the data frame, prediction: got 'p'; expected the name of a column",
    ),
    "lengths": (lambda: {"p": P, "hit": HIT[:3]}, "the table, column 'hit': got 3 rows; expected 4, as in column 'p'"),
    "one number": (lambda: {"p": 0.5, "hit": HIT}, "the table, column 'p': got shape ()"),
    "types": (
        lambda: {"p": [0.1, 0.2, "0.9", 0.4], "hit": HIT},
        "the table, column 'p', row 2: got '0.9'; expected val",
    ),
    "objects": (
        lambda: pd.DataFrame({"p": [0.1, "x", 0.9, 0.4], "hit": HIT}, index=[7, 8, 9, 10]),
        "the data frame, column 'p', row 1: got 'x'; expected values of one type",
    ),
    "domain": (
        lambda: pd.DataFrame({"p": [0.1, 0.2, 1.3, 0.4], "hit": HIT}, index=list("abcd")),
        "the data frame, column 'p', row 2: got 1.3; expected a probability in [0, 1]",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_said_in_one_line(name):
    source, words = REFUSED[name]
    pattern = ".*".join(map(re.escape, words.split(".*")))
    with pytest.raises((TypeError, ValueError), match=f"^{pattern}") as error:
        rashin.measure_table("binary_cross_entropy", source(), prediction="p", target="hit")
    assert "\n" not in str(error.value)


def test_a_column_of_several_types_is_no_row_to_skip():
    with pytest.raises(ValueError, match="column 'p', row 1: got 'x'"):
        rashin.measure_table(
            "huber", pd.DataFrame({"p": [0.1, "x"], "t": [1, 2]}), prediction="p", target="t", on_error="skip"
        )


def test_a_label_that_is_no_text_is_known_by_its_text():
    frame = pd.DataFrame(np.array([P, HIT]).T)
    found = rashin.measure_table("binary_cross_entropy", frame, prediction="0", target="1")
    assert found.mean == rashin.binary_cross_entropy(P, HIT)


def test_what_goes_with_files_only_is_refused():
    frame = pd.DataFrame(GOOD)
    with pytest.raises(ValueError, match=r"checkpoint: got 'state.json' for a table in memory"):
        rashin.measure_table("huber", frame, prediction="p", target="hit", checkpoint="state.json")
    with pytest.raises(ValueError, match=r"engine: got 'dask' for a table in memory; .* dask\.dataframe\.from_pandas"):
        rashin.measure_table("huber", frame, prediction="p", target="hit", engine="dask")
    for option, given in {"delimiter": ";", "encoding": "cp932"}.items():
        with pytest.raises(ValueError, match=rf"{option}: got '{given}' for a table in memory; expected files of text"):
            rashin.measure_table("huber", frame, prediction="p", target="hit", **{option: given})


def test_progress_has_the_rows_of_a_frame():
    seen = []
    asked = {"prediction": "p", "target": "hit", "batch_rows": 3}
    rashin.measure_table("huber", pd.DataFrame(GOOD), **asked, progress=lambda *both: seen.append(both))
    assert seen[0] == (0, 4)
    assert seen[-1] == (4, 4)


def test_a_reader_is_measured_once():
    """After an error some of its rows are gone, and the rest would pass for the whole."""
    reader = pa.table({"p": [0.1, 7.0, 0.3], "hit": [0, 1, 1]}).to_reader(1)
    with pytest.raises(ValueError, match=r"row 1: got 7\.0"):
        rashin.measure_table("binary_cross_entropy", reader, prediction="p", target="hit")
    with pytest.raises(ValueError, match="source: got a RecordBatchReader that was used before"):
        rashin.measure_table("binary_cross_entropy", reader, prediction="p", target="hit", on_error="skip")


def test_nothing_is_a_measurement_of_nothing():
    for empty in (pd.DataFrame({"p": [], "hit": []}), pa.table({"p": [], "hit": []}), {"p": [], "hit": []}):
        assert rashin.measure_table("huber", empty, prediction="p", target="hit").count == 0


def test_arrays_by_name_need_no_package():
    code = (
        "import sys, numpy as np, rashin; sys.modules['pyarrow'] = None; "
        "found = rashin.measure_table('huber', {'p': np.ones(3), 't': [0.0, 0.5, 1.0]}, prediction='p', target='t'); "
        "print(found.count, *{'pandas', 'polars', 'dask'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "3\n"


def test_columns_that_are_there_are_not_copied():
    columns = {"p": np.linspace(0.0, 1.0, 50), "hit": np.zeros(50)}
    for source in (columns, pd.DataFrame(columns, copy=False), pl.DataFrame(columns), pa.table(columns)):
        (chunk,) = frame_of(source).table.chunks(["p"], None, 100)
        assert _address(chunk.columns["p"]) == _address(source["p"])


def _address(column):
    """Where the numbers lie."""
    one = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    array = one if isinstance(one, np.ndarray) else one.to_numpy()
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize(
    "form",
    [
        lambda: pd.Series(Z.tolist(), index=T),
        lambda: pd.Series(list(Z)),
        lambda: pl.Series(Z.tolist()),
        lambda: pl.Series(Z.tolist(), dtype=pl.Array(pl.Float64, 3)),
        lambda: pa.array(Z.tolist()),
    ],
)
def test_a_series_of_lists_is_rows_of_classes_without_a_table_too(form):
    assert rashin.softmax_cross_entropy(form(), T) == rashin.softmax_cross_entropy(Z, T)
    assert rashin.measure(ROW_LOSS, form(), T, worst=2) == rashin.measure(ROW_LOSS, Z, T, worst=2)
