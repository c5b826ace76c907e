"""Where tariffs are asked for: at the billing role of a cluster, or in the store of this machine.

Owns one way to ask both: the stub of the Tariffs service, and its refusals as
errors of the command. Does not own the service (`bluewhale.billing`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from bluewhale.capture.exceptions import BluewhaleError, TemporaryError
from bluewhale.cli.asking import settings_if_needed
from bluewhale.cli.door import FULL, open_store
from bluewhale.cli.exceptions import InputError, NotFoundError

if TYPE_CHECKING:
    from bluewhale.configuration import Settings
    from bluewhale.database import Store
    from bluewhale.stages import Stages

CALL_TIMEOUT_S = 120.0  # a million rates are read in seconds, on a busy machine in more
SERVICE = "tariffs"

ServerOption = Annotated[
    str | None,
    typer.Option(help="host:port of billing; default: cluster.billing of the configuration."),
]


class BillingAwayError(TemporaryError):
    """Billing does not answer, or says that it cannot now."""

    code = "billing_away"


class StoredPrices:
    """What a command prices with in the store of this machine."""

    look_every_ms = 2_000  # a running `bluewhale up` looks for an activated version

    def __init__(self, settings: Settings, store: Store) -> None:
        self.store = store
        self._payer_policy = settings.payer_policy

    def stages(self) -> Stages:
        """Load what is in use."""
        from bluewhale.database import NotFoundError as NothingStoredError
        from bluewhale.jobs.directories import stored_directory
        from bluewhale.jobs.tariffs import versions_in_use
        from bluewhale.records.directory import Directory
        from bluewhale.stages import Stages

        try:
            directory = stored_directory(self.store, self.store.directory_files()[0])
        except NothingStoredError:
            directory = Directory(0)
        return Stages.of(directory, versions_in_use(self.store), self._payer_policy)

    def refresh(self) -> None:
        """Nothing: each request loads what is in use."""


@contextlib.contextmanager
def tariffs_of(config: Path, server: str | None) -> Iterator[Any]:
    """Give the stub of Tariffs: at `server`, else at the billing role, else over the store here.

    Raises
    ------
    InputError, NotFoundError
        What the service refused.
    BillingAwayError
        Nobody answers there, or not now.
    """
    import grpc
    from bluewhale.configuration.roles import governing
    from bluewhale.nexus.peers import visiting

    settings = settings_if_needed(config, needed=server is None)
    cluster = settings.cluster if settings is not None else None
    if server is None and cluster is not None:
        server = cluster.billing.address
    try:
        if server is None:
            with _here(config) as stub:
                yield stub
        else:
            with visiting(SERVICE, server, governing(cluster)) as stub:
                yield stub
    except grpc.RpcError as error:
        raise _meant(error, server) from error


@contextlib.contextmanager
def _here(config: Path) -> Iterator[Any]:
    """Give the service over the store of this machine, within this process."""
    from bluewhale.billing.tariffs_door import TariffsDoor
    from bluewhale.nexus import serve
    from bluewhale.nexus.peers import Peers

    served = serve(SERVICE, TariffsDoor(StoredPrices(*open_store(config))))
    peers = Peers({}, (), here=lambda _: True, look=lambda _: served)
    try:
        yield peers.stub(SERVICE, "command")
    finally:
        peers.close()


def _meant(error: Any, server: str | None) -> BluewhaleError:
    import grpc
    from bluewhale.nexus.answering import ERROR_CODE

    code, text = error.code(), str(error.details())
    stable = dict(error.trailing_metadata() or ()).get(ERROR_CODE, "")
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFoundError(text)
    if code is grpc.StatusCode.UNAVAILABLE and stable:
        return BillingAwayError(text)
    if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return BillingAwayError(f"billing at {server or 'this machine'} does not answer: {text}")
    return TemporaryError(text) if stable in FULL else InputError(text)
