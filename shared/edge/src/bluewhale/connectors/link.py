"""One link: its settings, its health, and the way of its records into the journal.

Owns retrying while the journal refuses, and the stream's context over restarts.
Does not own any transport.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bluewhale.capture import (
    CapturedRecord,
    ConnectionCapture,
    FramingTable,
    OccurrenceCounter,
    TemporaryError,
)
from bluewhale.journal import Journal

_LOG = logging.getLogger("bluewhale.connectors")
_RETRY_S_MAX = 5.0


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What every connector must know about its link.

    `link_uid` is a slug, `stream_id` 63 bits. After `settle_after_s` of silence a
    record that only waits for a continuation line is delivered. A stop waits at
    most `stop_timeout_s` for the journal.
    """

    link_uid: str
    stream_id: int
    framing: FramingTable
    settle_after_s: float = 2.0
    stop_timeout_s: float = 5.0


@dataclass(slots=True)
class LinkState:
    """The health of a link, for a page, a metric or a test; changed in place.

    Times are UTC milliseconds since 1970; None = never or not now.
    """

    connected: int = 0  # connections or files open now
    connected_since_ms: int | None = None
    connections: int = 0  # since start
    bytes: int = 0
    records: int = 0  # framed
    journaled: int = 0  # committed
    files: int = 0  # whole files done
    last_received_at_ms: int | None = None
    waiting_for_journal: bool = False
    last_error: str | None = None
    last_error_at_ms: int | None = None
    listening_on: tuple[str, int] | None = field(default=None)
    lost_datagrams: int = 0  # UDP: dropped by the kernel or by us, heard by nobody


def now_ms() -> int:
    """Give the time of day in UTC milliseconds."""
    return time.time_ns() // 1_000_000


class Link:
    """What a connector uses to turn bytes into journaled records."""

    def __init__(
        self,
        settings: LinkSettings,
        journal: Journal,
        *,
        state: LinkState | None = None,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self.settings = settings
        self.journal = journal
        self.state = LinkState() if state is None else state
        self.clock_ms = clock_ms
        self._context_key = f"context/{settings.stream_id}"
        saved = journal.note(self._context_key)
        self.stream_context = {} if saved is None else decoded_context(saved)
        self._saved_context = dict(self.stream_context)

    def capture(
        self,
        connection: int | None = None,
        *,
        context: dict[str, bytes] | None = None,
        mid_line: bool = False,
        counter: OccurrenceCounter | None = None,
    ) -> ConnectionCapture:
        """Begin a connection or file; its number is random unless given."""
        return ConnectionCapture(
            self.settings.framing,
            connection=secrets.randbits(63) if connection is None else connection,
            stream_context=self.stream_context,
            context=context,
            mid_line=mid_line,
            counter=counter,
        )

    def opened(self) -> None:
        """Count a connection or file that begins."""
        if self.state.connected == 0:
            self.state.connected_since_ms = self.clock_ms()
        self.state.connected += 1
        self.state.connections += 1

    def closed(self) -> None:
        """Count a connection or file that ended."""
        self.state.connected -= 1
        if self.state.connected == 0:
            self.state.connected_since_ms = None

    def received(self, size_bytes: int) -> int:
        """Count bytes; give the moment that their records carry."""
        at_ms = self.clock_ms()
        self.state.bytes += size_bytes
        self.state.last_received_at_ms = at_ms
        return at_ms

    def failed(self, message: str) -> None:
        """Remember and log what went wrong and passes by itself."""
        if message != self.state.last_error:
            _LOG.warning(
                "link has a problem", extra={"link_uid": self.settings.link_uid, "problem": message}
            )
        self.state.last_error = message
        self.state.last_error_at_ms = self.clock_ms()

    async def store(
        self,
        records: Sequence[CapturedRecord],
        notes: Mapping[str, bytes | None] | None = None,
    ) -> None:
        """Commit records and notes; wait as long as the journal refuses.

        Exactly once also when the caller is cancelled: then the commit is waited
        for at most `stop_timeout_s`, and records that the journal still refuses
        are counted as heard, not journaled.
        """
        every_note = dict(notes or {})
        if self.stream_context != self._saved_context:
            every_note[self._context_key] = encoded_context(self.stream_context)
            self._saved_context = dict(self.stream_context)
        if not records and not every_note:
            return
        self.state.records += len(records)
        task = asyncio.ensure_future(self._store(records, every_note))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await self._finish(task, records)
            raise

    async def _store(
        self, records: Sequence[CapturedRecord], notes: Mapping[str, bytes | None]
    ) -> None:
        while True:
            try:
                await self.journal.append_async(
                    self.settings.stream_id,
                    records,
                    framing_version=self.settings.framing.version,
                    notes=notes,
                )
            except TemporaryError as error:
                self.state.waiting_for_journal = True
                self.failed(str(error))
                await asyncio.sleep(min(error.retry_after_s, _RETRY_S_MAX))
            else:
                self.state.waiting_for_journal = False
                self.state.journaled += len(records)
                return

    async def _finish(self, task: asyncio.Future[None], records: Sequence[CapturedRecord]) -> None:
        await asyncio.wait([task], timeout=self.settings.stop_timeout_s)
        if task.done():
            task.result()
            return
        task.cancel()
        await asyncio.wait([task])
        self.failed(f"stopped while the journal refused {len(records)} records")
        if records:
            try:
                await asyncio.to_thread(
                    self.journal.add_heard,
                    self.settings.stream_id,
                    records[-1].received_at_ms,
                    len(records),
                )
            except TemporaryError as error:
                self.failed(str(error))


def encoded_context(context: Mapping[str, bytes]) -> bytes:
    """Give context lines as bytes for a note."""
    return json.dumps({k: v.decode("latin-1") for k, v in context.items()}).encode()


def decoded_context(note: bytes) -> dict[str, bytes]:
    """Give what `encoded_context` kept."""
    return {k: v.encode("latin-1") for k, v in json.loads(note).items()}
