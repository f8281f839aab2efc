"""`rashin explain`: what is measured, its files, and the page as a reader uses it, in a browser without a network."""

from __future__ import annotations

import json
import os
import re
import sys

import numpy as np
import pytest

import rashin
from browsing import Outline, colour_of, contrast, drawn, opening, started_browser
from rashin.cli import main
from rashin.datasets import load_digits
from rashin.learn import Network, evaluate, train
from rashin.report import Chart, Page, Section, Table, View, explain, page_html, write_explanation
from rashin.report.writing import files_in

LOSS, HUBER = rashin.softmax_cross_entropy, rashin.huber.replace(delta=2)
NAMES = ["downhill.png", "explanation.html", "landscape.png", "minibatches.png", "one-weight.png"]


@pytest.fixture(scope="module")
def digits():
    (x, labels), _ = load_digits()
    return x[:400], labels[:400]


@pytest.fixture(scope="module")
def network(digits):
    network = Network((64, 12, 10), seed=0)
    train(network, LOSS, *digits, epochs=5)
    return network


@pytest.fixture(scope="module")
def found(network, digits):
    return explain(network, *digits, LOSS, data="digits")


@pytest.fixture(scope="module")
def written(found, tmp_path_factory):
    return write_explanation(found, tmp_path_factory.mktemp("explained") / "deep" / "folder")


# --------------------------------------------------------------------------------------------- what is measured


def test_the_views_go_from_a_staircase_to_where_it_stands_still(found):
    for curves in (found.downhill, found.weight):
        assert len(curves) == 3
        assert np.unique(curves[0].accuracy).size >= 12
        assert np.ptp(curves[-1].accuracy) == 0.0
        assert np.ptp(curves[-1].loss) > 0.0
        reaches = [curve.offsets[-1] for curve in curves]
        np.testing.assert_allclose(reaches[1], reaches[0] / 5)
        assert reaches[2] <= reaches[0] / 99
        assert len({curve.slope for curve in curves}) == 1


def test_the_way_down_is_straight_down(found, network, digits):
    score = evaluate(network, LOSS, *digits)
    np.testing.assert_allclose(found.downhill[0].value, score.loss, rtol=1e-5)
    assert found.downhill[0].slope < 0.0
    assert abs(found.downhill[0].slope) > abs(found.weight[0].slope) > 0.0
    assert re.fullmatch(r"weight_[12]\[\d+, \d+\]", found.weight_name)
    assert (found.network, found.loss, found.data) == ("64-12-10", "softmax_cross_entropy", "digits")


def test_fewer_samples_are_drawn_when_asked(network, digits):
    stages = []
    few = explain(network, *digits, LOSS, samples=50, callback=stages.append)
    assert (few.samples, few.of, few.downhill[0].samples, few.minibatches.samples) == (50, 400, 50, 400)
    assert stages == ["mini-batches", "gradient", "downhill", "one weight", "landscape"]
    with pytest.raises(ValueError, match="samples must be a whole number >= 1; got 0"):
        explain(network, *digits, LOSS, samples=0)


def test_an_infinite_loss_is_told():
    network = Network((1, 2), output="softmax")
    network.parameters[0][...] = [[2000.0, -2000.0]]
    with pytest.raises(ValueError, match="categorical_cross_entropy is inf for sample 0"):
        explain(network, np.ones((2, 1)), [1, 0], rashin.categorical_cross_entropy)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_samples_are_explained_too(n, tmp_path):
    network = Network((64, 6, 10))
    network.parameters[2][...] = 0.0  # every sample costs log 10, so that mini-batches do not differ
    found = explain(network, np.ones((n, 64), np.float32), np.zeros(n, int), LOSS)
    assert np.all(found.minibatches.spread < 1e-12)
    assert all(file.exists() for file in write_explanation(found, tmp_path).files)


def test_a_flat_place_is_told():
    network = Network((1, 2))
    with pytest.raises(ValueError, match="the gradient is 0 on these samples"):
        explain(network, np.zeros((2, 1)), [0, 1], rashin.softmax_cross_entropy)


@pytest.mark.parametrize("name", ["huber", "sigmoid_focal", "binary_cross_entropy", "negative_log_likelihood"])
def test_other_losses_are_explained_too(name, digits, tmp_path):
    loss = getattr(rashin, name)
    network = Network((64, 6, 10), output=rashin.learn.output_for(loss))
    files = write_explanation(explain(network, digits[0][:60], digits[1][:60], loss), tmp_path).files
    assert all(file.stat().st_size > 10_000 for file in files)


# ---------------------------------------------------------------------------------------------------- the files


def test_the_files_are_whole_and_no_other(written):
    assert sorted(file.name for file in written.page.parent.iterdir()) == NAMES
    for picture in written.files[1:]:
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.read_bytes().endswith(b"IEND\xaeB`\x82")
    assert written.page.read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_own_files_are_replaced_and_those_of_others_are_not(found, tmp_path):
    write_explanation(found, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    write_explanation(found, tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*NAMES, "notes.txt"])
    for name in NAMES:
        (tmp_path / name).write_bytes(b"\x89PNG drawn by hand")
        with pytest.raises(FileExistsError, match=rf"{name} was not written by rashin; move it away or name another"):
            write_explanation(found, tmp_path)
        assert (tmp_path / name).read_bytes() == b"\x89PNG drawn by hand"
        (tmp_path / name).unlink()


def test_a_page_that_fails_leaves_the_old_one(found, tmp_path, monkeypatch):
    page = write_explanation(found, tmp_path).page
    before = page.read_bytes()
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_explanation(found, tmp_path)
    assert page.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == NAMES


@pytest.mark.parametrize(
    ("module", "extra"), [("jinja2", "report"), ("plotly.offline", "report"), ("matplotlib.figure", "report")]
)
def test_what_is_not_installed_is_named(module, extra, found, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"pip install '\.\[{extra}\]'"):
        write_explanation(found, tmp_path / "new")


# -------------------------------------------------------------------------------------------------- the command


@pytest.fixture
def rashin_explain(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rashin", "explain", *map(str, arguments)])
        return main(), capsys.readouterr()

    return run


@pytest.fixture
def model(network, tmp_path, monkeypatch):
    """A run folder with a model, seen from beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rashin-run").mkdir()
    network.save(tmp_path / "rashin-run" / "model.npz")
    return tmp_path / "rashin-run" / "model.npz"


@pytest.mark.usefixtures("model")
def test_without_arguments_the_last_run_is_explained(rashin_explain, tmp_path):
    code, shown = rashin_explain()
    assert (code, shown.err) == (0, "")
    summary, *files = shown.out.splitlines()
    assert re.fullmatch(r"softmax_cross_entropy \d\.\d+, [\d,]+ of 1,437 right; slope downhill -0\.\d+", summary)
    assert sorted(file.removeprefix("wrote rashin-run/explained/") for file in files) == NAMES
    assert sorted(entry.name for entry in (tmp_path / "rashin-run" / "explained").iterdir()) == NAMES


def own_data(path, x, labels):
    """A file of samples to train on, with two that are held out."""
    np.savez(path, x_train=x, t_train=labels, x_test=x[:2], t_test=labels[:2])


def test_a_file_of_samples_serves_as_data(rashin_explain, model, digits, tmp_path):
    x, labels = digits
    own_data(tmp_path / "own.npz", x.reshape(-1, 8, 8), labels)
    code, shown = rashin_explain(model, "--data", "own.npz", "--out", "here", "--samples", 80)
    assert (code, shown.err) == (0, "")
    assert " of 80 right" in shown.out
    assert "80 drawn from 400" in (tmp_path / "here" / "explanation.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("settings", "options", "expected"),
    [
        ({"loss": "focal(gamma=3.5)", "sizes": [64, 12, 10]}, [], rashin.focal.replace(gamma=3.5)),
        ({"loss": "focal(gamma=3.5)", "sizes": [64, 50, 10]}, [], LOSS),  # of another network
        ({"loss": "focal()", "sizes": [64, 12, 10]}, ["--loss", "huber", "--loss-parameter", "delta=2"], HUBER),
        (None, ["--loss", "focal"], rashin.focal),
        (None, [], LOSS),
    ],
)  # fmt: skip
def test_the_loss_is_the_one_it_was_trained_with(
    settings, options, expected, rashin_explain, model, digits, tmp_path, monkeypatch
):
    own_data(tmp_path / "own.npz", *digits)
    if settings is not None:
        np.savez(model.with_name("checkpoint.npz"), settings=np.array(json.dumps(settings)))
    monkeypatch.setattr("rashin.report.write_explanation", lambda found, folder: files_in(folder))
    code, shown = rashin_explain("--data", "own.npz", "--samples", 30, *options)
    assert (code, shown.err) == (0, "")
    some = np.sort(np.random.default_rng(0).choice(400, 30, replace=False))
    score = evaluate(Network.load(model), expected, digits[0][some], digits[1][some])
    name, value = shown.out.split()[:2]
    assert name == expected.name
    np.testing.assert_allclose(float(value.rstrip(",")), score.loss, rtol=1e-4)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_a_damaged_checkpoint_says_nothing_of_the_loss(content, rashin_explain, model, monkeypatch):
    monkeypatch.setattr("rashin.report.write_explanation", lambda found, folder: files_in(folder))
    model.with_name("checkpoint.npz").write_bytes(content)
    code, shown = rashin_explain("--samples", 30)
    assert (code, shown.err) == (0, "")
    assert shown.out.startswith("softmax_cross_entropy ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.npz"], "none.npz: there is no such model; 'rashin train' writes one"),
        (["bad.npz"], "bad.npz does not hold a network"),
        (["--loss", "softmax"], "there is no such loss: did you mean"),
        (["--loss", "focal", "--loss-parameter", "gamma=many"], "'gamma=many' is not of the form NAME=NUMBER"),
        (["--loss", "focal", "--loss-parameter", "delta=3"], "delta"),
        (["--loss", "focal", "--loss-parameter", "gamma=-1"], "gamma: got -1"),
        (["--loss", "binary_cross_entropy"], "needs a network with output='sigmoid'; this one has 'identity'"),
        (["--loss", "gamma"], "gamma cannot tell classes"),
        (["--data", "mnits"], "'mnits' is none of digits, mnist, fashion, kmnist, and no FILE.npz"),
        (["--data", "none.npz"], "none.npz: No such file or directory"),
        (["--data", "bad.npz"], "bad.npz does not hold arrays"),
        (["--data", "rashin-run/model.npz"], "accepted are x_train, t_train, x_test, t_test, or x, t"),
        (["--data", "flat.npz"], "flat.npz: x has shape (4,)"),
        (["--data", "wide.npz"], "takes 64 inputs, and the samples of wide.npz have 9; name the data"),
        (["--data", "many.npz"], "labels must be whole numbers from 0 to 9; got 10 at index 0"),
        (["--samples", "0"], "Invalid value for '--samples'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--out", "bad.npz"], "bad.npz is not a folder"),
        (["--out", "taken"], "explanation.html was not written by rashin"),
        (["one", "two"], "unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
@pytest.mark.usefixtures("model")
def test_an_error_is_one_line_and_exit_code_2(arguments, words, rashin_explain, tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"no archive")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "explanation.html").write_text("mine")
    np.savez(tmp_path / "flat.npz", x=np.zeros(4), t=np.zeros(4))
    np.savez(tmp_path / "wide.npz", x=np.zeros((4, 9)), t=np.zeros(4))
    np.savez(tmp_path / "many.npz", x=np.zeros((20, 64)), t=[10] * 20)
    before = sorted(tmp_path.rglob("*"))
    code, shown = rashin_explain(*arguments)
    assert (code, shown.out) == (2, "")
    assert re.fullmatch(r"rashin: [^\n]+\n", shown.err)
    assert words in shown.err
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "taken" / "explanation.html").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
@pytest.mark.usefixtures("model")
def test_a_folder_without_permission_is_told(rashin_explain, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    code, shown = rashin_explain("--out", "locked", "--samples", 30)
    assert code == 2
    assert re.fullmatch(r"rashin: locked[^\n]*: Permission denied\n", shown.err)


# ----------------------------------------------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def html(written):
    return written.page.read_text(encoding="utf-8")


def test_a_page_needs_nothing_from_outside(html):
    outline = Outline(html)
    assert not any(set(attributes) & {"src", "href", "srcset", "data"} for _, attributes in outline.tags)
    policy = next(a["content"] for a in outline.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"@import|url\(", re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1])


def test_every_part_has_its_label(html):
    outline = Outline(html)
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    plots = [a for a in outline.all("div") if a.get("class") == "plot"]
    assert len(plots) == 6
    for part in (*plots, *outline.all("section")):
        assert set(part["aria-labelledby"].split()) | set(part.get("aria-describedby", "").split()) <= set(ids)
    assert all(attributes["scope"] == "col" for attributes in outline.all("th"))
    assert outline.all("html") == [{"lang": "en"}]


def test_what_a_page_shows_is_only_text():
    class Figure:
        def to_json(self):
            return '{"data": [], "layout": {"title": {"text": "</script><script>alert(1)</script>"}}}'

    nasty = "<b>&</b>"
    view = View(nasty, Figure(), nasty, Table([nasty], [[nasty]]))
    html = page_html(Page(nasty, nasty, [(nasty, nasty)], [Section(nasty, [nasty], [Chart(nasty, [view, view])])]))
    outline = Outline(html)
    assert "<b>" not in html
    assert html.count("&lt;b&gt;&amp;&lt;/b&gt;") == 19
    assert len(outline.all("script")) == 3
    assert json.loads(outline.scripts[0])[1]["layout"]["title"]["text"].startswith("</script>")


# --------------------------------------------------------------------------------------------------- the browser


@pytest.fixture(scope="module")
def browser():
    with started_browser() as browser:
        yield browser


@pytest.fixture
def opened(browser, written):
    with opening(browser) as open_page:
        yield lambda **options: open_page(written.page, **options)


def x_range(page, chart=0):
    return page.evaluate("n => document.querySelectorAll('.plot')[n]._fullLayout.xaxis.range.map(Number)", chart)


def test_every_chart_is_drawn(opened):
    page = opened()
    assert all(count > 0 for count in drawn(page))
    heights = page.evaluate("[...document.querySelectorAll('.plot')].map(p => p.clientHeight)")
    assert min(heights) >= 300


def test_no_button_leads_outside(opened):
    titles = opened().eval_on_selector_all(".modebar-btn", "buttons => buttons.map(b => b.dataset.title)")
    assert set(titles) == {"Download plot as a PNG", "Zoom", "Pan", "Reset axes"}


def test_a_button_shows_another_view(opened, found):
    page = opened()
    for chart, curves in enumerate((found.downhill, found.weight)):
        figure = page.locator("figure").nth(chart)
        for place, curve in enumerate(curves):
            figure.locator("label").nth(place).click()
            np.testing.assert_allclose(x_range(page, chart), [curve.offsets[0], curve.offsets[-1]], rtol=1e-6)
            assert figure.locator(".view:visible").count() == 1
        caption = figure.locator(".view:visible p").first.inner_text()
        assert re.match(r"\d+ of 400 are right, whatever the step: the accuracy is flat\.", caption)


def test_the_keyboard_does_all_that_the_mouse_does(opened, found):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "theme"
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("Tab")  # to the views of the first chart
    page.keyboard.press("ArrowRight")
    near = found.downhill[1].offsets
    np.testing.assert_allclose(x_range(page), [near[0], near[-1]], rtol=1e-6)
    page.keyboard.press("Tab")  # to the chart
    assert page.evaluate("document.activeElement.className").split()[0] == "plot"
    assert colour_of(page, ".plot + .keys", "visibility") == "visible"
    page.keyboard.press("+")
    np.testing.assert_allclose(x_range(page), [near[0] / 2, near[-1] / 2], rtol=1e-6)
    page.keyboard.press("ArrowRight")
    np.testing.assert_allclose(x_range(page), [near[0] * 0.3, near[-1] * 0.7], rtol=1e-6)
    page.keyboard.press("-")
    page.keyboard.press("Home")
    np.testing.assert_allclose(x_range(page), [near[0], near[-1]], rtol=1e-6)
    for _ in range(5):  # past plotly's own four buttons to the numbers
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("figure").first.locator("table:visible tbody tr").count() == 21


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_is_that_of_the_system_until_the_button_changes_it(scheme, other, opened):
    page = opened(color_scheme=scheme)
    seen = {}
    for theme in (scheme, other):
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert page.locator("#theme").get_attribute("aria-pressed") == str(theme == "dark").lower()
        line = page.eval_on_selector(".scatterlayer .js-line", "e => e.style.stroke")
        seen[theme] = colour_of(page, "body", "backgroundColor"), line
        page.locator("#theme").click()
    assert seen["light"][0] == "rgb(251, 250, 247)"
    assert seen["dark"][0] == "rgb(20, 24, 31)"
    assert seen["light"][1] != seen["dark"][1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_lines_stand_out_from_the_paper(scheme, opened):
    page = opened(color_scheme=scheme)
    paper = colour_of(page, "figure", "backgroundColor")
    words = [colour_of(page, selector, "color") for selector in ("p", "h1", ".lead", "summary", ".keys", "th", "td")]
    lines = page.eval_on_selector_all(".scatterlayer .js-line", "es => es.map(e => e.style.stroke)")
    for colours, least in ((words, 4.5), ([line for line in lines if line.startswith("rgb")], 3.0)):
        for colour in colours:
            assert contrast(paper, colour) >= least, colour


@pytest.mark.parametrize("width", [320, 390, 800, 1600])
def test_the_page_fits_every_window(width, opened):
    page = opened(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for box in page.locator("figure").all():
        assert box.evaluate("f => f.querySelector('.plot').scrollWidth <= f.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_prints_black_on_white(scheme, opened):
    page = opened(color_scheme=scheme)
    pdf = page.pdf(format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "15mm"))
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 4  # a heading and its chart stay together
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    widths = page.evaluate("[...document.querySelectorAll('.plot')].map(p => p._fullLayout.width)")
    assert widths == [680, 680, 340, 340, 340, 340]
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert max(page.evaluate("[...document.querySelectorAll('.plot')].map(p => p._fullLayout.width)")) > 680
