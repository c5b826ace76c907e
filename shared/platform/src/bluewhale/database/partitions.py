"""Hot legs of PostgreSQL by day: partitions on the day that every id begins with.

A day that many rows come for gets a partition of its own, made before the
commit in a transaction of its own; rows of other days go to the rest partition,
so that no row ever waits for a table. A sealed day leaves an empty partition,
which is dropped: cheaper than vacuuming it. Owns partitions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import psycopg

PARTITIONED = ("leg", "leg_seen")
DAYS_MAX = 48  # partitions of each table: every query plans over them, so they stay few

Execute = Callable[[str], psycopg.Cursor[tuple[Any, ...]]]


def name_of(table: str, day: int) -> str:
    """Give the name of the partition of a day (days since 1970-01-01)."""
    return f"{table}_d{day:08d}"


def make_rest(execute: Execute) -> None:
    """Make the partitions that take every day without one of its own."""
    for table in PARTITIONED:
        execute(f"CREATE TABLE IF NOT EXISTS {table}_rest PARTITION OF {table} DEFAULT")


def stored_days(execute: Execute) -> set[int]:
    """Give the days that have a partition."""
    rows = execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " JOIN pg_class p ON p.oid = i.inhparent WHERE p.relname = 'leg'"
    ).fetchall()
    return {int(r[0][5:]) for r in rows if r[0].startswith("leg_d")}


def make_days(execute: Execute, days: Iterable[int]) -> set[int]:
    """Make partitions for days that have none, as many as may be; give all days that have one.

    Attaching lets other transactions go on reading and writing; only the rest
    partition is locked, while it is looked through for rows of that day. Where
    it holds some, the day stays there.
    """
    have = stored_days(execute)
    for day in sorted(set(days) - have):
        if not 0 <= day < 2**24 - 1 or len(have) >= DAYS_MAX:
            continue
        first, after = (d.to_bytes(3, "big").hex() for d in (day, day + 1))
        execute("SAVEPOINT day")
        try:
            for table in PARTITIONED:
                name = name_of(table, day)
                execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
                execute(
                    f"ALTER TABLE {table} ATTACH PARTITION {name}"
                    f" FOR VALUES FROM ('\\x{first}') TO ('\\x{after}')"
                )
        except psycopg.errors.CheckViolation:
            execute("ROLLBACK TO SAVEPOINT day")
        else:
            have.add(day)
        execute("RELEASE SAVEPOINT day")
    return have


def drop_empty(execute: Execute, before_day: int) -> list[int]:
    """Drop the partitions of days before `before_day` that hold nothing; give those days."""
    dropped = []
    for day in sorted(d for d in stored_days(execute) if d < before_day):
        names = [name_of(table, day) for table in PARTITIONED]
        if any(execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall() for name in names):
            continue
        for name in names:
            execute(f"DROP TABLE {name}")
        dropped.append(day)
    return dropped
