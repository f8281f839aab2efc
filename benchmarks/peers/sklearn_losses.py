"""The private losses of scikit-learn, used as its own linear models use them."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.harness import Run
from benchmarks.workloads import Problem

__all__ = ["prepare"]


def _losses(classes: int) -> dict[str, Any]:
    from sklearn import _loss as private

    return {
        "half_squared_error": private.HalfSquaredError(),
        "absolute_error": private.AbsoluteError(),
        "huber": private.HuberLoss(delta=1.0),
        "quantile": private.PinballLoss(quantile=0.5),
        "poisson": private.HalfPoissonLoss(),
        "gamma": private.HalfGammaLoss(),
        "tweedie": private.HalfTweedieLoss(power=1.5),
        "sigmoid_cross_entropy": private.HalfBinomialLoss(),
        "softmax_cross_entropy": private.HalfMultinomialLoss(n_classes=classes),
    }


def prepare(problem: Problem) -> Run | None:
    """Losses and gradients of the samples into arrays used again, then their mean, as in its linear models."""
    prediction, target = problem.inputs[:2]
    loss = _losses(max(prediction.shape[-1], 3)).get(problem.workload.task)
    if loss is None:
        return None
    values, gradient = np.empty(len(prediction), prediction.dtype), np.empty_like(prediction)
    target = target.astype(prediction.dtype)

    def run() -> tuple[float, Any]:
        loss.loss_gradient(target, prediction, loss_out=values, gradient_out=gradient, n_threads=problem.threads)
        np.divide(gradient, len(values), out=gradient)
        return values.mean(), gradient

    return run
