"""What one partition has read and not yet stored, and what of it goes into the next transaction.

A quiet partition stores at once what it reads. Under load legs wait for their
calls: then both go into one transaction and into one sealed segment, which
costs a tenth of rows that are first hot and sealed later. Calls wait until their
legs were read. Each topic is read no further while too much of it waits, and
should both wait for each other, legs go alone. Owns that choice and the offsets
up to which everything read is stored. Exactness depends on none of it: what is
offered too early is refused. Does no input or output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bluewhale.database import Batch, Claim, ClaimStep, Heard
from bluewhale.messaging import PARSED, RATED
from bluewhale.messaging.envelopes import ParsedMessage, RatedMessage
from bluewhale.records.batches import Proposals, StreamLoss
from bluewhale.records.schemas import LEG_SCHEMA, SUSPENSE_SCHEMA

Bools = npt.NDArray[np.bool_]
Words = npt.NDArray[np.int64]

SEAL_ROWS = 20_000  # a segment of fewer legs is not worth its files, unless time is over
SEAL_AGE_S = 2.0
FEW_ROWS = 250  # so few legs and calls, all complete, are stored at once: the load is over
BULK_ROWS = 4_000  # fewer legs waiting than this are stored at once, as hot rows
HELD_ROWS_MAX = 30_000  # of a lane, legs and legs of calls each: no more is read meanwhile
PATIENCE_S = 5.0  # what waits for so long goes alone, if billing stands still or has passed it
REMEMBERED_LEGS = 50_000  # of each part: of so many legs a lane knows that they are stored
PASSED_MS = 10_000  # billing's data time is so far behind a leg: its call will not come by itself


@dataclass(frozen=True, slots=True)
class Limits:
    """When a lane stores; rows are legs."""

    few_rows: int = FEW_ROWS
    bulk_rows: int = BULK_ROWS
    seal_rows: int = SEAL_ROWS
    held_rows_max: int = HELD_ROWS_MAX
    seal_age_s: float = SEAL_AGE_S
    patience_s: float = PATIENCE_S
    passed_ms: int = PASSED_MS


def _words(ids: pa.ChunkedArray) -> Words:
    """Give the last 8 bytes of each id: enough to pair legs with their calls."""
    if not len(ids):
        return np.empty(0, np.int64)
    whole = ids.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0)
    pairs = np.frombuffer(whole.buffers()[1], np.int64)
    return pairs[2 * whole.offset + 1 : 2 * (whole.offset + len(whole)) : 2]


@dataclass(slots=True)
class _Parsed:
    """A message of legs; `legs` is what is left of it, `fresh` whether the rest was stored."""

    offset: int
    at_s: float
    message: ParsedMessage
    legs: pa.Table
    words: Words
    fresh: bool = True


@dataclass(slots=True)
class _Rated:
    """A message of proposals; `left` says which of its calls are not stored yet."""

    offset: int
    at_s: float
    message: RatedMessage
    words: Words
    call_row: Words
    left: Bools
    rows: int  # legs of the calls that are left

    @property
    def whole(self) -> bool:
        """Say whether nothing of it is left."""
        return not bool(self.left.any())


@dataclass(slots=True)
class Round:
    """One transaction of a lane, and what of the lane it takes with it."""

    batch: Batch
    seal: bool
    after: dict[str, int]
    legs_taken: list[Bools]
    calls_taken: list[Bools]
    messages: int = 0
    traceparents: tuple[str, ...] = ()

    @property
    def legs(self) -> int:
        """Count of legs in it."""
        return 0 if self.batch.legs is None else int(self.batch.legs.num_rows)


@dataclass(slots=True)
class Lane:
    """One partition of the topics that storage reads; one thread owns it."""

    partition: int
    limits: Limits = field(default_factory=Limits)
    claims: dict[str, Claim] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)  # offsets before this are stored
    read: dict[str, int] = field(default_factory=dict)  # offset that is read next
    parsed_time_ms: int = 0
    rated_time_ms: int = 0
    bulk: bool = False  # legs wait for their calls
    parsed_at_s: float = 0.0  # when legs, or a word of the parser, last came
    rated_at_s: float = 0.0  # when billing was last heard of
    # ids of legs that were stored last, ascending: an older and a younger part
    _old: Words = field(default_factory=lambda: np.empty(0, np.int64))
    _young: Words = field(default_factory=lambda: np.empty(0, np.int64))
    _past_ms: int = 0  # data time that is over, see `_data_time_ms`
    _parsed: list[_Parsed] = field(default_factory=list)
    _rated: list[_Rated] = field(default_factory=list)

    def claimed(self, topic: str, claim: Claim) -> None:
        """Begin, or begin anew, with a topic of this partition."""
        self.drop(topic)
        self.claims[topic] = claim
        self.stored[topic] = self.read[topic] = claim.next_offset

    def drop(self, topic: str) -> None:
        """Forget everything about a topic; it is read again from what is stored."""
        for kept in (self.claims, self.stored, self.read):
            kept.pop(topic, None)
        if topic == PARSED:
            self._parsed.clear()
            self.parsed_time_ms = 0
        else:
            self._rated.clear()
            self.rated_time_ms = 0

    @property
    def rows(self) -> int:
        """Count of legs that wait."""
        return sum(p.legs.num_rows for p in self._parsed)

    @property
    def call_rows(self) -> int:
        """Count of legs of the calls that wait."""
        return sum(r.rows for r in self._rated)

    def full(self, topic: str) -> bool:
        """Say whether no more of a topic should be read for now: memory is bounded."""
        waiting = self.rows if topic == PARSED else self.call_rows
        return waiting >= self.limits.held_rows_max

    @property
    def idle(self) -> bool:
        """Say whether everything read is stored."""
        return not self._parsed and not self._rated

    # ---- reading -------------------------------------------------------------------------

    def take_parsed(self, offset: int, message: ParsedMessage, now_s: float) -> None:
        """Add a message of legs."""
        self.read[PARSED] = offset + 1
        self.parsed_at_s = now_s
        self.parsed_time_ms = max(self.parsed_time_ms, message.data_time_ms)
        words = _words(message.legs.column("cdr_id"))
        self._parsed.append(_Parsed(offset, now_s, message, message.legs, words))

    def take_rated(self, offset: int, message: RatedMessage, now_s: float) -> None:
        """Add a message of proposals."""
        if not self._rated and message.data_time_ms > self.rated_time_ms:
            self._past_ms = max(self._past_ms, self.rated_time_ms)  # all of it is stored
        self.read[RATED] = offset + 1
        self.rated_at_s = now_s
        self.rated_time_ms = max(self.rated_time_ms, message.data_time_ms)
        words, call_row = np.empty(0, np.int64), np.empty(0, np.int64)
        calls = 0
        if message.proposals is not None:
            members = message.proposals.members
            words = _words(members.column("cdr_id"))
            call_row = members.column("call_row").to_numpy().astype(np.int64)
            calls = message.proposals.calls.num_rows
        left = np.ones(max(calls, 1), np.bool_)
        self._rated.append(_Rated(offset, now_s, message, words, call_row, left, len(words)))

    def skip(self, topic: str, offset: int) -> None:
        """Pass over a message that was kept aside."""
        if topic == PARSED:
            nothing = ParsedMessage(LEG_SCHEMA.empty_table(), SUSPENSE_SCHEMA.empty_table())
            self.take_parsed(offset, nothing, 0.0)
        else:
            self.take_rated(offset, RatedMessage(None, 0), 0.0)

    # ---- deciding ------------------------------------------------------------------------

    def due(self, now_s: float, now_ms: int, *, at_once: bool = False) -> Round | None:
        """Give the transaction that is due; None = nothing yet. Ask again after `done`.

        `at_once`: as hot rows, whatever is there (the lane is about to end, or
        one of its messages cannot be stored and is looked for).
        """
        if self.idle:
            return None
        if at_once:
            self.bulk = False
        elif self.rows >= self.limits.bulk_rows:
            self.bulk = True
        if not self.bulk:
            return self._everything(now_s, now_ms, all_rated=at_once)
        return self._paired(now_s, now_ms)

    def _everything(self, now_s: float, now_ms: int, *, all_rated: bool) -> Round | None:
        """All legs, and the proposals whose legs were read."""
        legs_taken = [np.ones(p.legs.num_rows, np.bool_) for p in self._parsed]
        if all_rated:
            calls_taken = [r.left.copy() for r in self._rated]
        else:
            calls_taken = self._ready_calls(now_s)
        if not self._parsed and not any(t.any() for t in calls_taken):
            return None
        return self._round(now_ms, legs_taken, calls_taken, seal=False)

    def _paired(self, now_s: float, now_ms: int) -> Round | None:
        """Legs whose calls are here, with their calls; what waited too long goes alone."""
        legs_ready, calls_ready = self._pairs(now_s)
        ready = sum(int(t.sum()) for t in legs_ready)
        waiting = self.rows
        arrived_s = [p.at_s for p in self._parsed] + [r.at_s for r in self._rated]
        oldest_s = min(arrived_s, default=now_s)
        enough = ready >= self.limits.seal_rows or (self.full(PARSED) and 2 * ready >= waiting)
        if ready == waiting and max(waiting, self.call_rows) <= self.limits.few_rows:
            enough = True
        if not enough and self.full(PARSED) and self.full(RATED):
            # each waits for what the other one has no room to read
            legs_ready = [np.ones(p.legs.num_rows, np.bool_) for p in self._parsed]
            ready, enough = waiting, True
        if not enough and now_s - oldest_s < self.limits.seal_age_s:
            return None
        if not any(t.any() for t in (*legs_ready, *calls_ready)) and not self._news():
            return None
        seal = ready >= self.limits.bulk_rows
        self.bulk = waiting - ready >= self.limits.bulk_rows or seal
        return self._round(now_ms, legs_ready, calls_ready, seal=seal)

    def _ready_calls(self, now_s: float) -> list[Bools]:
        """Say per message which proposed calls have all their legs here, or stored before.

        What was read as far as billing had read is not waited for, known or not:
        its legs may have been stored before a restart.
        """
        have = np.sort(np.concatenate([p.words for p in self._parsed] or [self._young[:0]]))
        found = []
        for rated in self._rated:
            if (
                PARSED not in self.claims
                or 0 < rated.message.legs_before <= self.read[PARSED]
                or self._legs_stand_still(rated, now_s)
            ):
                found.append(rated.left.copy())
                continue
            words = rated.words
            here = _isin(words, have) | _isin(words, self._young) | _isin(words, self._old)
            missing = np.zeros(len(rated.left), np.bool_)
            missing[rated.call_row[~here]] = True
            found.append(rated.left & ~missing)
        return found

    def _remember(self, words: Words) -> None:
        """Note legs as stored; what was stored long ago is forgotten."""
        self._young = np.sort(np.concatenate([self._young, words]), kind="stable")
        if len(self._young) > REMEMBERED_LEGS:
            self._old, self._young = self._young, self._young[:0]

    def _legs_stand_still(self, rated: _Rated, now_s: float) -> bool:
        """Say whether waiting for the legs of a proposal has become senseless."""
        if self.full(PARSED):
            return False  # it is we who do not read on
        waited_s = now_s - max(rated.at_s, self.parsed_at_s)
        passed_ms = self.parsed_time_ms - rated.message.data_time_ms
        if now_s - rated.at_s > self.limits.patience_s and passed_ms > self.limits.passed_ms:
            return True
        return waited_s > self.limits.patience_s

    def _news(self) -> bool:
        """Say whether something waits that needs no call: rejects, losses, counts, empty messages."""
        return any(
            not p.legs.num_rows
            or (p.fresh and (p.message.rejects.num_rows or p.message.losses or p.message.tallies))
            for p in self._parsed
        )

    def _pairs(self, now_s: float) -> tuple[list[Bools], list[Bools]]:
        """Say which legs and which calls are ready, per message."""
        limits = self.limits
        calls_ready = self._ready_calls(now_s)
        answered = [
            r.words[ready[r.call_row]] for r, ready in zip(self._rated, calls_ready, strict=True)
        ]
        known = np.sort(np.concatenate(answered)) if answered else np.empty(0, np.int64)
        legs_ready = []
        for parsed in self._parsed:
            paired = _isin(parsed.words, known)
            if now_s - parsed.at_s > limits.patience_s and (
                self.rated_time_ms > parsed.message.data_time_ms + limits.passed_ms
                or now_s - self.rated_at_s > limits.patience_s
            ):
                paired = np.ones(len(paired), np.bool_)
            legs_ready.append(paired)
        return legs_ready, calls_ready

    def _round(
        self, now_ms: int, legs_taken: list[Bools], calls_taken: list[Bools], *, seal: bool
    ) -> Round:
        legs, rejects = [], []
        contexts: dict[int, bytes] = {}
        losses: list[StreamLoss] = []
        heard: list[Heard] = []
        traceparents: list[str] = []
        for parsed, taken in zip(self._parsed, legs_taken, strict=True):
            if taken.any():
                legs.append(
                    parsed.legs if taken.all() else parsed.legs.filter(pa.array(taken))
                )  # fmt: skip
            if not parsed.fresh:
                continue
            message = parsed.message
            rejects.append(message.rejects)
            losses += message.losses
            contexts.update(message.contexts)
            heard += [Heard(t.stream_id, 0, t.day, t.heard, t.journaled) for t in message.tallies]
            traceparents += message.traceparents
        chosen = []
        for rated, taken in zip(self._rated, calls_taken, strict=True):
            if rated.message.proposals is not None and taken.any():
                chosen.append(_picked(rated.message.proposals, taken))
                traceparents += rated.message.traceparents
        after = {PARSED: self._after(PARSED, self._left_parsed(legs_taken)),
                 RATED: self._after(RATED, self._left_rated(calls_taken))}  # fmt: skip
        batch = Batch(
            now_ms=now_ms,
            partition=self.partition,
            claims=tuple(
                ClaimStep(claim, self.stored[topic], after[topic])
                for topic, claim in sorted(self.claims.items())
            ),
            legs=pa.concat_tables(legs) if legs else None,
            rejects=pa.concat_tables(rejects) if rejects else None,
            losses=losses,
            contexts=contexts,
            heard=heard,
            proposals=_joined(chosen),
            data_time_ms=self._data_time_ms(after[RATED]),
        )
        return Round(
            batch, seal, after, legs_taken, calls_taken,
            messages=sum(after[t] - self.stored[t] for t in self.claims),
            traceparents=tuple(dict.fromkeys(traceparents)),
        )  # fmt: skip

    def _left_parsed(self, taken: Sequence[Bools]) -> int | None:
        return next(
            (p.offset for p, t in zip(self._parsed, taken, strict=True) if not t.all()), None
        )

    def _left_rated(self, taken: Sequence[Bools]) -> int | None:
        return next(
            (
                r.offset
                for r, t in zip(self._rated, taken, strict=True)
                if bool((r.left & ~t).any())
            ),
            None,
        )

    def _after(self, topic: str, first_left: int | None) -> int:
        if topic not in self.claims:
            return 0
        return self.read[topic] if first_left is None else first_left

    def _data_time_ms(self, after: int) -> int | None:
        """Give the time up to which all calls of this partition were proposed and are stored.

        Billing sends what one moment brought in several messages: a moment is over
        once a later one was heard of.
        """
        stored = [r.message.data_time_ms for r in self._rated if r.offset < after]
        past = [t for t in stored if t < self.rated_time_ms]
        self._past_ms = max([self._past_ms, *past])
        return self._past_ms or None

    # ---- after the commit ----------------------------------------------------------------

    def done(self, made: Round) -> None:
        """Take away what a committed round holds."""
        for topic in self.claims:
            self.stored[topic] = made.after[topic]
        parsed_left: list[_Parsed] = []
        for parsed, taken in zip(self._parsed, made.legs_taken, strict=True):
            if taken.any():
                self._remember(parsed.words[taken])
            if taken.all():
                continue
            keep = ~taken
            parsed.legs = parsed.legs.filter(pa.array(keep))
            parsed.words = parsed.words[keep]
            parsed.fresh = False
            parsed_left.append(parsed)
        rated_left = []
        for rated, taken in zip(self._rated, made.calls_taken, strict=True):
            rated.left &= ~taken
            if taken.any() and len(rated.words):
                rated.rows = int(np.count_nonzero(rated.left[rated.call_row]))
            if not rated.whole:
                rated_left.append(rated)
        self._parsed, self._rated = parsed_left, rated_left


def _isin(values: Words, ascending: Words) -> Bools:
    if not len(ascending) or not len(values):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    return np.asarray(ascending[at] == values)


def _picked(proposals: Proposals, wanted: Bools) -> Proposals:
    """Give some of the proposed calls, with their charges and members."""
    if wanted.all():
        return proposals
    rows = np.flatnonzero(wanted)
    calls = proposals.calls.take(pa.array(rows))
    members = proposals.members
    call_row = members.column("call_row").to_numpy()
    keep = wanted[call_row]
    place = np.full(len(wanted), -1, np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    members = members.filter(pa.array(keep)).set_column(
        members.schema.get_field_index("call_row"), "call_row", pa.array(place[call_row[keep]])
    )
    ids = np.sort(_words(calls.column("call_id")))
    charges = proposals.charges
    charges = charges.filter(pa.array(_isin(_words(charges.column("call_id")), ids)))
    return replace(proposals, calls=calls, charges=charges, members=members)


def _joined(listed: Sequence[Proposals]) -> Proposals | None:
    """Give several proposals as one; of proposals of one call the largest and latest stays.

    Charges name their call by its id, so a call must not be twice in a batch. What
    is dropped is contained in what stays, or the database finds it by itself.
    """
    if len(listed) < 2:
        return listed[0] if listed else None
    shift, parts, members = 0, [], []
    for part, keep in zip(listed, _largest(listed), strict=True):
        if not keep.any():
            continue
        kept = _picked(part, keep)
        place = kept.members.schema.get_field_index("call_row")
        moved = kept.members.column("call_row").to_numpy() + np.int32(shift)
        members.append(kept.members.set_column(place, "call_row", pa.array(moved, pa.int32())))
        parts.append(kept)
        shift += kept.calls.num_rows
    return Proposals(
        pa.concat_tables([p.calls for p in parts]),
        pa.concat_tables([p.charges for p in parts]),
        pa.concat_tables(members),
        findings=tuple(found for p in listed for found in p.findings),
    )


def _largest(listed: Sequence[Proposals]) -> list[Bools]:
    """Say per proposal which of its calls is the largest (then latest) of that id."""
    words = np.concatenate([_words(p.calls.column("call_id")) for p in listed])
    legs = np.concatenate([p.calls.column("leg_count").to_numpy() for p in listed])
    order = np.lexsort((np.arange(len(words)), legs, words))
    last = np.ones(len(words), np.bool_)
    last[:-1] = words[order][1:] != words[order][:-1]
    keep = np.zeros(len(words), np.bool_)
    keep[order] = last
    return np.split(keep, np.cumsum([p.calls.num_rows for p in listed])[:-1])
