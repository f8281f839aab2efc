"""The rashin loss that a function resembles: how it is found, and its exact values on the function's own scale.

rashin's core is the reference. It computes in double, within the bounds of docs/accuracy.md, so that it resolves
float32 and narrower results to a small part of an ULP, and float64 results to some ULPs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.audit.forms import CLASSES, FORMS, Form, paired
from rashin.audit.subject import Evaluation, Subject
from rashin.domain import BINARY, COUNT, DISTRIBUTION, LABEL, LOGIT, NONNEGATIVE, PROBABILITY, REAL, SIGN, Row
from rashin.loss import Loss
from rashin.registry import list_losses

__all__ = ["ALIKE", "Behaviour", "Reference", "behaviour", "form_of", "resemblance", "stated", "takes"]

Array = NDArray[Any]

ALIKE = 1e-4  # relative: far above the noise of float32, far below the distance of different losses
_COMMON: dict[str, tuple[dict[str, float], ...]] = {  # parameters that others have as defaults
    "entmax": ({"alpha": 2.0},),
    "sigmoid_focal": ({"alpha": 0.25},),
}
_BATCHES = (
    (12, 0),
    (12, 1),
    (8, 2),
    (8, 3),
    (12, 4),
    (8, 5),
)  # sizes and seeds; those of one size have the same targets
OUTER: dict[str, Callable[[Any], Any]] = {
    "": lambda x: x,
    "root of": np.square,
    "exponential of": np.log,
}  # what undoes it
_APPLIED: dict[str, Callable[[Any], Any]] = {"": lambda x: x, "root of": np.sqrt, "exponential of": np.exp}


class Behaviour(NamedTuple):
    """What a function returns for ordinary batches of a form.

    ``returned`` is "none" for a number per sample, "scalar" for one per batch, "gradient" for derivatives alone.
    """

    form: Form
    returned: str
    batches: tuple[tuple[Array, Array], ...]
    results: tuple[Array, ...]


@dataclass(frozen=True)
class Reference:
    """A rashin loss on the scale of the function under test: ``scale`` times the loss, of a sum or mean.

    Attributes
    ----------
    loss, form : the loss, and what the function takes.
    scale : factor of a single sample.
    reduction : "none", "sum" or "mean", as the function reduces a batch.
    outer : "", or what is applied to the reduced loss.
    error : largest relative disagreement on ordinary inputs.
    offset : "" if the values agree; "self" if they lack the loss of the target itself, as divergences do; "unknown" if
        another term without the prediction is added.
    constant : constant that the values have more than the loss.
    """

    loss: Loss
    form: Form
    scale: float = 1.0
    reduction: str = "none"
    outer: str = ""
    error: float = 0.0
    offset: str = ""
    constant: float = 0.0

    @property
    def is_exact(self) -> bool:
        """True if the scale is known exactly, so that single ULPs can be judged."""
        return self.scale == _simple(self.scale)

    def __str__(self) -> str:
        near = Fraction(self.scale).limit_denominator(64)
        factor = "" if self.scale == 1.0 else f"{near if float(near) == self.scale else f'{self.scale:.7g}'} x "
        return " ".join(filter(None, (self.outer, f"{factor}{self.loss!r}")))

    def per_sample(self, z: Array, t: Array, /, **_: Any) -> Array:
        """The values of samples, in double."""
        return self.applied(self.losses(z, t) * self.scale)

    def applied(self, reduced: Array) -> Array:
        """The value, from the reduced loss."""
        return np.asarray(_APPLIED[self.outer](reduced) + self.constant)

    def losses(self, z: Array, t: Array) -> Array:
        """The losses of samples themselves, without scale."""
        found: Array = np.asarray(self.loss.per_sample(*self._encoded(z, t)))
        if self.offset != "self":
            return found
        itself = t.astype(np.float64)
        of_itself = self._encoded(np.log(itself) if self.form.link == "exp" else itself, t)
        return np.asarray(found - self.loss.per_sample(*of_itself))

    def of_batch(self, z: Array, t: Array) -> float:
        """The value of a batch."""
        losses = self.losses(z, t)
        return float(self.applied((losses.sum() if self.reduction == "sum" else losses.mean()) * self.scale))

    def doubt(self, z: Array, t: Array) -> Array:
        """What the value cannot resolve: the rounding of the loss that is subtracted."""
        if self.offset != "self":
            return np.full(len(z), 2.0**-40 * abs(self.constant))
        return np.asarray(2.0**-50 * np.abs(self.loss.per_sample(*self._encoded(z, t)) * self.scale))

    def gradient(self, z: Array, t: Array, /, **_: Any) -> Array:
        """The derivatives of each sample's value."""
        u, t = self._encoded(z, t)
        found: Array = self.loss.gradient(u, t, reduction="sum") * self.scale
        return found / z.astype(np.float64) if self.form.link == "log" else found * u if self.form.link else found

    def hessian(self, z: Array, t: Array, /, **_: Any) -> Array:
        """The second derivatives of each sample's value, their diagonal."""
        u, target = self._encoded(z, t)
        slope, bend = (np.asarray(x) * self.scale for x in self.loss.gradient_and_hessian(u, target, reduction="sum"))
        if not self.form.link:
            return bend
        if self.form.link == "exp":
            return np.asarray((bend * u + slope) * u)
        return np.asarray((bend - slope) / np.square(z.astype(np.float64)))

    def of(self, output: str) -> Evaluation:
        """The exact counterpart of an output of a subject, by its name."""
        named: dict[str, Evaluation] = {"value": self.per_sample, "hessian": self.hessian}
        return named.get(output, self.gradient)

    def _encoded(self, z: Array, t: Array) -> tuple[Array, Array]:
        """Prediction and target as the loss takes them, in double."""
        u = np.asarray(z, np.float64)
        u = np.log(u) if self.form.link == "log" else np.exp(u) if self.form.link else u
        target = t if t.dtype.kind in "iu" else t.astype(np.float64)
        if self.form.target == SIGN and self.loss.target in (BINARY, PROBABILITY):
            target = (target + 1.0) / 2.0
        return u, target


# ------------------------------------------------------------------------------------------------ what it does


def behaviour(subject: Subject, form: Form) -> Behaviour:
    """What the subject does with ordinary batches of a form. What it raises passes through."""
    batches = [_batch(form, *one) for one in _BATCHES]
    results: list[Array] = []
    for z, t in batches:
        if len(results) == 2 and results[0].ndim:  # enough, and other sizes would be compiled anew by some libraries
            break
        found = np.asarray(subject.main(z, t), np.float64)
        if subject.value is not None and found.ndim and found.size != len(z):
            found = found.reshape(len(z), -1).sum(axis=1)  # one number per entry
        results.append(found.reshape(len(z)) if subject.value is not None and found.ndim else found)
    if not all(np.isfinite(one).all() for one in results):
        raise ArithmeticError("value: got NaN or infinity for ordinary inputs; expected finite numbers")
    returned = "gradient" if subject.value is None else "none" if results[0].ndim else "scalar"
    return Behaviour(form, returned, tuple(batches[: len(results)]), tuple(results))


def _batch(form: Form, size: int, seed: int) -> tuple[Array, Array]:
    """Two seeds share their targets, so that a term without the prediction cancels in the difference."""
    z, _ = paired(form, np.random.default_rng(seed), size)
    _, t = paired(form, np.random.default_rng(1000 + size), size)
    return z, t


# ------------------------------------------------------------------------------------------------ what it resembles


def resemblance(seen: Behaviour) -> Reference | None:
    """The loss that fits best; None if none fits."""
    fits = [fit for loss in candidates(seen.form) for fit in _fits(seen, loss) if fit.error < ALIKE]
    return min(fits, key=_plainness, default=None)


def stated(seen: Behaviour, loss: Loss) -> Reference:
    """The fit of a stated loss, however bad it is."""
    best = min(_fits(seen, loss), key=lambda fit: fit.error, default=None)
    if best is None:
        raise ValueError(f"like: got {loss!r}; expected a loss that takes {seen.form.name} inputs; fix: state --domain")
    return best if best.error < ALIKE else Reference(loss, seen.form, 1.0, best.reduction, error=best.error)


def _plainness(fit: Reference) -> tuple[Any, ...]:
    active = [name for name, x in fit.loss.parameters.items() if x not in (None, 0.0) and name != "normalized"]
    return fit.outer != "", fit.offset != "" or fit.constant != 0.0, abs(fit.scale) != 1.0, len(active), fit.error


def candidates(form: Form) -> Iterator[Loss]:
    """The losses that take what the form takes."""
    for loss in list_losses():
        if not _shipped(loss) or not takes(loss, form):
            continue
        yield loss.replace(normalized=False) if "normalized" in loss.options else loss
        yield from (loss.replace(**others) for others in _COMMON.get(loss.name, ()))


def _shipped(loss: Loss) -> bool:
    return loss.formula.__module__.startswith("rashin.losses")


def takes(loss: Loss, form: Form) -> bool:
    """Whether the loss has a value for what the form takes, by itself or by another encoding."""
    prediction, target = loss.prediction, loss.target
    counts = prediction == REAL and target in (COUNT, NONNEGATIVE)
    if form.target == SIGN:
        return prediction in (REAL, LOGIT) and target in (SIGN, BINARY, PROBABILITY)
    if form.link == "log" or form.name in ("count", "positive"):
        return counts or (loss.name == "gamma" and form.name in ("positive", "amount"))
    if form.target == BINARY:
        return prediction == form.prediction and target in (BINARY, PROBABILITY)
    if form.name.startswith("log-probability"):
        return loss.name == ("negative_log_likelihood" if form.has_labels else "categorical_cross_entropy")
    rows = prediction == form.prediction or (form.prediction == Row(LOGIT) and prediction == Row(REAL))
    if form.has_labels:
        return rows and target in (LABEL, DISTRIBUTION)
    return rows and target == form.target


def _fits(seen: Behaviour, loss: Loss) -> Iterator[Reference]:
    ours = Reference(loss, seen.form)
    try:
        exact = [ours.gradient(z, t) if seen.returned == "gradient" else ours.losses(z, t) for z, t in seen.batches]
    except (ValueError, TypeError):
        return
    if seen.returned in ("gradient", "none"):
        yield _fit(ours, seen, list(seen.results), exact, "none", "")
        return
    for outer, undone in OUTER.items():
        with np.errstate(all="ignore"):
            got = [undone(one) for one in seen.results]
        if all(np.isfinite(one) for one in got):
            yield _fit(ours, seen, got, [one.mean() for one in exact], "mean", outer)
            yield _fit(ours, seen, got, [one.sum() for one in exact], "sum", outer)


def _fit(ours: Reference, seen: Behaviour, got: list[Any], exact: list[Any], reduction: str, outer: str) -> Reference:
    """The factor, from differences of batches with the same targets, and whether it explains the values too."""
    a, b = _flat(got), _flat(exact)
    if seen.returned != "gradient":
        a, b = (_flat(list(_differences(x, seen))) for x in (got, exact))
    scale = _simple(float(np.sum(a * b) / np.sum(b * b))) if np.any(b) else 0.0
    found = Reference(ours.loss, ours.form, scale, reduction, outer, _distance(a, scale * b))
    if _distance(_flat(got), scale * _flat(exact)) <= ALIKE or found.error > ALIKE:
        return found
    if reduction != "sum" and not outer:
        more = _flat(got) - scale * _flat(exact)
        if np.ptp(more) <= ALIKE * np.max(np.abs(_flat(got))):
            return replace(found, constant=float(np.median(more)))
    without = replace(found, offset="self")
    is_divergence = _has_itself(ours.form) and _distance(_flat(got), _flat(_reduced(without, seen))) <= ALIKE
    return without if is_divergence else replace(found, offset="unknown")


def _differences(results: list[Any], seen: Behaviour) -> Iterator[Array]:
    """Of each batch from the first one with the same targets."""
    sizes = [len(z) for z, _ in seen.batches]
    for place, size in enumerate(sizes):
        first = sizes.index(size)
        if place > first:
            yield np.asarray(results[place] - results[first])


def _has_itself(form: Form) -> bool:
    """Whether a target can be a prediction."""
    return form.link != "" or form.name == "probability-distributions"


def _reduced(reference: Reference, seen: Behaviour) -> list[Array]:
    """The batches' losses on the scale of the function."""
    found = [reference.losses(z, t) * reference.scale for z, t in seen.batches]
    kinds = {"none": found, "sum": [one.sum() for one in found], "mean": [one.mean() for one in found]}
    return kinds[reference.reduction]


def _flat(arrays: list[Any]) -> Array:
    return np.concatenate([np.ravel(one) for one in arrays])


def _distance(a: Array, b: Array) -> float:
    largest = float(np.max(np.abs(a), initial=0.0))
    distance = float(np.max(np.abs(a - b), initial=0.0)) / largest if largest else np.inf
    return distance if np.isfinite(distance) else np.inf


def _simple(scale: float) -> float:
    """The fraction with a small denominator that the noise of the fit leaves open."""
    if not np.isfinite(scale) or scale == 0.0:
        return scale
    near = float(Fraction(scale).limit_denominator(64))
    return near if near and abs(near - scale) <= 1e-5 * abs(scale) else scale


def form_of(loss: Loss) -> Form:
    """What a loss of rashin takes, as a form."""
    for one in FORMS.values():
        if not one.link and (one.prediction, one.target) == (loss.prediction, loss.target):
            return one
    return Form(loss.name, loss.prediction, loss.target, width=len(loss.parameters.get("levels") or range(CLASSES)))
