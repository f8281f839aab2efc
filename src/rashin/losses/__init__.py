"""The losses: one function of pure mathematics each."""

from rashin.losses.binary import binary_cross_entropy, hinge, sigmoid_cross_entropy, sigmoid_focal, squared_hinge
from rashin.losses.counts import gamma, poisson, tweedie
from rashin.losses.distributions import categorical_cross_entropy, negative_log_likelihood
from rashin.losses.members import crps_ensemble, quantiles
from rashin.losses.multiclass import focal, softmax_cross_entropy
from rashin.losses.overdispersed import beta, negative_binomial, zero_inflated_poisson
from rashin.losses.regression import (
    absolute_error,
    half_squared_error,
    huber,
    log_cosh,
    pseudo_huber,
    quantile,
    squared_error,
)
from rashin.losses.uncertainty import crps_laplace, crps_logistic, crps_normal, gaussian, student_t

__all__ = [
    "absolute_error",
    "beta",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "crps_ensemble",
    "crps_laplace",
    "crps_logistic",
    "crps_normal",
    "focal",
    "gamma",
    "gaussian",
    "half_squared_error",
    "hinge",
    "huber",
    "log_cosh",
    "negative_binomial",
    "negative_log_likelihood",
    "poisson",
    "pseudo_huber",
    "quantile",
    "quantiles",
    "sigmoid_cross_entropy",
    "sigmoid_focal",
    "softmax_cross_entropy",
    "squared_error",
    "squared_hinge",
    "student_t",
    "tweedie",
    "zero_inflated_poisson",
]
