"""Compiled code: from the archives of a built package, kept on disk, or made anew when a source changes."""

from __future__ import annotations

import ctypes
import math
import os
import re
import subprocess
import sys
import textwrap
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import rashin
from rashin import archives
from rashin.kernels import formula
from rashin.native import compiler, objects
from rashin.native.engine import Machine
from rashin.native.kernel import DOUBLE
from rashin.native.targets import TARGETS, of_this_machine

CALL = "import rashin; print(rashin.huber([3.0], [0.0], weight=[2.0]))"


def twice(xp, z, t):
    return 2.0 * z * t, 2.0 * t, 0.0


def half(xp, z, t):
    return 0.5 * z * t, 0.5 * t, 0.0


def code_of(function, order=0):
    return formula.LoopCode(function, (), order, DOUBLE, formula.Takes.TARGET).code()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where objects are kept; nothing is there yet."""
    monkeypatch.setenv("RASHIN_CACHE_DIR", str(tmp_path))
    return tmp_path / "objects"


@pytest.fixture
def compiled(monkeypatch):
    """The targets for which something has been compiled."""
    made = []

    def watched(module, target, compile=compiler.object_for):
        made.append(target.name)
        return compile(module, target)

    monkeypatch.setattr(compiler, "object_for", watched)
    return made


@pytest.fixture
def loaded(compiled):
    """Load code: the value at z = 3, t = 1, and whether it was compiled for that."""

    def load(function, order=0):
        compiled.clear()
        loop = Machine(objects.object_of(code_of(function, order), of_this_machine()))
        return _value(loop.address), bool(compiled)

    return load


def _value(address):
    arrays = [np.array([3.0]), np.array([1.0]), *(np.ones(1) for _ in range(5))]
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 7, ctypes.c_int64)(address)
    call(*(array.ctypes.data for array in arrays), 1)
    return float(arrays[4][0])


def only_file(folder):
    (file,) = folder.iterdir()
    return file


def test_what_was_compiled_is_read_again_for_each_order(folder, loaded):
    assert loaded(twice) == (6.0, True)
    assert loaded(twice) == (6.0, False)
    assert loaded(twice, 1) == (6.0, True)
    assert len(list(folder.iterdir())) == 2


def test_a_changed_source_is_compiled_anew_in_the_place_of_the_old(folder, loaded, monkeypatch):
    loaded(twice)
    monkeypatch.setattr(objects, "_of_all", lambda: "another")
    assert loaded(twice) == (6.0, True)
    assert loaded(twice) == (6.0, False)
    only_file(folder)


@pytest.mark.parametrize(
    "damage",
    [lambda c: b"", lambda c: c[: len(c) // 2], lambda c: c[:-100] + bytes([c[-100] ^ 1]) + c[-99:]],
    ids=["empty", "half", "one bit"],
)
def test_a_damaged_file_is_compiled_and_written_anew(folder, loaded, damage):
    loaded(twice)
    file = only_file(folder)
    file.write_bytes(damage(file.read_bytes()))
    assert loaded(twice) == (6.0, True)
    assert loaded(twice) == (6.0, False)
    only_file(folder)


def test_files_that_were_swapped_never_run_for_each_other(folder, loaded):
    loaded(twice)
    first = only_file(folder)
    loaded(half)
    (second,) = set(folder.iterdir()) - {first}
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    assert loaded(twice) == (6.0, True)
    assert loaded(half) == (1.5, True)
    assert loaded(twice) == (6.0, False)


def test_a_folder_in_the_place_of_the_file_and_a_file_in_that_of_the_folder(folder, loaded):
    loaded(twice)
    file = only_file(folder)
    file.unlink()
    file.mkdir()
    assert loaded(twice) == (6.0, True)
    file.rmdir()
    folder.rmdir()
    folder.write_text("")
    assert loaded(half) == (1.5, True)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_a_disk_that_takes_nothing_costs_nothing_and_is_still_read(folder, loaded, monkeypatch, error):
    loaded(twice)

    def refuse(self, content):
        raise error

    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", refuse)
        assert loaded(twice) == (6.0, False)
        assert loaded(half) == (1.5, True)
    only_file(folder)  # nothing unfinished


def test_a_user_without_a_home_compiles(loaded, monkeypatch):
    monkeypatch.setattr(objects, "folder", lambda: Path.home() / None)
    assert loaded(twice) == (6.0, True)


def test_the_folder_is_the_systems_for_caches(monkeypatch):
    monkeypatch.delenv("RASHIN_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setattr(sys, "platform", "linux")
    assert objects.folder() == Path("/somewhere/rashin")


def test_another_process_needs_no_compiler(tmp_path):
    count = "\nimport sys; print('numba' in sys.modules)"
    for compiles in ("True", "False"):
        done = subprocess.run(
            [sys.executable, "-c", CALL + count],
            env={**os.environ, "RASHIN_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.split() == ["2.5", compiles], done.stderr


def gamma_function(xp, z, t):
    return math.gamma(z + t), 1.0, 0.0


def test_code_that_calls_numba_is_compiled_by_each_process(folder, loaded):
    """Numba's functions are not there where nothing imports it, and what calls them would end the process."""
    assert loaded(gamma_function) == (6.0, True)
    assert loaded(gamma_function) == (6.0, True)
    assert not folder.exists()


# ------------------------------------------------------------------------------------------- built packages


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """The archive of a package that was built for this machine, with one loop."""
    code = formula.LoopCode(rashin.huber.formula, (False,), 0, DOUBLE, formula.Takes.TARGET).code()
    target = of_this_machine()
    path = archives.write(tmp_path / f"{target.name}.zip", {code.name: objects.object_of(code, target)})
    monkeypatch.setattr(objects, "ARCHIVES", tmp_path)
    monkeypatch.setenv("RASHIN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(objects, "_warned", False)
    objects.archive_of.cache_clear()
    yield code, path
    objects.archive_of.cache_clear()


def test_an_object_of_the_package_is_taken_from_its_archive(archive, compiled):
    code, _ = archive
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert objects.object_of(code, of_this_machine())
    assert not compiled


@pytest.mark.parametrize("damage", ["no archive", "no zip", "one bit", "incomplete"])
def test_a_damaged_archive_is_warned_of_once_and_code_is_compiled(archive, compiled, damage):
    code, path = archive
    content = path.read_bytes()
    if damage == "no archive":
        path.unlink()
    elif damage == "incomplete":
        archives.write(path, {"another": b"object"})
    else:
        path.write_bytes(b"PK" if damage == "no zip" else content[:600] + bytes([content[600] ^ 1]) + content[601:])
    with pytest.warns(RuntimeWarning, match="install the package again") as seen:
        found = [objects.object_of(code, of_this_machine()) for _ in range(2)]
    assert found[0] == found[1]
    assert len(seen) == 1
    assert compiled == [of_this_machine().name]  # the second time it was kept


def test_an_archive_has_every_kernel_and_every_loop():
    names = [code.name for code in archives.codes()]
    assert len(names) == len(set(names)) > 140
    for loss in rashin.list_losses():
        if loss.formula.__module__.startswith("rashin.losses.") and list(archives.loops_of(loss)):
            assert any(f".{loss.name}-" in name for name in names)


def test_what_a_package_brings_is_kept_by_its_own_sources():
    """An edit of one formula or kernel compiles nothing else."""
    codes = archives.codes()
    assert all(code.ours and code.sources for code in codes)
    assert len({objects.fingerprint(code) for code in codes}) == len(codes)
    assert len({code.sources for code in codes}) == len({code.function for code in codes})


def test_the_archive_says_of_which_sources_it_was_made(archive):
    with zipfile.ZipFile(archive[1]) as opened:
        assert opened.read(objects.FINGERPRINT) == archives.sources_fingerprint()


PACKED = {
    "v4": r"\bv(?:add|mul|sub)pd\b[^\n]*zmm",
    "v3": r"\bv(?:add|mul|sub)pd\b[^\n]*ymm",
    "arm": r"\bf(?:add|mul|sub)\b.*2d",
}
FORMATS = {"Linux": b"\x7fELF", "Darwin": b"\xcf\xfa\xed\xfe", "Windows": b"d\x86"}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_objects_of_every_target_are_made_on_this_machine(target):
    """Of each format, and with instructions for several doubles."""
    loss = rashin.sigmoid_cross_entropy
    made = formula.LoopCode(loss.formula, (False,), 1, np.dtype(np.float32), formula.Takes.TARGET)
    module = made.code().module()
    machine = compiler.optimized(module, target)
    assert machine.emit_object(module).startswith(FORMATS[target.system])
    (packed,) = (
        pattern for name, pattern in PACKED.items() if target.name.endswith(name) or name in target.machine[-1]
    )
    assert len(re.findall(packed, machine.emit_assembly(module))) >= 20


# ----------------------------------------------------------------------------------------- without a compiler


def test_without_numba_a_formula_of_the_users_runs_on_arrays(tmp_path):
    code = """
        import sys
        sys.modules["numba"] = None
        import numpy as np, rashin

        @rashin.pointwise()
        def user_cosh(xp, z, t):
            e, f = xp.exp(z - t), xp.exp(t - z)
            return 0.5 * (e + f), 0.5 * (e - f), 0.5 * (e + f)

        z = np.linspace(-2.0, 2.0, 3001).astype(np.float32)
        for weight in (None, np.arange(3001.0)):
            value, gradient = user_cosh.value_and_gradient(z, 0 * z, weight=weight)
            w = np.ones(3001) if weight is None else weight
            np.testing.assert_allclose(value, np.sum(w * np.cosh(z.astype(float))) / w.sum(), rtol=1e-14)
            np.testing.assert_allclose(gradient, w * np.sinh(z.astype(float)) / w.sum(), rtol=2e-7, atol=0)
            np.testing.assert_allclose(
                user_cosh.hessian(z, 0 * z, weight=weight), w * np.cosh(z.astype(float)) / w.sum(), rtol=2e-7
            )
        print("right")
    """
    archives.build(None)  # whatever the built-in kernels need
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stdout == "right\n", done.stderr


def test_a_function_that_numba_compiled_for_the_user_still_runs(folder):
    import numba

    @numba.njit
    def doubled(x):
        return 2.0 * x

    def formula_of_it(xp, z, t):
        return doubled(z) * t, doubled(t), 0.0

    loop = Machine(objects.object_of(code_of(formula_of_it), of_this_machine()))
    assert _value(loop.address) == 6.0
    assert [doubled(4.0), doubled(1.5)] == [8.0, 3.0]
    assert not folder.exists()  # what it calls may change without notice
