"""The names of losses elsewhere, and the exact rashin expression for each name.

The functions of torch, optax, Keras and scikit-learn stand in ``rashin.conventions``; here are the names that papers,
boosters, textbooks and people use.

An expression is Python in the names of ``rashin``: ``z`` is the prediction, ``t`` the target and ``n`` the number of
samples. If the other library's number differs by a factor or a constant, the expression contains it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NamedTuple

from rashin.conventions import HOME, TABLES, Convention

__all__ = ["SYNONYMS", "Synonym", "advice", "found", "in_words", "is_part", "synonym"]


class Synonym(NamedTuple):
    """One loss under all the names that it has elsewhere.

    Parameters
    ----------
    names : names in XGBoost, LightGBM, papers and Japanese textbooks; case, ``_`` and ``Loss`` at the end are ignored.
    loss : name of the registered loss.
    expression : expression that gives the same mean.
    remark : further advice.
    """

    names: tuple[str, ...]
    loss: str
    expression: str
    remark: str = ""


_PROBABILITY, _LOGIT, _LOG_LINK = "z is a probability", "z is a logit", "z is the logarithm of the mean"

SYNONYMS = (
    Synonym(
        ("mse", "neg_mean_squared_error", "l2", "squared", "square", "quadratic",
         "least_squares", "regression", "reg:squarederror", "regression_l2", "平均二乗誤差", "二乗誤差"),
        "squared_error",
        "squared_error(z, t)",
        "half_squared_error has the factor 1/2, as l2_loss in optax",
    ),
    Synonym(
        ("rmse", "neg_root_mean_squared_error", "二乗平均平方根誤差", "平均平方二乗誤差"),
        "squared_error",
        "squared_error(z, t) ** 0.5",
    ),
    Synonym(("sse", "rss", "residual_sum_of_squares"), "squared_error", "squared_error(z, t, reduction='sum')"),
    Synonym(("sum_squared_error", "half_mse", "二乗和誤差"), "half_squared_error", "half_squared_error(z, t)",
            "reduction='sum' gives the sum"),
    Synonym(("msle",),
            "squared_log_error", "squared_log_error(z, t)"),
    Synonym(("reg:squaredlogerror",), "squared_log_error", "squared_log_error(z, t) / 2"),
    Synonym(("rmsle",), "squared_log_error", "squared_log_error(z, t) ** 0.5"),
    Synonym(
        ("mae", "neg_mean_absolute_error", "l1", "lad", "reg:absoluteerror", "regression_l1",
         "平均絶対誤差", "絶対誤差"),
        "absolute_error",
        "absolute_error(z, t)",
    ),
    Synonym(
        ("mape", "neg_mean_absolute_percentage_error"),
        "absolute_percentage_error",
        "absolute_percentage_error(z, t)",
        "Keras gives 100 times as much; targets of 0 are refused",
    ),
    Synonym(("smooth_l1", "フーバー損失"), "huber", "huber(z, t, delta=beta) / beta"),
    Synonym(("charbonnier", "reg:pseudohubererror", "pseudohuber"), "pseudo_huber", "pseudo_huber(z, t)"),
    Synonym(("barron", "general_robust", "adaptive_robust"), "robust", "robust(z, t, alpha=alpha, scale=scale)"),
    Synonym(("cauchy", "lorentzian"), "robust", "robust(z, t, alpha=0.0)"),
    Synonym(("geman_mcclure",), "robust", "robust(z, t, alpha=-2.0)"),
    Synonym(("welsch", "leclerc"), "robust", "robust(z, t, alpha=-1e18)"),
    Synonym(("svr", "L1EpsilonIns"), "epsilon_insensitive", "epsilon_insensitive(z, t, epsilon=epsilon)"),
    Synonym(("L2EpsilonIns",), "squared_epsilon_insensitive", "squared_epsilon_insensitive(z, t, epsilon=epsilon)"),
    Synonym(
        ("pinball", "quantile_loss", "check_loss", "tilted", "reg:quantileerror",
         "ピンボール損失"),
        "quantile",
        "quantile(z, t, quantile=alpha)",
    ),
    Synonym(("brier_score", "neg_brier_score"), "binary_brier", "binary_brier(z, t)",
            f"{_PROBABILITY}; brier takes rows of them"),
    Synonym(("multiclass_brier", "multi_class_brier_score", "quadratic_score", "ブライアスコア"), "brier",
            "brier(z, t)", "z holds probabilities; for two classes it is twice the binary_brier of one of them"),
    Synonym(("reg:expectileerror", "asymmetric_least_squares"), "expectile", "expectile(z, t, level=alpha)",
            "level 0.5 gives half the squared error"),
    Synonym(
        ("bce", "neg_log_loss", "binary_logloss", "二値交差エントロピー"),
        "binary_cross_entropy",
        "binary_cross_entropy(z, t)",
        f"{_PROBABILITY}; for several classes categorical_cross_entropy",
    ),
    Synonym(
        ("bce_with_logits", "logistic", "logistic_regression", "binary:logistic", "binary", "binomial_deviance",
         "sigmoid_cross_entropy_with_logits"),
        "sigmoid_cross_entropy",
        "sigmoid_cross_entropy(z, t)",
        _LOGIT,
    ),
    Synonym(("soft_margin", "logistic_margin", "LogitMargin"), "sigmoid_cross_entropy",
            "sigmoid_cross_entropy(z, (t + 1) / 2)", "t is -1 or +1"),
    Synonym(
        ("ce", "xent", "softmax", "softmax_loss", "multinomial", "deviance", "multi:softmax",
         "multi:softprob", "multiclass", "multinomial_deviance", "sparse_softmax_cross_entropy_with_logits",
         "softmax_cross_entropy_with_logits", "交差エントロピー誤差",
         "交差エントロピー"),
        "softmax_cross_entropy",
        "softmax_cross_entropy(z, t)",
        "z holds logits; categorical_cross_entropy takes probabilities",
    ),
    Synonym(
        ("multi_logloss", "mlogloss"),
        "categorical_cross_entropy",
        "categorical_cross_entropy(z, t)",
        "z holds probabilities; softmax_cross_entropy takes logits",
    ),
    Synonym(("nll", "negative_log_likelihood"), "negative_log_likelihood", "negative_log_likelihood(z, t)",
            "z holds log-probabilities"),
    Synonym(
        ("kl", "kullback_leibler_divergence", "kld", "relative_entropy",
         "KLダイバージェンス"),
        "categorical_cross_entropy",
        "categorical_cross_entropy(z, t) - categorical_cross_entropy(t, t)",
        "z and t hold probabilities; the gradient is that of categorical_cross_entropy; softmax_kullback_leibler takes "
        "logits",
    ),
    Synonym(
        ("kl_distillation", "kl_div_of_log_softmax"),
        "softmax_kullback_leibler",
        "softmax_kullback_leibler(z, t)",
        "z holds logits, t probabilities; distillation takes a teacher's logits",
    ),
    Synonym(
        ("knowledge_distillation", "kd", "distillation_loss", "soft_targets", "知識蒸留"),
        "distillation",
        "distillation(z, t, temperature=2.0)",
        "z and t hold logits; the factor temperature ** 2 is in it; reverse=True is the reverse divergence",
    ),
    Synonym(
        ("js", "jsd", "jensen_shannon", "jensen_shannon_divergence"),
        "softmax_jensen_shannon",
        "softmax_jensen_shannon(z, t)",
        "z holds logits, t probabilities; jensen_shannon_distillation takes a teacher's logits",
    ),
    Synonym(
        ("generalized_jsd", "generalized_jsd_loss", "gkd", "liger_jsd"),
        "jensen_shannon_distillation",
        "jensen_shannon_distillation(z, t, beta=beta)",
        "z and t hold logits",
    ),
    Synonym(("svm", "binary:hinge", "ヒンジ損失"), "hinge", "hinge(z, t)", "t is -1 or +1"),
    Synonym(("multiclass_hinge", "crammer_singer_hinge", "multiclass_svm"), "crammer_singer",
            "crammer_singer(z, t)", "z holds scores"),
    Synonym(("multi_margin", "weston_watkins_hinge"), "weston_watkins", "weston_watkins(z, t) / z.shape[-1]",
            "z holds scores; the sum is not divided by the number of classes"),
    Synonym(
        ("cumulative_link", "proportional_odds", "ordered_logit", "ordinal_logistic", "polr", "clm"),
        "ordinal",
        "ordinal(z, t)",
        "z holds increasing thresholds and then the logit of each sample; t is the class",
    ),
    Synonym(("sparsemax", "multiclass_sparsemax"), "entmax", "entmax(z, t, alpha=2.0)", "z holds scores"),
    Synonym(("entmax15", "entmax_15", "alpha_entmax", "entmax_bisect", "tsallis"), "entmax", "entmax(z, t, alpha=1.5)",
            "z holds scores"),
    Synonym(("adaboost", "exp"), "exponential", "exponential(z, t)", "t is -1 or +1"),
    Synonym(("asl", "asymmetric_multi_label"), "asymmetric", "asymmetric(z, t)", _LOGIT),
    Synonym(("multiclass_focal",), "focal", "focal(z, t)", "z holds logits"),
    Synonym(("poly_cross_entropy", "poly", "poly_1"), "poly_one",
            "poly_one(z, t, epsilon=epsilon)", "z holds logits"),
    Synonym(
        ("symmetric_cross_entropy", "sce", "symmetric_cross_entropy_learning"),
        "poly_one",
        "alpha * poly_one(z, t, epsilon=beta * A / alpha)",
        "z holds logits; alpha weights the cross-entropy, beta the reverse one, in which -A replaces log 0",
    ),
    Synonym(
        ("gce", "lq", "truncated_lq"),
        "generalized_cross_entropy",
        "generalized_cross_entropy(z, t, power=q)",
        "z holds logits; the logarithms of probabilities are such",
    ),
    Synonym(("poisson_nll", "count:poisson", "regression_poisson"), "poisson", "poisson(z, t)", _LOG_LINK),
    Synonym(
        ("neg_mean_poisson_deviance", "poisson_deviance"),
        "poisson",
        "2 * (poisson(np.log(z), t) - poisson(np.log(t), t))",
        "here z is the mean itself; t > 0",
    ),
    Synonym(("reg:gamma", "gamma_nll"), "gamma", "gamma(z, t)", _LOG_LINK),
    Synonym(
        ("neg_mean_gamma_deviance", "gamma_deviance"),
        "gamma",
        "2 * (gamma(np.log(z), t) - gamma(np.log(t), t))",
        "here z is the mean itself",
    ),
    Synonym(("reg:tweedie",), "tweedie", "tweedie(z, t, power=power)", _LOG_LINK),
    Synonym(
        ("tweedie_deviance",),
        "tweedie",
        "2 * (tweedie(np.log(z), t, power=power) - tweedie(np.log(t), t, power=power))",
        "here z is the mean itself",
    ),
    Synonym(
        ("gaussian_nll", "normal_nll", "rmse_with_uncertainty", "heteroscedastic"),
        "gaussian",
        "gaussian(z, t)",
        "z holds location and log_scale; the density has log(2 pi) / 2 more",
    ),
    Synonym(("lognormal", "log_normal", "lognormal_nll"), "gaussian",
            "gaussian(z, np.log(t)) + np.mean(np.log(t))", "z holds location and log_scale of log t"),
    Synonym(("multi_quantile", "multi_pinball"), "quantiles", "quantiles(z, t, levels=levels)",
            "z holds a number for each level"),
    Synonym(("crps", "continuous_ranked_probability_score"), "crps_ensemble", "crps_ensemble(z, t)",
            "z holds the members; crps_normal takes location and log_scale"),
    Synonym(("cox_ph", "CoxPHLoss", "cox_ph_loss", "coxph", "survival:cox", "partial_likelihood",
             "neg_partial_log_likelihood", "proportional_hazards", "コックス回帰"), "cox",
            "cox(z, (time, event), efron=False)",
            "z is the log-hazard, and event 0 where censored; efron=True is R's default"),
    Synonym(("listnet", "list_net", "softmax_loss_of_lists", "query_softmax", "QuerySoftMax"), "listwise_softmax",
            "listwise_softmax(z, t, group=query)",
            "lists are named by group, not padded; ListNet divides t by its sum first; rank_xendcg of LightGBM draws "
            "its targets by chance, and is another function"),
    Synonym(("listmle", "list_mle", "plackettluce", "rank_mle"), "plackett_luce",
            "plackett_luce(z, t, group=query, efron=False)", "equal relevances are ties, not ordered by place"),
    Synonym(("soft_dice", "f1_loss", "ダイス損失"), "tversky", "tversky(z, t)", "z is a probability"),
    Synonym(("jaccard", "iou", "soft_jaccard", "intersection_over_union"), "tversky",
            "tversky(z, t, alpha=1.0, beta=1.0)", "z is a probability"),
    Synonym(("focal_tversky",), "tversky", "tversky(z, t, alpha=alpha, beta=beta, gamma=power)",
            "alpha weighs false positives; Keras and the paper swap the two"),
    Synonym(("mcc", "matthews_corrcoef", "phi_coefficient"), "matthews", "matthews(z, t)", "z is a probability"),
    Synonym(("pearson", "pearsonr", "pearson_correlation", "negative_correlation"), "correlation", "correlation(z, t)"),
    Synonym(("ccc", "concordance_correlation", "lin"), "concordance", "concordance(z, t)"),
    Synonym(("ranknet", "bpr", "bayesian_personalized_ranking", "rank:pairwise", "PairLogit"), "pairwise_logistic",
            "pairwise_logistic(z, t, group=group)", "group is the list of each score; XGBoost normalizes otherwise"),
    Synonym(
        ("lambdarank", "lambdamart", "rank:ndcg"),
        "pairwise_logistic",
        "pairwise_logistic(z, t, group=group, ndcg=True, truncation=30)",
        "group is the list of each score; LightGBM sums over pairs, and normalizes unless lambdarank_norm is False",
    ),
    Synonym(("margin_ranking",), "hinge", "margin * hinge(z / margin, t)",
            "z is the difference of the two scores, t -1 or +1"),
)  # fmt: skip


def _plain(name: str) -> str:
    """A name without the parts that are ignored: ``torch.nn.MSELoss`` becomes ``mse``; ``reg:squarederror`` stays."""
    last = name.rpartition(".")[2].lower()
    return re.sub(r"[\W_]", "", re.sub(r"(?<=\w)[ _]?loss$", "", last))


_CLOSE = 0.7  # similarity, 1 for equal names; with a lower limit, smape would match estimate
_BY_NAME = {_plain(name): entry for entry in SYNONYMS for name in entry.names}


def _of_libraries(name: str) -> list[Synonym]:
    """The functions of that name in the four libraries, with their own arguments."""
    plain = _plain(name)
    return [
        Synonym((f"{HOME[library]}.{entry.name}",), entry.loss, entry.expression)
        for library, entries in TABLES.items()
        for entry in entries
        if plain in map(_plain, _names(entry))
    ]


def _names(entry: Convention) -> tuple[str, ...]:
    return (entry.name, *entry.also)


def synonym(name: str) -> Synonym | None:
    """The entry of the loss with that name elsewhere.

    >>> synonym("torch.nn.MSELoss").expression
    'squared_error(z, t)'
    """
    return _BY_NAME.get(_plain(name)) or next(iter(_of_libraries(name)), None)


def advice(name: str, known: Iterable[str]) -> str:
    """The suggestion for a name that is not among the known ones; "" if nothing is similar.

    >>> advice("rmse", [])
    'did you mean squared_error? rmse is squared_error(z, t) ** 0.5'
    >>> advice("hubert", ["huber", "hinge"])
    'did you mean huber?'
    """
    meant, plain, sought = synonym(name), {_plain(other): other for other in sorted(known)}, _plain(name)
    if meant is not None and meant not in SYNONYMS:
        return f"did you mean {meant.loss}? `rashin translate {meant.names[0]}` shows the difference"
    if meant is not None:
        return f"did you mean {meant.loss}? {name} is {in_words(meant)}"
    close = [sought] if sought in plain else difflib.get_close_matches(sought, plain, 3, _CLOSE)
    close = close or [other for other in plain if sought and other.startswith(sought[:5])]
    return f"did you mean {' or '.join(plain[other] for other in close)}?" if close else ""


def in_words(entry: Synonym) -> str:
    """The expression and its remark."""
    return f"{entry.expression} ({entry.remark})" if entry.remark else entry.expression


def is_part(text: str, name: str) -> bool:
    """True if a name contains the text, apart from spelling.

    >>> is_part("HuberLoss", "pseudo_huber")
    True
    """
    sought = _plain(text)
    return bool(sought) and sought in _plain(name)


def found(text: str) -> list[Synonym]:
    """The entry of that name, or else the entries with names that contain it.

    >>> [entry.expression for entry in found("percentage")]
    ['absolute_percentage_error(z, t)']
    """
    exact = _BY_NAME.get(_plain(text))
    if exact is not None:
        return [exact, *_of_libraries(text)]
    return [entry for entry in SYNONYMS if any(is_part(text, name) for name in entry.names)] + _of_libraries(text)
