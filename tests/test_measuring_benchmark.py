"""The benchmarks of measurements run through their commands, in this process, which has compiled what they need."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("arguments", "titles"),
    [
        (
            ["arrays", "--rows", "500", "--seconds", "0"],
            ["half_squared_error", "categorical_cross_entropy", "interval"],
        ),
        (["logits", "--rows", "3000", "--rounds", "1"], ["rashin, logits by class", "pyarrow reads the columns"]),
    ],
)
def test_every_contestant_is_in_the_table(arguments, titles, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    measuring = importlib.import_module("benchmarks.measuring")
    monkeypatch.setattr(measuring, "GROUPS", 20)  # 1,000 take most of the time
    with mock.patch.dict(os.environ, COLUMNS="160"):
        done = CliRunner().invoke(measuring.app, arguments)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    for title in titles:
        assert title in done.stdout
    assert "failed" not in done.stdout
