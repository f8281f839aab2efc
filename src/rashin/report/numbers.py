"""Numbers as a reader wants them: few digits, true minus signs, no word for infinity."""

from __future__ import annotations

import math

__all__ = ["number", "percent", "range_of"]


def number(value: float, digits: int = 3) -> str:
    """So many significant digits.

    Examples
    --------
    >>> number(-0.000012345), number(float("inf")), number(float("nan"))
    ('−1.23e−05', '∞', 'unknown')
    """
    if math.isnan(value):
        return "unknown"
    return ("∞" if value > 0 else "−∞") if math.isinf(value) else f"{value:.{digits}g}".replace("-", "−")


def percent(share: float, decimals: int = 1) -> str:
    """A share of a whole.

    Examples
    --------
    >>> percent(0.12345), percent(0.00012), percent(0.0)
    ('12.3 %', '0.012 %', '0.0 %')
    """
    if math.isnan(share):
        return "unknown"
    if 0.0 < abs(share) < 0.5 * 10.0 ** -(2 + decimals) * 10.0:
        return f"{number(100.0 * share, 2)} %"
    return f"{100.0 * share:.{decimals}f} %".replace("-", "−")


def range_of(low: float, high: float, digits: int = 4) -> str:
    """An interval.

    Examples
    --------
    >>> range_of(-0.5, 0.25), range_of(float("-inf"), float("inf"))
    ('−0.5 to 0.25', 'unknown')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return "unknown"
    return f"{number(low, digits)} to {number(high, digits)}"
