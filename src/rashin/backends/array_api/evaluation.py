"""The loss of a whole array by its formula: checks, weights and reduction around the samples' derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.formula import Space, accepts, derived, product, target_slope
from rashin.domain import LOG_PROBABILITY

__all__ = ["ByFormula", "Evaluation"]


class Evaluation(NamedTuple):
    """Arrays of doubles, in the shapes of the caller's."""

    value: Any
    gradient: Any
    hessian: Any


class _Samples(NamedTuple):
    """Samples in rows, the classes last: (n,) or (n, C), with the factor of each, 0 where one does not count."""

    z: Any
    t: Any
    factor: Any
    counts: Any


class ByFormula:
    """A loss on arrays of a library of the array API.

    ``to_host`` makes NumPy arrays of them: for what is wrong, NumPy's backend has the words.
    """

    def __init__(
        self, space: Space, to_host: Callable[[Any], Any], program: sweeps.Program, reduction: str, axis: int
    ) -> None:
        self.space, self.to_host, self.program = space, to_host, program
        self.rule, self.reduction, self.axis = program.rule, reduction, axis

    @np.errstate(all="ignore")  # of libraries that compute by NumPy
    def evaluated(self, z: Any, t: Any, w: Any, m: Any) -> Evaluation:
        """Value, gradient and Hessian diagonal of the reduced loss."""
        samples = self._samples(z, t, w, m)
        value, gradient, hessian = derived(self.space, self.rule, samples.z, samples.t)
        self._require(~self.space.xp.isnan(value) | ~samples.counts, z, t, w, m)
        return Evaluation(
            self._reduced(value, samples, z),
            self._weighted(gradient, samples, z),
            self._weighted(hessian, samples, z),
        )

    @np.errstate(all="ignore")  # of libraries that compute by NumPy
    def product(self, z: Any, t: Any, w: Any, m: Any, v: Any) -> Any:
        """The Hessian of the reduced loss times a vector."""
        samples = self._samples(z, t, w, m)
        self._require_vector(v, z, m)
        rows = self._rows(self.space.xp.astype(v, self.space.xp.float64))
        chosen = samples.counts if rows.ndim == 1 else samples.counts[:, None]
        rows = self.space.words.where(chosen, rows, 0.0)
        return self._weighted(product(self.space, self.rule, samples.z, samples.t, rows), samples, z)

    @np.errstate(all="ignore")  # of libraries that compute by NumPy
    def by_target(self, z: Any, t: Any, w: Any, m: Any) -> Any:
        """The gradient by a target that can vary."""
        samples = self._samples(z, t, w, m)
        return self._weighted(target_slope(self.space, self.rule, samples.z, samples.t), samples, t)

    # ------------------------------------------------------------------------------------------- the samples

    def _samples(self, z: Any, t: Any, w: Any, m: Any) -> _Samples:
        xp, words = self.space.xp, self.space.words
        labels = self._check_shapes(z, t, w, m)
        rows = self._rows(xp.astype(z, xp.float64))
        targets = xp.astype(xp.reshape(t, (-1,)) if labels else self._rows(t), xp.float64)
        flat = rows if rows.ndim == 1 else rows[:, 0]
        weights = xp.ones_like(flat) if w is None else xp.astype(xp.reshape(w, (-1,)), xp.float64)
        selected = xp.ones_like(flat, dtype=xp.bool) if m is None else xp.reshape(m, (-1,))
        weights = words.where(selected, weights, 0.0)
        inside = (
            accepts(self.space, self.rule, rows, targets, self._tolerance(rows, t))
            & (weights >= 0.0)
            & (weights < math.inf)
        )
        self._require(inside | ~selected, z, t, w, m)
        if dict(self.rule.options).get("normalized") and not bool(xp.all(self._sums_to_one(rows) | ~selected)):
            self._ask_numpy(z, t, w, m)  # which knows what rounding may do to a sum
        counts = weights != 0.0
        sample = self.rule.prediction
        harmless = xp.asarray(sample.harmless, dtype=xp.float64, device=self.space.device)
        rows = words.where(counts if rows.ndim == 1 else counts[:, None], rows, harmless)
        at_ease = 0.0 if sample.has_classes else self.rule.target.entry().samples[0]
        targets = words.where(counts if targets.ndim == 1 else counts[:, None], targets, at_ease)
        return _Samples(rows, targets, self._factors(weights, z, t, w, m), counts)

    def _rows(self, x: Any) -> Any:
        """Numbers as (n,), rows as (n, C)."""
        xp = self.space.xp
        if not self.rule.prediction.axes:
            return xp.reshape(x, (-1,))
        x = xp.moveaxis(x, self.axis, -1)
        return xp.reshape(x, (-1, x.shape[-1]))

    def _check_shapes(self, z: Any, t: Any, w: Any, m: Any) -> bool:
        """Refuse shapes that do not fit, in the words for NumPy arrays; whether rows have a target of one number."""
        like = _shape_alone
        checks.choice("reduction", self.reduction)
        if not self.rule.prediction.axes:
            checks.same_shape(like(z), like(t))
            samples, labels = tuple(z.shape), False
        else:
            axis = checks.axis(like(z), self.axis)
            samples = tuple(np.moveaxis(like(z), axis, -1).shape[:-1])
            if self.rule.prediction.is_joint:
                labels = checks.numbers(like(z), like(t), axis, self.rule) == samples
            else:
                labels = not checks.holds_rows(like(z), like(t), samples, self.rule.target)
        if w is not None:
            checks.weights(like(w), samples)
        if m is not None:
            checks.selection(np.broadcast_to(np.True_, tuple(m.shape)), samples)
        if self.reduction == "mean" and math.prod(samples) == 0:
            checks.refuse_mean(0, False, False)
        return labels

    def _tolerance(self, rows: Any, t: Any) -> float:
        """What the sum of a distribution may differ from 1 by."""
        xp = self.space.xp
        kind = t.dtype if xp.isdtype(t.dtype, "real floating") else xp.float64
        return checks.sum_tolerance(rows.shape[-1], float(xp.finfo(kind).eps))

    def _require(self, good: Any, z: Any, t: Any, w: Any, m: Any) -> None:
        """All must be good; else NumPy's backend finds the first that is not, and says what it is."""
        if bool(self.space.xp.all(good)):
            return
        self._ask_numpy(z, t, w, m)
        raise ValueError(
            "prediction: got samples whose loss is no number on this device; expected numbers; fix: pass NumPy arrays"
        )

    def _require_vector(self, v: Any, z: Any, m: Any) -> None:
        """Finite numbers in the shape of the prediction; NumPy's backend says what is not."""
        if tuple(v.shape) == tuple(z.shape):
            xp = self.space.xp
            rows = self._rows(xp.astype(v, xp.float64))
            finite = xp.isfinite(rows) if rows.ndim == 1 else xp.all(xp.isfinite(rows), axis=-1)
            if bool(xp.all(finite if m is None else finite | ~xp.reshape(m, (-1,)))):
                return
        z, v, m = (None if x is None else self.to_host(x) for x in (z, v, m))
        checks.vector(v, z, m, self.axis)

    def _ask_numpy(self, *given: Any) -> None:
        arrays: Any = [None if x is None else self.to_host(x) for x in given]
        z, t, w, m = arrays
        sweeps.evaluate(self.program, z, t, w, m, self.reduction, self.axis, (True, False, False))

    def _sums_to_one(self, rows: Any) -> Any:
        xp = self.space.xp
        parts = self.space.words.exp(rows) if self.rule.prediction.entry() == LOG_PROBABILITY else rows
        return xp.abs(xp.sum(parts, axis=-1) - 1.0) <= 1e-6

    # ------------------------------------------------------------------------------------------- the reduction

    def _factors(self, weights: Any, z: Any, t: Any, w: Any, m: Any) -> Any:
        if self.reduction != "mean":
            return weights
        total = self.space.xp.sum(weights)
        if float(total) == 0.0:
            self._ask_numpy(z, t, w, m)
        return weights / total

    def _reduced(self, value: Any, samples: _Samples, z: Any) -> Any:
        xp = self.space.xp
        terms = self.space.words.where(samples.counts, value * samples.factor, 0.0)
        if self.reduction != "none":
            return xp.sum(terms)
        shape = tuple(z.shape)
        if self.rule.prediction.axes:
            axis = self.axis % len(shape)
            shape = shape[:axis] + shape[axis + 1 :]
        return xp.reshape(terms, shape)

    def _weighted(self, derivative: Any, samples: _Samples, like: Any) -> Any:
        """Times the factor of each sample, in the caller's shape."""
        xp, words = self.space.xp, self.space.words
        if derivative.ndim == 1:
            return xp.reshape(words.where(samples.counts, derivative * samples.factor, 0.0), tuple(like.shape))
        factor = samples.factor[:, None]
        found = words.where(samples.counts[:, None], derivative * factor, 0.0)
        shape = list(like.shape)
        classes = shape.pop(self.axis)
        return xp.moveaxis(xp.reshape(found, (*shape, classes)), -1, self.axis)


def _shape_alone(x: Any) -> Any:
    """A NumPy array of the same shape that takes no memory."""
    return np.broadcast_to(np.float64(1.0), tuple(x.shape))
