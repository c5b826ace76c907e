"""Ledger entries of call versions: totals, new entries, reversals.

Owns how a version's charges become entries; a stored entry is never edited.
Does not own prices (`bluewhale.rating`) or when a version is made (`decisions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.database import keys
from bluewhale.database.columns import scalar
from bluewhale.database.schemas import TOTAL
from bluewhale.records import ids
from bluewhale.records.enums import ChargeEntry, ChargeStatus

REVERSAL_REASONS = ("superseded", "grown", "rerated")


@dataclass(frozen=True, slots=True)
class ChargePlaces:
    """Where the charges of each call stand: `at[first[i]:first[i + 1]]` are rows of call i.

    Charges are not moved: they come in the order that rating wrote them, and
    copying lists of structs would cost more than the postings.
    """

    call: keys.Ints  # call row per charge row
    first: keys.Rows
    at: keys.Rows


def charge_places(calls: pa.Table, charges: pa.Table) -> ChargePlaces:
    """Find the call of each charge; a charge of no call is a programmer's error."""
    count = calls.num_rows
    if charges.num_rows == 0:
        return ChargePlaces(
            np.empty(0, np.int64), np.zeros(count + 1, np.uint32), np.empty(0, np.uint32)
        )
    rows = call_rows(calls, charges)
    assert int(rows.min()) >= 0, "a charge names a call that is not proposed with it"
    order = np.argsort(rows, kind="stable")
    first = np.zeros(count + 1, np.uint32)
    np.cumsum(np.bincount(rows, minlength=count), out=first[1:])
    return ChargePlaces(rows, first, order.astype(np.uint32))


def call_rows(calls: pa.Table, charges: pa.Table) -> keys.Ints:
    """Give the row in `calls` of each charge's call; -1 = not there."""
    high, low = keys.id_words(calls.column("call_id"))
    want_high, want_low = keys.id_words(charges.column("call_id"))
    if not len(high):
        return np.full(len(want_high), -1, np.int64)
    per_call, rest = divmod(len(want_high), max(len(high), 1))
    if rest == 0 and per_call:  # usual: the same count of charges per call, in call order
        every = np.arange(len(high))
        for guess in (np.repeat(every, per_call), np.tile(every, per_call)):
            if bool(np.all(high[guess] == want_high) and np.all(low[guess] == want_low)):
                return guess.astype(np.int64)
    order = keys.sort_words(high, low)
    at = keys.find_words(high[order], low[order], want_high, want_low)
    return np.where(at >= 0, order[np.maximum(at, 0)], -1)


def totals(charges: pa.Table, places: ChargePlaces) -> pa.Array:
    """Give the list of totals per call: one entry per price list and currency.

    `charges` are all of entry "charge".
    """
    names = ["price_list", "currency", "amount_nanos"]
    unrated = pc.cast(
        pc.equal(charges.column("status"), scalar(ChargeStatus.UNRATED.value)), pa.int32()
    )
    text = [keys.one_array(charges.column(n)).cast(pa.string()) for n in names[:2]]
    call = places.call
    codes = [np.asarray(t.dictionary_encode().indices.fill_null(-1)).astype(np.int64) for t in text]
    order = np.lexsort((codes[1], codes[0], call)) if len(call) else np.empty(0, np.int64)
    sorted_by = [call[order], codes[0][order], codes[1][order]]
    starts = keys.run_starts(*sorted_by)
    if len(starts) == 0:
        structs = pa.array([], TOTAL)
    else:
        amounts = np.add.reduceat(keys.integers(charges.column("amount_nanos"))[order], starts)
        missing = np.add.reduceat(keys.integers(unrated)[order], starts)
        at = pa.array(order[starts])
        structs = pa.StructArray.from_arrays(
            [
                text[0].take(at),
                text[1].take(at),
                pa.array(amounts),
                pa.array(missing.astype(np.int32)),
            ],
            fields=list(TOTAL),
        )
    offsets = np.searchsorted(sorted_by[0][starts], np.arange(len(places.first)))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), structs)


def all_rated(calls_totals: pa.Array) -> keys.Bools:
    """Say per call whether every charge of it has a price; no charge at all = not rated."""
    offsets = calls_totals.offsets.to_numpy()
    if len(calls_totals.values) == 0:
        return np.zeros(len(calls_totals), np.bool_)
    missing = np.concatenate([[0], np.cumsum(calls_totals.values.field("unrated").to_numpy())])
    return (missing[offsets[1:]] == missing[offsets[:-1]]) & (offsets[1:] > offsets[:-1])


def entries_of_version(charges: pa.Table, call_id: bytes, version: int) -> pa.Table:
    """Give proposed charges as entries of one call version, with their ids."""
    rows = charges.to_pylist()
    for row in rows:
        row["call_id"] = call_id
        row["call_version"] = version
        row["entry"] = ChargeEntry.CHARGE.value
        row["charge_id"] = _charge_id(row)
    return pa.Table.from_pylist(rows, schema=charges.schema)


def reversals(stored: pa.Table, version: int, *, reason: str, at_ms: int) -> pa.Table:
    """Give the entries that take back every charge of one stored version.

    Amounts are negated; the receipt columns are kept, so that the reversal
    explains itself.
    """
    rows: list[dict[str, Any]] = []
    for row in stored.to_pylist():
        if row["entry"] != ChargeEntry.CHARGE or row["call_version"] != version:
            continue
        row["reverses"] = row["charge_id"]
        row["entry"] = ChargeEntry.REVERSAL.value
        row["amount_nanos"] = -row["amount_nanos"]
        row["reason"] = reason
        row["rated_at"] = at_ms
        row["charge_id"] = _charge_id(row)
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=stored.schema)


def _charge_id(row: Mapping[str, Any]) -> bytes:
    return ids.charge_id(
        call_id=row["call_id"],
        call_version=row["call_version"],
        span=row["span"],
        price_list=row["price_list"],
        entry=row["entry"],
    )
