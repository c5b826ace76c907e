"""Compiled decisions over the legs of calls: order, facts of a call, joins.

Owns three sweeps over groups of legs; a group is rows `order[offsets[c]:offsets[c+1]]`.
The same rules stand in plain Python in `bluewhale.merge.plain`, which the
property tests compare with. Spans (what is billed) are in `span_kernels`.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.merge.columns import NULL
from bluewhale.merge.facts import DIRECTIONS, DISPOSITIONS, ROLES, Facts
from bluewhale.records.enums import Flag

Ints = npt.NDArray[np.int64]

PLAIN = ROLES.index("plain")
TRANSFER_FROM = ROLES.index("transfer_from")
TRANSFER_TO = ROLES.index("transfer_to")
FORWARD = ROLES.index("forward")
CONFERENCE = ROLES.index("conference")
MONITOR = ROLES.index("monitor")
ANSWERED = DISPOSITIONS.index("answered")
FORWARDED = DISPOSITIONS.index("forwarded")
INBOUND = DIRECTIONS.index("inbound")
OUTBOUND = DIRECTIONS.index("outbound")
INTERNAL = DIRECTIONS.index("internal")
TANDEM = DIRECTIONS.index("tandem")
SECONDS_UNKNOWN = int(Flag.SECONDS_UNKNOWN)
ORDER_INFERRED = int(Flag.ORDER_INFERRED)
MINUTE_MS = 60_000

# Columns of the call facts (int64 matrix).
STARTED, ANSWERED_AT, ENDED, RING, QUEUE, HOLD, TALK, FLAGS, TRANSFERS = range(9)
CALL_NUMBERS = 9
# Rows picked per call (int64 matrix); -1 = none.
FIRST, FINAL, CLASS, ACCOUNT = range(4)
CALL_PICKS = 4

_LOOK_BACK = 64  # joins are explained against at most this many earlier legs


@numba.njit(nogil=True, cache=True, inline="always")
def is_answered(outcome: int, duration: int, answer: int) -> bool:
    """Say whether a leg was connected: its disposition rules, its timer where there is none."""
    answered = outcome == ANSWERED
    if outcome in (-1, FORWARDED):
        answered = duration > 0 if duration != NULL else answer != NULL
    return answered


@numba.njit(nogil=True, cache=True, inline="always")
def is_coarse(flags: int) -> bool:
    """Say whether a leg's times are minutes: its start is computed, up to 59 s too early."""
    return flags != NULL and flags & SECONDS_UNKNOWN != 0


@numba.njit(nogil=True, cache=True, inline="always")
def is_late(role: int) -> bool:
    """Say whether a leg results from a feature: of legs of one moment it comes last."""
    return role in (TRANSFER_TO, CONFERENCE, MONITOR)


@numba.njit(nogil=True, cache=True, inline="always")
def comes_after(
    order_at: Ints,
    at: Ints,
    role: npt.NDArray[np.int8],
    ids: npt.NDArray[np.uint8],
    a: int,
    b: int,
) -> bool:
    """Order legs of a call: by time, what results from a feature last, the longer part first."""
    after = order_at[a] > order_at[b]
    if order_at[a] == order_at[b]:
        a_late = is_late(role[a])
        if a_late != is_late(role[b]):
            after = a_late
        else:
            after = at[a] > at[b] if at[a] != at[b] else id_after(ids, a, b)
    return after


@numba.njit(nogil=True, cache=True)
def id_after(ids: npt.NDArray[np.uint8], a: int, b: int) -> bool:
    """Say whether one id is greater than another."""
    for k in range(16):
        if ids[a, k] != ids[b, k]:
            return ids[a, k] > ids[b, k]
    return False


@numba.njit(nogil=True, cache=True)
def group(labels: Ints) -> tuple[Ints, Ints]:
    """Put rows of one label side by side, labels ascending: (order, offsets)."""
    n = len(labels)
    size = np.zeros(n + 1, np.int64)
    for i in range(n):
        size[labels[i]] += 1
    offsets = np.empty(n + 1, np.int64)
    place = np.empty(n, np.int64)
    total = 0
    calls = 0
    for label in range(n):
        if size[label]:
            offsets[calls] = total
            calls += 1
            place[label] = total
            total += size[label]
    offsets[calls] = total
    order = np.empty(n, np.int64)
    for i in range(n):
        order[place[labels[i]]] = i
        place[labels[i]] += 1
    return order, offsets[: calls + 1].copy()


@numba.njit(nogil=True, cache=True)
def sort_groups(facts: Facts, order: Ints, offsets: Ints) -> Ints:
    """Sort each group by time in place; returns the rows of each group by ascending id.

    Legs of a conference overlap, whatever their clock: there the start orders them.
    """
    by_id = order.copy()
    at, role, ids = facts.at, facts.role, facts.cdr_id
    for c in range(len(offsets) - 1):
        first = offsets[c]
        last = offsets[c + 1]
        order_at = facts.order_at
        for k in range(first, last):
            if role[order[k]] == CONFERENCE:
                order_at = at
        for k in range(first + 1, last):
            row = order[k]
            j = k - 1
            while j >= first and comes_after(order_at, at, role, ids, order[j], row):
                order[j + 1] = order[j]
                j -= 1
            order[j + 1] = row
        for k in range(first + 1, last):
            row = by_id[k]
            j = k - 1
            while j >= first and id_after(ids, by_id[j], row):
                by_id[j + 1] = by_id[j]
                j -= 1
            by_id[j + 1] = row
    return by_id


@numba.njit(nogil=True, cache=True)
def union_ms(starts: Ints, lengths: Ints, n: int) -> int:
    """Give the length of the union of n intervals; a start of NULL adds its length."""
    loose = 0
    for k in range(n):
        if starts[k] == NULL:
            loose += lengths[k]
    for k in range(1, n):
        start = starts[k]
        length = lengths[k]
        j = k - 1
        while j >= 0 and starts[j] > start:
            starts[j + 1] = starts[j]
            lengths[j + 1] = lengths[j]
            j -= 1
        starts[j + 1] = start
        lengths[j + 1] = length
    total = 0
    reach = np.int64(NULL)
    for k in range(n):
        if starts[k] == NULL:
            continue
        end = starts[k] + lengths[k]
        if end > reach:
            total += end - max(reach, starts[k])
            reach = end
    return total + loose


@numba.njit(nogil=True, cache=True)
def _add(total: int, value: int) -> int:
    """Add a duration that may be unknown."""
    if value == NULL:
        return total
    return value if total == NULL else total + value


@numba.njit(nogil=True, cache=True)
def _order_guessed(
    order: Ints,
    first: int,
    last: int,
    at: Ints,
    release: Ints,
    flags: Ints,
    role: npt.NDArray[np.int8],
    real: bool,
) -> bool:
    """Say whether two parts ended in one printed minute and either may be the first.

    A part that follows another one within its minute is shorter than it. So
    the first is known where it alone lasted a minute.
    """
    before = -1
    for k in range(first, last):
        i = order[k]
        if real and role[i] == MONITOR:
            continue
        o = before
        before = i
        if o < 0 or release[o] == NULL or release[o] != release[i]:
            continue
        if not (is_coarse(flags[o]) and is_coarse(flags[i])) or is_late(role[o]) != is_late(
            role[i]
        ):
            continue
        if release[o] - at[o] < MINUTE_MS or release[i] - at[i] >= MINUTE_MS:
            return True
    return False


@numba.njit(nogil=True, cache=True)
def _final_leg(
    order: Ints,
    first: int,
    last: int,
    role: npt.NDArray[np.int8],
    outcome: npt.NDArray[np.int8],
    duration: Ints,
    answer: Ints,
    release: Ints,
    real: bool,
) -> int:
    """Find the leg that names the final party.

    Of the legs outside bridges the answered ones, of these the one released
    last; without such the next best.
    """
    final = -1
    end = np.int64(NULL)
    best = -1
    for k in range(first, last):
        i = order[k]
        if real and role[i] == MONITOR:
            continue
        weight = 2 if role[i] != CONFERENCE else 0
        weight += 1 if is_answered(outcome[i], duration[i], answer[i]) else 0
        if weight > best or (weight == best and release[i] >= end):
            best = weight
            end = release[i]
            final = i
    return final


@numba.njit(nogil=True, cache=True)
def call_facts(  # noqa: PLR0915 - one sweep; a third of it names the columns
    facts: Facts, order: Ints, offsets: Ints
) -> tuple[Ints, Ints, npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Decide what people see of each call.

    Returns numbers (CALL_NUMBERS, calls), picked rows (CALL_PICKS, calls),
    direction, disposition, and which calls are only monitored (still open).
    """
    f_account = facts.account
    f_answer = facts.answer
    f_at = facts.at
    f_direction = facts.direction
    f_disposition = facts.disposition
    f_duration = facts.duration
    f_flags = facts.flags
    f_hold = facts.hold
    f_queue = facts.queue
    f_release = facts.release
    f_ring = facts.ring
    f_role = facts.role
    f_talk = facts.talk
    calls = len(offsets) - 1
    numbers = np.full((CALL_NUMBERS, calls), NULL, np.int64)
    picks = np.full((CALL_PICKS, calls), -1, np.int64)
    direction = np.full(calls, -1, np.int8)
    disposition = np.full(calls, -1, np.int8)
    monitored = np.zeros(calls, np.bool_)
    room = 64
    starts = np.empty(room, np.int64)
    lengths = np.empty(room, np.int64)
    for c in range(calls):
        first = offsets[c]
        last = offsets[c + 1]
        if last - first > room:
            room = last - first
            starts = np.empty(room, np.int64)
            lengths = np.empty(room, np.int64)
        flags = np.int64(0)
        real = 0
        for k in range(first, last):
            i = order[k]
            if f_flags[i] != NULL:
                flags |= f_flags[i]
            real += f_role[i] != MONITOR
        numbers[FLAGS, c] = flags
        monitored[c] = real == 0
        talks = 0
        bridged = False
        befores = 0
        afters = 0
        for k in range(first, last):
            i = order[k]
            if real and f_role[i] == MONITOR:
                continue
            answered = is_answered(f_disposition[i], f_duration[i], f_answer[i])
            if picks[FIRST, c] < 0:
                picks[FIRST, c] = i
                picks[CLASS, c] = i
                direction[c] = f_direction[i]
                numbers[STARTED, c] = f_at[i]
            exact = not is_coarse(f_flags[i])
            if exact:  # what a later coarse part computes may lie before the call
                numbers[STARTED, c] = min(numbers[STARTED, c], f_at[i])
            bridged = bridged or f_role[i] == CONFERENCE
            if direction[c] in (INTERNAL, -1) and f_direction[i] not in (INTERNAL, -1):
                direction[c] = f_direction[i]
                picks[CLASS, c] = i
            if numbers[RING, c] == NULL:
                numbers[RING, c] = f_ring[i]
            numbers[QUEUE, c] = _add(numbers[QUEUE, c], f_queue[i])
            numbers[HOLD, c] = _add(numbers[HOLD, c], f_hold[i])
            numbers[ENDED, c] = max(numbers[ENDED, c], f_release[i])
            befores += f_role[i] == TRANSFER_FROM
            afters += f_role[i] == TRANSFER_TO
            if picks[ACCOUNT, c] < 0 and f_account[i]:
                picks[ACCOUNT, c] = i
            if answered:
                disposition[c] = ANSWERED
                if f_answer[i] != NULL and (
                    numbers[ANSWERED_AT, c] == NULL
                    or (exact and f_answer[i] < numbers[ANSWERED_AT, c])
                ):
                    numbers[ANSWERED_AT, c] = f_answer[i]
                talk = f_talk[i] if f_talk[i] != NULL else f_duration[i]
                if talk != NULL:
                    starts[talks] = f_answer[i]
                    lengths[talks] = talk
                    talks += 1
            elif disposition[c] != ANSWERED and f_disposition[i] >= 0:
                disposition[c] = f_disposition[i]
        parts = flags & SECONDS_UNKNOWN != 0 and not bridged  # they follow each other
        if parts and last - first > 1:
            guessed = _order_guessed(order, first, last, f_at, f_release, f_flags, f_role, real > 0)
            numbers[FLAGS, c] = flags | (ORDER_INFERRED if guessed else 0)
        if talks and parts:
            numbers[TALK, c] = lengths[:talks].sum()
        elif talks:
            numbers[TALK, c] = union_ms(starts, lengths, talks)
        elif disposition[c] != ANSWERED:
            numbers[TALK, c] = 0
        picks[FINAL, c] = order[first]
        if last - first > 1:
            picks[FINAL, c] = _final_leg(
                order,
                first,
                last,
                f_role,
                f_disposition,
                f_duration,
                f_answer,
                f_release,
                real > 0,
            )
        numbers[TRANSFERS, c] = afters or min(befores, 1)
    return numbers, picks, direction, disposition, monitored


@numba.njit(nogil=True, cache=True)
def explain_joins(
    order: Ints,
    offsets: Ints,
    place: Ints,
    key_offsets: Ints,
    keys: Ints,
    at: Ints,
    gap: Ints,
) -> tuple[Ints, Ints, Ints, Ints]:
    """Find, for each call of several legs, a tree of direct joins that holds it together.

    `place` = position of each row among its call's ids. Returns per call the
    offsets, and per join: place of the later leg, of the earlier leg, its row.
    """
    calls = len(offsets) - 1
    ends = np.zeros(calls + 1, np.int64)
    room = max(len(order) - calls, 0)
    legs = np.empty(room, np.int64)
    others = np.empty(room, np.int64)
    rows = np.empty(room, np.int64)
    root = np.arange(len(order))
    count = 0
    for c in range(calls):
        first = offsets[c]
        last = offsets[c + 1]
        for k in range(first + 1, last):
            i = order[k]
            for j in range(k - 1, max(first, k - _LOOK_BACK) - 1, -1):
                o = order[j]
                a = k
                while root[a] != a:
                    a = root[a]
                b = j
                while root[b] != b:
                    b = root[b]
                if a == b or at[i] == NULL or at[o] == NULL:
                    continue
                if abs(at[i] - at[o]) > min(max(gap[i], 0), max(gap[o], 0)):
                    continue
                shared = False
                for x in range(key_offsets[i], key_offsets[i + 1]):
                    for y in range(key_offsets[o], key_offsets[o + 1]):
                        shared = shared or keys[x] == keys[y]
                if shared:
                    root[a] = b
                    legs[count] = place[i]
                    others[count] = place[o]
                    rows[count] = i
                    count += 1
        ends[c + 1] = count
    return ends, legs[:count].copy(), others[:count].copy(), rows[:count].copy()
