"""The host of ownership's `UnitSide`: asks the leader, follows its watch, moves the links.

Owns channels to whoever leads, the rhythm of asking, and the file that remembers
which links were read, and by which timings. Does not own the decisions (`bluewhale.ownership`) or the
links. Links that one unit alone may read never come here.

Example
-------
::

    client = OwnershipClient("unit-a", centre="ingest:7440", connect=connect,
                             kept=data / "ownership.json", metrics=metrics,
                             started=links.follow, leave=links.leave)
    client.use(document.shared)
    task = asyncio.create_task(client.run())     # until cancelled
    client.reads("hq-smdr")                      # what `Links` asks
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import grpc
import grpc.aio
from bluewhale.api.ownership.v1 import ownership_pb2 as pb
from bluewhale.api.ownership.v1 import ownership_pb2_grpc
from bluewhale.capture import BluewhaleError
from bluewhale.ownership import DEFAULT, Answer, Batch, Profile, Renew, Result, UnitSide, boot_time
from bluewhale.ownership.wire import pack_batch, unpack_answer, unpack_news
from bluewhale.remoteunit.document import write_whole
from bluewhale.telemetry import Metrics, get_logger

_LOOK_S = 0.5  # a lease that ends, a restored link: noticed this soon without any message
_CALL_S_MIN = 1.0
_GIVE_UP_S = 1.0
CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)

Connect = Callable[[str], Awaitable[grpc.aio.Channel]]


class _Kept(NamedTuple):
    """What the file remembers."""

    links: frozenset[str] = frozenset()
    profile: Profile | None = None


class OwnershipClient:
    """Which shared links this process shall read, kept true.

    Parameters
    ----------
    centre
        host:port of ingest; a replica that does not lead names the one that does.
    connect
        Opens a channel to an address, with `CHANNEL_OPTIONS` and the unit's
        certificate of now; may raise a `TemporaryError`.
    kept
        File that remembers the links read and the timings, for a restart without contact.
    started
        Told on the loop that links may have to be started.
    leave
        Stops one link; returns when what it received is in the journal.
    """

    def __init__(
        self,
        unit_uid: str,
        *,
        centre: str,
        connect: Connect,
        kept: Path,
        metrics: Metrics,
        started: Callable[[], None],
        leave: Callable[[str], Awaitable[None]],
        profile: Profile = DEFAULT,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._centre, self._connect, self._clock = centre, connect, clock
        self._kept_path, self._started, self._leave = kept, started, leave
        self._metrics = metrics
        self._kept = found = _read_kept(kept)
        self.side = UnitSide(
            unit_uid, secrets.randbits(62) + 1, profile=found.profile or profile, kept=found.links
        )
        self._target = centre
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._shared: frozenset[str] = frozenset()
        self._reading: frozenset[str] = frozenset()
        self._moving: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._problem = ""
        self._unnoted = ""  # why the links that are read are not on disk
        self._log = get_logger("ownership").bind(unit_uid=unit_uid)

    @property
    def problem(self) -> str:
        """Why the leader does not answer, or what it says cannot be noted; "" = all is well."""
        return (self._problem or self._unnoted) if self._shared else ""

    def reads(self, link_uid: str) -> bool:
        """Tell whether a shared link shall be read now."""
        return self.side.reads(link_uid, self._clock())

    def use(self, shared: Collection[str]) -> None:
        """Share these links with other units from now on."""
        if frozenset(shared) != self._shared:
            self._shared = frozenset(shared)
            self.side.set_links(self._shared, self._clock())
            self._wake.set()

    async def run(self) -> None:
        """Keep asking and following until cancelled; then give back what is held."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask_again(), name="ownership asks")
                tasks.create_task(self._watch_again(), name="ownership watches")
        finally:
            for task in self._moving.values():
                task.cancel()
            with suppress(grpc.aio.AioRpcError, BluewhaleError, TimeoutError):
                async with asyncio.timeout(_GIVE_UP_S):
                    await self._send(self.side.give_up(self._clock()))
            for channel in self._channels.values():
                await channel.close()

    # ---- asking ------------------------------------------------------------------------

    async def _ask_again(self) -> None:
        while True:
            idle = self.side.idle()
            batch = None if idle else self.side.request(self._clock())
            if batch is not None:
                await self._ask(batch)
            self._follow()
            self._count_links()
            await self._remember()
            left_s = _LOOK_S if idle else self.side.next_at - self._clock()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(left_s, 0.0), _LOOK_S)):
                    await self._wake.wait()
            self._wake.clear()

    async def _ask(self, batch: Batch) -> None:
        try:
            reply = await self._send(batch)
        except (grpc.aio.AioRpcError, BluewhaleError) as error:
            await self._unreachable(_words(error))
            return
        if not reply.leading:
            self._say("nobody leads now" if not reply.leader else "")
            self._target = reply.leader or self._centre
            self.side.unanswered(self._clock())
            return
        self._say("")
        answer, now = unpack_answer(reply), self._clock()
        self._measure(batch, answer, now)
        self.side.answered(batch, answer, now)

    async def _send(self, batch: Batch) -> pb.BatchReply:
        stub = ownership_pb2_grpc.OwnershipStub(await self._channel(self._target))
        timeout_s = max(_CALL_S_MIN, self.side.profile.retry_s)
        reply: pb.BatchReply = await stub.Batch(pack_batch(batch), timeout=timeout_s)
        return reply

    async def _unreachable(self, why: str) -> None:
        """Begin anew: another channel, and the address that the unit was given."""
        self._say(why)
        channel = self._channels.pop(self._target, None)
        self._target = self._centre
        self.side.unanswered(self._clock())
        if channel is not None:
            await channel.close()

    async def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._channels:
            self._channels[address] = await self._connect(address)
        return self._channels[address]

    def _say(self, problem: str) -> None:
        if bool(problem) != bool(self._problem):
            if problem:
                self._log.warning("Ownership is out of reach", error=problem)
            else:
                self._log.info("Ownership is in reach")
        self._problem = problem

    # ---- metrics -----------------------------------------------------------------------

    def _measure(self, batch: Batch, answer: Answer, now: float) -> None:
        """Tell how long the renewal took, and what was left of the lease that it extends."""
        self._metrics.set("bluewhale_ownership_term", answer.term)
        for item, result in zip(batch.items, answer.results, strict=True):
            if isinstance(item, Renew) and result is Result.OK:
                left_s = max(self.side.lease_end - now, 0.0)
                self._metrics.observe(
                    "bluewhale_lease_renew_seconds", now - batch.sent_at, lease="link"
                )
                self._metrics.observe("bluewhale_lease_left_seconds", left_s, lease="link")

    def _count_links(self) -> None:
        now, leaving = self._clock(), set(self.side.leaving())
        found: Counter[str] = Counter()
        for uid in self._shared:
            if uid in leaving:
                found["told_to_leave"] += 1
            elif not self.side.reads(uid, now):
                found["waiting"] += 1
            else:
                found["owner" if self.side.entitled(uid, now) else "out_of_contact"] += 1
        for state in ("owner", "waiting", "told_to_leave", "out_of_contact"):
            self._metrics.set("bluewhale_ownership_links", found[state], state=state)

    # ---- watching ----------------------------------------------------------------------

    async def _watch_again(self) -> None:
        """Follow the leader's news, which only come sooner than an answer would."""
        while True:
            if self._shared and not self._problem and self._target in self._channels:
                with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await self._watch(self._channels[self._target])
            await asyncio.sleep(_LOOK_S)

    async def _watch(self, channel: grpc.aio.Channel) -> None:
        side = self.side
        request = pb.WatchRequest(unit_uid=side.unit_uid, session=side.session)
        call = ownership_pb2_grpc.OwnershipStub(channel).Watch(request)
        try:
            async for news in call:
                side.watched(unpack_news(news), self._clock())
                self._wake.set()
        finally:
            call.cancel()

    # ---- links -------------------------------------------------------------------------

    def _follow(self) -> None:
        """Stop links that another shall read, let the rest start."""
        reading = self.side.reading(self._clock())
        for uid in (self._reading - reading) | set(self.side.leaving()):
            if uid not in self._moving:
                self._moving[uid] = asyncio.create_task(self._move(uid), name=f"leave {uid}")
        if reading - self._reading:
            self._log.info("Links are read", count=len(reading), links=len(self._shared))
        if reading != self._reading:
            self._reading = reading
            self._started()

    async def _move(self, uid: str) -> None:
        """Stop one link; only then is it released. Renewing goes on meanwhile."""
        try:
            await self._leave(uid)
            self._log.info("Link is left to another unit", link_uid=uid)
        finally:
            del self._moving[uid]
        if uid in self.side.leaving():
            self.side.left(uid, self._clock())
        self._reading = frozenset(self._reading - {uid})  # if it is to be read again: start it
        self._wake.set()

    async def _remember(self) -> None:
        """Note on disk which links are read; a full disk changes nothing now, and is tried again."""
        kept = _Kept(self.side.kept(), self.side.profile)
        if not self._shared or kept == self._kept:
            return
        timings = dataclasses.asdict(self.side.profile)
        text = json.dumps({"links": sorted(kept.links), "timings": timings}).encode()
        try:
            await asyncio.to_thread(write_whole, self._kept_path, text)
        except OSError as error:
            if not self._unnoted:
                self._log.error("Links that are read are not noted on disk", error=str(error))
            self._unnoted = str(error)
            return
        self._kept, self._unnoted = kept, ""


def _words(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name.lower()}: {error.details()}"
    return str(error)


def _read_kept(path: Path) -> _Kept:
    """Give what the file says; a missing or broken one remembers nothing, an older one no timings."""
    try:
        found = json.loads(path.read_text())
        links = frozenset(map(str, found["links"]))
    except (OSError, ValueError, KeyError, TypeError):
        return _Kept()
    try:
        names = (field.name for field in dataclasses.fields(Profile))
        profile = Profile(**{name: float(found["timings"][name]) for name in names})
    except (ValueError, KeyError, TypeError):
        return _Kept(links)
    return _Kept(links, profile)
