"""Functions of the kernels' language in compiled loops, and the machine code of an object, as text."""

from __future__ import annotations

import functools
import platform
import sys

import capstone
import llvmlite.binding
import numpy as np
import pytest

from rashin.native import compiler
from rashin.native.engine import Machine
from rashin.native.kernel import DOUBLE, Argument, Kernel, caller
from rashin.native.objects import Code, object_of
from rashin.native.targets import of_this_machine

SYMBOL = np.dtype([("name", "u4"), ("kind", "u2"), ("section", "u2"), ("value", "u8"), ("size", "u8")])  # of ELF


def elementwise_kernel(function, numbers=1):
    """The kernel that applies a function of ``numbers`` doubles to arrays of them."""

    def unary(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    def binary(x, y, out):
        for i in range(x.size):
            out[i] = function(x[i], y[i])

    names = (*("x", "y")[:numbers], "out")
    arguments = tuple(Argument(name, "f8", 1) for name in names)
    return Kernel((unary, binary)[numbers - 1], arguments, False, (DOUBLE,), None)


@functools.cache
def elementwise_object(function, numbers=1):
    """The object of that kernel, kept for other workers and the next run as those of formulas are."""
    made = elementwise_kernel(function, numbers)
    name = f"elementwise.{function.__module__}.{function.__qualname__}"
    code = Code(name, functools.partial(compiler.kernel_module, made, DOUBLE), made.function)
    return object_of(code, of_this_machine())


@functools.cache
def elementwise(function, numbers=1):
    """A function of arrays that applies a compiled function of ``numbers`` doubles to each of their elements."""
    run = caller(elementwise_kernel(function, numbers), DOUBLE, Machine(elementwise_object(function, numbers)))

    def apply(*given):
        arrays = [np.ascontiguousarray(array, np.float64) for array in np.broadcast_arrays(*given)]
        out = np.empty(arrays[0].shape)
        run(*(array.reshape(-1) for array in arrays), out.reshape(-1))
        return out

    return apply


# ----------------------------------------------------------------------------- objects of Linux on x86-64, read


reads_objects = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="reads the objects of Linux on x86-64"
)
PACKED_LOAD = r"\bv\w+p[sd] [yz]mm\d+, [^\n]*\[r(?!ip|sp)"  # neither of a constant nor of what was spilled
TAKEN_APART = r"\bv(?:p?extr|pinsr|mov(?:hl|lh)|extract|insert[fips]|p?unpck|p?shuf|p?gather)\w*"


def _sections(content):
    whole = llvmlite.binding.ObjectFileRef.from_data(content)
    return {section.name().decode(): section.data() for section in whole.sections() if section.name()}


def assembly_of(content):
    """The instructions of an object: what runs, whether it was compiled now or kept."""
    disassembler = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    text = b"".join(part for name, part in _sections(content).items() if name in (".text", ".ltext"))
    found = list(disassembler.disasm_lite(text, 0))
    assert sum(size for _, size, *_ in found) == len(text) > 0, "an instruction is unknown"
    return "\n".join(f"{name} {operands}" for *_, name, operands in found)


def called_functions(content):
    """The functions outside of an object that it calls: its undefined symbols."""
    sections = _sections(content)
    names = sections[".strtab"]
    symbols = np.frombuffer(sections[".symtab"], SYMBOL)
    found = {names[at:].partition(b"\0")[0].decode() for at in symbols["name"][symbols["section"] == 0] if at}
    return found - {"_GLOBAL_OFFSET_TABLE_"}
