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


def weighted_expectile(t, w, level=0.5):
    """The number whose distances to the targets above, times ``level``, equal those below, times 1 - ``level``."""
    order = np.argsort(t)
    t, w = t[order], w[order]
    parts = np.stack([w * t, w])
    below, above = np.cumsum(parts, axis=1), np.cumsum(parts[:, ::-1], axis=1)[:, -2::-1]
    sums = (1.0 - level) * below + level * np.append(above, np.zeros((2, 1)), axis=1)
    each = sums[0] / sums[1]  # the best constant if it lies between this target and the next
    return each[np.argmax(each <= np.append(t[1:], np.inf))]


def insensitive_median(t, w, epsilon=0.1):
    """A median of the two ends of each target's interval, where the slope of its loss jumps by half."""
    return weighted_quantile(np.append(t - epsilon, t + epsilon), np.append(w, w))


def relative_median(t, w):
    """The median, with targets that weigh less the larger they are."""
    return weighted_quantile(t, w / np.abs(t))


def mean_of_logarithms(t, w):
    """The number whose log(1 + z) is the mean of log(1 + t)."""
    return np.expm1(mean(np.log1p(t), w))


def half_log_odds(t, w):
    """Half the logarithm of the odds of +1 against -1."""
    with np.errstate(divide="ignore"):
        return 0.5 * (np.log(np.sum(w * (t > 0.0))) - np.log(np.sum(w * (t < 0.0))))


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


def tempered_frequencies(t, w, reverse=False, temperature=1.0):
    """T times the logarithms of the mean distribution; in reverse, those of the distributions' geometric mean."""
    with np.errstate(divide="ignore"):
        return temperature * (mean(np.log(t), w) if reverse else np.log(mean(t, w)))


def log_frequencies(t, w, label_smoothing=0.0, z_loss=0.0, softcap=None, normalized=True):
    """The logarithms of the smoothed class frequencies, with logsumexp 0; None if they exceed the softcap."""
    frequencies = mean(t, w)
    with np.errstate(divide="ignore"):
        u = np.log((1.0 - label_smoothing) * frequencies + label_smoothing / frequencies.size)
    if softcap is None:
        return u
    return softcap * np.arctanh(u / softcap) if np.all(np.abs(u) < softcap) else None


def mean_and_log_spread(t, w):
    """The mean and the logarithm of the standard deviation; None if all numbers are equal: the loss has no minimum."""
    center = mean(t, w)
    variance = mean((t - center) ** 2, w)
    return np.array([center, 0.5 * np.log(variance)]) if variance > 0.0 else None


def weighted_quantiles(t, w, levels):
    """The quantile of each level."""
    return np.array([weighted_quantile(t, w, level) for level in levels])


def logits_of_shares(t, w):
    """Thresholds at the logits of the cumulative frequencies of ordered classes, and the logit 0."""
    shares = np.asarray(w) @ t
    up_to, beyond = np.cumsum(shares)[:-1], np.cumsum(shares[::-1])[-2::-1]
    with np.errstate(divide="ignore"):
        return np.append(np.log(up_to / beyond), 0.0)
