"""Pages as their readers use them: in a browser without a network, whose complaints are heard."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from html.parser import HTMLParser

import numpy as np
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Outline(HTMLParser):
    """Every tag with its attributes, and what stands in script elements."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.scripts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] == "script":
            self.scripts[-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@contextmanager
def started_browser():
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opening(browser):
    """Gives a function that opens a file; at the end nothing may have gone wrong or been asked from outside."""
    complaints, contexts = [], []

    def listen(page):
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url))

    def open_page(path, width=1200, **options):
        contexts.append(browser.new_context(offline=True, viewport={"width": width, "height": 800}, **options))
        page = contexts[-1].new_page()
        listen(page)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=true]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def drawn(page):
    """How many shapes, beside the lines of the grid, are visible in each chart that is shown."""
    return page.evaluate(
        """[...document.querySelectorAll('.plot')].filter(plot => plot.checkVisibility()).map(plot =>
            [...plot.querySelectorAll('.field :is(path:not(:first-child), image)')]
                .filter(shape => { const box = shape.getBoundingClientRect(); return box.width + box.height > 0; })
                .length)"""
    )


def line_colours(page):
    """The colours of the lines and dots that carry meaning."""
    return page.eval_on_selector_all(
        ".field path:not(:first-child)",
        """paths => paths.filter(path => path.style.stroke.startsWith('var(--'))
            .map(path => getComputedStyle(path).stroke)""",
    )


def tips(page):
    """What is written at the values that are pointed at."""
    return page.locator(".tip:visible").all_inner_texts()


def colour_of(page, selector, name):
    return page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}")


def luminance(colour):
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return np.dot(linear, [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    darker, lighter = sorted([luminance(one), luminance(other)])
    return (lighter + 0.05) / (darker + 0.05)
