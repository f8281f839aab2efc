"""What is true of a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rashin.domain import Domain

__all__ = ["Facts"]


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
