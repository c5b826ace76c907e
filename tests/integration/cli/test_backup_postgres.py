"""Backups of a main database on PostgreSQL: every row of every table, or nothing of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import psycopg
import pytest
import yaml
from bluewhale.cli.backups.making import complete
from bluewhale.cli.backups.restoring import restore
from bluewhale.configuration import read_settings
from bluewhale.database import Batch, CallFilter, Store
from bluewhale.database.dumping import TERMS_PASSED_OVER

from tests.integration.cli.door import Answer, bluewhale
from tests.integration.cli.test_backup import damage, killed_at_sync
from tests.spec.database.build import DAY, STREAM, leg_id, leg_row, legs, proposals, rejects

pytestmark = pytest.mark.services


def configured(folder: Path, url: str) -> Path:
    """Write a configuration that names a database, and a folder beside it for sealed files."""
    folder.mkdir()
    link = {"link_uid": "hq-1", "pbx_uid": "hq", "dialect": "avaya_cm",
            "connector": {"type": "tcp_server", "port": 9000}}  # fmt: skip
    document = {
        "data": "data", "directory": ["directory.yaml"], "links": [link],
        "cluster": {"database": {"url": url, "segments": "segments"}},
    }  # fmt: skip
    (folder / "bluewhale.yaml").write_text(yaml.safe_dump(document), "utf-8")
    return folder


@pytest.fixture
def one(tmp_path: Path, emptied_database: str) -> Path:
    """An installation with sealed and hot calls of two days, a duplicate, two waiting records."""
    folder = configured(tmp_path / "one", emptied_database)
    a, b = leg_row(1, key=5), leg_row(2, key=5, at=10)
    later = leg_row(3, cdr_id=leg_id(3, DAY + 1), raw=b"tab\t, \\ and \x00 in it")
    twin = leg_row(4, cdr_id=leg_id(1))
    with opened(folder) as store:
        store.declare_links([("hq-1", STREAM, "hq", "berlin", "avaya_cm")])
        store.commit(Batch(now_ms=1, legs=legs(a, b), proposals=proposals((a, b))))
        assert store.seal(before_ms=2**50, now_ms=2).legs == 2
        store.commit(Batch(now_ms=3, legs=legs(later, twin), proposals=proposals((later,))))
        store.commit(Batch(now_ms=4, rejects=rejects(leg_row(5), leg_row(6))))
        store.claim("storage", "topic", 0)
        assert store.terms.take(None, holder="a", address="b", lease_s=1.0) is not None
    return folder


def opened(folder: Path) -> Store:
    """Open the main database of an installation."""
    database = yaml.safe_load((folder / "bluewhale.yaml").read_text("utf-8"))["cluster"]["database"]
    return Store.open(database["url"], segments=folder / "segments")


def rows(url: str) -> dict[str, list[tuple]]:
    """Give every row of every table."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " ORDER BY 1"
        ).fetchall()
        return {
            table: sorted(connection.execute(f"SELECT t::text FROM {table} t").fetchall())
            for (table,) in tables
            if table not in {"schema_version", "ownership_term"}
        }


def backed_up(folder: Path, into: Path) -> Path:
    """Back an installation up; gives the backup."""
    answer = bluewhale("backup", into, "--config", folder)
    assert answer.code == 0, answer.err
    return complete(into)[-1][0]


def restored(backup: Path, folder: Path) -> Answer:
    """Restore into an installation."""
    return bluewhale("restore", backup, "--config", folder)


def test_every_row_comes_back_and_numbers_go_on(
    one: Path, tmp_path: Path, emptied_database: str, postgres_url: str
):
    """All tables equal, days apart as before; a waiting record gets the next number; terms pass on."""
    other = configured(tmp_path / "other", postgres_url)
    answer = restored(backed_up(one, tmp_path / "backups"), other)
    assert (answer.code, answer.err) == (0, "")
    before = rows(emptied_database)
    assert rows(postgres_url) == before
    assert [len(before[t]) for t in ("leg", "suspense", "duplicate", "segment", "link")] == (
        [1, 2, 1, 1, 1]
    )
    with opened(one) as mine, opened(other) as theirs:
        for ask in (
            lambda s: s.search_calls(CallFilter()).to_pylist(),
            lambda s: s.get_call(leg_id(1)).legs.to_pylist(),
            lambda s: s.get_call(leg_id(3, DAY + 1)).charges.to_pylist(),
            lambda s: s.completeness().days.to_pylist(),
            lambda s: s.marks(),
        ):
            assert ask(theirs) == ask(mine)
        assert theirs.search_calls(CallFilter()).num_rows == 2
        theirs.commit(Batch(now_ms=5, rejects=rejects(leg_row(7))))
        assert theirs.suspense_list().column("suspense_id").to_pylist() == [1, 2, 3]
        assert theirs.terms.read().term == 1 + TERMS_PASSED_OVER
    assert days(postgres_url) == days(emptied_database)


def days(url: str) -> list[tuple]:
    """Give each partition of the hot legs and how many it holds."""
    with psycopg.connect(url) as connection:
        ask = "SELECT tableoid::regclass::text, COUNT(*) FROM leg GROUP BY 1 ORDER BY 1"
        return connection.execute(ask).fetchall()


def test_a_database_or_folder_that_holds_something_is_refused(
    one: Path, tmp_path: Path, emptied_database: str, postgres_url: str
):
    """The other installation keeps its rows; sealed files of strangers are named."""
    backup = backed_up(one, tmp_path / "backups")
    before = rows(emptied_database)
    answer = restored(backup, one)
    assert answer.code == 2
    assert "is not empty (table " in answer.err
    assert answer.err.endswith(
        "); stop the roles, then drop the database and create it anew, or name another one\n"
    )
    assert rows(emptied_database) == before
    assert bluewhale("restore", backup, "--verify").code == 0
    other = configured(tmp_path / "other", postgres_url)
    strange = other / "segments" / "0000000000009-00000000.index"
    strange.parent.mkdir()
    strange.touch()
    answer = restored(backup, other)
    assert answer.err == (
        f"bluewhale: {other}/segments holds 1 sealed files of another installation"
        f" ({strange.name}); move them away, or name another folder: nothing was changed\n"
    )
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT to_regclass('leg')").fetchone() == (None,)


@pytest.mark.parametrize("pattern", ["tables/leg_key.*", "tables/suspense.*", "segments/*.leg.*"])
def test_a_damaged_table_or_sealed_file_takes_back_all_of_it(
    pattern: str, one: Path, tmp_path: Path, postgres_url: str
):
    """The transaction rolls back, and the sealed files go; the good backup then restores."""
    backup = backed_up(one, tmp_path / "backups")
    good = shutil.copytree(backup, tmp_path / "good")
    other = configured(tmp_path / "other", postgres_url)
    name = damage(backup, pattern)
    answer = restored(backup, other)
    assert answer.code == 2
    assert f"{name} is damaged" in answer.err
    assert {t for t, found in rows(postgres_url).items() if found} == {"schema_revision"}
    assert list((other / "segments").iterdir()) == []
    assert restored(good, other).code == 0


def test_a_restore_killed_at_any_moment_leaves_an_empty_database_and_can_be_repeated(
    one: Path, tmp_path: Path, postgres_url: str
):
    """A kill -9 at each fsync in turn; the transaction commits behind the last of them."""
    backup = backed_up(one, tmp_path / "backups")
    other = configured(tmp_path / "other", postgres_url)
    settings, kills = read_settings(other), 0
    while killed_at_sync(kills + 1, lambda: restore(settings, backup)):
        kills += 1
        assert {t for t, found in rows(postgres_url).items() if found} <= {"schema_revision"}
    assert kills == 5  # four sealed files, and their folder
    with opened(other) as store:
        assert store.search_calls(CallFilter()).num_rows == 2


def test_tables_of_an_older_release_are_restored_by_that_release(
    one: Path, tmp_path: Path, postgres_url: str
):
    """Tables are made by the release that restores, so they must be those of the backup."""
    backup = backed_up(one, tmp_path / "backups")
    manifest = json.loads((backup / "manifest.json").read_text())
    (backup / "manifest.json").write_text(json.dumps({**manifest, "schema": 1, "release": "0.0.9"}))
    answer = restored(backup, configured(tmp_path / "other", postgres_url))
    said = (
        f"bluewhale: {backup}: made by release 0.0.9 with tables of version 1, this release has 4;"
        " restore with release 0.0.9, then update\n"
    )
    assert (answer.code, answer.err) == (2, said)
