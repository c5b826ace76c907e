"""The columnar engine's two kernels: find the row, price the span.

Owns the arithmetic of rating rules 2-7 on integers; the meaning is told by
`exact`, the content of the arrays by `compiled`. Everything is in nanos times a
scale D of the schedules that a span meets; a product that could leave int64 is
noticed before it is made, and the row gets `OUTCOME_EXACT`. The cost of a span
depends on its count of windows and slots, not on its length.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from bluewhale.rating.timelines import DAY_MS, FIRST_DAY, FIRST_MS, LAST_MS
from bluewhale.rating.window_rules import NO_WINDOW
from numba import njit

# Outcomes; the first three are in the order of ChargeStatus.
OUTCOME_RATED: Final = 0
OUTCOME_FREE: Final = 1
OUTCOME_UNRATED: Final = 2
OUTCOME_EXACT: Final = 3

# Reasons, in the order of UnratedReason; NO_REASON = none.
NO_REASON: Final = -1
REASON_NO_RATE: Final = 1
REASON_NO_WINDOW: Final = 2
REASON_NUMBER: Final = 3
REASON_DURATION: Final = 4

# Layouts that these kernels read. They stand here, since a kernel's compiled form is kept
# until its own file changes. Of prefix ranges: see `prefixes.PrefixIndex`.
TABLE_DIGITS: Final = 6
HEAD_STEP: Final = 10 ** (15 - TABLE_DIGITS)
ROW_BITS: Final = 28
RANGE_BITS: Final = 33  # of what a range names; its start is above
RANGE_PLAIN: Final = 2**32
assert HEAD_STEP < 2 ** (63 - RANGE_BITS)
# Of rows: see `compiled.CompiledTariff`.
ROW_NUMBER: Final = 4
ROW_HEAD: Final = 5

_NAMED: Final = 2**RANGE_BITS - 1
_ROW: Final = 2**ROW_BITS - 1
_LIMIT: Final = 4.0e18
_SCALE_MAX: Final = 1_000_000_000
_FLOAT_EXACT: Final = 2**52
_BLOCK: Final = 128
TEXT_MARGIN: Final = 16
_TEN_TO = 10 ** np.arange(16, dtype=np.int64)
_PAIRS = np.frombuffer("".join(f"{n:02}" for n in range(100)).encode(), np.uint8)
_SPAN_MAX_MS: Final = 400 * 86_400_000  # longer ones are for the exact engine


@njit(nogil=True, cache=True)
def match_rows(
    key: Any,
    digits: Any,
    word: Any,
    carrier: Any,
    trunk_group: Any,
    subscriber: Any,
    start_ms: Any,
    ranges: Any,
    table: Any,
    groups: Any,
    row_selectors: Any,
    row_from: Any,
    row_until: Any,
    by_class: Any,
    restricted: Any,
    out_row: Any,
    out_length: Any,
) -> None:
    """Give the sorted deck row of each span, or -1, and the length of its prefix.

    Selector columns of length 1 hold one code for all spans.
    """
    several = len(carrier) > 1, len(trunk_group) > 1, len(subscriber) > 1, len(word) > 1
    lows = np.empty(_BLOCK, np.int64)
    lefts = np.empty(_BLOCK, np.int64)
    bounds = np.empty(_BLOCK, np.int64)
    for begin in range(0, len(key), _BLOCK):
        end = min(begin + _BLOCK, len(key))
        widest = np.int64(1)
        for span in range(begin, end):
            head = key[span] // HEAD_STEP
            low = table[head]
            high = table[head + 1]
            lows[span - begin] = low >> 1
            left = (high >> 1) - (high & 1) - (low >> 1) + 1
            lefts[span - begin] = left
            widest = max(widest, left)
            bounds[span - begin] = (key[span] - head * HEAD_STEP + 1) << RANGE_BITS
        # All bisections of the block step by step side by side: cache misses overlap, and
        # nothing has to be guessed. The first range may begin before the head: never compared.
        while widest > 1:
            for at in range(end - begin):
                half = lefts[at] >> 1
                middle = lows[at] + half
                lows[at] = middle if ranges[middle] < bounds[at] else lows[at]
                lefts[at] -= half
            widest -= widest >> 1
        for span in range(begin, end):
            named = ranges[lows[span - begin]] & _NAMED
            kind = word[span if several[3] else 0]
            selected_only = kind >= 0 and restricted[kind]
            have = digits[span]
            length = (named >> ROW_BITS) & 15
            if named >= RANGE_PLAIN and length <= have and not selected_only:
                out_row[span] = named & _ROW
                out_length[span] = length
                continue
            out_row[span] = -1
            out_length[span] = 0
            if named == 0 or (selected_only and not by_class):
                continue
            group = named - 1
            if named >= RANGE_PLAIN:
                group = _group_of(groups, named & _ROW)
            while group >= 0 and out_row[span] < 0:
                length = groups[group, 0]
                if length == 0 or length <= have:
                    for row in range(groups[group, 1], groups[group, 2]):
                        if (
                            row_from[row] <= start_ms[span] < row_until[row]
                            and _fits(row_selectors[row, 0], carrier, span, several[0])
                            and _fits(row_selectors[row, 1], trunk_group, span, several[1])
                            and _fits(row_selectors[row, 3], subscriber, span, several[2])
                            and (
                                row_selectors[row, 2] == kind
                                if row_selectors[row, 2] != -1
                                else not selected_only
                            )
                        ):
                            out_row[span] = row
                            out_length[span] = length
                            break
                group = np.int64(groups[group, 3])


@njit(nogil=True, cache=True, inline="always")
def _group_of(groups: Any, row: Any) -> Any:
    """Give the group that begins with a row."""
    low = np.int64(0)
    high = np.int64(len(groups) - 1)
    while low < high:
        middle = (low + high + 1) >> 1
        if groups[middle, 1] <= row:
            low = middle
        else:
            high = middle - 1
    return low


@njit(nogil=True, cache=True, inline="always")
def _fits(wanted: Any, codes: Any, span: Any, several: Any) -> Any:
    return wanted == -1 or wanted == codes[span if several else 0]


@njit(nogil=True, cache=True)
def _gcd(a: Any, b: Any) -> Any:
    while b:
        a, b = b, a % b
    return a


@njit(nogil=True, cache=True, inline="always")
def _whole(top: Any, bottom: Any) -> Any:
    """Divide below 2^52: the quotient of two such integers as floats never rounds up."""
    return np.int64(np.float64(top) / np.float64(bottom))


@njit(nogil=True, cache=True)
def round_scaled(amount: Any, scale: Any, unit: Any, mode: Any) -> Any:
    """Round amount/scale nanos to whole `unit` nanos; amount >= 0.

    Modes in the order of `rounding.MODES`: half_up, half_even, up, down.
    `scale x unit` must not leave int64.
    """
    bottom = scale * unit
    if amount < _FLOAT_EXACT and bottom < _FLOAT_EXACT:
        count = _whole(amount, bottom)
    else:
        count = amount // bottom
    rest = amount - count * bottom
    if rest:
        half = bottom - rest  # rest >= bottom - rest: at least a half
        up = mode == 2 or (mode == 0 and rest >= half)
        if up or (mode == 1 and (rest > half or (rest == half and count & 1))):
            count += 1
    return count * unit


@njit(nogil=True, cache=True, error_model="numpy")
def price_spans(  # noqa: PLR0915  # one loop keeps a span's state in registers
    first_span: Any,
    filled: Any,
    row: Any,
    digits: Any,
    word: Any,
    start_ms: Any,
    quantity_ms: Any,
    answered: Any,
    fee_due: Any,
    restricted: Any,
    row_words: Any,
    caps: Any,
    words: Any,
    shapes: Any,
    shape_base: Any,
    surcharges: Any,
    day_change: Any,
    change_at: Any,
    change_window: Any,
    change_label: Any,
    default_mode: Any,
    default_places: Any,
    rate_row: Any,
    outcome: Any,
    reason: Any,
    amount: Any,
    rated_ms: Any,
    fee: Any,
    exact_top: Any,
    exact_bottom: Any,
    minimum_applied: Any,
    cap_applied: Any,
    mode_out: Any,
    places_out: Any,
    segment_end: Any,
    window_out: Any,
    slot_out: Any,
    numbers_out: Any,
) -> Any:
    """Price spans from `first_span` on, until all are or the segments' columns are full.

    Gives the first span that is not priced yet and the count of segments.
    Per-span outputs are written in place; `segment_end[i + 1]` is the end of
    the segments of span i. Segment columns: window, slot (int32); rows of
    `numbers_out`: from, to, blocks, price numerator and denominator. Arrays
    are not handed to other functions: that would count their references.
    """
    several_words = len(word) > 1
    several_fees = len(fee_due) > 1
    room = len(window_out)
    places_of = np.empty(_BLOCK, np.int64)
    bases = np.empty(_BLOCK, np.int64)
    heads = np.empty(_BLOCK, np.int64)
    for begin in range(first_span, len(row), _BLOCK):
        end = min(begin + _BLOCK, len(row))
        # Three tight loops fetch what a block needs, so that cache misses overlap.
        for span in range(begin, end):
            heads[span - begin] = row_words[row[span], 0] if row[span] >= 0 else -1
        for span in range(begin, end):
            change = np.int64(-1)
            base = np.int64(0)
            start = start_ms[span]
            if heads[span - begin] >= 0 and FIRST_MS <= start < LAST_MS:
                change = np.int64(day_change[heads[span - begin], start // DAY_MS - FIRST_DAY])
                while change_at[change + 1] <= start:
                    change += 1
                base = np.int64(row_words[row[span], ROW_HEAD + change_label[change]]) * 8
            places_of[span - begin] = change
            bases[span - begin] = base
        for span in range(begin, end):
            heads[span - begin] = words[bases[span - begin]]
        for span in range(begin, end):
            first_segment = filled
            segment_end[span + 1] = filled
            reason[span] = NO_REASON
            amount[span] = 0
            rated_ms[span] = 0
            fee[span] = 0
            exact_top[span] = 0
            exact_bottom[span] = 1_000_000_000
            minimum_applied[span] = 0
            cap_applied[span] = 0
            mode_out[span] = default_mode
            places_out[span] = default_places
            deck = row[span]
            rate_row[span] = -1
            if deck < 0:
                kind = word[span if several_words else 0]
                if not answered[span] or (kind >= 0 and restricted[kind]):
                    outcome[span] = OUTCOME_FREE
                else:
                    outcome[span] = OUTCOME_UNRATED
                    reason[span] = REASON_NUMBER if digits[span] < 0 else REASON_NO_RATE
                continue
            rate_row[span] = row_words[deck, ROW_NUMBER]
            mode = row_words[deck, 1]
            places = row_words[deck, 2]
            mode_out[span] = mode
            places_out[span] = places
            quantity = quantity_ms[span]
            if not answered[span]:
                quantity = np.int64(0)
            elif quantity < 0:
                outcome[span] = OUTCOME_UNRATED
                reason[span] = REASON_DURATION
                continue
            start = start_ms[span]
            if start < FIRST_MS or quantity > _SPAN_MAX_MS or start + 2 * _SPAN_MAX_MS > LAST_MS:
                outcome[span] = OUTCOME_EXACT
                continue
            change = places_of[span - begin]
            if change_window[change] == NO_WINDOW:
                outcome[span] = OUTCOME_FREE if quantity == 0 else OUTCOME_UNRATED
                reason[span] = NO_REASON if quantity == 0 else REASON_NO_WINDOW
                continue
            base = bases[span - begin]
            scale = words[base + 1]
            if scale == 0:
                outcome[span] = OUTCOME_EXACT
                continue
            shape = shape_base[heads[span - begin]]
            flags = shapes[shape]
            total = words[base + 2] if fee_due[span if several_fees else 0] else np.int64(0)
            fee_total = total
            fee_scale = scale
            minimum = words[base + 3]
            state = OUTCOME_RATED
            t = np.int64(0)
            if quantity == 0:
                if not flags & 1:
                    outcome[span] = OUTCOME_FREE
                    continue
                minimum = np.int64(-1)
            else:
                extra = words[base + 4]
                if extra >= 0 and surcharges[extra, 5] < quantity < surcharges[extra, 4]:
                    quantity = surcharges[extra, 4]
                connected = quantity
                if flags & 2:
                    step = shapes[shape + 2]
                    quantity = max(quantity, shapes[shape + 1])
                    quantity = -(-quantity // step) * step
                if quantity > _SPAN_MAX_MS:
                    outcome[span] = OUTCOME_EXACT
                    continue
                if extra >= 0:
                    if surcharges[extra, 1] > 0:
                        count = connected // surcharges[extra, 1]
                        if np.float64(count) * np.float64(surcharges[extra, 0]) > _LIMIT / 4:
                            outcome[span] = OUTCOME_EXACT
                            continue
                        total += count * surcharges[extra, 0]
                    if connected >= surcharges[extra, 3]:
                        total += surcharges[extra, 2]
                local = scale  # of the schedule in force; `scale` grows with what was met
                slots = shapes[shape + 3]
                slot = 0
                while True:
                    while slot + 1 < slots and shapes[shape + 6 + 2 * slot] <= t:
                        slot += 1
                    stop = min(change_at[change + 1] - start, quantity)
                    if slot + 1 < slots:
                        stop = min(stop, shapes[shape + 6 + 2 * slot])
                    block = shapes[shape + 5 + 2 * slot]
                    length = stop - t
                    blocks = _whole(length + block - 1, block)
                    until = t + blocks * block
                    price = words[base + 5 + slot]
                    if np.float64(blocks) * np.float64(price) > _LIMIT or until > 4 * _SPAN_MAX_MS:
                        state = OUTCOME_EXACT
                        break
                    price *= blocks
                    if filled == room:
                        return span, first_segment
                    window_out[filled] = change_window[change]
                    slot_out[filled] = slot
                    numbers_out[0, filled] = t
                    numbers_out[1, filled] = until
                    numbers_out[2, filled] = blocks
                    if local == 1:
                        numbers_out[3, filled] = price
                        numbers_out[4, filled] = 1_000_000_000
                    else:
                        divisor = _gcd(local, price % local)
                        numbers_out[3, filled] = price // divisor
                        numbers_out[4, filled] = local // divisor * 1_000_000_000
                    filled += 1
                    if local != scale:
                        # Bring sum and price to one scale: the least common multiple.
                        divisor = _gcd(scale, local)
                        grow_total = local // divisor
                        grow_price = scale // divisor
                        if (
                            np.float64(scale) * np.float64(grow_total) > _SCALE_MAX
                            or np.float64(total) * np.float64(grow_total) > _LIMIT
                            or np.float64(price) * np.float64(grow_price) > _LIMIT
                        ):
                            state = OUTCOME_EXACT
                            break
                        total *= grow_total
                        scale *= grow_total
                        price *= grow_price
                        if minimum >= 0:
                            if np.float64(minimum) * np.float64(grow_total) > _LIMIT:
                                state = OUTCOME_EXACT
                                break
                            minimum *= grow_total
                    if np.float64(total) + np.float64(price) > _LIMIT:
                        state = OUTCOME_EXACT
                        break
                    total += price
                    t = until
                    if t >= quantity:
                        break
                    if start + t >= change_at[change + 1]:
                        while change_at[change + 1] <= start + t:
                            change += 1
                        if change_window[change] == NO_WINDOW:
                            state = OUTCOME_UNRATED
                            break
                        base = np.int64(row_words[deck, ROW_HEAD + change_label[change]]) * 8
                        local = words[base + 1]
                        if local == 0:
                            state = OUTCOME_EXACT
                            break
                        shape = shape_base[words[base]]
                        slots = shapes[shape + 3]
                        slot = 0
                if state != OUTCOME_RATED:
                    filled = first_segment
                    outcome[span] = state
                    if state == OUTCOME_UNRATED:
                        reason[span] = REASON_NO_WINDOW
                    continue
            if 0 <= total < minimum:
                total = minimum
                minimum_applied[span] = 1
            cap = row_words[deck, 3]
            if cap >= 0:
                top = caps[cap, 0]
                bottom = caps[cap, 1]
                if (
                    bottom == 0
                    or np.float64(total) * np.float64(bottom) > _LIMIT
                    or np.float64(top) * np.float64(scale) > _LIMIT
                ):
                    filled = first_segment
                    outcome[span] = OUTCOME_EXACT
                    minimum_applied[span] = 0
                    continue
                if total * bottom > top * scale:
                    total = top
                    scale = bottom
                    cap_applied[span] = 1
            unit = _TEN_TO[9 - places]
            if np.float64(scale) * np.float64(unit) > _LIMIT:
                filled = first_segment
                outcome[span] = OUTCOME_EXACT
                minimum_applied[span] = 0
                cap_applied[span] = 0
                continue
            outcome[span] = OUTCOME_RATED
            amount[span] = round_scaled(total, scale, unit, mode)
            rated_ms[span] = t
            if fee_total:
                fee[span] = round_scaled(fee_total, fee_scale, np.int64(1), 0)
            if scale == 1:
                exact_top[span] = total
            else:
                divisor = _gcd(scale, total % scale)
                exact_top[span] = total // divisor
                exact_bottom[span] = scale // divisor * 1_000_000_000
            segment_end[span + 1] = filled
    return len(row), filled


@njit(nogil=True, cache=True, inline="always")
def _eight_digits(text: Any, at: Any, value: Any) -> None:
    """Write a number below 10^8 as eight digits."""
    upper = value // 10_000
    lower = value - upper * 10_000
    for half, place in ((upper, at), (lower, at + 4)):
        pair = half // 100
        rest = half - pair * 100
        text[place] = _PAIRS[2 * pair]
        text[place + 1] = _PAIRS[2 * pair + 1]
        text[place + 2] = _PAIRS[2 * rest]
        text[place + 3] = _PAIRS[2 * rest + 1]


@njit(nogil=True, cache=True)
def prefix_text(row: Any, key: Any, lengths: Any, offsets: Any, text: Any) -> int:
    """Write the matched prefix of each span, the first digits of its own number.

    `offsets` gets one entry more than there are spans; `text` has `TEXT_MARGIN`
    bytes more than the prefixes need, since whole numbers are written, each
    over the rest of the one before. Gives the bytes written.
    """
    at = 0
    for span in range(len(row)):
        offsets[span] = at
        if row[span] >= 0:
            length = int(lengths[span])
            head = key[span] // 10_000_000
            _eight_digits(text, at, head)
            if length > 8:
                _eight_digits(text, at + 8, (key[span] - head * 10_000_000) * 10)
            at += length
    offsets[len(row)] = at
    return at
