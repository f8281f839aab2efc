"""Keys of groups and clusters are what compares equal, whatever array, frame or file holds them."""

import datetime as dt
import json
import uuid
from decimal import Decimal

import numpy as np
import pytest

import rashin
from rashin.measurement import Measurement
from rashin.tables.keys import key_of, moment

P = np.array([0.1, 0.9, 0.35, 0.5])
T = np.array([0, 1, 1, 0])
W = np.array([1.0, 2.0, 0.5, 3.0])


def grouped(group, **more):
    return rashin.measure("binary_cross_entropy", P, T, W, group=group, **more).groups


def in_table(source, **more):
    return rashin.measure_table(
        "binary_cross_entropy", source, prediction="p", target="t", weight="w", group="g", **more
    ).groups


def means(groups):
    return {key: part.mean for key, part in groups.items()}


def expected(keys):
    losses = -np.log(np.where(T == 1, P, 1 - P))
    rows = {key: [k == key for k in keys] for key in keys}
    return {
        key: pytest.approx(np.average(losses[some], weights=W[some]), rel=1e-14, abs=0) for key, some in rows.items()
    }


DAYS = [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2, 6), None, dt.datetime(2024, 1, 1)]
OF_DAYS = ["2024-01-01", "2024-01-02 06:00:00", "(missing)", "2024-01-01"]
NUMBERS = [3, None, 7, 3]
OF_NUMBERS = [3, "(missing)", 7, 3]


def containers():
    pd, pl, pa = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    hours = np.array(DAYS, "M8[h]")
    zoned = pd.Series(DAYS).dt.tz_localize("Europe/Berlin")
    of_zoned = ["2024-01-01 00:00:00+0100", "2024-01-02 06:00:00+0100", "(missing)", "2024-01-01 00:00:00+0100"]
    spans = [dt.timedelta(days=1), dt.timedelta(hours=2, microseconds=500_000), None, dt.timedelta(hours=24)]
    of_spans = ["1 days 00:00:00", "0 days 02:00:00.5", "(missing)", "1 days 00:00:00"]
    months, of_months = ["2024-01", "2024-02", None, "2024-01"], ["2024-01", "2024-02", "(missing)", "2024-01"]
    decimals, of_decimals = [Decimal("3.00"), Decimal("2.50"), None, Decimal("3")], [3, "2.5", "(missing)", 3]
    return [
        *((values, OF_DAYS) for values in (DAYS, hours, hours.astype("M8[ns]"), pd.Series(DAYS), pl.Series(DAYS))),
        *((pa.array(DAYS, pa.timestamp(unit)), OF_DAYS) for unit in ("s", "ms", "us", "ns")),
        (pa.array(DAYS).dictionary_encode(), OF_DAYS),
        *((values, of_zoned) for values in (zoned, pa.array(zoned), pl.Series(zoned), zoned.tolist())),
        *((values, of_spans) for values in (spans, np.array(spans, "m8[us]"), np.array(spans, "m8[ns]"))),
        *((values, of_spans) for values in (pd.Series(spans), pl.Series(spans), pa.array(spans, pa.duration("ms")))),
        (pd.Series(pd.PeriodIndex(months, freq="M")), of_months),
        *((values, of_months) for values in (months, pd.Series(months), pd.Categorical(months), pl.Series(months))),
        *((pd.Series(months, dtype=kind), of_months) for kind in ("string", "category", object)),
        *((values, of_decimals) for values in (decimals, pa.array(decimals), pd.Series(decimals), pl.Series(decimals))),
        *((values, OF_NUMBERS) for values in (NUMBERS, np.array([3.0, np.nan, 7, 3]), pl.Series(NUMBERS))),
        *((pd.Series(NUMBERS, dtype=kind), OF_NUMBERS) for kind in ("Int64", "float64", "Float32", object)),
        *((pa.array(NUMBERS, kind), OF_NUMBERS) for kind in (pa.int8(), pa.uint64(), pa.float16(), pa.float64())),
        (np.ma.masked_array([3, 4, 7, 3], [0, 1, 0, 0]), OF_NUMBERS),
        ([True, None, False, True], [1, "(missing)", 0, 1]),
        (pa.array([True, None, False, True]), [1, "(missing)", 0, 1]),
        ([2**63, 2**64 - 1, -(2**63), 2**63], [2**63, 2**64 - 1, -(2**63), 2**63]),
        (np.array([2**63, 2**64 - 1, 1, 2**63], np.uint64), [2**63, 2**64 - 1, 1, 2**63]),
        (np.array([b"a", b"\xc3\xa9", b"b", b"a"]), ["a", "é", "b", "a"]),
        ([dt.time(6), dt.time(6, 0, 0, 1), None, dt.time(6)], ["06:00:00", "06:00:00.000001", "(missing)", "06:00:00"]),
        (pa.nulls(4), ["(missing)"] * 4),
        ([None] * 4, ["(missing)"] * 4),
        (["a", 1, "1", 1.0], ["a", 1, "1", 1]),
    ]


def test_keys_are_the_same_in_every_container():
    for number, (values, keys) in enumerate(containers()):
        assert means(grouped(values)) == expected(keys), (number, values)


def test_a_table_has_the_keys_of_an_array():
    for number, (values, keys) in enumerate(containers()[:-1]):  # a column of a table is of one type
        if not isinstance(values, list) or not isinstance(values[0], int) or values[0] < 2**63:
            assert means(in_table({"p": P, "t": T, "w": W, "g": values})) == expected(keys), (number, values)


def test_files_have_the_keys_of_an_array(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    for number, (values, keys) in enumerate(containers()):
        if type(values).__module__.startswith(("pyarrow", "pandas")):
            column = values if isinstance(values, pa.Array) else pa.array(values)
            table = pa.table({"p": P, "t": T, "w": W, "g": column})
            feather.write_feather(table, tmp_path / "rows.arrow", compression="uncompressed")
            assert means(in_table(tmp_path / "rows.arrow")) == expected(keys), (number, values)
            if not pa.types.is_duration(column.type) and not pa.types.is_null(column.type):
                parquet.write_table(table, tmp_path / "rows.parquet")
                assert means(in_table(tmp_path / "rows.parquet")) == expected(keys), (number, values)
        elif isinstance(values, np.ndarray) and not isinstance(values, np.ma.MaskedArray):
            np.savez(tmp_path / "rows.npz", p=P, t=T, w=W, g=values)
            assert means(in_table(tmp_path / "rows.npz")) == expected(keys), (number, values)


def test_missing_groups_are_refused_or_skipped_when_asked(tmp_path):
    with pytest.raises(ValueError, match=r"^group: got a missing value at index 1; expected .*; fix: leave it out"):
        grouped(NUMBERS, missing="refuse")
    table = {"p": P, "t": T, "w": W, "g": np.array([3, np.nan, 7, 3])}
    with pytest.raises(ValueError, match=r"^the table, column 'g', row 1: got null; expected .*; fix: missing='group'"):
        in_table(table, missing="refuse")
    found = rashin.measure_table(
        "squared_error", table, prediction="p", target="t", group="g", missing="refuse", on_error="skip"
    )
    assert (list(found.groups), found.count, found.skipped) == ([3, 7], 3, {"null in column 'g'": 1})
    with pytest.raises(ValueError, match=r"^missing: got 'drop'; expected 'group' or 'refuse'"):
        grouped(NUMBERS, missing="drop")


def test_missing_clusters_are_refused():
    with pytest.raises(ValueError, match=r"^cluster: got a missing value at index 1"):
        rashin.measure("squared_error", P, T, cluster=NUMBERS)
    table = {"p": P, "t": T, "c": np.array([3, np.nan, 7, 3])}
    with pytest.raises(ValueError, match=r"column 'c', row 1: got null; .* a cluster of its own"):
        rashin.measure_table("squared_error", table, prediction="p", target="t", cluster="c")
    found = rashin.measure_table("squared_error", table, prediction="p", target="t", cluster="c", on_error="skip")
    assert (found.count, found.skipped) == (3, {"null in column 'c'": 1})


def test_what_where_leaves_out_need_not_be_a_key():
    where = np.array([True, False, True, True])
    for strange in (None, 2.5, [1], object()):
        assert list(grouped([3, strange, 7, 3], where=where)) == [3, 7]
    with pytest.raises(ValueError, match="at index 3"):
        rashin.measure("squared_error", P, T, cluster=[1, None, 2, None], where=where)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.5, 1, 2, 3], r"got 0.5, which is no whole number at index 0"),
        (np.array([1, 2, np.inf, 3]), r"got inf, which is no whole number at index 2"),
        ([1, 1j, 2, 3], r"got 1j, a complex at index 1"),
        ([b"\xff", b"a", b"b", b"c"], r"got b'\\xff', which is no text in UTF-8 at index 0"),
    ],
)
def test_what_is_no_key_is_named(values, words):
    with pytest.raises(TypeError, match=rf"^group: {words}; expected whole numbers.*; fix: cast it to text"):
        grouped(values)


def test_types_without_keys_are_named_in_tables():
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    table = {"p": P, "t": T, "w": W}
    for values, words in (
        (pd.Series(pd.interval_range(0, 4)), "pandas.interval"),
        (pa.array([{"a": 1}] * 4), "struct<a: int64>"),
        (pa.array([[1]] * 4), "list"),
        (pa.array([1] * 4, pa.timestamp("s", "Mars/X")), "Mars/X"),
    ):
        with pytest.raises(ValueError, match=rf"^the table, column 'g', row 0: .*{words}"):
            in_table({**table, "g": values})
        with pytest.raises(TypeError, match=r"^group: got"):
            grouped(values)
    with pytest.raises(ValueError, match=r"column 'g', row 1: got 0.5, which is no whole number"):
        in_table({**table, "g": [1.0, 0.5, 2.0, 3.0]})


def test_columns_of_nulls_are_skipped_row_by_row(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    good = pa.table({"p_0": 1 - P, "p_1": P, "t": ["0", "1", "1", "0"], "w": W})
    parquet.write_table(good, tmp_path / "a.parquet")
    for name in ("p_1", "t", "w"):
        empty = good.set_column(good.schema.get_field_index(name), name, pa.nulls(4))
        parquet.write_table(empty, tmp_path / "b.parquet")
        asked = {"prediction": "p_*", "target": "t", "weight": "w"}
        with pytest.raises(ValueError, match=rf"b.parquet, column '{name}', row 0: got null"):
            rashin.measure_table("categorical_cross_entropy", tmp_path, **asked)
        found = rashin.measure_table("categorical_cross_entropy", tmp_path, on_error="skip", **asked)
        assert (found.count, found.skipped) == (4, {f"null in column {name!r}": 4})


def test_measurements_with_numbers_and_words_as_keys_add_up_and_travel():
    both = rashin.measure("squared_error", P, T, group=[7, 8, None, 7]) + rashin.measure(
        "squared_error", P, T, group=["7", "x", "y", 2**70]
    )
    assert list(both.groups) == [7, 8, 2**70, "(missing)", "7", "x", "y"]
    assert Measurement.from_dict(json.loads(json.dumps(both.to_dict()))) == both


def test_scalars():
    name = uuid.UUID(int=5)
    assert key_of(name) == "00000000-0000-0000-0000-000000000005"
    assert (key_of(np.datetime64("2024-01")), key_of(np.timedelta64(36, "h"))) == ("2024-01-01", "1 days 12:00:00")
    assert (key_of(np.float32(3)), key_of(Decimal("1E+3")), key_of(np.True_)) == (3, 1000, 1)
    assert moment("2024-01-01 00:00:00.000+0000") == "2024-01-01 00:00:00Z"


# ---------------------------------------------------------------------------------------------- folders


def write(folder, **more):
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "rows.npz", p=P, t=T, w=W, **more)


def test_folders_with_zeros_before_a_number_are_text(tmp_path):
    write(tmp_path / "g=007")
    write(tmp_path / "g=7")
    assert list(in_table(tmp_path)) == ["007", "7"]


def test_folders_without_a_value_are_missing(tmp_path):
    for value in ("__HIVE_DEFAULT_PARTITION__", "12", "-3"):
        write(tmp_path / f"g={value}")
    assert list(in_table(tmp_path)) == [-3, 12, "(missing)"]
    with pytest.raises(ValueError, match="got null"):
        in_table(tmp_path, missing="refuse")


def test_folders_of_quoted_names(tmp_path):
    write(tmp_path / "g=a%2Fb%20c")
    write(tmp_path / "g=d")
    assert list(in_table(tmp_path)) == ["a/b c", "d"]


def test_a_folder_and_a_column_say_the_same(tmp_path):
    write(tmp_path / "g=7", g=np.full(4, 7))
    assert list(in_table(tmp_path)) == [7]
    write(tmp_path / "g=7", g=np.array([7, 7, 8, 7]))
    with pytest.raises(ValueError, match=r"rows.npz, column 'g', row 2: got 8; expected 7, as the folder says"):
        in_table(tmp_path)


def test_files_without_the_folder_are_named(tmp_path):
    write(tmp_path / "g=7")
    write(tmp_path)
    with pytest.raises(ValueError, match=r"rows.npz.*'g'"):
        in_table(tmp_path)
