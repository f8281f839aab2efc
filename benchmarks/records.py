"""One record per measurement, as results.json keeps it, and the file itself."""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import rashin
from benchmarks.harness import TOLERANCE, Protocol, Run, agree, race, summaries
from benchmarks.limit import limit_of, ours
from benchmarks.peers import PEERS
from benchmarks.workloads import LINEAR, Problem, Workload

__all__ = ["Results", "empty", "joined", "load", "save", "speed_record"]

Results: TypeAlias = dict[str, Any]

PACKAGES = ("rashin", "numpy", "numba", "torch", "jax", "scikit-learn")


def speed_record(workload: Workload, peers: list[str], threads: int, protocol: Protocol) -> Results:
    """Race rashin, the limit and the peers over one workload; a peer that does something else is left out."""
    problem = workload.problem(threads)
    out = None if workload.loss == LINEAR else np.empty_like(problem.inputs[0])
    with rashin.threads(threads):
        runs, left_out = _contestants(problem, out, [] if workload.group == "size" else peers)
        times = race(runs, protocol)
    return {
        "name": workload.name,
        "group": workload.group,
        "loss": workload.loss,
        "shape": list(workload.shape),
        "fresh": workload.fresh,
        "elements": workload.elements,
        "rounds": len(times["rashin"]),
        "contestants": summaries(times),
        "left_out": left_out,
    }


def _contestants(problem: Problem, out: Any, peers: list[str]) -> tuple[dict[str, Run], dict[str, str]]:
    runs: dict[str, Run] = {"rashin": ours(problem, out)}
    if problem.workload.elements >= 1000:  # below, there is nothing to move
        runs["limit"] = limit_of(problem, out)
    left_out: dict[str, str] = {}
    value, gradient = ours(problem, None if out is None else np.empty_like(out))()
    for name in peers:
        run, reason = _checked(name, problem, (value, gradient))
        if run is not None:
            runs[name] = run
        elif reason:
            left_out[name] = reason
    return runs, left_out


def _checked(name: str, problem: Problem, reference: tuple[float, Any]) -> tuple[Run | None, str]:
    """The peer's run, if it has one that works and agrees, or why not."""
    try:
        run = PEERS[name].prepare(problem)
        if run is None or agree(run(), reference):
            return run, ""
    except Exception as error:  # a peer's failure is a result, and no reason to lose the others'
        return None, f"raised {type(error).__name__}"
    return None, "differs from rashin's result"


# ----------------------------------------------------------------------------------------------- the file


def empty(threads: int, protocol: Protocol, quick: bool) -> Results:
    """The head of the results: what was measured on, with what and how."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "quick": quick,
        "machine": _machine(threads),
        "versions": _versions(),
        "protocol": {
            "dtype": "float32",
            "seconds": protocol.seconds,
            "least_rounds": protocol.rounds,
            "tolerance": TOLERANCE,
        },
        "speed": [],
        "memory": [],
        "first_calls": {},
    }


def _machine(threads: int) -> dict[str, Any]:
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
    }


def cpu() -> str:
    """The model, and its widest vectors, which the model does not always tell."""
    about = Path("/proc/cpuinfo")
    if not about.exists():
        return platform.processor() or "unknown"
    lines = [line.partition(":") for line in about.read_text(encoding="utf-8").splitlines()]
    facts = {key.strip(): text.strip() for key, _, text in lines}
    widest = next((name for name in ("avx512f", "avx2") if name in facts.get("flags", "").split()), "")
    return " ".join(filter(None, (facts.get("model name", platform.machine()), widest)))


def _versions() -> dict[str, str]:
    found = {"Python": ".".join(map(str, sys.version_info[:3]))}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def load(path: Path) -> Results | None:
    """What an earlier run left, if anything."""
    results: Results | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return results


def save(results: Results, path: Path) -> None:
    """Write the file anew, in one piece."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def joined(new: Results, old: Results, order: list[str]) -> Results:
    """The new records and, for what was not measured again, the old ones.

    Raises
    ------
    ValueError : the old ones come from another machine or from other versions, and would not be comparable.
    """
    for key in ("machine", "versions", "protocol", "quick"):
        if new[key] != old[key]:
            raise ValueError(
                f"--out: the results kept there differ in {key}; name another file, or measure everything again"
            )
    speed = {record["name"]: record for record in (*old["speed"], *new["speed"])}
    places = {name: place for place, name in enumerate(order)}
    return {
        **new,
        "speed": sorted(speed.values(), key=lambda record: places.get(record["name"], len(order))),
        "memory": new["memory"] or old["memory"],
        "first_calls": new["first_calls"] or old["first_calls"],
    }
