"""What is known of a function when the questions are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rashin.audit.forms import Form, paired
from rashin.audit.questions.measured import Measured, measured
from rashin.audit.reference import ALIKE, OUTER, Behaviour, Reference
from rashin.audit.subject import Evaluation, Subject
from rashin.domain import LOG_PROBABILITY, PROBABILITY

__all__ = ["Case", "is_near", "tried"]

Array = NDArray[Any]
_Result = TypeVar("_Result")

SAMPLES = 12
COMPANY = 7
_SOME = 6


@dataclass(frozen=True)
class Case:
    """A subject, what it takes, what it did with ordinary inputs, and the loss that it resembles or that was stated.

    ``is_guess`` is True if what it takes was neither stated nor confirmed by a loss that it resembles; ``almost`` is a
    loss that it resembles for small predictions alone.
    """

    subject: Subject
    seen: Behaviour
    reference: Reference | None
    is_guess: bool = False
    almost: Reference | None = None

    @property
    def form(self) -> Form:
        """What it takes."""
        return self.seen.form

    @cached_property
    def ordinary(self) -> tuple[Array, Array]:
        """A batch without anything hard about it."""
        return paired(self.form, np.random.default_rng(11), SAMPLES)

    @cached_property
    def fits(self) -> bool:
        """Whether the reference has the function's values and derivatives on ordinary inputs."""
        return self.reference is not None and self.reference.error < ALIKE

    @cached_property
    def is_narrow(self) -> bool:
        """True if results have no more digits than float32, though the inputs are float64."""
        results = np.concatenate([np.ravel(one) for one in self.seen.results])
        is_whole = np.array_equal(results, np.rint(results))
        return bool(np.array_equal(results, results.astype(np.float32))) and not is_whole

    @cached_property
    def measured(self) -> tuple[Measured, ...]:
        """Every output at the hard inputs of every dtype."""
        return tuple(measured(self))

    @property
    def grave(self) -> str:
        """The severity of what is wrong if the function takes what is assumed: of a guess it may be a convention."""
        return "convention" if self.is_guess else "wrong"

    @property
    def has_own_slopes(self) -> bool:
        """True if derivatives leave the domain, where a definition may go on in another way: shares sum to 1."""
        return self.form.prediction.axes > 0 and self.form.prediction.entry() in (PROBABILITY, LOG_PROBABILITY)

    def is_right(self, output: str) -> bool:
        """Whether an output agrees with the reference on ordinary inputs: only then are its digits judged."""
        if not self.fits or self.reference is None:
            return False
        got, right = self.outputs[output], tried(self.reference.of(output), *self.some)
        if isinstance(got, Exception) or isinstance(right, Exception):  # other questions report it
            return False
        return got.shape == right.shape and bool(np.max(np.abs(got - right)) <= ALIKE * np.max(np.abs(right)))

    @property
    def noise(self) -> float:
        """Relative rounding noise of the results: that of float32 also if no more digits than its are right."""
        is_coarse = self.is_narrow or (self.reference is not None and self.fits and self.reference.error > 3e-9)
        return 2.0**-22 if is_coarse else 2.0**-50

    def undone(self, value: Any) -> Any:
        """The reduced loss, from which the value is a root or an exponential."""
        return OUTER[self.reference.outer](value) if self.reference is not None and self.fits else value

    def in_company(self, z: Array, t: Array) -> tuple[Array, Array]:
        """One sample; if the value is an exponential of a mean, which overflows for one hard sample, with others."""
        if self.reference is None or self.reference.outer != "exponential of":
            return z, t
        others = paired(self.form, np.random.default_rng(13), COMPANY)
        return np.concatenate([z, others[0].astype(z.dtype)]), np.concatenate([t, others[1].astype(t.dtype)])

    @cached_property
    def outputs(self) -> dict[str, Array | Exception]:
        """Each output of the ordinary samples, one by one, or what was raised."""
        return {name: tried(self._of_each, f) for name, f in self.subject.outputs.items()}

    def _of_each(self, f: Evaluation) -> Array:
        z, t = self.ordinary
        if self.seen.returned == "scalar":
            return self.alone(f, z[:_SOME], t[:_SOME])
        found = np.asarray(f(z, t), np.float64)[:_SOME]  # of the whole batch: some libraries compile for each shape
        return found if f is not self.subject.value else found.reshape(len(found), -1).sum(axis=1)

    @property
    def some(self) -> tuple[Array, Array]:
        """The samples of ``outputs``."""
        z, t = self.ordinary
        return z[:_SOME], t[:_SOME]

    def alone(self, f: Evaluation, z: Array, t: Array) -> Array:
        """The result for each sample on its own; raises what the function raises."""
        found = [np.asarray(f(*self.in_company(z[k : k + 1], t[k : k + 1])), np.float64) for k in range(len(z))]
        sizes = z.shape if all(one.size == z[0].size for one in found) and z.ndim > 1 else (len(z),)
        return np.array([one.sum() if one.size > 1 and len(sizes) == 1 else one for one in found]).reshape(sizes)


def tried(f: Callable[..., _Result], *arguments: Any, **keywords: Any) -> _Result | Exception:
    """The result, or what was raised."""
    try:
        return f(*arguments, **keywords)
    except Exception as error:  # whatever a function raises is a refusal
        return error


def is_near(case: Case, a: float, b: float) -> bool:
    """Whether two sums are equal but for their rounding."""
    return abs(a - b) <= 64.0 * case.noise * max(abs(a), abs(b))
