"""The site of the documentation: built once by its command, and read as its readers do, in a browser."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from typer.testing import CliRunner
from website.__main__ import app
from website.curves import curves_of
from website.shipped import SHIPPED
from website.sources import menus

import rashin
from browsing import colour_of, contrast, started_browser

ROOT = Path(__file__).parents[1]
HOST = "rashin.test"
PHONE, DESKTOP = 390, 1200
LINK = re.compile(r'<(?:a|link|script|img|source)\b[^>]*?\s(?:href|src)="([^"]*)"')
SHOWN = (
    "index.html",
    "docs/accuracy.html",
    "docs/notebooks/loss-functions.ja.html",
    "losses/index.html",
    "losses/pairwise_logistic.html",
    "reference/rashin.learn.html",
    "benchmarks/README.html",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder; a warning, such as a link to a page that is not there, would have failed the command."""
    folder = tmp_path_factory.mktemp("site") / "html"
    command = [sys.executable, "-m", "website", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html") if "_static" not in path.parts}


@pytest.fixture(scope="module")
def browser():
    with started_browser() as browser:
        yield browser


@pytest.fixture
def visit(site, browser):
    """Gives a function that opens a page of the site as a web server would; nothing may go wrong or ask for more."""
    complaints, contexts = [], []

    def hear(message):
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def serve(route):
        address = urlsplit(route.request.url)
        file = site / unquote(address.path).lstrip("/")
        if address.netloc != HOST or not file.is_file():
            complaints.append(route.request.url)
            route.abort()
        else:
            route.fulfill(path=file)

    def visited(place, width=DESKTOP, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **options))
        page = contexts[-1].new_page()
        page.route("**/*", serve)
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"http://{HOST}/{place}")
        return page

    yield visited
    for context in contexts:
        context.close()
    assert complaints == []


# ----------------------------------------------------------------------------------------------------- the files


def test_every_link_leads_to_a_page_and_a_place_on_it(pages, site):
    places = {path: set(re.findall(r'\bid="([^"]*)"', text)) for path, text in pages.items()}
    checked = 0
    for path, text in pages.items():
        for link in set(LINK.findall(text)):
            parts = urlsplit(unescape(link))
            if parts.scheme in ("http", "https", "data"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.exists(), f"{path.relative_to(site)}: {link}"
            if parts.fragment and target in places:
                assert unquote(parts.fragment) in places[target], f"{path.relative_to(site)}: {link}"
            checked += 1
    assert checked > 5000


def test_nothing_is_loaded_from_elsewhere(pages):
    loaded = re.compile(
        r'<(?:script|img|source|iframe)\b[^>]*\ssrc="(https?:[^"]*)"|<link\b[^>]*\shref="(https?:[^"]*)"'
    )
    assert not {path.name: found for path, text in pages.items() if (found := loaded.findall(text))}


def test_every_page_of_the_tree_is_there(site):
    for page in [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/notebooks/*.ipynb"), ROOT / "benchmarks/README.md"]:
        assert (site / page.relative_to(ROOT).with_suffix(".html")).exists(), page
    assert {f"{loss.name}.html" for loss in SHIPPED} | {"index.html"} == {
        path.name for path in site.glob("losses/*.html")
    }


def test_a_new_page_is_in_the_last_menu_and_a_lost_one_is_named():
    pages = {path.stem for path in ROOT.glob("docs/*.md")}
    assert "a-new-page" in menus({*pages, "a-new-page"})["More"]
    with pytest.raises(ValueError, match="got no page guide; expected the pages of the menus"):
        menus(pages - {"guide"})


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    refused = CliRunner().invoke(app, [str(tmp_path)])
    assert refused.exit_code == 2
    assert "which contains other files; expected a site or a new folder" in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_page_of_a_loss_has_its_formula_curves_facts_accuracy_names_and_source(site):
    for loss in SHIPPED:
        text = (site / f"losses/{loss.name}.html").read_text(encoding="utf-8")
        assert "<math" in text, loss.name
        assert not re.search(r"\\(frac|sum|ell)\b", text), loss.name
        assert text.count('class="field"') == 3
        assert len(re.findall(r'<path d="M[^"]{100,}', text)) >= 3, loss.name
        assert ("Hessian diagonal" in text) == isinstance(loss, rashin.Loss), loss.name
        assert all(f'<span class="pre">{name}</span>' in text for name in loss.parameters), loss.name
        assert re.search(r"\(\d{4}\)", text.rpartition("<h2>Reference")[2]), loss.name
    huber = (site / "losses/huber.html").read_text(encoding="utf-8")
    assert all(word in huber for word in ("smooth_l1", "What is measured", "1.43", "Huber (1964)"))


def test_the_name_of_a_loss_leads_to_its_page_but_not_that_of_a_parameter(site):
    guide = (site / "docs/guide.html").read_text(encoding="utf-8")
    assert re.search(r'<a class="reference internal" href="../losses/softmax_cross_entropy.html"><code', guide)
    focal = (site / "losses/focal.html").read_text(encoding="utf-8")
    assert "gamma" in focal
    assert 'href="gamma.html"><code' not in focal


def test_the_curves_are_of_one_function_and_its_derivatives():
    for loss in SHIPPED:
        for curve in curves_of(loss):
            for function, derivative in ((curve.value, curve.slope), (curve.slope, curve.curvature)):
                inner = np.isfinite(function) & np.isfinite(derivative)
                moved = np.diff(function[inner]) / np.diff(curve.at[inner])
                between = (derivative[inner][1:] + derivative[inner][:-1]) / 2
                assert moved.size > 300, loss.name
                assert np.median(abs(moved - between)) <= 0.002 * np.max(abs(between)), (loss.name, curve.name)


# --------------------------------------------------------------------------------------------------- in a browser


@pytest.mark.parametrize("place", SHOWN)
def test_a_page_fits_a_phone_and_can_be_read_in_the_dark(visit, place):
    page = visit(place, PHONE, color_scheme="dark")
    page.wait_for_selector("html[data-theme=dark]")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    ground = colour_of(page, "body", "backgroundColor")
    for selector in ("h1", "article p", "article p code, article a, article span.pre"):
        assert contrast(colour_of(page, selector, "color"), ground) >= 4.5, selector
    lines = page.eval_on_selector_all(
        ".field path:not(:first-child)", "all => all.map(e => getComputedStyle(e).stroke)"
    )
    assert all(contrast(line, ground) >= 3 for line in lines)


def test_formulas_have_their_font_and_lie_side_by_side(visit):
    page = visit("losses/huber.html")
    assert page.evaluate("document.fonts.ready.then(() => document.fonts.check('16px \"STIX Two Math\"'))")
    assert "STIX" in colour_of(page, "math", "fontFamily")
    boxes = page.eval_on_selector_all(
        ".formula", "all => all.map(e => [e.getBoundingClientRect().top, e.getBoundingClientRect().bottom])"
    )
    text = page.eval_on_selector_all("article p", "all => all.map(e => e.getBoundingClientRect().top)")
    assert all(not top < other < bottom for top, bottom in boxes for other in text)


def test_the_search_finds_a_loss(visit):
    page = visit("search.html?q=huber")
    first = page.locator("#search-results li a").first
    first.wait_for()
    assert "huber" in first.get_attribute("href")
    first.click()
    page.wait_for_selector("h1")
    assert page.locator("#search-results").count() == 0


def test_the_theme_is_the_readers_choice(visit):
    page = visit("losses/huber.html", color_scheme="light")
    light = colour_of(page, "body", "backgroundColor")
    page.locator("button[aria-label='Color mode']:visible").click()
    page.locator(".dropdown-item[data-mode=dark], button[data-mode=dark], [data-mode=dark]:visible").first.click()
    page.wait_for_selector("html[data-theme=dark]")
    assert colour_of(page, "body", "backgroundColor") != light


def test_a_page_in_japanese_says_so(visit):
    page = visit("docs/notebooks/loss-functions.ja.html")
    assert page.evaluate("document.documentElement.lang") == "ja"
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
