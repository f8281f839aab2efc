"""From the text of a formula to machine code: one small loop per formula, order and type of the arrays.

The loop runs the formula over a block that lies in the L1 cache; everything that does not depend on the formula
(checks, weights, sums, threads) stands in the sweeps, which are compiled once, kept on disk, and call the loop by
its address. So a new loss costs a tenth of a second, and the sweeps never recompile.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from rashin.arithmetic import plain, scalar
from rashin.cached import compiling
from rashin.rule import Formula
from rashin.waiting import explained

__all__ = ["Loop", "call", "compiled"]

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


def inlined(function: Callable[..., Any]) -> Any:
    """The function as Numba compiles it into a loop, with the plain functions around it that it calls."""

    def compilable(value: Any) -> Any:
        return inlined(value) if isinstance(value, types.FunctionType) and value is not function else value

    around = function.__globals__
    names = {name: compilable(around[name]) for name in function.__code__.co_names if name in around}
    cells = tuple(types.CellType(compilable(cell.cell_contents)) for cell in function.__closure__ or ())
    copy = types.FunctionType(function.__code__, {**around, **names}, function.__name__, function.__defaults__, cells)
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
    """The loop of ``formula`` for prediction and target of ``dtype``, up to derivative ``order``."""
    absent = tuple(parameter is None for parameter in parameters)
    key = (formula, absent, order, dtype, target)
    loop = _loops.get(key)
    if loop is None:
        with compiling:
            loop = _loops.get(key) or _loops.setdefault(key, _compile(*key))
    return loop


def _compile(formula: Formula, absent: tuple[bool, ...], order: int, dtype: Any, target: bool) -> Loop:
    element = nb.types.CPointer(nb.from_dtype(np.dtype(dtype)))
    double = nb.types.CPointer(nb.float64)
    signature = nb.void(element, element, double, double, double, element, element, nb.intp)
    body = (_with_target if target else _without_target)(formula, absent, order, dtype)
    with explained():
        return Loop(nb.cfunc(signature, error_model="numpy")(body))
