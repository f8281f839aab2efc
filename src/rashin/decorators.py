"""Six decorators that make a loss of one formula, one for each kind of loss."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from rashin import checks
from rashin.domain import (
    DISTRIBUTION,
    LEVELS,
    LOG_PROBABILITY,
    LOGIT,
    NONNEGATIVE,
    POSITIVE,
    PROBABILITY,
    REAL,
    SWITCH,
    TEMPERATURE,
    Columns,
    Domain,
    Members,
    Row,
    Sample,
    Thresholds,
)
from rashin.facts import Facts
from rashin.loss import Loss
from rashin.parametric import Parametric
from rashin.registry import register
from rashin.rule import Fisher, Formula, Kind, Levels, Product, Setting, TargetSlope

__all__ = ["classwise", "columnwise", "labelwise", "memberwise", "pointwise", "rowwise"]

RESERVED = frozenset(
    {"prediction", "target", "group", "weight", "where", "reduction", "axis", "out", "hessian_out", "vector"}
)
_Made = TypeVar("_Made", bound=Parametric)

# Options that the kernels of label losses and of row losses add to any formula: default and domain of each.
LABEL_OPTIONS: Mapping[str, tuple[float | None, Domain]] = MappingProxyType(
    {"label_smoothing": (0.0, PROBABILITY), "z_loss": (0.0, NONNEGATIVE), "softcap": (None, POSITIVE)}
)
_NO_OPTIONS: Mapping[str, Setting] = MappingProxyType({})
MEMBER_OPTIONS: Mapping[str, tuple[Any, Domain]] = MappingProxyType(
    {"fair": (False, SWITCH), "levels": ((0.1, 0.5, 0.9), LEVELS)}
)
CLASS_OPTIONS: Mapping[str, tuple[float | None, Domain]] = MappingProxyType({"temperature": (1.0, TEMPERATURE)})
ROW_OPTIONS: Mapping[str, tuple[float | None, Domain]] = MappingProxyType({"normalized": (True, SWITCH)})


def pointwise(
    *,
    prediction: Domain = REAL,
    target: Domain | Callable[..., Domain] = REAL,
    parameters: Mapping[str, Domain] | None = None,
    kinks: Callable[..., tuple[Any, ...]] | None = None,
    convex: bool = False,
    link: str = "identity",
    best_constant: Callable[..., Any] | None = None,
    target_degree: int | None = None,
    target_slope: TargetSlope | None = None,
    bounds: Callable[..., tuple[float, float]] | None = None,
) -> Callable[[Formula], Loss]:
    """Make a loss of ``f(xp, z, t, *parameters) -> value, slope, curvature`` of one prediction and one target.

    ``xp`` is the arithmetic: ``rashin.arithmetic.scalar`` inside the compiled sweep, NumPy on arrays, and what
    ``rashin.arithmetic`` makes for PyTorch tensors and JAX arrays. The formula may use operators and ``xp.abs, sign,
    where, exp, expm1, log, log1p, log1p_unit, sqrt, tanh, float_power, erf, erfc, ndtr, log_ndtr, lgamma, digamma,
    trigamma, lgamma_difference, digamma_difference, trigamma_difference, narrow``, but not branches.

    Examples
    --------
    >>> import rashin
    >>> from rashin.domain import POSITIVE
    >>> @rashin.pointwise(parameters={"scale": POSITIVE})
    ... def welsch(xp, z, t, scale=1.0):
    ...     "Levels off: an outlier counts once, and no more."
    ...     x = (z - t) / scale
    ...     e = xp.exp(-0.5 * x * x)
    ...     return -xp.expm1(-0.5 * x * x), x * e / scale, (1 - x * x) * e / (scale * scale)
    >>> welsch([1.0, 50.0], [0.0, 0.0], scale=2.0)
    0.55875154...
    """
    facts = Facts(
        prediction,
        target,
        parameters or {},
        kinks=kinks,
        convex=convex,
        link=link,
        best_constant=best_constant,
        target_degree=target_degree,
        target_slope=target_slope,
        bounds=bounds,
    )
    return lambda formula: register(made("pointwise", formula, facts, skip=3))


def labelwise(
    *,
    parameters: Mapping[str, Domain] | None = None,
    options: tuple[str, ...] = (),
    convex: bool = False,
    best_constant: Callable[..., Any] | None = None,
    bounds: Callable[..., tuple[float, float]] | None = None,
) -> Callable[[Formula], Loss]:
    """Make a loss of ``phi(xp, u, *parameters) -> phi, phi', phi''``, where u is the log-probability of the label.

    The prediction contains logits. If the target is a distribution q, the loss is sum_k q_k phi(u_k). ``options``
    names the options that the row kernel adds to the formula: ``label_smoothing``, ``z_loss``, ``softcap``.
    """
    own = {**(parameters or {}), **{name: LABEL_OPTIONS[name][1] for name in options}}
    facts = Facts(
        Row(LOGIT),
        DISTRIBUTION,
        own,
        convex=convex,
        link="softmax",
        best_constant=best_constant,
        target_degree=1,
        bounds=bounds,
    )
    return lambda formula: register(made("labelwise", formula, facts, skip=2, options=defaults(options, LABEL_OPTIONS)))


def classwise(
    *,
    target: Sample = DISTRIBUTION,
    parameters: Mapping[str, Domain] | None = None,
    convex: bool = False,
    best_constant: Callable[..., Any] | None = None,
    target_slope: TargetSlope | None = None,
    bounds: Callable[..., tuple[float, float]] | None = None,
) -> Callable[[Formula], Loss]:
    """Make a loss that compares softmax(z / T) with a distribution: T^2 times a sum over all classes.

    The formula is that of one class, ``f(xp, u, p, v, q, *parameters) -> value, slope, curvature`` by u: u is the
    predicted log-probability and p = e^u, v and q are those of the target, whose q may be 0. A multiple of p in the
    slope, and in the curvature with it, adds nothing, and may be left out.

    The prediction contains logits. The target is a label or a distribution, or, with ``target=Row(LOGIT)``, logits of
    the prediction's shape, divided by T as well. The loss gets the parameter ``temperature=1.0``, which is T.

    Examples
    --------
    >>> import rashin
    >>> @rashin.classwise()
    ... def softmax_squared_distance(xp, u, p, v, q):
    ...     "The squared distance of two distributions."
    ...     r = p - q
    ...     return r * r, 2.0 * r * p, 2.0 * p * (r + p)
    >>> softmax_squared_distance([[0.0, 0.0]], [[0.75, 0.25]])
    0.125
    """
    own = {**(parameters or {}), "temperature": TEMPERATURE}
    facts = Facts(
        Row(LOGIT),
        target,
        own,
        convex=convex,
        link="softmax",
        best_constant=best_constant,
        target_slope=target_slope,
        bounds=bounds,
    )
    return lambda formula: register(
        made("classwise", formula, facts, skip=5, options=defaults(("temperature",), CLASS_OPTIONS))
    )


def rowwise(
    *,
    prediction: Domain | Thresholds,
    target: Domain = DISTRIBUTION,
    parameters: Mapping[str, Domain] | None = None,
    options: tuple[str, ...] = (),
    convex: bool = False,
    link: str = "identity",
    best_constant: Callable[..., Any] | None = None,
    separable: bool = False,
    every_class: bool = False,
    target_degree: int | None = None,
    target_slope: TargetSlope | None = None,
    bounds: Callable[..., tuple[float, float]] | None = None,
    product: Product | None = None,
) -> Callable[[Formula], Loss]:
    """Make a loss of ``f(xp, z, t, *parameters) -> value, gradient row, Hessian diagonal`` over the last axis.

    ``prediction`` is the domain of the number of one class, or ``Thresholds`` for losses of ordered classes. ``z`` and
    ``t`` are (n, C) doubles; labels arrive one-hot. ``product`` is the whole Hessian times a row of doubles,
    ``(xp, z, t, v, *parameters) -> row``; a loss without it has only the diagonal. ``xp`` offers ``sum`` and ``max``
    along an axis, as NumPy's, in addition to the functions listed in :func:`pointwise`, ``concat`` of a list of arrays
    along an axis, and ``iterate(step, x)``, which repeats ``x = step(x)`` until nothing changes, 100 times at most.

    With ``separable=True`` the loss is a sum over the classes with a positive share in the target, t_k > 0. The formula
    is then that of one class, written as for :func:`pointwise`, and is compiled: ``f(xp, z, t, *parameters) -> value,
    slope, curvature`` of the prediction and the share of the class. With ``every_class=True`` too, the sum runs over
    all classes; the share of some is then 0.

    With ``options=("normalized",)`` predictions are rows of ``PROBABILITY`` or of ``LOG_PROBABILITY``, and the
    probabilities of each row must sum to 1. The loss gets the parameter ``normalized=True``; False turns the check off.

    Examples
    --------
    >>> import rashin
    >>> from rashin.domain import POSITIVE
    >>> @rashin.rowwise(prediction=POSITIVE, separable=True)
    ... def inverse_likelihood(xp, z, t):
    ...     "The mean of 1 / z over the target's distribution."
    ...     return t / z, -t / (z * z), 2.0 * t / (z * z * z)
    >>> inverse_likelihood([[0.5, 0.25, 0.25]], [[0.5, 0.5, 0.0]])
    3.0
    """
    sample = Row(prediction) if isinstance(prediction, Domain) else prediction
    if options and prediction not in (PROBABILITY, LOG_PROBABILITY):
        raise TypeError(
            f"options: got {options!r} for a prediction of {prediction.name}; expected a prediction of "
            f"PROBABILITY or LOG_PROBABILITY; fix: leave the options out"
        )
    if every_class and not separable:
        raise TypeError(
            "every_class: got True for a formula of whole rows; expected one of a class; fix: pass separable=True too"
        )
    own = {**(parameters or {}), **{name: ROW_OPTIONS[name][1] for name in options}}
    facts = Facts(
        sample,
        target,
        own,
        convex=convex,
        link=link,
        best_constant=best_constant,
        separable=separable,
        every_class=every_class,
        target_degree=target_degree,
        target_slope=target_slope,
        bounds=bounds,
        product=product,
    )
    return lambda formula: register(made("rowwise", formula, facts, skip=3, options=defaults(options, ROW_OPTIONS)))


def columnwise(
    *,
    prediction: Columns,
    target: Domain = REAL,
    parameters: Mapping[str, Domain] | None = None,
    kinks: Callable[..., tuple[Any, ...]] | None = None,
    convex: bool = False,
    best_constant: Callable[..., Any] | None = None,
    target_degree: int | None = None,
    target_slope: TargetSlope | None = None,
    bounds: Callable[..., tuple[float, float]] | None = None,
    fisher: Fisher | None = None,
) -> Callable[[Formula], Loss]:
    """Make a loss of several numbers per sample: ``f(xp, a, b, ..., t, *parameters) -> value, slopes, curvatures``.

    ``prediction`` names the numbers a, b, ... and their domains. The formula is written as for :func:`pointwise`; it
    returns the value, a tuple of the slopes by a, b, ..., and a tuple of the second derivatives: the upper triangle of
    their symmetric matrix, row by row (aa, ab, bb). ``fisher`` has the triangle that is expected for targets with the
    distribution that the prediction describes, ``(xp, a, b, ..., *parameters)``.

    Examples
    --------
    >>> import rashin
    >>> from rashin.domain import POSITIVE, REAL, Columns
    >>> @rashin.columnwise(prediction=Columns(log_rate=REAL), target=POSITIVE)
    ... def exponential_time(xp, log_rate, t):
    ...     "Negative log-likelihood of a waiting time with rate e^log_rate."
    ...     share = t * xp.exp(log_rate)
    ...     return share - log_rate, (share - 1.0,), (share,)
    >>> exponential_time([[0.0], [0.0]], [1.0, 2.0])
    1.5
    """
    facts = Facts(
        prediction,
        target,
        parameters or {},
        kinks=kinks,
        convex=convex,
        best_constant=best_constant,
        target_degree=target_degree,
        target_slope=target_slope,
        bounds=bounds,
        fisher=fisher,
    )
    return lambda formula: register(made("columnwise", formula, facts, skip=2 + prediction.columns))


def memberwise(
    *,
    levels: Levels,
    target: Domain = REAL,
    parameters: Mapping[str, Domain] | None = None,
    options: tuple[str, ...] = (),
    kinks: Callable[..., tuple[Any, ...]] | None = None,
    convex: bool = False,
    best_constant: Callable[..., Any] | None = None,
    target_slope: TargetSlope | None = None,
    bounds: Callable[..., tuple[float, float]] | None = None,
) -> Callable[[Formula], Loss]:
    """Make a loss of the members of a sample: the mean of ``f(xp, z, t, level, *parameters)`` over its K numbers.

    The formula is written as for :func:`pointwise`. ``levels`` is a function ``(count, **parameters)`` that returns the
    level of each member, and whether these are the levels of the sorted members; they are then linear in the rank.
    ``options`` are the parameters that ``levels`` takes: ``levels``, a tuple of numbers in (0, 1), and ``fair``.
    """
    facts = Facts(
        Members(REAL),
        target,
        {**(parameters or {}), **{name: MEMBER_OPTIONS[name][1] for name in options}},
        kinks=kinks,
        convex=convex,
        best_constant=best_constant,
        target_slope=target_slope,
        bounds=bounds,
        levels=levels,
    )
    return lambda formula: register(
        made("memberwise", formula, facts, skip=4, options=defaults(options, MEMBER_OPTIONS))
    )


def defaults(options: tuple[str, ...], known: Mapping[str, tuple[Any, Domain]]) -> dict[str, Any]:
    """The defaults of options."""
    return {name: known[name][0] for name in options}


def made(
    kind: Kind,
    formula: Formula,
    facts: Facts,
    skip: int,
    options: Mapping[str, Any] = _NO_OPTIONS,
    of: type[_Made] = Loss,  # type: ignore[assignment]
) -> _Made:
    """A loss of a formula, whose parameters follow the first ``skip`` arguments."""
    name: str = formula.__name__
    own = list(inspect.signature(formula).parameters.values())[skip:]
    settings: dict[str, Any] = {}
    for parameter in own:
        if parameter.name in RESERVED:
            raise TypeError(
                f"{name}: got the parameter {parameter.name!r}; expected another name, as every loss has that keyword"
            )
        if parameter.default is inspect.Parameter.empty:
            raise TypeError(
                f"{name}: got the parameter {parameter.name!r} without a default; expected one with a default"
            )
        settings[parameter.name] = parameter.default
    settings |= options
    unknown = set(facts.parameters) - set(settings)
    if unknown:
        raise TypeError(
            f"{name}: got facts of the parameters {sorted(unknown)}; expected those of the formula's parameters"
        )
    checked = {
        key: checks.parameter(name, key, value, settings, facts.parameters.get(key), value is None)
        for key, value in settings.items()
    }
    # The loss takes the formula's name in its module; the formula becomes its attribute, so that it can be pickled.
    formula.__qualname__ += ".formula"
    optional = frozenset(key for key, value in checked.items() if value is None)
    return of(name, kind, formula, MappingProxyType(checked), facts, tuple(options), optional)
