"""CONTRIBUTING's own example, added to a copy of the tree as the page says, passes the tests of a loss."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"`([a-z_/]+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)
NAME = re.search(r"def (\w+)", SNIPPETS[0][1])[1]
TESTS = ["test_accuracy", "test_calculus", "test_facts", "test_loss", "test_oracles", "test_reduction", "test_imports"]


@pytest.fixture
def tree(tmp_path):
    """A copy of the tree, with the loss added."""
    for folder in ("src", "tests", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "notebooks"))
    for file in ("pyproject.toml", "CONTRIBUTING.md", "README.md"):
        shutil.copy(ROOT / file, tmp_path)
    for place, text in SNIPPETS:
        with (tmp_path / place).open("a", encoding="utf-8") as file:
            file.write(f"\n\n{text}")
    family = Path(SNIPPETS[0][0]).stem
    names = tmp_path / "src/rashin/losses/__init__.py"
    assert f"`{names.relative_to(tmp_path)}`" in PAGE
    text = names.read_text(encoding="utf-8")
    text = text.replace(f"losses.{family} import (\n", f"losses.{family} import (\n    {NAME},\n")
    names.write_text(text.replace("__all__ = [\n", f'__all__ = [\n    "{NAME}",\n'), encoding="utf-8")
    return tmp_path


def run(tree, *command):
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_the_example_is_added_as_the_page_says_and_passes_the_tests_of_a_loss(tree):
    command = re.search(rf"`python (tests/\w+\.py {NAME})`", PAGE)[1]
    assert f"{NAME}: within its bounds" in run(tree, *command.split())
    before, after = ((place / "docs/accuracy.md").read_text(encoding="utf-8").splitlines() for place in (ROOT, tree))
    assert [line for line in after if line not in before] == [line for line in after if f"| `{NAME}` |" in line]
    assert len(after) == len(before) + 1
    files = [f"tests/{name}.py" for name in TESTS]
    # What the errors are, the command has measured.
    chosen = f"({NAME} or entry or page_has or public_names) and not errors_are_within_the_bounds"
    said = run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *files)
    assert int(re.search(r"(\d+) passed", said)[1]) > 80


def test_the_page_fits_a_screen():
    assert len(PAGE.splitlines()) <= 50
