"""A loss as backends see it: plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from rashin.domain import Domain, Sample

__all__ = ["Formula", "Kind", "Rule"]

Kind: TypeAlias = Literal["pointwise", "labelwise", "rowwise"]
Formula: TypeAlias = Callable[..., tuple[Any, Any, Any]]


@dataclass(frozen=True)
class Rule:
    """Formula, numbers and domains of a loss with its parameters set; ``options`` are those of the row kernel."""

    kind: Kind
    formula: Formula
    parameters: tuple[float | None, ...]
    options: tuple[tuple[str, float | None], ...]
    prediction: Sample
    target: Domain
    separable: bool

    def __hash__(self) -> int:
        return hash((self.formula, self.parameters, self.options))  # these distinguish rules; domains follow from them
