"""A role as a process: logs, traces, plugins, health door, Control, drain.

Owns what every role has in common around its plugins. Does not own settings of
a role: the caller reads them and gives what plugins shall see.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.nexus.health import Health
from bluewhale.nexus.manifest import installed
from bluewhale.nexus.nexus import DRAIN_S, Nexus
from bluewhale.nexus.policy import DEFAULT_LAYERS
from bluewhale.telemetry import Endpoint, Metrics, configure_logs, get_logger, tracing
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from bluewhale.nexus.manifest import Manifest

FAILED = 1
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ProcessSettings(BaseModel):
    """What a process needs around its plugins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_level: str = Field(
        default="info",
        pattern="^(debug|info|warning|error)$",
        description="debug, info, warning or error",
    )
    health_host: str = Field(default="127.0.0.1", description="address of the health door")
    health_port: int | None = Field(
        default=0, description="of /livez, /readyz, /startupz, /metrics; 0 = any, none = no door"
    )
    listen: str | None = Field(
        default=None,
        description="where Control and exported services answer: host:port or unix:/path",
    )
    otlp_endpoint: str | None = Field(default=None, description="where traces go; none = nowhere")
    sample_ratio: float = Field(
        default=0.01, ge=0, le=1, description="share of new traces that are kept"
    )
    drain_s: float = Field(default=DRAIN_S, ge=0, description="time for all plugins to end")
    layers: tuple[Any, ...] = Field(
        default=DEFAULT_LAYERS, description="governance of requests, the outermost first"
    )
    plugins: tuple[str, ...] = Field(
        default=(), description="installed plugins to start too, by symbolic name"
    )
    peers: dict[str, str] = Field(default={}, description="peer -> address: where other roles are")


class Role:
    """One running role; `run` blocks until it has ended."""

    def __init__(
        self,
        role: str,
        manifests: Sequence[Manifest],
        settings: Any = None,
        *,
        process: ProcessSettings | None = None,
    ) -> None:
        self.role = role
        self.process = process if process is not None else ProcessSettings()
        self.health = Health()
        self.metrics = Metrics()
        self.instance = f"{socket.gethostname()}-{os.getpid()}"
        self.started_at_ms = int(time.time() * 1000)
        self.health_port: int | None = None
        self.port: int | None = None
        self.nexus: Nexus | None = None
        self._manifests = tuple(manifests)
        self._settings = settings
        self._log = get_logger("role")
        self._stop_asked = False

    def run(self) -> None:
        """Run until SIGTERM, SIGINT, `stop`, Control's Drain, or a failure.

        Raises
        ------
        BluewhaleError
            what ended the role, if it did not end by request.
        """
        asyncio.run(self.serve())

    def stop(self) -> None:
        """Ask the role to end; any thread, any time."""
        self._stop_asked = True
        if self.nexus is not None:
            self.nexus.request_stop()

    async def serve(self) -> None:
        """Run on the loop of the caller; see `run`."""
        process = self.process
        tracing.configure(
            self.role,
            otlp_endpoint=process.otlp_endpoint,
            sample_ratio=process.sample_ratio,
            instance=self.instance,
        )
        try:
            async with self._door():
                nexus = Nexus(
                    [*self._manifests, *(installed(process.plugins) if process.plugins else ())],
                    settings=self._settings,
                    layers=process.layers,
                    peers=process.peers,
                    role=self.role,
                    health=self.health,
                    metrics=self.metrics,
                    drain_s=process.drain_s,
                )
                self.nexus = nexus
                await self._live(nexus)
        finally:
            tracing.shutdown()

    async def _live(self, nexus: Nexus) -> None:
        """Start, serve until asked to stop, drain; a signal during the start ends it too."""
        stopping = nexus.stopping
        asked = self._signals(stopping)
        with asked:
            starting = asyncio.create_task(nexus.__aenter__())
            waiting = asyncio.create_task(stopping.wait())
            if self._stop_asked:
                stopping.set()
            await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
            try:
                await starting
            except asyncio.CancelledError:
                if not stopping.is_set():
                    raise
                self._log.info("Role ended before it had started", role=self.role)
                return
            finally:
                if starting.cancelled() or starting.exception() is not None:
                    waiting.cancel()
            try:
                async with self._server(nexus):
                    self._log.info(
                        "Role started",
                        role=self.role,
                        instance=self.instance,
                        port=self.health_port,
                    )
                    await waiting
                    self._log.info("Role is draining", role=self.role)
                    self.health.draining = True
            finally:
                await nexus.__aexit__(None, None, None)
            self._log.info("Role ended", role=self.role)

    @contextlib.contextmanager
    def _signals(self, stopping: asyncio.Event) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        held = []
        for number in _SIGNALS:
            # in another thread than the main one the caller stops us
            with contextlib.suppress(RuntimeError, ValueError):
                loop.add_signal_handler(number, stopping.set)
                held.append(number)
        try:
            yield
        finally:
            for number in held:
                loop.remove_signal_handler(number)

    @contextlib.asynccontextmanager
    async def _door(self) -> AsyncIterator[None]:
        if self.process.health_port is None:
            yield
            return
        probes = {
            "livez": self.health.stuck,
            "readyz": self.health.unready,
            "startupz": self.health.starting,
        }
        with Endpoint(
            self.metrics,
            self.health.unready,
            host=self.process.health_host,
            port=self.process.health_port,
            probes=probes,
        ) as endpoint:
            self.health_port = endpoint.port
            yield

    @contextlib.asynccontextmanager
    async def _server(self, nexus: Nexus) -> AsyncIterator[None]:
        """Serve Control and exported services on the port of the role, if it has one."""
        if self.process.listen is None:
            yield
            return
        from bluewhale.nexus.contract import serve
        from bluewhale.nexus.control import Control, lag_of
        from bluewhale.nexus.serving import serving_on

        control = Control(
            role=self.role,
            version=importlib.metadata.version("bluewhale-runtime"),
            instance=self.instance,
            started_at_ms=self.started_at_ms,
            health=self.health,
            drain=self._drain,
            lag=lambda: lag_of(self.metrics),
        )
        services = [serve("control", control), *nexus.exported()]
        async with serving_on(
            self.process.listen, services, nexus.governing(), grace_s=self.process.drain_s / 2
        ) as port:
            self.port = port.number
            yield

    def _drain(self, timeout_s: float) -> None:
        assert self.nexus is not None
        if timeout_s > 0:
            self.nexus.drain_s = timeout_s
        self.stop()


def run_role(
    role: str,
    manifests: Sequence[Manifest],
    settings: Any = None,
    *,
    process: ProcessSettings | None = None,
) -> int:
    """Run a role as this process; gives the exit code: 0 = ended by request.

    Every role's `__main__` and `bluewhale role NAME` call it. An operating
    error is one line in the log; any other error comes with its traceback.
    """
    chosen = process if process is not None else ProcessSettings()
    configure_logs(level=chosen.log_level)
    log = get_logger("role")
    try:
        Role(role, manifests, settings, process=chosen).run()
    except BluewhaleError as error:
        # no traceback: the text names thing, place and remedy
        log.error("Role failed", role=role, error=str(error), error_code=error.code)  # noqa: TRY400
        return FAILED
    except Exception as error:
        log.exception("Role failed", role=role, error=repr(error))
        return FAILED
    finally:
        sys.stdout.flush()
    return 0
