"""Files are whole or not there, whoever is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rashin.storage import written_beside


def test_what_a_killed_process_left_of_a_file_goes_at_the_next_write(tmp_path):
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead, alive = int(done.stdout), os.getpid()
    names = [f"note.txt.{dead}-1.part", f"note.txt.{alive}-1.part", f"other.txt.{dead}-1.part", "note.txt.part"]
    for name in names:
        (tmp_path / name).write_text("cut short")
    with written_beside(tmp_path / "note.txt") as part:
        part.write_text("whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["note.txt", *names[1:]])
    assert (tmp_path / "note.txt").read_text() == "whole"


def test_an_error_leaves_the_earlier_file_and_nothing_beside_it(tmp_path):
    (tmp_path / "note.txt").write_text("earlier")

    def fail():
        with written_beside(tmp_path / "note.txt") as part:
            part.write_text("half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ["note.txt"]
    assert (tmp_path / "note.txt").read_text() == "earlier"
