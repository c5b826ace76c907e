"""The links that run: connectors as tasks, started, stopped and started again.

Owns keeping each link alive on its own and the check whether a link could run.
Does not own which links there are (`applying`) or who may read them
(`entitlement`).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bluewhale.capture import BluewhaleError
from bluewhale.connectors import Connector, LinkState, build, checked_connector
from bluewhale.journal import Journal
from bluewhale.telemetry import get_logger

LISTENERS = frozenset({"tcp_server", "syslog_tcp", "syslog_udp"})
_RETRY_S_MAX = 30.0


@dataclass(slots=True)
class _Running:
    entry: Mapping[str, Any]
    state: LinkState = field(default_factory=LinkState)
    connector: Connector | None = None
    task: asyncio.Task[None] | None = None


class Links:
    """All links of the unit. `may_read` says whether a link shall be read now."""

    def __init__(self, journal: Journal, may_read: Callable[[str], bool]) -> None:
        self._journal = journal
        self._may_read = may_read
        self._running: dict[str, _Running] = {}
        self._stopping = False
        self._log = get_logger("links")

    def states(self) -> dict[str, tuple[int, LinkState]]:
        """Give stream_id and health of every link, by link_uid."""
        return {uid: (r.entry["stream_id"], r.state) for uid, r in self._running.items()}

    def address_of(self, link_uid: str) -> tuple[str, int] | None:
        """Give where a link listens now."""
        running = self._running.get(link_uid)
        return running.state.listening_on if running else None

    def problem(self, link_uid: str) -> str:
        """Say why a link has neither a listener nor a connection; "" = it has, or is not read."""
        running = self._running[link_uid]
        state = running.state
        if running.task is None or state.listening_on is not None or state.connected:
            return ""
        return f"{link_uid}: {state.last_error}" if state.last_error else ""

    async def use(self, links: Mapping[str, Mapping[str, Any]]) -> None:
        """Read these links: what is unchanged goes on undisturbed."""
        for uid in [u for u, r in self._running.items() if links.get(u) != r.entry]:
            await self._stop(self._running.pop(uid))
        for uid, entry in links.items():
            if uid not in self._running:
                self._running[uid] = _Running(entry)
        self.follow()

    def follow(self) -> None:
        """Start links that shall be read now and are not; `leave` stops them.

        Nothing is started any more once `stop` was called.
        """
        if self._stopping:
            return
        for uid, running in self._running.items():
            if running.task is None and self._may_read(uid):
                running.task = asyncio.create_task(self._keep(uid, running), name=f"link {uid}")

    async def leave(self, link_uid: str) -> None:
        """Stop reading a link; what was received is in the journal afterwards."""
        if (running := self._running.get(link_uid)) is not None:
            await self._stop(running)

    async def stop(self) -> None:
        """Stop every link for good; what was received is in the journal afterwards."""
        self._stopping = True
        await asyncio.gather(*(self._stop(running) for running in self._running.values()))

    async def _stop(self, running: _Running) -> None:
        if running.task is not None:
            running.task.cancel()
            with suppress(asyncio.CancelledError):
                await running.task
            running.task = running.connector = None

    async def _keep(self, uid: str, running: _Running) -> None:
        """Run a connector; one that fails is made anew after a while, alone."""
        failures = 0
        while True:
            try:
                running.connector = build(running.entry, self._journal, state=running.state)
                await running.connector.run()
            except (BluewhaleError, OSError) as error:
                running.state.last_error = str(error)
                self._log.warning("Link failed", link_uid=uid, error=str(error))
            failures += 1
            await asyncio.sleep(min(_RETRY_S_MAX, 0.5 * 2 ** min(failures, 8)))


async def problem_of(entry: Mapping[str, Any], own_ports: Collection[int], timeout_s: float) -> str:
    """Try whether a link could run, without reading anything; "" = it could.

    A listener's port must be free or in `own_ports`, a PBX must answer, a folder
    must be readable (and its archive writable).
    """
    wanted = checked_connector(entry)
    uid, kind = entry["link_uid"], wanted["type"]
    match kind:
        case _ if kind in LISTENERS:
            if wanted["port"] in own_ports:
                return ""  # held by a link that the candidate replaces
            datagrams = kind == "syslog_udp"
            return await asyncio.to_thread(
                _cannot_bind, uid, wanted["host"], wanted["port"], datagrams
            )
        case "tcp_client":
            try:
                async with asyncio.timeout(timeout_s):
                    _, writer = await asyncio.open_connection(wanted["host"], wanted["port"])
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
            except OSError as error:  # TimeoutError is one
                why = error.strerror or "no answer"
                return f"{uid}: cannot connect to {wanted['host']}:{wanted['port']}: {why}"
            return ""
        case _:
            return await asyncio.to_thread(_cannot_read, uid, wanted["path"], wanted["archive"])


def _cannot_bind(uid: str, host: str, port: int, datagrams: bool) -> str:
    kind = socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM
    try:
        family, _, protocol, _, address = socket.getaddrinfo(host, port, type=kind)[0]
        with socket.socket(family, kind, protocol) as probe:
            if not datagrams:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return f"{uid}: cannot listen on {host}:{port}: {error.strerror or error}"
    return ""


def _cannot_read(uid: str, folder: str, archive: str | None) -> str:
    try:
        with os.scandir(folder) as entries:
            next(iter(entries), None)
    except OSError as error:
        return f"{uid}: cannot read {folder}: {error.strerror}"
    if archive is not None:
        place = Path(archive)
        parent = place if place.exists() else place.parent
        if not os.access(parent, os.W_OK):
            return f"{uid}: cannot write to {archive}"
    return ""
