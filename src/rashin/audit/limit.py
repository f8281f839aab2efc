"""A limit of time for code that may never return, without a thread or a process that could be left behind."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Late", "check_seconds", "in_words", "limited"]

_AGAIN = 1.0  # seconds until the next attempt, as code may catch everything
_MOST = 1e6


class Late(BaseException):  # not an Exception: what a function raises is taken for a refusal
    """The time is over."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise ``Late`` in the block after some seconds.

    An alarm of the system interrupts Python code and sleep. It cannot interrupt a call of compiled code, after which
    it is raised, and there is none outside the main thread and on Windows. An alarm of others that is due sooner stays.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    start, (remaining, interval) = time.monotonic(), signal.getitimer(signal.ITIMER_REAL)
    if 0.0 < remaining <= seconds:
        yield
        return
    kept = signal.signal(signal.SIGALRM, _end)
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, kept)
        if remaining:
            signal.setitimer(signal.ITIMER_REAL, max(remaining - (time.monotonic() - start), 1e-3), interval)


def _end(number: int, frame: FrameType | None) -> None:
    raise Late


def in_words(name: str, seconds: float) -> str:
    """The error for a check that takes too long."""
    return (
        f"target: got {name}, whose check takes longer than {seconds:g} s; expected calls that return soon; "
        f"fix: raise --seconds"
    )


def check_seconds(seconds: float) -> None:
    """Refuse a limit that is not a duration."""
    if not 0.0 < seconds <= _MOST:
        raise ValueError(f"seconds: got {seconds!r}; expected a number above 0, up to {_MOST:.0e}")
