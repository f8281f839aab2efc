"""Machine code that computes several doubles at a time, in every compiled sweep and in the loop of every loss.

A call, a branch or a Python bool in a loop would cost a factor of five to ten and fail no other test.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import platform
import re

import llvmlite.binding
import numpy as np
import pytest

from rashin import kernels
from rashin.kernels import moments
from rashin.kernels.formula import compiled, of_shares
from shipped import LOSSES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="reads x86-64 assembly"),
    pytest.mark.skipif(
        not llvmlite.binding.get_host_cpu_features().get("avx2", False), reason="this processor has no wide vectors"
    ),
]

ARITHMETIC = r"\bv(?:(?:add|sub|mul|div|sqrt|max|min|fn?m(?:add|sub)\d+)pd|(?:xor|and|or)p[sd])\b[^\n]*[yz]mm"
CHECKS = r"\bv(?:cmp\w*p[sd]|p?(?:max|min)\w*)\b[^\n]*[yz]mm"  # of domains; peaks
EXACT_SUM = r"\bvpaddq\b[^\n]*[yz]mm"
DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]


# These compare, count and add to scattered places, or hand blocks to functions of their own, of which below.
WITHOUT_ARITHMETIC = {
    "decisions.first_largest",
    "moments.add_by_cell",
    "moments.add_together",
    "moments.carry",
    "moments.extent",
    "tally.add_by_code",
}


def sweeps():
    """Every function of the kernels that is compiled for an element type and kept on disk, once."""
    found = {}
    for module in pkgutil.iter_modules(kernels.__path__, "rashin.kernels."):
        for name, value in vars(importlib.import_module(module.name)).items():
            made = getattr(value, "__wrapped__", None)
            if getattr(made, "__qualname__", "") == "cached.<locals>.decorate.<locals>.compiled_for":
                found.setdefault(made, f"{module.name.rpartition('.')[2]}.{name}")
    return [pytest.param(made, id=name) for made, name in found.items() if name not in WITHOUT_ARITHMETIC]


def assembly_of(dispatcher):
    """The machine code of the one signature, as text.

    Numba shows that of functions which it compiled itself only. The module of optimized code that it came from is kept
    with it, so no sweep is compiled anew for its text.
    """
    (compiled_function,) = dispatcher.overloads.values()
    library = compiled_function.library
    return library.codegen._tm.emit_assembly(library._get_module_for_linking())


def test_the_sweeps_are_found():
    names = {parameter.id for parameter in sweeps()}
    assert {"pointwise.sweep", "labelwise.sweep_labels", "rowwise.sweep_distributions", "rows.links"} <= names


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("made", sweeps())
def test_a_sweep_computes_several_doubles_at_a_time(made, dtype):
    compiled_sweep = made(dtype)
    assembly = assembly_of(compiled_sweep)
    name = compiled_sweep.py_func.__name__
    assert len(re.findall(ARITHMETIC, assembly)) >= (4 if name == "scale" else 10)  # which only multiplies
    if "limbs" in inspect.signature(compiled_sweep.py_func).parameters:
        assert re.search(CHECKS, assembly)
        assert re.search(EXACT_SUM, assembly)


@pytest.mark.parametrize(
    ("function", "arguments", "packed"),
    [
        (moments._on_four_grids, (np.ones(1024), np.ones(1024), 1.0, 1.0, 1.0, 1.0), ARITHMETIC),
        (moments._largest, (np.ones(1024),), r"\bvp(?:cmpgt|max)\w*q\b[^\n]*[yz]mm"),
    ],
)
def test_a_block_of_a_measurement_is_several_doubles_at_a_time(function, arguments, packed):
    function(*arguments)
    for assembly in function.inspect_asm().values():  # of arrays that may be written, and of others
        assert re.search(packed, assembly)
        assert re.search(EXACT_SUM, assembly) or function is moments._largest


LOOPS = [
    pytest.param(loss, order, dtype, id=f"{loss.name}-{order}-{dtype}")
    for loss in LOSSES
    for order in (0, 1, 2)
    for dtype in DTYPES
    if loss.kind != "labelwise" or (order, dtype) == (2, np.float64)  # those have one loop
]


@pytest.mark.parametrize(("loss", "order", "dtype"), LOOPS)
def test_the_loop_of_a_loss_computes_several_doubles_at_a_time(loss, order, dtype):
    formula = of_shares(loss.formula) if loss.facts.separable else loss.formula
    own = tuple(value for name, value in loss.parameters.items() if name not in loss.options)
    owner = compiled(formula, own, order, dtype, loss.kind != "labelwise")._owner
    intermediate, assembly = owner.inspect_llvm(), owner._library.get_asm_str()
    assert "llvm.loop.isvectorized" in intermediate
    assert re.search(r"load <\d+ x (?:float|double)>", intermediate)
    assert "extractelement" not in intermediate, "a part of the loop is taken out element by element"
    assert re.search(ARITHMETIC, assembly)
    called = re.findall(r"(?:\bcallq?\s+|\bmovabsq?\s+\$)([A-Za-z_][\w.@]*)", assembly)
    assert [name for name in called if not re.match(r"_*ZN|_*cfunc|__(?:real|[xyz]mm)@", name)] == []
