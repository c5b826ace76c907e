"""Legs and their components to whole calls, what is billed, and who is in which.

Owns the assembly of CALL_SCHEMA, BILLABLE_SCHEMA and the members table from the
kernels' decisions. Text is copied only where rows have to move: for legs that
are calls of their own, in order, every text column is the leg's own. Does not
own directory columns (null here) and prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.merge import kernels, span_kernels
from bluewhale.merge.columns import (
    constant_words,
    int_values,
    ints_column,
    lists_column,
    valid_rows,
    whole,
    words_column,
)
from bluewhale.merge.facts import DIRECTIONS, DISPOSITIONS, ROLES, Facts, read_facts
from bluewhale.merge.identity import first_rows
from bluewhale.records.schemas import BILLABLE_SCHEMA, CALL_SCHEMA, ID, INSTANT

Ints = npt.NDArray[np.int64]

MERGE_VERSION = 2
PAYER_POLICIES: Final = ("dialled_out", "last_party", "split_by_leg")
MEMBER_SCHEMA = pa.schema(
    [
        ("call_row", pa.int32()),
        ("cdr_id", ID),
        ("stream_id", pa.int64()),
        ("incarnation", pa.int64()),
        ("seq", pa.int64()),
    ],
    metadata={"schema": "member", "version": "1"},
)

# Why two legs are one call, by the role of the later one.
_REASON_OF_ROLE: Final = {
    "transfer_from": "transfer",
    "transfer_to": "transfer",
    "forward": "forward",
    "conference": "conference",
    "pickup": "pickup",
    "park": "park",
    "queue": "queue",
    "piece": "piece",
    "monitor": "quality",
}
_SURE = 1.0  # the PBX gives records of one call a common key
_LIKELY = 0.9  # joined by line or party and time: the PBX has no such key
_SPAN_DIRECTIONS = (
    -1,
    DIRECTIONS.index("outbound"),
    DIRECTIONS.index("inbound"),
    DIRECTIONS.index("internal"),
)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls, what is billed for them, and their legs.

    `calls`: CALL_SCHEMA (version 1, directory columns null), one row per
    component, in the order of the smallest row. `billables`: BILLABLE_SCHEMA,
    ascending by call_row and span. `members`: MEMBER_SCHEMA, one row per leg.
    """

    calls: pa.Table
    billables: pa.Table
    members: pa.Table


def build_calls(
    legs: pa.Table, labels: npt.NDArray[np.int64], *, payer_policy: str = "dialled_out"
) -> Calls:
    """Make one call of each component.

    Parameters
    ----------
    legs: LEG_SCHEMA, any order; not modified. Of legs with one cdr_id the first
        counts: they are one record that came twice.
    labels: one per leg, the smallest row of its component (`components`).
    payer_policy: who pays for an outside path that changed hands:
        `dialled_out` the party that dialled (received, for incoming paths),
        `last_party` the last one on it, `split_by_leg` each for its own leg.

    Returns
    -------
    Calls; a pure function of the set of legs: neither the order of rows nor
    what else is in the table changes a call.
    """
    policy = PAYER_POLICIES.index(payer_policy)
    once = first_rows(legs.column("cdr_id"))
    if len(once) < legs.num_rows:
        legs = legs.take(pa.array(once))
        _, smallest, group = np.unique(labels[once], return_index=True, return_inverse=True)
        labels = smallest[group]
    order, offsets = kernels.group(np.ascontiguousarray(labels, dtype=np.int64))
    sizes = np.diff(offsets)
    several = _rows_of_several(order, offsets, sizes)
    facts = read_facts(legs, several)
    by_id = kernels.sort_groups(facts, order, offsets) if len(several) else order
    spans = span_kernels.call_spans(facts, order, offsets, policy)
    return Calls(
        _call_table(legs, facts, order, offsets, by_id, spans),
        _billable_table(legs, spans),
        _member_table(legs, by_id, sizes),
    )


def _rows_of_several(order: Ints, offsets: Ints, sizes: Ints) -> Ints:
    """Give the rows that are in calls of more than one leg."""
    if len(order) == len(sizes):
        return np.empty(0, np.int64)
    return order[np.repeat(sizes > 1, sizes)]


class _Picker:
    """Takes rows of leg columns; gives the column itself where the rows are all, in order."""

    def __init__(self, legs: pa.Table, rows: Ints) -> None:
        self.legs = legs
        self.rows = rows
        everything = len(rows) == legs.num_rows
        self.same = everything and bool((rows == np.arange(len(rows))).all())
        gone = rows < 0
        self.indices = None if self.same else pa.array(rows, mask=gone if gone.any() else None)

    def __call__(self, name: str) -> pa.Array:
        column = whole(self.legs.column(name))
        return column if self.same else column.take(self.indices)


def _call_table(
    legs: pa.Table, facts: Facts, order: Ints, offsets: Ints, by_id: Ints, spans: Ints
) -> pa.Table:
    """Assemble CALL_SCHEMA."""
    count = len(offsets) - 1
    numbers, picks, direction, disposition, monitored = kernels.call_facts(facts, order, offsets)
    first = _Picker(legs, picks[kernels.FIRST])
    members = _Picker(legs, by_id)
    leg_ids = members("cdr_id")
    called = first("called_number")
    columns: dict[str, Any] = {
        "call_id": leg_ids if len(by_id) == count else leg_ids.take(pa.array(offsets[:-1])),
        "version": pa.array(np.ones(count, np.int32)),
        "leg_ids": lists_column(offsets, leg_ids, pa.list_(ID)),
        "leg_count": pa.array(np.diff(offsets).astype(np.int32)),
        "joins": _joins(legs, facts, order, offsets, by_id),
        "merge_version": pa.array(np.full(count, MERGE_VERSION, np.int32)),
        "started_at": ints_column(numbers[kernels.STARTED], INSTANT),
        "answered_at": ints_column(numbers[kernels.ANSWERED_AT], INSTANT),
        "ended_at": ints_column(numbers[kernels.ENDED], INSTANT),
        "site_zone": first("site_zone"),
        "direction": words_column(direction, DIRECTIONS),
        "class": _Picker(legs, picks[kernels.CLASS])("class"),
        "disposition": words_column(disposition, DISPOSITIONS),
        "calling": first("calling_number"),
        "called": called,
        "calling_e164": first("calling_e164"),
        "called_e164": first("called_e164"),
        "first_destination": called,
        "final_destination": _reached(_Picker(legs, picks[kernels.FINAL])),
        "site_uid": first("site_uid"),
        "pbx_uids": _pbx_lists(legs, facts, order, offsets, first),
        "trunk_in": _word_or_null(legs, _line_rows(spans, span_kernels.IN, count), "trunk_in"),
        "trunk_out": _word_or_null(legs, _line_rows(spans, span_kernels.OUT, count), "trunk_out"),
        "transfers": pa.array(numbers[kernels.TRANSFERS].astype(np.int32)),
        "state": _states(monitored),
        "superseded_by": pa.nulls(count, ID),
        "flags": pa.array(numbers[kernels.FLAGS]),
        "extension": _extensions(legs, spans, picks[kernels.FIRST], facts),
        "account_code": _word_or_null(legs, picks[kernels.ACCOUNT], "account_code"),
        "directory_version": pa.nulls(count, pa.int32()),
    }
    for column, at in (
        ("ring_ms", kernels.RING),
        ("queue_ms", kernels.QUEUE),
        ("hold_ms", kernels.HOLD),
        ("talk_ms", kernels.TALK),
    ):
        columns[column] = ints_column(numbers[at], pa.int64())
    for column in ("person_uid", "department_uid", "cost_center_uid"):
        columns[column] = constant_words(None, count)
    return pa.Table.from_arrays([columns[f.name] for f in CALL_SCHEMA], schema=CALL_SCHEMA)


def _states(monitored: npt.NDArray[np.bool_]) -> pa.Array:
    """Say which calls are complete; one of quality records alone waits for its leg."""
    if not monitored.any():
        return constant_words("complete", len(monitored))
    return words_column(monitored.astype(np.int32), ("complete", "open"))


def _line_rows(spans: Ints, side: int, count: int) -> Ints:
    """Give per call the leg that opened its first path on a side; -1 = none.

    A line that goes on after a transfer shows up on the calling side of later
    legs; it stays the line that the call went out on.
    """
    rows = np.full(count, -1, np.int64)
    chosen = np.flatnonzero(spans[span_kernels.SIDE] == side)[::-1]
    rows[spans[span_kernels.CALL][chosen]] = spans[span_kernels.LEG][chosen]
    return rows


def _word_or_null(legs: pa.Table, rows: Ints, name: str) -> pa.Array:
    """Take a column at picked rows, -1 = null; an empty column is never moved."""
    column = whole(legs.column(name))
    if column.null_count == len(column) and len(column) == len(rows):
        return column
    unpicked = rows < 0
    # Each call is its leg: the column itself, if it says nothing where nothing was picked.
    own = len(rows) == len(column) and bool((unpicked | (rows == np.arange(len(rows)))).all())
    if own and not (unpicked & valid_rows(column)).any():
        return column
    return _Picker(legs, rows)(name)


def _reached(final: _Picker) -> pa.Array:
    """Give whom the call reached in the end: the connected number, else the called one."""
    connected = final("connected_number")
    called = final("called_number")
    if connected.null_count == len(connected):
        return called
    return pc.coalesce(connected, called)


def _pbx_lists(
    legs: pa.Table, facts: Facts, order: Ints, offsets: Ints, first: _Picker
) -> pa.Array:
    """Give the PBXs of each call, by name, each once."""
    count = len(offsets) - 1
    kind = pa.list_(pa.string())
    pbx = whole(legs.column("pbx_uid"))
    ends = order[offsets[:-1]], order[offsets[1:] - 1]
    spread = len(order) != count and len(pbx.dictionary) > 1
    if not spread or bool(
        (facts.pbx[ends[0]] == facts.pbx[ends[1]]).all() and _uniform(facts, order, offsets)
    ):
        return lists_column(np.arange(count + 1), first("pbx_uid").cast(pa.string()), kind)
    names = pbx.cast(pa.string()).to_pylist()
    lists = [
        sorted({names[row] for row in order[offsets[c] : offsets[c + 1]]}) for c in range(count)
    ]
    return pa.array(lists, kind)


def _uniform(facts: Facts, order: Ints, offsets: Ints) -> bool:
    """Say whether no call spans several PBXs."""
    first = np.repeat(facts.pbx[order[offsets[:-1]]], np.diff(offsets))
    return bool((facts.pbx[order] == first).all())


def _joins(legs: pa.Table, facts: Facts, order: Ints, offsets: Ints, by_id: Ints) -> pa.Array:
    """Explain why the legs of each call are one call."""
    count = len(offsets) - 1
    kind = CALL_SCHEMA.field("joins").type
    if len(order) == count:
        empty = pa.array([], kind.value_type)
        return lists_column(np.zeros(count + 1, np.int32), empty, kind)
    place = np.empty(len(order), np.int64)
    place[by_id] = np.arange(len(order)) - np.repeat(offsets[:-1], np.diff(offsets))
    keys = whole(legs.column("join_keys"))
    ends, leg, other, rows = kernels.explain_joins(
        order,
        offsets,
        place,
        np.asarray(keys.offsets.to_numpy(zero_copy_only=False)).astype(np.int64),
        int_values(keys.values),
        int_values(legs.column("join_at")),
        int_values(legs.column("join_gap_ms")),
    )
    native = whole(legs.column("native_key")).is_valid().to_numpy(zero_copy_only=False)
    reasons = tuple(_REASON_OF_ROLE.get(role, "shared_key") for role in ROLES)
    words = pa.array([*reasons, "shared_key"], pa.string())
    reason = words.take(pa.array(facts.role[rows].astype(np.int64) % (len(reasons) + 1)))
    confidence = np.where(native[rows], _SURE, _LIKELY).astype(np.float32)
    values = pa.StructArray.from_arrays(
        [
            pa.array(leg.astype(np.int32)),
            pa.array(other.astype(np.int32)),
            reason,
            pa.array(confidence),
        ],
        fields=list(kind.value_type),
    )
    return lists_column(ends, values, kind)


def _extensions(legs: pa.Table, spans: Ints, first: Ints, facts: Facts) -> pa.Array:
    """Give the extension of each call: who pays its first span, else who called or was called."""
    count = len(first)
    rows = first.copy()
    kinds = np.where(
        facts.parties[first] & 1, span_kernels.PAYER_CALLING, span_kernels.PAYER_CALLED
    ).astype(np.int64)
    heads = spans[span_kernels.NUMBER] == 0
    people = heads & (spans[span_kernels.PAYER_KIND] >= 0)
    people &= spans[span_kernels.PAYER_KIND] <= span_kernels.PAYER_REDIRECTING
    calls = spans[span_kernels.CALL][people]
    rows[calls] = spans[span_kernels.PAYER_LEG][people]
    kinds[calls] = spans[span_kernels.PAYER_KIND][people]
    assert len(rows) == count, "one extension per call"
    return _names(legs, rows, kinds)


_NAME_COLUMNS = (
    "calling_extension",
    "called_extension",
    "redirecting_number",
    "trunk_in",
    "trunk_out",
)


def _names(legs: pa.Table, rows: Ints, kinds: Ints) -> pa.Array:
    """Take payers' names: column by kind, row by row; a negative kind is null."""
    used = [kind for kind in range(len(_NAME_COLUMNS)) if bool((kinds == kind).any())]
    if not used:
        return pa.nulls(len(rows), pa.string())
    sources = [whole(legs.column(_NAME_COLUMNS[kind])).cast(pa.string()) for kind in used]
    if len(used) == 1 and len(rows) == legs.num_rows and bool((rows == np.arange(len(rows))).all()):
        nobody = kinds < 0
        if not nobody.any() or sources[0].null_count == len(sources[0]):
            return sources[0]
    place = np.zeros(len(_NAME_COLUMNS), np.int64)
    for n, kind in enumerate(used):
        place[kind] = n * legs.num_rows
    at = rows + place[np.maximum(kinds, 0)]
    gone = kinds < 0
    everything = pa.concat_arrays(sources)
    return everything.take(pa.array(at, mask=gone if gone.any() else None))


def _billable_table(legs: pa.Table, spans: Ints) -> pa.Table:
    """Assemble BILLABLE_SCHEMA."""
    count = spans.shape[1]
    picker = _Picker(legs, spans[span_kernels.LEG])
    side = spans[span_kernels.SIDE]
    number, e164 = _rated_numbers(picker, side, spans[span_kernels.REDIRECTED])
    payer = _names(legs, spans[span_kernels.PAYER_LEG], spans[span_kernels.PAYER_KIND])
    directions = np.array(_SPAN_DIRECTIONS, np.int8)[side]
    columns: dict[str, Any] = {
        "call_row": pa.array(spans[span_kernels.CALL].astype(np.int32)),
        "span": pa.array(spans[span_kernels.NUMBER].astype(np.int32)),
        "payer": payer,
        "direction": words_column(directions, DIRECTIONS),
        "class": picker("class"),
        "called_number": number,
        "rated_e164": e164,
        "carrier": constant_words(None, count),
        "trunk_group": _trunk_groups(picker, side),
        "subscriber": payer,
        "start_at": ints_column(spans[span_kernels.START], INSTANT),
        "answered": pa.array(spans[span_kernels.IS_ANSWERED].astype(np.bool_)),
        "answer_known": pa.array(spans[span_kernels.KNOWN].astype(np.bool_)),
        "quantity_ms": ints_column(spans[span_kernels.QUANTITY], pa.int64()),
    }
    return pa.Table.from_arrays([columns[f.name] for f in BILLABLE_SCHEMA], schema=BILLABLE_SCHEMA)


def _rated_numbers(picker: _Picker, side: Ints, redirected: Ints) -> tuple[pa.Array, pa.Array]:
    """Give the number that is priced: the called one, or where a forward led to."""
    number, e164 = picker("called_number"), picker("called_e164")
    if redirected.any():
        mask = pa.array(redirected.astype(np.bool_))
        number = pc.if_else(mask, picker("connected_number"), number)
        e164 = pc.if_else(mask, picker("connected_e164"), e164)
    return number, e164


def _trunk_groups(picker: _Picker, side: Ints) -> pa.Array:
    """Give the trunk group on the outside side of each span."""
    out, into = picker("trunk_group_out"), picker("trunk_group_in")
    if into.null_count == len(into):
        return out
    if out.null_count == len(out):
        return into
    names = pc.if_else(
        pa.array(side == span_kernels.OUT), out.cast(pa.string()), into.cast(pa.string())
    )
    return names.dictionary_encode()


def _member_table(legs: pa.Table, by_id: Ints, sizes: Ints) -> pa.Table:
    """Assemble MEMBER_SCHEMA, calls ascending, legs of a call by ascending id."""
    picker = _Picker(legs, by_id)
    rows = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return pa.Table.from_arrays(
        [pa.array(rows), *(picker(name) for name in MEMBER_SCHEMA.names[1:])], schema=MEMBER_SCHEMA
    )
