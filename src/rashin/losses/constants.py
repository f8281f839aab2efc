"""The constant predictions that minimise a weighted mean loss, if they have a closed form.

Each function takes targets and weights of shape (n,) and the parameters of the loss. Targets of row losses are
distributions (n, C).
"""

from __future__ import annotations

import numpy as np


def mean(t, w):
    """The weighted mean: it minimises the squared error and, as a probability, the cross-entropy."""
    return np.average(t, weights=w, axis=0)


def mean_row(t, w, normalized=True):
    """The class frequencies: they minimise the squared distance, and sum to 1 unasked."""
    return mean(t, w)


def log_mean(t, w, power=1.0):
    """The logarithm of the mean: it minimises every Tweedie loss with a log link, whatever its power."""
    with np.errstate(divide="ignore"):
        return np.log(np.maximum(mean(t, w), 0.0))


def weighted_quantile(t, w, quantile=0.5):
    """The smallest target at which the cumulative weight reaches the share ``quantile`` of the total."""
    order = np.argsort(t)
    reached = np.cumsum(w[order]) >= quantile * np.sum(w)
    return t[order][np.argmax(reached)]


def log_odds(t, w, positive_weight=1.0):
    """The logit of the share of positives, with positives counted ``positive_weight`` times."""
    with np.errstate(divide="ignore"):
        return np.log(positive_weight * np.sum(w * t)) - np.log(np.sum(w * (1.0 - t)))


def shrunk_mean(t, w, epsilon=0.0):
    """The probability p for which p + epsilon is proportional to the share of positives."""
    return np.clip(mean(t, w) * (1.0 + 2.0 * epsilon) - epsilon, 0.0, 1.0)


def shrunk_frequencies(t, w, epsilon=0.0, normalized=True):
    """The distribution p for which p + epsilon is proportional to the class frequencies; None if an entry is below 0.

    It is also the best constant if predictions need not be ``normalized``.
    """
    frequencies = mean(t, w)
    p = frequencies * (1.0 + frequencies.size * epsilon) - epsilon
    return p if np.all(p >= 0.0) else None


def log_frequencies(t, w, label_smoothing=0.0, z_loss=0.0, softcap=None, normalized=True):
    """The logarithms of the smoothed class frequencies, with logsumexp 0; None if they exceed the softcap."""
    frequencies = mean(t, w)
    with np.errstate(divide="ignore"):
        u = np.log((1.0 - label_smoothing) * frequencies + label_smoothing / frequencies.size)
    if softcap is None:
        return u
    return softcap * np.arctanh(u / softcap) if np.all(np.abs(u) < softcap) else None
