"""A function in words that change whenever its results may: its code, and all that its code refers to.

What it takes from the arithmetic and from the language of kernels is told by its name: those are the same for all, and
``objects`` has a digest of their files.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["SHARED", "described", "used_names"]


_TYPES = (bool, int, float, np.float32, np.float64, np.int64)
SHARED = ("arithmetic", "native")  # the packages of which whole files are digested


class _UnknownContentError(Exception):
    """A function uses an object that may change without notice."""


def described(function: Any) -> str | None:
    """A digest of the function, or None if it refers to something that may change without notice."""
    try:
        return hashlib.sha256(_words(function, ()).encode()).hexdigest()
    except (_UnknownContentError, ValueError, RecursionError):  # ValueError: a name that has no value yet
        return None


def used_names(function: types.FunctionType) -> dict[str, Any]:
    """What the function may use of its module, also in functions inside it."""
    known = function.__globals__
    return {name: known[name] for name in sorted(set(_names(function.__code__))) if name in known}


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _words(value: Any, inside: tuple[Any, ...]) -> str:
    if value is None or type(value) in (bool, int, float, complex, str):
        return f"{type(value).__name__} {value!r}"
    if type(value) is tuple:
        return f"({', '.join(_words(item, inside) for item in value)})"
    if inside and isinstance(value, types.FunctionType | types.ModuleType) and _is_shared(value):
        return f"{value.__name__} of {getattr(value, '__module__', '')}"
    if isinstance(value, types.FunctionType):
        return _words_of_function(value, inside)
    if isinstance(value, types.CodeType):
        return f"{value.co_code.hex()} {_words(value.co_consts, inside)} {value.co_names} {value.co_varnames}"
    if isinstance(value, types.BuiltinFunctionType | np.ufunc) or (isinstance(value, type) and value in _TYPES):
        return f"{getattr(value, '__module__', None)}.{value.__name__}"
    if isinstance(value, types.ModuleType) and value.__name__ in ("math", "numpy"):
        return f"module {value.__name__}"
    raise _UnknownContentError


def _is_shared(value: types.FunctionType | types.ModuleType) -> bool:
    module = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
    return module.startswith(tuple(f"rashin.{package}." for package in SHARED))


def _words_of_function(function: types.FunctionType, inside: tuple[Any, ...]) -> str:
    if function in inside:
        return f"function {inside.index(function)}"
    inside = (*inside, function)
    cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    parts = [
        function.__code__,
        function.__defaults__,
        cells,
        tuple(sorted((function.__kwdefaults__ or {}).items())),
        tuple(function.__dict__.get(mark, False) for mark in ("inlined", "interleaved", "separate")),
    ]
    around = ", ".join(f"{name}={_words(value, inside)}" for name, value in used_names(function).items())
    return f"function [{', '.join(_words(part, inside) for part in parts)}] with {around}"
