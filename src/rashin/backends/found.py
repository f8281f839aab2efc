"""Which backend has an array: by its type, without importing a library that the caller has not imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["of"]

_known: dict[type, Any] = {}


def of(array: Any) -> Any:
    """The backend of an array; what no backend knows is for NumPy to convert or to refuse."""
    backend = _known.get(type(array))
    if backend is None:
        backend = _known[type(array)] = _looked_up(type(array))
    return backend


def _looked_up(kind: type) -> Any:
    """By the packages of the class and of those it derives from, since a user's own is of the user's package."""
    for ancestor in kind.__mro__:
        backend = _BACKENDS.get(ancestor.__module__.partition(".")[0])
        if backend is not None:
            return backend()
    return _numpy()


def _numpy() -> Any:
    from rashin.backends import numpy

    return numpy


def _torch() -> Any:
    from rashin.backends import torch

    return torch


_BACKENDS: dict[str, Callable[[], Any]] = {"torch": _torch}
