"""Rows that are sealed together, and the sorted postings that lead to each of them.

Owns the order of calls in a segment and which arrays its index holds. Does not own
the files (`segments`, `index_file`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.database import keys
from bluewhale.database.index_file import index_pieces
from bluewhale.database.ledger import ChargePlaces


@dataclass(slots=True)
class Rows:
    """Rows to be sealed together.

    `leg_call`: call row per leg, `keys.NO_ROW` = in no call of this segment.
    `places` says where the charges of each call stand.
    """

    legs: pa.Table
    leg_call: keys.Rows
    calls: pa.Table
    charges: pa.Table
    places: ChargePlaces


def in_order_of_time(rows: Rows) -> Rows:
    """Give the same rows, calls in the order in which they began; those of one moment stay so."""
    started = keys.integers(rows.calls.column("started_at"))
    if bool(np.all(started[1:] >= started[:-1])):
        return rows
    order = np.argsort(started, kind="stable")
    place = np.empty(len(order), np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    owned = rows.leg_call != keys.NO_ROW
    leg_call = rows.leg_call.copy()
    leg_call[owned] = place[rows.leg_call[owned]]
    return Rows(
        rows.legs,
        leg_call,
        rows.calls.take(pa.array(order)),
        rows.charges,
        _moved(rows.places, order, place),
    )


def _moved(places: ChargePlaces, order: keys.Ints, place: keys.Rows) -> ChargePlaces:
    counts = (places.first[1:] - places.first[:-1]).astype(np.int64)[order]
    first = np.concatenate([[0], np.cumsum(counts)])
    begins = places.first[:-1].astype(np.int64)[order]
    at = places.at[np.repeat(begins - first[:-1], counts) + np.arange(first[-1])]
    return ChargePlaces(place[places.call].astype(np.int64), first.astype(np.uint32), at)


def number_postings(calls: pa.Table) -> tuple[keys.Ints, keys.Rows]:
    """Give (number key, call row) for every number that a call shows, sorted by key."""
    columns = [
        keys.integers(calls.column("calling_e164"), keys.NO_NUMBER),
        keys.integers(calls.column("called_e164"), keys.NO_NUMBER),
        *(keys.number_keys(calls.column(c)) for c in ("calling", "called", "final_destination")),
        keys.number_keys(calls.column("first_destination")),
    ]
    found: list[keys.Ints] = []
    rows: list[keys.Rows] = []
    for at, column in enumerate(columns):
        wanted = column >= 0
        for other in columns[:at]:
            wanted &= column != other
        at_rows = np.flatnonzero(wanted)
        found.append(column[at_rows])
        rows.append(at_rows.astype(np.uint32))
    key = np.concatenate(found)
    order = np.argsort(key, kind="stable")
    return key[order], np.concatenate(rows)[order]


def person_postings(calls: pa.Table) -> tuple[keys.Ints, keys.Rows]:
    """Give (key of the person, call row) for every call that is somebody's, sorted by key."""
    persons = keys.one_array(calls.column("person_uid"))
    code = keys.integers(persons.indices, -1)
    rows = np.flatnonzero(code >= 0)
    words = [keys.word_key(uid or "") for uid in persons.dictionary.to_pylist()]
    key = np.array(words, np.int64)[code[rows]]
    order = np.argsort(key, kind="stable")
    return key[order], rows[order].astype(np.uint32)


def join_entries(legs: pa.Table) -> tuple[keys.Ints, keys.Ints, keys.Ints, npt.NDArray[np.int64]]:
    """Give (join key, join_at, gap, leg row) per key of each leg, sorted by key and time."""
    lists = keys.one_array(legs.column("join_keys"))
    offsets = np.asarray(lists.offsets.to_numpy(zero_copy_only=False)).astype(np.int64)
    counts = np.diff(offsets)
    if lists.null_count:
        counts = np.where(np.asarray(lists.is_null()), 0, counts)
    flat = lists.flatten().to_numpy(zero_copy_only=False).astype(np.int64)
    row = np.repeat(np.arange(legs.num_rows, dtype=np.int64), counts)
    at = keys.integers(legs.column("join_at"))[row]
    gap = keys.integers(legs.column("join_gap_ms"))[row]
    if len(flat) > 1 and bool(np.all(flat[1:] > flat[:-1])):
        return flat, at, gap, row
    order = np.lexsort((at, flat)) if len(flat) else np.empty(0, np.int64)
    return flat[order], at[order], gap[order], row[order]


def _capture_postings(
    legs: pa.Table,
) -> tuple[list[list[int]], dict[str, npt.NDArray[Any]]]:
    stream = keys.integers(legs.column("stream_id"))
    incarnation = keys.integers(legs.column("incarnation"))
    seq = keys.integers(legs.column("seq"))
    crc = keys.integers(legs.column("record_crc")).astype(np.uint32)
    row = np.arange(len(seq), dtype=np.uint32)
    one_stream = len(seq) > 0 and bool(
        np.all(stream == stream[0]) and np.all(incarnation == incarnation[0])
    )
    if not (one_stream and bool(np.all(seq[1:] > seq[:-1]))):
        order = np.lexsort((seq, incarnation, stream))
        stream, incarnation, seq = stream[order], incarnation[order], seq[order]
        crc, row = crc[order], row[order]
    starts = keys.run_starts(stream, incarnation)
    ends = np.append(starts[1:], len(seq))[: len(starts)]
    groups = [
        [int(stream[a]), int(incarnation[a]), int(a), int(b)]
        for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return groups, {"capture_seq": seq, "capture_crc": crc, "capture_row": row}


def index_of(rows: Rows) -> tuple[list[bytes | memoryview], dict[str, Any]]:
    """Give the bytes of the index of a segment, and its facts."""
    leg_high, leg_low = keys.id_words(rows.legs.column("cdr_id"))
    leg_order = keys.sort_words(leg_high, leg_low)
    call_high, call_low = keys.id_words(rows.calls.column("call_id"))
    call_order = keys.sort_words(call_high, call_low)
    key, at, gap, key_row = join_entries(rows.legs)
    number, number_row = number_postings(rows.calls)
    person, person_row = person_postings(rows.calls)
    groups, capture = _capture_postings(rows.legs)
    started = keys.integers(rows.calls.column("started_at"))
    versions = keys.integers(rows.calls.column("version"), 1).astype(np.int32)
    arrays: dict[str, npt.NDArray[Any]] = {
        "leg_high": leg_high[leg_order],
        "leg_low": leg_low[leg_order],
        "leg_row": leg_order.astype(np.uint32),
        "leg_call": rows.leg_call[leg_order],
        "call_high": call_high[call_order],
        "call_low": call_low[call_order],
        "call_row": call_order.astype(np.uint32),
        "call_version": versions,
        "call_started": started,
        "charge_first": rows.places.first,
        "charge_at": rows.places.at,
        "number": number,
        "number_row": number_row,
        "person": person,
        "person_row": person_row,
        "join_key": key,
        "join_at": at,
        "join_row": key_row.astype(np.uint32),
        "join_gap": gap if len(gap) and gap.min() != gap.max() else gap[:1],
        **capture,
    }
    facts = {
        "captures": groups,
        "leg_range": _ends(arrays["leg_high"], arrays["leg_low"]),
        "call_range": _ends(arrays["call_high"], arrays["call_low"]),
        "started": [int(started.min()), int(started.max())] if len(started) else None,
        "joins": [int(at.min()), int(at.max()), int(gap.max())] if len(at) else None,
    }
    return index_pieces(arrays, facts), facts


def _ends(high: keys.Words, low: keys.Words) -> list[str] | None:
    if not len(high):
        return None
    ends = keys.words_bytes(high[[0, -1]], low[[0, -1]])
    return [e.hex() for e in ends]
