"""The side of a unit: which links it is entitled to read now, and which it reads. Pure.

Owns the unit's half of a lease: what it may count on by its own clock, and what
it does when it cannot reach the centre. Does not own sockets, the links, or a
clock: `now` is handed in (`boot_time`).

Two questions, two answers:

- `entitled(link, now)`: nobody else is entitled now. True only while the lease runs.
- `reads(link, now)`: the link shall be read now. True also for an owner that lost
  contact: it keeps reading into its journal until it *learns* that another is
  entitled. Records of both are welcome; identity makes the second copy harmless.

Example
-------
::

    side = UnitSide("unit-a", session=secrets.randbits(63), links=["hq-smdr"])
    if (batch := side.request(now)) is not None:
        side.answered(batch, send(batch), now_after)
    for link in side.leaving(): stop(link); side.left(link, now)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from bluewhale.ownership.messages import (
    NO_TOKEN,
    NOTHING_KNOWN,
    Acquire,
    Answer,
    Batch,
    Item,
    LinkView,
    News,
    Open,
    Release,
    Renew,
    Result,
    Token,
)
from bluewhale.ownership.profile import DEFAULT, Profile

_NEVER = float("-inf")


class UnitSide:
    """What one process of a unit knows about its links.

    Parameters
    ----------
    unit_uid, session
        The unit, and a random number of this process, > 0.
    links
        Links that it shares with other units.
    kept
        Links that the process before read when it ended. They are read again when
        the centre has not answered for `deadline_s`: a restart during an outage
        loses nothing.
    profile
        Timings until the first answer, which brings its own.
    """

    def __init__(
        self,
        unit_uid: str,
        session: int,
        links: Collection[str] = (),
        *,
        profile: Profile = DEFAULT,
        kept: Iterable[str] = (),
    ) -> None:
        assert session > 0
        self.unit_uid, self.session, self.profile = unit_uid, session, profile
        self.next_at = _NEVER
        self.lease_end = _NEVER
        self._links = set(links)
        self._known = NOTHING_KNOWN
        self._open = False
        self._asked: set[str] = set()  # links that the leader knows we ask for
        self._held: dict[str, Token] = {}
        self._over: dict[str, Token] = {}  # newest token per link that entitles no more
        self._releases: dict[str, Release] = {}
        self._leaving: dict[str, str] = {}  # link -> unit that shall have it
        self._owners: dict[str, str] = {}
        self._reading: set[str] = set()
        self._restored = set(kept)
        self._restore_at: float | None = None

    # ---- questions ---------------------------------------------------------------------

    def entitled(self, link_uid: str, now: float) -> bool:
        """Tell whether this unit alone is entitled to read the link now."""
        return link_uid in self._held and now < self.lease_end

    def reads(self, link_uid: str, now: float) -> bool:
        """Tell whether the link shall be read now, in or out of contact."""
        if link_uid not in self._links or link_uid in self._leaving:
            return False
        if link_uid in self._reading:
            return True
        return (
            link_uid in self._restored and self._restore_at is not None and now >= self._restore_at
        )

    def reading(self, now: float) -> frozenset[str]:
        """Give the links that shall be read now."""
        return frozenset(u for u in self._links if self.reads(u, now))

    def leaving(self) -> tuple[str, ...]:
        """Give the links to stop reading; call `left` for each when its records are kept."""
        return tuple(self._leaving)

    def kept(self) -> frozenset[str]:
        """Give the links to read again after a restart without contact; worth a file."""
        return frozenset((self._reading | self._restored) & self._links)

    def idle(self) -> bool:
        """Tell whether there is nothing to ask for and nothing to give back."""
        return not self._links and not self._releases

    def owner(self, link_uid: str) -> str:
        """Give the unit that was said last to own a link, "" = nobody or not known."""
        return self._owners.get(link_uid, "")

    def token(self, link_uid: str) -> Token:
        """Give the token of the present grant, `NO_TOKEN` without one."""
        return self._held.get(link_uid, NO_TOKEN)

    # ---- what the host tells -----------------------------------------------------------

    def set_links(self, links: Collection[str], now: float) -> None:
        """Change the links that are shared with others; those that are gone are given back."""
        gone = self._links - set(links)
        self._links = set(links)
        for uid in gone:
            self._give_back(uid, "", stay=False)
            self._leaving.pop(uid, None)
            self._asked.discard(uid)
        self.next_at = now

    def left(self, link_uid: str, now: float) -> None:
        """The link is not read any more and its records are in the journal: hand it over."""
        to = self._leaving.pop(link_uid, "")
        self._give_back(link_uid, to, stay=True)
        self.next_at = now

    def give_up(self, now: float) -> Batch:
        """Give everything back at a clean end; send what this gives, then stop asking."""
        for uid in list(self._held):
            self._give_back(uid, "", stay=False)
        self._links.clear()
        return self._batch(tuple(self._releases.values()), now)

    # ---- the conversation --------------------------------------------------------------

    def request(self, now: float) -> Batch | None:
        """Give the batch that is due now, or None; `next_at` says when the next one is."""
        if now < self.next_at:
            return None
        self._lapse(now)
        if self._restore_at is None:
            self._restore_at = now + self.profile.deadline_s
        self.next_at = now + self.profile.retry_s
        items: list[Item] = [Renew() if self._open else Open(tuple(self._held.items()))]
        items += self._releases.values()
        missing = self._links - self._asked
        if missing:
            items.append(Acquire(tuple(sorted(missing))))
        return self._batch(tuple(items), now)

    def unanswered(self, now: float) -> None:
        """Nobody who leads was found: ask again soon, however long the pause of a renewal is."""
        self.next_at = min(self.next_at, now + DEFAULT.retry_s)

    def answered(self, batch: Batch, answer: Answer, now: float) -> None:
        """Take the answer to a batch, in any order and any number of times."""
        self._lapse(now)
        if answer.term < self._known.term:
            return  # from a leader of the past
        self.profile = answer.profile
        for item, result in zip(batch.items, answer.results, strict=True):
            match item:
                case Open() | Renew() if result is Result.OK:
                    self._open = True
                    self.lease_end = max(self.lease_end, batch.sent_at + self.profile.held_s)
                case Open() | Renew():
                    self._open = False
                    self._asked.clear()
                    self.next_at = now
                case Release() if result is not Result.SESSION_UNKNOWN:
                    if self._releases.get(item.link_uid) == item:
                        del self._releases[item.link_uid]
                case _:
                    pass
        if answer.news is not None:
            self._learn(answer.news)
        self._lapse(now)

    def watched(self, news: News, now: float) -> None:
        """Take what the leader pushed; it tells, but extends no lease."""
        self._lapse(now)
        self._learn(news)
        self._lapse(now)
        if self._leaving or self._releases:
            self.next_at = min(self.next_at, now)

    # ---- inside ------------------------------------------------------------------------

    def _batch(self, items: tuple[Item, ...], now: float) -> Batch:
        return Batch(self.unit_uid, self.session, items, self._known, now)

    def _lapse(self, now: float) -> None:
        """A lease that ended once entitles no more, whatever arrives later."""
        if self._held and now >= self.lease_end:
            for uid in list(self._held):
                # this unit goes on reading, so it shall get the link again if it is still free
                self._give_back(uid, self.unit_uid, stay=True, reading=True)

    def _give_back(self, uid: str, to: str, *, stay: bool, reading: bool = False) -> None:
        if not reading:
            self._reading.discard(uid)
            self._restored.discard(uid)
        token = self._held.pop(uid, None)
        if token is not None:
            self._over[uid] = max(token, self._over.get(uid, NO_TOKEN))
            self._releases[uid] = Release(uid, token, to, stay)

    def _learn(self, news: News) -> None:
        if news.revision <= self._known:
            return
        self._known = news.revision
        seen = {view.link_uid: view for view in news.links}
        self._asked = self._links & seen.keys()
        for uid in [u for u in self._held if u not in seen or not seen[u].mine]:
            self._over[uid] = max(self._held.pop(uid), self._over.get(uid, NO_TOKEN))
        for uid in [u for u in self._leaving if u not in seen or not seen[u].leave]:
            del self._leaving[uid]
        for view in news.links:
            if view.link_uid in self._links:
                self._see(view)

    def _see(self, view: LinkView) -> None:
        uid = view.link_uid
        self._owners[uid] = view.owner
        if view.owner and view.owner != self.unit_uid:
            self._reading.discard(uid)  # learned: another is entitled
            self._restored.discard(uid)
            return
        if view.owner == self.unit_uid:
            self._reading.add(uid)
            self._restored.discard(uid)
        if not view.mine:
            return
        if view.token <= self._over.get(uid, NO_TOKEN):
            self._releases.setdefault(uid, Release(uid, view.token, self.unit_uid))
        else:
            self._held[uid] = view.token
            if view.leave:
                self._leaving[uid] = view.to
