"""Small legs, calls and charges for tests of the store: whole tables from a few facts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from bluewhale.records import ids
from bluewhale.records.batches import Proposals
from bluewhale.records.schemas import CALL_SCHEMA, CHARGE_SCHEMA, LEG_SCHEMA, SUSPENSE_SCHEMA

DAY = 20_000  # 2024-10-04
START_MS = DAY * 86_400_000 + 36_000_000  # 10:00 UTC
STREAM, INCARNATION = 7, 11


def leg_id(number: int, day: int = DAY) -> bytes:
    """Give an id whose order is that of `number`."""
    return day.to_bytes(3, "big") + number.to_bytes(13, "big")


def leg_row(
    number: int,
    *,
    key: int | None = None,
    at: int = 0,
    seq: int | None = None,
    stream: int = STREAM,
    incarnation: int = INCARNATION,
    crc: int | None = None,
    cdr_id: bytes | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Give one leg; `key` is its only join key, `at` seconds after the start."""
    moment = START_MS + at * 1000
    row = dict.fromkeys(LEG_SCHEMA.names)
    row.update(
        cdr_id=leg_id(number) if cdr_id is None else cdr_id,
        pbx_uid="hq",
        site_uid="berlin",
        link_uid="hq-1",
        stream_id=stream,
        incarnation=incarnation,
        seq=number if seq is None else seq,
        connection=1,
        n=1,
        record_crc=1000 + number if crc is None else crc,
        dialect_id="avaya_cm",
        dialect_version=1,
        identity_version=1,
        join_keys=[] if key is None else [key],
        join_at=moment,
        join_gap_ms=60_000,
        flags=0,
        raw=b"line %d" % number,
        setup_at=moment,
        release_at=moment + 60_000,
        received_at=moment + 61_000,
        ingested_at=moment + 62_000,
        site_zone="Europe/Berlin",
        duration_ms=60_000,
        calling_extension="201",
        called_number="0301234",
        called_e164=49_301_234,
        direction="outbound",
        disposition="answered",
        leg_role="plain",
    )
    row["class"] = "national"
    row.update(more)
    return row


def legs(*rows: dict[str, Any]) -> pa.Table:
    """Give a leg table."""
    return pa.Table.from_pylist(list(rows), schema=LEG_SCHEMA)


def rejects(*rows: dict[str, Any]) -> pa.Table:
    """Give leg rows as rejects of parsing."""
    made = [
        {n: r.get(n) for n in SUSPENSE_SCHEMA.names}
        | {"stage": "parse", "reason": "field_malformed", "detail": "column 3: expected digits"}
        for r in rows
    ]
    return pa.Table.from_pylist(made, schema=SUSPENSE_SCHEMA)


def call_row(*of: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Give the call that these legs make together."""
    leg_ids = sorted(r["cdr_id"] for r in of)
    first = min(of, key=lambda r: r["join_at"])
    row = dict.fromkeys(CALL_SCHEMA.names)
    row.update(
        call_id=leg_ids[0],
        version=1,
        leg_ids=leg_ids,
        leg_count=len(leg_ids),
        joins=[],
        merge_version=1,
        started_at=first["join_at"],
        ended_at=max(r["release_at"] for r in of),
        site_zone="Europe/Berlin",
        talk_ms=sum(r["duration_ms"] for r in of),
        direction="outbound",
        disposition="answered",
        calling="201",
        called=first["called_number"],
        called_e164=first["called_e164"],
        first_destination=first["called_number"],
        final_destination=first["called_number"],
        site_uid=first["site_uid"],
        pbx_uids=["hq"],
        transfers=0,
        state="open",
        flags=0,
        extension="201",
        person_uid="ada",
        department_uid="sales",
        directory_version=1,
    )
    row["class"] = "national"
    row.update(more)
    return row


def charge_row(
    call: dict[str, Any], nanos: int, *, price_list: str = "carrier", **more: Any
) -> dict[str, Any]:
    """Give one charge of a call."""
    row = dict.fromkeys(CHARGE_SCHEMA.names)
    row.update(
        call_id=call["call_id"],
        call_version=1,
        span=0,
        price_list=price_list,
        payer="201",
        entry="charge",
        amount_nanos=nanos,
        currency="EUR",
        tariff_uid="telco",
        tariff_version=1,
        rated_at=call["ended_at"],
        start_at=call["started_at"],
        quantity_ms=60_000,
        rated_quantity_ms=60_000,
        prefix="49",
        rate_row=1,
        segments=[],
        connect_fee_nanos=0,
        minimum_applied=False,
        cap_applied=False,
        rounding_mode="half_even",
        rounding_places=4,
        exact_numerator=1,
        exact_denominator=10,
        status="rated",
        answer_known=True,
    )
    row.update(more)
    row["charge_id"] = ids.charge_id(
        call_id=row["call_id"], call_version=1, span=row["span"],
        price_list=price_list, entry="charge",
    )  # fmt: skip
    return row


def proposals(*groups: tuple[dict[str, Any], ...], nanos: int = 100, **more: Any) -> Proposals:
    """Propose one call per group of legs: 100 nanos per leg in `carrier`, twice that `internal`."""
    calls, charges, members = [], [], []
    for at, group in enumerate(groups):
        call = call_row(*group, **more)
        calls.append(call)
        for price_list, factor in (("carrier", 1), ("internal", 2)):
            charges.append(charge_row(call, nanos * factor * len(group), price_list=price_list))
        members += [
            {"call_row": at} | {n: r[n] for n in ("cdr_id", "stream_id", "incarnation", "seq")}
            for r in group
        ]
    schema = pa.schema(
        [("call_row", pa.int32()), ("cdr_id", pa.binary(16)), ("stream_id", pa.int64()),
         ("incarnation", pa.int64()), ("seq", pa.int64())]
    )  # fmt: skip
    return Proposals(
        calls=pa.Table.from_pylist(calls, schema=CALL_SCHEMA),
        charges=pa.Table.from_pylist(charges, schema=CHARGE_SCHEMA),
        members=pa.Table.from_pylist(members, schema=schema),
    )
