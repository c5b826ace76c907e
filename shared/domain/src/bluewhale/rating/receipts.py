"""Receipts that anybody can recompute: stored inputs -> the same charge, bit for bit.

Owns the comparison of stored charges with charges made anew from billable spans
and tariff versions, by both engines. The wording of a receipt is `explain`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.rating.book import PriceBook
from bluewhale.rating.columnar import rate_batch
from bluewhale.rating.exact import ExactCharge, ExactRater, RatingInput
from bluewhale.rating.explain import explain_charge as explain
from bluewhale.rating.rounding import INT64_MAX, NANOS, canonical, round_exact
from bluewhale.rating.tariff import TariffVersion
from bluewhale.rating.window_rules import milliseconds
from bluewhale.records.enums import ChargeEntry, ChargeStatus
from bluewhale.records.schemas import CHARGE_SCHEMA, ID

__all__ = ["MISMATCH_SCHEMA", "Verification", "explain", "recompute", "verify"]

MISMATCH_SCHEMA = pa.schema(
    [
        ("charge_id", ID),
        ("call_id", ID),
        ("span", pa.int32()),
        ("price_list", pa.string()),
        ("engine", pa.string()),  # "columnar" or "exact"
        ("field", pa.string()),
        ("stored", pa.string()),
        ("recomputed", pa.string()),
    ]
)

# `rated_at` is when it was done, not what came out; a reversal is checked as a
# mirror of the entry that it reverses.
_NOT_COMPARED = frozenset({"rated_at", "reverses"})
_COMPARED = tuple(name for name in CHARGE_SCHEMA.names if name not in _NOT_COMPARED)

TariffKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Verification:
    """What recomputing found.

    `mismatches` has `MISMATCH_SCHEMA`, one row per differing field and engine.
    `verified` counts charges that were recomputed; `without_input` those whose
    billable span or tariff version was not given.
    """

    mismatches: pa.Table
    verified: int
    without_input: int


def verify(
    charges: pa.Table,
    versions: Mapping[TariffKey, TariffVersion],
    calls: pa.Table,
    billables: pa.Table,
    *,
    exact: bool = True,
) -> Verification:
    """Recompute charges from their inputs and compare every field.

    Parameters
    ----------
    charges
        `CHARGE_SCHEMA`. Charges are recomputed; a reversal must mirror the
        charge that it reverses, if that stands in the same table.
    versions
        (tariff_uid, version) -> the version. A charge without tariff is
        recomputed against all of them.
    calls, billables
        `CALL_SCHEMA` and `BILLABLE_SCHEMA`; spans are found by call id, call
        version and span. Only call_id and version of calls are read.
    exact
        Also recompute with the exact engine, row by row.
    """
    ordinary = charges.filter(pc.equal(charges["entry"].cast(pa.string()), ChargeEntry.CHARGE))
    found = _Found()
    rows = _input_rows(ordinary, calls, billables)
    verified = 0
    for key, members in _by_tariff(ordinary).items():
        usable = members[rows[members] >= 0]
        book = _book(key, versions)
        if book is None or not len(usable):
            continue
        stored = ordinary.take(pa.array(usable))
        inputs = billables.take(pa.array(rows[usable]))
        verified += len(usable)
        _compare(stored, _rated(stored, calls, inputs, book), "columnar", found)
        if exact and key[0] is not None:
            version = versions[key[0], key[1]]
            _compare_exactly(stored, inputs, version, found)
    _check_reversals(charges, found)
    return Verification(found.table(), verified, ordinary.num_rows - verified)


def recompute(
    charges: pa.Table,
    versions: Mapping[TariffKey, TariffVersion],
    calls: pa.Table,
    billables: pa.Table,
) -> pa.Table:
    """Give only the mismatches of `verify` with both engines."""
    return verify(charges, versions, calls, billables).mismatches


class _Found:
    """Collects mismatches."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []

    def add(
        self, charge: Mapping[str, Any], engine: str, field: str, stored: object, again: object
    ) -> None:
        self._rows.append(
            {
                "charge_id": charge["charge_id"],
                "call_id": charge["call_id"],
                "span": charge["span"],
                "price_list": charge["price_list"],
                "engine": engine,
                "field": field,
                "stored": _text(stored),
                "recomputed": _text(again),
            }
        )

    def table(self) -> pa.Table:
        return pa.Table.from_pylist(self._rows, schema=MISMATCH_SCHEMA)


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        return value.hex()
    return None if value is None else str(value)


def _input_rows(charges: pa.Table, calls: pa.Table, billables: pa.Table) -> npt.NDArray[np.int64]:
    """Find the billable row of each charge; -1 = not given."""
    call_rows = billables["call_row"]
    given = _span_keys(
        calls["call_id"].take(call_rows), calls["version"].take(call_rows), billables["span"]
    )
    wanted = _span_keys(charges["call_id"], charges["call_version"], charges["span"])
    found = pc.index_in(wanted, value_set=given).fill_null(-1)
    return np.asarray(found, dtype=np.int64)


def _span_keys(
    call_ids: pa.ChunkedArray, versions: pa.ChunkedArray, spans: pa.ChunkedArray
) -> pa.ChunkedArray:
    """Join call id, call version and span into one comparable value each."""
    numbers = pc.binary_join_element_wise(
        versions.cast(pa.string()), spans.cast(pa.string()), "/"
    ).cast(pa.binary())
    return pc.binary_join_element_wise(call_ids.cast(pa.binary()), numbers, b"/").combine_chunks()


def _by_tariff(
    charges: pa.Table,
) -> dict[tuple[str | None, int, str], npt.NDArray[np.int64]]:
    """Group rows by (tariff_uid, version, price list)."""
    groups: dict[tuple[str | None, int, str], list[int]] = defaultdict(list)
    columns = (
        charges["tariff_uid"].to_pylist(),
        charges["tariff_version"].to_pylist(),
        charges["price_list"].to_pylist(),
    )
    for row, (uid, version, price_list) in enumerate(zip(*columns, strict=True)):
        groups[uid, version or 0, price_list].append(row)
    return {key: np.array(rows, dtype=np.int64) for key, rows in groups.items()}


def _book(
    key: tuple[str | None, int, str], versions: Mapping[TariffKey, TariffVersion]
) -> PriceBook | None:
    """Give the version that a charge names; every version where it names none."""
    uid, number, price_list = key
    if uid is None:
        some = [version for version in versions.values() if version.price_list == price_list]
        return PriceBook(some) if some else None
    version = versions.get((uid, number))
    return None if version is None else PriceBook([version])


def _rated(stored: pa.Table, calls: pa.Table, inputs: pa.Table, book: PriceBook) -> pa.Table:
    rated_at = stored["rated_at"].cast(pa.int64())
    first = next((moment for moment in rated_at.to_pylist() if moment is not None), 0)
    return rate_batch(calls, inputs, book, rated_at_ms=first)


def _compare(stored: pa.Table, again: pa.Table, engine: str, found: _Found) -> None:
    """Add a mismatch for each field that differs; equal columns cost one comparison."""
    assert stored.num_rows == again.num_rows
    for name in _COMPARED:
        one, other = _plain(stored[name]), _plain(again[name])
        if one.equals(other):
            continue
        pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
        for row, (left, right) in enumerate(pairs):
            if left != right:
                charge = stored.slice(row, 1).to_pylist()[0]
                found.add(charge, engine, name, left, right)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    return column.combine_chunks()


def _compare_exactly(
    stored: pa.Table, inputs: pa.Table, version: TariffVersion, found: _Found
) -> None:
    """Recompute row by row in rationals."""
    rater = ExactRater(version)
    for charge, billable in zip(stored.to_pylist(), inputs.to_pylist(), strict=True):
        if billable["start_at"] is None:
            continue  # no moment, no version: the columnar engine has compared its reason
        again = exact_fields(rater.rate(rating_input(billable)))
        for name, value in again.items():
            if charge[name] != value:
                found.add(charge, "exact", name, charge[name], value)


def rating_input(billable: Mapping[str, Any]) -> RatingInput:
    """Give one row of `BILLABLE_SCHEMA` as the exact engine reads it."""
    e164 = billable["rated_e164"]
    return RatingInput(
        start_at_ms=milliseconds(billable["start_at"]),
        quantity_ms=billable["quantity_ms"],
        digits=None if e164 is None else str(e164),
        answered=bool(billable["answered"]),
        direction=billable["direction"],
        call_class=billable["class"],
        carrier=billable["carrier"],
        trunk_group=billable["trunk_group"],
        subscriber=billable["subscriber"],
    )


def exact_fields(charge: ExactCharge) -> dict[str, object]:
    """Give the columns of a charge that the exact engine decides."""
    pair = canonical(charge.exact)
    priced = charge.status is not ChargeStatus.UNRATED
    fee = int(round_exact(charge.connect_fee, "half_up", 9) * NANOS)
    fields: dict[str, object] = {
        "status": str(charge.status),
        "reason": None if charge.reason is None else str(charge.reason),
        "amount_nanos": charge.amount_nanos or 0,
        "rated_quantity_ms": charge.rated_quantity_ms,
        "rate_row": charge.rate_row,
        "prefix": charge.prefix,
        "connect_fee_nanos": min(fee, INT64_MAX),
        "minimum_applied": charge.minimum_applied,
        "cap_applied": charge.cap_applied,
        "rounding_mode": charge.rounding.mode,
        "rounding_places": charge.rounding.places,
        "segments": [
            {
                "window": segment.window,
                "slot": segment.slot,
                "from_ms": segment.from_ms,
                "to_ms": segment.to_ms,
                "blocks": segment.blocks,
                **_price_pair(segment.price),
            }
            for segment in charge.segments
        ],
    }
    if priced and pair is not None:
        fields["exact_numerator"], fields["exact_denominator"] = pair
    return fields


def _price_pair(price: Fraction) -> dict[str, int | None]:
    pair = canonical(price)
    if pair is None:
        return {"price_numerator": None, "price_denominator": None}
    return {"price_numerator": pair[0], "price_denominator": pair[1]}


def _check_reversals(charges: pa.Table, found: _Found) -> None:
    """A reversal takes back exactly what the charge that it names put in."""
    kinds = charges["entry"].cast(pa.string())
    reversals = charges.filter(pc.equal(kinds, ChargeEntry.REVERSAL)).to_pylist()
    if not reversals:
        return
    wanted = pa.array([row["reverses"] for row in reversals], ID)
    named = charges.filter(pc.is_in(charges["charge_id"], value_set=wanted))
    originals = {row["charge_id"]: row for row in named.to_pylist()}
    for row in reversals:
        original = originals.get(row["reverses"])
        if original is None:
            continue
        if row["amount_nanos"] != -original["amount_nanos"]:
            found.add(
                row, "columnar", "amount_nanos", row["amount_nanos"], -original["amount_nanos"]
            )
        if row["currency"] != original["currency"]:
            found.add(row, "columnar", "currency", row["currency"], original["currency"])
