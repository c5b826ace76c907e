"""What a plugin gets from the nexus.

Owns the small interface between a plugin and everything around it; a plugin
needs nothing else of this room but `Manifest`, `Context` and `serve`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from bluewhale.nexus.exceptions import ServiceUnknownError

if TYPE_CHECKING:
    from bluewhale.nexus.health import Health
    from bluewhale.nexus.manifest import Manifest
    from bluewhale.nexus.nexus import Nexus
    from bluewhale.telemetry import Metrics


class Context:
    """The nexus as one plugin sees it; every method may be called from any thread."""

    def __init__(self, nexus: Nexus, manifest: Manifest, log: Any) -> None:
        self._nexus = nexus
        self.manifest = manifest
        self.log = log
        self.settings: Any = nexus.settings
        self.role: str = nexus.role
        self.health: Health = nexus.health
        self.metrics: Metrics = nexus.metrics

    def service(self, name: str) -> Any:
        """Give a service that the manifest requires, in the range that it states.

        Raises
        ------
        ServiceUnknownError
            the manifest does not require it: then its order is not certain.
        ServiceNotStartedError
            it is lazy, not started, and this is the loop's thread: use `lookup`.
        """
        return self._nexus.service_of(self._bound(name))

    async def lookup(self, name: str) -> Any:
        """Give a required service; a lazy plugin starts now."""
        return await self._nexus.lookup_of(self._bound(name))

    def peer(self, name: str) -> Any:
        """Give the generated stub of a peer; it is called the same way here and far away."""
        return self._nexus.peer(name, caller=self.manifest.symbolic_name)

    def condition(self, name: str, *, good: bool, message: str = "", gates: bool = True) -> None:
        """Say how one thing is (log, database, certificate ...), and what to do about it.

        gates: False where the role should get work all the same.
        """
        self.health.condition(name, good=good, message=message, gates=gates)

    def watch(self, name: str, stuck: Callable[[], str]) -> None:
        """Let liveness ask `stuck`: "" or what the loop hangs in."""
        self.health.watch(name, stuck)

    def fail(self, error: BaseException) -> None:
        """End the process with this error; what runs is drained first."""
        self._nexus.fail(error)

    def drain(self) -> None:
        """End the process as SIGTERM would."""
        self._nexus.request_stop()

    @contextlib.asynccontextmanager
    async def worker(
        self, name: str, run: Callable[[threading.Event], None]
    ) -> AsyncIterator[None]:
        """Run a blocking loop in a thread of its own, as long as the block lasts.

        Parameters
        ----------
        run
            gets an event that is set when it should finish what is begun and
            return. An error of it ends the process.
        """
        stopping = threading.Event()
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[BaseException | None] = loop.create_future()

        def tell(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(error)

        def body() -> None:
            caught: BaseException | None = None
            try:
                run(stopping)
            except BaseException as error:  # noqa: BLE001 - handed to the loop that started us
                caught = error
                if not stopping.is_set():
                    self.fail(error)
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(tell, caught)

        thread = threading.Thread(target=body, name=name, daemon=True)
        thread.start()
        try:
            yield
        finally:
            was_asked = not stopping.is_set() and not ended.done()
            stopping.set()
            error = await ended
            thread.join()
        if error is not None and was_asked:
            raise error

    def _bound(self, name: str) -> tuple[str, str]:
        me = self.manifest.symbolic_name
        version = self._nexus.plan.bindings.get((me, name))
        if version is None:
            raise ServiceUnknownError(
                f"{me} looks up {name} but does not require it; add {name} to its manifest"
            )
        return name, version
