"""A thousand people at once: what their pages ask, with time to think, and a live stream each.

People share twenty sessions and come over one connection per question, as browsers
do; meanwhile a PBX prints. The generator runs on the same machine and is bounded in
time. `--people N`, `--seconds N`, `--calls N` and `--folder F` as in the group `web`.
"""

from __future__ import annotations

import asyncio
import random
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import yaml
from bluewhale.cli.simulate.setup import free_port
from bluewhale.database import Store

from bench.__main__ import Figure
from bench.data import AVAYA_OPTIONS, BLOCK_LINES, avaya_block, deck_prefixes, numbers_of
from bench.report import give, short
from bench.stored_calls import DEPARTMENTS, PERSONS, PREFIXES
from bench.web import FIRST_DAY, PASSWORD, Served, embedded, installation_of, option, p95_ms

PEOPLE, PEOPLE_SHORT = 1_000, 50
SECONDS, SECONDS_SHORT = 60, 15
CALLS, CALLS_SHORT = 20_000_000, 500_000
THINK_S = 10.0
SESSIONS = 20
LINES_PER_S = 50
LATE_S = 3.0  # a line that is no priced call by then was held up
FEED = "feed"
# what of a hundred questions: lists and calls mostly, as somebody looks for one
MIX: Mapping[str, int] = {
    "list": 30, "call": 20, "dashboard": 15, "receipt": 10, "number": 10, "person": 5,
    "report": 5, "completeness": 5,
}  # fmt: skip


@dataclass
class Crowd:
    """What happened so far."""

    days: int
    numbers: list[str]
    until: float
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    calls: list[str] = field(default_factory=list)
    streams: int = 0

    async def person(self, http: httpx.AsyncClient, csrf: str, chance: random.Random) -> None:
        """Ask, think, ask again."""
        await asyncio.sleep(chance.uniform(0, THINK_S))
        while time.monotonic() < self.until:
            what = chance.choices(list(MIX), list(MIX.values()))[0]
            request = self._request(http, what, chance)
            request.headers["X-CSRF-Token"] = csrf
            begun = time.perf_counter()
            try:
                answer = await http.send(request)
            except httpx.HTTPError as error:
                self.errors[type(error).__name__] += 1
                continue
            self.times[what].append(time.perf_counter() - begun)
            if answer.status_code != 200:
                self.errors[f"{what} {answer.status_code}"] += 1
            elif what in {"list", "number", "person"} and (items := answer.json()["items"]):
                self.calls = [*self.calls[-500:], chance.choice(items)["call_id"]]
            await asyncio.sleep(chance.expovariate(1 / THINK_S))

    async def listen(self, http: httpx.AsyncClient) -> None:
        """Hold a live stream until told to stop."""
        async with http.stream("GET", "/api/v1/events", timeout=None) as answer:
            if answer.status_code != 200:
                self.errors[f"events {answer.status_code}"] += 1
                return
            self.streams += 1
            async for _ in answer.aiter_lines():
                pass

    def _request(self, http: httpx.AsyncClient, what: str, chance: random.Random) -> httpx.Request:
        day = FIRST_DAY + timedelta(days=chance.randrange(self.days))
        span = f"from={day}&to={day + timedelta(days=1)}&tz=UTC"
        if what in {"call", "receipt"} and self.calls:
            ending = "/receipt" if what == "receipt" else ""
            return http.build_request("GET", f"/api/v1/calls/{chance.choice(self.calls)}{ending}")
        if what == "dashboard":
            return http.build_request("GET", f"/api/v1/summary?{span}")
        if what == "completeness":
            return http.build_request("GET", f"/api/v1/completeness?from={day}&to={day}")
        if what == "report":
            return http.build_request("POST", "/api/v1/reports/department", json={"filter": span})
        asked = {
            "number": f"number=+{chance.choice(self.numbers)}",
            "person": f"person=p{chance.randrange(PERSONS)}",
        }.get(what, f"{span}&department=d{chance.randrange(DEPARTMENTS)}")
        return http.build_request(
            "POST", "/api/v1/calls/search", json={"filter": asked, "limit": 200}
        )


async def play(served: Served, crowd: Crowd, people: int) -> None:
    """Let people come, and go at the end."""
    url, unlimited = str(served.http.base_url), httpx.Limits(max_connections=None)
    sessions = []
    for _ in range(SESSIONS):
        http = httpx.AsyncClient(base_url=url, timeout=60, limits=unlimited)
        me = await http.post("/api/v1/session", json={"name": "ana", "password": PASSWORD})
        sessions.append((http, me.json()["csrf"]))
    crowd.until += time.monotonic()
    listening = [
        asyncio.create_task(crowd.listen(sessions[n % SESSIONS][0])) for n in range(people)
    ]
    await asyncio.gather(
        *(crowd.person(*sessions[n % SESSIONS], random.Random(n)) for n in range(people))
    )
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    for http, _ in sessions:
        await http.aclose()


def add_feed(folder: Path) -> int:
    """Add a PBX that connects; gives its port."""
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
        (folder / name).write_text(yaml.dump(document, Dumper=yaml.CSafeDumper), "utf-8")
    return port


def rated(folder: Path) -> int:
    """Count legs that are in calls, with a price or the reason why not."""
    with Store.open(folder / "data" / "store") as store:
        sql = "SELECT SUM(\"count\") FROM control_total WHERE stage IN ('rated', 'unrated')"
        row = store.run_read(lambda tx: tx.one(sql))
    return int(row[0] or 0) if row else 0


def print_lines(port: int, seconds: float) -> int:
    """Send lines at a steady pace, as a PBX prints; gives how many."""
    lines = bytes(avaya_block(["00" + p for p in deck_prefixes(1_000)], 20_000).data).splitlines(
        keepends=True
    )
    sent, begun = 0, time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as pbx:
        while (passed := time.monotonic() - begun) < seconds:
            due = min(int(passed * LINES_PER_S), len(lines))
            pbx.sendall(b"".join(lines[sent:due]))
            sent = due
            time.sleep(0.1)
    return sent


def main() -> None:
    people = int(option("--people", str(PEOPLE_SHORT if short() else PEOPLE)))
    seconds = int(option("--seconds", str(SECONDS_SHORT if short() else SECONDS)))
    calls = int(option("--calls", str(CALLS_SHORT if short() else CALLS)))
    kept = option("--folder", "")
    with tempfile.TemporaryDirectory(prefix="bluewhale-crowd-") as place:
        folder = installation_of(Path(kept or place).resolve() / "it", calls)
        port = add_feed(folder)
        numbers = numbers_of(deck_prefixes(PREFIXES), 10_000)
        crowd = Crowd(max(1, calls // BLOCK_LINES // 3), numbers, float(seconds))
        sent = [0]
        with embedded(folder) as served:
            before = rated(folder)
            feed = threading.Thread(
                target=lambda: sent.append(print_lines(port, seconds)), daemon=True
            )
            feed.start()
            asyncio.run(play(served, crowd, people))
            feed.join()
            time.sleep(LATE_S)
            collected = (rated(folder) - before) / max(1, sent[-1])
    give(figures(crowd, people, seconds, f"{calls:,} calls stored", collected, sent[-1]))


def figures(
    crowd: Crowd, people: int, seconds: int, stored: str, collected: float, sent: int
) -> list[Figure]:
    """Give what a thousand people felt."""
    every = [t for times in crowd.times.values() for t in times]
    parts = ", ".join(
        f"{what} {statistics.median(times) * 1000:.0f}/{max(times) * 1000:.0f}"
        for what, times in crowd.times.items()
    )
    print(f"p50/max ms: {parts}; errors {dict(crowd.errors)}", file=sys.stderr)
    method = (
        f"{people} people for {seconds} s on this machine, think time {THINK_S:.0f} s, {SESSIONS}"
        f" sessions, {len(every)} questions ({len(every) / seconds:.0f}/s), {stored}, `bluewhale up`"
    )
    return [
        Figure("web_crowd_p95", p95_ms(every), "ms", "<= 500", method),
        Figure("web_crowd_errors", sum(crowd.errors.values()), "", "<= 0", f"{dict(crowd.errors)}"),
        Figure("web_crowd_streams", crowd.streams, "", f">= {people}", "live streams held meanwhile"),
        Figure(
            "web_crowd_collected", collected, "ratio", "",
            f"of {sent} lines that a PBX printed meanwhile, {LINES_PER_S}/s: priced calls"
            f" {LATE_S:.0f} s after the last",
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
