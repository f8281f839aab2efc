"""Compile everything there is to compile, into an archive of objects for each target or into the user's folder.

python -m rashin.archives                     # into the user's folder, for this machine
python -m rashin.archives FOLDER [TARGET ...] # archives for the targets, by default for this machine
"""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib
import pkgutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import rashin
from rashin import kernels
from rashin.kernels import formula
from rashin.native.kernel import KERNELS
from rashin.native.objects import FINGERPRINT, Code, fingerprint, object_of
from rashin.native.targets import TARGETS, Target, of_this_machine

__all__ = ["build", "codes", "loops_of", "sources_fingerprint", "write"]


def codes() -> list[Code]:
    """Every kernel, and the loops of every loss of the package."""
    importlib.import_module("rashin.arithmetic.arrays")
    for module in pkgutil.iter_modules(kernels.__path__, "rashin.kernels."):
        importlib.import_module(module.name)
    found = [code for kernel in KERNELS.values() for code in kernel.codes()]
    losses: list[rashin.Loss | rashin.GroupLoss] = [*rashin.list_losses(), *rashin.list_group_losses()]
    for loss in losses:
        if loss.formula.__module__.startswith("rashin.losses."):
            found += [made.code() for made in loops_of(loss)]
    return found


def loops_of(loss: rashin.Loss | rashin.GroupLoss) -> Iterator[formula.LoopCode]:
    """The loops that a loss may need."""
    own = (name for name in loss.parameters if name not in loss.options)
    return formula.loops_of(loss.rule, tuple(name in loss.optional for name in own))


def _objects(share: tuple[int, int, tuple[str, ...]]) -> list[tuple[str, str, bytes]]:
    """Target, name and content of every n-th piece of code, from a process of its own."""
    first, step, names = share
    gc.set_threshold(100_000)  # a translation makes many objects that stay: looking for others took a tenth of the time
    mine = [replace(code, module=_translated_once(code.module)) for code in codes()[first::step]]
    return [(target.name, code.name, object_of(code, target)) for code in mine for target in _targets(names)]


def _translated_once(make: Callable[[], Any]) -> Callable[[], Any]:
    """The same module for each target, of which each optimises a copy: most of the time goes into the translation."""
    module = functools.cache(make)
    return lambda: module().clone()


def _targets(names: tuple[str, ...]) -> list[Target]:
    known = {target.name: target for target in (*TARGETS, of_this_machine())}
    for name in names:
        if name not in known and name != "all":
            raise SystemExit(f"target: got {name}; expected all, or some of {', '.join(known)}")
    return list(TARGETS) if "all" in names else [known[name] for name in names] or [of_this_machine()]


def build(folder: Path | None, names: tuple[str, ...] = (), processes: int = 2) -> list[Path]:
    """Compile for the named targets, in processes side by side, and write the archives if a folder is given."""
    targets = _targets(names)
    shares = [(first, processes, tuple(target.name for target in targets)) for first in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        objects = sorted(piece for found in pool.map(_objects, shares) for piece in found)
    if folder is None:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write(folder / f"{target.name}.zip", {name: content for of, name, content in objects if of == target.name})
        for target in targets
    ]


def sources_fingerprint() -> bytes:
    """A digest of all sources that are compiled."""
    return hashlib.sha256(" ".join(fingerprint(code) for code in codes()).encode()).hexdigest().encode()


def write(path: Path, objects: dict[str, bytes]) -> Path:
    """Write the archive of one target: its objects by name, and the fingerprint of the sources."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {FINGERPRINT: sources_fingerprint(), **objects}.items():
            entry = zipfile.ZipInfo(name)  # of no date: the same sources make the same archive
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


if __name__ == "__main__":
    for made in build(Path(sys.argv[1]) if sys.argv[1:] else None, tuple(sys.argv[2:])):
        print(made, made.stat().st_size)  # noqa: T201
