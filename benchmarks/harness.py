"""The protocol: contestants take turns, and what is reported are medians of the ratios within a turn."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

__all__ = ["TOLERANCE", "Protocol", "Run", "agree", "race", "summaries"]

Run: TypeAlias = Callable[[], tuple[float, Any]]  # gives the value, and the gradient or several

TOLERANCE = 1e-3  # relative, of value and gradient: room for float32 sums, none for another definition
SAMPLE = 0.03  # seconds that a sample lasts at least: short calls are repeated, and the pause does not count
PAUSE = 0.01  # seconds before each sample, in which the last contestant's threads stop spinning


class Protocol(NamedTuple):
    """How long each workload is measured: at least ``rounds``, and more until ``seconds`` have passed."""

    seconds: float = 10.0
    rounds: int = 7
    most: int = 200


def agree(result: tuple[float, Any], reference: tuple[float, Any], tolerance: float = TOLERANCE) -> bool:
    """Whether a peer computed the same thing as rashin: value and every gradient within the tolerance."""
    pairs = list(zip(_gradients(result[1]), _gradients(reference[1]), strict=True))
    return bool(
        math.isclose(float(result[0]), float(reference[0]), rel_tol=tolerance)
        and all(a.shape == b.shape and np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b) for a, b in pairs)
    )


def _gradients(gradients: Any) -> list[Any]:
    several = gradients if isinstance(gradients, tuple) else (gradients,)
    return [np.asarray(gradient).reshape(-1) for gradient in several]


def race(runs: Mapping[str, Run], protocol: Protocol) -> dict[str, list[float]]:
    """Seconds per call of each contestant, round after round, one sample each in a round: A B C A B C ..."""
    gc.freeze()  # what the libraries made at their import need not be looked through before every sample
    calls = {name: _calls_per_sample(run, min(SAMPLE, protocol.seconds)) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    start, rounds = time.perf_counter(), 0
    while rounds < protocol.rounds or (rounds < protocol.most and time.perf_counter() - start < protocol.seconds):
        for name, run in runs.items():
            times[name].append(_sample(run, calls[name]))
        rounds += 1
    gc.unfreeze()
    return times


def _calls_per_sample(run: Run, seconds: float) -> int:
    """Two calls to warm up, and the shorter says how many make a sample."""
    return max(1, math.ceil(seconds / min(_sample(run, 1), _sample(run, 1))))


def _sample(run: Run, calls: int) -> float:
    """Seconds per call; results are dropped inside, for freeing is part of the price of a fresh array."""
    gc.collect()
    gc.disable()
    time.sleep(PAUSE)
    start = time.perf_counter()
    for _ in range(calls):
        run()
    stop = time.perf_counter()
    gc.enable()
    return (stop - start) / calls


def summaries(times: Mapping[str, list[float]]) -> dict[str, dict[str, Any]]:
    """Median and quartiles: of seconds, of each contestant over rashin, and of rashin over the limit."""
    own = np.array(times["rashin"])
    found: dict[str, dict[str, Any]] = {}
    for name, seconds in times.items():
        found[name] = {"seconds": _quartiles(np.array(seconds))}
        if name != "rashin":
            found[name]["over_rashin"] = _quartiles(np.array(seconds) / own)
    if "limit" in times:
        found["rashin"]["over_limit"] = _quartiles(own / np.array(times["limit"]))
    return found


def _quartiles(numbers: Any) -> dict[str, float]:
    low, median, high = (float(f"{number:.4g}") for number in np.percentile(numbers, (25, 50, 75)))
    return {"median": median, "low": low, "high": high}
