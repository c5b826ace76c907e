"""How fast a unit empties its journal into the raw log, how small it is, how soon it listens.

A unit process with a full journal, an ingest process over the in-memory log,
mutual TLS between them, one machine. The log's reader unpacks every frame and
gives stored marks, so the unit deletes meanwhile.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bluewhale.capture import CapturedRecord
from bluewhale.configuration import stream_id
from bluewhale.journal import Journal

from bench.__main__ import ROOT, Figure
from bench.report import give, short
from tests.integration.remoteunit.places import installed, unit_of
from tests.support.ingest_beside import IngestBeside
from tests.support.unit_process import UnitProcess, free_port, wait_until

STREAM = stream_id("hq-avaya-cdr", "depot")
STARTS = 5
LINE = "{:02d}{:02d} {:05d} 1 9   8005 {:>16} 2001 {:04d} 0 {:9d} {:06d}"  # like a custom CDR


def fill(folder: Path, records: int) -> None:
    """Journal so many records of 70 bytes, as a long outage leaves them."""
    now_ms = int(time.time() * 1000)
    with Journal.open(folder / "data" / "journal.db", quota_bytes=4 << 30) as journal:
        for first in range(0, records, 20_000):
            journal.append(
                STREAM,
                [
                    CapturedRecord(
                        LINE.format(i // 60 % 24, i % 60, i % 7_000, 5_550_100, i % 500, i, i % 97)
                        .encode(), None, 1, 1, now_ms
                    )
                    for i in range(first, min(records, first + 20_000))
                ],
            )  # fmt: skip


def centre(folder: Path, records: int, port: int) -> None:
    """Be ingest: say where, then say how long the records took."""
    with IngestBeside(installed(folder, port)).running() as beside:
        said = {"port": beside.port, "enrolment": beside.enrolment_port}
        print(json.dumps(said | {"token": beside.token("depot")}), flush=True)
        while not beside.stored:
            time.sleep(0.001)
        began, had = time.perf_counter(), beside.stored
        while beside.stored < records:
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        print(json.dumps({"per_second": (records - had) / seconds}), flush=True)
        sys.stdin.read()


def main() -> None:
    records = 100_000 if short() else 500_000
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fill(folder / "unit", records)
        port = free_port()
        beside = subprocess.Popen(
            [sys.executable, "-m", "bench.uplink", "--centre", place, str(records), str(port)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        try:
            told = _said(beside)
            unit = unit_of(folder / "unit", told["port"], told["enrolment"], told["token"])
            with unit:
                per_second = _said(beside)["per_second"]
                wait_until(unit.is_ready, "readiness")
                starts = [_start(unit, port) for _ in range(2 if short() else STARTS)]
                wait_until(unit.is_ready, "readiness")
                time.sleep(3.0)
                rss = unit.rss_mib
        finally:
            beside.stdin.close()
            beside.wait(30)
    give(
        [
            Figure(
                "uplink_records_per_second", per_second, "records/s", ">= 50000",
                f"{records:,} records of 70 bytes from a unit's journal into the log, mutual TLS",
            ),
            Figure("unit_rss_idle_mib", rss, "MiB", "<= 60", "connected by mutual TLS, one link"),
            Figure(
                "unit_start_seconds", statistics.median(starts), "s", "<= 1",
                "process start to listening on its link",
            ),
        ]
    )  # fmt: skip


def _said(process: subprocess.Popen[str]) -> dict:
    while line := process.stdout.readline():
        if line.startswith("{"):
            found = json.loads(line)
            if "event" not in found:
                return found
    raise SystemExit("ingest ended")


def _start(unit: UnitProcess, port: int) -> float:
    """Start the unit anew; gives the seconds until its link listens."""
    import socket

    unit.stop()
    began = time.perf_counter()
    unit.start()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.005)
        else:
            return time.perf_counter() - began


if __name__ == "__main__":
    if "--centre" in sys.argv:
        at = sys.argv.index("--centre")
        centre(Path(sys.argv[at + 1]), int(sys.argv[at + 2]), int(sys.argv[at + 3]))
    else:
        main()
