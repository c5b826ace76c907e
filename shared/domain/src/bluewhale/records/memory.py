"""Words and runs of bytes inside kernels: what Numba's own loops do slowly.

Owns intrinsics over byte arrays: loads and stores at any address, byte order,
copies, and comparison of 64 bytes at once. Positions are not checked: the
caller knows that they lie inside the array.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba, no stubs
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BLOCK_BYTES = 64
_WORD = ir.IntType(64)
_BYTE = ir.IntType(8)
_VECTOR = ir.VectorType(_BYTE, BLOCK_BYTES)


def _place(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Address of a byte of an array, or behind a pointer."""
    if isinstance(kind, types.CPointer):
        return builder.gep(builder.bitcast(array, _BYTE.as_pointer()), [index])
    data = cgutils.create_struct_proxy(kind)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def pointer(_context: Any, array: Any) -> Any:
    """Give the bare address of an array's first entry; it is indexed like the array.

    Numba counts references at each use of an array in a function, which costs
    more than short functions do; a pointer has none. So the array must be an
    argument of the kernel: one made inside it would be freed too early.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def read64(_context: Any, array: Any, index: Any) -> Any:
    """Load 8 bytes, little endian, from any address of a byte array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], *args)
        return builder.load(builder.bitcast(place, _WORD.as_pointer()), align=1)

    return types.uint64(array, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def write64(_context: Any, array: Any, index: Any, word: Any) -> Any:
    """Store 8 bytes, little endian, at any address of a byte array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], *args[:2])
        builder.store(args[2], builder.bitcast(place, _WORD.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def swap64(_context: Any, word: Any) -> Any:
    """Turn the byte order of a word."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bswap(args[0])

    return types.uint64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def trailing_zeros(_context: Any, word: Any) -> Any:
    """Give the place of the lowest set bit; 64 where there is none."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def count_ones(_context: Any, word: Any) -> Any:
    """Count the set bits of a word."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.uint64), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def copy_bytes(_context: Any, out: Any, at: Any, data: Any, start: Any, count: Any) -> Any:
    """Copy `count` bytes from data[start] to out[at]; the two do not overlap."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _place(context, builder, signature.args[0], args[0], args[1])
        source = _place(context, builder, signature.args[2], args[2], args[3])
        cgutils.raw_memcpy(builder, target, source, args[4], 1)
        return context.get_dummy_value()

    return types.void(out, types.int64, data, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def equal_mask(_context: Any, array: Any, index: Any, byte: Any) -> Any:
    """Compare the 64 bytes from `index` on with one byte: bit i = byte i is equal."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature.args[0], *args[:2])
        block = builder.load(builder.bitcast(place, _VECTOR.as_pointer()), align=1)
        first = builder.insert_element(
            ir.Constant(_VECTOR, ir.Undefined), args[2], ir.Constant(ir.IntType(32), 0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), BLOCK_BYTES), [0] * BLOCK_BYTES)
        wanted = builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), zeros)
        return builder.bitcast(builder.icmp_unsigned("==", block, wanted), _WORD)

    return types.uint64(array, types.int64, types.uint8), generate
