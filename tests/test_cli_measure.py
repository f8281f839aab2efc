"""``rashin measure``: what it prints, what it takes for granted, and how it goes wrong."""

from __future__ import annotations

import gzip
import json
import re
import sys

import fsspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import rashin
from rashin.cli import main
from rashin.extras import missing
from rashin.measurement import Measurement, Row
from rashin.measurement.table.lookup import values_at
from rashin.tables.sources import find_files
from table_files import CLASSES, ROWS, make_rows, write
from test_cli import in_terminal


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module")
def file(rows, tmp_path_factory):
    return write(tmp_path_factory.mktemp("measure") / "held-out.parquet", {n: v for n, v in rows.items() if n != "p"})


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command in this process; gives its exit code and what it wrote."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rashin", "measure", *map(str, arguments)])
        return main(), *capsys.readouterr()

    return run


def logits(rows):
    return np.stack([rows[f"z_{k}"] for k in range(CLASSES)], axis=1)


def test_it_tells_the_loss_and_where_it_comes_from(rows, file, command):
    code, out, err = command(file, "--weight", "weight", "--group", "site", "--cluster", "patient", "--worst", 2)
    assert (code, err) == (0, "")
    found = rashin.measure(
        "softmax_cross_entropy", logits(rows), rows["target"], rows["weight"], group=rows["site"],
        cluster=rows["patient"], worst=2, by_class=True, accuracy=True, baseline=True,
    )  # fmt: skip
    low, high = found.interval()
    assert re.search(rf"^mean loss +{found.mean:.5g}  \[{low:.5g}, {high:.5g}\] with confidence 0.95$", out, re.M)
    assert re.search(rf"^best constant +{found.baseline.mean:.5g}, no worse than these predictions$", out, re.M)
    assert re.search(rf"^accuracy +{found.accuracy:.2%}$", out, re.M)
    assert re.search(rf"^rows +{found.count}$", out, re.M)
    assert re.search(rf"^weight +{found.weight:.5g}$", out, re.M)
    groups = re.findall(r"^(north|south|east) +([\d.]+)% +([\d.]+)% +([\d.]+) ", out, re.M)
    ordered = sorted(found.groups, key=lambda key: -found.groups[key].sum)
    assert [name for name, *_ in groups] == ordered
    sizes = [f"{100 * found.groups[k].weight / found.weight:.1f}" for k in ordered]
    assert [size for _, _, size, _ in groups] == sizes
    assert [share for _, share, _, _ in groups] == [f"{100 * found.groups[k].sum / found.sum:.1f}" for k in ordered]
    assert [mean for *_, mean in groups] == [f"{found.groups[k].mean:.5g}" for k in ordered]
    assert len(re.findall(r"^\d+ +[\d.]+% ", out, re.M)) == CLASSES
    for row in found.worst:
        assert re.search(rf"^ *{row.loss:.5g} +{row.row}  {re.escape(str(file))}$", out, re.M)


def test_json_holds_the_measurement_itself(rows, file, command):
    code, out, err = command(file, "--json", "--confidence", 0.8, "--loss", "focal", "--loss-parameter", "gamma=3")
    assert (code, err) == (0, "")
    told = json.loads(out)
    found = Measurement.from_dict(told["measurement"])
    assert found.mean == told["mean"] == rashin.focal(logits(rows), rows["target"], gamma=3)
    assert told["interval"] == list(found.interval(0.8))
    assert told["rows"] == ROWS
    assert sum(part["rows"] for part in told["classes"].values()) == ROWS
    assert told["worst"][0] == {"loss": found.maximum, "file": str(file), "row": found.worst[0].row}


@pytest.mark.parametrize(
    ("letter", "count", "loss"),
    [
        ("p", 1, "binary_cross_entropy"),
        ("p", 3, "categorical_cross_entropy"),
        ("z", 1, "sigmoid_cross_entropy"),
        ("z", 3, "softmax_cross_entropy"),
    ],
)
def test_the_names_of_the_columns_tell_the_loss(letter, count, loss, command, tmp_path):
    rng = np.random.default_rng(1)
    values = rng.dirichlet(np.ones(3), 40)[:, :count] if letter == "p" else rng.normal(size=(40, count))
    target = rng.integers(0, max(2, count), 40)
    columns = {f"{letter}_{k}": column for k, column in enumerate(values.T)}
    parquet.write_table(pa.table({**columns, "target": target}), tmp_path / "a.parquet")
    code, out, err = command(tmp_path / "a.parquet", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["loss"].startswith(f"{loss}(")
    assert told["mean"] == getattr(rashin, loss)(values[:, 0] if count == 1 else values, target)
    assert told["accuracy"] is not None


def test_columns_with_commas_and_without_classes(rows, file, command):
    some = ",".join(f"z_{k}" for k in range(CLASSES))
    code, out, _ = command(file, "--prediction", some, "--loss", "softmax_cross_entropy", "--no-classes", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["mean"] == rashin.softmax_cross_entropy(logits(rows), rows["target"])
    assert told["classes"] == {}


@pytest.mark.parametrize(
    "prediction",
    [
        ['"p,1",p_2'],
        ["p,1", "p_2"],
        ["p_2", "p,1"],
        ["0=p,1", "1=p_2"],
        ['1=p_2,"0=p,1"'],
        ["p=3", "p_2"],
    ],
)
def test_names_with_commas_are_quoted_or_options_repeated(prediction, command, tmp_path):
    p = np.array([[0.25, 0.75], [0.5, 0.5], [0.125, 0.875]])
    columns = {"p,1": p[:, 0], "p_2": p[:, 1], "p=3": p[:, 0], "t,t": [1, 1, 0]}
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    asked = [word for name in prediction for word in ("--prediction", name)]
    loss = "categorical_cross_entropy"
    code, out, err = command(tmp_path / "a.parquet", *asked, "--target", "t,t", "--loss", loss, "--json")
    assert (code, err) == (0, "")
    expected = p[:, ::-1] if prediction[0] == "p_2" else p
    assert json.loads(out)["mean"] == rashin.categorical_cross_entropy(expected, [1, 1, 0])
    code, out, err = command(
        tmp_path / "a.parquet", "--prediction", "p,1", "--target", "t,t", "--loss", "huber", "--json"
    )
    assert json.loads(out)["mean"] == rashin.huber(p[:, 0], [1.0, 1.0, 0.0])


def test_words_are_targets(command, tmp_path):
    (tmp_path / "a.csv").write_text("p_yes,target,other\n0.25,no,1\n0.5,yes,2\n0.75,yes,2\n")
    expected = rashin.binary_cross_entropy([0.25, 0.5, 0.75], [0, 1, 1])
    for options in ([], ["--positive", "yes"], ["--target", "other", "--positive", "2"]):
        code, out, err = command(tmp_path / "a.csv", *options, "--json")
        assert (code, err, json.loads(out)["mean"]) == (0, "", expected)
    code, out, err = command(tmp_path / "a.csv", "--positive", "y")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"rashin: .*a.csv, column 'target', row 0: got '.*'; expected 'y', the .*[^\n]*\n", err)


def test_what_was_left_out_is_told(rows, command, tmp_path):
    file = write(tmp_path / "a.csv", {"p": [None, 2.0, 0.5, 0.25], "target": [0, 1, 1, 0]})
    code, out, err = command(file, "--prediction", "p", "--on-error", "skip")
    assert (code, err) == (0, "")
    left = out.split("left out\n")[1]
    assert re.search(r"^ *1  null in column 'p'$", left, re.M)
    assert re.search(r"^ *1  outside the domain in column 'p'$", left, re.M)
    assert re.search(r"^rows +2$", out, re.M)


def test_a_file_without_a_row_that_counts_is_a_fault(command, tmp_path):
    file = write(tmp_path / "a.csv", {"p": [2.0, 3.0], "target": [0, 1]})
    code, out, err = command(file, "--prediction", "p", "--on-error", "skip")
    assert code == 2
    assert "rows  0, nothing to take the mean of" in out
    assert re.fullmatch(r"rashin: .*a\.csv: got no row that can be measured; .*\n", err)


def test_a_checkpoint_that_is_finished_gives_the_same_words(file, command, tmp_path):
    first = command(file, "--checkpoint", tmp_path / "state.json")
    assert first[0] == 0
    assert command(file, "--checkpoint", tmp_path / "state.json") == first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.parquet"], "nothing.parquet: got a name that does not exist; expected a file, folder"),
        (["{file}", "--group", "site", "--group", "hit"], "'--group': got it 2 times; expected it once"),
        (["{file}", "--classes", "--no-classes"], "'--classes': got it 2 times; expected it once"),
        (["{file}", "--prediction", "0=z_0,0=z_1"], "'--prediction': got a class twice in 0=z_0,0=z_1"),
        (["{file}", "--target", "label"], "target: got 'label'; expected the name of a column"),
        (["{file}", "--loss", "softmax"], "loss: got 'softmax'; expected the name of a loss; did you mean"),
        (["{file}", "--prediction", "hit"], "Invalid value for '--loss': got none for column 'hit'; expected one, "),
        (["{file}", "--confidence", "95"], "confidence: got 95.0; expected a number between 0 and 1"),
        (["{file}", "--on-error", "stop"], "on_error: got 'stop'; expected 'raise' or 'skip'"),
        (
            ["{file}", "--target", "weight"],
            "column 'weight', row \\d+: got 0.\\d+; expected a class",
        ),
        (
            ["{file}", "--checkpoint", "{file}"],
            "got content that cannot be read .*; expected a checkpoint of a measurement",
        ),
        (
            ["{file}", "--checkpoint", "{file}.d/c"],
            "which does not exist; expected an existing folder; fix: make it, or name another file",
        ),
        (
            ["{file}", "--report", "{file}"],
            "got a file that rashin did not write; .*; fix: move it away or name another file",
        ),
        (["{file}", "--report", "{file}/a.html"], "which is not a folder; expected a folder; fix: name another file"),
        (
            ["{file}", "--report", "{file}.html", "--images", "pixels"],
            "column: got 'pixels'; expected the name of a column, of which there are z_0",
        ),
        (["{file}", "--report", "{file}.html", "--images", "{file}.npy"], ".npy: No such file or directory"),
        (
            ["{file}", "--title", "A"],
            "Invalid value for '--title': got it without a page; expected it with --report FILE.html",
        ),
        (
            ["{file}", "--images", "z_0"],
            "Invalid value for '--images': got it without a page; expected it with --report FILE.html",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, words, file, command, monkeypatch):
    if {"--report", "--title", "--images"} & set(arguments) or "{file}.d/c" in arguments:
        monkeypatch.setattr("rashin.measurement.table.table.batches", None)  # it is found before a row is read
    code, out, err = command(*(argument.format(file=file) for argument in arguments))
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"rashin: .*{words}[^\n]*\n", err)


def test_what_a_page_needs_is_looked_for_before_a_row_is_read(file, command, tmp_path, monkeypatch):
    monkeypatch.setattr("rashin.measurement.table.table.batches", None)
    np.save(tmp_path / "flat.npy", np.zeros(ROWS))
    np.save(tmp_path / "pixels.npy", np.zeros((ROWS, 2, 2)))
    other = write(tmp_path / "other.csv", {"z_0": [1.0], "z_1": [2.0], "target": [0]})
    page = ("--report", tmp_path / "a.html")
    for arguments, words in (
        ((file, *page, "--images", tmp_path / "flat.npy"), r"flat.npy: got shape \(1000,\); expected a picture"),
        ((file, other, *page, "--images", tmp_path / "pixels.npy"), "got one array for several files"),
        ((file, other, *page, "--images", "z_2"), "other.csv, column: got 'z_2'"),
    ):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert re.fullmatch(rf"rashin: .*{words}[^\n]*\n", err)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert command(file, *page)[2] == f"rashin: {missing('jinja2', 'report', 'a page')}\n"


def test_the_worst_rows_of_a_report_have_target_and_prediction(command, tmp_path):
    lines = ["p_cat,p_dog,target", "0.75,0.25,cat", "0.9,0.1,dog", "0.5,0.5,dog"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    np.savez(tmp_path / "b.npz", z=np.array([1.0, -3.0]), target=np.array([1.0, 1.0]))
    page = tmp_path / "report.html"
    for file, cells in (
        ("a.csv", ["1", str(tmp_path / "a.csv"), "dog", "cat", "90.0 %", "10.0 %", "2.30259"]),
        ("b.npz", ["1", str(tmp_path / "b.npz"), "1", "4.7 %", "3.04859"]),
    ):
        more = ("--prediction", "z", "--loss", "sigmoid_cross_entropy") if file == "b.npz" else ()
        assert command(tmp_path / file, *more, "--report", page, "--worst", 1)[0] == 0
        worst = page.read_text(encoding="utf-8").split("The worst rows</h3>")[1].partition("</table>")[0]
        assert re.findall(r"<td[^>]*>([^<]*)</td>", worst) == cells


def test_pictures_of_the_worst_rows_beside_lines_that_are_left_out(command, tmp_path):
    """A malformed line has no number, neither among the worst rows nor where the picture is looked up."""
    lines = ["p,target,shade", "0.9,1,0", "1,2", "0.8,1,0", "0.5", "0.01,1,255", "0.9,1,0", "too,many,fields,here"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    found = rashin.measure_table(
        "binary_cross_entropy", tmp_path, prediction="p", target="target", worst=1, on_error="skip"
    )
    assert found.worst[0].row == 2
    (place, value), = values_at(tmp_path, "shade", found.worst, on_error="skip").items()  # fmt: skip
    assert (place, value) == ((str(tmp_path / "a.csv"), 2), 255)
    with pytest.raises(ValueError, match="fields"):
        values_at(tmp_path, "shade", [found.worst[0]._replace(row=3)])


def test_pictures_in_what_is_broken_are_missing(tmp_path):
    """And what lies before the break is found all the same."""
    packed = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (2 * k, 2 * k + 1) for k in range(300_000)))
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    path = find_files(tmp_path)[0].path
    rows = [Row(1.0, path, row) for row in (10, 299_000)]
    assert values_at(tmp_path, "b", rows, on_error="skip") == {(path, 10): 21}
    with pytest.raises(ValueError, match=r"a\.csv\.gz"):
        values_at(tmp_path, "b", rows)


def test_an_array_that_is_shorter_than_its_header_says_is_not_read_at_all(tmp_path):
    with (tmp_path / "a.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (9000, 2)})
        stream.write(np.arange(10_000.0).tobytes())
    memory = fsspec.filesystem("memory")
    memory.pipe("/pictures/a.npy", (tmp_path / "a.npy").read_bytes())
    try:
        path = find_files("memory://pictures")[0].path
        with pytest.raises(ValueError, match="144000 bytes; expected at most the 80000 bytes after it"):
            values_at("memory://pictures", "1", [Row(1.0, path, 10)])
    finally:
        memory.rm("/pictures", recursive=True)


def test_a_terminal_shows_the_pace_and_fits(file):
    code, text = in_terminal("measure", file, "--group", "site", columns=80)
    assert code == 0
    assert re.search(r"1,000 rows .* [\d,]+ rows/s", text)
    assert "share of the loss by group" in text
    assert re.search(r"south +\d+\.\d%", text)


def test_a_report_is_written_with_pictures_of_the_worst_rows(rows, command, tmp_path):
    pixels = np.random.default_rng(3).random((ROWS, 16)).astype(np.float32)
    columns = {f"z_{k}": rows[f"z_{k}"] for k in range(CLASSES)}
    table = pa.table({**columns, "target": rows["target"], "pixels": pa.array(list(pixels))})
    parquet.write_table(table, tmp_path / "a.parquet", row_group_size=100)
    np.save(tmp_path / "pixels.npy", pixels.reshape(-1, 4, 4))
    pages = []
    for images in ("pixels", tmp_path / "pixels.npy"):
        page = tmp_path / "report.html"
        code, out, err = command(
            tmp_path / "a.parquet", "--report", page, "--title", "Eleven classes", "--images", images, "--worst", 3
        )
        assert (code, err) == (0, "")
        assert out.endswith(f"wrote {page}\n")
        pages.append(page.read_text(encoding="utf-8"))
        page.unlink()
    assert "<h1>Eleven classes</h1>" in pages[0]
    pictures = [re.findall(r"<img[^>]*(data:image/png;base64,[^\"']+)", page) for page in pages]
    assert len(set(pictures[0])) == 3
    assert pictures[0] == pictures[1]


def test_a_name_in_an_error_gives_the_terminal_no_order(command, tmp_path):
    code, out, err = command(tmp_path / "a\x1b[2Jb.parquet", "--loss", "huber")
    assert (code, out) == (2, "")
    assert "a\\x1b[2Jb.parquet" in err
    assert "\x1b" not in err
