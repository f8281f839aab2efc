"""Exact value, gradient and Hessian diagonal of a loss: its definition, differentiated numerically.

No derivative is written down here: a difference quotient with more bits and a step of 2**-(bits/3) is
exact to more digits than any test needs, and ``certified_sum`` doubles the bits until that is so. A
central difference at a kink is the middle of the subgradients, which is what the library states. At
infinity stands the limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

from mpmath import mp, mpf

from certification import break_distances, certified_sum, hashable, needed_bits
from losses import ENTRIES

__all__ = ["Exact", "exact_gradient", "exact_hessian", "exact_value"]

Point = Any  # an mpf, or a list of them for a row loss
Summands = Callable[[Point], tuple[mpf, ...]]


class Exact(NamedTuple):
    """An exact number, and the magnitude of the largest of the summands that make it."""

    value: mpf
    largest: mpf


def exact_value(name: str, z: Point, t: Any, parameters: dict[str, Any]) -> Exact:
    def at(point: Point) -> Exact:
        exact = _certify(name, point, t, parameters, lambda: ENTRIES[name].summands(point, t, **parameters))
        return Exact(exact.value, exact.largest * _exponent(name, parameters))

    return _limit(at, z)


def exact_gradient(
    name: str, z: Point, t: Any, parameters: dict[str, Any], entries: Sequence[int] | None = None
) -> Any:
    """d/dz: one ``Exact`` for a pointwise loss, one for each class of a row loss, or for those of ``entries``."""
    return _each_entry(name, z, t, parameters, entries, _slope)


def exact_hessian(name: str, z: Point, t: Any, parameters: dict[str, Any], entries: Sequence[int] | None = None) -> Any:
    """d2/dz2, of a row loss its diagonal."""
    return _each_entry(name, z, t, parameters, entries, _curvature)


def _each_entry(
    name: str,
    z: Point,
    t: Any,
    parameters: dict[str, Any],
    entries: Sequence[int] | None,
    quotient: Callable[..., Any],
) -> Any:
    def at(point: Point, j: int | None = None) -> Exact:
        def differentiate() -> tuple[mpf, ...]:
            if ENTRIES[name].derivatives:
                return (ENTRIES[name].derivatives(point, t, **parameters)[quotient is _curvature][j],)
            distances = break_distances(name, point if j is None else point[j], t, parameters)
            arguments = hashable(t), hashable(parameters)
            with mp.workprec(2 * mp.prec):
                f = partial(_cut, name, mp.prec, *arguments)
                return tuple(quotient(lambda shift: f(hashable(_moved(point, j, shift))), min([mpf(1), *distances])))

        exact = _certify(name, point, t, parameters, differentiate)
        order = 1 if quotient is _slope else 2
        largest = max(exact.largest, _largest(name, order, point, t, parameters, j))
        return Exact(exact.value, largest * _exponent(name, parameters))

    if not isinstance(z, list):
        return _limit(at, z)
    return [_limit(lambda point, j=j: at(point, j), z) for j in (range(len(z)) if entries is None else entries)]


def _certify(name: str, z: Point, t: Any, parameters: dict[str, Any], f: Callable[[], Any]) -> Exact:
    return Exact(*certified_sum(f, needed_bits(name, z, t, parameters)))


@lru_cache(maxsize=2**9)
def _cut(name: str, prec: int, t: Any, parameters: tuple[tuple[str, Any], ...], z: Any) -> tuple[mpf, ...]:
    """The summands at a point: slope and curvature take the same ones. ``prec`` only keeps the precisions apart."""
    z, t = (list(x) if isinstance(x, tuple) else x for x in (z, t))
    return ENTRIES[name].cut(z, t, **dict(parameters))


def _slope(f: Summands, scale: mpf) -> list[mpf]:
    h = mp.ldexp(scale, -mp.prec // 4)
    pairs = zip(f(-h), f(h), strict=True)
    return [mpf(0) if after == before else (after - before) / (2 * h) for before, after in pairs]


def _curvature(f: Summands, scale: mpf) -> list[mpf]:
    h = mp.ldexp(scale, -mp.prec // 4)
    triples = zip(f(-h), f(mpf(0)), f(h), strict=True)
    return [_second_difference(*triple) / h**2 for triple in triples]


def _second_difference(before: mpf, here: mpf, after: mpf) -> mpf:
    if before == here == after:  # constant, perhaps at infinity
        return mpf(0)
    return mp.inf if mp.isinf(here) else after - 2 * here + before


def _moved(z: Point, j: int | None, shift: mpf) -> Point:
    return z + shift if j is None else [*z[:j], z[j] + shift, *z[j + 1 :]]


def _limit(at: Callable[[Point], Exact], z: Point) -> Exact:
    """``at(z)``; where z is infinite, what two very large numbers in its place say: a number, 0, infinity."""
    if all(mp.isfinite(x) for x in (z if isinstance(z, list) else [z])):
        return at(z)
    near, far = (at(_finite(z, mp.ldexp(1, exponent))) for exponent in (100, 120))
    if abs(far.value - near.value) <= mp.ldexp(abs(far.value), -50):
        return far
    grows = abs(far.value) > abs(near.value) and mp.mag(far.value) > -1250  # be it as slowly as a logarithm
    return Exact(mp.sign(far.value) * mp.inf, mp.inf) if grows else Exact(mpf(0), far.largest)


def _finite(z: Point, large: mpf) -> Point:
    if isinstance(z, list):
        return [_finite(x, large) for x in z]
    return mp.sign(z) * large if mp.isinf(z) else z


# What an error is judged by where summands cancel


def _largest(name: str, order: int, z: Point, t: Any, parameters: dict[str, Any], j: int | None) -> mpf:
    """The largest summand of a derivative, where its entry knows of one that the cut of the sum does not show."""
    largest = ENTRIES[name].largest
    if largest is None:
        return mpf(0)
    with mp.workprec(2 * needed_bits(name, z, t, parameters)):
        return largest(order, z, t, parameters, j)


def _exponent(name: str, parameters: dict[str, Any]) -> mpf:
    exponent = ENTRIES[name].exponent
    return mpf(1) if exponent is None else mpf(exponent(**parameters))
