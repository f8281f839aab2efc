"""What a function returns, and the exact values of a rashin loss on its scale.

rashin's core is the reference. It computes in double, within the bounds of docs/accuracy.md, so that it resolves
float32 and narrower results to a small part of an ULP, and float64 results to some ULPs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.audit.forms import CLASSES, FORMS, Form, paired, stretched
from rashin.audit.subject import Evaluation, Subject
from rashin.domain import BINARY, PROBABILITY, SIGN
from rashin.loss import Loss

__all__ = ["ALIKE", "OUTER", "Behaviour", "Reference", "behaviour", "form_of", "simple"]

Array = NDArray[Any]

ALIKE = 1e-4  # relative: far above the noise of float32, far below the distance of different losses
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
    ``further`` is the first batch with predictions that reach further, and its result; None if it is not finite.
    """

    form: Form
    returned: str
    batches: tuple[tuple[Array, Array], ...]
    results: tuple[Array, ...]
    further: tuple[tuple[Array, Array], Array] | None = None


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
    is_confirmed : whether it also explains a batch whose predictions reach further.
    shift : infinity towards which what the loss takes is moved by an ULP; 0 for none.
    """

    loss: Loss
    form: Form
    scale: float = 1.0
    reduction: str = "none"
    outer: str = ""
    error: float = 0.0
    offset: str = ""
    constant: float = 0.0
    is_confirmed: bool = True
    shift: float = 0.0

    @property
    def is_exact(self) -> bool:
        """True if the scale is known exactly, so that single ULPs can be judged."""
        return self.scale == simple(self.scale)

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
        u = np.nextafter(u, self.shift) if self.shift else u  # of a logarithm: far from 1 an ULP of it is many of z
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
        results.append(_result(subject, z, t))
    if not all(np.isfinite(one).all() for one in results):
        raise ArithmeticError("value: got NaN or infinity for ordinary inputs; expected finite numbers")
    returned = "gradient" if subject.value is None else "none" if results[0].ndim else "scalar"
    return Behaviour(form, returned, tuple(batches[: len(results)]), tuple(results), _further(subject, form))


def _result(subject: Subject, z: Array, t: Array) -> Array:
    found = np.asarray(subject.main(z, t), np.float64)
    if subject.value is not None and found.ndim and found.size != len(z):
        found = found.reshape(len(z), -1).sum(axis=1)  # one number per entry
    return found.reshape(len(z)) if subject.value is not None and found.ndim else found


def _further(subject: Subject, form: Form) -> tuple[tuple[Array, Array], Array] | None:
    z, t = _batch(form, *_BATCHES[0])
    z = stretched(form, z)
    try:
        found = _result(subject, z, t)
    except Exception:  # refused: it remains unknown
        return None
    return ((z, t), found) if np.isfinite(found).all() else None


def _batch(form: Form, size: int, seed: int) -> tuple[Array, Array]:
    """Two seeds share their targets, so that a term without the prediction cancels in the difference."""
    z, _ = paired(form, np.random.default_rng(seed), size)
    _, t = paired(form, np.random.default_rng(1000 + size), size)
    return z, t


def simple(scale: float) -> float:
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
