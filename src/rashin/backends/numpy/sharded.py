"""Softmax cross-entropy where each process has some of the classes: what it computes of rows, and what all join.

Of each row a process sends four numbers: the peak of its logits, the rest of their sum, the label's logit if the label
is one of its classes, and, where labels are smoothed, the sum of the distances from the peak. The peaks and rests of
all processes give those of the whole row, from which the loss and each part of its gradient follow. The logits stay
where they are.

Sending logsumexp instead of peak and rest would lose digits: near 1000 its rounding changes probabilities by 6e-14.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.layer import GATHERED, LOGITS, Gradients, Layer, checked_layer, ready
from rashin.backends.numpy.results import NO_DOUBLES, NOTHING, Program, Wanted, gradient_type
from rashin.backends.numpy.rows import LabelSweep, Rows
from rashin.chunks import Box
from rashin.kernels import sharded as kernel
from rashin.kernels.labelwise import OUTSIDE
from rashin.kernels.pointwise import FINE
from rashin.kernels.rows import plus
from rashin.reduction import Weighing
from rashin.refusal import Refusal

__all__ = [
    "NUMBERS",
    "LayerPart",
    "LogitsPart",
    "Settings",
    "Whole",
    "joined",
    "labels_of",
    "part_of_layer",
    "require_classes",
]

NUMBERS = 4  # of a row: peak, rest, the label's logit, the distances from the peak

Sums = NDArray[np.float64]  # (NUMBERS, rows)


class Settings(NamedTuple):
    """The options of the loss, and the classes of all processes."""

    smoothing: float
    z_loss: float
    classes: int

    @classmethod
    def of(cls, program: Program, classes: int) -> Settings:
        """Those of a program."""
        options = dict(program.rule.options)
        return cls(options["label_smoothing"] or 0.0, options["z_loss"] or 0.0, classes)

    @property
    def uniform(self) -> float:
        """The target of a class that is not the label."""
        return self.smoothing / self.classes


# ---------------------------------------------------------------------------------------------- the whole rows


class Whole(NamedTuple):
    """Of each row the peak and the rest of the sum over all classes, 2 z_loss lse, and the loss."""

    peaks: NDArray[np.float64]
    rests: NDArray[np.float64]
    pulls: NDArray[np.float64]
    losses: NDArray[np.float64]

    def of(self, block: Any) -> Whole:
        """Of some rows."""
        return Whole(*(numbers[block] for numbers in self))


@np.errstate(all="ignore")
def joined(
    parts: NDArray[np.float64], counts: NDArray[np.int64], labels: NDArray[np.int64], counted: NDArray[np.bool_],
    settings: Settings,
) -> Whole:  # fmt: skip
    """The whole rows from the sums of all parts (parts, NUMBERS, rows) of so many classes; 0 where none is counted."""
    peaks, rests = parts[:, 0], parts[:, 1]
    top = peaks.max(axis=0)
    _refuse_without_limit(peaks, rests, top, counted, settings.z_loss)
    top[~counted] = 0.0
    rest = np.where(np.isinf(top), 0.0, _rest(peaks, rests, top))
    owner = np.searchsorted(np.cumsum(counts), labels, side="right").clip(max=len(counts) - 1)
    own = np.take_along_axis(parts[:, 2], owner[None], axis=0)[0]
    spread = sum(_spread(part, top, count) for part, count in zip(parts, counts, strict=True))
    pulls, losses = _pulls_and_losses(top, np.log1p(rest), own, spread, settings)
    losses[~counted] = 0.0
    return Whole(top, np.where(counted, rest, 0.0), pulls, losses)


def _pulls_and_losses(top: Any, log_rest: Any, own: Any, spread: Any, settings: Settings) -> tuple[Any, Any]:
    """2 z_loss lse, and the loss, of rows with such peaks, logits of the label, and distances from the peak."""
    losses = -_log_probability(own, top, log_rest)
    if settings.smoothing:
        certain = (1.0 - settings.smoothing) * losses if settings.smoothing < 1.0 else 0.0
        losses = certain + settings.uniform * (spread + settings.classes * log_rest)
    if not settings.z_loss:
        return np.zeros_like(top), losses
    lse = top + log_rest
    return 2.0 * settings.z_loss * lse, losses + settings.z_loss * lse * lse


def _refuse_without_limit(
    peaks: Any, rests: Any, top: NDArray[np.float64], counted: NDArray[np.bool_], z_loss: float
) -> None:
    infinite = np.where(peaks == np.inf, 1.0 + rests, 0.0).sum(axis=0)
    most = 0.0 if z_loss else 1.0
    wrong = counted & ((top == -np.inf) | (infinite > most))
    if wrong.any():
        place = int(np.argmax(wrong))
        got = "-inf for all classes" if top[place] == -np.inf else f"+inf for {infinite[place]:.0f} of the classes"
        expected = (
            "a number for one class, and +inf for none with z_loss" if z_loss else "a number, or +inf for one class"
        )
        fix = "leave the row out by where=..., or change its logits"
        raise Refusal("logits", got, expected, fix, (place,), "where the loss has no limit")


def _difference(x: Any, peak: Any) -> tuple[Any, Any]:
    """x - peak, and what rounding took from it."""
    d = x - peak
    back = d - x
    return d, np.where(d > -np.inf, (x - (d - back)) - (peak + back), 0.0)


def _rest(peaks: Any, rests: Any, top: Any) -> Any:
    """What all but one class at the peak add to the sum."""
    first = peaks.argmax(axis=0)
    total: Any = np.zeros_like(top)
    error: Any = np.zeros_like(top)
    for place, (peak, rest) in enumerate(zip(peaks, rests, strict=True)):
        d, lost = _difference(peak, top)
        share = np.exp(d)
        share = np.where(share > 0.0, share + share * lost, 0.0) * (1.0 + rest)
        total, error = plus(total, error, np.where(first == place, rest, share))
    return total + error


def _log_probability(own: Any, top: Any, log_rest: Any) -> Any:
    """log softmax of the label's logit; -0 where it is certain."""
    d, lost = _difference(own, top)
    d = np.where(top == np.inf, np.where(own == np.inf, 0.0, -np.inf), d)
    return np.where(d == 0.0, -log_rest, (d - log_rest) + lost)


def _spread(part: Sums, top: Any, count: int) -> Any:
    """The distances of a part's logits from the peak of the row."""
    peak, spread = part[0], part[3]
    if count == 0:
        return np.zeros_like(top)
    return spread + np.where(peak == top, 0.0, count * (top - peak))


# --------------------------------------------------------------------------------------------- parts of the rows


class _SumSweep(LabelSweep):
    """The sums of boxes of rows."""

    def __init__(self, rows: Rows, sums: Sums, smoothed: bool) -> None:
        super().__init__(rows, NOTHING)
        self.sums = sums if smoothed else sums[:-1]

    def _run(self, z: Any, box: Box, buffers: Any, values: Any, gradient: Any, hessian: Any, limbs: Any) -> None:
        rows = self.rows
        into = [numbers[box] for numbers in self.sums] + [NO_DOUBLES] * (NUMBERS - len(self.sums))
        labels, w = rows.labels[box].flatten(), rows.weighing.read(box)
        found, place = kernel.sweep_sums(self.element)(z.reshape(-1, rows.classes), labels, w, *into)
        if found != FINE:
            rows.refuse(found, box, place)


class _GradientSweep(LabelSweep):
    """The gradient of boxes of rows."""

    def __init__(self, rows: Rows, whole: Whole, factors: NDArray[np.float64], settings: Settings) -> None:
        super().__init__(rows, Wanted(False, True, False))
        self.numbers = (whole.peaks, whole.rests, whole.pulls, factors)
        self.shares = (1.0 - settings.smoothing) + settings.uniform, settings.uniform

    def _run(self, z: Any, box: Box, buffers: Any, values: Any, gradient: Any, hessian: Any, limbs: Any) -> None:
        classes = self.rows.classes
        kernel.sweep_gradient(self.element)(
            z.reshape(-1, classes), self.rows.labels[box].flatten(), *(numbers[box] for numbers in self.numbers),
            *self.shares, gradient.reshape(-1, classes)
        )  # fmt: skip


@dataclass(frozen=True)
class LogitsPart:
    """Logits (rows, C) of the classes from ``start`` on, and the labels of all classes, OUTSIDE where none is."""

    program: Program
    logits: NDArray[Any]
    labels: NDArray[np.int64]
    weighing: Weighing
    start: int

    def sums(self, smoothed: bool) -> Sums:
        """The sums of each row; no class has no share."""
        sums = _no_sums(self.labels.size)
        if self.logits.shape[1]:
            rows = self._rows(NOTHING)
            try:
                _SumSweep(rows, sums, smoothed).everything()
            except Refusal as refusal:
                raise Refusal("logits", *refusal.args[1:]) from None
        return sums

    def gradient(self, whole: Whole, factors: NDArray[np.float64], settings: Settings) -> NDArray[Any]:
        """The gradient by the logits, each row times its factor."""
        if not self.logits.shape[1]:
            return np.empty(self.logits.shape, gradient_type(self.logits))
        rows = self._rows(Wanted(False, True, False))
        limbs = _GradientSweep(rows, whole, factors, settings).everything()
        return rows.results.finished(limbs).gradient  # type: ignore[return-value]

    def _rows(self, wanted: Wanted) -> Rows:
        labels = _local(self.labels, self.start, self.logits.shape[1])
        return Rows(self.program, self.logits, labels, -1, self.weighing, wanted, None)


@dataclass(frozen=True)
class LayerPart:
    """The same where the logits come from a linear layer; they are computed block by block, twice, and never stored."""

    program: Program
    layer: Layer
    labels: NDArray[np.int64]
    weighing: Weighing
    start: int

    @classmethod
    def of(cls, program: Program, arrays: Any, labels: Any, weighing: Weighing, start: int) -> LayerPart:
        """Of inputs, classifier and bias; the classifier may have no rows."""
        room = GATHERED if dict(program.rule.options)["softcap"] else LOGITS
        inputs, classifier, bias = arrays
        layer = part_of_layer(inputs, classifier, bias, weighing.where, room)
        return cls(program, replace(layer, inputs=ready(layer.inputs, layer.dtype)), labels, weighing, start)

    def sums(self, smoothed: bool) -> Sums:
        """The sums of each row; no class has no share."""
        sums = _no_sums(len(self.layer.inputs))
        if self.layer.classes:
            buffer = self.layer.buffer()
            for block in self.layer.blocks():
                z = self.layer.logits(self.layer.read(block), buffer)
                sums[:, block] = self._sums_of(z, block, smoothed)
        return sums

    def _sums_of(self, z: NDArray[Any], block: Any, smoothed: bool) -> Sums:
        sums = _no_sums(len(z))
        try:
            _SumSweep(self._rows(z, block), sums, smoothed).everything()
        except Refusal as refusal:
            place, column = refusal.index
            row = block.start + place if isinstance(block, slice) else int(block[place])
            self.layer.refuse_nan(row, column)
        return sums

    def gradients(
        self, whole: Whole, factors: NDArray[np.float64], settings: Settings
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """By inputs, as far as these classes go, by classifier and by bias, in the type of the products."""
        layer = self.layer
        if not layer.classes:
            return np.zeros_like(layer.inputs), np.zeros(layer.classifier.shape, layer.dtype), layer.bias
        gradients, buffer = Gradients(layer), layer.buffer()
        for block in layer.blocks():
            x = layer.read(block)
            z = layer.logits(x, buffer)
            rows = self._rows(z, block)
            rows.gradient = z
            _GradientSweep(rows, whole.of(block), factors[block], settings).everything()
            gradients.add(block, x, z, factors[block])
        return gradients.sums()

    def _rows(self, z: NDArray[Any], block: Any) -> Rows:
        weight = None if self.weighing.weight is None else self.weighing.weight[block]
        local = Weighing(weight, None, "none", 1.0, None)
        return Rows(self.program, z, _local(self.labels[block], self.start, len(z.T)), -1, local, NOTHING, None)


def part_of_layer(x: Any, w: Any, b: Any, where: Any, room: int) -> Layer:
    """A layer of checked shapes, which may have no classes."""
    if x.ndim == 2 and w.shape == (0, *x.shape[1:]) and (b is None or b.shape == (0,)):
        return Layer(x, w, b, None, room)
    return checked_layer(x, w, b, where, room)


def _no_sums(rows: int) -> Sums:
    """Those of a part without classes."""
    sums = np.zeros((NUMBERS, rows))
    sums[0] = -np.inf
    return sums


def _local(labels: NDArray[np.int64], start: int, count: int) -> NDArray[np.int64]:
    """The labels counted from the first class of a part; -1 where the label is elsewhere."""
    return np.where((labels >= start) & (labels < start + count), labels - start, -1)


def labels_of(target: NDArray[Any], where: NDArray[np.bool_] | None) -> NDArray[np.int64]:
    """Labels as whole numbers, OUTSIDE where a row is not selected."""
    labels = np.maximum(checks.labels(target, where), -1)
    return labels if where is None else np.where(where, labels, OUTSIDE)


def require_classes(labels: NDArray[np.int64], target: NDArray[Any], classes: int) -> None:
    """Raise if a label is not one of the classes of all processes."""
    wrong = ((labels < 0) | (labels >= classes)) & (labels != OUTSIDE)
    if wrong.any():
        place = int(np.argmax(wrong))
        checks.refuse_label(target[place], (place,), classes)
