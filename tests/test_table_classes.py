"""Targets that name their class, as text, numbers or booleans: of several classes by their columns, or of two."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import rashin

P = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5], [0.125, 0.5, 0.375], [0.5, 0.125, 0.375]])
PLACES = np.array([0, 2, 1, 2, 0])
CROSS_ENTROPY = rashin.categorical_cross_entropy(P, PLACES)

NAMES = [  # in the order in which the classes are kept
    ("False", "True", "maybe"),
    ("-1", "1", "x"),
    ("-1", "0", "1"),
    ("1", "2", "3"),
    ("0.5", "1.5", "2"),
    ("2024-01-01", "2024-01-02", "2024-02-01"),
    ("NA", "nan", "null"),
    ("007", "08", "9"),
    ("cat", "cat dog", "dog"),
]


def columns_of(names, shuffled=(2, 0, 1)):
    return {f"p_{names[k]}": P[:, k] for k in shuffled}


def measured(source, **changes):
    settings = {"prediction": "p_*", "target": "t", "by_class": True, **changes}
    return rashin.measure_table("categorical_cross_entropy", source, **settings)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("first", [0, 4])
def test_names_decide_how_text_is_read(names, first, tmp_path, monkeypatch):
    """Whatever the first block looks like: here it holds but two of the names, and the last rows the rest."""
    monkeypatch.setattr("rashin.tables.delimited._BLOCK_BYTES", 200)
    places = np.array([*[first % 3] * 20, *PLACES])
    p = np.concatenate([np.tile(P[:1], (20, 1)), P])
    lines = [",".join(["t", *(f"p_{names[k]}" for k in (2, 0, 1))])]
    lines += [f"{names[place]},{row[2]},{row[0]},{row[1]}" for place, row in zip(places, p, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = measured(tmp_path / "a.csv")
    assert found.mean == rashin.categorical_cross_entropy(p, places)
    assert [part.count for part in found.classes.values()] == np.bincount(places, minlength=3).tolist()
    assert list(map(str, found.classes)) == list(names)


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (("-1", "0", "1"), [-1, 0, 1]),
        (("1", "2", "3"), [1, 2, 3]),
        (("1", "2", "3"), [1.0, 2.0, 3.0]),
        (("1", "2", "3"), ["1", "2.0", " 3 "]),
        (("0.5", "1.5", "2"), [0.5, 1.5, 2.0]),
        (("False", "True", "x"), ["false", "TRUE", "x"]),
        (("1000000007", "20", "3"), [1000000007, 20, 3]),
    ],
)
def test_names_are_equal_to_numbers_and_booleans(names, values, tmp_path):
    target = [values[place] for place in PLACES]
    table = pa.table({**columns_of(names), "t": target})
    parquet.write_table(table, tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", **columns_of(names), t=np.array(target))
    csv.write_csv(table, tmp_path / "a.csv")
    for name in ("a.parquet", "a.npz", "a.csv"):
        found = measured(tmp_path / name)
        assert found.mean == CROSS_ENTROPY
        if isinstance(values[0], int):
            assert list(found.classes) == sorted(values)


def test_booleans_name_columns(tmp_path):
    t = np.array([True, False, False, True, True])
    expected = rashin.categorical_cross_entropy(np.stack([1 - P[:, 0], P[:, 0]], 1), t.astype(int))
    for names in (("False", "True"), ("false", "true"), ("0", "1")):
        columns = {f"p_{names[1]}": P[:, 0], f"p_{names[0]}": 1 - P[:, 0], "t": t}
        parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
        np.savez(tmp_path / "a.npz", **columns)
        csv.write_csv(pa.table(columns), tmp_path / "a.csv")
        for name in ("a.parquet", "a.npz", "a.csv"):
            assert measured(tmp_path / name).mean == expected
            if names[0] != "0":  # the order of a list does not matter where names do
                listed = [f"p_{names[1]}", f"p_{names[0]}"]
                assert measured(tmp_path / name, prediction=listed).total == measured(tmp_path / name).total


def test_dates_name_columns(tmp_path):
    days = [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), datetime.date(2024, 2, 1)]
    table = pa.table({**columns_of([day.isoformat() for day in days]), "t": [days[place] for place in PLACES]})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert measured(tmp_path).mean == CROSS_ENTROPY


def test_numbers_name_booleans_and_midnights_name_days(tmp_path):
    """pandas keeps booleans with a gap as numbers, and dates as times."""
    days = ("2024-01-31", "2024-02-01", "2024-03-01")
    times = pa.array(np.array(days, "datetime64[ns]")[PLACES])
    parquet.write_table(pa.table({**columns_of(days), "t": times}), tmp_path / "a.parquet")
    found = measured(tmp_path)
    assert (found.mean, list(found.classes)) == (CROSS_ENTROPY, list(days))
    p, t = P[:, :2] / P[:, :2].sum(axis=1, keepdims=True), PLACES % 2
    for kind in (np.int8, np.float64):
        parquet.write_table(
            pa.table({"p_True": p[:, 1], "p_False": p[:, 0], "t": t.astype(kind)}), tmp_path / "a.parquet"
        )
        assert measured(tmp_path).mean == rashin.categorical_cross_entropy(p, t)


def test_labels_from_0_stay_the_numbers_they_are(tmp_path):
    for names in (("0", "1", "2"), ("00", "01", "02")):
        csv.write_csv(pa.table({**columns_of(names), "t": PLACES}), tmp_path / "a.csv")
        assert measured(tmp_path).mean == CROSS_ENTROPY
        assert list(measured(tmp_path).classes) == [0, 1, 2]


def test_columns_are_named_by_class(tmp_path):
    """Labels from 1 on with columns of any name."""
    columns = {"cat": P[:, 0], "dog": P[:, 1], "bird": P[:, 2]}
    csv.write_csv(pa.table({**columns, "t": PLACES + 1}), tmp_path / "a.csv")
    found = measured(tmp_path, prediction={3: "bird", 1: "cat", 2: "dog"})
    assert (found.mean, list(found.classes)) == (CROSS_ENTROPY, [1, 2, 3])
    state = tmp_path / "state.json"
    for _ in range(2):
        assert measured(tmp_path, prediction={"1": "cat", "2": "dog", "3": "bird"}, checkpoint=state) == found
    parquet.write_table(csv.read_csv(tmp_path / "a.csv"), tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        words = "'t', row 1: got .*3; .*0 to 2.*; fix: .*prediction={1: 'cat', 2: 'dog', 3: 'bird'}"
        with pytest.raises(ValueError, match=words):
            measured(tmp_path / name, prediction=["cat", "dog", "bird"])


def test_a_list_of_columns_is_known_by_the_names_in_it(tmp_path):
    names = ("cat", "car", "dog")
    words = np.array(names)[PLACES]
    csv.write_csv(pa.table({**columns_of(names), "t": words, "full": np.char.add("p_", words)}), tmp_path / "a.csv")
    for target in ("t", "full"):
        found = measured(tmp_path, prediction=["p_dog", "p_cat", "p_car"], target=target)
        assert (found.mean, list(found.classes)) == (CROSS_ENTROPY, [0, 1, 2])


@pytest.mark.parametrize("names", [("1", "2", "3"), ("2", "0", "1"), ("True", "False", "x")])
def test_numbers_for_a_list_that_is_numbered_otherwise_are_refused(names, tmp_path):
    listed = [f"p_{name}" for name in names]
    for name in ("a.csv", "a.parquet"):
        table = pa.table({**columns_of(names), "t": PLACES % 2})
        (csv.write_csv if name == "a.csv" else parquet.write_table)(table, tmp_path / name)
        with pytest.raises(ValueError, match=rf"'t', row 0: got numbers; .*{{{names[0]}: '{listed[0]}', "):
            measured(tmp_path / name, prediction=listed, on_error="skip")


def test_a_column_beside_the_numbered_ones_is_no_class(tmp_path):
    for first in (0, 1):
        names = (str(first), str(first + 1), "score")
        parquet.write_table(pa.table({**columns_of(names), "t": PLACES % 2 + first}), tmp_path / "a.parquet")
        words = rf"a.parquet, prediction: got 'p_\*', which matches columns {first} to {first + 1} and p_s.*'p_{first}'"
        for on_error in ("raise", "skip"):
            with pytest.raises(ValueError, match=words):
                measured(tmp_path, on_error=on_error)
    found = measured(tmp_path, prediction={"1": "p_1", "2": "p_2", "score": "p_score"})
    assert found.mean == rashin.categorical_cross_entropy(P, PLACES % 2)


def test_unknown_names_are_told_by_row(tmp_path):
    (tmp_path / "a.csv").write_text("p_1,p_2,t\n0.5,0.5,1\n0.5,0.5,\n0.5,0.5,0\n0.5,0.5,NA\n0.5,0.5,2\n")
    with pytest.raises(
        ValueError, match=r"a.csv, column 't', row 1: got null; expected one of the classes 1, 2; fix: on_error='skip'"
    ):
        measured(tmp_path)
    found = measured(tmp_path, on_error="skip")
    assert found.skipped == {"no class in column 't'": 2, "null in column 't'": 1}
    (tmp_path / "a.csv").write_text("p_1,p_1.0,t\n0.5,0.5,1\n")
    with pytest.raises(ValueError, match=r"a.csv, prediction: got columns that name one class twice, 1, 1.0; expected"):
        measured(tmp_path)


# ------------------------------------------------------------------------------------------------- two classes

HIT = np.array([1, 0, 0, 1, 1])


def two(source, loss="binary_cross_entropy", **changes):
    return rashin.measure_table(loss, source, **{"prediction": "p_yes", "target": "t", "by_class": True, **changes})


@pytest.mark.parametrize("words", [("no", "yes"), ("No", "Yes"), ("NO", "yes"), ("other", "yes")])
def test_the_name_of_the_column_tells_the_positive_class(words, tmp_path):
    table = pa.table({"p_yes": P[:, 0], "t": np.array(words)[HIT]})
    csv.write_csv(table, tmp_path / "a.csv")
    parquet.write_table(table, tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", p_yes=P[:, 0], t=np.array(words)[HIT])
    for name in ("a.csv", "a.parquet", "a.npz"):
        for pattern in ("p_yes", "p_*"):
            found = two(tmp_path / name, prediction=pattern, accuracy=True)
            assert found.mean == rashin.binary_cross_entropy(P[:, 0], HIT)
            assert {key: part.count for key, part in found.classes.items()} == dict(zip(words, (2, 3), strict=True))
            assert found.accuracy == 3 / 5


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (("no", "yes"), "yes"),
        (("yes", "no"), "no"),
        ((1, 2), 2),
        ((2, 1), "1"),
        ((1.5, 2.5), 2.5),
        ((True, False), False),
        ((False, True), "true"),
        (("0", "1"), 1),
    ],
)
@pytest.mark.parametrize(("loss", "numbers"), [("binary_cross_entropy", (0, 1)), ("squared_hinge", (-1, 1))])
def test_the_positive_class_is_named(values, positive, loss, numbers, tmp_path):
    target = [values[hit] for hit in HIT]
    table = pa.table({"p": P[:, 0], "t": target})
    csv.write_csv(table, tmp_path / "a.csv")
    parquet.write_table(table, tmp_path / "a.parquet")
    np.savez(tmp_path / "a.npz", p=P[:, 0], t=np.array(target))
    for name in ("a.csv", "a.parquet", "a.npz"):
        found = two(tmp_path / name, loss, prediction="p", positive=positive)
        assert found.mean == getattr(rashin, loss)(P[:, 0], np.array(numbers)[HIT])
        assert [part.count for part in found.classes.values()] in ([2, 3], [3, 2])


def test_the_two_words_are_those_of_all_files(tmp_path):
    """Of a file with one of them, and of one with a third."""
    for name, word in (("a", "no"), ("b", "yes")):
        (tmp_path / f"{name}.csv").write_text("p_yes,t\n" + f"0.25,{word}\n" * 3)
    found = two(tmp_path)
    assert found.mean == rashin.binary_cross_entropy([0.25] * 6, [0, 0, 0, 1, 1, 1])
    (tmp_path / "c.csv").write_text("p_yes,t\n0.25,yes\n0.25,maybe\n")
    with pytest.raises(
        ValueError, match=r"c.csv, column 't', row 1: got 'maybe'; expected 'yes', the .* class, or 'no'"
    ):
        two(tmp_path)
    found = two(tmp_path, on_error="skip")
    assert (found.count, found.skipped) == (7, {"no class in column 't'": 1})
    assert two(tmp_path / "b.csv", positive="yes").mean == rashin.binary_cross_entropy([0.25] * 3, [1, 1, 1])


def test_a_positive_word_in_other_letters_is_named(tmp_path):
    """Else every row would be negative, or a fault of its own."""
    (tmp_path / "a.csv").write_text("p_yes,t\n0.25,no\n0.5,yes\n")
    for on_error in ("raise", "skip"):
        with pytest.raises(ValueError, match=r"^positive \(--positive\): got 'YES'; expected .*; fix: 'yes'$"):
            two(tmp_path, positive="YES", on_error=on_error)
    with pytest.raises(ValueError, match=r"row 0: got 'no'; .*; fix: positive= \(--positive\) names one of the two"):
        two(tmp_path, positive="true")


def test_words_in_tables_in_memory():
    """Also of what gives its rows once."""
    table = pa.table({"p_yes": P[:, 0], "t": np.array(["no", "yes"])[HIT]})
    for source in (table, table.to_pandas(), table.to_pydict(), table.to_reader(max_chunksize=2)):
        found = two(source)
        assert found.mean == rashin.binary_cross_entropy(P[:, 0], HIT)
        assert {key: part.count for key, part in found.classes.items()} == {"no": 2, "yes": 3}


def test_words_in_a_dask_frame(tmp_path):
    frames, pandas = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    words = np.array(["yes", "no", "no", "yes", "yes"])
    frame = pandas.DataFrame({"p_yes": P[:, 0], "t": words, "hit": HIT})
    cut = frames.from_pandas(frame, npartitions=5, sort=False)
    found = two(cut)
    assert found.mean == rashin.binary_cross_entropy(P[:, 0], HIT)
    assert {key: part.count for key, part in found.classes.items()} == {"no": 2, "yes": 3}
    for target, positive in (("t", "no"), ("hit", 0)):
        assert two(cut, target=target, positive=positive).mean == rashin.binary_cross_entropy(P[:, 0], 1 - HIT)
    frame.loc[4, "t"] = "maybe"
    with pytest.raises(ValueError, match="row 0: got 'maybe'; expected 'yes', the positive class, or 'no'"):
        two(frames.from_pandas(frame, npartitions=5, sort=False))


def test_words_without_a_positive_class_are_refused(tmp_path):
    for words in (("yes", "no"), ("spam", "ham")):
        parquet.write_table(pa.table({"p": P[:, 0], "t": np.array(words)[HIT]}), tmp_path / "a.parquet")
        with pytest.raises(ValueError, match=r"'t', row 0: got string; .*positive= \(--positive\) names"):
            two(tmp_path, prediction="p")
    with pytest.raises(
        ValueError, match="positive: got 'yes' with huber and target 't'; expected a loss of two classes"
    ):
        rashin.measure_table("huber", tmp_path, prediction="p", target="t", positive="yes")


@pytest.mark.parametrize("kind", ["boolean", "number", "text"])
def test_a_single_column_of_the_class_false_is_the_probability_of_false(kind, tmp_path):
    p, false = np.array([0.9, 0.2, 0.6, 0.7]), np.array([True, False, True, False])
    target = {"boolean": ~false, "number": (~false).astype(int), "text": np.where(false, "False", "True")}[kind]
    table = pa.table({"p_False": p, "t": target})
    parquet.write_table(table, tmp_path / "a.parquet")
    csv.write_csv(table, tmp_path / "a.csv")
    for source in (tmp_path / "a.parquet", tmp_path / "a.csv", table):
        found = rashin.measure_table("binary_cross_entropy", source, prediction="p_False", target="t")
        assert found.mean == rashin.binary_cross_entropy(p, false)


def test_a_set_of_columns_has_no_order(tmp_path):
    table = pa.table({**columns_of(("0", "1", "2")), "t": PLACES})
    with pytest.raises(TypeError, match=r"prediction: got a set, which has no order; expected a list of names"):
        rashin.measure_table("categorical_cross_entropy", table, prediction={"p_0", "p_1", "p_2"}, target="t")
