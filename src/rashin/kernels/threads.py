"""Threads over the sweeps, which hold no lock while they run.

The pieces of a job are handed out one by one, in order, to the calling thread and its companions. Sums are exact, so
it does not matter who took which.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["count", "only", "share", "threads"]

Piece = TypeVar("Piece")
Result = TypeVar("Result")

_local = threading.local()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}  # by process: after a fork the parent's threads are gone


def count() -> int:
    """How many threads a large job may use: ``threads(n)``, else RASHIN_NUM_THREADS, else the CPUs of the process."""
    chosen: int | None = getattr(_local, "count", None)
    if chosen is not None:
        return chosen
    named = os.environ.get("RASHIN_NUM_THREADS", "")
    if named:
        if not named.isdecimal() or len(named) > 9 or int(named) < 1:
            raise ValueError(f"RASHIN_NUM_THREADS: got {named!r}; accepted is a whole number >= 1")
        return int(named)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def threads(number: int) -> Iterator[None]:
    """Within the ``with`` block, jobs of this thread use ``number`` threads, and BLAS likewise (by threadpoolctl).

    Examples
    --------
    >>> import rashin
    >>> with rashin.threads(1):
    ...     rashin.half_squared_error([1.0, 2.0], [0.0, 0.0])
    1.25
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ValueError(f"threads: got {number!r}; accepted is a whole number >= 1")
    with only(number), _blas_limits(number):
        yield


@contextlib.contextmanager
def only(number: int) -> Iterator[None]:
    """As ``threads``, for this thread alone: BLAS has one limit for the process, which threads side by side share."""
    before = getattr(_local, "count", None)
    _local.count = number
    try:
        yield
    finally:
        _local.count = before


def _blas_limits(number: int) -> contextlib.AbstractContextManager[object]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    limits: contextlib.AbstractContextManager[object] = threadpool_limits(number, user_api="blas")
    return limits


class _HandedOut(Iterator[Piece]):
    """An iterator that many threads may draw from; it ends for all when one of them asks so."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._pieces = iter(pieces)
        self._lock = threading.Lock()

    def __next__(self) -> Piece:
        with self._lock:
            return next(self._pieces)


def share(work: Callable[[Iterator[Piece]], Result], pieces: Iterable[Piece], workers: int) -> list[Result]:
    """Call ``work`` in ``workers`` threads, each with an iterator over the pieces that fall to it."""
    if workers <= 1:
        return [work(iter(pieces))]
    common: Iterator[Piece] = _HandedOut(pieces)
    others = [_pool(workers).submit(work, common) for _ in range(workers - 1)]
    try:
        own = work(common)
    finally:
        results = [other.result() for other in others]
    return [own, *results]


def _pool(workers: int) -> ThreadPoolExecutor:
    key = (os.getpid(), workers - 1)
    pool = _pools.get(key)
    if pool is None:
        pool = _pools.setdefault(key, ThreadPoolExecutor(workers - 1, thread_name_prefix="rashin"))
    return pool
