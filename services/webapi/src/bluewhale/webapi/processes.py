"""The processes of an installation: asked how they are, told what to do.

    found = processes.states()        # every copy of every role, or the one process
    processes.drain(found[0])

Owns where they are (every address that the name of a role stands for), asking all
of them at once, and which of them a person means. Does not own what they answer
(`bluewhale.nexus.control`).
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from bluewhale.api.control.v1 import control_pb2 as api
from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.configuration.roles import governing
from bluewhale.nexus.peers import visiting
from bluewhale.webapi.asking import told
from bluewhale.webapi.exceptions import RefusedError

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration

ROLES = ("ingest", "parser", "billing", "storage", "webapi")  # in the order of the data
ANSWER_S = 3.0  # who says nothing for so long is away
ASKED_AT_ONCE = 16
DNS = "dns:///"
UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one copy of a role is; address "" = this very process.

    `certified` is the name that all copies share: their certificates say it.
    """

    role: str
    address: str
    certified: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One process: its answer, or why there is none."""

    place: Place
    state: api.StateReply | None
    error: str = ""

    @property
    def instance(self) -> str:
        """Give the name that it is meant by."""
        return self.state.instance if self.state is not None else self.place.address


class Processes:
    """All processes; `peer` gives the Control of this one, where there is no other. Any thread."""

    def __init__(
        self,
        peer: Callable[[str], Any],
        configuration: Callable[[], Configuration],
        *,
        in_roles: bool,
    ) -> None:
        self._peer = peer
        self._configuration = configuration
        self._in_roles = in_roles

    def states(self) -> list[Found]:
        """Ask every process; one that does not answer stands there too."""
        places = self._places()
        with ThreadPoolExecutor(min(ASKED_AT_ONCE, len(places))) as threads:
            found = list(threads.map(self._ask, places))
        return list({(f.place.role, f.instance): f for f in found}.values())

    def set_log_level(self, found: Found, level: str, *, for_ms: int) -> None:
        """Change what a process writes into its log, for a time."""
        request = api.SetLogLevelRequest(level=level, for_ms=for_ms)
        with told(), self._control(found.place) as control:
            control.SetLogLevel(request, timeout=ANSWER_S)

    def drain(self, found: Found) -> None:
        """Let a process finish what is begun and end."""
        with told(), self._control(found.place) as control:
            control.Drain(api.DrainRequest(), timeout=ANSWER_S)

    def _places(self) -> list[Place]:
        if not self._in_roles:
            return [Place("embedded", "")]
        stated = self._addresses()
        return [
            Place(role, address, host_of(stated[role]))
            for role in ROLES
            for address in addresses_of(stated[role])
        ]

    def _addresses(self) -> Mapping[str, str]:
        cluster = self._configuration().cluster
        return {
            "ingest": cluster.ingest.internal.address,
            "parser": cluster.parser.address,
            "billing": cluster.billing.address,
            "storage": cluster.storage.address,
            "webapi": cluster.webapi.address,
        }

    def _ask(self, place: Place) -> Found:
        try:
            with self._control(place) as control:
                state = control.State(api.StateRequest(), timeout=ANSWER_S)
        except grpc.RpcError as error:
            return Found(place, None, error.details() or str(error.code()))
        except BluewhaleError as error:
            return Found(place, None, str(error))
        return Found(place, state)

    @contextlib.contextmanager
    def _control(self, place: Place) -> Iterator[Any]:
        if not place.address:
            yield self._peer("control")
            return
        layers = governing(self._configuration().settings.cluster)
        with visiting("control", place.address, layers, certified=place.certified) as control:
            yield control


def named(states: Sequence[Found], instance: str) -> Found:
    """Give the process of that name, which answers.

    Raises
    ------
    RefusedError
        `not_found`; `away` where it does not answer.
    """
    found = next((f for f in states if f.instance == instance), None)
    if found is None:
        raise RefusedError("not_found", f"no process is called {instance}")
    if found.state is None:
        raise RefusedError("away", found.error)
    return found


def host_of(stated: str) -> str:
    """Give the name or address of `host:port` or `dns:///host:port`; "" of a Unix socket."""
    if stated.startswith(UNIX):
        return ""
    return stated.removeprefix(DNS).rpartition(":")[0].strip("[]")


def addresses_of(stated: str) -> list[str]:
    """Give every address behind `host:port` or `dns:///host:port`; as it is where none is known."""
    host, port = host_of(stated), stated.rpartition(":")[2]
    if not host:
        return [stated]
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return [stated]
    by_family: dict[int, list[str]] = {}
    for family, _, _, _, place in found:
        shown = f"[{place[0]}]:{port}" if family == socket.AF_INET6 else f"{place[0]}:{port}"
        by_family.setdefault(int(family), []).append(shown)
    # a name stands for the same copies in either family
    return list(dict.fromkeys(by_family.get(int(socket.AF_INET)) or next(iter(by_family.values()))))
