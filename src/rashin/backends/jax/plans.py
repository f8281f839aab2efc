"""Plans for custom calls of small arrays, by which compiled code runs a sweep without Python.

As in the NumPy backend, these are samples that all count equally; whatever is not so is left to the way that knows all
cases. A plan is made as a program is compiled, when the shapes are known.
"""

from __future__ import annotations

import math
import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rashin.backends.jax.call import Call
from rashin.backends.numpy.pointwise import prepared
from rashin.backends.numpy.results import DOUBLE, PARALLEL
from rashin.kernels import labelwise, pointwise
from rashin.native.kernel import Kernel

__all__ = ["Table", "planned"]

_ELEMENTS = (np.dtype(np.float32), DOUBLE)
MOST = 1 << 16  # losses of a batch


class Table:
    """Plans by their digests, as the compiled code looks them up while others are added."""

    def __init__(self) -> None:
        self._plans: dict[bytes, Any] = {}
        self._lock = threading.Lock()
        self._old: list[NDArray[np.int64]] = []  # a thread may still read them
        self._here = np.zeros(1, np.int64)
        self._rebuild(64)

    @property
    def address(self) -> int:
        """Where the address of the slots stands."""
        return int(self._here.ctypes.data)

    def add(self, digest: bytes, plan: _Plan) -> None:
        """Keep a plan, whose digest stands for all that it computes."""
        with self._lock:
            if digest not in self._plans:
                self._plans[digest] = plan
                size = len(self._old[-1]) // 3
                if 2 * len(self._plans) > size:
                    self._rebuild(2 * size)
                else:
                    self._place(self._old[-1], digest, plan)

    def _rebuild(self, size: int) -> None:
        slots = np.zeros(1 + 3 * size, np.int64)
        slots[0] = size - 1
        for digest, plan in self._plans.items():
            self._place(slots, digest, plan)
        self._old.append(slots)
        self._here[0] = slots.ctypes.data

    @staticmethod
    def _place(slots: NDArray[np.int64], digest: bytes, plan: _Plan) -> None:
        first, second = np.frombuffer(digest, np.int64)
        place = int(first) & int(slots[0])
        while slots[3 + 3 * place] != 0:
            place = (place + 1) & int(slots[0])
        slots[1 + 3 * place], slots[2 + 3 * place] = first, second
        slots[3 + 3 * place] = plan.address  # last: from now on it is found


class _Plan:
    """A plan, and the arrays that it refers to."""

    def __init__(self, words: list[int], *kept: Any) -> None:
        self._words, self._kept = np.array(words, np.int64), kept

    @property
    def address(self) -> int:
        return int(self._words.ctypes.data)


class _Sweep(NamedTuple):
    """A sweep over samples of a shape, what it is given, and what must be kept for it."""

    kernel: Kernel
    shape: tuple[int, ...]
    given: dict[str, Any]
    samples: int
    narrow: int  # labels of 32 bits
    kept: Any


class _Room:
    """Where each thing lies in the room to work in, by its offset in bytes."""

    def __init__(self, block: int, values: int, labels: int, room: int) -> None:
        self.values = 8 * block
        self.labels = self.values + 8 * values
        self.room = self.labels + 8 * labels
        self.size = self.room // 8 + room  # in doubles


class _At:
    """An array of a shape at an offset in a buffer."""

    def __init__(self, buffer: int, shape: tuple[int, ...], offset: int = 0) -> None:
        self.buffer, self.shape, self.offset = buffer, shape, offset


BLOCK = 64  # words, more than any sweep takes
_NOTHING = np.empty(0)


def planned(call: Call, arguments: Any, results: Any) -> tuple[_Plan, int] | None:
    """A plan for arguments and results of these shapes and types, and how many doubles of room it needs."""
    batch = np.broadcast_shapes(*(a.shape[: call.batch] for a in arguments))
    z = arguments[0]
    if (
        len(arguments) != 2
        or not 0 < math.prod(z.shape[call.batch :]) < PARALLEL
        or math.prod(batch) > MOST
        or z.dtype not in _ELEMENTS
    ):
        return None
    if not {"value", "gradient", "hessian"}.issuperset(call.asked):
        return None
    sweep = {"pointwise": _pointwise, "labelwise": _labels}.get(call.rule.kind)
    found = None if sweep is None else sweep(call, arguments)
    return None if found is None else _laid_out(call, found, batch, [*arguments, *results])


def _pointwise(call: Call, arguments: Any) -> _Sweep | None:
    z, t = arguments
    if t.dtype != z.dtype:
        return None
    order = 2 if "hessian" in call.asked else 1 if "gradient" in call.asked else 0
    made = prepared(call.program, order, z.dtype)
    samples = math.prod(z.shape[call.batch :])
    return _Sweep(pointwise.sweep, (samples,), made.fixed | {"t": _At(1, (samples,))}, samples, 0, made)


def _labels(call: Call, arguments: Any) -> _Sweep | None:
    z, t = arguments
    options = dict(call.rule.options)
    if options.get("label_smoothing") or options.get("softcap") or call.axis != -1:
        return None
    if t.ndim != z.ndim - 1 or t.dtype not in (np.int32, np.int64):
        return None
    samples, loop = math.prod(t.shape[call.batch :]), call.program.loop(2, DOUBLE)
    fixed = {"loop": loop.address, "parameters": call.program.numbers, "z_loss": options.get("z_loss") or 0.0}
    narrow = samples if t.dtype == np.int32 else 0
    given = fixed | {"labels": _At(1, (samples,))}
    return _Sweep(labelwise.sweep_labels, (samples, z.shape[-1]), given, samples, narrow, loop)


def _laid_out(call: Call, sweep: _Sweep, batch: tuple[int, ...], buffers: list[Any]) -> tuple[_Plan, int]:
    """The block of the sweep's arguments, and what of it each call fills in."""
    kernel, shape, given, samples, narrow, kept = sweep
    last, element, mean = len(buffers), buffers[0].dtype, call.reduction == "mean"
    place = {name: 2 + place for place, name in enumerate(call.asked)}
    values = samples if call.reduction == "none" and "value" in place else 0
    doubles: Any = kernel.room
    room = _Room(BLOCK, max(values, 1), narrow, doubles(np.broadcast_to(0.0, shape)) if len(shape) > 1 else doubles())
    nothing = np.empty((0,) * len(shape), element)
    given |= {
        "z": _At(0, shape),
        "w": _NOTHING,
        "divisor": float(samples) if mean else 1.0,
        "values": _At(last, (values,), room.values) if values else _NOTHING,
        "gradient": _At(place["gradient"], shape) if "gradient" in place else nothing,
        "hessian": _At(place["hessian"], shape) if "hessian" in place else nothing,
        "limbs": np.empty(0, np.int64),
        "count": samples if mean else 1,
        "answer": _NOTHING if values else _At(last, (1,), room.values),
        "room": _At(last, (room.size - room.room // 8,), room.room),
    }
    if narrow:
        given["labels"] = _At(last, (samples,), room.labels)
    words, patches = _block(kernel, given)
    machine = kernel.machine(element)
    moves = _moves(call.batch, batch, buffers)
    value = place.get("value", -1)
    plan = _Plan(
        [
            machine.address, words.size, words.ctypes.data, len(patches), patches.ctypes.data, last + 1,
            len(moves), moves.ctypes.data, narrow, room.labels, value, values, room.values,
            int(value >= 0 and buffers[value].dtype == np.float32),
        ],
        machine, words, patches, moves, given, kept, call.program,
    )  # fmt: skip
    return plan, room.size


def _block(kernel: Kernel, given: dict[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The words of the sweep's arguments, and which of them are addresses in buffers."""
    words, patches = [0], []
    for argument in kernel.arguments:
        value = given[argument.name]
        if isinstance(value, _At):
            patches.append((len(words), value.buffer, value.offset))
            words += [0, *value.shape]
        elif argument.dimensions:
            words += [value.ctypes.data, *value.shape]
        else:
            words.append(int(np.float64(value).view(np.int64)) if argument.item == "f8" else int(value))
    return np.array(words, np.int64), np.array(patches, np.int64)


def _moves(axes: int, batch: tuple[int, ...], buffers: list[Any]) -> NDArray[np.int64]:
    """How far each loss of the batch lies from the first, in bytes, in each buffer and in the room."""
    columns = []
    for buffer in buffers:
        lead = buffer.shape[:axes]
        step = math.prod(buffer.shape[axes:]) * np.dtype(buffer.dtype).itemsize
        numbers = np.arange(math.prod(lead), dtype=np.int64).reshape(lead)
        columns.append(step * np.broadcast_to(numbers, batch).reshape(-1))
    return np.stack([*columns, np.zeros_like(columns[0])], axis=1)
