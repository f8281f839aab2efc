"""Losses of two classes: from logits, from probabilities and from margins."""

from __future__ import annotations

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
    _, loss, e, up = softplus(xp, m)  # loss = -log p
    total = 1.0 + e
    large, small = 1.0 / total, e / total
    p, q = xp.where(up, large, small), xp.where(up, small, large)  # q = 1 - p without cancellation
    factor = 1.0 if alpha is None else xp.where(t > 0.0, alpha, 1.0 - alpha)
    # q = e^-m or 1, over 1 + e with e = e^-|m|: q^gamma from the parts, as gamma multiplies the error of a rounded q.
    lost = (e - (total - 1.0)) / total
    power = factor * times_exp(xp, xp.float_power(total, -gamma) * (1.0 - gamma * lost), -gamma, xp.where(up, m, 0.0))
    product = xp.where(p > 0.0, p * loss, 0.0)
    slope = -power * (gamma * product + q)
    # The curvature has a factor p. Where p is subnormal, its few bits times gamma log p would be all that is left.
    # Beyond a loss of 1000 it is 0, and gamma times the loss might be infinite.
    bent = gamma * gamma * product + q * (2.0 * gamma + 1.0 - gamma * xp.where(loss > 1000.0, 0.0, loss))
    curvature = times_exp(xp, power * bent / total, xp.where(up, 0.0, 1.0), xp.where(up, 0.0, m))
    return xp.where(q > 0.0, power * loss, 0.0), s * slope, curvature
