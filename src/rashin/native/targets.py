"""The processors that kernels are compiled for, and which of them this one is."""

from __future__ import annotations

import functools
import platform
import sys
from dataclasses import dataclass

__all__ = ["TARGETS", "Target", "of_this_machine"]


@dataclass(frozen=True)
class Target:
    """A kind of processor under an operating system.

    Parameters
    ----------
    name : also the name of the archive of its objects.
    triple, cpu, tuning : what LLVM calls them.
    system, machine : as the module ``platform`` reports them.
    needs : the features that a processor must have, as LLVM names them.
    """

    name: str
    triple: str
    cpu: str
    system: str
    machine: tuple[str, ...]
    needs: frozenset[str] = frozenset()
    tuning: str = ""


_X86, _ARM = ("x86_64", "amd64"), ("aarch64", "arm64")
_V3 = frozenset({"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"})
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}

# The first that fits is taken. LLVM prefers vectors of 256 bits for x86-64-v4 unless it is told otherwise.
TARGETS = (
    Target("linux-x86-64-v4", "x86_64-unknown-linux-gnu", "x86-64-v4", "Linux", _X86, _V4, "-prefer-256-bit"),
    Target("linux-x86-64-v3", "x86_64-unknown-linux-gnu", "x86-64-v3", "Linux", _X86, _V3),
    Target("linux-aarch64", "aarch64-unknown-linux-gnu", "neoverse-n1", "Linux", _ARM),
    Target("macos-arm64", "arm64-apple-macosx11.0", "apple-m1", "Darwin", _ARM),
    Target("windows-x86-64-v3", "x86_64-pc-windows-msvc", "x86-64-v3", "Windows", _X86, _V3),
)


@functools.cache
def of_this_machine() -> Target:
    """The best target for this processor, or one made of what LLVM says of it if none fits."""
    import llvmlite.binding as llvm

    features = {name for name, has in llvm.get_host_cpu_features().items() if has}
    system, machine = platform.system(), platform.machine().lower()
    for target in TARGETS:
        if system == target.system and machine in target.machine and target.needs <= features:
            return target
    name = f"{sys.platform}-{machine}-{llvm.get_host_cpu_name()}"
    return Target(
        name, llvm.get_process_triple(), llvm.get_host_cpu_name(), system, (machine,), frozenset(features),
        llvm.get_host_cpu_features().flatten(),
    )  # fmt: skip
