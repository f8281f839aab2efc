"""Dask's workers give the bits of one process: however many there are, however the rows are cut, and if one dies."""

import os
import pickle
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial, reduce
from itertools import pairwise
from operator import add
from pathlib import Path
from types import SimpleNamespace

import dask.array as da
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import pytest
from dask.core import istask

import rashin
from rashin.kernels import threads
from rashin.measurement.accumulate import Options
from rashin.measurement.dask import client as clients
from rashin.measurement.dask import parts as ours
from rashin.measurement.dask import tree
from rashin.measurement.dask.piece import Piece
from rashin.measurement.sums.sums import ExactSum
from rashin.measurement.table.partition import partitions
from rashin.tables.columns import Columns

ROWS = 9000
PATIENCE = 60.0  # seconds for what takes one or two
WANTED = {"worst": 6, "by_class": True, "accuracy": True, "baseline": True}
COLUMNS = {"prediction": "z_*", "target": "target", "weight": "weight", "group": "site", "cluster": "patient"}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(20250)
    weight = rng.exponential(size=ROWS)
    weight[rng.random(ROWS) < 0.1] = 0.0
    logits = (rng.normal(size=(ROWS, 5)) * 3.0).astype(np.float32)
    logits[5000:5003] = logits[17]  # losses that are equal: the first rows come first
    target = rng.integers(5, size=ROWS)
    target[5000:5003] = target[17] = logits[17].argmin()
    weight[[17, 5000, 5001, 5002]] = 1.5
    return SimpleNamespace(
        z=logits,
        t=target,
        w=weight,
        where=rng.random(ROWS) < 0.8,
        site=rng.choice(["Bern", "Oslo", "Zürich"], size=ROWS),
        patient=rng.integers(-40, 40, size=ROWS),
    )


@pytest.fixture(scope="module")
def frame(data):
    columns = {f"z_{k}": data.z[:, k] for k in range(5)}
    return pd.DataFrame({**columns, "target": data.t, "weight": data.w, "site": data.site, "patient": data.patient})


@pytest.fixture(scope="module")
def files(frame, tmp_path_factory):
    """Files of unequal length, each in several row groups."""
    folder = tmp_path_factory.mktemp("table")
    cuts = [0, 100, 2500, 2501, 6000, ROWS]
    for number, (start, stop) in enumerate(pairwise(cuts)):
        frame[start:stop].to_parquet(folder / f"{number}.parquet", row_group_size=700)
    return folder


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs="CRITICAL"
    ) as found:
        yield found


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster, set_as_default=False) as found:
        yield found


def scaled(cluster, client, workers):
    cluster.scale(workers)
    deadline = time.monotonic() + PATIENCE
    while len(client.nthreads()) != workers:
        assert time.monotonic() < deadline, f"{workers} workers did not come"
        time.sleep(0.05)


def measured(data, rows=slice(None), **options):
    return rashin.measure(
        "softmax_cross_entropy",
        data.z[rows],
        data.t[rows],
        weight=data.w[rows],
        where=data.where[rows],
        group=data.site[rows],
        cluster=data.patient[rows],
        **options,
    )


# ------------------------------------------------------------------------------------------------------- tables


@pytest.fixture(scope="module")
def local(files):
    return rashin.measure_table("softmax_cross_entropy", files, **COLUMNS, **WANTED)


@pytest.mark.parametrize("workers", [3, 2])  # one alone is in the benchmark of workers below; each is seconds to start
def test_a_table_has_the_same_bits_whatever_the_number_of_workers(workers, cluster, client, files, local):
    scaled(cluster, client, workers)
    found = rashin.measure_table(
        "softmax_cross_entropy", files, **COLUMNS, **WANTED, engine="dask", client=client, batch_rows=97 * workers
    )
    assert found.to_dict() == local.to_dict()
    assert found == local
    assert found.interval() == local.interval()
    assert list(found.groups) == ["Bern", "Oslo", "Zürich"]
    assert len(found.clusters) == 80


def test_shuffled_partitions_give_the_same_bits(client, files, local, monkeypatch):
    monkeypatch.setattr(ours, "LEAST_TASKS", 2)
    monkeypatch.setattr(ours, "TASKS_PER_THREAD", 2)  # so that a task measures several
    columns = Columns(**COLUMNS)
    found = partitions(files, columns)
    random.Random(4).shuffle(found)
    shuffled = ours.measure_partitions(rashin.softmax_cross_entropy, found, columns, Options(**WANTED), client)
    assert shuffled.to_dict() == local.to_dict()


def test_what_is_skipped_is_counted_as_in_one_process(client, files, tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no table")
    (tmp_path / "cut.parquet").write_bytes((files / "0.parquet").read_bytes()[:-20])
    for path in files.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    asked = {**COLUMNS, **WANTED, "on_error": "skip"}
    here = rashin.measure_table("softmax_cross_entropy", tmp_path, **asked)
    there = rashin.measure_table("softmax_cross_entropy", tmp_path, **asked, engine="dask", client=client)
    assert sum(here.skipped.values()) == 2
    assert there.to_dict() == here.to_dict()


def test_an_error_names_file_column_and_row_as_in_one_process(client, tmp_path):
    for number, value in enumerate([0.25, 7.0]):
        np.savez(tmp_path / f"{number}.npz", p=[0.5, value], t=[0, 1])
    asked = {"prediction": "p", "target": "t", "engine": "dask", "client": client}
    with pytest.raises(ValueError, match=r"1\.npz, column 'p', row 1: got 7\.0") as here:
        rashin.measure_table("binary_cross_entropy", tmp_path, **asked | {"engine": "local"})
    with pytest.raises(ValueError, match="row 1") as there:
        rashin.measure_table("binary_cross_entropy", tmp_path, **asked)
    assert str(there.value) == str(here.value)


def test_a_table_without_partitions_is_a_measurement_of_nothing():
    found = ours.measure_partitions(rashin.huber, [], Columns("p", "t"), Options(worst=3))
    assert (found.count, found.sum, found.most_worst) == (0, 0.0, 3)


# -------------------------------------------------------------------------------------------------- lost workers


def measured_or_killed(data, marks, start):
    """What a worker that has finished two parts does first with its third one: die, if none has died yet."""
    own = f"{os.getpid()}-"
    if sum(path.name.startswith(own) for path in marks.iterdir()) == 2 and first_time(marks / "killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    found = measured(data, slice(start, start + 500), worst=6, accuracy=True)
    moved = [row._replace(row=row.row + start) for row in found.worst]
    (marks / f"{own}{start}").touch()
    time.sleep(0.05)  # so that both workers get parts
    return replace(found, worst=moved)


def first_time(path):
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    path.write_text(str(os.getpid()), encoding="utf-8")
    return True


def test_a_worker_that_is_killed_in_the_middle_changes_no_bit(cluster, client, data, tmp_path, monkeypatch):
    scaled(cluster, client, 2)
    monkeypatch.setattr(tree, "FAN_IN", 3)
    measure_one = partial(measured_or_killed, data, tmp_path)
    found = ours.measure_each(measure_one, range(0, ROWS, 500), client)
    assert found.to_dict() == measured(data, worst=6, accuracy=True).to_dict()
    killed = (tmp_path / "killed").read_text(encoding="utf-8")
    finished = [path.name.split("-") for path in tmp_path.iterdir() if path.name != "killed"]
    assert sum(pid == killed for pid, _ in finished) == 2, "it died in the middle of its work"
    assert {int(start) for _, start in finished} == set(range(0, ROWS, 500))


# ------------------------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("size", [1, 7, 4096, ROWS])
def test_dask_arrays_have_the_same_bits_whatever_their_chunks(size, data):
    rows = slice(0, {1: 150, 7: 1000}.get(size))
    some = SimpleNamespace(**{name: values[rows] for name, values in vars(data).items()})
    blocks = SimpleNamespace(
        z=da.from_array(some.z, chunks=(size, 2)),
        t=da.from_array(some.t, chunks=size),
        w=da.from_array(some.w, chunks=len(some.w) // 3),
        where=da.from_array(some.where),
        site=some.site,
        patient=da.from_array(some.patient, chunks=size),
    )
    assert measured(blocks, **WANTED).to_dict() == measured(some, **WANTED).to_dict()


def test_dask_arrays_are_computed_by_the_active_client(cluster, data):
    with distributed.Client(cluster) as client:
        z, t = da.from_array(data.z, chunks=(2000, 5)), da.from_array(data.t, chunks=2000)
        found = rashin.measure("softmax_cross_entropy", z + np.float32(0.0), t, worst=4)
        ran = client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.task_prefixes))
    assert {"measure", "add"} <= ran
    assert found == rashin.measure("softmax_cross_entropy", data.z, data.t, worst=4)


def test_samples_of_more_axes_are_numbered_in_c_order(data):
    z, t, w = (values[:8400].reshape(20, 30, 14) for values in (data.z[:, 0], data.z[:, 1], data.w))
    chunks = (3, 11, 5)
    found = rashin.measure(
        rashin.huber.replace(delta=0.7),
        *(da.from_array(values, chunks=chunks) for values in (z, t)),
        weight=da.from_array(w, chunks=(20, 30, 7)),
        worst=9,
        baseline=True,
    )
    assert found == rashin.measure(rashin.huber.replace(delta=0.7), z, t, weight=w, worst=9, baseline=True)
    assert found.worst[0].row == rashin.measure("huber", z, t, weight=w, worst=1).worst[0].row


def test_empty_blocks_and_no_axis_at_all():
    z = da.from_array(np.array([0.5, 2.0, -1.0]), chunks=((0, 2, 0, 1, 0),))
    target = [0.25, 0.0, 0.5]
    found = rashin.measure("huber", z, target, weight=[1.0, 2.0, 0.0], worst=2, baseline=True)
    assert found == rashin.measure("huber", z.compute(), target, weight=[1.0, 2.0, 0.0], worst=2, baseline=True)
    assert rashin.measure("huber", da.from_array(np.array(3.0)), 0.5) == rashin.measure("huber", 3.0, 0.5)


def test_arrays_whose_chunks_nobody_knows(frame):
    """Those of a data frame: only the lengths met on the way tell which rows the worst are."""
    cut = dd.from_pandas(frame, npartitions=6, sort=False)
    z, t = frame["z_0"].to_numpy(), frame["z_1"].to_numpy()
    asked = {"worst": 7}
    here = rashin.measure("huber", z, t, weight=frame["weight"].to_numpy(), group=frame["site"].to_list(), **asked)
    series = rashin.measure("huber", cut["z_0"], cut["z_1"], weight=cut["weight"], group=cut["site"], **asked)
    assert series.to_dict() == here.to_dict()
    rows = cut[[f"z_{k}" for k in range(5)]]
    found = rashin.measure("softmax_cross_entropy", rows, cut["target"], **asked)
    logits = frame[[f"z_{k}" for k in range(5)]].to_numpy()
    assert found == rashin.measure("softmax_cross_entropy", logits, frame["target"].to_numpy(), **asked)
    with pytest.raises(ValueError, match=r"target: got blocks of unknown length, .* compute_chunk_sizes\(\)"):
        rashin.measure("huber", cut["z_0"], t)
    with pytest.raises(ValueError, match="target: got 2 partitions for a prediction of 1;"):
        rashin.measure("huber", cut["z_0"].partitions[:1], cut["z_1"].partitions[:2])


def test_arrays_that_do_not_fit_raise_and_name_the_argument_and_the_block(data):
    z = da.from_array(data.z, chunks=(1000, 5))
    with pytest.raises(ValueError, match=r"weight: got shape \(3,\) for a prediction of shape \(9000, 5\)"):
        rashin.measure("softmax_cross_entropy", z, data.t, weight=[1.0, 2.0, 3.0])
    labels = data.t.copy()
    labels[2007] = 5
    with pytest.raises(ValueError, match=r"block 2, target: got 5 at index 7"):
        rashin.measure("softmax_cross_entropy", z, labels)
    with pytest.raises(TypeError, match=r"block \d, group: got [\d.e-]+, which is no whole number"):
        rashin.measure("softmax_cross_entropy", z, data.t, group=data.w)
    with pytest.raises(TypeError, match="target: got none"):
        rashin.measure("softmax_cross_entropy", z)


# --------------------------------------------------------------------------------------------------- data frames


@pytest.mark.parametrize("size", [7, 1000, ROWS])
def test_a_dask_data_frame_has_the_bits_of_the_arrays(size, frame, data):
    rows = frame[:700] if size == 7 else frame
    asked = {**COLUMNS, **WANTED}
    found = rashin.measure_table("softmax_cross_entropy", dd.from_pandas(rows, chunksize=size, sort=False), **asked)
    everything = replace_where(data, len(rows))
    assert found.to_dict() == measured(everything, **WANTED).to_dict()


def replace_where(data, rows):
    some = {name: values[:rows] for name, values in vars(data).items()}
    return SimpleNamespace(**some | {"where": np.ones(rows, bool)})


def test_a_data_frame_is_computed_by_the_client_that_is_given(client, frame, files, local):
    cut = dd.read_parquet(files)
    found = rashin.measure_table("softmax_cross_entropy", cut, **COLUMNS, **WANTED, client=client)
    assert found.total == local.total
    assert found.groups == local.groups
    ran = client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.task_prefixes))
    assert "measure" in ran


def test_rows_of_a_data_frame_that_cannot_be_measured(frame):
    broken = frame[:300].copy()
    broken.loc[140, "z_3"] = np.nan
    cut = dd.from_pandas(broken, chunksize=100, sort=False)
    with pytest.raises(ValueError, match=r"^partition 1, column 'z_3', row 40: got n"):
        rashin.measure_table("softmax_cross_entropy", cut, **COLUMNS)
    found = rashin.measure_table("softmax_cross_entropy", cut, **COLUMNS, on_error="skip")
    assert list(found.skipped.values()) == [1]
    rest = rashin.measure_table("softmax_cross_entropy", dd.from_pandas(broken.dropna(), npartitions=1), **COLUMNS)
    assert found.total == rest.total


def test_a_collection_that_is_no_table_is_refused(frame):
    cut = dd.from_pandas(frame, npartitions=2)
    with pytest.raises(ValueError, match=r"the data frame, [a-z]+: got 'zz'"):
        rashin.measure_table("huber", cut, prediction="zz", target="target")
    for other in (cut["z_0"], da.ones((3, 2))):
        with pytest.raises(TypeError, match=r"source: got a Dask (Series|Array); expected a data frame"):
            rashin.measure_table("huber", other, prediction="z_0", target="target")
    with pytest.raises(ValueError, match="checkpoint"):
        rashin.measure_table("huber", cut, prediction="z_0", target="z_1", checkpoint="state.json")


# ----------------------------------------------------------------------------------------------------- the client


def measure_and_tell(number):
    found = rashin.measure("huber", [float(number)], [0.25])
    return replace(found, skipped={f"{threads.count()} threads": 1})


EIGHT = reduce(add, [rashin.measure("huber", [float(number)], [0.25]) for number in range(8)])


def test_a_cluster_and_an_address_are_connected_to_for_the_call(cluster):
    for named in (cluster, cluster.scheduler_address):
        found = ours.measure_each(measure_and_tell, range(8), named)
        assert found.total == EIGHT.total
        assert found.skipped == {"1 threads": 8}, "a worker of one thread uses one"
    with pytest.raises(ValueError, match=r"[Nn]o client"):
        distributed.default_client()


def test_without_a_client_the_active_one_is_taken(cluster, monkeypatch):
    monkeypatch.setattr(clients, "_own_cluster", None)
    with distributed.Client(cluster):
        assert ours.measure_each(measure_and_tell, range(8)).total == EIGHT.total


def test_without_any_client_there_is_a_cluster_for_the_call(monkeypatch):
    made = []
    own = clients._own_cluster
    monkeypatch.setattr(clients, "_own_cluster", lambda: made.append(own()) or made[0])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert ours.measure_each(measure_and_tell, range(8)).total == EIGHT.total
    assert made[0].status == distributed.Status.closed


def test_a_client_that_cannot_be_used_is_refused():
    with pytest.raises(TypeError, match=r"client: got int; expected a distributed\.Client"):
        ours.measure_each(measure_and_tell, range(8), 3)


def test_without_dask_the_error_says_what_to_install(monkeypatch, files):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[dask\]'"):
        rashin.measure_table("softmax_cross_entropy", files, **COLUMNS, engine="dask")


def test_measuring_arrays_imports_no_dask():
    code = "import sys, rashin; rashin.measure('huber', [1.0], [0.0]); print('dask' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout == "False\n"


# ------------------------------------------------------------------------------------------------------- the tree


@pytest.mark.parametrize("parts", [1, 8, 9, 65, 1000])
def test_no_task_adds_more_than_the_fan_in_and_every_part_once(parts):
    leaves = {("part", number): (int, number) for number in range(parts)}
    graph, root = tree.tree(leaves, list(leaves))
    adding = {key: task[1] for key, task in graph.items() if istask(task) and task[0] is tree.added}
    assert all(1 <= len(below) <= tree.FAN_IN for below in adding.values())

    def under(key):
        return [key[1]] if key not in adding else [number for below in adding[key] for number in under(below)]

    assert under(root) == list(range(parts))  # once, and in order
    depth = 0
    while root in adding:
        root, depth = adding[root][0], depth + 1
    assert tree.FAN_IN**depth >= parts > tree.FAN_IN ** (depth - 1)


def test_pieces_add_associatively_and_number_the_rows_of_the_whole(data):
    cuts = [0, 4, 4, 1000, 5001, 5002, ROWS]
    parts = [slice(start, stop) for start, stop in pairwise(cuts)]
    pieces = [Piece(measured(data, part, **WANTED), part.stop - part.start) for part in parts]
    left, right = reduce(add, pieces), reduce(lambda after, before: before + after, reversed(pieces))
    assert left == right == (measured(data, **WANTED), ROWS, ())


def test_nothing_is_neutral_in_adding(data):
    some = rashin.measure("huber", data.z[:, 0], data.z[:, 1], weight=data.w, baseline=True)
    nothing = rashin.measure("huber", iter(()), baseline=True)
    assert nothing + some == some + nothing == some
    assert (nothing + nothing).targets is None
    not_asked = rashin.measure("huber", data.z[:, 0], data.z[:, 1])
    assert (some + not_asked).targets is None
    assert (not_asked + some).targets is None


def test_a_pickled_measurement_holds_no_zeros_at_the_ends_of_its_sums(data):
    found = measured(data, **WANTED)
    packed = pickle.dumps(found + found, pickle.HIGHEST_PROTOCOL)
    assert pickle.loads(packed) == found + found
    parts = [found.total, *found.groups.values(), *found.classes.values()]
    sums = 11 * 7 + sum(2 * len(part.clusters) for part in parts)  # moments of all, of groups and classes; clusters
    assert len(packed) < 60 * sums
    for total in (ExactSum(), ExactSum(-3 << 1000, 1, 2), ExactSum((1 << 2200) + 1), ExactSum(-1)):
        again = pickle.loads(pickle.dumps(total))
        assert again == total
        assert type(again) is ExactSum


# ------------------------------------------------------------------------------------------------- the benchmarks

ROOT = Path(__file__).parents[1]


def bytes_by_kind(text):
    """The table of a measurement's bytes, pickled and as JSON."""
    rows = re.findall(r"^\| ([\w, ]+?) +\| +([\d,]+) \| +([\d,]+) \| +[\d.]+ \|", text, re.MULTILINE)
    return {kind: [int(number.replace(",", "")) for number in numbers] for kind, *numbers in rows}


def test_the_simulated_reduction_runs_and_the_page_holds_its_bytes(capsys):
    from benchmarks import reduction

    reduction.main(most=12, seconds=0.0)
    printed = capsys.readouterr().out
    assert re.search(r"\| the mean alone \| +12 \| +2 \| ", printed)
    assert "16,000 tasks measure" in " ".join(printed.split())
    found = bytes_by_kind(printed)
    assert set(found) == {"the mean alone", "10 groups", "1,000 groups", "1,000 clusters"}
    kept = bytes_by_kind((ROOT / "docs" / "clusters.md").read_text(encoding="utf-8"))
    assert kept.keys() == found.keys()
    for kind, numbers in found.items():
        assert numbers == pytest.approx(kept[kind], rel=0.03, abs=0)  # sums of 64 there, a few bits longer


def test_two_workers_are_timed_against_one(capsys, monkeypatch):
    """Here in threads; that rashin works in processes of Dask, the cluster above shows."""
    from benchmarks import workers

    monkeypatch.setattr(distributed, "LocalCluster", partial(distributed.LocalCluster, processes=False))
    workers.main(rows=1000, files=4, rounds=1)
    assert re.search(r"one / two +\d+\.\d+ ", capsys.readouterr().out)
