"""Finding the object of a piece of code: in the package, among those made before, or by compiling it now.

A built package brings an archive of objects for each target. Where there is none, as in an editable installation, and
for formulas of the user's own, code is compiled at its first use, and its object kept in a folder of the user: under
the name and the fingerprint of its sources, with a digest. What lies there is machine code that will be run, so whoever
can write to it can run code; nothing in it is unpickled. Every error with files counts as a missing file.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import threading
import uuid
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rashin.native.described import SHARED, described
from rashin.native.engine import Machine
from rashin.native.targets import TARGETS, Target, of_this_machine
from rashin.waiting import explained

__all__ = ["ARCHIVES", "FINGERPRINT", "Code", "compiling", "fingerprint", "folder", "loaded", "object_of"]

ARCHIVES = Path(__file__).parent / "archives"  # of a built package: one for each target
_PACKAGE = Path(__file__).parent.parent
FINGERPRINT = "fingerprint"  # the name in an archive of the digest of all its sources
_DIGEST = 32  # bytes at the start of a kept file

compiling = threading.RLock()  # held by the thread that loads or compiles


def _stop_compiling() -> None:
    """Wait until no other thread compiles: a child would inherit its locks, and wait for them for ever."""
    compiling.acquire()
    lock = _lock_of_numba()
    if lock is not None:
        lock.acquire()


def _go_on_compiling() -> None:
    lock = _lock_of_numba()
    if lock is not None:
        lock.release()
    compiling.release()


def _lock_of_numba() -> Any:
    module = sys.modules.get("numba.core.compiler_lock")
    return getattr(module, "global_compiler_lock", None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_stop_compiling, after_in_parent=_go_on_compiling, after_in_child=_go_on_compiling)


@dataclass(frozen=True)
class Code:
    """Something to compile: its name, how to make its LLVM module, and the function that it is made of."""

    name: str
    module: Callable[[], Any]
    function: Callable[..., Any]

    @property
    def ours(self) -> bool:
        """Whether a built package has it."""
        return self.function.__module__.startswith("rashin.")

    @functools.cached_property
    def sources(self) -> str | None:
        """A digest of all that the function refers to, or None if that may change without notice."""
        return described(self.function)


def loaded(code: Code) -> Machine:
    """The machine code."""
    with compiling:
        return Machine(object_of(code, of_this_machine()))


def object_of(code: Code, target: Target) -> bytes:
    """The object of the code for a target."""
    return _from_archive(code, target) or _from_folder(code, target) or _compiled(code, target)


# -------------------------------------------------------------------------------------------- the package's


def _from_archive(code: Code, target: Target) -> bytes | None:
    if not code.ours:
        return None
    archive = archive_of(target.name)
    if archive is None:
        return None
    try:
        return archive.read(code.name)
    except Exception as error:  # damaged or incomplete
        _warn_once(f"{archive.filename}: the compiled code of {code.name} cannot be read ({error})")
        return None


@functools.cache
def archive_of(name: str) -> zipfile.ZipFile | None:
    """The objects of a built package for a target; None where there are none."""
    if not ARCHIVES.is_dir():
        return None
    if name not in {target.name for target in TARGETS}:
        _warn_once(f"this package has no compiled code for {name}")
        return None
    try:
        return zipfile.ZipFile(ARCHIVES / f"{name}.zip")
    except Exception as error:
        _warn_once(f"{ARCHIVES / name}.zip cannot be read ({error})")
        return None


_warned = False


def _warn_once(problem: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"rashin: {problem}; fix: install the package again; until then code is compiled at its first use",
            RuntimeWarning,
            stacklevel=2,
        )


# ----------------------------------------------------------------------------------------- made before, made now


@functools.cache
def _of_all() -> str:
    """A digest of what all code is made with: the arithmetic, the compiler, and Python, whose bytecode it reads."""
    files = sorted(file for package in SHARED for file in (_PACKAGE / package).glob("*.py"))
    content = b"".join(file.read_bytes() for file in [*files, _PACKAGE / "kernels" / "formula.py"])
    return hashlib.sha256(content + sys.version.encode()).hexdigest()


def fingerprint(code: Code) -> str:
    """A digest of the sources of some code."""
    return hashlib.sha256(f"{code.name} {code.sources} {_of_all()}".encode()).hexdigest()


def folder() -> Path:
    """Where objects are kept: ``RASHIN_CACHE_DIR``, or a folder of the user's caches."""
    if given := os.environ.get("RASHIN_CACHE_DIR"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "rashin" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/rashin"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rashin"


def _place(code: Code, target: Target) -> tuple[Path, bytes] | None:
    """The file of an object, which changed sources overwrite, and the digest of what it is made of."""
    if code.sources is None:
        return None
    made_of = (target.name, target.cpu, target.tuning, fingerprint(code))
    key = hashlib.sha256(" ".join(made_of).encode()).digest()
    mark = hashlib.sha256(f"{code.name} {target.name}".encode()).hexdigest()[:8]
    return folder() / "objects" / f"{code.name}-{mark}.o", key


def _from_folder(code: Code, target: Target) -> bytes | None:
    with suppress(Exception):
        place = _place(code, target)
        if place is not None:
            path, key = place
            content = path.read_bytes()
            digest, rest = content[:_DIGEST], content[_DIGEST:]
            if hashlib.sha256(key + rest).digest() == digest:
                return rest
    return None


def _compiled(code: Code, target: Target) -> bytes:
    from rashin.native import compiler

    with explained():
        module = code.module()
        content = compiler.object_for(module, target)
    with suppress(Exception):  # such as a user without a home, or a full disk
        # Numba's own functions are there only where it is imported: a process that loads such an object would end.
        of_numba = any(name.startswith(("numba_", "NRT_", "Py", "_Py")) for name in compiler.called(module))
        place = None if of_numba else _place(code, target)
        if place is not None:
            path, key = place
            _write(path, hashlib.sha256(key + content).digest() + content)
    return content


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:16]}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
