"""Functions of logits: probabilities, statistics, and the loss after a linear layer."""

from rashin.logits.linear import linear_softmax_cross_entropy, linear_softmax_statistics
from rashin.logits.links import log_softmax, logsumexp, sigmoid, softmax
from rashin.logits.statistics import SoftmaxStatistics, softmax_statistics

__all__ = [
    "SoftmaxStatistics",
    "linear_softmax_cross_entropy",
    "linear_softmax_statistics",
    "log_softmax",
    "logsumexp",
    "sigmoid",
    "softmax",
    "softmax_statistics",
]
