"""The class of losses: the values and derivatives of one formula. Decorators make losses, the registry keeps them."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rashin import checks
from rashin.backends import default, found
from rashin.facts import Facts
from rashin.rule import Formula, Kind, Rule, Setting

if TYPE_CHECKING:
    from rashin.domain import Domain, Sample

__all__ = ["Loss"]

_VARIANTS = 64  # variants with other parameters that are cached: a call with keywords then builds no new loss


@dataclass(frozen=True, eq=False, repr=False)
class Loss:
    """A loss function with its exact derivatives.

    A call returns the reduced value. ``gradient`` and ``hessian`` return the derivative of the reduced value with
    respect to the prediction and the diagonal of its Hessian, with the shape and dtype of the prediction.
    ``value_and_gradient`` and ``value_gradient_and_hessian`` return two or all three from one pass over the data.

    Parameters of every method
    --------------------------
    prediction : array of real numbers. Row losses take (..., C), with the C classes along ``axis``. Losses of several
        numbers per sample take (..., P), or a tuple of P arrays (...); derivatives are then tuples too.
    target : array of the same shape; row losses take integer labels (...) or, if they accept them, distributions
        (..., C).
    weight : non-negative weights, one per sample: the shape of the prediction, or (...) for row losses.
    where : boolean mask of the same shape as ``weight``, also as objects or nullable booleans. Samples outside it are
        treated as deleted, even if they contain NaN, None, NA, text or a label that is not a class.
    reduction : ``"mean"`` is sum(w l) / sum(w), ``"sum"`` is sum(w l), ``"none"`` is w l per sample.
    axis : axis of the classes of row losses, and of the numbers of losses of several numbers per sample.
    **parameters : parameters of the loss, such as ``delta``.

    Raises
    ------
    TypeError : an argument is not an array of real numbers, or a parameter is unknown.
    ValueError : shapes differ, a number lies outside its domain, or there is no sample to average.

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
    parameters: Mapping[str, Setting]
    facts: Facts
    options: tuple[str, ...] = ()  # the parameters that the row kernel provides
    optional: frozenset[str] = frozenset()  # the parameters that may be None

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
        **parameters: Setting,
    ) -> Any:
        """The reduced loss: a float, or an array with the loss of each sample for ``reduction="none"``."""
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
        **parameters: Setting,
    ) -> Any:
        """The gradient of the reduced loss, written to ``out`` if given."""
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
        **parameters: Setting,
    ) -> Any:
        """The exact diagonal of the Hessian of the reduced loss, not a surrogate."""
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
        **parameters: Setting,
    ) -> tuple[Any, Any]:
        """The reduced loss and its gradient, in one pass over the data."""
        answer = self._evaluate(
            prediction, target, weight, where, reduction, axis, parameters, _VALUE_AND_GRADIENT, out
        )
        return answer.value, answer.gradient

    def value_gradient_and_hessian(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        out: Any = None,
        hessian_out: Any = None,
        **parameters: Setting,
    ) -> tuple[Any, Any, Any]:
        """The reduced loss, its gradient and the diagonal of its Hessian, in one pass over the data.

        The three have the bits that a call, ``gradient`` and ``hessian`` return. The gradient is written to ``out`` and
        the diagonal to ``hessian_out`` if these are given; each may be the prediction itself or a column of a larger
        array, but they must not overlap each other.

        >>> import numpy as np, rashin
        >>> pairs = np.empty((2, 2))
        >>> value, gradient, hessian = rashin.huber.value_gradient_and_hessian(
        ...     [0.5, 3.0], [0.0, 0.0], reduction="sum", out=pairs[:, 0], hessian_out=pairs[:, 1]
        ... )
        >>> value, pairs
        (2.625, array([[0.5, 1. ],
               [1. , 0. ]]))
        """
        answer = self._evaluate(
            prediction, target, weight, where, reduction, axis, parameters, _ALL_THREE, out, hessian_out
        )
        return answer.value, answer.gradient, answer.hessian

    def hessian_matrix(
        self,
        prediction: Any,
        target: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        **parameters: Setting,
    ) -> Any:
        """The Hessian of the reduced loss by the P numbers of each sample, (..., P, P), in the prediction's dtype.

        Only losses of several numbers per sample have it.

        >>> import rashin
        >>> rashin.gaussian.hessian_matrix([[0.0, 0.0]], [2.0])
        array([[[1., 4.],
                [4., 8.]]])
        """
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        checks.several_numbers(self.rule, "hessian_matrix")
        if self._is_in_parts(prediction):
            prediction, number = found.stacked(prediction), -1
        return self._of_arrays(prediction, "hessian_matrix")(
            program, prediction, target, weight, where, reduction, number
        )

    def fisher(
        self,
        prediction: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        **parameters: Setting,
    ) -> Any:
        """The Hessian (..., P, P) that is expected if the target has the distribution that the prediction describes.

        It is the Fisher information, weighted and reduced as ``hessian_matrix`` is. It is never negative, so that steps
        of the natural gradient, ``solve(fisher, gradient)``, go downhill.

        >>> import rashin
        >>> rashin.gaussian.fisher([[0.0, 0.0]])
        array([[[1., 0.],
                [0., 2.]]])

        Reference: Amari (1998), Natural gradient works efficiently in learning.
        """
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        checks.fisher(self.rule)
        if self._is_in_parts(prediction):
            prediction, number = found.stacked(prediction), -1
        return self._of_arrays(prediction, "fisher")(program, prediction, weight, where, reduction, number)

    @staticmethod
    def _of_arrays(prediction: Any, method: str) -> Callable[..., Any]:
        """What NumPy's backend alone has."""
        run: Callable[..., Any] | None = getattr(found.of(prediction), method, None)
        if run is None:
            raise TypeError(
                f"prediction: got an object of type {type(prediction).__name__}; expected a NumPy array for {method}; "
                f"fix: pass np.asarray(prediction), or use hessian_vector_product with unit vectors"
            )
        return run

    def hessian_vector_product(
        self,
        prediction: Any,
        target: Any,
        vector: Any,
        *,
        weight: Any = None,
        where: Any = None,
        reduction: str = "mean",
        axis: int | None = None,
        out: Any = None,
        **parameters: Setting,
    ) -> Any:
        """The full Hessian of the reduced loss times ``vector``: how the gradient changes in that direction.

        The vector has the shape of the prediction and finite numbers; those outside ``where`` may be anything, and
        give 0. Samples do not interact. Losses of single numbers and sums over classes have a diagonal Hessian; that of
        label losses, such as ``softmax_cross_entropy``, is dense in each row. A row loss written as a formula of whole
        rows (``rowwise`` without ``separable=True``) states only the diagonal, and raises TypeError. The result is
        written to ``out`` if given, which may be the prediction or the vector.

        Bounds that the tests hold for label losses, in ULPs of the result or of the largest term H_jk v_k of its sum,
        whichever is larger: 0.7 in float32; in float64 8, for ``focal`` 2 gamma if that is more, and 32 with
        distributions, whose entries H_jk are differences. Others have the error of ``hessian`` and of one product.

        >>> import rashin
        >>> logits, label = [[1.0, 1.0, 1.0]], [0]
        >>> rashin.softmax_cross_entropy.hessian_vector_product(logits, label, [[3.0, 0.0, 0.0]])
        array([[ 0.66666667, -0.33333333, -0.33333333]])
        >>> rashin.softmax_cross_entropy.hessian(logits, label)  # the diagonal
        array([[0.22222222, 0.22222222, 0.22222222]])
        """
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        if self._is_in_parts(prediction):
            joined, along = found.stacked(prediction), found.stacked(vector)
            settings = {"weight": weight, "where": where, "reduction": reduction, "out": out, **parameters}
            return _parts(self.hessian_vector_product(joined, target, along, **settings))
        return found.of(prediction).hessian_vector_product(
            program, prediction, target, vector, weight, where, reduction, number, out
        )

    def per_sample(
        self,
        prediction: Any,
        target: Any,
        *,
        where: Any = None,
        axis: int | None = None,
        **parameters: Setting,
    ) -> Any:
        """The loss of each sample as float64, not rounded to the dtype of the prediction; 0 outside ``where``.

        These are the terms that every sum adds.

        >>> import numpy as np, rashin
        >>> rashin.huber.per_sample(np.float32([0.5, 3.0]), [0.0, 0.0])
        array([0.125, 2.5  ])
        """
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        if self._is_in_parts(prediction):
            prediction, number = found.stacked(prediction), -1
        return found.of(prediction).sample_losses(program, prediction, target, where, number)

    def replace(self, **parameters: Setting) -> Loss:
        """The same loss with other parameters.

        >>> import rashin
        >>> rashin.huber.replace(delta=2.0)
        huber(delta=2.0)
        """
        if not parameters:
            return self
        try:
            return self._variants(**parameters)
        except TypeError:  # raised also by a value that cannot be hashed, such as an array of one number
            return self._variant(**parameters)

    @cached_property
    def _variants(self) -> Callable[..., Loss]:
        return lru_cache(_VARIANTS, typed=True)(self._variant)  # typed: True is not 1.0

    def _variant(self, **parameters: Any) -> Loss:
        domains = self.facts.parameters
        given = {
            name: checks.parameter(self.name, name, value, self.parameters, domains.get(name), name in self.optional)
            for name, value in parameters.items()
        }
        settings = MappingProxyType({**self.parameters, **given})
        return Loss(self.name, self.kind, self.formula, settings, self.facts, self.options, self.optional)

    @property
    def prediction(self) -> Sample:
        """What one prediction is: ``REAL``, ``Row(LOGIT)`` and the like."""
        return self.facts.prediction

    @cached_property
    def target(self) -> Sample:
        """What one target is, for these parameters."""
        return self.facts.target_domain(self.parameters)

    def _evaluate(
        self,
        prediction: Any,
        target: Any,
        weight: Any,
        where: Any,
        reduction: str,
        axis: int | None,
        parameters: Mapping[str, Setting],
        wanted: tuple[bool, bool, bool],
        out: Any = None,
        hessian_out: Any = None,
    ) -> Any:
        number, program = self._axis(axis), self.program_for(prediction, **parameters)
        if self._is_in_parts(prediction):
            joined = found.stacked(prediction)
            answer = self._evaluate(joined, target, weight, where, reduction, -1, parameters, wanted, out, hessian_out)
            return answer._replace(gradient=_parts(answer.gradient), hessian=_parts(answer.hessian))
        return found.of(prediction).evaluate(
            program, prediction, target, weight, where, reduction, number, wanted, out, hessian_out
        )

    def _is_in_parts(self, prediction: Any) -> bool:
        """Whether a prediction of several numbers per sample is a tuple of their arrays."""
        return type(prediction) is tuple and bool(self.prediction.columns)

    def program_for(self, beside: Any = None, /, **parameters: Setting) -> Any:
        """The compiled form with these parameters, ``beside`` an array, whose backend may have to settle them."""
        return _program_of(self, **(found.settled(beside, parameters) if parameters else {}))

    def _axis(self, axis: int | None) -> int:
        if axis is not None and not self.prediction.axes:
            raise TypeError(f"{self.name}: has no axis: it compares element by element")
        return -1 if axis is None else axis

    @cached_property
    def rule(self) -> Rule:
        """The loss as backends see it."""
        return Rule(
            self._address(),
            self.kind,
            self.formula,
            tuple(value for name, value in self.parameters.items() if name not in self.options),
            tuple((name, self.parameters[name]) for name in self.options),
            self.prediction,
            self.target,
            self.facts.separable,
            self.facts.every_class,
            self.facts.target_slope,
            self.facts.fisher,
            self.facts.levels,
        )

    def _address(self) -> str:
        """Where an import finds the loss; the digest tells whether it is still the same."""
        address = f"{self.formula.__module__}:{self.formula.__qualname__.removesuffix('.formula')}"
        if address.startswith("rashin."):
            return address
        from rashin.native.described import described  # for losses of the user's own alone: it takes 20 ms

        return f"{address}@{described(self.formula)}"

    @cached_property
    def program(self) -> Any:
        """The backend's compiled form of the rule."""
        return default().Program(self.rule)

    @property
    def __signature__(self) -> inspect.Signature:
        """The signature for ``help`` and editors, with the parameters by name."""
        general = [p for p in inspect.signature(Loss.__call__).parameters.values() if p.name != "self"]
        axis_less = [p for p in general[:-1] if p.name != "axis" or self.prediction.axes]
        own = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
            for name, value in self.parameters.items()
        ]
        return inspect.Signature(axis_less + own)

    def __repr__(self) -> str:
        # A switch of the kernel is not part of the formula: it is shown only if it is off.
        known = ((n, value) for n, value in self.parameters.items() if not (n in self.options and value is True))
        settings = ", ".join(f"{name}={value!r}" for name, value in known)
        return f"{self.name}({settings})"

    def _identity(self) -> tuple[Any, ...]:
        return self.name, self.formula, tuple(self.parameters.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loss) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> Any:
        """By name if an import returns this loss again, otherwise with the formula (for cloudpickle)."""
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


def _parts(derivative: Any) -> Any:
    """A derivative by several numbers per sample as a tuple, one array for each."""
    if derivative is None:
        return None
    return tuple(derivative[..., place] for place in range(derivative.shape[-1]))


def _program_of(loss: Loss, /, **parameters: Setting) -> Any:
    return loss.replace(**parameters).program


# The mark of torch.compiler.assume_constant_result. On a function, and not on a method: torch guards the identity of
# arguments, but not that of ``self``, and a graph would go on with the loss that it was compiled for.
_program_of._dynamo_marked_constant = True  # type: ignore[attr-defined]

_VALUE, _GRADIENT, _HESSIAN = (True, False, False), (False, True, False), (False, False, True)
_VALUE_AND_GRADIENT, _ALL_THREE = (True, True, False), (True, True, True)


def _imported(module: str, name: str, parameters: dict[str, Setting]) -> Loss:
    loss: Loss = getattr(importlib.import_module(module), name)
    return loss.replace(**parameters)


def _rebuilt(body: tuple[Any, ...], facts: dict[str, Any], domains: dict[str, Domain], rest: tuple[Any, ...]) -> Loss:
    name, kind, formula, parameters = body
    return Loss(name, kind, formula, MappingProxyType(parameters), Facts(**facts, parameters=domains), *rest)
