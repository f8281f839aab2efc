"""The benchmarks of measurements run through their commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
def test_every_contestant_is_in_the_table(arguments, titles):
    command = [sys.executable, "-m", "benchmarks.measuring", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "COLUMNS": "160"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    for title in titles:
        assert title in done.stdout
    assert "failed" not in done.stdout
