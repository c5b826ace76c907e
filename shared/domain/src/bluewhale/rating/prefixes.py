"""Longest prefix over a million prefixes: disjoint ranges and a table of six digits.

Owns the index and its look-up. A number is left-aligned to 15 digits, so that a
prefix p of length l is the range [p, p+1) x 10^(15-l); a sweep with a stack
cuts the nested ranges into disjoint ones, each naming its longest prefix.
A table over the first six digits and a bisection behind it find the range.
Prefixes with leading zeros are kept apart from shorter ones by their length.

It does not know selectors or validity: a prefix names a *group* of rows, and a
group names its parent, the next shorter prefix, for rows that do not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.rating.kernels import HEAD_STEP, RANGE_BITS, RANGE_PLAIN, ROW_BITS, TABLE_DIGITS
from numba import njit

DIGITS: Final = 15
GROUP_FACTS: Final = 4

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PrefixIndex:
    """Ranges over left-aligned numbers, and the groups of rows they name.

    `ranges[i]` = the last nine digits of its start, and below them in 33 bits
    what holds from there to the next start: 0 = no prefix; RANGE_PLAIN, length
    and row of a prefix that has one row without selectors or validity; group + 1
    of any other. `table[d]` is twice the range that holds at the first number
    beginning with the six digits d, plus 1 if it begins there. `groups[g]` =
    length of its prefix, first row and end of its rows (positions in the sorted
    deck), and the next shorter prefix (-1 = none).
    """

    ranges: Int64
    table: Int32
    groups: Int32


def left_align_text(prefixes: pa.Array) -> tuple[Int64, npt.NDArray[np.int8]]:
    """Give key and length of each prefix of a text column without nulls.

    Raises
    ------
    ValueError
        A prefix has another character than a digit, or more than 15 digits.
    """
    if len(prefixes) == 0:
        return np.empty(0, np.int64), np.empty(0, np.int8)
    _, offsets, data = prefixes.buffers()
    first = prefixes.offset
    ends = np.frombuffer(offsets, np.int32)[first : first + len(prefixes) + 1]
    text = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    keys = np.empty(len(prefixes), np.int64)
    lengths = np.empty(len(prefixes), np.int8)
    bad = _align_text(text, ends, keys, lengths)
    if bad >= 0:
        raise ValueError(f"prefix {prefixes[bad].as_py()!r} is not 0 to {DIGITS} digits")
    return keys, lengths


def left_align_digits(digits: str) -> tuple[int, int]:
    """Give key and length of one number; digits beyond the 15th do not matter."""
    text = digits[:DIGITS]
    return int(text.ljust(DIGITS, "0") or "0"), len(text)


def build_index(
    keys: Int64, lengths: npt.NDArray[np.int8], plain: npt.NDArray[np.bool_]
) -> PrefixIndex:
    """Build the index of a deck sorted by (key, length), equal prefixes adjacent.

    `plain` says which rows have neither selectors nor validity.
    """
    assert len(keys) < 2**ROW_BITS, "a range has 28 bits for a row"
    order = keys * 16 + lengths
    assert bool(np.all(order[1:] >= order[:-1])), "the deck must be sorted"
    begins = (
        np.flatnonzero(np.concatenate(([True], order[1:] != order[:-1])))
        if len(keys)
        else (np.empty(0, np.int64))
    )
    group_key = keys[begins]
    group_length = lengths[begins]
    group_row = np.append(begins, len(keys)).astype(np.int32)
    starts = np.empty(2 * len(begins) + 1, np.int64)
    groups = np.empty(2 * len(begins) + 1, np.int32)
    parent = np.empty(len(begins), np.int32)
    count = _sweep(group_key, group_length, starts, groups, parent)
    facts = np.empty((len(begins), GROUP_FACTS), np.int32)
    facts[:, 0], facts[:, 3] = group_length, parent
    facts[:, 1], facts[:, 2] = group_row[:-1], group_row[1:]
    ranges = _packed(starts[:count], groups[:count], facts, plain)
    return PrefixIndex(ranges, _heads(starts[:count]), facts)


def _packed(starts: Int64, groups: Int32, facts: Int32, plain: npt.NDArray[np.bool_]) -> Int64:
    """Give the ranges; see `PrefixIndex`."""
    named = np.append(groups.astype(np.int64) + 1, 0)[:-1]
    if len(facts):
        first = facts[groups, 1].astype(np.int64)
        length = facts[groups, 0].astype(np.int64)
        single = (groups >= 0) & plain[first] & (facts[groups, 2] - first == 1)
        direct = RANGE_PLAIN | length << ROW_BITS | first
        named = np.where(single, direct, named)
    return (starts % HEAD_STEP) << RANGE_BITS | named


def _heads(starts: Int64) -> Int32:
    """Give the table: twice the range of each head, odd where a range begins with the head."""
    heads = np.arange(10**TABLE_DIGITS + 1, dtype=np.int64) * HEAD_STEP
    table = np.searchsorted(starts, heads, side="right") - 1
    return (2 * table + (starts[table] == heads)).astype(np.int32)


@njit(nogil=True, cache=True)
def _align_text(text: Any, ends: Any, keys: Any, lengths: Any) -> int:
    for row in range(len(keys)):
        length = ends[row + 1] - ends[row]
        if length > 15:
            return row
        key = np.int64(0)
        for at in range(ends[row], ends[row + 1]):
            digit = text[at] - 48
            if digit < 0 or digit > 9:
                return row
            key = key * 10 + digit
        for _ in range(15 - length):
            key *= 10
        keys[row] = key
        lengths[row] = length
    return -1


@njit(nogil=True, cache=True)
def _sweep(key: Any, length: Any, starts: Any, groups: Any, parent: Any) -> int:
    """Cut nested ranges into disjoint ones; gives their count."""
    stack = np.empty(17, np.int32)
    stack_end = np.empty(17, np.int64)
    depth = 0
    starts[0] = 0
    groups[0] = -1
    count = 1
    for group in range(len(key) + 1):
        here = key[group] if group < len(key) else np.int64(10**15)
        while depth > 0 and stack_end[depth - 1] <= here:
            depth -= 1
            if starts[count - 1] != stack_end[depth]:
                starts[count] = stack_end[depth]
                count += 1
            groups[count - 1] = stack[depth - 1] if depth > 0 else -1
        if group == len(key):
            break
        if starts[count - 1] != here:
            starts[count] = here
            count += 1
        groups[count - 1] = group
        parent[group] = stack[depth - 1] if depth > 0 else -1
        stack[depth] = group
        stack_end[depth] = here + np.int64(10) ** (15 - length[group])
        depth += 1
    return count


@njit(nogil=True, cache=True)
def left_align_numbers(numbers: Any, keys: Any, lengths: Any) -> None:
    """Left-align E.164 numbers held as integers (no leading zero); <= 0 has none."""
    for row in range(len(numbers)):
        number = numbers[row]
        if number <= 0:
            keys[row] = 0
            lengths[row] = -1
            continue
        length = 15
        while number >= 1_000_000_000_000_000:
            number //= 10
        while number < 100_000_000_000_000:
            number *= 10
            length -= 1
        keys[row] = number
        lengths[row] = length
