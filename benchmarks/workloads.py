"""What is measured: the losses of the registry, at sizes where speed matters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

import rashin
from rashin.domain import LABEL, LOGIT, Row, Thresholds

__all__ = ["LINEAR", "Problem", "Workload", "all_workloads", "linear_workload"]

Group: TypeAlias = Literal["rows", "elements", "other losses", "linear", "size"]
Draw: TypeAlias = Callable[[np.random.Generator, tuple[int, ...]], Any]

LINEAR = "linear_softmax_cross_entropy"
SOFTMAX = "softmax_cross_entropy"
SEED = 1

# Numbers of a domain as they occur in training; margins stay small enough for the expressions of every peer.
DRAWS: dict[str, Draw] = {
    "real": lambda rng, shape: rng.standard_normal(shape, np.float32),
    "logit": lambda rng, shape: 3 * rng.standard_normal(shape, np.float32),
    "probability": lambda rng, shape: np.float32(0.98) * rng.random(shape, np.float32) + np.float32(0.01),
    "binary": lambda rng, shape: rng.integers(0, 2, shape, np.int8).astype(np.float32),
    "sign": lambda rng, shape: (2 * rng.integers(0, 2, shape, np.int8) - 1).astype(np.float32),
    "non-negative": lambda rng, shape: rng.poisson(2.0, shape).astype(np.float32),
    "non-zero": lambda rng, shape: rng.standard_gamma(2.0, shape, np.float32) + np.float32(0.01),
    "above -1": lambda rng, shape: rng.standard_gamma(2.0, shape, np.float32),
    "count": lambda rng, shape: rng.poisson(2.0, shape).astype(np.float32),
    "fraction": lambda rng, shape: np.float32(0.98) * rng.random(shape, np.float32) + np.float32(0.01),
    "positive": lambda rng, shape: rng.standard_gamma(2.0, shape, np.float32) + np.float32(0.01),
}


class Problem(NamedTuple):
    """The arrays of a workload, the same for all contestants."""

    workload: Workload
    inputs: tuple[Any, ...]  # prediction and target; inputs, classifier and target for the linear form
    threads: int


@dataclass(frozen=True)
class Workload:
    """Value and gradient of the mean of a loss, in float32, at its default parameters.

    Parameters
    ----------
    loss : its public name.
    shape : that of the prediction; (N, D, C) for the loss after a linear layer.
    group : the table in which it stands.
    fresh : whether the gradient goes to a new array at every call, or always to the same one.
    soft : whether the targets of rows are distributions, or labels.
    """

    loss: str
    shape: tuple[int, ...]
    group: Group
    fresh: bool = False
    soft: bool = False

    @property
    def task(self) -> str:
        """The name by which the peers' expressions know it."""
        return f"{self.loss}_of_distributions" if self.soft else self.loss

    @property
    def name(self) -> str:
        """What the tables call it and ``--only`` matches."""
        size = f"{self.shape[0]:.0e}".replace("e+0", "e") if len(self.shape) == 1 else " x ".join(map(str, self.shape))
        return f"{self.loss}, {size}" + ", fresh output" * self.fresh + ", distributions" * self.soft

    @property
    def elements(self) -> int:
        """How many numbers the loss compares: predictions, or logits that the linear form never stores."""
        return self.shape[0] * self.shape[-1] if self.loss == LINEAR else math.prod(self.shape)

    def small(self) -> Workload:
        """The same at a size that shows only whether everything runs."""
        limits = {1: (3000,), 2: (16, 50), 3: (40, 8, 70)}[len(self.shape)]
        return replace(self, shape=tuple(map(min, self.shape, limits)))

    def problem(self, threads: int) -> Problem:
        """Draw the arrays, from a fixed seed."""
        rng = np.random.default_rng(SEED)
        return Problem(self, _linear_inputs(rng, self.shape) if self.loss == LINEAR else self._inputs(rng), threads)

    def _inputs(self, rng: np.random.Generator) -> tuple[Any, ...]:
        loss = getattr(rashin, self.loss)
        prediction = self._prediction(loss, rng)
        if self.soft:
            return prediction, _distributions(rng, self.shape)
        if loss.prediction.is_joint:
            return prediction, DRAWS[loss.target.name](rng, self.shape[:1])
        if loss.target.axes:
            return prediction, DRAWS["logit"](rng, self.shape)
        if loss.prediction.has_classes:
            return prediction, rng.integers(0, self.shape[1], self.shape[0])
        target = loss.target.name
        # A target that may be any probability is in practice a label.
        return prediction, DRAWS["binary" if target == "probability" else target](rng, self.shape)

    def _prediction(self, loss: Any, rng: np.random.Generator) -> Any:
        if isinstance(loss.prediction, Thresholds):
            z = DRAWS["real"](rng, self.shape)
            return np.concatenate([np.sort(z[:, :-1], axis=1), z[:, -1:]], axis=1)
        if not loss.parameters.get("normalized"):
            return DRAWS[loss.prediction.entry().name](rng, self.shape)
        if loss.prediction.entry().low == 0.0:
            return _distributions(rng, self.shape)
        return rashin.log_softmax(DRAWS["logit"](rng, self.shape))


def _distributions(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Uniform among all distributions."""
    shares = rng.standard_exponential(shape, np.float32)
    return shares / shares.sum(axis=1, keepdims=True)


def _linear_inputs(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, ...]:
    samples, width, classes = shape
    inputs = rng.standard_normal((samples, width), np.float32)
    classifier = rng.standard_normal((classes, width), np.float32) / np.float32(math.sqrt(width))
    return inputs, classifier, rng.integers(0, classes, samples)


def all_workloads() -> list[Workload]:
    """Every workload, the heaviest claims first; a new loss of the registry joins by itself."""
    return [*_softmax(), *_long(), *_linear(), *_others(), *_sizes()]


def linear_workload() -> Workload:
    """The cross-entropy after a linear layer, as at the end of a language model."""
    return Workload(LINEAR, (2048, 512, 32000), "linear")


def _softmax() -> Iterator[Workload]:
    for shape in ((2048, 32000), (1024, 128256)):
        yield Workload(SOFTMAX, shape, "rows")
        yield Workload(SOFTMAX, shape, "rows", fresh=True)
    yield Workload(SOFTMAX, (4096, 1000), "rows")
    yield Workload(SOFTMAX, (60000, 10), "rows")
    yield Workload(SOFTMAX, (64, 10), "rows", fresh=True)  # one plain call: what a small batch pays


LONG = ("half_squared_error", "huber", "poisson", "sigmoid_cross_entropy")


def _long() -> Iterator[Workload]:
    return (Workload(name, (50_000_000,), "elements") for name in LONG)


def _linear() -> Iterator[Workload]:
    if hasattr(rashin, LINEAR):
        yield linear_workload()


def _others() -> Iterator[Workload]:
    for loss in rashin.list_losses():
        if loss.name in (*LONG, SOFTMAX, LINEAR) or not loss.formula.__module__.startswith("rashin.losses"):
            continue
        if not loss.prediction.axes:
            yield Workload(loss.name, (10_000_000,), "other losses")
        elif loss.prediction.is_joint:
            yield Workload(loss.name, (10_000_000, loss.prediction.columns or 3), "other losses")
        elif loss.prediction == Row(LOGIT):
            yield Workload(loss.name, (4096, 1000), "other losses")
        else:
            yield from _of_probabilities(loss)


def _of_probabilities(loss: Any) -> Iterator[Workload]:
    for shape in ((4096, 1000), (60000, 10)):
        yield Workload(loss.name, shape, "other losses")
        if loss.target != LABEL:
            yield Workload(loss.name, shape, "other losses", soft=True)


def _sizes() -> Iterator[Workload]:
    for name in ("half_squared_error", "sigmoid_cross_entropy"):
        for size in (10**5, 10**6, 10**7, 10**8):
            yield Workload(name, (size,), "size")
