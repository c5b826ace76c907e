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
def _payer(
    parties: Small,
    role: Small,
    answered: Bools,
    trunk_in: Codes,
    trunk_out: Codes,
    legs: Ints,
    sides: Ints,
    n: int,
    policy: int,
) -> tuple[int, int]:
    """Choose who pays for a path: (leg, PAYER_* kind).

    Only legs that were answered speak, unless none was: who received an
    incoming call is known from an answered leg only.
    """
    some = False
    for k in range(n):
        some = some or answered[legs[k]]
    if policy == LAST_PARTY:
        for k in range(n - 1, -1, -1):
            i = legs[k]
            if some and not answered[i]:
                continue
            kind = inside_party(parties[i], role[i], sides[k])
            if sides[k] == INSIDE and parties[i] & CALLED_EXTENSION:
                kind = PAYER_CALLED
            if kind != PAYER_NONE:
                return i, kind
    for k in range(n):
        i = legs[k]
        if sides[0] == IN and some and not answered[i]:
            continue
        kind = inside_party(parties[i], role[i], sides[k])
        if kind != PAYER_NONE:
            return i, kind
    return legs[0], line_of(trunk_in[legs[0]], trunk_out[legs[0]])


@numba.njit(nogil=True, cache=True)
def _connected(
    at: Ints,
    answer: Ints,
    connected: Ints,
    flags: Ints,
    role: Small,
    answered: Bools,
    legs: Ints,
    n: int,
    inside: bool,
    starts: Ints,
    lengths: Ints,
) -> tuple[bool, int, bool, int]:
    """Give of one path: answered, start, answer known, quantity (NULL = not known).

    Quantity is the sum of connected times. Only where a conference lies on the
    path, or nothing of it is outside, can its legs overlap; then it is the
    union of their intervals.
    """
    some = False
    unknown = False
    overlap = inside
    total = 0
    start: Any = np.int64(NULL)
    first = legs[0]
    m = 0
    for k in range(n):
        i = legs[k]
        if not answered[i]:
            continue
        some = True
        overlap = overlap or role[i] == CONFERENCE
        moment = answer[i] if answer[i] != NULL else at[i]
        if start == NULL or moment < start:
            start = moment
            first = i
        if connected[i] == NULL:
            unknown = True
            continue
        total += connected[i]
        starts[m] = answer[i]
        lengths[m] = connected[i]
        m += 1
    if overlap:
        total = union_ms(starts, lengths, m)
    known = flags[first] == NULL or flags[first] & _INFERRED == 0
    moment = start if some else at[legs[0]]
    return some, moment, known, NULL if unknown else total


@numba.njit(nogil=True, cache=True)
def _same_path(
    a: int,
    a_side: int,
    b: int,
    b_side: int,
    in_path: Codes,
    out_path: Codes,
    trunk_in: Codes,
    trunk_out: Codes,
    in_number: Codes,
    out_number: Codes,
    pbx: Codes,
) -> bool:
    """Say whether two legs, each on a side, hold the same outside line for the same party."""
    a_path = out_path[a] if a_side == OUT else in_path[a]
    b_path = out_path[b] if b_side == OUT else in_path[b]
    if a_path >= 0 or b_path >= 0:
        return a_path == b_path
    if a_side != b_side or pbx[a] != pbx[b]:
        return False
    if a_side == OUT:
        return trunk_out[a] == trunk_out[b] and out_number[a] == out_number[b]
    return trunk_in[a] == trunk_in[b] and in_number[a] == in_number[b]


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
def _ends_of(facts: Facts, order: Ints, first: int, last: int, legs: Ints, sides: Ints) -> int:
    """List the outside ends of a call, or its inside legs where it has none."""
    f_direction = facts.direction
    f_parties = facts.parties
    f_role = facts.role
    f_trunk_in = facts.trunk_in
    f_trunk_out = facts.trunk_out
    n = 0
    for k in range(first, last):
        i = order[k]
        held = sides_of(
            f_role[i],
            f_trunk_in[i],
            f_trunk_out[i],
            f_parties[i],
            f_direction[i],
        )
        for side in (IN, OUT):
            if held & side:
                legs[n] = i
                sides[n] = side
                n += 1
    if n == 0:
        for k in range(first, last):
            i = order[k]
            if f_role[i] != MONITOR and f_role[i] != CONFERENCE:
                legs[n] = i
                sides[n] = INSIDE
                n += 1
    return n


@numba.njit(nogil=True, cache=True)
def _spans_of_call(
    out: Ints,
    at: int,
    facts: Facts,
    answered: Bools,
    connected: Ints,
    call: int,
    ends: int,
    ends_leg: Ints,
    ends_side: Ints,
    legs: Ints,
    sides: Ints,
    starts: Ints,
    lengths: Ints,
    policy: int,
) -> int:
    """Write the spans of a call of several legs; returns how many."""
    f_answer = facts.answer
    f_at = facts.at
    f_flags = facts.flags
    f_in_number = facts.in_number
    f_in_path = facts.in_path
    f_out_number = facts.out_number
    f_out_path = facts.out_path
    f_parties = facts.parties
    f_pbx = facts.pbx
    f_role = facts.role
    f_trunk_in = facts.trunk_in
    f_trunk_out = facts.trunk_out
    written = 0
    for e in range(ends):
        if ends_side[e] < 0:
            continue
        n = 0
        for f in range(e, ends):
            if ends_side[f] >= 0 and (
                f == e
                or ends_side[e] == INSIDE
                or _same_path(
                    ends_leg[e],
                    ends_side[e],
                    ends_leg[f],
                    ends_side[f],
                    f_in_path,
                    f_out_path,
                    f_trunk_in,
                    f_trunk_out,
                    f_in_number,
                    f_out_number,
                    f_pbx,
                )
            ):
                legs[n] = ends_leg[f]
                sides[n] = ends_side[f]
                n += 1
                if f > e:
                    ends_side[f] = -1
        head, side = legs[0], sides[0]
        redirected = side == OUT and f_role[head] == FORWARD and f_parties[head] & CONNECTED
        some = False
        for k in range(n):
            some = some or answered[legs[k]]
        before = -1
        for k in range(n if policy == SPLIT_BY_LEG and some else 1):
            # Split: each answered leg is a span of its own; else the path is one.
            count = n
            if policy == SPLIT_BY_LEG and some:
                if not answered[legs[k]]:
                    continue
                count = 1
            payer, kind = _payer(
                f_parties,
                f_role,
                answered,
                f_trunk_in,
                f_trunk_out,
                legs[k:],
                sides[k:],
                count,
                policy,
            )
            if kind in (PAYER_NONE, PAYER_TRUNK_IN, PAYER_TRUNK_OUT) and before >= 0:
                payer = out[PAYER_LEG, before]  # a bridge: whoever was there goes on paying
                kind = out[PAYER_KIND, before]
            is_connected, start, known, quantity = _connected(
                f_at,
                f_answer,
                connected,
                f_flags,
                f_role,
                answered,
                legs[k:],
                count,
                side == INSIDE,
                starts,
                lengths,
            )
            before = at + written
            out[CALL, before] = call
            out[NUMBER, before] = written
            out[SIDE, before] = side
            out[LEG, before] = head
            out[REDIRECTED, before] = 1 if redirected else 0
            out[PAYER_LEG, before] = payer
            out[PAYER_KIND, before] = kind
            out[START, before] = start
            out[IS_ANSWERED, before] = 1 if is_connected else 0
            out[KNOWN, before] = 1 if known else 0
            out[QUANTITY, before] = quantity
            written += 1
    return written


@numba.njit(nogil=True, cache=True)
def call_spans(facts: Facts, order: Ints, offsets: Ints, policy: int) -> Ints:
    """Give what is billed for each call: int64 matrix (SPAN_COLUMNS, spans), calls ascending."""
    calls = len(offsets) - 1
    room, widest = _room(facts, offsets)
    out = np.empty((SPAN_COLUMNS, room), np.int64)
    scratch = np.empty((6, 2 * widest), np.int64)
    answered, connected = _leg_states(facts)
    moments, answer, flags = facts.at, facts.answer, facts.flags
    role, parties, direction = facts.role, facts.parties, facts.direction
    trunk_in, trunk_out = facts.trunk_in, facts.trunk_out
    at = 0
    for c in range(calls):
        if offsets[c + 1] - offsets[c] > 1:
            ends = _ends_of(facts, order, offsets[c], offsets[c + 1], scratch[0], scratch[1])
            at += _spans_of_call(
                out,
                at,
                facts,
                answered,
                connected,
                c,
                ends,
                scratch[0],
                scratch[1],
                scratch[2],
                scratch[3],
                scratch[4],
                scratch[5],
                policy,
            )
            continue
        # A leg that is a call of its own; the common case, the same rules.
        i = order[offsets[c]]
        held = sides_of(role[i], trunk_in[i], trunk_out[i], parties[i], direction[i])
        if held == 0 and role[i] != MONITOR and role[i] != CONFERENCE:
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
