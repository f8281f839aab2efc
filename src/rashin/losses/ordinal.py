"""Losses of ordered classes: a logit among thresholds."""

from __future__ import annotations

from rashin.decorators import rowwise
from rashin.domain import LABEL, REAL, Thresholds
from rashin.losses.bounds import nonnegative
from rashin.losses.compensated import INFINITY, less
from rashin.losses.constants import logits_of_shares


def _at_ends(xp, x, t):
    """The entries of rows (n, K - 1) for the thresholds above and below the label's class; 0 beyond the last."""
    above, below = xp.where(t[..., :-1] > 0.0, x, 0.0), xp.where(t[..., 1:] > 0.0, x, 0.0)
    return xp.sum(above, axis=-1, keepdims=True), xp.sum(below, axis=-1, keepdims=True)


def _row(xp, t, by_above, by_below, by_logit):
    """A row with numbers for the thresholds above and below the label's class, and for the logit."""
    above, below = xp.where(t[..., :-1] > 0.0, by_above, 0.0), xp.where(t[..., 1:] > 0.0, by_below, 0.0)
    return xp.concat([above + below, by_logit], axis=-1)


def _apart(xp, a, b):
    """a - b and its rounding error."""
    difference, lost = less(a, b)
    return difference, xp.where(xp.abs(difference) < INFINITY, lost, 0.0)


def _distances(xp, z, t):
    """The logit less the threshold above, the one below less the logit, and the gap, each with its rounding error."""
    above, below = _at_ends(xp, z[..., :-1], t)
    (x, lost_x), (y, lost_y) = _apart(xp, z[..., -1:], above), _apart(xp, below, z[..., -1:])
    gap, lost = _apart(xp, above, below)
    gap = xp.where((t[..., -1:] > 0.0) | (t[..., :1] > 0.0), INFINITY, xp.where(above == below, 0.0, gap))
    x, y = xp.where(t[..., -1:] > 0.0, -INFINITY, x), xp.where(t[..., :1] > 0.0, -INFINITY, y)
    return (x, lost_x), (y, lost_y), (gap, lost)


def _sigmoid(xp, x, lost):
    """The sigmoid of x + lost and of its negative, and the softplus."""
    e = xp.exp(-xp.abs(x))
    large, small = 1.0 / (1.0 + e), e / (1.0 + e)
    up, down = xp.where(x > 0.0, large, small), xp.where(x > 0.0, small, large)
    return up * (1.0 + lost * down), down * (1.0 - lost * up), xp.log1p(e) + xp.where(x > 0.0, x, 0.0) + lost * up


def _of_gap(xp, gap, lost):
    """log(1 - e^-gap) of gap + lost, its slope, which is 1 / (e^gap - 1), and minus its curvature."""
    q, near = 1.0 / xp.expm1(gap), gap < 0.7  # either form of the logarithm loses no digits in its half
    logarithm = xp.where(near, xp.log(-xp.expm1(-gap)), xp.log1p(-xp.exp(-xp.where(near, 1.0, gap))))
    error = xp.where(q < INFINITY, q * lost, 0.0)
    slope = xp.where(q < INFINITY, q - (q + 1.0) * error, q)
    return logarithm + error, slope, slope * (slope + 1.0)


def product_of_ordinal(xp, z, t, v):
    """The Hessian times v."""
    x, y, gap = _distances(xp, z, t)
    (up_x, down_x, _), (up_y, down_y, _), (_, _, bend) = _sigmoid(xp, *x), _sigmoid(xp, *y), _of_gap(xp, *gap)
    v_above, v_below = _at_ends(xp, v[..., :-1], t)
    by_above, by_below = up_x * down_x * (v_above - v[..., -1:]), up_y * down_y * (v_below - v[..., -1:])
    wider = xp.where(v_above != v_below, bend * (v_above - v_below), 0.0)
    return _row(xp, t, by_above + wider, by_below - wider, 0.0 - by_above - by_below)


@rowwise(
    prediction=Thresholds(REAL),
    target=LABEL,
    convex=True,
    best_constant=logits_of_shares,
    target_degree=1,
    bounds=nonnegative,
    product=product_of_ordinal,
)
def ordinal(xp, z, t):
    r"""Negative log-likelihood of ordered classes with proportional odds (cumulative link model).

    .. math:: \ell = -\log(\sigma(\theta_{k+1} - z) - \sigma(\theta_k - z)), \quad \theta_0 = -\infty, \theta_K = \infty

    A prediction (..., K) contains the K - 1 thresholds between the K classes and then the logit z. Thresholds may
    differ between samples, but must not fall along one. A class between equal thresholds has probability 0; a sample
    of that class has an infinite loss.

    >>> ordinal([[-1.0, 1.0, 0.0]], [1])
    0.7719368329...

    Reference: McCullagh (1980), Regression models for ordinal data.
    """
    (x, lost_x), (y, lost_y), gap = _distances(xp, z, t)
    up_x, down_x, rise_x = _sigmoid(xp, x, lost_x)
    up_y, down_y, rise_y = _sigmoid(xp, y, lost_y)
    logarithm, q, bend = _of_gap(xp, *gap)
    total, lost = _apart(xp, x, y)
    total = xp.where(x == y, 0.0, total)
    larger = xp.where(total > 0.0, up_x * down_y, up_y * down_x)  # |sigma(x) - sigma(y)| = larger (1 - e^-|x - y|)
    tail = xp.exp(-xp.abs(total)) * (lost + lost_x - lost_y)
    turn = larger * (tail - xp.sign(total) * xp.expm1(-xp.abs(total)))
    curve_x, curve_y = up_x * down_x, up_y * down_y
    return (
        xp.sum(rise_x + rise_y - logarithm, axis=-1),
        _row(xp, t, -up_x - q, up_y + q, turn),
        _row(xp, t, curve_x + bend, curve_y + bend, curve_x + curve_y),
    )
