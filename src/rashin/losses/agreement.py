"""Losses of how two series of numbers agree: by correlation, and by concordance."""

from __future__ import annotations

from typing import Any

from rashin.domain import MODERATE
from rashin.groupwise import groupwise

__all__ = ["concordance", "correlation"]


@groupwise(over="moments", prediction=MODERATE, target=MODERATE, bounds=lambda: (0.0, 2.0))
def correlation(xp: Any, s: Any) -> tuple[Any, Any, Any]:
    r"""One minus Pearson's correlation of the predictions with their targets: scale and offset do not matter.

    .. math:: \ell = 1 - r, \quad r = \frac{s_{zt}}{s_z s_t}

    s is a standard deviation, and s with two letters a covariance. Prediction and target: numbers in [-1e100, 1e100].
    Bounds: 0 and 2. The mean is over the sets. Variances are exact, however large the numbers are beside their spread.
    A set in which all predictions, or all targets, are equal has no correlation: it costs 1, with slope 0.

    Examples
    --------
    >>> import rashin
    >>> rashin.correlation([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
    0.01801949...

    Reference: Pearson (1896), Mathematical contributions to the theory of evolution III.
    """
    known = (s.variance > 0.0) & (s.target_variance > 0.0)
    v, u = xp.where(known, s.variance, 1.0), xp.where(known, s.target_variance, 1.0)
    root = xp.sqrt(v) * xp.sqrt(u)
    r = s.covariance / root
    near = s.unexplained / (v * (1.0 + r))  # (1 - r^2) / (1 + r)
    value = xp.where(known, xp.where(r > 0.0, near, 1.0 - r), 1.0)
    zero = 0.0 * v
    slopes = zero, xp.where(known, 0.5 * r / v, 0.0), xp.where(known, -1.0 / root, 0.0)
    bend = xp.where(known, -0.75 * r / (v * v), 0.0), xp.where(known, 0.5 / (v * root), 0.0)
    return value, slopes, (zero, zero, zero, bend[0], bend[1], zero)


@groupwise(over="moments", prediction=MODERATE, target=MODERATE, bounds=lambda: (0.0, 2.0))
def concordance(xp: Any, s: Any) -> tuple[Any, Any, Any]:
    r"""One minus Lin's concordance correlation: agreement with the line z = t, so that scale and offset matter.

    .. math:: \ell = 1 - \frac{2 s_{zt}}{s_z^2 + s_t^2 + (m_z - m_t)^2}

    m is a mean, s a standard deviation, and s with two letters a covariance; they divide by the sum of the weights.
    Prediction and target: numbers in [-1e100, 1e100]. Bounds: 0 and 2. The mean is over the sets. A set in which all
    numbers are equal costs 0.

    Examples
    --------
    >>> import rashin
    >>> rashin.concordance([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])
    0.14285714...

    Reference: Lin (1989), A concordance correlation coefficient to evaluate reproducibility.
    """
    whole = s.variance + s.target_variance + s.shift * s.shift
    whole = xp.where(whole > 0.0, whole, 1.0)
    share, c, d = 2.0 / whole, s.covariance, s.shift
    value = (s.residual_variance + d * d) / whole
    slopes = c * d * share * share, 0.5 * c * share * share, -share
    bend = 2.0 * c * d * share * share / whole
    curvatures = (
        c * share * share * (1.0 - 2.0 * d * d * share), -bend, d * share * share,
        -c * share * share / whole, 0.5 * share * share, 0.0 * c,
    )  # fmt: skip
    return value, slopes, curvatures
