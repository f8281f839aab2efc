"""Losses of two classes: from logits, from probabilities and from margins."""

from __future__ import annotations

import math

import numpy as np

from rashin.decorators import pointwise
from rashin.domain import BINARY, FACTOR, FOCUS, LOGIT, NONNEGATIVE, PROBABILITY, SIGN
from rashin.losses.bounds import nonnegative, shifted_logarithm, unit
from rashin.losses.compensated import inverse_and_log, times_exp
from rashin.losses.constants import half_log_odds, log_odds, mean, shrunk_mean
from rashin.rule import RESIDUAL


def softplus(xp, z):
    """log(1 + e^z) and log(1 + e^-z), e^-|z|, and whether z is positive."""
    e, up = xp.exp(-xp.abs(z)), z > 0.0
    common = xp.log1p_unit(e)
    return xp.where(up, z, 0.0) + common, xp.where(up, 0.0, -z) + common, e, up


def weighted_logit(xp, z, t, positive_weight):
    """dl/dt = w+ log(1 + e^-z) - log(1 + e^z), which is -z for w+ = 1."""
    plus, minus, _, up = softplus(xp, z)
    extra = positive_weight - 1.0
    return xp.where(up, extra * minus - z, extra * plus - positive_weight * z)


@pointwise(
    prediction=LOGIT,
    target=PROBABILITY,
    parameters={"positive_weight": FACTOR},
    convex=True,
    link="logit",
    best_constant=log_odds,
    target_degree=1,
    target_slope=weighted_logit,
    bounds=nonnegative,
)
def sigmoid_cross_entropy(xp, z, t, positive_weight=1.0):
    r"""Cross-entropy of two classes from the logit; ``binary_cross_entropy`` takes the probability.

    .. math:: \ell = w_+ t \log(1 + e^{-z}) + (1 - t) \log(1 + e^z)

    positive_weight : weight w+ of the positive class, in [1e-100, 1e100].

    >>> sigmoid_cross_entropy(-20.0, 0.0)
    2.061153620314381e-09

    Reference: Cox (1958), The regression analysis of binary sequences.
    """
    plus, minus, e, up = softplus(xp, z)
    large = 1.0 / (1.0 + e)
    small = e * large  # saves a division, and costs an ulp of double
    p, q = xp.where(up, large, small), xp.where(up, small, large)
    a, b = positive_weight * t, 1.0 - t
    value = xp.where(a > 0.0, a * minus, 0.0) + xp.where(b > 0.0, b * plus, 0.0)
    return value, b * p - a * q, (a + b) * (p * q)


def log_odds_against(xp, z, t, epsilon):
    """dl/dt = log((1 - z + epsilon) / (z + epsilon)), without cancellation near z = 1/2."""
    low, excess = z <= 0.5, 1.0 - 2.0 * z
    odds = xp.log1p(xp.where(low, excess, -excess) / (xp.where(low, z, 1.0 - z) + epsilon))
    return xp.where(low, odds, -odds)


@pointwise(
    prediction=PROBABILITY,
    target=PROBABILITY,
    parameters={"epsilon": NONNEGATIVE},
    convex=True,
    best_constant=shrunk_mean,
    target_degree=1,
    target_slope=log_odds_against,
    bounds=shifted_logarithm,
)
def binary_cross_entropy(xp, z, t, epsilon=0.0):
    r"""Cross-entropy of two classes from the probability; ``sigmoid_cross_entropy`` takes the logit.

    .. math:: \ell = -t \log(z + \epsilon) - (1 - t) \log(1 - z + \epsilon)

    epsilon : number >= 0 added inside the logarithms. With 0, a prediction that is certain and wrong costs inf.

    >>> binary_cross_entropy([0.8, 0.3], [1.0, 0.0])
    0.2899092476264711

    Reference: Good (1952), Rational decisions.
    """
    of_p, log_p = inverse_and_log(xp, z, 0.0, epsilon)
    of_q, log_q = inverse_and_log(xp, 1.0, -z, epsilon)
    s = 1.0 - t
    yes, no = t > 0.0, s > 0.0
    a, b = xp.where(yes, t * of_p, 0.0), xp.where(no, s * of_q, 0.0)
    value = -xp.where(yes, t * log_p, 0.0) - xp.where(no, s * log_q, 0.0)
    return value, b - a, xp.where(yes, a * of_p, 0.0) + xp.where(no, b * of_q, 0.0)


@pointwise(
    prediction=PROBABILITY,
    target=PROBABILITY,
    convex=True,
    best_constant=mean,
    target_degree=2,
    target_slope=RESIDUAL,
    bounds=unit,
)
def binary_brier(xp, z, t):
    r"""The squared difference of a probability and its target: bounded, and smallest on average at the true one.

    .. math:: \ell = (z - t)^2

    >>> binary_brier([0.75, 0.5], [1.0, 0.0])
    0.15625

    Reference: Brier (1950), Verification of forecasts expressed in terms of probability.
    """
    r = z - t
    return r * r, 2.0 * r, 2.0


@pointwise(target=SIGN, kinks=lambda t: (t,), convex=True, bounds=nonnegative)
def hinge(xp, z, t):
    r"""Zero once the margin t z reaches 1; targets are -1 and +1. Slope -t/2 at the kink.

    .. math:: \ell = \max(0, 1 - t z)

    >>> hinge([0.5, -3.0], [1, -1])
    0.25

    Reference: Cortes and Vapnik (1995), Support-vector networks.
    """
    m = 1.0 - t * z
    return xp.where(m < 0.0, 0.0, m), xp.where(m > 0.0, -t, xp.where(m < 0.0, 0.0, -0.5 * t)), 0.0


@pointwise(target=SIGN, kinks=lambda t: (t,), convex=True, bounds=nonnegative)
def squared_hinge(xp, z, t):
    r"""The square of the hinge loss; targets are -1 and +1. At t z = 1 the curvature jumps from 2 to 0; there it is 1.

    .. math:: \ell = \max(0, 1 - t z)^2

    >>> squared_hinge([0.5, -3.0], [1, -1])
    0.125

    Reference: Lee and Mangasarian (2001), SSVM: a smooth support vector machine for classification.
    """
    m = 1.0 - t * z
    h = xp.where(m < 0.0, 0.0, m)
    return h * h, -2.0 * t * h, xp.where(m > 0.0, 2.0, xp.where(m < 0.0, 0.0, 1.0))


@pointwise(target=SIGN, kinks=lambda t: (t, -t), convex=True, best_constant=mean, bounds=nonnegative)
def modified_huber(xp, z, t):
    r"""The squared hinge loss, linear below the margin t z = -1: targets are -1 and +1.

    .. math:: \ell = \max(0, 1 - t z)^2 \ (t z \ge -1), \quad -4 t z \ (t z < -1)

    The prediction between -1 and 1 with the smallest mean is twice the probability of +1, less 1. At the margins -1 and
    1 the curvature jumps between 0 and 2; there it is 1.

    >>> modified_huber([0.5, 3.0], [1, -1])
    6.125

    Reference: Zhang (2004), Statistical behavior and consistency of classification methods based on convex risk
    minimization.
    """
    m = t * z
    h = xp.where(m < -1.0, 2.0, xp.where(m > 1.0, 0.0, 1.0 - m))
    bend = xp.where(xp.abs(m) < 1.0, 2.0, xp.where(xp.abs(m) > 1.0, 0.0, 1.0))
    return xp.where(m < -1.0, -4.0 * m, h * h), -2.0 * t * h, bend


@pointwise(target=SIGN, convex=True, best_constant=half_log_odds, bounds=nonnegative)
def exponential(xp, z, t):
    r"""The loss of AdaBoost, which grows exponentially with a wrong margin: targets are -1 and +1.

    .. math:: \ell = e^{-t z}

    >>> exponential([0.0, 2.0], [1, -1])
    4.194528049465325

    Reference: Freund and Schapire (1997), A decision-theoretic generalization of on-line learning and an application to
    boosting.
    """
    e = xp.exp(-t * z)
    return e, -t * e, e


def focal_parts(xp, m, gamma):
    """-log p, p, q = 1 - p and q^gamma for p = sigmoid(m); e^-|m|, 1 more than that, and whether m is positive."""
    _, loss, e, up = softplus(xp, m)
    total = 1.0 + e
    large, small = 1.0 / total, e / total
    p, q = xp.where(up, large, small), xp.where(up, small, large)  # q = 1 - p without cancellation
    # q = e^-m or 1, over 1 + e with e = e^-|m|: q^gamma from the parts, as gamma multiplies the error of a rounded q.
    lost = (e - (total - 1.0)) / total
    power = times_exp(xp, xp.float_power(total, -gamma) * (1.0 - gamma * lost), -gamma, xp.where(up, m, 0.0))
    return loss, p, q, power, e, total, up


@pointwise(prediction=LOGIT, target=BINARY, parameters={"gamma": FOCUS, "alpha": PROBABILITY}, bounds=nonnegative)
def sigmoid_focal(xp, z, t, gamma=2.0, alpha=None):
    r"""Focal loss of two classes from the logit: well-classified samples count less. Targets are 0 and 1.

    .. math:: \ell = -\alpha_t (1 - p_t)^\gamma \log p_t, \quad p_t = \sigma((2 t - 1) z)

    gamma : exponent in [0, 100]; the larger it is, the less easy samples count, and 0 gives the cross-entropy. In
        float64 the power adds gamma / 4 ULPs.
    alpha : weight of class 1, in [0, 1]; class 0 has weight 1 - alpha. None weights neither class.

    >>> sigmoid_focal([0.0, -3.0], [1, 0], gamma=2.0)
    0.08669803923224166

    Reference: Lin et al. (2017), Focal loss for dense object detection.
    """
    s = 2.0 * t - 1.0
    m = s * z
    loss, p, q, power, _, total, up = focal_parts(xp, m, gamma)
    power = power if alpha is None else xp.where(t > 0.0, alpha, 1.0 - alpha) * power
    product = xp.where(p > 0.0, p * loss, 0.0)
    slope = -power * (gamma * product + q)
    # The curvature has a factor p. Where p is subnormal, its few bits times gamma log p would be all that is left.
    # Beyond a loss of 1000 it is 0, and gamma times the loss might be infinite.
    bent = gamma * gamma * product + q * (2.0 * gamma + 1.0 - gamma * xp.where(loss > 1000.0, 0.0, loss))
    curvature = times_exp(xp, power * bent / total, xp.where(up, 0.0, 1.0), xp.where(up, 0.0, m))
    return xp.where(q > 0.0, power * loss, 0.0), s * slope, curvature


def kink_of_clip(t, gamma_negative, gamma_positive, clip):
    """The logit of ``clip``, where the loss of class 0 begins to grow."""
    if gamma_negative > 1.0 or not 0.0 < clip < 1.0:
        return ()
    return (np.where(t == 0.0, math.log(clip / (1.0 - clip)), np.inf),)


def clipped(xp, p, e, up, clip):
    """The share of q that is more than ``clip``, and 1 over 1 less q plus clip."""
    left = (1.0 - clip) - clip * xp.where(up, 1.0 / e, e)  # (q - clip) / q, as 1 / q is 1 + e^m
    left = xp.where(clip == 0.0, 1.0, left)
    return xp.where(left > 0.0, left, 0.0), 1.0 / (p + clip)


@pointwise(
    prediction=LOGIT,
    target=BINARY,
    parameters={"gamma_negative": FOCUS, "gamma_positive": FOCUS, "clip": PROBABILITY},
    kinks=kink_of_clip,
    bounds=nonnegative,
)
def asymmetric(xp, z, t, gamma_negative=4.0, gamma_positive=1.0, clip=0.05):
    r"""Focal loss with an exponent for each class, for labels of which most are 0: easy zeros do not count at all.

    .. math:: \ell = -t (1 - p)^{\gamma_+} \log p - (1 - t) q^{\gamma_-} \log(1 - q)

    Here p is the sigmoid of z, and q = max(p - clip, 0).

    gamma_negative : exponent for targets of 0, in [0, 100]; the larger it is, the less easy samples count.
    gamma_positive : exponent for targets of 1, in [0, 100].
    clip : probability in [0, 1] up to which a target of 0 costs nothing. 0 and equal exponents give ``sigmoid_focal``.
        Where p is near ``clip``, float64 loses the digits that cancel in p - clip.

    >>> asymmetric([0.0, -3.0, 2.0], [1, 0, 0])
    0.39766284699064103

    Reference: Ben-Baruch et al. (2021), Asymmetric loss for multi-label classification.
    """
    s = 2.0 * t - 1.0
    gamma, c = xp.where(t > 0.0, gamma_positive, gamma_negative), xp.where(t > 0.0, 0.0, clip)
    loss, p, q, power, e, total, up = focal_parts(xp, s * z, gamma)
    left, inverse = clipped(xp, p, e, up, c)
    inside, none = left > 0.0, c == 0.0
    power, share = xp.where(inside, power * xp.float_power(left, gamma), 0.0), xp.where(inside, left, 1.0)
    low = q * left < 0.5
    loss = xp.where(none, loss, xp.where(low, -xp.log1p(xp.where(low, -q * left, 0.0)), xp.log(inverse)))
    h, rate = xp.where(none, 1.0, p * inverse), loss / share
    product = xp.where(p > 0.0, p * rate, 0.0)
    turn = xp.where(none, 1.0, (p - q * c * inverse) * inverse)
    bent = gamma * product * ((gamma - 1.0) / share + 1.0) - gamma * q * xp.where(loss > 1000.0, 0.0, rate)
    bent = bent + q * (2.0 * gamma * h / share + turn)
    curvature = times_exp(xp, power * bent / total, xp.where(up, 0.0, 1.0), xp.where(up, 0.0, s * z))
    return xp.where(q > 0.0, power * loss, 0.0), -s * power * (gamma * product + q * h), curvature
