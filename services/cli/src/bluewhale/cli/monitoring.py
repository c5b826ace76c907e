"""What the embedded runtime says about itself: canonical lines, metrics, what is wrong.

Owns neither the door nor the registry of metrics: the process has them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bluewhale.telemetry import Metrics, canonical_line, get_logger

if TYPE_CHECKING:
    from bluewhale.connectors import Connector
    from bluewhale.database import CommitResult
    from bluewhale.journal import Journal


class Monitor:
    """Metrics of this process and where they are served."""

    def __init__(self, journal: Journal, metrics: Metrics) -> None:
        self.metrics = metrics
        self._log = get_logger("processor")
        self._journal = journal
        self._connectors: Mapping[str, Connector] = {}
        self._counted: dict[tuple[str, str], int] = {}
        self.processor_error = ""

    def follow(self, connectors: Mapping[str, Connector]) -> None:
        """Watch these connectors, by link_uid."""
        self._connectors = connectors

    def committed(
        self, records: int, result: CommitResult, rejected: Mapping[str, int], started_s: float
    ) -> None:
        """Count one commit and write its canonical line."""
        seconds = time.monotonic() - started_s
        m = self.metrics
        m.observe("bluewhale_commit_seconds", seconds)
        m.add("bluewhale_records_replayed_total", result.replayed)
        m.add("bluewhale_duplicates_total", result.duplicate)
        m.add("bluewhale_calls_stored_total", result.created, kind="created")
        m.add("bluewhale_calls_stored_total", result.grown, kind="grown")
        m.add("bluewhale_charges_total", result.charges, entry="charge")
        m.add("bluewhale_charges_total", result.reversals, entry="reversal")
        canonical_line(
            self._log,
            "Batch committed",
            records_in=records,
            accepted=result.accepted,
            rejected_by_reason=rejected,
            duration_ms=round(seconds * 1000),
            duplicate=result.duplicate,
            replayed=result.replayed,
            lost=result.lost,
            calls_created=result.created,
            calls_grown=result.grown,
            charges=result.charges,
            reversals=result.reversals,
        )

    def stored(self, link_uid: str, legs: int, rejected: Mapping[str, int]) -> None:
        """Count the legs and rejects of one link."""
        self.metrics.add("bluewhale_legs_stored_total", legs, link_uid=link_uid)
        for reason, count in rejected.items():
            self.metrics.add(
                "bluewhale_records_rejected_total", count, link_uid=link_uid, reason=reason
            )

    def refresh(self) -> None:
        """Take the gauges of connectors and journal."""
        usage = self._journal.usage()
        self.metrics.set("bluewhale_journal_bytes", usage.file_bytes)
        self.metrics.set("bluewhale_journal_usage_ratio", usage.used_bytes / usage.quota_bytes)
        now_ms = time.time() * 1000
        for link_uid, connector in self._connectors.items():
            state = connector.state
            self.metrics.set("bluewhale_connections", state.connected, link_uid=link_uid)
            if state.last_received_at_ms is not None:
                silence_s = (now_ms - state.last_received_at_ms) / 1000
                self.metrics.set("bluewhale_link_silence_seconds", silence_s, link_uid=link_uid)
            self._count("bluewhale_records_received_total", link_uid, state.records)
            self._count("bluewhale_records_journaled_total", link_uid, state.journaled)

    def _count(self, name: str, link_uid: str, total: int) -> None:
        """Raise a counter to a total that somebody else keeps."""
        before = self._counted.get((name, link_uid), 0)
        self.metrics.add(name, total - before, link_uid=link_uid)  # type: ignore[arg-type]  # from the closed list, above
        self._counted[name, link_uid] = total

    def health(self) -> dict[str, str]:
        """Say what is wrong, by part; empty = well."""
        wrong = {}
        usage = self._journal.usage()
        if usage.full:
            wrong["journal"] = (
                "full: reading has stopped; make room or raise limits.journal_quota_mib"
            )
        elif usage.alarm:
            wrong["journal"] = "nearly full: the main database does not keep up"
        if self.processor_error:
            wrong["processor"] = self.processor_error
        for link_uid, connector in self._connectors.items():
            if connector.state.waiting_for_journal:
                wrong[link_uid] = "waits for the journal"
        return wrong
