"""Stores of earlier releases open and are then like new ones; newer ones are refused."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from bluewhale.database import Batch, CallFilter, Mark, Store, StoreVersionError, tables

from tests.spec.database.build import leg_id, leg_row, legs, proposals
from tests.support.stores import StoreFactory

EARLIER = Path(__file__).with_name("stores") / "version_1.sql"

# Opens the store of argv[1] with segments in argv[2], as every replica does at its start.
OPEN = """
import sys
from pathlib import Path
from bluewhale.database import Store
with Store.open(sys.argv[1], segments=Path(sys.argv[2])) as store:
    print(store.db.place)
"""


def test_a_store_of_the_first_release_opens_with_everything_in_it(tmp_path: Path) -> None:
    """Two legs, one call, a mark: all found, and the mark is among the changed ones."""
    with sqlite3.connect(tmp_path / "main.db") as old:
        old.executescript(EARLIER.read_text())
    old.close()
    with Store.open(tmp_path) as store:
        assert store.search_calls(CallFilter()).column("call_id").to_pylist() == [leg_id(1)]
        assert store.legs([leg_id(2)]).num_rows == 1
        mark = Mark(7, 11, 2, 1002)
        assert store.marks() == [mark]
        c = leg_row(3, at=120)
        store.commit(Batch(now_ms=2, legs=legs(c), proposals=proposals((c,))))
        assert store.marks_changed(0) == (1, [Mark(7, 11, 3, 1003)])
        assert store.completeness().complete


def test_a_store_brought_up_to_date_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    """Alembic finds no difference between them, and the history tells both versions."""
    with sqlite3.connect(tmp_path / "main.db") as old:
        old.executescript(EARLIER.read_text())
    old.close()
    Store.open(tmp_path).close()
    made = sa.create_engine(f"sqlite:///{tmp_path / 'main.db'}")
    with made.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "schema_revision", "compare_type": False}
        )
        assert compare_metadata(context, tables.metadata) == []
        versions = connection.execute(sa.text("SELECT version FROM schema_version ORDER BY 1"))
        assert [r[0] for r in versions] == [1, 4]
        assert context.get_current_revision() == "0004"
    made.dispose()


def test_a_trail_from_before_the_chain_is_bound_in_its_order(store_factory: StoreFactory) -> None:
    """Three entries of release 3; a later one goes on, and a change of an old one is found."""
    with store_factory() as store, store.db.write() as tx:
        tx.run("DROP INDEX audit_by_position")
        tx.run("DROP TABLE audit_head")
        tx.run("ALTER TABLE audit DROP COLUMN position")
        tx.run("ALTER TABLE audit DROP COLUMN hash")
        tx.many(
            "INSERT INTO audit (at, who, action, subject, detail) VALUES (?, 'ana', 'look', ?, '')",
            [(n, f"call {n}") for n in (1, 2, 3)],
        )
        tx.run("DELETE FROM schema_version")
        tx.run("INSERT INTO schema_version VALUES (3, 1)")
        tx.run("UPDATE schema_revision SET version_num = '0003'")
    with store_factory() as store:
        assert [row[3] for row in store.audit()] == ["call 3", "call 2", "call 1"]
        store.users.audited(who="ana", action="look", subject="call 4", detail="", now_ms=4)
        found = store.users.chain()
        assert (found.entries, found.unbroken) == (4, True)
        with store.db.write() as tx:
            tx.run("UPDATE audit SET subject = 'call 9' WHERE position = 2")
        assert store.users.chain().broken_at == 2


def test_a_store_of_a_newer_release_is_refused(store_factory: StoreFactory) -> None:
    """The message names both versions; nothing is changed."""
    newer = tables.SCHEMA_VERSION + 1
    with store_factory() as store:
        with store.db.write() as tx:
            tx.run("INSERT INTO schema_version VALUES (?, ?)", (newer, 1))
        with pytest.raises(StoreVersionError, match=f"schema {newer}, this"):
            store_factory()
        with store.db.write() as tx:
            tx.run("DELETE FROM schema_version WHERE version = ?", (newer,))


@pytest.mark.services
def test_replicas_that_start_at_once_make_the_tables_once(
    postgres_url: str, tmp_path: Path
) -> None:
    """Three processes open an empty database together; all succeed, one version is noted."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, postgres_url, str(tmp_path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    ended = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], ended
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT COUNT(*) FROM schema_version").fetchone() == (1,)


@pytest.mark.services
def test_days_of_many_legs_get_partitions_and_others_share_one(
    postgres_url: str, tmp_path: Path
) -> None:
    """A hundred legs of one day, two of wrong days: one partition more, every leg found."""
    strange = [5_000_000, 12]
    rows = [leg_row(n) for n in range(1, 101)]
    rows += [leg_row(n, cdr_id=leg_id(n, day=day)) for n, day in enumerate(strange, start=101)]
    with Store.open(postgres_url, segments=tmp_path) as store:
        before = _partitions(postgres_url)
        store.commit(Batch(now_ms=1, legs=legs(*rows), proposals=proposals(*((r,) for r in rows))))
        assert _partitions(postgres_url) - before == {"leg_d00020000", "leg_seen_d00020000"}
        assert store.legs([r["cdr_id"] for r in rows]).num_rows == 102
        assert store.seal(before_ms=2**50, now_ms=2**45).legs == 102
        assert "leg_d00020000" not in _partitions(postgres_url)
        assert store.search_calls(CallFilter(), limit=200).num_rows == 102


def _partitions(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE c.relkind = 'r'"
        )
        return {r[0] for r in found}
