"""Samples that fit a network and a loss, checked once, and used one mini-batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin import checks
from rashin.learn.network.outputs import output_for
from rashin.learn.samples.targets import targets_for
from rashin.refusal import Refusal

if TYPE_CHECKING:
    from rashin.learn.network.network import Network
    from rashin.loss import Loss

__all__ = ["Samples", "blocks", "samples_for"]

Array = NDArray[Any]

CELLS = 1 << 20  # numbers per chunk, so that data larger than memory can be read from a file


class Samples(NamedTuple):
    """The samples that a network is trained on; ``samples_for`` makes them.

    Attributes
    ----------
    x : inputs (n, inputs).
    target : targets as the loss takes them: labels (n,), or numbers (n, outputs).
    labels : class of each sample, (n,); None if targets are numbers.
    weight : weight of each sample, (n,); None if all count equally.
    """

    x: Array
    target: Array
    labels: NDArray[np.int64] | None
    weight: Array | None

    def rows(self, chosen: Any, room: Array | None = None) -> Samples:
        """The samples at ``chosen``, indices or a slice; x is written to ``room`` if given."""
        target = self.target[chosen]
        labels = target if self.labels is self.target else None if self.labels is None else self.labels[chosen]
        x = self.x[chosen] if room is None else _gathered(self.x, chosen, room)
        return Samples(x, target, labels, None if self.weight is None else self.weight[chosen])

    @property
    def total(self) -> float:
        """The total weight of the samples: their number if all count equally."""
        return float(len(self.target) if self.weight is None else self.weight.sum(dtype=np.float64))


def _gathered(x: Array, chosen: Any, room: Array) -> Array:
    """The chosen rows of x in the first rows of ``room``, in its dtype."""
    if isinstance(chosen, slice):
        part = x[chosen]
        if part.dtype == room.dtype:
            return part
        place = room[: len(part)]
        place[...] = part
        return place
    place = room[: len(chosen)]
    if x.dtype == room.dtype and x.flags.carray:  # otherwise `take` would first copy all of x
        return np.take(x, chosen, axis=0, out=place, mode="clip")  # 'raise' would fill a buffer of its own first
    place[...] = x[chosen]
    return place


def samples_for(
    network: Network, loss: Loss, x: ArrayLike, target: ArrayLike, weight: ArrayLike | None = None
) -> Samples:
    """Samples for training, after a check that network, loss and data fit together.

    Parameters
    ----------
    network : network with the output layer that the loss needs, ``output_for(loss)``.
    x : inputs (n, inputs), finite; best in the dtype of the network, as they are then never copied as a whole.
    target : labels (n,) or numbers (n, outputs), see ``targets_for``. Rows of data frames and series are matched by
        position; an index is ignored.
    weight : weights (n,), finite and >= 0, or None.

    Raises
    ------
    ValueError : something does not fit; the message names it.
    TypeError : x or the target does not contain real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> samples_for(Network((1, 3)), rashin.huber, np.zeros((2, 1)), [2, 0]).target
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    if network.output != output_for(loss):
        raise ValueError(
            f"network: got output={network.output!r}; expected {output_for(loss)!r}, which {loss.name} needs"
        )
    x, (inputs, *_, outputs) = checks.array("x", x), network.sizes  # for a memory map this is a view
    if x.ndim != 2 or x.shape[1] != inputs:
        raise ValueError(f"x: got shape {x.shape}; expected (n, {inputs}), as the network takes")
    values, labels = targets_for(loss, target, outputs)
    if len(x) != len(values):
        raise ValueError(f"target: got {len(values)} rows; expected {len(x)}, one for each row of x")
    if len(x) == 0:
        raise ValueError("x: got no samples; expected at least one")
    check_finite("x", x)
    return Samples(x, values, labels, None if weight is None else _checked_weight(weight, len(x)))


def _checked_weight(weight: ArrayLike, n: int) -> Array:
    checked = checks.weights(weight, (n,))
    checks.weights_fit(checked, None)
    if not checked.any():
        raise ValueError("weight: got zero for all samples; expected at least one weight > 0")
    return checked


def check_finite(name: str, x: Array) -> None:
    """Raise for the first number of x, (n, ...), that is not finite.

    Raises
    ------
    ValueError : there is one; the message names it by ``name`` and its index.
    """
    if x.dtype.kind != "f":
        return
    for rows in blocks(x.reshape(len(x), -1)):
        finite = np.isfinite(x[rows])
        if not finite.all():
            row, *place = (int(i) for i in np.argwhere(~finite)[0])
            got, index = str(x[rows][(row, *place)]), (rows.start + row, *place)
            raise Refusal(name, got, "finite numbers", "leave the row out or fill it in", index)


def blocks(x: Array) -> Iterator[slice]:
    """Slices of rows that cover x, (n, inputs), each of about ``CELLS`` numbers."""
    n, size = x.shape[0], max(1, CELLS // max(1, x.shape[1]))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
