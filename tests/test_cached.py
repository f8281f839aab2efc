"""Compiled functions on disk: used again, made anew when a source changes or a file is damaged, and not needed."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numba as nb
import numpy as np
import pytest

from rashin import cached

CALL = "import rashin; print(rashin.huber([3.0], [0.0], weight=[2.0]))"


def double(x):
    return 2.0 * x


def half(x):
    return 0.5 * x


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders, in the order in which they are asked."""
    found = [tmp_path / "first", tmp_path / "second"]
    monkeypatch.setattr(cached, "_folders", lambda function: found)
    return found


def called(function, argument=3.0):
    """The answer of a fresh process's dispatcher, and whether it was read from disk."""
    dispatcher = cached.cached_njit(function)
    return dispatcher(argument), bool(sum(dispatcher.stats.cache_hits.values()))


def only_file(folder):
    (file,) = folder.iterdir()
    return file


def test_what_was_compiled_is_read_again_for_each_signature(folders):
    assert called(double) == (6.0, False)
    assert called(double) == (6.0, True)
    assert called(double, np.float32(3.0)) == (6.0, False)
    assert len(list(folders[0].iterdir())) == 2
    assert not folders[1].exists()


def test_a_changed_source_is_compiled_anew_in_the_place_of_the_old(folders, monkeypatch):
    called(double)
    monkeypatch.setattr(cached, "_fingerprint", lambda: "another")
    assert called(double) == (6.0, False)
    assert called(double) == (6.0, True)
    only_file(folders[0])


def flipped(content):
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: c[: len(c) // 2], flipped, lambda c: pickle.dumps(None)],
    ids=["empty", "half", "one bit", "another pickle"],
)
def test_a_damaged_file_is_compiled_and_written_anew(folders, damage):
    called(double)
    file = only_file(folders[0])
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert called(double) == (6.0, False)
    assert called(double) == (6.0, True)
    only_file(folders[0])


def test_files_that_were_swapped_never_run_for_each_other(folders):
    called(double)
    first = only_file(folders[0])
    called(half)
    (second,) = set(folders[0].iterdir()) - {first}
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    assert called(double) == (6.0, False)
    assert called(half) == (1.5, False)
    assert called(double) == (6.0, True)


def test_a_folder_in_the_place_of_the_file_and_a_file_in_that_of_the_folder(folders):
    called(double)
    file = only_file(folders[0])
    file.unlink()
    file.mkdir()
    assert called(double) == (6.0, False)
    assert called(double) == (6.0, True)  # from the second folder
    file.rmdir()
    folders[0].rmdir()
    folders[0].write_text("")
    assert called(half) == (1.5, False)
    assert called(half) == (1.5, True)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_a_disk_that_takes_nothing_costs_nothing_and_is_still_read(folders, monkeypatch, error):
    called(double)

    def refuse(self, content):
        raise error

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", refuse)
        assert called(double) == (6.0, True)
        assert called(half) == (1.5, False)
    assert len(list(folders[0].iterdir())) == 1  # nothing unfinished
    assert called(half) == (1.5, False)


def test_what_cannot_be_pickled_or_has_no_folder_is_compiled(folders, monkeypatch):
    def refuse(thing):
        raise pickle.PicklingError("cannot")

    with monkeypatch.context() as unpicklable:
        unpicklable.setattr(cached, "dumps", refuse)
        assert called(double) == (6.0, False)
    assert not folders[0].exists()
    monkeypatch.setattr(cached, "_folders", lambda function: Path.home() / None)
    assert called(double) == (6.0, False)


def test_universal_functions_are_kept_too(folders):
    for _ in range(2):
        assert cached.cached_vectorize(double)(np.array([3.0])) == [6.0]
        file = only_file(folders[0])
        made = file.stat().st_mtime_ns
    assert file.stat().st_mtime_ns == made
    file.write_bytes(b"")
    assert cached.cached_vectorize(double)(np.array([3.0])) == [6.0]
    assert file.stat().st_size > 100


def test_the_folder_is_that_of_numba(monkeypatch, tmp_path):
    monkeypatch.setattr(nb.config, "CACHE_DIR", str(tmp_path))
    first, second, _ = cached._folders(double)
    assert first.parent == tmp_path
    assert second == Path(__file__).parent / "__pycache__"


def test_another_process_reads_the_sweeps_it_finds(tmp_path):
    count = "\nfrom rashin.kernels.pointwise import sweep; import numpy as np\n"
    count += "print(sum(sweep(np.dtype(np.float64)).stats.cache_hits.values()))"
    for hits in "01":
        done = subprocess.run(
            [sys.executable, "-c", CALL + count],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.split() == ["2.5", hits], done.stderr
