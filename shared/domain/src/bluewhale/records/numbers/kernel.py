"""The rules of `scalar` over a column, as one Numba kernel.

Owns no rule of its own: each function is the twin of the one with the same name
in `scalar`, on symbols in a scratch buffer (0-9, 10 = `*`, 11 = `#`). `t` is
`NumberPlan.table`: one array, since arrays inside tuples cost a reference count
at each use. Results travel as (e164 or 0, class code, assumed).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bluewhale.records.enums import CallClass
from bluewhale.records.memory import pointer
from bluewhale.records.numbers.plan import (
    ABROAD,
    ACCESS,
    ACCESS_COUNT,
    ACCESS_WIDTH,
    AREA,
    AREA_DIGITS,
    CLASS_CODE,
    CODE,
    CODE_COUNT,
    CODE_MEANING,
    CODE_WIDTH,
    COUNTRY,
    COUNTRY_CODE,
    COUNTRY_DIGITS,
    EXTENSION_LENGTH,
    LEAST_DIGITS,
    MAIN,
    MAIN_DIGITS,
    NATIONAL,
    NATIONAL_WIDTH,
    PREFIX_MISSING,
    RANGE,
    RANGE_COUNT,
    SHORT,
    SYMBOLS_MAX,
    TRUNK,
    TRUNK_EXISTS,
    WIDTH,
)
from numba import njit

_UNKNOWN = CLASS_CODE[CallClass.UNKNOWN]
_SPECIAL = CLASS_CODE[CallClass.SPECIAL]
_EMERGENCY = CLASS_CODE[CallClass.EMERGENCY]
_INTERNAL = CLASS_CODE[CallClass.INTERNAL]
_LOCAL = CLASS_CODE[CallClass.LOCAL]
_NATIONAL = CLASS_CODE[CallClass.NATIONAL]
_NO_MATCH = -2
_SKIP, _PLUS, _OTHER = 252, 253, 254

# What each byte of a printed number is: a symbol 0-11, a separator, plus, or anything else.
SIGNS = np.full(256, _OTHER, np.uint8)
SIGNS[48:58] = np.arange(10)
SIGNS[ord("*")], SIGNS[ord("#")], SIGNS[ord("+")] = 10, 11, _PLUS
for _sign in " -./()\t":
    SIGNS[ord(_sign)] = _SKIP
SIGNS.flags.writeable = False


@njit(nogil=True, cache=True, inline="always")
def _clean(data: Any, start: Any, end: Any, signs: Any, out: Any) -> Any:
    """Fill `out` with symbols; give their count (-1 = not a number) and whether a plus led."""
    count = 0
    plus = False
    for i in range(start, end):
        sign = signs[data[i]]
        if sign < 12:
            if count == SYMBOLS_MAX:
                return -1, False
            out[count] = sign
            count += 1
        elif sign == _PLUS and count == 0 and not plus:
            plus = True
        elif sign != _SKIP:
            return -1, False
    if count == 0:
        return -1, False
    return count, plus


@njit(nogil=True, cache=True)
def _match(t: Any, table: Any, width: Any, b: Any, s: Any, e: Any) -> Any:
    """Tags of an automaton for the whole text; its rows are steps, then tags."""
    state = 1
    for i in range(s, e):
        state = t[table + state * width + b[i]]
        if state == 0:
            return 0
    return t[table + state * width + width - 1]


@njit(nogil=True, cache=True)
def _longest_prefix(t: Any, table: Any, b: Any, s: Any, e: Any) -> Any:
    """Longest accepted prefix that leaves something; 0 = none."""
    state = 1
    best = 0
    for i in range(s, e - 1):
        state = t[table + state * WIDTH + b[i]]
        if state == 0:
            break
        if t[table + state * WIDTH + 10] != 0:
            best = i + 1 - s
    return best


@njit(nogil=True, cache=True)
def _national_class(t: Any, b: Any, s: Any, e: Any) -> Any:
    """Class code of a complete national number, -1 geographic, -2 none."""
    table = t[NATIONAL]
    state = 1
    for i in range(s, e):
        state = t[table + state * NATIONAL_WIDTH + b[i]]
        if state == 0:
            return _NO_MATCH
    return np.int64(t[table + state * NATIONAL_WIDTH + 10])


@njit(nogil=True, cache=True)
def _value(b: Any, s: Any, e: Any) -> Any:
    total = np.int64(0)
    for i in range(s, e):
        total = total * 10 + np.int64(b[i])
    return total


@njit(nogil=True, cache=True)
def _is_own_extension(t: Any, b: Any, s: Any, e: Any) -> Any:
    length = e - s
    if t[RANGE_COUNT] > 0:
        for i in range(t[RANGE_COUNT]):
            at = t[RANGE] + 4 * i
            if t[at + 2] <= length <= t[at + 3] and t[at] <= _value(b, s, e) <= t[at + 1]:
                return True
        return False
    return length > 0 and t[t[EXTENSION_LENGTH] + length] != 0 and b[s] != 0


@njit(nogil=True, cache=True)
def _made(t: Any, b: Any, s: Any, e: Any, code: Any, assumed: Any) -> Any:
    if code == -1:
        local = t[AREA_DIGITS] > 0 and e - s >= t[AREA_DIGITS]
        if local:
            for i in range(t[AREA_DIGITS]):
                if b[s + i] != t[t[AREA] + i]:
                    local = False
                    break
        code = _LOCAL if local else _NATIONAL
    e164 = np.int64(t[COUNTRY_CODE])
    for i in range(s, e):
        e164 = e164 * 10 + np.int64(b[i])
    return e164, code, assumed


@njit(nogil=True, cache=True)
def _nation(t: Any, b: Any, s: Any, e: Any, assumed: Any) -> Any:
    most = 15 - t[COUNTRY_DIGITS]
    least = t[LEAST_DIGITS]
    table = t[NATIONAL]
    length = e - s
    state = 1
    best = 0
    best_state = 0
    last = 0
    alive = 0
    for i in range(s, e):
        state = t[table + state * NATIONAL_WIDTH + b[i]]
        if state == 0:
            break
        last = state
        alive += 1
        if t[table + state * NATIONAL_WIDTH + 10] != _NO_MATCH:
            best = alive
            best_state = state
    if best != length and not (least <= best <= most and alive < length):
        if length < least or length > most:
            return np.int64(0), _UNKNOWN, False
        code = np.int64(t[table + last * NATIONAL_WIDTH + 11]) if last != 0 else np.int64(-1)
        return _made(t, b, s, e, code, True)
    if best > most or best == 0:
        return np.int64(0), _UNKNOWN, False
    code = np.int64(t[table + best_state * NATIONAL_WIDTH + 10])
    return _made(t, b, s, s + best, code, assumed or best < length)


@njit(nogil=True, cache=True)
def _international(t: Any, b: Any, s: Any, e: Any) -> Any:
    if e <= s or b[s] == 0:
        return np.int64(0), _UNKNOWN, False
    first = 0
    for i in range(3):
        first = first * 10 + int(b[s + i] if s + i < e else 0)
    length = np.int64(t[t[COUNTRY] + first])
    if length == 0 or e - s < length:
        return np.int64(0), _UNKNOWN, False
    code = _value(b, s, s + length)
    rest = s + length
    assumed = False
    if t[t[COUNTRY] + 2000 + code] != 0 and rest < e and b[rest] == 0:
        rest += 1
        assumed = True
    if code == t[COUNTRY_CODE]:
        return _nation(t, b, rest, e, assumed)
    if e - rest < 4 or length + e - rest > 15:
        return np.int64(0), _UNKNOWN, False
    e164 = code
    for i in range(rest, e):
        e164 = e164 * 10 + np.int64(b[i])
    return e164, np.int64(t[t[COUNTRY] + 1000 + code]), assumed


@njit(nogil=True, cache=True)
def _trunk_length(t: Any, b: Any, s: Any, e: Any) -> Any:
    table = t[TRUNK]
    state = 1
    shortest = 0
    fitting = 0
    for i in range(s, e - 1):
        state = t[table + state * WIDTH + b[i]]
        if state == 0:
            break
        if t[table + state * WIDTH + 10] != 0:
            if shortest == 0:
                shortest = i + 1 - s
            if _national_class(t, b, i + 1, e) != _NO_MATCH:
                fitting = i + 1 - s
    if fitting != 0 or shortest == 0:
        return fitting
    return 0 if _national_class(t, b, s, e) != _NO_MATCH else shortest


@njit(nogil=True, cache=True)
def _with_area(t: Any, b: Any, s: Any, e: Any, wide: Any) -> Any:
    """Write area code and digits into `wide`; give the length."""
    count = t[AREA_DIGITS]
    for i in range(count):
        wide[i] = t[t[AREA] + i]
    for i in range(s, e):
        wide[count] = b[i]
        count += 1
    return count


@njit(nogil=True, cache=True)
def _national_plain(t: Any, b: Any, s: Any, e: Any) -> Any:
    table = t[NATIONAL]
    state = 1
    for i in range(s, e):
        state = t[table + state * NATIONAL_WIDTH + b[i]]
    return t[table + state * NATIONAL_WIDTH + 12] != 0


@njit(nogil=True, cache=True)
def _goes_on(t: Any, b: Any, s: Any, e: Any) -> Any:
    table = t[NATIONAL]
    state = 1
    best = 0
    plain = False
    for i in range(s, e):
        state = t[table + state * NATIONAL_WIDTH + b[i]]
        if state == 0:
            return best >= t[LEAST_DIGITS] and not plain
        if t[table + state * NATIONAL_WIDTH + 10] != _NO_MATCH:
            best = i + 1 - s
            plain = t[table + state * NATIONAL_WIDTH + 12] != 0
    return False


@njit(nogil=True, cache=True)
def _public(t: Any, b: Any, s: Any, e: Any, wide: Any) -> Any:
    if e <= s:
        return np.int64(0), _UNKNOWN, False
    short = _match(t, t[SHORT], WIDTH, b, s, e)
    if short & 1:
        return np.int64(0), _EMERGENCY, False
    abroad = _longest_prefix(t, t[ABROAD], b, s, e)
    if abroad > 0:
        return _international(t, b, s + abroad, e)
    if short & 2:
        return np.int64(0), _SPECIAL, False
    trunk = _trunk_length(t, b, s, e)
    if trunk > 0:
        return _nation(t, b, s + trunk, e, False)
    area = t[AREA_DIGITS] > 0 and e - s >= 3
    whole = 0
    if area:
        whole = _with_area(t, b, s, e, wide)
        if _national_class(t, wide, 0, whole) != _NO_MATCH:
            return _nation(t, wide, 0, whole, True)
    prefix_missing = t[PREFIX_MISSING] != 0
    if _national_class(t, b, s, e) != _NO_MATCH:
        return _nation(t, b, s, e, prefix_missing and _national_plain(t, b, s, e))
    if not prefix_missing:
        return _nation(t, b, s, e, True)
    if _goes_on(t, b, s, e):
        return _nation(t, b, s, e, True)
    if area:
        return _nation(t, wide, 0, whole, True)
    return np.int64(0), _UNKNOWN, False


@njit(nogil=True, cache=True)
def _calling(t: Any, b: Any, s: Any, e: Any, wide: Any) -> Any:
    abroad = _longest_prefix(t, t[ABROAD], b, s, e)
    if abroad > 0:
        e164, code, assumed = _international(t, b, s + abroad, e)
        if e164 != 0:
            return e164, code, assumed
    trunk = _trunk_length(t, b, s, e)
    if trunk > 0:
        return _nation(t, b, s + trunk, e, False)
    digits = t[COUNTRY_DIGITS]
    own_code = False
    if e - s > digits and _value(b, s, s + digits) == t[COUNTRY_CODE]:
        own_code = _national_class(t, b, s + digits, e) != _NO_MATCH
    if own_code and e - s >= 11:
        return _nation(t, b, s + digits, e, True)
    if _national_class(t, b, s, e) != _NO_MATCH:
        return _nation(t, b, s, e, t[TRUNK_EXISTS] != 0)
    if own_code:
        return _nation(t, b, s + digits, e, True)
    if 10 <= e - s <= 15:
        e164, code, assumed = _international(t, b, s, e)
        if e164 != 0:
            return e164, code, True
    if t[AREA_DIGITS] > 0:
        whole = _with_area(t, b, s, e, wide)
        if _national_class(t, wide, 0, whole) != _NO_MATCH:
            return _nation(t, wide, 0, whole, True)
    return np.int64(0), _UNKNOWN, False


@njit(nogil=True, cache=True)
def _direct_dial(t: Any, e164: Any, main: Any, b: Any) -> Any:
    """Digits of the own extension behind the main number; 0 = it is none."""
    count = 0
    power = np.int64(1)
    while power <= e164:
        power *= 10
        count += 1
    digits = count - t[MAIN_DIGITS]
    if digits <= 0:
        return 0
    unit = np.int64(1)
    for _ in range(digits):
        unit *= 10
    if e164 // unit != main:
        return 0
    rest = e164 % unit
    for i in range(digits):
        b[digits - 1 - i] = rest % 10
        rest //= 10
    return digits if _is_own_extension(t, b, 0, digits) else 0


@njit(nogil=True, cache=True)
def _access_length(t: Any, b: Any, end: Any) -> Any:
    """Digits of the longest access code in front; codes stand longest first."""
    for k in range(t[ACCESS_COUNT]):
        at = t[ACCESS] + k * ACCESS_WIDTH
        size = np.int64(t[at])
        same = size <= end
        for i in range(size if same else 0):
            if b[i] != t[at + 1 + i]:
                same = False
                break
        if same:
            return size
    return np.int64(0)


@njit(nogil=True, cache=True)
def _called(t: Any, b: Any, end: Any, wide: Any) -> Any:
    """Give (e164, class, assumed); class internal = own extension."""
    ranges = t[RANGE_COUNT] > 0
    if ranges and _is_own_extension(t, b, 0, end):
        return np.int64(0), _INTERNAL, False
    if _match(t, t[SHORT], WIDTH, b, 0, end) & 1:
        return np.int64(0), _EMERGENCY, False
    access = _access_length(t, b, end)
    if access == 0 and not ranges and _is_own_extension(t, b, 0, end):
        return np.int64(0), _INTERNAL, False
    return _public(t, b, access, end, wide)


@njit(nogil=True, cache=True)
def normalise_kernel(
    text: Any,
    offsets: Any,
    sign_table: Any,
    table: Any,
    scratch: Any,
    code_e164: Any,
    called: Any,
    out_e164: Any,
    out_class: Any,
    out_extension: Any,
    out_assumed: Any,
    out_digits: Any,
) -> None:
    """Normalise row i = text[offsets[i]:offsets[i + 1]]; e164 0 = none.

    `scratch`: two rows of at least 128 bytes, overwritten.
    """
    data, signs, t = pointer(text), pointer(sign_table), pointer(table)
    b, wide = pointer(scratch[0]), pointer(scratch[1])
    main = np.int64(0)
    for i in range(t[MAIN_DIGITS]):
        main = main * 10 + np.int64(t[t[MAIN] + i])
    for row in range(len(out_e164)):
        out_e164[row] = 0
        out_class[row] = _UNKNOWN
        out_extension[row] = False
        out_assumed[row] = False
        out_digits[row] = 0
        count, plus = _clean(data, offsets[row], offsets[row + 1], signs, b)
        if count < 0:
            continue
        if called and not plus and t[CODE_COUNT] > 0:
            index = _match(t, t[CODE], CODE_WIDTH, b, 0, count)
            if index > 0:
                meaning = t[CODE_MEANING] + 3 * index
                out_e164[row] = code_e164[index]
                out_class[row] = t[meaning]
                out_extension[row] = t[meaning + 1] != 0
                out_assumed[row] = t[meaning + 2] != 0
                continue
        if b[0] > 9:
            if not plus:
                out_class[row] = _SPECIAL
            continue
        end = count
        for i in range(count):
            if b[i] > 9:
                end = i
                break
        if plus:
            e164, code, assumed = _international(t, b, 0, end)
        elif called:
            e164, code, assumed = _called(t, b, end, wide)
        elif _is_own_extension(t, b, 0, end):
            e164, code, assumed = np.int64(0), np.int64(_INTERNAL), False
        else:
            e164, code, assumed = _calling(t, b, 0, end, wide)
        out_class[row] = code
        if code == _INTERNAL:
            out_extension[row] = True
            out_digits[row] = end
            if t[MAIN_DIGITS] > 0 and t[MAIN_DIGITS] + end <= 15:
                e164 = main
                for i in range(end):
                    e164 = e164 * 10 + np.int64(b[i])
        elif e164 != 0 and t[MAIN_DIGITS] > 0:
            digits = _direct_dial(t, e164, main, b)
            out_digits[row] = digits
            out_extension[row] = digits > 0
        out_e164[row] = e164
        out_assumed[row] = (assumed or end < count - 1) and e164 != 0


@njit(nogil=True, cache=True)
def last_digits_kernel(
    text: Any, offsets: Any, sign_table: Any, scratch: Any, digits: Any, ends: Any, out: Any
) -> None:
    """Copy the extension of each row: the last `digits` digits before any `*` or `#`."""
    data, signs, b = pointer(text), pointer(sign_table), pointer(scratch[0])
    for row in range(len(digits)):
        if digits[row] == 0:
            continue
        count, _ = _clean(data, offsets[row], offsets[row + 1], signs, b)
        end = count
        for i in range(count):
            if b[i] > 9:
                end = i
                break
        at = ends[row] - digits[row]
        for i in range(digits[row]):
            out[at + i] = b[end - digits[row] + i] + 48
