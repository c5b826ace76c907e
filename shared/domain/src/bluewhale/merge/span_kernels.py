"""Compiled decisions on what is billed: outside paths and their connected time.

Owns the billing rule. A call has one span per outside path: legs of the call
that hold the same outside line for the same party are one path, its seconds are
summed once. Legs on a conference bridge without a line, and monitor records,
are never billed. A call without any outside path has one internal span.
The same rules stand in plain Python in `bluewhale.merge.plain`.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from bluewhale.merge.columns import NULL
from bluewhale.merge.facts import (
    CALLED_EXTENSION,
    CALLING_EXTENSION,
    CONNECTED,
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
    connected_ms,
    is_answered,
    union_ms,
)
from bluewhale.records.enums import Flag

Ints = npt.NDArray[np.int64]

OUT, IN, INSIDE = 1, 2, 3  # sides of a path
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


@numba.njit(nogil=True, cache=True)
def sides_of(facts: Facts, i: int) -> int:
    """Say on which sides a leg holds an outside line: bits OUT, IN.

    Lines decide; without a named line the direction does, except on a bridge.
    """
    sides = 0
    if facts.role[i] == MONITOR:
        return 0
    if facts.trunk_out[i] >= 0:
        sides |= OUT
    if facts.trunk_in[i] >= 0:
        sides |= IN
    if sides:
        return sides
    if facts.role[i] == CONFERENCE and facts.out_path[i] < 0:
        return 0
    direction = facts.direction[i]
    if direction in (OUTBOUND, TANDEM):
        sides |= OUT
    if direction in (INBOUND, TANDEM):
        sides |= IN
    return sides


@numba.njit(nogil=True, cache=True)
def same_path(facts: Facts, a: int, a_side: int, b: int, b_side: int) -> bool:
    """Say whether two legs, each on a side, hold the same outside line for the same party."""
    a_path = facts.out_path[a] if a_side == OUT else facts.in_path[a]
    b_path = facts.out_path[b] if b_side == OUT else facts.in_path[b]
    if a_path >= 0 or b_path >= 0:
        return a_path == b_path
    if a_side != b_side or facts.pbx[a] != facts.pbx[b]:
        return False
    if a_side == OUT:
        return (
            facts.trunk_out[a] == facts.trunk_out[b] and facts.out_number[a] == facts.out_number[b]
        )
    return facts.trunk_in[a] == facts.trunk_in[b] and facts.in_number[a] == facts.in_number[b]


@numba.njit(nogil=True, cache=True)
def inside_party(facts: Facts, i: int, side: int) -> int:
    """Say who inside is on a leg: a PAYER_* kind, PAYER_NONE = nobody known."""
    parties = facts.parties[i]
    if side == IN:
        return PAYER_CALLED if parties & CALLED_EXTENSION else PAYER_NONE
    if side == OUT and facts.role[i] == FORWARD and parties & REDIRECTING:
        return PAYER_REDIRECTING
    if parties & CALLING_EXTENSION:
        return PAYER_CALLING
    if side == OUT and parties & REDIRECTING:
        return PAYER_REDIRECTING
    if side == INSIDE and parties & CALLED_EXTENSION:
        return PAYER_CALLED
    return PAYER_NONE


@numba.njit(nogil=True, cache=True)
def line_of(facts: Facts, i: int, side: int) -> int:
    """Say which line pays where nobody inside is known: the one the call came in on, if any."""
    if facts.trunk_in[i] >= 0:
        return PAYER_TRUNK_IN
    if facts.trunk_out[i] >= 0:
        return PAYER_TRUNK_OUT
    return PAYER_NONE


@numba.njit(nogil=True, cache=True)
def _payer(
    facts: Facts, legs: Ints, sides: Ints, n: int, policy: int, answered: bool
) -> tuple[int, int]:
    """Choose who pays for a path: (leg, PAYER_* kind)."""
    side = sides[0]
    if policy == LAST_PARTY:
        for k in range(n - 1, -1, -1):
            i = legs[k]
            if answered and not is_answered(facts, i):
                continue
            kind = inside_party(facts, i, sides[k])
            if sides[k] == INSIDE and facts.parties[i] & CALLED_EXTENSION:
                kind = PAYER_CALLED
            if kind != PAYER_NONE:
                return i, kind
    for k in range(n):
        # Who received an incoming call is known only from an answered leg.
        if side == IN and answered and not is_answered(facts, legs[k]):
            continue
        kind = inside_party(facts, legs[k], sides[k])
        if kind != PAYER_NONE:
            return legs[k], kind
    return legs[0], line_of(facts, legs[0], side)


@numba.njit(nogil=True, cache=True)
def _write(
    out: Ints,
    at: int,
    facts: Facts,
    call: int,
    number: int,
    legs: Ints,
    sides: Ints,
    n: int,
    policy: int,
) -> None:
    """Write the span of one path, or of one leg of it.

    Quantity: the sum of connected times. Only where a conference lies on the
    path can its legs overlap; then the union of their intervals.
    """
    first = legs[0]
    answered = False
    unknown = False
    bridged = sides[0] == INSIDE
    total = 0
    start = np.int64(NULL)
    start_leg = first
    starts = np.empty(n, np.int64)
    lengths = np.empty(n, np.int64)
    m = 0
    for k in range(n):
        i = legs[k]
        if not is_answered(facts, i):
            continue
        answered = True
        bridged = bridged or facts.role[i] == CONFERENCE
        moment = facts.answer[i] if facts.answer[i] != NULL else facts.at[i]
        if start == NULL or moment < start:
            start = moment
            start_leg = i
        quantity = connected_ms(facts, i)
        if quantity == NULL:
            unknown = True
            continue
        total += quantity
        starts[m] = facts.answer[i]
        lengths[m] = quantity
        m += 1
    if bridged:
        total = union_ms(starts, lengths, m)
    flags = facts.flags[start_leg] if facts.flags[start_leg] != NULL else 0
    payer_leg, payer_kind = _payer(facts, legs, sides, n, policy, answered)
    forwarded = facts.role[first] == FORWARD and facts.parties[first] & CONNECTED
    out[CALL, at] = call
    out[NUMBER, at] = number
    out[SIDE, at] = sides[0]
    out[LEG, at] = first
    out[REDIRECTED, at] = 1 if sides[0] == OUT and forwarded else 0
    out[PAYER_LEG, at] = payer_leg
    out[PAYER_KIND, at] = payer_kind
    out[START, at] = start if answered else facts.at[first]
    out[IS_ANSWERED, at] = 1 if answered else 0
    out[KNOWN, at] = 0 if flags & _INFERRED else 1
    out[QUANTITY, at] = NULL if unknown else total


@numba.njit(nogil=True, cache=True)
def _write_split(
    out: Ints,
    at: int,
    facts: Facts,
    call: int,
    number: int,
    legs: Ints,
    sides: Ints,
    n: int,
) -> int:
    """Write one span per answered leg of a path; returns how many.

    Number and direction stay those of the path; who is unknown on a leg (a
    bridge) inherits the payer before.
    """
    written = 0
    payer_leg = -1
    payer_kind = PAYER_NONE
    for k in range(n):
        if not is_answered(facts, legs[k]):
            continue
        _write(
            out, at + written, facts, call, number + written, legs[k:], sides[k:], 1, DIALLED_OUT
        )
        kind = inside_party(facts, legs[k], sides[k])
        if kind == PAYER_NONE and payer_leg >= 0:
            out[PAYER_LEG, at + written] = payer_leg
            out[PAYER_KIND, at + written] = payer_kind
        else:
            payer_leg = out[PAYER_LEG, at + written]
            payer_kind = out[PAYER_KIND, at + written]
        forwarded = facts.role[legs[0]] == FORWARD and facts.parties[legs[0]] & CONNECTED
        out[LEG, at + written] = legs[0]
        out[SIDE, at + written] = sides[0]
        out[REDIRECTED, at + written] = 1 if sides[0] == OUT and forwarded else 0
        written += 1
    if written == 0:
        _write(out, at, facts, call, number, legs, sides, n, DIALLED_OUT)
        written = 1
    return written


@numba.njit(nogil=True, cache=True)
def call_spans(facts: Facts, order: Ints, offsets: Ints, policy: int) -> Ints:
    """Give what is billed for each call: int64 matrix (SPAN_COLUMNS, spans), calls ascending."""
    calls = len(offsets) - 1
    room = 0
    for i in range(len(order)):
        room += 2 if sides_of(facts, i) == OUT | IN else 1
    out = np.empty((SPAN_COLUMNS, room), np.int64)
    at = 0
    widest = 1
    for c in range(calls):
        widest = max(widest, offsets[c + 1] - offsets[c])
    ends_leg = np.empty(2 * widest, np.int64)  # outside ends of a call: leg and side
    ends_side = np.empty(2 * widest, np.int64)
    legs = np.empty(2 * widest, np.int64)
    sides = np.empty(2 * widest, np.int64)
    for c in range(calls):
        ends = 0
        for k in range(offsets[c], offsets[c + 1]):
            i = order[k]
            held = sides_of(facts, i)
            for side in (IN, OUT):
                if held & side:
                    ends_leg[ends] = i
                    ends_side[ends] = side
                    ends += 1
        if ends == 0:
            for k in range(offsets[c], offsets[c + 1]):
                i = order[k]
                if facts.role[i] != MONITOR and facts.role[i] != CONFERENCE:
                    ends_leg[ends] = i
                    ends_side[ends] = INSIDE
                    ends += 1
        number = 0
        for e in range(ends):
            if ends_side[e] < 0:
                continue
            n = 0
            for f in range(e, ends):
                if ends_side[f] < 0:
                    continue
                inside = ends_side[e] == INSIDE
                if (
                    f == e
                    or inside
                    or same_path(facts, legs[0], sides[0], ends_leg[f], ends_side[f])
                ):
                    legs[n] = ends_leg[f]
                    sides[n] = ends_side[f]
                    n += 1
                    if f > e:
                        ends_side[f] = -1
            if policy == SPLIT_BY_LEG:
                written = _write_split(out, at, facts, c, number, legs, sides, n)
            else:
                _write(out, at, facts, c, number, legs, sides, n, policy)
                written = 1
            at += written
            number += written
    return out[:, :at].copy()
