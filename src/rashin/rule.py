"""A loss as backends see it: plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from rashin.domain import Sample

__all__ = ["RESIDUAL", "Fisher", "Formula", "GroupKind", "Kind", "Levels", "Product", "Rule", "Setting", "TargetSlope"]

GroupKind: TypeAlias = Literal["confusion", "moments", "choices", "ordered_choices", "pairs"]
Kind: TypeAlias = Literal["pointwise", "labelwise", "classwise", "rowwise", "columnwise", "memberwise"] | GroupKind
Formula: TypeAlias = Callable[..., tuple[Any, Any, Any]]
Setting: TypeAlias = Any  # of a parameter or an option: a number, a switch, a tuple of levels, or None
Levels: TypeAlias = Callable[..., tuple[Any, bool]]
Fisher: TypeAlias = Callable[..., tuple[Any, ...]]
Product: TypeAlias = Callable[..., Any]
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
    options: tuple[tuple[str, Any], ...]
    prediction: Sample
    target: Sample
    separable: bool
    every_class: bool
    target_slope: TargetSlope | None
    fisher: Fisher | None = None
    levels: Levels | None = None
    product: Product | None = None

    @property
    def columns(self) -> int:
        """How many numbers of different meaning a sample has; 0 for numbers and rows of classes."""
        return self.prediction.columns

    @property
    def has_products(self) -> bool:
        """Whether the Hessian times a vector is known: a formula of whole rows gives the diagonal of a dense one."""
        return self.kind != "rowwise" or self.separable or self.product is not None

    @property
    def has_matrix(self) -> bool:
        """Whether the whole Hessian of a sample is known, by its entries or by its products with unit vectors."""
        return self.columns > 0 or self.product is not None

    def __hash__(self) -> int:
        return hash((self.formula, self.parameters, self.options))  # these distinguish rules; domains follow from them
