"""Who evaluates: for NumPy arrays, and what becomes one, ``rashin.backends.numpy``."""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["default"]


@cache
def default() -> Any:
    """The backend of NumPy arrays, imported at the first use. The statement alone takes 0.3 us."""
    from rashin.backends import numpy

    return numpy
