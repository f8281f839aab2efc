"""The loss as a custom call of XLA on the CPU: the sweeps of NumPy's arrays, on the memory of XLA's buffers.

A compiled program may be kept on disk and run by another process, so that what a call carries are names and numbers.
The handler is called by threads of XLA, of which none holds Python's lock, and calls nothing of JAX: unlike
``jax.pure_callback`` it waits for no other computation and copies nothing.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import math
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from rashin.backends.jax.call import Call, Fisher, Groups, Link, Statistics
from rashin.backends.jax.plans import Table, planned
from rashin.kernels.custom_call import direct
from rashin.native.doorway import Doorway
from rashin.native.kernel import DOUBLE

__all__ = ["lowered"]

TARGET = "rashin_loss"


def lowered(context: Any, operands: Any, call: Any) -> Any:
    """The custom call in a program that is being made, or None where there are no handlers."""
    if not _is_registered():
        return None
    words = _words(call)
    plan = planned(call, context.avals_in, context.avals_out) if isinstance(call, Call) else None
    shapes = [(aval.shape, aval.dtype.name) for aval in context.avals_in]
    digest = hashlib.blake2b(f"{words} {shapes}".encode(), digest_size=16).digest()
    room = 0
    if plan is not None:
        _table.add(digest, plan[0])
        room = plan[1]
    results = [*context.avals_out, jax.core.ShapedArray((room,), np.dtype(np.float64))]
    made = jax.ffi.ffi_lowering(TARGET)(
        context.replace(avals_out=results), *operands, call=words, digest=np.frombuffer(digest, np.int64)
    )
    return made[:-1]


# ------------------------------------------------------------------------------------- the call in words

_kinds: dict[str, Any] = {"loss": Call, "fisher": Fisher, "groups": Groups, "link": Link, "statistics": Statistics}
_calls: dict[bytes, Any] = {}


def _words(call: Any) -> str:
    """All that distinguishes the call, from which another process can make it."""
    words = json.dumps(call.words())
    _calls[words.encode()] = call
    return words


def _call(words: bytes) -> Any:
    found = _calls.get(words)
    if found is None:
        kind, *rest = json.loads(words)
        found = _calls[words] = _kinds[kind].of_words(*rest)
    return found


# --------------------------------------------------------------------- what XLA's header xla/ffi/api/c_api.h says

_pointer, _size, _int = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
_START: list[tuple[str, Any]] = [("struct_size", _size), ("extension", _pointer)]


class _Buffer(ctypes.Structure):
    _fields_ = [*_START, ("dtype", _int), ("data", _pointer), ("rank", ctypes.c_int64),
                ("dims", ctypes.POINTER(ctypes.c_int64))]  # fmt: skip


class _Buffers(ctypes.Structure):
    _fields_ = [
        *_START,
        ("size", ctypes.c_int64),
        ("types", _pointer),
        ("each", ctypes.POINTER(ctypes.POINTER(_Buffer))),
    ]


class _Bytes(ctypes.Structure):
    _fields_ = [("start", _pointer), ("size", _size)]


class _Attributes(ctypes.Structure):
    _fields_ = [*_START, ("size", ctypes.c_int64), ("types", _pointer), ("names", _pointer),
                ("each", ctypes.POINTER(ctypes.POINTER(_Bytes)))]  # fmt: skip


class _Version(ctypes.Structure):
    _fields_ = [*_START, ("major", _int), ("minor", _int)]


class _Error(ctypes.Structure):
    _fields_ = [*_START, ("message", ctypes.c_char_p), ("code", _int)]


class _Interface(ctypes.Structure):
    _fields_ = [*_START, ("version", _Version), ("internal", _pointer),
                ("error", ctypes.CFUNCTYPE(_pointer, ctypes.POINTER(_Error)))]  # fmt: skip


class _Metadata(ctypes.Structure):
    _fields_ = [("struct_size", _size), ("version", _Version), ("traits", ctypes.c_uint32)]


class _Extension(ctypes.Structure):
    _fields_ = [("struct_size", _size), ("type", _int), ("next", _pointer), ("metadata", ctypes.POINTER(_Metadata))]


class _Frame(ctypes.Structure):
    _fields_ = [("struct_size", _size), ("extension", ctypes.POINTER(_Extension)),
                ("interface", ctypes.POINTER(_Interface)), ("context", _pointer), ("stage", _int),
                ("arguments", _Buffers), ("results", _Buffers), ("attributes", _Attributes)]  # fmt: skip


_METADATA, _INVALID_ARGUMENT, _INTERNAL = 1, 3, 13
_VERSION = (0, 3)  # of the header
_TYPES = {
    1: np.dtype(np.bool_), 2: np.dtype(np.int8), 3: np.dtype(np.int16), 4: np.dtype(np.int32), 5: np.dtype(np.int64),
    6: np.dtype(np.uint8), 7: np.dtype(np.uint16), 8: np.dtype(np.uint32), 9: np.dtype(np.uint64),
    10: np.dtype(np.float16), 11: np.dtype(np.float32), 12: np.dtype(np.float64), 16: np.dtype(jnp.bfloat16),
}  # fmt: skip


# ------------------------------------------------------------------------------------------- the handler


@ctypes.CFUNCTYPE(_pointer, ctypes.POINTER(_Frame))
def _handler(frame: Any) -> Any:
    """Compute what the call in the frame asks for; an error, or None."""
    here = frame.contents
    try:
        if here.extension and here.extension.contents.type == _METADATA:
            version = here.extension.contents.metadata.contents.version
            version.major, version.minor = _VERSION
            return None
        given = here.attributes.each[0].contents
        call = _call(ctypes.string_at(given.start, given.size))
        results = _arrays(here.results, writable=True)[:-1]  # the last is room to work in
        for result in results:
            _ask_for_huge_pages(result)
        call.run(_arrays(here.arguments), results)
    except BaseException as error:  # none may reach XLA, which is C++
        code = _INVALID_ARGUMENT if isinstance(error, (ValueError, TypeError)) else _INTERNAL
        message = str(error) if code == _INVALID_ARGUMENT else f"{type(error).__name__}: {error}"
        made = _Error(ctypes.sizeof(_Error), None, message.encode(), code)
        return here.interface.contents.error(made)
    return None


def _arrays(buffers: _Buffers, writable: bool = False) -> list[NDArray[Any]]:
    return [_array(buffers.each[place].contents, writable) for place in range(buffers.size)]


def _array(buffer: _Buffer, writable: bool) -> NDArray[Any]:
    dtype, shape = _TYPES[buffer.dtype], tuple(buffer.dims[: buffer.rank])
    size = math.prod(shape) * dtype.itemsize
    if size == 0:
        return np.empty(shape, dtype)
    memory = _memory_at(buffer.data, size, 0x200 if writable else 0x100)  # PyBUF_WRITE, PyBUF_READ
    return np.ndarray(shape, dtype, memory)


_memory_at = ctypes.pythonapi.PyMemoryView_FromMemory
_memory_at.restype, _memory_at.argtypes = ctypes.py_object, (_pointer, ctypes.c_ssize_t, _int)

_LARGE, _PAGE, _HUGE = 1 << 22, 1 << 12, 14  # bytes, and Linux's MADV_HUGEPAGE


def _ask_for_huge_pages(result: NDArray[Any]) -> None:
    """NumPy asks for them too: without them, fresh memory for 262 MB takes 180 ms, and 25 ms with them."""
    if result.nbytes >= _LARGE and _system is not None:
        start = -(-result.ctypes.data // _PAGE) * _PAGE
        _system.madvise(_pointer(start), _size((result.nbytes - _PAGE) // _PAGE * _PAGE), _HUGE)


_system = ctypes.CDLL(None) if sys.platform == "linux" else None


_table = Table()


@functools.cache
def _is_registered() -> bool:
    """Register the handler, once XLA has its CPU: a failure before that would leave it without one."""
    try:
        jax.devices("cpu")
        capsule = ctypes.pythonapi.PyCapsule_New
        capsule.restype, capsule.argtypes = ctypes.py_object, (_pointer, ctypes.c_char_p, _pointer)
        doorway = Doorway(direct.machine(DOUBLE), _table.address, ctypes.cast(_handler, _pointer).value or 0)
        jax.ffi.register_ffi_target(TARGET, capsule(doorway.address, b"xla._CUSTOM_CALL_TARGET", None), platform="cpu")
    except Exception:  # such as another version of the interface: then there is the formula
        return False
    return True
