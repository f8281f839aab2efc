"""The high-water mark of memory of the loss after a linear layer, each contestant in a process of its own.

``python -m benchmarks.memory rashin 4 2048 512 32000`` prints the bytes that a call takes beyond its inputs, and
those of the gradients among them.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rashin
from benchmarks.harness import Run
from benchmarks.limit import ours
from benchmarks.peers import PEERS
from benchmarks.workloads import LINEAR, Workload

__all__ = ["CAN_MEASURE", "RESET", "kibibytes", "memory_records", "trim"]

ROOT = Path(__file__).parents[1]
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
CAN_MEASURE = RESET.exists()  # Linux: elsewhere a process cannot forget an earlier high-water mark


def memory_records(workload: Workload, peers: list[str], threads: int) -> Iterator[dict[str, Any]]:
    """One record per contestant that could be measured."""
    for name in ("rashin", *peers):
        command = [sys.executable, "-m", "benchmarks.memory", name, str(threads), *map(str, workload.shape)]
        done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
        answer = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
        if answer is not None:
            yield {"contestant": name, **answer}


def _main(name: str, threads: str, *shape: str) -> None:
    workload = Workload(LINEAR, tuple(map(int, shape)), "linear")
    with rashin.threads(int(threads)):
        run = _run_of(name, workload, int(threads))
        answer = None if run is None else _measured(run)
    print(json.dumps(answer))  # noqa: T201


def _run_of(name: str, workload: Workload, threads: int) -> Run | None:
    problem = workload.problem(threads)
    return ours(problem, None) if name == "rashin" else PEERS[name].prepare(problem)


def _measured(run: Run) -> dict[str, int]:
    run()  # imports, thread pools, compiled code and the buffers that BLAS keeps are there before the measurement
    trim()
    before = kibibytes("VmRSS")
    RESET.write_text("5", encoding="ascii")  # forget the high-water mark
    _, gradients = run()
    return {
        "bytes": 1024 * (kibibytes("VmHWM") - before),
        "gradients": sum(gradient.nbytes for gradient in gradients),
    }


def trim() -> None:
    """Give freed memory back to the system, so that what is used next shows."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def kibibytes(key: str) -> int:
    lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


if __name__ == "__main__":
    _main(*sys.argv[1:])
