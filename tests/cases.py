"""Inputs for the accuracy tests: for each loss and dtype, named cases of predictions and targets.

They are drawn from the domains that the facts of the loss name, and its entry may add others. Every number is rounded
to the dtype under test before anyone sees it, so definition and library get the same. Seeds are fixed.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from losses import ENTRIES
from rashin.domain import LABEL, LOGIT, Domain, Row
from shipped import in_order
from ulp import DTYPES, dtype_limits

__all__ = ["Case", "cases", "count_of", "is_logarithm", "is_share", "numbers_of"]

Array = NDArray[Any]
Inputs = Iterator[tuple[str, Array, Array]]

SAMPLES = 8
CLASSES = 5
MARGINS = (20.0, 50.0, 100.0)
LARGE = (1e2, 1e4, 1e30)


class Case(NamedTuple):
    """Predictions and targets of one dtype, and what is hard about them."""

    name: str
    z: Array
    t: Array


def cases(loss: Any, dtype: str, parameters: dict[str, Any]) -> Iterator[Case]:
    """Every case of a loss, in the dtype; samples that the dtype or the domains do not hold are left out."""
    rng = np.random.default_rng(zlib.crc32(f"{loss.name} {sorted(parameters.items())}".encode()))
    found = 0
    for name, z, t in _raw(loss, dtype, parameters, rng):
        with np.errstate(over="ignore"):
            rounded = z.astype(DTYPES[dtype])
            target = t if t.dtype.kind == "i" else t.astype(DTYPES[dtype])
        keep = np.isfinite(rounded.astype(float)) | np.isinf(z)
        keep &= loss.facts.prediction.contains(rounded.astype(float))
        keep = keep.all(axis=-1) if z.ndim == 2 else keep
        if not loss.prediction.has_classes:
            keep = keep & _target(loss, parameters).contains(target.astype(float))
        if z.ndim == 2 and len(z) == 4 and (dtype != "float64" or loss.kind == "classwise"):
            keep &= np.arange(4) % 2 == ("soft" in name)  # half of the rows: narrow types get wide arithmetic
        if keep.any():
            found += 1
            yield Case(name, rounded[keep], target[keep])
    assert found >= 8, f"{loss.name}: too few inputs lie in its domains"


def _raw(loss: Any, dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Inputs:
    facts = loss.facts
    if loss.prediction.is_joint:
        yield from _joint(loss, dtype, parameters, rng)
    elif loss.kind != "pointwise":
        yield from _rows(loss, dtype, parameters, rng)
    elif is_share(facts.prediction):
        yield from _probabilities(_target(loss, parameters), dtype, rng)
    elif facts.link == "identity" and _is_real(_target(loss, parameters)):
        yield from _differences(facts.prediction, dtype, {**loss.parameters, **parameters}, rng)
    else:
        yield from _scores(loss, dtype, parameters, rng)
    hard = ENTRIES[loss.name].hard
    if hard is not None:
        yield from hard(dtype, parameters, rng)


# Numbers of a domain


def is_share(where: Domain) -> bool:
    return where.low >= 0.0 and where.high <= 1.0


def is_logarithm(where: Domain) -> bool:
    return bool(where.low == -np.inf) and where.high <= 0.0


def _is_real(where: Domain) -> bool:
    return bool(where.low == -np.inf) and bool(where.high == np.inf)


def _target(loss: Any, parameters: dict[str, Any]) -> Domain:
    where: Domain = loss.facts.target_domain({**loss.parameters, **parameters})
    return where


def numbers_of(where: Domain, rng: np.random.Generator, size: int) -> Array:
    """Targets, or ordinary predictions, of a domain; its ends among them where it holds them."""
    if where.shape == "ends":
        return rng.choice([where.low, where.high], size)
    if is_share(where):
        return np.resize([0.0, 1.0, 0.3, 0.999, 1.0, 0.0, 0.5], size)
    if _is_real(where):
        return rng.normal(0, 3, size)
    amounts, counts = rng.gamma(1.5, 2.0, size) + 1e-3, rng.poisson(3.0, size).astype(float)
    found = np.where(rng.random(size) < 0.5, counts, amounts) if where.contains(0.0) else amounts
    return found if where.contains(1.0) else -found


def _into(where: Domain, z: Array) -> Array:
    """Real numbers, folded into a domain that is half of them."""
    return np.abs(z) if where.low >= 0.0 else -np.abs(z) if where.high <= 0.0 else z


# One prediction and one target


def _differences(prediction: Domain, dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Inputs:
    """For a loss of the difference of two real numbers: it may bend a parameter away from the target."""
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
    for away in {abs(p) for p in parameters.values() if p} or {1.0}:
        for base in (0.0, 1.5):
            edges = np.repeat([base - away, base + away], 3)
            yield f"{away} from {base}", edges * (1 + eps * np.tile([-1, 0, 1], 2)), np.full(6, base)


def _scores(loss: Any, dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Inputs:
    """For a loss of a logit, of the logarithm of a mean or of a margin, and targets of their own domain."""
    tiny, eps = dtype_limits(dtype)
    sides = np.tile([-1.0, 1.0], SAMPLES // 2)
    where = _target(loss, parameters)

    def case(name: str, z: Array) -> tuple[str, Array, Array]:
        return name, _into(loss.facts.prediction, z), numbers_of(where, rng, z.size)

    yield case("ordinary", rng.normal(0, 3, SAMPLES))
    yield case("uniform", rng.uniform(-15, 15, SAMPLES))
    yield case("near 0", sides * 10.0 ** -np.arange(1, SAMPLES + 1))
    yield case("zero and subnormal", tiny * np.arange(-3, 4))
    for size in (20.0, 50.0, 300.0, 700.0, *LARGE):
        yield case(f"margin {size:g}", size * sides * rng.uniform(0.9, 1, SAMPLES))
        yield case(f"exactly {size:g}", size * sides[:4])
    yield case("near 1", np.repeat([-1.0, 1.0], 5) * (1 + eps * np.tile(np.arange(-2, 3), 2)))
    if loss.facts.link == "log":
        yield from _amounts(where, dtype, rng)
    elif np.isfinite(where.low) and np.isfinite(where.high):
        yield "infinite, right side", np.array([np.inf, -np.inf]), np.array([where.high, where.low])


def _amounts(where: Domain, dtype: str, rng: np.random.Generator) -> Inputs:
    """For the logarithm of a mean: where prediction and target meet, and amounts that are small or large."""
    eps = dtype_limits(dtype)[1]
    t = np.abs(numbers_of(where, rng, SAMPLES)) + 0.5
    yield "optimum", np.log(_rounded(t, dtype)), t
    yield "near optimum", np.log(t) * (1 + eps * np.arange(SAMPLES)), t
    yield "least target", rng.normal(0, 3, SAMPLES), np.full(SAMPLES, 0.0 if where.contains(0.0) else 1e-3)
    yield "large target", rng.normal(9, 2, SAMPLES), np.full(SAMPLES, 1e4)


def _probabilities(where: Domain, dtype: str, rng: np.random.Generator) -> Inputs:
    tiny, eps = dtype_limits(dtype)
    t = numbers_of(where, rng, SAMPLES)
    low, high = numbers_of(where, rng, 2) if not is_share(where) else (0.0, 1.0)
    yield "ordinary", rng.uniform(0, 1, SAMPLES), t
    yield "half", 0.5 + eps * np.arange(-4, 4), t
    yield "near 0", 10.0 ** -np.arange(1, SAMPLES + 1), t
    yield "near 0, wrong", 10.0 ** -np.arange(1, SAMPLES + 1), np.full(SAMPLES, high)
    yield "near 1", 1 - eps * np.arange(1, SAMPLES + 1), t
    yield "near 1, wrong", 1 - eps * np.arange(1, SAMPLES + 1), np.full(SAMPLES, low)
    yield "subnormal", tiny * np.arange(1, SAMPLES + 1), t
    yield "exactly 0 or 1", np.array([0.0, 1.0] * 3), np.array([low, high, high, low, t[2], t[-1]])
    yield "equal", t, t


# Several numbers, and one target


def count_of(loss: Any) -> int:
    """How many numbers a sample has."""
    return loss.prediction.columns or len(loss.parameters.get("levels", range(5)))


def _joint(loss: Any, dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Inputs:
    """Each number in turn is hard, the others are ordinary."""
    tiny, eps = dtype_limits(dtype)
    where, count = _target(loss, parameters), count_of(loss.replace(**parameters))
    steps = np.arange(1, SAMPLES + 1) * rng.choice([-1, 1], SAMPLES)

    def samples() -> tuple[Array, Array]:
        z = np.stack([numbers_of(loss.prediction.entry(k), rng, SAMPLES) for k in range(count)], axis=1)
        return z / [1.0, *[3.0] * (count - 1)], np.asarray(numbers_of(where, rng, SAMPLES), float)

    yield "ordinary", *samples()
    yield "ordinary, again", *samples()
    for column, name in enumerate(loss.prediction.names or ("first", "second")):
        for size in (1e-6, 5.0, 20.0):
            z, t = samples()
            z[:, column] = size * np.sign(steps) * rng.uniform(0.5, 1.0, SAMPLES)
            yield f"{name} {size:g}", z, t
        z, t = samples()
        z[:, column] = tiny * steps
        yield f"{name} subnormal", z, t
    z, t = samples()
    if _is_real(where):
        z[:, 0] = _rounded(t, dtype) * (1 + eps * steps)
        yield "near equal", z, t
        z, t = samples()
        yield "equal", np.c_[t, z[:, 1:]], t
        yield "large both", np.c_[1e4 + z[:, 0], z[:, 1:]], np.full(SAMPLES, 1e4)
        yield "far", np.c_[1e4 * np.sign(steps), z[:, 1:]], t


# A row of predictions, and a label or a distribution


def _rows(loss: Any, dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Inputs:
    where = loss.facts.prediction.entry()
    draw = _share_rows if is_share(where) else _logarithm_rows if is_logarithm(where) else _score_rows
    for name, z, t in draw(dtype, parameters, rng):
        of_logits = loss.facts.target == Row(LOGIT)
        if of_logits:
            t = _as_logits(t, z.shape[1])
        if parameters.get("reverse"):  # a class without a share costs inf, of which no difference says the limit
            keep = (np.isfinite(t) if of_logits else t > 0.0).all(axis=-1) & (t.ndim == 2)
            z, t = z[keep], t[keep]
        if len(z) and (t.ndim == 1 or loss.facts.target is not LABEL):
            yield name, in_order(loss, _into(where, z)), t


def _as_logits(t: Array, classes: int) -> Array:
    """The logits of labels, as a teacher gives them, and of distributions."""
    with np.errstate(divide="ignore"):
        return 5.0 * (t[:, None] == np.arange(classes)) if t.ndim == 1 else np.log(t)


def _both(name: str, z: Array, labels: Array, soft: Array) -> Inputs:
    yield name, z, labels
    yield f"{name}, soft", z, soft


def _score_rows(dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Inputs:
    tiny, eps = dtype_limits(dtype)
    base = rng.normal(0, 3, (4, CLASSES))
    labels, soft = np.array([0, 1, 2, 4]), _distributions(rng, dtype)
    one_hot = np.eye(CLASSES)[labels]
    yield from _both("ordinary", base, labels, soft)
    yield "ordinary, one-hot", base, one_hot
    yield from _both("near equal", 2.0 + eps * 2 * rng.integers(-4, 4, base.shape), labels, soft)
    yield from _both("near 0", 1e-6 * base, labels, soft)
    yield from _both("subnormal", tiny * rng.integers(-9, 9, base.shape), labels, soft)
    yield from _both("shifted 1e4", 1e4 + base, labels, soft)
    yield from _both("shifted -1e4", base - 1e4, labels, soft)
    for size in LARGE:
        yield from _both(f"large {size:g}", size * rng.uniform(-1, 1, base.shape), labels, soft)
    for margin in MARGINS:
        yield from _both(f"margin {margin:g}", 0.1 * base + margin * one_hot, labels, soft)
    yield "wrong by 50", 0.1 * base + 50 * np.roll(one_hot, 1, axis=1), labels
    yield "matched", np.log(np.maximum(soft, 1e-3)), soft
    yield "two classes", rng.normal(0, 20, (4, 2)), labels % 2
    if len(parameters) != 1:
        yield "many classes", rng.normal(0, 3, (1, 41)), np.array([37])
    yield from _infinite_rows(base, labels, soft, parameters)


def _infinite_rows(base: Array, labels: Array, soft: Array, parameters: dict[str, Any]) -> Inputs:
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


def _share_rows(dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Inputs:
    tiny, eps = dtype_limits(dtype)
    labels, soft = np.array([0, 1, 2, 4]), _distributions(rng, dtype)
    p, certain = rng.dirichlet(np.ones(CLASSES), 4), np.eye(CLASSES)
    yield from _both("ordinary", p, labels, soft)
    yield from _both("not normalised", rng.uniform(0, 1, p.shape), labels, soft)
    yield from _both("near 0", 10.0 ** -rng.uniform(2, 8, p.shape), labels, soft)
    yield from _both("near 1", 1 - eps * rng.integers(0, 5, p.shape), labels, soft)
    yield from _both("subnormal", tiny * rng.integers(1, 9, p.shape), labels, soft)
    yield "exactly 0 or 1", certain[[0, 1, 2]], np.array([0, 1, 3])
    yield "exactly 0 or 1, one-hot", certain[[0, 1, 2]], certain[[0, 1, 3]]
    yield "equal", soft, soft
    many = rng.dirichlet(np.ones(70), 2)
    yield "many classes", many[:1, :41], np.array([37])
    yield "many classes, soft", many[:1], _rounded(many[1:], dtype)


def _logarithm_rows(dtype: str, parameters: dict[str, Any], rng: np.random.Generator) -> Inputs:
    tiny, _ = dtype_limits(dtype)
    labels, soft = np.array([0, 1, 2, 4]), _distributions(rng, dtype)
    u = -rng.exponential(3, (4, CLASSES))
    yield from _both("ordinary", u, labels, soft)
    yield from _both("near 0", 1e-6 * u, labels, soft)
    yield from _both("subnormal", np.floor(u) * tiny, labels, soft)
    yield from _both("zero", 0 * u, labels, soft)
    for size in LARGE:
        yield from _both(f"large {size:g}", size * u / np.abs(u).max(), labels, soft)
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
