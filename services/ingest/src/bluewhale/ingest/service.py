"""Ingest assembled: what runs between start and drain. One object, no globals.

Owns the order of start and end. Does not own signals, health doors or the port
of other roles: the plugin and the nexus do.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from bluewhale.api.units.v1 import units_pb2_grpc
from bluewhale.api.uplink.v1 import uplink_pb2_grpc
from bluewhale.database import Store
from bluewhale.database.terms import Terms
from bluewhale.database.units import Units
from bluewhale.ingest import listeners
from bluewhale.ingest.authority import Authority
from bluewhale.ingest.current import Current
from bluewhale.ingest.enrolment import Enrolment
from bluewhale.ingest.exceptions import AuthorityError
from bluewhale.ingest.fleet import Fleet
from bluewhale.ingest.lease_api import LeaseApi
from bluewhale.ingest.marks_feed import MarksFeed
from bluewhale.ingest.ownership_service import OwnershipDoor
from bluewhale.ingest.raw_log import RawLog
from bluewhale.ingest.term_lease import TermLease
from bluewhale.ingest.term_witnesses import TermWitnesses
from bluewhale.ingest.units_door import UnitsDoor
from bluewhale.ingest.uplink_door import EnrolmentDoor, UplinkDoor
from bluewhale.ownership import PROFILES
from bluewhale.telemetry import get_logger
from bluewhale.uplink import CentreLimits

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.messaging import Log
    from bluewhale.telemetry import Metrics

GRACE_S = 5.0
SILENCE_MS_MIN = 60_000  # one frame takes a slow line most of a minute
Say = Callable[[str, bool, str], None]


class MainDatabase:
    """The main database, opened when it can be reached; any thread."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self._lock = threading.Lock()
        self._store: Store | None = None

    def units(self) -> Units:
        """Give the units; raises a `TemporaryError` while the database is away."""
        return Units(self._opened().db)

    def terms(self) -> Terms:
        """Give the term of ownership; raises a `TemporaryError` while the database is away."""
        return Terms(self._opened().db)

    def _opened(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = self._open()
            return self._store

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None


class Ingest:
    """One copy of ingest.

    `open_log`, `open_store` connect, may block and may be called again after an
    error; `query` gives storage's stub; `say(name, good, message)` takes
    conditions; `failed(error)` a failure of our own that must end the process;
    `more` adds servicers to the units' port.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        open_log: Callable[[], Log],
        open_store: Callable[[], Store],
        query: Callable[[], Any],
        say: Say,
        metrics: Metrics,
        failed: Callable[[BaseException], None] | None = None,
        more: Sequence[listeners.Register] = (),
        instance: str = "",
    ) -> None:
        cluster = configuration.cluster
        self._settings = settings = cluster.ingest
        self._more = tuple(more)
        self._failed = failed
        self._log = get_logger("ingest")
        self.instance = instance or f"{socket.gethostname()}-{os.getpid()}"
        self.database = MainDatabase(open_store)
        self.current = Current(configuration)
        self.credentials = None if settings.plaintext else self._credentials()
        self.enrolment = Enrolment(
            self.database.units,
            authority=self._authority,
            declared=self.current.units,
            per_second=settings.enrolments_per_second,
            certificate_days=settings.certificate_days,
        )
        self.fleet = Fleet(
            self.database.units, self.current, metrics=metrics, say=say, instance=self.instance
        )
        self.raw_log = RawLog(
            open_log,
            partitions=cluster.kafka.partitions,
            replication=cluster.kafka.replication,
            clock_ms=lambda: time.time_ns() // 1_000_000,
            changed=self.fleet.log_changed,
            told=lambda problem: say("log", not problem, problem),
        )
        self.feed = MarksFeed(
            query,
            changed=self.fleet.stored,
            told=lambda problem: say("marks", not problem, problem),
        )
        self.fleet.bind(self.raw_log, self.feed)
        self.units_door = UnitsDoor(
            self.database.units, self.enrolment, self.fleet, instance=self.instance
        )
        witnesses = self._witnesses = self._term_witnesses()
        self.ownership = OwnershipDoor(
            self.database.terms if witnesses is None else lambda: witnesses,
            self.current.rules,
            address=settings.address,
            metrics=metrics,
            profile=PROFILES[settings.ownership.profile],
            failback_hold_s=settings.ownership.failback_hold_s,
            plaintext=settings.plaintext,
            refusal=self.fleet.refusal,
            told=lambda problem: say("ownership", not problem, problem),
        )
        self._uplink_door = UplinkDoor(
            self.enrolment,
            self.fleet,
            self.raw_log,
            limits=CentreLimits(
                heartbeat_ms=settings.heartbeat_ms,
                silence_ms=max(SILENCE_MS_MIN, 6 * settings.heartbeat_ms),
                window_bytes=settings.window_kib << 10,
                marks_interval_ms=settings.marks_interval_ms,
            ),
            release=importlib.metadata.version("bluewhale-ingest"),
            metrics=metrics,
            plaintext=settings.plaintext,
        )
        say("log", False, self.raw_log.problem)
        say("database", False, "the main database was not reached yet")
        self.port = self.enrolment_port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Ingest]:
        """Serve units as long as the block lasts; then send them elsewhere and finish."""
        settings = self._settings
        self.units_door.loop = asyncio.get_running_loop()
        servers = []
        tasks = [
            asyncio.create_task(part(), name=name)
            for name, part in (
                ("raw log", self.raw_log.run),
                ("fleet", self.fleet.run),
                ("marks", self.feed.run),
                ("ownership", self.ownership.run),
            )
        ]
        for task in tasks:
            task.add_done_callback(self._ended)
        try:
            uplink, self.port = await listeners.start(
                settings.listen,
                (self._add_uplink, self._add_units, self.ownership.register, *self._more),
                self._server_credentials(require_client=True),
            )
            servers.append(uplink)
            if not settings.plaintext:
                enrolment, self.enrolment_port = await listeners.start(
                    settings.enrolment,
                    (self._add_enrolment,),
                    self._server_credentials(require_client=False),
                )
                servers.append(enrolment)
            self._log.info("Units are served", host=settings.listen, port=self.port)
            yield self
        finally:
            self.fleet.drain()
            await self.ownership.keeper.resign()
            await asyncio.gather(*(server.stop(GRACE_S) for server in servers))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.raw_log.close()
            if self._witnesses is not None:
                self._witnesses.close()
            await asyncio.to_thread(self.database.close)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Let a part that fell end the process: half an ingest would only look well."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._log.error("A part of ingest failed", exc_info=error)
        if self._failed is not None:
            self._failed(error)

    def _term_witnesses(self) -> TermWitnesses | None:
        """Give the term with a Lease beside the row, where there is a Kubernetes."""
        ownership = self._settings.ownership
        where = ownership.term.kubernetes
        if where is None:
            return None
        patience_s = PROFILES[ownership.profile].retry_s
        api = LeaseApi(
            where.lease,
            namespace=where.namespace,
            url=where.api,
            credentials=where.credentials,
            timeout_s=patience_s,
        )
        lease = TermLease(api, instance=self.instance)
        return TermWitnesses(self.database.terms, lease, patience_s=patience_s)

    def _credentials(self) -> listeners.Credentials:
        settings = self._settings
        try:
            authority = Authority.open(settings.authority)
        except AuthorityError:
            if not settings.authority_create or any(settings.authority.glob("*")):
                raise
            authority = Authority.create(settings.authority, now=listeners.utc_now())
            self._log.warning("Certificate authority made", path=str(settings.authority))
        return listeners.Credentials(authority, settings.names, clock=listeners.utc_now)

    def _authority(self) -> Authority:
        if self.credentials is None:
            raise AuthorityError("there are no certificates with `plaintext`; leave it out")
        return self.credentials.authority()

    def _server_credentials(self, *, require_client: bool) -> Any:
        return self.credentials and self.credentials.server(require_client=require_client)

    def _add_uplink(self, server: Any) -> None:
        uplink_pb2_grpc.add_UplinkServicer_to_server(self._uplink_door, server)

    def _add_enrolment(self, server: Any) -> None:
        uplink_pb2_grpc.add_UplinkServicer_to_server(EnrolmentDoor(self.enrolment), server)

    def _add_units(self, server: Any) -> None:
        units_pb2_grpc.add_UnitsServicer_to_server(self.units_door, server)
