"""The Units service: what operators see and steer. Thin: asks, translates; any server.

Owns the translation of what is stored and connected into messages, and the
conditions of a unit. Does not own any decision about admission.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from bluewhale.api.units.v1 import units_pb2 as pb
from bluewhale.api.units.v1 import units_pb2_grpc
from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.database import NotFoundError
from bluewhale.ingest.admission import operator_of
from bluewhale.ingest.connection import now
from bluewhale.ingest.diagnosis import conditions_of
from bluewhale.ingest.documents import read_overrides
from bluewhale.ingest.fleet import report_of
from bluewhale.ingest.uplink_door import status_of
from bluewhale.telemetry import get_logger
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.configuration.cluster import FailoverSettings
    from bluewhale.database.units import Issued, Report, UnitRow, Units
    from bluewhale.ingest.enrolment import Enrolment
    from bluewhale.ingest.fleet import Fleet

PAGE_DEFAULT, PAGE_MAX = 100, 1_000
APPLY_S = 10.0
REPORT_STALE_MS = 45_000  # each copy of ingest reports every 10 s
T = TypeVar("T")


class UnitsDoor(units_pb2_grpc.UnitsServicer):
    """Answers operators; every call says who it is in the audit.

    Methods block and run in the threads of whatever server they are added to;
    `loop` is that of the fleet.
    """

    loop: asyncio.AbstractEventLoop | None = None

    def __init__(
        self, units: Callable[[], Units], enrolment: Enrolment, fleet: Fleet, *, instance: str
    ) -> None:
        self._units, self._enrolment, self._fleet = units, enrolment, fleet
        self._instance = instance
        self._log = get_logger("ingest")

    @override
    def MintToken(self, request: pb.MintTokenRequest, context: Any) -> pb.MintTokenReply:
        """A one-time token, or an approval for an expired certificate."""

        def work(who: str) -> pb.MintTokenReply:
            now_ms = now().clock_ms
            if request.approve_expired:
                until_ms = self._enrolment.approve_expired(request.unit_uid, who=who, now_ms=now_ms)
                return pb.MintTokenReply(expires_at_ms=until_ms)
            minted = self._enrolment.mint(
                request.unit_uid, who=who, now_ms=now_ms, lifetime_ms=request.lifetime_ms
            )
            return pb.MintTokenReply(token=minted.token, expires_at_ms=minted.expires_at_ms)

        return self._answer(context, work)

    @override
    def List(self, request: pb.ListRequest, context: Any) -> pb.ListReply:
        """A page of units by unit_uid."""

        def work(_who: str) -> pb.ListReply:
            rows = {row.unit_uid: row for row in self._units().all()}
            names = sorted(rows.keys() | set(self._fleet.current.units()))
            size = min(request.page_size or PAGE_DEFAULT, PAGE_MAX)
            left = [name for name in names if name > request.page_token]
            reports: dict[str, list[Report]] = {}
            for report in self._units().reports():
                reports.setdefault(report.unit_uid, []).append(report)
            certificates = self._units().all_certificates()
            lost = self._units().records_lost()
            return pb.ListReply(
                units=[
                    self._unit(
                        name,
                        rows.get(name),
                        reports.get(name, []),
                        certificates.get(name, []),
                        lost,
                    )
                    for name in left[:size]
                ],
                next_page_token=left[size - 1] if len(left) > size else "",
                configuration_problems=self._fleet.current.problems,
            )

        return self._answer(context, work)

    @override
    def Get(self, request: pb.GetRequest, context: Any) -> pb.Unit:
        """One unit with its certificates and its document."""
        return self._answer(context, lambda _who: self._whole(request.unit_uid))

    @override
    def Configure(self, request: pb.ConfigureRequest, context: Any) -> pb.ConfigureReply:
        """Replace the overrides of a unit; it gets its new document at once."""

        def work(who: str) -> None:
            overrides = read_overrides(request.overrides_json)
            self._declared(request.unit_uid)
            self._units().override(request.unit_uid, overrides, who=who, now_ms=now().clock_ms)

        self._answer(context, work)
        self._apply()
        desired = self._fleet.desired(request.unit_uid)
        if desired is None:
            return pb.ConfigureReply()
        return pb.ConfigureReply(desired_version=desired.version, desired_hash=desired.hash)

    @override
    def Revoke(self, request: pb.RevokeRequest, context: Any) -> pb.RevokeReply:
        """End every certificate of a unit; connections end at once here, within seconds elsewhere."""

        def work(who: str) -> int:
            return self._units().revoke(
                request.unit_uid, reason=request.reason, who=who, now_ms=now().clock_ms
            )

        count = self._answer(context, work)
        self._log.warning("Unit revoked", unit_uid=request.unit_uid, count=count)
        self._apply()
        return pb.RevokeReply(certificates=count)

    @override
    def Diagnose(self, request: pb.DiagnoseRequest, context: Any) -> pb.DiagnoseReply:
        """What is wrong with a unit, and what to do."""
        return self._answer(
            context,
            lambda _who: pb.DiagnoseReply(conditions=self._whole(request.unit_uid).conditions),
        )

    # ---- inside ------------------------------------------------------------------------

    def _answer(self, context: Any, work: Callable[[str], T]) -> T:
        """Do work for an operator; errors become statuses."""
        try:
            return work(operator_of(context))
        except BluewhaleError as error:
            context.abort(*status_of(error))
            raise

    def _apply(self) -> None:
        """Let what was just stored take effect here, without waiting for the next look."""
        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(self._fleet.poll_now(), self.loop).result(APPLY_S)

    def _declared(self, unit_uid: str) -> None:
        if self._fleet.current.unit(unit_uid) is None:
            raise NotFoundError(
                f"unit {unit_uid} is not in the configuration; add it to `units` first"
            )

    def _whole(self, unit_uid: str) -> pb.Unit:
        row = next((r for r in self._units().all() if r.unit_uid == unit_uid), None)
        if row is None:
            self._declared(unit_uid)
        units = self._units()
        certificates = units.certificates(unit_uid) if row is not None else []
        made = self._unit(
            unit_uid, row, units.reports(unit_uid), certificates, units.records_lost()
        )
        desired = self._fleet.desired(unit_uid)
        if desired is not None:
            made.configuration.desired_json = desired.document
        return made

    def _unit(
        self,
        unit_uid: str,
        row: UnitRow | None,
        stored: list[Report],
        certificates: list[Issued],
        lost: Mapping[int, int],
    ) -> pb.Unit:
        declared = self._fleet.current.unit(unit_uid)
        streams = self._fleet.current.streams_of(unit_uid)
        here = {
            c.session: report_of(c, streams, self._instance) | {"connected": True}
            for c in self._fleet.running(unit_uid)
        }
        gone = {c.session for c in self._fleet.connections(unit_uid)} - here.keys()
        now_ms = now().clock_ms
        reports = {
            r.session: {
                **r.report,
                # a copy of ingest that was killed says nothing any more
                "connected": r.connected and now_ms - r.reported_at_ms < REPORT_STALE_MS,
            }
            for r in stored
            if r.session not in gone
        } | here
        alive = {session: report for session, report in reports.items() if report["connected"]}
        made = pb.Unit(
            unit_uid=unit_uid,
            state=_state(row, declared is not None, bool(alive), bool(certificates)),
            revoked_at_ms=row.revoked_at_ms if row is not None else 0,
            site_uid=(declared.site_uid or "") if declared is not None else "",
            failover=_failover(declared.failover) if declared is not None else None,
            links=[
                pb.UnitLink(
                    link_uid=uid,
                    stream_id=stream,
                    state=_link_state(uid, alive),
                    last_received_at_ms=_last_received_ms(uid, alive),
                    records_lost=lost.get(stream, 0),
                )
                for stream, uid in streams.items()
            ],
            instances=[_instance(session, report) for session, report in alive.items()],
            certificates=[
                pb.Certificate(
                    serial=c.serial,
                    not_before_ms=c.not_before_ms,
                    not_after_ms=c.not_after_ms,
                    revoked_at_ms=c.revoked_at_ms,
                )
                for c in certificates
            ],
        )
        desired = self._fleet.desired(unit_uid)
        if desired is not None:
            made.configuration.desired_version = desired.version
            made.configuration.desired_hash = desired.hash
        if row is not None:
            made.configuration.overrides_json = _json(row.overrides)
        made.conditions.extend(conditions_of(made, list(alive.values()), row, now_ms=now_ms))
        return made


def _state(row: UnitRow | None, declared: bool, alive: bool, enrolled: bool) -> str:
    if row is not None and row.revoked_at_ms:
        return "revoked"
    if not declared:
        return "undeclared"
    if alive:
        return "connected"
    return "enrolled" if enrolled else "declared"


def _failover(own: FailoverSettings | None) -> pb.Failover | None:
    if own is None:
        return None
    return pb.Failover(lease_s=own.lease_s, deadline_s=own.deadline_s, retry_s=own.retry_s)


def _link_state(link_uid: str, reports: dict[str, dict[str, Any]]) -> str:
    for report in reports.values():
        link = report["links"].get(link_uid)
        if link is None:
            continue
        if link["waiting_for_journal"]:
            return "waiting_for_journal"
        if link["connected"]:
            return "connected"
        return f"error: {link['last_error']}" if link["last_error"] else "silent"
    return ""


def _last_received_ms(link_uid: str, reports: dict[str, dict[str, Any]]) -> int:
    links = (report["links"].get(link_uid) for report in reports.values())
    return max((link["last_received_at_ms"] for link in links if link is not None), default=0)


def _instance(session: str, report: dict[str, Any]) -> pb.Instance:
    return pb.Instance(
        session=session,
        peer=report["peer"],
        release=report["release"],
        protocol=report["protocol"],
        connected_at_ms=report["connected_at_ms"],
        reported_at_ms=report["reported_at_ms"],
        clock_skew_ms=report["clock_skew_ms"],
        journal_usage_ratio=report["journal_usage_ratio"],
        configuration_hash=report["configuration_hash"],
        configuration_error=report["configuration_error"],
        ingest=report["ingest"],
        # a report that an older release left in the database has none of these
        backlog_records=report.get("backlog_records"),
        journaled_through=report.get("journaled_through"),
        stored_through=report.get("stored_through"),
        oldest_waiting_at_ms=report.get("oldest_waiting_at_ms"),
        journal_days_left=report.get("journal_days_left"),
    )


def _json(overrides: Any) -> str:
    return json.dumps(overrides, sort_keys=True)
