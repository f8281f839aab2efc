"""PyTorch in a process of its own, where its memory comes in huge pages.

Much of its time on large arrays is the system's, for fresh memory: NumPy asks for huge pages, torch does so only under
``THP_MEM_ALLOC_ENABLE=1``, which it reads once, before anything else. The process takes its turns in the race: asked to
run, it tells the value. The question counts to its time, so that only long runs are asked for.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np

from benchmarks.harness import Run
from benchmarks.workloads import Problem

__all__ = ["compiled", "eager"]

LEAST = 1_000_000  # elements below which a question would count


def eager(problem: Problem) -> Run | None:
    """The loss and ``backward()``."""
    return _elsewhere("torch", problem)


def compiled(problem: Problem) -> Run | None:
    """The same under ``torch.compile``."""
    return _elsewhere("torch.compile", problem)


class _Elsewhere:
    """A run in the other process; the first one brings its gradients along, for comparison."""

    def __init__(self, name: str, problem: Problem) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.huge_pages"],
            env={**os.environ, "THP_MEM_ALLOC_ENABLE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.compared = False
        self.tell((name, problem.workload, problem.threads))
        self.works = self.hear()

    def __call__(self) -> tuple[float, Any]:
        self.tell("value" if self.compared else "value and gradients")
        self.compared = True
        answer: tuple[float, Any] = self.hear()
        return answer

    def tell(self, what: Any) -> None:
        assert self.process.stdin is not None
        pickle.dump(what, self.process.stdin)
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        return pickle.load(self.process.stdout)

    def __del__(self) -> None:
        self.process.kill()
        self.process.communicate()


def _elsewhere(name: str, problem: Problem) -> Run | None:
    if problem.workload.elements < LEAST:
        return None
    run = _Elsewhere(name, problem)
    return run if run.works else None


def _serve() -> None:
    """Answer until the questions end."""
    from benchmarks.peers import PEERS

    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    name, workload, threads = pickle.load(questions)
    run = PEERS[name].prepare(workload.problem(threads))
    pickle.dump(run is not None, answers)
    answers.flush()
    while run is not None:
        try:
            wanted = pickle.load(questions)
        except EOFError:
            return
        value, gradients = run()
        if wanted == "value":
            gradients = None  # freed before the next run, as in the other races
        pickle.dump((value, None if gradients is None else tuple(map(np.asarray, gradients))), answers)
        answers.flush()
        del gradients


if __name__ == "__main__":
    _serve()
