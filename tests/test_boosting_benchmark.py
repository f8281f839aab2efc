"""The benchmark of boosting runs through its command."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

LIBRARIES = [name for name in ("xgboost", "lightgbm", "catboost") if find_spec(name)]


@pytest.mark.skipif(not LIBRARIES, reason="needs a booster")
def test_every_library_trains_with_both_objectives_and_is_in_the_table():
    sizes = ["--rows", "400", "--rounds", "2", "--turns", "1", "--only", ",".join(LIBRARIES)]
    command = [sys.executable, "-m", "benchmarks.boosting", *sizes]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    for name in LIBRARIES:
        assert done.stdout.count(name) == 2
    assert "400 x 30, 2 rounds" in done.stdout
