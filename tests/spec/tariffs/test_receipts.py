"""Receipts are recomputed from stored inputs and must match bit for bit."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from bluewhale.rating.book import PriceBook
from bluewhale.rating.columnar import rate_batch
from bluewhale.rating.receipts import verify
from bluewhale.rating.tariff_files import load_tariff
from bluewhale.records.schemas import BILLABLE_SCHEMA, CALL_SCHEMA

from tests.spec.tariffs.test_guide import EXAMPLES

START = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)
NUMBERS = (None, 493023125123, 4915223125123, 19005550100, 447700900123, 61255501234, 8881234)
CLASSES = ("national", "mobile", "premium", "free", "emergency", "international", None)


@pytest.fixture(scope="module")
def priced():
    """Give 300 spans of the shipped tariffs around a change of the clock, and their charges."""
    chance = random.Random(1)
    count = 300
    calls = pa.Table.from_pylist(
        [{"call_id": row.to_bytes(16, "big"), "version": 1 + row % 2} for row in range(count)],
        schema=CALL_SCHEMA,
    )
    billables = pa.Table.from_pylist(
        [
            {
                "call_row": row,
                "span": row % 3,
                "payer": "201",
                "direction": chance.choice(["outbound", "inbound", "internal"]),
                "class": chance.choice(CLASSES),
                "rated_e164": chance.choice(NUMBERS),
                "start_at": START + timedelta(minutes=17 * row),
                "answered": chance.random() < 0.9,
                "answer_known": chance.random() < 0.9,
                "quantity_ms": chance.choice([None, 0, 1, 59_999, 75_000, 3_600_000]),
            }
            for row in range(count)
        ],
        schema=BILLABLE_SCHEMA,
    )
    tariffs = [load_tariff(EXAMPLES / f"{name}-2026.yaml") for name in ("carrier", "internal")]
    charges = rate_batch(calls, billables, PriceBook(tariffs), rated_at_ms=5)
    versions = {(tariff.tariff_uid, tariff.version): tariff for tariff in tariffs}
    return charges, versions, calls, billables


def changed(charges, name, row, value):
    """Give charges with one value replaced."""
    column = charges[name].cast(pa.string()) if name == "currency" else charges[name]
    values = column.to_pylist()
    values[row] = value
    index = charges.schema.get_field_index(name)
    field = charges.schema.field(name)
    array = (
        pa.array(values, pa.string()).dictionary_encode()
        if name == "currency"
        else pa.array(values, field.type)
    )
    return charges.set_column(index, field, array)


def test_untouched_charges_match_in_both_engines(priced):
    """600 charges of two price lists: nothing differs."""
    charges, versions, calls, billables = priced
    found = verify(charges, versions, calls, billables)
    assert (found.verified, found.without_input, found.mismatches.num_rows) == (600, 0, 0)


def test_amount_changed_by_one_nano_is_found_by_both_engines(priced):
    """One nano more in one of 600 rows: that row, that field, old and new."""
    charges, versions, calls, billables = priced
    amount = charges["amount_nanos"][7].as_py()
    found = verify(changed(charges, "amount_nanos", 7, amount + 1), versions, calls, billables)
    assert [
        (row["engine"], row["field"], row["stored"], row["recomputed"])
        for row in found.mismatches.to_pylist()
    ] == [
        ("columnar", "amount_nanos", str(amount + 1), str(amount)),
        ("exact", "amount_nanos", str(amount + 1), str(amount)),
    ]
    assert found.mismatches["charge_id"][0] == charges["charge_id"][7]


def test_changed_currency_and_segment_are_found(priced):
    """Text and list columns are compared as well."""
    charges, versions, calls, billables = priced
    row = next(i for i, s in enumerate(charges["segments"].to_pylist()) if s)
    segments = charges["segments"][row].as_py()
    segments[0]["blocks"] += 1
    bad = changed(changed(charges, "currency", 3, "USD"), "segments", row, segments)
    found = verify(bad, versions, calls, billables, exact=False)
    fields = {(m["field"], m["engine"]) for m in found.mismatches.to_pylist()}
    assert fields == {("currency", "columnar"), ("segments", "columnar")}


def test_charge_without_its_inputs_is_counted_not_passed(priced):
    """A tariff version that is not given leaves its 300 charges unverified."""
    charges, versions, calls, billables = priced
    some = {key: version for key, version in versions.items() if key[0] == "carrier-2026"}
    found = verify(charges, some, calls, billables, exact=False)
    assert (found.verified, found.without_input) == (300, 300)


def test_charge_of_another_call_version_is_not_compared_with_this_one(priced):
    """Spans are found by call, call version and span."""
    charges, versions, calls, billables = priced
    index = calls.schema.get_field_index("version")
    older = calls.set_column(index, calls.schema.field(index), pa.array([9] * 300, pa.int32()))
    found = verify(charges, versions, older, billables, exact=False)
    assert (found.verified, found.without_input) == (0, 600)


def test_reversal_must_mirror_the_charge_that_it_names(priced):
    """A reversal of -amount is right, one nano off is a mismatch."""
    charges, versions, calls, billables = priced
    row = next(i for i, a in enumerate(charges["amount_nanos"].to_pylist()) if a)
    original = charges.slice(row, 1).to_pylist()[0]
    mirror = original | {
        "charge_id": bytes(16),
        "entry": "reversal",
        "reverses": original["charge_id"],
        "amount_nanos": -original["amount_nanos"],
    }
    good = pa.concat_tables([charges, pa.Table.from_pylist([mirror], schema=charges.schema)])
    assert verify(good, versions, calls, billables, exact=False).mismatches.num_rows == 0
    mirror["amount_nanos"] -= 1
    bad = pa.concat_tables([charges, pa.Table.from_pylist([mirror], schema=charges.schema)])
    found = verify(bad, versions, calls, billables, exact=False).mismatches.to_pylist()
    assert [(m["field"], m["recomputed"]) for m in found] == [
        ("amount_nanos", str(-original["amount_nanos"]))
    ]
