"""The life of one plugin: states, and the task that keeps it.

Owns the state machine. Each plugin lives in one task of its own, so that task
groups inside an activator are entered and left where asyncio wants it, and so
that a plugin that falls over while running is seen at once. Python cannot
unload modules: a stopped plugin comes back by a new process only.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.nexus.exceptions import PluginFailedError, PluginSlowToStopError
from bluewhale.nexus.manifest import Manifest

if TYPE_CHECKING:
    from bluewhale.nexus.context import Context

Activator = Callable[["Context"], contextlib.AbstractAsyncContextManager[Mapping[str, Any]]]
CUT_OFF_S = 2.0  # a plugin that is cut off gets this long to leave its `finally`


class State(StrEnum):
    """Where a plugin is in its life."""

    INSTALLED = "installed"
    RESOLVED = "resolved"
    STARTING = "starting"
    ACTIVE = "active"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


_NEXT = {
    State.INSTALLED: {State.RESOLVED},
    State.RESOLVED: {State.STARTING, State.STOPPED},  # a lazy one may never start
    State.STARTING: {State.ACTIVE, State.FAILED},
    State.ACTIVE: {State.STOPPING, State.FAILED},
    State.STOPPING: {State.STOPPED, State.FAILED},
    State.STOPPED: set[State](),
    State.FAILED: set[State](),
}


def load_activator(manifest: Manifest) -> Activator:
    """Import what the manifest names.

    Raises
    ------
    ImportError, AttributeError
        the module cannot be imported or has no such function.
    """
    module, _, function = manifest.activator.partition(":")
    found: Activator = getattr(importlib.import_module(module), function)
    return found


class Plugin:
    """One plugin of a nexus; used on the loop of that nexus."""

    def __init__(
        self,
        manifest: Manifest,
        moved: Callable[[Plugin], None],
        fallen: Callable[[Plugin, BaseException], None],
    ) -> None:
        self.manifest = manifest
        self.name = manifest.symbolic_name
        self.state = State.INSTALLED
        self.services: Mapping[str, Any] = {}
        self.activator: Activator | None = None
        self._moved = moved
        self._fallen = fallen
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._start = asyncio.Lock()

    def move(self, to: State) -> None:
        """Go to the next state; a step that the machine does not know is a programmer's error."""
        assert to in _NEXT[self.state], f"{self.name}: {self.state} -> {to}"
        self.state = to
        self._moved(self)

    async def start(self, context: Context) -> None:
        """Activate, unless that was done; returns when its services are there.

        Raises
        ------
        BluewhaleError
            the activator's own, or `PluginFailedError` around any other.
        """
        async with self._start:
            if self.state is not State.RESOLVED:
                return
            self.move(State.STARTING)
            started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._keep(context, started), name=self.name)
            try:
                await started
            except asyncio.CancelledError:
                self._task.cancel()
                await asyncio.wait({self._task})
                raise

    async def stop(self, timeout_s: float) -> None:
        """End the plugin; after the time it is cut off.

        Raises
        ------
        BluewhaleError
            it fell over at its end, or was cut off.
        """
        if self.state is State.RESOLVED:
            self.move(State.STOPPED)
        if self.state is not State.ACTIVE:
            return
        assert self._task is not None
        self.move(State.STOPPING)
        self._stop.set()
        _, late = await asyncio.wait({self._task}, timeout=max(timeout_s, 0.0))
        if late:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CUT_OFF_S)
            if not self._over():  # it does not even react to being cut off
                self.move(State.FAILED)
            raise PluginSlowToStopError(
                f"{self.name} did not end within {timeout_s:.1f} s and was cut off; "
                "give more time to drain, or look at what it waits for"
            )
        await self._task

    def _over(self) -> bool:
        return self.state in {State.STOPPED, State.FAILED}

    async def _keep(self, context: Context, started: asyncio.Future[None]) -> None:
        try:
            if self.activator is None:
                self.activator = load_activator(self.manifest)
            async with self.activator(context) as services:
                self.services = self._promised(dict(services or {}))
                self.move(State.ACTIVE)
                if not started.done():
                    started.set_result(None)
                await self._stop.wait()
            self.move(State.STOPPED)
        except BaseException as caught:  # a task must not end unseen, whatever the reason
            error = self._told(caught)
            before = self.state
            if before in {State.STARTING, State.ACTIVE, State.STOPPING}:
                self.move(State.FAILED)
            if not started.done():
                started.set_exception(error)
            elif before is State.ACTIVE:
                self._fallen(self, error)
            else:
                raise error from caught

    def _promised(self, given: dict[str, Any]) -> dict[str, Any]:
        promised = self.manifest.provides.keys()
        if given.keys() != promised:
            raise PluginFailedError(
                f"{self.name} gave the services {_words(given)}, "
                f"its manifest promises {_words(promised)}"
            )
        return given

    def _told(self, caught: BaseException) -> BaseException:
        """Give the error as operators should see it."""
        error = caught
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, (BluewhaleError, asyncio.CancelledError)):
            return error
        doing = {State.STARTING: "to start", State.STOPPING: "at its end"}.get(self.state, "")
        failed = PluginFailedError(f"{self.name} failed {doing}".rstrip() + f": {error!r}")
        failed.__cause__ = error
        return failed


def _words(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
