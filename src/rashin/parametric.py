"""A formula with its parameters set: the part that losses of samples and losses of groups share."""

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
    from typing import Self

    from rashin.domain import Domain, Sample

__all__ = ["Parametric"]

_VARIANTS = 64  # variants with other parameters that are cached: a call with keywords then builds no new loss


@dataclass(frozen=True, eq=False, repr=False)
class Parametric:
    """A named formula and its parameters; variants with other parameters are equal if the parameters are.

    Attributes
    ----------
    name : its name in the registry.
    kind : what the formula is a function of.
    formula : the function of that name.
    parameters : parameters by name.
    facts : domains, convexity, bounds and the like.
    options : parameters that the kernel provides, and not the formula.
    optional : parameters that may be None.
    """

    name: str
    kind: Kind
    formula: Formula
    parameters: Mapping[str, Setting]
    facts: Facts
    options: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.formula.__doc__:
            object.__setattr__(self, "__doc__", inspect.cleandoc(self.formula.__doc__))

    def replace(self, **parameters: Setting) -> Self:
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
    def _variants(self) -> Callable[..., Self]:
        return lru_cache(_VARIANTS, typed=True)(self._variant)  # typed: True is not 1.0

    def _variant(self, **parameters: Any) -> Self:
        domains = self.facts.parameters
        given = {
            name: checks.parameter(self.name, name, value, self.parameters, domains.get(name), name in self.optional)
            for name, value in parameters.items()
        }
        settings = MappingProxyType({**self.parameters, **given})
        return type(self)(self.name, self.kind, self.formula, settings, self.facts, self.options, self.optional)

    @property
    def prediction(self) -> Sample:
        """What one prediction is: ``REAL``, ``Row(LOGIT)`` and the like."""
        return self.facts.prediction

    @cached_property
    def target(self) -> Sample:
        """What one target is, for these parameters."""
        return self.facts.target_domain(self.parameters)

    def program_for(self, beside: Any = None, /, **parameters: Setting) -> Any:
        """The compiled form with these parameters, ``beside`` an array, whose backend may have to settle them."""
        return _program_of(self, **(found.settled(beside, parameters) if parameters else {}))

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
            self.facts.product,
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
        general = [p for p in inspect.signature(type(self).__call__).parameters.values() if p.name != "self"]
        axis_less = [p for p in general[:-1] if p.name not in self._unused]
        own = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
            for name, value in self.parameters.items()
        ]
        return inspect.Signature(axis_less + own)

    @property
    def _unused(self) -> frozenset[str]:
        """Keywords that have no meaning for this loss."""
        return frozenset()

    def __repr__(self) -> str:
        # The check of rows is not part of the formula: it is shown only if it is off.
        known = ((n, value) for n, value in self.parameters.items() if not (n == "normalized" and value is True))
        settings = ", ".join(f"{name}={value!r}" for name, value in known)
        return f"{self.name}({settings})"

    def _identity(self) -> tuple[Any, ...]:
        return self.name, self.formula, tuple(self.parameters.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parametric) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __reduce__(self) -> Any:
        """By name if an import returns this loss again, otherwise with the formula (for cloudpickle)."""
        module = self.formula.__module__
        found = getattr(sys.modules.get(module), self.name, None)
        if isinstance(found, Parametric) and found.formula is self.formula and module != "__main__":
            return _imported, (module, self.name, dict(self.parameters))
        facts = self.facts
        return _rebuilt, (
            type(self),
            (self.name, self.kind, self.formula, dict(self.parameters)),
            {name: getattr(facts, name) for name in Facts.__dataclass_fields__ if name != "parameters"},
            dict(facts.parameters),
            (self.options, self.optional),
        )


def _program_of(loss: Parametric, /, **parameters: Setting) -> Any:
    return loss.replace(**parameters).program


# The mark of torch.compiler.assume_constant_result. On a function, and not on a method: torch guards the identity of
# arguments, but not that of ``self``, and a graph would go on with the loss that it was compiled for.
_program_of._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _imported(module: str, name: str, parameters: dict[str, Setting]) -> Parametric:
    loss: Parametric = getattr(importlib.import_module(module), name)
    return loss.replace(**parameters)


def _rebuilt(
    made: type[Parametric],
    body: tuple[Any, ...],
    facts: dict[str, Any],
    domains: dict[str, Domain],
    rest: tuple[Any, ...],
) -> Parametric:
    name, kind, formula, parameters = body
    return made(name, kind, formula, MappingProxyType(parameters), Facts(**facts, parameters=domains), *rest)
