"""Measurements around a trained network, for the pictures of an explanation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin import checks
from rashin.learn import (
    Curve,
    Direction,
    Landscape,
    MinibatchLosses,
    loss_and_accuracy_along,
    loss_gradient,
    loss_landscape,
    minibatch_losses,
    samples_for,
)

if TYPE_CHECKING:
    from rashin.learn import Network
    from rashin.loss import Loss

__all__ = ["STAGES", "Explanation", "explain"]

Array = NDArray[Any]

STAGES = ("mini-batches", "gradient", "downhill", "one weight", "landscape")

_REACHES = tuple(float(f"{digit}e{exponent}") for exponent in range(-3, 2) for digit in (1, 2, 5))
_STAIRS = 12  # different accuracies in the widest view, enough for a visible staircase
_POINTS = 401


@dataclass(frozen=True, eq=False)
class Explanation:
    """Loss and accuracy around a network, and the losses of mini-batches around the loss of all data.

    Attributes
    ----------
    loss, network, data : name of the loss, sizes of the network such as ``64-50-10``, and name of the data.
    samples, of : number of samples used, and number from which they were drawn.
    downhill : curves for moving all parameters against the gradient, from the widest view to one with constant
        accuracy.
    weight : curves for moving the one weight with the largest derivative.
    weight_name : name of that weight, such as ``weight_2[41, 8]``.
    landscape : loss and accuracy over two random directions.
    minibatches : losses of mini-batches, drawn from all data.
    """

    loss: str
    network: str
    data: str
    samples: int
    of: int
    downhill: tuple[Curve, ...]
    weight: tuple[Curve, ...]
    weight_name: str
    landscape: Landscape
    minibatches: MinibatchLosses


def explain(
    network: Network,
    x: Array,
    labels: ArrayLike,
    loss: Loss,
    *,
    data: str = "data",
    samples: int = 10_000,
    seed: int = 0,
    callback: Callable[[str], object] | None = None,
) -> Explanation:
    """Measure why training follows the loss: the loss is smooth, and the accuracy is a staircase.

    Parameters
    ----------
    network, x, labels, loss : as in ``evaluate``.
    data : name of the data.
    samples : largest number of samples for curves and landscape, drawn at random; mini-batches are drawn from all.
    seed : seed for the random draws.
    callback : function that is called with the name of each stage, one of ``STAGES``, when it begins.

    Raises
    ------
    ValueError : network, loss and data do not fit together, there are no classes, the loss of a sample is infinite, or
        the gradient is 0.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> x, labels = np.eye(6, dtype=np.float32), np.arange(6) % 3
    >>> found = explain(Network((6, 4, 3)), x, labels, rashin.softmax_cross_entropy)
    >>> found.downhill[0].slope < 0, int(np.ptp(found.downhill[-1].accuracy))
    (True, 0)
    """
    begin = callback or (lambda stage: None)
    begin("mini-batches")
    fitting = samples_for(network, loss, x, labels)
    if fitting.labels is None:
        raise ValueError("labels: got numbers; expected classes, whose accuracy is shown beside the loss")
    minibatches = minibatch_losses(network, x, labels, loss, seed=seed)
    chosen_x, chosen_labels = _drawn(fitting.x, checks.array("labels", labels), samples, seed)
    begin("gradient")
    gradient = loss_gradient(network, chosen_x, chosen_labels, loss)
    downhill, weight, weight_name = _directions(gradient)

    def views(direction: Direction) -> tuple[Curve, ...]:
        def along(reach: float, points: int) -> Curve:
            offsets = reach * np.linspace(-1.0, 1.0, points)
            return loss_and_accuracy_along(network, direction, chosen_x, chosen_labels, loss, offsets=offsets)

        return _zoomed(along)

    begin("downhill")
    all_parameters = views(downhill)
    begin("one weight")
    one_weight = views(weight)
    begin("landscape")
    landscape = loss_landscape(network, chosen_x, chosen_labels, loss, seed=seed)
    return Explanation(
        loss=loss.name,
        network="-".join(str(size) for size in network.sizes),
        data=data,
        samples=len(chosen_x),
        of=len(fitting.x),
        downhill=all_parameters,
        weight=one_weight,
        weight_name=weight_name,
        landscape=landscape,
        minibatches=minibatches,
    )


def _drawn(x: Array, labels: Array, samples: int, seed: int) -> tuple[Array, Array]:
    if not isinstance(samples, int | np.integer) or samples < 1:
        raise ValueError(f"samples: got {samples!r}; expected a whole number >= 1")
    if len(x) <= samples:
        return x, labels
    chosen = np.sort(np.random.default_rng(seed).choice(len(x), samples, replace=False))
    return x[chosen], labels[chosen]


def _directions(gradient: list[Array]) -> tuple[list[Array], tuple[int, tuple[int, ...]], str]:
    """The direction of steepest descent, of length 1; and the weight with the largest derivative, with its name."""
    length = float(np.sqrt(sum(np.vdot(part, part) for part in gradient)))
    if length == 0.0:
        raise ValueError("x: got samples on which the gradient is 0; expected a gradient to follow downhill")
    steepest = max(range(0, len(gradient), 2), key=lambda index: float(np.abs(gradient[index]).max()))
    place = np.unravel_index(np.abs(gradient[steepest]).argmax(), gradient[steepest].shape)
    row, column = (int(i) for i in place)
    return (
        [-part / length for part in gradient],
        (steepest, (row, column)),
        f"weight_{steepest // 2 + 1}[{row}, {column}]",
    )


def _zoomed(along: Callable[[float, int], Curve]) -> tuple[Curve, ...]:
    """Three views: a staircase; a fifth of it, with a few steps; and one so close that no sample changes sides."""
    wide = next((reach for reach in _REACHES if np.unique(along(reach, 41).accuracy).size >= _STAIRS), _REACHES[-1])
    zooms = (10.0**k for k in range(2, 9))
    near = next((c for zoom in zooms if np.ptp((c := along(wide / zoom, 101)).accuracy) == 0.0), None)
    curves = (along(wide, _POINTS), along(wide / 5, _POINTS), near)
    return tuple(curve for curve in curves if curve is not None)
