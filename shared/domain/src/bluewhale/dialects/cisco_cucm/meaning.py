"""What the columns of a CUCM record mean, row by row, in kernels.

Owns times, outcome, role and join keys of the columnar path. Its plain twin is
`scalar`; the rules are written there in words. Does not own column places
(`layout`) nor text columns (`dialect`).
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from bluewhale.dialects.cisco_cucm import codes
from bluewhale.dialects.cisco_cucm.layout import Int, Text
from bluewhale.dialects.engine.delimited import MISSING
from bluewhale.dialects.engine.spans import Bytes
from bluewhale.records import times as clock
from bluewhale.records.enums import Disposition, Flag, LegRole, RejectReason
from bluewhale.records.memory import copy_bytes, pointer

Rows = npt.NDArray[np.int64]

# Roles in the order of evidence: of several the first wins.
ROLES: Final = (
    LegRole.MONITOR,
    LegRole.CONFERENCE,
    LegRole.TRANSFER_TO,
    LegRole.TRANSFER_FROM,
    LegRole.PARK,
    LegRole.PICKUP,
    LegRole.QUEUE,
    LegRole.FORWARD,
    LegRole.PLAIN,
)
MONITOR, CONFERENCE, TRANSFER_TO, TRANSFER_FROM, PARK, PICKUP, QUEUE, FORWARD, PLAIN = range(9)

DISPOSITIONS: Final = (
    Disposition.ANSWERED,
    Disposition.BUSY,
    Disposition.FORWARDED,
    Disposition.ABANDONED,
    Disposition.NO_ANSWER,
    Disposition.FAILED,
)
ANSWERED, BUSY, FORWARDED, ABANDONED, NO_ANSWER, FAILED = range(6)

# Why a record that could be split is no leg; index 0 = it is one.
FAULTS: Final = (
    None,
    (RejectReason.RECORD_TYPE_UNKNOWN, "cdrRecordType", "1 (CDR) or 2 (CMR)"),
    (RejectReason.TIME_INVALID, "dateTimeOrigination", "epoch seconds from 1 to 4294967295"),
    (RejectReason.TIME_INVALID, "dateTimeConnect", "epoch seconds or 0"),
    (RejectReason.TIME_INVALID, "dateTimeDisconnect", "epoch seconds or 0"),
    (RejectReason.FIELD_MALFORMED, "duration", "seconds, 0 or more"),
    (RejectReason.TIME_IN_FUTURE, "dateTimeOrigination", "a time at most 26 h after receipt"),
    (RejectReason.TIME_INVALID, "dateTimeStamp", "epoch seconds from 1 to 4294967295"),
    (RejectReason.TIME_IN_FUTURE, "dateTimeStamp", "a time at most 26 h after receipt"),
)
(
    LEG, TYPE_UNKNOWN, BAD_ORIGINATION, BAD_CONNECT, BAD_DISCONNECT, BAD_DURATION, IN_FUTURE,
    BAD_REPORT_TIME, REPORT_IN_FUTURE,
) = range(9)  # fmt: skip

AHEAD_LIMIT_MS: Final = 26 * 3_600_000  # a wrong zone stays below
AHEAD_TOLERATED_MS: Final = clock.CLOCK_TOLERANCE_MS
SECONDS_MAX: Final = 2**32 - 1
PARTY_SLOT_SECONDS: Final = 8
CLOCK_AHEAD: Final = int(Flag.CLOCK_AHEAD)
_SPLIT: Final = codes.CALL_SPLIT

_FEATURES = 64
_REASONS = 1024


def _rank_tables() -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Lay out the role that each code is evidence for: at termination, at redirection, by reason."""
    ended = np.full(_FEATURES, PLAIN, np.int8)
    for role, features in (
        (MONITOR, codes.MONITOR_FEATURES),
        (CONFERENCE, codes.CONFERENCE_FEATURES),
        (TRANSFER_FROM, codes.TRANSFER_FEATURES),
        (PARK, codes.PARK_FEATURES),
        (PICKUP, codes.PICKUP_FEATURES),
        (QUEUE, codes.QUEUE_FEATURES),
        (FORWARD, codes.FORWARD_FEATURES),
    ):
        ended[list(features)] = role
    begun = ended.copy()
    begun[list(codes.TRANSFER_FEATURES)] = TRANSFER_TO
    reason = np.full(_REASONS, PLAIN, np.int8)
    for role, reasons in (
        (MONITOR, codes.MONITOR_REASONS),
        (CONFERENCE, codes.CONFERENCE_REASONS),
        (TRANSFER_TO, codes.TRANSFER_REASONS),
        (PARK, codes.PARK_REASONS),
        (PICKUP, codes.PICKUP_REASONS),
        (QUEUE, codes.QUEUE_REASONS),
        (FORWARD, codes.FORWARD_REASONS),
    ):
        reason[list(reasons)] = role
    return ended, begun, reason


_ENDED_ROLE, _BEGUN_ROLE, _REASON_ROLE = _rank_tables()

_RECORD_TYPE, _ORIGINATION, _CONNECT, _DISCONNECT = (
    int(Int.RECORD_TYPE), int(Int.ORIGINATION), int(Int.CONNECT), int(Int.DISCONNECT),
)  # fmt: skip
_DURATION, _ORIG_CAUSE, _DEST_CAUSE = int(Int.DURATION), int(Int.ORIG_CAUSE), int(Int.DEST_CAUSE)
_ORIG_TERMINATION, _DEST_TERMINATION = int(Int.ORIG_TERMINATION), int(Int.DEST_TERMINATION)
_FIRST_REDIRECT, _LAST_REDIRECT, _JOIN = (
    int(Int.FIRST_REDIRECT), int(Int.LAST_REDIRECT), int(Int.JOIN),
)  # fmt: skip
_FIRST_REASON, _LAST_REASON = int(Int.FIRST_REASON), int(Int.LAST_REASON)
_QUEUED, _QUEUE_SECONDS = int(Int.QUEUED), int(Int.QUEUE_SECONDS)
_REPORT_TIME = int(Int.REPORT_TIME)
_CALL_MANAGER, _CALL = int(Int.CALL_MANAGER), int(Int.CALL)
_ORIG_LEG, _DEST_LEG = int(Int.ORIG_LEG), int(Int.DEST_LEG)
_ORIG_CONVERSATION, _DEST_CONVERSATION = int(Int.ORIG_CONVERSATION), int(Int.DEST_CONVERSATION)
_CALLING, _ORIGINAL, _FINAL = int(Text.CALLING), int(Text.ORIGINAL_CALLED), int(Text.FINAL_CALLED)
_CLUSTER = int(Text.CLUSTER)


@numba.njit(nogil=True, cache=True)
def _code(value: int) -> int:
    """Give a code as unsigned 32 bits; missing counts as 0."""
    return int(np.int64(0) if value == MISSING else value & np.int64(0xFFFFFFFF))


@numba.njit(nogil=True, cache=True)
def _is_bridge(data: Bytes, start: int, end: int) -> bool:
    """Tell bridge (b00...) and conference prompt (c00...) numbers from others."""
    if end - start < 8:
        return False
    first = data[start]
    if first not in (98, 99) or data[start + 1] != 48 or data[start + 2] != 48:  # b00, c00
        return False
    digits = 0
    for at in range(start + 3, end):
        digits += 48 <= data[at] <= 57
    return digits == end - start - 3


@numba.njit(nogil=True, cache=True)
def _cause(orig: int, dest: int) -> int:
    """Give the cause of the side that released; a split only where nothing else is said."""
    if orig not in (0, _SPLIT):
        return orig
    if dest not in (0, _SPLIT):
        return dest
    return max(orig, dest)


@numba.njit(nogil=True, cache=True)
def _disposition(connect: int, orig: int, dest: int) -> int:
    """Decide the outcome; see `scalar.disposition_of`."""
    if connect != 0:
        return ANSWERED
    if orig == 17 or dest == 17:
        return BUSY
    if _SPLIT in (orig, dest):
        return FORWARDED
    cause = _cause(orig, dest)
    if cause == 16:
        return ABANDONED if orig == 16 else NO_ANSWER
    if cause in (0, 18, 19, 20, 102):
        return NO_ANSWER
    return FAILED


@numba.njit(nogil=True, cache=True)
def _time_fault(
    origination: int, connect: int, disconnect: int, duration: int, received: int
) -> int:
    """Say what makes the times of a CDR unusable; `LEG` = nothing."""
    if origination < 1 or origination > SECONDS_MAX:
        return BAD_ORIGINATION
    if connect != MISSING and (connect < 0 or connect > SECONDS_MAX):
        return BAD_CONNECT
    if disconnect != MISSING and (disconnect < 0 or disconnect > SECONDS_MAX):
        return BAD_DISCONNECT
    if duration != MISSING and (duration < 0 or duration > SECONDS_MAX):
        return BAD_DURATION
    if origination * 1000 > received + AHEAD_LIMIT_MS:
        return IN_FUTURE
    return LEG


@numba.njit(nogil=True, cache=True)
def _rank(
    ints: npt.NDArray[np.int64],
    row: int,
    rank: int,
    ended_role: npt.NDArray[np.int8],
    begun_role: npt.NDArray[np.int8],
    reason_role: npt.NDArray[np.int8],
) -> int:
    """Give the first role that the codes of a record speak for; see `scalar.role_of`."""
    for slot in (_ORIG_TERMINATION, _DEST_TERMINATION):
        rank = min(rank, ended_role[min(_code(ints[slot, row]), _FEATURES - 1)])
    for slot in (_FIRST_REDIRECT, _LAST_REDIRECT, _JOIN):
        rank = min(rank, begun_role[min(_code(ints[slot, row]), _FEATURES - 1)])
    for slot in (_FIRST_REASON, _LAST_REASON):
        rank = min(rank, reason_role[min(_code(ints[slot, row]), _REASONS - 1)])
    return rank


@numba.njit(nogil=True, cache=True)
def interpret(
    records: Bytes,
    text_starts: npt.NDArray[np.int64],
    text_ends: npt.NDArray[np.int64],
    ints: npt.NDArray[np.int64],
    rows: Rows,
    received_at_ms: Rows,
    ended_role: npt.NDArray[np.int8],
    begun_role: npt.NDArray[np.int8],
    reason_role: npt.NDArray[np.int8],
) -> tuple[Any, ...]:
    """Give fault, role, disposition, times, cause and flags of the rows that could be split.

    Returns
    -------
    fault int8, role int8, disposition int8 (-1 = none), times int64 (5, rows):
    setup, answer, release in ms (`MISSING` = null), duration ms, queue ms;
    cause int64 (`MISSING` = null), flags int64, bridge bool (a conference
    bridge takes part), keyed bool (the leg takes part in a feature).
    """
    data = pointer(records)
    n = len(rows)
    fault = np.zeros(n, np.int8)
    role = np.full(n, PLAIN, np.int8)
    disposition = np.full(n, -1, np.int8)
    times = np.full((5, n), MISSING, np.int64)
    cause = np.full(n, MISSING, np.int64)
    flags = np.zeros(n, np.int64)
    bridge = np.zeros(n, np.bool_)
    keyed = np.zeros(n, np.bool_)
    for out in range(n):
        row = rows[out]
        record_type = ints[_RECORD_TYPE, row]
        received = received_at_ms[row]
        if record_type == 2:
            moment = ints[_REPORT_TIME, row]
            if moment < 1 or moment > SECONDS_MAX:
                fault[out] = BAD_REPORT_TIME
                continue
            if moment * 1000 > received + AHEAD_LIMIT_MS:
                fault[out] = REPORT_IN_FUTURE
                continue
            if moment * 1000 > received + AHEAD_TOLERATED_MS:
                flags[out] = CLOCK_AHEAD
            role[out] = MONITOR
            times[0, out] = moment * 1000
            times[2, out] = moment * 1000
            continue
        if record_type != 1:
            fault[out] = TYPE_UNKNOWN
            continue
        origination = ints[_ORIGINATION, row]
        connect = ints[_CONNECT, row]
        disconnect = ints[_DISCONNECT, row]
        duration = ints[_DURATION, row]
        fault[out] = _time_fault(origination, connect, disconnect, duration, received)
        if fault[out] != LEG:
            continue
        if origination * 1000 > received + AHEAD_TOLERATED_MS:
            flags[out] = CLOCK_AHEAD
        times[0, out] = origination * 1000
        answered = connect > 0
        if answered:
            times[1, out] = connect * 1000
        if disconnect > 0:
            times[2, out] = disconnect * 1000
        if duration >= 0:
            times[3, out] = duration * 1000
        queued = ints[_QUEUED, row] == 1
        if queued and 0 <= ints[_QUEUE_SECONDS, row] <= SECONDS_MAX:
            times[4, out] = ints[_QUEUE_SECONDS, row] * 1000
        orig = _code(ints[_ORIG_CAUSE, row])
        dest = _code(ints[_DEST_CAUSE, row])
        if ints[_ORIG_CAUSE, row] != MISSING or ints[_DEST_CAUSE, row] != MISSING:
            cause[out] = _cause(orig, dest)
        disposition[out] = _disposition(1 if answered else 0, orig, dest)
        is_bridge = False
        for slot in (_CALLING, _ORIGINAL, _FINAL):
            is_bridge |= _is_bridge(data, text_starts[slot, row], text_ends[slot, row])
        bridge[out] = is_bridge
        rank = CONFERENCE if is_bridge else (QUEUE if queued else PLAIN)
        rank = _rank(ints, row, rank, ended_role, begun_role, reason_role)
        role[out] = rank
        silent = orig == 0 and dest == 0 and not duration > 0
        keyed[out] = rank not in (PLAIN, QUEUE) or _SPLIT in (orig, dest) or silent
    return fault, role, disposition, times, cause, flags, bridge, keyed


def interpret_rows(
    data: Bytes,
    text_starts: npt.NDArray[np.int64],
    text_ends: npt.NDArray[np.int64],
    ints: npt.NDArray[np.int64],
    rows: Rows,
    received_at_ms: Rows,
) -> tuple[Any, ...]:
    """Call `interpret` with the role tables."""
    return interpret(
        data, text_starts, text_ends, ints, rows, received_at_ms,
        _ENDED_ROLE, _BEGUN_ROLE, _REASON_ROLE,
    )  # fmt: skip


@numba.njit(nogil=True, cache=True)
def _put_bytes(out: Bytes, at: int, data: Bytes, start: int, end: int) -> int:
    copy_bytes(out, at, data, start, end - start)
    return at + end - start


@numba.njit(nogil=True, cache=True)
def _put_int(out: Bytes, at: int, value: int) -> int:
    """Write an integer in decimal."""
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    width = 1
    rest = value // 10
    while rest > 0:
        width += 1
        rest //= 10
    for back in range(width):
        out[at + width - 1 - back] = 48 + value % 10
        value //= 10
    return at + width


@numba.njit(nogil=True, cache=True)
def _open_key(
    out: Bytes, at: int, kind: int, data: Bytes, cluster_start: int, cluster_end: int
) -> int:
    """Write `K|cluster|`."""
    out[at] = kind
    out[at + 1] = 124
    at = _put_bytes(out, at + 2, data, cluster_start, cluster_end)
    out[at] = 124
    return at + 1


@numba.njit(nogil=True, cache=True)
def _put_pair(
    out: Bytes,
    at: int,
    kind: int,
    data: Bytes,
    cluster: tuple[int, int],
    party: tuple[int, int],
    number: int,
) -> int:
    """Write `K|cluster|party|number`."""
    at = _open_key(out, at, kind, data, cluster[0], cluster[1])
    at = _put_bytes(out, at, data, party[0], party[1])
    out[at] = 124
    return _put_int(out, at + 1, number)


@numba.njit(nogil=True, cache=True)
def key_texts(
    records: Bytes,
    text_starts: npt.NDArray[np.int64],
    text_ends: npt.NDArray[np.int64],
    ints: npt.NDArray[np.int64],
    rows: Rows,
    role: npt.NDArray[np.int8],
    keyed: npt.NDArray[np.bool_],
    bridge: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Bytes]:
    """Write the texts that join keys are hashed from; see `scalar.join_texts`.

    Returns
    -------
    offsets of each row's keys (rows + 1), offsets of the texts, their bytes.
    """
    data = pointer(records)
    n = len(rows)
    count_max = 0
    bytes_max = 0
    for out in range(n):
        row = rows[out]
        head = 64 + text_ends[_CLUSTER, row] - text_starts[_CLUSTER, row]
        keys = 1
        if keyed[out]:
            keys = 12
            for slot in (_CALLING, _ORIGINAL, _FINAL):
                head += text_ends[slot, row] - text_starts[slot, row]
        count_max += keys
        bytes_max += keys * head
    row_offsets = np.empty(n + 1, np.int32)
    offsets = np.empty(count_max + 1, np.int32)
    text = np.empty(bytes_max, np.uint8)
    at = 0
    count = 0
    for out in range(n):
        row = rows[out]
        row_offsets[out] = count
        first = text_starts[_CLUSTER, row]
        last = text_ends[_CLUSTER, row]
        call = ints[_CALL, row]
        if call > 0:
            offsets[count] = at
            count += 1
            at = _open_key(text, at, 67, data, first, last)  # C
            at = _put_int(text, at, max(ints[_CALL_MANAGER, row], 0))
            text[at] = 124
            at = _put_int(text, at + 1, call)
        if not keyed[out]:
            continue
        for slot in (_ORIG_LEG, _DEST_LEG):
            leg = ints[slot, row]
            if leg > 0:
                offsets[count] = at
                count += 1
                at = _open_key(text, at, 76, data, first, last)  # L
                at = _put_int(text, at, leg)
        if bridge[out]:
            for slot, conversation in (
                (_CALLING, ints[_ORIG_CONVERSATION, row]),
                (_FINAL, ints[_DEST_CONVERSATION, row]),
            ):
                start = text_starts[slot, row]
                end = text_ends[slot, row]
                if conversation > 0 and _is_bridge(data, start, end):
                    offsets[count] = at
                    count += 1
                    at = _put_pair(
                        text, at, 86, data, (first, last), (start, end), conversation
                    )  # V
            start = text_starts[_CALLING, row]
            end = text_ends[_CALLING, row]
            released = ints[_DISCONNECT, row]
            if released > 0 and end > start and not _is_bridge(data, start, end):
                offsets[count] = at
                count += 1
                slot_number = released // PARTY_SLOT_SECONDS
                at = _put_pair(text, at, 80, data, (first, last), (start, end), slot_number)  # P
        elif ints[_LAST_REASON, row] == 98 or ints[_FIRST_REASON, row] == 98:
            begun = max(ints[_CONNECT, row], 0)
            if begun == 0:
                begun = ints[_ORIGINATION, row]
            for slot in (_CALLING, _FINAL):
                start = text_starts[slot, row]
                end = text_ends[slot, row]
                if end <= start:
                    continue
                for step in range(-1, 2):
                    offsets[count] = at
                    count += 1
                    slot_number = begun // PARTY_SLOT_SECONDS + step
                    at = _put_pair(text, at, 80, data, (first, last), (start, end), slot_number)
    row_offsets[n] = count
    offsets[count] = at
    return row_offsets, offsets[: count + 1].copy(), text[:at].copy()


@numba.njit(nogil=True, cache=True)
def outside_legs(
    records: Bytes,
    text_starts: npt.NDArray[np.int64],
    text_ends: npt.NDArray[np.int64],
    ints: npt.NDArray[np.int64],
    rows: Rows,
    trunk_in: npt.NDArray[np.int32],
    trunk_out: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int32], Bytes, Bytes, int]:
    """Write the names of the outside legs of each row; see `scalar.outside_legs`.

    Returns
    -------
    offsets, bytes, validity bitmap, count of nulls.
    """
    data = pointer(records)
    n = len(rows)
    bytes_max = 0
    for out in range(n):
        if trunk_in[out] >= 0 or trunk_out[out] >= 0:
            width = text_ends[_CLUSTER, rows[out]] - text_starts[_CLUSTER, rows[out]]
            bytes_max += 2 * (32 + width)
    offsets = np.empty(n + 1, np.int32)
    text = np.empty(bytes_max, np.uint8)
    bitmap = np.zeros((n + 7) // 8, np.uint8)
    nulls = 0
    at = 0
    for out in range(n):
        row = rows[out]
        offsets[out] = at
        for side in range(2):
            leg = ints[_DEST_LEG if side else _ORIG_LEG, row]
            if leg <= 0 or (trunk_out[out] if side else trunk_in[out]) < 0:
                continue
            if at > offsets[out]:
                for byte in (32, 43, 32):
                    text[at] = byte
                    at += 1
            at = _put_bytes(text, at, data, text_starts[_CLUSTER, row], text_ends[_CLUSTER, row])
            text[at] = 58
            at = _put_int(text, at + 1, leg)
        if at > offsets[out]:
            bitmap[out >> 3] |= np.uint8(1 << (out & 7))
        else:
            nulls += 1
    offsets[n] = at
    return offsets, text[:at].copy(), bitmap, nulls
