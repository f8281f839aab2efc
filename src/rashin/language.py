"""The text of pictures and pages in the reader's language: English sentences, and their translations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from rashin.extras import needs
from rashin.japanese import JAPANESE

__all__ = ["FONTS", "LANGUAGES", "check_language", "counted", "font_family", "joined", "said", "speaking"]

LANGUAGES = ("en", "ja")

FONTS = (  # with Japanese glyphs, as Linux, macOS and Windows have them
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "IPAexGothic",
    "IPAGothic",
    "TakaoPGothic",
    "Hiragino Sans",
    "Yu Gothic",
    "Meiryo",
    "MS Gothic",
)

_spoken: ContextVar[str] = ContextVar("language", default="en")


def check_language(lang: str) -> None:
    """Refuse a language without translations.

    Raises
    ------
    ValueError : ``lang`` is not one of ``LANGUAGES``.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"lang: got {lang!r}; expected {' or '.join(map(repr, LANGUAGES))}; fix: lang='en'")


@contextmanager
def speaking(lang: str) -> Iterator[None]:
    """Within the ``with`` block, in its thread or task, ``said`` translates to the language ``lang``.

    Raises
    ------
    ValueError : ``lang`` is not one of ``LANGUAGES``.

    Examples
    --------
    >>> with speaking("ja"):
    ...     said("mean loss")
    '平均損失'
    """
    check_language(lang)
    before = _spoken.set(lang)
    try:
        yield
    finally:
        _spoken.reset(before)


def said(sentence: str, **values: Any) -> str:
    """The sentence in the current language, with the values filled in; English unless set by ``speaking``.

    Examples
    --------
    >>> said("all {samples:,} samples", samples=60000)
    'all 60,000 samples'
    >>> with speaking("ja"):
    ...     said("all {samples:,} samples", samples=60000)
    '全 60,000 個のデータ'
    """
    return (sentence if _spoken.get() == "en" else JAPANESE[sentence]).format(**values)


def counted(count: int, one: str, many: str) -> str:
    """A count of something: the sentence for one, or the sentence for other numbers, filled in at ``{count}``.

    Examples
    --------
    >>> counted(1, "{count:,} row", "{count:,} rows"), counted(2000, "{count:,} row", "{count:,} rows")
    ('1 row', '2,000 rows')
    """
    return said(one if count == 1 else many, count=count)


def joined(*sentences: str) -> str:
    """Sentences joined, with a space between them if the language uses one.

    Examples
    --------
    >>> joined("One.", "Two.")
    'One. Two.'
    """
    return ("" if _spoken.get() == "ja" else " ").join(sentences)


def font_family(lang: str) -> list[str]:
    """The fonts for a picture in the language ``lang``, for ``matplotlib.rcParams["font.family"]``.

    Raises
    ------
    ValueError : ``lang`` is not one of ``LANGUAGES``.
    LookupError : this machine has no font with Japanese glyphs; the message names one.
    ImportError : matplotlib is not installed; the message says how to get it.

    Examples
    --------
    >>> font_family("en")
    ['DejaVu Sans']
    """
    check_language(lang)
    with needs("matplotlib", "learn", "drawing"):
        from matplotlib import font_manager
    if lang == "en":
        return ["DejaVu Sans"]  # it comes with matplotlib
    there = {font.name for font in font_manager.fontManager.ttflist}
    found = [name for name in FONTS if name in there]
    if not found:
        raise LookupError(
            f"lang: got {lang!r}, and no font with Japanese glyphs is installed; expected one of {', '.join(FONTS)}; "
            "fix: install Noto Sans CJK (on Debian and Ubuntu, apt install fonts-noto-cjk), or lang='en'"
        )
    return [found[0], "DejaVu Sans"]
