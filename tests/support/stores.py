"""The store on every engine: one claim, one test, each engine in turn."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bluewhale.database import Store

from tests.support.services import shared

StoreFactory = Callable[[], Store]  # opens the same store each time

ENGINES = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgresql", id="postgresql", marks=pytest.mark.services),
]
_KEPT_TABLES = ("schema_version", "schema_revision")


@pytest.fixture(params=ENGINES)
def store_factory(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFactory:
    """Open the store of this test, empty at first; close what it gives."""
    return factory_of(request, request.param, tmp_path)


def factory_of(request: pytest.FixtureRequest, engine: str, folder: Path) -> StoreFactory:
    """Give what opens the store of this test on `engine`."""
    if engine == "sqlite":
        return lambda: Store.open(folder)
    url: str = request.getfixturevalue("emptied_database")
    return lambda: Store.open(url, segments=folder / "segments")


@pytest.fixture(scope="session")
def kept_database() -> Iterator[str]:
    """Make one database for all tests of this run: making one each would take half their time."""
    import psycopg

    server = shared.endpoint("postgres")["url"]
    name = f"stores_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    yield f"{server.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def emptied_database(kept_database: str) -> str:
    """Give that database without any row of an earlier test."""
    import psycopg

    with psycopg.connect(kept_database) as connection:
        tables = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND c.relname <> ALL(%s)",
            (list(_KEPT_TABLES),),
        ).fetchall()
        for (table,) in tables:
            connection.execute(f'DELETE FROM "{table}"')
        for (sequence,) in connection.execute(
            "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"
        ).fetchall():
            connection.execute(f"ALTER SEQUENCE {sequence} RESTART")
    return kept_database
