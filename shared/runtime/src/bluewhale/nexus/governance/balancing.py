"""The balancing and discovery layers: which address a peer has, and how requests spread over several."""

from __future__ import annotations

import json
import socket
from typing import Literal

from bluewhale.nexus.exceptions import LayerError
from bluewhale.nexus.governance.layer import ChannelPlan, Layer, PortPlan
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override


class BalancingSettings(BaseModel):
    """How requests spread over the addresses of a peer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Literal["round_robin", "pick_first"] = Field(
        default="round_robin", description="each request to the next one, or all to the first"
    )
    connection_age_s: int = Field(
        default=300,
        ge=1,
        description="the port asks callers to connect anew after this, so that new copies get work",
    )


class BalancingLayer(Layer):
    """Chooses the service config of channels and the age of connections."""

    name = "balancing"

    def __init__(self, settings: BalancingSettings) -> None:
        self._settings = settings

    @override
    def channel(self, plan: ChannelPlan) -> None:
        plan.options["grpc.service_config"] = json.dumps(
            {"loadBalancingConfig": [{self._settings.policy: {}}]}
        )

    @override
    def port(self, plan: PortPlan) -> None:
        plan.options["grpc.max_connection_age_ms"] = self._settings.connection_age_s * 1000


class DiscoverySettings(BaseModel):
    """Where the copies of peers are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    static: dict[str, tuple[str, ...]] = Field(
        default={}, description="peer -> its addresses, host:port each"
    )
    dns: dict[str, str] = Field(
        default={},
        description="peer -> name:port that DNS answers with all addresses (a headless service)",
    )


class DiscoveryLayer(Layer):
    """Chooses the target of channels; a peer that it does not know keeps its own."""

    name = "discovery"

    def __init__(self, settings: DiscoverySettings) -> None:
        self._settings = settings

    @override
    def channel(self, plan: ChannelPlan) -> None:
        if addresses := self._settings.static.get(plan.peer):
            plan.target = "ipv4:" + ",".join(_numeric(plan.peer, a) for a in addresses)
        elif name := self._settings.dns.get(plan.peer):
            plan.target = f"dns:///{name}"


def _numeric(peer: str, address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise LayerError(
            f"the layer discovery cannot use {address} of the peer {peer}: {error}; give host:port"
        ) from error
    return f"{found[0][4][0]}:{port}"
