"""The language of kernels: plain Python functions on arrays and numbers, and the instructions that Python lacks.

A kernel is compiled together with all functions of the package that it calls. It allocates nothing, raises nothing
and calls no library, so that its machine code needs neither Numba nor Python. The functions below stand for single
instructions; the compiler knows them by their names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

__all__ = [
    "NARROW",
    "STACK",
    "TALL",
    "address",
    "apart",
    "as_elements",
    "as_integers",
    "bfloat_of",
    "bits",
    "call",
    "doubles_at",
    "enter",
    "fetch",
    "fma",
    "from_bits",
    "half_of",
    "inline",
    "integers_at",
    "interleaved",
    "labels_at",
    "magnitude",
    "maximum",
    "select",
    "separate",
    "shaped",
    "single_of_bfloat",
    "single_of_half",
    "singles_at",
    "square_root",
    "stack",
    "turn",
    "turn_back",
]

TALL, NARROW = 8, 4  # the sides of a tile
STACK = 256  # doubles on the stack: below the size that Windows wants to be asked for

_Function = TypeVar("_Function", bound=Callable[..., Any])


def inline(function: _Function) -> _Function:
    """Mark a function to be always inlined: a call left in a loop ends its vectorisation."""
    function.__dict__["inlined"] = True
    return function


def apart(function: _Function) -> _Function:
    """Mark a function of a hot loop to be compiled on its own: within a larger one it would not get the registers."""
    function.__dict__["apart"] = True
    return function


def interleaved(function: _Function) -> _Function:
    """Mark a function whose loops take two vectors at a time: one works while the other waits for its last result.

    It is compiled ``apart``.
    """
    function.__dict__["interleaved"] = True
    return function


def separate(function: _Function) -> _Function:
    """Mark a function that writes to no array of which another is a part.

    Its loops need not test that, which short ones are not worth: they would not be vectorised.
    """
    function.__dict__["separate"] = True
    return function


def _instruction(name: str) -> NoReturn:
    raise TypeError(f"{name} is an instruction of compiled code; it cannot be called from Python")


def fma(a: float, b: float, c: float) -> Any:
    """``a * b + c``, rounded once."""
    _instruction("fma")


def select(condition: Any, a: float, b: float) -> Any:
    """``a`` where the condition holds, else ``b``, without a branch."""
    _instruction("select")


def magnitude(x: float) -> Any:
    """The absolute value."""
    _instruction("magnitude")


def square_root(x: float) -> Any:
    """The square root, correctly rounded."""
    _instruction("square_root")


def maximum(a: float, b: float) -> Any:
    """The larger of two of one type, NaN if one of them is: unlike ``max`` it vectorises in a loop."""
    _instruction("maximum")


def bits(x: float) -> Any:
    """The bits of a double as an integer."""
    _instruction("bits")


def from_bits(i: int) -> Any:
    """The double of these bits."""
    _instruction("from_bits")


def half_of(x: float) -> Any:
    """The bits of the float16 that is nearest to a float32, ties to even."""
    _instruction("half_of")


def bfloat_of(x: float) -> Any:
    """The bits of the bfloat16 that is nearest to a float32, ties to even."""
    _instruction("bfloat_of")


def single_of_half(pattern: int) -> Any:
    """The float32 that the bits of a float16 stand for."""
    _instruction("single_of_half")


def single_of_bfloat(pattern: int) -> Any:
    """The float32 that the bits of a bfloat16 stand for."""
    _instruction("single_of_bfloat")


def address(array: Any) -> Any:
    """Where the array lies."""
    _instruction("address")


def shaped(array: Any, shape: tuple[int, ...]) -> Any:
    """The first elements of a contiguous array, in another shape."""
    _instruction("shaped")


def as_elements(room: Any, like: Any) -> Any:
    """The memory of an array of doubles as so many elements of another array's type, which are no larger."""
    _instruction("as_elements")


def as_integers(room: Any) -> Any:
    """The memory of an array of doubles as so many int64."""
    _instruction("as_integers")


def stack() -> Any:
    """An array of ``STACK`` doubles that lives until the function returns."""
    _instruction("stack")


def turn(source: Any, i: int, j: int, target: Any, k: int, m: int) -> None:
    """Copy a tile, ``TALL`` rows of ``NARROW`` elements from [i, j] on, to [k, m] of another array, as columns."""
    _instruction("turn")


def turn_back(source: Any, i: int, j: int, target: Any, k: int, m: int) -> None:
    """Copy a tile, ``NARROW`` rows of ``TALL`` elements from [i, j] on, to [k, m] of another array, as columns."""
    _instruction("turn_back")


def fetch(array: Any, i: int, j: int) -> None:
    """Begin to read the cache line where [i, j] lies, or would lie: it need not exist."""
    _instruction("fetch")


def call(loop: int, z: Any, t: Any, w: Any, parameters: Any, values: Any, slopes: Any, curvatures: Any, n: int) -> None:
    """Call a formula's loop by its address, with arrays of at least ``n`` elements."""
    _instruction("call")


def integers_at(address: int, shape: tuple[int]) -> Any:
    """The int64 that lie there."""
    _instruction("integers_at")


def labels_at(address: int, shape: tuple[int]) -> Any:
    """The int32 that lie there."""
    _instruction("labels_at")


def singles_at(address: int, shape: tuple[int]) -> Any:
    """The float32 that lie there."""
    _instruction("singles_at")


def doubles_at(address: int, shape: tuple[int]) -> Any:
    """The doubles that lie there."""
    _instruction("doubles_at")


def enter(machine: int, block: int) -> Any:
    """Run a kernel's machine code on the block of words that lies there; its answer."""
    _instruction("enter")
