"""Facts about a loss: domains, kinks, convexity, bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rashin.domain import Domain, Sample
from rashin.rule import Fisher, Levels, Product, TargetSlope

__all__ = ["Facts"]


@dataclass(frozen=True)
class Facts:
    """Facts about a loss; a test verifies every entry numerically.

    Parameters
    ----------
    prediction : what one prediction is: a number in a domain, or a row of such numbers.
    target : what one target is: a number in a domain, which may depend on the parameters, as a function
        ``(**parameters) -> Domain``; or a row of logits.
    parameters : domain of each parameter.
    kinks : function ``(t, **parameters) -> predictions`` that returns where the slope jumps; the slope of the loss
        there is the middle of the jump. None if the loss is smooth.
    convex : True if the loss is convex in the prediction at its default parameters.
    link : function that maps the mean of the target to the prediction: identity, log, logit or softmax.
    best_constant : function ``(t, w, **parameters) -> prediction`` that returns the constant with the smallest
        weighted mean loss; None without a closed form. For row losses ``t`` contains distributions (n, C); if
        ``target_degree`` is 1, their mean may replace them.
    separable : True if a row loss is a sum over the classes with a share in the target; its formula is then that of
        one class.
    every_class : True if that sum runs over all classes, those without a share too.
    target_degree : degree of the loss as a polynomial in the target, 1 or 2; None if it is not such a polynomial. For
        losses of labels it is 1.
    target_slope : function ``(xp, z, t, *parameters) -> dl/dt``, which distillation needs, or ``"residual"`` for a loss
        of z - t, where it is minus the slope. For separable row losses it is that of one class; label losses need none.
        None if the target cannot vary.
    bounds : function ``(**parameters) -> (low, high)`` that returns bounds of the loss, infinite if the parameters give
        no bound; for row losses ``(classes, **parameters)``. None if no parameters give bounds.
    fisher : function ``(xp, *columns, *parameters)`` that returns the upper triangle of the expected Hessian, row by
        row, if the target has the distribution that the prediction describes. None without a closed form, and for
        losses of one number per sample.
    levels : function ``(count, **parameters)`` that returns the levels of the members of a sample, and whether they are
        those of the sorted members. None for other kinds of losses.
    product : function ``(xp, z, t, v, *parameters)`` that returns the Hessian times v, all three of them rows. None if
        it is not known; only formulas of whole rows need it.
    """

    prediction: Sample
    target: Sample | Callable[..., Domain]
    parameters: Mapping[str, Domain] = field(default_factory=dict)
    kinks: Callable[..., tuple[Any, ...]] | None = None
    convex: bool = False
    link: str = "identity"
    best_constant: Callable[..., Any] | None = None
    separable: bool = False
    every_class: bool = False
    target_degree: int | None = None
    target_slope: TargetSlope | None = None
    bounds: Callable[..., tuple[float, float]] | None = None
    fisher: Fisher | None = None
    levels: Levels | None = None
    product: Product | None = None

    def target_domain(self, parameters: Mapping[str, float | None]) -> Sample:
        """What one target is, for these parameters."""
        return self.target(**parameters) if callable(self.target) else self.target
