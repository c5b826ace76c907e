"""Columnar parsing of Avaya CM records: bytes to legs.

Owns the meaning of the fields as columns. `scalar` is the plain twin; both are
held equal by tests/property.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.dialects.avaya_cm import kernels as k
from bluewhale.dialects.avaya_cm.compiled import CompiledLayout, compile_layout
from bluewhale.dialects.avaya_cm.condition_codes import CONDITIONS
from bluewhale.dialects.avaya_cm.days import AHEAD_LIMIT_MS, Days, record_days
from bluewhale.dialects.avaya_cm.joining import GAP_MS, JoinInput, join_keys
from bluewhale.dialects.avaya_cm.layouts import layout_of
from bluewhale.dialects.avaya_cm.rejecting import reject
from bluewhale.dialects.avaya_cm.settings import Settings, settings_of
from bluewhale.dialects.engine.dialect import Dialect
from bluewhale.dialects.engine.legs import (
    DIRECTIONS,
    Column,
    Ints,
    Words,
    build_legs,
    build_rejects,
)
from bluewhale.dialects.engine.spans import encode_packed, gather
from bluewhale.records import times
from bluewhale.records.batches import LinkProfile, Outcome, RawBatch
from bluewhale.records.enums import Disposition, Flag, LegRole

MINUTE_MS = 60_000
DAY_MS = 86_400_000

_CODES = tuple(condition.code for condition in CONDITIONS)
_DISPOSITIONS = tuple(str(word) for word in Disposition)
_ROLES = tuple(str(word) for word in LegRole)
_DISPOSITION_OF = np.array(
    [_DISPOSITIONS.index(condition.disposition) for condition in CONDITIONS], dtype=np.int8
)
_ROLE_OF = np.array([_ROLES.index(condition.role) for condition in CONDITIONS], dtype=np.int8)
_RING_TIME = np.array([condition.ring_time for condition in CONDITIONS])
_IS_CALL = np.array([condition.call for condition in CONDITIONS])
_ANSWERED = np.array([c.disposition is Disposition.ANSWERED for c in CONDITIONS])
_ORDINARY = np.array(
    [
        c.call and c.role is LegRole.PLAIN and c.disposition is Disposition.ANSWERED
        for c in CONDITIONS
    ]
)


@dataclass(slots=True)
class _Numbers:
    """What the kernel read, one row per record."""

    numbers: npt.NDArray[np.int64]
    trunks: npt.NDArray[np.uint64]
    smalls: npt.NDArray[np.int32]


def parse(batch: RawBatch, profile: LinkProfile, dialect: Dialect) -> Outcome:
    """Parse records of one layout.

    Returns
    -------
    Outcome: LEG_SCHEMA and SUSPENSE_SCHEMA; rows keep their order.

    Rejects: not_this_format, record_truncated, record_too_long, field_malformed,
    encoding_invalid, time_invalid, time_in_future, context_missing,
    record_type_unknown, switch_lost_records.
    """
    settings = settings_of(profile.options)
    compiled = compile_layout(layout_of(profile.options))
    read = _read(batch, compiled)
    days = record_days(batch, read.numbers, read.smalls, settings, profile.site.zone)
    release_ms, clock_flags = times.local_to_utc_ms(
        days.day.astype(np.int64) * DAY_MS + np.maximum(read.numbers[:, 1], 0) * MINUTE_MS,
        profile.site.zone,
        batch.received_at_ms,
    )
    if not settings.has_time:
        release_ms = batch.received_at_ms
    ahead, future = times.clock_flags(
        release_ms, batch.received_at_ms, ahead_limit_ms=AHEAD_LIMIT_MS
    )
    wrong = read.smalls[:, 0]
    wrong[(wrong == k.GOOD) & ~_IS_CALL[read.smalls[:, 2]]] = k.LOST_RECORDS
    wrong[(wrong == k.GOOD) & days.missing] = k.NO_CONTEXT
    wrong[(wrong == k.GOOD) & future] = k.IN_FUTURE
    rows = np.flatnonzero(wrong == k.GOOD)
    flags = days.flags | clock_flags | ahead
    accepted = _legs(
        batch, profile, dialect, compiled, settings, read, days, release_ms, flags, rows
    )
    return Outcome(accepted, _rejects(batch, profile, dialect, compiled, read))


def _read(batch: RawBatch, compiled: CompiledLayout) -> _Numbers:
    """Run the kernel over all records."""
    count = len(batch)
    read = _Numbers(
        np.zeros((count, 3), dtype=np.int64),
        np.zeros((count, 4), dtype=np.uint64),
        np.zeros((count, 4), dtype=np.int32),
    )
    k.parse_rows(
        batch.data,
        batch.starts,
        batch.ends,
        compiled.place.reshape(-1),
        compiled.blanks,
        compiled.conditions,
        compiled.sides,
        compiled.lengths,
        read.numbers,
        read.trunks,
        read.smalls,
    )
    return read


def _legs(
    batch: RawBatch,
    profile: LinkProfile,
    dialect: Dialect,
    compiled: CompiledLayout,
    settings: Settings,
    read: _Numbers,
    days: Days,
    release_ms: npt.NDArray[np.int64],
    flags: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> pa.Table:
    """Make the columns of the accepted rows."""
    if len(rows) < len(batch):
        release_ms, flags, day = release_ms[rows], flags[rows], days.day[rows]
        starts, ends = batch.starts[rows], batch.ends[rows]
        numbers, trunks, smalls = read.numbers[rows], read.trunks[rows], read.smalls[rows]
    else:
        day, starts, ends = days.day, batch.starts, batch.ends
        numbers, trunks, smalls = read.numbers, read.trunks, read.smalls
    condition = smalls[:, 2]
    printed_ms = numbers[:, 2]
    ring_time = _RING_TIME[condition]
    answered = _ANSWERED[condition]
    duration_ms = np.where(ring_time, 0, printed_ms)
    start_ms = release_ms - printed_ms
    answer_ms = np.where(ring_time, release_ms, start_ms)

    def spans(name: str) -> tuple[Any, Any] | None:
        place = compiled.span(name)
        if place is None:
            return None
        return np.minimum(starts + place[0], ends), np.minimum(starts + place[1], ends)

    dialed = spans("dialed-num")
    assert dialed is not None, "every layout has a dialled number"
    calling_data, calling_starts, calling_ends = _calling(batch, compiled, starts, ends)
    keys, has_keys = join_keys(
        JoinInput(
            data=batch.data,
            calling_starts=calling_starts,
            calling_ends=calling_ends,
            dialed_starts=dialed[0],
            dialed_ends=dialed[1],
            calling_data=calling_data,
            trunk=np.where(trunks[:, 1] != 0, trunks[:, 1], trunks[:, 0]),
            start_ms=start_ms,
            release_ms=release_ms,
            duration_ms=duration_ms,
            inbound=smalls[:, 3] == k.INBOUND,
            piece=_ROLE_OF[condition] == _ROLES.index("piece"),
            conference=_ROLE_OF[condition] == _ROLES.index("conference"),
            redirected=_ROLE_OF[condition] == _ROLES.index("forward"),
            ordinary=_ORDINARY[condition],
        ),
        profile.pbx_uid,
        splitting=settings.call_splitting,
    )
    columns: dict[str, Column] = {
        "setup_at": start_ms,
        "answer_at": Ints(answer_ms, answered),
        "release_at": release_ms,
        "duration_ms": duration_ms,
        "ring_ms": Ints(printed_ms, ring_time),
        "calling_number": gather(calling_data, calling_starts, calling_ends),
        "called_number": gather(batch.data, *dialed),
        "trunk_in": encode_packed(trunks[:, 0]),
        "trunk_out": encode_packed(trunks[:, 1]),
        "trunk_group_in": encode_packed(trunks[:, 2]),
        "trunk_group_out": encode_packed(trunks[:, 3]),
        "condition_code": Words(condition, _CODES),
        "disposition": Words(_DISPOSITION_OF[condition], _DISPOSITIONS),
        "leg_role": Words(_ROLE_OF[condition], _ROLES),
        "direction": Words(smalls[:, 3], DIRECTIONS),
        "join_keys": keys,
        "join_at": Ints(release_ms, has_keys),
        "join_gap_ms": Ints(np.full(len(rows), GAP_MS, dtype=np.int64), has_keys),
        "flags": flags
        | settings.flags
        | np.where(answered & ~ring_time, int(Flag.ANSWER_INFERRED), 0)
        | np.where(ring_time, 0, int(Flag.SETUP_INFERRED)),
    }
    for column, name in (("account_code", "acct-code"), ("authorization_code", "auth-code")):
        place = spans(name)
        if place is not None:
            columns[column] = gather(batch.data, *place)
    return build_legs(
        batch,
        profile,
        dialect,
        rows,
        columns,
        day=day.astype(np.int32),
        access_codes_printed=settings.access_code_in_number,
    )


def _calling(
    batch: RawBatch, compiled: CompiledLayout, starts: Any, ends: Any
) -> tuple[Any, Any, Any]:
    """Give (data, starts, ends) of the calling numbers."""
    place = compiled.place[k.CALLING]
    first = int(compiled.place[k.CALLING_FIRST, 0])
    if first >= 0:
        return k.compose_calling(batch.data, starts, ends, first, place)
    return batch.data, np.minimum(starts + place[0], ends), np.minimum(starts + place[1], ends)


def _rejects(
    batch: RawBatch,
    profile: LinkProfile,
    dialect: Dialect,
    compiled: CompiledLayout,
    read: _Numbers,
) -> pa.Table:
    """Make the suspense rows: few kinds of mistakes, so words are made once per kind."""
    rows = np.flatnonzero(read.smalls[:, 0] != k.GOOD)
    kinds = read.smalls[rows, 0].astype(np.int64) << 20 | read.smalls[rows, 1].astype(np.int64)
    distinct, code = np.unique(kinds, return_inverse=True)
    found = [reject(int(kind) >> 20, int(kind) & 0xFFFFF, compiled) for kind in distinct]
    from bluewhale.dialects.engine.legs import REASONS

    reasons = np.array([REASONS.index(item.reason) for item in found], dtype=np.int32)
    details = pa.array([item.detail for item in found], pa.string())
    return build_rejects(
        batch,
        profile,
        dialect,
        rows,
        reasons[code] if len(rows) else np.zeros(0, dtype=np.int32),
        details.take(pa.array(code)) if len(rows) else pa.array([], pa.string()),
    )
