"""Real files, real processes: killed, full, locked, newer, damaged."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from bluewhale.capture.exceptions import TemporaryError
from bluewhale.database import (
    Batch,
    CallFilter,
    Store,
    StoreCorruptError,
    StoreFullError,
    StoreVersionError,
)

from tests.spec.database.build import STREAM, leg_row, legs, proposals

ROOT = Path(__file__).parents[3]

# Stores call 1 whole, then dies by kill -9 inside the transaction of call 2, at the point named.
CHILD = """
import os, signal, sys
from pathlib import Path
from bluewhale.database import Batch, Store
from bluewhale.database import commit, hot, rejoin
from tests.spec.database.build import leg_row, legs, proposals

def die(*_args, **_more):
    print("dying", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

store = Store.open(Path(sys.argv[1]))
seal = sys.argv[3] == "seal"
one, two = leg_row(1), leg_row(2, at=60)
store.commit(Batch(now_ms=1, legs=legs(one), proposals=proposals((one,))), seal=seal)
point = sys.argv[2]
if point == "after_legs":
    hot.insert_calls = die
elif point == "after_calls":
    rejoin.apart = die
elif point == "after_files":
    commit.live_segments = lambda tx, was=commit.live_segments: (
        die() if tx.one("SELECT COUNT(*) FROM segment")[0] == 2 else was(tx))
elif point == "before_end":
    commit.save_totals = die
store.commit(Batch(now_ms=2, legs=legs(two), proposals=proposals((two,))), seal=seal)
print("not killed", flush=True)
"""


@pytest.mark.parametrize(
    ("point", "how"),
    [
        ("after_legs", "hot"),
        ("after_calls", "hot"),
        ("before_end", "hot"),
        ("after_files", "seal"),
        ("before_end", "seal"),
    ],
)
def test_a_process_killed_inside_a_transaction_leaves_nothing_half_done(
    point: str, how: str, tmp_path: Path
) -> None:
    """After kill -9 the store has call 1 whole and nothing of call 2; the batch can be repeated."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), point, how],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()
    assert child.stdout == b"dying\n"
    one, two = leg_row(1), leg_row(2, at=60)
    with Store.open(tmp_path) as store:
        assert store.search_calls(CallFilter()).num_rows == 1
        assert store.marks(STREAM)[0].stored_through == 1
        assert store.completeness().complete
        assert store.legs_without_call(2**50) is None
        with store.db.read() as tx:
            named = {r[0] for r in tx.rows("SELECT name FROM segment")}
        on_disk = {p.name.split(".")[0] for p in store.files.folder.iterdir()}
        assert {n for n in on_disk if not n.startswith("empty")} == named
        result = store.commit(
            Batch(now_ms=2, legs=legs(one, two), proposals=proposals((one,), (two,))),
            seal=how == "seal",
        )
        assert (result.accepted, result.replayed) == (1, 1)
        assert (result.created, result.ignored) == (1, 1)
        assert store.search_calls(CallFilter()).num_rows == 2


def test_a_full_disk_is_a_clear_error_and_applies_nothing(tmp_path: Path) -> None:
    """The database may not grow: the batch is refused whole, then works once there is room."""
    rows = [leg_row(n, raw=b"x" * 4000) for n in range(2, 60)]
    big = Batch(now_ms=2, legs=legs(*rows), proposals=proposals(*((r,) for r in rows)))
    with Store.open(tmp_path) as store:
        one = leg_row(1)
        store.commit(Batch(now_ms=1, legs=legs(one), proposals=proposals((one,))))
        with store.db.read() as tx:
            pages = tx.one("PRAGMA page_count")[0]
        store.db.limit_pages(pages + 8)
        with pytest.raises(StoreFullError, match=r"no space left.*Nothing of this batch"):
            store.commit(big)
        assert store.search_calls(CallFilter()).num_rows == 1
        assert store.marks(STREAM)[0].stored_through == 1
        store.db.limit_pages(2**30)
        assert store.commit(big).accepted == 58
        assert store.completeness().complete


def test_a_segment_that_cannot_be_written_applies_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No space for the sealed files: the same clear error, no stray file, no row."""
    import bluewhale.database.segments as module

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with Store.open(tmp_path) as store:
        one = leg_row(1)
        batch = Batch(now_ms=1, legs=legs(one), proposals=proposals((one,)))
        with monkeypatch.context() as patch:
            patch.setattr(module.os, "fsync", full)
            with pytest.raises(StoreFullError, match="No space left on device"):
                store.commit(batch, seal=True)
        assert [p for p in store.files.folder.iterdir() if not p.name.startswith("empty")] == []
        assert store.search_calls(CallFilter()).num_rows == 0
        assert store.commit(batch, seal=True).created == 1


def test_a_database_locked_by_another_writer_is_a_temporary_error(tmp_path: Path) -> None:
    """Another process writes: try again later; readers go on."""
    Store.open(tmp_path).close()
    other = sqlite3.connect(tmp_path / "main.db", isolation_level=None)
    with Store(tmp_path, busy_timeout_ms=50) as store:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TemporaryError, match="another writer") as raised:
            store.commit(Batch(now_ms=1, legs=legs(leg_row(1))))
        assert raised.value.code == "store_busy"
        assert raised.value.retry_after_s > 0
        assert store.search_calls(CallFilter()).num_rows == 0
        other.execute("ROLLBACK")
        assert store.commit(Batch(now_ms=1, legs=legs(leg_row(1)))).accepted == 1
    other.close()


def test_a_store_of_a_newer_release_is_not_touched(tmp_path: Path) -> None:
    """The message names both schema versions."""
    Store.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "main.db") as raw:
        raw.execute("INSERT INTO schema_version VALUES (99, 0)")
    raw.close()
    with pytest.raises(StoreVersionError, match="schema 99"):
        Store.open(tmp_path)


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    """Somebody put another file there."""
    (tmp_path / "main.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreCorruptError, match="not a database"):
        Store.open(tmp_path)


def test_two_processes_of_one_store_see_each_other(tmp_path: Path) -> None:
    """What one commits and seals, the other finds at once."""
    one, two = leg_row(1), leg_row(2, at=60)
    with Store.open(tmp_path) as first, Store.open(tmp_path) as second:
        first.commit(Batch(now_ms=1, legs=legs(one), proposals=proposals((one,))), seal=True)
        assert second.search_calls(CallFilter()).num_rows == 1
        result = second.commit(Batch(now_ms=2, legs=legs(one, two), proposals=proposals((two,))))
        assert (result.accepted, result.replayed) == (1, 1)
        second.seal(before_ms=2**50, now_ms=3)
        assert first.search_calls(CallFilter(number="0301234")).num_rows == 2
