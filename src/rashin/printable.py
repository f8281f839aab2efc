"""Names and text for terminals and pages, which would obey the control characters in them."""

from __future__ import annotations

import unicodedata

__all__ = ["printable", "shown"]

_JOINERS = "\u200c\u200d"  # Persian words and emoji are made with them


def printable(text: str) -> str:
    """The text with unprintable characters escaped as in Python, such as ``\\x1b``; spaces of any width stay.

    >>> print(printable("a" + chr(27) + "[2Jb"), printable("東京\u3000支店"))
    a\\x1b[2Jb 東京\u3000支店
    """
    return "".join(sign if _is_harmless(sign) else sign.encode("unicode_escape").decode() for sign in text)


def shown(key: object) -> str:
    """The name of a class, a group or a file for readers; a blank name is quoted.

    >>> print(shown(7), shown("a\\nb"), shown(""))
    7 a\\nb ""
    """
    name = printable(str(key))
    return name if name.strip() else f'"{name}"'


def _is_harmless(sign: str) -> bool:
    return sign.isprintable() or sign in _JOINERS or unicodedata.category(sign) == "Zs"
