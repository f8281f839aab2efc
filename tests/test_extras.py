"""The error for an optional package: it names what needs it, the package, and a command that works."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

import rashin
from rashin.extras import missing, needs

SOURCE = Path(rashin.__file__).parent
ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def test_what_is_not_there_is_named_with_a_command_and_a_way_around(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with (
        pytest.raises(ImportError) as raised,
        needs("matplotlib", "learn", "drawing", instead="pass draw=False"),
    ):
        import matplotlib  # noqa: F401
    assert str(raised.value) == (
        "drawing needs matplotlib, which is not installed; fix: pip install '.[learn]' in your clone of rashin, "
        "or pass draw=False"
    )
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


def test_what_is_there_and_broken_is_not_called_absent():
    words = r"needs NumPy, which is installed but cannot be imported \(cannot import name"
    with pytest.raises(ImportError, match=words), needs("NumPy", "learn", "this test"):
        from numpy import no_such_name  # noqa: F401


def test_other_errors_pass_and_several_packages_are_named_in_the_plural():
    with pytest.raises(ZeroDivisionError), needs("x", "learn", "this test"):
        1 / 0  # noqa: B018
    assert "needs dask and distributed, which are not installed" in str(missing("dask and distributed", "dask", "this"))


def test_every_command_that_is_shown_names_an_extra_that_exists_and_no_package_index():
    """Where rashin can be installed from today is a clone: '.[learn]', never 'rashin[learn]'."""
    texts = [
        *SOURCE.rglob("*.py"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb"),
        ROOT / "README.md", ROOT / "CONTRIBUTING.md",
    ]  # fmt: skip
    named = set()
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"pip install[\s'\"]+rashin\b", text), path
        for extras in re.findall(r"'\.\[([\w,]+)\]'", text):
            named |= set(extras.split(","))
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    named |= set(re.findall(r"(?:needs|missing)\(\"[^\"\n]*\", \"(\w+)\", ", code))
    assert named <= set(EXTRAS)
    assert {"learn", "parquet", "report", "dask", "test"} <= named
