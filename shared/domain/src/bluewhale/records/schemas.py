"""Arrow schemas of everything that flows between stages and is stored.

The columns, their meaning and the conventions: `*_at` UTC instants in
milliseconds, `*_ms` int64 milliseconds, money int64 nanos beside a currency,
ids 16 fixed bytes, enums dictionary-encoded, null = not known. `*_e164` is an
int64 of the digits without "+" (E.164 has at most 15 digits and none begins
with 0), so that prefix matching and search never touch text.
A column is added, never changed or reused; then the schema's version rises.

Source: the product's record rules, docs/reference/records.md.
"""

from __future__ import annotations

import pyarrow as pa

INSTANT = pa.timestamp("ms", tz="UTC")
ID = pa.binary(16)
WORD = pa.dictionary(pa.int32(), pa.string())  # enums and names that repeat

LEG_SCHEMA = pa.schema(
    [
        # identity
        ("cdr_id", ID),
        ("pbx_uid", WORD),
        ("site_uid", WORD),
        ("link_uid", WORD),
        ("stream_id", pa.int64()),
        ("incarnation", pa.int64()),
        ("seq", pa.int64()),
        ("connection", pa.int64()),
        ("n", pa.int32()),
        ("record_crc", pa.int64()),  # CRC-32 of the journaled record (capture.record_crc)
        ("dialect_id", WORD),
        ("dialect_version", pa.int32()),
        ("identity_version", pa.int32()),
        ("native_key", pa.string()),
        ("join_keys", pa.list_(pa.int64())),  # hashes; legs sharing one may be one call
        ("join_at", INSTANT),  # the event time that the join rule compares
        ("join_gap_ms", pa.int64()),  # legs sharing a key join if join_at is at most this apart
        ("flags", pa.int64()),
        # raw
        ("raw", pa.binary()),
        ("raw_context_id", pa.int64()),
        # time
        ("setup_at", INSTANT),
        ("answer_at", INSTANT),
        ("release_at", INSTANT),
        ("received_at", INSTANT),
        ("ingested_at", INSTANT),
        ("site_zone", WORD),
        ("ring_ms", pa.int64()),
        ("queue_ms", pa.int64()),
        ("hold_ms", pa.int64()),
        ("talk_ms", pa.int64()),
        ("duration_ms", pa.int64()),  # switch timer: seconds connected as the switch counted them
        # parties, as printed and normalised
        ("calling_number", pa.string()),
        ("called_number", pa.string()),
        ("connected_number", pa.string()),
        ("redirecting_number", pa.string()),
        ("calling_e164", pa.int64()),
        ("called_e164", pa.int64()),
        ("connected_e164", pa.int64()),
        ("redirecting_e164", pa.int64()),
        ("calling_extension", pa.string()),
        ("called_extension", pa.string()),
        ("calling_name", pa.string()),
        ("called_name", pa.string()),
        ("agent_id", pa.string()),
        # path
        ("direction", WORD),
        ("class", WORD),
        ("trunk_in", WORD),
        ("trunk_out", WORD),
        ("trunk_group_in", WORD),
        ("trunk_group_out", WORD),
        ("route_code", pa.string()),
        # codes
        ("account_code", pa.string()),
        ("authorization_code", pa.string()),
        ("condition_code", WORD),
        ("cause_code", pa.int64()),
        ("disposition", WORD),
        # merge
        ("leg_role", WORD),
        ("piece_of", pa.string()),
        ("jitter_ms", pa.int64()),
        ("loss_ratio", pa.float64()),
        ("mos", pa.float64()),
        ("codec", WORD),
    ],
    metadata={"schema": "leg", "version": "1"},
)

JOIN = pa.struct(
    [
        ("leg", pa.int32()),  # index into leg_ids
        ("other", pa.int32()),
        ("reason", pa.string()),  # e.g. "global_call_id", "linkedid", "transfer"
        ("confidence", pa.float32()),
    ]
)

CALL_SCHEMA = pa.schema(
    [
        ("call_id", ID),
        ("version", pa.int32()),  # given by the database; 1 in a proposal
        ("leg_ids", pa.list_(ID)),  # ascending
        ("leg_count", pa.int32()),
        ("joins", pa.list_(JOIN)),
        ("merge_version", pa.int32()),
        # what people see
        ("started_at", INSTANT),
        ("answered_at", INSTANT),
        ("ended_at", INSTANT),
        ("site_zone", WORD),
        ("ring_ms", pa.int64()),
        ("queue_ms", pa.int64()),
        ("hold_ms", pa.int64()),
        ("talk_ms", pa.int64()),
        ("direction", WORD),
        ("class", WORD),
        ("disposition", WORD),
        ("calling", pa.string()),
        ("called", pa.string()),
        ("calling_e164", pa.int64()),
        ("called_e164", pa.int64()),
        ("first_destination", pa.string()),
        ("final_destination", pa.string()),
        ("site_uid", WORD),
        ("pbx_uids", pa.list_(pa.string())),
        ("trunk_in", WORD),
        ("trunk_out", WORD),
        ("transfers", pa.int32()),
        ("state", WORD),
        ("superseded_by", ID),
        ("flags", pa.int64()),  # union of its legs' flags
        # who, as of started_at
        ("extension", pa.string()),
        ("person_uid", WORD),
        ("department_uid", WORD),
        ("cost_center_uid", WORD),
        ("account_code", pa.string()),
        ("directory_version", pa.int32()),
    ],
    metadata={"schema": "call", "version": "1"},
)

# What rating prices: a call has one span per outside path (a trunk held for one
# destination, its pieces summed), or one span when no trunk is involved.
BILLABLE_SCHEMA = pa.schema(
    [
        ("call_row", pa.int32()),  # row of the calls table it belongs to
        ("span", pa.int32()),  # 0, 1, 2 ... within the call
        ("payer", pa.string()),  # extension (or trunk) that pays, by policy
        ("direction", WORD),
        ("class", WORD),
        ("called_number", pa.string()),  # as printed; for receipts of special codes
        ("rated_e164", pa.int64()),  # number that the prefix is matched on; null = not normalised
        ("carrier", WORD),  # from the trunk's directory entry; null = unknown
        ("trunk_group", WORD),
        ("subscriber", pa.string()),  # selector value: the payer's subscriber group or extension
        ("start_at", INSTANT),  # answer time; setup time where never answered
        ("answered", pa.bool_()),
        ("answer_known", pa.bool_()),  # false: answer was inferred
        ("quantity_ms", pa.int64()),  # connected time to price; null = not known
    ],
    metadata={"schema": "billable", "version": "1"},
)

SEGMENT = pa.struct(
    [
        ("window", pa.int32()),  # index into the tariff version's windows; -1 = always
        ("slot", pa.int32()),
        ("from_ms", pa.int64()),  # since start of the span
        ("to_ms", pa.int64()),
        ("blocks", pa.int64()),
        ("price_numerator", pa.int64()),  # exact price of these blocks, in currency units:
        ("price_denominator", pa.int64()),  # numerator / denominator
    ]
)

CHARGE_SCHEMA = pa.schema(
    [
        ("charge_id", ID),
        ("call_id", ID),
        ("call_version", pa.int32()),
        ("span", pa.int32()),
        ("price_list", WORD),
        ("payer", pa.string()),
        ("entry", WORD),
        ("reverses", ID),
        ("reason", WORD),  # of an unrated status, or of a reversal
        # money
        ("amount_nanos", pa.int64()),  # 0 where unrated; status says so
        ("currency", WORD),
        ("tariff_uid", WORD),
        ("tariff_version", pa.int32()),
        ("rated_at", INSTANT),
        # receipt
        ("start_at", INSTANT),
        ("quantity_ms", pa.int64()),
        ("rated_quantity_ms", pa.int64()),
        ("prefix", pa.string()),
        ("rate_row", pa.int32()),  # row of the rate deck of this tariff version
        ("segments", pa.list_(SEGMENT)),
        ("connect_fee_nanos", pa.int64()),
        ("minimum_applied", pa.bool_()),
        ("cap_applied", pa.bool_()),
        ("rounding_mode", WORD),
        ("rounding_places", pa.int32()),
        ("exact_numerator", pa.int64()),  # before the one rounding, in currency units;
        ("exact_denominator", pa.int64()),  # null where it left int64 (exact text in `exact`)
        ("exact", pa.string()),
        ("status", WORD),
        ("answer_known", pa.bool_()),
    ],
    metadata={"schema": "charge", "version": "1"},
)

SUSPENSE_SCHEMA = pa.schema(
    [
        ("link_uid", WORD),
        ("stream_id", pa.int64()),
        ("incarnation", pa.int64()),
        ("seq", pa.int64()),
        ("connection", pa.int64()),
        ("n", pa.int32()),
        ("record_crc", pa.int64()),
        ("raw", pa.binary()),
        ("raw_context_id", pa.int64()),
        ("received_at", INSTANT),
        ("stage", WORD),
        ("reason", WORD),
        ("detail", pa.string()),  # field, position, what was expected
        ("dialect_id", WORD),
        ("dialect_version", pa.int32()),
    ],
    metadata={"schema": "suspense", "version": "1"},
)
