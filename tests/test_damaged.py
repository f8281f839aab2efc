"""Damaged files are named in an error; none of them ends the process."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import pytest

import rashin

# Mutants of an Arrow file with a column of text and one of lists: each is measured, or told by its name. Offsets that
# point outside a buffer have ended the process, so that all of it runs in another one.
MUTANTS = """
import sys
from pathlib import Path
import numpy as np, pyarrow as pa, pyarrow.feather
import rashin

file, rng = Path(sys.argv[1]), np.random.default_rng(0)
names = ["north", "south", "a longer name", None] * 16
table = pa.table({"p": [[0.25, 0.75]] * 64, "t": [0, 1] * 32, "site": names})
pa.feather.write_feather(table, file, compression="uncompressed")
whole = np.frombuffer(file.read_bytes(), np.uint8)
told = 0
for _ in range(120):
    mutant = whole.copy()
    mutant[rng.integers(whole.size)] = rng.integers(256)
    file.write_bytes(mutant.tobytes())
    for on_error in ("raise", "skip"):
        try:
            rashin.measure_table("categorical_cross_entropy", str(file), prediction="p", target="t", group="site",
                                 on_error=on_error)
        except ValueError as error:
            assert file.name in str(error), error
            told += 1
print("told", told)
"""


def test_no_mutant_of_an_arrow_file_ends_the_process(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", MUTANTS, str(tmp_path / "a.arrow")], capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout.split()[-1]) > 5


def test_an_archive_with_a_member_twice_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", p=np.array([0.25, 0.5]), t=np.array([0.0, 1.0]))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        member = archive.read("p.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("p.npy", member)
    with pytest.raises(ValueError, match=r"a\.npz.*'p'"):
        rashin.measure_table("binary_cross_entropy", tmp_path / "a.npz", prediction="p", target="t")
