"""How fast another unit reads a link, and whether a record is lost or doubled on the way.

Roles and two units as processes, one link that both may read, and a simulated
PBX that they connect to. It prints all the time, to everybody who is connected,
and sends a new reader its last minute again, as PBXs with a buffer do. Rounds:

planned   a hand-over is ordered
crash     the owner is killed (SIGKILL), started again after it was replaced
freeze    the owner is stopped (SIGSTOP), goes on after it was replaced
cut       the owner loses the centre, reads on, is connected again after it was replaced

A round is measured from the fault to the moment at which the PBX is connected to
the other unit. At the end every line printed is stored exactly once.

    python -m bench.failover --rounds 30 [--profile default]     (Kafka, PostgreSQL by environment)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import secrets
import select
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import grpc
import psutil
import psycopg
import yaml
from bluewhale.api.ownership.v1 import ownership_pb2 as pb
from bluewhale.api.ownership.v1 import ownership_pb2_grpc
from bluewhale.cli.exceptions import CheckFailedError
from bluewhale.cli.simulate import asterisk, setup, world
from bluewhale.cli.simulate.installation import Endpoints, Installation
from bluewhale.cli.simulate.switch import Switch
from bluewhale.database import Store

from tests.support.journals import not_stored

UNITS = ("unit-a", "unit-b")
KINDS = ("planned", "crash", "freeze", "cut")
LIMIT_S = {  # profile -> the budget of each kind
    "fast": {"planned": 3.0, "crash": 9.0, "freeze": 9.0, "cut": 9.0},
    "default": {"planned": 3.0, "crash": 20.0, "freeze": 20.0, "cut": 20.0},
}
PATIENCE_S = 60.0


class Wire:
    """A way to the centre that can be cut: nothing passes, nothing is closed."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._whole = threading.Event()
        self._whole.set()
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, name="wire", daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._ended.set()
        self._whole.set()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        self._whole.clear()

    def heal(self) -> None:
        self._whole.set()

    def _accept(self) -> None:
        while not self._ended.is_set():
            if select.select([self._listener], [], [], 0.2)[0]:
                with contextlib.suppress(OSError):
                    near, _ = self._listener.accept()
                    far = socket.create_connection(self._target)
                    thread = threading.Thread(target=self._pass, args=(near, far), daemon=True)
                    thread.start()
                    self._threads.append(thread)

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, contextlib.suppress(OSError):
            while not self._ended.is_set():
                ready = select.select([near, far], [], [], 0.1)[0]
                self._whole.wait()
                for one, other in ((near, far), (far, near)):
                    if one in ready:
                        data = one.recv(65536)
                        if not data:
                            return
                        other.sendall(data)


@dataclass
class Findings:
    """What the rounds gave; seconds per kind, and what is stored at the end."""

    profile: str = "fast"
    seconds: dict[str, list[float]] = field(default_factory=dict)
    moves: Counter[str] = field(default_factory=Counter)  # as ingest counts them, by cause
    printed: int = 0
    stored: int = 0
    doubled: int = 0
    sent_again: int = 0
    suspended: int = 0
    not_delivered: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.printed - self.stored

    def problems(self) -> list[str]:
        """Give every promise that was not kept."""
        limits = LIMIT_S[self.profile]
        late = [
            f"{kind}: {taken:.2f} s, at most {limits[kind]:g} s"
            for kind, found in self.seconds.items()
            for taken in found
            if taken > limits[kind]
        ]
        counts = {"lost": self.lost, "doubled": self.doubled, "suspended": self.suspended}
        return [*late, *(f"{n} {name}" for name, n in counts.items() if n), *self.not_delivered]

    def table(self) -> str:
        lines = [f"{self.profile:8}  rounds    p50    p95    max   limit"]
        for kind, found in self.seconds.items():
            ranked = sorted(found)
            p50, p95 = (
                ranked[len(ranked) // 2],
                ranked[min(len(ranked) - 1, len(ranked) * 95 // 100)],
            )
            lines.append(
                f"{kind:8}  {len(ranked):6}  {p50:5.2f}  {p95:5.2f}  {ranked[-1]:5.2f}"
                f"  {LIMIT_S[self.profile][kind]:6.2f}"
            )
        lines.append(
            f"lines printed {self.printed}, stored once {self.stored}, lost {self.lost},"
            f" doubled {self.doubled}, heard again and kept aside {self.sent_again}"
        )
        counted = ", ".join(f"{cause} {n}" for cause, n in sorted(self.moves.items()))
        lines.append(f"moves as ingest counts them: {counted or 'none'}")
        return "\n".join(lines)


class Rounds:
    """One installation, round after round."""

    def __init__(self, folder: Path, endpoints: Endpoints, prefix: str, profile: str) -> None:
        self.folder = folder
        pbxs = world.make_pbxs(1, ("asterisk_csv",))
        calls = world.make_calls(pbxs, 30_000, seed=11)
        lines = [data for call in calls for _, data in _lines(call)]
        self.pbx = Switch(lines)
        self.link_uid = pbxs[0].link_uid
        path = setup.write_configuration(folder, pbxs)
        document = yaml.safe_load(path.read_text())
        connector = {"type": "tcp_client", "host": "127.0.0.1", "port": self.pbx.port}
        document["links"][0]["connector"] = connector
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        self.place = Installation(
            folder,
            endpoints,
            {unit: [self.link_uid] for unit in UNITS},
            prefix,
            settings={"ingest": {"ownership": {"profile": profile, "failback_hold_s": None}}},
        )
        self.findings = Findings(profile)
        self.wire: Wire | None = None

    # ---- what stands -------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        with self.pbx, self.place:
            self.place.write()
            self.place.start_roles(("storage", "ingest", "parser"))
            self.wire = Wire(("127.0.0.1", self.place.ports["uplink"]))
            try:
                for unit in UNITS:
                    self._write_unit(unit)
                    self.place.start_unit(unit)
                for unit in UNITS:
                    self.place.wait_ready(f"unit-{unit}")
                self.wait(lambda: self.settled() is not None, "one owner and one ready")
                yield self
            finally:
                self.wire.close()

    def _write_unit(self, unit: str) -> None:
        assert self.wire is not None
        folder = self.place.unit_folder(unit)
        folder.mkdir(parents=True)
        self.place.health_ports[f"unit-{unit}"] = setup.free_port()
        port = self.wire.port if unit == UNITS[0] else self.place.ports["uplink"]
        settings = {
            "unit_uid": unit,
            "centre": f"127.0.0.1:{port}",
            "enrolment": f"127.0.0.1:{self.place.ports['enrolment']}",
            "data": "data",
            "token": self.place.mint_token(unit),
            "health_port": self.place.health_ports[f"unit-{unit}"],
        }
        (folder / "unit.yaml").write_text(yaml.safe_dump(settings))

    def wait(self, happens: Callable[[], bool], what: str) -> None:
        self.place.wait_until(happens, what, patience_s=PATIENCE_S)

    # ---- who reads ---------------------------------------------------------------------

    def status(self, *items: pb.Item) -> pb.BatchReply:
        target = f"127.0.0.1:{self.place.ports['ingest']}"
        with grpc.insecure_channel(target) as channel:
            request = pb.BatchRequest(items=[*items, pb.Item(query=pb.Query())])
            reply: pb.BatchReply = ownership_pb2_grpc.OwnershipStub(channel).Batch(
                request, timeout=10
            )
        return reply

    def reads(self, unit: str) -> bool:
        """Whether the PBX is connected to a unit, as the kernel says."""
        member = self.place.fleet[f"unit-{unit}"]
        ports = {reader.port for reader in self.pbx.connected()}
        with contextlib.suppress(psutil.Error):
            return any(
                c.raddr and c.raddr.port == self.pbx.port and c.laddr.port in ports
                for c in psutil.Process(member.pid).net_connections("tcp")
            )
        return False

    def settled(self) -> str | None:
        """Give the owner if it alone reads and the other one stands ready."""
        reply = self.status()
        if not reply.leading or not reply.links or len(reply.links[0].ready) != len(UNITS):
            return None
        owner = reply.links[0].owner
        readers = [unit for unit in UNITS if self.reads(unit)]
        return owner if readers == [owner] else None

    # ---- rounds ------------------------------------------------------------------------

    def round(self, kind: str) -> float:
        """One fault, from a settled state to a settled state; gives how long it took."""
        self.wait(lambda: self.settled() is not None, "a settled state")
        owner = self.settled()
        assert owner is not None
        if kind == "cut" and owner != UNITS[0]:
            self.hand_over(UNITS[0])
            owner = UNITS[0]
        other = UNITS[1 - UNITS.index(owner)]
        name, fleet = f"unit-{owner}", self.place.fleet
        time.sleep(0.3 + secrets.randbelow(1000) / 1000)  # any moment of the owner's rhythm
        assert self.wire is not None
        began = time.time()  # the clock of the PBX
        match kind:
            case "planned":
                self.order(other)
            case "crash":
                fleet.kill(name)
            case "freeze":
                fleet.freeze(name)
            case _:
                self.wire.cut()
        took = self.connected_after(began, other)
        match kind:
            case "crash":
                fleet.again(name)
            case "freeze":
                fleet.thaw(name)
            case "cut":
                assert self.reads(owner), "a unit that is cut off reads on"
                self.wire.heal()
            case _:
                pass
        self.findings.seconds.setdefault(kind, []).append(took)
        return took

    def order(self, unit: str) -> None:
        item = pb.Item(hand_over=pb.HandOver(link_uid=self.link_uid, to=unit))
        assert list(self.status(item).results)[:1] == [pb.RESULT_OK]

    def hand_over(self, unit: str) -> None:
        self.order(unit)
        self.wait(lambda: self.settled() == unit, f"{unit} to read")

    def connected_after(self, began: float, unit: str) -> float:
        deadline = began + PATIENCE_S
        while time.time() < deadline:
            found = [r.since for r in self.pbx.connected() if r.since > began]
            if found and self.reads(unit):
                return min(found) - began
            time.sleep(0.01)
        raise CheckFailedError(f"{unit} did not take over within {PATIENCE_S:.0f} s")

    # ---- the end -----------------------------------------------------------------------

    def count(self) -> Findings:
        """Let everything arrive, then count what is stored against what was printed."""
        self.wait(lambda: self.settled() is not None, "a settled state")
        found = self.findings
        found.printed = self.pbx.stop_printing()
        found.moves = self._moves()
        endpoints = self.place.endpoints
        with Store.open(endpoints.database, segments=self.folder / "segments") as store:
            with contextlib.suppress(CheckFailedError):
                self.wait(lambda: _stored(store)[1] >= found.printed, "every line to be stored")
            for unit in UNITS:
                self._delivered(unit, store)
            rows, found.stored = _stored(store)
            found.doubled = rows - found.stored
            found.sent_again = _one(store, "SELECT COUNT(*) FROM duplicate")
            found.suspended = _one(store, "SELECT COUNT(*) FROM suspense")
        return found

    def _moves(self) -> Counter[str]:
        """Give how often the link moved, by cause, from /metrics of ingest."""
        port = self.place.health_ports["ingest"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        pattern = r'^bluewhale_ownership_moves_total\{cause="(\w+)"\} (\S+)$'
        found = re.findall(pattern, text, re.MULTILINE)
        return Counter({cause: int(float(n)) for cause, n in found})

    def _delivered(self, unit: str, store: Store) -> None:
        """Wait for all of a unit's journal, also what it read alone; note what does not arrive."""
        path = self.place.unit_folder(unit) / "data" / "journal.db"
        deadline = time.monotonic() + PATIENCE_S
        while behind := not_stored(path, store):
            if time.monotonic() > deadline:
                self.findings.not_delivered.append(f"{unit}: {behind} not whole")
                return
            time.sleep(0.2)


def _lines(call: world.SimCall) -> list[tuple[int, bytes]]:
    return [(at_s, item.data) for at_s, item in asterisk.print_call(call).lines]


def _stored(store: Store) -> tuple[int, int]:
    sql = "SELECT COUNT(*), COUNT(DISTINCT cdr_id) FROM leg"
    rows, distinct = store.run_read(lambda tx: tx.rows(sql))[0]
    return int(rows), int(distinct)


def _one(store: Store, sql: str) -> int:
    return int(store.run_read(lambda tx: tx.rows(sql))[0][0])


def run(
    folder: Path,
    endpoints: Endpoints,
    prefix: str,
    rounds: int,
    *,
    profile: str = "fast",
    kinds: tuple[str, ...] = KINDS,
    say: Callable[[str], None] = lambda _text: None,
) -> Findings:
    """Run rounds of every kind, mixed, and count at the end."""
    place = Rounds(folder, endpoints, prefix, profile)
    with place.running():
        for number in range(rounds):
            for kind in kinds:
                say(f"{number + 1:3} {kind:8} {place.round(kind):5.2f} s")
        return place.count()


@contextlib.contextmanager
def own_database(server: str) -> Iterator[str]:
    """Give a database of its own on a PostgreSQL server; it goes with the block."""
    name = f"failover_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield server.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=30, help="of each kind")
    parser.add_argument("--profile", choices=sorted(LIMIT_S), default="fast")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--json", type=Path, help="write the seconds of every round here")
    chosen = parser.parse_args(arguments)
    given = Endpoints.of_environment()
    with (
        tempfile.TemporaryDirectory(prefix="failover-") as folder,
        own_database(given.database) as database,
    ):
        found = run(
            Path(folder),
            Endpoints(kafka=given.kafka, database=database),
            f"failover-{secrets.token_hex(4)}-",
            chosen.rounds,
            profile=chosen.profile,
            kinds=tuple(chosen.kinds),
            say=lambda text: print(text, flush=True),
        )
    print(found.table())
    if chosen.json:
        chosen.json.write_text(json.dumps(found.seconds))
    for problem in found.problems():
        print(problem)
    return 1 if found.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
