"""Frames of one partition to one message of legs and rejects.

Owns what the stage does with a poll: unpack, group by stream, parse, and what
becomes of everything that cannot be parsed: it is kept, under a reason, and the
rest flows. Does not own dialects, the log, or when it is called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from bluewhale.capture import Frame, context_id
from bluewhale.capture.exceptions import PermanentError, TemporaryError
from bluewhale.configuration import Following
from bluewhale.messaging.envelopes import ParsedMessage, RawFrame, RawTally, RawTick
from bluewhale.parser.breaker import StreamBreaker
from bluewhale.parser.gathering import gather, part_of, stamp
from bluewhale.parser.suspending import broken, suspended, unknown_link, unreadable
from bluewhale.records.batches import LinkProfile, Outcome, RawBatch, StreamLoss, StreamTally
from bluewhale.records.schemas import LEG_SCHEMA, SUSPENSE_SCHEMA
from bluewhale.stages import parse_stage
from bluewhale.telemetry import get_logger

BREAKS_MAX = 32  # more records that break the parser in one batch, and the rest is not tried

Parse = Callable[[RawBatch, LinkProfile], Outcome]


@dataclass(slots=True)
class Parsed:
    """What one poll of one partition became, and the counts for its canonical line."""

    message: ParsedMessage
    records: int = 0
    legs: Counter[str] = field(default_factory=Counter)  # by link
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)  # by link and reason

    def reasons(self) -> Counter[str]:
        """Count rejects by reason."""
        found: Counter[str] = Counter()
        for (_, reason), count in self.rejected.items():
            found[reason] += count
        return found


@dataclass(slots=True)
class _Round:
    """What was collected so far."""

    legs: list[pa.Table] = field(default_factory=list)
    rejects: list[pa.Table] = field(default_factory=list)
    losses: list[StreamLoss] = field(default_factory=list)
    contexts: dict[int, bytes] = field(default_factory=dict)
    tallies: dict[tuple[int, int], StreamTally] = field(default_factory=dict)
    data_time_ms: int = 0


class FrameParser:
    """The stage of one process; one thread calls it.

    Parameters
    ----------
    following: the configuration in force; each poll is parsed by one, whole.
    breaker: decides which streams are suspended.
    parse: the stage; replaced in tests of its failure.
    """

    def __init__(
        self,
        following: Following,
        breaker: StreamBreaker,
        *,
        parse: Parse = parse_stage,
    ) -> None:
        self._following = following
        self._streams: Mapping[int, LinkProfile] = following.configuration.streams
        self._breaker = breaker
        self._parse = parse
        self._log = get_logger("parser")
        self._alarmed: set[int] = set()

    def parse(self, items: Iterable[RawFrame | RawTick | RawTally]) -> Parsed:
        """Parse what one poll gave of one partition, in its order.

        Nothing is lost: legs + rejects = records, but for frames that do not
        unpack; those are one row each. `message.traceparents` stays empty.
        """
        self._follow()
        work = _Round()
        frames: dict[int, list[tuple[Frame, int]]] = {}
        for item in items:
            work.data_time_ms = max(work.data_time_ms, item.ingested_at_ms)
            if isinstance(item, RawTally):
                work.tallies |= {(t.stream_id, t.day): t for t in item.tallies}
            elif isinstance(item, RawFrame):
                frame = self._unpacked(item, work)
                if frame is not None:
                    frames.setdefault(frame.stream_id, []).append((frame, item.ingested_at_ms))
        if frames.keys() - self._streams.keys():
            self._following.refresh()  # ingest may have seen a new link a moment before us
            self._follow()
        for stream_id, mine in frames.items():
            self._take(stream_id, mine, work)
        return self._finished(work)

    def _follow(self) -> None:
        """Take the streams in force; one that is read otherwise now is judged anew."""
        before, now = self._streams, self._following.configuration.streams
        if now is not before:
            self._streams = now
            for stream_id in self._breaker.suspended():
                if now.get(stream_id) != before.get(stream_id):
                    self._breaker.forget(stream_id)

    def _unpacked(self, item: RawFrame, work: _Round) -> Frame | None:
        try:
            return item.frame()
        except PermanentError as error:
            profile = self._streams.get(item.stream_id)
            row, losses = unreadable(item, profile, str(error))
            work.rejects.append(row)
            work.losses += losses
            self._log.warning(
                "Frame kept whole: it does not unpack",
                stream_id=item.stream_id,
                incarnation=item.incarnation,
                first_seq=item.first_seq,
                last_seq=item.last_seq,
                error_code=error.code,
            )
            return None

    def _take(self, stream_id: int, frames: list[tuple[Frame, int]], work: _Round) -> None:
        for frame, _ in frames:
            work.losses += [
                StreamLoss(stream_id, frame.incarnation, x.first_seq, x.last_seq, x.reason)
                for x in frame.losses
            ]
            if frame.records and frame.context is not None:
                work.contexts[context_id(frame.context)] = frame.context
        frames = [(frame, at_ms) for frame, at_ms in frames if frame.records]
        if not frames:
            return
        profile = self._streams.get(stream_id)
        if profile is None:
            work.rejects += [unknown_link(frame) for frame, _ in frames]
            return
        batch = gather(frames)
        outcome = self._guarded(batch, profile, [BREAKS_MAX])
        rejected = outcome.rejected.num_rows
        assert outcome.accepted.num_rows + rejected == len(batch), "no record vanishes"
        legs = outcome.accepted
        work.rejects.append(outcome.rejected)
        if self._breaker.judge(stream_id, rows=len(batch), rejected=rejected):
            work.rejects.append(suspended(legs))
            legs = legs.slice(0, 0)
            self._alarm(profile, on=True)
        else:
            self._alarm(profile, on=False)
        work.legs.append(stamp(legs, frames))

    def _guarded(self, batch: RawBatch, profile: LinkProfile, breaks: list[int]) -> Outcome:
        """Parse; if the stage itself breaks, find the records that do it and keep them."""
        try:
            return self._parse(batch, profile)
        except (TemporaryError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours in one record must not stop the others
            if len(batch) == 1 or breaks[0] <= 0:
                breaks[0] -= 1
                self._log.error(
                    "Parser broke on a record",
                    link_uid=profile.link_uid,
                    first_seq=int(batch.seq[0]),
                    last_seq=int(batch.seq[-1]),
                    error=_where(error),
                )
                return Outcome(LEG_SCHEMA.empty_table(), broken(batch, profile, error))
            middle = len(batch) // 2
            halves = [
                self._guarded(part_of(batch, 0, middle), profile, breaks),
                self._guarded(part_of(batch, middle, len(batch)), profile, breaks),
            ]
            return Outcome(
                pa.concat_tables([h.accepted for h in halves]),
                pa.concat_tables([h.rejected for h in halves]),
            )

    def _alarm(self, profile: LinkProfile, *, on: bool) -> None:
        """Say it once when a stream is suspended, and once when it flows again."""
        if on == (profile.stream_id in self._alarmed):
            return
        facts = {"link_uid": profile.link_uid, "stream_id": profile.stream_id}
        if on:
            self._alarmed.add(profile.stream_id)
            self._log.warning("Stream suspended: too many of its records are bad", **facts)
        else:
            self._alarmed.discard(profile.stream_id)
            self._log.info("Stream flows again", **facts)

    def _finished(self, work: _Round) -> Parsed:
        legs = pa.concat_tables(work.legs) if work.legs else LEG_SCHEMA.empty_table()
        rejects = pa.concat_tables(work.rejects) if work.rejects else SUSPENSE_SCHEMA.empty_table()
        message = ParsedMessage(
            legs=legs,
            rejects=rejects,
            losses=tuple(work.losses),
            contexts=work.contexts,
            tallies=tuple(work.tallies.values()),
            data_time_ms=work.data_time_ms,
        )
        done = Parsed(message, legs.num_rows + rejects.num_rows)
        for found in pc.value_counts(legs.column("link_uid").cast(pa.string())).to_pylist():
            done.legs[found["values"]] += found["counts"]
        done.rejected.update(
            zip(_words(rejects, "link_uid"), _words(rejects, "reason"), strict=True)
        )
        return done


def _words(table: pa.Table, name: str) -> list[str]:
    return [word or "" for word in table.column(name).to_pylist()]


def _where(error: Exception) -> str:
    """Name kind and place of a fault; its text could hold what a record says."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
    return f"{type(error).__name__}{place}"
