"""Softmax cross-entropy where each rank of a process group has some of the classes.

Forward exchanges four numbers of each row. Backward computes the gradient by this rank's classes from what they gave.
It then has the factor that comes from above: nothing is kept but the logits, and the gradient is rounded once. The
linear form also adds up the ranks' gradients by the inputs there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd import Function

from rashin import checks
from rashin.backends import numpy as sweeps
from rashin.backends.numpy.layer import LOGITS
from rashin.backends.numpy.sharded import (
    NUMBERS,
    LayerPart,
    LogitsPart,
    Settings,
    Whole,
    joined,
    labels_of,
    part_of_layer,
    require_classes,
)
from rashin.backends.torch.call import Call
from rashin.backends.torch.graph import is_transformed
from rashin.backends.torch.memory import array_of, checked, is_symbolic, tensor_of
from rashin.backends.torch.ranks import Ranks
from rashin.exact import add, empty_limbs
from rashin.reduction import Weighing, weigh

__all__ = ["evaluate", "evaluate_linear"]

Part: TypeAlias = LogitsPart | LayerPart

_SAME = {
    "target": ("labels", "torch.distributed.broadcast(target, 0)"),
    "weight": ("weights or a mask", "pass every rank the same weight and where"),
    "reduction": ("a reduction or options", "pass every rank the same arguments"),
    "logits": ("a number of rows or a dtype", "pass every rank the same rows of its classes, in one dtype"),
}
_SAME_LINEAR = {
    **{name: words for name, words in _SAME.items() if name != "logits"},
    "inputs": ("numbers", "torch.distributed.broadcast(inputs, 0)"),
    "classifier": ("columns, a dtype or a kind of bias", "pass every rank rows of one classifier and bias"),
    "inputs.requires_grad": ("a value", "inputs.requires_grad_() on all ranks, or on none"),
}


@dataclass(frozen=True)
class Samples:
    """What all ranks have alike: labels, OUTSIDE where a row is not selected, and their weighing."""

    labels: NDArray[np.int64]
    weighing: Weighing

    @property
    def weights(self) -> NDArray[np.float64]:
        """A weight for each row."""
        read = self.weighing.read((...,))
        return read if read.size else np.ones(self.labels.size)

    def digests(self) -> list[int]:
        """Two numbers that are the same where labels and weights are."""
        return [_digest(self.labels), _digest(self.weights)]


@dataclass(frozen=True)
class Sharded:
    """A call with the places of the classes: ``counts`` of them on each rank."""

    call: Call
    ranks: Ranks
    samples: Samples
    counts: NDArray[np.int64]
    part_of: Callable[..., Part]
    reduces: bool  # whether the gradient by what all ranks have is wanted, which they add up

    @property
    def settings(self) -> Settings:
        """The options of the loss."""
        return Settings.of(self.call.program, int(self.counts.sum()))

    def part(self, *tensors: Any) -> Part:
        """This rank's classes."""
        arrays = [None if tensor is None else array_of(tensor) for tensor in tensors]
        start = int(self.counts[: self.ranks.rank].sum())
        return self.part_of(self.call.program, arrays, self.samples.labels, self.samples.weighing, start)

    def threads(self) -> AbstractContextManager[None]:
        """As many as the numbers of this rank are worth."""
        return self.call.threads(self.samples.labels.size * int(self.counts[self.ranks.rank]))

    def whole(self, part: Part) -> Whole:
        """The rows of all classes."""
        labels, settings = self.samples.labels, self.settings
        parts = self.ranks.gathered(lambda: part.sums(bool(settings.smoothing)), (NUMBERS, labels.size))
        return joined(parts, self.counts, labels, self.samples.weights > 0.0, settings)

    def value(self, whole: Whole) -> Any:
        """The reduced loss as a double, or the samples' losses."""
        weighing = self.samples.weighing
        with np.errstate(over="ignore"):
            losses = whole.losses * self.samples.weights
        if weighing.reduction == "none":
            return losses
        limbs = empty_limbs()
        add(limbs, losses)
        return weighing.reduce(limbs)

    def factors(self, d: torch.Tensor) -> NDArray[np.float64]:
        """What the gradient of each row is multiplied with."""
        weights = self.samples.weights
        with np.errstate(all="ignore"):
            return np.where(weights > 0.0, weights / self.samples.weighing.divisor * array_of(d.double()), 0.0)


def evaluate(
    program_of: Callable[[], sweeps.Program], group: Any, z: Any, t: Any, w: Any, m: Any, reduction: str
) -> torch.Tensor:
    """The reduced loss of logits."""
    _require_numbers("logits", z)
    ranks = Ranks(group)
    kept: list[Any] = []

    def described() -> list[int]:
        program = program_of()
        _check({"logits": z, "target": t, "weight": w, "where": m})
        if z.dim() != 2:
            raise ValueError(
                f"logits: got shape {tuple(z.shape)}; expected (N, C), a row per sample; fix: use "
                f"logits.reshape(-1, C) and target.reshape(-1)"
            )
        samples = _samples(t, w, m, len(z), reduction)
        kept.extend((Call(program, reduction, -1), samples))
        same = [_digest(program.rule.options, reduction, "logits"), _digest(len(z), z.dtype)]
        return [*samples.digests(), *same, z.shape[1]]

    rows = ranks.gathered(described, (len(_SAME) + 1,), np.int64)
    ranks.require_same(_SAME, rows)
    call, samples = kept
    return Attached.apply(_sharded(call, samples, ranks, t, rows[:, -1], _logits_part, False), z)


def evaluate_linear(
    program_of: Callable[[], sweeps.Program], group: Any, x: Any, c: Any, b: Any, t: Any, w: Any, m: Any, reduction: str
) -> torch.Tensor:
    """The reduced loss of logits that come from a linear layer."""
    _require_numbers("inputs", x)
    ranks = Ranks(group)
    kept: list[Any] = []

    def described() -> list[int]:
        program = program_of()
        _check({"inputs": x, "classifier": c, "target": t, "bias": b, "weight": w, "where": m})
        where = None if m is None else checks.selection(array_of(m), tuple(x.shape[:1]))
        bias = None if b is None else array_of(b)
        layer = part_of_layer(array_of(x), array_of(c), bias, where, LOGITS)
        samples = _samples(t, w, m, len(x), reduction)
        kept.extend((Call(program, reduction, -1), samples))
        numbers = layer.inputs if where is None else layer.inputs[where]
        same = [
            _digest(program.rule.options, reduction, "linear"),
            _digest(numbers, x.dtype),
            _digest(c.shape[1], c.dtype, None if b is None else b.dtype),
            int(_derives(x)),
        ]
        return [*samples.digests(), *same, layer.classes]

    rows = ranks.gathered(described, (len(_SAME_LINEAR) + 1,), np.int64)
    ranks.require_same(_SAME_LINEAR, rows)
    call, samples = kept
    return Attached.apply(_sharded(call, samples, ranks, t, rows[:, -1], LayerPart.of, _derives(x)), x, c, b)


def _derives(x: torch.Tensor) -> bool:
    return bool(x.requires_grad and torch.is_grad_enabled())


def _logits_part(program: Any, arrays: Any, *place: Any) -> LogitsPart:
    return LogitsPart(program, *arrays, *place)


def _sharded(call: Call, samples: Samples, ranks: Ranks, t: Any, counts: Any, part_of: Any, reduces: bool) -> Sharded:
    """The call, whose labels are classes; if one is not, all ranks find it."""
    if not counts.any():
        raise ValueError("logits: got no classes on any rank of the group; expected one at least")
    require_classes(samples.labels, array_of(t), int(counts.sum()))
    return Sharded(call, ranks, samples, counts, part_of, reduces)


# ------------------------------------------------------------------------------------------------ arguments


def _require_numbers(name: str, tensor: Any) -> None:
    """Raise where there are no numbers to exchange, not even that there are none."""
    if is_transformed() or (isinstance(tensor, torch.Tensor) and is_symbolic(tensor)):
        kind = type(tensor).__name__
        raise TypeError(
            f"{name}: got a {kind} in a compiled graph, in a transform or without memory of its own; expected a plain "
            f"tensor, as the ranks exchange numbers; fix: call it outside, or with .to_local() of a DTensor"
        )


def _check(tensors: dict[str, Any]) -> None:
    name, first = next(iter(tensors.items()))
    for each, tensor in tensors.items():
        if tensor is not None or each in ("logits", "inputs", "classifier", "target"):
            checked(each, tensor, None if tensor is first else first)
    if first.device.type != "cpu":
        raise TypeError(
            f"{name}: got a tensor on {first.device}; expected the CPU, as this function has no form for other devices "
            f"yet; fix: use .cpu(), and a group with the backend gloo"
        )
    for each in ("target", "weight"):
        if tensors[each] is not None and tensors[each].requires_grad:
            raise TypeError(
                f"{each}: got a tensor that requires a gradient; expected a constant, as the loss of classes that are "
                f"split over processes has no derivative by it; fix: use {each}.detach()"
            )


def _samples(t: Any, w: Any, m: Any, rows: int, reduction: str) -> Samples:
    if tuple(t.shape) != (rows,):
        raise ValueError(
            f"target: got shape {tuple(t.shape)} for {rows} rows; expected labels of shape {(rows,)}, counted over the "
            f"classes of all ranks (distributions over the classes have no form here)"
        )
    weight, where = (None if x is None else array_of(x).copy() for x in (w, m))  # backward reads them too
    weighing = weigh(weight, where, (rows,), reduction)
    return Samples(labels_of(array_of(t), weighing.where), weighing)


def _digest(*values: Any) -> int:
    """A number of 64 bits that differs where the values do."""
    digest = hashlib.blake2b(digest_size=8)
    for value in values:
        if isinstance(value, np.ndarray):
            digest.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
        else:
            digest.update(repr(value).encode())
    return int.from_bytes(digest.digest(), "little", signed=True)


# ---------------------------------------------------------------------------------------------- derivatives


class Attached(Function):
    """The value in autograd's graph, by logits or by inputs, classifier and bias."""

    @staticmethod
    def forward(ctx: Any, sharded: Sharded, *tensors: Any) -> torch.Tensor:
        first, call = tensors[0], sharded.call
        with sharded.threads():
            part = sharded.part(*tensors)
            whole = sharded.whole(part)
        ctx.sharded, ctx.whole = sharded, whole
        ctx.save_for_backward(*tensors)
        return call.as_tensor(sharded.value(whole), first)

    @staticmethod
    def backward(ctx: Any, d: Any) -> Any:
        if torch.is_grad_enabled():
            return None, *Once.apply(ctx.sharded, ctx.whole, d, *ctx.saved_tensors)
        return None, *_gradients(ctx.sharded, ctx.whole, d, *ctx.saved_tensors)


class Once(Function):
    """The gradients where a graph of them is asked for: they are in it, and have no derivatives."""

    @staticmethod
    def forward(ctx: Any, sharded: Sharded, whole: Whole, d: Any, *tensors: Any) -> Any:
        return tuple(_gradients(sharded, whole, d, *tensors))

    @staticmethod
    def backward(ctx: Any, *d: Any) -> Any:
        raise NotImplementedError(
            "loss: got a call for the second derivative of a loss whose classes are split over processes; expected one "
            "for the first at most; fix: use softmax_cross_entropy of all logits"
        )


def _gradients(sharded: Sharded, whole: Whole, d: torch.Tensor, *tensors: Any) -> list[Any]:
    part, factors, settings = sharded.part(*tensors), sharded.factors(d), sharded.settings
    with sharded.threads():
        if isinstance(part, LogitsPart):
            return [tensor_of(part.gradient(whole, factors, settings))]
        make = partial(part.gradients, whole, factors, settings)
        found = _together(sharded.ranks, make, factors) if sharded.reduces else make()
    inputs, *own = (None if gradient is None else tensor_of(gradient) for gradient in found)
    if sharded.reduces:
        sharded.ranks.summed(inputs)
    return [None if g is None else g.to(x.dtype) for g, x in zip((inputs, *own), tensors, strict=True)]


def _together(ranks: Ranks, make: Callable[[], Any], factors: NDArray[np.float64]) -> Any:
    """Gradients of which a part will be added up: on all ranks of the same loss."""
    fix = "call backward on all ranks, with the same gradient"
    ranks.require_same({"loss": ("a gradient", fix)}, ranks.gathered(lambda: [_digest(factors)], (1,), np.int64))
    return ranks.run(make)
