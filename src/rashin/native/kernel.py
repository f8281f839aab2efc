"""Kernels as Python sees them: a signature, and a call that hands over addresses, sizes and numbers in one block."""

from __future__ import annotations

import ctypes
import functools
import inspect
import os
import re
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.native.engine import Machine
from rashin.native.objects import Code, loaded

__all__ = ["KERNELS", "Argument", "Kernel", "caller", "kernel"]

KERNELS: dict[str, Kernel] = {}  # by name: all that is compiled when the package is built

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
_ITEMS = {
    "i8": np.dtype(np.int64),
    "f8": DOUBLE,
    "b1": np.dtype(np.bool_),
    "u4": np.dtype(np.uint32),
    "u2": np.dtype(np.uint16),
}


class Argument(NamedTuple):
    """A number or a C-contiguous array of an item type; ``x`` is the element type of the kernel."""

    name: str
    item: str
    dimensions: int

    def dtype(self, element: np.dtype[Any]) -> np.dtype[Any]:
        """The item type, for arrays of the element type."""
        return element if self.item == "x" else _ITEMS[self.item]

    @property
    def slots(self) -> int:
        """How many words of a block it takes."""
        return 1 + self.dimensions


@dataclass(frozen=True, eq=False)
class Kernel:
    """A function that is compiled for each element type: ``kernel(element)(*arguments)``.

    A kernel that ``finds`` what is wrong returns a pair ``(found, place)`` of integers, others return nothing. ``room``
    says how many doubles of memory it needs, which it gets as its last argument.
    """

    function: Callable[..., Any]
    arguments: tuple[Argument, ...]
    finds: bool
    elements: tuple[np.dtype[Any], ...]
    room: Callable[..., int] | None

    @property
    def name(self) -> str:
        return f"{self.function.__module__.removeprefix('rashin.')}.{self.function.__qualname__}"

    def codes(self) -> Iterator[Code]:
        """What there is to compile."""
        return (self.code(element) for element in self.elements)

    def code(self, element: np.dtype[Any]) -> Code:
        """What there is to compile for an element type."""
        return Code(f"{self.name}-{element.char}", functools.partial(_translated, self, element), self.function)

    @functools.cached_property
    def _compiled(self) -> dict[np.dtype[Any], Callable[..., Any]]:
        return {}

    def __call__(self, element: np.dtype[Any]) -> Callable[..., Any]:
        run = self._compiled.get(element)
        if run is None:
            run = self._compiled[element] = caller(self, element, self.machine(element))
        return run

    def fixing(self, element: np.dtype[Any], **fixed: Any) -> Callable[..., Any]:
        """The compiled kernel with some of its arguments fixed, which saves a call the time to pack them."""
        return caller(self, element, self.machine(element), fixed)

    @functools.cached_property
    def machine(self) -> Callable[[np.dtype[Any]], Machine]:
        """The machine code for an element type."""
        return functools.cache(lambda element: loaded(self.code(element)))


def _translated(kernel: Kernel, element: np.dtype[Any]) -> Any:
    from rashin.native import compiler

    return compiler.kernel_module(kernel, element)


def kernel(
    signature: str,
    finds: bool = False,
    elements: tuple[np.dtype[Any], ...] = (SINGLE, DOUBLE),
    room: Callable[..., int] | None = None,
) -> Callable[[Callable[..., Any]], Kernel]:
    """Make a kernel of a function; the signature has a type for each argument: ``x[:]``, ``f8[:, :]``, ``i8``.

    ``room`` is a function of some of the arguments, by their names.
    """

    def made(function: Callable[..., Any]) -> Kernel:
        types = re.findall(r"(\w+)(\[[:, ]*\])?", signature) + ([("f8", "[:]")] if room else [])
        names = list(inspect.signature(function).parameters)
        arguments = tuple(
            Argument(name, item, axes.count(":")) for name, (item, axes) in zip(names, types, strict=True)
        )
        found = Kernel(function, arguments, finds, elements, room)
        KERNELS[found.name] = found
        return found

    return made


# ------------------------------------------------------------------------------------------------- calling


def _place_by_header() -> int | None:
    """Where in an array's header its address stands, if it is where NumPy's C interface has it."""
    probe = np.empty(3)
    place = 2 * ctypes.sizeof(ctypes.c_void_p)
    found = ctypes.c_size_t.from_address(id(probe) + place).value
    return place if found == probe.ctypes.data else None


_CHECKED = bool(os.environ.get("RASHIN_CHECK_KERNELS"))
_HEADER = _place_by_header()


def _address(array: NDArray[Any]) -> int:
    return int(array.ctypes.data)


# What stands for an array in a block: its header, which the machine code reads, or where it lies. The place in the
# header goes first, or 0. (``array.ctypes.data`` takes 1.5 us, and the address of an object 0.07.)
_word_of, _first = (_address, 0) if _HEADER is None else (id, _HEADER)


def _on_a_line(size: int) -> NDArray[np.float64]:
    """So many doubles that begin with a cache line: a vector across two of them costs twice."""
    room = np.empty(size + 7)
    first = -(room.ctypes.data >> 3) & 7
    return room[first : first + size]


class _Rooms(threading.local):
    """Memory for kernels to work in, kept by each thread: fresh memory would cost more than many a call."""

    most = 1 << 19  # doubles; larger rooms are not kept

    def __init__(self) -> None:
        self.free: list[NDArray[np.float64]] = []

    def take(self, size: int) -> NDArray[np.float64]:
        room = self.free.pop() if self.free else None
        return room if room is not None and room.size >= size else _on_a_line(size)

    def give(self, room: NDArray[np.float64]) -> None:
        if room.size <= self.most:
            self.free.append(room)


_rooms = _Rooms()


def _check(kernel: Kernel, element: np.dtype[Any], given: Mapping[str, Any]) -> None:
    """Raise if an argument is not what the machine code takes it for."""
    for argument in kernel.arguments:
        if argument.dimensions and argument.name in given:
            value = given[argument.name]
            found = (value.dtype, value.ndim, value.flags.c_contiguous and value.flags.aligned)
            if found != (argument.dtype(element), argument.dimensions, True):
                raise TypeError(
                    f"{kernel.name}: {argument.name}: got {found}; expected a contiguous array of {argument}"
                )


def caller(
    kernel: Kernel, element: np.dtype[Any], machine: Machine, fixed: Mapping[str, Any] = MappingProxyType({})
) -> Callable[..., Any]:
    """A function of the kernel's arguments that packs them into a block and calls the machine code.

    Arguments that are ``fixed`` are left out of the call. The function is written out for the signature, as a loop over
    the arguments would take longer than most kernels.
    """
    given = [a for a in (kernel.arguments[:-1] if kernel.room else kernel.arguments) if a.name not in fixed]
    _check(kernel, element, fixed)
    constants = {name: [_word_of(v), *v.shape] if isinstance(v, np.ndarray) else [v] for name, v in fixed.items()}
    words, layout = [str(_first)], "q"
    for argument in kernel.arguments:
        name = argument.name
        if name in fixed:
            words += [f"{name}_{place}" for place in range(argument.slots)]
        else:
            words += [f"word({name})", f"*{name}.shape"] if argument.dimensions else [name]
        layout += "q" * argument.slots if argument.dimensions or argument.item != "f8" else "d"
    answer = "return answer & 3, answer >> 2" if kernel.finds else ""
    call = f"answer = run(pack({', '.join(words)}))"
    if kernel.room:
        wanted = ", ".join(inspect.signature(kernel.room).parameters)
        body = [f"room = take(size({wanted}))", call, "give(room)", answer]
    else:
        body = [call, answer]
    if _CHECKED or not kernel.finds:  # sweeps get what the backend has laid out, and are called for small arrays
        body.insert(0, f"check(dict({', '.join(f'{a.name}={a.name}' for a in given)}))")
    lines = [f"def {kernel.function.__name__}({', '.join(a.name for a in given)}):", *(f"    {line}" for line in body)]
    pointer = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)
    names = {
        "word": _word_of,
        "pack": struct.Struct(layout).pack,
        "run": pointer(machine.address),
        "size": kernel.room,
        "take": _rooms.take,
        "give": _rooms.give,
        "check": functools.partial(_check, kernel, element),
        **{f"{name}_{place}": word for name, parts in constants.items() for place, word in enumerate(parts)},
    }
    exec("\n".join(lines), names)
    run: Any = names[kernel.function.__name__]
    run.kept = machine, fixed  # the machine code, and the arrays whose addresses it has
    return run  # type: ignore[no-any-return]
