"""What the NumPy evaluations share: the request, element types, result arrays, and threads with one failure."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.exact import Limbs, empty_limbs
from rashin.kernels import threads
from rashin.kernels.formula import Loop, compiled, takes_of

if TYPE_CHECKING:
    from rashin.rule import Rule

__all__ = [
    "DOUBLE",
    "NOTHING",
    "NOTHING_OF",
    "NO_DOUBLES",
    "NO_LIMBS",
    "NO_OUTPUTS",
    "PARALLEL",
    "Outputs",
    "Program",
    "Results",
    "Wanted",
    "chunk_size",
    "element_type",
    "gradient_type",
    "job",
]

PARALLEL = 1 << 17  # elements below which a second thread costs more than it brings

DOUBLE = np.dtype(np.float64)
NOTHING_OF = {np.dtype(t): np.empty(0, t) for t in (np.float32, np.float64)}  # stands for arrays that are not wanted
NO_DOUBLES, NO_LIMBS = NOTHING_OF[DOUBLE], np.empty(0, np.int64)
_NARROW = {np.dtype(t) for t in ("f4", "f2", "i1", "u1", "i2", "u2", "?")}


class Program:
    """A rule as the sweeps run it: its numbers in an array, and the loops that are compiled for it so far."""

    def __init__(self, rule: Rule) -> None:
        self.rule, self.takes = rule, takes_of(rule)
        self.numbers = np.array([np.nan if p is None else p for p in rule.parameters], dtype=np.float64)
        self._loops: dict[tuple[int, np.dtype[Any]], Loop] = {}
        self.prepared: dict[tuple[int, np.dtype[Any]], Any] = {}  # what a kind of sweep needs besides the samples
        self.direct: dict[tuple[np.dtype[Any], tuple[bool, bool, bool]], Any] = {}  # the same for small arrays

    def loop(self, order: int, element: np.dtype[Any]) -> Loop:
        """The formula compiled for arrays of the element type, up to a derivative."""
        loop = self._loops.get((order, element))
        if loop is None:
            rule = self.rule
            loop = compiled(rule.formula, rule.parameters, order, element, self.takes, rule.columns)
            self._loops[order, element] = loop
        return loop


class Wanted(NamedTuple):
    """Which arrays an evaluation fills; the exact sum comes always.

    Values that are not ``rounded`` are doubles, whatever the prediction's type.
    """

    values: bool
    gradient: bool
    hessian: bool
    rounded: bool = True

    @property
    def order(self) -> int:
        """The highest derivative."""
        return 2 if self.hessian else 1 if self.gradient else 0


NOTHING = Wanted(False, False, False)  # but the sum, and errors


class Outputs(NamedTuple):
    """The caller's arrays for the derivatives, which do not overlap each other."""

    gradient: NDArray[Any] | None
    hessian: NDArray[Any] | None


NO_OUTPUTS = Outputs(None, None)


class Results:
    """The exact sum of w l, and the arrays that were asked for.

    Where an array of the caller's is the prediction itself, the sweep may write in place, once a first one has found
    nothing wrong. Where it overlaps an input otherwise, the derivative is kept aside until all is computed. So an error
    leaves the inputs whole.
    """

    def __init__(
        self,
        samples: tuple[int, ...],
        z: NDArray[Any],
        wanted: Wanted,
        out: Outputs | None,
        inputs: Iterable[NDArray[Any] | None],
    ) -> None:
        dtype = gradient_type(z)
        others = [a for a in inputs if a is not None]
        self._out = out or NO_OUTPUTS
        self.in_place = any(a is not None and _in_place(a, z, others) for a in self._out)
        self.values = np.empty(samples, dtype if wanted.rounded else DOUBLE) if wanted.values else None
        self.gradient = _place(self._out.gradient, z, others) if wanted.gradient else None
        self.hessian = _place(self._out.hessian, z, others) if wanted.hessian else None
        self.limbs = empty_limbs()

    def finished(self, limbs: Limbs) -> Results:
        """With the sum, and the derivatives where the caller wants them."""
        self.limbs = limbs
        self.gradient = _moved(self.gradient, self._out.gradient)
        self.hessian = _moved(self.hessian, self._out.hessian)
        return self


def _place(out: NDArray[Any] | None, z: NDArray[Any], others: list[NDArray[Any]]) -> NDArray[Any]:
    """Where a derivative is written: the caller's array, or one of its own."""
    if out is None or (_overlaps(out, [z, *others]) and not _in_place(out, z, others)):
        return np.empty(z.shape, gradient_type(z))
    return out


def _in_place(out: NDArray[Any], z: NDArray[Any], others: list[NDArray[Any]]) -> bool:
    """Whether a sweep may write to the caller's array while it reads the prediction, being the same memory."""
    return _same_array(out, z) and not _overlaps(out, others)


def _moved(derivative: NDArray[Any] | None, out: NDArray[Any] | None) -> NDArray[Any] | None:
    """The derivative in the caller's array, if there is one."""
    if out is None or out is derivative:
        return derivative
    out[...] = derivative
    return out


def _same_array(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.strides == b.strides and a.ctypes.data == b.ctypes.data


def _overlaps(out: NDArray[Any], others: Iterable[NDArray[Any]]) -> bool:
    return any(np.may_share_memory(out, other) for other in others)


def gradient_type(prediction: NDArray[Any]) -> np.dtype[Any]:
    """The prediction's dtype if it is floating, else float64."""
    return _gradient_type(prediction.dtype)


@functools.cache
def _gradient_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder("=") if dtype.kind == "f" or dtype.name == "bfloat16" else DOUBLE


def element_type(prediction: NDArray[Any], target: NDArray[Any] | None = None) -> np.dtype[Any]:
    """float32 where the sweep may read single precision, else float64.

    Results of 16 bits are then rounded twice, the first time to 13 or 16 bits more than they have.
    """
    return _element_type(prediction.dtype, None if target is None else target.dtype)


@functools.cache
def _element_type(prediction: np.dtype[Any], target: np.dtype[Any] | None) -> np.dtype[Any]:
    narrow = _gradient_type(prediction) in (np.float32, np.float16) or prediction.name == "bfloat16"
    narrow = narrow and (target is None or target.newbyteorder("=") in _NARROW or target.name == "bfloat16")
    return np.dtype(np.float32) if narrow else DOUBLE


def chunk_size(elements: int, most: int) -> int:
    """How many elements to hand out at a time: ``most``, or less where a thread would get none or too few of them."""
    if elements < PARALLEL:
        return min(elements, most)
    return min(most, -(-elements // (2 * threads.count())))


def job(sweep_chunks: Callable[[Iterator[Any], Limbs], None], chunks: Iterable[Any], elements: int) -> Limbs:
    """Run ``sweep_chunks`` over all chunks, in threads if there are many elements; the sum of their limbs.

    Of several failures the one of the earliest chunk is raised, whatever the threads did: chunks are handed out in
    order, so that it has been seen.
    """
    workers = threads.count() if elements >= PARALLEL else 1
    if workers == 1:
        limbs = empty_limbs()
        sweep_chunks(iter(chunks), limbs)
        return limbs

    def work(mine: Iterator[tuple[int, Any]]) -> tuple[Limbs, tuple[int, Exception] | None]:
        limbs = empty_limbs()
        reached = [0]

        def unnumbered() -> Iterator[Any]:
            for reached[0], chunk in mine:
                yield chunk

        try:
            sweep_chunks(unnumbered(), limbs)
        except ValueError as error:
            return limbs, (reached[0], error)
        return limbs, None

    answers = threads.share(work, enumerate(chunks), workers)
    failures = [failure for _, failure in answers if failure is not None]
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]
    return np.sum([limbs for limbs, _ in answers], axis=0)  # type: ignore[no-any-return]
