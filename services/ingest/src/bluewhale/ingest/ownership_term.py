"""Winning, renewing and losing the term of ownership.

Owns that loop and the leader that lives as long as the term. Does not own the
decisions (`bluewhale.ownership`), where the term is kept (`bluewhale.database.terms`,
`term_witnesses`) or gRPC.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Protocol, TypeVar

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.ownership import Leader, Profile, Rules, TermCandidate, TermRow, boot_time
from bluewhale.telemetry import get_logger

T = TypeVar("T")


class Terms(Protocol):
    """Where the term is kept: changed by compare-and-set, asked by one thread at a time."""

    def read(self) -> TermRow | None:
        """Give what it says; None = nobody ever led."""

    def take(
        self, seen: TermRow | None, *, holder: str, address: str, lease_s: float
    ) -> TermRow | None:
        """Begin the next term if it is as it was seen; None = it is not."""

    def renew(self, term: int, holder: str, *, count: int, lease_s: float) -> float | None:
        """Note the renewal `count` of a term, from 1, and how long leases may run.

        Gives the longest lease that it surely says now, wherever it is kept; None = the
        term is another's.
        """

    def resign(self, term: int, holder: str) -> None:
        """Give the term up, so that another may begin at once; nothing if it is another's."""


class TermKeeper:
    """One would-be leader.

    `terms` opens where it is kept and may fail while that is away; `rules` gives
    what a person wants of links and units now; `profile` and `failback_hold_s` are
    of a unit and a link of which they say nothing; `address` is where units reach
    this process; `renewed` is told how long each renewal took and how many seconds
    were left of the term then; `told` what keeps this process from knowing or
    changing the term, "" = nothing.
    """

    def __init__(
        self,
        terms: Callable[[], Terms],
        rules: Callable[[], Rules],
        *,
        address: str,
        profile: Profile,
        failback_hold_s: float | None,
        renewed: Callable[[float, float], None],
        told: Callable[[str], None] = lambda _problem: None,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._terms, self._rules, self._clock = terms, rules, clock
        self._address, self.profile = address, profile
        self._failback_hold_s, self._renewed, self._told = failback_hold_s, renewed, told
        self._candidate = TermCandidate(profile)
        self._holder = secrets.token_hex(8)
        self._leader: Leader | None = None
        self._count = 0  # of renewals of the term that were tried
        self._log = get_logger("ownership")
        self._problem = ""
        self._resigned = False
        self.leader_address = ""  # who leads, as was read last
        self.term = 0  # of this leader, or of the row as seen last

    def leading(self) -> Leader | None:
        """Give the leader while this process may serve, else None."""
        return self._leader if self._candidate.leading(self._clock()) else None

    async def run(self) -> None:
        """Try to lead, again and again; give the term up when cancelled."""
        try:
            while not self._resigned:
                try:
                    await self._turn()
                    self._problem = ""
                    self._told("")
                except BluewhaleError as error:
                    if not self._problem:
                        self._log.warning("Term of ownership is out of reach", error=str(error))
                    self._problem = str(error)
                    self._told(self._problem)
                await asyncio.sleep(self.profile.retry_s)
        finally:
            await self.resign()

    async def resign(self) -> None:
        """Lead no more, let another begin at once; where nobody can be told it begins later."""
        self._resigned = True
        if self._leader is None:
            return
        term, holder = self._candidate.term, self._holder
        self._lose()
        try:
            await self._call(lambda t: t.resign(term, holder))
            self._log.info("Term of ownership given up", term=term)
        except BluewhaleError as error:
            self._log.warning("Term of ownership is out of reach", error=str(error))

    def configure(self) -> None:
        """Tell the leader which links and units there are."""
        leader = self.leading()
        if leader is not None:
            leader.configure(self._rules(), self._clock())

    async def _turn(self) -> None:
        if self._leader is not None:
            await self._renew(self._leader)
            return
        row = await self._call(lambda t: t.read())
        self.leader_address = row.address if row is not None else ""
        self.term = row.term if row is not None else 0
        if row is not None and row.holder == self._holder:
            self._holder = secrets.token_hex(8)  # taken by an attempt whose outcome was lost
        if self._candidate.may_take(row, self._clock()):
            await self._take(row)

    async def _renew(self, leader: Leader) -> None:
        self.configure()  # so that the row says a longer lease before it is given
        sent_at = self._clock()
        term, holder = self._candidate.term, self._holder
        lease_s = self._candidate.lease_to_renew_s(sent_at, leader.longest_lease_s())
        leader.cover(min(leader.covered_s, lease_s))  # it may be said though no answer comes
        self._count = count = self._count + 1
        covered_s = await self._call(lambda t: t.renew(term, holder, count=count, lease_s=lease_s))
        if covered_s is None:
            self._log.warning("Term of ownership lost", term=term)
            self._lose()
            return
        now = self._clock()
        self._renewed(now - sent_at, self._candidate.until() - now)
        self._candidate.renewed(sent_at)
        leader.cover(covered_s)

    async def _take(self, seen: TermRow | None) -> None:
        sent_at = self._clock()
        row = await self._call(
            lambda t: t.take(
                seen,
                holder=self._holder,
                address=self._address,
                lease_s=self._candidate.lease_to_take_s(seen),
            )
        )
        if row is None:
            return
        if self._resigned:  # while it was answered
            await self._call(lambda t: t.resign(row.term, row.holder))
            return
        now, self._count = self._clock(), 0
        hold_off_s = self._candidate.won(row.term, seen, sent_at, now)
        self._leader = Leader(
            term=row.term,
            profile=self.profile,
            now=now,
            hold_off_s=hold_off_s,
            failback_hold_s=self._failback_hold_s,
            covered_s=row.lease_s,
        )
        self.leader_address, self.term = row.address, row.term
        self.configure()
        self._log.info("Term of ownership won", term=row.term)

    def _lose(self) -> None:
        self._candidate.lost()
        self._leader = None
        self.leader_address = ""
        self._holder = secrets.token_hex(8)

    async def _call(self, work: Callable[[Terms], T]) -> T:
        """Ask in a thread; the loop goes on."""
        return await asyncio.to_thread(lambda: work(self._terms()))
