"""What the unit tells the centre and its own metrics about itself.

Owns gathering it once a second, and which days' counts are still worth telling.
Does not own what happens with it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.connectors import LinkState
from bluewhale.journal import Tally
from bluewhale.remoteunit.document import write_whole
from bluewhale.uplink import UnitReport

if TYPE_CHECKING:
    from bluewhale.remoteunit.unit import Unit
    from bluewhale.telemetry import Metrics

TELL_DAYS = 7
DAY_S = 86_400
ROW_OVERHEAD_BYTES = 60  # of a record in the journal's file

_Total = Literal["bluewhale_records_received_total", "bluewhale_records_journaled_total"]


class Reporting:
    """Heartbeat contents and gauges of one unit."""

    def __init__(self, unit: Unit, metrics: Metrics) -> None:
        self._unit, self._metrics = unit, metrics
        self._told_path = unit.settings.data / "told.json"
        self._from_day = _read_day(self._told_path)
        self._counted: dict[tuple[str, str], int] = {}

    async def round(self) -> None:
        """Gather everything once."""
        unit = self._unit
        usage = unit.journal.usage()
        await self._forget_old_days()
        tallies = await asyncio.to_thread(unit.journal.tallies)
        oldest_ms = await asyncio.to_thread(unit.journal.waiting_since_ms)
        states = unit.links.states()
        unit.side.tell(
            UnitReport(
                journal=pb.JournalUsage(
                    used_bytes=usage.used_bytes,
                    quota_bytes=usage.quota_bytes,
                    alarm=usage.alarm,
                    full=usage.full,
                    oldest_waiting_at_ms=oldest_ms,
                    bytes_per_day=bytes_per_day(tallies, int(time.time()) // DAY_S),
                ),
                tallies=tuple(
                    pb.Tally(
                        stream_id=t.stream_id,
                        day=t.day,
                        heard=t.heard,
                        journaled=t.journaled,
                        bytes=t.bytes,
                    )
                    for t in tallies
                    if t.day >= self._from_day
                ),
                links=tuple(_link(uid, stream, state) for uid, (stream, state) in states.items()),
                configuration=unit.applying.report,
                certificate_expires_at_ms=unit.certificates.expires_at_ms,
            )
        )
        self._metrics.set("bluewhale_journal_bytes", usage.file_bytes)
        self._metrics.set("bluewhale_journal_usage_ratio", usage.used_bytes / usage.quota_bytes)
        if (skew_ms := unit.side.clock_skew_ms) is not None:
            # centre minus unit is measured; the metric says how far the unit is ahead
            self._metrics.set(
                "bluewhale_unit_skew_seconds", -skew_ms / 1000, unit_uid=unit.settings.unit_uid
            )
        for uid, (_, state) in states.items():
            self._link_metrics(uid, state)

    async def _forget_old_days(self) -> None:
        """Tell counts older than a week once: a slow line must not carry years at each start.

        An answered heartbeat says that the centre has heard all of them.
        """
        day = int(time.time()) // DAY_S - TELL_DAYS
        if self._unit.side.beats_answered and day > self._from_day:
            self._from_day = day
            with suppress(OSError):  # the disk is full: told again after a restart
                await asyncio.to_thread(write_whole, self._told_path, json.dumps(day).encode())

    def _link_metrics(self, uid: str, state: LinkState) -> None:
        self._metrics.set("bluewhale_connections", state.connected, link_uid=uid)
        if state.last_received_at_ms is not None:
            silence_s = time.time() - state.last_received_at_ms / 1000
            self._metrics.set("bluewhale_link_silence_seconds", silence_s, link_uid=uid)
        self._count("bluewhale_records_received_total", uid, state.records)
        self._count("bluewhale_records_journaled_total", uid, state.journaled)

    def _count(self, name: _Total, uid: str, total: int) -> None:
        """Raise a counter to a total that a link keeps; a link made anew begins at 0."""
        before = self._counted.get((name, uid), 0)
        self._metrics.add(name, max(0, total - before), link_uid=uid)
        self._counted[name, uid] = total


def bytes_per_day(tallies: Iterable[Tally], today: int) -> int:
    """Give what the fullest day of the last week brought, as it lies in the journal."""
    days: Counter[int] = Counter()
    for one in tallies:
        if one.day > today - TELL_DAYS:
            days[one.day] += one.bytes + one.journaled * ROW_OVERHEAD_BYTES
    return max(days.values(), default=0)


def _read_day(path: Path) -> int:
    try:
        return int(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return 0  # never told: everything is news


def _link(uid: str, stream_id: int, state: LinkState) -> pb.LinkReport:
    return pb.LinkReport(
        link_uid=uid,
        stream_id=stream_id,
        connected=max(0, state.connected),
        records=state.records,
        journaled=state.journaled,
        lost_datagrams=state.lost_datagrams,
        last_received_at_ms=state.last_received_at_ms or 0,
        waiting_for_journal=state.waiting_for_journal,
        last_error=state.last_error or "",
        last_error_at_ms=state.last_error_at_ms or 0,
    )
