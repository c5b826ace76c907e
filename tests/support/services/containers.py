"""The same services as containers, where a Docker engine runs.

Owns images, ports and the end of containers. Started by the keeper alone.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from typing import Self

from tests.support.services.program import free_ports, port_open

PULL_TIMEOUT_S = 600
START_TIMEOUT_S = 120


def engine_runs() -> bool:
    """Tell whether `docker info` answers."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=5)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@dataclass(frozen=True)
class Image:
    """How one service runs in a container; ports are the container's own."""

    name: str
    ports: tuple[int, ...]
    environment: dict[str, str]
    arguments: tuple[str, ...] = ()


def _kafka(port: int) -> Image:
    return Image(
        "apache/kafka:4.0.0",
        (port,),
        {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        },
    )


_POSTGRES = Image("postgres:16-alpine", (5432,), {"POSTGRES_HOST_AUTH_METHOD": "trust"})
_REDIS = Image("redis:7-alpine", (6379,), {})
_JAEGER = Image("jaegertracing/all-in-one:1.62.0", (4317, 16686), {})


class Container:
    """One running container; `endpoint` is what clients get."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._id = ""
        self.endpoint: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Run it; returns when its ports answer."""
        kafka_port = free_ports(1)[0]
        images = {"postgres": _POSTGRES, "redis": _REDIS, "jaeger": _JAEGER}
        image = images.get(self.service) or _kafka(kafka_port)
        # a broker tells clients its port, so that one must be the same on both sides
        outside = [kafka_port] if self.service == "kafka" else free_ports(len(image.ports))
        ports = [
            x
            for i, o in zip(image.ports, outside, strict=True)
            for x in ("-p", f"127.0.0.1:{o}:{i}")
        ]
        settings = [x for k, v in image.environment.items() for x in ("-e", f"{k}={v}")]
        done = subprocess.run(
            ["docker", "run", "--rm", "-d", *ports, *settings, image.name, *image.arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PULL_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise RuntimeError(f"docker run {image.name}: {done.stderr.strip()}")
        self._id = done.stdout.strip()
        self._wait(outside)
        self.endpoint = self._endpoint(outside)

    def stop(self) -> None:
        """End and remove it."""
        if self._id:
            subprocess.run(
                ["docker", "rm", "-f", self._id], capture_output=True, check=False, timeout=60
            )
            self._id = ""

    def _endpoint(self, ports: list[int]) -> dict[str, str]:
        first = f"127.0.0.1:{ports[0]}"
        return {
            "kafka": {"url": first},
            "postgres": {"url": f"postgresql://postgres@{first}/postgres"},
            "redis": {"url": f"redis://{first}/0"},
            "jaeger": {"url": f"http://{first}", "query": f"http://127.0.0.1:{ports[-1]}"},
        }[self.service]

    def _wait(self, ports: list[int]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (all(map(port_open, ports)) and self._answers()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the container of {self.service} is not ready in time")
            time.sleep(0.2)

    def _answers(self) -> bool:
        """Docker's own forwarding opens ports early: ask inside, where there is a way to ask."""
        asks = {
            "postgres": ["pg_isready", "-q", "-h", "127.0.0.1"],
            "redis": ["redis-cli", "ping"],
        }
        if self.service == "kafka":
            logs = subprocess.run(
                ["docker", "logs", self._id], capture_output=True, text=True, check=False
            )
            return "Kafka Server started" in logs.stdout
        if self.service not in asks:
            return True
        ask = ["docker", "exec", self._id, *asks[self.service]]
        return subprocess.run(ask, capture_output=True, check=False).returncode == 0
