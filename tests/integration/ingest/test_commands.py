"""`bluewhale unit ...` against a running ingest: words in, words and exit codes out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from bluewhale.cli.main import app
from bluewhale.ingest.service import Ingest
from bluewhale.messaging import MemoryLog
from typer.testing import CliRunner, Result

from tests.integration.ingest.places import ingest_on, until, write_configuration


@contextlib.contextmanager
def served(folder: Path, **ingest: object) -> Iterator[Ingest]:
    """Run ingest in a thread of its own, as another process would."""
    ready, end = threading.Event(), threading.Event()
    found: list[Ingest] = []

    async def live() -> None:
        async with ingest_on(write_configuration(folder, **ingest), MemoryLog) as (
            made,
            conditions,
        ):
            await until(lambda: conditions.latest["database"][0], "the database")
            found.append(made)
            ready.set()
            await asyncio.to_thread(end.wait)

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield found[0]
    finally:
        end.set()
        thread.join()


def unit(*words: str) -> Result:
    """Run one command."""
    return CliRunner().invoke(app, ["unit", *words])


def test_an_operator_elsewhere_lists_mints_configures_and_revokes(tmp_path: Path) -> None:
    """Everything over mutual TLS with an operator's certificate."""
    with served(tmp_path) as ingest:
        keys = tmp_path / "keys"
        made = unit("authority", "operator", "ada", "--to", str(keys), "-c", str(tmp_path))
        assert made.exit_code == 0, made.output
        assert (keys / "operator.key").stat().st_mode & 0o777 == 0o600
        door = ("--server", f"127.0.0.1:{ingest.port}", "--identity", str(keys))

        listed = unit("list", "--json", *door)
        rows = [json.loads(line) for line in listed.stdout.splitlines()]
        assert [(r["unit_uid"], r["state"], r["not_well"]) for r in rows] == [
            ("depot", "declared", "certificate, connection"),
            ("shop", "declared", "certificate, connection"),
        ]

        token = unit("token", "depot", *door)
        assert token.exit_code == 0, token.output
        assert token.stdout.startswith("bw1.depot.")
        assert token.stdout.strip().endswith(ingest.enrolment._authority().pin)

        done = unit("configure", "depot", "trace=true", "paused_links=hq-avaya-cdr", *door)
        assert done.exit_code == 0, done.output
        shown = json.loads(unit("show", "depot", "--json", *door).stdout)
        assert json.loads(shown["configuration"]["overrides_json"]) == {
            "paused_links": ["hq-avaya-cdr"],
            "trace": True,
        }
        assert shown["configuration"]["desired_version"] == "2"

        assert unit("revoke", "depot", "--why", "stolen", *door).exit_code == 0
        diagnosis = unit("diagnose", "depot", *door)
        assert diagnosis.exit_code == 1
        assert "BAD admission: revoked (stolen); to admit it again" in diagnosis.stdout


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("token", "kiosk"), 3, "unit kiosk is not in the configuration"),
        (("show", "kiosk"), 3, "unit kiosk is not in the configuration"),
        (("configure", "depot", "host=10.0.0.1"), 2, "overrides_invalid: host: Extra inputs"),
        (("configure", "depot", "trace"), 2, "'trace' is not key=value"),
        (("configure", "depot"), 2, "give key=value at least once, or --clear"),
        (("token", "depot", "--approve-expired"), 0, "may renew its expired certificate once"),
    ],
)
def test_mistakes_have_a_text_and_an_exit_code(
    tmp_path: Path, words: tuple[str, ...], code: int, text: str
) -> None:
    """On the machine of ingest no certificate is asked for."""
    with served(tmp_path, plaintext=True) as ingest:
        done = unit(*words, "--server", f"127.0.0.1:{ingest.port}")
        assert (done.exit_code, text in done.output) == (code, True), done.output


def test_an_ingest_that_is_away_is_exit_code_four(tmp_path: Path) -> None:
    """Try again later."""
    done = unit("list", "--server", "127.0.0.1:1")
    assert done.exit_code == 4
    assert "ingest at 127.0.0.1:1 does not answer" in done.output


def test_the_authority_is_made_once_rotated_and_retired(tmp_path: Path) -> None:
    """Each step says what to do next; making it twice changes nothing."""
    folder = ("--folder", str(tmp_path / "ca"))
    assert unit("authority", "rotate", *folder).exit_code == 2
    assert unit("authority", "init", *folder).exit_code == 0
    again = unit("authority", "init", *folder)
    assert (again.exit_code, "holds a CA already" in again.output) == (2, True)
    assert unit("authority", "retire", *folder).exit_code == 2
    assert unit("authority", "rotate", *folder).exit_code == 0
    assert unit("authority", "retire", *folder).exit_code == 0
    assert [p.name for p in sorted((tmp_path / "ca").iterdir())] == ["ca-2.key", "ca-2.pem"]
