"""What ownership looks like from the copy of ingest that leads: metrics made of its decisions.

Owns who had a link before, since when nobody has it, and why it moved. Does not
own decisions: it reads the leader's events and views, and changes nothing. Of a
copy that does not lead only the state of the term is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from bluewhale.ownership import (
    Answer,
    Batch,
    Event,
    EventKind,
    HandOver,
    Leader,
    LinkStatus,
    Open,
    Renew,
    Result,
)
from bluewhale.telemetry import Metrics

LOOK_S = 1.0
STATES = ("owner", "waiting", "told_to_leave", "out_of_contact")
Speaker = tuple[str, int]  # unit_uid, session


class _Unowned(NamedTuple):
    since: float
    cause: str


class OwnershipMetrics:
    """Follows one leader after the other."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._term = 0
        self._last_unit: dict[str, str] = {}  # of each link, also of earlier terms
        self._owners: dict[str, Speaker] = {}
        self._unowned: dict[str, _Unowned] = {}
        self._orders: dict[str, str] = {}  # link -> why its owner is told to leave
        self._heard: dict[Speaker, float] = {}
        self._look_at = float("-inf")

    def renewed_term(self, took_s: float, left_s: float) -> None:
        """The row of the term was renewed, so long before this copy would have stopped."""
        self._metrics.observe("bluewhale_lease_renew_seconds", took_s, lease="term")
        self._metrics.observe("bluewhale_lease_left_seconds", max(left_s, 0.0), lease="term")

    def asked(self, leader: Leader, batch: Batch, answer: Answer, now: float) -> None:
        """A batch was applied; call `decided` with its events afterwards."""
        self._follow(leader)
        speaker = (batch.unit_uid, batch.session)
        for item, result in zip(batch.items, answer.results, strict=True):
            if result is not Result.OK:
                continue
            match item:
                case Renew():
                    kept_s = answer.profile.kept_s
                    left_s = kept_s - (now - self._heard.get(speaker, now))
                    self._metrics.observe("bluewhale_lease_left_seconds", left_s, lease="link")
                    self._heard[speaker] = now
                case Open():
                    self._heard[speaker] = now
                    for status in leader.query(now, [uid for uid, _ in item.held]):
                        if item.held and status.owner == batch.unit_uid:
                            self._owners[status.link_uid] = speaker
                            self._last_unit[status.link_uid] = batch.unit_uid
                            self._unowned.pop(status.link_uid, None)
                case HandOver():
                    self._orders[item.link_uid] = "ordered"
                case _:
                    pass

    def decided(self, leader: Leader, events: Sequence[Event], now: float) -> None:
        """Take decisions in the order in which they were made."""
        self._follow(leader)
        for event in events:
            speaker = (event.unit_uid, event.session)
            match event.kind:
                case EventKind.ORDERED:
                    self._orders.setdefault(event.link_uid, "moved")
                case EventKind.RELEASED:
                    cause = self._orders.pop(event.link_uid, "released")
                    self._lost(event.link_uid, _Unowned(now, cause))
                case EventKind.EXPIRED:
                    since = self._heard.pop(speaker, now)
                    for uid in [u for u, who in self._owners.items() if who == speaker]:
                        self._lost(uid, _Unowned(since, "expired"))
                case EventKind.GRANTED:
                    self._granted(event.link_uid, speaker, now)
                case EventKind.REPLACED:
                    pass  # it holds what it holds until its lease ends

    def look(self, leader: Leader | None, term: int, now: float) -> None:
        """Set the gauges, once in `LOOK_S`; `leader` = None: this copy does not lead."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        self._metrics.set("bluewhale_ownership_leading", leader is not None)
        self._metrics.set("bluewhale_ownership_term", term)
        found: Counter[str] = Counter()
        if leader is not None:
            self._follow(leader)
            statuses = leader.query(now)
            found.update(self._state(leader, status, now) for status in statuses)
            known = {status.link_uid for status in statuses}
            for gone in (self._last_unit.keys() | self._unowned.keys()) - known:
                for kept in (self._owners, self._unowned, self._last_unit):
                    kept.pop(gone, None)
        for state in STATES:
            self._metrics.set("bluewhale_ownership_links", found[state], state=state)

    # ---- inside ------------------------------------------------------------------------

    def _follow(self, leader: Leader) -> None:
        """Forget what the leader before knew; who had a link is kept: it may have moved."""
        if leader.term != self._term:
            self._term = leader.term
            for known in (self._owners, self._unowned, self._orders, self._heard):
                known.clear()

    def _lost(self, link_uid: str, how: _Unowned) -> None:
        self._owners.pop(link_uid, None)
        self._unowned[link_uid] = how

    def _granted(self, link_uid: str, speaker: Speaker, now: float) -> None:
        self._owners[link_uid] = speaker
        self._orders.pop(link_uid, None)
        last, self._last_unit[link_uid] = self._last_unit.get(link_uid, ""), speaker[0]
        before = self._unowned.pop(link_uid, None)
        if before is None:
            return  # confirmed, or nobody has asked for it before
        self._metrics.observe(
            "bluewhale_ownership_unowned_seconds", now - before.since, cause=before.cause
        )
        if last not in {"", speaker[0]}:
            self._metrics.add("bluewhale_ownership_moves_total", cause=before.cause)

    def _state(self, leader: Leader, status: LinkStatus, now: float) -> str:
        if not status.owner:
            if status.ready:
                self._unowned.setdefault(status.link_uid, _Unowned(now, "new_term"))
            return "waiting"
        if status.to or status.owner not in status.units:
            return "told_to_leave"
        self._orders.pop(status.link_uid, None)  # an order that was taken back
        speaker = self._owners.get(status.link_uid)
        heard_at = now if speaker is None else self._heard.get(speaker, now)
        retry_s = leader.profile_of(status.owner).retry_s
        return "out_of_contact" if now - heard_at > 2 * retry_s else "owner"
