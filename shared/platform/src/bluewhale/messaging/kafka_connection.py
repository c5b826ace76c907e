"""How we connect to Kafka, and what its errors mean to us.

Owns the settings that admin, producers and consumers share, letting go of what a
failed start leaves open, and the translation of errors. kafka-python leaves
sockets of failed connections, and the thread of a client whose constructor
failed, to the garbage collector; a role that waits for a broker tries often.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar

from bluewhale.capture.exceptions import BluewhaleError
from bluewhale.messaging.exceptions import (
    LogError,
    LogUnavailableError,
    LogUserError,
    MessageTooLargeError,
)
from bluewhale.messaging.kafka_security import KafkaSecurity
from bluewhale.messaging.port import MESSAGE_BYTES_MAX
from kafka import errors as kafka_errors
from kafka.net import KafkaNetSocket
from kafka.net.compat import KafkaNetClient
from typing_extensions import override

BOOTSTRAP_TIMEOUT_MS = 5_000
REQUEST_TIMEOUT_MS = 10_000
# a batch of one message that has the greatest size, with its framing
BATCH_BYTES_MAX = MESSAGE_BYTES_MAX + (64 << 10)
_SCHEME = "closing"

_REFUSED = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
)
_T = TypeVar("_T")


class ClosingSocket(KafkaNetSocket):
    """A direct connection; the library finds it by the scheme of `proxy_url`.

    Closes the socket of an attempt that failed.
    """

    SCHEMES: ClassVar[list[str]] = [_SCHEME]

    @override
    async def connect(
        self, net: Any, addrinfo: Any, socket_options: Any = (), timeout_at: float | None = None
    ) -> Any:
        family, sock_type, proto, _name, address = addrinfo
        made = self.socket(family, sock_type, proto)
        try:
            made.setblocking(False)
            for option in socket_options:
                made.setsockopt(*option)
            return await self.sock_connect(net, made, address, timeout_at=timeout_at)
        except BaseException:
            made.close()
            raise


class Connection:
    """The brokers of one cluster, as one client of it sees them."""

    def __init__(self, bootstrap: str, client_id: str, security: KafkaSecurity) -> None:
        self.bootstrap = bootstrap
        self._security = security
        self._settings = {
            "bootstrap_servers": bootstrap.split(","),
            "client_id": client_id,
            "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS,
            "reconnect_backoff_max_ms": 1_000,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "proxy_url": f"{_SCHEME}://",
        }

    def open(self, make: Callable[..., _T], **settings: Any) -> _T:
        """Make an admin client, producer or consumer; `LogUnavailableError`."""
        clients: list[KafkaNetClient] = []

        def remembered(**given: Any) -> KafkaNetClient:
            clients.append(KafkaNetClient(**given))
            return clients[-1]

        security = self._security.settings()
        with self.translated():
            try:
                return make(**self._settings, **security, **settings, kafka_client=remembered)
            except BaseException as error:
                for client in clients:
                    with contextlib.suppress(kafka_errors.KafkaError, OSError, RuntimeError):
                        client.close()
                if isinstance(error, kafka_errors.KafkaTimeoutError):
                    self._explain(security, error)
                raise

    def _explain(self, security: dict[str, Any], error: Exception) -> None:
        """Raise what stood in the way of a client that no broker answered, if it is known."""
        tls, password = security.get("ssl_context"), security.get("sasl_plain_password")
        if tls and tls.trouble:
            raise LogUnavailableError(
                f"TLS with Kafka at {self.bootstrap} fails ({tls.trouble}): give cluster.kafka.ca"
                " the certificate that signed the brokers', certificate and key where they ask for"
                " them, and a port that speaks TLS"
            ) from error
        if password and password.refused:
            raise self.error(kafka_errors.SaslAuthenticationFailedError("not let in")) from error

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn errors of the library into ours."""
        try:
            yield
        except kafka_errors.KafkaError as error:
            raise self.error(error) from error

    def error(self, error: Exception) -> BluewhaleError:
        """Give our error for one of the library's."""
        where = f"Kafka at {self.bootstrap}"
        if self._security.protocol != "plaintext":
            where += f" by {self._security.protocol}"
        if isinstance(error, _REFUSED):
            return LogUserError(
                f"{where} refuses us: correct cluster.kafka.username, password_file or mechanism,"
                f" or make the user there ({error})"
            )
        if isinstance(
            error, kafka_errors.MessageSizeTooLargeError | kafka_errors.RecordListTooLargeError
        ):
            return MessageTooLargeError(
                f"{where} refused a message as too large: raise max.message.bytes of the topic to "
                f"{BATCH_BYTES_MAX}, or delete it and let a role make it again ({error})"
            )
        if isinstance(error, kafka_errors.AuthorizationError):
            return LogError(
                f"{where} does not allow this: grant the role's user read, write, create and "
                f"describe on topics and groups of its prefix ({error})"
            )
        if isinstance(error, kafka_errors.InvalidReplicationFactorError):
            return LogError(
                f"{where} has fewer brokers than cluster.kafka.replication asks copies: start more "
                f"brokers or lower it ({error})"
            )
        return LogUnavailableError(f"{where} does not answer now: {error}")
