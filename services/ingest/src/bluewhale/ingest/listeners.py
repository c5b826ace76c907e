"""The two gRPC servers of ingest: mutual TLS for units, server TLS for enrolment.

Owns credentials and their renewal while serving: certificates of the server and
the bundle of CAs are looked at on every handshake, so that a rotation needs no
restart. Does not own what is served.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from bluewhale.ingest.admission import is_loopback_host
from bluewhale.ingest.authority import Authority
from bluewhale.ingest.exceptions import AuthorityError

MESSAGE_BYTES_MAX = 4 << 20  # a frame has at most 512 KiB; more is refused by gRPC itself
KEEPALIVE_MS = 30_000
WORKERS = 8
LOOK_S = 5.0
SERVER_RENEWED_DAYS = 10

OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_MS),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)
Register = Callable[[grpc.aio.Server], None]


class Credentials:
    """The authority as it is in its folder now, and the server's own certificate."""

    def __init__(
        self, authority: Authority, names: Sequence[str], *, clock: Callable[[], datetime]
    ) -> None:
        self._names, self._clock = tuple(names), clock
        self._lock = threading.Lock()
        self._looked_at = clock()
        self._authority = authority
        self._made_at = clock()
        self._configuration = self._make()
        self._told = self._configuration

    def authority(self) -> Authority:
        """Give the authority; its folder is read again every few seconds."""
        with self._lock:
            self._refresh()
            return self._authority

    def server(self, *, require_client: bool) -> grpc.ServerCredentials:
        """Give credentials for a port; handshakes use what is current then."""
        told = self._configuration

        def fetch() -> Any:
            nonlocal told
            with self._lock:
                self._refresh()
                if self._configuration is told:
                    return None
                told = self._configuration
                return told

        return grpc.dynamic_ssl_server_credentials(
            told, fetch, require_client_authentication=require_client
        )

    def _refresh(self) -> None:
        now = self._clock()
        if abs(now - self._looked_at) < timedelta(seconds=LOOK_S):
            return
        self._looked_at = now
        try:
            fresh = Authority.open(self._authority.folder)
        except AuthorityError:
            return  # being written just now; the one that we have goes on
        changed = fresh.bundle_pem != self._authority.bundle_pem
        if changed or now - self._made_at > timedelta(days=SERVER_RENEWED_DAYS):
            self._authority, self._made_at = fresh, now
            self._configuration = self._make()

    def _make(self) -> Any:
        pair = self._authority.make_server(self._names, now=self._clock())
        return grpc.ssl_server_certificate_configuration(
            [(pair.key_pem, pair.chain_pem)], self._authority.bundle_pem
        )


def utc_now() -> datetime:
    """Give now, UTC."""
    return datetime.now(UTC)


async def start(
    address: str, registers: Sequence[Register], credentials: grpc.ServerCredentials | None
) -> tuple[grpc.aio.Server, int]:
    """Start a server; give it and its port.

    Raises
    ------
    AuthorityError
        Without credentials on an address that others can reach, or the address
        is taken.
    """
    host = address.rpartition(":")[0]
    # servicers that block (Units) run in these threads
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="answer")
    server = grpc.aio.server(pool, options=OPTIONS)
    for register in registers:
        register(server)
    try:
        if credentials is not None:
            port = server.add_secure_port(address, credentials)
        elif is_loopback_host(host) or address.startswith("unix:"):
            port = server.add_insecure_port(address)
        else:
            raise AuthorityError(
                f"{address} would take units without certificates from other machines;"
                " listen on 127.0.0.1, or leave `plaintext` out"
            )
    except RuntimeError as error:
        raise AuthorityError(
            f"{address} cannot be listened on; another process may hold it"
        ) from error
    await server.start()
    return server, port
