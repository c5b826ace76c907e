"""The page's questions with many calls stored: search, dashboard, files; in both runtimes.

Asked over HTTP, one question at a time, each of another scope so that no kept answer
helps. `--calls N` sizes it; `--folder F` keeps the calls stored there for the next
time; `--runtime embedded|cluster` measures one of them.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import yaml

from bench.__main__ import ROOT, Figure
from bench.data import BLOCK_LINES, START_S, deck_prefixes, numbers_of
from bench.report import clock, give, short
from bench.stored_calls import PERSONS, PREFIXES, write_installation

CALLS, CALLS_SHORT = 20_000_000, 500_000
SEARCHES = 200
PAGE_ROWS = 200  # as the page asks
FILE_ROWS = 1_000_000
READY_S = 600.0
PASSWORD = "correct horse battery"
FIRST_DAY = datetime.fromtimestamp(START_S, UTC).date()
FORMS = ("csv", "jsonl", "parquet")  # the first one says how many rows there are
PEOPLE = "web_"  # begins the names of the tables of people
_LINK = re.compile(r"Open (\S+)/welcome\?token=(\S+)")


@dataclass
class Served:
    """A running installation: who asks, and the processes that answer."""

    http: httpx.Client
    csrf: str
    pids: dict[str, int]

    def ask(self, path: str, filter_: str, **more: object) -> httpx.Response:
        """Send a filter; anything but 200 ends the measurement."""
        answer = self.http.post(
            f"/api/v1{path}", json={"filter": filter_, **more}, headers={"X-CSRF-Token": self.csrf}
        )
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def forget_peaks(self) -> None:
        """Let peaks of memory begin anew."""
        for pid in self.pids.values():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peaks_mib(self) -> dict[str, float]:
        """Give the peak memory of each process since they began anew."""
        found = {}
        for name, pid in self.pids.items():
            status = Path(f"/proc/{pid}/status").read_text()
            found[name] = int(status.split("VmHWM:")[1].split()[0]) / 1024
        return found


def _welcomed(log: Path, pids: dict[str, int]) -> Served:
    deadline = time.monotonic() + READY_S
    while (said := _LINK.search(log.read_text())) is None:
        if time.monotonic() > deadline:
            raise SystemExit(f"the page did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)
    http = httpx.Client(base_url=said[1], timeout=READY_S, headers={"Accept-Encoding": "identity"})
    me = http.post(
        "/api/v1/welcome", json={"token": said[2], "name": "ana", "password": PASSWORD}
    ).json()
    return Served(http, me["csrf"], pids)


@contextmanager
def embedded(folder: Path) -> Iterator[Served]:
    """Serve by `bluewhale up`."""
    (folder / "data" / "store" / "main.db").stat()
    _forget_people(folder)
    log = folder / "up.log"
    with log.open("wb") as out:
        up = subprocess.Popen(
            [sys.executable, "-c", "from bluewhale.cli.main import main; main()",
             "up", "--config", str(folder)],
            stdout=out, stderr=out,
        )  # fmt: skip
    try:
        yield _welcomed(log, {"up": up.pid})
    finally:
        up.terminate()
        up.wait(60)


def _forget_people(folder: Path) -> None:
    """Let the next start be a first one: a kept store has an owner already."""
    from bluewhale.database import Store, tables

    with Store.open(folder / "data" / "store") as store:
        for name in tables.metadata.tables:
            if name.startswith(PEOPLE):
                store.run_write(lambda tx, name=name: tx.run(f"DELETE FROM {name}"))


@contextmanager
def in_roles(folder: Path) -> Iterator[Served]:
    """Serve by the roles storage, billing and webapi over PostgreSQL and the same sealed files."""
    from bluewhale.cli.borrowing import borrowed_database, borrowed_prefix
    from bluewhale.cli.simulate.installation import Endpoints, Installation

    place = folder / "cluster"
    place.mkdir(exist_ok=True)
    shutil.rmtree(place / "log", ignore_errors=True)  # an earlier link leads nowhere
    document = yaml.safe_load((folder / "bluewhale.yaml").read_text("utf-8"))
    document["directory"] = [str(folder / "directory.yaml")]
    (place / "bluewhale.yaml").write_text(yaml.safe_dump(document), "utf-8")
    if not (place / "segments").exists():
        (place / "segments").symlink_to(folder / "data" / "store" / "segments")
    kafka = os.environ["KAFKA_BOOTSTRAP"]
    with (
        borrowed_database(os.environ["POSTGRES_DSN"]) as database,
        borrowed_prefix(kafka) as prefix,
    ):
        copy_store(folder, database)
        endpoints = Endpoints(kafka=kafka, database=database, redis=None, otlp=None)
        with Installation(place, endpoints, {}, prefix) as it:
            it.write()
            it.start_roles(("storage", "billing", "webapi"))
            pids = {name: it.fleet[name].pid for name in it.fleet.names()}
            log = next((place / "log").glob("webapi*"))
            yield _welcomed(log, pids)


def copy_store(folder: Path, database: str) -> None:
    """Give PostgreSQL the rows of the SQLite store; the sealed files serve both."""
    from bluewhale.database import Store, tables

    with (
        Store.open(folder / "data" / "store") as source,
        Store.open(database, segments=folder / "data" / "store" / "segments") as target,
    ):
        # whoever signs in begins a trail of their own
        passed_over = {tables.schema_version.name, tables.schema_revision.name, "audit"}
        for name, table in sorted(tables.metadata.tables.items()):
            if name in passed_over or name.startswith(PEOPLE):
                continue
            names = [c.name for c in table.columns]
            listed = ", ".join(f'"{n}"' for n in names)
            rows = source.run_read(lambda tx, sql=f"SELECT {listed} FROM {name}": tx.rows(sql))
            marks = ", ".join("?" * len(names))
            sql = f"INSERT INTO {name} ({listed}) VALUES ({marks}) ON CONFLICT DO NOTHING"
            if rows:
                with target.db.write() as tx:
                    tx.many(sql, rows)


def p95_ms(times: list[float]) -> float:
    """Give the 95th percentile, milliseconds."""
    return statistics.quantiles(times, n=20)[-1] * 1000


def timed(asks: list[Callable[[], object]]) -> list[float]:
    """Give the seconds of each question."""
    found = []
    for ask in asks:
        with clock() as c:
            ask()
        found.append(c.seconds)
    return found


def spread(times: list[float]) -> str:
    """Say what lies around the 95th percentile."""
    return f"p50 {statistics.median(times) * 1000:.0f}, max {max(times) * 1000:.0f} ms, n = {len(times)}"


def searches(served: Served, name: str, stored: str) -> list[Figure]:
    """Search by number and by person."""
    numbers = numbers_of(deck_prefixes(PREFIXES), BLOCK_LINES)[:: BLOCK_LINES // SEARCHES]
    questions = {
        "number": [f"number=+{n}" for n in numbers],
        "person": [f"person=p{n}" for n in range(0, PERSONS, PERSONS // 100)],
    }
    figures = []
    for what, asked in questions.items():
        times = timed([lambda f=f: served.ask("/calls/search", f, limit=PAGE_ROWS) for f in asked])  # type: ignore[misc]
        method = f"POST /calls/search, {PAGE_ROWS} calls of {stored}; {spread(times)}"
        figures.append(
            Figure(f"web_{name}_search_{what}_p95", p95_ms(times), "ms", "<= 300", method)
        )
    return figures


def dashboards(served: Served, name: str, stored: str, days: int) -> list[Figure]:
    """Ask for the dashboard of each day, each week, and of all of it; then once more."""
    spans = [(d, 1) for d in range(days)] + [(d, 7) for d in range(0, days, 7)] + [(0, days)]

    def ask(first: int, count: int, shift_s: int) -> object:
        begin = FIRST_DAY + timedelta(days=first)
        until = begin + timedelta(days=count)
        # some seconds longer: the same calls, and no answer that was kept
        path = f"/api/v1/summary?from={begin}&to={until}T00:00:{shift_s:02}Z&tz=UTC"
        answer = served.http.get(path)
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status_code} {answer.text[:500]}")
        return answer

    figures = []
    for run, when in ((1, "first"), (2, "again")):
        times = timed([lambda s=s, r=run: ask(*s, r) for s in spans])  # type: ignore[misc]
        method = f"GET /summary of a day, a week, all ({when} time), {stored}; {spread(times)}"
        target = "<= 1000"
        figures.append(
            Figure(f"web_{name}_dashboard_{when}_p95", p95_ms(times), "ms", target, method)
        )
    return figures


def files(served: Served, name: str, per_day: int) -> list[Figure]:
    """Take some million calls as a file, in each form."""
    until = FIRST_DAY + timedelta(days=-(-FILE_ROWS // per_day))
    figures = []
    rows = 0
    for form in FORMS:
        served.forget_peaks()
        before = served.peaks_mib()
        lines = size = 0
        body = {"filter": f"from={FIRST_DAY}&to={until}&tz=UTC", "form": form}
        with (
            clock() as c,
            served.http.stream(
                "POST", "/api/v1/calls/export", json=body, headers={"X-CSRF-Token": served.csrf}
            ) as answer,
        ):
            for piece in answer.iter_bytes():
                lines += piece.count(b"\n")
                size += len(piece)
        peaks = served.peaks_mib()
        rows = rows or lines - 1
        rate = rows / c.seconds
        method = (
            f"{rows:,} rows, {size / 2**20:.0f} MiB in {c.seconds:.1f} s, POST /calls/export;"
            f" peak MiB: {', '.join(f'{n} {mib:.0f}' for n, mib in peaks.items())},"
            f" before: {', '.join(f'{n} {mib:.0f}' for n, mib in before.items())}"
        )
        figures += [
            Figure(f"web_{name}_export_{form}_s", FILE_ROWS / rate, "s", "<= 15", f"of 1,000,000 rows: {method}"),
            Figure(f"web_{name}_export_{form}_rss", max(peaks[n] - before[n] for n in peaks), "MiB", "<= 300", "what the process that grew most took on top, the same run"),
        ]  # fmt: skip
    return figures


def option(name: str, default: str) -> str:
    """Read `--name TEXT`."""
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def installation_of(folder: Path, calls: int) -> Path:
    """Store so many calls, where there are none yet; gives the folder."""
    if not (folder / "data" / "store" / "main.db").exists():
        write_installation(folder)
        subprocess.run(
            [sys.executable, "-m", "bench.stored_calls", str(folder), str(calls)], cwd=ROOT, check=True,
            stdout=sys.stderr,
        )  # fmt: skip
    return folder


def measure(folder: Path, calls: int) -> list[Figure]:
    """Ask in both runtimes."""
    installation_of(folder, calls)
    days = max(1, calls // BLOCK_LINES // 3)
    stored = f"{calls:,} calls"
    figures: list[Figure] = []
    runtimes = {"embedded": embedded, "cluster": in_roles}
    if not os.environ.get("POSTGRES_DSN"):
        del runtimes["cluster"]
    for name, serve in runtimes.items():
        if option("--runtime", name) != name:
            continue
        with serve(folder) as served:
            figures += searches(served, name, stored)
            figures += dashboards(served, name, stored, days)
            figures += files(served, name, calls // days)
    return figures


def main() -> None:
    calls = int(option("--calls", str(CALLS_SHORT if short() else CALLS)))
    kept = option("--folder", "")
    with tempfile.TemporaryDirectory(prefix="bluewhale-web-") as place:
        give(measure(Path(kept or place).resolve() / "it", calls))


if __name__ == "__main__":
    main()
