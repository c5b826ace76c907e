"""A simulated installation that runs as roles: its configuration, processes and units.

Owns what turns a simulated world into an installation of roles on this machine:
the sections `cluster` and `units`, one process per role and unit, enrolment of
the units, and waiting until all are ready. Does not own the services that the
roles need (`Endpoints` says where they are), nor the world.
"""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from bluewhale.cli.exceptions import CheckFailedError, InputError
from bluewhale.cli.fleet import Fleet, Spawn, role_command, spawned, unit_command
from bluewhale.cli.simulate.setup import free_port

ROLES = ("storage", "ingest", "parser", "billing")
READY_PATIENCE_S = 90.0
TOKEN_PATIENCE_S = 30.0

VARIABLES = {
    "kafka": "KAFKA_BOOTSTRAP",
    "database": "POSTGRES_DSN",
    "redis": "REDIS_URL",
    "otlp": "OTLP_GRPC_ENDPOINT",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the services are that roles need; no redis, no otlp = done without."""

    kafka: str
    database: str
    redis: str | None = None
    otlp: str | None = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Endpoints:
        """Take the endpoints from KAFKA_BOOTSTRAP, POSTGRES_DSN, REDIS_URL, OTLP_GRPC_ENDPOINT.

        Raises
        ------
        InputError
            Kafka or PostgreSQL is not named.
        """
        missing = [VARIABLES[n] for n in ("kafka", "database") if not environment.get(VARIABLES[n])]
        if missing:
            raise InputError(
                f"set {' and '.join(missing)} to a running Kafka (host:port) and PostgreSQL"
                " (postgresql://user@host:port/database)"
            )
        return cls(**{n: environment.get(v) or None for n, v in VARIABLES.items()})  # type: ignore[arg-type]


@dataclass(slots=True)
class Installation:
    """One configuration folder, its roles and its units; all processes end with the block."""

    folder: Path
    endpoints: Endpoints
    units: Mapping[str, Sequence[str]]  # unit_uid -> link_uids, in the order of preference
    prefix: str
    sample_ratio: float = 0.01
    partitions: int = 2
    replication: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)  # merged into `cluster`
    spawn: Spawn = spawned
    fleet: Fleet = field(init=False)
    health_ports: dict[str, int] = field(init=False, default_factory=dict)
    ports: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.fleet = Fleet(self.folder / "log", spawn=self.spawn)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.fleet.close()

    # ---- configuration -------------------------------------------------------------------

    def write(self) -> None:
        """Add `cluster` and `units` to the bluewhale.yaml of the folder."""
        names = ("uplink", "enrolment", "ingest", "storage", "billing", "parser", "webapi", "web")
        self.ports = {name: free_port() for name in names}
        path = self.folder / "bluewhale.yaml"
        document = yaml.safe_load(path.read_text("utf-8"))
        at = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        cluster: dict[str, Any] = {
            "kafka": {
                "bootstrap": self.endpoints.kafka,
                "prefix": self.prefix,
                "partitions": self.partitions,
                "replication": self.replication,
            },
            "database": {"url": self.endpoints.database, "segments": "segments"},
            "redis": {"url": self.endpoints.redis},
            "telemetry": {
                "otlp_endpoint": self.endpoints.otlp,
                "sample_ratio": self.sample_ratio,
            },
            "ingest": {
                "listen": at["uplink"],
                "enrolment": at["enrolment"],
                "internal": {"listen": at["ingest"]},
                "authority_create": True,
                "heartbeat_ms": 1_000,
            },
            "parser": {"listen": at["parser"]},
            "billing": {"listen": at["billing"]},
            "storage": {"listen": at["storage"]},
            "webapi": {"listen": at["webapi"]},
        }
        document["web"] = {"listen": at["web"]}
        document["cluster"] = _merged(cluster, self.settings)
        document["units"] = [
            {"unit_uid": unit_uid, "links": list(links)} for unit_uid, links in self.units.items()
        ]
        path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        for link in document["links"]:
            if "path" in link["connector"]:  # a unit refuses a link whose folder is not there
                (self.folder / link["connector"]["path"]).mkdir(parents=True, exist_ok=True)

    def unit_folder(self, unit_uid: str) -> Path:
        """Give the folder of a unit: its settings, journal and keys."""
        return self.folder / "units" / unit_uid

    # ---- processes -----------------------------------------------------------------------

    def start_roles(self, roles: Sequence[str] = ROLES) -> None:
        """Start roles in order and wait until each is ready."""
        for role in roles:
            self.start_role(role)
        for role in roles:
            self.wait_ready(role)

    def start_role(self, role: str, *, copy: int = 1) -> str:
        """Start one copy of a role; gives its name in the fleet."""
        name = role if copy == 1 else f"{role}-{copy}"
        self.health_ports[name] = free_port()
        environment = {"BLUEWHALE_CLUSTER__HEALTH__PORT": str(self.health_ports[name])}
        if copy > 1:  # a copy answers on a port of its own; peers go to the first
            environment |= self._elsewhere(role)
        self.fleet.start(name, role_command(role, self.folder), environment=environment)
        return name

    def _elsewhere(self, role: str) -> dict[str, str]:
        here = f"127.0.0.1:{free_port()}"
        if role != "ingest":
            return {f"BLUEWHALE_CLUSTER__{role.upper()}__LISTEN": here}
        return {
            "BLUEWHALE_CLUSTER__INGEST__LISTEN": here,
            "BLUEWHALE_CLUSTER__INGEST__ENROLMENT": f"127.0.0.1:{free_port()}",
            "BLUEWHALE_CLUSTER__INGEST__INTERNAL__LISTEN": f"127.0.0.1:{free_port()}",
        }

    def start_unit(self, unit_uid: str) -> str:
        """Start a unit; the first time it is enrolled with a fresh token. Gives its name."""
        folder = self.unit_folder(unit_uid)
        settings = folder / "unit.yaml"
        name = f"unit-{unit_uid}"
        if not settings.exists():
            folder.mkdir(parents=True)
            self.health_ports[name] = free_port()
            settings.write_text(
                yaml.safe_dump(
                    {
                        "unit_uid": unit_uid,
                        "centre": f"127.0.0.1:{self.ports['uplink']}",
                        "enrolment": f"127.0.0.1:{self.ports['enrolment']}",
                        "data": "data",
                        "token": self.mint_token(unit_uid),
                        "health_port": self.health_ports[name],
                        "otlp_endpoint": self.endpoints.otlp,
                        "sample_ratio": self.sample_ratio,
                    }
                ),
                "utf-8",
            )
        self.fleet.start(name, unit_command(settings))
        return name

    def mint_token(self, unit_uid: str) -> str:
        """Ask ingest for a one-time token of a unit."""
        import grpc
        from bluewhale.api.units.v1 import units_pb2, units_pb2_grpc

        with grpc.insecure_channel(f"127.0.0.1:{self.ports['ingest']}") as channel:
            stub = units_pb2_grpc.UnitsStub(channel)
            reply = stub.MintToken(
                units_pb2.MintTokenRequest(unit_uid=unit_uid),
                timeout=TOKEN_PATIENCE_S,
                wait_for_ready=True,
            )
        return str(reply.token)

    # ---- waiting -------------------------------------------------------------------------

    def ready(self, name: str) -> bool:
        """Say whether a member of the fleet calls itself ready."""
        url = f"http://127.0.0.1:{self.health_ports[name]}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def wait_ready(self, name: str, *, patience_s: float = READY_PATIENCE_S) -> None:
        """Wait until a member is ready."""
        self.wait_until(lambda: self.ready(name), f"{name} to be ready", patience_s=patience_s)

    def wait_until(
        self, happens: Callable[[], bool], what: str, *, patience_s: float = READY_PATIENCE_S
    ) -> None:
        """Poll until something is true; a member that ended by itself ends the wait.

        Raises
        ------
        CheckFailedError
            It did not happen in time; the logs' last lines are shown.
        """
        deadline = time.monotonic() + patience_s
        while not happens():
            self.fleet.check()
            if time.monotonic() > deadline:
                tails = "\n".join(f"--- {n}\n{self.fleet[n].tail()}" for n in self.fleet.names())
                raise CheckFailedError(f"waited {patience_s:.0f} s in vain for {what}\n{tails}")
            time.sleep(0.1)


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay settings over settings, key by key."""
    out = dict(below)
    for key, value in above.items():
        inner = out.get(key)
        out[key] = (
            _merged(inner, value)
            if isinstance(inner, dict) and isinstance(value, Mapping)
            else value
        )
    return out
