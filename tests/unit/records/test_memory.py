"""Intrinsics over byte arrays and pointers."""

import numpy as np
from bluewhale.records.memory import (
    copy_bytes,
    count_ones,
    equal_mask,
    pointer,
    read64,
    swap64,
    trailing_zeros,
    write64,
)
from numba import njit


@njit
def _mask(data, at, byte):
    return equal_mask(pointer(data), at, byte)


@njit
def _bits(word):
    return swap64(word), trailing_zeros(word), count_ones(word)


@njit
def _move(data, out):
    copy_bytes(out, 1, data, 2, 3)
    write64(pointer(out), 8, read64(data, 1))


def test_a_mask_says_which_of_64_bytes_are_equal():
    """Bit i is byte i behind the position: commas at 1, 2 and 64 seen from 1 are bits 0, 1, 63."""
    data = np.zeros(70, np.uint8)
    data[[1, 2, 64, 65]] = 44
    assert _mask(data, 1, 44) == 1 + 2 + (1 << 63)
    assert _mask(data, 5, 9) == 0


def test_words_are_turned_and_counted():
    """The lowest bit of 0x0100 has place 8; no bit at all gives 64."""
    assert _bits(np.uint64(0x0100)) == (0x0001_0000_0000_0000, 8, 1)
    assert _bits(np.uint64(0)) == (0, 64, 0)


def test_bytes_are_copied_and_loaded_at_any_address():
    """Arrays and pointers to them are addressed alike, aligned or not."""
    data = np.arange(16, dtype=np.uint8)
    out = np.zeros(16, np.uint8)
    _move(data, out)
    assert out.tolist() == [0, 2, 3, 4, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
