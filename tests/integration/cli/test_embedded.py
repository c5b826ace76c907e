"""The embedded installation as plugins: order, order of ending, questions within the process."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import threading
import urllib.request
from pathlib import Path

import pytest
import yaml
from bluewhale.api.query.v1 import query_pb2
from bluewhale.api.tariffs.v1 import tariffs_pb2
from bluewhale.cli.runtime import Runtime
from bluewhale.cli.simulate.session import World
from bluewhale.cli.simulate.setup import free_port
from bluewhale.configuration import load
from bluewhale.database import Store

from tests.integration.cli.door import bluewhale
from tests.integration.cli.places import build
from tests.support.embedded import (
    PATIENCE_S,
    connected,
    journaled,
    quicken,
    records,
    send,
    stored,
    waiting,
)
from tests.support.running import Cold, wait_until


def _world(folder: Path, port: int, cluster: dict | None = None) -> World:
    world = World.of(folder, 1, ("avaya_cm",), 12, 4, 0)
    world.write()
    path = folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["limits"].update(window_ms=300)
    document["monitor"] = {"port": port}
    if cluster is not None:
        document["cluster"] = cluster
    path.write_text(yaml.safe_dump(document), "utf-8")
    return world


def _send(runtime: Runtime, world: World) -> None:
    """Send all lines of the PBX to its link and wait until they are taken."""
    connector = runtime.configuration.settings.links[0].connector
    with socket.create_connection(("127.0.0.1", connector.port), timeout=30) as connection:
        for line in world.lines[world.pbxs[0].pbx_uid]:
            connection.sendall(line.data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


def _calls(runtime: Runtime) -> int:
    """Ask as any part of the process asks: over the stub of a peer, without a network."""
    query = runtime.role.nexus.peer("query", caller="tests")
    return sum(len(page.calls) for page in query.SearchCalls(query_pb2.SearchCallsRequest()))


def test_the_embedded_installation_is_plugins_that_end_in_reverse(tmp_path: Path):
    """Journal, store, processor, connectors; questions start the lazy answers; a stop ends all."""
    port = free_port()
    world = _world(tmp_path, port)
    runtime = Runtime(load(tmp_path))
    runner = threading.Thread(target=runtime.run)
    runner.start()
    try:
        wait_until(lambda: runtime.role.health.started, 120, "the start")
        nexus = runtime.role.nexus
        assert list(nexus.states()) == [
            "bluewhale.embedded.journal",
            "bluewhale.embedded.control",
            "bluewhale.embedded.monitor",
            "bluewhale.embedded.store",
            "bluewhale.embedded.prices",
            "bluewhale.alerts",
            "bluewhale.embedded.processor",
            "bluewhale.embedded.connectors",
            "bluewhale.embedded.house",
            "bluewhale.embedded.workers",
            "bluewhale.embedded.answers",
            "bluewhale.embedded.tariffs",
        ]
        assert str(nexus.states()["bluewhale.embedded.answers"]) == "resolved"
        wait_until(
            lambda: all(
                c.state.listening_on is not None for c in runtime.service("connectors").values()
            ),
            30,
            "the port",
        )
        _send(runtime, world)
        wait_until(lambda: _calls(runtime) >= 12, 60, "the calls")
        assert str(nexus.states()["bluewhale.embedded.answers"]) == "active"
        for path in ("healthz", "readyz", "livez", "startupz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
                assert json.load(answer) == {"healthy": True, "wrong": {}}
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        assert 'method="SearchCalls",service="Query",side="answered"' in text
    finally:
        runtime.stop()
        runner.join(60)
    assert set(map(str, nexus.states().values())) == {"stopped"}


def test_what_was_received_before_the_stop_is_stored(tmp_path: Path):
    """The stop comes right behind the last byte: the processor moves what the journal has."""
    world = _world(tmp_path, 0)
    runtime = Runtime(load(tmp_path))
    runner = threading.Thread(target=runtime.run)
    runner.start()
    try:
        wait_until(lambda: runtime.role.health.started, 120, "the start")
        _send(runtime, world)
    finally:
        runtime.stop()
        runner.join(60)
    with Store.open(tmp_path / "data" / "store") as store:
        received = sum(store.completeness().days.column("received").to_pylist())
    assert received == len(world.lines[world.pbxs[0].pbx_uid])


def test_a_crash_behind_a_commit_leaves_nothing_in_the_journal_for_ever(tmp_path: Path):
    """Stored, but not told to the journal when the power went: told at the next start."""
    world = _world(tmp_path, 0)
    quicken(tmp_path)
    up = Cold().start(tmp_path, "up")
    files = tmp_path / "data" / "store" / "main.db", tmp_path / "data" / "journal.db"
    with connected(tmp_path) as pbx, contextlib.ExitStack() as locks:
        main, journal = (
            locks.enter_context(contextlib.closing(sqlite3.connect(f, timeout=30))) for f in files
        )
        main.execute("BEGIN IMMEDIATE")
        send(pbx, lines := world.lines[world.pbxs[0].pbx_uid])
        wait_until(lambda: journaled(tmp_path) == records(lines), PATIENCE_S, "the journal")
        journal.execute("BEGIN IMMEDIATE")
        main.rollback()
        with Store.open(tmp_path / "data" / "store") as store:
            wait_until(lambda: stored(store)[0] == records(lines), PATIENCE_S, "the commit")
        assert up.kill()
    assert waiting(tmp_path) == records(lines)
    up = Cold().start(tmp_path, "up")
    wait_until(lambda: waiting(tmp_path) == 0, PATIENCE_S, "what is stored to leave")
    up.stop()


def test_what_an_import_stored_is_added_up_and_laid_out_before_anybody_asks(tmp_path: Path):
    """As the role storage does: the first dashboard and the first list do not wait for it."""
    place = build(tmp_path)
    folder = tmp_path / "data" / "store" / "segments"
    with Store.open(tmp_path / "data" / "store") as store:
        names = [segment.name for segment in store.run_read(store.files.live)]
    assert len(names) == 3
    up = Cold().start(tmp_path, "up")
    for name in names:
        for kind in ("counted.parquet", "paid.parquet", "call.rows"):
            file = folder / f"{name}.{kind}"
            wait_until(file.exists, PATIENCE_S, file.name)
    up.stop()
    assert place.ask("calls", "--json", "--limit", "1000").out.count("\n") == 150


def test_layers_of_the_configuration_govern_the_embedded_installation_too(tmp_path: Path):
    """One line, `layer: access` without a policy: nobody may ask."""
    _world(tmp_path, 0, {"layers": [{"layer": "access"}]})
    runtime = Runtime(load(tmp_path))
    runner = threading.Thread(target=runtime.run)
    runner.start()
    try:
        wait_until(lambda: runtime.role.health.started, 120, "the start")
        try:
            _calls(runtime)
        except Exception as error:  # noqa: BLE001 - any failure is shown by the assertion
            said = str(error)
    finally:
        runtime.stop()
        runner.join(60)
    assert (
        said
        == "PERMISSION_DENIED: plugin/tests may not ask Query/SearchCalls; a rule of the access policy must allow it"
    )


def test_the_embedded_installation_serves_tariffs_and_prices_by_what_was_activated(tmp_path: Path):
    """The same service as billing's, without a network; the next calls have the new version."""
    world = _world(tmp_path, 0)
    runtime = Runtime(load(tmp_path))
    runner = threading.Thread(target=runtime.run)
    runner.start()
    try:
        wait_until(lambda: runtime.role.health.started, 120, "the start")
        tariffs = runtime.role.nexus.peer("tariffs", caller="tests")
        source = tariffs_pb2.Files(
            files=[
                tariffs_pb2.File(name=f.name, plain=f.read_bytes() + b"\n")
                for f in (tmp_path / "tariffs").glob("carrier-2026.*")
            ]
        )
        assert tariffs.Validate(tariffs_pb2.ValidateRequest(files=source)).good
        reply = tariffs.Activate(tariffs_pb2.ActivateRequest(files=source, who="ada"))
        assert (reply.version.version, reply.version.state) == (2, "active")
        assert reply.others_look_every_ms == 0
        assert reply.in_use_since_ms >= reply.version.activated_at_ms
        _send(runtime, world)
        wait_until(lambda: _calls(runtime) >= 12, 60, "the calls")
        (page,) = runtime.role.nexus.peer("query", caller="tests").SearchCalls(
            query_pb2.SearchCallsRequest()
        )
        explained = [
            tariffs.Explain(tariffs_pb2.ExplainRequest(call=c.call_id)) for c in page.calls
        ]
        versions = {
            e.tariff_version
            for reply in explained
            for e in reply.explanations
            if e.tariff_uid == "carrier-2026"
        }
        assert versions == {2}
        trial = tariffs.Try(tariffs_pb2.TryRequest(number="+44 20 7946 0123")).trials[0]
        assert (trial.price_list, trial.tariff_version) == ("carrier", 2)
        listed = tariffs.List(tariffs_pb2.ListRequest(tariff_uid="carrier-2026")).versions
        assert [(v.version, v.state, v.activated_by) for v in listed] == [
            (1, "retired", "configuration"),
            (2, "active", "ada"),
        ]
    finally:
        runtime.stop()
        runner.join(60)


def test_the_log_says_as_much_as_it_was_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`error`: a good run says nothing; `info`: its life, line by line."""
    port = free_port()
    _world(tmp_path, port)

    def started() -> bool:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/startupz").status == 200
        except OSError:
            return False

    said = {}
    for level in ("error", "info"):
        monkeypatch.setenv("BLUEWHALE_LOG_LEVEL", level)
        running = Cold().start(tmp_path, "up")
        try:
            wait_until(started, 120, "the start")
        finally:
            running.stop()
        said[level] = (tmp_path / "up.log").read_text("utf-8")
    assert said["error"] == ""
    assert {json.loads(line)["level"] for line in said["info"].splitlines()} == {"info"}


def test_a_log_level_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before anything is opened; the four that there are stand in the answer."""
    monkeypatch.setenv("BLUEWHALE_LOG_LEVEL", "loud")
    answer = bluewhale("up", "--config", tmp_path)
    assert answer.code == 2
    assert (
        "environment BLUEWHALE_LOG_LEVEL: 'loud' is no level; one of debug, info, warning, error"
        in answer.err
    )
