"""Bringing stored tables to this release, the same way on every engine.

A new store gets all tables at once and is marked with the newest revision; an
older one runs the revisions between (Alembic, folder `revisions`). A table that
is wholly new needs none. Owns the order and the refusal of newer stores; the
caller owns the transaction and sees to it that one process does this at a time.
"""

from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sa
from bluewhale.database import tables
from bluewhale.database.exceptions import StoreVersionError


def upgrade(connection: sa.Connection, place: str) -> int | None:
    """Create what is missing; refuse what a newer release wrote.

    Gives the version that was found; None = an empty database.

    Raises
    ------
    StoreVersionError
        `place` was written by a newer release.
    """
    found = _version(connection)
    if found is not None and found > tables.SCHEMA_VERSION:
        raise StoreVersionError(
            f"{place} was written by a newer release (schema {found}, this release"
            f" knows {tables.SCHEMA_VERSION}); use that release"
        )
    if found is not None and found < tables.SCHEMA_VERSION:
        _run_revisions(connection, found)
    have = set(sa.inspect(connection).get_table_names())
    if not have.issuperset(tables.metadata.tables):
        tables.metadata.create_all(connection, checkfirst=True)
    if found != tables.SCHEMA_VERSION:
        now_ms = int(time.time() * 1000)
        connection.execute(
            tables.schema_version.insert().values(version=tables.SCHEMA_VERSION, applied_at=now_ms)
        )
    if found is None:
        connection.execute(
            tables.schema_revision.insert().values(version_num=f"{tables.SCHEMA_VERSION:04d}")
        )
    return found


def _version(connection: sa.Connection) -> int | None:
    """Give the version that stands; None = an empty database."""
    if not sa.inspect(connection).has_table(tables.schema_version.name):
        return None
    found = connection.execute(sa.select(sa.func.max(tables.schema_version.c.version))).scalar()
    return None if found is None else int(found)


def _run_revisions(connection: sa.Connection, found: int) -> None:
    # Loaded only here: a store of this release opens without it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("revisions")))
    config.attributes["connection"] = connection
    if not sa.inspect(connection).has_table(tables.schema_revision.name):
        command.stamp(config, f"{found:04d}")
    command.upgrade(config, "head")
