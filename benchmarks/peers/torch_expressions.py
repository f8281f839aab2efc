"""PyTorch, forward and backward: its own loss where it has one, else the expression that its users write."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from benchmarks.harness import Run
from benchmarks.workloads import LINEAR, Problem

__all__ = ["chunked", "compiled", "eager"]


def _focal_of_two(z: Any, t: Any) -> Any:
    p, loss = torch.sigmoid(z), F.binary_cross_entropy_with_logits(z, t, reduction="none")
    return (loss * (1 - (p * t + (1 - p) * (1 - t))) ** 2).mean()


def _focal(z: Any, labels: Any) -> Any:
    u = F.log_softmax(z, dim=1).gather(1, labels[:, None])
    return (-((1 - u.exp()) ** 2) * u).mean()


def _log_cosh(z: Any, t: Any) -> Any:
    r = z - t
    return (r + F.softplus(-2 * r) - math.log(2)).mean()


EXPRESSIONS: dict[str, Callable[..., Any]] = {
    "half_squared_error": lambda z, t: 0.5 * F.mse_loss(z, t),
    "squared_error": F.mse_loss,
    "absolute_error": F.l1_loss,
    "huber": F.huber_loss,
    "pseudo_huber": lambda z, t: (torch.sqrt(1 + (z - t) ** 2) - 1).mean(),
    "log_cosh": _log_cosh,
    "quantile": lambda z, t: torch.maximum(0.5 * (t - z), -0.5 * (t - z)).mean(),
    "poisson": F.poisson_nll_loss,
    "gamma": lambda z, t: (z + t * torch.exp(-z)).mean(),
    "tweedie": lambda z, t: (2 * t * torch.exp(-0.5 * z) + 2 * torch.exp(0.5 * z)).mean(),
    "sigmoid_cross_entropy": F.binary_cross_entropy_with_logits,
    "binary_cross_entropy": F.binary_cross_entropy,
    "hinge": lambda z, t: torch.clamp(1 - t * z, min=0).mean(),
    "squared_hinge": lambda z, t: (torch.clamp(1 - t * z, min=0) ** 2).mean(),
    "sigmoid_focal": _focal_of_two,
    "softmax_cross_entropy": F.cross_entropy,
    "focal": _focal,
    "categorical_cross_entropy": lambda p, labels: F.nll_loss(torch.log(p), labels),
    "categorical_cross_entropy_of_distributions": lambda p, q: -(q * torch.log(p)).sum(dim=1).mean(),
    "negative_log_likelihood": F.nll_loss,
    LINEAR: lambda inputs, classifier, labels: F.linear_cross_entropy(inputs, classifier, labels),
}


def eager(problem: Problem) -> Run | None:
    """The loss and ``backward()``."""
    forward = EXPRESSIONS.get(problem.workload.task)
    return None if forward is None else _with_backward(forward, problem)


def compiled(problem: Problem) -> Run | None:
    """The same under ``torch.compile``, for this shape."""
    forward = EXPRESSIONS.get(problem.workload.task)
    if forward is None:
        return None
    torch.compiler.reset()  # earlier shapes would make this one dynamic
    return _with_backward(torch.compile(lambda *inputs: forward(*inputs), dynamic=False, fullgraph=True), problem)


def chunked(problem: Problem) -> Run | None:
    """The loss after a linear layer, in chunks that torch chooses."""
    if problem.workload.loss != LINEAR:
        return None
    options = torch.nn.LinearCrossEntropyOptions()
    return _with_backward(functools.partial(F.linear_cross_entropy, options=options), problem)


def _with_backward(forward: Callable[..., Any], problem: Problem) -> Run:
    torch.set_num_threads(problem.threads)
    *numbers, target = map(torch.from_numpy, problem.inputs)
    leaves = [tensor.requires_grad_() for tensor in numbers]

    def run() -> tuple[float, tuple[Any, ...]]:
        loss = forward(*leaves, target)
        loss.backward()
        gradients = tuple(leaf.grad for leaf in leaves)
        for leaf in leaves:
            leaf.grad = None  # as ``zero_grad`` does, lest the next call add to it
        return loss.item(), gradients

    return run
