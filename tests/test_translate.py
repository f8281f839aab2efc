"""``rashin translate``: the expressions it prints give the numbers of the dialects, and the page is up to date."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest

import rashin
from rashin.cli import main
from rashin.conventions import MISSING, TABLES, named
from rashin.dialects import keras, optax, sklearn, torch, translate
from rashin.dialects.translation import EXAMPLES

PAGE = Path(__file__).parents[1] / "docs" / "translate.md"
DIALECTS = {"torch": torch, "optax": optax, "keras": keras, "sklearn": sklearn}
ENTRIES = [(library, entry) for library, entries in TABLES.items() for entry in entries]


@pytest.fixture
def said(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)  # as wide as its lines

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["rashin", "translate", *arguments])
        code = main()
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(("library", "entry"), ENTRIES, ids=[f"{library}.{entry.name}" for library, entry in ENTRIES])
def test_the_expression_gives_the_number_of_the_function(library, entry):
    function = getattr(DIALECTS[library], entry.name)
    given = {name: EXAMPLES[role] for name, role in entry.roles.items()}
    settings = {"q": 0.6} if entry.name == "categorical_generalized_cross_entropy" else {}
    defaults = {p.name: p.default for p in inspect.signature(function).parameters.values()}
    found = eval(entry.expression, {**vars(rashin), "np": np}, {**defaults, **given, **settings})
    np.testing.assert_allclose(found, function(**given, **settings), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("library", "entry"), ENTRIES, ids=[f"{library}.{entry.name}" for library, entry in ENTRIES])
def test_an_entry_names_a_loss_and_a_function_with_its_text(library, entry):
    assert hasattr(rashin, entry.loss)
    function = getattr(DIALECTS[library], entry.name)
    assert set(entry.roles) <= set(inspect.signature(function).parameters)
    assert entry.expression in " ".join(function.__doc__.split())
    assert function.__name__ == entry.name
    assert function.__module__ == f"rashin.dialects.{library}"


@pytest.mark.parametrize("library", TABLES)
def test_names_are_once_there_or_missing(library):
    assert len(named(library)) == len(TABLES[library])
    assert not set(named(library)) & set(MISSING[library])
    with pytest.raises(AttributeError, match=f"rashin.dialects.{library} has no nonsense$"):
        DIALECTS[library].nonsense  # noqa: B018


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("torch.nn.functional.cross_entropy", "torch.nn.functional.cross_entropy"),
        ("torch.nn.CrossEntropyLoss", "torch.nn.functional.cross_entropy"),
        ("F.huber_loss", "torch.nn.functional.huber_loss"),
        ("optax.huber_loss", "optax.losses.huber_loss"),
        ("optax.losses.huber_loss", "optax.losses.huber_loss"),
        ("tf.keras.losses.Huber", "keras.losses.huber"),
        ("log_loss", "sklearn.metrics.log_loss"),
        ("mean_squared_error", "keras.losses.mean_squared_error"),
        ("sklearn.metrics.mean_squared_error", "sklearn.metrics.mean_squared_error"),
    ],
)
def test_a_name_is_found_with_and_without_its_library(asked, name):
    assert translate(asked).name == name


def test_namesakes_differ_by_the_numbers_they_print(said):
    code, out, _ = said("torch.nn.functional.cross_entropy")
    assert code == 0
    assert "rashin.softmax_cross_entropy(input, target, weight=weight[np.maximum(target, 0)], where=" in out
    rows = {line.split()[0]: line.split("  ") for line in out.splitlines() if "  labels" in line or "logits, " in line}
    assert rows["torch.nn.functional.cross_entropy"][-1].strip() == "0.4317576"  # divided by the weights
    assert rows["keras.losses.SparseCategoricalCrossentropy()"][-1].strip() == "1.151354"  # by the samples
    assert "[0.407606, 0.169846, 1.098612]" in out
    assert max(map(len, out.splitlines())) < 160


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cros_entropy"], "did you mean cross_entropy"),
        (["torch.nn.functional.ctc_loss"], "rashin has no alignments of sequences"),
        (["optax.mean_pinball_loss"], "expected the name of a loss of torch, optax, Keras or scikit-learn"),
        (["reg:squarederror"], "did you mean squared_error? reg:squarederror is squared_error(z, t)"),
        (["nonsense"], "fix: `rashin translate --all` lists them"),
        ([], "got neither or both; expected a name, or --all"),
        (["huber", "--all"], "got neither or both"),
    ],
)
def test_an_unknown_name_is_one_line_and_exit_code_2(arguments, words, said):
    code, out, err = said(*arguments)
    assert code == 2
    assert not out
    assert len(err.splitlines()) == 1
    assert words in err


def test_the_page_is_up_to_date(said):
    code, out, _ = said("--all")
    assert code == 0
    assert out == PAGE.read_text(encoding="utf-8"), "rashin translate --all > docs/translate.md"
