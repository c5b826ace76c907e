"""A gRPC contract as the nexus sees it: its stub, and how a servicer is added.

Owns the naming rule: the peer `query` is the service `Query` of
`bluewhale.api.query.v1`. A plugin with a contract elsewhere gives its own
`Contract`. Generated modules are imported when a contract is first used.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bluewhale.nexus.exceptions import PeerUnknownError


@dataclass(frozen=True, slots=True)
class Contract:
    """How to call (`stub(channel)`) and how to serve (`add(servicer, server)`)."""

    name: str
    stub: Callable[[Any], Any]
    add: Callable[[Any, Any], None]

    @classmethod
    def named(cls, name: str) -> Contract:
        """Give the contract of `bluewhale.api` for the name of a peer.

        Raises
        ------
        PeerUnknownError
            there is no such contract.
        """
        return cls.of(f"bluewhale.api.{name}.v1.{name}_pb2_grpc", name.title().replace("_", ""))

    @classmethod
    def of(cls, module: str, service: str) -> Contract:
        """Give the contract of one service in a generated `*_pb2_grpc` module."""
        try:
            generated = importlib.import_module(module)
            stub = getattr(generated, f"{service}Stub")
            add = getattr(generated, f"add_{service}Servicer_to_server")
        except (ModuleNotFoundError, AttributeError) as error:
            raise PeerUnknownError(
                f"there is no contract {service} in {module}; "
                "give a Contract of your own, or correct the name of the peer"
            ) from error
        return cls(service.lower(), stub, add)


@dataclass(frozen=True, slots=True)
class Served:
    """A servicer together with its contract: what a plugin provides to be called as a peer."""

    contract: Contract
    servicer: Any
    export: bool = True  # also on the port of the role, where it has one
    loop: asyncio.AbstractEventLoop | None = None  # of a servicer written for asyncio


def serve(name: str, servicer: Any, *, export: bool = True) -> Served:
    """Give a servicer of `bluewhale.api` as a service: `yield {"query": serve("query", Answers())}`.

    A servicer written for asyncio is answered on the loop that this is called on.
    """
    loop = None
    with contextlib.suppress(RuntimeError):
        loop = asyncio.get_running_loop()
    return Served(Contract.named(name), servicer, export, loop)
