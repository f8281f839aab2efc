"""The losses of ``optax.losses``."""

from __future__ import annotations

from rashin.conventions.convention import Convention

__all__ = ["MISSING", "TABLE"]

_NUMBERS = {"predictions": "predicted", "targets": "observed"}
_SIGNS = {"predictor_outputs": "logit", "targets": "sign"}
_LABELS = {"scores": "logits", "labels": "labels"}
_LOGARITHMS = {"log_predictions": "log-probabilities", "targets": "distributions"}
_WITHOUT = "Without targets the predictions are the errors."
_MASK = (
    "where selects classes, not samples: a class that is left out has no probability, and its share of the labels does "
    "not count."
)
_KL = (
    "log_predictions holds log-probabilities, targets probabilities; where leaves out terms of the sum over the "
    "classes, and the shares of the others may have a sum below 1."
)
_NEAR = "loses digits in float32 near equality."
_FAR = "gives 0 for the float32 logits [20, 0] and the label 0, whose loss is 2.06e-9."

TABLE = (
    Convention(
        "squared_error", "squared_error", "squared_error(predictions, targets, reduction='none')", _NUMBERS, _WITHOUT,
    ),
    Convention(
        "l2_loss", "half_squared_error", "half_squared_error(predictions, targets, reduction='none')", _NUMBERS,
        f"Half the square. {_WITHOUT}",
    ),
    Convention("huber_loss", "huber", "huber(predictions, targets, delta=delta, reduction='none')", _NUMBERS, _WITHOUT),
    Convention(
        "log_cosh", "log_cosh", "log_cosh(predictions, targets, reduction='none')", _NUMBERS, _WITHOUT,
        "gives 5.36e-7 instead of 5.00e-7 for an error of 0.001 in float32, and 0 for one of 0.00001.",
    ),
    Convention(
        "sigmoid_binary_cross_entropy", "sigmoid_cross_entropy",
        "sigmoid_cross_entropy(logits, labels, reduction='none')", {"logits": "logit", "labels": "bit"}, "",
        "is NaN at an infinite logit on the right side.", ("binary_logistic_loss",), signature="logits, labels",
    ),
    Convention(
        "sigmoid_focal_loss", "sigmoid_focal",
        "sigmoid_focal(logits, labels, alpha=alpha, gamma=gamma, reduction='none')",
        {"logits": "logit", "labels": "bit"},
        "Labels may lie between 0 and 1, where the factor is (q (1 - p) + (1 - q) p)^gamma; the loss of the core takes "
        "0 and 1.",
    ),
    Convention(
        "hinge_loss", "hinge", "hinge(predictor_outputs, targets, reduction='none')", _SIGNS,
        "Targets are -1 and +1.", "takes 0 as a target, where its loss is 1 whatever the prediction.",
        signature="predictor_outputs, targets",
    ),
    Convention(
        "perceptron_loss", "hinge", "hinge(predictor_outputs + targets, targets, reduction='none')", _SIGNS,
        "max(0, -t z): the hinge loss without its margin. Targets are -1 and +1.",
    ),
    Convention(
        "sparsemax_loss", "modified_huber", "modified_huber(logits, 2 * labels - 1, reduction='none') / 4",
        {"logits": "logit", "labels": "bit"}, "Labels are 0 and 1.", "", ("binary_sparsemax_loss",),
        "logits, labels",
    ),
    Convention(
        "softmax_cross_entropy", "softmax_cross_entropy", "softmax_cross_entropy(logits, labels, reduction='none')",
        {"logits": "logits", "labels": "one-hot"}, f"Labels are distributions. {_MASK}",
        f"{_FAR} It is NaN where a class at -inf has no share.",
    ),
    Convention(
        "safe_softmax_cross_entropy", "softmax_cross_entropy",
        "softmax_cross_entropy(logits, labels, reduction='none')", {"logits": "logits", "labels": "one-hot"},
        "Labels are distributions; a class at -inf without a share costs nothing.", _FAR, signature="logits, labels",
    ),
    Convention(
        "softmax_cross_entropy_with_integer_labels", "softmax_cross_entropy",
        "softmax_cross_entropy(logits, labels, reduction='none')", {"logits": "logits", "labels": "labels"},
        "Labels are whole numbers. where selects classes; a label that it leaves out costs inf here, and in optax as "
        "if it had been kept. A row without any class costs 0.",
        f"{_FAR} A label of -1 is the last class, and one beyond the last is NaN.", ("multiclass_logistic_loss",),
    ),
    Convention(
        "poly_loss_cross_entropy", "poly_one", "poly_one(logits, labels, epsilon=epsilon, reduction='none')",
        {"logits": "logits", "labels": "one-hot"}, f"Labels are distributions. {_MASK}", _FAR,
    ),
    Convention(
        "multiclass_hinge_loss", "crammer_singer", "crammer_singer(scores, labels, reduction='none')", _LABELS,
        "Labels are whole numbers.", signature="scores, labels",
    ),
    Convention(
        "multiclass_perceptron_loss", "crammer_singer",
        "absolute_error(scores.max(-1), scores[np.arange(len(labels)), labels], reduction='none')", _LABELS,
        "The highest score less that of the label.",
    ),
    Convention(
        "multiclass_sparsemax_loss", "entmax", "entmax(scores, labels, alpha=2.0, reduction='none')", _LABELS,
        "Labels are whole numbers.", signature="scores, labels",
    ),
    Convention(
        "kl_divergence", "softmax_kullback_leibler",
        "softmax_kullback_leibler(log_predictions, targets, reduction='none')", _LOGARITHMS, _KL,
        f"{_NEAR} It is NaN where a class has no share and log-probability -inf.",
    ),
    Convention(
        "kl_divergence_with_log_targets", "distillation",
        "distillation(log_predictions, log_targets, reduction='none')",
        {"log_predictions": "log-probabilities", "log_targets": "log-distributions"},
        "Both hold log-probabilities; there is no gradient by the targets; where leaves out terms of the sum over the "
        "classes.", _NEAR,
    ),
    Convention(
        "generalized_kl_divergence", "softmax_kullback_leibler",
        "softmax_kullback_leibler(log_predictions, targets, reduction='none')", _LOGARITHMS,
        "log_predictions holds logarithms of amounts, targets amounts, of any sum: the sum of t log(t / p) - t + p "
        "over the classes that where does not leave out. For distributions it is the Kullback-Leibler divergence.",
        _NEAR,
    ),
    Convention(
        "convex_kl_divergence", "softmax_kullback_leibler",
        "softmax_kullback_leibler(log_predictions, targets, reduction='none')", _LOGARITHMS,
        "The older name of generalized_kl_divergence.", _NEAR,
    ),
    Convention(
        "ranking_softmax_loss", "listwise_softmax",
        "listwise_softmax(logits, labels, axis=-1, reduction='sum') / len(logits)",
        {"logits": "logits", "labels": "relevances"},
        "Lists lie along the last axis; where leaves out their padding, and weights multiply the labels. reduce_fn is "
        "None, a function of (losses, where=lists), or 'mean', over the lists that are not empty.",
    ),
    Convention(
        "dice_loss", "tversky",
        "tversky(softmax(predictions)[..., None], targets[..., None], axis=-1, smooth=smooth, reduction='none')"
        ".mean(-1)",
        {"predictions": "logits", "targets": "one-hot"},
        "Logits, of classes along the last axis, unless apply_softmax=False. A set is a picture of one class; the "
        "reduction is over the classes. smooth, 1, is added to numerator and denominator.",
    ),
    Convention(
        "binary_dice_loss", "tversky",
        "tversky(sigmoid(predictions), targets, axis=-1, smooth=smooth, reduction='none')",
        {"predictions": "logits", "targets": "one-hot"},
        "Logits unless apply_sigmoid=False. A set is a picture; smooth, 1, is added to numerator and denominator.",
        "refuses probabilities (apply_sigmoid=False), as it asks a single number to sum to 1.",
    ),
    Convention(
        "multiclass_generalized_dice_loss", "tversky",
        "np.mean(tversky(softmax(predictions)[..., None], targets[..., None], axis=-1, smooth=smooth, "
        "reduction='none'))",
        {"predictions": "logits", "targets": "one-hot"},
        "dice_loss with classes weighted by one over the square of their frequency in the whole batch, plus 1e-7; the "
        "weights have the mean 1.",
    ),
)  # fmt: skip

MISSING = {
    "ctc_loss": "rashin has no alignments of sequences",
    "ctc_loss_with_forward_probs": "rashin has no alignments of sequences",
    "cosine_distance": "rashin has no losses of pairs of vectors",
    "cosine_similarity": "rashin has no losses of pairs of vectors",
    "make_fenchel_young_loss": "a loss of your own is made by rashin.rowwise",
    "ntxent": "rashin has no contrastive losses; docs/recipes.md has InfoNCE",
    "smooth_labels": "label_smoothing of rashin.softmax_cross_entropy does the same",
    "triplet_margin_loss": "rashin has no losses of three vectors",
}
