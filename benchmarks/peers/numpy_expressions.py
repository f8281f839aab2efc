"""NumPy as people write it: the textbook's expressions, value and gradient, without tricks and without ``out=``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import Run
from benchmarks.workloads import Problem

__all__ = ["prepare"]

EXPRESSIONS: dict[str, Callable[..., tuple[Any, Any]]] = {}


def prepare(problem: Problem) -> Run | None:
    """Value and gradient, if there is an expression for the loss."""
    expression = EXPRESSIONS.get(problem.workload.task)
    return None if expression is None else lambda: expression(*problem.inputs)


def written(function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """An expression goes by the name of its loss."""
    EXPRESSIONS[function.__name__] = function
    return function


# -------------------------------------------------------------------------------------- by the difference


@written
def half_squared_error(z, t):
    r = z - t
    return np.mean(0.5 * r**2), r / r.size


@written
def squared_error(z, t):
    r = z - t
    return np.mean(r**2), 2 * r / r.size


@written
def absolute_error(z, t):
    r = z - t
    return np.mean(np.abs(r)), np.sign(r) / r.size


@written
def huber(z, t, delta=1.0):
    r = z - t
    a = np.abs(r)
    return np.mean(np.where(a <= delta, 0.5 * r**2, delta * (a - 0.5 * delta))), np.clip(r, -delta, delta) / r.size


@written
def pseudo_huber(z, t):
    r = z - t
    s = np.sqrt(1 + r**2)
    return np.mean(s - 1), r / s / r.size


@written
def log_cosh(z, t):
    r = z - t
    return np.mean(np.log(np.cosh(r))), np.tanh(r) / r.size


@written
def quantile(z, t, q=0.5):
    d = t - z
    return np.mean(np.maximum(q * d, (q - 1) * d)), np.where(d > 0, np.float32(-q), np.float32(1 - q)) / d.size


# ------------------------------------------------------------------------------------------------- counts


@written
def poisson(z, t):
    mean = np.exp(z)
    return np.mean(mean - t * z), (mean - t) / z.size


@written
def gamma(z, t):
    ratio = t * np.exp(-z)
    return np.mean(z + ratio), (1 - ratio) / z.size


@written
def tweedie(z, t, p=1.5):
    a, b = np.exp((1 - p) * z), np.exp((2 - p) * z)
    return np.mean(-t * a / (1 - p) + b / (2 - p)), (b - t * a) / z.size


# -------------------------------------------------------------------------------------------- two classes


@written
def sigmoid_cross_entropy(z, t):
    value = np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    return value, (1 / (1 + np.exp(-z)) - t) / z.size


@written
def binary_cross_entropy(p, t):
    return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)), (p - t) / (p * (1 - p)) / p.size


@written
def hinge(z, t):
    m = np.maximum(0, 1 - t * z)
    return np.mean(m), np.where(m > 0, -t, 0) / z.size


@written
def squared_hinge(z, t):
    m = np.maximum(0, 1 - t * z)
    return np.mean(m**2), -2 * t * m / z.size


@written
def sigmoid_focal(z, t, gamma=2):
    s = 2 * t - 1
    p = 1 / (1 + np.exp(-s * z))
    q, log_p = 1 - p, np.log(p)
    return np.mean(-(q**gamma) * log_p), s * q**gamma * (gamma * p * log_p - q) / z.size


# --------------------------------------------------------------------------------------------------- rows


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@written
def softmax_cross_entropy(z, labels):
    p, rows = softmax(z), np.arange(len(z))
    value = -np.mean(np.log(p[rows, labels]))
    p[rows, labels] -= 1
    return value, p / len(z)


@written
def focal(z, labels, gamma=2):
    p, rows = softmax(z), np.arange(len(z))
    own = p[rows, labels]
    slope = (1 - own) ** (gamma - 1) * (gamma * own * np.log(own) - (1 - own)) / len(z)
    gradient = -slope[:, None] * p
    gradient[rows, labels] += slope
    return np.mean(-((1 - own) ** gamma) * np.log(own)), gradient


@written
def categorical_cross_entropy(p, labels):
    rows, gradient = np.arange(len(p)), np.zeros_like(p)
    gradient[rows, labels] = -1 / p[rows, labels] / len(p)
    return -np.mean(np.log(p[rows, labels])), gradient


@written
def categorical_cross_entropy_of_distributions(p, q):
    return -np.mean(np.sum(q * np.log(p), axis=1)), -q / p / len(p)


@written
def negative_log_likelihood(z, labels):
    rows, gradient = np.arange(len(z)), np.zeros_like(z)
    gradient[rows, labels] = -1 / len(z)
    return -np.mean(z[rows, labels]), gradient


@written
def linear_softmax_cross_entropy(inputs, classifier, labels):
    value, gradient = softmax_cross_entropy(inputs @ classifier.T, labels)
    return value, (gradient @ classifier, gradient.T @ inputs)
