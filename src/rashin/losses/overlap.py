"""Losses of the overlap of a set of predictions with a set of targets, as in pictures."""

from __future__ import annotations

from typing import Any

from rashin.domain import NONNEGATIVE, POSITIVE
from rashin.groupwise import groupwise

__all__ = ["matthews", "tversky"]


@groupwise(
    over="confusion",
    parameters={"alpha": NONNEGATIVE, "beta": NONNEGATIVE, "smooth": NONNEGATIVE, "gamma": POSITIVE},
    options=("skip_absent",),
    bounds=lambda **_: (0.0, 1.0),
)
def tversky(
    xp: Any, s: Any, alpha: float = 0.5, beta: float = 0.5, smooth: float = 0.0, gamma: float = 1.0
) -> tuple[Any, Any, Any]:
    r"""The share of what is wrong in the union of prediction and target, as Tversky, Dice and Jaccard weigh it.

    .. math:: \ell = \left(\frac{\alpha\,FP + \beta\,FN}{TP + \alpha\,FP + \beta\,FN + smooth}\right)^\gamma

    TP is the sum of w z t over a set, FP that of w z (1 - t), FN that of w (1 - z) t. The default is the Dice loss,
    ``alpha=1, beta=1`` the Jaccard loss (one minus the intersection over the union). ``alpha`` weighs false positives,
    ``beta`` false negatives; in Keras it is the reverse.

    Prediction: probabilities in [0, 1]. Target: in [0, 1], usually 0 and 1. Bounds: 0 and 1. The mean is over the sets.

    A set without any target costs 1 whatever small probabilities are predicted, unless ``smooth`` is positive; one with
    neither target nor prediction costs 0. With ``skip_absent=True`` sets without a target do not count.

    Parameters
    ----------
    alpha, beta : weights of false positives and of false negatives, >= 0.
    smooth : added to the denominator, >= 0.
    gamma : power, > 0; below 1 it stresses sets that overlap well, above 1 those that do not (focal Tversky).
    skip_absent : switch; True leaves out sets without a target.

    Examples
    --------
    >>> import rashin
    >>> rashin.tversky([1.0, 1.0, 0.0, 0.5], [1, 0, 0, 1])
    0.33333333...
    >>> rashin.tversky([1.0, 1.0, 0.0, 0.5], [1, 0, 0, 1], alpha=1.0, beta=1.0)
    0.5

    Reference: Salehi, Erdogmus & Gholipour (2017), Tversky loss function for image segmentation using 3D fully
    convolutional deep networks; Milletari, Navab & Ahmadi (2016), V-Net; Abraham & Khan (2019), A novel focal Tversky
    loss function.
    """
    missed = alpha * s.fp + beta * s.fn
    whole = s.tp + missed + smooth
    whole = xp.where(whole > 0.0, whole, 1.0)
    x, hit = missed / whole, (s.tp + smooth) / whole
    first = -(beta * hit + x) / whole, alpha * hit / whole
    inner = 1.0 - beta, alpha  # slopes of the denominator
    second = [-(first[i] * inner[j] + first[j] * inner[i]) / whole for i, j in ((0, 0), (0, 1), (1, 1))]
    power = gamma * xp.float_power(x, gamma - 1.0)
    bend = gamma * (gamma - 1.0) * xp.float_power(x, gamma - 2.0) if gamma != 1.0 else 0.0
    curvatures = tuple(bend * first[i] * first[j] + power * second[i + j] for i, j in ((0, 0), (0, 1), (1, 1)))
    return xp.float_power(x, gamma), (power * first[0], power * first[1]), curvatures


@groupwise(over="confusion", bounds=lambda: (0.0, 2.0))
def matthews(xp: Any, s: Any) -> tuple[Any, Any, Any]:
    r"""One minus the Matthews correlation of soft predictions with their targets; it counts both classes alike.

    .. math:: \ell = 1 - \frac{TP \cdot TN - FP \cdot FN}{\sqrt{(TP + FP)(TP + FN)(TN + FP)(TN + FN)}}

    Prediction: probabilities in [0, 1]. Target: in [0, 1], usually 0 and 1. Bounds: 0 and 2. The mean is over the sets.
    A set in which all targets, or all predictions, are 0, or all are 1, has no correlation: it costs 1, with slope 0.

    Examples
    --------
    >>> import rashin
    >>> rashin.matthews([1.0, 1.0, 0.0, 0.0], [1, 0, 0, 0])
    0.42264973...

    Reference: Matthews (1975), Comparison of the predicted and observed secondary structure of T4 phage lysozyme;
    Abhishek & Hamarneh (2021), Matthews correlation coefficient loss for deep convolutional networks.
    """
    positive, negative = s.tp + s.fn, s.fp + s.tn
    yes, no = s.tp + s.fp, s.fn + s.tn
    square = yes * no * positive * negative
    known = square > 0.0
    root = xp.sqrt(xp.where(known, square, 1.0))
    yes, no = xp.where(known, yes, 1.0), xp.where(known, no, 1.0)
    difference = s.tp * s.tn - s.fp * s.fn
    even, odd = s.tp * s.tn + s.fp * s.fn, s.tp * s.fp + s.fn * s.tn
    cross = s.tp * s.fn + s.fp * s.tn
    rest = 4.0 * s.tp * s.fp * s.fn * s.tn + even * (odd + cross) + odd * cross  # square - difference^2, of terms >= 0
    value = xp.where(difference > 0.0, rest / (root * (root + difference)), 1.0 - difference / root)
    m, bend = difference / root, 0.5 * (1.0 / yes - 1.0 / no)
    turn = -0.5 * (1.0 / (yes * yes) + 1.0 / (no * no))
    by = negative / root, -positive / root
    first = [xp.where(known, m * bend - by[i], 0.0) for i in (0, 1)]
    second = [xp.where(known, (by[i] + by[j] - m * bend) * bend + m * turn, 0.0) for i, j in ((0, 0), (0, 1), (1, 1))]
    return xp.where(known, value, 1.0), tuple(first), tuple(second)
