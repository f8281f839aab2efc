"""What pictures and pages say, in the reader's language: English sentences in the code, their translations here."""

from __future__ import annotations

from typing import Any

from rashin.extras import needs

__all__ = ["FONTS", "JAPANESE", "LANGUAGES", "check_language", "font_family", "said"]

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

JAPANESE = {
    "loss": "損失",
    "accuracy": "認識精度",
    "step": "ステップ",
    "mini-batch": "ミニバッチ",
    "training, mean of an epoch": "訓練データ（エポックの平均）",
    "held out": "検証データ",
    "best constant prediction": "最良の定数予測",
    "correct predictions": "正解数",
    "correct predictions, of {samples:,}": "正解数（{samples:,} 個中）",
    "tangent, from the gradient": "接線（勾配から）",
    "first direction": "第1の方向",
    "second direction": "第2の方向",
    "9 of 10 batches": "10個中9個のバッチ",
    "half of them": "半数のバッチ",
    "median batch": "中央値のバッチ",
    "all {samples:,} samples": "全 {samples:,} 個のデータ",
    "measured": "測定値",
    "expected, σ / √size": "予想（σ / √大きさ）",
    "root mean squared error": "全データの損失からのずれ（二乗平均平方根）",
    "batch size": "ミニバッチの大きさ（個）",
}


def check_language(lang: str) -> None:
    """Refuse a language without translations.

    Raises
    ------
    ValueError : ``lang`` is not one of ``LANGUAGES``.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"lang: got {lang!r}; expected {' or '.join(map(repr, LANGUAGES))}; fix: lang='en'")


def said(sentence: str, lang: str, **values: Any) -> str:
    """The sentence in the language ``lang``, with the values in its places.

    Examples
    --------
    >>> said("all {samples:,} samples", "en", samples=60000), said("all {samples:,} samples", "ja", samples=60000)
    ('all 60,000 samples', '全 60,000 個のデータ')
    """
    check_language(lang)
    return (sentence if lang == "en" else JAPANESE[sentence]).format(**values)


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
        return ["DejaVu Sans"]  # matplotlib brings it
    there = {font.name for font in font_manager.fontManager.ttflist}
    found = [name for name in FONTS if name in there]
    if not found:
        raise LookupError(
            f"lang: got {lang!r}, and no font with Japanese glyphs is installed; expected one of {', '.join(FONTS)}; "
            "fix: install Noto Sans CJK (on Debian and Ubuntu, apt install fonts-noto-cjk), or lang='en'"
        )
    return [found[0], "DejaVu Sans"]
