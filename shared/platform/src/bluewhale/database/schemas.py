"""Schemas of what is stored beyond the schemas that flow between stages.

Owns the stored call (a call plus its charge totals) and the duplicate. The
columns of legs, calls, charges and suspense stand in `bluewhale.records.schemas`.
"""

from __future__ import annotations

import pyarrow as pa
from bluewhale.records.schemas import CALL_SCHEMA, ID, INSTANT, SUSPENSE_SCHEMA, WORD

# Sum of the live charges of one call version, per price list and currency.
TOTAL = pa.struct(
    [
        ("price_list", pa.string()),
        ("currency", pa.string()),
        ("amount_nanos", pa.int64()),
        ("unrated", pa.int32()),  # count of its charges without a price
    ]
)

STORED_CALL_SCHEMA = pa.schema(
    [*CALL_SCHEMA, pa.field("totals", pa.list_(TOTAL))],
    metadata={"schema": "stored_call", "version": "1"},
)

CALL_COLUMNS: tuple[str, ...] = tuple(STORED_CALL_SCHEMA.names)

DUPLICATE_SCHEMA = pa.schema(
    [
        ("stream_id", pa.int64()),
        ("incarnation", pa.int64()),
        ("seq", pa.int64()),
        ("record_crc", pa.int64()),
        ("cdr_id", ID),  # its twin, the stored leg
        ("pbx_uid", WORD),
        ("site_uid", WORD),
        ("link_uid", WORD),
        ("connection", pa.int64()),
        ("n", pa.int32()),
        ("raw", pa.binary()),
        ("received_at", INSTANT),
        ("state", WORD),  # counted, two_calls
        ("made_cdr_id", ID),  # the leg made of it, once a person said "two calls"
    ],
    metadata={"schema": "duplicate", "version": "1"},
)

STORED_SUSPENSE_SCHEMA = pa.schema(
    [
        pa.field("suspense_id", pa.int64()),
        *SUSPENSE_SCHEMA,
        pa.field("site_uid", WORD),
        pa.field("state", WORD),
        pa.field("attempts", pa.int32()),
        pa.field("first_at", INSTANT),
        pa.field("changed_at", INSTANT),
        pa.field("who", pa.string()),
        pa.field("why", pa.string()),
        pa.field("applied_cdr_id", ID),
    ],
    metadata={"schema": "stored_suspense", "version": "1"},
)
