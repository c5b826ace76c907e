"""Compiled decisions on what is billed: outside paths and their connected time.

Owns the billing rule. A call has one span per outside path: legs of the call
that hold the same outside line for the same party are one path, its seconds are
summed once. Legs on a conference bridge without a line, and monitor records,
are never billed. A call without any outside path has one internal span.
The same rules stand in plain Python in `bluewhale.merge.plain`.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.merge.columns import NULL
from bluewhale.merge.facts import (
    CALLED_EXTENSION,
    CALLING_EXTENSION,
    CONNECTED,
    PIECE,
    REDIRECTING,
    Facts,
)
from bluewhale.merge.kernels import (
    CONFERENCE,
    FORWARD,
    INBOUND,
    MONITOR,
    OUTBOUND,
    TANDEM,
    is_answered,
    is_coarse,
    union_ms,
)
from bluewhale.records.enums import Flag

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Small = npt.NDArray[np.int8]
Bools = npt.NDArray[np.bool_]

OUT, IN, INSIDE = 1, 2, 3  # sides of a path; OUT and IN are bits as well
INSIDE_BIT = 4
DIALLED_OUT, LAST_PARTY, SPLIT_BY_LEG = 0, 1, 2  # payer policies

# Where the payer's name stands in the payer's row.
PAYER_NONE, PAYER_CALLING, PAYER_CALLED, PAYER_REDIRECTING = -1, 0, 1, 2
PAYER_TRUNK_IN, PAYER_TRUNK_OUT = 3, 4

# Columns of the spans (int64 matrix).
CALL, NUMBER, SIDE, LEG, REDIRECTED, PAYER_LEG, PAYER_KIND, START, IS_ANSWERED, KNOWN, QUANTITY = (
    range(11)
)
SPAN_COLUMNS = 11

# Columns of the ends of one call (int64 matrix, a row per end): a leg and a side of it. What is
# decided about a call reads this one small array: each array handed to a function costs.
(
    E_LEG, E_SIDE, E_ROLE, E_PARTIES, E_ANSWERED, E_CONNECTED, E_ANSWER, E_AT, E_FLAGS,
    E_PATH, E_LINE, E_NUMBER, E_PBX, E_TRUNK_IN, E_TRUNK_OUT,
) = range(15)  # fmt: skip
END_COLUMNS = 15

_INFERRED = int(Flag.ANSWER_INFERRED | Flag.NO_ANSWER_SUPERVISION)


@numba.njit(nogil=True, cache=True, inline="always")
def sides_of(role: int, trunk_in: int, trunk_out: int, parties: int, direction: int) -> int:
    """Say on which sides a leg holds an outside line: bits OUT, IN.

    Lines decide; without a named line the direction does, except on a bridge.
    """
    sides = 0
    if role != MONITOR:
        if trunk_out >= 0:
            sides |= OUT
        if trunk_in >= 0:
            sides |= IN
        if sides == 0 and (role != CONFERENCE or parties & PIECE):
            if direction in (OUTBOUND, TANDEM):
                sides |= OUT
            if direction in (INBOUND, TANDEM):
                sides |= IN
    return sides


@numba.njit(nogil=True, cache=True, inline="always")
def is_inside(role: int, parties: int) -> bool:
    """Say whether a leg without a line is talk between people, not a bridge or a measurement."""
    two = parties & CALLING_EXTENSION != 0 and parties & CALLED_EXTENSION != 0
    return role != MONITOR and (role != CONFERENCE or two)


@numba.njit(nogil=True, cache=True, inline="always")
def inside_party(parties: int, role: int, side: int) -> int:
    """Say who inside is on a leg: a PAYER_* kind, PAYER_NONE = nobody known."""
    kind = PAYER_NONE
    if side == IN:
        if parties & CALLED_EXTENSION:
            kind = PAYER_CALLED
    elif side == OUT and role == FORWARD and parties & REDIRECTING:
        kind = PAYER_REDIRECTING
    elif parties & CALLING_EXTENSION:
        kind = PAYER_CALLING
    elif side == OUT and parties & REDIRECTING:
        kind = PAYER_REDIRECTING
    elif side == INSIDE and parties & CALLED_EXTENSION:
        kind = PAYER_CALLED
    return kind


@numba.njit(nogil=True, cache=True, inline="always")
def line_of(trunk_in: int, trunk_out: int) -> int:
    """Say which line pays where nobody inside is known: the one the call came in on, if any."""
    kind = PAYER_NONE
    if trunk_in >= 0:
        kind = PAYER_TRUNK_IN
    elif trunk_out >= 0:
        kind = PAYER_TRUNK_OUT
    return kind


@numba.njit(nogil=True, cache=True)
def _payer(ends: Ints, path: Ints, first: int, n: int, policy: int) -> tuple[int, int]:
    """Choose who pays for a path, ends `path[first:first + n]`: (leg, PAYER_* kind).

    Only legs that were answered speak, unless none was: who received an
    incoming call is known from an answered leg only.
    """
    some = False
    for k in range(first, first + n):
        some = some or ends[path[k], E_ANSWERED] != 0
    if policy == LAST_PARTY:
        for k in range(first + n - 1, first - 1, -1):
            e = path[k]
            if some and not ends[e, E_ANSWERED]:
                continue
            kind = inside_party(ends[e, E_PARTIES], ends[e, E_ROLE], ends[e, E_SIDE])
            if ends[e, E_SIDE] == INSIDE and ends[e, E_PARTIES] & CALLED_EXTENSION:
                kind = PAYER_CALLED
            if kind != PAYER_NONE:
                return ends[e, E_LEG], kind
    head = path[first]
    for k in range(first, first + n):
        e = path[k]
        if ends[head, E_SIDE] == IN and some and not ends[e, E_ANSWERED]:
            continue
        kind = inside_party(ends[e, E_PARTIES], ends[e, E_ROLE], ends[e, E_SIDE])
        if kind != PAYER_NONE:
            return ends[e, E_LEG], kind
    return ends[head, E_LEG], line_of(ends[head, E_TRUNK_IN], ends[head, E_TRUNK_OUT])


@numba.njit(nogil=True, cache=True)
def _connected(
    ends: Ints, path: Ints, first: int, n: int, inside: bool, scratch: Ints
) -> tuple[bool, int, bool, int]:
    """Give of one path: answered, start, answer known, quantity (NULL = not known).

    It started with its first leg, or one of an exact clock that began earlier:
    what a later coarse part computes may lie before the call. Quantity is the
    sum of connected times. Only where a conference lies on the path, or nothing
    of it is outside and every clock is exact, can its legs overlap; then it is
    the union of their intervals.
    """
    some = False
    unknown = False
    bridged = False
    coarse = False
    total: Any = np.int64(0)
    start: Any = np.int64(NULL)
    earliest = path[first]
    m = 0
    for k in range(first, first + n):
        e = path[k]
        if not ends[e, E_ANSWERED]:
            continue
        some = True
        bridged = bridged or ends[e, E_ROLE] == CONFERENCE
        minutes = is_coarse(ends[e, E_FLAGS])
        coarse = coarse or minutes
        moment = ends[e, E_ANSWER] if ends[e, E_ANSWER] != NULL else ends[e, E_AT]
        if start == NULL or (moment < start and not minutes):
            start = moment
            earliest = e
        if ends[e, E_CONNECTED] == NULL:
            unknown = True
            continue
        total += ends[e, E_CONNECTED]
        scratch[0, m] = ends[e, E_ANSWER]
        scratch[1, m] = ends[e, E_CONNECTED]
        m += 1
    if bridged or (inside and not coarse):
        total = union_ms(scratch[0], scratch[1], m)
    flags = ends[earliest, E_FLAGS]
    known = flags == NULL or flags & _INFERRED == 0
    moment = start if some else ends[path[first], E_AT]
    quantity: Any = np.int64(NULL) if unknown else total
    return some, moment, known, quantity


@numba.njit(nogil=True, cache=True)
def _same_path(ends: Ints, a: int, b: int) -> bool:
    """Say whether two ends hold the same outside line for the same party."""
    if ends[a, E_PATH] >= 0 or ends[b, E_PATH] >= 0:
        return bool(ends[a, E_PATH] == ends[b, E_PATH])
    if ends[a, E_SIDE] != ends[b, E_SIDE] or ends[a, E_PBX] != ends[b, E_PBX]:
        return False
    same = ends[a, E_LINE] == ends[b, E_LINE] and ends[a, E_NUMBER] == ends[b, E_NUMBER]
    return bool(same)


@numba.njit(nogil=True, cache=True)
def _room(facts: Facts, offsets: Ints) -> tuple[int, int]:
    """Count how many spans there can be, and the legs of the widest call."""
    room = 0
    role, trunk_in, trunk_out = facts.role, facts.trunk_in, facts.trunk_out
    parties, direction = facts.parties, facts.direction
    for i in range(len(role)):
        held = sides_of(role[i], trunk_in[i], trunk_out[i], parties[i], direction[i])
        room += 2 if held == OUT | IN else 1
    widest = 1
    for c in range(len(offsets) - 1):
        widest = max(widest, offsets[c + 1] - offsets[c])
    return room, widest


@numba.njit(nogil=True, cache=True)
def _leg_states(facts: Facts) -> tuple[Bools, Ints]:
    """Give for each leg whether it was connected and for how long."""
    n = len(facts.at)
    outcome, duration, answer, talk = facts.disposition, facts.duration, facts.answer, facts.talk
    answered = np.empty(n, np.bool_)
    connected = np.empty(n, np.int64)
    for i in range(n):
        answered[i] = is_answered(outcome[i], duration[i], answer[i])
        connected[i] = duration[i] if duration[i] != NULL else talk[i]
    return answered, connected


@numba.njit(nogil=True, cache=True)
def _spans_of_call(
    out: Ints, at: int, call: int, ends: Ints, count: int, path: Ints, scratch: Ints, policy: int
) -> int:
    """Write the spans of a call of several legs; returns how many.

    `path` and `scratch` are room for as many entries as the call has ends. An
    end that was billed loses its side.
    """
    written = 0
    for e in range(count):
        if ends[e, E_SIDE] < 0:
            continue
        side = ends[e, E_SIDE]
        n = 0
        for f in range(e, count):
            if ends[f, E_SIDE] >= 0 and (f == e or side == INSIDE or _same_path(ends, e, f)):
                path[n] = f
                n += 1
        some = False
        for k in range(n):
            some = some or ends[path[k], E_ANSWERED] != 0
        split = policy == SPLIT_BY_LEG and some
        redirected = (
            side == OUT and ends[e, E_ROLE] == FORWARD and ends[e, E_PARTIES] & CONNECTED != 0
        )
        before = -1
        for k in range(n if split else 1):
            # Split: each answered leg is a span of its own; else the path is one.
            size = n
            if split:
                if not ends[path[k], E_ANSWERED]:
                    continue
                size = 1
            payer, kind = _payer(ends, path, k, size, policy)
            if kind in (PAYER_NONE, PAYER_TRUNK_IN, PAYER_TRUNK_OUT) and before >= 0:
                payer = out[PAYER_LEG, before]  # a bridge: whoever was there goes on paying
                kind = out[PAYER_KIND, before]
            is_connected, start, known, quantity = _connected(
                ends, path, k, size, side == INSIDE, scratch
            )
            before = at + written
            out[CALL, before] = call
            out[NUMBER, before] = written
            out[SIDE, before] = side
            out[LEG, before] = ends[e, E_LEG]
            out[REDIRECTED, before] = 1 if redirected else 0
            out[PAYER_LEG, before] = payer
            out[PAYER_KIND, before] = kind
            out[START, before] = start
            out[IS_ANSWERED, before] = 1 if is_connected else 0
            out[KNOWN, before] = 1 if known else 0
            out[QUANTITY, before] = quantity
            written += 1
        for k in range(n):
            ends[path[k], E_SIDE] = -1
    return written


@numba.njit(nogil=True, cache=True)
def call_spans(facts: Facts, order: Ints, offsets: Ints, policy: int) -> Ints:
    """Give what is billed for each call: int64 matrix (SPAN_COLUMNS, spans), calls ascending."""
    calls = len(offsets) - 1
    room, widest = _room(facts, offsets)
    out = np.empty((SPAN_COLUMNS, room), np.int64)
    ends = np.empty((2 * widest, END_COLUMNS), np.int64)
    path = np.empty(2 * widest, np.int64)
    scratch = np.empty((2, 2 * widest), np.int64)
    answered, connected = _leg_states(facts)
    moments, answer, flags = facts.at, facts.answer, facts.flags
    role, parties, direction = facts.role, facts.parties, facts.direction
    trunk_in, trunk_out = facts.trunk_in, facts.trunk_out
    in_path, out_path, pbx = facts.in_path, facts.out_path, facts.pbx
    in_number, out_number = facts.in_number, facts.out_number
    at = 0
    for c in range(calls):
        if offsets[c + 1] - offsets[c] > 1:
            n = 0
            for outside in (True, False):  # its inside legs where it has no outside end
                if n and not outside:
                    break
                for k in range(offsets[c], offsets[c + 1]):
                    i = order[k]
                    held = sides_of(role[i], trunk_in[i], trunk_out[i], parties[i], direction[i])
                    for side in (IN, OUT, INSIDE):
                        if outside and (side == INSIDE or not held & side):
                            continue
                        if not outside and (side != INSIDE or not is_inside(role[i], parties[i])):
                            continue
                        ends[n, E_LEG] = i
                        ends[n, E_SIDE] = side
                        ends[n, E_ROLE] = role[i]
                        ends[n, E_PARTIES] = parties[i]
                        ends[n, E_ANSWERED] = answered[i]
                        ends[n, E_CONNECTED] = connected[i]
                        ends[n, E_ANSWER] = answer[i]
                        ends[n, E_AT] = moments[i]
                        ends[n, E_FLAGS] = flags[i]
                        ends[n, E_PATH] = out_path[i] if side == OUT else in_path[i]
                        ends[n, E_LINE] = trunk_out[i] if side == OUT else trunk_in[i]
                        ends[n, E_NUMBER] = out_number[i] if side == OUT else in_number[i]
                        ends[n, E_PBX] = pbx[i]
                        ends[n, E_TRUNK_IN] = trunk_in[i]
                        ends[n, E_TRUNK_OUT] = trunk_out[i]
                        n += 1
            at += _spans_of_call(out, at, c, ends, n, path, scratch, policy)
            continue
        # A leg that is a call of its own; the common case, the same rules.
        i = order[offsets[c]]
        held = sides_of(role[i], trunk_in[i], trunk_out[i], parties[i], direction[i])
        if held == 0 and is_inside(role[i], parties[i]):
            held = INSIDE_BIT
        number = 0
        for side in (IN, OUT, INSIDE):
            if not held & (INSIDE_BIT if side == INSIDE else side):
                continue
            kind = inside_party(parties[i], role[i], side)
            if policy == LAST_PARTY and side == INSIDE and parties[i] & CALLED_EXTENSION:
                kind = PAYER_CALLED
            if kind == PAYER_NONE:
                kind = line_of(trunk_in[i], trunk_out[i])
            redirected = side == OUT and role[i] == FORWARD and parties[i] & CONNECTED
            picked_up = answered[i] and answer[i] != NULL
            out[CALL, at] = c
            out[NUMBER, at] = number
            out[SIDE, at] = side
            out[LEG, at] = i
            out[REDIRECTED, at] = 1 if redirected else 0
            out[PAYER_LEG, at] = i
            out[PAYER_KIND, at] = kind
            out[START, at] = answer[i] if picked_up else moments[i]
            out[IS_ANSWERED, at] = 1 if answered[i] else 0
            out[KNOWN, at] = 1 if flags[i] == NULL or flags[i] & _INFERRED == 0 else 0
            out[QUANTITY, at] = connected[i] if answered[i] else 0
            at += 1
            number += 1
    return out[:, :at]
