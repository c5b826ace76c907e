"""kill -9 at any moment: every append that returned is there, nothing is there twice."""

import os
import random
import signal
import subprocess
import sys
import time

from bluewhale.journal import Journal

APPENDER = """
import sys
from bluewhale.capture import CapturedRecord
from bluewhale.journal import Journal
journal = Journal.open(__import__("pathlib").Path(sys.argv[1]))
k = 0
while True:
    futures = []
    for stream in (1, 2, 3):
        records = [CapturedRecord(b"%d.%d.%d" % (stream, k, i), b"c", 9, 1, k) for i in range(20)]
        futures.append(journal.submit(stream, records, notes={f"place/{stream}": b"%d" % k}))
    for stream, future in enumerate(futures, 1):
        done = future.result()
        sys.stdout.write(f"{stream} {done.incarnation} {done.last_seq} {k}\\n")
        sys.stdout.flush()
    k += 1
"""


def killed_after(path, seconds):
    """Run the appender, kill it; give what it says was committed: {(stream, incarnation): (seq, k)}."""
    child = subprocess.Popen(
        [sys.executable, "-c", APPENDER, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said = child.stdout.readline()
    time.sleep(seconds)
    os.kill(child.pid, signal.SIGKILL)
    rest, complaint = child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert complaint == b""
    committed = {}
    for line in (said + rest).decode().split("\n")[:-1]:
        stream, incarnation, seq, k = map(int, line.split())
        committed[stream, incarnation] = (seq, k)
    return committed


def test_every_append_that_returned_survives_kill_nine(tmp_path):
    """Six kills on one journal; seqs are complete, notes stand where the records end."""
    path = tmp_path / "journal.db"
    chance = random.Random(11)
    said = {}
    for _ in range(6):
        latest = killed_after(path, chance.uniform(0.0, 0.15))
        said |= latest
    with Journal.open(path) as journal:
        assert journal.salvaged is None
        there = {(s.stream_id, s.incarnation): s.journaled_through for s in journal.streams()}
        for key, (seq, _) in said.items():
            assert there[key] >= seq
        for (stream, incarnation), through in there.items():
            after, data = 0, []
            while (frame := journal.read(stream, incarnation, after)) is not None:
                assert frame.losses == ()
                data += [r.data for r in frame.records]
                after = frame.last_seq
            assert after == through
            assert data == [b"%d.%d.%d" % (stream, i // 20, i % 20) for i in range(through)]
        for stream, incarnation in latest:
            place = int(journal.note(f"place/{stream}"))
            assert there[stream, incarnation] == (place + 1) * 20
