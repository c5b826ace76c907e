"""Connections to Kafka by TLS, without a broker."""

from __future__ import annotations

import gc
import socket
import ssl
import warnings

import pytest
from bluewhale.messaging.kafka_security import KafkaSecurity, Tls


def test_a_connection_that_is_left_in_the_middle_of_its_handshake_is_closed():
    """A client that is closed while it connects forgets the socket; the broker sees the end."""
    ours, theirs = socket.socketpair()
    with theirs:
        made = Tls(KafkaSecurity(protocol="ssl")).wrap_socket(
            ours, do_handshake_on_connect=False, server_hostname="kafka.example"
        )
        made.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            made.do_handshake()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            del made
            gc.collect()
        assert said == []
        theirs.settimeout(10)
        assert theirs.recv(1 << 16) != b""  # it had said hello
        assert theirs.recv(1) == b""
