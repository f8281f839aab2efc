"""Losses of groups on NumPy arrays: members are brought side by side, a body computes, the results are reduced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin import checks
from rashin.backends.numpy.groups import choices, pairs, sums
from rashin.backends.numpy.groups.body import Body
from rashin.backends.numpy.groups.layout import Sets, layout
from rashin.backends.numpy.results import DOUBLE, PARALLEL, Program, element_type, gradient_type
from rashin.exact import add, as_float, empty_limbs, quotient
from rashin.kernels import threads

__all__ = ["GroupAnswer", "Measured", "evaluate_groups", "losses_of_sums", "measured", "spread_over"]

WHOLE = 2**53
CHECKED = 1 << 14  # numbers, or rows of them, that are checked together: what is made of them stays in the cache

_BODIES = {"choices": choices.evaluate, "ordered_choices": choices.evaluate, "pairs": pairs.evaluate}


class GroupAnswer(NamedTuple):
    """What was asked for; the value is a float, or an array for ``reduction="none"``."""

    value: Any
    gradient: NDArray[Any] | None
    hessian: NDArray[Any] | None


class Measured(NamedTuple):
    """Of each set the place of a member, and its sums, which can be added, or its loss and what it counts."""

    places: NDArray[np.int64]
    sums: NDArray[np.int64] | None
    values: NDArray[np.float64]
    masses: NDArray[np.float64]


class _Members(NamedTuple):
    """What is known of the members, set by set."""

    z: NDArray[Any]
    t: NDArray[Any]
    w: NDArray[np.float64] | None
    sets: Sets


def evaluate_groups(
    program: Program,
    prediction: Any,
    target: Any,
    group: Any,
    weight: Any,
    where: Any,
    reduction: str,
    axis: Any,
    order: int,
    out: Any = None,
) -> GroupAnswer:
    """The reduced loss and its derivatives up to an order."""
    checks.choice("reduction", reduction)
    z = checks.array("prediction", prediction, where)
    if out is not None:
        checks.output("out", out, z.shape, gradient_type(z))
    members = _gathered(program, z, target, group, weight, where, axis)
    if reduction == "mean" and not members.sets.starts[-1]:
        checks.refuse_mean(z.size, where is not None, False)
    body = _body(program, members, order, reduction, z.shape)
    gradient = None if body.gradient is None else members.sets.scattered(body.gradient, z.shape, gradient_type(z))
    hessian = None if body.hessian is None else members.sets.scattered(body.hessian, z.shape, gradient_type(z))
    if out is not None:
        out[...] = gradient
        gradient = out
    return GroupAnswer(_reduced(body, reduction, members.sets, gradient_type(z)), gradient, hessian)


def _gathered(
    program: Program, z: NDArray[Any], target: Any, group: Any, weight: Any, where: Any, axis: Any
) -> _Members:
    t = checks.array("target", target, where)
    _check_shape(program, z, t)
    if t.dtype.kind in "iu" and t.size and (t.max() > WHOLE or t.min() < -WHOLE):
        largest = max(abs(int(t.max())), abs(int(t.min())))
        raise ValueError(
            f"target: got whole numbers up to {largest}; expected at most 2^53, beyond which doubles cannot tell them "
            f"apart; fix: subtract the smallest"
        )
    where = None if where is None else checks.selection(where, z.shape)
    if weight is not None:
        weight = checks.weights(weight, z.shape, where)
        checks.weights_fit(weight, where)
    sets = layout(z.shape, group, axis, where)
    w = None if weight is None else sets.gathered(weight).astype(np.float64, copy=False)
    of_z, of_t = _elements(program, z, t)
    return _Members(sets.gathered(z).astype(of_z, copy=False), sets.gathered(t).astype(of_t, copy=False), w, sets)


def _elements(program: Program, z: NDArray[Any], t: NDArray[Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The types of predictions and targets that a body takes."""
    kind = program.rule.kind
    if kind in sums.KINDS:
        return (element_type(z, t),) * 2
    return element_type(z) if kind == "pairs" else DOUBLE, DOUBLE


def _check_shape(program: Program, z: NDArray[Any], t: NDArray[Any]) -> None:
    columns = program.rule.target.columns
    if not columns:
        checks.same_shape(z, t)
    elif t.shape != (*z.shape, columns):
        names = ", ".join(program.rule.target.names)
        raise ValueError(
            f"target: got shape {t.shape} for a prediction of shape {z.shape}; expected a pair of arrays ({names}) of "
            f"that shape, or one array of shape {(*z.shape, columns)}"
        )


def _body(program: Program, members: _Members, order: int, reduction: str, shape: tuple[int, ...]) -> Body:
    """The losses of the sets, and the derivatives of the reduced loss."""
    z, t, w, sets = members
    if program.rule.kind not in sums.KINDS:
        _refuse_strangers(program, members, shape)
        body = _without_idle(_BODIES[program.rule.kind], program, members, order)
        return _divided(body, _divisor(body.masses, reduction))
    found = sums.evaluate(program, z, t, w, sets.starts, order, lambda masses: _divisor(masses, reduction))
    if found is None:
        _refuse_strangers(program, members, shape)
    return found  # type: ignore[return-value]


def _without_idle(evaluate: Any, program: Program, members: _Members, order: int) -> Body:
    """The same without the members of weight 0, whose derivatives are 0."""
    z, t, w, sets = members
    if w is None or w.all():
        return evaluate(program, z, t, w, sets.starts, order)  # type: ignore[no-any-return]
    busy = w != 0.0
    starts = np.concatenate([[0], np.cumsum(busy)])[sets.starts]
    body: Body = evaluate(program, z[busy], t[busy], w[busy], starts, order)
    return body._replace(gradient=_spread(body.gradient, busy), hessian=_spread(body.hessian, busy))


def _spread(derivative: NDArray[Any] | None, busy: NDArray[np.bool_]) -> NDArray[Any] | None:
    if derivative is None:
        return None
    whole = np.zeros(busy.size)
    whole[busy] = derivative
    return whole


def _divided(body: Body, divisor: float) -> Body:
    if divisor == 1.0:
        return body
    for derivative in (body.gradient, body.hessian):
        if derivative is not None:
            derivative /= divisor
    return body


def _divisor(masses: NDArray[np.float64], reduction: str) -> float:
    """The sum of what the sets count; 1 for other reductions, and where nothing counts."""
    if reduction != "mean":
        return 1.0
    limbs = empty_limbs()
    add(limbs, masses)
    return as_float(limbs) or 1.0


def _reduced(body: Body, reduction: str, sets: Sets, dtype: np.dtype[Any]) -> Any:
    if reduction == "none":
        return body.values.reshape(sets.shape).astype(dtype)
    losses, masses = empty_limbs(), empty_limbs()
    add(losses, body.values)
    if reduction == "sum":
        return as_float(losses)
    add(masses, body.masses)
    return quotient(losses, masses) if as_float(masses) else 0.0


def _refuse_strangers(program: Program, members: _Members, shape: tuple[int, ...]) -> None:
    """Every number lies in its domain."""
    rule, sets = program.rule, members.sets
    at = _stranger(rule.prediction, members.z)
    if at < members.z.size:
        checks.refuse_prediction(members.z[at], sets.place(at, shape), rule.prediction.entry())
    at = _stranger(rule.target, members.t)
    if at < members.t.size:
        at, column = divmod(at, rule.target.columns or 1)
        value, index = members.t.reshape(len(members.t), -1)[at, column], sets.place(at, shape)
        checks.refuse_target(value, (*index, column) if rule.target.columns else index, rule.target.entry(column))


def _stranger(domain: Any, x: NDArray[Any]) -> int:
    """The flat place of the first number outside the domain; the size of the array if there is none."""

    def over(firsts: Iterator[int]) -> int:
        for first in firsts:
            good = domain.contains(x[first : first + CHECKED])
            if not good.all():
                return first * (x.size // len(x)) + int(np.argmin(good))
        return x.size

    workers = threads.count() if x.size >= PARALLEL else 1
    return min(threads.share(over, range(0, len(x), CHECKED), workers))


def spread_over(shape: tuple[int, ...], group: Any, axis: Any, where: Any, of_sets: NDArray[Any]) -> NDArray[Any]:
    """A number for each set, at each of its members; 0 outside ``where``."""
    sets = layout(shape, group, axis, None if where is None else checks.selection(where, shape))
    members = np.repeat(of_sets.reshape(-1), np.diff(sets.starts))
    return np.ascontiguousarray(sets.scattered(members, shape, of_sets.dtype))


def measured(program: Program, z: NDArray[Any], target: Any, group: Any, weight: Any, where: Any) -> Measured:
    """What a measurement keeps of the sets."""
    members = _gathered(program, z, target, group, weight, where, None)
    first = members.sets.starts[:-1]
    places = first if members.sets.order is None else members.sets.order[first]
    if program.rule.kind not in sums.KINDS:
        body = _body(program, members, 0, "sum", z.shape)
        return Measured(places, None, body.values, body.masses)
    w = members.w if members.w is not None else np.empty(0)
    found = sums.sums_of(program, members.z, members.t, w, members.sets.starts)
    if found is None:
        _refuse_strangers(program, members, z.shape)
    return Measured(places, found, *(np.empty(0),) * 2)


def losses_of_sums(program: Program, rows: Sequence[tuple[int, ...]]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The losses of sets by their sums, in units of 2**-1088, and what each counts."""
    statistics = sums.KINDS[program.rule.kind].statistics.of_integers(rows)
    values, masses, _ = sums.losses_of(program, statistics)
    return values, masses
