"""A loop that waits is alive; a loop that says nothing is stuck, and says on what."""

from __future__ import annotations

import subprocess
import sys

from bluewhale.messaging import Watchdog


def test_silence_beyond_the_limit_is_stuck_and_named():
    """After 30 s without a sign the watchdog names what was done last."""
    now = [0.0]
    dog = Watchdog("billing", limit_s=30, clock=lambda: now[0])
    dog.alive("handling partition 2")
    now[0] = 30.0
    assert dog.stuck() == ""
    now[0] = 31.0
    assert dog.stuck() == (
        "billing gave no sign of life for 31 s (limit 30 s), last doing: handling partition 2"
    )
    dog.alive("polling")
    assert dog.stuck() == ""


def test_waiting_for_something_outside_has_more_time():
    """A loop that waits for the database is not killed for it."""
    now = [0.0]
    dog = Watchdog("storage", limit_s=30, waiting_limit_s=300, clock=lambda: now[0])
    dog.alive("waiting for the database")
    now[0] = 299.0
    assert dog.stuck() == ""
    assert dog.waiting()
    assert dog.doing() == "storage: waiting for the database for 299 s"
    now[0] = 301.0
    assert "last doing: waiting for the database" in dog.stuck()


def test_doing_counts_from_the_first_sign_of_the_same_thing():
    """Repeating the same words keeps their beginning; other words begin anew."""
    now = [0.0]
    dog = Watchdog("parser", clock=lambda: now[0])
    dog.alive("waiting for the log")
    now[0] = 20.0
    dog.alive("waiting for the log")
    assert dog.doing() == "parser: waiting for the log for 20 s"
    dog.alive("polling")
    assert dog.doing() == "parser: polling for 0 s"


def test_a_stopped_watchdog_is_never_stuck():
    """A loop that ended as it should is no reason to restart."""
    now = [0.0]
    dog = Watchdog("parser", limit_s=1, clock=lambda: now[0])
    dog.stop()
    now[0] = 1e6
    assert dog.stuck() == ""


def test_a_stuck_process_ends_itself_with_all_stacks():
    """Beyond limit and grace the process exits by itself, though its thread hangs."""
    code = (
        "import time\n"
        "from bluewhale.messaging import Watchdog\n"
        "def hanging():\n"
        "    time.sleep(60)\n"
        "Watchdog('parser', limit_s=0.2, exit_after_s=0.3).alive('handling partition 1')\n"
        "hanging()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert "in hanging" in done.stderr
