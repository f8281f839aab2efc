"""Waiting for another thread without sleeping: to wake one up takes up to 0.3 ms, as long as many a job."""

from __future__ import annotations

from typing import Any

from rashin.native.kernel import DOUBLE, kernel
from rashin.native.language import current

__all__ = ["wait_while"]


@kernel("i8[:] i8 i8", elements=(DOUBLE,))
def wait_while(flag: Any, value: int, tries: int) -> None:
    """Return when the only element of ``flag`` is another than ``value``, or after so many looks, a nanosecond each."""
    for _ in range(tries):
        if current(flag) != value:
            return
