"""A message at a terminal or in a notebook while loops are compiled: one line, once per process.

It is not printed to a file or a pipe, in worker processes, or if the environment variable RASHIN_QUIET is set, so that
programs, logs and tests do not see it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator

__all__ = ["PATIENCE", "explained"]

PATIENCE = 1.0  # seconds before the message appears

_MESSAGE = "rashin: compiling loops for this machine, once for each kind of loss; later calls start at once"
_asking = threading.Lock()
_said = False


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Compile inside: if that takes longer than a second, a message explains the delay, once per process."""
    if _said or not _is_watched():
        yield
        return
    timer = threading.Timer(PATIENCE, _say)
    timer.daemon = True  # an interrupted program does not wait for it
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_watched() -> bool:
    if os.environ.get("RASHIN_QUIET") or multiprocessing.parent_process() is not None:
        return False
    screen = sys.stderr
    in_notebook = type(screen).__module__.partition(".")[0] == "ipykernel"
    return in_notebook or (screen is not None and screen.isatty())


def _say() -> None:
    global _said
    with _asking:
        if not _said and sys.stderr is not None:
            _said = True
            with contextlib.suppress(OSError, ValueError):  # the terminal went away
                print(_MESSAGE, file=sys.stderr, flush=True)  # noqa: T201
