"""The benchmarks run through their command, and the tables on the pages are those of the kept results."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from typer.testing import CliRunner

import rashin
from shipped import SHIPPED

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "benchmarks" / "results.json"
ADVICE = "run: python -m benchmarks --readme"


@pytest.fixture
def table(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    return importlib.import_module("benchmarks.table")


@pytest.fixture
def benchmarks(monkeypatch):
    """The command, in this process, which has compiled most of what it needs."""
    monkeypatch.syspath_prepend(ROOT)
    app = importlib.import_module("benchmarks.__main__").app

    def run(*arguments, code=0):
        with mock.patch.dict(os.environ):  # it sets the threads of all peers there
            done = CliRunner().invoke(app, arguments)
        assert done.exit_code == code, done.output
        return done

    return run


def result(name, group, ratio):
    """A record as a run leaves it."""
    seconds = {"seconds": {"median": 0.0123, "low": 0.012, "high": 0.013}}
    over = {"median": ratio, "low": ratio - 0.5, "high": ratio + 0.5}
    return {
        "name": name,
        "group": group,
        "elements": 1000,
        "contestants": {
            "rashin": {**seconds, "over_limit": over},
            "limit": {**seconds, "over_rashin": over},
            "jax": {**seconds, "over_rashin": over},
        },
        "left_out": {"sklearn": "raised ValueError"} if group == "rows" else {},
    }


@pytest.fixture
def results():
    return {
        "quick": False,
        "machine": {"cpu": "a CPU", "cores": 2, "threads": 2, "system": "Linux"},
        "versions": {"rashin": "1.0"},
        "protocol": {"dtype": "float32"},
        "speed": [
            result("softmax_cross_entropy, 4 x 9", "rows", 4.21),
            result("huber, 5e7", "elements", 12.34),
            result("hinge, 1e7", "other losses", 2.5),
            result("linear_softmax_cross_entropy, 2 x 3 x 4", "linear", 1.25),
            result("huber, 1e5", "size", 1.0),
        ],
        "memory": [{"contestant": "jax", "bytes": 5 * 2**20, "gradients": 2**20}],
        "first_calls": {"new": {"import": 0.1}, "kept": {"import": 0.02}},
    }


@pytest.mark.parametrize("page", ["front", "all"])
def test_the_pages_hold_the_kept_results(table, page):
    shown = table.between_markers(table.PAGES[page].read_text(encoding="utf-8"))
    if KEPT.exists():
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
        assert not kept["quick"], "results of --quick say nothing"
        assert shown == table.page_text(kept, page), ADVICE
    else:
        assert not shown, "no results yet"


def test_the_front_page_has_a_row_per_workload_and_a_column_per_peer(table, results):
    lines = table.page_text(results, "front").splitlines()
    assert "| value + gradient | rashin | rashin / copy | JAX jit |" in lines
    assert "| `softmax_cross_entropy`, 4 x 9 | 12.3 ms | 4.2 × | 4.2 × |" in lines
    assert "| `huber`, 5e7 | 12.3 ms | 12.3 × | 12.3 × |" in lines
    assert "| the three matrix products alone | 12.3 ms | 1.25 × |  |" in lines
    assert "| JAX jit | 12.3 ms | 1.25 × | 4 MiB |" in lines
    assert not any("hinge" in line or "huber`, 1e5" in line for line in lines)


def test_the_full_page_has_every_table_with_its_spread(table, results):
    text = table.page_text(results, "all")
    for title in (*table.TITLES.values(), "First calls"):
        assert f"### {title}\n" in text
    assert "| `hinge`, 1e7 | 12.3 ms | 2.50 × (2.00-3.0) | 2.50 × (2.00-3.0) |" in text
    assert "| `huber`, 1e5 | 12300.00 | 12300.00 |" in text
    assert "- `softmax_cross_entropy`, 4 x 9: sklearn._loss raised ValueError.\n" in text


def test_the_tables_replace_what_stood_between_the_markers(table, results):
    page = f"before\n{table.BEGIN}old\n{table.END}after\n"
    once = table.rewritten(page, table.page_text(results, "front"))
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "old" not in once
    assert table.between_markers(once) == table.page_text(results, "front")


def test_every_loss_has_a_workload(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    workloads = importlib.import_module("benchmarks.workloads").all_workloads()
    named = {workload.loss for workload in workloads}
    assert {loss.name for loss in SHIPPED} <= named
    names = [workload.name for workload in workloads]
    assert len(names) == len(set(names)), "results are found by name"
    for workload in workloads:
        prediction = workload.small().problem(1).inputs[0]
        assert prediction.dtype == "float32", "inputs are drawn for every domain"


def test_the_command_measures_at_tiny_sizes_and_keeps_what_it_found(benchmarks, tmp_path):
    out = tmp_path / "results.json"
    printed = benchmarks("--quick", "--peers", "numpy", "--only", ", ", "--out", str(out)).stdout
    assert all(text in printed for text in ("softmax_cross_entropy", "NumPy", "ns per element"))
    kept = json.loads(out.read_text(encoding="utf-8"))
    assert kept["quick"]
    assert {"rashin", "numpy"} <= set(kept["versions"])
    for record in kept["speed"]:
        assert not record["left_out"], "NumPy's expression must agree with rashin"
        assert {"rashin"} <= set(record["contestants"]) <= {"rashin", "limit", "numpy"}
        for found in record["contestants"].values():
            assert 0 < found["seconds"]["low"] <= found["seconds"]["median"] <= found["seconds"]["high"]

    benchmarks("--quick", "--peers", "none", "--only", "huber", "--out", str(out))
    again = json.loads(out.read_text(encoding="utf-8"))
    assert {record["name"] for record in again["speed"]} == {record["name"] for record in kept["speed"]}
    anew = {record["loss"] for record in again["speed"] if record not in kept["speed"]}
    assert anew == {"huber", "modified_huber", "pseudo_huber"}


def test_results_of_other_versions_are_not_mixed(benchmarks, tmp_path):
    out = tmp_path / "results.json"
    benchmarks("--quick", "--peers", "none", "--only", "hinge", "--out", str(out))
    out.write_text(out.read_text(encoding="utf-8").replace('"rashin": "', '"rashin": "not '), encoding="utf-8")
    done = benchmarks("--quick", "--peers", "none", "--only", "hinge", "--out", str(out), code=2)
    assert "differ in versions" in done.stderr


def test_a_peer_that_there_is_not_is_named():
    command = [sys.executable, "-m", "benchmarks", "--peers", "pytorch"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2
    assert "got 'pytorch'; expected numpy, torch" in " ".join(done.stderr.split())


def test_torch_with_huge_pages_answers_from_a_process_of_its_own(monkeypatch):
    pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.chdir(ROOT)
    workloads = importlib.import_module("benchmarks.workloads")
    huge_pages = importlib.import_module("benchmarks.peers.huge_pages")
    problem = workloads.Workload("huber", (huge_pages.LEAST,), "elements").problem(1)
    run = huge_pages.eager(problem)
    value, (gradient,) = run()
    exact, exact_gradient = rashin.huber.value_and_gradient(*problem.inputs)
    assert value == pytest.approx(exact, rel=1e-5, abs=0)
    assert np.linalg.norm(gradient - exact_gradient) <= 1e-5 * np.linalg.norm(exact_gradient)
    assert run() == (value, None)  # the gradients are asked for once
    assert huge_pages.eager(workloads.Workload("huber", (huge_pages.LEAST - 1,), "elements").problem(1)) is None


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_losses_on_tensors_are_compared_with_what_equals_them(dtype):
    pytest.importorskip("torch", reason="torch is not installed")
    from benchmarks.harness import TOLERANCE, agree
    from benchmarks.tensors import LOOSE, WORKLOADS, Step, contestants

    kinds = {each.kind: each for each in WORKLOADS}
    for workload in kinds.values():
        small = workload._replace(shape=tuple(min(n, 8) for n in workload.shape), dtype=dtype)
        losses = contestants(small.kind)
        ours, eager = (Step(small, losses[name]).result() for name in ("rashin", "eager"))
        assert agree(eager, ours, TOLERANCE if dtype == "float32" else LOOSE)
        assert not agree((2.0 * eager[0], eager[1]), ours, LOOSE)
