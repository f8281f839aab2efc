"""Compiled sweeps cached on disk, until a source that they are made of changes.

Numba's own cache raises errors of the disk and of damaged files, and its key is the file of the function alone: with
it, a sweep would outlive a change in the arithmetic that is compiled into it. Here the key contains a fingerprint of
all sources that reach machine code. A file that is damaged, or has another key, is compiled and written again,
completely or not at all. If the cache cannot be written, each process compiles.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import pickle
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite
import numba as nb
from numba.core import config
from numba.core.caching import NullCache, UserProvidedCacheLocator, UserWideCacheLocator
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.serialize import dumps

from rashin.waiting import explained

__all__ = ["cached", "cached_njit", "cached_vectorize", "compiling"]

_DIGEST = 32  # bytes at the start of a file

compiling = threading.RLock()  # held by the thread that compiles a loop; taken before Numba's own lock


def _stop_compiling() -> None:
    """Wait until no other thread compiles: a child would inherit its locks, and wait for them for ever."""
    compiling.acquire()
    global_compiler_lock.acquire()


def _go_on_compiling() -> None:
    global_compiler_lock.release()
    compiling.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_stop_compiling, after_in_parent=_go_on_compiling, after_in_child=_go_on_compiling)


@functools.cache
def _fingerprint() -> str:
    """A digest of the sources that are compiled into sweeps, and of the versions of the compilers."""
    package = Path(__file__).parent
    sources = [
        *sorted((package / "arithmetic").glob("*.py")),
        package / "exact.py",
        *sorted((package / "kernels").glob("*.py")),
    ]
    versions = f"{nb.__version__} {llvmlite.__version__} {sys.version}"
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources) + versions.encode()).hexdigest()


def _folders(function: Callable[..., Any]) -> Iterator[Path]:
    """The folders where Numba caches compiled code: NUMBA_CACHE_DIR, `__pycache__`, the user's cache."""
    source = inspect.getfile(function)
    if config.CACHE_DIR:
        yield Path(UserProvidedCacheLocator(function, source).get_cache_path())
    yield Path(source).parent / "__pycache__"
    yield Path(UserWideCacheLocator(function, source).get_cache_path())


class _Cache(NullCache):  # type: ignore[misc]
    """A file for each signature: read from the first folder that has it, written to the first writable folder.

    Every error with files counts as a missing file: Numba then compiles, which needs no file.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled function of the signature, or None."""
        target.refresh()
        name, key = self._place(signature, target.codegen())
        for folder in self._known_folders():
            with suppress(Exception):
                return CompileResult._rebuild(target, *_read(folder / name, key))
        return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        """Cache the function, in place of a file that could not be read."""
        if compiled.lifted or compiled.library.has_dynamic_globals:
            return
        name, key = self._place(signature, compiled.codegen)
        with suppress(Exception):
            body = dumps((key, compiled._reduce()))
            content = hashlib.sha256(body).digest() + body
            for folder in self._known_folders():
                with suppress(OSError):
                    _write(folder / name, content)
                    return

    def _place(self, signature: Any, codegen: Any) -> tuple[str, tuple[Any, ...]]:
        """The name of the file, which changes of the sources overwrite, and the key that its content must have."""
        function, machine = self._function, codegen.magic_tuple()
        name = f"{function.__module__}.{function.__qualname__}"
        digest = hashlib.sha256(repr((signature, machine)).encode()).hexdigest()[:16]
        return f"{name}-{digest}.nbc", (name, repr(signature), machine, _fingerprint())

    def _known_folders(self) -> list[Path]:
        with suppress(Exception):  # such as a user without a home
            return list(_folders(self._function))
        return []


def _read(path: Path, key: tuple[Any, ...]) -> tuple[Any, ...]:
    content = path.read_bytes()
    digest, body = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError(f"{path} is damaged")
    found, payload = pickle.loads(body)
    if found != key:
        raise ValueError(f"{path} was made for something else")
    return payload


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:16]}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def cached(signature: Callable[[Any], Any]) -> Callable[[Callable[..., Any]], Callable[[Any], Any]]:
    """Turn a function into ``element -> compiled function``, made at its first use and for this signature only.

    ``signature(element)`` gives the Numba signature for arrays of the element type, a Numba type. Arrays declared
    read-only take writable ones too, so that one compilation serves both.
    """

    def decorate(function: Callable[..., Any]) -> Callable[[Any], Any]:
        @functools.cache
        def compiled_for(element: Any) -> Any:
            dispatcher = cached_njit(function)
            with explained():
                dispatcher.compile(signature(nb.from_dtype(element)))
            dispatcher.disable_compile()
            return dispatcher

        return compiled_for

    return decorate


def cached_njit(function: Callable[..., Any]) -> Any:
    """``njit``, cached on disk."""
    dispatcher = nb.njit(error_model="numpy", nogil=True)(function)
    dispatcher._cache = _Cache(function)
    return dispatcher


def cached_vectorize(function: Callable[..., Any]) -> Any:
    """``vectorize``, cached on disk."""
    universal = nb.vectorize(function)
    universal._dispatcher.cache = _Cache(function)
    return universal
