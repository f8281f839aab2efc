"""Output layers: from logits to the predictions that a loss takes, and the gradient of the loss back to the logits.

The ``prediction`` of a loss decides the output layer:

=====================  ============================================  =====================
the loss takes         as                                            output
=====================  ============================================  =====================
real numbers, logits   ``softmax_cross_entropy``, ``huber``, ...     ``"identity"``
a probability          ``binary_cross_entropy``                      ``"sigmoid"``
rows of probabilities  ``categorical_cross_entropy``                 ``"softmax"``
log-probabilities      ``negative_log_likelihood``                   ``"log_softmax"``
=====================  ============================================  =====================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rashin.domain import Thresholds
from rashin.logits import log_softmax, sigmoid, softmax

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["OUTPUTS", "Output", "output_for"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Output:
    """A map from logits to predictions, both of shape (n, outputs).

    Parameters
    ----------
    forward : function that returns the prediction from logits.
    backward : function that returns d loss / d logits from the prediction and d loss / d prediction.
    """

    forward: Callable[[Array], Array]
    backward: Callable[[Array, Array], Array]


def _double(z: Array) -> Array:
    # A probability within 3e-8 of 1 is 1 in float32, and a wrong prediction then costs infinity; doubles resolve
    # 1e-16. The slopes below use the same rounded p as the loss, so that p and 1 - p cancel.
    return z.astype(np.float64)


def _sigmoid_backward(p: Array, gradient: Array) -> Array:
    slope = p * (1.0 - p)
    return gradient * slope


def _softmax_backward(p: Array, gradient: Array) -> Array:
    weighted = p * gradient
    drift: Array = p * weighted.sum(axis=1, keepdims=True)
    return weighted - drift


def _log_softmax_backward(log_p: Array, gradient: Array) -> Array:
    drift: Array = np.exp(log_p) * gradient.sum(axis=1, keepdims=True)
    return gradient - drift


OUTPUTS = {
    "identity": Output(lambda z: z, lambda _, gradient: gradient),
    "sigmoid": Output(lambda z: sigmoid(_double(z)), _sigmoid_backward),
    "softmax": Output(lambda z: softmax(_double(z)), _softmax_backward),
    "log_softmax": Output(lambda z: log_softmax(_double(z)), _log_softmax_backward),
}


def output_for(loss: Loss) -> str:
    """The name of the output layer with predictions that the loss takes, a key of ``OUTPUTS``.

    Raises
    ------
    ValueError : no output layer gives predictions in the domain of the loss.

    Examples
    --------
    >>> import rashin
    >>> output_for(rashin.softmax_cross_entropy), output_for(rashin.categorical_cross_entropy)
    ('identity', 'softmax')
    """
    if isinstance(loss.prediction, Thresholds):
        raise ValueError(
            f"loss: got {loss.name}, whose predictions are thresholds in order and a logit; expected a loss of real "
            "numbers, probabilities or rows of log-probabilities, for which there are output layers"
        )
    of_classes, entries = loss.prediction.has_classes, range(max(1, loss.prediction.columns))
    domain = min(map(loss.prediction.entry, entries), key=lambda entry: entry.high - entry.low)  # the narrowest
    bounds = (domain.low, domain.high)
    if bounds == (-np.inf, np.inf):
        return "identity"
    if domain.contains([1e-300, 0.5]).all() and domain.high <= 1.0:
        return "softmax" if of_classes else "sigmoid"
    if bounds == (-np.inf, 0.0) and of_classes:
        return "log_softmax"
    raise ValueError(
        f"loss: got {loss.name}, which takes {domain.description} as a prediction; expected a loss of real numbers, "
        "probabilities or rows of log-probabilities, for which there are output layers"
    )
