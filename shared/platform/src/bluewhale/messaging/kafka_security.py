"""How we prove to Kafka who we are, and how it proves it to us.

Owns the words of kafka-python for that and the reading of files, anew for each
connection, so that a Secret that changed needs no restart; and why a connection did
not come about, which the library keeps to itself. Does not own what a refusal does:
`kafka_connection`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bluewhale.messaging.exceptions import LogUnavailableError
from kafka.net.sasl import register_sasl_mechanism
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.net.sasl.scram import SaslMechanismScram
from typing_extensions import override

Protocol = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """One way to connect.

    `ca` = who signed the brokers' certificates, None = as the system trusts;
    `certificate` and `key` = ours, where brokers ask for one.
    """

    protocol: Protocol = "plaintext"
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    mechanism: Mechanism = "SCRAM-SHA-512"
    username: str = ""
    password_file: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Tell whether connections are by TLS."""
        return self.protocol.endswith("ssl")

    def settings(self) -> dict[str, Any]:
        """Give the settings of kafka-python for one client.

        Raises
        ------
        LogUnavailableError
            A file is not there, or cannot be read.
        """
        given: dict[str, Any] = {"security_protocol": self.protocol.upper()}
        if self.encrypted:
            given["ssl_context"] = Tls(self)
        if self.protocol.startswith("sasl"):
            assert self.password_file is not None
            given["sasl_mechanism"] = self.mechanism
            given["sasl_plain_username"] = self.username
            given["sasl_plain_password"] = Password(self.password_file)
        return given

    def context(self) -> ssl.SSLContext:
        """Give certificates as the files have them now.

        Raises
        ------
        LogUnavailableError
            A file is not there, or holds no certificate.
        """
        with _reading():
            made = ssl.create_default_context(cafile=self.ca)
            made.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                made.load_cert_chain(self.certificate, self.key)
        made.sslsocket_class = _ClosingSocket
        return made


class Tls:
    """What kafka-python takes for an SSLContext: each connection reads the files anew.

    `trouble` is why the last attempt failed; the library keeps that to itself.
    """

    def __init__(self, security: KafkaSecurity) -> None:
        security.context()  # what is wrong with the files is said at once
        self._security = security
        self.trouble = ""

    def wrap_socket(self, plain: socket.socket, **settings: Any) -> ssl.SSLSocket:
        """Begin TLS on a connected socket; one that cannot be is closed."""
        try:
            made = self._security.context().wrap_socket(plain, **settings)
        except BaseException:
            plain.close()
            raise
        assert isinstance(made, _ClosingSocket)
        made.tls = self
        return made


class _ClosingSocket(ssl.SSLSocket):
    """Closes itself when its handshake failed, and when nobody has it any more.

    The library leaves both to the garbage collector, which would warn of it.
    """

    tls: Tls

    def __del__(self) -> None:
        """Close what a client left in the middle of its handshake."""
        self.close()

    @override
    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            self.close()
            self.tls.trouble = str(error)
            raise
        self.tls.trouble = ""


class Password:
    """What the library takes for a password: each connection reads the file anew.

    `refused` tells whether the last attempt to sign in came to nothing.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.now()  # a file that is not there is said at once
        self.refused = False

    def now(self) -> str:
        """Give the password as the file has it now."""
        with _reading():
            return self._file.read_text("utf-8").strip("\r\n")


class _Plain(SaslMechanismPlain):
    """PLAIN with a password from a file."""

    def __init__(self, **config: Any) -> None:
        self._from = config["sasl_plain_password"]
        super().__init__(**_with_password(config))

    @override
    def receive(self, auth_bytes: bytes) -> None:
        super().receive(auth_bytes)
        _note(self._from, self)


class _Scram(SaslMechanismScram):
    """SCRAM with a password from a file."""

    def __init__(self, **config: Any) -> None:
        self._from = config["sasl_plain_password"]
        super().__init__(**_with_password(config))

    @override
    def receive(self, auth_bytes: bytes) -> None:
        super().receive(auth_bytes)
        _note(self._from, self)


for _name, _mechanism in {
    "PLAIN": _Plain, "SCRAM-SHA-256": _Scram, "SCRAM-SHA-512": _Scram,
}.items():  # fmt: skip
    register_sasl_mechanism(_name, _mechanism, overwrite=True)


def _with_password(config: dict[str, Any]) -> dict[str, Any]:
    """Begin to sign in: refused, until the broker has said yes."""
    password = config["sasl_plain_password"]
    if not isinstance(password, Password):
        return config
    password.refused = True
    return config | {"sasl_plain_password": password.now()}


def _note(password: Any, mechanism: Any) -> None:
    if isinstance(password, Password) and mechanism.is_done() and mechanism.is_authenticated():
        password.refused = False


PLAINTEXT = KafkaSecurity()


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:  # of ssl, too
        raise LogUnavailableError(
            f"a file that Kafka asks for cannot be read ({error}): mount it, or correct"
            " cluster.kafka (ca, certificate, key, password_file)"
        ) from None
