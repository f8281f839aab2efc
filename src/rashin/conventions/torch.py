"""The losses of ``torch.nn.functional``."""

from __future__ import annotations

from rashin.conventions.convention import Convention

__all__ = ["MISSING", "TABLE"]

_NUMBERS = {"input": "predicted", "target": "observed", "weight": "weights"}
_BY_COUNT = "A weighted mean is divided by the number of elements, not by the weights."
_BY_WEIGHT = "A weighted mean is divided by the sum of the weights."

TABLE = (
    Convention(
        "mse_loss", "squared_error", "squared_error(input, target, weight=weight)", _NUMBERS,
        _BY_WEIGHT, "broadcasts other shapes with a warning.", ("MSELoss",),
    ),
    Convention(
        "l1_loss", "absolute_error", "absolute_error(input, target, weight=weight)", _NUMBERS,
        _BY_WEIGHT, "broadcasts other shapes with a warning.", ("L1Loss",),
    ),
    Convention(
        "huber_loss", "huber",
        "huber(input, target, delta=delta, weight=weight, reduction='sum') / np.prod(input.shape)",
        _NUMBERS, f"{_BY_COUNT} That of mse_loss and l1_loss is divided by the weights.", "", ("HuberLoss",),
    ),
    Convention(
        "smooth_l1_loss", "huber", "huber(input, target, delta=beta) / beta",
        {"input": "predicted", "target": "observed"},
        "The Huber loss over beta, so that the slope far away is 1; beta=0 is the absolute error.", "",
        ("SmoothL1Loss",),
    ),
    Convention(
        "cross_entropy", "softmax_cross_entropy",
        "softmax_cross_entropy(input, target, weight=weight[np.maximum(target, 0)], where=target != ignore_index)",
        {"input": "logits", "target": "labels", "weight": "class weights"},
        "The weights are those of classes. For labels the mean is divided by the weights of the labels' classes, for "
        "distributions by the number of samples. label_smoothing gives every class a share, which has the weight of "
        "that class. Classes lie along axis 1. Labels equal to ignore_index do not count. With weights of classes, "
        "distributions may have any sum.",
        "gives 0 for the float32 logits [20, 0] and the label 0, whose loss is 2.06e-9, and NaN where a distribution "
        "has no share in a class at -inf.",
        ("CrossEntropyLoss",),
    ),
    Convention(
        "linear_cross_entropy", "softmax_cross_entropy",
        "linear_softmax_cross_entropy(input, linear_weight, target, weight=weight[target])",
        {"input": "features", "linear_weight": "classifier", "target": "labels", "weight": "class weights"},
        "As cross_entropy of input @ linear_weight.T + linear_bias, whose logits are never stored if linear_weight "
        "has two axes; options is ignored.", "", ("LinearCrossEntropyLoss",),
    ),
    Convention(
        "nll_loss", "negative_log_likelihood",
        "negative_log_likelihood(input, target, weight=weight[np.maximum(target, 0)], where=target != ignore_index)",
        {"input": "log-probabilities", "target": "labels", "weight": "class weights"},
        "As cross_entropy, from log-probabilities. normalized=False accepts rows whose exponentials have any sum.",
        "accepts numbers that are not log-probabilities.", ("NLLLoss", "NLLLoss2d"),
    ),
    Convention(
        "binary_cross_entropy", "binary_cross_entropy",
        "binary_cross_entropy(input, target, weight=weight, reduction='sum') / np.prod(input.shape)",
        {"input": "probability", "target": "bit", "weight": "weights"},
        f"{_BY_COUNT} The weights are broadcast to the shape of input. clamp=True keeps logarithms at or above -100, "
        "as torch does.",
        "is at most 100: a prediction that is certain and wrong costs no more.", ("BCELoss",),
    ),
    Convention(
        "binary_cross_entropy_with_logits", "sigmoid_cross_entropy",
        "sigmoid_cross_entropy(input, target, weight=weight, reduction='sum') / np.prod(input.shape)",
        {"input": "logit", "target": "bit", "weight": "weights"},
        f"{_BY_COUNT} pos_weight, for each class along the last axis, multiplies the term of the positive class. "
        "Both kinds of weights are broadcast to the shape of input.",
        "gives 0 for the float32 logit -20 and the target 0, whose loss is 2.06e-9, and NaN at an infinite logit on "
        "the right side.",
        ("BCEWithLogitsLoss",),
    ),
    Convention(
        "soft_margin_loss", "sigmoid_cross_entropy", "sigmoid_cross_entropy(input, (target + 1) / 2)",
        {"input": "logit", "target": "sign"}, "Targets are -1 and +1.",
        "gives inf, with the gradient NaN, beyond a wrong margin of 88 in float32.", ("SoftMarginLoss",),
    ),
    Convention(
        "multilabel_soft_margin_loss", "sigmoid_cross_entropy",
        "sigmoid_cross_entropy(input, target, weight=weight + 0 * input, reduction='sum') / np.prod(input.shape)",
        {"input": "logits", "target": "one-hot", "weight": "class weights"},
        f"The mean over the classes of each sample. {_BY_COUNT}", "", ("MultiLabelSoftMarginLoss",),
    ),
    Convention(
        "poisson_nll_loss", "poisson", "poisson(input, target)", {"input": "log-rate", "target": "observed"},
        "log_input=False takes the mean itself and adds eps to it inside the logarithm; eps=0 adds nothing. full=True "
        "adds Stirling's approximation of log t! for t > 1.",
        "is 6 % of log t! off at t = 2 with full=True.", ("PoissonNLLLoss",),
    ),
    Convention(
        "gaussian_nll_loss", "gaussian", "gaussian((input, np.log(np.maximum(var, eps)) / 2), target)",
        {"input": "predicted", "target": "observed", "var": "variance"},
        "Variances below eps, 1e-6, count as eps, and have no gradient here; eps=0 uses them as given. full=True adds "
        "log(2 pi) / 2.",
        "has the gradient of the clamped variance for variances below eps.", ("GaussianNLLLoss",),
    ),
    Convention(
        "kl_div", "softmax_kullback_leibler",
        "softmax_kullback_leibler(input, target, reduction='sum') / np.prod(input.shape)",
        {"input": "log-probabilities", "target": "distributions"},
        "input holds log-probabilities, target probabilities, or their logarithms with log_target=True; rows lie "
        "along the last axis. The mean is divided by the number of elements; reduction='batchmean' divides by the "
        "first axis, and is the mathematical divergence. There is no reduction='none', as a sample is a row.",
        "loses digits in float32 near equality, and is NaN where a class has no share and log-probability "
        "-inf.",
        ("KLDivLoss",),
    ),
    Convention(
        "hinge_embedding_loss", "hinge",
        "np.mean(np.where(target > 0, input, hinge(margin - 1 - input, 0 * target - 1, reduction='none')))",
        {"input": "predicted", "target": "sign"},
        "input is a distance: itself for the target +1, and max(0, margin - input) for -1.", "",
        ("HingeEmbeddingLoss",),
    ),
    Convention(
        "margin_ranking_loss", "hinge", "hinge(input1 - input2 + target * (1 - margin), target)",
        {"input1": "predicted", "input2": "observed", "target": "sign"},
        "The target is +1 where input1 should be the larger one; the margin is 0 unless it is given.", "",
        ("MarginRankingLoss",),
    ),
    Convention(
        "multi_margin_loss", "weston_watkins",
        "weston_watkins(input, target, weight=weight[target], reduction='sum') / np.prod(input.shape)",
        {"input": "logits", "target": "labels", "weight": "class weights"},
        "The sum over the other classes is divided by the number of classes, and a weighted mean by the number of "
        "samples. p=2 sums the squares of the hinges, as squared_hinge does for two classes.", "", ("MultiMarginLoss",),
    ),
    Convention(
        "multilabel_margin_loss", "weston_watkins",
        "np.sum(hinge(input[:, :, None] - input[:, None], 1 + 0 * input[:, :, None] * input[:, None], "
        "where=((own := np.eye(len(input[0]) + 1)[target].max(1)[:, :-1])[:, :, None] > own[:, None]), "
        "reduction='none')) / np.prod(input.shape)",
        {"input": "logits", "target": "label lists"},
        "Each row of the target lists classes, up to the first -1. The hinge losses of every listed class against "
        "every class that is not listed are summed and divided by the number of classes; a class that is listed twice "
        "counts twice. Each sample needs memory for the square of the classes.", "", ("MultiLabelMarginLoss",),
    ),
)  # fmt: skip

MISSING = {
    "ctc_loss": "rashin has no alignments of sequences",
    "cosine_embedding_loss": "rashin has no losses of pairs of vectors",
    "triplet_margin_loss": "rashin has no losses of three vectors",
    "triplet_margin_with_distance_loss": "rashin has no losses of three vectors",
    "adaptive_log_softmax_with_loss": "rashin has no hierarchical softmax",
}
