"""Scalars and names: parameters of losses, switches, and one of a few words."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np

from rashin.domain import LEVELS, SWITCH, Domain
from rashin.rule import Setting

__all__ = ["REDUCTIONS", "choice", "parameter"]


REDUCTIONS = ("mean", "sum", "none")


def choice(name: str, value: Any, accepted: Iterable[str] = REDUCTIONS) -> None:
    """One of a few words."""
    if not isinstance(value, str) or value not in accepted:
        raise ValueError(f"{name}: got {value!r}; expected {', '.join(map(repr, accepted))}")


def parameter(
    loss: str, name: str, value: Any, known_names: Iterable[str], domain: Domain | None, optional: bool
) -> Setting:
    """A parameter as a float in its domain, a bool if it is a switch, a tuple of levels, or None where allowed."""
    if name not in known_names:
        close = difflib.get_close_matches(name, known_names, 1)
        known, hint = ", ".join(known_names) or "none", f"; did you mean {close[0]!r}?" if close else ""
        raise TypeError(f"{loss}: got the parameter {name!r}; expected {known}{hint}")
    if value is None and optional:
        return None
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if domain == SWITCH:
        return _switch(name, value)
    if domain == LEVELS:
        return _levels(name, value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: got {value!r}; expected one number")
    accepted = domain.description if domain else "a finite number"
    try:
        number = float(value) + 0.0  # no -0.0, which equals 0.0 and would print otherwise
    except OverflowError:
        raise ValueError(f"{name}: got a number beyond the range of float64; expected {accepted}") from None
    if not math.isfinite(number) or (domain and not domain.contains(number)):
        raise ValueError(f"{name}: got {value!r}; expected {accepted}")
    return number


def _levels(name: str, value: Any) -> tuple[float, ...]:
    """Increasing numbers in (0, 1)."""
    given = (value,) if isinstance(value, Real) else value
    try:
        found = tuple(float(level) for level in given)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: got {value!r}; expected {LEVELS.description}, such as (0.1, 0.5, 0.9)") from None
    rises = all(low < high for low, high in pairwise(found))
    if not found or not rises or not LEVELS.contains(found).all():
        raise ValueError(f"{name}: got {value!r}; expected {LEVELS.description}, such as (0.1, 0.5, 0.9)")
    return found


def _switch(name: str, value: Any) -> bool:
    """True or False; 1 and 0 are what the command line has for them."""
    if isinstance(value, (bool, np.bool_)) or (isinstance(value, Real) and value in (0, 1)):
        return bool(value)
    raise ValueError(f"{name}: got {value!r}; expected {SWITCH.description}")
