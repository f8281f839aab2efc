"""Where the loss meets the network: one number to go by, and its gradient for the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rashin.learn.history import Score
from rashin.learn.outputs import output_for
from rashin.learn.targets import check_labels, class_targets

if TYPE_CHECKING:
    from rashin.learn.network import Network
    from rashin.loss import Loss

__all__ = ["accuracy", "evaluate", "loss_per_sample", "loss_per_sample_and_gradient"]

Array = NDArray[Any]


def loss_per_sample(loss: Loss, prediction: Array, target: Array) -> float:
    """The loss summed over each row and averaged over the n rows of ``prediction``, of shape (n, outputs)."""
    total: float = loss(prediction, target, reduction="sum")
    return total / len(prediction)


def loss_per_sample_and_gradient(
    loss: Loss, prediction: Array, target: Array, out: Array | None = None
) -> tuple[float, Array]:
    """``loss_per_sample`` and its gradient with respect to ``prediction``, written to ``out`` where given."""
    total, gradient = loss.value_and_gradient(prediction, target, reduction="sum", out=out)
    gradient /= len(prediction)
    return total / len(prediction), gradient


def accuracy(prediction: Array, labels: ArrayLike) -> float:
    """The share of rows whose largest entry stands at the label.

    Examples
    --------
    >>> import numpy as np
    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), [1, 1])
    0.5
    """
    return float(np.mean(prediction.argmax(axis=1) == np.asarray(labels)))


def evaluate(network: Network, loss: Loss, x: Array, labels: ArrayLike) -> Score:
    """The exact mean loss per sample and the accuracy over all of ``x``, (n, inputs), with ``labels``, (n,).

    Raises
    ------
    ValueError : the network's output layer, the labels or their number do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import rashin
    >>> from rashin.learn import Network
    >>> network = Network((2, 2), seed=0)
    >>> network.parameters[0][:] = 0.0
    >>> evaluate(network, rashin.softmax_cross_entropy, np.ones((4, 2), np.float32), [0, 1, 1, 1])
    Score(loss=0.6931471805599453, accuracy=0.25)
    """
    target = fitting_targets(network, loss, x, labels)
    prediction = network.predict(x)
    return Score(loss_per_sample(loss, prediction, target), accuracy(prediction, labels))


def fitting_targets(network: Network, loss: Loss, x: Array, labels: ArrayLike) -> Array:
    """Targets for the labels, once network, loss and data are known to fit together."""
    if network.output != output_for(loss):
        raise ValueError(
            f"{loss.name} needs a network with output={output_for(loss)!r}; this one has {network.output!r}"
        )
    inputs, outputs = network.sizes[0], network.sizes[-1]
    if x.ndim != 2 or x.shape[1] != inputs:
        raise ValueError(f"x must have shape (n, {inputs}) for this network; got {x.shape}")
    checked = check_labels(labels, outputs)
    if len(x) != len(checked):
        raise ValueError(f"x and labels must have the same length; got {len(x)} and {len(checked)}")
    if len(x) == 0:
        raise ValueError("x holds no samples")
    return class_targets(loss, checked, outputs)
