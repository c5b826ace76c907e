"""A unit process and a centre in the test: collecting, sending, surviving."""

import json
import re
import signal
import socket
import time

import pytest
from bluewhale.cli.simulate.setup import free_port

from tests.support.centre import Centre
from tests.support.unit_process import UnitProcess, document, link, send_lines, wait_until


@pytest.fixture
def centre():
    """Give a centre that serves streams 7 and 8."""
    made = Centre([7, 8]).start()
    yield made
    made.close()


def unit_of(tmp_path, centre, **settings):
    """Give a unit of that centre, not started."""
    return UnitProcess(tmp_path, "depot-1", f"127.0.0.1:{centre.port}", insecure=True, **settings)


def listening(port, uid="smdr", stream_id=7, **more):
    """Give the entry of a TCP link."""
    return link(uid, stream_id, {"type": "tcp_server", "port": port}, **more)


def lines(first, count):
    """Give so many records, each its own."""
    return [b"record %06d" % i for i in range(first, first + count)]


def test_lines_of_a_pbx_arrive_in_order_and_leave_the_journal(tmp_path, centre):
    """What is stored is deleted from the unit; the heartbeat tells counts, links and clock."""
    port = free_port()
    centre.document = document(listening(port))
    with unit_of(tmp_path, centre) as unit:
        send_lines(port, lines(0, 1_000))
        wait_until(lambda: len(centre.data(7)) == 1_000, "all records")
        assert centre.data(7) == lines(0, 1_000)
        told = wait_until(
            lambda: next((h for h in centre.heartbeats if h.streams and
                          h.streams[0].stored_through == 1_000), None),
            "the journal to be told that all is stored",
        )  # fmt: skip
        wait_until(
            lambda: any(t.journaled == 1_000 for h in centre.heartbeats for t in h.tallies),
            "the counts of the day",
        )
        assert told.configuration.state == "effective"
        assert told.links[0].link_uid == "smdr"
        assert abs(told.clock_skew_ms) < 5_000
        wait_until(unit.is_ready, "readiness")
        assert unit.stop() == 0


def test_a_unit_starts_and_collects_without_the_centre_and_delivers_later(tmp_path, centre):
    """The last good document is on disk; what was heard meanwhile arrives when the centre is back."""
    port = free_port()
    centre.document = document(listening(port))
    unit = unit_of(tmp_path, centre)
    with unit:
        send_lines(port, lines(0, 10))
        wait_until(lambda: len(centre.data(7)) == 10, "the first records")
        wait_until(unit.is_ready, "the document in effect")
        assert unit.stop() == 0
        centre.stop()
        unit.start()
        send_lines(port, lines(10, 500))
        time.sleep(0.5)
        assert unit.ask("livez")[0] == 200
        status, why = unit.ask("readyz")
        assert status == 503
        assert "uplink" in why
        unit.kill()  # and even killed before the centre is back
        unit.start()
        centre.start()
        wait_until(lambda: len(centre.data(7)) == 510, "everything")
    assert sorted(centre.data(7)) == lines(0, 510)


def test_a_unit_killed_again_and_again_loses_nothing_that_it_journaled(tmp_path, centre):
    """Ten times kill -9: journaled records are stored once per key, in the end all of them."""
    port = free_port()
    centre.document = document(listening(port))
    unit = unit_of(tmp_path, centre)
    with unit:
        wait_until(unit.is_ready, "the document in effect")
        for round_number in range(10):
            send_lines(port, lines(round_number * 50, 50))
            wait_until(lambda n=round_number: _journaled(unit) >= (n + 1) * 50, "the journal")
            unit.kill()
            unit.start()
        wait_until(lambda: len(centre.data(7)) == 500, "everything", 60)
    assert sorted(centre.data(7)) == lines(0, 500)


def _journaled(unit):
    """Count what the journal ever took, over restarts, by its tallies."""
    import sqlite3

    path = unit.folder / "data" / "journal.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        found = db.execute("SELECT coalesce(sum(journaled), 0) FROM tally").fetchone()[0]
    db.close()
    return found


def test_a_wiped_log_and_a_refusing_log_lose_nothing(tmp_path, centre):
    """The unit sends again what the log forgot, and waits while the log takes nothing."""
    port = free_port()
    centre.document = document(listening(port))
    centre.hold_stored = True
    with unit_of(tmp_path, centre):
        send_lines(port, lines(0, 300))
        wait_until(lambda: len(centre.data(7)) == 300, "the first records")
        centre.records.clear()
        centre.wipe_log()
        wait_until(lambda: len(centre.data(7)) == 300, "the same records again")
        centre.refuse_appends = True
        send_lines(port, lines(300, 300))
        time.sleep(0.5)
        assert len(centre.data(7)) == 300
        centre.refuse_appends = False
        wait_until(lambda: len(centre.data(7)) == 600, "everything")
    assert centre.data(7) == lines(0, 600)


def test_a_changed_document_changes_only_the_links_that_it_changes(tmp_path, centre):
    """A second link is added while a PBX is connected to the first: its connection stays."""
    first, second = free_port(), free_port()
    centre.document = document(listening(first))
    with unit_of(tmp_path, centre):
        wait_until(lambda: _listens(first), "the first link")
        with socket.create_connection(("127.0.0.1", first)) as pbx:
            pbx.sendall(b"before\r\n")
            wait_until(lambda: centre.data(7), "the record before")
            centre.send(document(listening(first), listening(second, "other", 8), version=2))
            send_lines(second, [b"of the other"])
            wait_until(lambda: centre.data(8), "the record of the new link")
            pbx.sendall(b"after\r\n")
            wait_until(lambda: len(centre.data(7)) == 2, "the record after")
    assert centre.data(7) == [b"before", b"after"]


def test_a_bad_candidate_is_rolled_back_and_reported_and_collection_goes_on(tmp_path, centre):
    """A port that is taken, a forbidden key, a wrong hash: three reports, one undisturbed link."""
    port = free_port()
    good = document(listening(port))
    centre.document = good
    with unit_of(tmp_path, centre), socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        wait_until(lambda: _listens(port), "the link")
        with socket.create_connection(("127.0.0.1", port)) as pbx:
            candidates = [
                (document(listening(busy), version=2), f"cannot listen on 127.0.0.1:{busy}"),
                (document(listening(port), version=3, run="rm"), "'run' may not be set"),
                ((4, "0" * 64, b"{}"), "as announced"),
                (document(link("f", 8, {"type": "folder", "path": "/nowhere"}), version=5),
                 "cannot read /nowhere"),
            ]  # fmt: skip
            for number, (candidate, why) in enumerate(candidates, 1):
                centre.send(candidate)
                report = wait_until(
                    lambda v=candidate[0]: next(
                        (h.configuration for h in centre.heartbeats
                         if h.configuration.desired_version == v
                         and h.configuration.state == "rolled_back"), None),
                    f"the report of {candidate[0]}",
                )  # fmt: skip
                assert why in report.message
                assert report.effective_hash == good[1]
                pbx.sendall(b"line %d\r\n" % number)
                wait_until(lambda n=number: len(centre.data(7)) == n, "the line")


def test_clock_skew_is_measured_and_changes_nothing(tmp_path, centre):
    """A centre a year ahead: the unit says so; receipt times stay the unit's own."""
    year_ms = 365 * 86_400_000
    centre.clock_error_ms = year_ms
    port = free_port()
    centre.document = document(listening(port))
    with unit_of(tmp_path, centre):
        send_lines(port, lines(0, 1))
        wait_until(lambda: centre.data(7), "the record")
        told = wait_until(
            lambda: next((h for h in centre.heartbeats if h.HasField("clock_skew_ms")), None),
            "the measured skew",
        )
        assert told.clock_skew_ms == pytest.approx(year_ms, abs=1_000)
        ((record,),) = [list(kept.values()) for kept in centre.records.values()]
        assert abs(record.received_at_ms - time.time() * 1000) < 60_000


def test_a_frozen_unit_ends_itself_and_says_where_it_stood(tmp_path, centre):
    """Stopped for longer than allowed and woken again, it does not go on as if nothing happened."""
    centre.document = document(listening(free_port()))
    unit = unit_of(tmp_path, centre, freeze_after_s=1.5)
    with unit:
        wait_until(unit.is_ready, "readiness")
        unit.process.send_signal(signal.SIGSTOP)
        time.sleep(3.0)
        unit.process.send_signal(signal.SIGCONT)
        assert unit.process.wait(60) != 0
        unit.process = None
    assert "Timeout (0:00:01.5" in unit.log


def test_a_unit_is_small_and_starts_soon(tmp_path, centre, record_property):
    """Idle and connected: its memory and the time from start to listening, printed."""
    port = free_port()
    centre.document = document(listening(port))
    with unit_of(tmp_path, centre) as unit:
        wait_until(unit.is_ready, "readiness")
        unit.stop()
        began = time.monotonic()
        unit.start()
        wait_until(lambda: _listens(port), "the link")
        took_s = time.monotonic() - began
        wait_until(unit.is_ready, "readiness")
        wait_until(lambda: unit.rss_mib <= 60, "at most 60 MiB")  # 3 s after the start
        rss = unit.rss_mib
    record_property("figure", f"unit: {rss:.1f} MiB idle, listening after {took_s:.2f} s")
    assert took_s < 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unit_uid: depot-1\ncentre: 10.0.0.1:7440\ndata: d\ninsecure: true\n", "not the loopback"),
        ("unit_uid: depot-1\ncentre: localhost:7440\ndata: d\ncolour: red\n", "colour"),
        ("unit_uid: Depot 1\ncentre: nowhere\ndata: d\n", "unit_uid.*centre"),
        ("- a\n", "unit.yaml"),
        ("a: [\n", "not YAML"),
    ],
)
def test_wrong_settings_are_one_clear_line(tmp_path, capfd, text, said):
    """The process ends with 2 and names the key."""
    import subprocess
    import sys

    config = tmp_path / "unit.yaml"
    config.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "bluewhale.remoteunit", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert re.search(said, done.stderr, re.DOTALL)
    assert len(done.stderr.strip().splitlines()) == 1 or "YAML" in done.stderr


def test_log_lines_are_json_and_carry_no_secret(tmp_path, centre):
    """Every line parses; the token of the settings is in none of them."""
    centre.document = document(listening(free_port()))
    with unit_of(tmp_path, centre, token="bw1.depot-1.topsecret.pin") as unit:
        wait_until(unit.is_ready, "readiness")
        unit.stop()
        for line in unit.log.splitlines():
            assert json.loads(line)["event"]
        assert "topsecret" not in unit.log


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except OSError:
        return False
    return True
