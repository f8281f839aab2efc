"""Reading ahead: a thread prepares the next item of an iterator while the current one is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

__all__ = ["read_ahead"]

Item = TypeVar("Item")

_END = object()
_PATIENCE = 0.1  # seconds between two checks if the reader still waits


@contextmanager
def read_ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """The same items, one of them prepared ahead; an error is raised in place of its item. Leaving ends the thread.

    Examples
    --------
    >>> with read_ahead(iter("abc")) as letters:
    ...     print(*letters)
    a b c
    """
    made: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(maxsize=1)
    left = threading.Event()
    thread = threading.Thread(target=_make, args=(items, made, left), name="rashin-read-ahead", daemon=True)
    thread.start()
    try:
        yield _taken(made)
    finally:
        left.set()
        thread.join()


def _taken(made: queue.Queue[tuple[Any, BaseException | None]]) -> Iterator[Any]:
    while True:
        item, error = made.get()
        if error is not None:
            raise error
        if item is _END:
            return
        yield item


def _make(items: Iterator[Any], made: queue.Queue[tuple[Any, BaseException | None]], left: threading.Event) -> None:
    try:
        for item in items:
            if not _put(made, (item, None), left):
                break
        _put(made, (_END, None), left)
    except BaseException as error:  # passed on to the reader
        _put(made, (_END, error), left)
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _put(made: queue.Queue[Any], what: Any, left: threading.Event) -> bool:
    """True if the item was handed over before the reader left."""
    while not left.is_set():
        with suppress(queue.Full):
            made.put(what, timeout=_PATIENCE)
            return True
    return False
