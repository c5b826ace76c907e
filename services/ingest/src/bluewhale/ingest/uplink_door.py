"""The Uplink service: Enroll, Renew, Connect. Thin: identifies, calls, maps errors.

Two servicers share it: `EnrolmentDoor` for units that have no certificate yet
(Enroll alone), `UplinkDoor` behind mutual TLS (Renew, Connect).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
from bluewhale.api.uplink.v1 import uplink_pb2 as pb
from bluewhale.api.uplink.v1 import uplink_pb2_grpc
from bluewhale.capture.exceptions import BluewhaleError, PermanentError, TemporaryError
from bluewhale.ingest.admission import address_of, identity, unit_of
from bluewhale.ingest.connection import Connection, now
from bluewhale.ingest.exceptions import AdmissionError, EnrolmentBusyError
from bluewhale.telemetry import get_logger
from bluewhale.uplink import CentreLimits, CentreSide
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.ingest.enrolment import Enrolment, Granted
    from bluewhale.ingest.fleet import Fleet
    from bluewhale.ingest.raw_log import RawLog
    from bluewhale.telemetry import Metrics

HELLO_S = 120.0  # a line of 9,600 bit/s needs a while

# how the end of a connection, and a refusal, is told in gRPC's words
STATUS = {
    "protocol_version": grpc.StatusCode.FAILED_PRECONDITION,
    "silent": grpc.StatusCode.DEADLINE_EXCEEDED,
    "not_reading": grpc.StatusCode.DEADLINE_EXCEEDED,
    "drain": grpc.StatusCode.UNAVAILABLE,
    "database_unavailable": grpc.StatusCode.UNAVAILABLE,
    "log_unavailable": grpc.StatusCode.UNAVAILABLE,
    "misbehaving": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "internal": grpc.StatusCode.INTERNAL,
    "not_hello": grpc.StatusCode.INVALID_ARGUMENT,
    "malformed": grpc.StatusCode.INVALID_ARGUMENT,
    "csr_invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "token_expired": grpc.StatusCode.UNAUTHENTICATED,
    "token_missing": grpc.StatusCode.UNAUTHENTICATED,
    "token_unknown": grpc.StatusCode.UNAUTHENTICATED,
    "token_used": grpc.StatusCode.UNAUTHENTICATED,
    "token_other_unit": grpc.StatusCode.UNAUTHENTICATED,
    "certificate_missing": grpc.StatusCode.UNAUTHENTICATED,
    "certificate_invalid": grpc.StatusCode.UNAUTHENTICATED,
    "approval_missing": grpc.StatusCode.FAILED_PRECONDITION,
    "overrides_invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "unit_unknown": grpc.StatusCode.PERMISSION_DENIED,
    "unit_revoked": grpc.StatusCode.PERMISSION_DENIED,
    "unit_mismatch": grpc.StatusCode.PERMISSION_DENIED,
    "not_operator": grpc.StatusCode.PERMISSION_DENIED,
    "not_found": grpc.StatusCode.NOT_FOUND,
}

_ELSEWHERE = (
    grpc.StatusCode.FAILED_PRECONDITION,
    "certificate_missing: this port enrols units; an enrolled unit connects to the other one",
)


def status_of(error: BluewhaleError) -> tuple[grpc.StatusCode, str]:
    """Give status and text of an operating error: a stable code, then what to do."""
    if isinstance(error, EnrolmentBusyError):
        return grpc.StatusCode.RESOURCE_EXHAUSTED, f"{error.code}: {error}"
    if isinstance(error, AdmissionError):
        return STATUS.get(error.reason, grpc.StatusCode.PERMISSION_DENIED), str(error)
    if isinstance(error, TemporaryError):
        return grpc.StatusCode.UNAVAILABLE, f"{error.code}: {error}"
    assert isinstance(error, PermanentError)
    return STATUS.get(error.code, grpc.StatusCode.FAILED_PRECONDITION), f"{error.code}: {error}"


class EnrolmentDoor(uplink_pb2_grpc.UplinkServicer):
    """Enroll alone, without a client certificate."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment
        self._log = get_logger("ingest")

    @override
    async def Enroll(self, request: pb.EnrollRequest, context: Any) -> pb.EnrollReply:
        """Token and request for a certificate; without token: a known key, if approved."""
        peer = context.peer()
        try:
            granted = await asyncio.to_thread(
                self._enrolment.enroll,
                unit_uid=request.unit_uid,
                token=request.token,
                csr_pem=request.csr_pem,
                address=address_of(peer),
                now_ms=now().clock_ms,
                now_s=time.monotonic(),
            )
        except BluewhaleError as error:
            self._log.warning(
                "Enrolment refused", unit_uid=request.unit_uid[:64], peer=peer, error=str(error)
            )
            await context.abort(*status_of(error))
        self._log.info("Unit enrolled", unit_uid=request.unit_uid, peer=peer)
        return pb.EnrollReply(certificate_pem=granted.certificate_pem, trust_pem=granted.trust_pem)

    @override
    async def Renew(self, request: pb.RenewRequest, context: Any) -> pb.RenewReply:
        """Not here: a certificate must be shown."""
        await context.abort(*_ELSEWHERE)
        return pb.RenewReply()

    @override
    async def Connect(
        self, request_iterator: AsyncIterator[pb.Up], context: Any
    ) -> AsyncIterator[pb.Down]:
        """Not here: a certificate must be shown."""
        await context.abort(*_ELSEWHERE)
        yield pb.Down()


class UplinkDoor(EnrolmentDoor):
    """What enrolled units call. `plaintext`: no certificates, the hello is believed."""

    def __init__(
        self,
        enrolment: Enrolment,
        fleet: Fleet,
        raw_log: RawLog,
        *,
        limits: CentreLimits,
        release: str,
        metrics: Metrics,
        plaintext: bool = False,
    ) -> None:
        super().__init__(enrolment)
        self._fleet, self._raw_log = fleet, raw_log
        self._limits, self._release, self._metrics = limits, release, metrics
        self._plaintext = plaintext

    @override
    async def Renew(self, request: pb.RenewRequest, context: Any) -> pb.RenewReply:
        """The next certificate of a unit that shows a valid one."""
        try:
            who = unit_of(context)
            granted: Granted = await asyncio.to_thread(
                self._enrolment.renew,
                who.uid,
                request.csr_pem,
                now_ms=now().clock_ms,
                now_s=time.monotonic(),
            )
        except BluewhaleError as error:
            self._log.warning("Renewal refused", peer=context.peer(), error=str(error))
            await context.abort(*status_of(error))
        self._log.info("Certificate renewed", unit_uid=who.uid, peer=context.peer())
        return pb.RenewReply(certificate_pem=granted.certificate_pem, trust_pem=granted.trust_pem)

    @override
    async def Connect(
        self, request_iterator: AsyncIterator[pb.Up], context: Any
    ) -> AsyncIterator[pb.Down]:
        """The stream of a unit's life."""
        try:
            unit_uid, serial, up = await self._admitted(request_iterator, context)
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "silent: no hello came")
        except AdmissionError as error:
            self._log.warning("Connection refused", peer=context.peer(), error=str(error))
            await context.abort(*status_of(error))
        fleet, raw_log = self._fleet, self._raw_log

        def append(raw: Any) -> Any:
            return raw_log.append(raw, fleet.current.partition(raw.stream_id))

        connection = Connection(
            CentreSide(
                unit_uid,
                fleet.current.streams_of(unit_uid),
                release=self._release,
                log_id=raw_log.log_id,
                limits=self._limits,
            ),
            peer=context.peer(),
            serial=serial,
            own_streams=lambda: fleet.current.streams_of(unit_uid),
            append=append,
            released=raw_log.released,
            opened=fleet.opened,
            reported=fleet.reported,
            metrics=self._metrics,
            window_bytes=self._limits.window_bytes,
        )
        fleet.joined(connection)
        try:
            async for message in connection.messages(up):
                yield message
        finally:
            fleet.left(connection)
            ended = connection.ended
            self._log.info(
                "Unit disconnected",
                unit_uid=unit_uid,
                session=connection.session,
                reason=ended.code if ended is not None else "by_unit",
            )
        if ended is not None:
            status = STATUS.get(ended.code, grpc.StatusCode.ABORTED)
            await context.abort(status, f"{ended.code}: {ended.message}")

    async def _admitted(
        self, up: AsyncIterator[pb.Up], context: Any
    ) -> tuple[str, str, AsyncIterator[pb.Up]]:
        """Give unit, serial of its certificate, and its messages; raise if not admitted."""
        # the first message is awaited even for a refusal: a stream that is ended while the
        # unit still writes loses the reason on the way
        async with asyncio.timeout(HELLO_S):
            first = await anext(aiter(up), None)
        if first is None:
            raise AdmissionError("not_hello", "the unit ended before it said hello")
        if self._plaintext and identity(context) is None:
            unit_uid, serial = first.hello.unit_uid, ""
        else:
            who = unit_of(context)
            unit_uid, serial = who.uid, who.serial
        refused = self._fleet.refusal(unit_uid, serial)
        if refused is None and not self._raw_log.log_id:
            refused = ("log_unavailable", self._raw_log.problem)
        if refused is not None:
            raise AdmissionError(*refused)
        return unit_uid, serial, _after(first, up)


async def _after(first: pb.Up, up: AsyncIterator[pb.Up]) -> AsyncIterator[pb.Up]:
    yield first
    async for message in up:
        yield message
