"""The decorator that makes a loss of groups of one formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from rashin.decorators import defaults, made
from rashin.domain import PROBABILITY, SWITCH, TOP, Columns, Domain
from rashin.facts import Facts
from rashin.group_loss import GroupLoss
from rashin.registry import register_group_loss
from rashin.rule import Formula, GroupKind

__all__ = ["groupwise"]

# Options that the kernels add to any formula: default and domain of each.
GROUP_OPTIONS: Mapping[str, tuple[Any, Domain]] = MappingProxyType(
    {"skip_absent": (False, SWITCH), "efron": (True, SWITCH), "ndcg": (False, SWITCH), "truncation": (None, TOP)}
)
_TAKEN = {
    "confusion": 2,
    "moments": 2,
    "choices": 3,
    "ordered_choices": 3,
    "pairs": 3,
}  # arguments that are no parameters


def groupwise(
    *,
    over: GroupKind,
    prediction: Domain = PROBABILITY,
    target: Domain | Columns | Callable[..., Domain] = PROBABILITY,
    parameters: Mapping[str, Domain] | None = None,
    options: tuple[str, ...] = (),
    convex: bool = False,
    bounds: Callable[..., tuple[float, float]] | None = None,
) -> Callable[[Formula], GroupLoss]:
    """Make a loss whose sample is a set, of a formula of what is ``over`` the set.

    ============================ ======================================================================================
    ``over``                     the formula
    ============================ ======================================================================================
    ``"confusion"``              ``f(xp, s, *parameters)`` of the sums ``s.tp, s.fp, s.fn, s.tn`` of w z t, w z (1 - t),
                                 w (1 - z) t and w (1 - z) (1 - t). It returns the value, its two slopes by tp and fp,
                                 where tp + fn and fp + tn are constant, and the upper triangle of their curvatures.
    ``"moments"``                ``f(xp, s, *parameters)`` of the weighted ``s.shift`` = mean of z - t,
                                 ``s.variance, s.covariance, s.target_variance``, ``s.residual_variance`` of z - t, and
                                 ``s.unexplained`` = variance of z less covariance^2 / target_variance. It returns the
                                 value, its slopes by shift, variance and covariance, and the triangle of curvatures.
    ``"choices"``                ``f(xp, u, t, *parameters)``, as for :func:`pointwise`: the loss is the sum over the
                                 members of w f(u, t); u is the log of the member's share in the softmax of the set.
    ``"ordered_choices"``        the same over the events of the set, each among those whose time is not before its own;
                                 t is 1. The target is a pair of time and event, or a number by which to order.
    ``"pairs"``                  ``f(xp, z, t, *parameters)``, as for :func:`pointwise`: the loss is the sum over the
                                 pairs of members with t > 0, z and t being the differences of the two.
    ============================ ======================================================================================

    ``options`` names what the kernels add: ``skip_absent`` for confusion, ``efron`` for ordered choices, ``ndcg`` and
    ``truncation`` for pairs.

    Examples
    --------
    >>> import rashin
    >>> @rashin.groupwise(over="confusion", bounds=lambda: (0.0, float("inf")))
    ... def false_alarms(xp, s):
    ...     "The sum of what is predicted where nothing is."
    ...     return s.fp, (0.0, 1.0), (0.0, 0.0, 0.0)
    >>> false_alarms([0.5, 0.25, 1.0], [0, 0, 1])
    0.75
    """
    facts = Facts(
        prediction,
        target,
        {**(parameters or {}), **{name: GROUP_OPTIONS[name][1] for name in options}},
        convex=convex,
        bounds=bounds,
    )
    return lambda formula: register_group_loss(
        made(over, formula, facts, _TAKEN[over], defaults(options, GROUP_OPTIONS), GroupLoss)
    )
