"""rashin itself, and the limit: what merely moving the same bytes costs, or the matrix products alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

import rashin
from benchmarks.harness import Run
from benchmarks.workloads import LINEAR, Problem

__all__ = ["limit_of", "ours"]

ALONE = 1 << 20  # bytes up to which handing over to a thread costs more than it gains


def ours(problem: Problem, out: Any) -> Run:
    """The public call, checks and exact sum included."""
    loss = getattr(rashin, problem.workload.loss)
    if problem.workload.loss == LINEAR:
        return lambda: _without_bias(loss.value_and_gradient(*problem.inputs))
    prediction, target = problem.inputs
    if problem.workload.fresh:
        return lambda: loss.value_and_gradient(prediction, target)
    return lambda: loss.value_and_gradient(prediction, target, out=out)


def _without_bias(result: tuple[float, tuple[Any, ...]]) -> tuple[float, tuple[Any, ...]]:
    value, gradients = result
    return value, tuple(gradient for gradient in gradients if gradient is not None)


def limit_of(problem: Problem, out: Any) -> Run:
    """Elements: g = z + t. Rows: g = z, the labels weigh nothing. After a linear layer: its three products."""
    if problem.workload.loss == LINEAR:
        return _products(problem)
    prediction, target = problem.inputs
    flat, pair = prediction.reshape(-1), target.reshape(-1) if target.shape == prediction.shape else None
    share = _shared(flat.size, 1 if flat.nbytes <= ALONE else problem.threads)

    def run() -> tuple[float, tuple[Any, ...]]:
        gradient = np.empty_like(flat) if problem.workload.fresh else out.reshape(-1)
        share(lambda part: _moved(flat, pair, gradient, part))
        return 0.0, (gradient,)

    return run


def _moved(flat: Any, pair: Any, gradient: Any, part: slice) -> None:
    if pair is None:
        np.copyto(gradient[part], flat[part])
    else:
        np.add(flat[part], pair[part], out=gradient[part])


def _shared(size: int, threads: int) -> Callable[[Callable[[slice], None]], None]:
    """Do work on equal parts, one per thread, the first in the calling thread."""
    edges = [size * part // threads for part in range(threads + 1)]
    first, *others = (slice(low, high) for low, high in pairwise(edges))
    pool = ThreadPoolExecutor(max(threads - 1, 1))

    def share(work: Callable[[slice], None]) -> None:
        waiting = [pool.submit(work, part) for part in others]
        work(first)
        for part in waiting:
            part.result()

    return share


def _products(problem: Problem) -> Run:
    inputs, classifier, _ = problem.inputs
    logits = np.empty((len(inputs), len(classifier)), inputs.dtype)
    gradients = np.empty_like(inputs), np.empty_like(classifier)

    def run() -> tuple[float, tuple[Any, ...]]:
        np.matmul(inputs, classifier.T, out=logits)
        np.matmul(logits, classifier, out=gradients[0])
        np.matmul(logits.T, inputs, out=gradients[1])
        return 0.0, gradients

    return run
