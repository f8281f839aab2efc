"""Lower and upper bound of a loss at given parameters; the functions of row losses take the number of classes first."""

from __future__ import annotations

import math


def nonnegative(*classes, **parameters):
    """The bounds of a loss that reaches 0 and is never negative."""
    return 0.0, math.inf


def unit(*classes, **parameters):
    """The bounds of a loss between 0 and 1."""
    return 0.0, 1.0


def shifted_logarithm(epsilon=0.0):
    """The bounds of a mean of -log(p + epsilon), p in [0, 1]."""
    return 0.0 - math.log1p(epsilon), -math.log(epsilon) if epsilon > 0.0 else math.inf


def shifted_logarithms(classes, epsilon=0.0, normalized=True):
    """The same bounds, for a distribution over classes."""
    return shifted_logarithm(epsilon)


def entropy_of_choice(classes, beta=0.5, temperature=1.0):
    """The bounds of a Jensen-Shannon divergence times T^2."""
    return 0.0, -(beta * math.log(beta) + (1.0 - beta) * math.log1p(-beta)) * temperature * temperature


def capped_cross_entropy(classes, label_smoothing=0.0, z_loss=0.0, softcap=None):
    """The bounds for logits between -softcap and softcap, whose logsumexp is at most log(classes) + softcap."""
    if softcap is None:
        return 0.0, math.inf
    highest = math.log(classes) + softcap
    return 0.0, highest + softcap + z_loss * highest * highest


def squared_distance(classes, normalized=True):
    """The bounds of |p - t|^2 of a distribution t; rows that are ``normalized`` sum to at most 1.05."""
    return 0.0, 2.0 + 0.05**2 if normalized else float(classes)


def inverse_power(classes, power=0.7):
    """The bounds of (1 - p^power) / power, p in [0, 1]."""
    return 0.0, 1.0 / power if power > 0.0 else math.inf
