"""9,600 bit/s, 2 s each way, 5 % of the packets lost: a unit enrols, connects and delivers."""

import random
import time

import pytest

from tests.integration.remoteunit.places import AVAYA, installed
from tests.support.ingest_beside import IngestBeside
from tests.support.slow_line import SlowLine
from tests.support.unit_process import UnitProcess, wait_until

PATIENCE_S = 300
BACKLOG = 2_000  # records of a day
LINE = b"%02d%02d %05d 9 80055501%02d %04d 0 %09d"


def record(number):
    """Give a record with as much news in it as a real one."""
    draw = random.Random(number).randrange
    return LINE % (draw(24), draw(60), draw(5_000), draw(100), draw(10_000), number)


@pytest.mark.slow
def test_a_unit_enrols_connects_and_delivers_over_a_line_of_9600_bits(tmp_path, record_property):
    """Everything arrives once, in order; late records do not wait behind minutes of queue."""
    folder = tmp_path / "cdr"
    folder.mkdir()
    with SlowLine(bits_per_second=9_600, delay_s=2.0, loss=0.05) as line:
        path = installed(
            tmp_path / "centre",
            0,
            connector={"type": "folder", "path": str(folder), "mode": "tail"},
            listen=f"{line.here}:0",
            enrolment=f"{line.here}:0",
            heartbeat_ms=5_000,
        )
        with IngestBeside(path).running() as beside:
            unit = UnitProcess(
                tmp_path / "unit",
                "depot",
                f"{line.here}:{beside.port}",
                enrolment=f"{line.here}:{beside.enrolment_port}",
                token=beside.token("depot"),
            )
            unit.inside = ["ip", "netns", "exec", line.namespace]
            began = time.monotonic()
            with unit:
                wait_until(lambda: "Document in effect" in unit.log, "the document", PATIENCE_S)
                connected_s = time.monotonic() - began
                wanted = [record(i) for i in range(BACKLOG)]
                with (folder / "Master.csv").open("ab") as file:
                    file.write(b"".join(record + b"\n" for record in wanted))
                wait_until(lambda: beside.stored == BACKLOG, "the backlog", PATIENCE_S)
                backlog_s = time.monotonic() - began - connected_s
                with (folder / "Master.csv").open("ab") as file:
                    file.write(b"one more\n")
                sent = time.monotonic()
                wait_until(lambda: beside.stored == BACKLOG + 1, "one more record", PATIENCE_S)
                one_s = time.monotonic() - sent
                assert beside.data(AVAYA) == [*wanted, b"one more"]
                assert unit.log.count('"Uplink connected"') == 1, "the line was never given up"
    record_property(
        "figure",
        f"9,600 bit/s, 2 s, 5 %: enrolled and configured after {connected_s:.0f} s, {BACKLOG} "
        f"records in {backlog_s:.0f} s, one record in {one_s:.0f} s, "
        f"{line.lost} of {line.packets} packets lost",
    )
