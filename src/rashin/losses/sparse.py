"""Losses of the predictions of entmax, which are 0 for classes with low scores (Fenchel-Young losses)."""

from __future__ import annotations

from rashin.decorators import rowwise
from rashin.domain import ENTMAX_INDEX, LABEL, REAL
from rashin.losses.bounds import nonnegative
from rashin.losses.compensated import INFINITY, exp_beyond_line


def _sum(xp, x):
    return xp.sum(x, axis=-1, keepdims=True)


def _below_peak(xp, z):
    """z less its maximum; NaN if that is -inf, or +inf more than once."""
    peak = xp.max(z, axis=-1, keepdims=True)
    alone = (peak == INFINITY) & (_sum(xp, xp.where(z == peak, 1.0, 0.0)) == 1.0)
    return xp.where((xp.abs(peak) < INFINITY) | alone, xp.where(z == peak, 0.0, z - peak), INFINITY - INFINITY)


def _probabilities(xp, excess, a):
    """p = (1 + a y)^(1/a) of y = z - theta, 0 below -1/a, and its slope p / (1 + a y)."""
    x = xp.where(a * excess > -1.0, a * excess, 0.0)
    p = xp.where(a * excess > -1.0, xp.exp(xp.log1p(x) / a), 0.0)
    return p, p / (1.0 + x)


def _threshold(xp, z, a):
    """The theta with which the probabilities sum to 1.

    Newton's method for the logarithm or norm that the sum is a power of: convex in theta, so no step from the left goes
    too far; one step if all scores are equal, or a is 0.
    """

    def step(theta):
        p, slope = _probabilities(xp, z - theta, a)
        total = _sum(xp, p)
        rise = -total * xp.expm1(-a * xp.log(total)) / (a * _sum(xp, slope))
        return xp.where(rise > 0.0, theta + rise, theta)

    return xp.iterate(step, 0.0 * xp.max(z, axis=-1, keepdims=True))


def product_of_entmax(xp, z, t, v, alpha=1.5):
    """The Hessian times v: s (v - the mean of v with the weights s), where s are the slopes of the probabilities."""
    a = alpha - 1.0
    z = _below_peak(xp, z)
    _, slope = _probabilities(xp, z - _threshold(xp, z, a), a)
    total = _sum(xp, slope)
    near = v - _sum(xp, xp.where(slope > 0.5 * total, v, 0.0))  # from a dominant class the mean is small
    return slope * (near - _sum(xp, slope * near) / total)


@rowwise(
    prediction=REAL,
    target=LABEL,
    parameters={"alpha": ENTMAX_INDEX},
    convex=True,
    bounds=nonnegative,
    product=product_of_entmax,
)
def entmax(xp, z, t, alpha=1.5):
    r"""Between the softmax cross-entropy and the sparsemax loss: classes with low scores count nothing.

    .. math:: \ell = \max_p \Big( \sum_j p_j (z_j - z_k) + \frac{1 - \sum_j p_j^\alpha}{\alpha (\alpha - 1)} \Big)

    The maximum is over distributions p; the gradient is p minus the label. The loss is 0 where p is the label's.

    alpha : number in (1, 2]; 2 gives sparsemax. Near 1 the loss tends to ``softmax_cross_entropy``.

    >>> entmax([[0.5, 0.0, -3.0]], [0], alpha=1.5)
    0.1843713789...

    Reference: Martins and Astudillo (2016), From softmax to sparsemax; Peters et al. (2019), Sparse
    sequence-to-sequence models; Blondel et al. (2020), Learning with Fenchel-Young losses.
    """
    a = alpha - 1.0
    z = _below_peak(xp, z)
    excess = z - _threshold(xp, z, a)
    p, slope = _probabilities(xp, excess, a)
    others, own = xp.where(t > 0.0, 0.0, p), xp.sum(xp.where(t > 0.0, excess, 0.0), axis=-1)
    rest, powers = xp.sum(others, axis=-1), xp.sum(others * (p / xp.where(slope > 0.0, slope, 1.0)), axis=-1)
    large = xp.where(slope > 0.5 * _sum(xp, slope), slope, 0.0)  # the sum of the others is then not a difference
    beside = xp.where(large > 0.0, _sum(xp, slope - large), _sum(xp, slope) - slope)
    return (
        _value(xp, alpha, own, rest, powers),
        xp.where(t > 0.0, -_sum(xp, others), p),
        slope * beside / _sum(xp, slope),
    )


def _value(xp, alpha, own, rest, powers):
    """The divergence from p to the label, a sum of positive terms unless the label's share is small.

    ``own`` is y of the label, ``rest`` and ``powers`` are the sums of p and of p^alpha over the others.
    """
    a = alpha - 1.0
    near = rest < 0.75
    u = xp.log1p(-xp.where(near, rest, 0.0))  # log p of the label
    bent = exp_beyond_line(xp, alpha * u) / alpha - exp_beyond_line(xp, a * u) / a
    x = xp.where(a * own > -1.0, a * own, -1.0)
    power = xp.where(x > -1.0, xp.exp(alpha * xp.log1p(xp.where(x > -1.0, x, 0.0)) / a), 0.0)
    return xp.where(near, powers / alpha + bent, -own - (1.0 - powers - power) / alpha)
