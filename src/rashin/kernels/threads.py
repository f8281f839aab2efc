"""Threads over the sweeps, which hold no lock while they run.

The chunks of a job are handed out one by one, in order, to the calling thread and its companions. Sums are exact, so
it does not matter who took which. A call inside a job, such as that of a formula that calls a loss, runs on its thread
alone: it would wait for companions that are at work on the job itself.

To hand over a job takes what it takes to wake a thread: 0.31 ms on a virtual machine of two cores. Companions that
looked out for the next job for 0.1 ms, in compiled code without the lock of the interpreter, took just as long, since
they fell asleep waiting for that lock.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["at_most", "count", "only", "share", "threads"]

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

_local = threading.local()
_pool: tuple[int, int, ThreadPoolExecutor] | None = None  # process, threads, and the pool of them: forks inherit none
_undivided = threading.Lock()  # held for what no fork may cut in two


def count() -> int:
    """How many threads a large job may use: ``threads(n)``, else RASHIN_NUM_THREADS, else the CPUs of the process.

    Inside a job it is 1.
    """
    if getattr(_local, "at_work", False):
        return 1
    chosen: int | None = getattr(_local, "count", None)
    if chosen is not None:
        return chosen
    named = os.environ.get("RASHIN_NUM_THREADS", "")
    if named:
        if not named.isdecimal() or len(named) > 9 or int(named) < 1:
            raise ValueError(f"RASHIN_NUM_THREADS: got {named!r}; expected a whole number >= 1")
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
        raise ValueError(f"threads: got {number!r}; expected a whole number >= 1")
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


@contextlib.contextmanager
def at_most(number: int) -> Iterator[None]:
    """As ``only``, unless their number has been chosen: by ``threads(n)`` or RASHIN_NUM_THREADS."""
    if getattr(_local, "count", None) is not None or os.environ.get("RASHIN_NUM_THREADS"):
        yield
        return
    with only(min(number, count())):
        yield


@contextlib.contextmanager
def _blas_limits(number: int) -> Iterator[None]:
    """A limit for BLAS, set and taken back while no fork may begin: the library's lock would stay held in the child."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with _undivided:
        limits = threadpool_limits(number, user_api="blas")
    try:
        yield
    finally:
        with _undivided:
            limits.restore_original_limits()


class _HandedOut(Iterator[Chunk]):
    """An iterator that many threads may draw from; it ends for all when one of them asks so."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = iter(chunks)
        self._lock = threading.Lock()

    def __next__(self) -> Chunk:
        with self._lock:
            return next(self._chunks)


def share(work: Callable[[Iterator[Chunk]], Result], chunks: Iterable[Chunk], workers: int) -> list[Result]:
    """Call ``work`` in up to ``workers`` threads, each with an iterator over the chunks that fall to it."""
    if workers <= 1 or getattr(_local, "at_work", False):
        return [work(iter(chunks))]
    common: Iterator[Chunk] = _HandedOut(chunks)
    others = _companions(lambda: work(common), workers - 1)
    try:
        own = _at_work(lambda: work(common))
    finally:
        results = [other.result() for other in others]
    return [own, *results]


def _at_work(work: Callable[[], Result]) -> Result:
    before = getattr(_local, "at_work", False)
    _local.at_work = True
    try:
        return work()
    finally:
        _local.at_work = before


def _companions(work: Callable[[], Result], number: int) -> list[Future[Result]]:
    """``work`` begun in so many other threads, or in fewer where there are no more, as while Python shuts down."""
    begun: list[Future[Result]] = []
    with _undivided:
        for _ in range(number):
            future: Future[Result] = Future()
            try:
                _pool_of(number).submit(_fill, future, work)
            except RuntimeError:  # it may be in the queue nevertheless: cancelled there, unless a thread has it already
                if future.cancel():
                    break
            begun.append(future)
    return begun


def _fill(future: Future[Result], work: Callable[[], Result]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(_at_work(work))
        except BaseException as error:
            future.set_exception(error)


def _pool_of(number: int) -> ThreadPoolExecutor:
    """The one pool of the process, which grows: a larger one takes the place of the smaller."""
    global _pool
    if _pool is None or _pool[0] != os.getpid() or _pool[1] < number:
        before, _pool = _pool, (os.getpid(), number, ThreadPoolExecutor(number, thread_name_prefix="rashin"))
        if before is not None and before[0] == os.getpid():
            before[2].shutdown(wait=False)  # what it has begun it ends
    return _pool[2]


if hasattr(os, "register_at_fork"):  # the child's lock is free
    os.register_at_fork(
        before=_undivided.acquire, after_in_parent=_undivided.release, after_in_child=_undivided.release
    )
