"""Numbers for readers: few digits, true minus signs, and a symbol for infinity."""

from __future__ import annotations

import math
from decimal import Decimal

from rashin.language import counted, said

__all__ = ["number", "percent", "percents", "range_of", "rows", "short", "summands"]


def number(value: float, digits: int = 3, *, pad: bool = False) -> str:
    """A number with ``digits`` significant digits; ``pad`` keeps zeros at the end, for columns.

    Examples
    --------
    >>> number(-0.000012345), number(1234567.0), number(float("inf")), number(float("nan"))
    ('−1.23e−05', '1,234,567', '∞', 'unknown')
    >>> number(0.5), number(0.5, pad=True)
    ('0.5', '0.500')
    """
    if math.isnan(value):
        return said("unknown")
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0.0:
        return "0"
    if 10.0**digits <= abs(value) < 1e15:
        return f"{value:,.0f}".replace("-", "−")
    return (f"{value:#.{digits}g}" if pad else f"{value:.{digits}g}").replace("-", "−").removesuffix(".")


def percent(share: float, decimals: int = 1) -> str:
    """A share of a whole in percent.

    Examples
    --------
    >>> percent(0.12345), percent(0.00012), percent(0.0)
    ('12.3 %', '0.012 %', '0.0 %')
    """
    if math.isnan(share):
        return said("unknown")
    if 0.0 < abs(share) < 0.5 * 10.0 ** -(2 + decimals) * 10.0:
        return f"{number(100.0 * share, 2, pad=True)} %"
    return f"{100.0 * share:.{decimals}f} %".replace("-", "−")


def range_of(low: float, high: float, digits: int = 4) -> str:
    """An interval.

    Examples
    --------
    >>> range_of(-0.5, 0.25), range_of(float("-inf"), float("inf"))
    ('−0.5000 to 0.2500', 'unknown')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return said("unknown")
    return said("{low} to {high}", low=number(low, digits, pad=True), high=number(high, digits, pad=True))


def percents(low: float, high: float, decimals: int = 1) -> str:
    """An interval of shares in percent.

    Examples
    --------
    >>> percents(0.25, 0.5)
    '25.0 % to 50.0 %'
    """
    return said("{low} to {high}", low=percent(low, decimals), high=percent(high, decimals))


def rows(count: int) -> str:
    """A number of rows.

    Examples
    --------
    >>> rows(1), rows(2000)
    ('1 row', '2,000 rows')
    """
    return counted(count, "{count:,} row", "{count:,} rows")


def summands(whole: float, *parts: float, digits: int = 4) -> list[str]:
    """A number and its summands, rounded to the same decimals so that the parts shown add up to the number shown.

    The largest part absorbs the rounding errors, less than one unit of the last digit for each other part.

    Examples
    --------
    >>> summands(0.083544, 0.002846, 0.080698)
    ['0.08354', '0.00285', '0.08069']
    >>> summands(0.5, -0.00004, 0.50004)
    ['0.5000', '0.0000', '0.5000']
    >>> summands(float("inf"), float("inf"), 0.25)
    ['∞', '∞', '0.25']
    """
    if not all(map(math.isfinite, (whole, *parts))) or whole == 0.0:
        return [number(value, digits) for value in (whole, *parts)]
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(whole))))
    total, *shown = (Decimal(value).quantize(Decimal(1).scaleb(-decimals)) for value in (whole, *parts))
    largest = max(range(len(parts)), key=lambda place: abs(parts[place]))
    shown[largest] = total - sum(part for place, part in enumerate(shown) if place != largest)
    return [f"{abs(value) if value == 0 else value:,f}".replace("-", "−") for value in (total, *shown)]


def short(name: str, most: int = 60) -> str:
    """A name for a sentence, cut where it is longer than so many letters.

    Examples
    --------
    >>> short("north"), short("a very long name", 9)
    ('north', 'a very l…')
    """
    return name if len(name) <= most else name[: most - 1] + "…"
