"""The report of a measurement: what it says, and the page as a reader uses it, in a browser without a network."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re

import numpy as np
import pytest

import rashin
from browsing import Outline, colour_of, contrast, drawn, line_colours, opening, started_browser, tips
from rashin.datasets import load_digits
from rashin.learn import Network, train
from rashin.measurement import Row
from rashin.measurement.distribution import Distribution
from rashin.report import measurement_page, write_measurement
from rashin.report.measured.order import in_order
from rashin.report.measured.predicted import Predicted
from rashin.report.measured.thumbnails import thumbnail, thumbnails
from rashin.report.measured.values import bars_of, parts_of
from rashin.report.page.axes import linear, logarithmic, shares

EVERYTHING = {"by_class": True, "accuracy": True, "baseline": True, "details": True}


def binary(n=20_000, groups=("north", "south", "a region with a name that is far too long <b>")):
    rng = np.random.default_rng(0)
    site = rng.choice(len(groups), n, p=np.arange(1, len(groups) + 1) / sum(range(len(groups) + 1)))
    z = rng.normal(-1.0, 2.0, n)
    t = (rng.random(n) < rashin.sigmoid(0.6 * z)).astype(float)
    return {
        "prediction": z, "target": t, "weight": rng.lognormal(0.0, 0.7, n), "group": np.array(groups)[site]
    }  # fmt: skip


@pytest.fixture(scope="module")
def loans():
    return rashin.measure("sigmoid_cross_entropy", **binary(), worst=30, **EVERYTHING)


@pytest.fixture(scope="module")
def digits():
    """A small network, held-out images, and what it costs there."""
    (x, labels), (x_test, t_test) = load_digits()
    network = Network((64, 12, 10), seed=0)
    train(network, rashin.softmax_cross_entropy, x, labels, epochs=5)
    found = rashin.measure("softmax_cross_entropy", network.predict(x_test), t_test, worst=12, **EVERYTHING)
    return found, x_test


@pytest.fixture(scope="module")
def regression():
    rng = np.random.default_rng(1)
    group = rng.integers(0, 40, 5000)
    t = rng.normal(0.0, 1.0, 5000)
    z = t + rng.normal(0.0, 0.2 + 0.02 * group)
    return rashin.measure(rashin.huber.replace(delta=0.5), z, t, group=group, worst=3, baseline=True, details=True)


@pytest.fixture(scope="module")
def pages(loans, digits, regression, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "deep"
    return {
        "loans": write_measurement(loans, folder / "loans.html", source="loans"),
        "digits": write_measurement(digits[0], folder / "digits.html", images=digits[1], confidence=0.9),
        "regression": write_measurement(regression, folder / "regression.html", title="House prices"),
    }


# ------------------------------------------------------------------------------------------------ what it says


def sections(page):
    return {section.title: section for section in page.sections}


def test_what_was_measured_has_a_section(loans, digits, regression):
    both = ["The loss", "By class", "By group", "Row by row", "Calibration", "The decision threshold"]
    assert list(sections(measurement_page(loans))) == both
    assert list(sections(measurement_page(digits[0]))) == ["The loss", "By class", "Row by row", "Calibration"]
    assert list(sections(measurement_page(regression))) == ["The loss", "By group", "Row by row"]
    plain = rashin.measure("squared_error", [1.0, 2.0], [0.0, 0.0])
    assert list(sections(measurement_page(plain))) == ["The loss"]


def test_the_head_has_the_numbers(loans):
    page = measurement_page(loans, confidence=0.8, source="loans")
    facts = dict(page.facts)
    low, high = loans.interval(0.8)
    assert facts["data"] == "loans"
    assert facts["loss"] == "sigmoid_cross_entropy(positive_weight=1.0)"
    assert facts["rows"] == "20,000"
    for name, number in (("mean loss", loans.mean), ("best constant", loans.baseline.mean), ("weight", loans.weight)):
        np.testing.assert_allclose(float(facts[name].replace(",", "")), number, rtol=1e-5)
    np.testing.assert_allclose([float(end) for end in facts["80 % interval"].split(" to ")], [low, high], rtol=1e-5)
    np.testing.assert_allclose(float(facts["accuracy"].split()[0]) / 100, loans.accuracy, rtol=1e-4)
    assert page.title == "The loss of loans"
    words = r"The mean sigmoid_cross_entropy loss is 0\.\d+ \(80 % interval .*\): \d+ % less than that of the best"
    assert re.match(words, page.lead)


def test_worse_than_a_constant_is_told():
    t = np.array([0.0, 1.0, 1.0, 0.0])
    found = rashin.measure("sigmoid_cross_entropy", 5.0 - 10.0 * t, t, baseline=True)
    assert ": more than that of the best constant prediction, 0.693" in measurement_page(found).lead


def test_shares_add_up_and_the_worst_stands_first(loans):
    for parts in (loans.classes, loans.groups):
        found = parts_of(loans, parts, 0.95)
        np.testing.assert_allclose([sum(p.share for p in found), sum(p.weight for p in found)], 1.0, rtol=1e-12)
        assert [p.share for p in found] == sorted((p.share for p in found), reverse=True)
        for part in found:
            np.testing.assert_allclose(part.share, parts[_key(parts, part.name)].sum / loans.sum, rtol=1e-12)
            assert part.share_interval.low < part.share < part.share_interval.high


def _key(parts, name):
    return next(key for key in parts if str(key) == name)


def test_the_interval_of_a_share_holds_it_as_often_as_it_says():
    rng, hits, truth = np.random.default_rng(7), 0, 0.3 * 2.0 / (0.3 * 2.0 + 0.7 * 1.0)
    for _ in range(400):
        group = (rng.random(800) < 0.3).astype(int)
        z = rng.exponential(1.0 + group)
        w = rng.choice([0.5, 1.0, 3.0], 800)
        found = rashin.measure("absolute_error", z, np.zeros(800), w, group=group)
        low, high = next(p for p in parts_of(found, found.groups, 0.9) if p.name == "1").share_interval
        hits += low <= truth <= high
    assert 340 <= hits <= 380  # of 400 at 90 %: 3.3 standard deviations to both sides


def test_losses_below_0_have_no_shares():
    found = rashin.measure("poisson", [1.0, 3.0, 0.0, 0.1], [4, 20, 0, 2], group=[0, 0, 1, 1], details=True)
    page = sections(measurement_page(found))
    assert "share of the loss" not in page["By group"].listings[0].headings
    assert [view.name for view in page["By group"].charts[0].views] == ["Mean loss"]
    assert [view.name for view in page["Row by row"].charts[0].views] == ["Rows"]
    assert [row[0].text for row in page["By group"].listings[0].rows] == ["1", "0"]


def test_an_infinite_loss_is_counted_and_the_rest_is_drawn(tmp_path):
    p, t = np.array([0.0, 1.0, 0.3, 0.2, 0.9, 0.0]), np.array([1, 1, 0, 0, 1, 1])
    group = ["a", "b", "a", "b", "b", "c"]
    found = rashin.measure("binary_cross_entropy", p, t, group=group, worst=3, **EVERYTHING)
    page = measurement_page(found)
    facts, rest = dict(page.facts), -np.log([1.0, 0.7, 0.8, 0.9])
    assert (facts["mean loss"], facts["rows of infinite loss"], facts["largest loss"]) == ("∞", "2", "∞")
    np.testing.assert_allclose(float(facts["mean loss, other rows"]), rest.mean(), rtol=1e-5)
    assert page.remarks[0].startswith("2 of 6 rows gave probability 0 to what happened; the others average 0.17")
    assert "epsilon=1e-6" in page.remarks[0]
    assert "infinite because of 2 rows in which" in sections(page)["Calibration"].words[-1]
    assert "2 rows whose loss is infinite" in sections(page)["Row by row"].charts[0].views[0].caption
    bar = sections(page)["The loss"].charts[0].views[0].figure.panels[0].points[0]
    np.testing.assert_allclose(bar[0], rest.mean(), rtol=1e-12)
    listing = sections(page)["By group"].listings[0]
    rows = {row[0].text: dict(zip(listing.headings, (cell.text for cell in row), strict=True)) for row in listing.rows}
    assert [rows[name]["rows of infinite loss"] for name in "abc"] == ["1", "0", "1"]
    assert (rows["a"]["mean loss"], rows["c"]["mean loss"]) == ("0.3567", "∞")
    shares = [-np.log(0.7) / rest.sum(), (-np.log(0.8) - np.log(0.9)) / rest.sum(), 0.0]
    assert [rows[name]["share of the loss"] for name in "abc"] == [f"{100 * share:.1f} %" for share in shares]
    assert "nan" not in write_measurement(found, tmp_path / "report.html").read_text("utf-8").split("<main>")[1]


def test_where_all_losses_are_infinite_there_is_nothing_to_draw(tmp_path):
    found = rashin.measure("binary_cross_entropy", [0.0, 1.0], [1, 0], group=["a", "b"], worst=2, **EVERYTHING)
    page = measurement_page(found)
    assert "Every row has an infinite loss: there is nothing to draw." in page.sections[0].words
    assert not any(sections(page)[name].charts for name in ("The loss", "By group", "By class", "Row by row"))
    assert len(sections(page)["By group"].listings[0].rows) == 2
    write_measurement(found, tmp_path / "report.html")


def test_the_worst_for_its_size_is_named_with_the_largest():
    rng = np.random.default_rng(11)
    group = np.repeat(["large", "small", "tiny"], [900, 90, 3])
    loss = rng.exponential(1.0, group.size) * np.repeat([1.0, 3.0, 9.0], [900, 90, 3])
    found = rashin.measure("absolute_error", loss, np.zeros(group.size), group=group)
    words = sections(measurement_page(found))["By group"].words
    mean = loss[group == "small"].mean()
    assert words[0].startswith(
        f"The worst group for its size is small: its mean loss is {mean:.4g}, and that of all rows"
    )
    assert words[1].startswith("The largest part of the loss, ")
    assert "comes from group large, which has 90.6 % of the rows." in words[1]
    even = rashin.measure("absolute_error", np.ones(40), np.zeros(40), group=np.arange(40) % 2)
    words = sections(measurement_page(even))["By group"].words
    assert words[0] == "No group has a mean loss that is higher than that of all rows by more than chance explains."


def test_the_interval_of_a_share_allows_for_clusters():
    rng = np.random.default_rng(12)
    cluster = np.repeat(np.arange(50), 20)
    loss = np.repeat(rng.exponential(1.0, 50), 20) + 0.01 * rng.random(1000)
    group = np.where(cluster % 3 == 0, "a", "b")
    plain, robust = (
        parts_of(found, found.groups, 0.95)
        for found in (
            rashin.measure("absolute_error", loss, np.zeros(1000), group=group, cluster=given)
            for given in (None, cluster)
        )
    )
    share = plain[0].share
    totals = np.array([loss[cluster == c].sum() for c in range(50)])
    inside = np.array([(group[cluster == c][0] == plain[0].name) for c in range(50)])
    error = np.sqrt(50 / 49 * np.sum((totals * inside - share * totals) ** 2)) / loss.sum()
    moved = 1.959964 * error / (share * (1 - share))
    odds = share / (1 - share) * np.exp([-moved, moved])
    np.testing.assert_allclose(robust[0].share_interval, odds / (1 + odds), rtol=1e-5)
    widths = [part.share_interval.high - part.share_interval.low for part in (plain[0], robust[0])]
    assert widths[1] > 3.0 * widths[0]


def test_one_row_has_a_report_too(tmp_path):
    found = rashin.measure("squared_error", [0.5], [1.0], group=["only"], details=True, worst=1)
    assert dict(measurement_page(found).facts)["95 % interval"] == "unknown"
    assert "Losses of single rows" in write_measurement(found, tmp_path / "one.html").read_text("utf-8")


def test_many_groups_are_cut_in_the_chart_and_in_the_page():
    n = 3000
    rng = np.random.default_rng(3)
    found = rashin.measure("absolute_error", rng.normal(size=n), np.zeros(n), group=np.arange(n) % 1500)
    section = sections(measurement_page(found))["By group"]
    listing = section.listings[0]
    assert (len(listing.rows), listing.shown) == (1000, 20)
    assert listing.caption.startswith("The worst 1,000 of 1,500 groups")
    assert [view.name for view in section.charts[0].views] == ["Share of the loss", "Mean loss", "In order"]
    for view in section.charts[0].views[:2]:
        assert len(view.figure.panels[0].y.ticks) == len(view.figure.panels[0].points) == 25
        assert view.caption.startswith("The 25 worst of 1,500 groups.")


def test_what_was_left_out_is_listed():
    found = rashin.measure("squared_error", [1.0, 2.0], [0.0, 0.0])
    state = {**found.to_dict(), "skipped": {"prediction is null": 3, "target is null": 1200}}
    page = measurement_page(rashin.Measurement.from_dict(state))
    rows = [[cell.text for cell in row] for row in sections(page)["Left out"].listings[0].rows]
    assert rows == [["prediction is null", "3"], ["target is null", "1,200"]]
    assert dict(page.facts)["rows left out"] == "1,203"


def test_clusters_are_named():
    found = rashin.measure("absolute_error", [1.0, 2.0, 4.0], np.zeros(3), cluster=[1, 1, 2], group=[0, 1, 1])
    page = measurement_page(found)
    assert dict(page.facts)["clusters"] == "2"
    assert "as many clusters" in page.sections[0].words[0]


def test_nothing_has_no_report(tmp_path):
    with pytest.raises(ValueError, match="measurement: got no row that counts; expected"):
        write_measurement(rashin.measure("squared_error", [], []), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_report_is_replaced_and_other_files_are_not(tmp_path):
    found = rashin.measure("squared_error", [0.5], [1.0])
    path = write_measurement(found, tmp_path / "report.html", title="first")
    write_measurement(found, path, title="second")
    assert "<title>second</title>" in path.read_text("utf-8")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    other = tmp_path / "data.parquet"
    other.write_bytes(b"PAR1")
    with pytest.raises(FileExistsError, match=r"data\.parquet: got a file that rashin did not write"):
        write_measurement(found, other)
    assert other.read_bytes() == b"PAR1"


# ------------------------------------------------------------------------------------------------- histograms


@pytest.mark.parametrize("shift", [0.0, -2.0], ids=["positive", "of both signs"])
def test_bars_hold_every_row(shift):
    losses = np.random.default_rng(4).lognormal(0.0, 2.0, 4000) + shift
    losses[:5] = [0.0, 0.0, np.inf, 1e-300, 1e5]
    bars = bars_of(Distribution.of(losses))
    assert bars.is_log == (shift == 0.0)
    assert bars.count.sum() == 4000 - 1 - 2 * bars.is_log
    assert 20 <= bars.count.size <= 100
    np.testing.assert_array_equal(bars.low[1:], bars.high[:-1])
    inner = slice(1, -1)
    for low, high, count, cost in zip(*(x[inner] for x in (bars.low, bars.high, bars.count, bars.cost)), strict=True):
        here = losses[(losses >= low) & (losses < high)]
        if bars.is_log:
            assert count == here.size
            np.testing.assert_allclose(cost, here.sum(), rtol=0.02)


@pytest.mark.parametrize("losses", [[], [0.0, 0.0], [np.inf, 0.0]])
def test_without_a_finite_loss_there_are_no_bars(losses):
    assert bars_of(Distribution.of(np.array(losses, float))) is None


# ------------------------------------------------------------------------------------------------- axes


EXTREMES = [
    [], [np.nan, np.inf], [0.0], [3.0, 3.0], [-1e308, 1e308], [5e-324, 1e-320], [1.0, 1.0 + 2e-16], [1e6, 1e6 + 1.0],
    [-0.1, 1e-9], [0.0, 1e-200], [7.0, 1e300],
]  # fmt: skip


@pytest.mark.parametrize("values", EXTREMES, ids=str)
@pytest.mark.parametrize("scale", [linear, shares, logarithmic])
def test_ticks_lie_on_the_axis_and_differ(scale, values):
    values = np.clip(values, -1.0, 1.0) if scale is shares else values
    for axis in (scale(values), scale(values, zero=True)) if scale is not logarithmic else (scale(values),):
        places = axis.place([tick for tick, _ in axis.ticks])
        assert axis.low < axis.high
        assert np.all((places >= -1e-9) & (places <= 1 + 1e-9))
        labels = [text for _, text in axis.ticks]
        assert 1 <= len(labels) <= 13
        assert len(set(labels)) == len(labels)
        assert all(low < high for low, high in itertools.pairwise(places))


def test_ticks_are_round_numbers():
    assert [text for _, text in linear([-3.0, 21.0]).ticks] == ["0", "5", "10", "15", "20"]
    assert [text for _, text in shares([0.0, 0.034]).ticks] == ["0 %", "1 %", "2 %", "3 %"]
    assert [text for _, text in logarithmic([0.02, 3.0]).ticks] == ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"][::2]


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        (["site_10", "site_2", "Site_1"], ["Site_1", "site_2", "site_10"]),
        (["10", "-1.5", "1e2", "None", "2"], ["-1.5", "2", "10", "1e2", "None"]),
        (
            ["2026-10-01", "2025-12-31", "(missing)", "2026-9-30"],
            ["2025-12-31", "2026-9-30", "2026-10-01", "(missing)"],
        ),
        (["40-60", "5-17", "18-39"], ["5-17", "18-39", "40-60"]),
    ],
)
def test_names_have_their_natural_order(names, ordered):
    assert in_order(names) == ordered


def test_days_stand_in_the_order_of_time_and_numbers_too_when_asked():
    days = [f"2026-{month:02d}-{day:02d}" for month in (9, 10) for day in (1, 2, 10)]
    loss = np.array([3.0, 1.0, 2.0, 6.0, 5.0, 4.0])
    for keys, place in ((days, 0), (range(6), 2)):
        found = rashin.measure("absolute_error", np.tile(loss, 2), np.zeros(12), group=list(keys) * 2)
        view = sections(measurement_page(found))["By group"].charts[0].views[place]
        assert view.name == "In order"
        assert [point[1] for point in view.figure.panels[0].points] == loss.tolist()
        assert [row[0] for row in view.table.rows] == list(map(str, keys))
    found = rashin.measure("absolute_error", loss, np.zeros(6), group=[f"site {k}" for k in range(6)])
    assert len(sections(measurement_page(found))["By group"].charts[0].views) == 2


# ------------------------------------------------------------------------------------------------- thumbnails


def pixels(uri):
    from matplotlib.image import imread

    head, content = uri.split(",")
    assert head == "data:image/png;base64"
    return np.round(imread(io.BytesIO(base64.b64decode(content)))[:, :, :3] * 255).astype(int)


def test_a_thumbnail_shows_its_image():
    rng = np.random.default_rng(5)
    grey, colour = rng.integers(0, 256, (6, 9)).astype(np.uint8), rng.integers(0, 256, (6, 9, 3)).astype(np.uint8)
    np.testing.assert_array_equal(pixels(thumbnail(grey)), np.repeat(grey[:, :, None], 3, axis=2))
    np.testing.assert_array_equal(pixels(thumbnail(colour)), colour)
    np.testing.assert_array_equal(pixels(thumbnail(grey[:, :, None])), pixels(thumbnail(grey)))
    np.testing.assert_array_equal(pixels(thumbnail(colour / 255.0)), colour)
    assert pixels(thumbnail(np.linspace(0, 1, 784))).shape == (28, 28, 3)
    assert pixels(thumbnail([[-1.0, 3.0], [np.nan, 1.0]]))[:, :, 0].tolist() == [[0, 255], [64, 128]]
    assert pixels(thumbnail(np.zeros((500, 300)))).shape == (100, 60, 3)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0, 4), (2, 2, 3, 1)])
def test_what_is_no_image_is_told(shape):
    with pytest.raises(ValueError, match=re.escape(f"images: got one of shape {shape}")):
        thumbnail(np.zeros(shape))


def test_images_belong_to_rows():
    rows = [Row(2.0, "a", 1), Row(1.0, "b", 0)]
    one, other = np.zeros((2, 2)), np.ones((2, 2))
    assert thumbnails(rows, None) == [None, None]
    assert thumbnails(rows, {("a", 1): one, ("b", 1): other}) == [thumbnail(one), None]
    assert thumbnails(rows[:1], [one, other]) == [thumbnail(other)]
    with pytest.raises(ValueError, match="several files; expected a mapping"):
        thumbnails(rows, [one, other])
    with pytest.raises(ValueError, match="expected the rows that were measured, with a row 1"):
        thumbnails(rows[:1], [one])


# -------------------------------------------------------------------------------------- what was predicted


def worst_cells(found, **shown):
    page = measurement_page(found, predicted=Predicted(**shown))
    listing = sections(page)["Row by row"].listings[0]
    return listing.headings, [[cell.text for cell in row] for row in listing.rows]


Z = np.array([[2.0, 0.0, -1.0], [0.0, 3.0, 1.0], [1.0, 1.5, 0.5]])
P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("loss", "prediction", "p"),
    [
        ("softmax_cross_entropy", Z, P),
        (rashin.softmax_cross_entropy.replace(softcap=2.0), Z, None),
        ("categorical_cross_entropy", P, P),
        ("negative_log_likelihood", np.log(P), P),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_worst_rows_of_classes_have_target_prediction_and_probabilities(loss, prediction, p):
    t = np.array([2, 1, 0])
    if p is None:
        p = np.exp(2.0 * np.tanh(Z / 2.0))
        p /= p.sum(axis=1, keepdims=True)
    found = rashin.measure(loss, prediction, t, worst=2)
    headings, rows = worst_cells(found, prediction=prediction, target=t, classes=["cat", "dog", "emu"])
    assert headings == ["row", "target", "predicted", "its probability", "probability of the target", "loss"]
    assert [row[0] for row in rows] == ["0", "2"]
    words = [["emu", "cat", p[0, 0], p[0, 2]], ["cat", "dog", p[2, 1], p[2, 0]]]
    assert [row[1:3] for row in rows] == [line[:2] for line in words]
    for row, line in zip(rows, words, strict=True):
        np.testing.assert_allclose([float(cell.split()[0]) / 100 for cell in row[3:5]], line[2:], rtol=0.01)
        np.testing.assert_allclose(float(row[5]), -np.log(line[3]), rtol=1e-5)


def test_worst_rows_of_numbers_have_both():
    z, t = np.array([[-3.0, 0.5], [1.0, 2.0]]), np.array([[1, 0], [0, 1]])
    found = rashin.measure("sigmoid_cross_entropy", z, t, worst=2)
    headings, rows = worst_cells(found, prediction=z, target=t)
    assert headings == ["row", "target", "predicted probability of 1", "loss"]
    assert [row[:3] for row in rows] == [["0", "1", "4.7 %"], ["2", "0", "73.1 %"]]
    headings, rows = worst_cells(rashin.measure("huber", z, t, worst=1), prediction=z.tolist(), target=t)
    assert (headings[1:3], rows[0][1:3]) == (["target", "prediction"], ["1", "−3"])


def test_rows_of_files_are_looked_up_by_file_and_row():
    found = rashin.measure("softmax_cross_entropy", Z, [2, 1, 0], worst=2)
    found.worst[:] = [row._replace(source="a.csv") for row in found.worst]
    prediction = {("a.csv", 0): Z[0], ("b.csv", 2): Z[2]}
    headings, rows = worst_cells(
        found, prediction=prediction, target={("a.csv", 0): "emu"}, classes=("cat", "dog", "emu")
    )
    assert headings[:3] == ["row", "file", "target"]
    assert rows[0][2:4] == ["emu", "cat"]
    assert rows[1][2:6] == ["unknown"] * 4
    mixed = [found.worst[0], found.worst[1]._replace(source="b.csv")]
    with pytest.raises(ValueError, match=r"prediction: got an array for rows of several files; expected a"):
        Predicted(Z, [2, 1, 0]).columns(found.loss, mixed)
    with pytest.raises(ValueError, match=r"target: got shape \(2,\); .*, with a row 2"):
        Predicted(Z, [2, 1]).columns(found.loss, found.worst)
    assert Predicted().columns(found.loss, found.worst) == ([], [[], []])


@pytest.mark.parametrize("target", [np.eye(3)[[2, 1, 0]], [2.0, 1.0, 0.0]], ids=["one-hot", "whole floats"])
def test_targets_of_every_form_are_shown_as_classes(target):
    found = rashin.measure("softmax_cross_entropy", Z, [2, 1, 0], worst=1)
    assert worst_cells(found, prediction=Z, target=target)[1][0][1:3] == ["2", "0"]
    soft = np.array([[0.2, 0.1, 0.7]] * 3)
    assert worst_cells(found, prediction=Z, target=soft)[1][0][1] == "2 (70.0 %)"


# ----------------------------------------------------------------------------------------------- the page


@pytest.mark.parametrize("name", ["loans", "digits", "regression"])
def test_a_report_needs_nothing_from_outside_and_has_labels(name, pages):
    html = pages[name].read_text(encoding="utf-8")
    outline = Outline(html)
    assert all(a["src"].startswith("data:image/png;base64,") for _, a in outline.tags if "src" in a)
    assert not any(set(a) & {"href", "srcset", "data"} for _, a in outline.tags)
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    labelled = [a for _, a in outline.tags if "aria-labelledby" in a]
    assert {name for a in labelled for name in a["aria-labelledby"].split()} <= set(ids)
    assert all(a["scope"] == "col" for a in outline.all("th"))
    assert all(a["alt"] for a in outline.all("img"))
    assert len(outline.all("img")) == (12 if name == "digits" else 0)
    assert "name that is far too long &lt;b&gt;" in html or name != "loans"


def test_names_are_only_text(tmp_path):
    names = ["<b>bold</b>", '<a href="https://example.org">x</a>', "a & b", "'\"", "🙂", "مجموعة", "x" * 300]
    found = rashin.measure("absolute_error", np.arange(14.0), np.zeros(14), group=names * 2, worst=2, details=True)
    outline = Outline(write_measurement(found, tmp_path / "names.html").read_text("utf-8"))
    assert not outline.all("b")
    assert not outline.all("a")
    assert {a["title"] for a in outline.all("span") if "title" in a} >= set(names)
    read = [point[2] for a in outline.all("div") for point in json.loads(a.get("data-points", "[]"))]
    for name in names:
        assert sum(words.startswith(f"{name}: ") for words in read) == 2  # share and mean


@pytest.fixture(scope="module")
def browser():
    with started_browser() as browser:
        yield browser


@pytest.fixture
def opened(browser, pages):
    with opening(browser) as open_page:
        yield lambda name, **options: open_page(pages[name], **options)


def listing(page, title):
    return page.locator(".listing", has=page.get_by_role("heading", name=title, exact=True))


def column(table, place):
    return table.locator(f"tbody tr:visible td:nth-child({place})").all_inner_texts()


@pytest.mark.parametrize(("name", "charts"), [("loans", 7), ("digits", 5), ("regression", 3)])
def test_every_view_is_drawn(name, charts, opened):
    page = opened(name)
    assert len(drawn(page)) == charts
    assert all(drawn(page))
    for figure in page.locator("figure").all():
        for label in figure.locator("label").all():
            label.click()
            assert figure.locator(".view:visible").count() == 1
            assert figure.locator(".field:visible path:not(:first-child)").count() > 0
            assert all(drawn(page))


def test_a_heading_sorts(opened, regression):
    page = opened("regression")
    table = listing(page, "Every group")
    heading = page.get_by_role("button", name="mean loss")
    cell = table.locator("th", has=heading)
    shares = [float(text.split()[0]) for text in column(table, 2)]
    assert shares == sorted(shares, reverse=True)
    cell.get_by_role("button").click()
    assert cell.get_attribute("aria-sort") == "descending"
    by_mean = sorted(regression.groups, key=lambda key: -regression.groups[key].mean)
    assert column(table, 1) == [str(key) for key in by_mean[:20]]
    page.keyboard.press("Enter")  # the heading has the focus
    assert cell.get_attribute("aria-sort") == "ascending"
    assert column(table, 1) == [str(key) for key in by_mean[::-1][:20]]
    table.get_by_role("button", name="group").click()
    assert cell.get_attribute("aria-sort") is None
    assert table.locator("th[aria-sort]").count() == 1
    assert [int(text) for text in column(table, 1)] == list(range(20))


def test_of_many_rows_the_first_are_shown_until_all_are_asked_for(opened):
    page = opened("regression")
    table = listing(page, "Every group")
    assert len(column(table, 1)) == 20
    assert table.locator(".more span").inner_text() == "20 of 40 shown."
    table.get_by_role("button", name="Show all").click()
    assert len(column(table, 1)) == 40
    assert table.locator(".more span").inner_text() == "40 of 40 shown."
    table.get_by_role("button", name="Show fewer").click()
    assert len(column(table, 1)) == 20
    assert listing(page, "The worst rows").locator(".more").is_hidden()


def test_words_are_sorted_as_words_and_infinities_as_numbers(browser, tmp_path):
    found = rashin.measure(
        "binary_cross_entropy", [0.0, 0.5, 0.2, 0.9], [1, 1, 1, 1], group=["b10", "b9", "a", "c"], worst=4
    )
    path = write_measurement(found, tmp_path / "report.html")
    with opening(browser) as open_page:
        table = listing(open_page(path), "Every group")
        assert column(table, 1) == ["b10", "a", "b9", "c"]
        table.get_by_role("button", name="group").click()
        assert column(table, 1) == ["a", "b9", "b10", "c"]
        table.get_by_role("button", name="mean loss").click()
        assert column(table, 1) == ["b10", "a", "b9", "c"]
        table.get_by_role("button", name="mean loss").click()
        assert column(table, 1) == ["c", "b9", "a", "b10"]


def test_the_worst_rows_have_their_images(opened, digits):
    page = opened("digits")
    table = listing(page, "The worst rows")
    table.get_by_role("button", name="Show all").click()
    assert column(table, 2) == [str(row.row) for row in digits[0].worst]
    loaded = table.locator("img").evaluate_all(
        "images => images.map(i => [i.complete, i.naturalWidth, i.naturalHeight])"
    )
    assert loaded == [[True, 8, 8]] * 12
    worst = digits[0].worst[0].row
    np.testing.assert_array_equal(
        pixels(table.locator("img").first.get_attribute("src"))[:, :, 0],
        np.round(255 * digits[1][worst].reshape(8, 8).astype(float)),
    )


def test_hovering_tells_the_numbers(opened, loans):
    page = opened("loans")
    field = page.get_by_role("group", name="Loss by group", exact=True)
    field.scroll_into_view_if_needed()
    box = field.bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 0.5 * box["height"])  # the second of three
    part = parts_of(loans, loans.groups, 0.95)[1]
    assert tips(page)[0].startswith(f"{part.name}: {100 * part.share:.1f} % of the loss (")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_lines_stand_out_from_the_paper(scheme, opened):
    page = opened("loans", color_scheme=scheme)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    paper, card = colour_of(page, "body", "backgroundColor"), colour_of(page, "figure", "backgroundColor")
    for selector in (".listing td", ".listing th button", ".more", ".more button", ".listing p"):
        assert contrast(paper, colour_of(page, selector, "color")) >= 4.5, selector
    assert len(line_colours(page)) >= 20
    for line in line_colours(page):
        assert contrast(card, line) >= 3.0, line


@pytest.mark.parametrize(("name", "width"), [("loans", 320), ("digits", 390), ("loans", 1600)])
def test_the_report_fits_every_window(name, width, opened):
    page = opened(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    outside = page.evaluate(
        """[...document.querySelectorAll('figure')].flatMap(figure => {
            const box = figure.getBoundingClientRect();
            return [...figure.querySelectorAll('.up span, .across span, .unit, .legend li, label')]
                .filter(text => text.checkVisibility() && (text.getBoundingClientRect().left < box.left
                    || text.getBoundingClientRect().right > box.right))
                .map(text => text.textContent);
        })"""
    )
    assert outside == []


@pytest.mark.parametrize(("name", "sheets"), [("loans", 5), ("regression", 4)])
def test_the_report_prints_black_on_white(name, sheets, opened):
    page = opened(name, color_scheme="dark")
    pdf = page.pdf(format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "15mm"))
    assert abs(len(re.findall(rb"/Type\s*/Page\b", pdf)) - sheets) <= 1  # by the fonts there are
    page.emulate_media(media="print")
    assert colour_of(page, "h1", "color") == "rgb(29, 37, 48)"
    assert page.locator("fieldset:visible, .more button:visible, #theme:visible").count() == 0
    assert len(column(listing(page, "The worst rows"), 1)) > 2


def test_without_scripts_the_numbers_stand_there(browser, pages):
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["regression"].as_uri())
    assert page.locator(".listing").first.locator("tbody tr:visible").count() == 40
    assert page.locator(".listing button:visible").count() == 0
    context.close()
