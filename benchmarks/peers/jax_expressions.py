"""JAX: ``jit(value_and_grad(...))`` of the expression that optax or its users write."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.harness import Run
from benchmarks.workloads import LINEAR, Problem

__all__ = ["prepare"]


def _huber(z: Any, t: Any) -> Any:
    a = jnp.abs(z - t)
    quadratic = jnp.minimum(a, 1.0)
    return jnp.mean(0.5 * quadratic**2 + (a - quadratic))


def _label_log_probability(z: Any, labels: Any) -> Any:
    """As in optax.softmax_cross_entropy_with_integer_labels."""
    z = z - jax.lax.stop_gradient(z.max(axis=1, keepdims=True))
    return _of_label(z, labels) - jnp.log(jnp.sum(jnp.exp(z), axis=1))


def _of_label(z: Any, labels: Any) -> Any:
    return jnp.take_along_axis(z, labels[:, None], axis=1)[:, 0]


def _focal(z: Any, labels: Any) -> Any:
    u = _label_log_probability(z, labels)
    return jnp.mean(-((1 - jnp.exp(u)) ** 2) * u)


def _sigmoid_cross_entropy(z: Any, t: Any) -> Any:
    return -t * jax.nn.log_sigmoid(z) - (1 - t) * jax.nn.log_sigmoid(-z)


def _focal_of_two(z: Any, t: Any) -> Any:
    p = jax.nn.sigmoid(z)
    return jnp.mean(_sigmoid_cross_entropy(z, t) * (1 - (p * t + (1 - p) * (1 - t))) ** 2)


def _cross_entropy(z: Any, labels: Any) -> Any:
    return -jnp.mean(_label_log_probability(z, labels))


EXPRESSIONS: dict[str, Callable[..., Any]] = {
    "half_squared_error": lambda z, t: jnp.mean(0.5 * (z - t) ** 2),
    "squared_error": lambda z, t: jnp.mean((z - t) ** 2),
    "absolute_error": lambda z, t: jnp.mean(jnp.abs(z - t)),
    "huber": _huber,
    "pseudo_huber": lambda z, t: jnp.mean(jnp.sqrt(1 + (z - t) ** 2) - 1),
    "log_cosh": lambda z, t: jnp.mean(jnp.logaddexp(z - t, t - z) - math.log(2)),
    "quantile": lambda z, t: jnp.mean(jnp.maximum(0.5 * (t - z), -0.5 * (t - z))),
    "poisson": lambda z, t: jnp.mean(jnp.exp(z) - t * z),
    "gamma": lambda z, t: jnp.mean(z + t * jnp.exp(-z)),
    "tweedie": lambda z, t: jnp.mean(2 * t * jnp.exp(-0.5 * z) + 2 * jnp.exp(0.5 * z)),
    "sigmoid_cross_entropy": lambda z, t: jnp.mean(_sigmoid_cross_entropy(z, t)),
    "binary_cross_entropy": lambda p, t: -jnp.mean(t * jnp.log(p) + (1 - t) * jnp.log(1 - p)),
    "hinge": lambda z, t: jnp.mean(jnp.maximum(0, 1 - t * z)),
    "squared_hinge": lambda z, t: jnp.mean(jnp.maximum(0, 1 - t * z) ** 2),
    "sigmoid_focal": _focal_of_two,
    "softmax_cross_entropy": _cross_entropy,
    "focal": _focal,
    "categorical_cross_entropy": lambda p, labels: -jnp.mean(jnp.log(_of_label(p, labels))),
    "categorical_cross_entropy_of_distributions": lambda p, q: -jnp.mean(jnp.sum(q * jnp.log(p), axis=1)),
    "negative_log_likelihood": lambda z, labels: -jnp.mean(_of_label(z, labels)),
    LINEAR: lambda inputs, classifier, labels: _cross_entropy(inputs @ classifier.T, labels),
}


def prepare(problem: Problem) -> Run | None:
    """Value and gradient in one compiled function, waited for; the labels are 32-bit, JAX's default."""
    loss = EXPRESSIONS.get(problem.workload.task)
    if loss is None:
        return None
    leaves = tuple(range(len(problem.inputs) - 1))
    inputs = tuple(map(jnp.asarray, problem.inputs))
    compiled = jax.jit(jax.value_and_grad(loss, argnums=leaves))
    return lambda: jax.block_until_ready(compiled(*inputs))
