"""What pictures and pages say in Japanese: all of it, with the same values in it, in a font that has the letters."""

from __future__ import annotations

import ast
import re
import string
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import rashin
from rashin.japanese import JAPANESE
from rashin.language import FONTS, check_language, counted, font_family, joined, said, speaking
from rashin.learn import Network, draw_history, train

JAPANESE_LETTER = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff01-\uff60]")
SOURCE = Path(rashin.__file__).parent


def sentences():
    """Every sentence that the code says by ``said`` or ``counted``, and that the template of pages says."""
    for path in SOURCE.rglob("*.py"):
        if path.name == "language.py":
            continue  # it says what it is given
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("said", "counted"):
                for sentence in node.args[:1] if node.func.id == "said" else node.args[1:]:
                    assert isinstance(sentence, ast.Constant), f"{path}:{node.lineno}: name the sentence"
                    yield sentence.value
    template = (SOURCE / "report" / "page" / "page.html.jinja").read_text(encoding="utf-8")
    yield from re.findall(r'said\("([^"]+)"', template)


def places(sentence):
    return sorted((name, form) for _, name, form, _ in string.Formatter().parse(sentence) if name is not None)


def test_every_sentence_has_its_translation_and_no_translation_is_left_over():
    assert set(sentences()) == set(JAPANESE)


@pytest.mark.parametrize("english", JAPANESE)
def test_a_translation_is_japanese_and_has_the_same_values(english):
    japanese = JAPANESE[english]
    assert places(japanese) == places(english)
    assert JAPANESE_LETTER.search(japanese)
    assert not JAPANESE_LETTER.search(english)


def test_another_language_is_refused_with_those_that_there_are(tmp_path):
    message = r"lang: got 'fr'; expected 'en' or 'ja'; fix: "
    for call in (check_language, font_family, lambda lang: speaking(lang).__enter__()):
        with pytest.raises(ValueError, match=message):
            call("fr")
    with pytest.raises(ValueError, match=message):
        draw_history(a_history(), tmp_path / "a.png", lang="fr")
    assert not list(tmp_path.iterdir())


def test_a_language_is_spoken_within_its_block_and_its_thread():
    def spoken():
        return said("loss"), counted(1, "{count:,} jump", "{count:,} jumps"), joined("a", "b")

    english = ("loss", "1 jump", "a b")
    with speaking("ja"):
        with speaking("en"), ThreadPoolExecutor(1) as pool:
            assert spoken() == pool.submit(spoken).result() == english
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(spoken).result() == english
        assert spoken() == ("損失", "1 箇所", "ab")
    assert spoken() == english


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
