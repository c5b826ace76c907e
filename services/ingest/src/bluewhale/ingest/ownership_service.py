"""The Ownership service: thin. Identifies, translates, calls the leader, pushes news.

Owns the open watches. Does not own grants (`bluewhale.ownership.Leader`) or the
term (`ownership_term`). Everything touches the leader on the event loop, so that
it needs no lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from bluewhale.api.ownership.v1 import ownership_pb2 as pb
from bluewhale.api.ownership.v1 import ownership_pb2_grpc
from bluewhale.ingest.admission import operator_of, unit_of
from bluewhale.ingest.exceptions import AdmissionError
from bluewhale.ingest.ownership_metrics import OwnershipMetrics
from bluewhale.ingest.ownership_term import TermKeeper, Terms
from bluewhale.ingest.uplink_door import status_of
from bluewhale.ownership import (
    DEFAULT,
    FAILBACK_HOLD_S,
    EventKind,
    HandOver,
    Leader,
    Profile,
    Query,
    Rules,
    boot_time,
)
from bluewhale.ownership import Batch as Items
from bluewhale.ownership.wire import pack_answer, pack_news, unpack_batch
from bluewhale.telemetry import Metrics, get_logger
from typing_extensions import override

ITEMS_MAX = 1_000
TICK_S = 0.1
WATCH_IDLE_S = 1.0
Refusal = Callable[[str, str], tuple[str, str] | None]  # unit_uid, serial of its certificate


class OwnershipDoor(ownership_pb2_grpc.OwnershipServicer):
    """One replica's door; only the replica that leads has an answer.

    `plaintext`: no certificates, the unit that a request names is believed.
    `refusal` says why a unit is not admitted: a stable code and a text; None = it is.
    """

    def __init__(
        self,
        terms: Callable[[], Terms],
        rules: Callable[[], Rules],
        *,
        address: str,
        metrics: Metrics,
        profile: Profile = DEFAULT,
        failback_hold_s: float | None = FAILBACK_HOLD_S,
        plaintext: bool = False,
        refusal: Refusal = lambda _unit, _serial: None,
        told: Callable[[str], None] = lambda _problem: None,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._clock, self._plaintext, self._refusal = clock, plaintext, refusal
        self._metrics = OwnershipMetrics(metrics)
        self.keeper = TermKeeper(
            terms,
            rules,
            address=address,
            profile=profile,
            failback_hold_s=failback_hold_s,
            renewed=self._metrics.renewed_term,
            told=told,
            clock=clock,
        )
        self._watches: dict[tuple[str, int], set[asyncio.Event]] = {}
        self._log = get_logger("ownership")

    def register(self, server: Any) -> None:
        """Serve this on a gRPC server."""
        ownership_pb2_grpc.add_OwnershipServicer_to_server(self, server)

    async def run(self) -> None:
        """Keep the term, let time pass, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.keeper.run(), name="term of ownership")
            tasks.create_task(self._tick(), name="ownership")

    # ---- what is called ----------------------------------------------------------------

    @override
    async def Batch(self, request: pb.BatchRequest, context: Any) -> pb.BatchReply:
        """Items of one session, applied in order by the leader; else who leads."""
        batch = unpack_batch(request)
        try:
            self._admit(batch, context)
        except AdmissionError as error:
            self._log.warning("Ownership refused", peer=context.peer(), error=str(error))
            await context.abort(*status_of(error))
        if len(request.items) > ITEMS_MAX:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"too_many_items: {len(request.items)}, at most {ITEMS_MAX} in one batch",
            )
        leader = self.keeper.leading()
        if leader is None:
            return pb.BatchReply(leading=False, leader=self.keeper.leader_address)
        now = self._clock()
        leader.advance(now)
        self._spread(leader)
        answer = leader.batch(batch, now)
        self._metrics.asked(leader, batch, answer, now)
        queries = [item.links for item in batch.items if isinstance(item, Query)]
        links = [status for asked in queries for status in leader.query(now, asked)]
        self._spread(leader)
        return pack_answer(answer, links)

    @override
    async def Watch(self, request: pb.WatchRequest, context: Any) -> AsyncIterator[pb.News]:
        """What a session may see, now and whenever it changes; ends with it, or with the term."""
        try:
            self._admit(Items(request.unit_uid, request.session, ()), context)
        except AdmissionError as error:
            await context.abort(*status_of(error))
        key = (request.unit_uid, request.session)
        changed = asyncio.Event()
        self._watches.setdefault(key, set()).add(changed)
        known = None
        try:
            while (leader := self.keeper.leading()) is not None:
                changed.clear()
                news = leader.news(*key)
                if news is None:
                    return
                if news.revision != known:
                    known = news.revision
                    yield pack_news(news)
                try:
                    async with asyncio.timeout(WATCH_IDLE_S):
                        await changed.wait()
                except TimeoutError:
                    pass  # look whether we still lead
        finally:
            waiting = self._watches[key]
            waiting.discard(changed)
            if not waiting:
                del self._watches[key]

    # ---- inside ------------------------------------------------------------------------

    def _admit(self, batch: Items, context: Any) -> None:
        """Only a unit speaks for itself; only operators order.

        Raises
        ------
        AdmissionError
            Another unit's certificate, a revoked one, or no operator.
        """
        if not batch.unit_uid:
            operator_of(context)
            return
        if any(isinstance(item, HandOver) for item in batch.items):
            raise AdmissionError("not_operator", "a hand-over is ordered by an operator")
        serial = ""
        if not self._plaintext:
            who = unit_of(context)
            serial = who.serial
            if who.uid != batch.unit_uid:
                raise AdmissionError(
                    "unit_mismatch", f"the certificate is of {who.uid}, not of {batch.unit_uid}"
                )
        problem = self._refusal(batch.unit_uid, serial)
        if problem is not None:
            raise AdmissionError(*problem)

    async def _tick(self) -> None:
        while True:
            leader = self.keeper.leading()
            if leader is not None:
                leader.advance(self._clock())
                self._spread(leader)
            keeper = self.keeper
            self._metrics.look(leader, keeper.term, self._clock())
            await asyncio.sleep(TICK_S)

    def _spread(self, leader: Leader) -> None:
        """Wake the watches of sessions that see something new; a log line per unit, not per link."""
        for session_key in leader.take_changed():
            for changed in self._watches.get(session_key, ()):
                changed.set()
        decided: dict[tuple[EventKind, str, int], list[str]] = {}
        events = leader.take_events()
        self._metrics.decided(leader, events, self._clock())
        for event in events:
            key = (event.kind, event.unit_uid, event.session)
            decided.setdefault(key, []).append(event.link_uid)
        for (kind, unit_uid, session), links in decided.items():
            self._log.info(
                "Ownership changed",
                state=kind.value,
                unit_uid=unit_uid,
                session=f"{session:016x}",
                term=leader.term,
                links=len(links),
                link_uid=links[0],
            )
