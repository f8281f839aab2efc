"""What a loss takes: the domains of its prediction and its target, by name, and ordinary numbers of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.domain import (
    ABOVE_MINUS_ONE,
    BINARY,
    COUNT,
    DISTRIBUTION,
    LABEL,
    LOG_PROBABILITY,
    LOGIT,
    NONNEGATIVE,
    NONZERO,
    POSITIVE,
    PROBABILITY,
    REAL,
    SIGN,
    Domain,
    Members,
    Row,
    Sample,
    Thresholds,
)

__all__ = ["CLASSES", "FORMS", "Form", "form", "of_classes", "ordinary", "paired", "stretched"]

Array = NDArray[Any]

CLASSES = 4


class Form(NamedTuple):
    """The domains of prediction and target.

    ``link`` is what rashin's loss takes of the prediction: "", "log" or "exp". ``width`` is the length of a sample, or
    the number of classes.
    """

    name: str
    prediction: Sample
    target: Sample
    link: str = ""
    width: int = CLASSES

    @property
    def has_labels(self) -> bool:
        """True if a target is the number of a class."""
        return self.target == LABEL

    @property
    def is_discrete(self) -> bool:
        """True if a target has few values."""
        return self.has_labels or self.target in (BINARY, SIGN)


FORMS = {
    one.name: one
    for one in (
        Form("real", REAL, REAL),
        Form("binary", LOGIT, BINARY),
        Form("sign", REAL, SIGN),
        Form("probability", PROBABILITY, BINARY),
        Form("count", REAL, COUNT),
        Form("positive", REAL, POSITIVE),
        Form("rate", POSITIVE, COUNT, "log"),
        Form("amount", POSITIVE, POSITIVE, "log"),
        Form("nonzero", REAL, NONZERO),
        Form("above", ABOVE_MINUS_ONE, NONNEGATIVE),
        Form("labels", Row(LOGIT), LABEL),
        Form("distributions", Row(LOGIT), DISTRIBUTION),
        Form("probability-labels", Row(PROBABILITY), LABEL),
        Form("probability-distributions", Row(PROBABILITY), DISTRIBUTION),
        Form("log-probability-labels", Row(LOG_PROBABILITY), LABEL),
        Form("log-probability-distributions", Row(LOG_PROBABILITY), DISTRIBUTION, "exp"),
        Form("vectors", Members(REAL), Members(REAL)),
    )
}


def form(name: str) -> Form:
    """The form of that name.

    Raises
    ------
    ValueError : there is none.
    """
    if name not in FORMS:
        raise ValueError(f"domain: got {name!r}; expected one of {', '.join(FORMS)}")
    return FORMS[name]


def of_classes(form: Form, classes: int | None) -> Form:
    """The form with that many classes, if it has classes."""
    return form._replace(width=classes) if classes and form.prediction.has_classes else form


def ordinary(sample: Sample, rng: np.random.Generator, size: int, width: int = CLASSES) -> Array:
    """``size`` samples without anything hard about them."""
    if isinstance(sample, Domain):
        return _numbers(sample, rng, size, width)
    if sample.columns:
        return np.stack([_numbers(sample.entry(k), rng, size) for k in range(sample.columns)], axis=1) / 2.0
    if sample.entry() in (PROBABILITY, LOG_PROBABILITY):
        shares = rng.dirichlet(np.full(width, 2.0), size)
        return shares if sample.entry() == PROBABILITY else np.log(shares)
    rows = _numbers(sample.entry(), rng, size * width).reshape(size, width)
    if isinstance(sample, Thresholds):
        rows[:, :-1].sort(axis=1)
    return rows


def _numbers(domain: Domain, rng: np.random.Generator, size: int, width: int = CLASSES) -> Array:
    if domain == LABEL:
        return np.resize(rng.permutation(width), size)
    if domain.shape == "shares":
        return rng.dirichlet(np.full(width, 2.0), size)
    if domain.shape == "ends":  # both, in shares that differ from batch to batch: a score must not look like a loss
        few = 1 + size // 4
        return rng.permutation(np.where(np.arange(size) < few, domain.low, domain.high))
    if domain.shape == "integers":
        return rng.poisson(2.0, size).astype(np.float64)
    if domain.shape == "outside":
        return rng.choice([-1.0, 1.0], size) * rng.uniform(0.5, 4.0, size)
    if domain.low >= 0.0 and domain.high <= 1.0:
        return rng.uniform(0.05, 0.95, size)
    if domain.low >= -1.0:
        return rng.gamma(2.0, 1.0, size) + 0.1
    return rng.normal(0.0, 1.5, size)


def paired(form: Form, rng: np.random.Generator, size: int) -> tuple[Array, Array]:
    """Predictions and targets of a form."""
    z, t = ordinary(form.prediction, rng, size, form.width), ordinary(form.target, rng, size, form.width)
    if form.name == "vectors":
        t = t / np.linalg.norm(t, axis=1, keepdims=True)
    return z, t


def stretched(form: Form, z: Array) -> Array:
    """Predictions of a form that reach further: numbers of twice the size, and shares near 0 and 1."""
    entry = form.prediction.entry()
    if form.prediction.columns:
        return z
    if entry == LOG_PROBABILITY:
        return np.asarray(np.log(_near_ends(np.exp(z))))
    return _near_ends(z) if entry == PROBABILITY else np.asarray(2.0 * z)


def _near_ends(shares: Array) -> Array:
    if shares.ndim == 1:
        return np.asarray(0.5 + 0.97 * (np.round(shares) - 0.5) + 0.03 * (shares - 0.5))
    return np.asarray(0.06 * shares + 0.94 * np.eye(shares.shape[1])[np.arange(len(shares)) % shares.shape[1]])
