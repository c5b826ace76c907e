"""A unit process whose wall clock is wrong by a year: all arrives, the skew is told, nothing is set."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from bluewhale.cli.main import app
from bluewhale.cli.simulate.setup import free_port
from typer.testing import CliRunner

from tests.integration.remoteunit.places import AVAYA, installed, unit_of
from tests.support.ingest_beside import IngestBeside
from tests.support.shifted_clock import ShiftedClock
from tests.support.unit_process import UnitProcess, send_lines, wait_until

YEAR_S = 365 * 86_400
LINES = [b"line %d" % n for n in range(100)]


def shown(folder: Path, beside: IngestBeside) -> str:
    """Give what `bluewhale unit show depot` says to an operator elsewhere."""
    keys = folder / "keys"
    if not keys.exists():
        words = ["unit", "authority", "operator", "ada", "--to", str(keys), "-c"]
        made = CliRunner().invoke(app, [*words, str(folder / "centre")])
        assert made.exit_code == 0, made.output
    server = f"127.0.0.1:{beside.port}"
    told = CliRunner().invoke(
        app, ["unit", "show", "depot", "--server", server, "--identity", str(keys)]
    )
    assert told.exit_code == 0, told.output
    return str(told.stdout)


def skew_s(text: str) -> float:
    """Give the clock's skew as `unit show` prints it."""
    found = re.search(r"clock ([+-]\d+) ms", text)
    assert found is not None, text
    return int(found[1]) / 1000


def own_skew_s(unit: UnitProcess) -> float:
    """Give what the unit itself says on /metrics."""
    found = re.search(
        r'bluewhale_unit_skew_seconds\{unit_uid="depot"\} (\S+)', unit.ask("metrics")[1]
    )
    return float(found[1]) if found else 0.0


def received_s(beside: IngestBeside) -> list[float]:
    """Give when the unit heard each record, by its own clock."""
    return [
        record.received_at_ms / 1000
        for key in list(beside.records)
        if key[0] == AVAYA
        for _, record in sorted(beside.records[key].items())
    ]


@pytest.mark.parametrize(("shift_s", "side"), [(YEAR_S, "ahead of"), (-YEAR_S, "behind")])
def test_a_unit_that_is_a_year_off_delivers_all_and_is_named(
    tmp_path: Path, shift_s: int, side: str
):
    """Enrolled and connected over mutual TLS; its times stay its own; show says what to do."""
    clock = ShiftedClock(tmp_path / "clock", shift_s)
    port = free_port()
    with IngestBeside(installed(tmp_path / "centre", port)).running() as beside:
        unit = unit_of(tmp_path / "unit", beside.port, beside.enrolment_port, beside.token("depot"))
        unit.environment = clock.environment
        with unit:
            send_lines(port, LINES)
            wait_until(lambda: beside.data(AVAYA) == LINES, "every record", 60)
            assert all(abs(at - shift_s - time.time()) < 120 for at in received_s(beside))
            wait_until(lambda: abs(own_skew_s(unit) - shift_s) < 30, "the unit's own skew")
            text = shown(tmp_path, beside)
            assert abs(skew_s(text) - shift_s) < 30
            assert re.search(
                rf"its clock is 3153\d\d\d\d s {side} the centre's; set it \(NTP\); nothing is corrected",
                " ".join(text.split()),
            )


def test_a_clock_that_jumps_by_a_year_while_the_unit_works_disturbs_nothing(tmp_path: Path):
    """Right at first, then a year ahead, then right again: every record once, the skew follows."""
    clock = ShiftedClock(tmp_path / "clock")
    port = free_port()
    with IngestBeside(installed(tmp_path / "centre", port)).running() as beside:
        unit = unit_of(tmp_path / "unit", beside.port, beside.enrolment_port, beside.token("depot"))
        unit.environment = clock.environment
        with unit:
            sent: list[bytes] = []
            for number, shift_s in enumerate((0, YEAR_S, 0)):
                clock.set(shift_s)
                lines = [b"part %d line %d" % (number, n) for n in range(50)]
                sent += lines
                send_lines(port, lines)
                wait_until(lambda: beside.data(AVAYA) == sent, "every record", 60)  # noqa: B023
                wait_until(lambda: abs(own_skew_s(unit) - shift_s) < 30, "the skew", 60)  # noqa: B023
            assert unit.is_ready()
            at_s = received_s(beside)
            assert all(abs(at - time.time()) < 120 for at in at_s[:50] + at_s[100:])
            assert all(abs(at - YEAR_S - time.time()) < 120 for at in at_s[50:100])
