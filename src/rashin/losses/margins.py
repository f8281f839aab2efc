"""Losses of the margins between the label's score and those of the other classes."""

from __future__ import annotations

from rashin.decorators import rowwise
from rashin.domain import LABEL, REAL
from rashin.losses.bounds import nonnegative
from rashin.losses.compensated import INFINITY, less


def _shortfalls(xp, scores, z, t):
    """1 + z_j - z_k of some scores, where k is the label; its sign is exact."""
    difference, lost = less(scores, xp.sum(xp.where(t > 0.0, z, 0.0), axis=-1, keepdims=True))
    return 1.0 + difference + xp.where(xp.abs(difference) < INFINITY, lost, 0.0)


def no_curvature(xp, z, t, v):
    """The Hessian times v where the loss is a sum of lines."""
    return 0.0


@rowwise(prediction=REAL, target=LABEL, convex=True, bounds=nonnegative, product=no_curvature)
def crammer_singer(xp, z, t):
    r"""Hinge loss of several classes: zero once the label's score exceeds every other by 1.

    .. math:: \ell = \max(0, \max_{j \ne k} (1 + z_j - z_k))

    Where classes tie for the maximum, each has the same share of the gradient, the label too if the maximum is 0. The
    Hessian is 0.

    >>> crammer_singer([[2.0, 1.5, 1.25]], [0])
    0.5

    Reference: Crammer and Singer (2001), On the algorithmic implementation of multiclass kernel-based vector machines.
    """
    others = xp.where(t > 0.0, -INFINITY, z)
    highest = xp.max(others, axis=-1, keepdims=True)
    short = _shortfalls(xp, highest, z, t)
    rivals = (others == highest) & (short >= 0.0)  # not of the margins: those may tie where the scores do not
    ties = xp.where(t > 0.0, xp.where(short > 0.0, 0.0, 1.0), xp.where(rivals, 1.0, 0.0))
    value = xp.sum(xp.where(short < 0.0, 0.0, short), axis=-1)
    return value, ties / xp.sum(ties, axis=-1, keepdims=True) - t, 0.0


@rowwise(prediction=REAL, target=LABEL, convex=True, bounds=nonnegative, product=no_curvature)
def weston_watkins(xp, z, t):
    r"""Sum of the hinge losses against every other class; slope 1/2 at a kink.

    .. math:: \ell = \sum_{j \ne k} \max(0, 1 + z_j - z_k)

    It is not divided by the number of classes. The Hessian is 0.

    >>> weston_watkins([[2.0, 1.5, 1.25]], [0])
    0.75

    Reference: Weston and Watkins (1999), Support vector machines for multi-class pattern recognition.
    """
    short = xp.where(t > 0.0, -1.0, _shortfalls(xp, z, z, t))
    slopes = xp.where(short > 0.0, 1.0, xp.where(short < 0.0, 0.0, 0.5))
    value = xp.sum(xp.where(short < 0.0, 0.0, short), axis=-1)
    return value, slopes - t * xp.sum(slopes, axis=-1, keepdims=True), 0.0
