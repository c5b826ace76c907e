"""The Control service: what every role answers about itself.

Owns the translation between the contract and the health of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
from bluewhale.api.control.v1 import control_pb2, control_pb2_grpc
from bluewhale.telemetry.logs import LEVELS, set_level
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.nexus.health import Health


class Control(control_pb2_grpc.ControlServicer):
    """Answers State, SetLogLevel and Drain for one process."""

    def __init__(
        self,
        *,
        role: str,
        version: str,
        instance: str,
        started_at_ms: int,
        health: Health,
        drain: Callable[[float], None],
    ) -> None:
        self._about = control_pb2.StateReply(
            role=role, version=version, instance=instance, started_at_ms=started_at_ms
        )
        self._health = health
        self._drain = drain

    @override
    def State(self, request: control_pb2.StateRequest, context: Any) -> control_pb2.StateReply:
        """Say how the role is, in words a person can act on."""
        reply = control_pb2.StateReply(
            ready=not self._health.unready(),
            draining=self._health.draining,
            conditions=[
                control_pb2.Condition(
                    name=c.name, good=c.good, message=c.message, since_ms=c.since_ms
                )
                for c in self._health.conditions()
            ],
        )
        reply.MergeFrom(self._about)
        return reply

    @override
    def SetLogLevel(
        self, request: control_pb2.SetLogLevelRequest, context: Any
    ) -> control_pb2.SetLogLevelReply:
        """Set the level until the process ends."""
        if request.level not in LEVELS:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"{request.level!r} is no log level; choose one of {', '.join(LEVELS)}",
            )
        return control_pb2.SetLogLevelReply(previous=set_level(request.level))

    @override
    def Drain(self, request: control_pb2.DrainRequest, context: Any) -> control_pb2.DrainReply:
        """Begin to end; 0 = the time of the configuration."""
        self._drain(request.timeout_ms / 1000)
        return control_pb2.DrainReply()
