"""Telling a channel: signed POSTs, mails, Alertmanagers; each may fail, and says why.

    send(channel, message)        # ChannelError: try again later

Owns how a channel is spoken to, and that no address inside the house is reached which
the channel does not name. Redirects are not followed. Does not own when it is tried
again (`telling`).
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import json
import smtplib
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bluewhale.capture.exceptions import TemporaryError
from bluewhale.configuration.alerting import (
    AlertmanagerSettings,
    Channel,
    MailSettings,
    WebhookSettings,
)
from typing_extensions import override

if TYPE_CHECKING:
    from bluewhale.billing.alert_messages import Message

TIMEOUT_S = 10.0
SECRET_LETTERS_MIN = 16
ANSWER_BYTES_MAX = 64 << 10
SIGNATURE, TIMESTAMP, DELIVERY = "Bluewhale-Signature", "Bluewhale-Timestamp", "Bluewhale-Delivery"
_ALERTS_PATH = "/api/v2/alerts"


class ChannelError(TemporaryError):
    """A channel did not take a message; the text says why, without secrets."""

    code = "channel_failed"


def send(channel: Channel, message: Message) -> None:
    """Tell a channel.

    Raises
    ------
    ChannelError
        It was not taken, or nobody knows whether it was.
    """
    try:
        match channel:
            case WebhookSettings():
                _webhook(channel, message)
            case AlertmanagerSettings():
                url = channel.url.rstrip("/") + _ALERTS_PATH
                _post(url, message.alertmanager(), {}, channel.networks)
            case MailSettings():
                _mail(channel, message)
    except (OSError, http.client.HTTPException, smtplib.SMTPException, ValueError) as error:
        raise ChannelError(f"{type(error).__name__}: {error}") from error


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Sign a body: HMAC-SHA256 over `timestamp`, a point and the body, as `v1=` and hex."""
    signed = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={signed.hexdigest()}"


def _webhook(channel: WebhookSettings, message: Message) -> None:
    secret = _secret(channel.secret_file)
    if len(secret) < SECRET_LETTERS_MIN:
        raise ChannelError(f"secret_file holds less than {SECRET_LETTERS_MIN} letters; write more")
    body = json.dumps(message.body(channel.numbers)).encode()
    timestamp = str(int(time.time()))
    headers = {
        SIGNATURE: signature(secret, timestamp, body),
        TIMESTAMP: timestamp,
        DELIVERY: message.delivery_id,
    }
    _post(channel.url, body, headers, channel.networks)


def _post(url: str, body: bytes, headers: Mapping[str, str], networks: Sequence[str]) -> None:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    address = reachable(host, port, networks)
    connection = (_PinnedTls if secure else _Pinned)(address, host, port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(
            "POST",
            path,
            body,
            {"Content-Type": "application/json", "User-Agent": "bluewhale", **headers},
        )
        answer = connection.getresponse()
        answer.read(ANSWER_BYTES_MAX)
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise ChannelError(f"it answered {answer.status} {answer.reason[:100]}")


def reachable(host: str, port: int, networks: Sequence[str]) -> str:
    """Give the address to connect to: public, or in one of `networks`.

    The name is looked up once and that address is used, so that it cannot be another
    one a moment later.

    Raises
    ------
    ChannelError
        The name leads into a network that the channel does not name.
    """
    allowed = [ipaddress.ip_network(network) for network in networks]
    found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for text in found:
        address = ipaddress.ip_address(str(text).partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        address = address if mapped is None else mapped
        public = address.is_global and not address.is_multicast
        if public or any(address in network for network in allowed):
            return str(text)
    raise ChannelError(
        f"{host} is inside the house ({', '.join(map(str, found[:3]))}); name its network in `networks`"
    )


class _Pinned(http.client.HTTPConnection):
    """Connects to an address that was looked at, whatever the name means now."""

    def __init__(self, address: str, host: str, port: int) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S)
        self._address = address

    @override
    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)


class _PinnedTls(_Pinned):
    """The same, by TLS, with the certificate of the name."""

    @override
    def connect(self) -> None:
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _mail(channel: MailSettings, message: Message) -> None:
    context = ssl.create_default_context(cafile=None if channel.ca is None else str(channel.ca))
    server: smtplib.SMTP
    if channel.tls == "tls":
        server = smtplib.SMTP_SSL(channel.host, channel.port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(channel.host, channel.port, timeout=TIMEOUT_S)
    with server:
        if channel.tls == "starttls":
            server.starttls(context=context)
        if channel.user is not None and channel.password_file is not None:
            server.login(channel.user, _secret(channel.password_file).decode())
        server.send_message(message.mail(channel.sender, channel.recipients, channel.numbers))


def _secret(file: Path) -> bytes:
    return file.read_bytes().strip()
