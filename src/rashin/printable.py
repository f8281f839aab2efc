"""Text for a terminal, which would obey the control characters in it."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """The text with what cannot be printed written as in Python, such as ``\\x1b``.

    >>> print(printable("a" + chr(27) + "[2Jb"))
    a\\x1b[2Jb
    """
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
