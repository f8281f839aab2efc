"""Functions of the kernels' language in compiled loops, and the machine code of a module, as text."""

from __future__ import annotations

import functools
import re

import numpy as np

from rashin.native import compiler
from rashin.native.engine import Machine
from rashin.native.kernel import DOUBLE, Argument, Kernel, caller
from rashin.native.targets import of_this_machine


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
def elementwise(function, numbers=1):
    """A function of arrays that applies a compiled function of ``numbers`` doubles to each of their elements."""
    made = elementwise_kernel(function, numbers)
    machine = Machine(compiler.object_for(compiler.kernel_module(made, DOUBLE), of_this_machine()))
    run = caller(made, DOUBLE, machine)

    def apply(*given):
        arrays = [np.ascontiguousarray(array, np.float64) for array in np.broadcast_arrays(*given)]
        out = np.empty(arrays[0].shape)
        run(*(array.reshape(-1) for array in arrays), out.reshape(-1))
        return out

    return apply


def text_of(module, target=None):
    """The optimised LLVM code of a module for a target, and its assembly."""
    machine = compiler.optimized(module, target or of_this_machine())
    return str(module), machine.emit_assembly(module)


def called_functions(assembly):
    """What x86 machine code calls outside of itself."""
    found = re.findall(r"(?:\bcallq?\s+|\bmovabsq?\s+\$|\bjmpq?\s+)([A-Za-z_][\w.@]*)", assembly)
    return {name.split("@")[0] for name in found if not re.match(r"_*ZN|\.L|rashin_entry|_GLOBAL_OFFSET_TABLE_", name)}
