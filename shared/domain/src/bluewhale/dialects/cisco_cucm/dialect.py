"""Cisco CUCM CDR and CMR files: the declaration and the columnar path.

Owns options, framing and the assembly of leg columns. The meaning of a record
is in `scalar` (plainly) and `meaning` (kernels); columns are in `columns`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.capture import ContextRule, FramingTable
from bluewhale.dialects.cisco_cucm import codes, meaning, writer
from bluewhale.dialects.cisco_cucm.devices import is_gateway
from bluewhale.dialects.cisco_cucm.layout import INTEGERS, TEXTS, Int, Text, header_layout
from bluewhale.dialects.cisco_cucm.on_demand import fields
from bluewhale.dialects.cisco_cucm.scalar import JOIN_KIND, parse_one, patterns
from bluewhale.dialects.engine.delimited import (
    GOOD,
    MISSING,
    ScanFault,
    fault_reject,
    scan,
    split_record,
)
from bluewhale.dialects.engine.delimited_texts import (
    holds_replacement,
    text_column,
    texts,
    undouble,
)
from bluewhale.dialects.engine.dialect import Dialect, Option, Options, Reject
from bluewhale.dialects.engine.legs import (
    CLASSES,
    DIRECTIONS,
    Column,
    Ints,
    Words,
    build_legs,
    build_rejects,
)
from bluewhale.dialects.engine.spans import encode, words_from_codes
from bluewhale.records import ids, numbers
from bluewhale.records.batches import LinkProfile, Outcome, RawBatch
from bluewhale.records.enums import Direction, Flag
from bluewhale.records.schemas import LEG_SCHEMA, SUSPENSE_SCHEMA

Rows = npt.NDArray[np.int64]

DAY_MS: Final = 86_400_000
# The default "maximum call duration timer" of CUCM: records of one call are
# released at most this far apart. A callId needs longer to wrap: 2^24 calls in
# 12 h would be 388 per second.
JOIN_GAP_MS: Final = 12 * 3_600_000

OPTIONS: Final = (
    Option(
        "gateways",
        "list",
        [],
        "patterns of device names that are lines to the outside (whole name, case ignored); "
        "empty = every device that is not recognised as phone, bridge or application port",
    ),
    Option(
        "phones",
        "list",
        [],
        "patterns of device names that are never lines to the outside",
    ),
)

FRAMING: Final = FramingTable(
    version=1,
    strip_left=b"\x00\x0b\x0c\xef\xbb\xbf",  # some editors put a byte order mark first
    skip=(rb"INTEGER,.*",),
    context=(
        ContextRule(
            "header",
            rb'"[cC][dD][rR][rR][eE][cC][oO][rR][dD][tT][yY][pP][eE]",.*',
            length_min=100,
        ),
        ContextRule("bare_header", rb"cdr[rR]ecord[tT]ype,.*", length_min=100),
    ),
)


def framing(options: Options) -> FramingTable:
    """Give the framing table: a line a record, the header line is context, the type line noise."""
    return FRAMING


def check(options: Options) -> Iterable[str]:
    """Find patterns that are no regular expressions."""
    for name in ("gateways", "phones"):
        values = options.get(name, ())
        assert isinstance(values, list | tuple), "the kind was checked before"
        for pattern in values:
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                yield f"option {name!r}: {pattern!r} is no regular expression ({error})"


def parse(batch: RawBatch, profile: LinkProfile) -> Outcome:
    """Parse a batch by columns; see `scalar.parse_one` for the rules."""
    layouts = [header_layout(context) for context in batch.contexts]
    usable = [layout for layout in layouts if layout is not None]
    row_of = np.full(len(layouts) + 1, -1, np.int32)  # the last entry serves context_row -1
    row_of[[i for i, layout in enumerate(layouts) if layout is not None]] = np.arange(len(usable))
    layout_row = row_of[batch.context_row]
    found = scan(
        batch.data, batch.starts, batch.ends, layout_row, usable,
        text_slots=len(TEXTS), int_slots=len(INTEGERS),
    )  # fmt: skip
    data = undouble(batch.data, found)
    split = np.flatnonzero(found.fault == GOOD)
    read = meaning.interpret_rows(
        data, found.starts, found.ends, found.ints, split, batch.received_at_ms
    )
    good = read[0] == meaning.LEG
    if len(split) == len(batch) and good.all():
        legs = _legs(batch, profile, data, found, split, read[1:])
        return Outcome(legs, SUSPENSE_SCHEMA.empty_table())
    rows = split[good]
    chosen = [part[..., good] for part in read[1:]]
    legs = _legs(batch, profile, data, found, rows, chosen) if len(rows) else None
    rejects: dict[int, Reject] = {
        int(row): _fault(int(fault))
        for row, fault in zip(split[~good], read[0][~good], strict=True)
    }
    for row in np.flatnonzero(found.fault != GOOD).tolist():
        index = int(layout_row[row])
        rejects[row] = fault_reject(
            ScanFault(
                int(found.fault[row]), int(found.fault_column[row]), int(found.fault_position[row])
            ),
            usable[index] if index >= 0 else None,
        )
    order = sorted(rejects)
    return Outcome(
        LEG_SCHEMA.empty_table() if legs is None else legs,
        build_rejects(
            batch,
            profile,
            CISCO_CUCM,
            np.array(order, dtype=np.int64),
            [rejects[row].reason for row in order],
            [rejects[row].detail for row in order],
        ),
    )


def _fault(fault: int) -> Reject:
    """Say a fault of `meaning` in the words of suspense."""
    entry = meaning.FAULTS[fault]
    assert entry is not None, "a fault has a reason"
    reason, field, expected = entry
    return Reject(reason, field, "", expected)


def _legs(
    batch: RawBatch, profile: LinkProfile, data: Any, found: Any, rows: Rows, read: Any
) -> pa.Table:
    """Assemble the legs of the rows that are good."""
    role, disposition, times, cause, flags, bridge, keyed = read
    every = None if len(rows) == len(batch) else rows

    def integers(slot: Int) -> npt.NDArray[np.int64]:
        return found.ints[slot] if every is None else found.ints[slot][rows]

    def text(slot: Text) -> pa.StringArray:
        return texts(data, found, int(slot), every)

    quality = integers(Int.RECORD_TYPE) == 2
    any_quality = bool(quality.any())
    calling = text(Text.CALLING)
    if any_quality:
        calling = pc.if_else(pa.array(quality), text(Text.DIRECTORY_NUMBER), calling)
    numbers_read = {
        "calling_number": calling,
        "called_number": text(Text.ORIGINAL_CALLED),
        "connected_number": text(Text.FINAL_CALLED),
        "redirecting_number": text(Text.LAST_REDIRECT),
    }
    for column in numbers_read.values():
        replaced = holds_replacement(column)
        if replaced is not None:
            flags[replaced] |= int(Flag.TEXT_REPLACED)
    trunk_in, trunk_out, sides = _trunks(data, found, every, profile)
    row_offsets, offsets, key_bytes = meaning.key_texts(
        data, found.starts, found.ends, found.ints, rows, role, keyed, bridge
    )
    keys, _ = ids.join_keys_column(JOIN_KIND, profile.pbx_uid, text_column(offsets, key_bytes))
    answered = times[1] != MISSING
    join_at = np.where(times[2] != MISSING, times[2], times[0])
    columns: dict[str, Column] = {
        **numbers_read,
        "setup_at": times[0],
        "answer_at": Ints(times[1], answered),
        "release_at": _known(times[2]),
        "duration_ms": _known(times[3]),
        "talk_ms": Ints(times[3], answered & (times[3] != MISSING)),
        "queue_ms": _known(times[4]),
        "disposition": Words(disposition, tuple(str(word) for word in meaning.DISPOSITIONS)),
        "leg_role": Words(role, tuple(str(word) for word in meaning.ROLES)),
        "cause_code": _known(cause),
        "trunk_in": trunk_in,
        "trunk_out": trunk_out,
        "piece_of": text_column(
            *meaning.outside_legs(
                data, found.starts, found.ends, found.ints, rows, sides[0], sides[1]
            )
        ),
        "direction": Words(_direction(sides, quality), DIRECTIONS),
        "account_code": text(Text.MATTER_CODE),
        "authorization_code": text(Text.AUTHORIZATION_CODE),
        "codec": _codec(integers(Int.CODEC), quality),
        "join_keys": pa.ListArray.from_arrays(pa.array(row_offsets), pa.array(keys)),
        "join_at": join_at,
        "join_gap_ms": JOIN_GAP_MS,
        "flags": flags,
    }
    if any_quality:
        columns.update(_quality(data, found, every, quality))
    legs = build_legs(
        batch,
        profile,
        CISCO_CUCM,
        rows,
        columns,
        day=(times[0] // DAY_MS).astype(np.int32),
        native_key=text(Text.PKID),
    )
    return _class_of_diverted(legs, profile, sides[1])


def _known(values: npt.NDArray[np.int64]) -> Ints:
    """Make `MISSING` null."""
    return Ints(values, values != MISSING)


def _trunks(
    data: Any, found: Any, rows: Rows | None, profile: LinkProfile
) -> tuple[pa.Array, pa.Array, tuple[Any, Any, Any, Any]]:
    """Give trunk_in, trunk_out and, per side, (trunk code or -1) and (device code or -1)."""
    gateways, phones = patterns(profile.options)
    columns, trunk_codes, device_codes = [], [], []
    for slot in (Text.ORIG_DEVICE, Text.DEST_DEVICE):
        starts, ends = found.starts[slot], found.ends[slot]
        if rows is not None:
            starts, ends = starts[rows], ends[rows]
        devices = encode(data, starts, ends, trim="none")
        names = devices.dictionary.to_pylist()
        outside = [i for i, name in enumerate(names) if is_gateway(name, gateways, phones)]
        code = np.full(len(names) + 1, -1, np.int32)  # the last entry serves "no device"
        code[outside] = np.arange(len(outside), dtype=np.int32)
        device = devices.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        trunk = code[device]
        columns.append(words_from_codes(trunk, pa.array([names[i] for i in outside], pa.string())))
        trunk_codes.append(trunk)
        device_codes.append(device)
    return columns[0], columns[1], (*trunk_codes, *device_codes)


def _direction(sides: tuple[Any, Any, Any, Any], quality: npt.NDArray[np.bool_]) -> Any:
    """Decide directions by the devices; -1 where a side has no device yet."""
    inside, outside = sides[0] >= 0, sides[1] >= 0
    words = [Direction.TANDEM, Direction.INBOUND, Direction.OUTBOUND, Direction.INTERNAL]
    code = [DIRECTIONS.index(str(word)) for word in words]
    known = (sides[2] >= 0) & (sides[3] >= 0)
    # Index: calling side outside, called side outside, both devices known.
    table = np.array([-1, code[3], code[2], code[2], code[1], code[1], code[0], code[0]], np.int8)
    return table[inside * np.int8(4) + outside * np.int8(2) + known]


def _codec(values: npt.NDArray[np.int64], quality: npt.NDArray[np.bool_]) -> Words:
    """Name the codecs; a number that the guide does not list is null."""
    table = np.full(256, -1, np.int8)
    for index, number in enumerate(codes.CODECS):
        table[number] = index
    inside = (values >= 0) & (values < len(table)) & ~quality
    return Words(
        np.where(inside, table[np.where(inside, values, 0)], -1), tuple(codes.CODECS.values())
    )


def _quality(
    data: Any, found: Any, rows: Rows | None, quality: npt.NDArray[np.bool_]
) -> dict[str, Column]:
    """Read jitter, loss and quality score of CMRs."""

    def integers(slot: Int) -> npt.NDArray[np.int64]:
        return found.ints[slot] if rows is None else found.ints[slot][rows]

    jitter, heard, lost = integers(Int.JITTER), integers(Int.RECEIVED), integers(Int.LOST)
    counted = quality & (heard >= 0) & (lost >= 0) & (heard + lost > 0)
    ratio = np.divide(lost, heard + lost, out=np.zeros(len(lost)), where=counted)
    score = pc.struct_field(
        pc.extract_regex(
            texts(data, found, Text.VOICE_QUALITY, rows), r"MLQKav=(?P<v>[0-9]+\.[0-9]+)"
        ),
        "v",
    )
    return {
        "jitter_ms": Ints(jitter, quality & (jitter != MISSING)),
        "loss_ratio": pa.array(ratio, mask=~counted),
        "mos": pc.if_else(pa.array(quality), score.cast(pa.float64()), None),
    }


def _class_of_diverted(
    legs: pa.Table, profile: LinkProfile, trunk_out: npt.NDArray[np.int32]
) -> pa.Table:
    """Class a call that was diverted to the outside by the number that it reached."""
    reached = legs["connected_number"]
    differs = pc.fill_null(pc.not_equal(reached, legs["called_number"]), False)
    moved = np.flatnonzero(np.asarray(differs.to_numpy()) & (trunk_out >= 0))
    if not len(moved):
        return legs
    plan = numbers.compile_plan(profile.site)
    found = numbers.normalise(reached.take(pa.array(moved)), plan, role="called")
    words = legs["class"].combine_chunks()
    place = {word: code for code, word in enumerate(words.dictionary.to_pylist())}
    index = words.indices.fill_null(-1).to_numpy(zero_copy_only=False).copy()
    index[moved] = [place[CLASSES[code]] for code in found.call_class.tolist()]
    column = words_from_codes(index, words.dictionary)
    return legs.set_column(legs.schema.get_field_index("class"), LEG_SCHEMA.field("class"), column)


def assumed_context(record: bytes) -> bytes | None:
    """Give the header of the release whose files have as many columns; see `Dialect`."""
    pieces, fault = split_record(record)
    if fault is not None:
        return None
    shapes = (
        (writer.CMR_COLUMNS,)
        if pieces[0][1] == b"2"
        else (writer.CDR_COLUMNS, writer.CDR_COLUMNS_110)
    )
    fitting = (columns for columns in shapes if len(columns) == len(pieces))
    return next((writer.header_line(columns) for columns in fitting), None)


CISCO_CUCM: Final = Dialect(
    dialect_id="cisco_cucm",
    title="Cisco Unified Communications Manager, CDR and CMR files",
    version=1,
    identity_version=1,
    options=OPTIONS,
    framing=framing,
    parse=parse,
    parse_one=parse_one,
    fields=fields,
    room=Path(__file__).parent,
    check=check,
    assumed_context=assumed_context,
)
