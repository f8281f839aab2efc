"""Every layout in which Arrow holds text or lists, in files and in memory, reads as the plain one."""

import numpy as np
import pytest

import rashin

pa = pytest.importorskip("pyarrow")

WORDS = ["cat", None, "dog", "cat", "dog", None, "cat"]
ROWS = np.random.default_rng(5).dirichlet(np.ones(2), 7)


class Tag(pa.ExtensionType):
    def __init__(self, storage):
        super().__init__(storage, "rashin.tests.tag")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage, serialized):
        return cls(storage)


PLAIN = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())


def of_runs(values):
    return pa.RunEndEncodedArray.from_arrays(pa.array(np.arange(1, len(values) + 1), pa.int32()), values)


def of_codes(values, index):
    words = pa.array(["dog", "unused", "cat"]).cast(values.type)
    codes = [None if word is None else ["dog", "unused", "cat"].index(word) for word in WORDS]
    return pa.DictionaryArray.from_arrays(pa.array(codes, index), words)


def texts():
    for kind in PLAIN:
        plain = pa.array(WORDS, pa.string()).cast(kind) if "view" not in str(kind) else pa.array(WORDS, kind)
        yield plain
        yield of_runs(plain)
        if kind in PLAIN[:2]:
            yield of_runs(of_codes(plain, pa.int16()))
            yield pa.ExtensionArray.from_storage(Tag(plain.type), plain)
    for index in (pa.int8(), pa.uint8(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()):
        for kind in (pa.string(), pa.large_string(), pa.binary()):
            yield of_codes(pa.array(WORDS, kind), index)


def found_in(source, **roles):
    return rashin.measure_table("categorical_cross_entropy", source, prediction="p_*", on_error="skip", **roles)


def sources(table, folder):
    """The table, and what can be written of it."""
    from pyarrow import ipc, parquet

    yield table
    with ipc.new_file(folder / "rows.arrow", table.schema) as file:
        file.write_table(table)
    yield folder / "rows.arrow"
    try:
        parquet.write_table(table, folder / "rows.parquet")
    except (pa.ArrowException, OSError):  # runs, and what else Parquet has no form for
        return
    yield folder / "rows.parquet"


def table_of(column, start=0):
    return pa.table({"p_cat": ROWS[:, 0], "p_dog": ROWS[:, 1], "t": ["cat"] * 7, "word": column})[start:]


@pytest.mark.parametrize("column", list(texts()), ids=lambda column: str(column.type).replace(" ", ""))
def test_text_is_text_in_every_layout(column, tmp_path):
    for start in (0, 3):  # a slice begins in the middle of runs
        plain = table_of(pa.array(WORDS), start)
        for source in sources(table_of(column, start), tmp_path):
            for roles in ({"target": "word"}, {"target": "t", "group": "word"}, {"target": "t", "cluster": "word"}):
                found, wanted = found_in(source, **roles), found_in(plain, **roles)
                assert (found.mean, found.count, found.skipped) == (wanted.mean, wanted.count, wanted.skipped)
                assert found.groups == wanted.groups
                assert found.standard_error == wanted.standard_error
    with pytest.raises(ValueError, match=r"column 'word', row 0: got .*; expected numbers"):
        rashin.measure_table("squared_error", table_of(column), prediction="p_cat", target="word")


LISTS = [None if row == 2 else ROWS[row].tolist() for row in range(7)]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float64()),
        pa.list_(pa.float64(), 2),
        pa.large_list(pa.float64()),
        pa.list_view(pa.float64()),
        pa.large_list_view(pa.float64()),
    ],
    ids=str,
)
def test_lists_are_rows_in_every_layout(kind, tmp_path):
    for start in (0, 1):
        column = pa.array(LISTS, kind)
        table = pa.table({"p": column, "t": [0, 1, 0, 1, 1, 0, 1]})[start:]
        kept = [row for row in range(start, 7) if row != 2]
        losses = -np.log(ROWS[kept, np.array([0, 1, 0, 1, 1, 0, 1])[kept]])
        for source in sources(table, tmp_path):
            found = rashin.measure_table(
                "categorical_cross_entropy", source, prediction="p", target="t", on_error="skip"
            )
            assert found.mean == pytest.approx(losses.mean(), rel=1e-14, abs=0)
            assert found.skipped == {"null in column 'p'": 1}


def test_bytes_that_are_no_text_are_named():
    column = pa.array([b"cat", b"\xff", b"dog", b"cat", b"dog", b"cat", b"cat"])
    with pytest.raises(ValueError, match=r"the table, column 'word', row 1: got b'\\xff', which is no text in UTF-8"):
        rashin.measure_table("squared_error", table_of(column), prediction="p_cat", target="p_dog", group="word")
    with pytest.raises(ValueError, match=r"the table, column 'word', row 0: got binary"):
        rashin.measure_table("categorical_cross_entropy", table_of(column), prediction="p_*", target="word")


def test_polars_files_read(tmp_path):
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"p_cat": ROWS[:, 0], "p_dog": ROWS[:, 1], "word": [word or "cat" for word in WORDS]})
    wanted = found_in(frame, target="word", group="word")
    frame.write_parquet(tmp_path / "rows.parquet")
    frame.write_ipc(tmp_path / "rows.arrow", compat_level=pl.CompatLevel.newest())
    frame.with_columns(pl.col("word").cast(pl.Categorical)).write_ipc(tmp_path / "coded.arrow")
    for name in ("rows.parquet", "rows.arrow", "coded.arrow"):
        found = found_in(tmp_path / name, target="word", group="word")
        assert (found.mean, found.groups) == (wanted.mean, wanted.groups)
