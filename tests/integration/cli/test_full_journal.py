"""The journal is full: reading stops and says so, and goes on when there is room."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from bluewhale.cli.runtime import Runtime
from bluewhale.cli.simulate.session import World
from bluewhale.cli.simulate.setup import free_port
from bluewhale.configuration import load
from bluewhale.database import Store

from tests.support.running import wait_until

CALLS = 9_000  # with all that a journal keeps of each, more than a quota of one MiB takes


def _health(port: int) -> dict:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


def _small(folder: Path, port: int) -> World:
    world = World.of(folder, 1, ("avaya_cm",), CALLS, 4, 0)
    world.write()
    path = folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["limits"].update(journal_quota_mib=1, window_ms=300)
    document["monitor"] = {"port": port}
    path.write_text(yaml.safe_dump(document), "utf-8")
    return world


def _received(store: Store) -> int:
    return sum(store.completeness().days.column("received").to_pylist())


@pytest.mark.slow
def test_a_full_journal_stops_reading_says_so_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """While the database is locked the journal fills; the PBX has to wait; later all is stored."""
    monkeypatch.setitem(Store.open.__func__.__kwdefaults__, "busy_timeout_ms", 200)
    port = free_port()
    world = _small(tmp_path, port)
    runtime = Runtime(load(tmp_path))
    link = runtime.configuration.settings.links[0]
    runner = threading.Thread(target=runtime.run)
    sent = threading.Event()
    lines = world.lines[world.pbxs[0].pbx_uid]

    def send() -> None:
        with socket.create_connection(
            ("127.0.0.1", link.connector.port), timeout=120
        ) as connection:
            for line in lines:
                connection.sendall(line.data)
            sent.set()
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    main = tmp_path / "data" / "store" / "main.db"
    runner.start()
    wait_until(lambda: runtime.service("connectors") is not None, 90, "the connectors")
    connector = runtime.service("connectors")[link.link_uid]
    wait_until(lambda: connector.state.listening_on is not None, 30, "the port")
    with contextlib.closing(sqlite3.connect(main, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        sender = threading.Thread(target=send)
        sender.start()
        wait_until(lambda: runtime.service("journal").usage().full, 60, "a full journal")
        wait_until(lambda: "journal" in _health(port)["wrong"], 60, "health")
        said = _health(port)["wrong"]["journal"]
        other.execute("ROLLBACK")
    sender.join(120)
    assert sent.is_set()
    with Store.open(tmp_path / "data" / "store", busy_timeout_ms=60_000) as store:
        wait_until(lambda: _received(store) == len(lines), 90, "every record")
        wait_until(lambda: not runtime.service("monitor").health(), 30, "health")
        assert store.completeness().gaps.num_rows == 0
    runtime.stop()
    runner.join(60)
    assert not runner.is_alive()
    assert runtime.role.nexus.failure is None
    assert said == "full: reading has stopped; make room or raise limits.journal_quota_mib"
