"""The Control service: what every role answers about itself.

Owns the translation between the contract and what the process knows of itself:
health, log, load, and what waits to be worked on.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from bluewhale.api.control.v1 import control_pb2, control_pb2_grpc
from bluewhale.telemetry.logs import LEVELS, last_error, level_now, set_level
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.nexus.health import Health
    from bluewhale.telemetry import Metrics

LOAD_OVER_S = 60.0
LAG_SET_WITHIN_S = 20.0  # roles look at their lag every few seconds


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
        lag: Callable[[], control_pb2.Lag | None],
    ) -> None:
        self._about = control_pb2.StateReply(
            role=role, version=version, instance=instance, started_at_ms=started_at_ms
        )
        self._health = health
        self._drain = drain
        self._lag = lag
        self._load = _Load()

    @override
    def State(self, request: control_pb2.StateRequest, context: Any) -> control_pb2.StateReply:
        """Say how the role is, in words a person can act on."""
        level, error = level_now(), last_error()
        reply = control_pb2.StateReply(
            load_ratio=self._load.ratio(),
            memory_bytes=_resident_bytes(),
            lag=self._lag(),
            log_level=level.name,
            log_level_until_ms=level.until_ms,
            last_error=error.text if error else "",
            last_error_at_ms=error.at_ms if error else 0,
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
        """Set the level, for a time or until the process ends."""
        if request.level not in LEVELS:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"{request.level!r} is no log level; choose one of {', '.join(LEVELS)}",
            )
        if request.for_ms < 0:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "for_ms must be 0 or more")
        return control_pb2.SetLogLevelReply(
            previous=set_level(request.level, for_ms=request.for_ms)
        )

    @override
    def Drain(self, request: control_pb2.DrainRequest, context: Any) -> control_pb2.DrainReply:
        """Begin to end; 0 = the time of the configuration."""
        self._drain(request.timeout_ms / 1000)
        return control_pb2.DrainReply()


def lag_of(metrics: Metrics) -> control_pb2.Lag | None:
    """Give what waits in the log for a role; None = it reads no log."""
    behind = metrics.recent("bluewhale_log_lag_messages", LAG_SET_WITHIN_S)
    if not behind:
        return None
    waiting = {labels: value for labels, (value, _) in behind.items() if value > 0}
    lag = control_pb2.Lag(count=int(sum(waiting.values())), unit="messages")
    seen = metrics.recent("bluewhale_data_time_age_seconds", float("inf"))
    ages_s = [sum(seen[labels]) for labels in waiting if labels in seen]
    if ages_s:  # what waits is as old as what was worked on last
        lag.oldest_ms = int((time.time() - max(ages_s)) * 1000)
    return lag


class _Load:
    """How much of a processor this process used of late; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looks = deque([(time.monotonic(), time.process_time())])

    def ratio(self) -> float:
        """Give processor time by time since the first look of the last minute."""
        now, used = time.monotonic(), time.process_time()
        with self._lock:
            self._looks.append((now, used))
            while len(self._looks) > 2 and now - self._looks[1][0] >= LOAD_OVER_S:
                self._looks.popleft()
            since, before = self._looks[0]
        return (used - before) / (now - since) if now > since else 0.0


def _resident_bytes() -> int:
    """Give the memory of this process; 0 = this system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    except (OSError, ValueError, IndexError):
        return 0
