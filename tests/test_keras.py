"""Losses in Keras 3. Its backend is chosen once, when it is imported: each has a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MISSING = [name for name in ("keras", "torch", "jax") if importlib.util.find_spec(name) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed")


def run(backend, folder, *arguments):
    """pytest passes on that backend."""
    settings = ["-p", "no:cacheprovider", "-o", "addopts=--doctest-modules --doctest-glob=*.md"]
    settings += ["-W", "ignore:__array__ implementation:DeprecationWarning"]  # Keras reads tensors so
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "KERAS_HOME": str(folder),  # Keras writes its settings there
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiles faster
        "SAVED_MODEL": str(folder / "model.keras"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *settings, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


EXAMPLES = "docs/keras.md", "src/rashin/adapters/keras.py"


def test_losses_on_the_jax_backend(tmp_path):
    run("jax", tmp_path, "tests/within_keras.py", *EXAMPLES)


def test_losses_on_the_torch_backend_and_a_saved_model_without_it(tmp_path):
    run("torch", tmp_path, "tests/within_keras.py", *EXAMPLES)
    run("numpy", tmp_path, "tests/within_keras.py", "-k", "evaluated")
