"""Hard inputs, by domain: large logits, confident predictions, masked classes, near equality, subnormals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.audit.forms import CLASSES, Form, ordinary
from rashin.domain import BINARY, DISTRIBUTION, LOG_PROBABILITY, PROBABILITY, REAL, SIGN, Domain, Sample, Thresholds

__all__ = ["DTYPES", "Points", "bad_predictions", "bad_targets", "hard"]

Array = NDArray[Any]

DTYPES = {name: np.dtype(name) for name in ("float32", "float64", "float16")}

_SIZES = (1e-30, 1e-8, 3e-4, 0.7, 5.0, 17.0, 20.0, 40.0, 89.0, 100.0, 710.0, 1e4, 1e30)
_MARGINS = (15.0, 20.0, 30.0, 50.0, 88.0, 100.0, 110.0, 1e3, 1e4, 1e30)
_SHARES = (1e-30, 1e-10, 1e-8, 1e-5, 0.3)


class Points(NamedTuple):
    """Samples in one dtype."""

    z: Array
    t: Array

    def __len__(self) -> int:
        return len(self.z)

    def chosen(self, keep: Any) -> Points:
        """Some of the samples."""
        return Points(self.z[keep], self.t[keep])


def hard(form: Form, dtype: str) -> Points:
    """The hard samples of a form that the dtype can hold, rounded to it."""
    pairs = [pair for pair in _all(form, dtype) if len(pair[0])]
    z, t = (np.concatenate([np.asarray(pair[place]) for pair in pairs]) for place in (0, 1))
    with np.errstate(over="ignore"):
        rounded = z.astype(DTYPES[dtype])
        target = t if form.has_labels else t.astype(DTYPES[dtype])
    held = (np.isfinite(rounded) | np.isinf(z)) & form.prediction.contains(rounded.astype(np.float64))
    keep = held if z.ndim == 1 else held.all(axis=1)
    if form.name == "vectors":  # the direction of 0 is not defined
        keep &= rounded.any(axis=1) & target.any(axis=1) & np.isfinite(target).all(axis=1)
    if isinstance(form.target, Domain) and not form.has_labels and t.ndim == 1:
        keep &= form.target.contains(target.astype(np.float64))
    return Points(rounded[keep], target[keep])


def _all(form: Form, dtype: str) -> Iterator[tuple[Array, Array]]:
    rng = np.random.default_rng(0)
    entry = form.prediction.entry()
    if form.name == "vectors":
        yield from _vectors(rng)
    elif form.prediction.axes and form.prediction.has_classes and not isinstance(form.prediction, Thresholds):
        rows = _share_rows if entry in (PROBABILITY, LOG_PROBABILITY) else _score_rows
        yield from _with_targets(form, rows(form, dtype, rng), rng)
    elif form.prediction.axes:
        yield from _joint(form, rng)
    else:
        yield from _numbers(form, dtype)


# One number


def _numbers(form: Form, dtype: str) -> Iterator[tuple[Array, Array]]:
    prediction, target = form.prediction, form.target
    assert isinstance(prediction, Domain)
    assert isinstance(target, Domain)
    limits = np.finfo(DTYPES[dtype])
    z = _predictions(prediction, limits)
    for t in _targets(target):
        yield z, np.full(len(z), t)
    if target in (BINARY, SIGN) and prediction.high == np.inf:
        yield np.array([np.inf, -np.inf]), np.array([target.high, target.low])
    if target == REAL:
        near = np.array([3.7, -0.3, 1e4]).astype(DTYPES[dtype]).astype(np.float64)
        for steps in (0, 1, -3):
            yield near * (1.0 + steps * float(limits.eps)), near


def _targets(domain: Domain) -> tuple[float, ...]:
    if domain.shape == "ends" or domain == PROBABILITY:
        return (domain.low, domain.high)
    if domain == REAL:
        return (0.0,)
    return tuple(t for t in (0.0, 3.0, -2.0) if bool(domain.contains(t)))


def _predictions(domain: Domain, limits: Any) -> Array:
    tiny = float(limits.smallest_subnormal)
    if domain.low >= 0.0 and domain.high <= 1.0:
        near = np.array([float(limits.eps), 1e-5, 0.1])
        return np.concatenate([[0.0, tiny], _SHARES, 1.0 - near, [1.0]])
    sizes = np.concatenate([[3.0 * tiny], _SIZES])
    if domain.low >= 0.0:
        return sizes
    below = -sizes[sizes < -domain.low] if domain.low > -np.inf else -sizes
    return np.concatenate([sizes, below])


# A row of numbers for classes


def _score_rows(form: Form, dtype: str, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    first = np.eye(form.width)[0]
    z = np.array([margin * first for margin in _MARGINS] + [np.zeros(form.width)])
    label, other = np.zeros(len(z), np.int64), np.ones(len(z), np.int64)
    yield z, label
    yield z, other
    base = rng.normal(0.0, 2.0, (4, form.width))
    labels = np.arange(4) % form.width
    for change in (1e4, -1e4):
        yield base + change, labels
    for factor in (1e-6, 8.0):
        yield base * factor, labels
    masked = np.concatenate([base[:3, :-1], np.full((3, 1), -np.inf)], axis=1)
    yield masked, np.arange(3) % (form.width - 1)


def _share_rows(form: Form, dtype: str, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    is_logarithm = form.prediction.entry() == LOG_PROBABILITY
    steps = np.array([2.0**-100, 2.0**-33, 2.0**-23, 2.0**-13, 2.0**-3])  # the rows sum to 1 exactly, or nearly
    halvings = np.minimum(np.arange(1, form.width), form.width - 2)
    z = np.concatenate([1.0 - steps[:, None], steps[:, None] / 2.0**halvings], axis=1)
    z = np.concatenate([z, np.eye(form.width)[:1]])
    with np.errstate(divide="ignore"):
        z = np.log(z) if is_logarithm else z
    for label in (0, 1):
        yield z, np.full(len(z), label)
    yield ordinary(form.prediction, rng, 4, form.width), np.arange(4) % form.width


def _with_targets(
    form: Form, rows: Iterator[tuple[Array, Array]], rng: np.random.Generator
) -> Iterator[tuple[Array, Array]]:
    """The rows with labels, or with distributions: the labels' own, and one that is nearly the prediction."""
    entry = form.prediction.entry()
    for z, labels in rows:
        if form.has_labels:
            yield z, labels
        elif isinstance(form.target, Domain):
            yield z, np.eye(form.width)[labels]
        else:  # a teacher's logits
            yield z, 5.0 * np.eye(form.width)[labels]
    if form.target == DISTRIBUTION:
        even = np.full((1, form.width), 1.0 / form.width)
        signs = np.resize([1.0, -1.0], form.width) * (np.arange(form.width) < form.width // 2 * 2)
        z = even if entry == PROBABILITY else np.log(even) if entry == LOG_PROBABILITY else 0.0 * even
        yield z, even + 2.0**-13 * signs


def _joint(form: Form, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Each number of a sample in turn is large or small, the others are ordinary."""
    count = form.prediction.columns or form.width
    for size in (1e-8, 5.0, 20.0):
        for column in range(count):
            z, t = ordinary(form.prediction, rng, 2, form.width), ordinary(form.target, rng, 2, form.width)
            z[:, column] = [size, -size]
            if isinstance(form.prediction, Thresholds):
                z[:, :-1].sort(axis=1)
            yield z, t


def _vectors(rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    a, b = rng.normal(0.0, 1.0, (2, 3, CLASSES))
    for size in (1.0, 1e-30, 1e30, 1e-10, 1e10):
        yield a * size, b
        yield a, b * size
        yield a * size, b * size
    yield a, a


# What must be refused


def bad_targets(form: Form) -> tuple[tuple[str, float], ...]:
    """Numbers that are not targets, each with its name."""
    target = form.target
    if not isinstance(target, Domain) or target.shape == "shares":
        return (("nan", np.nan),)
    if form.has_labels:
        return (("the number of classes", float(form.width)), ("-1", -1.0))
    candidates = (2.0, -1.0, 0.0, 0.5) if target in (BINARY, SIGN) else (-1.0, 0.0)
    soft = target == BINARY  # most losses of two classes take probabilities too
    bad = [t for t in candidates if not bool(target.contains(t)) and not (soft and 0.0 < t < 1.0)]
    return (*((f"{t:g}", t) for t in bad), ("nan", np.nan))


def bad_predictions(prediction: Sample) -> tuple[tuple[str, float], ...]:
    """Numbers that are not predictions, each with its name."""
    entry = prediction.entry()
    bad = [z for z in (1.2, -0.2, 0.5) if not bool(entry.contains(z))]
    return (*((f"{z:g}", z) for z in bad), ("nan", np.nan))
