"""The losses: one function of pure mathematics each."""

from rashin.losses.agreement import concordance, correlation
from rashin.losses.binary import (
    asymmetric,
    binary_brier,
    binary_cross_entropy,
    exponential,
    hinge,
    modified_huber,
    sigmoid_cross_entropy,
    sigmoid_focal,
    squared_hinge,
)
from rashin.losses.counts import gamma, poisson, tweedie
from rashin.losses.distributions import brier, categorical_cross_entropy, negative_log_likelihood
from rashin.losses.divergences import (
    distillation,
    jensen_shannon_distillation,
    softmax_jensen_shannon,
    softmax_kullback_leibler,
)
from rashin.losses.margins import crammer_singer, weston_watkins
from rashin.losses.members import crps_ensemble, quantiles
from rashin.losses.multiclass import focal, generalized_cross_entropy, poly_one, softmax_cross_entropy
from rashin.losses.ordinal import ordinal
from rashin.losses.outliers import epsilon_insensitive, fair, robust, squared_epsilon_insensitive
from rashin.losses.overdispersed import beta, negative_binomial, zero_inflated_poisson
from rashin.losses.overlap import matthews, tversky
from rashin.losses.ranking import listwise_softmax, pairwise_logistic, plackett_luce
from rashin.losses.regression import (
    absolute_error,
    expectile,
    half_squared_error,
    huber,
    log_cosh,
    pseudo_huber,
    quantile,
    squared_error,
)
from rashin.losses.relative import absolute_percentage_error, squared_log_error
from rashin.losses.sparse import entmax
from rashin.losses.survival import cox
from rashin.losses.uncertainty import crps_laplace, crps_logistic, crps_normal, gaussian, student_t

__all__ = [
    "absolute_error",
    "absolute_percentage_error",
    "asymmetric",
    "beta",
    "binary_brier",
    "binary_cross_entropy",
    "brier",
    "categorical_cross_entropy",
    "concordance",
    "correlation",
    "cox",
    "crammer_singer",
    "crps_ensemble",
    "crps_laplace",
    "crps_logistic",
    "crps_normal",
    "distillation",
    "entmax",
    "epsilon_insensitive",
    "expectile",
    "exponential",
    "fair",
    "focal",
    "gamma",
    "gaussian",
    "generalized_cross_entropy",
    "half_squared_error",
    "hinge",
    "huber",
    "jensen_shannon_distillation",
    "listwise_softmax",
    "log_cosh",
    "matthews",
    "modified_huber",
    "negative_binomial",
    "negative_log_likelihood",
    "ordinal",
    "pairwise_logistic",
    "plackett_luce",
    "poisson",
    "poly_one",
    "pseudo_huber",
    "quantile",
    "quantiles",
    "robust",
    "sigmoid_cross_entropy",
    "sigmoid_focal",
    "softmax_cross_entropy",
    "softmax_jensen_shannon",
    "softmax_kullback_leibler",
    "squared_epsilon_insensitive",
    "squared_error",
    "squared_hinge",
    "squared_log_error",
    "student_t",
    "tversky",
    "tweedie",
    "weston_watkins",
    "zero_inflated_poisson",
]
