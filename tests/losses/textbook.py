"""What the tests know of a loss: its textbook value, other parameters than its defaults, and what is hard about it.

    @textbook({"scale": 0.3}, {"scale": 40.0})
    def cauchy(z, t, scale=1.0):
        return log(1 + ((z - t) / scale) ** 2) / 2

is a whole entry. Definitions are bare: no stable forms, no tricks, nothing that comes from rashin. Numbers arrive as
``mpf`` of the floats that the library saw; a row loss takes a list ``z`` and a label (an ``int``) or a distribution (a
list). ``certified`` buys the digits that cancel with precision, and ``calculus`` takes the derivatives numerically.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpmath import mp, mpf

__all__ = [
    "ENTRIES",
    "Entry",
    "Number",
    "Row",
    "Target",
    "exp",
    "log",
    "logsumexp",
    "softplus",
    "tanh",
    "textbook",
    "weighted",
]

Number = mpf | float | int
Row = Sequence[Number]
Target = int | Row
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One loss, as the tests know it.

    definition : the textbook value ``(z, t, **parameters)``: a number, or the summands that it is the sum of. Where
        summands of opposite sign cancel, no sum of rounded doubles can be exact to an ULP of the result; an error is
        then judged in ULPs of the largest summand.
    others : parameters beside the defaults, where most silent mistakes hide. Each parameter occurs.
    kinks : ``(t, **parameters)``, where the slope or the curvature jumps.
    ends : ``(t, **parameters)``, where the loss or its slope becomes infinite.
    hard : ``(dtype, parameters, rng)``, inputs beside those that ``cases`` draws from the domains: name, z and t.

    derivatives : ``(z, t, **parameters)``, gradient and Hessian diagonal of a row loss with kinks, where a difference
        quotient by one class says nothing of ties between several, and a step may lead across a kink.

    A loss passes every test without these; each stands with its reason:

    fast : the same in long double, with derivatives (see ``references``): saves time.
    ulps : ``(**parameters)``, the bound in float64 where it is not that of ``measuring``.
    parts : the same sum as the definition's, cut as the derivatives are.
    largest : ``(order, z, t, parameters, j)``, the largest summand of a derivative that no cut of the sum shows.
    exponent : ``(**parameters)``, how large an exponent may be that had to be rounded: e^x loses x ULPs.
    digits : how many the formula's text has at any precision, if a polynomial takes the place of a function in it.
    """

    definition: Callable[..., Any]
    others: tuple[Parameters, ...] = ()
    kinks: Callable[..., tuple[Any, ...]] | None = None
    ends: Callable[..., tuple[Any, ...]] | None = None
    hard: Callable[..., Any] | None = None
    derivatives: Callable[..., Any] | None = None
    fast: Callable[..., Any] | None = None
    ulps: Callable[..., float] | None = None
    parts: Callable[..., Any] | None = None
    largest: Callable[..., mpf] | None = None
    exponent: Callable[..., Any] | None = None
    digits: int = 25

    @property
    def settings(self) -> tuple[Parameters, ...]:
        """The defaults, and the parameters beside them."""
        return {}, *self.others

    def summands(self, z: Any, t: Any, **parameters: Any) -> tuple[mpf, ...]:
        return _tuple(self.definition(z, t, **parameters))

    def value(self, z: Any, t: Any, **parameters: Any) -> mpf:
        return mp.fsum(self.summands(z, t, **parameters))

    def cut(self, z: Any, t: Any, **parameters: Any) -> tuple[mpf, ...]:
        """The summands whose derivatives are those of a derivative."""
        return _tuple((self.parts or self.definition)(z, t, **parameters))


def _tuple(found: Any) -> tuple[mpf, ...]:
    return found if isinstance(found, tuple) else (found,)


ENTRIES: dict[str, Entry] = {}


def textbook(*others: Parameters, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the definition below, under its name."""

    def enter(definition: Callable[..., Any]) -> Callable[..., Any]:
        ENTRIES[definition.__name__] = Entry(definition, others, **more)
        return definition

    return enter


# Words of the textbook


def exp(x: Number) -> mpf:
    """e^x, remembered: the derivatives of a row move one entry and leave the others."""
    return _remember("exp", x)


def tanh(x: Number) -> mpf:
    return _remember("tanh", x)


def log(x: Number) -> mpf:
    """log x; -inf at 0 and, for one-sided limits at the end of the domain, below."""
    return _remember("log", x) if x > 0 else mp.ninf


def softplus(x: Number) -> mpf:
    return log(1 + exp(x))


def logsumexp(z: Row) -> mpf:
    return log(mp.fsum(exp(x) for x in z))


_known: dict[Any, mpf] = {}


def _remember(name: str, x: Number) -> mpf:
    key = (name, mp.prec, mpf(x)._mpf_)
    if key not in _known:
        if len(_known) > 20_000:
            _known.clear()
        _known[key] = getattr(mp, name)(x)
    return _known[key]


def weighted(*summands: tuple[mpf, Callable[[Number], mpf], Number]) -> tuple[mpf, ...]:
    """weight * f(x) for each summand; one of weight 0 is 0, even where f is infinite."""
    return tuple(weight * f(x) if weight else mpf(0) for weight, f, x in summands)
