"""Compiled sweeps kept on disk, for as long as no source that they are made of changes.

Numba's own key is the file of the function alone: with it a sweep would outlive a change in the arithmetic that is
compiled into it. Here the key holds a fingerprint of all sources that reach machine code.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba as nb
from numba.core.caching import FunctionCache

from rashin.waiting import explained

__all__ = ["kept", "kept_njit", "kept_vectorize"]


@functools.cache
def _fingerprint() -> str:
    """A digest of the sources that are compiled into sweeps."""
    package = Path(__file__).parent
    sources = [
        package / "scalar.py",
        package / "plain.py",
        package / "exact.py",
        *sorted((package / "kernels").glob("*.py")),
    ]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


class _Fingerprinted(FunctionCache):  # type: ignore[misc]
    def _index_key(self, signature: Any, codegen: Any) -> Any:
        return (*super()._index_key(signature, codegen), _fingerprint())


def kept(signature: Callable[[Any], Any]) -> Callable[[Callable[..., Any]], Callable[[Any], Any]]:
    """Turn a function into ``element -> compiled function``, made at its first use and for this signature only.

    ``signature(element)`` gives the Numba signature for arrays of the element type, a Numba type. Arrays declared
    read-only take writable ones too, so that one compilation serves both.
    """

    def decorate(function: Callable[..., Any]) -> Callable[[Any], Any]:
        @functools.cache
        def compiled_for(element: Any) -> Any:
            dispatcher = nb.njit(error_model="numpy", nogil=True)(function)
            with contextlib.suppress(RuntimeError):  # nowhere to keep it: then each process compiles it
                dispatcher._cache = _Fingerprinted(function)
            with explained():
                dispatcher.compile(signature(nb.from_dtype(element)))
            dispatcher.disable_compile()
            return dispatcher

        return compiled_for

    return decorate


def kept_njit(function: Callable[..., Any]) -> Any:
    """``njit`` kept by Numba's own key, for what is made of one file alone."""
    return _kept_if_possible(lambda cache: nb.njit(error_model="numpy", nogil=True, cache=cache)(function))


def kept_vectorize(function: Callable[..., Any]) -> Any:
    """``vectorize``, likewise."""
    return _kept_if_possible(lambda cache: nb.vectorize(cache=cache)(function))


def _kept_if_possible(make: Callable[[bool], Any]) -> Any:
    try:
        return make(True)
    except RuntimeError:  # Numba finds no folder that it may write to
        return make(False)
