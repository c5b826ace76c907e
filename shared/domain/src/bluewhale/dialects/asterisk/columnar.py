"""Asterisk records to legs by columns.

Owns the assembly of leg columns; the rules stand plainly in `scalar`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.dialects.asterisk import kernels
from bluewhale.dialects.asterisk.layout import (
    AUTO,
    COUNTS,
    INTEGERS,
    TEXTS,
    TRUNK,
    Channel,
    Int,
    Text,
    channel_of,
    layout_for,
)
from bluewhale.dialects.asterisk.scalar import (
    AHEAD_LIMIT_MS,
    DISPOSITIONS,
    JOIN_KIND,
    ROLES,
    SECONDS_MAX,
    direction_of,
    options_of,
)
from bluewhale.dialects.engine.delimited import (
    GOOD,
    MISSING,
    Scan,
    ScanFault,
    fault_reject,
    scan,
)
from bluewhale.dialects.engine.delimited_texts import holds_replacement, texts, undouble
from bluewhale.dialects.engine.dialect import Reject
from bluewhale.dialects.engine.legs import (
    DIRECTIONS,
    Column,
    Ints,
    Words,
    build_legs,
    build_rejects,
)
from bluewhale.dialects.engine.spans import Bytes, encode, words_from_codes
from bluewhale.records import ids, times
from bluewhale.records.batches import LinkProfile, Outcome, RawBatch
from bluewhale.records.enums import Disposition, Flag, LegRole, RejectReason
from bluewhale.records.schemas import LEG_SCHEMA, SUSPENSE_SCHEMA

if TYPE_CHECKING:
    from bluewhale.dialects.engine.dialect import Dialect

Rows = npt.NDArray[np.int64]

DAY_MS: Final = 86_400_000
JOIN_GAP_MS: Final = 12 * 3_600_000  # records of one linkedid end at most this far apart
_ROLE_WORDS: Final = tuple(str(role) for role in LegRole)
_DISPOSITION_WORDS: Final = tuple(str(word) for word in Disposition)
_TIMES: Final = ((Text.START, "start"), (Text.ANSWER, "answer"), (Text.END, "end"))


def parse(batch: RawBatch, profile: LinkProfile, dialect: Dialect) -> Outcome:
    """Parse a batch; see `scalar.parse_one` for the rules."""
    shape, in_utc, trunks = options_of(profile)
    layout = layout_for(shape)
    found = scan(
        batch.data, batch.starts, batch.ends, np.zeros(len(batch), np.int32), (layout,),
        text_slots=len(TEXTS), int_slots=len(INTEGERS),
    )  # fmt: skip
    data = undouble(batch.data, found)
    if shape == AUTO:
        _drop_user_fields(data, found)
    rejects: dict[int, Reject] = {
        row: fault_reject(
            ScanFault(
                int(found.fault[row]), int(found.fault_column[row]), int(found.fault_position[row])
            ),
            layout,
        )
        for row in np.flatnonzero(found.fault != GOOD).tolist()
    }
    printed = [
        kernels.local_times(data, found.starts[slot], found.ends[slot]) for slot, _ in _TIMES
    ]
    outcome = _encode(data, found, Text.DISPOSITION, None)
    known = np.array(
        [*(word in DISPOSITIONS for word in outcome.dictionary.to_pylist()), False], dtype=np.bool_
    )
    wrong = _wrong(found, printed, known[_codes(outcome)], auto=shape == AUTO)
    sane = wrong == 0
    zone = "UTC" if in_utc else profile.site.zone
    anchor, by_start, clock_flags = _anchors(printed, sane, zone, batch.received_at_ms)
    ahead, too_far = times.clock_flags(anchor, batch.received_at_ms, ahead_limit_ms=AHEAD_LIMIT_MS)
    wrong[sane & too_far] = len(_WRONG)
    for row in np.flatnonzero((wrong > 0) & (found.fault == GOOD)).tolist():
        rejects[row] = _reject(int(wrong[row]), int(found.counts[row]))
    rows = np.flatnonzero(wrong == 0)
    if not len(rows):
        legs = LEG_SCHEMA.empty_table()
    else:
        read = _Read(batch, profile, data, found, rows, trunks)
        anchored = (anchor[rows], by_start[rows], (clock_flags | ahead)[rows])
        legs = _legs(read, dialect, [p[rows] for p in printed], anchored, zone)
    order = sorted(rejects)
    if not order:
        return Outcome(legs, SUSPENSE_SCHEMA.empty_table())
    return Outcome(
        legs,
        build_rejects(
            batch, profile, dialect, np.array(order, dtype=np.int64),
            [rejects[row].reason for row in order], [rejects[row].detail for row in order],
        ),
    )  # fmt: skip


_WRONG: Final = (
    "columns",
    "start",
    "answer",
    "end",
    "disposition",
    "duration",
    "billsec",
    "future",
)


def _wrong(found: Scan, printed: list[Rows], outcome_known: Any, *, auto: bool) -> Any:
    """Number what is wrong with each record, 0 = nothing, in the order of `scalar.parse_one`."""
    tests = [
        ~np.isin(found.counts, COUNTS) if auto else np.zeros(len(found.counts), np.bool_),
        printed[0] <= kernels.INVALID,
        printed[1] == kernels.INVALID,
        printed[2] == kernels.INVALID,
        ~outcome_known,
        *(
            (found.ints[slot] != MISSING) & (np.abs(found.ints[slot]) > SECONDS_MAX)
            for slot in (Int.DURATION, Int.BILLED)
        ),
    ]
    wrong = np.select(tests, np.arange(1, len(tests) + 1), 0)
    return np.where(found.fault != GOOD, -1, wrong)


def _reject(wrong: int, count: int) -> Reject:
    """Say what `_wrong` numbered in the words of suspense."""
    name = _WRONG[wrong - 1]
    if name == "columns":
        return Reject(
            RejectReason.NOT_THIS_FORMAT, "", "", f"16, 17, 18 or 21 columns, found {count}"
        )
    if name == "future":
        return Reject(RejectReason.TIME_IN_FUTURE, "end", "", "a time at most 26 h after receipt")
    if name == "disposition":
        expected = "ANSWERED, NO ANSWER, BUSY, FAILED or CONGESTION"
        return Reject(RejectReason.FIELD_MALFORMED, name, "", expected)
    if name in INTEGERS:
        return Reject(RejectReason.FIELD_MALFORMED, name, "", "seconds below 2^32")
    return Reject(RejectReason.TIME_INVALID, name, "", "a time as YYYY-MM-DD HH:MM:SS")


def _drop_user_fields(data: Bytes, found: Scan) -> None:
    """Empty the 17th column as uniqueid where it is the user field; in place."""
    rows = np.flatnonzero(found.counts == 17)
    starts, ends = found.starts[Text.UNIQUE], found.ends[Text.UNIQUE]
    other = rows[~kernels.looks_unique(data, starts[rows], ends[rows])]
    starts[other] = ends[other] = 0


class _Read:
    """The good rows of a batch with their spans."""

    def __init__(
        self,
        batch: RawBatch,
        profile: LinkProfile,
        data: Bytes,
        found: Scan,
        rows: Rows,
        trunks: Any,
    ) -> None:
        self.batch = batch
        self.profile = profile
        self.data = data
        self.found = found
        self.rows = rows
        self.trunks = trunks
        self.every = None if len(rows) == len(batch) else rows

    def text(self, slot: Text) -> pa.StringArray:
        return texts(self.data, self.found, int(slot), self.every)

    def integers(self, slot: Int) -> Rows:
        column = self.found.ints[slot]
        return column if self.every is None else column[self.every]

    def spans(self, slot: Text) -> tuple[Rows, Rows]:
        starts, ends = self.found.starts[slot], self.found.ends[slot]
        return (starts, ends) if self.every is None else (starts[self.every], ends[self.every])

    def channels(self, slot: Text) -> tuple[npt.NDArray[np.int32], list[Channel]]:
        """Give the channels by code; the last of the list serves "no channel" (-1)."""
        starts, ends = self.spans(slot)
        words = encode(
            self.data, starts, kernels.stable_spans(self.data, starts, ends), trim="none"
        )
        lengths = self.profile.site.extension_lengths
        distinct = [channel_of(name, self.trunks, lengths) for name in words.dictionary.to_pylist()]
        return _codes(words), [*distinct, channel_of("", self.trunks, lengths)]


def _anchors(
    printed: list[Rows], sane: Any, zone: str, received_at_ms: Rows
) -> tuple[Rows, npt.NDArray[np.bool_], Rows]:
    """Convert one time of each record: (instants, it is the start, flags); see `scalar._anchor`."""
    start, _, end = printed
    by_start = end == MISSING
    last = np.where(sane, np.where(by_start, start, end), times.NULL_MS)
    anchor, flags = times.local_to_utc_ms(last, zone, received_at_ms)
    repeated = np.flatnonzero((flags & int(Flag.DST_REPEATED_HOUR) != 0) & ~by_start)
    if len(repeated):
        other, other_flags = times.local_to_utc_ms(start[repeated], zone, received_at_ms[repeated])
        clear = other_flags & int(Flag.DST_REPEATED_HOUR) == 0
        moved = repeated[clear]
        anchor[moved], flags[moved], by_start[moved] = other[clear], other_flags[clear], True
    return anchor, by_start, flags.astype(np.int64)


def _legs(
    read: _Read,
    dialect: Dialect,
    printed: list[Rows],
    anchored: tuple[Rows, npt.NDArray[np.bool_], Rows],
    zone: str,
) -> pa.Table:
    """Assemble legs."""
    anchor, by_start, flags = anchored
    outcome = _encode(read.data, read.found, Text.DISPOSITION, read.every)
    outcomes = [DISPOSITIONS.get(word, "") for word in outcome.dictionary.to_pylist()]
    place = np.array([_DISPOSITION_WORDS.index(str(w)) if w else -1 for w in outcomes] or [0])
    disposition = place[_codes(outcome)].astype(np.int8)
    answered = disposition == _DISPOSITION_WORDS.index(str(Disposition.ANSWERED))
    before, after = anchor - DAY_MS, anchor + DAY_MS
    shift = times.utc_to_local_ms(after, zone) - times.utc_to_local_ms(before, zone)
    moments, more = kernels.moments(
        anchor, by_start, *printed, read.integers(Int.DURATION), read.integers(Int.BILLED),
        answered, shift != 2 * DAY_MS,
    )  # fmt: skip
    flags |= more
    setup = moments[4]
    calling, called = read.text(Text.SOURCE), read.text(Text.DESTINATION)
    for column in (calling, called):
        replaced = holds_replacement(column)
        if replaced is not None:
            flags[replaced] |= int(Flag.TEXT_REPLACED)
    origin_code, origins = read.channels(Text.CHANNEL)
    target_code, targets = read.channels(Text.TARGET_CHANNEL)
    keys, key_valid = _join_keys(read)
    names = kernels.name_spans(read.data, *read.spans(Text.CALLER_ID))
    target_extension = _extensions(target_code, targets)
    columns: dict[str, Column] = {
        "setup_at": setup,
        "answer_at": _known(moments[0]),
        "release_at": _known(moments[1]),
        "duration_ms": _known(moments[2]),
        "talk_ms": _known(moments[3]),
        "disposition": Words(disposition, _DISPOSITION_WORDS),
        "leg_role": _roles(read),
        "calling_number": calling,
        "called_number": called,
        "connected_number": target_extension,
        "calling_name": _gather(read.data, *names),
        "account_code": read.text(Text.ACCOUNT),
        "trunk_in": _trunks(origin_code, origins),
        "trunk_out": _trunks(target_code, targets),
        "piece_of": _pieces(read, _is_trunk(origin_code, origins), _is_trunk(target_code, targets)),
        "direction": Words(_directions(origin_code, origins, target_code, targets), DIRECTIONS),
        "join_keys": pa.ListArray.from_arrays(
            pa.array(np.concatenate(([0], np.cumsum(key_valid))).astype(np.int32)),
            pa.array(keys[key_valid]),
        ),
        "join_at": np.where(moments[1] != MISSING, moments[1], setup),
        "join_gap_ms": JOIN_GAP_MS,
        "flags": flags,
    }
    legs = build_legs(
        read.batch, read.profile, dialect, read.rows, columns,
        day=(printed[0] // DAY_MS).astype(np.int32), native_key=_native_keys(read),
    )  # fmt: skip
    legs = _prefer(legs, "calling_extension", _extensions(origin_code, origins))
    return _prefer(legs, "called_extension", target_extension)


def _known(values: Rows) -> Ints:
    return Ints(values, values != MISSING)


def _gather(data: Bytes, starts: Rows, ends: Rows) -> pa.StringArray:
    from bluewhale.dialects.engine.spans import gather

    return gather(data, starts, ends, trim="both")


def _encode(data: Bytes, found: Scan, slot: Text, rows: Rows | None) -> pa.DictionaryArray:
    """Encode a text slot of few values."""
    starts, ends = found.starts[slot], found.ends[slot]
    if rows is not None:
        starts, ends = starts[rows], ends[rows]
    return encode(data, starts, ends, trim="none")


def _codes(words: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """Give the codes of a dictionary column; -1 = null."""
    return np.asarray(words.indices.fill_null(-1).to_numpy(zero_copy_only=False))


def _roles(read: _Read) -> Words:
    """Give roles by the last application."""
    apps = _encode(read.data, read.found, Text.LAST_APP, read.every)
    table = [
        _ROLE_WORDS.index(str(ROLES.get((word or "").lower(), LegRole.PLAIN)))
        for word in [*apps.dictionary.to_pylist(), None]
    ]
    return Words(np.array(table, np.int8)[_codes(apps)], _ROLE_WORDS)


def _is_trunk(codes: Any, channels: list[Channel]) -> Any:
    return np.array([channel.kind == TRUNK for channel in channels])[codes]


def _trunks(codes: Any, channels: list[Channel]) -> pa.DictionaryArray:
    """Name the trunks of one side."""
    names = list(dict.fromkeys(c.name for c in channels if c.kind == TRUNK))
    table = [names.index(c.name) if c.kind == TRUNK else -1 for c in channels]
    return words_from_codes(np.array(table, np.int32)[codes], pa.array(names, pa.string()))


def _extensions(codes: Any, channels: list[Channel]) -> pa.StringArray:
    """Name the extensions of one side."""
    return pa.array([c.extension for c in channels], pa.string()).take(
        pa.array(np.where(codes < 0, len(channels) - 1, codes))
    )


def _directions(origin_code: Any, origins: Any, target_code: Any, targets: Any) -> Any:
    """Decide directions by the kinds of both channels; -1 = the number plan decides."""
    table = np.full((4, 4), -1, np.int8)
    samples = [Channel(kind, "", None) for kind in range(4)]
    for origin in samples:
        for target in samples:
            hint = direction_of(origin, target)
            if hint is not None:
                table[origin.kind, target.kind] = DIRECTIONS.index(str(hint))
    side = [np.array([c.kind for c in channels]) for channels in (origins, targets)]
    return table[side[0][origin_code], side[1][target_code]]


def _pieces(read: _Read, line_in: Any, line_out: Any) -> pa.StringArray:
    """Name the outside channels of each record: its seconds may go on in other records."""
    sides = []
    for slot, line in ((Text.CHANNEL, line_in), (Text.TARGET_CHANNEL, line_out)):
        starts, ends = read.spans(slot)
        sides.append(_gather_plain(read.data, starts, np.where(line, ends, starts)))
    if not (line_in & line_out).any():
        return pc.coalesce(*sides)
    both = pc.binary_join_element_wise(*sides, " + ", null_handling="emit_null")
    return pc.coalesce(both, *sides)


def _gather_plain(data: Bytes, starts: Rows, ends: Rows) -> pa.StringArray:
    from bluewhale.dialects.engine.spans import gather

    return gather(data, starts, ends, trim="none")


def _join_keys(read: _Read) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """Hash linkedid, or uniqueid where the file has none."""
    linked, unique = read.spans(Text.LINKED), read.spans(Text.UNIQUE)
    lacks = linked[1] <= linked[0]
    call = _gather_plain(
        read.data, np.where(lacks, unique[0], linked[0]), np.where(lacks, unique[1], linked[1])
    )
    return ids.join_keys_column(JOIN_KIND, read.profile.pbx_uid, call)


def _native_keys(read: _Read) -> pa.StringArray:
    """Join uniqueid, linkedid and sequence; null where one is not there."""
    parts = [read.text(slot) for slot in (Text.UNIQUE, Text.LINKED, Text.SEQUENCE)]
    return pc.binary_join_element_wise(*parts, "|", null_handling="emit_null")


def _prefer(legs: pa.Table, name: str, better: pa.StringArray) -> pa.Table:
    """Put what the channel says before what the number plan says."""
    place = legs.schema.get_field_index(name)
    column = pc.coalesce(better, legs.column(place).combine_chunks())
    return legs.set_column(place, LEG_SCHEMA.field(name), column)
