"""From Python to objects: Numba types and translates, LLVM optimises for the target and emits.

Numba's own optimisation is left out: it is for the machine that it runs on. Functions of the package and of formulas
are copied with compiled functions in place of those that they call, so that kernels and formulas stay plain Python.
"""

from __future__ import annotations

import functools
import itertools
import re
import types
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm
import numba as nb
import numpy as np
from numba.core import config
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.cpu import CPUContext
from numba.core.dispatcher import Dispatcher

from rashin.native import language
from rashin.native.described import used_names
from rashin.native.engine import ENTRY
from rashin.native.instructions import INSTRUCTIONS, array_at, bits_of, number_of

if TYPE_CHECKING:
    from rashin.native.kernel import Kernel
    from rashin.native.targets import Target

__all__ = ["called", "compilable", "kernel_module", "loop_module", "object_for", "optimized"]


_OPTIONS = {"error_model": "numpy", "nogil": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


# -------------------------------------------------------------------------------------------- Python to Numba


_interleaved_names = {
    "loop",
    "loop_of_labels",
    "loop_of_classes",
    "loop_of_columns",
    "loop_of_members",
}  # those of formulas, and all that are marked
_separate_names: set[str] = set()  # all that are marked
_apart_names: set[str] = set()  # all that are marked, and all interleaved ones


def _function(function: types.FunctionType, inlined: bool) -> Any:
    """The function as Numba compiles it, with all that it calls."""
    if "interleaved" in function.__dict__:
        _interleaved_names.add(function.__name__)
        _apart_names.add(function.__name__)
    if "apart" in function.__dict__:
        _apart_names.add(function.__name__)
    if "separate" in function.__dict__:
        _separate_names.add(function.__name__)
    if function.__module__ == language.__name__:
        return INSTRUCTIONS.get(function.__name__)

    def of(value: Any) -> Any:
        return value if value is function else compilable(value, inlined)

    # All names of a user's module would keep alive what has been defined anew there.
    names = {name: of(value) for name, value in used_names(function).items()}
    kept = {name: function.__globals__[name] for name in ("__builtins__", "__name__") if name in function.__globals__}
    cells = tuple(types.CellType(of(cell.cell_contents)) for cell in function.__closure__ or ())
    copy = types.FunctionType(function.__code__, kept | names, function.__name__, function.__defaults__, cells)
    return nb.njit(forceinline=inlined or function.__dict__.get("inlined", False), **_OPTIONS)(copy)


_function_of_ours = functools.cache(_function)


@functools.cache
def _vocabulary(module: types.ModuleType) -> types.ModuleType:
    """A module of the package with its functions as Numba compiles them."""
    copy = types.ModuleType(module.__name__)
    for name, value in vars(module).items():
        copy.__dict__[name] = _function_of_ours(value, False) if isinstance(value, types.FunctionType) else value
    return copy


def compilable(value: Any, inlined: bool = False) -> Any:
    """The value as compiled code may refer to it."""
    if isinstance(value, types.FunctionType):
        ours = value.__module__.startswith("rashin.") and value.__closure__ is None
        return (_function_of_ours if ours else _function)(value, inlined)
    if isinstance(value, types.ModuleType) and value.__name__.startswith("rashin."):
        return _vocabulary(value)
    if isinstance(value, Dispatcher):  # a copy too: what is left as translated must not be called from Python
        return compilable(value.py_func, inlined)
    return value


def _nothing_to_run(context: Any, library: Any, *description: Any) -> Any:
    """Link the function with those that it calls; it is known by a C function of its own, which nothing calls."""
    library._ensure_finalized()
    return [].append


@contextmanager
def _left_as_translated() -> Any:
    """Numba without its optimisation, and without machine code for every function, half of its time."""
    changed: tuple[tuple[Any, str, Any], ...] = (
        (config, "OPT", type(config.OPT)(0)),
        (JITCodeLibrary, "_finalize_final_module", lambda library: setattr(library, "_finalized", True)),
        (CPUContext, "get_executable", _nothing_to_run),
    )
    before = [getattr(owner, name) for owner, name, _ in changed]
    for owner, name, value in changed:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name, _), value in zip(changed, before, strict=True):
            setattr(owner, name, value)


def _translated(function: Any, arguments: tuple[Any, ...]) -> tuple[str, str]:
    """The LLVM assembly of a function without a result, and its name there."""
    with global_compiler_lock, _left_as_translated():
        dispatcher = nb.njit(**_OPTIONS)(function)
        dispatcher.compile(nb.void(*arguments))
        (compiled,) = dispatcher.overloads.values()
        return _apart(_separate(_interleaved(compiled.library.get_llvm_str()))), compiled.fndesc.mangled_name


# ------------------------------------------------------------------------------------------ kernels and loops

# Where an array lies, from where it stands in the header of NumPy's object, or as it is.
_DATA = """
def data(word, place_in_header):
    return words_at(word + place_in_header, (1,))[0] if place_in_header != 0 else word

"""


def kernel_module(kernel: Kernel, element: np.dtype[Any]) -> Any:
    """The LLVM module of a kernel, whose entry takes a block of addresses, sizes and numbers."""
    names: dict[str, Any] = {"run": compilable(kernel.function), "bits_of": bits_of, "number_of": number_of}
    names["words_at"] = array_at(nb.types.Array(nb.int64, 1, "C"))
    words, place = [], 1
    for argument in kernel.arguments:
        item = nb.from_dtype(argument.dtype(element))
        if argument.dimensions:
            names[f"array_{argument.name}"] = array_at(nb.types.Array(item, argument.dimensions, "C"))
            sizes = "".join(f"block[{place + 1 + axis}], " for axis in range(argument.dimensions))
            words.append(f"array_{argument.name}(data(block[{place}], block[0]), ({sizes}))")
        else:
            words.append(f"number_of(block[{place}])" if argument.item == "f8" else f"block[{place}]")
        place += argument.slots
    call = f"run({', '.join(words)})"
    body = f"found, place = {call}; answer[0] = (place << 2) | found" if kernel.finds else call
    exec(f"{_DATA}def entry(block, answer):\n    {body}", names)
    names["data"] = nb.njit(forceinline=True, **_OPTIONS)(names["data"])
    block = nb.types.CPointer(nb.int64)
    assembly, name = _translated(names["entry"], (block, block))
    head = f"define i64 @{ENTRY}(ptr %block) {{\n  %answer = alloca i64\n  store i64 0, ptr %answer\n"
    tail = "  %result = load i64, ptr %answer\n  ret i64 %result\n}\n"
    return _with_entry(assembly, name, head, "ptr %block, ptr %answer", tail)


def loop_module(loop: Callable[..., Any], element: np.dtype[Any]) -> Any:
    """The LLVM module of a formula's loop over z, t, w, parameters, values, slopes, curvatures and their number."""
    item, double = nb.types.CPointer(nb.from_dtype(element)), nb.types.CPointer(nb.float64)
    assembly, name = _translated(loop, (item, item, double, double, double, item, item, nb.intp))
    names = [f"ptr %a{place}" for place in range(7)] + ["i64 %n"]
    arguments = ", ".join(names)
    # What may raise leaves a call that cannot be optimised away: its results would be whatever stood in memory.
    tail = """  %bad = icmp ne i32 %status, 0
  br i1 %bad, label %raised, label %fine
raised:
  call void @rashin_raised()
  br label %fine
fine:
  ret void
}
declare void @rashin_raised()
"""
    return _with_entry(assembly, name, f"define void @{ENTRY}({arguments}) {{\n", arguments, tail)


def _interleaved(assembly: str) -> str:
    """The assembly where the loops of marked functions take two vectors at a time.

    A formula is one long chain of operations, and while one vector waits for them the other makes use of the time:
    sigmoid cross-entropy takes 4.1 instead of 4.9 ns an element in float32, 5.0 instead of 6.4 in float64, and an
    exponential 1.1 instead of 1.4 (AVX-512). LLVM, which counts registers, takes one.
    """
    identities = itertools.count(1_000_000, 2)
    added = [""]

    def marked(found: re.Match[str]) -> str:
        lines, passed = found[0].splitlines(), set()
        for place, line in enumerate(lines):
            if label := re.match(r"([\w.]+):", line):
                passed.add(label[1])
            if line.startswith("  br ") and passed.intersection(
                re.findall(r"label %([\w.]+)", line)
            ):  # back to its head
                loop = next(identities)
                lines[place] = f"{line}, !llvm.loop !{loop}"
                added.append(f"!{loop} = distinct !{{!{loop}, !{loop + 1}}}")
                added.append(f'!{loop + 1} = !{{!"llvm.loop.interleave.count", i32 2}}')
        return "\n".join(lines)

    names = "|".join(map(re.escape, sorted(_interleaved_names)))
    assembly = re.sub(rf"^define [^\n]*\d(?:{names})B.*?^}}", marked, assembly, flags=re.MULTILINE | re.DOTALL)
    return assembly + "\n".join(added) + "\n"


def _separate(assembly: str) -> str:
    """The assembly where what the arrays of marked functions point to does not overlap."""

    def marked(found: re.Match[str]) -> str:
        return re.sub(r"\bptr (%arg\.\w+\.4)\b", r"ptr noalias \1", found[0])  # the fifth part is where it lies

    for name in _separate_names:
        assembly = re.sub(rf"^define [^\n]*\d{re.escape(name)}B[^\n]*", marked, assembly, flags=re.MULTILINE)
    return assembly


def _apart(assembly: str) -> str:
    """The assembly where marked functions are not inlined.

    In a large function LLVM has no registers left for the numbers of a loop, reads all of them at every turn, and lets
    its sums lie on the stack: softmax cross-entropy of 2048 x 32000 took 1.31 instead of 1.19 ns a class (Zen 4,
    AVX-512, one thread).
    """
    names = "|".join(map(re.escape, sorted(_apart_names)))
    pattern = rf"^(define [^\n]*\d(?:{names})B[^\n]*?) \{{$"
    return re.sub(pattern, r"\1 noinline {", assembly, flags=re.MULTILINE) if names else assembly


def _with_aligned_stacks(assembly: str) -> str:
    """The assembly where no vector on the stack lies across two cache lines, which costs twice.

    Binary cross-entropy, which needs many, took 5.0 instead of 4.2 ns an element (Zen 4, AVX-512).
    """
    return re.sub(r"^(define [^\n]*?) \{$", r'\1 "stackrealign" {', assembly, flags=re.MULTILINE)


def _with_entry(assembly: str, name: str, head: str, arguments: str, tail: str) -> Any:
    """The module with a plain C function around the one that Numba made, which returns a status."""
    body = f'  %nothing = alloca ptr\n  %status = call i32 @"{name}"(ptr %nothing, ptr %nothing, {arguments})\n'
    module = llvm.parse_assembly(_with_aligned_stacks(assembly + "\n" + head + body + tail))
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration and value.name != ENTRY:  # what is not called from outside may go
            value.linkage = llvm.Linkage.internal
    return module


# ------------------------------------------------------------------------------------------- LLVM to objects


def object_for(module: Any, target: Target) -> bytes:
    """The module as an object for the target."""
    return optimized(module, target).emit_object(module)  # type: ignore[no-any-return]


def optimized(module: Any, target: Target) -> Any:
    """The target's machine, for which the module has been optimised in place."""
    _initialize()
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.tuning, opt=3, reloc="pic", codemodel="jitdefault"
    )
    module.triple, module.data_layout = target.triple, str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.loop_unrolling = True
    options.slp_vectorization = False  # pairs of numbers of one turn of a loop keep the loop from being vectorised
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    if "rashin_raised" in called(module):
        raise TypeError("formula: got one that may raise an exception; expected plain arithmetic; fix: use xp.where")
    return machine


def called(module: Any) -> set[str]:
    """The functions outside of an optimised module that it calls."""
    return {f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")}


@functools.cache
def _initialize() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
