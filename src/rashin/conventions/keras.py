"""The losses of ``keras.losses``: functions, and classes with their arguments."""

from __future__ import annotations

from rashin.conventions.convention import Convention

__all__ = ["CLASSES", "MISSING", "TABLE"]

_NUMBERS = {"y_true": "observed", "y_pred": "predicted"}
_LAST = "The mean over the last axis."
_CLIP = "epsilon=1e-7 clips probabilities to [1e-7, 1 - 1e-7], as Keras does."
_CERTAIN = "clips probabilities to [1e-7, 1 - 1e-7], so that a loss is between 1e-7 and 16.1."
_SHARES = {"y_true": "one-hot", "y_pred": "probabilities"}

TABLE = (
    Convention(
        "mean_squared_error", "squared_error", "squared_error(y_pred, y_true, reduction='none').mean(-1)", _NUMBERS,
        _LAST, "", ("MeanSquaredError",), "y_true, y_pred",
    ),
    Convention(
        "mean_absolute_error", "absolute_error", "absolute_error(y_pred, y_true, reduction='none').mean(-1)", _NUMBERS,
        _LAST, "", ("MeanAbsoluteError",), "y_true, y_pred",
    ),
    Convention(
        "mean_absolute_percentage_error", "absolute_percentage_error",
        "100 * absolute_percentage_error(y_pred, y_true, reduction='none').mean(-1)", _NUMBERS,
        f"Percent. {_LAST} Targets of 0 are refused; epsilon=1e-7 divides by at least that, as Keras does.",
        "divides by 1e-7 where the target is 0.", ("MeanAbsolutePercentageError",),
    ),
    Convention(
        "mean_squared_logarithmic_error", "squared_log_error",
        "squared_log_error(y_pred, y_true, reduction='none').mean(-1)", _NUMBERS,
        f"{_LAST} epsilon=1e-7 raises predictions and targets to at least that, as Keras does.",
        "takes negative predictions as 1e-7.", ("MeanSquaredLogarithmicError",),
    ),
    Convention(
        "huber", "huber", "huber(y_pred, y_true, delta=delta, reduction='none').mean(-1)", _NUMBERS, _LAST, "",
        ("Huber",), "y_true, y_pred, delta=1.0",
    ),
    Convention(
        "log_cosh", "log_cosh", "log_cosh(y_pred, y_true, reduction='none').mean(-1)", _NUMBERS, _LAST,
        "gives 4.77e-7 instead of 5.00e-7 for an error of 0.001 in float32, and 0 for one of 0.00001.", ("LogCosh",),
        "y_true, y_pred",
    ),
    Convention(
        "poisson", "poisson", "poisson(np.log(y_pred), y_true, reduction='none').mean(-1)", _NUMBERS,
        f"y_pred is the mean itself. {_LAST} epsilon=1e-7 is added inside the logarithm, as Keras does.",
        "gives 32.2 instead of inf for the mean 0 and the count 2.", ("Poisson",),
    ),
    Convention(
        "hinge", "hinge", "hinge(y_pred, 2 * y_true - 1, reduction='none').mean(-1)",
        {"y_true": "bit", "y_pred": "logit"}, f"Labels are 0 and 1, or -1 and +1. {_LAST}",
        "takes labels 0 and -1 in one batch, where a 0 costs 1 whatever the prediction.", ("Hinge",),
    ),
    Convention(
        "squared_hinge", "squared_hinge", "squared_hinge(y_pred, 2 * y_true - 1, reduction='none').mean(-1)",
        {"y_true": "bit", "y_pred": "logit"}, f"Labels are 0 and 1, or -1 and +1. {_LAST}",
        "takes labels 0 and -1 in one batch, where a 0 costs 1 whatever the prediction.", ("SquaredHinge",),
    ),
    Convention(
        "categorical_hinge", "crammer_singer",
        "crammer_singer(np.c_[y_pred, np.zeros(len(y_pred))], y_true.argmax(-1), reduction='none')",
        {"y_true": "one-hot", "y_pred": "logits"},
        "y_true is one-hot. The other classes' highest score counts as at least 0, which is a further class with the "
        "score 0; crammer_singer of the scores alone differs where all others are negative.", "", ("CategoricalHinge",),
    ),
    Convention(
        "binary_crossentropy", "binary_cross_entropy",
        "binary_cross_entropy(y_pred, y_true, reduction='none').mean(-1)", {"y_true": "bit", "y_pred": "probability"},
        f"Probabilities, or logits with from_logits=True (sigmoid_cross_entropy). label_smoothing makes 0 and 1 to s/2 "
        f"and 1 - s/2. {_LAST} {_CLIP}", _CERTAIN, ("BinaryCrossentropy",),
    ),
    Convention(
        "binary_focal_crossentropy", "sigmoid_focal",
        "sigmoid_focal(np.log(y_pred / (1 - y_pred)), y_true, gamma=gamma, reduction='none').mean(-1)",
        {"y_true": "bit", "y_pred": "probability"},
        f"Probabilities, or logits with from_logits=True. alpha counts with apply_class_balancing=True alone. Labels "
        f"are 0 and 1, without label_smoothing. {_LAST} {_CLIP}", f"{_CERTAIN} Logits are clipped too.",
        ("BinaryFocalCrossentropy",),
    ),
    Convention(
        "categorical_crossentropy", "categorical_cross_entropy",
        "categorical_cross_entropy(y_pred, y_true, reduction='none')", _SHARES,
        f"y_true holds distributions; y_pred probabilities, or logits with from_logits=True (softmax_cross_entropy). "
        f"{_CLIP} It then also divides rows by their sum.",
        f"{_CERTAIN} Rows of any sum are accepted, and divided by it. label_smoothing is divided by the size of the "
        f"last axis, whatever axis is.",
        ("CategoricalCrossentropy",),
    ),
    Convention(
        "sparse_categorical_crossentropy", "categorical_cross_entropy",
        "categorical_cross_entropy(y_pred, y_true, reduction='none')", {"y_true": "labels", "y_pred": "probabilities"},
        f"y_true holds labels; samples of ignore_class cost 0, and the mean of the class does not count them. y_pred "
        f"holds probabilities, or logits with from_logits=True (softmax_cross_entropy). {_CLIP} It then also divides "
        f"rows by their sum.", f"{_CERTAIN} A label that is not a class costs 0 on JAX.",
        ("SparseCategoricalCrossentropy",),
    ),
    Convention(
        "categorical_focal_crossentropy", "focal",
        "alpha * focal(np.log(y_pred), y_true, gamma=gamma, reduction='none')",
        _SHARES,
        f"Probabilities, divided by their sum, or logits with from_logits=True. alpha, 0.25, is a factor, or one for "
        f"each class. {_CLIP}", f"{_CERTAIN} Logits are clipped too.", ("CategoricalFocalCrossentropy",),
    ),
    Convention(
        "categorical_generalized_cross_entropy", "generalized_cross_entropy",
        "generalized_cross_entropy(np.log(y_pred), y_true, power=q, reduction='none')",
        {"y_true": "labels", "y_pred": "probabilities"},
        "y_true holds labels, y_pred probabilities that sum to 1.",
        "loses digits as q vanishes: 1.1921 instead of 1.2040 for q = 1e-6 in float32.",
        ("CategoricalGeneralizedCrossEntropy",),
    ),
    Convention(
        "kl_divergence", "softmax_kullback_leibler",
        "categorical_cross_entropy(y_pred, y_true, reduction='none')"
        " - categorical_cross_entropy(y_true, y_true, reduction='none')",
        {"y_true": "distributions", "y_pred": "probabilities"},
        "Both hold probabilities. epsilon=1e-7 raises both to at least that, as Keras does.",
        "raises both to at least 1e-7, and is never infinite.", ("KLDivergence",),
    ),
    Convention(
        "dice", "tversky", "tversky(y_pred, y_true)", {"y_true": "bit", "y_pred": "probability"},
        "One set of all numbers, or of those along axis. epsilon=1e-7 is added to the denominator, as Keras does.", "",
        ("Dice",),
    ),
    Convention(
        "tversky", "tversky", "tversky(y_pred, y_true, alpha=alpha, beta=beta)",
        {"y_true": "bit", "y_pred": "probability"},
        "One set of all numbers, or of those along axis. alpha weighs false positives, as Keras's own text says; "
        "swapped=True exchanges the two, as Keras 3.15 and earlier do. epsilon=1e-7 is added to the denominator, as "
        "Keras does.", "weighs false negatives by alpha and false positives by beta (3.15 and earlier).", ("Tversky",),
    ),
)  # fmt: skip

_MEAN = "reduction='sum_over_batch_size', name='{}', dtype=None"

# The function of each class, and the arguments of the class.
CLASSES = {
    "MeanSquaredError": ("mean_squared_error", _MEAN.format("mean_squared_error")),
    "MeanAbsoluteError": ("mean_absolute_error", _MEAN.format("mean_absolute_error")),
    "MeanAbsolutePercentageError": (
        "mean_absolute_percentage_error", _MEAN.format("mean_absolute_percentage_error") + ", *, epsilon=0.0"
    ),
    "MeanSquaredLogarithmicError": (
        "mean_squared_logarithmic_error", _MEAN.format("mean_squared_logarithmic_error") + ", *, epsilon=0.0"
    ),
    "Huber": ("huber", "delta=1.0, " + _MEAN.format("huber_loss")),
    "LogCosh": ("log_cosh", _MEAN.format("log_cosh")),
    "Poisson": ("poisson", _MEAN.format("poisson") + ", *, epsilon=0.0"),
    "Hinge": ("hinge", _MEAN.format("hinge")),
    "SquaredHinge": ("squared_hinge", _MEAN.format("squared_hinge")),
    "CategoricalHinge": ("categorical_hinge", _MEAN.format("categorical_hinge")),
    "BinaryCrossentropy": (
        "binary_crossentropy",
        "from_logits=False, label_smoothing=0.0, axis=-1, " + _MEAN.format("binary_crossentropy") + ", *, epsilon=0.0",
    ),
    "BinaryFocalCrossentropy": (
        "binary_focal_crossentropy",
        "apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1, "
        + _MEAN.format("binary_focal_crossentropy") + ", *, epsilon=0.0",
    ),
    "CategoricalCrossentropy": (
        "categorical_crossentropy",
        "from_logits=False, label_smoothing=0.0, axis=-1, " + _MEAN.format("categorical_crossentropy")
        + ", *, epsilon=0.0",
    ),
    "SparseCategoricalCrossentropy": (
        "sparse_categorical_crossentropy",
        "from_logits=False, ignore_class=None, reduction='sum_over_batch_size', axis=-1, "
        "name='sparse_categorical_crossentropy', dtype=None, *, epsilon=0.0",
    ),
    "CategoricalFocalCrossentropy": (
        "categorical_focal_crossentropy",
        "alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1, "
        + _MEAN.format("categorical_focal_crossentropy") + ", *, epsilon=0.0",
    ),
    "CategoricalGeneralizedCrossEntropy": (
        "categorical_generalized_cross_entropy", "q=0.5, " + _MEAN.format("categorical_generalized_cross_entropy")
    ),
    "KLDivergence": ("kl_divergence", _MEAN.format("kl_divergence") + ", *, epsilon=0.0"),
    "Dice": ("dice", "reduction='sum_over_batch_size', name='dice', axis=None, dtype=None, *, epsilon=0.0"),
    "Tversky": (
        "tversky",
        "alpha=0.5, beta=0.5, reduction='sum_over_batch_size', name='tversky', axis=None, dtype=None, *, epsilon=0.0, "
        "swapped=False",
    ),
}  # fmt: skip

MISSING = {
    "ctc": "rashin has no alignments of sequences",
    "CTC": "rashin has no alignments of sequences",
    "cosine_similarity": "rashin has no losses of pairs of vectors",
    "CosineSimilarity": "rashin has no losses of pairs of vectors",
    "circle": "rashin has no losses of pairs of vectors",
    "Circle": "rashin has no losses of pairs of vectors",
}
