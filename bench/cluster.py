"""The roles as a cluster on this machine: socket of a unit -> committed and queryable.

Everything runs here, Kafka and PostgreSQL included (their endpoints come from
KAFKA_BOOTSTRAP and POSTGRES_DSN). `--records N` sizes the flood, `--backlog N`
what is caught up with. Counted are calls whose prices are committed.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import numpy as np
import psutil
import psycopg
from bluewhale.api.query.v1 import query_pb2 as api
from bluewhale.api.query.v1 import query_pb2_grpc as doors
from bluewhale.capture import FRAME_RECORDS_MAX, Frame, RawRecord, pack_frame
from bluewhale.cli.borrowing import borrowed_database, borrowed_prefix
from bluewhale.cli.simulate.installation import Endpoints, Installation
from bluewhale.cli.simulate.session import World
from bluewhale.configuration import load, stream_id
from bluewhale.jobs.opening import open_log
from bluewhale.messaging import RAW, partition_of
from bluewhale.messaging.envelopes import RawFrame, compress_frame

from bench.__main__ import Figure
from bench.report import give, short

PBXS = 8
PARTITIONS = 4
ROLES = ("ingest", "parser", "billing", "storage")
UNITS = ("north", "south")
PATIENCE_S = 1800.0
SLOWEST_CALLS_S = 2_000  # a backlog that is caught up with more slowly is given up
READY_S = 300.0
START = datetime(2026, 3, 2, tzinfo=UTC)
DURATIONS_S = (5, 12, 30, 61, 90, 180, 300, 600, 720)
STEP_S = 2  # between two calls of a PBX; an extension rests 2,000 s between two of its calls
BUSY_CALLS_PER_PBX_S = 0.83  # 500 extensions with 6 calls each in the busy hour
BUSY_CALLS_S = 10_000


def option(name: str, default: int) -> int:
    """Read `--name N`."""
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


def lines_of(template: bytes, extension: int, count: int, first: int = 0) -> list[bytes]:
    """Give distinct lines of outgoing calls, printed like `template`, in order of time."""
    i = np.arange(first, first + count)
    moment = [START + timedelta(seconds=int(n) * STEP_S) for n in i]
    stamps = [m.strftime("%m%d%y %H%M").encode() for m in moment]
    seconds = np.array(DURATIONS_S)[i % len(DURATIONS_S)]
    callers = extension + (i * 7) % 1000
    numbers = 10_000_000 + (i * 7919) % 89_999_999
    trunks = i % 1000
    digits = template.index(b"*799")
    tail = template[digits + 4 + 3 :]
    return [
        b"%s %05d %15d %23d%s*799%03d%s" % (stamp, s, c, n, b" " * 28, t, tail)
        for stamp, s, c, n, t in zip(
            stamps, seconds.tolist(), callers.tolist(), numbers.tolist(), trunks.tolist(),
            strict=True,
        )
    ]  # fmt: skip


@dataclass
class Cluster:
    """A running installation and what is needed to feed and ask it."""

    it: Installation
    world: World
    database: str
    lines: dict[str, list[bytes]]

    @property
    def stub(self) -> doors.QueryStub:
        """Give the query API."""
        return doors.QueryStub(grpc.insecure_channel(f"127.0.0.1:{self.it.ports['storage']}"))

    def ports(self) -> dict[str, int]:
        """Give the port of each PBX's link."""
        configuration = load(self.world.folder)
        return {
            p.pbx_uid: configuration.link(p.link_uid).connector.port  # type: ignore[union-attr]
            for p in self.world.pbxs
        }

    def rated(self) -> int:
        """Count legs whose calls are committed, with prices or with the reason why not."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            row = connection.execute(
                "SELECT COALESCE(SUM(\"count\"), 0) FROM control_total WHERE stage IN ('rated', 'unrated')"
            ).fetchone()
        return int(row[0]) if row else 0

    def cpu_s(self) -> dict[str, float]:
        """Give processor seconds used so far, per role and service."""
        used = dict.fromkeys(("unit", *ROLES, "postgresql", "kafka"), 0.0)
        for name in self.it.fleet.names():
            key = "unit" if name.startswith("unit-") else name.split("-")[0]
            used[key] += _cpu(psutil.Process(self.it.fleet[name].pid))
        for process in psutil.process_iter(["name", "cmdline"]):
            try:
                words = " ".join(process.info["cmdline"] or ())
                if process.info["name"] == "postgres":
                    used["postgresql"] += _cpu(process)
                elif "kafka.Kafka" in words:
                    used["kafka"] += _cpu(process)
            except psutil.Error:
                continue
        return used

    def wait(self, count: int, patience_s: float = PATIENCE_S) -> float:
        """Wait until so many legs are in priced calls; gives the moment it was so."""
        deadline = time.monotonic() + patience_s
        told = time.monotonic()
        while (done := self.rated()) < count:
            self.it.fleet.check()
            if time.monotonic() > deadline:
                raise SystemExit(f"{done:,} of {count:,} after {patience_s:.0f} s")
            if time.monotonic() - told > 5:
                told = time.monotonic()
                words = ", ".join(f"{n} {mib:.0f}" for n, mib in peaks_mib(self.it).items())
                print(f"  {done:,} of {count:,}; peak MiB: {words}", file=sys.stderr, flush=True)
            time.sleep(0.05)
        return time.monotonic()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def peak_mib(pid: int) -> float:
    """Give the peak resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def peaks_mib(it: Installation) -> dict[str, float]:
    """Give the peak memory so far of each role and unit that runs."""
    return {n: peak_mib(it.fleet[n].pid) for n in it.fleet.names() if it.fleet.alive(n)}


def peak_figures(name: str, it: Installation) -> list[Figure]:
    """Give the peak memory of each role so far, and the largest."""
    peaks = peaks_mib(it)
    text = ", ".join(f"{n} {mib:.0f}" for n, mib in peaks.items())
    return [
        Figure(name, max(peaks.values()), "MiB", "<= 600", f"largest of {text}"),
        *(Figure(f"{name}_{role}", peaks[role], "MiB", "<= 600", "the same run") for role in ROLES),
    ]


def pour(cluster: Cluster, records: int, *, skip: int = 0) -> float:
    """Send lines as fast as the units take them, one connection per PBX; gives seconds.

    records: of all PBXs; skip: lines of each PBX that were sent before.
    """
    ports = cluster.ports()
    share = records // PBXS
    payload = {uid: b"".join(lines[skip : skip + share]) for uid, lines in cluster.lines.items()}
    before = cluster.rated()
    begun = time.monotonic()

    def send(uid: str) -> None:
        with socket.create_connection(("127.0.0.1", ports[uid])) as s:
            s.sendall(payload[uid])

    threads = [threading.Thread(target=send, args=(uid,)) for uid in payload]
    for thread in threads:
        thread.start()
    ended = cluster.wait(before + share * PBXS)
    for thread in threads:
        thread.join()
    return ended - begun


def flood(cluster: Cluster, records: int) -> list[Figure]:
    """Measure a flood: rate, processor time and memory of each role."""
    before_cpu = cluster.cpu_s()
    took_s = pour(cluster, records)
    count = records // PBXS * PBXS
    used = {k: v - before_cpu.get(k, 0.0) for k, v in cluster.cpu_s().items()}
    busiest = max(("unit", *ROLES, "postgresql"), key=lambda name: used[name])
    method = (
        f"{count:,} lines of {PBXS} PBXs into the sockets of {len(UNITS)} units at once ->"
        f" priced in PostgreSQL and at the query API, {took_s:.1f} s; all roles, Kafka and"
        f" PostgreSQL on this machine; busiest is {busiest} with {used[busiest] / took_s:.2f} cores"
    )
    figures = [Figure("cluster_calls_per_second", count / took_s, "calls/s", ">= 12000", method)]
    figures += peak_figures("cluster_flood_peak_rss_mib", cluster.it)
    per_million = {name: seconds / count * 1e6 for name, seconds in used.items()}
    for name, seconds in per_million.items():
        figures.append(
            Figure(f"cluster_cpu_s_per_million_{name}", seconds, "CPU s", "", "the same run")
        )
    whole = sum(per_million.values())
    for label, rate in (
        (f"1,000 PBXs of {BUSY_CALLS_PER_PBX_S} calls/s each", 1_000 * BUSY_CALLS_PER_PBX_S),
        (f"{BUSY_CALLS_S:,} calls/s", float(BUSY_CALLS_S)),
    ):
        name = "cores_for_1000_pbxs" if rate < BUSY_CALLS_S else "cores_for_10000_calls_s"
        brokers = max(3, -(-int(per_million["kafka"] * 3 * rate / 1e6) // 2))
        figures.append(
            Figure(name, whole * rate / 1e6, "cores", "",
                   f"{label}: CPU of the run scaled; with {brokers} brokers of 2 cores, 3 copies each")
        )  # fmt: skip
    return figures


def appear_ms(send: Callable[[], None], visible: Callable[[], bool]) -> float:
    """Send one line and wait until it is a priced call; gives milliseconds."""
    started = time.perf_counter()
    send()
    while not visible():
        if time.perf_counter() - started > 60:
            raise SystemExit("a line did not appear within a minute")
        time.sleep(0.002)
    return (time.perf_counter() - started) * 1000


def spread(name: str, target: str, waits: list[float], method: str) -> list[Figure]:
    """Give median and 99th percentile."""
    waits = sorted(waits)
    p99 = waits[min(len(waits) - 1, round(len(waits) * 0.99))]
    return [
        Figure(f"{name}_p50_ms", statistics.median(waits), "ms", "", method),
        Figure(f"{name}_p99_ms", p99, "ms", target, method),
    ]


def idle_latency(cluster: Cluster, samples: int) -> list[Figure]:
    """Send single lines into a quiet cluster; ask the query API until the call is there."""
    uid = cluster.world.pbxs[0].pbx_uid
    stub = cluster.stub
    fresh = cluster.lines[uid][-samples:]
    waits: list[float] = []
    with socket.create_connection(("127.0.0.1", cluster.ports()[uid])) as pbx:
        for line in fresh:
            moment = datetime.strptime(line[:11].decode(), "%m%d%y %H%M").replace(tzinfo=UTC)
            number = line.split()[4].decode()
            wanted = api.SearchCallsRequest(
                limit=1,
                filter=api.CallFilter(
                    number=number,
                    from_ms=int((moment - timedelta(days=1)).timestamp() * 1000),
                    until_ms=int((moment + timedelta(days=1)).timestamp() * 1000),
                ),
            )

            def visible(wanted: api.SearchCallsRequest = wanted) -> bool:
                return any(c.totals for p in stub.SearchCalls(wanted, timeout=10) for c in p.calls)

            waits.append(appear_ms(lambda line=line: pbx.sendall(line), visible))  # type: ignore[misc]
            time.sleep(0.25 + 0.1 * (len(waits) % 3))
    method = f"PBX byte -> priced call at the query API, {samples} single lines, idle cluster"
    return spread("cluster_idle_latency", "<= 1000", waits, method)


def backlog(cluster: Cluster, records: int) -> list[Figure]:
    """Put frames into the raw log while all readers are down; start them and wait."""
    it = cluster.it
    for role in ("parser", "billing", "storage"):
        it.fleet.stop(role)
    before = cluster.rated()
    configuration = load(cluster.world.folder)
    log = open_log(configuration, "bench")
    producer = log.producer()
    share = records // PBXS
    sent = 0
    for pbx in cluster.world.pbxs:
        template = cluster.lines[pbx.pbx_uid][0]
        partition = partition_of(pbx.pbx_uid, PARTITIONS)
        framing = configuration.dialect(pbx.link_uid).framing(
            configuration.link(pbx.link_uid).options
        )
        stream = stream_id(pbx.link_uid, UNITS[cluster.world.pbxs.index(pbx) % 2])
        first, seq = 10_000_000, 1
        for at in range(0, share, FRAME_RECORDS_MAX):
            size = min(FRAME_RECORDS_MAX, share - at)
            lines = lines_of(template, pbx.place.first_extension, size, first + at)
            now_ms = int(time.time() * 1000)
            records_ = tuple(
                RawRecord(seq + n, line.rstrip(b"\r\n"), 5, 1, now_ms)
                for n, line in enumerate(lines)
            )
            frame = Frame(stream, 99, seq, framing.version, records_, None)
            envelope = RawFrame(
                stream, 99, seq, seq + size - 1, compress_frame(pack_frame(frame)), now_ms
            ).encode()
            producer.send(RAW, partition, envelope.value, headers=envelope.headers)
            seq += size
            sent += size
        producer.flush(60)
    producer.close()
    log.close()
    begun = time.monotonic()
    for role in ("parser", "billing", "storage"):
        it.fleet.again(role)
    patience_s = max(PATIENCE_S, sent / SLOWEST_CALLS_S)
    took_s = cluster.wait(before + sent, patience_s) - begun
    return [
        Figure("cluster_backlog_calls_per_second", sent / took_s, "calls/s", "",
               f"{sent:,} records in the raw log, parser, billing and storage started behind them,"
               f" {took_s:.0f} s"),
        *peak_figures("cluster_backlog_peak_rss_mib", it),
    ]  # fmt: skip


@contextmanager
def running(endpoints: Endpoints, records: int) -> Iterator[Cluster]:
    """Start an installation of its own with so many lines at hand; gone behind the block.

    Its logs are copied to the folder that BENCH_KEEP_LOGS names, if any.
    """
    with (
        tempfile.TemporaryDirectory(prefix="bluewhale-cluster-") as place,
        borrowed_database(endpoints.database) as database,
        borrowed_prefix(endpoints.kafka) as prefix,
    ):
        world = World.of(Path(place), PBXS, ("avaya_cm",), PBXS * 4, 7, 0)
        world.write()
        lines = {}
        for pbx in world.pbxs:
            template = next(
                x.data for x in world.lines[pbx.pbx_uid] if x.kind == "record" and b"*799" in x.data
            )
            lines[pbx.pbx_uid] = lines_of(template, pbx.place.first_extension, records // PBXS)
        units = {
            unit: [p.link_uid for p in world.pbxs[n :: len(UNITS)]] for n, unit in enumerate(UNITS)
        }
        here = replace(endpoints, database=database)
        with Installation(Path(place), here, units, prefix, partitions=PARTITIONS) as it:
            it.write()
            for role in ROLES:
                it.start_role(role)
            for role in ROLES:
                it.wait_ready(role, patience_s=READY_S)
            for unit in units:
                it.start_unit(unit)
            for unit in units:
                it.wait_ready(f"unit-{unit}", patience_s=READY_S)
            try:
                yield Cluster(it, world, database, lines)
            finally:
                if keep := os.environ.get("BENCH_KEEP_LOGS"):
                    shutil.copytree(Path(place) / "log", keep, dirs_exist_ok=True)


def main() -> None:
    records = option("--records", 24_000 if short() else 600_000)
    behind = option("--backlog", 16_000 if short() else 1_000_000)
    samples = option("--samples", 12 if short() else 200)
    only = sys.argv[sys.argv.index("--part") + 1].split(",") if "--part" in sys.argv else None
    figures: list[Figure] = []
    parts = (
        ("flood", flood, records),
        ("latency", idle_latency, samples),
        ("backlog", backlog, behind),
    )
    endpoints = replace(Endpoints.of_environment(), otlp=None)
    with running(endpoints, records + samples * PBXS) as cluster:
        time.sleep(2)
        for name, measure, size in parts:
            if only is None or name in only:
                figures += measure(cluster, size)
    give(figures)


if __name__ == "__main__":
    main()
