"""Evaluation with as many bits as a result needs: two evaluations must agree to 2**-160."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mpmath import mp, mpf

from losses import ENTRIES

__all__ = ["break_distances", "certified", "certified_sum", "hashable", "needed_bits"]

MOST_BITS = 9000


def certified(f: Callable[..., mpf], *args: Any, bits: int = 300, **kwargs: Any) -> mpf:
    """``f(*args)``, evaluated with ever more bits until two evaluations agree to 2**-160."""
    return certified_sum(lambda: (f(*args, **kwargs),), bits)[0]


def certified_sum(f: Callable[[], tuple[mpf, ...]], bits: int = 300) -> tuple[mpf, mpf]:
    """The sum of the summands that ``f`` returns, certified, and the magnitude of the largest of them."""
    total, largest = _at(bits, f)
    while bits < MOST_BITS:
        bits, before = 2 * bits, total
        total, largest = _at(bits, f)
        if _agree(before, total, bits // 2):
            return total, largest
    raise ArithmeticError(f"no agreement at {bits} bits: {mp.nstr(before, 20)} and {mp.nstr(total, 20)}")


def _at(bits: int, f: Callable[[], tuple[mpf, ...]]) -> tuple[mpf, mpf]:
    with mp.workprec(bits):
        summands = f()
        return mp.fsum(summands), max(abs(x) for x in summands)


def _agree(a: mpf, b: mpf, bits: int) -> bool:
    """To 2**-160, or both of them 0 in every format; that zero is believed only beyond its exponent."""
    if mp.isinf(a) or mp.isinf(b):
        return bool(a == b)
    if bits > 1300 and max(mp.mag(a), mp.mag(b)) < -1250:
        return True
    return bool(b != 0 and abs(a - b) <= mp.ldexp(abs(b), -160))


def needed_bits(name: str, z: Any, t: Any, parameters: dict[str, Any]) -> int:
    """Bits that the first evaluation should have: with fewer, two could agree on the same wrong sum.

    Exponentials reach down to e^-spread (beyond 1100 they are 0 in every format), and differences to the
    distance of a break.
    """
    return _needed_bits(name, hashable(z), hashable(t), hashable(parameters))


def hashable(x: Any) -> Any:
    """The inputs or parameters as tuples, to be remembered by."""
    if isinstance(x, dict):
        return tuple((name, hashable(value)) for name, value in x.items())
    return tuple(x) if isinstance(x, list) else x


@lru_cache(maxsize=64)  # the classes of a row need the same
def _needed_bits(name: str, z: Any, t: Any, options: tuple[tuple[str, Any], ...]) -> int:
    parameters = dict(options)
    row = z if isinstance(z, tuple) else [z, mpf(0)]
    finite = [x for x in row if mp.isfinite(x)] or [mpf(0)]
    distances = ((max(finite) - x) / mpf(parameters.get("temperature", 1)) for x in finite)
    spread = max(x for x in distances if x < 1100)
    steps = [distance for x in row for distance in break_distances(name, x, t, parameters)]
    reach = max((-int(mp.mag(step)) for step in steps), default=0)
    return 200 + int(1.45 * spread) + max(reach, 0)


def break_distances(name: str, z: mpf, t: Any, parameters: dict[str, Any]) -> list[mpf]:
    """The distances, other than 0, from z to where the loss is tiny or not smooth: a step must not cross them."""
    if not mp.isfinite(z):
        return []
    entry = ENTRIES[name]
    with mp.workprec(MOST_BITS):
        breaks = [x for where in (entry.kinks, entry.ends) if where for x in where(t, **parameters)]
        targets = [] if isinstance(t, int | tuple | list) else [t]
        return [abs(z - x) for x in [*breaks, *targets] if x != z]
