"""What is built for a package index: everything that rashin reads is in the wheel, and the page has no dead link."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import pytest

import rashin
from rashin.native.targets import of_this_machine

ROOT = Path(__file__).parents[1]
PACKAGE = Path(rashin.__file__).parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the source distribution, built from the sources as they are, without a network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_the_wheel_holds_every_file_of_the_package(wheel):
    """Not the modules alone: py.typed, the template of the pages, their style and their script."""
    ours = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    expected = {f"rashin/{path.relative_to(PACKAGE).as_posix()}" for path in ours}
    archive = f"rashin/native/archives/{of_this_machine().name}.zip"
    assert expected | {archive} == {name for name in wheel.namelist() if name.startswith("rashin/")}
    assert {"rashin/py.typed", *(f"rashin/report/page/page.{end}" for end in ("css", "js", "html.jinja"))} <= expected


def test_the_wheel_computes_without_a_compiler_and_without_a_cache(built, tmp_path):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    code = """
        import sys
        sys.modules["numba"] = None
        import numpy as np, rashin
        z, labels = np.array([[20.0, 0.0], [1.0, 3.0]], np.float32), np.array([0, 1])
        for loss in (rashin.softmax_cross_entropy, rashin.focal):
            loss.value_and_gradient(z, labels), loss.hessian(z, np.eye(2)[labels])
        print(float(rashin.softmax_cross_entropy(z[:1], labels[:1])), rashin.huber(z, 0 * z, delta=2.0))
        print(rashin.measure("half_squared_error", z[:, 0], z[:, 1]).mean, rashin.__file__.startswith(sys.argv[1]))
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "RASHIN_CACHE_DIR": str(tmp_path / "none")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "2.061153620314381e-09 10.625\n101.0 True\n", done.stdout + done.stderr
    assert not (tmp_path / "none").exists()


def test_the_source_distribution_holds_what_the_front_page_names(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    front_page = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = {link for link in re.findall(r"\]\(([^)]+)\)", front_page) if "://" not in link}
    assert linked
    assert linked <= names
    assert {"pyproject.toml", "CHANGELOG.md", "tests/test_distribution.py", "hatch_build.py"} <= names


def test_the_page_of_an_index_has_no_relative_link(metadata):
    page = metadata.get_payload(decode=True).decode("utf-8")
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert not [link for link in re.findall(r"\]\(([^)]+)\)", page) if "://" not in link]
    assert "The guide (`docs/guide.md`)" in page
    assert metadata["Summary"] in page  # the tagline is one sentence everywhere


def test_twine_accepts_both(built):
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_tagline_is_one_sentence_everywhere(metadata):
    assert metadata["Summary"] == "Loss functions for NumPy, PyTorch and JAX arrays: exact, at memory speed."
    assert rashin.__doc__ == f"rashin: {metadata['Summary'][0].lower()}{metadata['Summary'][1:]}".replace(": e", " - e")
