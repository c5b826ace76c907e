"""Asking ingest as an operator: on its machine, through the layers of the installation,
or from elsewhere with an operator's certificate.

Owns the options that say which ingest and who asks, and ingest's refusals as
errors of the command. Does not own any service.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from bluewhale.capture.exceptions import BluewhaleError, TemporaryError
from bluewhale.cli.exceptions import InputError, NotFoundError

if TYPE_CHECKING:
    from bluewhale.configuration.cluster import ClusterSettings

Service = Literal["units", "ownership"]
CALL_TIMEOUT_S = 15.0
KEY_FILE, CERTIFICATE_FILE, TRUST_FILE = "operator.key", "operator.pem", "ca.pem"

ServerOption = Annotated[
    str | None,
    typer.Option(
        help="host:port of ingest; default: cluster.ingest.internal of the configuration."
    ),
]
IdentityOption = Annotated[
    Path | None,
    typer.Option(
        envvar="BLUEWHALE_OPERATOR",
        help="Folder made by `bluewhale unit authority operator`; default: none, on this machine.",
    ),
]


@contextlib.contextmanager
def ingest_stub(
    service: Service, config: Path, server: str | None, identity: Path | None
) -> Iterator[Any]:
    """Give the stub of a service of ingest; its refusals become our errors.

    With an identity the units' own port is asked, else the one of the roles,
    through the layers of the installation.
    """
    import grpc
    from bluewhale.configuration.roles import governing
    from bluewhale.nexus.peers import visiting

    cluster = None
    if server is None or identity is None:
        cluster = _cluster(config, needed=server is None)
    if server is None:
        assert cluster is not None
        server = (cluster.ingest.internal if identity is None else cluster.ingest).address
    try:
        if identity is None:
            with visiting(service, server, governing(cluster)) as stub:
                yield stub
        else:
            with _operating(service, server, identity) as stub:
                yield stub
    except grpc.RpcError as error:
        raise _error(server, error) from error


def _cluster(config: Path, *, needed: bool) -> ClusterSettings | None:
    from bluewhale.configuration import ConfigurationError, read_settings

    try:
        found = read_settings(config).cluster
    except ConfigurationError:
        if needed:
            raise
        return None
    if found is None and needed:
        raise InputError(f"{config}: has no section `cluster`; say --server, or add it")
    return found


@contextlib.contextmanager
def _operating(service: Service, server: str, identity: Path) -> Iterator[Any]:
    import grpc
    from bluewhale.ingest.authority import SERVER_NAME
    from bluewhale.nexus import Contract

    try:
        credentials = grpc.ssl_channel_credentials(
            *((identity / name).read_bytes() for name in (TRUST_FILE, KEY_FILE, CERTIFICATE_FILE))
        )
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be read: {error.strerror}; make the folder with"
            " `bluewhale unit authority operator`"
        ) from error
    options = (("grpc.ssl_target_name_override", SERVER_NAME),)
    with grpc.secure_channel(server, credentials, options) as channel:
        yield Contract.named(service).stub(channel)


def _error(server: str, error: Any) -> BluewhaleError:
    import grpc

    code, text = error.code(), str(error.details())
    if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return TemporaryError(f"ingest at {server} does not answer: {text}")
    if code is grpc.StatusCode.NOT_FOUND or text.startswith("unit_unknown"):
        return NotFoundError(text)
    return InputError(text)
