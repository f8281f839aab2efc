"""What LightGBM calls in a training: the loss as objective and as metric.

Nothing here needs LightGBM.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from rashin.adapters import boosting

if TYPE_CHECKING:
    from rashin.adapters.boosting import Derivatives
    from rashin.loss import Loss

__all__ = ["LIBRARY", "Metric", "Objective"]

Array = NDArray[Any]


def _enlarged(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """K / (K - 1) times p (1 - p)."""
    classes = z.shape[-1]
    enlarged: Array = h * h.dtype.type(classes / (classes - 1.0))
    return enlarged


LIBRARY: Mapping[str, boosting.Curvature] = MappingProxyType(
    {
        "half_squared_error": boosting.exact,
        "sigmoid_cross_entropy": boosting.exact,
        "softmax_cross_entropy": _enlarged,
        "poisson": boosting.overestimated,
        "gamma": boosting.exact,
        "tweedie": boosting.exact,
        "huber": boosting.unit,
        "fair": boosting.exact,
        "absolute_error": boosting.unit,
        "quantile": boosting.unit,
    }
)


class Objective:
    """What LightGBM calls for the derivatives: ``params["objective"]``, or ``objective`` of its estimators.

    It takes (prediction, Dataset), or (target, prediction, weight) from an estimator, and returns the gradient and the
    curvature of each sample. It can be pickled.
    """

    def __init__(self, derivatives: Derivatives) -> None:
        self.derivatives = derivatives
        self.__name__ = derivatives.loss.name

    def __call__(self, first: Any, second: Any, weight: Any = None) -> tuple[Array, Array]:
        return self.derivatives(*_samples(first, second, weight))


class Metric:
    """What LightGBM calls for the mean loss: ``feval`` of ``lightgbm.train``, ``eval_metric`` of its estimators."""

    def __init__(self, loss: Loss) -> None:
        self.loss, self.__name__ = loss, loss.name

    def __call__(self, first: Any, second: Any, weight: Any = None) -> tuple[str, float, bool]:
        prediction, target, weight = _samples(first, second, weight)
        return self.__name__, float(self.loss(prediction, target, weight=weight)), False


def _samples(first: Any, second: Any, weight: Any) -> tuple[Array, Array, Array | None]:
    """Prediction, target and weight, from either interface."""
    if not hasattr(second, "get_label"):  # not a Dataset
        return second, first, weight
    return first, second.get_label(), second.get_weight()
