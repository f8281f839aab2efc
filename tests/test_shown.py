"""A measurement at the prompt, in a notebook, as frames, and on a terminal that obeys control characters."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import rashin
from rashin.cli import main
from rashin.cli.measure_screen import show_text
from rashin.printable import shown
from rashin.report import page_html
from rashin.report.measured.page import measurement_page

EVIL = "<b>&\x1b[2J"


def found(**options):
    site = np.array([EVIL, "kyoto", "nara", "osaka"])[np.arange(40) % 4]
    return rashin.measure("absolute_error", np.arange(40.0) % 4 + 1, np.zeros(40), group=site, **options)


def test_the_prompt_shows_mean_interval_rows_and_the_worst_groups():
    low, high = found().interval()
    lines = repr(found()).splitlines()
    assert lines[0] == "Measurement of absolute_error()"
    assert [line.split() for line in lines[1:4]] == [
        ["mean", "2.5"], ["interval", f"{low:.5g}", "to", f"{high:.5g},", "confidence", "0.95"], ["rows", "40"]
    ]  # fmt: skip
    assert [line.split()[:3] for line in lines[5:]] == [
        ["group", "osaka", "4"], ["group", "nara", "3"], ["group", "kyoto", "2"]
    ]  # fmt: skip
    assert repr(rashin.measure("huber", [1.0], [0.0], where=[False])).endswith("0, nothing to take the mean of")


def test_a_notebook_shows_a_table_in_which_names_are_only_text():
    some = rashin.measure("absolute_error", [1.0, 2.0], [0.0, 0.0], group=[EVIL, EVIL], cluster=[1, 2])
    html = some._repr_html_()
    assert "<b>" not in html
    assert "\x1b" not in html
    assert "color" not in html
    rows = {row[0].text: row[1].text for row in ElementTree.fromstring(html).iter("tr")}
    assert (rows["mean"], rows["rows"], rows["clusters"]) == ("1.5", "2", "2")
    assert rows["group <b>&\\x1b[2J"] == "1.5 over 2 rows"
    assert "\x1b" not in repr(some)


@pytest.mark.parametrize("by", [None, "group", "class"])
def test_frames_hold_a_row_for_each_part(by):
    labels, site = np.arange(30) % 3, np.array(["a", "b"])[np.arange(30) % 2]
    logits = np.random.default_rng(0).normal(size=(30, 3))
    some = rashin.measure("softmax_cross_entropy", logits, labels, group=site, by_class=True, accuracy=True)
    frame, table = some.to_pandas(by, 0.8), some.to_arrow(by, 0.8)
    parts = some.classes if by == "class" else some.groups
    assert frame.to_dict("list") == table.to_pydict()
    assert frame[by or "group"].tolist() == list(parts)
    for name, value in {
        "rows": lambda part: part.count, "weight": lambda part: part.weight, "mean": lambda part: part.mean,
        "low": lambda part: part.interval(0.8).low, "high": lambda part: part.interval(0.8).high,
        "sum": lambda part: part.sum, "maximum": lambda part: part.maximum, "accuracy": lambda part: part.accuracy,
    }.items():  # fmt: skip
        assert frame[name].tolist() == [value(part) for part in parts.values()]


def test_frames_need_parts_and_packages(monkeypatch):
    whole = rashin.measure("huber", [1.0, 2.0], [0.0, 0.0])
    for by in (None, "group", "class"):
        with pytest.raises(ValueError, match=r"by: got .* for a measurement without"):
            whole.to_pandas(by)
    with pytest.raises(ValueError, match="by: got 'rows'"):
        found().to_arrow("rows")
    for package, ask in (("pandas", found().to_pandas), ("pyarrow", found().to_arrow)):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=f"needs {package}, which is not installed"):
            ask()


@pytest.fixture
def table(tmp_path):
    """20 sites, one of which is bad, and has a name that clears the screen."""
    rng = np.random.default_rng(1)
    t, site = rng.integers(0, 2, 2000), np.array([EVIL, *(f"s{k}" for k in range(19))])[np.arange(2000) % 20]
    p = np.clip(0.8 * t + 0.1, 0, 1)
    p[site == EVIL] = 1 - p[site == EVIL]
    p[3] = 1 - t[3]
    np.savez(tmp_path / "held-out.npz", p_0=p, target=t, site=site)
    return tmp_path / "held-out.npz"


def test_a_terminal_is_shown_no_control_character(table, monkeypatch, capsys):
    options = ["--group", "site", "--loss-parameter", "epsilon=1e-6"]
    monkeypatch.setattr(sys, "argv", ["rashin", "measure", str(table), *options])
    assert main() == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert re.search(r"^worst group for its size +<b>&\\x1b\[2J: mean loss 2\.30", out, re.M)
    line = next(line for line in out.splitlines() if line.startswith("s1 "))
    assert "5.0%" in line.split()  # its share of the rows


def test_rows_of_infinite_loss_are_told_on_standard_error(table, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rashin", "measure", str(table)])
    assert main() == 0
    out, err = capsys.readouterr()
    assert err.startswith("rashin: 1 of 2,000 rows gave probability 0 to what happened; the others average ")
    assert (err.count("\n"), "-0" in out.replace(str(table), "")) == (1, False)
    assert [line.split()[-1] for line in out.splitlines() if line[:2] in ("0 ", "1 ")] in (["1", "0"], ["0", "1"])


def test_names_that_are_blank_or_steer_the_text_are_seen(monkeypatch):
    """Spaces of any width and the joiners of emoji and Persian are part of a name; blank names stand in quotes."""
    assert [shown(key) for key in ("", " ", 7, "東京\u3000支店")] == ['""', '" "', "7", "東京\u3000支店"]
    assert (shown("\u202elive\n"), shown("👨\u200d👩"), shown("می\u200cروم")) == (
        "\\u202elive\\n",
        "👨\u200d👩",
        "می\u200cروم",
    )
    some = rashin.measure("absolute_error", [1.0, 3.0], [0.0, 0.0], group=["", "\u202ea"])
    assert 'group ""' in repr(some)
    page = page_html(measurement_page(some))
    assert "comes from group \\u202ea, " in page
    assert "\u202e" not in page


def test_keys_that_are_spelt_alike_are_all_on_the_page():
    key = np.array([1, "1", 2, "(missing)"], object)
    some = rashin.measure("absolute_error", [1.0, 2.0, 3.0, 4.0], np.zeros(4), group=key)
    listing = next(s for s in measurement_page(some).sections if s.listings).listings[0]
    assert [row[0].text for row in listing.rows] == ["(missing)", "2", "1", "1"]
    assert measurement_page(some, lang="ja").sections[1].listings[0].rows[0][0].text == "（欠損）"


@pytest.mark.parametrize(
    ("width", "left_out"), [(120, ""), (80, ""), (60, "accuracy"), (40, "accuracy, 0.95 interval")]
)
def test_a_narrow_terminal_breaks_no_number(width, left_out, monkeypatch, capsys):
    names = np.array(["kyoto", "a name of several words"])[np.arange(400) % 2]
    p, t = np.linspace(0.01, 0.99, 400), np.arange(400) % 2
    some = rashin.measure("binary_cross_entropy", p, t, group=names, accuracy=True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    show_text(some, 0.95)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    title = " ".join(" ".join(lines[[line[:5] for line in lines].index("share") :][:3]).split())
    assert title.startswith("share of the loss by group" + ("; wider terminals show " + left_out if left_out else ""))
    mean = f"{some.groups['kyoto'].mean:.5g}"
    assert any(line.startswith(" kyoto") and mean in line for line in lines)
    assert max(map(len, lines)) <= width


def test_a_reader_that_has_seen_enough_loses_no_report(table, tmp_path):
    report = tmp_path / "page.html"
    measured = f"{sys.executable} -m rashin measure {table} --group site --report {report}"
    piped = f"{measured} | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "binary_cross_entropy(epsilon=0.0)\n"
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr
    assert done.returncode in (0, 141)  # all was written before head left, or the shell's code
    assert report.stat().st_size > 10_000
