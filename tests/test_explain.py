"""`rashin explain`: what is measured, its files, and the page as a reader uses it, in a browser without a network."""

from __future__ import annotations

import json
import os
import re
import sys

import numpy as np
import pytest

import rashin
from browsing import Outline, colour_of, contrast, drawn, line_colours, opening, started_browser, tips
from rashin.cli import main
from rashin.datasets import load_digits
from rashin.learn import Network, evaluate, train
from rashin.report import Chart, Page, Section, Table, View, explain, page_html, write_explanation
from rashin.report.page.drawing import Axis, Figure, Line, Panel
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
    with pytest.raises(ValueError, match="samples: got 0; expected a whole number >= 1"):
        explain(network, *digits, LOSS, samples=0)


def test_an_infinite_loss_is_told():
    network = Network((1, 2), output="softmax")
    network.parameters[0][...] = [[2000.0, -2000.0]]
    with pytest.raises(ValueError, match="got sample 0, whose categorical_cross_entropy is inf; expected"):
        explain(network, np.ones((2, 1)), [1, 0], rashin.categorical_cross_entropy)


@pytest.mark.parametrize(("n", "saved"), [(1, "sketched"), (2, "undrawn"), (3, "undrawn")])
def test_a_few_samples_are_explained_too(n, saved, tmp_path, request):
    request.getfixturevalue(saved)
    network = Network((64, 6, 10))
    network.parameters[2][...] = 0.0  # every sample costs log 10, so that mini-batches do not differ
    found = explain(network, np.ones((n, 64), np.float32), np.zeros(n, int), LOSS)
    assert np.all(found.minibatches.spread < 1e-12)
    assert all(file.exists() for file in write_explanation(found, tmp_path).files)


def test_a_flat_place_is_told():
    network = Network((1, 2))
    with pytest.raises(ValueError, match="got samples on which the gradient is 0"):
        explain(network, np.zeros((2, 1)), [0, 1], rashin.softmax_cross_entropy)


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("huber", "sketched"),
        ("sigmoid_focal", "undrawn"),
        ("binary_cross_entropy", "sketched"),
        ("negative_log_likelihood", "undrawn"),
    ],
)
def test_other_losses_are_explained_too(name, saved, digits, tmp_path, request):
    request.getfixturevalue(saved)
    loss = getattr(rashin, name)
    network = Network((64, 6, 10), output=rashin.learn.output_for(loss))
    files = write_explanation(explain(network, digits[0][:60], digits[1][:60], loss), tmp_path).files
    assert all(file.stat().st_size > 10_000 for file in (files if saved == "sketched" else files[:1]))


# ---------------------------------------------------------------------------------------------------- the files


def test_the_files_are_whole_and_no_other(written):
    assert sorted(file.name for file in written.page.parent.iterdir()) == NAMES
    for picture in written.files[1:]:
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.read_bytes().endswith(b"IEND\xaeB`\x82")
    assert written.page.read_text(encoding="utf-8").rstrip().endswith("</html>")


@pytest.mark.usefixtures("undrawn")
def test_own_files_are_replaced_and_those_of_others_are_not(found, tmp_path):
    write_explanation(found, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    write_explanation(found, tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*NAMES, "notes.txt"])
    for name in NAMES:
        (tmp_path / name).write_bytes(b"\x89PNG drawn by hand")
        with pytest.raises(
            FileExistsError,
            match=rf"{name}: got a file that rashin did not write; .*; fix: move it away or name another",
        ):
            write_explanation(found, tmp_path)
        assert (tmp_path / name).read_bytes() == b"\x89PNG drawn by hand"
        (tmp_path / name).unlink()


@pytest.mark.usefixtures("undrawn")
def test_a_page_that_fails_leaves_the_old_one(found, tmp_path, monkeypatch):
    page = write_explanation(found, tmp_path).page
    before = page.read_bytes()
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_explanation(found, tmp_path)
    assert page.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == NAMES


@pytest.mark.parametrize(
    ("module", "extra"),
    [("jinja2", "report"), ("matplotlib.image", "report"), ("contourpy", "report"), ("matplotlib.figure", "report")],
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


@pytest.mark.usefixtures("model", "undrawn")
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


@pytest.mark.usefixtures("undrawn")
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
    monkeypatch.setattr("rashin.report.write_explanation", lambda found, folder, lang: files_in(folder))
    code, shown = rashin_explain("--data", "own.npz", "--samples", 30, *options)
    assert (code, shown.err) == (0, "")
    some = np.sort(np.random.default_rng(0).choice(400, 30, replace=False))
    score = evaluate(Network.load(model), expected, digits[0][some], digits[1][some])
    name, value = shown.out.split()[:2]
    assert name == expected.name
    np.testing.assert_allclose(float(value.rstrip(",")), score.loss, rtol=1e-4)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_a_damaged_checkpoint_says_nothing_of_the_loss(content, rashin_explain, model, monkeypatch):
    monkeypatch.setattr("rashin.report.write_explanation", lambda found, folder, lang: files_in(folder))
    model.with_name("checkpoint.npz").write_bytes(content)
    code, shown = rashin_explain("--samples", 30)
    assert (code, shown.err) == (0, "")
    assert shown.out.startswith("softmax_cross_entropy ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.npz"], "none.npz: got a name that does not exist; expected a network; fix: 'rashin train' writes one"),
        (["bad.npz"], "bad.npz: got another kind of file; expected a network"),
        (["--loss", "softmax"], "expected the name of a loss; did you mean"),
        (["--loss", "focal", "--loss-parameter", "gamma=many"], "got 'gamma=many'; expected NAME=NUMBER"),
        (["--loss", "focal", "--loss-parameter", "delta=3"], "delta"),
        (["--loss", "focal", "--loss-parameter", "gamma=-1"], "gamma: got -1"),
        (["--loss", "binary_cross_entropy"], "network: got output='identity'; expected 'sigmoid', which "),
        (["--loss", "gamma"], "loss: got gamma, whose target is"),
        (["--data", "mnits"], "got 'mnits'; expected digits, mnist, fashion, kmnist, or FILE.npz"),
        (["--data", "none.npz"], "none.npz: No such file or directory"),
        (["--data", "bad.npz"], "bad.npz: got another kind of file; expected arrays"),
        (["--data", "rashin-run/model.npz"], "expected x_train, t_train, x_test, t_test, or x, t"),
        (["--data", "flat.npz"], "flat.npz, array 'x': got shape (4,)"),
        (["--data", "wide.npz"], "wide.npz: got samples of 9 numbers; expected 64, as rashin-run"),
        (["--data", "many.npz"], "target: got 10 at index 0; expected class labels from 0 to 9, whole numbers"),
        (["--samples", "0"], "Invalid value for '--samples'"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
        (["--out", "bad.npz"], "bad.npz: got a file; expected a folder"),
        (["--out", "taken"], "explanation.html: got a file that rashin did not write"),
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
    assert not any(set(attributes) & {"src", "srcset", "data"} for _, attributes in outline.tags)
    linked = [(tag, attributes["href"]) for tag, attributes in outline.tags if "href" in attributes]
    assert [(tag, link.partition(",")[0]) for tag, link in linked] == [("image", "data:image/png;base64")] * 4
    policy = next(a["content"] for a in outline.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"@import|url\(", re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1])


def test_every_part_has_its_label(html):
    outline = Outline(html)
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert len(outline.all("figure")) == 6
    assert len([a for a in outline.all("div") if a.get("class") == "plot"]) == 10  # one for each view
    assert all(a["aria-label"] for a in outline.all("div") if a.get("class") == "field" and "tabindex" in a)
    for part in (*outline.all("figure"), *outline.all("section")):
        assert set(part["aria-labelledby"].split()) | set(part.get("aria-describedby", "").split()) <= set(ids)
    assert all(attributes["scope"] == "col" for attributes in outline.all("th"))
    assert outline.all("html") == [{"lang": "en"}]


def test_what_a_page_shows_is_only_text():
    nasty = "<b>&\"'</b>"
    axis = Axis(0.0, 1.0, [(0.5, nasty)], nasty)
    figure = Figure([Panel(axis, axis, [Line([0, 1], [0, 1], "var(--loss)", nasty)], [(0.5, 0.5, nasty)])])
    view = View(nasty, figure, nasty, Table([nasty], [[nasty]]))
    html = page_html(Page(nasty, nasty, [(nasty, nasty)], [Section(nasty, [nasty], [Chart(nasty, [view, view])])]))
    outline = Outline(html)
    assert "<b>" not in html
    assert len(outline.all("script")) == 1
    fields = [a for a in outline.all("div") if a.get("class") == "field"]
    assert json.loads(fields[0]["data-points"]) == [[0.5, 0.5, nasty]]
    assert fields[0]["aria-label"] == nasty
    assert [a["title"] for a in outline.all("span") if "title" in a] == [nasty] * 2


# --------------------------------------------------------------------------------------------------- the browser


@pytest.fixture(scope="module")
def browser():
    with started_browser() as browser:
        yield browser


@pytest.fixture
def opened(browser, written):
    with opening(browser) as open_page:
        yield lambda **options: open_page(written.page, **options)


def test_every_chart_is_drawn(opened):
    page = opened()
    assert drawn(page) == [4, 4, 5, 4, 4, 2]
    heights = page.evaluate("[...document.querySelectorAll('.plot')].map(p => p.clientHeight).filter(h => h > 0)")
    assert min(heights) >= 300


def test_a_button_shows_another_view(opened, found):
    page = opened()
    for chart, curves in enumerate((found.downhill, found.weight)):
        figure = page.locator("figure").nth(chart)
        for place, curve in enumerate(curves):
            figure.locator("label").nth(place).click()
            field = figure.locator(".field:visible").first
            field.focus()
            page.keyboard.press("End")
            assert tips(page)[0].startswith(f"{curve.offsets[-1]:.3g}: loss {curve.loss[-1]:.6g}, tangent ")
            page.keyboard.press("Escape")
            assert figure.locator(".view:visible").count() == 1
        caption = figure.locator(".view:visible > p:not(.keys)").inner_text()
        assert re.match(r"\d+ of 400 predictions are correct, whatever the step: the accuracy is flat\.", caption)


def test_the_pointer_reads_the_nearest_value(opened, found):
    page = opened()
    field = page.locator(".field:visible").first
    box = field.bounding_box()
    curve = found.downhill[0]
    for share in (0.0, 0.25, 1.0):
        page.mouse.move(box["x"] + share * (box["width"] - 1), box["y"] + box["height"] / 2)
        place = round(share * (len(curve.offsets) - 1))
        assert tips(page)[0].startswith(f"{curve.offsets[place]:.3g}".replace("-", "−") + ": loss ")
        assert page.locator(".tip:visible").bounding_box()["x"] >= box["x"] - 1
    page.mouse.move(5, 5)
    assert tips(page) == []


def test_a_map_is_read_in_both_directions(opened, found):
    page = opened()
    field = page.get_by_role("group", name="Accuracy", exact=True)
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    n = len(found.landscape.offsets[0])
    page.mouse.move(box["x"] + 2.5 * box["width"] / n, box["y"] + (n - 4.5) * box["height"] / n)  # up is up
    share, up, across = found.landscape.accuracy[4, 2], found.landscape.offsets[0][4], found.landscape.offsets[1][2]
    words = f"accuracy {100 * share:.1f} %\nsecond direction {across:.3g}, first {up:.3g}"
    assert tips(page) == [words.replace("-", "−")]


def test_the_keyboard_does_all_that_the_mouse_does(opened, found):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "theme"
    page.keyboard.press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.keyboard.press("Tab")  # to the views of the first chart
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")  # to the chart
    assert page.evaluate("document.activeElement.className") == "field"
    assert page.locator(".keys:visible").count() == 1
    near = found.downhill[1]
    for key, place in (("ArrowRight", 0), ("ArrowRight", 1), ("End", -1), ("ArrowLeft", -2), ("Home", 0)):
        page.keyboard.press(key)
        words = f"{near.offsets[place]:.3g}: loss {near.loss[place]:.6g},".replace("-", "−")
        assert tips(page)[0].startswith(words)
    assert page.locator(".tip:visible").get_attribute("role") == "status"  # it is read out
    page.keyboard.press("Tab")  # to the panel below
    page.keyboard.press("Tab")  # to the numbers
    assert tips(page) == []
    page.keyboard.press("Enter")
    assert page.locator("figure").first.locator("table:visible tbody tr").count() == 21


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_theme_is_that_of_the_system_until_the_button_changes_it(scheme, other, opened):
    page = opened(color_scheme=scheme)
    seen = {}
    for theme in (scheme, other):
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert page.get_by_role("button", name={"dark": "Light theme", "light": "Dark theme"}[theme]).count() == 1
        seen[theme] = colour_of(page, "body", "backgroundColor"), line_colours(page)[0]
        page.locator("#theme").click()
    assert seen["light"][0] == "rgb(251, 250, 247)"
    assert seen["dark"][0] == "rgb(20, 24, 31)"
    assert seen["light"][1] != seen["dark"][1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_lines_stand_out_from_the_paper(scheme, opened):
    page = opened(color_scheme=scheme)
    paper = colour_of(page, "figure", "backgroundColor")
    words = [colour_of(page, selector, "color") for selector in ("p", "h1", ".lead", "summary", ".keys", "th", "td")]
    assert len(line_colours(page)) >= 10
    for colours, least in ((words, 4.5), (line_colours(page), 3.0)):
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
    page.emulate_media(media="print", color_scheme=scheme)
    assert colour_of(page, "h1", "color") == "rgb(29, 37, 48)"
    assert page.locator("fieldset:visible, details:visible, #theme:visible").count() == 0


def test_without_scripts_the_charts_stand_there(browser, written):
    context = browser.new_context(offline=True, java_script_enabled=False, color_scheme="dark")
    page = context.new_page()
    page.goto(written.page.as_uri())
    assert page.locator(".field svg:visible").count() == 10
    assert colour_of(page, "body", "backgroundColor") == "rgb(20, 24, 31)"
    context.close()
