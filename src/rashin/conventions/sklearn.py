"""The losses of ``sklearn.metrics``."""

from __future__ import annotations

from rashin.conventions.convention import Convention

__all__ = ["MISSING", "TABLE"]

_NUMBERS = {"y_true": "observed", "y_pred": "predicted", "sample_weight": "weights"}
_SIGNATURE = "y_true, y_pred, *, sample_weight=None, multioutput='uniform_average'"
_SUM = "The mean is divided by the sum of the weights."
_DEVIANCE = f"A deviance: twice the loss less what the target itself would cost. y_pred is the mean. {_SUM}"

TABLE = (
    Convention(
        "mean_squared_error", "squared_error", "squared_error(y_pred, y_true, weight=sample_weight)", _NUMBERS, _SUM,
        signature=_SIGNATURE,
    ),
    Convention(
        "root_mean_squared_error", "squared_error", "squared_error(y_pred, y_true, weight=sample_weight) ** 0.5",
        _NUMBERS, f"{_SUM} Of several outputs it is the mean of their roots.", signature=_SIGNATURE,
    ),
    Convention(
        "mean_absolute_error", "absolute_error", "absolute_error(y_pred, y_true, weight=sample_weight)", _NUMBERS,
        _SUM, signature=_SIGNATURE,
    ),
    Convention(
        "mean_absolute_percentage_error", "absolute_percentage_error",
        "absolute_percentage_error(y_pred, y_true, weight=sample_weight)", _NUMBERS, f"A fraction, not percent. {_SUM}",
        "divides by 2.2e-16 where the target is 0, which gives numbers such as 4.5e15.", signature=_SIGNATURE,
    ),
    Convention(
        "mean_squared_log_error", "squared_log_error", "squared_log_error(y_pred, y_true, weight=sample_weight)",
        _NUMBERS, f"Targets are at least 0 here; scikit-learn takes those above -1. {_SUM}", signature=_SIGNATURE,
    ),
    Convention(
        "root_mean_squared_log_error", "squared_log_error",
        "squared_log_error(y_pred, y_true, weight=sample_weight) ** 0.5", _NUMBERS,
        f"{_SUM} Of several outputs it is the mean of their roots.", signature=_SIGNATURE,
    ),
    Convention(
        "mean_pinball_loss", "quantile", "quantile(y_pred, y_true, quantile=alpha, weight=sample_weight)", _NUMBERS,
        f"alpha is between 0 and 1 here; scikit-learn takes both ends too. {_SUM}",
        signature="y_true, y_pred, *, sample_weight=None, alpha=0.5, multioutput='uniform_average'",
    ),
    Convention(
        "mean_poisson_deviance", "poisson",
        "2 * (poisson(np.log(y_pred), y_true, weight=sample_weight)"
        " - poisson(np.log(y_true), y_true, weight=sample_weight))", _NUMBERS, _DEVIANCE,
    ),
    Convention(
        "mean_gamma_deviance", "gamma",
        "2 * (gamma(np.log(y_pred), y_true, weight=sample_weight)"
        " - gamma(np.log(y_true), y_true, weight=sample_weight))", _NUMBERS, _DEVIANCE,
    ),
    Convention(
        "mean_tweedie_deviance", "tweedie",
        "squared_error(y_pred, y_true, weight=sample_weight)", _NUMBERS,
        f"{_DEVIANCE} power is 0 unless it is given, which is the squared error; power=1.5 is "
        "2 * (tweedie(np.log(y_pred), y_true) - tweedie(np.log(y_true), y_true)).",
    ),
    Convention(
        "log_loss", "categorical_cross_entropy",
        "categorical_cross_entropy(y_proba, y_true, weight=sample_weight)",
        {"y_true": "labels", "y_proba": "probabilities", "sample_weight": "row weights"},
        f"Labels may be text; columns are in the order of the sorted labels. A single column is the probability of the "
        f"second class (binary_cross_entropy). {_SUM} clip=True keeps probabilities at a distance from 0 and 1, as "
        f"scikit-learn does.",
        "clips probabilities at the epsilon of their dtype, so that a prediction that is certain and wrong costs 36.04 "
        "in float64 and 15.94 in float32; rows that do not sum to 1 are used with a warning.",
    ),
    Convention(
        "hinge_loss", "hinge", "hinge(pred_decision, 2 * y_true - 1, weight=sample_weight)",
        {"y_true": "bit", "pred_decision": "logit", "sample_weight": "weights"},
        f"Any two labels; the larger one is +1. For several classes it is crammer_singer. {_SUM}",
    ),
    Convention(
        "brier_score_loss", "binary_brier", "binary_brier(y_proba, y_true, weight=sample_weight)",
        {"y_true": "bit", "y_proba": "probability", "sample_weight": "weights"},
        f"For rows of three classes and more it is brier, the sum over the classes, which scale_by_half=True halves; "
        f"for two classes it is halved unless scale_by_half=False. {_SUM}",
    ),
)  # fmt: skip

MISSING = {
    "coverage_error": "it is not a mean of losses of samples with derivatives",
    "hamming_loss": "it counts mistakes, which have no derivative",
    "label_ranking_loss": "it counts pairs, which have no derivative",
    "max_error": "it is a maximum, not a mean",
    "median_absolute_error": "it is a median, not a mean",
    "zero_one_loss": "it counts mistakes, which have no derivative",
}
