"""The term in a row and a Lease under everything that happens to them, in simulated time.

Copies of ingest with clocks of different rates take turns; each may be frozen anywhere,
also between its two writes, while others go on. Database and API server go away for one
or all, the Lease is deleted and spoilt. A judge that knows true time sees that no two
copies lead at once and that terms only grow. `python -m tests.property.ownership.witnesses
--seeds N` runs any number.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import random
from dataclasses import replace
from typing import Any

import structlog
from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.database import StoreAwayError
from bluewhale.ingest.exceptions import ApiAwayError
from bluewhale.ingest.term_lease import TermLease
from bluewhale.ingest.term_witnesses import TermWitnesses
from bluewhale.ownership import FAST, TermCandidate, TermRow

COPIES, STEPS = 3, 150


class Row:
    """The row in memory, as `bluewhale.database.terms.Terms` keeps it."""

    def __init__(self) -> None:
        self.row: TermRow | None = None

    def read(self) -> TermRow | None:
        return self.row

    def take(
        self, seen: TermRow | None, *, holder: str, address: str, lease_s: float, above: int = 0
    ) -> TermRow | None:
        now = self.row
        if (now is None) != (seen is None):
            return None
        if now is not None and seen is not None:
            same = (now.term, now.holder, now.renewals) == (seen.term, seen.holder, seen.renewals)
            if not same:
                return None
        term = max(above, now.term if now is not None else 0) + 1
        self.row = TermRow(term, holder, address, 0, lease_s)
        return self.row

    def renew(self, term: int, holder: str, *, count: int, lease_s: float) -> float | None:
        row = self.row
        if row is None or (row.term, row.holder) != (term, holder) or row.renewals > count:
            return None
        self.row = replace(row, renewals=count, lease_s=lease_s)
        return lease_s

    def resign(self, term: int, holder: str) -> None:
        row = self.row
        if row is not None and (row.term, row.holder) == (term, holder):
            self.row = replace(row, holder="", address="")


class Leases:
    """The Lease in memory; a write over another version than the one that stands is refused."""

    name = "term"

    def __init__(self) -> None:
        self.document: dict[str, Any] | None = None
        self.version = 0

    def read(self) -> dict[str, Any] | None:
        return copy.deepcopy(self.document)

    def create(self, document: dict[str, Any]) -> bool:
        if self.document is not None:
            return False
        self.keep(document)
        return True

    def replace(self, document: dict[str, Any]) -> bool:
        stands = self.document and self.document["metadata"]["resourceVersion"]
        if stands is None or stands != document["metadata"].get("resourceVersion"):
            return False
        self.keep(document)
        return True

    def keep(self, document: dict[str, Any]) -> None:
        self.version += 1
        self.document = copy.deepcopy(document)
        self.document["metadata"]["resourceVersion"] = str(self.version)


class Copy:
    """One copy of ingest: the turns of `TermKeeper`, one after the other."""

    def __init__(self, world: World, number: int, kind: type[TermWitnesses]) -> None:
        self.world, self.number = world, number
        self.rate = world.random.uniform(1 - FAST.drift, 1 + FAST.drift)
        self.offset = world.random.uniform(0, 1000)
        self.database_away = self.api_away = False
        self.frozen_until = 0.0
        self.busy = False
        self.count = 0
        self.candidate = TermCandidate(FAST)
        self.holder = ""
        self.anew()
        self.terms = kind(self._row, TermLease(_Api(self), instance="c"), patience_s=5)

    def anew(self) -> None:
        """Take another name, as after a term that was lost."""
        self.world.names += 1
        self.holder = f"h{self.world.names}"

    def clock(self) -> float:
        """Give its own time."""
        return self.offset + self.rate * self.world.now

    def leading(self) -> bool:
        """Tell whether it serves now."""
        return self.candidate.leading(self.clock())

    def turn(self) -> None:
        """Do what `TermKeeper` does in one turn."""
        self.busy = True
        with contextlib.suppress(BluewhaleError):
            self._turn()
        self.busy = False

    def _turn(self) -> None:
        sent_at, candidate = self.clock(), self.candidate
        if candidate.term:
            lease_s = candidate.lease_to_renew_s(sent_at, FAST.lease_s)
            self.count += 1
            ours = self.terms.renew(candidate.term, self.holder, count=self.count, lease_s=lease_s)
            self.world.meanwhile(self)
            if ours is not None:
                candidate.renewed(sent_at)
            else:
                candidate.lost()
                self.anew()
            return
        seen = self.terms.read()
        self.world.meanwhile(self)
        if seen is not None and seen.holder == self.holder:
            self.anew()
        if not candidate.may_take(seen, self.clock()):
            return
        sent_at = self.clock()
        lease_s = candidate.lease_to_take_s(seen)
        won = self.terms.take(seen, holder=self.holder, address="a", lease_s=lease_s)
        self.world.meanwhile(self)
        if won is not None:
            candidate.won(won.term, seen, sent_at, self.clock())
            self.count = 0

    def resign(self) -> None:
        """End cleanly, as far as that goes."""
        term, holder = self.candidate.term, self.holder
        self.candidate.lost()
        self.anew()
        if term:
            with contextlib.suppress(BluewhaleError):
                self.terms.resign(term, holder)

    def _row(self) -> _Row:
        if self.database_away:
            raise StoreAwayError("away")
        return _Row(self)


class _Row:
    """The row as one copy reaches it."""

    def __init__(self, by: Copy) -> None:
        self._by, self._row = by, by.world.row

    def take(self, seen: TermRow | None, **how: Any) -> TermRow | None:
        won = self._row.take(seen, **how)
        self._by.world.meanwhile(self._by)  # between the two writes of a take
        return won

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, name)


class _Api:
    """The Lease as one copy reaches it; now and then a write is done and its answer lost."""

    name = "term"

    def __init__(self, by: Copy) -> None:
        self._by, self._leases = by, by.world.leases

    def _asked(self, work: Any) -> Any:
        if self._by.api_away:
            raise ApiAwayError("away")
        answer = work()
        if self._by.world.lossy and self._by.world.random.random() < 0.1:
            raise ApiAwayError("the answer was lost")
        return answer

    def read(self) -> Any:
        return self._asked(self._leases.read)

    def create(self, document: Any) -> Any:
        return self._asked(lambda: self._leases.create(document))

    def replace(self, document: Any) -> Any:
        return self._asked(lambda: self._leases.replace(document))


class World:
    """One run."""

    def __init__(self, seed: int, kind: type[TermWitnesses] = TermWitnesses) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.names = 0
        self.led: list[tuple[int, str]] = []  # terms in which somebody led, and their holders
        self.lossy = True
        self.row, self.leases = Row(), Leases()
        self.copies = [Copy(self, n, kind) for n in range(COPIES)]

    def run(self) -> None:
        """Faults for a while, then none: then somebody leads soon."""
        for _ in range(STEPS):
            self._fault()
            self.step()
        self.lossy = False
        for one in self.copies:
            one.database_away = one.api_away = False
            one.frozen_until = 0.0
        ends_at = self.now + 4 * FAST.lease_s
        while self.now < ends_at:  # everybody in turn, as often as the profile says
            for one in self.copies:
                self.pass_time(FAST.retry_s / COPIES)
                one.turn()
        assert sum(one.leading() for one in self.copies) == 1, "nobody leads"
        for one in self.copies:
            one.terms.close()

    def step(self) -> None:
        """Let some time pass, and a copy have its turn."""
        self.pass_time(self.random.uniform(0, 0.7))
        ready = [x for x in self.copies if not x.busy and x.frozen_until <= self.now]
        if ready:
            self.random.choice(ready).turn()
            self.judge()

    def meanwhile(self, one: Copy) -> None:
        """Let others go on while a copy stands still: its answer is late, or it is frozen."""
        if not self.lossy or self.random.random() > 0.15:
            return
        for _ in range(self.random.randint(1, 30)):
            self.step()

    def pass_time(self, seconds: float) -> None:
        """Go on in true time, with a look at it before."""
        self.now += seconds
        self.judge()

    def judge(self) -> None:
        """See that at most one copy leads, and by a term that nobody else ever had."""
        leading = [one for one in self.copies if one.leading()]
        assert len(leading) <= 1, f"at {self.now:.2f} copies {[x.number for x in leading]} lead"
        for one in leading:
            led = (one.candidate.term, one.holder)
            if not self.led or self.led[-1] != led:
                assert not self.led or led[0] > self.led[-1][0], f"{led} after {self.led[-1]}"
                self.led.append(led)

    def _fault(self) -> None:
        what = self.random.random()
        some = self.copies if self.random.random() < 0.4 else [self.random.choice(self.copies)]
        if what < 0.06:
            for one in some:
                one.database_away = not one.database_away
        elif what < 0.12:
            for one in some:
                one.api_away = not one.api_away
        elif what < 0.16:
            self.leases.document = None
        elif what < 0.19 and self.leases.document is not None:
            self.leases.document["spec"]["holderIdentity"] = self.random.choice(["", "somebody"])
            self.leases.keep(self.leases.document)
        elif what < 0.22:
            self.random.choice(self.copies).frozen_until = self.now + self.random.uniform(0, 20)
        elif what < 0.24:
            idle = [x for x in self.copies if not x.busy]
            self.random.choice(idle).resign()


def main() -> None:
    """Run many seeds; a seed that breaks is named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    terms = 0
    for seed in range(chosen.first, chosen.first + chosen.seeds):
        world = World(seed)
        try:
            world.run()
        except AssertionError as error:
            raise SystemExit(f"seed {seed}: {error}") from error
        terms += len(world.led)
    print(f"{chosen.seeds} runs, {terms} terms")


if __name__ == "__main__":
    main()
