"""Stored calls as columns that somebody may see: names beside uids, numbers masked.

Columnar twin of `saying.Saying.call`, for files: a batch of calls at a time. Owns
which stored columns a file needs. Does not own text and JSON of a column
(`column_text`) or which digits are hidden (`masking`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.records.enums import CallState
from bluewhale.records.ids import id_texts
from bluewhale.webapi import column_text as text

if TYPE_CHECKING:
    from bluewhale.webapi.masking import Masker
    from bluewhale.webapi.names import Names

# what a file says of a call -> the stored column, where it is said as it is stored
PLAIN: Mapping[str, str] = {
    "call_id": "call_id", "version": "version", "state": "state",
    "superseded_by": "superseded_by", "started_at": "started_at", "answered_at": "answered_at",
    "ended_at": "ended_at", "zone": "site_zone", "ring_ms": "ring_ms", "queue_ms": "queue_ms",
    "hold_ms": "hold_ms", "talk_ms": "talk_ms", "direction": "direction", "call_class": "class",
    "disposition": "disposition", "extension": "extension", "cost_center_uid": "cost_center_uid",
    "account_code": "account_code", "trunk_in": "trunk_in", "trunk_out": "trunk_out",
    "transfers": "transfers", "legs": "leg_count",
}  # fmt: skip
# a number as printed, and where it is normalised
PARTIES: Mapping[str, str | None] = {
    "calling": "calling_e164", "called": "called_e164", "first_destination": None,
    "final_destination": None,
}  # fmt: skip
NAMED: Mapping[str, str] = {
    "site": "site_uid", "person": "person_uid", "department": "department_uid",
}  # fmt: skip
STORED: tuple[str, ...] = tuple(
    dict.fromkeys(
        [*PLAIN.values(), *PARTIES, *filter(None, PARTIES.values()), *NAMED.values(), "totals"]
    )
)


class Parties(NamedTuple):
    """Numbers as they are shown; all null where a call has none."""

    shown: pa.Array
    e164: pa.Array
    masked: pa.Array


class Named(NamedTuple):
    """Uids and their names, as words."""

    uid: pa.Array
    name: pa.Array


class Prices(NamedTuple):
    """What price lists charge, a row per call and list: `lists` says of which call."""

    lists: pa.ListArray
    price_list: pa.Array
    nanos: pa.Array
    currency: pa.Array  # null where nothing has a price
    unpriced: pa.Array


class Calls:
    """A batch of calls (columns STORED) as one reader may see them."""

    def __init__(self, table: pa.Table, names: Names, masker: Masker) -> None:
        whole = table.combine_chunks()
        self._columns = {
            name: whole.column(name).chunk(0)
            if len(whole)
            else pa.array([], whole.field(name).type)
            for name in whole.column_names
        }
        self._names = names
        self._masker = masker

    def plain(self, name: str) -> pa.Array:
        """Give a column of PLAIN: text, words, integers or instants."""
        column = self._columns[PLAIN[name]]
        if pa.types.is_fixed_size_binary(column.type):
            return id_texts(column)
        if name == "state":
            return text.by_word(column, lambda words: words).fill_null(str(CallState.COMPLETE))
        return column.fill_null(0) if name == "transfers" else column

    def parties(self, name: str) -> Parties:
        """Give a column of PARTIES."""
        known = PARTIES[name]
        # an empty text is no number
        printed = self._columns[name]
        printed = pc.if_else(pc.equal(printed, ""), None, printed)
        e164 = pa.nulls(len(printed), pa.string())
        if known is not None:
            e164 = text.joined(["+", text.text(self._columns[known])])
        return Parties(*self._masker.columns(printed, e164))

    def named(self, name: str) -> Named:
        """Give a column of NAMED with the names of the directory."""
        words = self._columns[NAMED[name]]
        if not pa.types.is_dictionary(words.type):
            words = words.dictionary_encode()
        uids = words.dictionary.to_pylist()
        said = pa.array([uid or None for uid in uids], pa.string())
        names = pa.array(_NAMES[name](self._names, uids), pa.string())
        return Named(
            pa.DictionaryArray.from_arrays(words.indices, said),
            pa.DictionaryArray.from_arrays(words.indices, names),
        )

    def prices(self) -> Prices:
        """Give the sums of every call per price list."""
        lists = self._columns["totals"]
        flat = lists.flatten()
        price_list, currency, nanos, unrated = (
            flat.field(name) for name in ("price_list", "currency", "amount_nanos", "unrated")
        )
        return Prices(
            lists,
            price_list.fill_null(""),
            nanos.fill_null(0),
            pc.if_else(pc.equal(currency, ""), None, currency),
            unrated.fill_null(0),
        )


def of_list(prices: Prices, price_list: str) -> Prices:
    """Give the prices of one list, a row per call; null where it charges nothing."""
    rows = len(prices.lists)
    counts = np.asarray(pc.list_value_length(prices.lists).fill_null(0))
    call = np.repeat(np.arange(rows), counts)
    mine = np.flatnonzero(np.asarray(pc.equal(prices.price_list, price_list)))
    at = np.full(rows, -1, np.int64)
    at[call[mine]] = mine
    chosen = pa.array(at, mask=at < 0)
    return Prices(prices.lists, *(column.take(chosen) for column in prices[1:]))


_Say = Callable[["Names", list[str | None]], list[str | None]]


def _persons(names: Names, uids: list[str | None]) -> list[str | None]:
    known = names.persons(uids)
    return [known.get(uid or "") for uid in uids]


def _sites(names: Names, uids: list[str | None]) -> list[str | None]:
    return [named.name if (named := names.site(uid)) else None for uid in uids]


def _departments(names: Names, uids: list[str | None]) -> list[str | None]:
    return [named.name if (named := names.department(uid)) else None for uid in uids]


_NAMES: Mapping[str, _Say] = {
    "site": _sites, "person": _persons, "department": _departments,
}  # fmt: skip
