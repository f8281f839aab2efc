"""A loss: one formula, its facts, and what can be asked of it. The decorators make it, the registry keeps it."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from rashin import checks, synonyms
from rashin.domain import (
    DISTRIBUTION,
    LOG_PROBABILITY,
    LOGIT,
    NONNEGATIVE,
    POSITIVE,
    PROBABILITY,
    REAL,
    SWITCH,
    Domain,
)

__all__ = ["Facts", "Loss", "get", "labelwise", "list_losses", "parsed", "pointwise", "rowwise"]

Kind: TypeAlias = Literal["pointwise", "labelwise", "rowwise"]
Formula: TypeAlias = Callable[..., tuple[Any, Any, Any]]

RESERVED = frozenset({"prediction", "target", "weight", "where", "reduction", "axis", "out"})

# What the row kernels can do around any formula, that of label losses and that of rows: default and domain.
LABEL_OPTIONS: Mapping[str, tuple[float | None, Domain]] = MappingProxyType(
    {"label_smoothing": (0.0, PROBABILITY), "z_loss": (0.0, NONNEGATIVE), "softcap": (None, POSITIVE)}
)
_NO_OPTIONS: Mapping[str, float | None] = MappingProxyType({})
ROW_OPTIONS: Mapping[str, tuple[float | None, Domain]] = MappingProxyType({"normalized": (True, SWITCH)})


@dataclass(frozen=True)
class Facts:
    """What is true of a loss; every entry is verified numerically by a test.

    Parameters
    ----------
    prediction, target : where they may lie; the target's domain may depend on the parameters, as
        ``(**parameters) -> Domain``.
    parameters : the domain of each parameter.
    kinks : ``(t, **parameters) -> predictions`` at which the slope jumps; there it is the middle of its interval.
        None where the loss is smooth.
    convex : whether the loss is convex in the prediction, at its default parameters.
    link : the function that takes the mean of the target to the prediction: identity, log, logit or softmax.
    best_constant : ``(t, w, **parameters) -> prediction`` that minimises the weighted mean loss, where closed. For row
        losses ``t`` holds distributions (n, C); where the degree is 1, their mean may stand for all of them.
    separable : whether a row loss is a sum over the classes of which the target has a share; its formula is then that
        of one class.
    target_degree : the degree of the loss as a polynomial in the target, 1 or 2; None where it is none. Losses of
        labels have 1.
    bounds : ``(**parameters) -> (low, high)``, between which every loss lies, infinite where the parameters give no
        bound; for row losses ``(classes, **parameters)``. None where no parameters give bounds.
    """

    prediction: Domain
    target: Domain | Callable[..., Domain]
    parameters: Mapping[str, Domain] = field(default_factory=dict)
    kinks: Callable[..., tuple[Any, ...]] | None = None
    convex: bool = False
    link: str = "identity"
    best_constant: Callable[..., Any] | None = None
    separable: bool = False
    target_degree: int | None = None
    bounds: Callable[..., tuple[float, float]] | None = None

    def target_domain(self, parameters: Mapping[str, float | None]) -> Domain:
        """The target's domain for these parameters."""
        return self.target if isinstance(self.target, Domain) else self.target(**parameters)


@dataclass(frozen=True, eq=False, repr=False)
class Loss:
    """A loss function with its exact derivatives.

    Calling it gives the reduced value. ``gradient`` and ``hessian`` (its diagonal) are derivatives of that reduced
    value by the prediction and have its shape and dtype; ``value_and_gradient`` gives both in one pass.

    Parameters of every method
    --------------------------
    prediction : array of real numbers. Row losses take (..., C), with the C classes along ``axis``.
    target : array of the same shape; row losses take integer labels (...) or, where they can, distributions
        (..., C).
    weight : non-negative weights, one per sample: the prediction's shape, or (...) for row losses.
    where : boolean mask of the same shape as ``weight``, also as objects or nullable booleans. What it leaves out is
        as if deleted, whatever stands there: NaN, None, NA, text, a label without a class.
    reduction : ``"mean"`` is sum(w l) / sum(w), ``"sum"`` is sum(w l), ``"none"`` is w l per sample.
    axis : the class axis of row losses.
    **parameters : the loss's own, such as ``delta``.

    Raises
    ------
    TypeError : an argument is not an array of real numbers, or a parameter is not known.
    ValueError : shapes differ, a number lies outside its domain, or there is nothing to take the mean of.

    Examples
    --------
    >>> import rashin
    >>> rashin.huber([0.0, 3.0], [0.0, 0.0], delta=2.0)
    2.0
    >>> rashin.huber.gradient([0.0, 3.0], [0.0, 0.0], delta=2.0)
    array([0., 1.])
    """

    name: str
    kind: Kind
    formula: Formula
    parameters: Mapping[str, float | None]
    facts: Facts
    options: tuple[str, ...] = ()  # those of the parameters that the row kernel provides
    optional: frozenset[str] = frozenset()  # those that may be None

    def __post_init__(self) -> None:
        if self.formula.__doc__:
            object.__setattr__(self, "__doc__", inspect.cleandoc(self.formula.__doc__))

    def __call__(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        **parameters: float | None,
    ) -> Any:
        """The reduced loss: a float, or an array of the samples' losses for ``reduction="none"``."""
        return self._evaluate(prediction, target, weight, where, reduction, axis, parameters, _VALUE).value

    def gradient(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        out: Any = None,
        **parameters: float | None,
    ) -> Any:
        """The gradient of the reduced loss, written to ``out`` if that is given."""
        return self._evaluate(prediction, target, weight, where, reduction, axis, parameters, _GRADIENT, out).gradient

    def hessian(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        **parameters: float | None,
    ) -> Any:
        """The diagonal of the Hessian of the reduced loss: the true one, no surrogate."""
        return self._evaluate(prediction, target, weight, where, reduction, axis, parameters, _HESSIAN).hessian

    def value_and_gradient(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        out: Any = None,
        **parameters: float | None,
    ) -> tuple[Any, Any]:
        """The reduced loss and its gradient, in one pass over the data."""
        answer = self._evaluate(
            prediction, target, weight, where, reduction, axis, parameters, _VALUE_AND_GRADIENT, out
        )
        return answer.value, answer.gradient

    def per_sample(
        self,
        prediction: Any,
        target: Any,
        *,
        where: Any = None,
        axis: int | None = None,
        **parameters: float | None,
    ) -> Any:
        """The loss of each sample as float64, not rounded to the prediction's type: the terms of every sum.

        Outside ``where`` it is 0.

        >>> import numpy as np, rashin
        >>> rashin.huber.per_sample(np.float32([0.5, 3.0]), [0.0, 0.0])
        array([0.125, 2.5  ])
        """
        number, rule = self._axis(axis), self.replace(**parameters)._rule if parameters else self._rule
        return _backend().sample_losses(rule, prediction, target, where, number)

    def replace(self, **parameters: float | None) -> Loss:
        """The same loss with other parameters.

        >>> import rashin
        >>> rashin.huber.replace(delta=2.0)
        huber(delta=2.0)
        """
        settings = self._settings(parameters)
        return Loss(self.name, self.kind, self.formula, settings, self.facts, self.options, self.optional)

    def _settings(self, parameters: Mapping[str, Any]) -> Mapping[str, float | None]:
        if not parameters:
            return self.parameters
        domains = self.facts.parameters
        given = {
            name: checks.parameter(self.name, name, value, self.parameters, domains.get(name), name in self.optional)
            for name, value in parameters.items()
        }
        return MappingProxyType({**self.parameters, **given})

    def _evaluate(
        self,
        prediction: Any,
        target: Any,
        weight: Any,
        where: Any,
        reduction: str,
        axis: int | None,
        parameters: Mapping[str, float | None],
        wanted: tuple[bool, bool, bool],
        out: Any = None,
    ) -> Any:
        number, rule = self._axis(axis), self.replace(**parameters)._rule if parameters else self._rule
        return _backend().evaluate(rule, prediction, target, weight, where, reduction, number, wanted, out)

    def _axis(self, axis: int | None) -> int:
        if axis is not None and self.kind == "pointwise":
            raise TypeError(f"{self.name}: has no axis: it compares element by element")
        return -1 if axis is None else axis

    @cached_property
    def _rule(self) -> Any:
        """The loss as the backend sees it."""
        return _backend().Rule(
            self.kind,
            self.formula,
            tuple(value for name, value in self.parameters.items() if name not in self.options),
            {name: self.parameters[name] for name in self.options},
            self.facts.prediction,
            self.facts.target_domain(self.parameters),
            self.facts.separable,
        )

    @property
    def __signature__(self) -> inspect.Signature:
        """What ``help`` and editors show: the parameters by name."""
        general = [p for p in inspect.signature(Loss.__call__).parameters.values() if p.name != "self"]
        axis_less = [p for p in general[:-1] if p.name != "axis" or self.kind != "pointwise"]
        own = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
            for name, value in self.parameters.items()
        ]
        return inspect.Signature(axis_less + own)

    def __repr__(self) -> str:
        # A switch is not part of the formula: it shows where it is off.
        settings = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items() if value is not True)
        return f"{self.name}({settings})"

    def _identity(self) -> tuple[Any, ...]:
        return self.name, self.formula, tuple(self.parameters.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loss) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> Any:
        """By name where importing gives this loss again, else with the formula (for cloudpickle)."""
        module = self.formula.__module__
        found = getattr(sys.modules.get(module), self.name, None)
        if isinstance(found, Loss) and found.formula is self.formula and module != "__main__":
            return _imported, (module, self.name, dict(self.parameters))
        facts = self.facts
        return _rebuilt, (
            (self.name, self.kind, self.formula, dict(self.parameters)),
            {name: getattr(facts, name) for name in Facts.__dataclass_fields__ if name != "parameters"},
            dict(facts.parameters),
            (self.options, self.optional),
        )


@cache
def _backend() -> Any:
    """What evaluates, imported at the first use: it brings Numba. The statement itself takes 0.3 microseconds."""
    from rashin.backends import numpy

    return numpy


_VALUE, _GRADIENT, _HESSIAN = (True, False, False), (False, True, False), (False, False, True)
_VALUE_AND_GRADIENT = (True, True, False)


def _imported(module: str, name: str, parameters: dict[str, float | None]) -> Loss:
    loss: Loss = getattr(importlib.import_module(module), name)
    return loss.replace(**parameters)


def _rebuilt(body: tuple[Any, ...], facts: dict[str, Any], domains: dict[str, Domain], rest: tuple[Any, ...]) -> Loss:
    name, kind, formula, parameters = body
    return Loss(name, kind, formula, MappingProxyType(parameters), Facts(**facts, parameters=domains), *rest)


# -------------------------------------------------------------------------------------------- the registry

_registry: dict[str, Loss] = {}


def _register(loss: Loss) -> Loss:
    known = _registry.get(loss.name)
    if known is not None and known.formula.__module__ != loss.formula.__module__:
        raise ValueError(
            f"a loss named {loss.name!r} is registered already by {known.formula.__module__}; choose another name"
        )
    _registry[loss.name] = loss
    return loss


def list_losses() -> list[Loss]:
    """Every registered loss, by name.

    >>> import rashin
    >>> [loss.name for loss in rashin.list_losses()][:2]
    ['absolute_error', 'binary_cross_entropy']
    """
    return [_registry[name] for name in sorted(_registry)]


def get(name: str) -> Loss:
    """The loss of that name; a loss of your own is ``"module:name"``.

    Raises
    ------
    ValueError : there is no such loss; the message names the nearest, or the one that the field calls so.
    """
    module, colon, attribute = name.partition(":")
    if colon and synonyms.synonym(name) is None:  # reg:squarederror is a name of XGBoost's
        return _from_module(module, attribute)
    if name not in _registry:
        nearest = synonyms.advice(name, _registry) or "`rashin losses` lists them"
        raise ValueError(f"loss: got {name!r}; there is no such loss: {nearest}")
    return _registry[name]


def parsed(text: str) -> Loss:
    """The loss that prints as ``text``, such as ``focal(gamma=3.0)``.

    Raises
    ------
    ValueError : there is no such loss, or the text is none.
    """
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call):
            raise ValueError("it is no call")
        return get(ast.unparse(call.func)).replace(
            **{str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
        )
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"loss: got {text!r}; accepted is such as focal(gamma=3.0): {error}") from None


def _from_module(module: str, attribute: str) -> Loss:
    try:
        loss = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"loss: cannot import {attribute!r} from {module!r}: {error}") from None
    if not isinstance(loss, Loss):
        raise ValueError(f"loss: {module}:{attribute} is a {type(loss).__name__}, not a Loss")
    return loss


# ------------------------------------------------------------------------------------------ the decorators


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
    bounds: Callable[..., tuple[float, float]] | None = None,
) -> Callable[[Formula], Loss]:
    """Make a loss of ``f(xp, z, t, *parameters) -> value, slope, curvature`` of one prediction and one target.

    ``xp`` is the arithmetic: NumPy, torch or jax.numpy on arrays, ``rashin.scalar`` inside the sweep. The formula
    uses operators and ``xp.abs, sign, where, exp, expm1, log, log1p, sqrt, tanh, float_power``, and has no branches.

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
        prediction, target, parameters or {}, kinks, convex, link, best_constant, False, target_degree, bounds
    )
    return lambda formula: _register(_made("pointwise", formula, facts, skip=3))


def labelwise(
    *,
    parameters: Mapping[str, Domain] | None = None,
    options: tuple[str, ...] = (),
    convex: bool = False,
    best_constant: Callable[..., Any] | None = None,
    bounds: Callable[..., tuple[float, float]] | None = None,
) -> Callable[[Formula], Loss]:
    """Make a loss of ``phi(xp, u, *parameters) -> phi, phi', phi''``, u the log-probability of the label.

    The prediction holds logits. With a distribution q as target the loss is sum_k q_k phi(u_k). ``options`` names
    what the row kernel adds around the formula: ``label_smoothing``, ``z_loss``, ``softcap``.
    """
    own = {**(parameters or {}), **{name: LABEL_OPTIONS[name][1] for name in options}}
    facts = Facts(LOGIT, DISTRIBUTION, own, None, convex, "softmax", best_constant, False, 1, bounds)
    return lambda formula: _register(
        _made("labelwise", formula, facts, skip=2, options=_defaults(options, LABEL_OPTIONS))
    )


def rowwise(
    *,
    prediction: Domain,
    target: Domain = DISTRIBUTION,
    parameters: Mapping[str, Domain] | None = None,
    options: tuple[str, ...] = (),
    convex: bool = False,
    link: str = "identity",
    best_constant: Callable[..., Any] | None = None,
    separable: bool = False,
    target_degree: int | None = None,
    bounds: Callable[..., tuple[float, float]] | None = None,
) -> Callable[[Formula], Loss]:
    """Make a loss of ``f(xp, z, t, *parameters) -> value, gradient row, Hessian diagonal`` over the last axis.

    ``z`` and ``t`` are (n, C) doubles; labels arrive one-hot. ``xp`` has NumPy's ``sum`` besides the vocabulary.

    With ``separable=True`` the loss is the sum over the classes of which the target has a share, t_k > 0. The formula
    is then that of one class, written as for :func:`pointwise`, and is compiled: ``f(xp, z, t, *parameters) -> value,
    slope, curvature`` of the class's prediction and share.

    With ``options=("normalized",)`` predictions are rows of ``PROBABILITY``, or of ``LOG_PROBABILITY``, and each row
    must sum to 1; the loss gets the parameter ``normalized=True``, which turns that off.

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
    if options and prediction not in (PROBABILITY, LOG_PROBABILITY):
        raise TypeError(
            f"options: got {options!r} for a prediction of {prediction.name}; expected a prediction of "
            f"PROBABILITY or LOG_PROBABILITY; fix: leave the options out"
        )
    own = {**(parameters or {}), **{name: ROW_OPTIONS[name][1] for name in options}}
    facts = Facts(prediction, target, own, None, convex, link, best_constant, separable, target_degree, bounds)
    return lambda formula: _register(_made("rowwise", formula, facts, skip=3, options=_defaults(options, ROW_OPTIONS)))


def _defaults(options: tuple[str, ...], known: Mapping[str, tuple[float | None, Domain]]) -> dict[str, float | None]:
    return {name: known[name][0] for name in options}


def _made(
    kind: Kind, formula: Formula, facts: Facts, skip: int, options: Mapping[str, float | None] = _NO_OPTIONS
) -> Loss:
    name: str = formula.__name__
    own = list(inspect.signature(formula).parameters.values())[skip:]
    settings: dict[str, float | None] = {}
    for parameter in own:
        if parameter.name in RESERVED:
            raise TypeError(f"{name}: {parameter.name!r} cannot be a parameter: it is a keyword of every loss")
        if parameter.default is inspect.Parameter.empty:
            raise TypeError(f"{name}: the parameter {parameter.name!r} needs a default")
        settings[parameter.name] = parameter.default
    settings |= options
    unknown = set(facts.parameters) - set(settings)
    if unknown:
        raise TypeError(f"{name}: facts name the parameters {sorted(unknown)}, which the formula does not have")
    checked = {
        key: checks.parameter(name, key, value, settings, facts.parameters.get(key), value is None)
        for key, value in settings.items()
    }
    # The loss takes the formula's name in its module: from there the formula is its attribute, for pickling too.
    formula.__qualname__ += ".formula"
    optional = frozenset(key for key, value in checked.items() if value is None)
    return Loss(name, kind, formula, MappingProxyType(checked), facts, tuple(options), optional)
