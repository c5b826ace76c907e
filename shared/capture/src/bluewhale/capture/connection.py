"""One connection or file on its way to the journal: framing and `n` together.

Owns the order of the two. Does not own transports, clocks or the journal.
"""

from __future__ import annotations

from bluewhale.capture.framing import FramedRecord, Framer, FramingTable
from bluewhale.capture.occurrences import OccurrenceCounter
from bluewhale.capture.records import CapturedRecord


class ConnectionCapture:
    """Turn the bytes of one connection into captured records.

    `connection` is a non-negative 63-bit number, random per connection, or the
    content hash of a file. `stream_context` is shared by the connections of a
    stream; `context` and `mid_line` are what this connection knows from before
    a restart.
    """

    def __init__(
        self,
        table: FramingTable,
        *,
        connection: int,
        stream_context: dict[str, bytes] | None = None,
        context: dict[str, bytes] | None = None,
        mid_line: bool = False,
        counter: OccurrenceCounter | None = None,
    ) -> None:
        assert 0 <= connection < 1 << 63
        self.connection = connection
        self.framer = Framer(
            table,
            context={} if context is None else context,
            stream_context={} if stream_context is None else stream_context,
            mid_line=mid_line,
        )
        self.counter = OccurrenceCounter() if counter is None else counter
        self._date_lines = 0

    def receive(self, data: bytes, at_ms: int, *, final: bool = False) -> list[CapturedRecord]:
        """Give the records that `data`, received at `at_ms` UTC, completes.

        `final`: the connection or file ends here, what is left is a record.
        """
        return self._count(self.framer.frame(data, final=final), at_ms)

    def settle(self, at_ms: int) -> list[CapturedRecord]:
        """Give the record that only waits for a continuation line, after silence."""
        return self._count(self.framer.settle(), at_ms)

    def _count(self, framed: list[FramedRecord], at_ms: int) -> list[CapturedRecord]:
        records = []
        for data, context, date_lines in framed:
            if date_lines != self._date_lines:
                self.counter.reset()
                self._date_lines = date_lines
            n = self.counter.count(data, at_ms)
            records.append(CapturedRecord(data, context, self.connection, n, at_ms))
        return records
