"""Losses that depend only on u = log softmax(z)[label]; one row kernel computes the rest for all of them."""

from __future__ import annotations

from rashin.decorators import labelwise
from rashin.domain import FOCUS, PROBABILITY, TWIST
from rashin.losses.bounds import capped_cross_entropy, inverse_power, nonnegative
from rashin.losses.compensated import INFINITY, exp_beyond_line, times_exp
from rashin.losses.constants import log_frequencies


@labelwise(
    options=("label_smoothing", "z_loss", "softcap"),
    convex=True,
    best_constant=log_frequencies,
    bounds=capped_cross_entropy,
)
def softmax_cross_entropy(xp, u):
    r"""Cross-entropy from logits; ``categorical_cross_entropy`` takes probabilities.

    .. math:: \ell = -\sum_k q_k \log \mathrm{softmax}(z)_k

    label_smoothing : share s in [0, 1]; the target becomes (1 - s) q + s / C.
    z_loss : factor >= 0 of the added term z_loss logsumexp(z)^2, which keeps the logits near a common scale.
    softcap : bound c > 0 of the logits, which first become c tanh(z / c). None leaves them unchanged.

    >>> softmax_cross_entropy([[20.0, 0.0]], [0])
    2.061153620314381e-09

    Reference: Bridle (1990), Probabilistic interpretation of feedforward classification network outputs.
    """
    return -u, -1.0, 0.0


@labelwise(parameters={"gamma": FOCUS}, bounds=nonnegative)
def focal(xp, u, gamma=2.0):
    r"""Focal loss from logits: well-classified samples count less.

    .. math:: \ell = -(1 - p)^\gamma \log p, \quad p = \mathrm{softmax}(z)_k

    gamma : exponent in [0, 100]; the larger it is, the less easy samples count, and 0 gives the cross-entropy. In
        float64 the power multiplies the rounding error of 1 - p, by up to 4 gamma ULPs.

    >>> focal([[2.0, 0.0]], [0], gamma=2.0)
    0.0018035628352403757

    Reference: Lin et al. (2017), Focal loss for dense object detection.
    """
    p, q = xp.exp(u), -xp.expm1(u)
    some = q > 0.0
    safe = xp.where(some, q, 1.0)
    power = xp.where(some, xp.float_power(safe, gamma), 0.0)
    product = xp.where(p > 0.0, p * (-u / safe), 0.0)  # p log(1/p) / q, which tends to 1 as q vanishes
    steep = power / safe  # may be infinite if q is subnormal; the curvature by a logit has a factor q^2, and is 0 there
    curvature = steep * (gamma * (2.0 * p + (gamma - 1.0) * p * product - q * product))
    return -power * u, -power * (1.0 + gamma * product), xp.where(steep < INFINITY, curvature, 0.0)


@labelwise(parameters={"epsilon": TWIST}, bounds=nonnegative)
def poly_one(xp, u, epsilon=2.0):
    r"""Cross-entropy from logits with the first coefficient of its series in 1 - p changed.

    .. math:: \ell = -\log p + \epsilon (1 - p), \quad p = \mathrm{softmax}(z)_k

    epsilon : number >= -1; 0 gives the cross-entropy, and the loss is convex up to 1. beta A / alpha makes it the
        symmetric cross-entropy alpha CE + beta RCE, over alpha, whose log 0 is -A.

    >>> poly_one([[20.0, 0.0]], [0], epsilon=2.0)
    6.183460856694788e-09

    Reference: Leng et al. (2022), PolyLoss: a polynomial expansion perspective of classification loss functions.
    """
    p, less_p = xp.exp(u), xp.expm1(u)
    less = epsilon < 0.0  # then log p and 1 - p cancel, but for what is left of the series, p - 1 - log p
    near = xp.where(less & (u > -1.0), u, 0.0)
    value = xp.where(near < 0.0, -epsilon * exp_beyond_line(xp, near) - (1.0 + epsilon) * near, -u - epsilon * less_p)
    slope = xp.where(less, -epsilon * less_p - (1.0 + epsilon), -1.0 - epsilon * p)
    return value, slope, -epsilon * p


@labelwise(parameters={"power": PROBABILITY}, bounds=inverse_power)
def generalized_cross_entropy(xp, u, power=0.7):
    r"""Between the cross-entropy and the absolute error 1 - p, from logits: wrong labels count less.

    .. math:: \ell = (1 - p^q) / q, \quad p = \mathrm{softmax}(z)_k

    power : exponent q in [0, 1]; 0 gives the cross-entropy, the limit, and 1 the absolute error.

    >>> generalized_cross_entropy([[20.0, 0.0]], [0], power=1e-6)
    2.0611536203143...e-09

    Reference: Zhang and Sabuncu (2018), Generalized cross entropy loss for training deep neural networks with noisy
    labels.
    """
    some = power > 0.0
    x = xp.where(some, power * u, 0.0)  # not 0 * inf
    root = times_exp(xp, 1.0, power, xp.where(some, u, 0.0))
    far = x < -1e-30  # nearer to 0, x may be subnormal, and the limit is all there is
    return xp.where(far, -xp.expm1(x) / xp.where(far, power, 1.0), -u), -root, -power * root
