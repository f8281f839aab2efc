"""What pictures say in Japanese: all of it, with the same values in it, in a font that has the letters."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import numpy as np
import pytest

import rashin
from rashin.language import FONTS, JAPANESE, check_language, font_family, said
from rashin.learn import Network, draw_history, train

KANA_OR_KANJI = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
SOURCE = Path(rashin.__file__).parent


def sentences():
    """Every sentence that the code says by ``said``."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "said":
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}: name the sentence"
                yield node.args[0].value


def places(sentence):
    return sorted((name, form) for _, name, form, _ in string.Formatter().parse(sentence) if name is not None)


def test_every_sentence_has_its_translation_and_no_translation_is_left_over():
    assert set(sentences()) == set(JAPANESE)


@pytest.mark.parametrize("english", JAPANESE)
def test_a_translation_is_japanese_and_has_the_same_values(english):
    japanese = JAPANESE[english]
    assert places(japanese) == places(english)
    assert KANA_OR_KANJI.search(japanese)
    assert not KANA_OR_KANJI.search(english)


def test_another_language_is_refused_with_those_that_there_are(tmp_path):
    message = r"lang: got 'fr'; expected 'en' or 'ja'; fix: "
    for call in (check_language, font_family, lambda lang: said("loss", lang)):
        with pytest.raises(ValueError, match=message):
            call("fr")
    with pytest.raises(ValueError, match=message):
        draw_history(a_history(), tmp_path / "a.png", lang="fr")
    assert not list(tmp_path.iterdir())


def a_history():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(40, 2)), rng.integers(0, 3, 40)
    return train(Network((2, 3)), rashin.softmax_cross_entropy, x, labels, held_out=(x, labels), epochs=2)


def has_japanese():
    try:
        return bool(font_family("ja"))
    except LookupError:
        return False


needs_font = pytest.mark.skipif(not has_japanese(), reason="no font with Japanese glyphs")


@needs_font
def test_the_chosen_font_has_every_letter():
    from matplotlib import font_manager

    letters = set("".join(JAPANESE.values()))
    covered = set()
    for family in font_family("ja"):
        path = font_manager.findfont(family, fallback_to_default=False)
        covered |= set(map(chr, font_manager.get_font(path).get_charmap()))
    assert not letters - covered


@needs_font
def test_a_japanese_picture_is_another_picture_and_leaves_the_settings_alone(tmp_path):
    """A letter without a glyph would be a warning, which the tests take for an error."""
    import matplotlib

    before = list(matplotlib.rcParams["font.family"])
    history = a_history()
    for lang in ("en", "ja"):
        draw_history(history, tmp_path / f"{lang}.png", "blobs", lang=lang)
    assert (tmp_path / "ja.png").read_bytes() != (tmp_path / "en.png").read_bytes()
    assert list(matplotlib.rcParams["font.family"]) == before


def test_without_a_font_the_message_names_one(monkeypatch, tmp_path):
    from matplotlib import font_manager

    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    with pytest.raises(LookupError, match=r"lang: got 'ja', .*Noto Sans CJK JP.*apt install fonts-noto-cjk"):
        draw_history(a_history(), tmp_path / "a.png", lang="ja")
    assert not list(tmp_path.iterdir())
    assert font_family("en") == ["DejaVu Sans"]
    assert FONTS[0] == "Noto Sans CJK JP"
