"""The nexus: starts plugins in order, keeps them, ends them in reverse.

Owns the composition of one process. Does not own what a plugin does, signals,
or the health door (`bluewhale.nexus.role`).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bluewhale.nexus.context import Context
from bluewhale.nexus.contract import Contract, Served
from bluewhale.nexus.exceptions import (
    PluginsUnresolvedError,
    ServiceNotStartedError,
    ServiceUnknownError,
)
from bluewhale.nexus.health import Health
from bluewhale.nexus.life import Plugin, State, load_activator
from bluewhale.nexus.policy import DEFAULT_LAYERS
from bluewhale.nexus.registry import Registry
from bluewhale.nexus.resolution import LAYER_PREFIX, Plan, resolve
from bluewhale.telemetry import Metrics, get_logger

if TYPE_CHECKING:
    from bluewhale.nexus.governance.layer import Layer
    from bluewhale.nexus.manifest import Manifest
    from bluewhale.nexus.peers import Peers

DRAIN_S = 25.0  # Kubernetes kills after 30


class Nexus:
    """One process of plugins: `async with Nexus(manifests, settings=...) as nexus`.

    Parameters
    ----------
    manifests
        the plugins, any order.
    settings
        what plugins see as `context.settings`.
    layers
        governance of requests, the outermost first: entries such as
        `{"layer": "deadline", "default_ms": 5000}`, or `Layer` objects.
    peers
        name -> address of peers that are not in this process.
    copying
        requests within the process are serialised, so that tests see aliasing.
    drain_s
        how long all plugins together may take to end.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        *,
        settings: Any = None,
        layers: Sequence[Any] = (),
        peers: Mapping[str, Any] | None = None,
        role: str = "embedded",
        health: Health | None = None,
        metrics: Metrics | None = None,
        drain_s: float = DRAIN_S,
        copying: bool = False,
    ) -> None:
        self._manifests = tuple(manifests)
        self.settings = settings
        self.layers = tuple(layers)
        self.peers = dict(peers or {})
        self.role = role
        self.health = health if health is not None else Health()
        self.metrics = metrics if metrics is not None else Metrics()
        self.drain_s = drain_s
        self.plan = Plan((), {}, {})
        self.plugins: dict[str, Plugin] = {}
        self.failure: BaseException | None = None
        self.stopping = asyncio.Event()
        self._registry = Registry()
        self._copying = copying
        self._governing: list[Layer] | None = None
        self._peers: Peers | None = None
        self._making = threading.Lock()
        self._log = get_logger("nexus")
        self._stack = contextlib.AsyncExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._drain_until = 0.0

    async def __aenter__(self) -> Self:
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self.plan = resolve(self._manifests, self._foreign_layers())
        for manifest in self.plan.order:
            self.plugins[manifest.symbolic_name] = Plugin(manifest, self._moved, self._fallen)
        self._import_activators()
        for plugin in self.plugins.values():
            plugin.move(State.RESOLVED)
            self._stack.push_async_callback(self._end, plugin)
        try:
            for plugin in self.plugins.values():
                if not plugin.manifest.lazy_start:
                    await self._start(plugin)
        except BaseException:
            await self._close()
            raise
        self.health.started = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._close()
        if error is None and self.failure is not None:
            raise self.failure

    def service(self, name: str) -> Any:
        """Give the newest version of a service, to those outside of any plugin.

        Raises
        ------
        ServiceUnknownError
            nobody provides it.
        ServiceNotStartedError
            it is lazy, not started, and this is the loop's thread; or it is not
            lazy and its turn has not come.
        """
        return self.service_of(self._newest(name))

    async def lookup(self, name: str) -> Any:
        """Give a service; a lazy plugin starts now."""
        return await self.lookup_of(self._newest(name))

    def peer(self, name: str, *, caller: str = "nexus", contract: Contract | None = None) -> Any:
        """Give the generated stub of a peer, on an in-process channel or a real one.

        Parameters
        ----------
        name
            `query` is the service `Query` of `bluewhale.api.query.v1`; with a
            `contract` of its own any name.
        caller
            symbolic name of the plugin that asks; access rules see `plugin/CALLER`.

        Raises
        ------
        PeerUnknownError
            it is neither here nor in `peers`, or there is no such contract.
        """
        return self._peers_made().stub(name, f"plugin/{caller}", contract)

    def governing(self) -> list[Layer]:
        """Give the layers of this process, made once.

        Raises
        ------
        LayerError
            an entry has no name, or settings that its layer does not take.
        """
        with self._making:
            if self._governing is None:
                if not self.layers:
                    self._governing = []
                    return []
                from bluewhale.nexus.governance.compiling import layers_of

                self._governing = layers_of(
                    self.layers,
                    metrics=self.metrics,
                    provided=lambda name: self.service(LAYER_PREFIX + name),
                )
            return self._governing

    def exported(self) -> list[Served]:
        """Give the servicers that the port of the role answers for."""
        found = self._registry.newest().values()
        return [s for s in found if isinstance(s, Served) and s.export]

    def states(self) -> dict[str, State]:
        """Give the state of every plugin, in the order of their start."""
        return {name: plugin.state for name, plugin in self.plugins.items()}

    def fail(self, error: BaseException) -> None:
        """End with this error; the first one counts. Any thread."""
        if self.failure is None:
            self.failure = error
        self.request_stop()

    def request_stop(self) -> None:
        """Ask whoever runs this nexus to leave its block. Any thread."""
        if self._loop is None:
            self.stopping.set()
            return
        with contextlib.suppress(RuntimeError):  # the loop ended meanwhile
            self._loop.call_soon_threadsafe(self.stopping.set)

    def service_of(self, key: tuple[str, str]) -> Any:
        """Give the service of that name and version; see `service`."""
        with contextlib.suppress(KeyError):
            return self._registry.get(*key)
        plugin = self._lazy(key)
        if threading.get_ident() == self._thread:
            raise ServiceNotStartedError(
                f"{key[0]} is served by the lazy plugin {plugin.name}, which has not started; "
                "on the event loop use `await context.lookup(name)`"
            )
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._start(plugin), self._loop).result()
        return self._registry.get(*key)

    async def lookup_of(self, key: tuple[str, str]) -> Any:
        """Give the service of that name and version, starting a lazy plugin."""
        with contextlib.suppress(KeyError):
            return self._registry.get(*key)
        await self._start(self._lazy(key))
        return self._registry.get(*key)

    def _foreign_layers(self) -> list[str]:
        """Check the entries and name the layers of plugins; spares the imports where it can."""
        if not self.layers or self.layers == DEFAULT_LAYERS:
            return []
        from bluewhale.nexus.governance.compiling import check, foreign

        check(self.layers)
        return foreign(self.layers)

    def _peers_made(self) -> Peers:
        layers = self.governing()
        with self._making:
            if self._peers is None:
                from bluewhale.nexus.peers import Peers

                self._peers = Peers(
                    self.peers,
                    layers,
                    here=lambda name: self.plan.newest(name) is not None,
                    look=self.service,
                    copying=self._copying,
                )
            return self._peers

    def _newest(self, name: str) -> tuple[str, str]:
        version = self.plan.newest(name)
        if version is None:
            raise ServiceUnknownError(f"nobody provides {name}; add the plugin that does")
        return name, version

    def _lazy(self, key: tuple[str, str]) -> Plugin:
        plugin = self.plugins[self.plan.providers[key].symbolic_name]
        if plugin.state not in {State.RESOLVED, State.STARTING}:
            raise ServiceUnknownError(
                f"{key[0]} is gone: {plugin.name} is {plugin.state}; a new process brings it back"
            )
        if not plugin.manifest.lazy_start:
            raise ServiceNotStartedError(
                f"{key[0]} is not there yet: {plugin.name} starts in its turn; require it, or wait"
            )
        return plugin

    def _import_activators(self) -> None:
        """Import all that will start: what cannot be imported is said before anything runs."""
        problems = []
        for plugin in self.plugins.values():
            if not plugin.manifest.lazy_start:
                try:
                    plugin.activator = load_activator(plugin.manifest)
                except (ImportError, AttributeError) as error:
                    problems.append(
                        f"{plugin.name}: its activator {plugin.manifest.activator} "
                        f"cannot be loaded: {error}"
                    )
        if problems:
            raise PluginsUnresolvedError(problems)

    async def _start(self, plugin: Plugin) -> None:
        context = Context(self, plugin.manifest, get_logger(plugin.name))
        await plugin.start(context)

    def _moved(self, plugin: Plugin) -> None:
        if plugin.state is State.ACTIVE:
            self._registry.provide(plugin.services, plugin.manifest.provides)
        elif plugin.state in {State.STOPPED, State.FAILED}:
            self._registry.withdraw(plugin.manifest.provides)
        self._log.debug("Plugin moved", plugin=plugin.name, state=str(plugin.state))

    def _fallen(self, plugin: Plugin, error: BaseException) -> None:
        self.health.condition(plugin.name, good=False, message=f"failed: {error}")
        self.fail(error)

    async def _end(self, plugin: Plugin) -> None:
        """Stop one plugin; its failure is kept, and the others are stopped all the same."""
        try:
            await plugin.stop(self._drain_until - time.monotonic())
        except Exception as error:  # noqa: BLE001 - the first is raised when all have ended
            if self.failure is None:
                self.failure = error

    async def _close(self) -> None:
        self.health.draining = True
        self._drain_until = time.monotonic() + self.drain_s
        await self._stack.aclose()
        if self._peers is not None:
            self._peers.close()
