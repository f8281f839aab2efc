"""Files are whole or not there, whoever is killed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from rashin.storage import locked, written_beside


def test_only_what_is_old_and_of_the_same_file_goes_at_the_next_write(tmp_path):
    old, young = f"note.txt.{'0' * 16}.part", f"note.txt.{'1' * 16}.part"
    strangers = [f"other.txt.{'0' * 16}.part", "note.txt.part", "note.txt.1-1.part", f"note.txt.{'0' * 16}.part.txt"]
    for name in (old, young, *strangers):
        (tmp_path / name).write_text("cut short")
        os.utime(tmp_path / name, (0, 0) if name != young else None)
    with written_beside(tmp_path / "note.txt") as part:
        part.write_text("whole")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["note.txt", young, *strangers])
    assert (tmp_path / "note.txt").read_text() == "whole"


def test_writers_that_think_they_are_the_same_process_do_not_meet(tmp_path, monkeypatch):
    """In two containers both may be process 1 of thread 1."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with written_beside(tmp_path / "note.txt") as first:
        first.write_text("first")
        with written_beside(tmp_path / "note.txt") as second:
            second.write_text("second")
        assert (tmp_path / "note.txt").read_text() == "second"
    assert (tmp_path / "note.txt").read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["note.txt"]


def test_a_file_is_on_the_disk_before_its_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    seen, fsync = [], os.fsync

    def told(descriptor):
        seen.append((os.fstat(descriptor).st_ino, (tmp_path / "note.txt").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", told)
    with written_beside(tmp_path / "note.txt") as part:
        part.write_text("whole")
    assert seen == [((tmp_path / "note.txt").stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_full_disk_that_only_flushing_tells_leaves_the_earlier_file(tmp_path, monkeypatch):
    (tmp_path / "note.txt").write_text("earlier")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"), written_beside(tmp_path / "note.txt") as part:
        part.write_text("half")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("note.txt", "earlier")]


def test_a_lock_is_one_writers_until_its_end_also_by_a_kill(tmp_path):
    file = tmp_path / "lock"
    with locked(file):
        with pytest.raises(BlockingIOError), locked(file):
            pass
        assert file.exists()
    assert not file.exists()
    held = f"import os, pathlib; from rashin.storage import _lock; _lock(pathlib.Path({str(file)!r})); os._exit(9)"
    subprocess.run([sys.executable, "-c", held], check=False)
    assert file.exists()
    with locked(file):
        pass
    assert not file.exists()


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
