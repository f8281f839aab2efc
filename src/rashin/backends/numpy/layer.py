"""A linear layer by blocks: logits, and what their gradient makes of inputs, classifier and bias.

All logits of a batch, (N, C), would be the largest array of a training step by far. Here a block of rows at most is
there at a time, of :data:`LOGITS` bytes, or of :data:`ENOUGH` rows where these are no larger than the classifier: of
128256 classes and 256 features 1024 samples took 1.80 s with 64 rows at a time, and 1.48 with 256 (Zen 4, two cores).
Measured with 2048 samples, 512 features, 32000 classes in float32 on two cores, against the three matrix products alone
over a full (N, C):

    blocks of 256 rows, d_classifier added by chunks of classes that stay in the cache    1.10
    the same in blocks of 342, 410, 512 rows (42, 50, 62 MiB)                             1.08, 1.05, 1.03

With the sweep, and 448 rows at a time, value and gradients take 1.13, of which 0.04 are not ours: the threads of
OpenBLAS spin for a while after each product, when the sweep wants the cores (1.09 with OPENBLAS_THREAD_TIMEOUT=4 in the
environment).

Rejected: a pass for logsumexp and then blocks of classes, for which d_classifier needs no addition, costs the product
for the logits twice (by arithmetic 1.33; not measured). Adding inside BLAS (beta = 1) is out of NumPy's reach.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.results import gradient_type
from rashin.domain import REAL
from rashin.kernels import threads
from rashin.kernels.linear import column_sums

__all__ = ["Gradients", "Layer", "checked_layer", "height", "ready"]

LOGITS = 56 << 20  # bytes of a block of logits
GATHERED = 44 << 20  # the same where the sweep needs buffers of its own; with them it stays below 64 MiB
LEAST, MOST = 64, 2048  # rows of a block, in steps of LEAST, which BLAS likes, however many classes there are
ENOUGH = 256  # rows for which BLAS need not wait for the classifier; so many if they are no larger than that
CHUNK = 2 << 20  # bytes of a chunk of classes, which is added, or converted to the type of the products, at a time
PIECE = 1 << 17  # logits that one thread adds the bias to at a time
COLUMNS = 1 << 12  # of the bias, summed at a time by one thread

_SINGLE = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Layer:
    """Inputs (N, D), classifier (C, D) and bias (C,), and the rows that count; None is all of them.

    ``room`` is what a block of logits may take, in bytes.
    """

    inputs: NDArray[Any]
    classifier: NDArray[Any]
    bias: NDArray[Any] | None
    chosen: NDArray[np.intp] | None
    room: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the products: float32 unless something is wider than that."""
        arrays = (self.inputs, self.classifier, self.bias)
        single = all(a is None or a.dtype.name in _SINGLE for a in arrays)
        return np.dtype(np.float32 if single else np.float64)

    @property
    def classes(self) -> int:
        """C."""
        return len(self.classifier)

    def blocks(self) -> Iterator[Any]:
        """Indices of the rows of each block: slices, or arrays where rows are left out."""
        rows = len(self.inputs) if self.chosen is None else len(self.chosen)
        step = height(self.classes, self.inputs.shape[1], self.dtype, self.room)
        for start in range(0, rows, step):
            part = slice(start, min(start + step, rows))
            yield part if self.chosen is None else self.chosen[part]

    def buffer(self) -> NDArray[Any]:
        """Room for the logits of the largest block."""
        rows = max((len(self.inputs[block]) for block in self.blocks()), default=0)
        return np.empty((rows, self.classes), self.dtype)

    def read(self, block: Any) -> NDArray[Any]:
        """The inputs of a block in the type of the products."""
        return ready(self.inputs[block], self.dtype)

    def logits(self, x: NDArray[Any], buffer: NDArray[Any]) -> NDArray[Any]:
        """The logits of a block of inputs."""
        z = buffer[: len(x)]
        with np.errstate(all="ignore"):
            for part, w in self.parts():
                np.matmul(x, w.T, out=z[:, part])
        if self.bias is not None:
            _add_to_rows(z, ready(self.bias, self.dtype))
        return z

    def parts(self) -> Iterator[tuple[slice, NDArray[Any]]]:
        """The classifier in the type of the products: as it is if it has that, else converted by chunks."""
        flags = self.classifier.flags
        if self.classifier.dtype == self.dtype and flags.aligned and (flags.c_contiguous or flags.f_contiguous):
            yield slice(None), self.classifier
            return
        for part in self.chunks():
            yield part, ready(self.classifier[part], self.dtype)

    def chunks(self) -> Iterator[slice]:
        """The classes in chunks."""
        step = max(64, CHUNK // (max(1, self.inputs.shape[1]) * self.dtype.itemsize))
        for start in range(0, self.classes, step):
            yield slice(start, min(start + step, self.classes))

    @np.errstate(invalid="ignore")  # a signalling NaN would warn as it is converted
    def refuse_nan(self, row: int, column: int) -> NoReturn:
        """Words for the logit NaN of a row and class."""
        for name, array, place in (("inputs", self.inputs, row), ("classifier", self.classifier, column)):
            wrong = np.isnan(array[place].astype(np.float64))
            if wrong.any():
                checks.refuse_prediction(np.nan, (place, int(np.argmax(wrong))), REAL, name)
        if self.bias is not None and math.isnan(self.bias[column]):
            checks.refuse_prediction(np.nan, (column,), REAL, "bias")
        raise ValueError(
            f"inputs: row {row} and row {column} of the classifier give the logit nan, since infinities meet there "
            f"(or products beyond {self.dtype}); expected rows whose product is a number; fix: replace what is infinite"
            f"{', or use float64' if self.dtype == np.float32 else ''}"
        )


def height(classes: int, features: int, dtype: np.dtype[Any], room: int = LOGITS) -> int:
    """How many rows to a block."""
    most = max(room // (classes * dtype.itemsize), min(ENOUGH, features))
    return min(max(most - most % LEAST, LEAST), MOST)


def _add_to_rows(z: NDArray[Any], row: NDArray[Any]) -> None:
    """Add ``row`` to each row of ``z``, in our threads: BLAS is at rest."""

    def work(mine: Iterator[int]) -> None:
        with np.errstate(all="ignore"):
            for first in mine:
                part = z[first : first + step]
                np.add(part, row, out=part)

    step = max(1, PIECE // len(row))
    threads.share(work, range(0, len(z), step), threads.count() if z.size > PIECE else 1)


def ready(part: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A copy that BLAS takes, or the array itself if BLAS takes that."""
    with np.errstate(over="ignore"):
        return np.require(part, dtype, ["C", "A"])


def checked_layer(inputs: Any, classifier: Any, bias: Any, where: NDArray[np.bool_] | None, room: int) -> Layer:
    """The layer of checked shapes."""
    x, w = checks.array("inputs", inputs), checks.array("classifier", classifier)
    if x.ndim != 2:
        raise ValueError(
            f"inputs: got shape {x.shape}; expected (N, D), a row per sample; fix: use inputs.reshape(-1, D) and "
            f"target.reshape(-1)"
        )
    if w.ndim != 2 or len(w) == 0 or w.shape[1] != x.shape[1]:
        hint = "; fix: use classifier.T" if w.ndim == 2 and w.shape[0] == x.shape[1] else ""
        raise ValueError(
            f"classifier: got shape {w.shape} for inputs of shape {x.shape}; expected (C, {x.shape[1]}), a row per "
            f"class, one class at least{hint}"
        )
    b = None if bias is None else checks.array("bias", bias)
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(
            f"bias: got shape {b.shape} for a classifier of shape {w.shape}; expected one number per class, "
            f"shape {w.shape[:1]}"
        )
    return Layer(x, w, b, None if where is None else np.flatnonzero(where), room)


class Gradients:
    """The gradients by inputs, classifier and bias, block after block."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.inputs = np.zeros(layer.inputs.shape, gradient_type(layer.inputs))
        self._classifier = np.empty(layer.classifier.shape, layer.dtype)
        self._bias = None if layer.bias is None else np.zeros(layer.classes)
        self._begun = False
        self._spare = self._classifier[next(layer.chunks())].copy()

    def add(self, block: Any, x: NDArray[Any], g: NDArray[Any], weight: NDArray[Any] | None) -> None:
        """Add what a block of inputs ``x`` does, the gradient by its logits being ``g``."""
        skipped = None if weight is None else weight == 0.0
        if skipped is not None and skipped.any():  # 0 * inf must not appear
            x = np.where(skipped[:, None], 0.0, x).astype(x.dtype)
        with np.errstate(all="ignore"):
            self._add_to_inputs(block, g, skipped)
            self._add_to_classifier(x, g)
        if self._bias is not None:
            self._add_to_bias(g)

    def _add_to_inputs(self, block: Any, g: NDArray[Any], skipped: NDArray[np.bool_] | None) -> None:
        parts = self.layer.parts()
        direct = isinstance(block, slice) and self.inputs.dtype == g.dtype
        total = self.inputs[block] if direct else np.empty((len(g), self.inputs.shape[1]), g.dtype)
        part, w = next(parts)
        np.matmul(g[:, part], w, out=total)
        for part, w in parts:
            total += np.matmul(g[:, part], w)
        if skipped is not None:
            total[skipped] = 0.0
        if not direct:
            self.inputs[block] = total

    def _add_to_classifier(self, x: NDArray[Any], g: NDArray[Any]) -> None:
        if not self._begun:
            np.matmul(g.T, x, out=self._classifier)
            self._begun = True
            return
        for part in self.layer.chunks():
            total = self._classifier[part]
            total += np.matmul(g[:, part].T, x, out=self._spare[: len(total)])

    def _add_to_bias(self, g: NDArray[Any]) -> None:
        """Column sums, in double and in our threads: BLAS is at rest."""
        sweep, sums = column_sums(g.dtype), self._bias

        def work(mine: Iterator[int]) -> None:
            for first in mine:
                sweep(g, first, min(first + COLUMNS, g.shape[1]), sums)

        threads.share(work, range(0, g.shape[1], COLUMNS), threads.count() if g.size > PIECE else 1)

    def sums(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """The three as they are summed: the classifier's in the type of the products, the bias's in double."""
        if not self._begun:
            self._classifier[...] = 0.0
        return self.inputs, self._classifier, self._bias

    def finished(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """The three, in the types of what they are gradients by."""
        (inputs, classifier, bias), layer = self.sums(), self.layer
        with np.errstate(over="ignore", under="ignore"):
            classifier = classifier.astype(gradient_type(layer.classifier), copy=False)
            if layer.bias is None or bias is None:
                return inputs, classifier, None
            return inputs, classifier, bias.astype(gradient_type(layer.bias))
