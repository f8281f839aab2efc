"""The losses: one function of pure mathematics each."""

from rashin.losses.binary import binary_cross_entropy, hinge, sigmoid_cross_entropy, sigmoid_focal, squared_hinge
from rashin.losses.counts import gamma, poisson, tweedie
from rashin.losses.distributions import brier, categorical_cross_entropy, negative_log_likelihood
from rashin.losses.margins import crammer_singer, weston_watkins
from rashin.losses.multiclass import focal, generalized_cross_entropy, poly_one, softmax_cross_entropy
from rashin.losses.regression import (
    absolute_error,
    half_squared_error,
    huber,
    log_cosh,
    pseudo_huber,
    quantile,
    squared_error,
)
from rashin.losses.sparse import entmax

__all__ = [
    "absolute_error",
    "binary_cross_entropy",
    "brier",
    "categorical_cross_entropy",
    "crammer_singer",
    "entmax",
    "focal",
    "gamma",
    "generalized_cross_entropy",
    "half_squared_error",
    "hinge",
    "huber",
    "log_cosh",
    "negative_log_likelihood",
    "poisson",
    "poly_one",
    "pseudo_huber",
    "quantile",
    "sigmoid_cross_entropy",
    "sigmoid_focal",
    "softmax_cross_entropy",
    "squared_error",
    "squared_hinge",
    "tweedie",
    "weston_watkins",
]
