"""The serving side: sessions, links, grants of one term. Pure: message and time in, answer out.

Owns who is entitled to read which link during one term. Does not own winning
the term (`term`), sockets, or a clock: `now` is handed in, seconds of any clock
that never steps (`boot_time`). Grants live in memory; what a leader forgets with
its process, units tell the next one, which grants nothing before every lease of
the term before is over.

Example
-------
::

    leader = Leader(term=7, profile=FAST, now=now, hold_off_s=FAST.kept_s)
    leader.configure(Rules({"hq-smdr": ("unit-a", "unit-b")}), now)
    answer = leader.batch(batch, now)
    for session in leader.take_changed(): push(leader.news(*session))
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from bluewhale.ownership.messages import (
    NO_TOKEN,
    Acquire,
    Answer,
    Batch,
    Event,
    EventKind,
    HandOver,
    Item,
    LinkStatus,
    LinkView,
    News,
    NotUnderstood,
    Open,
    Query,
    Release,
    Renew,
    Result,
    Revision,
    Token,
)
from bluewhale.ownership.profile import FAILBACK_HOLD_S, Profile
from bluewhale.ownership.rules import Rules

EVENTS_MAX = 100_000  # kept for one taker; a host takes them after every batch
_FAILBACK_EVERY_S = 1.0


@dataclass(slots=True, eq=False)
class _Session:
    unit_uid: str
    number: int
    since: float
    expires_at: float = float("-inf")  # of all its leases, also of one given under a longer profile
    lease_s: float = 0.0  # of the lease that ends then
    revision: int = 0
    # dictionaries as sets that keep their order: the same messages, the same decisions
    wants: dict[str, None] = field(default_factory=dict)
    owns: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Link:
    uid: str
    units: tuple[str, ...]
    failback_hold_s: float | None
    owner: _Session | None = None
    token: Token = NO_TOKEN
    claimed: bool = False  # owned by a token of an earlier term, confirmed after the hold-off
    since: float = 0.0
    last_unit: str = ""
    moved_at: float = 0.0
    leave: bool = False
    to: str = ""
    wanted_by: dict[str, _Session] = field(default_factory=dict)


class Leader:
    """The grants of one term.

    Parameters
    ----------
    term
        Number of the term, > 0; greater than every term before.
    profile
        Of units that have none of their own.
    now
        When the term was won, by the clock of every later `now`.
    hold_off_s
        Grant nothing for so long: the longest lease that the term before gave, with
        its margin; 0 for the first term of an installation.
    failback_hold_s
        A link goes back to its preferred unit after that unit was there for so
        long without a break, and never twice within it; None = only by order. Of
        links that have none of their own.
    covered_s
        What the row of the term says: the longest lease that may be given. None =
        that of `profile`, which it always says.
    """

    def __init__(
        self,
        *,
        term: int,
        profile: Profile,
        now: float,
        hold_off_s: float,
        failback_hold_s: float | None = FAILBACK_HOLD_S,
        covered_s: float | None = None,
    ) -> None:
        self.term, self.profile = term, profile
        self.failback_hold_s = failback_hold_s
        self.covered_s = profile.lease_s if covered_s is None else covered_s
        self._profiles: dict[str, Profile] = {}
        self.grants_from = now + hold_off_s
        self._settled = False
        self._failback_at = now
        self._sequence = 0
        self._revision = 0
        self._links: dict[str, _Link] = {}
        self._sessions: dict[str, _Session] = {}  # unit_uid -> the one that may speak
        self._replaced: dict[tuple[str, int], _Session] = {}  # kept until their leases end
        # each session once, by an end that was right when it was put in: leases only grow
        self._by_end: list[tuple[float, int, _Session]] = []
        self._put_in = 0
        self._changed: dict[tuple[str, int], None] = {}
        self._events: list[Event] = []

    # ---- what the host calls -----------------------------------------------------------

    def configure(self, rules: Rules, now: float) -> None:
        """Say which units may read which link, and by which timings.

        An owner that may not read a link any more is told to leave. A lease that was
        given under a longer profile stays what it was; a longer one is given when the
        row of the term says it (`cover`).
        """
        self.advance(now)
        links = rules.links
        self._profiles = dict(rules.profiles)
        for uid in [u for u in self._links if u not in links]:
            self._forget(self._links.pop(uid))
        for uid, units in links.items():
            link = self._links.get(uid)
            hold_s = rules.failback_hold_s.get(uid, self.failback_hold_s)
            if link is None:
                self._links[uid] = _Link(uid, tuple(units), hold_s)
                continue
            link.failback_hold_s = hold_s
            if link.units == tuple(units):
                continue
            link.units = tuple(units)
            for unit in [u for u in link.wanted_by if u not in link.units]:
                session = link.wanted_by.pop(unit)
                if session is not link.owner:
                    session.wants.pop(uid, None)
                self._touch(session)
            owner = link.owner
            if owner is not None and owner.unit_uid not in link.units:
                self._order(link, "")
            elif link.to not in link.units:  # also "": an owner that may stay after all
                link.leave, link.to = False, ""
            if owner is not None and self._sessions.get(owner.unit_uid) is owner:
                self._want(owner, link)
            self._announce(link)
            self._settle(link, now)

    def batch(self, batch: Batch, now: float) -> Answer:
        """Apply the items of one session in order; every item has its own result."""
        self.advance(now)
        results = tuple([self._apply(item, batch, now) for item in batch.items])
        session = self._session(batch)
        news = None
        if session is not None and (
            batch.known.term != self.term or session.revision > batch.known.number
        ):
            news = self._news(session)
        return Answer(self.term, results, self.profile_of(batch.unit_uid), news)

    def profile_of(self, unit_uid: str) -> Profile:
        """Give what a unit goes by now: its own timings, if the row covers their lease."""
        own = self._profiles.get(unit_uid, self.profile)
        return own if own.lease_s <= self.covered_s else self.profile

    def longest_lease_s(self) -> float:
        """Give what the row must say: the longest lease that still runs or may be given soon."""
        given = [session.lease_s for _, _, session in self._by_end]
        wanted = [profile.lease_s for profile in self._profiles.values()]
        return max([self.profile.lease_s, *given, *wanted])

    def cover(self, lease_s: float) -> None:
        """Say what the row of the term says, or may say soon: no longer lease is given.

        Before it is made to say less, and after it was made to say more.
        """
        self.covered_s = lease_s

    def advance(self, now: float) -> None:
        """Let time pass: leases end, the hold-off ends, links go back to preferred units."""
        by_end = self._by_end
        while by_end and by_end[0][0] <= now:
            at, place, session = by_end[0]
            if session.expires_at > at:  # renewed since it was put in
                heapq.heapreplace(by_end, (session.expires_at, place, session))
            else:
                heapq.heappop(by_end)
                self._end(session, now)
        if not self._settled and now >= self.grants_from:
            self._settled = True
            for link in self._links.values():
                if link.owner is None:
                    self._settle(link, now)
                elif link.claimed and self._sessions.get(link.owner.unit_uid) is link.owner:
                    self._grant(link, link.owner, now)
        if now >= self._failback_at:
            self._failback_at = now + _FAILBACK_EVERY_S
            self._fail_back(now)

    def news(self, unit_uid: str, session: int) -> News | None:
        """Give what a session may see now; None = no such session."""
        found = self._sessions.get(unit_uid)
        return self._news(found) if found is not None and found.number == session else None

    def query(self, now: float, links: Sequence[str] = ()) -> list[LinkStatus]:
        """Give the state of links in the order asked for, all where none is named.

        Links that are not configured are left out.
        """
        self.advance(now)
        chosen = (
            [self._links[u] for u in links if u in self._links]
            if links
            else [self._links[u] for u in sorted(self._links)]
        )
        return [
            LinkStatus(
                link.uid,
                link.owner.unit_uid if link.owner else "",
                link.token if link.owner else NO_TOKEN,
                now - link.since if link.owner else 0.0,
                link.units,
                tuple(u for u in link.units if u in link.wanted_by),
                link.to,
            )
            for link in chosen
        ]

    def take_changed(self) -> list[tuple[str, int]]:
        """Give the sessions (unit_uid, number) whose view changed since the last call."""
        taken = list(self._changed)
        self._changed.clear()
        return taken

    def take_events(self) -> list[Event]:
        """Give what was decided since the last call."""
        taken, self._events = self._events, []
        return taken

    # ---- items -------------------------------------------------------------------------

    def _apply(self, item: Item, batch: Batch, now: float) -> Result:
        session = self._session(batch)
        match item:
            case Renew():
                if session is None:
                    return Result.SESSION_UNKNOWN
                self._extend(session, now)
                return Result.OK
            case Open():
                if not batch.session:
                    return Result.SESSION_UNKNOWN
                self._open(batch, item, now)
                return Result.OK
            case Acquire():
                if session is None:
                    return Result.SESSION_UNKNOWN
                return self._acquire(session, item.links, now)
            case Release():
                if session is None:
                    return Result.SESSION_UNKNOWN
                return self._release(session, item, now)
            case HandOver():
                return self._hand_over(item, now)
            case Query():
                return Result.OK  # `query` has the answer
            case NotUnderstood():
                return Result.NOT_UNDERSTOOD

    def _session(self, batch: Batch) -> _Session | None:
        session = self._sessions.get(batch.unit_uid)
        return session if session is not None and session.number == batch.session else None

    def _open(self, batch: Batch, item: Open, now: float) -> None:
        unit, number = batch.unit_uid, batch.session
        session = self._sessions.get(unit)
        if session is None or session.number != number:
            if session is not None:
                self._replace(session)
            # the same process again, after another one spoke for its unit: what it holds is its own
            session = self._replaced.pop((unit, number), None) or _Session(unit, number, now)
            session.since = now
            self._sessions[unit] = session
            for uid in session.owns:
                self._want(session, self._links[uid])
            self._touch(session)
        self._extend(session, now)
        if self._settled:
            return
        for uid, token in item.held:
            link = self._links.get(uid)
            if link is None or unit not in link.units or token.term >= self.term:
                continue
            if link.owner is session or (link.owner is not None and token <= link.token):
                continue
            if link.owner is not None:
                link.owner.owns.pop(uid, None)
            link.owner, link.token, link.claimed, link.since = session, token, True, now
            link.last_unit = unit
            session.owns[uid] = None
            self._want(session, link)
            self._announce(link)

    def _extend(self, session: _Session, now: float) -> None:
        profile = self.profile_of(session.unit_uid)
        ends_at = now + profile.kept_s
        if not session.lease_s:
            self._put_in += 1
            heapq.heappush(self._by_end, (ends_at, self._put_in, session))
        if ends_at >= session.expires_at:  # else a lease of a longer profile still runs
            session.expires_at, session.lease_s = ends_at, profile.lease_s

    def _replace(self, session: _Session) -> None:
        """A new process speaks for the unit; what the old one holds ends with its lease."""
        self._replaced[session.unit_uid, session.number] = session
        for uid in session.wants:
            link = self._links[uid]
            if link.wanted_by.get(session.unit_uid) is session:
                del link.wanted_by[session.unit_uid]
        session.wants = dict(session.owns)
        self._say(EventKind.REPLACED, "", session, NO_TOKEN)

    def _acquire(self, session: _Session, links: tuple[str, ...], now: float) -> Result:
        result = Result.OK
        for uid in links:
            link = self._links.get(uid)
            if link is None or session.unit_uid not in link.units:
                result = Result.NOT_CONFIGURED
                continue
            if link.wanted_by.get(session.unit_uid) is not session:
                self._want(session, link)
                self._touch(session)
                self._settle(link, now)
        return result

    def _release(self, session: _Session, item: Release, now: float) -> Result:
        link = self._links.get(item.link_uid)
        if link is None or link.owner is not session or link.token != item.token:
            return Result.STALE_TOKEN
        if not (
            link.leave and link.to
        ):  # an order names the next owner before the present one does
            link.to = item.to
        link.owner, link.claimed, link.leave = None, False, False
        session.owns.pop(link.uid, None)
        if not item.stay or session.unit_uid not in link.units:
            session.wants.pop(link.uid, None)
            link.wanted_by.pop(session.unit_uid, None)
            self._touch(session)
        self._say(EventKind.RELEASED, link.uid, session, item.token)
        self._announce(link)
        self._settle(link, now, last=session)
        return Result.OK

    def _hand_over(self, item: HandOver, now: float) -> Result:
        link = self._links.get(item.link_uid)
        if link is None or item.to not in link.units:
            return Result.NOT_CONFIGURED
        if item.to not in link.wanted_by:
            return Result.NOT_READY
        if link.owner is None:
            link.to = item.to
            self._settle(link, now)
        elif link.owner.unit_uid != item.to:
            self._order(link, item.to)
        else:
            link.leave, link.to = False, ""  # it has it: an order to give it away is taken back
            self._announce(link)
        return Result.OK

    # ---- decisions ---------------------------------------------------------------------

    def _settle(self, link: _Link, now: float, last: _Session | None = None) -> None:
        """Grant a free link: to the unit named, else by preference; `last` only if alone."""
        if link.owner is not None or not self._settled or not link.wanted_by:
            return
        chosen = link.wanted_by.get(link.to)
        if chosen is None:
            ready = [link.wanted_by[u] for u in link.units if u in link.wanted_by]
            others = [s for s in ready if s is not last]
            chosen = (others or ready)[0]
        self._grant(link, chosen, now)

    def _grant(self, link: _Link, session: _Session, now: float) -> None:
        link.token = self._next_token()
        link.owner, link.claimed, link.since = session, False, now
        link.leave, link.to = False, ""
        if link.last_unit != session.unit_uid:
            link.last_unit, link.moved_at = session.unit_uid, now
        session.owns[link.uid] = None
        self._say(EventKind.GRANTED, link.uid, session, link.token)
        self._announce(link)

    def _next_token(self) -> Token:
        self._sequence += 1
        return Token(self.term, self._sequence)

    def _order(self, link: _Link, to: str) -> None:
        assert link.owner is not None
        if link.leave and link.to == to:
            return
        link.leave, link.to = True, to
        self._say(EventKind.ORDERED, link.uid, link.owner, link.token)
        self._announce(link)

    def _fail_back(self, now: float) -> None:
        if not self._settled:
            return
        for link in self._links.values():
            owner, preferred = link.owner, link.units[0] if link.units else ""
            hold_s = link.failback_hold_s
            if owner is None or owner.unit_uid == preferred or link.leave or hold_s is None:
                continue
            session = link.wanted_by.get(preferred)
            if session is not None and now - max(session.since, link.moved_at) >= hold_s:
                self._order(link, preferred)

    def _end(self, session: _Session, now: float) -> None:
        """The lease of a session is over, for it and for us."""
        if self._sessions.get(session.unit_uid) is session:
            del self._sessions[session.unit_uid]
        self._replaced.pop((session.unit_uid, session.number), None)
        for uid in session.wants:
            link = self._links[uid]
            if link.wanted_by.get(session.unit_uid) is session:
                del link.wanted_by[session.unit_uid]
                if link.to == session.unit_uid and link.owner is not None:
                    # nobody is there to take it; an owner that may not stay is still told to leave
                    link.leave, link.to = link.owner.unit_uid not in link.units, ""
                self._announce(link)
        self._say(EventKind.EXPIRED, "", session, NO_TOKEN)
        for uid in session.owns:
            link = self._links[uid]
            link.owner, link.claimed, link.leave = None, False, False
            self._announce(link)
            self._settle(link, now)
        session.owns.clear()

    def _forget(self, link: _Link) -> None:
        owner = [link.owner] if link.owner else []
        for session in dict.fromkeys([*link.wanted_by.values(), *owner]):
            session.wants.pop(link.uid, None)
            session.owns.pop(link.uid, None)
            self._touch(session)

    # ---- views -------------------------------------------------------------------------

    def _want(self, session: _Session, link: _Link) -> None:
        session.wants[link.uid] = None
        if session.unit_uid in link.units:
            link.wanted_by[session.unit_uid] = session

    def _announce(self, link: _Link) -> None:
        for session in link.wanted_by.values():
            self._touch(session)
        if link.owner is not None and link.wanted_by.get(link.owner.unit_uid) is not link.owner:
            self._touch(link.owner)

    def _touch(self, session: _Session) -> None:
        self._revision += 1
        session.revision = self._revision
        self._changed[session.unit_uid, session.number] = None

    def _news(self, session: _Session) -> News:
        links = self._links
        return News(
            Revision(self.term, session.revision),
            tuple([self._view(links[uid], session) for uid in session.wants]),
        )

    @staticmethod
    def _view(link: _Link, session: _Session) -> LinkView:
        owner = link.owner
        return LinkView(
            link.uid,
            owner.unit_uid if owner else "",
            owner is session,
            link.token if owner else NO_TOKEN,
            link.leave,
            link.to,
        )

    def _say(self, kind: EventKind, uid: str, session: _Session, token: Token) -> None:
        if len(self._events) < EVENTS_MAX:
            self._events.append(Event(kind, uid, session.unit_uid, session.number, token))
