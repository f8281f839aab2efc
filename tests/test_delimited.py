"""Text as people write it: delimiters, decimal commas, encodings, quotes; and what is wrong costs only itself."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

import rashin
from rashin.cli import main
from rashin.tables import delimited

NOT_A_NUMBER = "no number in column 'p'"
NULL = "null in column 'p'"
MALFORMED = "a line with too few or too many fields"
UNDECODED = "no text in the file's encoding in column 's'"


def measured(folder, content, **options):
    path = folder / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = {"prediction": "p", "target": "t", **options}
    return rashin.measure_table("half_squared_error", path, **settings)


READ = [  # content, options, the predictions; targets are 0
    ("p;t\n1,5;0\n-2,25e1;0\n", {"delimiter": ";", "decimal": ","}, [1.5, -22.5]),
    ("p\tt\n1\t0\n", {"delimiter": "\t"}, [1.0]),
    ("p\tt\n1,5\t0\n", {"delimiter": "tab", "decimal": ","}, [1.5]),
    ("p|t\n1|0\n", {"delimiter": "|"}, [1.0]),
    ("p,t\n 1 , 0\n2.5 ,0\n", {}, [1.0, 2.5]),
    ('p,t\n"1",0\n"2.5","0"\n', {}, [1.0, 2.5]),
    ("p,t\r\n1,0\r\n\r\n2.5,0\r\n", {}, [1.0, 2.5]),
    ("p,t\r1,0\r2.5,0\r", {}, [1.0, 2.5]),
    ("\n\np,t\n\n1,0", {}, [1.0]),
    ("p,t,,\n1,0,,\n2,0,,\n", {}, [1.0, 2.0]),
    ('p,s,t\n1,"x\n9,9,0\n""y",0\n2,z,0\n', {}, [1.0, 2.0]),
    ('s,p,t\n1,1,0\n"2,2,0\n3,3,0\n4",4,0\n\n5,5,0\n\n', {}, [1.0, 4.0, 5.0]),
    ('p,s,t\n1,12" pipe,0\n2,5\' 3",0\n', {}, [1.0, 2.0]),
    (b"\xef\xbb\xbfp,t\n1,0\n", {}, [1.0]),
    (b'\xef\xbb\xbf"p","t"\n1,0\n', {"encoding": "utf-8-sig"}, [1.0]),
    ("p,t\n1,0\n2.5,0\n".encode("utf-16"), {"encoding": "utf-16"}, [1.0, 2.5]),
    ("p,t\n1,0\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, [1.0]),
    (b"p,s,t\n1,caf\xe9,0\n", {}, [1.0]),  # in a column that is not asked for
    ("p,x,x,t\n1,2,3,0\n", {}, [1.0]),
    ("p,t\n", {}, []),
]


@pytest.mark.parametrize(("content", "options", "p"), READ)
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_text_as_people_write_it(content, options, p, on_error, tmp_path):
    found = measured(tmp_path, content, on_error=on_error, **options)
    assert (found.count, found.skipped) == (len(p), {})
    assert found.sum == sum(x * x / 2 for x in p)


@pytest.mark.parametrize(
    ("encoding", "words"),
    [("cp932", ["東京", "大阪"]), ("Shift_JIS", ["東京", "大阪"]), ("euc_jp", ["ひ", "ふ"]), ("latin-1", ["é", "ü"]),
     ("cp1252", ["€", "Müller"]), ("utf-16", ["東京", "é"])],
)  # fmt: skip
@pytest.mark.parametrize("block", [1 << 22, 16])
def test_encodings(encoding, words, block, tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", block)
    monkeypatch.setattr(delimited, "_READ_BYTES", 3)
    text = f"p,t,{words[0]}\n" + "".join(f"{row},0,{words[row % 2]}\n" for row in range(9))
    found = measured(tmp_path, text.encode(encoding), group=words[0], encoding=encoding)
    assert {key: part.count for key, part in found.groups.items()} == dict(zip(words, (5, 4), strict=True))
    assert found.sum == sum(row * row / 2 for row in range(9))


FAULTS = [  # content, options, words of the error, what is left out, the predictions that are left
    ("p,t\n1,0\n?,0\n", {}, "'p', row 1: got '[?]'; expected a number; fix: on_error='skip'", {NOT_A_NUMBER: 1}, [1]),
    ('p,t\n"1,234",0\n1,0\n', {}, "row 0: got '1,234'; .*; fix: write numbers without sep", {NOT_A_NUMBER: 1}, [1]),
    ("p,t\n5%,0\n1,0\n", {}, "row 0: got '5%'; .*; fix: write a percentage as a fraction", {NOT_A_NUMBER: 1}, [1]),
    ("p;t\n1,5;0\n1;0\n", {"delimiter": ";"}, r"got '1,5'; .* decimal=',' \(--decimal ,\)", {NOT_A_NUMBER: 1}, [1]),
    ("p;t\n1.5;0\n1;0\n", {"delimiter": ";", "decimal": ","}, r"decimal='\.' \(--dec", {NOT_A_NUMBER: 1}, [1]),
    ("p;t\n1.234,5;0\n1;0\n", {"delimiter": ";", "decimal": ","}, "without separators", {NOT_A_NUMBER: 1}, [1]),
    ("p,t\n-,0\n1,0\nNA,0\nN/A,0\n null ,0\n,0\n", {}, "row [02]: got", {NOT_A_NUMBER: 1, NULL: 4}, [1]),
    ("p,t\n1,0\n2\n3,0\n4,0,0\n", {}, "row 1: got 1 field; expected 2.*; fix: on_e", {MALFORMED: 2}, [1, 3]),
    ('p,s,t\n1,"a\nb",0\n2,0\n', {}, "csv, row 1: got 2 fields; expected 3, .*; fix: on_error", {MALFORMED: 1}, [1]),
    ('p,t,s\n1,0,a\n2,0,"b\n3,0,c\n', {}, "csv, row 1: got a quote that is not closed", {MALFORMED: 1}, [1, 3]),
    ('p,t,s\n1,0,a\n"2,0,b\n3,0,c\n', {}, "csv, row 1: got 1 field; .* close the quote", {MALFORMED: 1}, [1, 3]),
    ('p,t,s\n1,0,"a"\n2,0,"b""\n3,0,"c"\n4,0,"d"\n', {}, "csv, row 1: got a quote", {MALFORMED: 1}, [1, 3, 4]),
    ('p,t,s\n1,0,"a\n2,0,"b"\n3,0,"c\n4,0,"d"\n', {}, "csv, row 0: got a quote", {MALFORMED: 2}, [2, 4]),
    ('p,t,s\n1,0,a\n2,0,"b', {"group": "s"}, "csv, row 1: got a quote", {MALFORMED: 1}, [1]),
    (b"p,t,s\n1,0,caf\xe9\n2,0,ok\n", {"group": "s"}, r"'s', row 0: got b'caf\\xe9'; .*cp1252", {UNDECODED: 1}, [2]),
    ("p,t,s\n1,0,東京\n2,0,ok\n".encode("cp932"), {"group": "s"}, r"fix: .*encoding='cp932'", {UNDECODED: 1}, [2]),
    (b"p,t,s\n1,0,a\n2,0,\xe9,9\n3,0,b\n4,0,\xe9\n", {}, "csv, row 1: got 4 fields", {MALFORMED: 1}, [1, 3, 4]),
]  # fmt: skip


@pytest.mark.parametrize(("content", "options", "words", "skipped", "p"), FAULTS)
@pytest.mark.parametrize("earlier", [0, 40])
def test_what_is_wrong_costs_itself_alone(content, options, words, skipped, p, earlier, tmp_path, monkeypatch):
    """In the first block, and in a later one."""
    monkeypatch.setattr(delimited, "_BLOCK_BYTES", 64)
    content = content if isinstance(content, bytes) else content.encode()
    header, rest = content.split(b"\n", 1)
    fields = header.replace(b"p", b"1").replace(b"t", b"0").replace(b"s", b"word")
    later = header + b"\n" + (fields + b"\n") * earlier + rest
    number = r"row (\d+)"
    if earlier:
        words = re.sub(r"row (\d)", lambda row: f"row {int(row[1]) + earlier}", words).replace("row [02]", number)
    with pytest.raises(ValueError, match=words):
        measured(tmp_path, later, **options)
    found = measured(tmp_path, later, on_error="skip", **options)
    assert found.skipped == skipped
    assert found.sum == sum(x * x / 2 for x in [*p, *[1] * earlier])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "p;t\n1;0\n",
            "csv, prediction: got 'p'; expected the name of a column, of which there are p;t; fix: .*delimiter=';' ",
        ),
        ("p;t\n1,5;0\n", "csv, row 0: got 2 fields; expected 1, as in the header; fix: .*delimiter=';' "),
        ("p t\n1 0\n", "fix: the header looks separated by ' '"),
        ("p:t\n1:0\n", "fix: the header looks separated by ':'"),
        ("p|t\n1|0\n", r"fix: the header looks separated by '\|'"),
        ("p\tt\n1\t0\n", r"fix: the header looks separated by 'tab': delimiter='tab' \(--delimiter 'tab'\)"),
        ("0.5,1\n0.25,0\n", "of which there are 0.5, 1; fix: the header holds numbers, such as 0.5: if it is missing"),
        ("1,1\n0.25,0\n", "of which there are 1, 1; fix: the header holds numbers, such as 1: if it is missing"),
        ("0.5,1,cat\n0.25,0,dog\n", "fix: the header holds numbers, such as 0.5"),
        ("# made by us\np,t\n1,0\n", "in the header; fix: the header is a comment"),
        ("p,p,t\n1,2,0\n", "a.csv, prediction: got 2 columns 'p'; expected one of each name"),
        ("p,t,t\n1,2,0\n", "a.csv, target: got 2 columns 't'; expected one of each name"),
        ("p,t,\n1,0\n2,0\n", "csv, row 0: got 2 fields; expected 3"),
        ("", "csv, header: got an empty file; expected a line with the names of the columns"),
        ("\n \n", "prediction: got 'p'"),
        (
            "p,確率\n1,0\n".encode("cp932"),
            "header: got bytes of another encoding; expected text in utf-8; fix: .*encoding='cp932'",
        ),
        (
            "p,naïve\n1,0\n".encode("latin-1"),
            "header: got bytes of another encoding; expected text in utf-8; fix: .*encoding='cp1252'",
        ),
        (
            "p,t\n1,0\n".encode("utf-16"),
            "header: got bytes of another encoding; expected text in utf-8; fix: .*encoding='utf-16'",
        ),
        (
            "p,t\n1,0\n".encode("utf-16-le"),
            "header: got bytes of another encoding; expected text in utf-8; fix: .*encoding='utf-16-le'",
        ),
    ],
)
def test_what_a_header_shows_is_told(content, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        measured(tmp_path, content)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delimiter": ";;"}, "delimiter: got ';;'; expected one ASCII letter"),
        ({"delimiter": '"'}, "delimiter: got '\"'; expected one ASCII letter"),
        ({"delimiter": 3}, "delimiter: got 3; expected one ASCII letter"),
        ({"decimal": ","}, "decimal: got ',' with the delimiter ','; expected two different letters; fix: .*;"),
        ({"decimal": "x"}, "decimal: got 'x'; expected '.' or ','"),
        ({"encoding": "cp0"}, "encoding: got 'cp0'; expected the name of a text encoding"),
        ({"encoding": "rot13"}, "encoding: got 'rot13'; expected the name of a text encoding"),
        ({"encoding": None}, "encoding: got None; expected the name of a text encoding"),
    ],
)
def test_dialects_that_cannot_be(options, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        measured(tmp_path, "p,t\n1,0\n", **options)


def test_some_bad_cells_cost_no_more_than_their_block(tmp_path, monkeypatch):
    """No text is looked at one by one: of 100,000 numbers with 100 others these alone become Python's."""
    rows = np.arange(100_000)
    cells = np.where(rows % 1000 == 7, "?", rows.astype(str))
    content = "p,t\n" + "\n".join(f"{cell},0" for cell in cells)
    monkeypatch.setattr("rashin.tables.texts._is_a", None)
    found = measured(tmp_path, content, on_error="skip")
    good = rows[rows % 1000 != 7].astype(float)
    assert found.skipped == {NOT_A_NUMBER: 100}
    assert found.sum == rashin.half_squared_error(good, 0 * good, reduction="sum")


def test_a_checkpoint_is_of_one_dialect(tmp_path):
    content, state = "p;t\n1,5;0\n", tmp_path / "state.json"
    measured(tmp_path, content, delimiter=";", decimal=",", checkpoint=state)
    stamp = (tmp_path / "a.csv").stat()
    with pytest.raises(ValueError, match=r"decimal: got ','; expected '.', as in this run"):
        rashin.measure_table("half_squared_error", tmp_path / "a.csv", prediction="p", target="t", delimiter=";",
                             on_error="raise", checkpoint=state)  # fmt: skip
    assert (tmp_path / "a.csv").stat() == stamp


def test_the_command_takes_the_same(tmp_path, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rashin", "measure", *map(str, arguments)])
        return main(), *capsys.readouterr()

    (tmp_path / "b.csv").write_bytes("p_はい;target\n0,75;はい\n0,5;いいえ\n".encode("cp932"))
    options = ("--delimiter", ";", "--decimal", ",", "--encoding", "cp932")
    expected = rashin.binary_cross_entropy([0.75, 0.5], [1, 0])
    code, out, err = run(tmp_path, *options, "--json")
    assert (code, err, json.loads(out)["mean"]) == (0, "", expected)
    (tmp_path / "a.csv").write_bytes(b"")  # comes first, and is broken
    code, out, err = run(tmp_path, *options)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"rashin: \S*a.csv, header: got an empty file; expected [^\n]*\n", err)
    code, out, err = run(tmp_path, *options, "--on-error", "skip", "--json")
    assert (code, err, json.loads(out)["mean"]) == (0, "", expected)
    assert json.loads(out)["measurement"]["skipped"] == {f"{tmp_path / 'a.csv'} is broken": 1}
    for left in range(0, 6, 2):
        code, out, err = run(tmp_path / "b.csv", *options[:left], *options[left + 2 :])
        assert (code, out, err.count("\n"), f"({options[left]} " in err) == (2, "", 1, True)
