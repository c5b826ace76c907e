"""One seeded run of units, would-be leaders, their row and the network between them.

Everything the cores do not own is simulated here: true time, a clock per node
with its own offset and rate, loss, duplication, delay and reordering of
messages, one-way cuts, frozen nodes, restarts of units and of leaders, leaders
that resign or go by another profile, units with timings of their own that a person
changes, a second copy of a unit, answers of the database that get lost, orders and
configuration changes of a person. A seed is a run; the same seed is the same run. The judge knows true time and nothing of how the cores
decide; it raises `Violation`:

I1  tokens of a link only grow, in any term
I3  two sessions are never both entitled to a link, each by its own clock
I4  after the faults end, every link has one entitled unit soon, and only it reads
I7  a new term grants nothing before the lease of the term before is over
I8  a release by a stale token changes nothing
I9  the row of the term covers every lease that runs, so that whoever wins now waits for it
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bluewhale.ownership import (
    FAST,
    NO_TOKEN,
    Answer,
    Batch,
    EventKind,
    HandOver,
    Leader,
    News,
    Profile,
    Release,
    Result,
    Rules,
    TermCandidate,
    TermRow,
    Token,
    UnitSide,
)

LINKS = {"link-0": ("unit-0", "unit-1"), "link-1": ("unit-1", "unit-2", "unit-0")}
CHAOS_S = 22.0
QUIET_S_MAX = 45.0  # term lease + hold-off + lease + retries, and messages still under way
TICK_S = 0.5
LATE_S_MAX = 8.0
OWN = tuple(replace(FAST, lease_s=s, deadline_s=s * 0.7) for s in (3.0, 9.0, 16.0))  # of units


class Violation(AssertionError):
    """An invariant does not hold; the text begins with its name."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is simulated: the real cores, or one with something left out."""

    leader: Callable[..., Leader] = Leader
    candidate: Callable[[Profile], TermCandidate] = TermCandidate
    unit: Callable[..., UnitSide] = UnitSide
    profile: Profile = FAST
    clock_drift: float = FAST.drift
    profiles_differ: float = 0.2  # share of runs in which the two leaders' do
    units_differ: float = 0.4  # share of runs in which units have timings of their own
    judge_hold_off: bool = True  # False: only what two units would notice counts


@dataclass
class Outcome:
    """What a run did; sums over many runs show that they are no idle ones."""

    seed: int
    events: int = 0
    grants: int = 0
    terms: int = 0
    pauses: int = 0
    restarts: int = 0
    cuts: int = 0
    hand_overs: int = 0
    clones: int = 0
    changes: int = 0
    timings: int = 0
    quiet_s: float = 0.0


class Clock:
    """A node's clock: an offset that means nothing, and a rate that is not quite one."""

    def __init__(self, rng: random.Random, drift: float) -> None:
        kind = rng.random()
        self.rate = 1 + drift * (rng.uniform(-1, 1) if kind < 0.4 else rng.choice((-1, 1)))
        self.offset = rng.uniform(0, 1e6)

    def local(self, true: float) -> float:
        return self.offset + true * self.rate

    def true(self, local: float) -> float:
        return (local - self.offset) / self.rate


class Node:
    """What pauses, restarts and has a clock."""

    def __init__(self, name: str, rng: random.Random, drift: float) -> None:
        self.name = name
        self.clock = Clock(rng, drift)
        self.frozen_until = 0.0
        self.life = 0  # a message or timer of an earlier life is lost


@dataclass
class Unit:
    node: Node
    side: UnitSide
    target: int = 0
    waiting: int = 0


@dataclass
class Server:
    node: Node
    candidate: TermCandidate
    holder: str
    profile: Profile
    leader: Leader | None = None
    count: int = 0  # renewals of its term that it tried


@dataclass
class Judge:
    """Knows true time and who was entitled until when."""

    parts: Parts
    tokens: dict[str, Token] = field(default_factory=dict)
    entitled: dict[str, dict[tuple[str, int], float]] = field(
        default_factory=lambda: {u: {} for u in LINKS}
    )
    won: dict[int, tuple[float, float]] = field(default_factory=dict)

    def granted(self, at: float, link: str, session: tuple[str, int], token: Token) -> None:
        if token <= self.tokens.get(link, NO_TOKEN):
            raise Violation(f"I1: {link} granted {token} after {self.tokens[link]}")
        self.tokens[link] = token
        won_at, lease_s = self.won[token.term]
        if self.parts.judge_hold_off and at < won_at + lease_s:
            raise Violation(f"I7: {link} granted {at - won_at:.3f} s after term {token.term} began")
        self.alone(at, link, session, "I3: granted while another is entitled")

    def alone(self, at: float, link: str, session: tuple[str, int], text: str) -> None:
        for other, until in self.entitled[link].items():
            if other != session and until > at + 1e-9:
                raise Violation(f"{text}: {link} {session} and {other} for {until - at:.3f} s")

    def unit(self, at: float, unit: Unit) -> None:
        """Note what a unit is entitled to after it did something."""
        side, key = unit.side, (unit.side.unit_uid, unit.side.session)
        now = unit.node.clock.local(at)
        for link, rows in self.entitled.items():
            if side.entitled(link, now):
                rows[key] = unit.node.clock.true(side.lease_end)
                self.alone(at, link, key, "I3: two are entitled")
            else:
                rows.pop(key, None)

    def covered(self, at: float, row: TermRow | None) -> None:
        if not self.parts.judge_hold_off or row is None:
            return
        for link, rows in self.entitled.items():
            for (unit, _), until in rows.items():
                if until - at > row.lease_s + 1e-9:
                    raise Violation(f"I9: {link} is {unit}'s for {until - at:.3f} s, row {row}")

    def gone(self, unit: Unit) -> None:
        for rows in self.entitled.values():
            rows.pop((unit.side.unit_uid, unit.side.session), None)


class Run:
    """One run of one seed."""

    def __init__(self, seed: int, parts: Parts) -> None:
        self.rng = random.Random(seed)
        self.parts = parts
        self.profile = parts.profile
        self.outcome = Outcome(seed)
        self.at = 0.0
        self.calm = False
        self.queue: list[tuple[float, int, Node | None, int, Callable[..., None], tuple]] = []
        self.count = 0
        self.row: TermRow | None = None
        self.judge = Judge(parts)
        rng, drift = self.rng, parts.clock_drift
        self.loss = rng.choice((0.0, 0.02, 0.1, 0.3))
        self.twice = rng.choice((0.0, 0.05, 0.2))
        self.late = rng.choice((0.0, 0.02, 0.1))
        self.cut: dict[tuple[str, str], float] = {}
        self.units = [
            Unit(node := Node(f"unit-{n}", rng, drift), self._side(node)) for n in range(3)
        ]
        self.rules = Rules(dict(LINKS))
        self.own_timings = rng.random() < parts.units_differ
        if self.own_timings:
            self.rules = replace(self.rules, profiles=self._timings())
        # another release, or a profile changed between two restarts
        differ = rng.random() < parts.profiles_differ
        other = replace(parts.profile, lease_s=12.0) if differ else parts.profile
        self.servers = [
            Server(Node(f"server-{n}", rng, drift), parts.candidate(profile), f"{n}.0", profile)
            for n, profile in enumerate((parts.profile, other))
        ]

    # ---- time and the network ----------------------------------------------------------

    def after(self, delay: float, node: Node | None, what: Callable[..., None], *args) -> None:
        self.count += 1
        life = node.life if node is not None else 0
        heapq.heappush(self.queue, (self.at + delay, self.count, node, life, what, args))

    def delay(self) -> float:
        rng = self.rng
        if not self.calm and rng.random() < self.late:
            return rng.uniform(0.05, LATE_S_MAX)
        return rng.expovariate(100.0)

    def send(self, sender: Node, receiver: Node, what: Callable[..., None], *args) -> None:
        """A message: lost, late, twice, or cut off in this direction."""
        rng = self.rng
        if not self.calm:
            if self.cut.get((sender.name, receiver.name), 0.0) > self.at:
                return
            if rng.random() < self.loss:
                return
            if rng.random() < self.twice:
                self.after(self.delay() * 3, receiver, what, *args)
        self.after(self.delay(), receiver, what, *args)

    def run(self) -> Outcome:
        for unit in self.units:
            self.after(self.rng.uniform(0, 2), unit.node, self.unit_turn, unit)
        for server in self.servers:
            self.after(self.rng.uniform(0, 1), server.node, self.term_turn, server)
            self.after(self.rng.uniform(0, 1), server.node, self.tick, server)
        for _ in range(self.rng.randint(3, 9)):
            self.after(self.rng.uniform(2, CHAOS_S), None, self.fault)
        for _ in range(self.rng.randint(1, 3) if self.own_timings else 0):
            self.after(self.rng.uniform(2, CHAOS_S), None, self.change_timings)
        while self.queue:
            at, _, node, life, what, args = heapq.heappop(self.queue)
            if not self.calm and at >= CHAOS_S:
                self.calm = True
                for clone in self.units[3:]:
                    self.gone(clone)
                del self.units[3:]
                self.after(at + 1.0 - self.at, None, self.settled)
            if node is not None:
                if node.life != life:
                    continue
                if node.frozen_until > at:  # everything waits until it goes on, in its order
                    self.count += 1
                    heapq.heappush(
                        self.queue, (node.frozen_until, self.count, node, life, what, args)
                    )
                    continue
            self.at = at
            self.outcome.events += 1
            what(*args)
        self.outcome.terms = self.row.term if self.row else 0
        return self.outcome

    # ---- units -------------------------------------------------------------------------

    def _timings(self) -> dict[str, Profile]:
        chosen = {unit: self.rng.choice((None, *OWN)) for unit in LINKS["link-1"]}
        return {unit: replace(p, drift=self.profile.drift) for unit, p in chosen.items() if p}

    def _side(self, node: Node, kept: frozenset[str] = frozenset()) -> UnitSide:
        links = [u for u, units in LINKS.items() if node.name in units]
        session = self.rng.getrandbits(62) + 1
        return self.parts.unit(node.name, session, links, profile=self.profile, kept=kept)

    def unit_turn(self, unit: Unit) -> None:
        """A timer of the unit: leave what it shall leave, ask what is due."""
        side, node = unit.side, unit.node
        now = node.clock.local(self.at)
        for link in side.leaving():
            side.left(link, now)
        batch = side.request(now)
        if batch is not None:
            unit.waiting += 1
            if unit.waiting > 2:  # no answer: perhaps another one leads
                unit.target, unit.waiting = 1 - unit.target, 0
            server = self.servers[unit.target]
            self.send(node, server.node, self.serve, server, unit, node.life, batch)
        self.judge.unit(self.at, unit)
        self.after(min(max(side.next_at - now, 0.01), TICK_S), node, self.unit_turn, unit)

    def answered(self, unit: Unit, batch: Batch, answer: Answer) -> None:
        unit.waiting = 0
        unit.side.answered(batch, answer, unit.node.clock.local(self.at))
        self.judge.unit(self.at, unit)
        self.judge.covered(self.at, self.row)

    def not_leader(self, unit: Unit) -> None:
        unit.side.unanswered(unit.node.clock.local(self.at))
        unit.target, unit.waiting = 1 - unit.target, 0

    def watched(self, unit: Unit, news: News) -> None:
        now = unit.node.clock.local(self.at)
        unit.side.watched(news, now)
        for link in unit.side.leaving():
            unit.side.left(link, now)
        self.judge.unit(self.at, unit)

    # ---- servers -----------------------------------------------------------------------

    def serve(self, server: Server, unit: Unit, life: int, batch: Batch) -> None:
        now = server.node.clock.local(self.at)
        leader = server.leader
        if leader is None or not server.candidate.leading(now):
            self.send(server.node, unit.node, self.to_life, unit, life, self.not_leader, unit)
            return
        stale = self._stale_releases(leader, batch, now)
        answer = leader.batch(batch, now)
        for place, uid, owner, token in stale:
            link = leader._links[uid]
            if answer.results[place] is not Result.STALE_TOKEN or (link.owner, link.token) != (
                owner,
                token,
            ):
                raise Violation(f"I8: {batch.items[place]} changed {uid}, owned by {token}")
        self.send(
            server.node, unit.node, self.to_life, unit, life, self.answered, unit, batch, answer
        )
        self.spread(server)

    def _stale_releases(self, leader: Leader, batch: Batch, now: float) -> list:
        if not any(isinstance(i, Release) for i in batch.items):
            return []
        leader.advance(now)
        session = leader._sessions.get(batch.unit_uid)
        if session is None or session.number != batch.session:
            return []
        return [
            (place, item.link_uid, link.owner, link.token)
            for place, item in enumerate(batch.items)
            if isinstance(item, Release)
            and (link := leader._links[item.link_uid]).owner is not None
            and (link.token != item.token or link.owner is not session)
        ]

    def to_life(self, unit: Unit, life: int, what: Callable[..., None], *args) -> None:
        """An answer reaches the process that asked, or nobody."""
        if unit.node.life == life:
            what(*args)

    def spread(self, server: Server) -> None:
        """Judge what was decided, push what changed."""
        leader = server.leader
        assert leader is not None
        for event in leader.take_events():
            if event.kind is EventKind.GRANTED:
                self.outcome.grants += 1
                self.judge.granted(
                    self.at, event.link_uid, (event.unit_uid, event.session), event.token
                )
        for name, number in leader.take_changed():
            news = leader.news(name, number)
            for unit in self.units:
                if news is not None and unit.side.session == number:
                    self.send(
                        server.node, unit.node, self.to_life, unit, unit.node.life,
                        self.watched, unit, news,
                    )  # fmt: skip

    def tick(self, server: Server) -> None:
        now = server.node.clock.local(self.at)
        if server.leader is not None and server.candidate.leading(now):
            server.leader.advance(now)
            self.spread(server)
        self.after(TICK_S, server.node, self.tick, server)

    def term_turn(self, server: Server) -> None:
        """Renew, or look whether there is a term to win; the database may answer late."""
        now = server.node.clock.local(self.at)
        leader = server.leader
        if leader is not None:
            self.reconfigure(server)
            lease_s = server.candidate.lease_to_renew_s(now, leader.longest_lease_s())
            leader.cover(min(leader.covered_s, lease_s))
            server.count += 1
            if self.reaches_database():
                count = server.count
                self.after(self.delay(), server.node, self.renew_row, server, now, lease_s, count)
        elif self.reaches_database():
            self.after(self.delay(), server.node, self.read_row, server)
        self.after(server.profile.retry_s, server.node, self.term_turn, server)

    def reaches_database(self) -> bool:
        return self.calm or self.rng.random() >= self.loss

    def renew_row(self, server: Server, sent_at: float, lease_s: float, count: int) -> None:
        row = self.row
        if row is None or row.holder != server.holder or row.term != server.candidate.term:
            server.leader = None
            server.candidate.lost()
            return
        if row.renewals > count:  # it arrives behind a later one
            return
        self.row = TermRow(row.term, row.holder, row.address, count, lease_s)
        self.judge.covered(self.at, self.row)
        if self.reaches_database():
            self.after(self.delay(), server.node, self.renewed, server, self.row, sent_at)

    def renewed(self, server: Server, row: TermRow, sent_at: float) -> None:
        asked = (server.candidate.term, server.count)  # nobody waits for an earlier answer
        if server.leader is not None and asked == (row.term, row.renewals):
            server.candidate.renewed(sent_at)
            server.leader.cover(row.lease_s)

    def read_row(self, server: Server) -> None:
        row = self.row
        self.after(self.delay(), server.node, self.row_read, server, row)

    def row_read(self, server: Server, row: TermRow | None) -> None:
        now = server.node.clock.local(self.at)
        if server.leader is None and server.candidate.may_take(row, now):
            self.after(self.delay(), None, self.take_row, server, server.node.life, row, now)

    def take_row(self, server: Server, life: int, seen: TermRow | None, sent_at: float) -> None:
        if self.row != seen:
            return
        term = seen.term + 1 if seen else 1
        lease_s = server.candidate.lease_to_take_s(seen)
        self.row = TermRow(term, server.holder, server.node.name, 0, lease_s)
        self.judge.covered(self.at, self.row)
        self.judge.won[term] = (self.at, seen.lease_s if seen else 0.0)
        if server.node.life == life and self.reaches_database():
            self.after(self.delay(), server.node, self.taken, server, seen, sent_at, term)
        elif server.node.life == life:
            server.holder += "'"  # outcome unknown: whoever took it, it is not this name

    def taken(self, server: Server, seen: TermRow | None, sent_at: float, term: int) -> None:
        if server.leader is not None:
            return
        now = server.node.clock.local(self.at)
        server.count = 0
        hold_off_s = server.candidate.won(term, seen, sent_at, now)
        server.leader = self.parts.leader(
            term=term, profile=server.profile, now=now, hold_off_s=hold_off_s, failback_hold_s=5.0,
            covered_s=server.candidate.lease_to_take_s(seen),
        )  # fmt: skip
        server.leader.configure(self.rules, now)

    # ---- faults ------------------------------------------------------------------------

    def fault(self) -> None:
        rng, kind = self.rng, self.rng.random()
        if kind < 0.28:
            self.outcome.pauses += 1
            node = rng.choice([*self.units, *self.servers]).node
            node.frozen_until = max(node.frozen_until, self.at + rng.uniform(0.5, 12.0))
        elif kind < 0.5:
            self.outcome.cuts += 1
            unit, server = rng.choice(self.units).node, rng.choice(self.servers).node
            pair = (unit.name, server.name) if rng.random() < 0.5 else (server.name, unit.name)
            until = self.at + rng.uniform(1.0, 12.0)
            self.cut[pair] = until
            if rng.random() < 0.5:
                self.cut[pair[1], pair[0]] = until
        elif kind < 0.63:
            self.outcome.restarts += 1
            self.restart_unit(rng.choice(self.units))
        elif kind < 0.78:
            self.lose_leader()
            if rng.random() < 0.5:  # and the next one soon after it won
                self.after(rng.uniform(0.3, 4.0), None, self.lose_leader)
        elif kind < 0.9:
            self.order()
        elif kind < 0.95:
            self.clone(rng.choice(self.units[:3]))
        else:
            self.change()

    def lose_leader(self) -> None:
        self.outcome.restarts += 1
        server = self.rng.choice(self.servers)
        if self.rng.random() < 0.8:  # mostly the one that serves
            server = next((s for s in self.servers if s.leader is not None), server)
        self.restart_server(server)

    def restart_unit(self, unit: Unit) -> None:
        node = unit.node
        self.judge.gone(unit)
        kept = unit.side.kept()
        node.life += 1
        node.frozen_until = 0.0
        unit.side = self._side(node, kept)
        self.after(self.rng.uniform(0.1, 3), node, self.unit_turn, unit)

    def clone(self, unit: Unit) -> None:
        """A copy of a unit's disk is started beside it: the same name, another process."""
        self.outcome.clones += 1
        node = Node(unit.node.name, self.rng, self.parts.clock_drift)
        copy = Unit(node, self._side(node, unit.side.kept()), unit.target)
        self.units.append(copy)
        self.after(self.rng.uniform(0.0, 1.0), node, self.unit_turn, copy)

    def gone(self, unit: Unit) -> None:
        self.judge.gone(unit)
        unit.node.life += 1

    def change(self) -> None:
        """A person changes which units may read a link; leaders hear of it sooner or later."""
        self.outcome.changes += 1
        uid = self.rng.choice(list(LINKS))
        units = list(LINKS[uid])
        self.rng.shuffle(units)
        chosen = tuple(units[: self.rng.randint(1, len(units))])
        self.rules = replace(self.rules, links={**self.rules.links, uid: chosen})
        self.follow()
        self.after(self.rng.uniform(2, 6), None, self.change_back)

    def change_back(self) -> None:
        self.rules = replace(self.rules, links=dict(LINKS))
        self.follow()

    def change_timings(self) -> None:
        """A person changes timings of units, longer or shorter; leaders hear of it sooner or later."""
        self.outcome.timings += 1
        self.rules = replace(self.rules, profiles=self._timings())
        self.follow()
        if self.rng.random() < 0.5:  # perhaps before the row says what units have now
            self.after(self.rng.uniform(0.3, 4.0), None, self.lose_leader)

    def follow(self) -> None:
        for x in self.servers:
            self.after(self.rng.uniform(0, 2), x.node, self.reconfigure, x)

    def reconfigure(self, server: Server) -> None:
        now = server.node.clock.local(self.at)
        if server.leader is not None and server.candidate.leading(now):
            server.leader.configure(self.rules, now)
            self.spread(server)

    def restart_server(self, server: Server) -> None:
        node = server.node
        row = self.row
        if row is not None and row.holder == server.holder and self.rng.random() < 0.3:
            # a clean end: it serves no more, then it resigns
            self.row = TermRow(row.term, "", "", row.renewals, row.lease_s)
        node.life += 1
        node.frozen_until = 0.0
        server.leader = None
        server.candidate = self.parts.candidate(server.profile)
        server.holder = f"{server.holder.split('.')[0]}.{node.life}"
        self.after(self.rng.uniform(0.1, 3), node, self.term_turn, server)
        self.after(self.rng.uniform(0.1, 3), node, self.tick, server)

    def order(self) -> None:
        """A person orders a hand-over at the server that leads, if it is awake."""
        item = HandOver(uid := self.rng.choice(list(LINKS)), self.rng.choice(LINKS[uid]))
        for server in self.servers:
            now = server.node.clock.local(self.at)
            awake = server.node.frozen_until <= self.at
            if server.leader is not None and awake and server.candidate.leading(now):
                self.outcome.hand_overs += 1
                server.leader.batch(Batch("", 0, (item,)), now)
                self.spread(server)

    # ---- the end -----------------------------------------------------------------------

    def settled(self) -> None:
        """I4: with the faults over, every link has one entitled unit, which alone reads."""
        wrong = ""
        for link in LINKS:
            entitled, readers = [], []
            for unit in self.units:
                now = unit.node.clock.local(self.at)
                if unit.side.entitled(link, now):
                    entitled.append(unit.node.name)
                if unit.side.reads(link, now):
                    readers.append(unit.node.name)
            if len(entitled) != 1 or readers != entitled:
                wrong = f"I4: {link} has {entitled}, read by {readers}"
        self.outcome.quiet_s = self.at - CHAOS_S
        if not wrong:
            self.queue.clear()
        elif self.outcome.quiet_s > QUIET_S_MAX:
            raise Violation(f"{wrong} {self.outcome.quiet_s:.0f} s after the faults ended")
        else:
            self.after(1.0, None, self.settled)


def simulate(seed: int, parts: Parts | None = None) -> Outcome:
    """Run one seed to its end; raises `Violation`."""
    return Run(seed, parts or Parts()).run()
