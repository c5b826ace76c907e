"""A thousand people at once: what their pages ask, with time to think, and a live stream each.

People share twenty sessions and have a connection each that stays, as browsers do, take
answers compressed, and listen to the live stream. What they ask in the first seconds, while files
are opened and sums are read, is not measured. Meanwhile a PBX prints: first alone, then
among them; how soon a line is a priced call is compared. The generator is this process: it
runs on the same machine, is bounded in time and says how much of the processors it took.
`--people N`, `--seconds N`, `--workers N`, `--calls N` and `--folder F` as in the group `web`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import yaml
import zstandard
from bluewhale.cli.simulate.setup import free_port
from bluewhale.database import Store
from bluewhale.webapi.server import make_room

from bench.__main__ import Figure
from bench.data import AVAYA_OPTIONS, BLOCK_LINES, avaya_block, deck_prefixes, numbers_of
from bench.report import give, short
from bench.stored_calls import DEPARTMENTS, PERSONS, PREFIXES
from bench.web import FIRST_DAY, PASSWORD, Served, embedded, installation_of, option, p95_ms

PEOPLE, PEOPLE_SHORT = 1_000, 50
SECONDS, SECONDS_SHORT = 60, 15
CALLS, CALLS_SHORT = 20_000_000, 500_000
WORKERS = 2
WARM_S, WARM_SHORT_S = 20.0, 5.0  # people look at pages before anything is measured
THINK_S = 10.0
SESSIONS = 20
LINES_PER_S = 50
LATE_S = 3.0  # a line that is no priced call by then was held up
IDLE_SHARE, IDLE_WAIT_S = 0.2, 180.0  # of a core: whatever begins with the process has begun
FEED = "feed"
# which page of a hundred somebody opens next; what each asks is in `Crowd.asks`
VIEWS: Mapping[str, int] = {
    "dashboard": 35, "list": 25, "call": 24, "day": 6, "number": 3, "person": 2, "report": 3,
    "completeness": 2,
}  # fmt: skip
_LIVE_VIEWS = frozenset({"dashboard", "list"})
_CALL_ID = re.compile(rb'"call_id":"([a-z2-7]{26})"')
Ask = tuple[str, str, object]  # method, path, body


class Browser:
    """A connection that stays, with the cookies of a session."""

    def __init__(self, port: int, headers: str) -> None:
        self._port = port
        self._headers = headers
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send one request; gives status and body."""
        kept = self._streams is not None
        try:
            reader, length, status = await self._begun(method, path, body)
        except ConnectionError:
            if not kept:
                raise
            self.close()  # it was closed while its person thought: a browser opens another
            reader, length, status = await self._begun(method, path, body)
        data = (
            await reader.readexactly(length)
            if length >= 0
            else b"".join([chunk async for chunk in _chunks(reader)])
        )
        return status, _read(data)

    async def listen(self) -> AsyncIterator[bytes]:
        """Give the pieces of the live stream."""
        reader, _, status = await self._begun("GET", "/api/v1/events", None)
        if status != 200:
            raise ConnectionError(f"events {status}")
        async for chunk in _chunks(reader):
            yield chunk

    async def _begun(
        self, method: str, path: str, body: object
    ) -> tuple[asyncio.StreamReader, int, int]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        reader, writer = self._streams
        data = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\n{self._headers}Content-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        writer.write(head.encode() + data)
        try:
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        except asyncio.IncompleteReadError:
            self.close()
            raise ConnectionError("closed") from None
        found = re.search(rb"content-length: (\d+)", answer)
        return reader, int(found[1]) if found else -1, int(answer.split(None, 2)[1])

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def _read(data: bytes) -> bytes:
    if data[:4] == zstandard.FRAME_HEADER:
        return zstandard.decompress(data)
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readline() or b"0", 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readline()


@dataclass
class Page:
    """What somebody looks at."""

    browser: Browser
    chance: random.Random
    view: str = ""
    asks: list[Ask] = field(default_factory=list)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Crowd:
    """What happened so far."""

    days: int
    numbers: list[str]
    since: float  # what is asked before then is not measured
    until: float
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    calls: list[str] = field(default_factory=list)
    computed_s: list[float] = field(default_factory=list)
    streams: int = 0
    heard: int = 0

    async def person(self, page: Page) -> None:
        """Look at a page, think, go to another one."""
        chance = page.chance
        await asyncio.sleep(chance.uniform(0, THINK_S))
        while time.monotonic() < self.until:
            page.view = chance.choices(list(VIEWS), list(VIEWS.values()))[0]
            page.asks = self.asks(page.view, chance)
            await self.show(page)
            left = max(0.0, self.until - time.monotonic())
            await asyncio.sleep(min(chance.expovariate(1 / THINK_S), left))
        page.view = ""

    async def show(self, page: Page) -> None:
        """Ask what the page asks."""
        async with page.asking:
            for ask in page.asks:
                await self._ask(page.browser, page.view, ask, page.chance)

    async def _ask(self, browser: Browser, view: str, ask: Ask, chance: random.Random) -> None:
        begun = time.monotonic()
        try:
            status, body = await browser.ask(*ask)
        except OSError as error:
            self.errors[f"{view} {error!r}"] += 1
            browser.close()
            return
        name = f"{view} {ask[1].split('?')[0].rsplit('/', 1)[-1][:9]}"
        if begun >= self.since:
            self.times[view if view == "call" else name].append(time.monotonic() - begun)
        if status != 200:
            self.errors[f"{name} {status}"] += 1
        elif ask[1].endswith("/search") and (found := _CALL_ID.findall(body)):
            self.calls = [*self.calls[-500:], chance.choice(found).decode()]

    def asks(self, view: str, chance: random.Random) -> list[Ask]:
        """Give what the page of a view asks (`queries.ts` of each)."""
        day = FIRST_DAY + timedelta(days=chance.randrange(self.days))
        span = f"from={day}&to={day + timedelta(days=1)}&tz=UTC"
        if view == "call" and self.calls:
            path = f"/api/v1/calls/{chance.choice(self.calls)}"
            # the receipt is a tab of its own
            return [("GET", path, None), ("GET", f"{path}/receipt", None)][: chance.choice((1, 2))]
        if view == "dashboard":
            # most look at what it opens with: the same days for everybody
            week = FIRST_DAY + timedelta(days=max(0, self.days - 1))
            usual = f"from={week}&to={week + timedelta(days=1)}&tz=UTC"
            return [("GET", f"/api/v1/summary?{chance.choice((usual, usual, usual, span))}", None)]
        if view == "completeness":
            return [("GET", f"/api/v1/completeness?from={day}&to={day}", None)]
        if view == "report":
            return [("POST", "/api/v1/reports/department", {"filter": span})]
        filter_ = {
            "number": f"number=+{chance.choice(self.numbers)}",
            "person": f"{span}&person=p{chance.randrange(PERSONS)}",
            "day": f"{span}&department=d{chance.randrange(DEPARTMENTS)}",
        }.get(view, "")
        return [
            ("POST", "/api/v1/calls/search", {"filter": filter_, "limit": 200, "after": None}),
            ("POST", "/api/v1/calls/aggregate", {"filter": filter_}),
        ]

    async def listen(self, page: Page, browser: Browser) -> None:
        """Hold a live stream until told to stop; pages that show what is newest ask again."""
        self.streams += 1
        try:
            async for chunk in browser.listen():
                if b"event: calls" in chunk:
                    self.heard += 1
                    if page.view in _LIVE_VIEWS:
                        await self.show(page)
        except OSError as error:
            self.errors[f"events {error!r}"] += 1
        finally:
            self.streams -= 1
            browser.close()


def sessions_of(served: Served, count: int) -> list[str]:
    """Sign in so many times; give what browsers of each send with every request."""
    port = served.http.base_url.port or 80
    sessions = []
    for _ in range(count):
        me = served.http.post("/api/v1/session", json={"name": "ana", "password": PASSWORD})
        cookie = "; ".join(f"{k}={v}" for k, v in me.cookies.items())
        sessions.append(
            f"Host: 127.0.0.1:{port}\r\nCookie: {cookie}\r\nX-CSRF-Token: {me.json()['csrf']}\r\n"
            "Accept-Encoding: gzip, deflate, br, zstd\r\n"
        )
        served.http.cookies.clear()
    return sessions


async def look_around(served: Served, crowd: Crowd) -> None:
    """Be the first of the day: look at each page once, so that nobody measured is."""
    [headers] = sessions_of(served, 1)
    page = Page(Browser(served.http.base_url.port or 80, headers), random.Random(SESSIONS))
    for page.view in [*VIEWS, "call", "call", "call"]:
        page.asks = crowd.asks(page.view, page.chance)
        await crowd.show(page)
    page.browser.close()
    crowd.times.clear()


def computed_s(pid: int) -> tuple[float, float, float]:
    """Give the processor time of this process, of another, and of that one's workers."""
    process = psutil.Process(pid)
    workers = [sum(p.cpu_times()[:2]) for p in process.children(recursive=True)]
    return time.process_time(), sum(process.cpu_times()[:2]), sum(workers)


def settle(pid: int) -> None:
    """Wait until a process and its workers have begun, as what they compute shows."""
    until, share = time.monotonic() + IDLE_WAIT_S, 1.0
    while share > IDLE_SHARE and time.monotonic() < until:
        before = sum(computed_s(pid)[1:])
        time.sleep(LATE_S)
        share = (sum(computed_s(pid)[1:]) - before) / LATE_S


async def play(served: Served, crowd: Crowd, people: int) -> int:
    """Let people come, and go at the end; gives how many streams were held then."""
    port = served.http.base_url.port or 80
    sessions = sessions_of(served, SESSIONS)
    crowd.since += time.monotonic()
    crowd.until += crowd.since
    pages, listening = [], []
    for n in range(people):
        headers = sessions[n % SESSIONS]
        pages.append(Page(Browser(port, headers), random.Random(n)))
        listening.append(asyncio.create_task(crowd.listen(pages[-1], Browser(port, headers))))
        await asyncio.sleep(0.002)
    looking = [asyncio.create_task(crowd.person(page)) for page in pages]
    await asyncio.sleep(max(0.0, crowd.since - time.monotonic()))
    before = computed_s(served.pids["up"])
    await asyncio.gather(*looking)
    after = computed_s(served.pids["up"])
    crowd.computed_s = [a - b for a, b in zip(after, before, strict=True)]
    held = crowd.streams
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    return held


def prepared(folder: Path, workers: int) -> int:
    """Have so many workers, and a PBX that connects; gives its port."""
    port = free_port()
    for name, key, entry in (
        ("directory.yaml", "pbxs", {"pbx_uid": FEED, "site_uid": "berlin", "name": FEED}),
        ("bluewhale.yaml", "links", {
            "link_uid": f"{FEED}-cdr", "pbx_uid": FEED, "dialect": "avaya_cm",
            "options": dict(AVAYA_OPTIONS),
            "connector": {"type": "tcp_server", "host": "127.0.0.1", "port": port},
        }),
    ):  # fmt: skip
        document = yaml.load((folder / name).read_text("utf-8"), yaml.CSafeLoader)
        document[key] = [x for x in document[key] if x["pbx_uid"] != FEED] + [entry]
        if "web" in document:
            document["web"]["workers"] = workers
        (folder / name).write_text(yaml.dump(document, Dumper=yaml.CSafeDumper), "utf-8")
    return port


def rated(folder: Path) -> int:
    """Count legs that are in calls, with a price or the reason why not."""
    with Store.open(folder / "data" / "store") as store:
        sql = "SELECT SUM(\"count\") FROM control_total WHERE stage IN ('rated', 'unrated')"
        row = store.run_read(lambda tx: tx.one(sql))
    return int(row[0] or 0) if row else 0


@dataclass
class Feed:
    """A PBX that prints at a steady pace, and how many of its lines are calls in time."""

    folder: Path
    port: int
    lines: list[bytes]
    printed: int = 0

    def collected(self, seconds: float) -> float:
        """Print so long; gives the share that is priced a moment after the last line."""
        before, first = rated(self.folder), self.printed
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port)) as pbx:
            while (passed := time.monotonic() - begun) < seconds:
                due = min(first + int(passed * LINES_PER_S), len(self.lines))
                pbx.sendall(b"".join(self.lines[self.printed : due]))
                self.printed = due
                time.sleep(0.1)
            time.sleep(LATE_S)
        return (rated(self.folder) - before) / max(1, self.printed - first)


def main() -> None:
    make_room()
    people = int(option("--people", str(PEOPLE_SHORT if short() else PEOPLE)))
    seconds = int(option("--seconds", str(SECONDS_SHORT if short() else SECONDS)))
    warm_s = WARM_SHORT_S if short() else WARM_S
    calls = int(option("--calls", str(CALLS_SHORT if short() else CALLS)))
    workers = int(option("--workers", str(WORKERS)))
    kept = option("--folder", "")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%m%d%y").encode()
    first = random.randrange(PREFIXES - 1_000)  # lines that were printed before would be known
    dialled = ["00" + p for p in deck_prefixes(PREFIXES)[first : first + 1_000]]
    lines = bytes(avaya_block(dialled, 20_000).data)
    lines = lines.replace(b"010526", yesterday)  # newer than all that is stored
    with tempfile.TemporaryDirectory(prefix="bluewhale-crowd-") as place:
        folder = installation_of(Path(kept or place).resolve() / "it", calls)
        feed = Feed(folder, prepared(folder, workers), lines.splitlines(keepends=True))
        numbers = numbers_of(deck_prefixes(PREFIXES), 10_000)
        crowd = Crowd(max(1, calls // BLOCK_LINES // 3), numbers, warm_s, float(seconds))
        shares: list[float] = []
        with embedded(folder) as served:
            time.sleep(LATE_S)
            asyncio.run(look_around(served, crowd))
            settle(served.pids["up"])
            alone = feed.collected(seconds / 4)
            printing = threading.Thread(
                target=lambda: shares.append(feed.collected(warm_s + seconds)), daemon=True
            )
            printing.start()
            held = asyncio.run(play(served, crowd, people))
            printing.join()
    every = [t for times in crowd.times.values() for t in times]
    parts = ", ".join(
        f"{what} {statistics.median(times) * 1000:.0f}/{max(times) * 1000:.0f} (n={len(times)})"
        for what, times in sorted(crowd.times.items())
    )
    print(f"p50/max ms: {parts}; errors {dict(crowd.errors)}", file=sys.stderr)
    own, up, beside = (x / seconds for x in crowd.computed_s)
    method = (
        f"{people} people for {seconds} s on this machine, think time {THINK_S:.0f} s, {SESSIONS}"
        f" sessions, {len(every)} questions ({len(every) / seconds:.0f}/s), {calls:,} calls stored,"
        f" `bluewhale up` with {workers} workers, behind {warm_s:.0f} s of the same people; the generator"
        f" took {own:.2f} of a core, the process {up:.2f}, its workers {beside:.2f};"
        f" p50 {statistics.median(every) * 1000:.0f} ms"
    )
    give([
        Figure("web_crowd_p95", p95_ms(every), "ms", "<= 500", method),
        Figure("web_crowd_errors", sum(crowd.errors.values()), "", "<= 0", f"{dict(crowd.errors)}"),
        Figure("web_crowd_streams", held, "", f">= {people}", f"live streams held meanwhile; {crowd.heard} times told of news"),
        Figure(
            "web_crowd_collected", shares[0] / alone if alone else 0.0, "ratio", "",
            f"lines that are priced calls {LATE_S:.0f} s after the last, {LINES_PER_S}/s: "
            f"{shares[0]:.3f} of them among people, {alone:.3f} without",
        ),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
