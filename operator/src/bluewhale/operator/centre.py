"""Ingest as the operator asks it: units, and who is entitled to which link.

Owns the connection, the search for the copy of ingest that leads, and the translation
of answers. Does not own what follows from them (`decide`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import grpc
from bluewhale.api.ownership.v1 import ownership_pb2, ownership_pb2_grpc
from bluewhale.api.units.v1 import units_pb2, units_pb2_grpc
from bluewhale.operator.exceptions import IngestError
from bluewhale.operator.observed import Centre, LinkReport, UnitReport

SERVER_NAME = "bluewhale-ingest"  # in ingest's certificate, whatever its address is
KEY_FILE, CERTIFICATE_FILE, TRUST_FILE = "operator.key", "operator.pem", "ca.pem"
PAGE = 1_000
TIMEOUT_S = 10.0
HOPS_MAX = 3  # a copy names the leader, who may have changed meanwhile
TOKEN_LIFE_MS = 3_600_000
Figure = Literal["backlog_records", "journaled_through", "stored_through"]


class Ingest:
    """One installation's ingest; every call may raise `IngestError`."""

    def __init__(self, address: str, identity: Path | None) -> None:
        self._address, self._identity = address, identity
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._seen: tuple[bytes, ...] = ()
        self._ending: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Close connections."""
        self._end_channels()
        await asyncio.gather(*self._ending)

    def _end_channels(self) -> None:
        """Use no channel any more; calls under way may end."""
        for channel in self._channels.values():
            ending = asyncio.create_task(channel.close(TIMEOUT_S))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        self._channels = {}

    async def view(self) -> Centre:
        """Give all units and the owners of all links; what cannot be asked is the problem."""
        try:
            units, wrong = await self._units()
            statuses, profile = await self._ownership()
        except IngestError as error:
            return Centre(problem=str(error))
        reports = {unit.unit_uid: report_of(unit) for unit in units}
        links = links_of(units, statuses)
        return Centre(reports, links, profile, tuple(dict.fromkeys(wrong)), problem="")

    async def mint(self, unit: str) -> tuple[str, datetime]:
        """Give a one-time token and when it expires."""
        async with self._asking() as channel:
            reply = await units_pb2_grpc.UnitsStub(channel).MintToken(
                units_pb2.MintTokenRequest(unit_uid=unit, lifetime_ms=TOKEN_LIFE_MS),
                timeout=TIMEOUT_S,
            )
        return reply.token, datetime.fromtimestamp(reply.expires_at_ms / 1000, UTC)

    async def configure(self, unit: str, overrides: Mapping[str, Any]) -> None:
        """Say what a unit runs by beside its links."""
        async with self._asking() as channel:
            await units_pb2_grpc.UnitsStub(channel).Configure(
                units_pb2.ConfigureRequest(unit_uid=unit, overrides_json=json.dumps(overrides)),
                timeout=TIMEOUT_S,
            )

    async def revoke(self, unit: str, reason: str) -> None:
        """End the certificates of a unit."""
        async with self._asking() as channel:
            await units_pb2_grpc.UnitsStub(channel).Revoke(
                units_pb2.RevokeRequest(unit_uid=unit, reason=reason), timeout=TIMEOUT_S
            )

    async def hand_over(self, link: str, to: str) -> None:
        """Let another unit read a link; it begins when the owner has stopped."""
        item = ownership_pb2.Item(hand_over=ownership_pb2.HandOver(link_uid=link, to=to))
        reply = await self._lead([item])
        result = reply.results[0]
        if result != ownership_pb2.RESULT_OK:
            name = ownership_pb2.Result.Name(result).removeprefix("RESULT_").lower()
            raise IngestError(f"link {link} was not handed over to {to}: {name}")

    # ---- inside ------------------------------------------------------------------------

    async def _units(self) -> tuple[list[units_pb2.Unit], list[str]]:
        """Give every unit, and what is wrong with the files that ingest reads."""
        found: list[units_pb2.Unit] = []
        wrong: list[str] = []
        page = ""
        while True:
            async with self._asking() as channel:
                reply = await units_pb2_grpc.UnitsStub(channel).List(
                    units_pb2.ListRequest(page_size=PAGE, page_token=page), timeout=TIMEOUT_S
                )
            found.extend(reply.units)
            wrong.extend(reply.configuration_problems)
            page = reply.next_page_token
            if not page:
                return found, wrong

    async def _ownership(
        self,
    ) -> tuple[list[ownership_pb2.LinkStatus], tuple[float, float, float]]:
        reply = await self._lead([ownership_pb2.Item(query=ownership_pb2.Query())])
        profile = reply.profile
        return list(reply.links), (profile.lease_s, profile.deadline_s, profile.retry_s)

    async def _lead(self, items: list[ownership_pb2.Item]) -> ownership_pb2.BatchReply:
        """Ask the copy of ingest that leads."""
        address = self._address
        for _ in range(HOPS_MAX):
            async with self._asking(address) as channel:
                reply = await ownership_pb2_grpc.OwnershipStub(channel).Batch(
                    ownership_pb2.BatchRequest(items=items), timeout=TIMEOUT_S
                )
            if reply.leading:
                return reply
            if not reply.leader:
                break
            address = reply.leader
        raise IngestError("no copy of ingest leads at the moment")

    @contextlib.asynccontextmanager
    async def _asking(self, address: str = "") -> AsyncIterator[grpc.aio.Channel]:
        target = address or self._address
        try:
            yield self._channel(target)
        except grpc.aio.AioRpcError as error:
            raise IngestError(f"{target}: {error.details()}") from error

    def _channel(self, target: str) -> grpc.aio.Channel:
        """Give the channel to an address; new files of the identity make new channels."""
        if self._identity is None:
            if target not in self._channels:
                self._channels[target] = grpc.aio.insecure_channel(target)
            return self._channels[target]
        try:
            files = tuple(
                (self._identity / name).read_bytes()
                for name in (TRUST_FILE, KEY_FILE, CERTIFICATE_FILE)
            )
        except OSError as error:
            raise IngestError(
                f"{error.filename} cannot be read ({error.strerror}); make it with"
                " `bluewhale unit authority operator`"
            ) from error
        if self._seen != files:
            self._end_channels()
            self._seen = files
        if target not in self._channels:
            self._channels[target] = grpc.aio.secure_channel(
                target,
                grpc.ssl_channel_credentials(*files),
                (("grpc.ssl_target_name_override", SERVER_NAME),),
            )
        return self._channels[target]


def report_of(unit: units_pb2.Unit) -> UnitReport:
    """Give what ingest says of a unit."""
    copies = sorted(unit.instances, key=lambda i: i.connected_at_ms, reverse=True)
    ends = [c.not_after_ms for c in unit.certificates if not c.revoked_at_ms]
    overrides, own = unit.configuration.overrides_json, unit.failover
    return UnitReport(
        name=unit.unit_uid,
        state=unit.state,
        version=copies[0].release if copies else "",
        clock_skew_ms=max((c.clock_skew_ms for c in copies), key=abs, default=0),
        journal_ratio=max((c.journal_usage_ratio for c in copies), default=0.0),
        backlog_records=_total(copies, "backlog_records"),
        received_through=_total(copies, "journaled_through"),
        stored_through=_total(copies, "stored_through"),
        waiting_since_ms=min(
            (c.oldest_waiting_at_ms for c in copies if c.oldest_waiting_at_ms), default=0
        ),
        days_left=min(
            (c.journal_days_left for c in copies if c.HasField("journal_days_left")), default=None
        ),
        gaps=sum(link.records_lost for link in unit.links),
        certificate_not_after_ms=max(ends, default=0),
        revoked_at_ms=unit.revoked_at_ms,
        copies=len(copies),
        overrides=json.loads(overrides) if overrides else {},
        wrong={c.name: c.message for c in unit.conditions if not c.good},
        links=tuple(link.link_uid for link in unit.links),
        failover=(own.lease_s, own.deadline_s, own.retry_s) if unit.HasField("failover") else None,
    )


def _total(copies: list[units_pb2.Instance], name: Figure) -> int | None:
    """Add a figure over the running copies of a unit; None if one does not tell it."""
    if not copies or not all(copy.HasField(name) for copy in copies):
        return None
    return sum(getattr(copy, name) for copy in copies)


def links_of(
    units: Iterable[units_pb2.Unit], statuses: Iterable[ownership_pb2.LinkStatus]
) -> dict[str, LinkReport]:
    """Give who reads each link: of several units the entitled one, of one that one itself."""
    by_link = {status.link_uid: status for status in statuses}
    readers: dict[str, list[tuple[units_pb2.Unit, units_pb2.UnitLink]]] = {}
    for unit in units:
        for link in unit.links:
            readers.setdefault(link.link_uid, []).append((unit, link))
    found = {}
    for uid, entries in readers.items():
        status = by_link.get(uid)
        connected = [unit.unit_uid for unit, _ in entries if unit.state == "connected"]
        shared = len(entries) > 1
        owner = (status.owner if status else "") if shared else "".join(connected)
        states = {unit.unit_uid: link.state for unit, link in entries}
        found[uid] = LinkReport(
            state=states.get(owner, ""),
            last_record_ms=max(link.last_received_at_ms for _, link in entries),
            owner=owner,
            ready=tuple(status.ready) if status and shared else tuple(connected),
            shared=shared,
            moving_to=status.to if status else "",
        )
    return found
