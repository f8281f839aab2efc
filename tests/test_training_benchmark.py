"""The training benchmark runs through its command."""

from __future__ import annotations

import gzip
import importlib
import os
from pathlib import Path
from unittest import mock

import numpy as np
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]


def idx(array):
    """The array as an IDX file."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return gzip.compress(head + array.tobytes())


def test_every_contestant_trains_and_is_in_the_table(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(rng.integers(0, 256, (300, 28, 28), np.uint8)))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(rng.integers(0, 10, 300, np.uint8)))
    monkeypatch.syspath_prepend(ROOT)
    app = importlib.import_module("benchmarks.training").app
    with mock.patch.dict(os.environ):  # it sets the threads of all peers there
        options = ["--data", str(tmp_path), "--seconds", "0", "--accurate", "--peers", "numpy,sklearn"]
        done = CliRunner().invoke(app, options)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    for title in ("rashin", "NumPy, written out", "scikit-learn"):
        assert title in done.stdout
    assert "7 rounds" in done.stdout
    assert "PyTorch" not in done.stdout
