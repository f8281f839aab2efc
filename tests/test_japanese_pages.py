"""Pages in Japanese: nothing of the English is left on them, and another language is refused before the work."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

import rashin
from browsing import opening, started_browser
from rashin.cli import main
from rashin.japanese import JAPANESE
from rashin.language import font_family
from rashin.learn import Network
from rashin.report import explain, page_html, write_explanation, write_measurement
from rashin.report.explained.page import explanation_page

JAPANESE_LETTER = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
ENGLISH = [sentence for sentence in JAPANESE if re.search(r"[a-z]{2,} [a-z]{2,}", sentence)]
NAMES = {"Home", "End", "Esc", "north", "south <b>", "a.csv", "digits"}
EVERYTHING = {"worst": 3, "by_class": True, "accuracy": True, "baseline": True, "details": True}
SKIPPED = {
    "null in column 'p in column q'": 3,
    "outside the domain in column 'p'": 2,
    "refused by huber": 1,
    "a line with too few or too many fields": 1,
    "b.csv is broken": 4,
}


class Words(HTMLParser):
    """All that a reader sees, hears or is shown at a value."""

    def __init__(self, html):
        super().__init__()
        self.found, self.inside, self.lang = [], "", None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.inside, named = tag, dict(attributes)
        self.lang = named.get("lang", self.lang)
        kinds = ("aria-label", "aria-roledescription", "title", "alt")
        self.found += [named[kind] for kind in kinds if named.get(kind)]
        self.found += [
            value for kind, value in attributes if kind in ("data-dark", "data-light", "data-told", "data-all")
        ]
        self.found += [text for _, _, text in json.loads(named.get("data-points", "[]"))]

    def handle_data(self, text):
        if self.inside not in ("style", "script"):
            self.found.append(text.strip())


def a_logit_measurement():
    rng = np.random.default_rng(0)
    z = rng.normal(-1.0, 2.0, 600)
    t = (rng.random(600) < rashin.sigmoid(0.6 * z)).astype(float)
    group = np.where(np.arange(600) % 3, "north", "south <b>")
    return rashin.measure("sigmoid_cross_entropy", z, t, weight=rng.random(600), group=group, **EVERYTHING), (z, t)


def a_measurement_of_classes():
    z = np.log(
        [[1.0, 0.0], [0.3, 0.7], [0.6, 0.4]] * 30,
        where=np.array([[1, 0], [1, 1], [1, 1]] * 30, bool),
        out=np.full((90, 2), -np.inf),
    )
    days, cluster = ["2026-01-01", "2026-01-02", "2026-01-03"] * 30, np.arange(90) % 7
    found = rashin.measure("negative_log_likelihood", z, [1, 1, 0] * 30, group=days, cluster=cluster, **EVERYTHING)
    return replace(found, skipped=SKIPPED), None


def a_measurement_of_counts():
    count = np.arange(200.0) % 5
    return rashin.measure("poisson", count + 1.0, count, group=np.arange(200) % 40, baseline=True, details=True), None


def a_mistaken_measurement():
    t = np.arange(120.0) % 2
    return rashin.measure("sigmoid_cross_entropy", np.where(t, 0.9, 0.1), t, details=True), None


def judge(html, name):
    words = Words(html)
    assert words.lang == "ja"
    for text in words.found:
        bare = text.removeprefix("view-")
        assert not re.search(r"[A-Za-z]{2}", bare) or JAPANESE_LETTER.search(bare) or bare in NAMES or name in bare, (
            text
        )
        assert not [sentence for sentence in ENGLISH if sentence in text], text


@pytest.mark.parametrize(
    "measured",
    [a_logit_measurement, a_measurement_of_classes, a_measurement_of_counts, a_mistaken_measurement],
    ids=lambda made: made.__name__,
)
def test_a_report_in_japanese_has_no_english_left(measured, tmp_path):
    found, rows = measured()
    shown = {} if rows is None else {"prediction": rows[0], "target": rows[1]}
    path = write_measurement(found, tmp_path / "ja.html", source="a.csv", lang="ja", **shown)
    judge(path.read_text(encoding="utf-8"), found.loss.partition("(")[0])
    english = write_measurement(found, tmp_path / "en.html", source="a.csv", **shown).read_text(encoding="utf-8")
    assert not JAPANESE_LETTER.search(english)
    assert '<html lang="en">' in english


@pytest.fixture(scope="module")
def explained():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(120, 4)), rng.integers(0, 3, 120)
    return explain(Network((4, 5, 3), seed=0), x, labels, rashin.softmax_cross_entropy, data="digits", samples=80)


def test_an_explanation_in_japanese_has_no_english_left(explained):
    judge(page_html(explanation_page(explained, "ja")), "softmax_cross_entropy")


@pytest.mark.usefixtures("sketched")
def test_pages_and_pictures_in_japanese_are_written(explained, tmp_path):
    try:
        font_family("ja")
    except LookupError:
        pytest.skip("no font with Japanese glyphs")
    english, japanese = (write_explanation(explained, tmp_path / lang, lang) for lang in ("en", "ja"))
    for one, other in zip(english.files, japanese.files, strict=True):
        assert one.read_bytes() != other.read_bytes()


def test_a_japanese_page_fits_a_phone_and_its_button_stands_free(tmp_path, explained):
    html = tmp_path / "explained.html"
    html.write_text(page_html(explanation_page(explained, "ja")), encoding="utf-8")
    report = write_measurement(a_logit_measurement()[0], tmp_path / "report.html", lang="ja")
    with started_browser() as browser, opening(browser) as open_page:
        for path in (html, report):
            page = open_page(path, width=390)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert page.inner_text("#theme") in ("ダークテーマ", "ライトテーマ")
            left = page.evaluate(
                """() => { const range = document.createRange();
                    const box = (of) => of.getBoundingClientRect();
                    range.selectNodeContents(document.querySelector("h1"));
                    return box(document.querySelector("#theme")).left - box(range).right }"""
            )
            assert left >= 0


# ------------------------------------------------------------------------------------------- what is refused


def test_an_unknown_language_is_refused_before_anything_is_written(explained, tmp_path):
    for call in (
        lambda: write_measurement(a_measurement_of_counts()[0], tmp_path / "a.html", lang="fr"),
        lambda: write_explanation(explained, tmp_path / "explained", lang="fr"),
        lambda: rashin.learn.run_training(
            rashin.squared_error, (np.eye(4), np.ones(4)), (np.eye(4), np.ones(4)), out=tmp_path / "run", lang="fr"
        ),
    ):
        with pytest.raises(ValueError, match=r"lang: got 'fr'; expected 'en' or 'ja'; fix: "):
            call()
    assert not list(tmp_path.iterdir())


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rashin", *arguments])
        return main(), *capsys.readouterr()

    monkeypatch.chdir(tmp_path)
    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("measure", "there_is_none.csv", "--report", "a.html", "--lang", "fr"),
            "'--lang': got 'fr'; expected en or ja",
        ),
        (("measure", "there_is_none.csv", "--lang", "ja"), "expected it with --report FILE.html"),
        (("explain", "there_is_none.npz", "--lang", "JA"), "'--lang': got 'JA'; expected en or ja"),
        (("train", "--data", "there_is_none.npz", "--lang", ""), "'--lang': got ''; expected en or ja"),
    ],
)
def test_the_command_line_refuses_it_before_anything_is_read(arguments, words, command, tmp_path):
    code, out, err = command(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert "none" not in err.replace("there_is_none", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["train", "explain"])
def test_without_a_font_the_command_line_names_one(verb, command, monkeypatch):
    from matplotlib import font_manager

    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    code, out, err = command(verb, "--lang", "ja")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "apt install fonts-noto-cjk" in err


def test_the_command_line_writes_a_japanese_page(command, tmp_path):
    (tmp_path / "a.csv").write_text("p_yes,target\n0.9,1\n0.2,0\n0.4,1\n", encoding="utf-8")
    code, out, err = command("measure", "a.csv", "--report", "a.html", "--lang", "ja", "--title", "貸出")
    assert (code, err) == (0, "")
    assert not JAPANESE_LETTER.search(out)  # the terminal speaks English
    judge((tmp_path / "a.html").read_text(encoding="utf-8"), "binary_cross_entropy")
