"""Whatever was done to a Dask data frame, its loss is that of the rows that ``compute()`` gives."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import dask
import dask.array as da
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import pytest

import rashin

pytestmark = pytest.mark.filterwarnings(  # Dask's of itself and of pandas
    "ignore::UserWarning:dask", "ignore::FutureWarning", "ignore::DeprecationWarning"
)

ROWS = 240
COLUMNS = {"prediction": "p", "target": "hit", "weight": "weight", "group": "site"}
ASKED = {"worst": 5, "by_class": True, "accuracy": True}
LOSS = rashin.binary_cross_entropy.replace(epsilon=0.125)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The rows in the forms that operations begin with."""
    rng = np.random.default_rng(14)
    columns = {
        "p": rng.random(ROWS),
        "hit": rng.integers(2, size=ROWS),
        "weight": rng.integers(0, 5, size=ROWS) / 4,
        "site": rng.choice(["north", "south", "Zürich"], size=ROWS),
        "patient": rng.permutation(ROWS),
        "row": np.arange(ROWS),
        "rare": np.where(rng.random(ROWS) < 0.2, np.nan, 1.0),
        **{f"unused_{k}": rng.random(ROWS) for k in range(6)},  # so that few of a file's columns are read
    }
    rows = pd.DataFrame(columns, index=np.arange(ROWS) * 3)
    parquet, text = tmp_path_factory.mktemp("parquet"), tmp_path_factory.mktemp("text")
    for start in range(0, ROWS, 40):
        rows[start : start + 40].to_parquet(parquet / f"{start:03}.parquet", index=False)
        rows[start : start + 40].to_csv(text / f"{start:03}.csv", index=False)
    d = dd.from_pandas(rows, npartitions=5)
    unused = [name for name in rows if name.startswith("unused")]
    return SimpleNamespace(rows=rows, d=d, parquet=str(parquet), text=f"{text}/*.csv", unused=unused)


@pytest.fixture(scope="module")
def client():
    logging.getLogger("distributed.shuffle").setLevel(logging.ERROR)
    with distributed.Client(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, set_as_default=False
    ) as found:
        yield found


def hits(d):
    return d[d.hit == 1]


def largest(group):
    return group[["p", "hit", "weight", "site"]].nlargest(7, "p")


def second_half(part):
    return part[len(part) // 2 :]


def piece(rows, number):
    return rows[number * 60 : number * 60 + 60]


def by_ten(m):
    return m.d.assign(ten=m.d.patient % 10).groupby("ten")


def python_strings(m):
    with dask.config.set({"dataframe.convert-string": False}):
        return dd.from_pandas(m.rows.astype({"site": object}), npartitions=3)


def of_an_array(m):
    names = ["p", "hit", "weight"]
    array = da.from_array(m.rows[names].to_numpy(), chunks=(50, 3))
    return dd.from_dask_array(array, columns=names).assign(site="one")


SITES = pd.DataFrame({"site": ["north", "Zürich"], "height": [1.0, 2.0]})
OPERATIONS = {
    "nothing": lambda m: m.d,
    "a filter": lambda m: m.d[m.d.p > 0.6],
    "a filter by text": lambda m: m.d[m.d.site == "north"],
    "a filter after a filter": lambda m: hits(m.d[m.d.p > 0.2]),
    "a filter that empties partitions": lambda m: m.d[m.d.row > 170],
    "isin": lambda m: m.d[m.d.site.isin(["south", "Zürich"])],
    "query": lambda m: m.d.query("p > 0.3 and hit == 1"),
    "loc of rows": lambda m: m.d.loc[30:400],
    "loc of columns": lambda m: m.d.loc[:, ["site", "hit", "p", "weight"]],
    "map_partitions": lambda m: m.d.map_partitions(second_half),
    "rename": lambda m: m.d.drop(columns="p").rename(columns={"unused_3": "p"}),
    "assign": lambda m: m.d.assign(p=1.0 - m.d.p / 2.0, weight=m.d.patient),
    "clip": lambda m: m.d.assign(p=m.d.p.clip(0.2, 0.8)),
    "astype": lambda m: m.d.astype({"hit": "bool", "weight": "Float64"}),
    "sample": lambda m: m.d.sample(frac=0.4, random_state=3),
    "some partitions": lambda m: m.d.partitions[1:3],
    "more partitions": lambda m: m.d.repartition(npartitions=11),
    "fewer partitions": lambda m: m.d.repartition(npartitions=2),
    "other divisions": lambda m: m.d.repartition(divisions=[0, 9, 300, 717]),
    "concat": lambda m: dd.concat([m.d, hits(m.d)]),
    "concat of unknown divisions": lambda m: dd.concat([m.d.clear_divisions(), m.d.partitions[2:]]),
    "concat of columns": lambda m: dd.concat([m.d[["p", "hit"]], m.d[["weight", "site"]]], axis=1),
    "merge with pandas": lambda m: m.d.merge(SITES, on="site"),
    "merge": lambda m: m.d.merge(m.d[m.d.p > 0.3][["patient", "rare", "p"]], on="patient", suffixes=("", "_right")),
    "join": lambda m: m.d[["p", "hit", "site"]].join(m.d[["weight"]][m.d.hit == 0], how="inner"),
    "set_index": lambda m: m.d.set_index("patient"),
    "set_index and reset_index": lambda m: m.d.set_index("p").reset_index(),
    "sort_values": lambda m: m.d.sort_values("patient"),
    "shuffle": lambda m: m.d.shuffle("patient"),
    "apply by group": lambda m: by_ten(m).apply(largest, meta=m.rows[["p", "hit", "weight", "site"]][:0]),
    "numbers by group": lambda m: by_ten(m)[["p", "hit", "weight"]].max().assign(site=1),
    "drop_duplicates": lambda m: m.d.assign(p=m.d.p.round(1)).drop_duplicates(subset=["p", "hit"]),
    "dropna": lambda m: m.d.dropna(),
    "fillna": lambda m: m.d.assign(p=(m.d.p * m.d.rare).fillna(0.5)),
    "head": lambda m: m.d.head(70, npartitions=2, compute=False),
    "tail": lambda m: m.d.tail(30, compute=False),
    "nlargest": lambda m: m.d.nlargest(20, "patient"),
    "shift": lambda m: m.d.assign(p=m.d.p.shift(1).fillna(0.5)),
    "persist": lambda m: m.d[m.d.p > 0.4].persist(scheduler="threads"),
    "optimize": lambda m: m.d[m.d.p > 0.4].optimize(),
    "from_delayed": lambda m: dd.from_delayed([dask.delayed(piece)(m.rows, k) for k in range(4)], meta=m.rows[:0]),
    "from_map": lambda m: dd.from_map(lambda k: piece(m.rows, k), range(4), meta=m.rows[:0]),
    "from a Dask array": of_an_array,
    "Parquet": lambda m: dd.read_parquet(m.parquet),
    "Parquet read by Arrow": lambda m: dd.read_parquet(m.parquet, filesystem="arrow"),
    "Parquet with filters": lambda m: dd.read_parquet(m.parquet, filters=[("p", ">", 0.5)]),
    "CSV": lambda m: dd.read_csv(m.text),
    "categories": lambda m: m.d.astype({"site": "category"}),
    "categories that are known": lambda m: m.d.categorize(columns=["site"]),
    "Python's strings": python_strings,
}
UNORDERED = {  # rows, where Dask shuffles them
    *("merge", "join", "set_index", "set_index and reset_index", "sort_values", "shuffle", "apply by group"),
    "numbers by group",
}
AGAIN = UNORDERED | {  # with a client; the others only without, as they are planned in one way
    *("nothing", "a filter", "query", "map_partitions", "sample", "some partitions", "fewer partitions", "concat"),
    *("merge with pandas", "drop_duplicates", "nlargest", "persist", "from_delayed", "from_map", "Parquet", "CSV"),
}


def measured(frame, **options):
    return rashin.measure_table(LOSS, frame, **COLUMNS, **ASKED, **options)


def of_rows(rows):
    site = rows["site"].to_numpy(int if rows["site"].dtype.kind == "i" else str)
    p, hit, weight = (rows[name].to_numpy() for name in ("p", "hit", "weight"))
    return rashin.measure(LOSS, p, hit, weight.astype(float), group=site, **ASKED)


def told(found, name):
    state = found.to_dict()
    return state | {"worst": [row.loss if name in UNORDERED else row for row in found.worst]}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_frame_has_the_loss_of_the_rows_that_it_computes_to(name, made, client):
    frame = OPERATIONS[name](made)
    expected = told(of_rows(frame.compute()), name)
    assert told(measured(frame), name) == expected
    assert name not in AGAIN or told(measured(frame, client=client), name) == expected


def test_no_rows_are_a_measurement_of_nothing(made):
    found = measured(made.d[made.d.p > 2.0])
    assert (found.count, found.sum, found.worst) == (0, 0.0, [])
    assert found == measured(made.rows[:0])


def test_a_shuffle_is_planned_for_the_client_that_computes(made, client):
    with client.as_current():  # as after distributed.Client()
        frame = made.d.set_index("patient")
        assert told(measured(frame), "set_index") == told(of_rows(made.rows), "set_index")
    assert told(measured(frame), "set_index") == told(of_rows(made.rows), "set_index")


# ------------------------------------------------------------------------------------------------------- series


def of_series(d, **options):
    return rashin.measure(LOSS, d.p, d.hit, d.weight, group=d.site, worst=5, **options)


@pytest.mark.parametrize(
    "name", ["a filter", "sample", "Parquet", "Parquet with filters", "categories", "more partitions"]
)
def test_series_go_by_position_partition_by_partition(name, made):
    frame = OPERATIONS[name](made)
    rows = frame.compute()
    site, p, hit, weight = (rows[column].to_numpy() for column in ("site", "p", "hit", "weight"))
    expected = rashin.measure(LOSS, p, hit, weight, group=site.astype(str), worst=5)
    assert of_series(frame).to_dict() == expected.to_dict()
    wide = rashin.measure("softmax_cross_entropy", frame[["p", *made.unused]], frame.hit)
    assert wide == rashin.measure("softmax_cross_entropy", rows[["p", *made.unused]].to_numpy(), hit)


def test_arrays_with_a_mask_of_their_own(made):
    p, hit = (da.from_array(made.rows[name].to_numpy(), chunks=50) for name in ("p", "hit"))
    some = made.rows[made.rows.p > 0.5]
    expected = rashin.measure(LOSS, some.p.to_numpy(), some.hit.to_numpy(), worst=4)
    assert rashin.measure(LOSS, p[p > 0.5], hit[p > 0.5], worst=4) == expected
    with pytest.raises(ValueError, match=r"target: got blocks of unknown length, .* fix: call compute_chunk_sizes\(\)"):
        rashin.measure(LOSS, p[p > 0.5], hit)


def test_series_of_other_rows_are_refused(made):
    with pytest.raises(ValueError, match=r"block \d, target: got shape \(\d+,\) for a prediction of shape"):
        rashin.measure(LOSS, made.d.p[made.d.p > 0.5], made.d.hit[made.d.p > 0.4])
    with pytest.raises(ValueError, match="target: got 3 partitions for a prediction of 5; expected a partition of the"):
        rashin.measure(LOSS, made.d.p, made.d.hit.repartition(npartitions=3))
    with pytest.raises(
        TypeError, match="prediction: got a Dask DelayedLeaf; expected a Dask array, series or data frame"
    ):
        rashin.measure(LOSS, dask.delayed(made.rows.p), made.rows.hit)


def test_losses_and_estimates_compute_what_they_are_given(made):
    d, rows = made.d[made.d.p > 0.5], made.rows[made.rows.p > 0.5]
    p, hit = rows.p.to_numpy(), rows.hit.to_numpy()
    assert LOSS(d.p, d.hit, weight=d.weight) == LOSS(p, hit, weight=rows.weight.to_numpy())
    assert np.array_equal(LOSS.gradient(d.p, d.hit), LOSS.gradient(p, hit))
    assert rashin.estimate(LOSS, d.p, d.hit) == rashin.estimate(LOSS, p, hit)
    assert rashin.measure(LOSS, p, d.hit, d.weight) == rashin.measure(LOSS, p, hit, rows.weight.to_numpy())


# -------------------------------------------------------------------------------------------------- what is refused


def test_lists_have_one_length_in_all_partitions():
    rows = pd.DataFrame({"z": [[1.0, 2.0], [3.0, 1.0], [0.0, 1.0], [1.0, 2.0, 3.0]], "t": [0, 1, 1, 0]})
    with dask.config.set({"dataframe.convert-string": False}):
        d = dd.from_pandas(rows, npartitions=4)
    found = rashin.measure_table("softmax_cross_entropy", d.partitions[:3], prediction="z", target="t")
    assert found.mean == rashin.softmax_cross_entropy(rows.z[:3].tolist(), [0, 1, 1])
    with pytest.raises(
        ValueError, match="the data frame, column 'z': got lists of 2 in some partitions and of 3 in oth"
    ):
        rashin.measure_table("softmax_cross_entropy", d, prediction="z", target="t")


def test_a_partition_in_which_all_lists_are_missing_is_skipped():
    rows = pd.DataFrame({"z": [None, None, [1.0, 2.0], [3.0, 1.0]], "t": [0, 1, 1, 0]})
    with dask.config.set({"dataframe.convert-string": False}):
        d = dd.from_pandas(rows, npartitions=2)
    asked = {"prediction": "z", "target": "t", "worst": 1, "on_error": "skip"}
    found = rashin.measure_table("softmax_cross_entropy", d, **asked)
    assert found == rashin.measure_table("softmax_cross_entropy", rows, **asked)
    assert (found.count, found.worst[0].row, found.skipped) == (2, 2, {"null in column 'z'": 2})


def test_errors_name_the_partition_that_the_frame_has(made):
    d = dd.read_parquet(made.parquet)  # of whose columns few are read, for which Dask would merge files
    wrong = d.map_partitions(lambda part: part.assign(p=part.p.where(part.row != 207, 7.0)))
    with pytest.raises(ValueError, match=r"^partition 5, column 'p', row 7: got 7\.0"):
        measured(wrong)
    with pytest.raises(ValueError, match=r"the data frame: got two columns named 'p'"):
        measured(dd.concat([made.d, made.d[["p"]]], axis=1))
    with pytest.raises(TypeError, match=r"source: got a Dask DelayedLeaf; expected a data frame"):
        measured(dask.delayed(made.rows))
