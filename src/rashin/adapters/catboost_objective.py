"""What CatBoost calls in a training: objectives for blocks of numbers and for rows of them, and metrics.

Nothing here needs CatBoost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rashin.adapters import boosting
from rashin.backends.numpy.direct import derivatives_of

if TYPE_CHECKING:
    from rashin.adapters.boosting import Derivatives
    from rashin.loss import Loss

__all__ = ["LIBRARY", "Metric", "Objective", "RowObjective", "TableMetric", "TableObjective", "takes_gradient_steps"]

Array = NDArray[Any]


def _inside(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """1 within delta, and 0 at delta and beyond."""
    return np.where(np.abs(z - t) < loss.parameters["delta"], boosting.unit(loss, z, t, w, g, h), 0.0)


def _flat(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """1, for steps of the gradient, which is 0 within 1e-6 of the target."""
    g[np.abs(z - t) < 1e-6] = 0.0
    return boosting.unit(loss, z, t, w, g, h)


def _half_flat(loss: Loss, z: Array, t: Array, w: Any, g: Array, h: Array) -> Array:
    """The same, with half the slope: CatBoost's MAE is its quantile loss at 1/2."""
    g *= 0.5
    return _flat(loss, z, t, w, g, h)


LIBRARY: Mapping[str, boosting.Curvature] = MappingProxyType(
    {
        "half_squared_error": boosting.exact,
        "sigmoid_cross_entropy": boosting.exact,
        "sigmoid_focal": boosting.exact,
        "softmax_cross_entropy": boosting.exact,
        "poisson": boosting.exact,
        "tweedie": boosting.exact,
        "log_cosh": boosting.exact,
        "huber": _inside,
        "expectile": boosting.exact,
        "absolute_error": _half_flat,
        "quantile": _flat,
    }
)


class Objective:
    """What CatBoost calls for the derivatives: its ``loss_function``. It can be pickled.

    Parameters
    ----------
    derivatives : gradient and curvature.
    start : constant that is added to CatBoost's predictions, which begin at 0.
    """

    no_jit = True  # CatBoost would try to compile the methods by Numba

    def __init__(self, derivatives: Derivatives, start: Any) -> None:
        self.derivatives, self.start = derivatives, start
        self._prepare()

    def _prepare(self) -> None:
        plain = self.derivatives.curvature is boosting.exact and not self.derivatives.loss.prediction.axes
        self._sweep = derivatives_of(self.derivatives.loss.program, -1.0) if plain else None

    def __getstate__(self) -> Any:
        return self.derivatives, self.start

    def __setstate__(self, state: Any) -> None:
        self.derivatives, self.start = state
        self._prepare()

    def __deepcopy__(self, memo: Any) -> Objective:
        return self  # as scikit-learn's clone asks that a parameter stays the same object

    def calc_ders_range(self, approxes: Array, targets: Array, weights: Array | None) -> Array:
        """The derivatives of minus the loss, (n, 2)."""
        z, t, pair = approxes + self.start, targets.astype(np.float64), np.empty((2, len(approxes)))
        if self._sweep is None or not self._sweep(z, t, pair) or not math.isfinite(pair.sum()):
            return -np.stack(self.derivatives(z, np.asarray(targets), weights), axis=1)
        np.minimum(pair[1], -self.derivatives.floor, out=pair[1])
        return (pair if weights is None else np.multiply(pair, weights, out=pair)).T


class RowObjective(Objective):
    """The same for losses of classes, one row at a time."""

    def _prepare(self) -> None:
        loss = self.derivatives.loss
        plain = (
            loss.name == "softmax_cross_entropy" and not loss.parameters["z_loss"] and not loss.parameters["softcap"]
        )
        self._whole = self.derivatives.hessian in ("exact", "library")
        self._plain = plain and self._whole
        self._smoothing = float(loss.parameters["label_smoothing"]) if plain else 0.0

    def calc_ders_range(self, approxes: Array, targets: Array, weights: Array | None) -> Array:
        raise TypeError(
            f"classes_count: got one prediction per row; expected one for each class of {self.derivatives.loss}"
        )

    def calc_ders_multi(self, approx: Any, target: float, weight: float | None) -> tuple[Array, Array]:
        """The derivatives of minus the loss, (C,) and (C, C)."""
        z, share = np.asarray(approx, np.float64) + self.start, -1.0 if weight is None else -weight
        plain = self._plain and target in range(z.size)
        gradient, matrix = self._of_softmax(z, int(target)) if plain else self._general(z, target)
        gradient *= share
        matrix *= share
        return gradient, matrix

    def _of_softmax(self, z: Array, label: int) -> tuple[Array, Array]:
        """p - q and diag(p) - p p': a tenth of the time of a general loss."""
        p = np.exp(z - z.max())
        p /= p.sum()
        matrix = np.multiply.outer(p, -p)
        matrix.flat[:: z.size + 1] += p
        if not matrix[0, 0] >= 0.0:
            self.derivatives(z[None], np.array([label]), None)  # raises, and says what is not finite
        gradient = p - self._smoothing / z.size
        p[label] = 0.0
        gradient[label] = self._smoothing * (1.0 - 1.0 / z.size) - p.sum()  # less what the others have: no difference
        return gradient, matrix

    def _general(self, z: Array, target: float) -> tuple[Array, Array]:
        label = np.full(z.size, target)
        gradient, diagonal = self.derivatives(z[None], label[:1], None)
        if not self._whole:
            return gradient[0], np.diag(diagonal[0])
        everyone = np.broadcast_to(z, (z.size, z.size))
        loss = self.derivatives.loss
        return gradient[0], loss.hessian_vector_product(everyone, label, np.eye(z.size), reduction="sum")


class TableObjective(Objective):
    """The same for several targets, and for losses of several numbers, one row at a time.

    CatBoost predicts as many numbers as there are targets. The target of a loss of several numbers is the first one.
    """

    def calc_ders_multi(self, approx: Any, target: Any, weight: float | None) -> tuple[Array, Array]:
        """The derivatives of minus the loss, (k,) and a diagonal (k, k)."""
        z, t = np.array(approx, np.float64), np.array(target, np.float64)
        if self.derivatives.loss.prediction.is_joint:
            gradient, curvature = self.derivatives((z + self.start)[None], t[:1], None)
            ders = -np.concatenate([gradient, curvature])
        else:
            ders = self.calc_ders_range(z, t, None).T
        ders = ders if weight is None else weight * ders
        return ders[0], np.diag(ders[1])


class Metric:
    """What CatBoost calls for the mean loss: its ``eval_metric``, with the same ``start``."""

    no_jit = True

    def __init__(self, loss: Loss, start: Any) -> None:
        self.loss, self.start = loss, start

    def __deepcopy__(self, memo: Any) -> Metric:
        return self

    def is_max_optimal(self) -> bool:
        """False: the smaller, the better."""
        return False

    def evaluate(self, approxes: Sequence[Array], target: Array, weight: Array | None) -> tuple[float, float]:
        """The weighted sum of the losses, and of the weights."""
        z = (np.stack(approxes, axis=-1) if self.loss.prediction.axes else approxes[0]) + self.start
        total = float(len(target)) if weight is None else float(np.sum(weight, dtype=np.float64))
        return float(self.loss(z, target, weight=weight, reduction="sum")), total

    def get_final_error(self, error: float, weight: float) -> float:
        """The mean."""
        return error / weight if weight else 0.0


class TableMetric(Metric):
    """The same for several targets, and for losses of several numbers."""

    def evaluate(self, approxes: Sequence[Array], target: Any, weight: Array | None) -> tuple[float, float]:
        """The weighted sum of the losses, and of the weights."""
        z = np.stack(approxes, axis=-1) + self.start
        joint = self.loss.prediction.is_joint
        t = np.asarray(target[0] if joint else np.stack(target, axis=-1))
        w = np.ones(len(t)) if weight is None else np.asarray(weight, np.float64)
        w = w if joint else np.broadcast_to(w[:, None], t.shape)
        return float(self.loss(z, t, weight=w, reduction="sum")), float(w.sum())


def takes_gradient_steps(derivatives: Derivatives) -> bool:
    """Whether the curvature is that of steps of the gradient."""
    return derivatives.hessian == "unit" or derivatives.curvature in (_flat, _half_flat)
