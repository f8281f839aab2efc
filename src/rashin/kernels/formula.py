"""From a formula to machine code: one small loop for each formula, order and type of the arrays.

The loop runs the formula over a block that lies in the L1 cache. Everything that does not depend on the formula
(checks, weights, sums, threads) stands in the sweeps, which call the loop by its address.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rashin.arithmetic import arrays, plain, scalar
from rashin.native.objects import Code, compiling, loaded

if TYPE_CHECKING:
    from rashin.rule import Formula, Rule

__all__ = ["HEIGHT", "Loop", "LoopCode", "Takes", "compiled", "loops_of", "takes_of"]

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


class Takes:
    """What a formula takes, besides its arithmetic and its parameters."""

    TARGET = "target"  # f(xp, z, t): a number and its target
    APART = "apart"  # f(xp, z, t): how far two numbers and their targets are apart, doubles whatever the element type
    SHARE = "share"  # f(xp, z, t): a class and its share in the target, which costs nothing where it is 0
    CLASS = "class"  # f(xp, z, t): the same, of every class
    LABEL = "label"  # phi(xp, u): the log-probability of the label
    PAIR = "pair"  # f(xp, u, p, v, q): of a class its log-probability, predicted and in the target, and e^ of these
    COLUMNS = "columns"  # f(xp, a, b, ..., t): several numbers and their target
    SUMS = "sums"  # f(xp, s): the sums of a set; it runs on arrays and is not compiled
    LEVEL = "level"  # f(xp, z, t, level): a member of a sample, the target of all, and the member's level


HEIGHT = 256  # samples of a block of columns: ten columns of doubles stay in the L1 cache
_TAKES = {
    "pointwise": Takes.TARGET,
    "labelwise": Takes.LABEL,
    "classwise": Takes.PAIR,
    "columnwise": Takes.COLUMNS,
    "memberwise": Takes.LEVEL,
    "choices": Takes.TARGET,
    "ordered_choices": Takes.TARGET,
    "pairs": Takes.APART,
    "confusion": Takes.SUMS,
    "moments": Takes.SUMS,
}


OF_CHOICES = ("choices", "ordered_choices")


def takes_of(rule: Rule) -> str:
    """What the formula of a loss takes."""
    if rule.kind == "rowwise":
        return Takes.CLASS if rule.every_class else Takes.SHARE
    return _TAKES[rule.kind]


class LoopCode(NamedTuple):
    """What there is to compile."""

    formula: Formula
    absent: tuple[bool, ...]  # of each parameter, whether it is None
    order: int  # the highest derivative
    element: np.dtype[Any]
    takes: str
    columns: int = 0

    def code(self) -> Code:
        """The name of the loop, and how it is made."""
        formula = self.formula
        where = f"{formula.__module__.removeprefix('rashin.')}.{formula.__qualname__.removesuffix('.formula')}"
        missing = "".join("n" if none else "p" for none in self.absent)
        name = f"{where}-{self.takes}-{self.order}{self.element.char}{missing}"
        return Code(name, functools.partial(_module, self), formula)


class Loop:
    """A formula's loop: its address, and the object that keeps the machine code alive."""

    def __init__(self, owner: Any, address: int) -> None:
        self.address = address
        self._owner = owner


_loops: weakref.WeakValueDictionary[Any, Loop] = weakref.WeakValueDictionary()  # programs keep them


def compiled(
    formula: Formula,
    parameters: tuple[float | None, ...],
    order: int,
    element: np.dtype[Any],
    takes: str,
    columns: int = 0,
) -> Loop:
    """The loop of ``formula`` for prediction and target of ``element``, up to derivative ``order``.

    A notebook cell that is run again defines another function with the same content: it gets the loop of the first.
    """
    made = LoopCode(formula, tuple(parameter is None for parameter in parameters), order, element, takes, columns)
    code = made.code()
    if code.sources is None:
        return _made(made, code)
    with compiling:
        loop = _loops.get((code.name, code.sources))
        if loop is None:
            loop = _loops[code.name, code.sources] = _made(made, code)
    return loop


def _made(made: LoopCode, code: Code) -> Loop:
    try:
        machine = loaded(code)
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        return _interpreted(made)
    return Loop(machine, machine.address)


def loops_of(rule: Rule, optional: tuple[bool, ...]) -> Iterator[LoopCode]:
    """All loops that a loss may need; ``optional`` are the parameters that may be None. Formulas of rows have none."""
    takes = takes_of(rule)
    if takes == Takes.SUMS or (rule.kind == "rowwise" and not rule.separable):
        return
    orders: tuple[int, ...] = {Takes.LABEL: (2,), Takes.COLUMNS: (1, 2), Takes.LEVEL: (1, 2)}.get(takes, (0, 1, 2))
    wide = takes in (Takes.LABEL, Takes.PAIR, Takes.COLUMNS, Takes.LEVEL) or rule.kind in OF_CHOICES  # double always
    elements: tuple[np.dtype[Any], ...] = (DOUBLE,) if wide else (SINGLE, DOUBLE)
    choices = [(False, True) if may_be_none else (False,) for may_be_none in optional]
    for absent, order, element in itertools.product(itertools.product(*choices), orders, elements):
        yield LoopCode(rule.formula, absent, order, element, takes, rule.columns)


# ---------------------------------------------------------------------------------------------- compiling


def _unpacker(absent: tuple[bool, ...]) -> Any:
    """A function from the array of parameters to the tuple of them, None where a parameter is absent."""
    items = "".join("None, " if none else f"p[{place}], " for place, none in enumerate(absent))
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(f"def unpack(p): return ({items})", namespace)
    return namespace["unpack"]


def _getter(columns: int) -> Any:
    """A function from an array of columns, HEIGHT numbers each, and a place to the numbers there."""
    items = "".join(f"x[i + {HEIGHT * place}], " for place in range(columns))
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(f"def get(x, i): return ({items})", namespace)
    return namespace["get"]


def _setter(columns: int) -> Any:
    """A function that puts numbers, times a factor, at a place of such an array."""
    lines = "".join(f"\n    x[i + {HEIGHT * place}] = numbers[{place}] * w" for place in range(columns))
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(f"def put(x, i, numbers, w):{lines}", namespace)
    return namespace["put"]


def _shared(jet: Any) -> Any:
    """The formula of one class as the sweeps run it: a class of which the target has no share costs nothing."""

    def shared(xp: Any, z: Any, t: Any, *parameters: Any) -> tuple[Any, Any, Any]:
        value, slope, curvature = jet(xp, z, t, *parameters)
        some = t > 0.0
        return xp.where(some, value, 0.0), xp.where(some, slope, 0.0), xp.where(some, curvature, 0.0)

    return shared


def _module(made: LoopCode) -> Any:
    from rashin.native import compiler

    jet = compiler.compilable(_shared(made.formula) if made.takes == Takes.SHARE else made.formula, True)
    unpack = compiler.compilable(_unpacker(made.absent), True)
    xp = compiler.compilable(plain if made.element == SINGLE else scalar)
    if made.takes == Takes.COLUMNS:
        corners = made.columns * (made.columns + 1) // 2
        parts = (_getter(made.columns), _setter(made.columns), _setter(corners))
        loop = _of_columns(jet, unpack, xp, made.order, *(compiler.compilable(part, True) for part in parts))
    else:
        loop = _LOOPS[made.takes](jet, unpack, xp, made.order)
    return compiler.loop_module(loop, _item(made))


def _item(made: LoopCode) -> np.dtype[Any]:
    """The type of the loop's samples: an element type may say no more than how results are rounded."""
    return DOUBLE if made.takes == Takes.APART else made.element


def _of_numbers(jet: Any, unpack: Any, xp: Any, order: int) -> Any:
    def loop(z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: int) -> None:
        parameters = unpack(p)
        for i in range(n):
            value, slope, curvature = jet(xp, np.float64(z[i]), np.float64(t[i]), *parameters)
            values[i] = value
            if order > 0:
                slopes[i] = slope * w[i]
            if order > 1:
                curvatures[i] = curvature * w[i]

    return loop


def _of_labels(jet: Any, unpack: Any, xp: Any, order: int) -> Any:
    def loop_of_labels(u: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: int) -> None:
        parameters = unpack(p)  # there is no target, and the caller weighs
        for i in range(n):
            value, slope, curvature = jet(xp, u[i], *parameters)
            values[i] = value
            if order > 0:
                slopes[i] = slope
            if order > 1:
                curvatures[i] = curvature

    return loop_of_labels


def _of_classes(jet: Any, unpack: Any, xp: Any, order: int) -> Any:
    def loop_of_classes(z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: int) -> None:
        parameters = unpack(p)  # z holds u and then p, t holds v and then q, and the caller weighs
        for i in range(n):
            value, slope, curvature = jet(xp, z[i], z[n + i], t[i], t[n + i], *parameters)
            values[i] = value
            if order > 0:
                slopes[i] = slope
            if order > 1:
                curvatures[i] = curvature

    return loop_of_classes


def _of_members(jet: Any, unpack: Any, xp: Any, order: int) -> Any:
    def loop_of_members(z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: int) -> None:
        parameters = unpack(p)  # z holds the members and then their levels
        for i in range(n):
            value, slope, curvature = jet(xp, z[i], t[i], z[n + i], *parameters)
            values[i] = value
            slopes[i] = slope * w[i]
            if order > 1:
                curvatures[i] = curvature * w[i]

    return loop_of_members


def _of_columns(jet: Any, unpack: Any, xp: Any, order: int, get: Any, put: Any, put_corners: Any) -> Any:
    def loop_of_columns(z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: int) -> None:
        parameters = unpack(p)
        for i in range(n):
            value, slope, curvature = jet(xp, *get(z, i), t[i], *parameters)
            values[i] = value
            put(slopes, i, slope, w[i])
            if order > 1:
                put_corners(curvatures, i, curvature, w[i])

    return loop_of_columns


_LOOPS = {
    Takes.TARGET: _of_numbers,
    Takes.APART: _of_numbers,
    Takes.SHARE: _of_numbers,
    Takes.CLASS: _of_numbers,
    Takes.LABEL: _of_labels,
    Takes.PAIR: _of_classes,
    Takes.LEVEL: _of_members,
}


# ------------------------------------------------------------------------------------------ without a compiler


def _interpreted(made: LoopCode) -> Loop:
    """A loop that runs the formula on arrays, where Numba is not installed."""
    jet: Callable[..., Any] = _shared(made.formula) if made.takes == Takes.SHARE else made.formula
    address = ctypes.c_void_p
    item: Any = np.ctypeslib.as_ctypes_type(_item(made))
    pointers = [ctypes.POINTER(kind) for kind in (item, item, *[ctypes.c_double] * 3, item, item)]
    fill = _fill_columns if made.takes == Takes.COLUMNS else _fill

    @ctypes.CFUNCTYPE(None, *[address] * 7, ctypes.c_int64)
    def loop(z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: int) -> None:
        views = [
            None if where is None else np.ctypeslib.as_array(ctypes.cast(where, kind), (size,))
            for where, kind, size in zip(
                (z, t, w, p, values, slopes, curvatures), pointers, _sizes(made, n), strict=True
            )
        ]
        fill(made, jet, *views)

    return Loop(loop, ctypes.cast(loop, address).value or 0)


def _sizes(made: LoopCode, n: int) -> tuple[int, ...]:
    """How many numbers each array of the loop has."""
    parameters, columns = max(len(made.absent), 1), made.columns
    if made.takes == Takes.COLUMNS:
        return HEIGHT * columns, n, n, parameters, n, HEIGHT * columns, HEIGHT * (columns * (columns + 1) // 2)
    pairs = {Takes.PAIR: (2 * n, 2 * n), Takes.LEVEL: (2 * n, n)}
    return *pairs.get(made.takes, (n, n)), n, parameters, n, n, n


def _given(made: LoopCode, z: Any, t: Any) -> tuple[Any, ...]:
    """What the formula takes, from the arrays of the loop."""
    if made.takes == Takes.LABEL:
        return (z,)
    if made.takes == Takes.PAIR:
        return *np.split(z, 2), *np.split(t, 2)
    if made.takes == Takes.LEVEL:
        return z[: t.size], t, z[t.size :]
    return z.astype(np.float64), t.astype(np.float64)


def _fill(made: LoopCode, jet: Any, z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any) -> None:
    parameters = [None if none else float(p[place]) for place, none in enumerate(made.absent)]
    weight = 1.0 if made.takes in (Takes.LABEL, Takes.PAIR) else w  # there the caller weighs
    with np.errstate(all="ignore"):
        value, slope, curvature = jet(arrays, *_given(made, z, t), *parameters)
        values[:] = value
        if made.order > 0:
            slopes[:] = slope * weight
        if made.order > 1:
            curvatures[:] = curvature * weight


def _fill_columns(
    made: LoopCode, jet: Any, z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any
) -> None:
    parameters = [None if none else float(p[place]) for place, none in enumerate(made.absent)]
    with np.errstate(all="ignore"):
        value, slope, curvature = jet(arrays, *z.reshape(-1, HEIGHT)[:, : t.size], t, *parameters)
        values[:] = value
        for place, part in enumerate(slope):
            slopes.reshape(-1, HEIGHT)[place, : t.size] = part * w
        for place, part in enumerate(curvature if made.order > 1 else ()):
            curvatures.reshape(-1, HEIGHT)[place, : t.size] = part * w
