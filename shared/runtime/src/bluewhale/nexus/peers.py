"""`nexus.peer("query")`: the stub of a peer, here or far away.

Owns which of the two it is, and one channel per peer and caller. A service of
this process wins over an address in the configuration.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bluewhale.nexus.answering import Answering, answering
from bluewhale.nexus.channels import (
    Connection,
    GovernedChannel,
    Transport,
    WireTransport,
    blocking,
)
from bluewhale.nexus.contract import Contract, Served
from bluewhale.nexus.exceptions import PeerUnknownError
from bluewhale.nexus.governance.compiling import BUILT_IN, layers_of
from bluewhale.nexus.governance.invocation import asking
from bluewhale.nexus.governance.layer import ChannelPlan, Layer
from bluewhale.nexus.inprocess import LocalTransport
from bluewhale.nexus.policy import DEFAULT_LAYERS

CHANNEL_OPTIONS = {
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 5_000,
    "grpc.max_receive_message_length": 16 << 20,
}
VISITOR_PRIORITY = 10


class Peers:
    """Stubs by name.

    Parameters
    ----------
    addresses
        peer -> target of gRPC, e.g. `127.0.0.1:7442` or `dns:///storage:7442`.
    here
        says whether a service of that name is (or will be) in this process.
    look
        gives it; a lazy plugin starts.
    options
        of every real channel, beside the usual ones; layers may change them.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        layers: Sequence[Layer],
        *,
        here: Callable[[str], bool],
        look: Callable[[str], Any],
        copying: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._addresses = dict(addresses)
        self._options = {**CHANNEL_OPTIONS, **(options or {})}
        self._layers = tuple(layers)
        self._here, self._look = here, look
        self._copying = copying
        self._lock = threading.Lock()
        self._connections: dict[str, Connection] = {}
        self._stubs: dict[tuple[str, str], Any] = {}
        self._answering: dict[str, dict[str, Answering]] = {}

    def stub(self, name: str, caller: str, contract: Contract | None = None) -> Any:
        """Give the generated stub of a peer; see `Nexus.peer`."""
        with self._lock:
            made = self._stubs.get((name, caller))
            if made is None:
                kind = contract if contract is not None else Contract.named(name)
                channel = GovernedChannel(self._transport(name), self._layers, caller)
                made = self._stubs[name, caller] = kind.stub(channel)
        return made

    def _transport(self, name: str) -> Transport:
        if self._here(name):
            return LocalTransport(lambda path: self._local(name).get(path), copying=self._copying)
        return WireTransport(self._connection(name))

    def _connection(self, name: str) -> Connection:
        found = self._connections.get(name)
        if found is None:
            plan = ChannelPlan(name, self._addresses.get(name, ""), options=dict(self._options))
            for layer in self._layers:
                layer.channel(plan)
            if not plan.target:
                raise PeerUnknownError(
                    f"the peer {name} is neither in this process nor in the configuration; "
                    "add the plugin that provides it, or its address to peers"
                )
            found = self._connections[name] = Connection(plan, blocking)
        return found

    def _local(self, name: str) -> dict[str, Answering]:
        """Give the methods of a service of this process, compiled at the first request."""
        found = self._answering.get(name)
        if found is None:
            served = self._look(name)
            if not isinstance(served, Served):
                raise PeerUnknownError(
                    f"the service {name} of this process is no servicer; "
                    "its plugin must yield serve(name, servicer), or use context.service"
                )
            found = self._answering[name] = answering(served, self._layers, local=True)
        return found

    def close(self) -> None:
        """Close all channels."""
        with self._lock:
            for connection in self._connections.values():
                connection.close()


@contextlib.contextmanager
def visiting(
    name: str, address: str, layers: Sequence[Any] = DEFAULT_LAYERS, *, certified: str = ""
) -> Iterator[Any]:
    """Give the stub of a peer to a program that is no plugin, such as a command.

    Somebody waits for what is asked inside: it is more urgent than requests of roles.

    layers: entries as in the configuration of the installation; where they
    encrypt, the program needs the same files as a role.
    certified: the name in the certificate of the other side, where the address
    is one of several behind that name; empty = as the address says.
    """

    def nobody(service: str) -> Any:
        raise PeerUnknownError(f"{service} is a plugin's, and a command has none")

    made = layers_of([e for e in layers if e["layer"] in BUILT_IN], provided=nobody)
    options = {"grpc.ssl_target_name_override": certified} if certified else {}
    peers = Peers({name: address}, made, here=lambda _: False, look=nobody, options=options)
    try:
        with asking(priority=VISITOR_PRIORITY):
            yield peers.stub(name, "command")
    finally:
        peers.close()
