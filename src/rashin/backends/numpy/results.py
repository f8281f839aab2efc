"""What the NumPy evaluations share: the request, element types, result arrays, and threads with one failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.domain import Domain
from rashin.exact import Limbs, empty_limbs
from rashin.kernels import threads
from rashin.kernels.formula import Formula

__all__ = ["Results", "Rule", "Wanted", "element_type", "gradient_type", "job", "place_in", "store"]

PARALLEL = 1 << 17  # elements below which a second thread costs more than it brings

_NARROW = {np.dtype(t) for t in ("f4", "f2", "i1", "u1", "i2", "u2", "?")}


class Rule:
    """A loss as the backend sees it: formula, numbers and domains; ``options`` are those of the row kernel."""

    def __init__(
        self,
        kind: str,
        formula: Formula,
        parameters: tuple[float | None, ...],
        options: dict[str, float | None],
        prediction: Domain,
        target: Domain,
        separable: bool,
    ) -> None:
        self.kind, self.formula, self.parameters, self.options = kind, formula, parameters, options
        self.prediction, self.target, self.separable = prediction, target, separable
        # The parameters as the compiled loop takes them.
        self.numbers = np.array([np.nan if p is None else p for p in parameters], dtype=np.float64)


class Wanted(NamedTuple):
    """Which arrays an evaluation fills; the exact sum comes always."""

    values: bool
    gradient: bool
    hessian: bool

    @property
    def order(self) -> int:
        """The highest derivative."""
        return 2 if self.hessian else 1 if self.gradient else 0


class Results:
    """The exact sum of w l, and the arrays that were asked for.

    Where the caller's ``out`` overlaps an input, the gradient is kept aside until all is computed, so that an error
    leaves the inputs whole.
    """

    def __init__(
        self,
        samples: tuple[int, ...],
        z: NDArray[Any],
        wanted: Wanted,
        out: NDArray[Any] | None,
        inputs: Iterable[NDArray[Any] | None],
    ) -> None:
        dtype = gradient_type(z)
        overlaps = out is not None and any(a is not None and np.may_share_memory(out, a) for a in inputs)
        self._out = out
        self.values = np.empty(samples, dtype) if wanted.values else None
        self.gradient = None
        if wanted.gradient:
            self.gradient = np.empty(z.shape, dtype) if out is None or overlaps else out
        self.hessian = np.empty(z.shape, dtype) if wanted.hessian else None
        self.limbs = empty_limbs()

    def finished(self, limbs: Limbs) -> Results:
        """With the sum, and the gradient where the caller wants it."""
        self.limbs = limbs
        if self._out is not None and self._out is not self.gradient:
            self._out[...] = self.gradient
            self.gradient = self._out
        return self


def gradient_type(prediction: NDArray[Any]) -> np.dtype[Any]:
    """The prediction's dtype if it is floating, else float64."""
    floating = prediction.dtype.kind == "f" or prediction.dtype.name == "bfloat16"
    return prediction.dtype.newbyteorder("=") if floating else np.dtype(np.float64)


def element_type(prediction: NDArray[Any], target: NDArray[Any] | None = None) -> np.dtype[Any]:
    """float32 where the sweep may read and write single precision without a second rounding, else float64."""
    narrow = gradient_type(prediction) == np.float32 and (
        target is None or target.dtype.newbyteorder("=") in _NARROW or target.dtype.name == "bfloat16"
    )
    return np.dtype(np.float32 if narrow else np.float64)


def place_in(result: NDArray[Any] | None, box: Any, buffer: NDArray[Any], cells: int) -> NDArray[Any]:
    """Where a sweep writes: into the result if it lies well, else into the buffer; empty if nothing is wanted."""
    if result is None:
        return buffer[:0]
    part = result[box]
    if part.dtype == buffer.dtype and part.flags.c_contiguous and part.flags.aligned:
        return part.reshape(-1)  # type: ignore[no-any-return]
    return buffer[:cells]


def store(result: NDArray[Any] | None, box: Any, row: NDArray[Any], buffer: NDArray[Any]) -> None:
    """Put a row of the buffer back in its box, rounded to the result's type; other rows are there already."""
    if result is not None and row.base is buffer:
        part = result[box]
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            np.copyto(part, row.reshape(part.shape), casting="unsafe")


def job(sweep_pieces: Callable[[Iterator[Any], Limbs], None], pieces: Iterable[Any], elements: int) -> Limbs:
    """Run ``sweep_pieces`` over all pieces, in threads if there are many elements; the sum of their limbs.

    Of several failures the one of the earliest piece is raised, whatever the threads did: pieces are handed out in
    order, so that it has been seen.
    """

    workers = threads.count() if elements >= PARALLEL else 1
    if workers == 1:
        limbs = empty_limbs()
        sweep_pieces(iter(pieces), limbs)
        return limbs

    def work(mine: Iterator[tuple[int, Any]]) -> tuple[Limbs, tuple[int, Exception] | None]:
        limbs = empty_limbs()
        reached = [0]

        def unnumbered() -> Iterator[Any]:
            for reached[0], piece in mine:
                yield piece

        try:
            sweep_pieces(unnumbered(), limbs)
        except ValueError as error:
            return limbs, (reached[0], error)
        return limbs, None

    answers = threads.share(work, enumerate(pieces), workers)
    failures = [failure for _, failure in answers if failure is not None]
    if failures:
        raise min(failures, key=lambda failure: failure[0])[1]
    return np.sum([limbs for limbs, _ in answers], axis=0)  # type: ignore[no-any-return]
