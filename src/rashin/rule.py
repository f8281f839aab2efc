"""A loss as backends see it: plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from rashin.domain import Domain, Sample

__all__ = ["RESIDUAL", "Formula", "Kind", "Rule", "TargetSlope"]

Kind: TypeAlias = Literal["pointwise", "labelwise", "rowwise"]
Formula: TypeAlias = Callable[..., tuple[Any, Any, Any]]
TargetSlope: TypeAlias = Callable[..., Any] | Literal["residual"]

RESIDUAL: Literal["residual"] = "residual"  # of a loss of z - t: minus its slope


@dataclass(frozen=True)
class Rule:
    """Formula, numbers and domains of a loss with its parameters set; ``options`` are those of the row kernel.

    ``name`` is what finds the loss again, ``"module:name"``, with a digest of a formula that may change.
    """

    name: str
    kind: Kind
    formula: Formula
    parameters: tuple[float | None, ...]
    options: tuple[tuple[str, float | None], ...]
    prediction: Sample
    target: Domain
    separable: bool
    every_class: bool
    target_slope: TargetSlope | None

    @property
    def has_products(self) -> bool:
        """Whether the Hessian times a vector is known: a formula of whole rows gives the diagonal of a dense one."""
        return self.kind != "rowwise" or self.separable

    def __hash__(self) -> int:
        return hash((self.formula, self.parameters, self.options))  # these distinguish rules; domains follow from them
