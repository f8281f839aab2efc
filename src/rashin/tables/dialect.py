"""The format of text files: delimiter, decimal point and encoding; and guesses at all three."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PLAIN", "Dialect", "dialect_of", "encoding_hint", "header_hint", "number_hint"]

_MARKS = {  # byte order marks; that of utf-32 begins with that of utf-16
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NOT_SEPARATING = frozenset('"\r\n')
_KANA_OR_KANJI = re.compile("[\u3041-\u30fe]|[\u4e00-\u9fff]{2}")


@dataclass(frozen=True)
class Dialect:
    """The format of text files.

    Parameters
    ----------
    delimiter : letter between fields; None is a tab in ``.tsv``, otherwise a comma.
    decimal : decimal point, ``"."`` or ``","``.
    encoding : name of the encoding in Python's ``codecs``.
    """

    delimiter: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"


PLAIN = Dialect()


def dialect_of(delimiter: object = None, decimal: object = ".", encoding: object = "utf-8") -> Dialect:
    r"""The dialect with these options; ``"\\t"`` and ``"tab"`` also stand for a tab.

    Raises
    ------
    ValueError : an option is not valid.

    Examples
    --------
    >>> dialect_of("tab", encoding="Shift_JIS")
    Dialect(delimiter='\t', decimal='.', encoding='shift_jis')
    """
    between = "\t" if delimiter in ("tab", "\\t") else delimiter
    if between is not None and (
        not isinstance(between, str) or len(between.encode()) != 1 or between in _NOT_SEPARATING
    ):
        raise ValueError(f"delimiter: got {delimiter!r}; expected one ASCII letter, such as ';' or '\\t'")
    if decimal not in (".", ","):
        raise ValueError(f"decimal: got {decimal!r}; expected '.' or ','")
    if between == decimal or (between is None and decimal == ","):
        raise ValueError(
            f"decimal: got {decimal!r} with the delimiter {between or ','!r}; expected two different letters; fix: say "
            "what separates the fields, such as delimiter=';' (--delimiter ';')"
        )
    return Dialect(between, str(decimal), _encoding(encoding))


def _encoding(encoding: object) -> str:
    try:
        name = codecs.lookup(str(encoding)).name
        codecs.getincrementaldecoder(name)("surrogateescape").decode("a,".encode(name))
    except (LookupError, TypeError, AttributeError, UnicodeError):
        raise ValueError(
            f"encoding: got {encoding!r}; expected the name of a text encoding, such as 'cp932', 'cp1252' or 'utf-16'"
        ) from None
    return "utf-8" if name == "utf-8-sig" else name


def header_hint(names: Sequence[str]) -> str:
    """The fix if the names of columns look wrong; empty if they do not.

    >>> header_hint(["p;target"])
    "; fix: the header looks separated by ';': delimiter=';' (--delimiter ';')"
    """
    if names and names[0].startswith("#"):
        return "; fix: the header is a comment: remove lines that begin with '#', or the '#'"
    for letter, shown in ((";", ";"), ("\t", "tab"), ("|", "|"), (",", ","), (":", ":"), (" ", " ")):
        if len(names) <= (1 if letter in ": " else 2) and any(letter in name.strip() for name in names):
            return f"; fix: the header looks separated by '{shown}': delimiter='{shown}' (--delimiter '{shown}')"
    numbers = [name for name in names if re.fullmatch(r"[+-]?\d*\.?\d+(e[+-]?\d+)?", name.strip(), re.I)]
    if names and len(numbers) >= len(names) / 2:
        return f"; fix: the header holds numbers, such as {numbers[0]}: if it is missing, write one as the first line"
    return ""


def number_hint(text: str) -> str:
    """The fix if text is probably a number in another format; empty if it is not.

    >>> number_hint("0,5"), number_hint("?")
    ("; fix: if ',' is the decimal point, decimal=',' (--decimal ,)", '')
    """
    text = text.strip()
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+", text):
        return "; fix: write numbers without separators of thousands; if ',' is the decimal point, decimal=','"
    if re.fullmatch(r"[+-]?\d*,\d+(e[+-]?\d+)?", text, re.I):
        return "; fix: if ',' is the decimal point, decimal=',' (--decimal ,)"
    if re.fullmatch(r"[+-]?\d*\.\d+(e[+-]?\d+)?", text, re.I):
        return "; fix: if '.' is the decimal point, decimal='.' (--decimal .)"
    if re.fullmatch(r"[+-]?\d{1,3}([,.' _]\d{3})+([.,]\d+)?", text):
        return "; fix: write numbers without separators of thousands"
    return "; fix: write a percentage as a fraction" if text.endswith("%") else ""


def encoding_hint(sample: bytes) -> str:
    """The fix if bytes are not UTF-8: their probable encoding.

    >>> encoding_hint("東京,1".encode("cp932"))
    "; fix: it may be in cp932: encoding='cp932' (--encoding cp932)"
    """
    guess = _guess(sample)
    return f"; fix: it may be in {guess}: encoding='{guess}' (--encoding {guess})"


def _guess(sample: bytes) -> str:
    for mark, name in _MARKS.items():
        if sample.startswith(mark):
            return name
    if b"\0" in sample:
        return "utf-16-le" if sample.find(b"\0") % 2 else "utf-16-be"
    for name in ("cp932", "euc_jp", "gb18030"):
        if _KANA_OR_KANJI.search(sample.decode(name, errors="ignore")) and _decodes(sample, name):
            return name
    return "cp1252" if _decodes(sample, "cp1252") else "latin-1"


def _decodes(sample: bytes, name: str) -> bool:
    """True if bytes are text in an encoding, except for a letter that is cut off at the end."""
    try:
        codecs.getincrementaldecoder(name)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True
