"""`bluewhale database migrate`: one works, others wait, again changes nothing, errors say what to do."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest
from bluewhale.database import Store
from bluewhale.database.tables import SCHEMA_VERSION

from tests.integration.cli.door import bluewhale
from tests.integration.cli.places import Place

MIGRATION_LOCK = f"{0x4257}, 3"
COMMAND = "from bluewhale.cli.main import main; main()"


def _at(url: str) -> str:
    return url.rpartition("@")[2].partition("?")[0]


@pytest.mark.services
def test_an_empty_database_gets_its_tables_and_again_changes_nothing(
    postgres_url: str, tmp_path: Path
) -> None:
    """Neither a configuration nor a folder is needed; a store opens on what was made."""
    first = bluewhale("database", "migrate", "--url", postgres_url)
    assert first.code == 0, first.err
    assert first.out == f"{_at(postgres_url)}: tables made, version 4\n"
    again = bluewhale("database", "migrate", "--url", postgres_url)
    assert again.out == f"{_at(postgres_url)}: is at version 4, nothing to do\n"
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT COUNT(*) FROM schema_version").fetchone() == (1,)
    with Store.open(postgres_url, segments=tmp_path) as store:
        assert store.completeness().complete


@pytest.mark.services
def test_a_migration_waits_for_one_that_is_under_way(postgres_url: str) -> None:
    """Somebody holds the lock: nothing is made; it lets go: the tables are."""
    environment = {"BLUEWHALE_CLUSTER__DATABASE__URL": postgres_url}
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
        running = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "database", "migrate"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        ends_at = time.monotonic() + 30
        while not _waits(other) and time.monotonic() < ends_at:
            assert running.poll() is None, running.communicate()
            time.sleep(0.05)
        assert _waits(other)
        assert other.execute("SELECT to_regclass('schema_version')").fetchone() == (None,)
        other.execute(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})")
        out, err = running.communicate(timeout=30)
    assert running.returncode == 0, err
    assert out == f"{_at(postgres_url)}: tables made, version 4\n"


def _waits(connection: psycopg.Connection) -> bool:
    found = connection.execute(
        "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return found.fetchone() == (1,)


def test_a_database_that_is_away_is_named_with_what_to_do() -> None:
    """Exit 4, host and reason, the remedy; never the password."""
    answer = bluewhale(
        "database", "migrate", "--url", "postgresql://bluewhale:geheim@127.0.0.1:9/books"
    )
    assert answer.code == 4
    assert "the database at 127.0.0.1:9/books cannot be reached (" in answer.err
    assert (
        "start it, or correct its address (cluster.database). "
        "Nothing was changed; --wait SECONDS goes on trying" in answer.err
    )
    assert "geheim" not in answer.err


@pytest.mark.services
def test_with_patience_it_goes_on_until_the_address_comes(
    postgres_url: str, tmp_path: Path
) -> None:
    """The file with the address is mounted a second later; told once what was waited for."""
    file = tmp_path / "url"
    written = threading.Timer(1.0, file.write_text, [f"{postgres_url}\n"])
    written.start()
    answer = bluewhale("database", "migrate", "--url-file", file, "--wait", "30")
    assert answer.code == 0, answer.err
    assert answer.out == f"{_at(postgres_url)}: tables made, version 4\n"
    assert answer.err.count("cannot be read") == 1
    assert "mount it, or correct cluster.database.url_file" in answer.err


@pytest.mark.services
def test_a_database_of_a_newer_release_is_refused(postgres_url: str) -> None:
    """Exit 2; nothing is changed."""
    bluewhale("database", "migrate", "--url", postgres_url)
    newer = SCHEMA_VERSION + 1
    with psycopg.connect(postgres_url) as connection:
        connection.execute("INSERT INTO schema_version VALUES (%s, 1)", (newer,))
    answer = bluewhale("database", "migrate", "--url", postgres_url)
    assert answer.code == 2
    assert f"was written by a newer release (schema {newer}, this release knows 4)" in answer.err


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "holds no address of a database"), ("mysql://x/y", "holds no address of a database")],
)
def test_a_file_without_an_address_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """What stands in it is not shown: it may be a password."""
    file = tmp_path / "url"
    file.write_text(text)
    answer = bluewhale("database", "migrate", "--url-file", file)
    assert answer.code == 4
    assert f"{file} {told}: write postgresql://user:password@host/database" in answer.err
    assert "mysql" not in answer.err


def test_two_addresses_are_one_too_many(tmp_path: Path) -> None:
    """Which of them counts is not guessed."""
    answer = bluewhale(
        "database", "migrate", "--url", "postgresql://a/b", "--url-file", tmp_path / "url"
    )
    assert answer.code == 2
    assert "url and url_file: give one of them" in answer.err


def test_the_database_of_a_configuration_is_brought_up_in_its_folder(own_place: Place) -> None:
    """Without PostgreSQL it is the SQLite file in `data`."""
    answer = bluewhale("database", "migrate", "--config", own_place.folder)
    assert answer.code == 0, answer.err
    assert answer.out == f"{own_place.folder}/data/store: is at version 4, nothing to do\n"
