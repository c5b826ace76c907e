"""kill -9 of a process that reads folders: no line is lost, none is journaled twice."""

import os
import random
import signal
import subprocess
import sys
import time

from bluewhale.journal import Journal

from tests.unit.connectors.support import lines

READER = """
import asyncio, pathlib, sys
from bluewhale.capture import FramingTable
from bluewhale.connectors import Folder, LinkSettings
from bluewhale.journal import Journal

async def main(base):
    journal = Journal.open(base / "journal.db")
    whole = Folder(LinkSettings("whole", 1, FramingTable()), journal, path=base / "in",
                   archive=base / "done", complete="renamed", poll_interval_s=0.001)
    tail = Folder(LinkSettings("tail", 2, FramingTable()), journal, path=base / "log",
                  pattern="cdr.log", mode="tail", poll_interval_s=0.001)
    print("up", flush=True)
    await asyncio.gather(whole.run(), tail.run())

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


def killed_after(base, seconds):
    """Read for a moment, then die without a word."""
    child = subprocess.Popen(
        [sys.executable, "-c", READER, str(base)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout.readline() == b"up\n"
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    _, complaint = child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert complaint == b""


def place_of_tail(base):
    """What the journal remembers of the growing file."""
    with Journal.open(base / "journal.db") as journal:
        return journal.notes("tail/")


def counts(base):
    """Records journaled by both links."""
    with Journal.open(base / "journal.db") as journal:
        return [sum(t.journaled for t in journal.tallies(stream)) for stream in (1, 2)]


def test_folders_lose_and_double_nothing_over_kills(tmp_path):
    """Files arrive and a log grows and rotates between ten kills; then the rest is read."""
    for name in ("in", "log", "done"):
        (tmp_path / name).mkdir()
    chance = random.Random(5)
    log = tmp_path / "log" / "cdr.log"
    expected_whole, expected_tail = [], []
    for round_number in range(10):
        for k in range(4):
            body = [b"w%d.%d.%d" % (round_number, k, i) for i in range(2_000)]
            part = tmp_path / "in" / f"f{round_number}-{k}.csv.tmp"
            part.write_bytes(b"\n".join(body))
            part.rename(part.with_suffix(""))
            expected_whole += body
        grown = [b"t%d.%d" % (round_number, i) for i in range(5_000)]
        with log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in grown))
        expected_tail += grown
        killed_after(tmp_path, chance.uniform(0.0, 0.12))
        if round_number == 5:
            seconds = 0.2
            while not place_of_tail(tmp_path):  # a log that nobody ever saw cannot be followed
                killed_after(tmp_path, seconds)
                seconds *= 2  # a busy machine needs longer for its first commit
            log.rename(tmp_path / "log" / "cdr.log.1")
    for doubling in range(6):
        if counts(tmp_path) == [len(expected_whole), len(expected_tail)]:
            break
        killed_after(tmp_path, 0.4 * 2**doubling)
    killed_after(tmp_path, 0.4)  # nothing is read again
    with Journal.open(tmp_path / "journal.db") as journal:
        assert sorted(lines(journal, 1)) == sorted(expected_whole)
        assert sorted(lines(journal, 2)) == sorted(expected_tail)
