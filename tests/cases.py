"""Inputs for the accuracy tests: for each loss and dtype, named cases of predictions and targets.

Every number is rounded to the dtype under test before anyone sees it, so oracle and library get the same.
Seeds are fixed. ``PARAMETERS`` holds the defaults and the values beside them, where most silent mistakes
hide.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ulp import DTYPES

__all__ = ["PARAMETERS", "Case", "cases", "dtype_limits", "of_any_rows"]

Array = NDArray[Any]

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "half_squared_error": [{}],
    "squared_error": [{}],
    "absolute_error": [{}],
    "huber": [{}, {"delta": 0.3}, {"delta": 2.5}],
    "pseudo_huber": [{}, {"delta": 0.3}, {"delta": 2.5}],
    "log_cosh": [{}],
    "quantile": [{}, {"quantile": 0.1}, {"quantile": 0.9}],
    "sigmoid_cross_entropy": [{}, {"positive_weight": 3.0}],
    "binary_cross_entropy": [{}, {"epsilon": 1e-7}, {"epsilon": 0.7}],
    "softmax_cross_entropy": [
        {},
        {"label_smoothing": 0.1},
        {"z_loss": 1e-3},
        {"softcap": 30.0},
        {"label_smoothing": 0.1, "z_loss": 1e-3, "softcap": 30.0},
    ],
    "categorical_cross_entropy": [{}, {"epsilon": 1e-7}, {"epsilon": 0.25}],
    "negative_log_likelihood": [{}],
    "poisson": [{}],
    "gamma": [{}],
    "tweedie": [{}, *({"power": p} for p in (0.0, 1.0, 1.2, 1.9, 2.0, 3.0))],
    "hinge": [{}],
    "squared_hinge": [{}],
    "focal": [{}, *({"gamma": g} for g in (0.0, 0.5, 3.5, 5.0))],
    "sigmoid_focal": [
        {},
        *({"gamma": g} for g in (0.0, 0.5, 3.5, 5.0, 50.0)),
        {"alpha": 0.25},
        {"gamma": 5.0, "alpha": 0.25},
    ],
}

REGRESSION = {
    "half_squared_error",
    "squared_error",
    "absolute_error",
    "huber",
    "pseudo_huber",
    "log_cosh",
    "quantile",
}
SAMPLES = 8
CLASSES = 5
MARGINS = (20.0, 50.0, 100.0)
LARGE = (1e2, 1e4, 1e30)


def of_any_rows(loss: Any) -> Any:
    """The loss without the demand that rows sum to 1: for hard rows, and for changes of one entry at a time."""
    return loss.replace(normalized=False) if "normalized" in loss.options else loss


class Case(NamedTuple):
    """Predictions and targets of one dtype, and what is hard about them."""

    name: str
    z: Array
    t: Array


def dtype_limits(dtype: str) -> tuple[float, float]:
    """The smallest positive number of a dtype and its relative spacing."""
    tiny = {"float64": 5e-324, "float32": 2.0**-149, "float16": 2.0**-24, "bfloat16": 2.0**-133}
    eps = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
    return tiny[dtype], eps[dtype]


def cases(loss: str, dtype: str, parameters: dict[str, Any]) -> Iterator[Case]:
    """Every case of a loss, in the dtype; samples that the dtype cannot hold are left out."""
    rng = np.random.default_rng(zlib.crc32(f"{loss} {sorted(parameters.items())}".encode()))
    for name, z, t in _raw(loss, dtype, parameters, rng):
        with np.errstate(over="ignore"):
            rounded = z.astype(DTYPES[dtype])
        target = t if t.dtype.kind == "i" else t.astype(DTYPES[dtype])
        keep = np.isfinite(rounded.astype(float)) | np.isinf(z)
        keep = keep.all(axis=-1) if z.ndim == 2 else keep
        if z.ndim == 2 and len(z) == 4 and dtype != "float64":
            keep &= np.arange(4) % 2 == ("soft" in name)  # half of the rows: narrow types get wide arithmetic
        if keep.any():
            yield Case(name, rounded[keep], target[keep])


def _raw(
    loss: str, dtype: str, parameters: dict[str, Any], rng: np.random.Generator
) -> Iterator[tuple[str, Array, Array]]:
    if loss in REGRESSION:
        yield from _regression(dtype, parameters, rng)
    elif loss == "binary_cross_entropy":
        yield from _binary_probabilities(dtype, rng)
    elif loss in ("softmax_cross_entropy", "focal"):
        yield from _logit_rows(dtype, parameters, rng)
    elif loss == "categorical_cross_entropy":
        yield from _probability_rows(dtype, rng)
    elif loss == "negative_log_likelihood":
        yield from _log_probability_rows(dtype, rng)
    else:
        yield from _logits(loss, dtype, parameters, rng)


def _regression(dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    tiny, eps = dtype_limits(dtype)
    t = _rounded(rng.normal(0, 3, SAMPLES), dtype)
    steps = np.arange(1, SAMPLES + 1) * rng.choice([-1, 1], SAMPLES)
    signs, zero = np.sign(steps), np.zeros(SAMPLES)
    yield "ordinary", rng.normal(0, 3, SAMPLES), t
    yield "equal", t, t
    yield "near equal", t * (1 + eps * steps), t
    yield "nearly equal", t + 10.0 ** -np.arange(1, SAMPLES + 1), t
    yield "near 0", signs * 10.0 ** -np.arange(1, SAMPLES + 1), zero
    yield "subnormal", tiny * steps, zero
    yield "subnormal target", zero, tiny * steps
    for size in (20.0, 50.0, *LARGE):
        yield f"large {size:g}", size * signs * rng.uniform(0.5, 1, SAMPLES), t
    yield "large both", 1e4 + rng.normal(0, 3, SAMPLES), np.full(SAMPLES, 1e4)
    yield "infinite", np.array([np.inf, -np.inf]), t[:2]
    delta = parameters.get("delta", 1.0)
    for base in (0.0, 1.5):
        edges = np.repeat([base - delta, base + delta], 3)
        yield f"kink {base}", edges * (1 + eps * np.tile([-1, 0, 1], 2)), np.full(6, base)


def _logits(
    loss: str, dtype: str, parameters: dict[str, Any], rng: np.random.Generator
) -> Iterator[tuple[str, Array, Array]]:
    tiny, eps = dtype_limits(dtype)
    sides = np.tile([-1.0, 1.0], SAMPLES // 2)

    def target(size: int) -> Array:
        return _target(loss, parameters, rng, size)

    yield "ordinary", rng.normal(0, 3, SAMPLES), target(SAMPLES)
    yield "uniform", rng.uniform(-15, 15, SAMPLES), target(SAMPLES)
    yield "near 0", sides * 10.0 ** -np.arange(1, SAMPLES + 1), target(SAMPLES)
    yield "zero and subnormal", tiny * np.arange(-3, 4), target(7)
    for size in (20.0, 50.0, 300.0, 700.0, *LARGE):
        yield f"margin {size:g}", size * sides * rng.uniform(0.9, 1, SAMPLES), target(SAMPLES)
        yield f"exactly {size:g}", size * sides[:4], target(4)
    yield "near 1", np.repeat([-1.0, 1.0], 5) * (1 + eps * np.tile(np.arange(-2, 3), 2)), target(10)
    if loss in ("poisson", "gamma", "tweedie"):
        t = np.abs(target(SAMPLES)) + 0.5
        yield "optimum", np.log(_rounded(t, dtype)), t
        yield "near optimum", np.log(t) * (1 + eps * np.arange(SAMPLES)), t
        least = 0.0 if _takes_zero(loss, parameters) else 1e-3
        yield "least target", rng.normal(0, 3, SAMPLES), np.full(SAMPLES, least)
        yield "large target", rng.normal(9, 2, SAMPLES), np.full(SAMPLES, 1e4)
    if loss == "sigmoid_cross_entropy":
        yield "balanced", np.log(3.0) * np.ones(4) * [1, -1, 1, -1], np.array([0.75, 0.25, 0.7, 0.5])
        yield "target near an end", rng.normal(0, 3, SAMPLES), np.array([tiny, eps, 1 - eps, 1 - eps / 2] * 2)
    if loss not in ("poisson", "gamma", "tweedie"):
        one, zero = (1.0, -1.0 if "hinge" in loss else 0.0)
        yield "infinite, right side", np.array([np.inf, -np.inf]), np.array([one, zero])


def _takes_zero(loss: str, parameters: dict[str, Any]) -> bool:
    return loss == "poisson" or (loss == "tweedie" and parameters.get("power", 1.5) < 2)


def _target(loss: str, parameters: dict[str, Any], rng: np.random.Generator, size: int) -> Array:
    if "hinge" in loss:
        return rng.choice([-1.0, 1.0], size)
    if loss == "sigmoid_focal":
        return rng.choice([0.0, 1.0], size)
    if loss == "sigmoid_cross_entropy":
        return np.resize([0.0, 1.0, 0.3, 0.999, 1.0, 0.0, 0.5], size)
    if loss == "poisson" or parameters.get("power") == 1.0:
        return rng.poisson(3.0, size).astype(float)
    if loss == "tweedie" and parameters.get("power", 1.5) <= 0:
        return rng.normal(0.0, 3.0, size)
    return rng.gamma(1.5, 2.0, size) + 1e-3


def _binary_probabilities(dtype: str, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    tiny, eps = dtype_limits(dtype)
    t = np.resize([0.0, 1.0, 0.3, 1.0, 0.0, 0.999, 0.5], SAMPLES)
    yield "ordinary", rng.uniform(0, 1, SAMPLES), t
    yield "half", 0.5 + eps * np.arange(-4, 4), t
    yield "near 0", 10.0 ** -np.arange(1, SAMPLES + 1), t
    yield "near 0, t = 1", 10.0 ** -np.arange(1, SAMPLES + 1), np.ones(SAMPLES)
    yield "near 1", 1 - eps * np.arange(1, SAMPLES + 1), t
    yield "near 1, t = 0", 1 - eps * np.arange(1, SAMPLES + 1), np.zeros(SAMPLES)
    yield "1 with an epsilon of 0.7", 0.3 + eps * np.arange(-4, 4), np.resize([1.0, 0.4], SAMPLES)
    yield "subnormal", tiny * np.arange(1, SAMPLES + 1), t
    yield "exactly 0 or 1", np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0, 0.5, 0.5])
    yield "equal", t[[2, 6]], t[[2, 6]]


def _logit_rows(dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    tiny, eps = dtype_limits(dtype)
    base = rng.normal(0, 3, (4, CLASSES))
    labels = np.array([0, 1, 2, 4])
    soft = _distributions(rng, dtype)
    one_hot = np.eye(CLASSES)[labels]

    def both(name: str, z: Array) -> Iterator[tuple[str, Array, Array]]:
        yield name, z, labels
        yield f"{name}, soft", z, soft

    yield from both("ordinary", base)
    yield "ordinary, one-hot", base, one_hot
    yield from both("near equal", 2.0 + eps * 2 * rng.integers(-4, 4, base.shape))
    yield from both("near 0", 1e-6 * base)
    yield from both("subnormal", tiny * rng.integers(-9, 9, base.shape))
    yield from both("shifted 1e4", 1e4 + base)
    yield from both("shifted -1e4", base - 1e4)
    for size in LARGE:
        yield from both(f"large {size:g}", size * rng.uniform(-1, 1, base.shape))
    for margin in MARGINS:
        yield from both(f"margin {margin:g}", 0.1 * base + margin * one_hot)
    yield "wrong by 50", 0.1 * base + 50 * np.roll(one_hot, 1, axis=1), labels
    yield "matched", np.log(np.maximum(soft, 1e-3)), soft
    yield "two classes", rng.normal(0, 20, (4, 2)), labels % 2
    if len(parameters) != 1:
        yield "many classes", rng.normal(0, 3, (1, 41)), np.array([37])
    yield from _infinite_rows(base, labels, soft, parameters)


def _infinite_rows(
    base: Array, labels: Array, soft: Array, parameters: dict[str, Any]
) -> Iterator[tuple[str, Array, Array]]:
    masked = base.copy()
    masked[:, 3] = -np.inf
    yield "-inf masked", masked, labels
    soft = soft.copy()
    soft[:, 3] = 0.0
    soft[:, 0] += 1 - soft.sum(axis=1)
    yield "-inf masked, soft", masked, soft
    yield "-inf at the label", masked, np.full(4, 3)
    if not parameters.get("label_smoothing") and not parameters.get("z_loss"):
        certain = base.copy()
        certain[np.arange(4), labels] = np.inf
        yield "+inf at the label", certain, labels


def _probability_rows(dtype: str, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    tiny, eps = dtype_limits(dtype)
    labels = np.array([0, 1, 2, 4])
    soft = _distributions(rng, dtype)
    p = rng.dirichlet(np.ones(CLASSES), 4)
    for name, target in (("label", labels), ("soft", soft)):
        yield f"ordinary, {name}", p, target
        yield f"not normalised, {name}", rng.uniform(0, 1, p.shape), target
        yield f"near 0, {name}", 10.0 ** -rng.uniform(2, 8, p.shape), target
        yield f"near 1, {name}", 1 - eps * rng.integers(0, 5, p.shape), target
        yield f"near 3/4, {name}", 0.75 + eps * rng.integers(-5, 5, p.shape), target
        yield f"subnormal, {name}", tiny * rng.integers(1, 9, p.shape), target
    certain = np.eye(CLASSES)
    yield "exactly 0 or 1", certain[[0, 1, 2]], np.array([0, 1, 3])
    yield "exactly 0 or 1, one-hot", certain[[0, 1, 2]], certain[[0, 1, 3]]
    yield "equal", soft, soft
    many = rng.dirichlet(np.ones(70), 2)
    yield "many classes", many[:1, :41], np.array([37])
    yield "many classes, soft", many[:1], _rounded(many[1:], dtype)


def _log_probability_rows(dtype: str, rng: np.random.Generator) -> Iterator[tuple[str, Array, Array]]:
    tiny, _ = dtype_limits(dtype)
    labels = np.array([0, 1, 2, 4])
    u = -rng.exponential(3, (4, CLASSES))
    yield "ordinary", u, labels
    yield "near 0", 1e-6 * u, labels
    yield "subnormal", np.floor(u) * tiny, labels
    yield "zero", 0 * u, labels
    for size in LARGE:
        yield f"large {size:g}", size * u / np.abs(u).max(), labels
    masked = u.copy()
    masked[:, 3] = -np.inf
    yield "-inf masked", masked, labels
    yield "-inf at the label", masked, np.full(4, 3)


def _distributions(rng: np.random.Generator, dtype: str) -> Array:
    """Four distributions that sum to 1 in the dtype: spread, with zeros, peaked, uniform."""
    q = rng.dirichlet(np.ones(CLASSES), 4)
    q[1, :2] = 0.0
    q[2] = [0.01, 0.01, 0.96, 0.01, 0.01]
    q[3] = 1 / CLASSES
    return _rounded(q / q.sum(axis=1, keepdims=True), dtype)


def _rounded(x: Array, dtype: str) -> Array:
    return np.asarray(x.astype(DTYPES[dtype]).astype(float))
