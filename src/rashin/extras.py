"""One message for every missing optional package: what needs it, and the command that installs it.

rashin is not on a package index yet, so the command names a clone; the day it is published, this file changes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["missing", "needs"]


def missing(
    packages: str, extra: str, what: str, *, instead: str = "", fault: ImportError | None = None
) -> ImportError:
    """The error for ``what``, which needs ``packages``, which come with ``extra``; ``instead`` says how to do without.

    Examples
    --------
    >>> print(missing("matplotlib", "learn", "drawing"))
    drawing needs matplotlib, which is not installed; fix: pip install '.[learn]' in your clone of rashin
    """
    absent = fault is None or isinstance(fault, ModuleNotFoundError)
    state = "not installed" if absent else f"installed but cannot be imported ({fault})"
    verb = "are" if " and " in packages else "is"
    fix = f"pip install '.[{extra}]' in your clone of rashin" + (f", or {instead}" if instead else "")
    return ImportError(f"{what} needs {packages}, which {verb} {state}; fix: {fix}")


@contextlib.contextmanager
def needs(packages: str, extra: str, what: str, *, instead: str = "") -> Iterator[None]:
    """Import optional packages inside: if one is missing, the error says what needs it and how to get it.

    Examples
    --------
    >>> with needs("no_such_package", "learn", "this example"):
    ...     import no_such_package
    Traceback (most recent call last):
    ...
    ImportError: this example needs no_such_package, which is not installed; fix: pip install '.[learn]' in your clone
    of rashin
    """
    try:
        yield
    except ImportError as fault:
        raise missing(packages, extra, what, instead=instead, fault=fault) from fault
