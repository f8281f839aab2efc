"""The exact value of every loss, from its textbook definition, in mpmath. Nothing here comes from rashin.

``SUMMANDS[name](z, t, **parameters)`` returns the summands of the definition, ``ORACLES[name](...)``
their sum. A row loss takes a list ``z`` and a label (an ``int``) or a distribution (a list). Definitions
are bare: no stable forms, no tricks. ``certified`` buys the digits that cancel with precision instead,
and ``calculus`` takes the derivatives numerically. All numbers are given exactly, as ``mpf`` of the
floats that the library saw.

Why summands: where summands of opposite sign cancel, no sum of rounded doubles can be exact to an ULP of
the result. There an error is judged in ULPs of the largest summand, see ``measuring``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mpmath import mp, mpf

__all__ = ["BREAKS", "ORACLES", "ROW_LOSSES", "SUMMANDS", "certified", "certified_sum", "needed_bits"]

Number = mpf | float | int
Row = Sequence[Number]
Target = int | Row

MOST_BITS = 9000


# Words of the textbook


def exp(x: Number) -> mpf:
    """e^x, remembered: the derivatives of a row move one entry and leave the others."""
    return _remember(mp.exp, x)


def tanh(x: Number) -> mpf:
    return _remember(mp.tanh, x)


def log(x: Number) -> mpf:
    """log x; -inf at 0 and, for one-sided limits at the end of the domain, below."""
    return _remember(mp.log, x) if x > 0 else mp.ninf


def softplus(x: Number) -> mpf:
    return log(1 + exp(x))


def logsumexp(z: Row) -> mpf:
    return log(mp.fsum(exp(x) for x in z))


_known: dict[Any, mpf] = {}


def _remember(function: Callable[[mpf], mpf], x: Number) -> mpf:
    key = (function.__name__, mp.prec, mpf(x)._mpf_)
    if key not in _known:
        if len(_known) > 20_000:
            _known.clear()
        _known[key] = function(x)
    return _known[key]


# Pointwise losses: the summands of one prediction z and one target t


def half_squared_error(z: Number, t: Number) -> tuple[mpf, ...]:
    return ((z - t) ** 2 / mpf(2),)


def squared_error(z: Number, t: Number) -> tuple[mpf, ...]:
    return ((z - t) ** 2,)


def absolute_error(z: Number, t: Number) -> tuple[mpf, ...]:
    return (abs(z - t),)


def huber(z: Number, t: Number, delta: Number = 1.0) -> tuple[mpf, ...]:
    r, delta = abs(z - t), mpf(delta)
    return (r**2 / 2 if r <= delta else delta * (r - delta / 2),)


def pseudo_huber(z: Number, t: Number, delta: Number = 1.0) -> tuple[mpf, ...]:
    delta = mpf(delta)
    return (delta**2 * (mp.sqrt(1 + ((z - t) / delta) ** 2) - 1),)


def log_cosh(z: Number, t: Number) -> tuple[mpf, ...]:
    return (log(mp.cosh(z - t)),)


def quantile(z: Number, t: Number, quantile: Number = 0.5) -> tuple[mpf, ...]:
    q = mpf(quantile)
    return (max(q * (t - z), (q - 1) * (t - z)),)


def sigmoid_cross_entropy(z: Number, t: Number, positive_weight: Number = 1.0) -> tuple[mpf, ...]:
    return _weighted((positive_weight * mpf(t), softplus, -z), (1 - mpf(t), softplus, z))


def binary_cross_entropy(p: Number, t: Number, epsilon: Number = 0.0) -> tuple[mpf, ...]:
    e = mpf(epsilon)
    return _weighted((-mpf(t), log, p + e), (mpf(t) - 1, log, 1 - p + e))


def sigmoid_focal(z: Number, t: Number, gamma: Number = 2.0, alpha: Number | None = None) -> tuple[mpf, ...]:
    p_t = 1 / (1 + exp(-z if t == 1 else z))
    weight = mpf(1) if alpha is None else mpf(alpha) if t == 1 else 1 - mpf(alpha)
    return (-weight * max(mpf(0), 1 - p_t) ** mpf(gamma) * log(p_t),)


def poisson(z: Number, t: Number) -> tuple[mpf, ...]:
    return exp(z), -t * z if t else mpf(0)


def gamma(z: Number, t: Number) -> tuple[mpf, ...]:
    return mpf(z), t * exp(-z)


def tweedie(z: Number, t: Number, power: Number = 1.5) -> tuple[mpf, ...]:
    p = mpf(power)
    if 0 < p < 1:
        raise ValueError("no Tweedie distribution has a power between 0 and 1")
    if p in (1, 2):
        return poisson(z, t) if p == 1 else gamma(z, t)
    return _weighted((t / (p - 1), exp, (1 - p) * z), (1 / (2 - p), exp, (2 - p) * z))


def hinge(z: Number, t: Number) -> tuple[mpf, ...]:
    return (max(mpf(0), 1 - t * z),)


def squared_hinge(z: Number, t: Number) -> tuple[mpf, ...]:
    return (hinge(z, t)[0] ** 2,)


def _weighted(*summands: tuple[mpf, Callable[[Number], mpf], Number]) -> tuple[mpf, ...]:
    """weight * f(x) for each summand; one of weight 0 is 0, even where f is infinite."""
    return tuple(weight * f(x) if weight else mpf(0) for weight, f, x in summands)


# Row losses: a list of C predictions and a label or a distribution of C


def softmax_cross_entropy(
    z: Row, t: Target, label_smoothing: Number = 0.0, z_loss: Number = 0.0, softcap: Number | None = None
) -> tuple[mpf, ...]:
    z = softcapped(z, softcap)
    total = logsumexp(z)
    q = smoothed(t, len(z), label_smoothing)
    return *_label_terms(q, lambda u: -u, z, total), *_z_loss(z_loss, total)


def focal(z: Row, t: Target, gamma: Number = 2.0) -> tuple[mpf, ...]:
    return _label_terms(smoothed(t, len(z), 0), lambda u: focal_of(u, gamma), z, logsumexp(z))


def focal_of(u: Number, gamma: Number) -> mpf:
    """The focal loss of a log-probability u."""
    return -(max(mpf(0), 1 - exp(u)) ** mpf(gamma)) * u  # 1 - p < 0 is rounding, the next precision tells


def categorical_cross_entropy(p: Row, t: Target, epsilon: Number = 0.0) -> tuple[mpf, ...]:
    q = smoothed(t, len(p), 0)
    return _weighted(*((-q_k, log, p_k + mpf(epsilon)) for q_k, p_k in zip(q, p, strict=True)))


def negative_log_likelihood(u: Row, t: int) -> tuple[mpf, ...]:
    return (-mpf(u[t]),)


def smoothed(t: Target, classes: int, smoothing: Number) -> list[mpf]:
    """The target as a distribution, mixed with the uniform one: (1 - s) q + s / C."""
    q = [mpf(k == t) for k in range(classes)] if isinstance(t, int) else [mpf(x) for x in t]
    return [(1 - mpf(smoothing)) * x + mpf(smoothing) / classes for x in q]


def softcapped(z: Row, softcap: Number | None) -> list[mpf]:
    return [mpf(x) if softcap is None else softcap * tanh(mpf(x) / softcap) for x in z]


def _label_terms(q: Row, phi: Callable[[mpf], mpf], z: Row, total: mpf) -> tuple[mpf, ...]:
    """q_k phi(log softmax(z)_k) for each class that has a share q_k."""
    return tuple(q_k * phi(z_k - total) for q_k, z_k in zip(q, z, strict=True) if q_k)


def _z_loss(coefficient: Number, total: mpf) -> tuple[mpf, ...]:
    return (coefficient * total**2,) if coefficient else ()


ROW_LOSSES = {f.__name__: f for f in (softmax_cross_entropy, focal, categorical_cross_entropy, negative_log_likelihood)}
SUMMANDS: dict[str, Callable[..., tuple[mpf, ...]]] = ROW_LOSSES | {
    f.__name__: f
    for f in (
        half_squared_error,
        squared_error,
        absolute_error,
        huber,
        pseudo_huber,
        log_cosh,
        quantile,
        sigmoid_cross_entropy,
        binary_cross_entropy,
        sigmoid_focal,
        poisson,
        gamma,
        tweedie,
        hinge,
        squared_hinge,
    )
}


def _sum_of(summands: Callable[..., tuple[mpf, ...]]) -> Callable[..., mpf]:
    return lambda z, t, **parameters: mp.fsum(summands(z, t, **parameters))


ORACLES: dict[str, Callable[..., mpf]] = {name: _sum_of(summands) for name, summands in SUMMANDS.items()}


# Where a loss is not smooth in z, or tiny: a difference quotient must not step over such a point by chance.

BREAKS: dict[str, Callable[..., tuple[mpf, ...]]] = {
    "half_squared_error": lambda t: (t,),
    "squared_error": lambda t: (t,),
    "absolute_error": lambda t: (t,),
    "huber": lambda t, delta=1.0: (t, t - mpf(delta), t + mpf(delta)),
    "pseudo_huber": lambda t, delta=1.0: (t,),
    "log_cosh": lambda t: (t,),
    "quantile": lambda t, quantile=0.5: (t,),
    "hinge": lambda t: (t,),
    "squared_hinge": lambda t: (t,),
    "binary_cross_entropy": lambda t, epsilon=0.0: (-mpf(epsilon), 1 + mpf(epsilon)),
    "categorical_cross_entropy": lambda t, epsilon=0.0: (-mpf(epsilon),),
}


# Certification


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
    row = z if isinstance(z, list) else [z, mpf(0)]
    finite = [x for x in row if mp.isfinite(x)] or [mpf(0)]
    spread = max(finite) - min(finite)
    steps = [distance for x in row for distance in break_distances(name, x, t, parameters)]
    reach = max((-int(mp.mag(step)) for step in steps), default=0)
    return 200 + (int(1.45 * spread) if spread < 1100 else 0) + max(reach, 0)


def break_distances(name: str, z: mpf, t: Any, parameters: dict[str, Any]) -> list[mpf]:
    """The distances from z to the breaks of the loss, those that are not 0."""
    if name not in BREAKS or not mp.isfinite(z):
        return []
    with mp.workprec(MOST_BITS):
        return [abs(z - x) for x in BREAKS[name](t, **parameters) if x != z]
