"""The tables of the main database, in SQLAlchemy Core, portable between engines.

Owns names, columns, keys and indexes. Hot rows of legs, calls and charges have
one column per field of their Arrow schema, generated, so that a schema cannot
grow without its table. Does not own engine settings (`engine`) or rules.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from bluewhale.database.columns import TEXT, sql_columns
from bluewhale.database.schemas import (
    DUPLICATE_SCHEMA,
    STORED_CALL_SCHEMA,
    STORED_SUSPENSE_SCHEMA,
)
from bluewhale.records.schemas import CHARGE_SCHEMA, LEG_SCHEMA

SCHEMA_VERSION = 4  # the newest of `revisions`

metadata = sa.MetaData()

_ID = sa.LargeBinary
_INT = sa.BigInteger
_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _key(name: str, kind: Any = _INT) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


schema_version = sa.Table(
    "schema_version", metadata, _key("version"), sa.Column("applied_at", _INT)
)

# Where Alembic stands.
schema_revision = sa.Table("schema_revision", metadata, _key("version_num", sa.String(32)))

# ---- legs ------------------------------------------------------------------------------
_BY_DAY = "RANGE (cdr_id)"  # an id begins with its day

leg = sa.Table("leg", metadata, *sql_columns(LEG_SCHEMA), postgresql_partition_by=_BY_DAY)
sa.Index("leg_by_id", leg.c.cdr_id, unique=True)

# Narrow: answers "is this id known" and "is this capture key stored, with which CRC".
leg_seen = sa.Table(
    "leg_seen",
    metadata,
    _key("cdr_id", _ID),
    sa.Column("stream_id", _INT, nullable=False),
    sa.Column("incarnation", _INT, nullable=False),
    sa.Column("seq", _INT, nullable=False),
    sa.Column("record_crc", _INT),
    sa.Index("leg_seen_by_capture", "stream_id", "incarnation", "seq"),
    sqlite_with_rowid=False,
    postgresql_partition_by=_BY_DAY,
)

# Which legs could be joined with which: neighbours by key and event time.
leg_key = sa.Table(
    "leg_key",
    metadata,
    _key("join_key"),
    _key("join_at"),
    _key("cdr_id", _ID),
    sa.Column("join_gap_ms", _INT, nullable=False),
    sqlite_with_rowid=False,
)

# The live call of a leg; for sealed legs only where it changed since sealing.
leg_owner = sa.Table(
    "leg_owner",
    metadata,
    _key("cdr_id", _ID),
    sa.Column("call_id", _ID, nullable=False),
    sqlite_with_rowid=False,
)

# Legs in no live call: work once the data time has passed them.
orphan = sa.Table(
    "orphan",
    metadata,
    _key("cdr_id", _ID),
    sa.Column("ingested_at", _INT, nullable=False),
    sa.Index("orphan_by_time", "ingested_at"),
    sqlite_with_rowid=False,
)

rejoin_mark = sa.Table(
    "rejoin_mark",
    metadata,
    _key("cdr_id", _ID),
    sa.Column("stamp", _INT, nullable=False),
    sa.Index("rejoin_mark_by_stamp", "stamp"),
    sqlite_with_rowid=False,
)

duplicate = sa.Table("duplicate", metadata, *sql_columns(DUPLICATE_SCHEMA))
sa.Index(
    "duplicate_by_capture",
    duplicate.c.stream_id,
    duplicate.c.incarnation,
    duplicate.c.seq,
    unique=True,
)
sa.Index("duplicate_by_twin", duplicate.c.cdr_id)

suspense = sa.Table(
    "suspense",
    metadata,
    sa.Column("suspense_id", _ROWID, primary_key=True),
    *[c for c in sql_columns(STORED_SUSPENSE_SCHEMA) if c.name != "suspense_id"],
)
sa.Index(
    "suspense_by_capture",
    suspense.c.stream_id,
    suspense.c.incarnation,
    suspense.c.seq,
    suspense.c.record_crc,
    unique=True,
)
sa.Index("suspense_by_state", suspense.c.state, suspense.c.reason)

raw_context = sa.Table(
    "raw_context", metadata, _key("context_id"), sa.Column("text", sa.LargeBinary, nullable=False)
)

# ---- calls and money -------------------------------------------------------------------
call_version = sa.Table(
    "call_version",
    metadata,
    *sql_columns(STORED_CALL_SCHEMA),
    sa.Column("live", sa.Integer, nullable=False, default=1),
)
sa.Index("call_version_by_id", call_version.c.call_id, call_version.c.version, unique=True)
sa.Index("call_version_by_start", call_version.c.live, call_version.c.started_at)

# number (digits) -> hot call version; the hot twin of the postings of segments.
call_number = sa.Table(
    "call_number",
    metadata,
    _key("number"),
    _key("call_id", _ID),
    _key("version"),
    sa.Column("started_at", _INT),
    sqlite_with_rowid=False,
)

charge = sa.Table("charge", metadata, *sql_columns(CHARGE_SCHEMA))
sa.Index("charge_by_id", charge.c.charge_id, unique=True)
sa.Index("charge_by_call", charge.c.call_id, charge.c.call_version)

# Sealed call versions that are not live any more.
superseded = sa.Table(
    "superseded",
    metadata,
    _key("call_id", _ID),
    _key("version"),
    sa.Column("superseded_by", _ID),
    sqlite_with_rowid=False,
)

# ---- delivery --------------------------------------------------------------------------
claim = sa.Table(
    "claim",
    metadata,
    _key("consumer", TEXT),
    _key("topic_id", TEXT),
    _key("partition"),
    sa.Column("generation", _INT, nullable=False),
    sa.Column("next_offset", _INT, nullable=False),
    sa.Column("data_time", _INT),
)

stream_interval = sa.Table(
    "stream_interval",
    metadata,
    _key("stream_id"),
    _key("incarnation"),
    _key("first_seq"),
    sa.Column("last_seq", _INT, nullable=False),
    sa.Column("state", TEXT, nullable=False),  # stored, lost
    sa.Column("reason", TEXT, nullable=False, default=""),
    sqlite_with_rowid=False,
)

stream_mark = sa.Table(
    "stream_mark",
    metadata,
    _key("stream_id"),
    _key("incarnation"),
    sa.Column("stored_through", _INT, nullable=False),
    sa.Column("record_crc", _INT),
    sa.Column("stamp", _INT, nullable=False, server_default="0"),  # grows with every change
    sa.Index("stream_mark_by_stamp", "stamp"),
    sqlite_with_rowid=False,
)

# What the edge says it heard and journaled; absolute counts, so repeats change nothing.
stream_heard = sa.Table(
    "stream_heard",
    metadata,
    _key("stream_id"),
    _key("incarnation"),
    _key("day"),
    sa.Column("heard", _INT, nullable=False),
    sa.Column("journaled", _INT, nullable=False),
    sqlite_with_rowid=False,
)

link = sa.Table(
    "link",
    metadata,
    sa.Column("link_uid", TEXT, nullable=False),
    _key("stream_id"),  # a link has one stream per unit that may read it
    sa.Column("pbx_uid", TEXT, nullable=False),
    sa.Column("site_uid", TEXT, nullable=False),
    sa.Column("dialect_id", TEXT, nullable=False, default=""),
)

control_total = sa.Table(
    "control_total",
    metadata,
    _key("site_uid", TEXT),
    _key("day"),
    _key("stage", TEXT),
    sa.Column("count", _INT, nullable=False),
    sqlite_with_rowid=False,
)

# ---- sealed segments -------------------------------------------------------------------
segment = sa.Table(
    "segment",
    metadata,
    sa.Column("segment_id", TEXT, primary_key=True),
    sa.Column("generation", _INT, nullable=False),
    sa.Column("name", TEXT, nullable=False),  # stem of its files in segments/
    sa.Column("leg_rows", _INT, nullable=False),
    sa.Column("call_rows", _INT, nullable=False),
    sa.Column("charge_rows", _INT, nullable=False),
    sa.Column("file_bytes", _INT, nullable=False),
    sa.Column("checksums", TEXT, nullable=False),  # JSON: kind -> XXH3-64 of the file
    sa.Column("sites", TEXT, nullable=False),  # JSON list of site_uid
    sa.Column("leg_id_min", _ID),
    sa.Column("leg_id_max", _ID),
    sa.Column("call_id_min", _ID),
    sa.Column("call_id_max", _ID),
    sa.Column("started_min", _INT),
    sa.Column("started_max", _INT),
    sa.Column("join_min", _INT),
    sa.Column("join_max", _INT),
    sa.Column("join_gap_ms", _INT),
    sa.Column("sealed_at", _INT, nullable=False),
    sa.Column("replaced_by", TEXT),
    sa.Column("replaced_at", _INT),
)

seal_generation = sa.Table(
    "seal_generation", metadata, _key("day"), sa.Column("generation", _INT, nullable=False)
)

# ---- versions of configuration that prices depend on -----------------------------------
tariff = sa.Table(
    "tariff",
    metadata,
    _key("tariff_uid", TEXT),
    _key("version"),
    sa.Column("name", TEXT, nullable=False),
    sa.Column("price_list", TEXT, nullable=False),
    sa.Column("currency", TEXT, nullable=False),
    sa.Column("effective_from", _INT),
    sa.Column("effective_until", _INT),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("rows", _INT, nullable=False),
    sa.Column("checksum", TEXT, nullable=False),
    sa.Column("files", sa.LargeBinary, nullable=False),  # packed source files
    sa.Column("created_at", _INT, nullable=False),
    sa.Column("created_by", TEXT, nullable=False),
    sa.Column("activated_at", _INT),
    sa.Column("activated_by", TEXT),
    sa.Column("zone", TEXT),
)

directory_version = sa.Table(
    "directory_version",
    metadata,
    _key("version"),
    sa.Column("checksum", TEXT, nullable=False),
    sa.Column("files", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _INT, nullable=False),
    sa.Column("created_by", TEXT, nullable=False),
)

job = sa.Table(
    "job",
    metadata,
    sa.Column("job_id", _ROWID, primary_key=True),
    sa.Column("kind", TEXT, nullable=False),
    sa.Column("name", TEXT, nullable=False, unique=True),
    sa.Column("state", TEXT, nullable=False),
    sa.Column("progress", TEXT, nullable=False),  # JSON, the job's own
    sa.Column("changed_at", _INT, nullable=False),
)

# Numbers that only grow, such as the stamp of re-join marks.
counter = sa.Table(
    "counter", metadata, _key("name", TEXT), sa.Column("value", _INT, nullable=False)
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("audit_id", _ROWID, primary_key=True),
    sa.Column("at", _INT, nullable=False),
    sa.Column("who", TEXT, nullable=False),
    sa.Column("action", TEXT, nullable=False),
    sa.Column("subject", TEXT, nullable=False),
    sa.Column("detail", TEXT, nullable=False),
    sa.Column("position", _INT),  # 1 for the first entry; none is left out
    sa.Column("hash", sa.LargeBinary),  # of the entry and the hash before it (`audit.link`)
    sa.Index("audit_by_position", "position", unique=True),
)

# One row: how many entries there are, and the hash of the newest.
audit_head = sa.Table(
    "audit_head",
    metadata,
    _key("head_id"),
    sa.Column("entries", _INT, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)


def insert_sql(table: sa.Table, names: list[str] | None = None, *, or_ignore: bool = False) -> str:
    """Give an INSERT with positional parameters, for executemany."""
    columns = [c.name for c in table.columns] if names is None else names
    tail = " ON CONFLICT DO NOTHING" if or_ignore else ""
    listed = ", ".join(f'"{c}"' for c in columns)
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table.name} ({listed}) VALUES ({marks}){tail}"
