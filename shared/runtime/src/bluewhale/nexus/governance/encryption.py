"""The encryption layer: mutual TLS for channels and ports, certificates read anew when they change.

Owns how files become credentials, and who a certificate says its owner is.
Does not own making certificates or their revocation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc
from bluewhale.nexus.exceptions import LayerError
from bluewhale.nexus.governance.layer import ChannelPlan, Layer, PortPlan
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

ANONYMOUS = "anonymous"
LOCAL = "local"  # without certificate, but of the same machine
URI_PREFIX = "spiffe://bluewhale/"  # then `unit/UID` or `role/NAME`


class EncryptionSettings(BaseModel):
    """Files in PEM form, absolute or from the working folder; they may be replaced at any time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    authority: Path = Field(
        description="PEM: certificates of the authorities that are trusted; absolute, or from the working folder"
    )
    certificate: Path = Field(description="our certificate, and those between it and the authority")
    key: Path = Field(description="its private key")
    server_name: str | None = Field(
        default=None, description="name in the peer's certificate, where its address says another"
    )
    require_client: bool = Field(
        default=True, description="the port refuses callers without a certificate"
    )


class EncryptionLayer(Layer):
    """Chooses credentials."""

    name = "encryption"

    def __init__(self, settings: EncryptionSettings) -> None:
        self._settings = settings
        self._files = (settings.authority, settings.certificate, settings.key)

    @override
    def channel(self, plan: ChannelPlan) -> None:
        plan.credentials = self._channel_credentials
        plan.version = self._version
        if self._settings.server_name is not None:
            plan.options["grpc.ssl_target_name_override"] = self._settings.server_name

    @override
    def port(self, plan: PortPlan) -> None:
        plan.credentials = self._port_credentials

    def _version(self) -> object:
        """Give something that changes when a file does; a file in mid-change counts as before."""
        try:
            return tuple((s.st_mtime_ns, s.st_ino) for s in (f.stat() for f in self._files))
        except OSError:
            return None

    def _read(self) -> tuple[bytes, bytes, bytes]:
        try:
            authority, certificate, key = (f.read_bytes() for f in self._files)
        except OSError as error:
            raise LayerError(
                f"the layer encryption cannot read {error.filename}: {error.strerror}; "
                "correct its path or make the file readable"
            ) from error
        return authority, certificate, key

    def _channel_credentials(self) -> Any:
        authority, certificate, key = self._read()
        return grpc.ssl_channel_credentials(authority, key, certificate)

    def _port_credentials(self) -> Any:
        seen = self._version()

        def configuration() -> Any:
            authority, certificate, key = self._read()
            return grpc.ssl_server_certificate_configuration([(key, certificate)], authority)

        def renewed() -> Any:
            """Give the new configuration if files changed; None = go on with the old one."""
            nonlocal seen
            version = self._version()
            if version is None or version == seen:
                return None
            try:
                made = configuration()
            except LayerError:
                return None
            seen = version
            return made

        return grpc.dynamic_ssl_server_credentials(
            configuration(), renewed, require_client_authentication=self._settings.require_client
        )


def identity_of(authenticated: Mapping[str, Iterable[bytes]]) -> str:
    """Give who the certificate of a caller says it is; `anonymous` without one.

    authenticated: what `ServicerContext.auth_context()` gives. The first name
    `spiffe://bluewhale/...` counts, else the first name of another kind.
    """
    names = [
        n.decode("utf-8", "replace") for n in authenticated.get("x509_subject_alternative_name", ())
    ]
    for name in names:
        if name.startswith(URI_PREFIX):
            return name.removeprefix(URI_PREFIX)
    return f"name/{names[0]}" if names else ANONYMOUS
