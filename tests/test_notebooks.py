"""The notebooks of the docs: they run, they say what is committed, and the Japanese and the English one are twins."""

from __future__ import annotations

import ast
import base64
import math
import re
from collections import Counter
from pathlib import Path

import pytest

from idx_files import needs_mnist
from notebooks import ANY_MACHINE, NOTEBOOKS, executed, read

JAPANESE, ENGLISH = (NOTEBOOKS / f"loss-functions.{language}.ipynb" for language in ("ja", "en"))
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")
KANA_OR_KANJI = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
LETTERING = {"xlabel", "ylabel", "title", "set_xlabel", "set_ylabel", "set_title"}
each = pytest.mark.parametrize("path", [JAPANESE, ENGLISH], ids=lambda path: path.suffixes[0][1:])


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def words(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def text(cell):
    """What a cell prints and shows, beside its pictures."""
    return "".join(output.get("text") or output.data.get("text/plain", "") for output in cell.outputs)


def pictures(cell):
    return [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]


def in_pairs():
    return zip(read(JAPANESE).cells, read(ENGLISH).cells, strict=True)


# --------------------------------------------------------------------------------------------------- they run


@needs_mnist
def test_a_fresh_kernel_shows_what_is_committed():
    """The Japanese twin; below it is shown that the English one runs the same code, but for words in its strings.

    Numbers of cells tagged ``approximate`` pass through a BLAS, and may differ a little from machine to machine.
    """
    for old, new in zip(code_cells(read(JAPANESE)), code_cells(executed(JAPANESE)), strict=True):
        assert len(pictures(new)) == len(pictures(old)), old.id
        if "approximate" not in old.metadata.get("tags", []):
            assert text(new) == text(old), old.id
            continue
        assert NUMBER.sub("#", text(new)) == NUMBER.sub("#", text(old)), old.id
        for found, expected in zip(NUMBER.findall(text(new)), NUMBER.findall(text(old)), strict=True):
            numbers = (float(number.replace(",", "")) for number in (found, expected))
            assert math.isclose(*numbers, rel_tol=0.02), f"{old.id}: {found} and {expected}"


@each
def test_every_cell_has_run_in_order_without_a_warning(path):
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            assert output.get("name", "stdout") == "stdout", f"{cell.id}: {output.text}"


@each
def test_the_numbers_of_the_textbook_come_out(path):
    shown = "\n".join(text(cell) for cell in code_cells(read(path)))
    for number in (
        "0.09750000000000003",
        "0.5975",
        "0.510825457099338",
        "2.302584092994546",
        "16.1181",
        "2.061153620314381e-09",
        "39,760",
        "23.72",
    ):
        assert number in re.split(r"[\s:]+", shown), number


# ------------------------------------------------------------------------------------------------ they are twins


def test_the_twins_have_the_same_cells():
    for japanese, english in in_pairs():
        assert (japanese.cell_type, japanese.id, japanese.metadata) == (
            english.cell_type,
            english.id,
            english.metadata,
        )


def strings(cell):
    """Every piece of text in the code, in order."""
    found = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)]
    return [node.value for node in found if isinstance(node.value, str)]


def test_the_twins_differ_in_their_words_alone():
    """What is not Japanese in the code of one, such as the name of a loss or a color, stands in the other too."""
    for japanese, english in in_pairs():
        if japanese.cell_type == "code":
            named = [string for string in strings(japanese) if string.isascii()]
            missing = Counter(named) - Counter(strings(english))
            assert set(missing) <= {"ja"}, japanese.id


class Wordless(ast.NodeTransformer):
    """Code without its words: strings are in the language of the twin."""

    def visit_JoinedStr(self, node):
        node.values = [self.visit(value) for value in node.values if isinstance(value, ast.FormattedValue)]
        return node

    def visit_Constant(self, node):
        return ast.Constant("") if isinstance(node.value, str) else node


def test_the_twins_run_the_same_code_and_show_the_same_numbers():
    for japanese, english in in_pairs():
        if japanese.cell_type == "code":
            trees = (ast.dump(Wordless().visit(ast.parse(cell.source))) for cell in (japanese, english))
            assert next(trees) == next(trees), japanese.id  # comments are not in the tree
            found, expected = (NUMBER.findall(text(cell)) for cell in (japanese, english))
            assert found == expected, japanese.id
            assert len(pictures(japanese)) == len(pictures(english)), japanese.id


def test_each_twin_speaks_its_language():
    assert not [source for source in words(read(ENGLISH)) if KANA_OR_KANJI.search(source)]
    assert not [source for source in words(read(JAPANESE)) if not KANA_OR_KANJI.search(source)]
    comments = [line for cell in code_cells(read(JAPANESE)) for line in cell.source.splitlines() if "  # " in line]
    assert comments
    assert all(KANA_OR_KANJI.search(line) for line in comments)


def test_what_the_japanese_twin_prints_is_japanese():
    """But for names of code."""
    names = {"one", "hot", "float", "rashin", "inf", "bias_", "True", "False"}
    names |= {"half_squared_error", "huber", "absolute_error", "target"}
    for cell in code_cells(read(JAPANESE)):
        printed = "".join(output.get("text", "") for output in cell.outputs)
        assert not set(re.findall(r"[A-Za-z_]{3,}", printed)) - names, cell.id


def test_what_stands_on_the_japanese_pictures_is_japanese():
    shown = [
        constant.value
        for cell in code_cells(read(JAPANESE))
        for call in ast.walk(ast.parse(cell.source))
        if isinstance(call, ast.Call)
        for given in [
            *(keyword.value for keyword in call.keywords if keyword.arg in ("label", "xlabel", "ylabel", "title")),
            *(call.args if getattr(call.func, "attr", "") in LETTERING else []),
        ]
        for constant in ast.walk(given)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    ]
    assert len(shown) > 20
    assert not [label for label in shown if re.search(r"[A-Za-z]{3,}", re.sub(r"\$.*?\$", "", label))]


@pytest.mark.parametrize("pattern", [r"\$\$.*?\$\$", r"\]\((.*?)\)", r"</?details>", r"(?m)^#+ (\d\.)?"])
def test_the_twins_have_the_same_formulas_links_answers_and_sections(pattern):
    for japanese, english in in_pairs():
        if japanese.cell_type == "markdown":
            found = [sorted(re.findall(pattern, cell.source)) for cell in (japanese, english)]
            assert found[0] == found[1], japanese.id


# ------------------------------------------------------------------------------------------------ they are tidy


@each
def test_nothing_names_a_machine_or_a_time(path):
    notebook = read(path)
    assert notebook.metadata == ANY_MACHINE
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id
    for cell in code_cells(notebook):
        assert not re.search(r"(?<![\w.])/\w+/|\\Users\\|0x[0-9a-f]{6}|\d ?m?s\b|\bseconds\b", text(cell)), cell.id
    assert not [place for place in (Path.home(), Path.cwd()) if f"{place}/" in path.read_text(encoding="utf-8")]


@each
def test_pictures_are_there_and_the_file_is_small(path):
    found = [picture for cell in code_cells(read(path)) for picture in pictures(cell)]
    assert len(found) >= 7
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in found)
    assert path.stat().st_size < 600_000


@each
def test_links_lead_somewhere(path):
    links = [link for source in words(read(path)) for link in re.findall(r"\]\((.*?)\)", source)]
    assert links
    assert all((path.parent / link).exists() for link in links)


def test_japanese_paragraphs_stand_on_one_line():
    """A line break would show as a space, which Japanese does not have between words."""
    broken = re.compile(r"[\u3001-\u30ff\u3400-\u9fff]\n[\u3001-\u30ff\u3400-\u9fff]")
    assert not [source for source in words(read(JAPANESE)) if broken.search(source)]
