"""Leg rows for tests: write down what matters, everything else is a sane default."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from bluewhale.records.schemas import LEG_SCHEMA

SECOND = 1000
DAY = 20_000  # days since 1970-01-01, of every test id
MIDNIGHT = DAY * 86_400_000


def leg_id(number: int, day: int = DAY) -> bytes:
    """Give a readable 16-byte id: 3 bytes day, 13 bytes number."""
    return day.to_bytes(3, "big") + number.to_bytes(13, "big")


def leg(number: int, **columns: Any) -> dict[str, Any]:
    """Make one leg; `at` = setup in seconds after midnight, `seconds` = connected time.

    `join` is a key or a list of keys. Other names are columns of LEG_SCHEMA.
    """
    at = columns.pop("at", 0)
    seconds = columns.pop("seconds", 0)
    ring = columns.pop("ring", 0)
    join = columns.pop("join", None)
    setup = MIDNIGHT + at * SECOND
    answer = setup + ring * SECOND
    release = answer + seconds * SECOND
    row: dict[str, Any] = dict.fromkeys(LEG_SCHEMA.names)
    row.update(
        cdr_id=leg_id(number),
        pbx_uid="berlin",
        site_uid="berlin",
        link_uid="berlin-1",
        stream_id=1,
        incarnation=1,
        seq=number,
        connection=1,
        n=1,
        record_crc=number,
        dialect_id="test",
        dialect_version=1,
        identity_version=1,
        join_keys=None if join is None else [join] if isinstance(join, int) else list(join),
        join_at=release,
        join_gap_ms=12 * 3_600_000,
        flags=0,
        raw=b"record %d" % number,
        setup_at=setup,
        answer_at=answer if seconds else None,
        release_at=release,
        received_at=release + SECOND,
        ingested_at=release + 2 * SECOND,
        site_zone="Europe/Berlin",
        duration_ms=seconds * SECOND,
        direction="internal",
        disposition="answered" if seconds else "no_answer",
        leg_role="plain",
    )
    row["class"] = columns.pop("call_class", "internal")
    unknown = set(columns) - set(row)
    assert not unknown, f"no such columns: {unknown}"
    row.update(columns)
    return row


def leg_table(*rows: dict[str, Any]) -> pa.Table:
    """Make LEG_SCHEMA of rows."""
    return pa.Table.from_pylist(list(rows), schema=LEG_SCHEMA)
