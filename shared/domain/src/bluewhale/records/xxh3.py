"""XXH3-128 of many byte ranges at once, without copying them.

Owns the kernel only. It computes exactly what the `xxhash` library computes
(`xxhash.xxh3_128`, seed 0), which is its twin in the tests; what is hashed and
how ids are made of it is `bluewhale.records.ids`.

Source: xxHash specification (XXH3 128 bits, default secret), Yann Collet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bluewhale.records.memory import read64, swap64
from llvmlite import ir  # type: ignore[import-untyped]  # comes with numba, no stubs
from numba import njit, types
from numba.extending import intrinsic

_P32_1 = np.uint64(0x9E3779B1)
_P32_2 = np.uint64(0x85EBCA77)
_P32_3 = np.uint64(0xC2B2AE3D)
_P64_1 = np.uint64(0x9E3779B185EBCA87)
_P64_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_P64_3 = np.uint64(0x165667B19E3779F9)
_P64_4 = np.uint64(0x85EBCA77C2B2AE63)
_P64_5 = np.uint64(0x27D4EB2F165667C5)
_MX1 = np.uint64(0x165667919E3779F9)
_MX2 = np.uint64(0x9FB21C651E98DF25)
_LOW32 = np.uint64(0xFFFFFFFF)
_ZERO = np.uint64(0)

SECRET = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
        "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
        "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
        "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
        "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
        "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
    ),
    dtype=np.uint8,
)


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _high64(_context: Any, _a: Any, _b: Any) -> Any:
    """Upper half of the 128-bit product of two 64-bit words."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@njit(nogil=True, cache=True, inline="always")
def _fold(a: Any, b: Any) -> Any:
    return _high64(a, b) ^ (a * b)


@njit(nogil=True, cache=True, inline="always")
def _avalanche(h: Any) -> Any:
    h ^= h >> np.uint64(37)
    h *= _MX1
    return h ^ (h >> np.uint64(32))


@njit(nogil=True, cache=True, inline="always")
def _avalanche64(h: Any) -> Any:
    h ^= h >> np.uint64(33)
    h *= _P64_2
    h ^= h >> np.uint64(29)
    h *= _P64_3
    return h ^ (h >> np.uint64(32))


@njit(nogil=True, cache=True, inline="always")
def _swap32(x: Any) -> Any:
    x = ((x & np.uint64(0x00FF00FF)) << np.uint64(8)) | (
        (x >> np.uint64(8)) & np.uint64(0x00FF00FF)
    )
    return ((x << np.uint64(16)) | (x >> np.uint64(16))) & _LOW32


@njit(nogil=True, cache=True, inline="always")
def _read32(data: Any, at: Any) -> Any:
    return (
        np.uint64(data[at])
        | np.uint64(data[at + 1]) << np.uint64(8)
        | np.uint64(data[at + 2]) << np.uint64(16)
        | np.uint64(data[at + 3]) << np.uint64(24)
    )


@njit(nogil=True, cache=True, inline="always")
def _mix16(data: Any, at: Any, secret: Any, key: Any) -> Any:
    return _fold(
        read64(data, at) ^ read64(secret, key),
        read64(data, at + 8) ^ read64(secret, key + 8),
    )


@njit(nogil=True, cache=True, inline="always")
def _mix32(low: Any, high: Any, data: Any, one: Any, two: Any, secret: Any, key: Any) -> Any:
    low = (low + _mix16(data, one, secret, key)) ^ (read64(data, two) + read64(data, two + 8))
    high = (high + _mix16(data, two, secret, key + 16)) ^ (
        read64(data, one) + read64(data, one + 8)
    )
    return low, high


@njit(nogil=True, cache=True)
def _short(data: Any, at: Any, length: Any, secret: Any) -> Any:
    """0 to 16 bytes."""
    size = np.uint64(length)
    if length > 8:
        flip_low = read64(secret, 32) ^ read64(secret, 40)
        flip_high = read64(secret, 48) ^ read64(secret, 56)
        first = read64(data, at)
        last = read64(data, at + length - 8)
        mixed = first ^ last ^ flip_low
        low = mixed * _P64_1
        high = _high64(mixed, _P64_1)
        low += (size - np.uint64(1)) << np.uint64(54)
        last ^= flip_high
        high += last + (last & _LOW32) * (_P32_2 - np.uint64(1))
        low ^= swap64(high)
        out_high = _high64(low, _P64_2) + high * _P64_2
        return _avalanche(low * _P64_2), _avalanche(out_high)
    if length >= 4:
        keyed = (_read32(data, at) + (_read32(data, at + length - 4) << np.uint64(32))) ^ (
            read64(secret, 16) ^ read64(secret, 24)
        )
        factor = _P64_1 + (size << np.uint64(2))
        low = keyed * factor
        high = _high64(keyed, factor) + (low << np.uint64(1))
        low ^= high >> np.uint64(3)
        low ^= low >> np.uint64(35)
        low *= _MX2
        low ^= low >> np.uint64(28)
        return low, _avalanche(high)
    if length > 0:
        combined = (
            (np.uint64(data[at]) << np.uint64(16))
            | (np.uint64(data[at + (length >> 1)]) << np.uint64(24))
            | np.uint64(data[at + length - 1])
            | (size << np.uint64(8))
        )
        swapped = _swap32(combined)
        turned = ((swapped << np.uint64(13)) | (swapped >> np.uint64(19))) & _LOW32
        low = combined ^ (_read32(secret, 0) ^ _read32(secret, 4))
        high = turned ^ (_read32(secret, 8) ^ _read32(secret, 12))
        return _avalanche64(low), _avalanche64(high)
    return (
        _avalanche64(read64(secret, 64) ^ read64(secret, 72)),
        _avalanche64(read64(secret, 80) ^ read64(secret, 88)),
    )


@njit(nogil=True, cache=True)
def _middle(data: Any, at: Any, length: Any, secret: Any) -> Any:
    """17 to 240 bytes."""
    size = np.uint64(length)
    low = size * _P64_1
    high = _ZERO
    end = at + length
    if length <= 128:
        if length > 96:
            low, high = _mix32(low, high, data, at + 48, end - 64, secret, 96)
        if length > 64:
            low, high = _mix32(low, high, data, at + 32, end - 48, secret, 64)
        if length > 32:
            low, high = _mix32(low, high, data, at + 16, end - 32, secret, 32)
        low, high = _mix32(low, high, data, at, end - 16, secret, 0)
    else:
        for i in range(32, 160, 32):
            low, high = _mix32(low, high, data, at + i - 32, at + i - 16, secret, i - 32)
        low = _avalanche(low)
        high = _avalanche(high)
        for i in range(160, length + 1, 32):
            low, high = _mix32(low, high, data, at + i - 32, at + i - 16, secret, 3 + i - 160)
        low, high = _mix32(low, high, data, end - 16, end - 32, secret, 103)
    out = low * _P64_1 + high * _P64_4 + size * _P64_2
    return _avalanche(low + high), _ZERO - _avalanche(out)


@njit(nogil=True, cache=True, inline="always")
def _accumulate(acc: Any, data: Any, at: Any, secret: Any, key: Any) -> None:
    for i in range(8):
        value = read64(data, at + 8 * i)
        keyed = value ^ read64(secret, key + 8 * i)
        acc[i ^ 1] += value
        acc[i] += (keyed & _LOW32) * (keyed >> np.uint64(32))


@njit(nogil=True, cache=True, inline="always")
def _merge(acc: Any, secret: Any, key: Any, start: Any) -> Any:
    total = start
    for i in range(4):
        total += _fold(
            acc[2 * i] ^ read64(secret, key + 16 * i),
            acc[2 * i + 1] ^ read64(secret, key + 16 * i + 8),
        )
    return _avalanche(total)


@njit(nogil=True, cache=True)
def _long(data: Any, at: Any, length: Any, secret: Any, acc: Any) -> Any:
    """241 bytes and more; `acc` is scratch of 8 words."""
    acc[0] = _P32_3
    acc[1] = _P64_1
    acc[2] = _P64_2
    acc[3] = _P64_3
    acc[4] = _P64_4
    acc[5] = _P32_2
    acc[6] = _P64_5
    acc[7] = _P32_1
    blocks = (length - 1) // 1024
    for block in range(blocks):
        for stripe in range(16):
            _accumulate(acc, data, at + block * 1024 + stripe * 64, secret, stripe * 8)
        for i in range(8):
            word = acc[i]
            word ^= word >> np.uint64(47)
            word ^= read64(secret, 128 + 8 * i)
            acc[i] = word * _P32_1
    for stripe in range((length - 1 - 1024 * blocks) // 64):
        _accumulate(acc, data, at + blocks * 1024 + stripe * 64, secret, stripe * 8)
    _accumulate(acc, data, at + length - 64, secret, 121)
    size = np.uint64(length)
    return (
        _merge(acc, secret, 11, size * _P64_1),
        _merge(acc, secret, 117, ~(size * _P64_2)),
    )


@njit(nogil=True, cache=True)
def xxh3_128(data: Any, start: Any, end: Any, secret: Any, acc: Any) -> Any:
    """Hash data[start:end]; give (low, high) 64-bit words, seed 0.

    `data`, `secret` and `acc` are arrays or pointers: bytes, `SECRET`, scratch of 8 uint64. The canonical form is
    high then low, each big endian.
    """
    length = end - start
    if length <= 16:
        return _short(data, start, length, secret)
    if length <= 240:
        return _middle(data, start, length, secret)
    return _long(data, start, length, secret, acc)
