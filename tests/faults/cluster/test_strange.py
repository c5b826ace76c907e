"""Strange things that happen to one PBX's way, while the others must not notice.

One installation for all; each test has a PBX and a unit of its own and compares
only that PBX with the truth.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
import yaml
from bluewhale.cli.fleet import unit_command
from bluewhale.cli.simulate.installation import Endpoints, Installation
from bluewhale.cli.simulate.play import Line, append_to_file, send_to_socket, write_files
from bluewhale.cli.simulate.session import DIALECTS, World
from bluewhale.cli.simulate.setup import free_port
from bluewhale.cli.simulate.verify import compare
from bluewhale.cli.simulate.world import SimPbx
from bluewhale.database import Store

from tests.support.journals import not_stored
from tests.support.services import KafkaCluster, PostgresServer

PBXS = 6
CALLS = 360
SEED = 22  # no two parts of an Avaya transfer of it end in one printed minute
PATIENCE_S = 120.0
NAMESPACE, INSIDE, OUTSIDE = "bw-strange", "bws0", "bws1"
OUTSIDE_IP, INSIDE_IP = "10.77.5.1", "10.77.5.2"
CUT_S = 12.0
GARBAGE_LINES = 400

pytestmark = [
    pytest.mark.slow,
    pytest.mark.services("kafka", "postgres"),
    pytest.mark.xdist_group("strange"),  # one installation, so one worker
]


@dataclass
class Strange:
    """An installation with a PBX, a link and a unit per test."""

    world: World
    installation: Installation
    store: Store
    url: str
    kafka: KafkaCluster

    def pbx(self, number: int) -> SimPbx:
        """Give a PBX: 0, 3 Avaya; 1, 4 CUCM; 2, 5 Asterisk."""
        return self.world.pbxs[number]

    def unit(self, number: int) -> str:
        """Give the unit of a PBX."""
        return f"unit-of-{self.pbx(number).site_uid}"

    def play(self, number: int, part: slice = slice(None)) -> None:
        """Let a PBX print a part of its lines, with their header where it has one."""
        pbx = self.pbx(number)
        links = yaml.safe_load((self.world.folder / "bluewhale.yaml").read_text("utf-8"))["links"]
        connector = links[number]["connector"]
        head = [x for x in self.world.lines[pbx.pbx_uid] if x.kind == "context"]
        lines = [x for x in self.world.lines[pbx.pbx_uid] if x.kind != "context"][part]
        if connector["type"] == "tcp_server":
            send_to_socket("127.0.0.1", connector["port"], [*head, *lines], 1, reconnects=0)
        elif connector.get("mode") == "tail":
            append_to_file(
                self.world.folder / connector["path"] / connector["pattern"], lines, seed=1
            )
        else:
            name = f"cdr_{pbx.site_uid}_{part.start or 0}_{{:04}}_1"
            write_files(self.world.folder / connector["path"], name, [*head, *lines], 20)

    def legs(self, number: int) -> int:
        """Count the stored legs of a PBX."""
        with psycopg.connect(self.url) as main:
            row = main.execute(
                "SELECT COUNT(*) FROM leg WHERE pbx_uid = %s", (self.pbx(number).pbx_uid,)
            ).fetchone()
        return row[0]

    def equal(self, number: int) -> None:
        """Wait until the calls of a PBX are the truth; they still are a moment later."""
        pbxs = {self.pbx(number).pbx_uid}
        self.installation.wait_until(
            lambda: not compare(self.world.truth, self.store, pbxs),
            f"every call of {pbxs}",
            patience_s=PATIENCE_S,
        )
        time.sleep(2)
        assert compare(self.world.truth, self.store, pbxs) == []

    def stored(self, unit: str, legs: int, number: int) -> None:
        """Wait until the main database has what a unit journaled, and that is so many legs."""
        path = self.installation.unit_folder(unit) / "data" / "journal.db"

        def all_stored() -> bool:
            return self.legs(number) >= legs and not not_stored(path, self.store)

        self.installation.wait_until(all_stored, f"{legs} legs", patience_s=PATIENCE_S)


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strange]:
    """Start an installation of six PBXs; units are started by the tests."""
    folder = tmp_path_factory.mktemp("strange")
    world = World.of(folder, PBXS, DIALECTS, CALLS, SEED, 0)
    world.write()
    units = {f"unit-of-{p.site_uid}": [p.link_uid] for p in world.pbxs}
    uplink = free_port()
    settings = {"ingest": {"listen": f"0.0.0.0:{uplink}", "names": ["127.0.0.1", OUTSIDE_IP]}}
    with (
        KafkaCluster() as kafka,
        PostgresServer() as postgres,
        Installation(
            folder,
            Endpoints(kafka.bootstrap, postgres.url),
            units,
            prefix="strange.",
            settings=settings,
        ) as installation,
    ):
        installation.write()
        installation.ports["uplink"] = uplink
        installation.start_roles()
        with Store.open(postgres.url, segments=folder / "segments") as store:
            yield Strange(world, installation, store, postgres.url, kafka)


def _half(strange: Strange, number: int) -> int:
    lines = strange.world.lines[strange.pbx(number).pbx_uid]
    return sum(x.kind != "context" for x in lines) // 2


def test_a_unit_restored_from_an_old_copy_of_its_disk_loses_and_doubles_nothing(strange: Strange):
    """The copy knows nothing of the second half: it reads those files again, as duplicates."""
    unit, half = strange.unit(1), _half(strange, 1)
    fleet = strange.installation.fleet
    data = strange.installation.unit_folder(unit) / "data"
    name = strange.installation.start_unit(unit)
    strange.installation.wait_ready(name)
    strange.play(1, slice(0, half))
    strange.stored(unit, half, 1)
    fleet.stop(name)
    shutil.copytree(data, data.with_name("copy"))
    fleet.again(name)
    strange.play(1, slice(half, None))
    strange.equal(1)
    fleet.kill(name)
    shutil.rmtree(data)
    data.with_name("copy").rename(data)
    fleet.again(name)
    strange.installation.wait_ready(name)
    strange.stored(unit, half, 1)
    strange.equal(1)


def test_two_running_copies_of_one_unit_double_nothing(strange: Strange):
    """Both read the same growing file under one name; what the second heard are duplicates."""
    unit, half = strange.unit(2), _half(strange, 2)
    fleet = strange.installation.fleet
    folder = strange.installation.unit_folder(unit)
    name = strange.installation.start_unit(unit)
    strange.installation.wait_ready(name)
    strange.play(2, slice(0, half))
    strange.stored(unit, half, 2)
    fleet.stop(name)
    twin = folder.with_name(f"{unit}-twin")
    shutil.copytree(folder, twin)
    settings = yaml.safe_load((twin / "unit.yaml").read_text())
    (twin / "unit.yaml").write_text(yaml.safe_dump({**settings, "health_port": 0}))
    fleet.again(name)
    fleet.start("twin", unit_command(twin / "unit.yaml"))
    strange.installation.wait_ready(name)
    strange.play(2, slice(half, None))
    strange.equal(2)
    link = strange.pbx(2).link_uid
    strange.installation.wait_until(
        lambda: any(d["link_uid"] == link for d in strange.store.duplicates().to_pylist()),
        "duplicates of the twin",
        patience_s=PATIENCE_S,
    )
    strange.equal(2)
    fleet.stop("twin")


def test_poison_in_every_topic_stops_nobody(strange: Strange):
    """Bytes that are no message, in every partition of every topic; calls flow around them."""
    from kafka import KafkaProducer

    unit = strange.unit(0)
    name = strange.installation.start_unit(unit)
    strange.installation.wait_ready(name)
    producer = KafkaProducer(bootstrap_servers=strange.kafka.bootstrap)
    try:
        for topic in ("cdr.raw", "cdr.parsed", "cdr.rated"):
            for partition in range(strange.installation.partitions):
                for headers in ([], [("kind", b"frame"), ("v", b"1"), ("ingested_at", b"1")]):
                    producer.send(
                        f"strange.{topic}", b"\x00poison\xff", partition=partition, headers=headers
                    )
        producer.flush(timeout=30)
    finally:
        producer.close()
    strange.play(0)
    strange.equal(0)
    strange.installation.fleet.check()


def test_a_pbx_that_sends_only_garbage_disturbs_no_other(strange: Strange):
    """Every line of garbage waits in suspense; the PBX beside it is complete."""
    noisy, quiet = strange.unit(3), strange.unit(4)
    for unit in (noisy, quiet):
        strange.installation.wait_ready(strange.installation.start_unit(unit))
    garbage = [
        Line(b"\xfe\x01 not a record %04d \xf0\x28\r\n" % k, "garbage")
        for k in range(GARBAGE_LINES)
    ]
    strange.world.lines[strange.pbx(3).pbx_uid] = garbage
    strange.play(3)
    strange.play(4)
    strange.equal(4)
    link = strange.pbx(3).link_uid

    def waiting() -> int:
        rows = strange.store.suspense_list(limit=10_000).to_pylist()
        return sum(r["link_uid"] == link for r in rows)

    strange.installation.wait_until(
        lambda: waiting() == GARBAGE_LINES, "all garbage in suspense", patience_s=PATIENCE_S
    )


@contextlib.contextmanager
def _namespace() -> Iterator[None]:
    """Make a network of two ends: one of this machine's own namespace, one of a unit's."""
    commands = f"""
        ip netns add {NAMESPACE}
        ip link add {OUTSIDE} type veth peer name {INSIDE} netns {NAMESPACE}
        ip addr add {OUTSIDE_IP}/30 dev {OUTSIDE}
        ip link set {OUTSIDE} up
        ip -n {NAMESPACE} addr add {INSIDE_IP}/30 dev {INSIDE}
        ip -n {NAMESPACE} link set {INSIDE} up
        ip -n {NAMESPACE} link set lo up
    """
    try:
        for command in commands.strip().splitlines():
            subprocess.run(command.split(), check=True)
        yield
    finally:
        subprocess.run(["ip", "link", "del", OUTSIDE], check=False)
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)


@contextlib.contextmanager
def _cut(device: str, other_end: str, *inside: str) -> Iterator[None]:
    """Lose every packet that leaves a device for its other end; the other way stays open.

    The neighbour gets a wrong hardware address, so its kernel drops what comes.
    """
    neighbour = [*inside, "ip", "neigh"]
    wrong = ["lladdr", "02:00:00:00:00:99", "dev", device, "nud", "permanent"]
    subprocess.run([*neighbour, "replace", other_end, *wrong], check=True)
    try:
        yield
    finally:
        subprocess.run([*neighbour, "del", other_end, "dev", device], check=True)


def test_a_network_cut_one_way_loses_nothing_either_way(strange: Strange):
    """First no answer comes back to the unit, then nothing of the unit gets out."""
    unit, half = strange.unit(5), _half(strange, 5)
    fleet = strange.installation.fleet
    first = strange.installation.start_unit(unit)
    strange.installation.wait_ready(first)
    fleet.stop(first)  # it is enrolled now
    path = strange.installation.unit_folder(unit) / "unit.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["centre"] = f"{OUTSIDE_IP}:{strange.installation.ports['uplink']}"
    path.write_text(yaml.safe_dump({**settings, "health_port": None}))
    inside = ("ip", "netns", "exec", NAMESPACE)
    with _namespace():
        command = [*inside, sys.executable, "-m", "bluewhale.remoteunit", "--config", str(path)]
        fleet.start("inside", command)
        strange.play(5, slice(0, 5))
        strange.stored(unit, 5, 5)
        with _cut(OUTSIDE, INSIDE_IP):
            strange.play(5, slice(5, half))
            time.sleep(CUT_S)
        with _cut(INSIDE, OUTSIDE_IP, *inside):
            strange.play(5, slice(half, None))
            time.sleep(CUT_S)
        strange.equal(5)
        fleet.stop("inside")
