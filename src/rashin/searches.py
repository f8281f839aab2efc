"""Searches for the constant prediction with the smallest weighted mean loss, by the loss's exact derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rashin.loss import Loss

__all__ = ["lowest_columns", "lowest_number", "lowest_row"]

Array = NDArray[Any]
Slope: TypeAlias = Callable[[float], tuple[float, float]]  # the slope and the curvature at a number
Objective: TypeAlias = Callable[[Array], tuple[float, Array]]  # the value and the gradient at a few numbers

GRID = 65  # starts for a loss that is not convex
FAR = 1e300  # an end of the search where predictions may be any number
SETTLED = 1e-27  # a relative decrease for which no step is made: it moves the numbers by 1e-13 or so
STEPS = 2200  # halvings of an interval of doubles from -FAR to FAR, at most


def lowest_number(loss: Loss, target: Array, weight: Array) -> float:
    """The best constant of a loss of single numbers, where the summed slope changes its sign.

    It is found between two neighbouring doubles. If the loss is not convex, it is the minimum next to the best of 65
    numbers: quantiles of the targets, or logits from -16 to 16.
    """
    t, places = np.unique(target, return_inverse=True)
    w = np.bincount(places, weight / weight.max())

    def slope(c: float) -> tuple[float, float]:
        with np.errstate(over="ignore"):
            g, h = loss.gradient_and_hessian(np.full(t.size, c), t, weight=w, reduction="sum")
            return float(g.sum()), float(h.sum())

    domain = loss.prediction.entry()
    ends = max(domain.low, -FAR), min(domain.high, FAR)
    around = np.clip([np.average(t, weights=w)], *ends) if loss.facts.convex else _valley(loss, t, w, ends)
    middle, spread = around[around.size // 2], float(np.ptp(around) or np.ptp(t) or 1.0)
    if around.size == 3 and slope(around[0])[0] < 0.0 < slope(around[2])[0]:
        return _root(slope, around[0], around[2])
    return _root(slope, *_bracket(slope, middle, spread, ends))


def _valley(loss: Loss, t: Array, w: Array, ends: tuple[float, float]) -> Array:
    """The best number of a grid between its neighbours."""
    quantiles = np.unique(t[np.linspace(0, t.size - 1, GRID).astype(np.int64)])
    grid = np.linspace(-16.0, 16.0, GRID) if loss.target.entry().is_choice else quantiles
    grid = grid[(grid >= ends[0]) & (grid <= ends[1])]
    best = int(np.argmin([loss(np.full(t.size, c), t, weight=w) for c in grid]))
    return grid[[best - 1, best, best + 1]] if 0 < best < grid.size - 1 else grid[[best]]


def _bracket(slope: Slope, start: float, step: float, ends: tuple[float, float]) -> tuple[float, float]:
    """Two numbers between which the slope changes its sign, or twice the end towards which the loss falls."""
    first = slope(start)[0]
    inner, way = start, -np.sign(first)
    while first != 0.0:
        outer = float(np.clip(inner + way * step, *ends))
        if slope(outer)[0] * way >= 0.0:
            return min(inner, outer), max(inner, outer)
        if outer in ends:
            return outer, outer
        inner, step = outer, 2.0 * step
    return start, start


def _root(slope: Slope, low: float, high: float) -> float:
    """Where the slope changes its sign: Newton's steps, and halvings where these leave the interval or are slow."""
    x = low + 0.5 * (high - low)
    for turn in range(STEPS):
        g, h = slope(x)
        low, high = (x, high) if g < 0.0 else (low, x)
        middle, newton = low + 0.5 * (high - low), x - g / h if h > 0.0 else np.nan
        if middle in (low, high):
            break
        step = newton if low < newton < high and turn % 3 else middle
        if step == x:
            break
        x = step
    return high if slope(low)[0] < 0.0 else low


def lowest_row(loss: Loss, target: Array, weight: Array, start: Array) -> Array | None:
    """The best constant row (C,) of a loss of classes whose entries are free numbers; None if they are not."""
    if not np.isinf(loss.prediction.entry().low) or not np.isinf(loss.prediction.entry().high):
        return None
    return _lowest(loss, target, weight, start, np.ones(start.size))


def lowest_columns(loss: Loss, target: Array, weight: Array) -> Array | None:
    """The best constant of a loss of several numbers; None if all targets are equal, or the numbers are not free.

    Locations are sought in units of the targets' standard deviation.
    """
    sample = loss.prediction
    entries = [sample.entry(place) for place in range(sample.columns)]
    if not all(np.isinf(entry.low) and np.isinf(entry.high) for entry in entries):
        return None
    mean = np.average(target, weights=weight)
    spread = float(np.sqrt(np.average((target - mean) ** 2, weights=weight)))
    if spread == 0.0:
        return None
    with np.errstate(all="ignore"):
        guesses = {
            "location": mean,
            "log_scale": np.log(spread),
            "log_mean": np.log(mean),
            "mean_logit": np.log(mean / (1.0 - mean)),
        }
    start = np.array([guesses.get(name, 0.0) for name in sample.names])
    unit = np.array([spread if name == "location" else 1.0 for name in sample.names])
    return _lowest(loss, target, weight, np.where(np.isfinite(start), start, 0.0), unit)


def _lowest(loss: Loss, target: Array, weight: Array, start: Array, unit: Array) -> Array:
    """The minimum that quasi-Newton steps reach from ``start``, in units of each number."""

    def at(x: Array) -> tuple[float, Array]:
        everyone = np.broadcast_to(start + unit * x, (len(target), x.size))
        value, gradient = loss.value_and_gradient(everyone, target, weight=weight)
        return float(value), unit * gradient.sum(axis=0)

    found: Array = start + unit * _descent(at, np.zeros(start.size))
    return found


def _descent(at: Objective, x: Array) -> Array:
    """BFGS with steps by bisection, which also reaches minima at kinks.

    Reference: Lewis and Overton (2013), Nonsmooth optimization via quasi-Newton methods.
    """
    value, gradient = at(x)
    inverse = np.eye(x.size)
    for _ in range(500):
        found = _step(at, x, value, gradient, -inverse @ gradient)
        if found is None:
            break
        after, value, turned = found
        moved, change = after - x, turned - gradient
        x, gradient = after, turned
        along = moved @ change
        if not along > 0.0:
            break
        if np.all(inverse == np.eye(x.size)):
            inverse *= along / (change @ change)
        turn = np.eye(x.size) - np.outer(moved, change) / along
        inverse = turn @ inverse @ turn.T + np.outer(moved, moved) / along
    return x


def _step(at: Objective, x: Array, value: float, gradient: Array, way: Array) -> tuple[Array, float, Array] | None:
    """The next point, its value and gradient, by the weak conditions of Wolfe; None if no step goes down."""
    drop, low, high, length = float(gradient @ way), 0.0, np.inf, 1.0
    if not drop < -SETTLED * abs(value):
        return None
    slack = 4.0 * np.finfo(float).eps * abs(value)  # rounding of the values, near the minimum
    for _ in range(40):
        there = x + length * way
        reached, turned = at(there)
        if not reached <= value + 1e-4 * length * drop + slack:
            high = length
        elif turned @ way < 0.9 * drop:
            low = length
        else:
            return (there, reached, turned) if np.any(there != x) else None
        length = 0.5 * (low + high) if np.isfinite(high) else 2.0 * length
    return None
