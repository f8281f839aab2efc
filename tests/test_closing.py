"""Files are closed whatever happens, and no thread of a reader lives on to abort the process at its end."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import rashin
from rashin.cli import main
from table_files import write

ENDINGS = [".csv", ".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zst", ".csv.lz4"]
OTHERS = [".parquet", ".feather", ".arrows", ".npz", ".compressed.npz"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    return {"p_0": rng.uniform(0.1, 0.9, 4000), "target": rng.integers(0, 2, 4000), "site": rng.integers(0, 5, 4000)}


ABANDONED = """
    import sys
    from contextlib import ExitStack
    import fsspec
    import rashin
    from rashin.tables import delimited
    from rashin.tables.opening import open_table
    from rashin.tables.sources import find_files

    delimited._BLOCK_BYTES, delimited._READ_BYTES = 1 << 12, 1 << 8
    kept = []
    for path in sys.argv[1:]:
        with open(path, "rb") as file, fsspec.open("memory://" + path, "wb") as copy:
            copy.write(file.read())
        for address in (path, "memory://" + path):
            for left in (False, True):
                stack = ExitStack()
                table = open_table(find_files(address)[0], stack)
                part = table.parts(table.names)[0]
                chunks = [table.chunks(table.names, part, 10) for _ in range(3)]
                assert next(chunks[1]).rows and next(chunks[2]).rows
                if left:
                    stack.close()
                kept += [stack, table, chunks]
    print(len(kept))
"""


def test_readers_that_are_left_open_do_not_abort_the_process(rows, tmp_path):
    files = [str(write(tmp_path / f"a{ending}", rows)) for ending in (*ENDINGS, *OTHERS)]
    code = textwrap.dedent(ABANDONED)
    done = subprocess.run(
        [sys.executable, "-c", code, *files], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(files) * 12}\n", "")


@pytest.mark.parametrize("ending", ENDINGS[1:])
@pytest.mark.parametrize("cut", [0.0, 0.7])
def test_text_that_is_cut_off_counts_up_to_its_last_line(ending, cut, rows, tmp_path, monkeypatch, capsys):
    for name, size in (("_BLOCK_BYTES", 1 << 12), ("_READ_BYTES", 1 << 8)):
        monkeypatch.setattr(f"rashin.tables.delimited.{name}", size)
    file = write(tmp_path / f"a{ending}", rows)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * cut)])
    for options in ([], ["--prediction", "p_0", "--loss", "squared_error"]):
        monkeypatch.setattr(sys, "argv", ["rashin", "measure", str(file), *options])
        assert main() == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert told.startswith((f"rashin: {file}: got", f"rashin: {file}, from row ", f"rashin: {file}, header: got"))
    found = rashin.measure_table("squared_error", file, prediction="p_0", target="target", on_error="skip")
    p, t = (rows[name][: found.count] for name in ("p_0", "target"))
    assert found.skipped == {f"{file} is broken": 1}
    assert (found.count > 100) == (cut > 0 and ending in (".csv.gz", ".csv.xz"))  # others: in large blocks
    assert found.count == 0 or found.mean == rashin.measure("squared_error", p, t).mean
