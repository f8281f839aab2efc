"""``python -m benchmarks.tensors``: losses on torch tensors, forward and backward, beside torch's own.

Each environment is a process of its own, in which the contestants take turns: torch as it is installed, and torch under
``THP_MEM_ALLOC_ENABLE=1``, which it reads once. What a step takes of memory beyond its logits, a fresh process tells
for each contestant.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.harness import TOLERANCE, Protocol, agree, race, summaries
from benchmarks.memory import CAN_MEASURE, RESET, kibibytes, trim
from benchmarks.records import empty
from benchmarks.table import setting, shown_ratio, shown_time

ROOT = Path(__file__).parents[1]
HUGE = {"THP_MEM_ALLOC_ENABLE": "1"}
OTHERS = ("eager", "compile")
LOOSE = 0.02  # relative, of value and gradient in 16 bits

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


class Workload(NamedTuple):
    """A loss on tensors of a shape and dtype; label losses draw labels, others numbers."""

    kind: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def name(self) -> str:
        """As the table has it."""
        return f"{self.kind} {' x '.join(map(str, self.shape))} {self.dtype}"


WORKLOADS = [
    Workload("softmax cross-entropy", (64, 10)),
    Workload("huber", (640,)),
    Workload("sigmoid focal", (640,)),
    Workload("log-cosh", (640,)),
    Workload("softmax cross-entropy", (60_000, 10)),
    Workload("softmax cross-entropy", (4096, 1000)),
    Workload("softmax cross-entropy", (2048, 32_000)),
    Workload("softmax cross-entropy", (4096, 1000), "bfloat16"),
    Workload("softmax cross-entropy", (4096, 1000), "float16"),
    Workload("softmax cross-entropy", (1024, 32_000), "bfloat16"),
    Workload("softmax cross-entropy", (1024, 32_000), "float16"),
    Workload("sigmoid cross-entropy", (10_000_000,)),
    Workload("huber", (10_000_000,)),
]


def contestants(kind: str) -> dict[str, Callable[[Any, Any], Any]]:
    """rashin, torch's own function or expression, and that compiled."""
    import torch
    from torch.nn import functional

    import rashin

    def focal(z: Any, t: Any) -> Any:
        p = torch.sigmoid(z)
        loss = functional.binary_cross_entropy_with_logits(z, t, reduction="none")
        return (loss * (1.0 - (p * t + (1.0 - p) * (1.0 - t))) ** 2).mean()

    def log_cosh(z: Any, t: Any) -> Any:
        r = z - t
        return (r + functional.softplus(-2.0 * r) - 0.6931471805599453).mean()

    ours, theirs = {
        "softmax cross-entropy": (rashin.softmax_cross_entropy, functional.cross_entropy),
        "sigmoid cross-entropy": (rashin.sigmoid_cross_entropy, functional.binary_cross_entropy_with_logits),
        "huber": (rashin.huber, functional.huber_loss),
        "sigmoid focal": (rashin.sigmoid_focal, focal),
        "log-cosh": (rashin.log_cosh, log_cosh),
    }[kind]
    return {"rashin": ours, "eager": theirs, "compile": torch.compile(theirs)}


class Step:
    """Forward and backward on the same tensors, with a fresh gradient."""

    def __init__(self, workload: Workload, loss: Callable[[Any, Any], Any]) -> None:
        import torch

        rng, self.loss = np.random.default_rng(0), loss
        self.z = torch.tensor(rng.normal(size=workload.shape), dtype=getattr(torch, workload.dtype), requires_grad=True)
        if workload.kind.startswith("softmax"):
            self.t = torch.tensor(rng.integers(0, workload.shape[-1], workload.shape[:-1]))
        elif workload.kind.startswith("sigmoid"):
            self.t = torch.tensor(rng.integers(0, 2, workload.shape), dtype=self.z.dtype)
        else:
            self.t = torch.tensor(rng.normal(size=workload.shape), dtype=self.z.dtype)

    def __call__(self) -> Any:
        self.z.grad = None
        value = self.loss(self.z, self.t)
        value.backward()
        return value.item(), self.z.grad

    def result(self) -> tuple[float, Any]:
        """Value and gradient as an array of doubles."""
        value, gradient = self()
        return value, gradient.double().numpy()


@app.command()
def main(
    only: Annotated[str, typer.Option(help="Measure what has this text in its name.")] = "",
    seconds: Annotated[float, typer.Option(min=0.0, help="How long each workload runs, after warm-up.")] = 5.0,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny sizes: shows that everything runs.")] = False,
    huge_pages: Annotated[bool, typer.Option(help="Also with huge pages for torch.")] = True,
) -> None:
    """Print the tables."""
    chosen = [w for w in WORKLOADS if only in w.name]
    if quick:
        chosen = [w._replace(shape=tuple(min(n, 32) for n in w.shape)) for w in chosen]
    console = Console() if Console().is_terminal else Console(width=140)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    console.print(setting(empty(threads, Protocol(seconds), quick)).partition(", ")[2])  # the types are in the names
    for title, environment in [("as installed", {}), ("under huge pages", HUGE)][: 2 if huge_pages else 1]:
        console.print(_table(title, [_asked("race", w, environment, str(seconds)) for w in chosen]))
    large = [w for w in chosen if w.kind.startswith("softmax") and np.prod(w.shape) > 1 << 24]
    if large and CAN_MEASURE:
        console.print(_memory_table(large))


def _asked(what: str, workload: Workload, environment: dict[str, str], *rest: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.tensors", what, json.dumps(workload), *rest]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return {"name": workload.name, **json.loads(done.stdout.splitlines()[-1])}


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table("forward + backward", "rashin", *OTHERS, title=f"torch {title}", box=box.SIMPLE)
    for row in rows:
        ratios = (shown_ratio(row[name]["over_rashin"], True) if name in row else "differs" for name in OTHERS)
        table.add_row(row["name"], shown_time(row["rashin"]["seconds"]["median"]), *ratios)
    return table


def _memory_table(workloads: list[Workload]) -> Table:
    table = Table("peak beyond the logits, in their size", "rashin", *OTHERS, box=box.SIMPLE)
    for workload in workloads:
        found = [_asked("memory", workload, {}, name)["logits"] for name in ("rashin", *OTHERS)]
        table.add_row(workload.name, *(f"{each:.2f} ×" for each in found))
    return table


def _race(workload: Workload, seconds: str) -> Any:
    """Those that agree with rashin take turns; 16 bits leave the others' values three digits."""
    runs = {name: Step(workload, loss) for name, loss in contestants(workload.kind).items()}
    exact = runs["rashin"].result()
    tolerance = TOLERANCE if workload.dtype == "float32" else LOOSE
    chosen = {name: run for name, run in runs.items() if agree(run.result(), exact, tolerance)}
    protocol = Protocol(float(seconds)) if float(seconds) else Protocol(0.0, rounds=2)
    return summaries(race(chosen, protocol))


def _memory(workload: Workload, name: str) -> Any:
    run = Step(workload, contestants(workload.kind)[name])
    run()  # compiled, and with its pools and threads
    size = run()[1].nbytes
    run.z.grad = None  # which the next run would free
    trim()
    before = kibibytes("VmRSS")
    RESET.write_text("5", encoding="ascii")
    run()
    return {"logits": 1024 * (kibibytes("VmHWM") - before) / size}


if __name__ == "__main__":
    if sys.argv[1:2] in (["race"], ["memory"]):
        kind, shape, dtype = json.loads(sys.argv[2])
        answer = {"race": _race, "memory": _memory}[sys.argv[1]](Workload(kind, tuple(shape), dtype), *sys.argv[3:])
        print(json.dumps(answer))  # noqa: T201
    else:
        app()
