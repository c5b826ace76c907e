"""Bringing stored tables to this release."""

from __future__ import annotations

import time

import sqlalchemy as sa
from bluewhale.database import tables
from bluewhale.database.exceptions import StoreVersionError


def upgrade(connection: sa.Connection, place: str) -> None:
    """Create what is missing; refuse what a newer release wrote.

    Raises
    ------
    StoreVersionError
        `place` was written by a newer release.
    """
    tables.metadata.create_all(connection, checkfirst=True)
    if "stamp" not in {c["name"] for c in sa.inspect(connection).get_columns("stream_mark")}:
        connection.exec_driver_sql("ALTER TABLE stream_mark ADD COLUMN stamp BIGINT DEFAULT 0")
    found = connection.execute(sa.select(sa.func.max(tables.schema_version.c.version))).scalar()
    if found is None:
        connection.execute(
            tables.schema_version.insert().values(
                version=tables.SCHEMA_VERSION, applied_at=int(time.time() * 1000)
            )
        )
    elif found > tables.SCHEMA_VERSION:
        raise StoreVersionError(
            f"{place} was written by a newer release (schema {found}, this release"
            f" knows {tables.SCHEMA_VERSION}); use that release"
        )
