"""The three ways to a peer, so that one claim can be held against all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from bluewhale.nexus.governance.compiling import layers_of
from bluewhale.nexus.peers import Peers
from bluewhale.nexus.serving import Port

from tests.unit.nexus.echo import ECHO, Echo, echo

WAYS = ("local", "copying", "wire")
CALLER = "plugin/tests"


def layers(entries: Sequence[Any], metrics=None) -> list[Any]:
    """Give the layers of their entries; there are no plugins."""
    return layers_of(entries, metrics=metrics, provided=lambda _: None)


@contextlib.contextmanager
def asked(
    way: str, servicer: Echo, entries: Sequence[Any] = (), *, serving: Sequence[Any] | None = None
) -> Iterator[Any]:
    """Give a stub of the servicer; `serving` = layers of its side, where they are others."""
    if way == "wire":
        port = Port(
            "127.0.0.1:0", [echo(servicer)], layers(entries if serving is None else serving)
        )
        port.start()
        addresses = {"echo": f"127.0.0.1:{port.number}"}
    else:
        addresses = {}
    peers = Peers(
        addresses,
        layers(entries),
        here=lambda _: way != "wire",
        look=lambda _: echo(servicer),
        copying=way == "copying",
    )
    try:
        yield peers.stub("echo", CALLER, ECHO)
    finally:
        peers.close()
        if way == "wire":
            port.stop(0)
