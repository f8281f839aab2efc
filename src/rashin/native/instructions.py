"""The instructions of the language of kernels, as Numba compiles them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.types import UniTuple  # type: ignore[attr-defined]
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from rashin.native.language import NARROW, STACK, TALL

__all__ = ["INSTRUCTIONS", "array_at", "bits_of", "number_of"]

_F, _I = types.float64, types.int64


def _instruction(result: Any, arguments: tuple[Any, ...], emit: Callable[..., Any]) -> Any:
    """A function that emits one instruction; Numba converts what it is given."""
    signature = result(*arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return emit(builder, *values)

    # Numba reads the number of arguments from the definition, hence one per arity.
    def unary(typing: Any, a: Any) -> Any:
        return signature, generate

    def binary(typing: Any, a: Any, b: Any) -> Any:
        return signature, generate

    def ternary(typing: Any, a: Any, b: Any, c: Any) -> Any:
        return signature, generate

    return intrinsic({1: unary, 2: binary, 3: ternary}[len(arguments)])


def _named(name: str) -> Callable[..., Any]:
    def emit(builder: Any, value: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic(name, [value.type]), [value])

    return emit


def _maximum(typing: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = values[0].type
        function = builder.module.declare_intrinsic("llvm.maximum", [kind], ir.FunctionType(kind, [kind, kind]))
        return builder.call(function, values)

    return a(a, a), generate


number_of: Any = _instruction(_F, (_I,), lambda builder, i: builder.bitcast(i, ir.DoubleType()))
bits_of: Any = _instruction(_I, (_F,), lambda builder, x: builder.bitcast(x, ir.IntType(64)))


# ------------------------------------------------------------------------------------------------ 16 bits
#
# In 32 bits, as integers: Python's would have 64, half as many to a vector. Halves that lie below the normal ones are
# the last bits of a number near 1/2, whose unit is theirs. NaN is made quiet.

_WORD, _SINGLE, _SHORT = ir.IntType(32), ir.FloatType(), ir.IntType(16)


def _pattern_and_sign(builder: Any, x: Any) -> tuple[Any, Any]:
    """The bits of a float32 but for its sign, and the sign where 16 bits have it."""
    pattern = builder.bitcast(x, _WORD)
    sign = builder.and_(builder.lshr(pattern, _WORD(16)), _WORD(0x8000))
    return builder.and_(pattern, _WORD(0x7FFF_FFFF)), sign


def _nearest(builder: Any, size: Any, dropped: int) -> Any:
    """The bits of a number without the lowest, ties to even: half of the last one kept is added, or a trace less."""
    odd = builder.and_(builder.lshr(size, _WORD(dropped)), _WORD(1))
    return builder.lshr(builder.add(builder.add(size, _WORD((1 << (dropped - 1)) - 1)), odd), _WORD(dropped))


def _bfloat_of(builder: Any, x: Any) -> Any:
    size, sign = _pattern_and_sign(builder, x)
    number = builder.icmp_unsigned("<=", size, _WORD(0x7F80_0000))
    found = builder.select(number, _nearest(builder, size, 16), _WORD(0x7FC0))
    return builder.trunc(builder.or_(found, sign), _SHORT)


def _half_of(builder: Any, x: Any) -> Any:
    size, sign = _pattern_and_sign(builder, x)
    normal = builder.sub(_nearest(builder, size, 13), _WORD((127 - 15) << 10))
    near_half = builder.fadd(builder.bitcast(size, _SINGLE), _SINGLE(0.5))
    below = builder.sub(builder.bitcast(near_half, _WORD), builder.bitcast(_SINGLE(0.5), _WORD))
    found = builder.select(builder.icmp_unsigned("<", size, _WORD((127 - 14) << 23)), below, normal)
    found = builder.select(builder.icmp_unsigned("<", size, _WORD(0x477F_F000)), found, _WORD(0x7C00))  # 65520
    found = builder.select(builder.icmp_unsigned("<=", size, _WORD(0x7F80_0000)), found, _WORD(0x7E00))
    return builder.trunc(builder.or_(found, sign), _SHORT)


def _single_of_bfloat(builder: Any, pattern: Any) -> Any:
    return builder.bitcast(builder.shl(builder.zext(pattern, _WORD), _WORD(16)), _SINGLE)


def _single_of_half(builder: Any, pattern: Any) -> Any:
    word = builder.zext(pattern, _WORD)
    size = builder.and_(word, _WORD(0x7FFF))
    sign = builder.shl(builder.and_(word, _WORD(0x8000)), _WORD(16))
    finite = builder.icmp_unsigned("<", size, _WORD(0x7C00))
    shift = builder.select(finite, _WORD((127 - 15) << 23), _WORD((255 - 31) << 23))
    normal = builder.add(builder.shl(size, _WORD(13)), shift)
    near_half = builder.bitcast(builder.or_(size, builder.bitcast(_SINGLE(0.5), _WORD)), _SINGLE)
    below = builder.bitcast(builder.fsub(near_half, _SINGLE(0.5)), _WORD)
    found = builder.select(builder.icmp_unsigned("<", size, _WORD(0x0400)), below, normal)
    return builder.bitcast(builder.or_(found, sign), _SINGLE)


# ------------------------------------------------------------------------------------------------- arrays


def _array(context: Any, builder: Any, kind: Any, data: Any, shape: Any) -> Any:
    """A contiguous array of memory that belongs to nobody."""
    made = make_array(kind)(context, builder)
    size = ir.Constant(ir.IntType(64), context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides: list[Any] = []
    step = size
    for extent in reversed(shape):
        strides.insert(0, step)
        step = builder.mul(step, extent)
    data = builder.bitcast(data, made.data.type)
    populate_array(made, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return made._getvalue()


def _memory(context: Any, builder: Any, kind: Any, value: Any) -> tuple[Any, list[Any]]:
    """The address and the shape of an array."""
    given = make_array(kind)(context, builder, value=value)
    return given.data, cgutils.unpack_tuple(builder, given.shape, kind.ndim)


def array_at(kind: Any) -> Any:
    """A function from an address and a shape to an array of this type."""

    def typed(typing: Any, where: Any, shape: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pointer = builder.inttoptr(values[0], ir.IntType(8).as_pointer())
            return _array(context, builder, kind, pointer, cgutils.unpack_tuple(builder, values[1], kind.ndim))

        return kind(_I, UniTuple(_I, kind.ndim)), generate

    return intrinsic(typed)


def _address(typing: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ptrtoint(_memory(context, builder, array, values[0])[0], ir.IntType(64))

    return _I(array), generate


def _shaped(typing: Any, array: Any, shape: Any) -> Any:
    kind = types.Array(array.dtype, shape.count, "C")

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data, _ = _memory(context, builder, array, values[0])
        return _array(context, builder, kind, data, cgutils.unpack_tuple(builder, values[1], shape.count))

    return kind(array, UniTuple(_I, shape.count)), generate


def _retyped(builder: Any, context: Any, room: Any, dtype: Any, value: Any) -> Any:
    data, shape = _memory(context, builder, room, value)
    return _array(context, builder, types.Array(dtype, 1, "C"), data, shape)


def _as_elements(typing: Any, room: Any, like: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _retyped(builder, context, room, like.dtype, values[0])

    return types.Array(like.dtype, 1, "C")(room, like), generate


def _as_integers(typing: Any, room: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _retyped(builder, context, room, _I, values[0])

    return types.Array(_I, 1, "C")(room), generate


def _stack(typing: Any) -> Any:
    kind = types.Array(_F, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        memory = cgutils.alloca_once(builder, ir.ArrayType(ir.DoubleType(), STACK))
        return _array(context, builder, kind, memory, [ir.Constant(ir.IntType(64), STACK)])

    return kind(), generate


# -------------------------------------------------------------------------------------------------- tiles


def _rows_of_tile(context: Any, builder: Any, kind: Any, values: Any, rows: int, width: int) -> list[Any]:
    """Where the rows of a tile lie, as vectors of so many elements."""
    data, (_, classes) = _memory(context, builder, kind, values[0])
    first = builder.add(builder.mul(values[1], classes), values[2])
    places = [builder.add(first, builder.mul(classes, ir.Constant(ir.IntType(64), row))) for row in range(rows)]
    vector = ir.VectorType(data.type.pointee, width).as_pointer()
    return [builder.bitcast(builder.gep(data, [place]), vector) for place in places]


def _chosen(builder: Any, a: Any, b: Any, places: list[int]) -> Any:
    """A vector of elements of two others, of which the second's are counted on."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places))


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """The rows of two squares side by side, each transposed: the off-diagonal parts of ever larger squares swapped."""
    for step in (1, 2):
        low = [place + TALL - step if place & step else place for place in range(TALL)]
        pairs = [(r, r + step) for r in range(NARROW) if not r & step]
        for r, other in pairs:
            a, b = rows[r], rows[other]
            rows[r], rows[other] = (_chosen(builder, a, b, [first + place for place in low]) for first in (0, step))
    return rows


def _fetch(typing: Any, array: Any, i: Any, j: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        (place,) = _rows_of_tile(context, builder, array, values, 1, 1)
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [builder.bitcast(place, pointer), flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return nb.void(array, _I, _I), generate


def _turn(typing: Any, source: Any, i: Any, j: Any, target: Any, k: Any, m: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        align = context.get_abi_sizeof(context.get_data_type(source.dtype))
        places = _rows_of_tile(context, builder, source, values[:3], TALL, NARROW)
        read = [builder.load(place, align=align) for place in places]
        rows = [_chosen(builder, *pair, [*range(TALL)]) for pair in zip(read[:NARROW], read[NARROW:], strict=True)]
        places = _rows_of_tile(context, builder, target, values[3:], NARROW, TALL)
        for row, place in zip(_transposed(builder, rows), places, strict=True):
            builder.store(row, place, align=align)
        return context.get_dummy_value()

    return nb.void(source, _I, _I, target, _I, _I), generate


def _turn_back(typing: Any, source: Any, i: Any, j: Any, target: Any, k: Any, m: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        align = context.get_abi_sizeof(context.get_data_type(source.dtype))
        places = _rows_of_tile(context, builder, source, values[:3], NARROW, TALL)
        rows = _transposed(builder, [builder.load(place, align=align) for place in places])
        halves = [_chosen(builder, row, row, [*range(first, first + NARROW)]) for first in (0, NARROW) for row in rows]
        for half, place in zip(halves, _rows_of_tile(context, builder, target, values[3:], TALL, NARROW), strict=True):
            builder.store(half, place, align=align)
        return context.get_dummy_value()

    return nb.void(source, _I, _I, target, _I, _I), generate


# ------------------------------------------------------------------------------------------------- a formula's loop


def _call(
    typing: Any, where: Any, z: Any, t: Any, w: Any, p: Any, values: Any, slopes: Any, curvatures: Any, n: Any
) -> Any:
    arrays = (z, t, w, p, values, slopes, curvatures)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer] * len(arrays) + [ir.IntType(64)])
        function = builder.inttoptr(given[0], kind.as_pointer())
        data = [_memory(context, builder, array, value)[0] for array, value in zip(arrays, given[1:-1], strict=True)]
        builder.call(function, [*(builder.bitcast(item, pointer) for item in data), given[-1]])
        return context.get_dummy_value()

    return nb.void(_I, *arrays, _I), generate


# ------------------------------------------------------------------------------------------- other machine code


def _enter(builder: Any, machine: Any, block: Any) -> Any:
    word = ir.IntType(64)
    function = builder.inttoptr(machine, ir.FunctionType(word, [ir.IntType(8).as_pointer()]).as_pointer())
    return builder.call(function, [builder.inttoptr(block, ir.IntType(8).as_pointer())])


def _row_at(dtype: Any) -> Any:
    return array_at(types.Array(dtype, 1, "C"))


INSTRUCTIONS: dict[str, Any] = {
    "address": intrinsic(_address),
    "as_elements": intrinsic(_as_elements),
    "as_integers": intrinsic(_as_integers),
    "bfloat_of": _instruction(types.uint16, (types.float32,), _bfloat_of),
    "bits": bits_of,
    "call": intrinsic(_call),
    "doubles_at": _row_at(_F),
    "enter": _instruction(_I, (_I, _I), _enter),
    "fetch": intrinsic(_fetch),
    "fma": _instruction(_F, (_F, _F, _F), lambda builder, a, b, c: builder.fma(a, b, c)),
    "from_bits": number_of,
    "half_of": _instruction(types.uint16, (types.float32,), _half_of),
    "integers_at": _row_at(_I),
    "labels_at": _row_at(types.int32),
    "magnitude": _instruction(_F, (_F,), _named("llvm.fabs")),
    "maximum": intrinsic(_maximum),
    "select": _instruction(_F, (types.boolean, _F, _F), lambda builder, c, a, b: builder.select(c, a, b)),
    "shaped": intrinsic(_shaped),
    "single_of_bfloat": _instruction(types.float32, (types.uint16,), _single_of_bfloat),
    "single_of_half": _instruction(types.float32, (types.uint16,), _single_of_half),
    "singles_at": _row_at(types.float32),
    "square_root": _instruction(_F, (_F,), _named("llvm.sqrt")),
    "stack": intrinsic(_stack),
    "turn": intrinsic(_turn),
    "turn_back": intrinsic(_turn_back),
}
