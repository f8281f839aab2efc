"""Small arrays: one call of compiled code, which checks, sums and divides.

A call of a thousand numbers takes longer for what surrounds them than for themselves. Here are the samples that lie as
the sweep reads them, and all count equally; whatever is not so, or not right, is left to the way that knows all cases
and has the words for errors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rashin.backends.numpy.pointwise import prepared
from rashin.backends.numpy.results import (
    DOUBLE,
    NO_DOUBLES,
    NO_LIMBS,
    NO_OUTPUTS,
    NOTHING_OF,
    PARALLEL,
    Outputs,
    Program,
)
from rashin.kernels import labelwise, pointwise
from rashin.kernels.formula import Takes
from rashin.kernels.pointwise import FINE
from rashin.native.kernel import Kernel

__all__ = ["Parts", "derivatives_of", "evaluate"]

Parts: TypeAlias = tuple[float, NDArray[Any] | None, NDArray[Any] | None]  # value, gradient, Hessian diagonal

_ELEMENTS = (np.dtype(np.float32), DOUBLE)
_DERIVATIVES = ("gradient", "hessian")
_WHOLE = 0x101  # C-contiguous and aligned, in the flags of an array


def evaluate(
    program: Program,
    z: NDArray[Any],
    t: NDArray[Any],
    reduction: str,
    axis: int,
    wanted: tuple[bool, bool, bool],
    outputs: Outputs | None,
) -> Parts | None:
    """Mean or sum and its derivatives; None if the samples are many, lie otherwise, or are refused."""
    if not 0 < z.size < PARALLEL or type(reduction) is not str or reduction not in ("mean", "sum"):
        return None
    key = z.dtype, wanted
    run = program.direct.get(key)
    if run is None:
        run = program.direct[key] = _prepared(program, z.dtype, wanted)
    if outputs is None:
        return run(z, t, reduction == "mean", axis, NO_OUTPUTS)
    if not all(out is None or _is_apart(out, z, t) for out in outputs):
        return None
    parts = run(z, t, reduction == "mean", axis, outputs)
    if parts is None:
        return None
    value, gradient, hessian = parts
    return value, gradient if outputs[0] is None else outputs[0], hessian if outputs[1] is None else outputs[1]


def _is_apart(out: NDArray[Any], z: NDArray[Any], t: NDArray[Any]) -> bool:
    """Whether a sweep can write to the caller's array while it reads the inputs."""
    return out.flags.num & _WHOLE == _WHOLE and not (np.may_share_memory(out, z) or np.may_share_memory(out, t))


def derivatives_of(program: Program, divisor: float) -> Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], bool]:
    """The sweep ``(z, t, pair) -> whether all is fine`` of a loss of single numbers, for many small blocks.

    ``z``, ``t`` (n,) and ``pair`` (2, n) are contiguous doubles; it writes slopes and curvatures, divided by the
    divisor, to the pair. What is not fine is left to ``evaluate`` and its words.
    """
    run, answer = _Pointwise(program, DOUBLE, (False, True, True)).run, np.empty(1)

    def sweep(z: NDArray[Any], t: NDArray[Any], pair: NDArray[Any]) -> bool:
        return bool(run(z, t, divisor, pair[0], pair[1], 1, answer)[0] == FINE)

    return sweep


_Run: TypeAlias = Callable[[Any, Any, bool, int, Outputs], "Parts | None"]


def _prepared(program: Program, element: np.dtype[Any], wanted: tuple[bool, bool, bool]) -> _Run:
    options = dict(program.rule.options)
    if element not in _ELEMENTS:
        return _left
    if program.takes == Takes.TARGET:
        return _Pointwise(program, element, wanted)
    if program.takes == Takes.LABEL and not (options.get("label_smoothing") or options.get("softcap")):
        return _Labels(program, element, wanted)
    return _left


def _left(z: Any, t: Any, mean: bool, axis: int, outputs: Outputs) -> None:
    return None


class _Sweep:
    """A sweep with all fixed but the samples, and the derivatives that are wanted."""

    def __init__(self, kernel: Kernel, element: np.dtype[Any], wanted: tuple[bool, bool, bool], **fixed: Any) -> None:
        self.element, self.derivatives = element, wanted[1:]
        nothing = NOTHING_OF[element].reshape((0,) * kernel.arguments[1].dimensions)
        fixed |= {name: nothing for name, is_wanted in zip(_DERIVATIVES, wanted[1:], strict=True) if not is_wanted}
        self.run = kernel.fixing(element, **fixed, w=NO_DOUBLES, values=NO_DOUBLES, limbs=NO_LIMBS)

    def over(self, z: Any, t: Any, count: int, mean: bool, outputs: Outputs) -> Parts | None:
        """The parts for arrays that lie as the sweep takes them."""
        gradient, hessian, results = None, None, []
        if self.derivatives[0]:
            gradient = np.empty(z.shape, self.element) if outputs[0] is None else outputs[0].reshape(z.shape)
            results.append(gradient)
        if self.derivatives[1]:
            hessian = np.empty(z.shape, self.element) if outputs[1] is None else outputs[1].reshape(z.shape)
            results.append(hessian)
        answer = np.empty(1)
        found, _ = self.run(z, t, float(count) if mean else 1.0, *results, count if mean else 1, answer)
        value = answer.item()
        return (value, gradient, hessian) if found == FINE and value == value else None


class _Pointwise(_Sweep):
    def __init__(self, program: Program, element: np.dtype[Any], wanted: tuple[bool, bool, bool]) -> None:
        self.prepared = prepared(program, 2 if wanted[2] else 1 if wanted[1] else 0, element)
        super().__init__(pointwise.sweep, element, wanted, **self.prepared.fixed)

    def __call__(self, z: Any, t: Any, mean: bool, axis: int, outputs: Outputs) -> Parts | None:
        shape = z.shape
        if t.dtype != self.element or shape != t.shape or z.flags.num & t.flags.num & _WHOLE != _WHOLE:
            return None
        if len(shape) == 1:
            return self.over(z, t, z.size, mean, outputs)
        return _shaped(self.over(z.reshape(-1), t.reshape(-1), z.size, mean, outputs), shape)


class _Labels(_Sweep):
    def __init__(self, program: Program, element: np.dtype[Any], wanted: tuple[bool, bool, bool]) -> None:
        self.loop, z_loss = program.loop(2, DOUBLE), dict(program.rule.options).get("z_loss") or 0.0
        fixed = {"loop": self.loop.address, "parameters": program.numbers, "z_loss": z_loss}
        super().__init__(labelwise.sweep_labels, element, wanted, **fixed)

    def __call__(self, z: Any, t: Any, mean: bool, axis: int, outputs: Outputs) -> Parts | None:
        shape = z.shape
        if t.dtype.kind != "i" or t.shape != shape[:-1] or z.flags.num & _WHOLE != _WHOLE:
            return None
        if type(axis) is not int or axis not in (-1, len(shape) - 1) or not shape:
            return None
        labels = t.astype(np.int64)  # a copy: who else writes to them now is not heard
        if len(shape) == 2:
            return self.over(z, labels.reshape(-1), labels.size, mean, outputs)
        rows = z.reshape(-1, shape[-1])
        return _shaped(self.over(rows, labels.reshape(-1), labels.size, mean, outputs), shape)


def _shaped(parts: Parts | None, shape: tuple[int, ...]) -> Parts | None:
    if parts is None:
        return None
    value, gradient, hessian = parts
    return (
        value,
        None if gradient is None else gradient.reshape(shape),
        None if hessian is None else hessian.reshape(shape),
    )
