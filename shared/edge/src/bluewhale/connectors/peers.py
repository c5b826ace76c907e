"""Who may deliver on a link: addresses and networks. Owns no socket."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence


class Peers:
    """Addresses or networks ("10.1.0.0/16") that may send; empty = all."""

    def __init__(self, peers: Sequence[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(peer, strict=False) for peer in peers)

    def allow(self, peer: str) -> bool:
        """Say whether a peer may deliver; an IPv4 address in IPv6 clothes counts as IPv4."""
        if not self._networks:
            return True
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)
