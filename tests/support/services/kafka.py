"""Kafka of our own: one or three brokers, each a controller too, on free ports.

Owns fetching the jars (Maven, once, into ~/.cache/bluewhale), starting, killing,
freezing and wiping. Example::

    with KafkaCluster(brokers=3) as kafka:
        kafka.kill(2)
"""

from __future__ import annotations

import base64
import fcntl
import functools
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.support.services.program import (
    Missing,
    Program,
    cache_folder,
    free_ports,
    port_open,
    run_to_end,
)

FILES = Path(__file__).parent / "broker_files"
FETCH_TIMEOUT_S = 900
START_TIMEOUT_S = 120


def _cached_jars() -> Path:
    mark = hashlib.sha256((FILES / "pom.xml").read_bytes()).hexdigest()[:16]
    return cache_folder() / f"kafka-{mark}"


def missing() -> str:
    """Say what of it is not installed and how to get it; "" = nothing."""
    if shutil.which("java") is None:
        return "java is missing: apt-get install openjdk-17-jre-headless maven"
    if shutil.which("mvn") is None and not _cached_jars().is_dir():
        return "mvn is missing: apt-get install maven"
    return ""


def jars() -> Path:
    """Give the folder of the broker's jars; fetched by Maven the first time."""
    folder = _cached_jars()
    if folder.is_dir():
        return folder
    if why := missing():
        raise Missing(why)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder
        half = Path(tempfile.mkdtemp(prefix="kafka-half-", dir=folder.parent))
        goal = [
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={half}",
        ]
        done = subprocess.run(
            ["mvn", "-B", "-q", "-f", str(FILES / "pom.xml"), *goal],
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_TIMEOUT_S,
        )
        if done.returncode != 0:
            shutil.rmtree(half)
            raise Missing(f"Maven could not fetch Kafka: {done.stdout[-1500:]}{done.stderr[-500:]}")
        half.rename(folder)
    return folder


class KafkaCluster:
    """A cluster in a temporary folder; `bootstrap` is where clients begin.

    `settings` are further lines of server.properties; `listeners` further listeners,
    name -> protocol (`SASL_SSL`), each at a port of its own: `at(name)`. `options` are
    those of Java; None = with the classes that an earlier start left.
    """

    def __init__(
        self,
        brokers: int = 1,
        *,
        heap_mib: int = 384,
        options: Sequence[str] | None = None,
        settings: dict[str, str] | None = None,
        listeners: dict[str, str] | None = None,
    ) -> None:
        assert brokers in {1, 3}
        self.brokers = brokers
        self._heap_mib = heap_mib
        self._options = _classes() if options is None else options
        self._settings = settings or {}
        self._listeners = listeners or {}
        ports = free_ports((2 + len(self._listeners)) * brokers)
        self._ports, self._controllers = ports[:brokers], ports[brokers : 2 * brokers]
        self._more = {
            name: ports[(2 + i) * brokers : (3 + i) * brokers]
            for i, name in enumerate(self._listeners)
        }
        self._folder = Path(tempfile.mkdtemp(prefix="bluewhale-kafka-"))
        self._programs: dict[int, Program] = {}
        self.bootstrap = ",".join(f"127.0.0.1:{p}" for p in self._ports)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def at(self, listener: str) -> str:
        """Give where clients begin who come by one of `listeners`."""
        return ",".join(f"127.0.0.1:{p}" for p in self._more[listener])

    def start(self) -> None:
        """Start what does not run; returns when all brokers serve."""
        try:
            self._format()
            for node in range(1, self.brokers + 1):
                self._launch(node)
            for node in range(1, self.brokers + 1):
                self._wait(node)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all brokers and delete everything."""
        self._end_all()
        shutil.rmtree(self._folder, ignore_errors=True)

    def end(self, node: int) -> None:
        """Ask broker `node` to end, and wait."""
        self._programs.pop(node).stop()

    def kill(self, node: int) -> None:
        """End broker `node` (1, 2, 3) as kill -9 does."""
        self._programs.pop(node).stop(signal.SIGKILL)

    def revive(self, node: int) -> None:
        """Start a killed broker with what it had on disk."""
        self._launch(node)
        self._wait(node)

    def pause(self, node: int) -> None:
        """Freeze a broker: it holds its connections and says nothing."""
        self._programs[node].send(signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """Let a frozen broker go on."""
        self._programs[node].send(signal.SIGCONT)

    def wipe_and_recreate(self) -> None:
        """End all, delete all topics and offsets, start anew on the same ports."""
        self._end_all()
        for entry in self._folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.start()

    def _end_all(self) -> None:
        for program in self._programs.values():
            program.send(signal.SIGCONT)
            program.send(signal.SIGKILL)
        for program in self._programs.values():
            program.stop(signal.SIGKILL)
        self._programs.clear()

    def _home(self, node: int) -> Path:
        return self._folder / f"node{node}"

    def _format(self) -> None:
        """Write settings and, once, the empty log folders of all nodes."""
        if self._home(1).exists():
            return
        # 16 random bytes as URL-safe base64, not beginning with a dash
        cluster = "A" + base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")[1:]
        for node in range(1, self.brokers + 1):
            home = self._home(node)
            home.mkdir()
            lines = [f"{k}={v}\n" for k, v in self._properties(node).items()]
            (home / "server.properties").write_text("".join(lines))
            config = str(home / "server.properties")
            tool = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", config]
            run_to_end([*_java(128, self._options), *tool])

    def _properties(self, node: int) -> dict[str, str]:
        port, controller = self._ports[node - 1], self._controllers[node - 1]
        voters = ",".join(f"{i + 1}@127.0.0.1:{p}" for i, p in enumerate(self._controllers))
        copies = {"replication": str(self.brokers), "isr": "2" if self.brokers == 3 else "1"}
        open_to = {"PLAINTEXT": port} | {n: ports[node - 1] for n, ports in self._more.items()}
        advertised = ",".join(f"{name}://127.0.0.1:{at}" for name, at in open_to.items())
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"} | self._listeners
        made: dict[str, str] = {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "controller.quorum.voters": voters,
            "listeners": f"{advertised},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": advertised,
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": ",".join(f"{n}:{p}" for n, p in protocols.items()),
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self._home(node) / "log"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies["replication"],
            "min.insync.replicas": copies["isr"],
            "offsets.topic.replication.factor": copies["replication"],
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": copies["replication"],
            "transaction.state.log.min.isr": copies["isr"],
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": copies["replication"],
            "share.coordinator.state.topic.min.isr": copies["isr"],
            "share.coordinator.state.topic.num.partitions": "4",
            # a test neither waits for further members nor fills the disk
            "group.initial.rebalance.delay.ms": "0",
            "log.segment.delete.delay.ms": "1000",
            "log.segment.bytes": str(64 << 20),
            "log.retention.bytes": str(1 << 30),
            # a dead broker is noticed within four seconds
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
        }
        return made | self._settings

    def _launch(self, node: int) -> None:
        if node in self._programs:
            return
        home = self._home(node)
        log = home / "broker.log"
        log.unlink(missing_ok=True)
        java = _java(self._heap_mib, self._options)
        command = [*java, "kafka.Kafka", str(home / "server.properties")]
        self._programs[node] = Program(command, log)

    def _wait(self, node: int) -> None:
        program = self._programs[node]
        program.wait_until(
            lambda: (
                "Kafka Server started" in program.log.read_text(errors="replace")
                and port_open(self._ports[node - 1])
            ),
            START_TIMEOUT_S,
        )


@functools.cache
def _classes() -> list[str]:
    """Give the option that maps Kafka's classes: else half of a start is reading them from jars."""
    kept = jars() / "classes.jsa"
    with (kept.parent.parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            half = kept.with_suffix(".half")
            half.unlink(missing_ok=True)
            with KafkaCluster(options=[f"-XX:ArchiveClassesAtExit={half}"]) as kafka:
                kafka.end(1)
            half.touch()  # a Java that cannot write them leaves none: nobody tries again
            half.rename(kept)
    return [f"-XX:SharedArchiveFile={kept}"] if kept.stat().st_size else []


def _java(heap_mib: int, options: Sequence[str]) -> list[str]:
    return [
        "java",
        *options,
        f"-Xmx{heap_mib}m",
        "-XX:MaxDirectMemorySize=256m",
        # what lives for minutes does not earn back a collector of threads and a second compiler
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        f"{jars()}/*",
        f"-Dlog4j2.configurationFile={FILES / 'log4j2.xml'}",
    ]
