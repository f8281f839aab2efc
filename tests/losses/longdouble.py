"""Words of the fast references: stable forms in ``numpy.longdouble``, for many numbers at a time.

A reference gives the summands of the value, of the slope and of the curvature. A row loss takes rows and labels or
distributions, and its slopes and curvatures are those of every entry.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Long", "Result", "Summands", "columns", "log", "plain", "shares"]

Long = NDArray[np.longdouble]
Summands = tuple[Long, ...]
Result = tuple[Summands, Summands, Summands]


def plain(value: Long, slope: Long, curvature: Long) -> Result:
    """A loss in which nothing cancels."""
    return (value,), (slope,), (curvature,)


def log(p: Long, p_less_1: Long, epsilon: np.longdouble) -> Long:
    """log(p + epsilon), with the digits of p - 1 where p is near 1."""
    return np.where(p > 0.5, np.log1p(np.maximum(p_less_1, -0.6) + epsilon), np.log(p + epsilon))


def shares(t: Any, z: Long) -> Long:
    """The target as rows of shares."""
    return t if t.ndim == 2 else np.eye(z.shape[1], dtype=np.longdouble)[t]


def columns(summands: Long) -> Summands:
    """The summands of each row, class by class."""
    return tuple(summands.T)
