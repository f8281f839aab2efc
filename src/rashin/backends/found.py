"""Which backend has an array: by its type, without importing a library that the caller has not imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rashin import checks
from rashin.backends import default
from rashin.extras import needs

__all__ = ["of", "settled", "stacked"]

_known: dict[type, Any] = {}


def of(array: Any) -> Any:
    """The backend of an array; what no backend knows is for NumPy to convert or to refuse."""
    backend = _known.get(type(array))
    if backend is None:
        backend = _known[type(array)] = _looked_up(type(array))
    return backend


def settled(array: Any, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of a loss as plain numbers, where a backend traces them to compile a graph."""
    settle = getattr(of(array), "settled", None)
    return parameters if settle is None else settle(parameters)


def stacked(parts: Any, name: str) -> Any:
    """Arrays of equal shapes as one, beside each other along a new last axis; ``name`` is that of the argument."""
    shapes = [tuple(part.shape if hasattr(part, "shape") else checks.array(name, part).shape) for part in parts]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"{name}: got arrays of the shapes {', '.join(map(str, shapes))}; expected equal shapes")
    return of(parts[0]).stacked(parts)


def _looked_up(kind: type) -> Any:
    """By the packages of the class and of those it derives from, since a user's own is of the user's package."""
    for ancestor in kind.__mro__:
        module = ancestor.__module__
        backend = _BACKENDS.get(module) or _BACKENDS.get(module.partition(".")[0])
        if backend is not None:
            return backend()
    return default()


def _torch() -> Any:
    from rashin.backends import torch

    return torch


def _jax() -> Any:
    from rashin.backends import jax

    return jax


def _array_api() -> Any:
    with needs("array_api_compat", "arrays", "a loss of arrays that are neither of NumPy nor of torch"):
        from rashin.backends import array_api
    return array_api


# By package, or by module where a package has other things too, such as data frames.
_BACKENDS: dict[str, Callable[[], Any]] = {
    "torch": _torch,
    "jax": _jax,
    "jaxlib": _jax,
    "array_api_strict": _array_api,
    "cupy": _array_api,
    "dask.array.core": _array_api,
}
