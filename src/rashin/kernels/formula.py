"""From the text of a formula to machine code: one small loop per formula, order and type of the arrays.

The loop runs the formula over a block that lies in the L1 cache; everything that does not depend on the formula
(checks, weights, sums, threads) stands in the sweeps, which are compiled once, kept on disk, and call the loop by
its address. So a new loss costs a tenth of a second, and the sweeps never recompile.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterator
from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from rashin.arithmetic import plain, scalar
from rashin.cached import compiling
from rashin.rule import Formula
from rashin.waiting import explained

__all__ = ["Loop", "call", "compiled", "of_shares"]

_ARGUMENTS = 8  # z, t, w, parameters, values, slopes, curvatures, count: addresses but for the last


class Loop:
    """A compiled loop: its address, and the object that keeps the machine code alive."""

    def __init__(self, owner: Any) -> None:
        self.address: int = owner.address
        self._owner = owner
        self.shows_nan: dict[tuple[float, float], bool] = {}  # by harmless prediction and target; see the backend


def _call(
    _context: Any, address: Any, z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: Any
) -> Any:
    """Call a loop by its address: ``call(address, z, t, w, parameters, values, slopes, curvatures, n)``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        function_type = ir.FunctionType(ir.VoidType(), [pointer] * (_ARGUMENTS - 1) + [ir.IntType(64)])
        function = builder.inttoptr(arguments[0], function_type.as_pointer())
        pointers = [builder.inttoptr(argument, pointer) for argument in arguments[1:_ARGUMENTS]]
        builder.call(function, [*pointers, arguments[_ARGUMENTS]])
        return context.get_dummy_value()

    return nb.types.void(*[nb.types.int64] * (_ARGUMENTS + 1)), generate


call: Any = intrinsic(_call)


def _names(code: types.CodeType) -> Iterator[str]:
    """The names that a function may look up in its module, also from functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _around(function: Any) -> dict[str, Any]:
    """What the function may use of its module."""
    known = function.__globals__
    return {name: known[name] for name in sorted(set(_names(function.__code__))) if name in known}


class _UnknownContentError(Exception):
    """A function uses an object that may have changed since it was last seen."""


def _content(value: Any, inside: tuple[Any, ...] = ()) -> Any:
    """What a function computes, or a constant is: equal for a definition that was run again without a change."""
    if isinstance(value, types.FunctionType) and value not in inside:
        parts = [value.__defaults__, value.__kwdefaults__, *(cell.cell_contents for cell in value.__closure__ or ())]
        around = _around(value)
        used = (_content(part, (*inside, value)) for part in (*parts, *around.values()))
        return value.__code__, tuple(around), tuple(used)
    if value is None or type(value) in (bool, int, float, complex, str):
        return type(value), repr(value)
    if type(value) is tuple:
        return tuple, tuple(_content(item, inside) for item in value)
    if isinstance(value, (types.BuiltinFunctionType, np.ufunc)) or value is math or value is np:
        return value
    raise _UnknownContentError


def _same(formula: Formula) -> Any:
    """The key of a formula: its content, or the formula itself where that could change unseen."""
    try:
        return _content(formula)
    except (_UnknownContentError, ValueError, RecursionError):  # ValueError: a name that has no value yet, or an array
        return formula


def of_shares(formula: Formula) -> Formula:
    """The formula of one class as the sweeps run it: a class of which the target has no share costs nothing."""

    def shared(xp: Any, z: Any, t: Any, *parameters: Any) -> tuple[Any, Any, Any]:
        value, slope, curvature = formula(xp, z, t, *parameters)
        some = t > 0.0
        return xp.where(some, value, 0.0), xp.where(some, slope, 0.0), xp.where(some, curvature, 0.0)

    return shared


def inlined(function: Callable[..., Any]) -> Any:
    """The function as Numba compiles it into a loop, with the plain functions around it that it calls."""

    def compilable(value: Any) -> Any:
        return inlined(value) if isinstance(value, types.FunctionType) and value is not function else value

    around = {name: compilable(value) for name, value in _around(function).items()}  # all would keep old losses alive
    known = function.__globals__
    around |= {name: known[name] for name in ("__builtins__", "__name__") if name in known}
    cells = tuple(types.CellType(compilable(cell.cell_contents)) for cell in function.__closure__ or ())
    copy = types.FunctionType(function.__code__, around, function.__name__, function.__defaults__, cells)
    return nb.njit(forceinline=True, error_model="numpy", nogil=True)(copy)


def _unpacker(absent: tuple[bool, ...]) -> Any:
    """A function from the array of parameters to the tuple of them, None where a parameter is absent."""
    items = "".join("None, " if none else f"p[{place}], " for place, none in enumerate(absent))
    namespace: dict[str, Any] = {}
    exec(f"def unpack(p): return ({items})", namespace)
    return nb.njit(forceinline=True)(namespace["unpack"])


def _with_target(formula: Formula, absent: tuple[bool, ...], order: int, dtype: Any) -> Any:
    """The loop of a formula ``f(xp, z, t, *parameters)``."""
    jet, unpack = inlined(formula), _unpacker(absent)
    vocabulary = plain if dtype == np.float32 else scalar

    def loop(z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: int) -> None:
        parameters = unpack(p)
        for i in range(n):
            value, slope, curvature = jet(vocabulary, np.float64(z[i]), np.float64(t[i]), *parameters)
            values[i] = value
            if order > 0:
                slopes[i] = slope * w[i]
            if order > 1:
                curvatures[i] = curvature * w[i]

    return loop


def _without_target(formula: Formula, absent: tuple[bool, ...], order: int, dtype: Any) -> Any:
    """The loop of a formula ``phi(xp, u, *parameters)``; there is no target, and the caller weighs."""
    jet, unpack = inlined(formula), _unpacker(absent)

    def loop(u: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: int) -> None:
        parameters = unpack(p)
        for i in range(n):
            value, slope, curvature = jet(scalar, u[i], *parameters)
            values[i] = value
            if order > 0:
                slopes[i] = slope
            if order > 1:
                curvatures[i] = curvature

    return loop


_loops: dict[tuple[Any, ...], Loop] = {}


def compiled(formula: Formula, parameters: tuple[float | None, ...], order: int, dtype: Any, target: bool) -> Loop:
    """The loop of ``formula`` for prediction and target of ``dtype``, up to derivative ``order``.

    A notebook cell that is run again defines another function with the same content: it gets the loop of the first.
    Loops stay for the rest of the process, since Numba does not release machine code.
    """
    settings = tuple(parameter is None for parameter in parameters), order, dtype, target
    key = (_same(formula), *settings)
    loop = _loops.get(key)
    if loop is None:
        with compiling:
            loop = _loops.get(key) or _loops.setdefault(key, _compile(formula, *settings))
    return loop


def _compile(formula: Formula, absent: tuple[bool, ...], order: int, dtype: Any, target: bool) -> Loop:
    element = nb.types.CPointer(nb.from_dtype(np.dtype(dtype)))
    double = nb.types.CPointer(nb.float64)
    signature = nb.void(element, element, double, double, double, element, element, nb.intp)
    body = (_with_target if target else _without_target)(formula, absent, order, dtype)
    with explained():
        return Loop(nb.cfunc(signature, error_model="numpy")(body))
