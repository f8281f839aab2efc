"""Compiled functions on disk: used again, made anew when a source changes, and not needed at all."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

CALL = "import rashin; print(rashin.huber([3.0], [0.0], weight=[2.0]), rashin.negative_log_likelihood([[-1.0]], [0]))"


def run(code, folder):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_machine_without_a_writable_folder_compiles_in_each_process(tmp_path):
    nowhere = """
        import numba.core.caching as caching
        caching.CacheImpl._locator_classes = []
        from numba.np.ufunc import ufuncbuilder
        """
    assert run(textwrap.dedent(nowhere) + CALL, tmp_path / "unused") == "2.5 1.0"
    assert not (tmp_path / "unused").exists()


def test_sweeps_are_kept_and_read_again(tmp_path):
    count = "\nfrom rashin.kernels.pointwise import sweep; import numpy as np\n"
    count += "stats = sweep(np.dtype(np.float64)).stats; print(sum(stats.cache_hits.values()))"
    assert run(CALL + count, tmp_path).split() == ["2.5", "1.0", "0"]
    assert run(CALL + count, tmp_path).split() == ["2.5", "1.0", "1"]


def test_a_changed_source_is_compiled_anew(tmp_path):
    changed = "import rashin.kept; rashin.kept._fingerprint = lambda: 'another'\n"
    count = "\nfrom rashin.kernels.pointwise import sweep; import numpy as np\n"
    count += "print(sum(sweep(np.dtype(np.float64)).stats.cache_hits.values()))"
    run(CALL, tmp_path)
    assert run(changed + CALL + count, tmp_path).split()[-1] == "0"
