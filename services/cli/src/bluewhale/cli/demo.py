"""`bluewhale demo`: the whole main job on this machine, checked against the truth.

Owns the story: a simulated world, a real `bluewhale up` in a process of its
own, real bytes, then questions to the store. With faults, the process is killed
while the journal is full, a range of the journal is swallowed, and a PBX speaks
a format that is not its own: the answers must name exactly these.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from bluewhale.cli.asking import whole_nanos
from bluewhale.cli.commands.calls import print_explanation
from bluewhale.cli.demo_page import serve_page
from bluewhale.cli.exceptions import CheckFailedError
from bluewhale.cli.output import bar, duration, money, show_table
from bluewhale.cli.simulate.play import Line, Sent
from bluewhale.cli.simulate.session import DIALECTS, World, play_all
from bluewhale.cli.simulate.truth import TrueCall
from bluewhale.cli.simulate.verify import DIFFERENCES_SHOWN, compare

if TYPE_CHECKING:
    from bluewhale.database import Store

SEED = 7
PATIENCE_S = 240
FOREIGN_LINES = 12
SWALLOWED_RECORDS = 12
_NEVER_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Expected:
    """What the store must say, besides the calls."""

    records: int
    suspended: int
    lost: range  # capture sequence numbers swallowed
    calls: list[TrueCall]


def run(folder: Path | None, *, calls: int, faults: bool, page: bool = False) -> None:
    """Run the demo in a folder (kept) or a temporary one; `page`: serve its page until stopped.

    Raises
    ------
    CheckFailedError
        The store differs from the truth; the differences are listed.
    """
    with kept_or_temporary(folder) as place:
        started = time.monotonic()
        world = World.of(place, 3, DIALECTS, calls, SEED, 0 if faults else 2)
        world.write()
        print(f"{len(world.truth)} calls of {len(world.pbxs)} PBXs: " + ", ".join(
            f"{p.pbx_uid} ({p.dialect_id}, {p.place.zone})" for p in world.pbxs
        ))  # fmt: skip
        expected = _with_faults(world) if faults else _plain(world)
        from bluewhale.database import Store

        with Store.open(place / "data" / "store") as store:
            tell(store, world)
            judge(store, world, expected)
            if faults:
                _name_faults(store, world, expected.lost)
        print(f"\nall of it took {time.monotonic() - started:.0f} s; equal to the truth")
        if page:
            serve_page(place, world.pbxs)


@contextlib.contextmanager
def kept_or_temporary(folder: Path | None) -> Iterator[Path]:
    """Give the folder, made if needed, or one that is removed at the end."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="bluewhale-demo-") as place:
        yield Path(place)


def _plain(world: World) -> Expected:
    """Everything goes well, but for reconnects and garbage on the lines."""
    with _up(world.folder):
        sent = play_all(world)
        report_sent(sent)
        expected = expected_of(world, sent)
        _wait(world, expected)
    return expected


def expected_of(world: World, sent: dict[str, Sent]) -> Expected:
    """Say what the store must hold when all that was sent is stored."""
    records = sum(s.records + s.repeated + s.garbage for s in sent.values())
    return Expected(records, sum(s.garbage for s in sent.values()), range(0), world.truth)


def _with_faults(world: World) -> Expected:
    """Kill the process when all is journaled, swallow a range, send a foreign format."""
    victim, stranger = world.pbxs[0], world.pbxs[2]
    foreign = [
        Line(f"N {k:03} 00 T010016 DN2001 03/02 10:{k:02}:00 00:01:{k:02}\r\n".encode(), "garbage")
        for k in range(FOREIGN_LINES)
    ]
    world.lines[stranger.pbx_uid] += foreign
    _set_poll_interval(world, _NEVER_MS)
    with _up(world.folder, kill=True):
        sent = play_all(world)
        report_sent(sent)
        total = sum(s.records + s.repeated + s.garbage for s in sent.values())
        _until(lambda: _journaled(world) >= total, "everything to be journaled")
    seqs, touched = _lonely_range(world, victim.pbx_uid)
    print(
        f"killed with {total} records in the journal; swallowing records {seqs.start}..{seqs.stop - 1} of {victim.pbx_uid}"
    )
    _swallow(world, victim.link_uid, seqs)
    _set_poll_interval(world, 100)
    kept = [c for c in world.truth if c.number not in touched]
    expected = Expected(total - len(seqs), FOREIGN_LINES, seqs, kept)
    with _up(world.folder):
        _wait(world, expected)
    return expected


def _lonely_range(world: World, pbx_uid: str) -> tuple[range, set[int]]:
    """Find consecutive records that are whole calls each, before the first reconnect.

    Gives their capture sequence numbers and call numbers. (Half a transfer would
    still be a call, of another price: a fault of its own.)
    """
    numbers = [x.call for x in world.lines[pbx_uid] if x.kind != "context"]
    counts = Counter(numbers)
    for start in range(len(numbers) - SWALLOWED_RECORDS):
        part = numbers[start : start + SWALLOWED_RECORDS]
        if all(counts[n] == 1 for n in part):
            return range(start + 1, start + 1 + SWALLOWED_RECORDS), set(part)
    raise CheckFailedError("no range of plain calls to swallow; ask for more --calls")


def _set_poll_interval(world: World, poll_interval_ms: int) -> None:
    path = world.folder / "bluewhale.yaml"
    document = yaml.safe_load(path.read_text("utf-8"))
    document["limits"]["poll_interval_ms"] = poll_interval_ms
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")


def _journal(world: World) -> sqlite3.Connection:
    return sqlite3.connect(world.folder / "data" / "journal.db", timeout=10)


def _journaled(world: World) -> int:
    with contextlib.closing(_journal(world)) as db:
        return int(db.execute("SELECT COALESCE(SUM(journaled), 0) FROM tally").fetchone()[0])


def _swallow(world: World, link_uid: str, seqs: range) -> None:
    """Take a range of records out of the journal behind its back."""
    from bluewhale.configuration import stream_id

    with contextlib.closing(_journal(world)) as db:
        rows = db.execute(
            "SELECT id FROM record WHERE stream_id = ? ORDER BY id LIMIT ? OFFSET ?",
            (stream_id(link_uid), len(seqs), seqs.start - 1),
        ).fetchall()
        db.executemany("DELETE FROM record WHERE id = ?", rows)
        db.commit()


@contextlib.contextmanager
def _up(folder: Path, *, kill: bool = False) -> Iterator[None]:
    """Run `bluewhale up` in a process of its own; end it cleanly, or by kill -9."""
    program = "import sys; from bluewhale.cli.main import main; sys.argv[0] = 'bluewhale'; main()"
    with (folder / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "up", "--config", str(folder)], stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            code = process.wait(60)
    if code and not kill:
        raise CheckFailedError(
            f"bluewhale up ended with {code}: {(folder / 'up.log').read_text()[-2000:]}"
        )


def _until(happens: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        if time.monotonic() > deadline:
            raise CheckFailedError(f"waited {PATIENCE_S} s in vain for {what}")
        time.sleep(0.25)


def _wait(world: World, expected: Expected) -> None:
    """Wait until every record is stored and every leg is in a call."""
    from bluewhale.database import Store

    store = None

    def done() -> bool:
        nonlocal store
        if store is None:
            if not (world.folder / "data" / "store" / "main.db").exists():
                return False
            store = Store.open(world.folder / "data" / "store")
        days = store.completeness().days.to_pylist()
        received = sum(d["received"] for d in days)
        return received >= expected.records and all(not d["open"] for d in days)

    try:
        _until(done, f"{expected.records} records to be stored and joined")
    finally:
        if store is not None:
            store.close()


def report_sent(sent: dict[str, Sent]) -> None:
    """Print what each PBX sent."""
    for pbx_uid, s in sent.items():
        print(
            f"  {pbx_uid}: sent {s.records} records, {s.repeated} again after a reconnect, {s.garbage} lines that are none"
        )


def tell(store: Store, world: World) -> None:
    """Show what a person would look at: summary, charge-back, one receipt, completeness."""
    from bluewhale.database import CallFilter

    calls = store.search_calls(CallFilter(), limit=1_000_000).to_pylist()
    rows = []
    for pbx in world.pbxs:
        mine = [c for c in calls if c["pbx_uids"][0] == pbx.pbx_uid]
        cost: Counter[str] = Counter()
        for c in mine:
            cost.update({t["price_list"]: t["amount_nanos"] for t in c["totals"] or ()})
        rows.append(
            {
                "pbx": pbx.pbx_uid,
                "dialect": pbx.dialect_id,
                "calls": len(mine),
                "merged": sum(c["leg_count"] > 1 for c in mine),
                "talk": duration(sum(c["talk_ms"] or 0 for c in mine)),
                "carrier": money(cost["carrier"], "EUR"),
                "internal": money(cost["internal"], "EUR"),
            }
        )
    show_table(rows, title="calls")
    found = whole_nanos(store.report("department"))
    report = [r for r in found if r["price_list"] == "internal"]
    largest = max((r["amount_nanos"] for r in report), default=0)
    show_table(
        [
            {
                "department": r["name"],
                "calls": r["calls"],
                "talk": duration(r["talk_ms"]),
                "charged": money(r["amount_nanos"], r["currency"]),
                "": bar(r["amount_nanos"], largest),
            }
            for r in report
        ],
        title="charge-back by department",
    )
    merged = [c for c in calls if c["leg_count"] > 1 and c["transfers"]] or calls
    print("one call, explained\n")
    print_explanation(store, merged[0]["call_id"])


def judge(store: Store, world: World, expected: Expected) -> None:
    """Compare calls, counts and gaps with the truth; show the completeness table."""
    found = store.completeness()
    show_table(found.days.to_pylist(), title="completeness")
    differences = compare(expected.calls, store, {p.pbx_uid for p in world.pbxs})
    days = found.days.to_pylist()
    for name, wanted, stage in (
        ("records received", expected.records, "received"),
        ("records in suspense", expected.suspended, "suspended"),
    ):
        got = sum(d[stage] for d in days)
        if got != wanted:
            differences.append(f"{name}: {got}, the truth is {wanted}")
    lost = sum(g["records"] for g in found.gaps.to_pylist())
    if lost != len(expected.lost):
        differences.append(f"records lost: {lost}, the truth is {len(expected.lost)}")
    if not expected.lost and not found.complete:
        differences.append("completeness does not balance")
    if differences:
        raise CheckFailedError(
            "\n  ".join([f"{len(differences)} differences:", *differences[:DIFFERENCES_SHOWN]])
        )
    heard = expected.records + len(expected.lost)
    share = 100 * expected.records / heard
    print(
        f"completeness {share:.1f} %: {expected.records} of {heard} records; {len(expected.calls)} calls, legs, departments and prices equal the truth"
    )


def _name_faults(store: Store, world: World, lost: range) -> None:
    """Show that exactly the planted faults are named."""
    gaps = store.completeness().gaps.to_pylist()
    link = world.pbxs[0].link_uid
    wanted = (link, lost.start, lost.stop - 1)
    named = [(g["link_uid"], g["first_seq"], g["last_seq"]) for g in gaps]
    if named != [wanted]:
        raise CheckFailedError(f"the swallowed range is {wanted}, named was {named}")
    waiting = store.suspense_list().to_pylist()
    strangers = {w["link_uid"] for w in waiting}
    if strangers != {world.pbxs[2].link_uid} or len(waiting) != FOREIGN_LINES:
        raise CheckFailedError(
            f"{len(waiting)} records wait, of {strangers}; planted were {FOREIGN_LINES} of {world.pbxs[2].link_uid}"
        )
    print(
        f"named: {len(lost)} records {wanted[1]}..{wanted[2]} of {link} are gone ({gaps[0]['reason']})"
    )
    print(
        f"named: {len(waiting)} records of {world.pbxs[2].link_uid} are of an unknown format ({waiting[0]['reason']}: {waiting[0]['detail']})"
    )
