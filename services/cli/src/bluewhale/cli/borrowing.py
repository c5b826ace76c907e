"""A database and a prefix of topics of one's own on services that others use too.

Owns making and removing them. Does not own the services; only what was made here
is removed, also after a failure.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from bluewhale.cli.exceptions import InputError

NAME = "bluewhale_demo_"


@contextlib.contextmanager
def borrowed_database(server: str) -> Iterator[str]:
    """Give the URL of a fresh database on a PostgreSQL server; it is dropped behind it.

    Raises
    ------
    InputError
        The server cannot be reached, or does not let us make a database.
    """
    import psycopg

    name = NAME + secrets.token_hex(4)
    try:
        with psycopg.connect(server, autocommit=True, connect_timeout=10) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    except psycopg.Error as error:
        place = urlsplit(server).hostname
        raise InputError(f"PostgreSQL at {place}: no database can be made: {error}") from error
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def borrowed_prefix(bootstrap: str) -> Iterator[str]:
    """Give a prefix for topics and groups; what begins with it is deleted behind it.

    Raises
    ------
    InputError
        No broker answers.
    """
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    prefix = f"demo-{secrets.token_hex(4)}."
    try:
        KafkaAdminClient(bootstrap_servers=bootstrap).close()
    except KafkaError as error:
        raise InputError(f"Kafka at {bootstrap}: no broker answers: {error}") from error
    try:
        yield prefix
    finally:
        # a broker that went away meanwhile keeps its topics; that must not hide what went wrong
        with contextlib.suppress(KafkaError):
            admin = KafkaAdminClient(bootstrap_servers=bootstrap)
            try:
                if topics := [t for t in admin.list_topics() if t.startswith(prefix)]:
                    admin.delete_topics(topics)
                groups = [g["group_id"] for g in admin.list_groups()]
                if mine := [g for g in groups if g.startswith(prefix)]:
                    admin.delete_groups(mine)
            finally:
                admin.close()
