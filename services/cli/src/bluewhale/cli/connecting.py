"""Settings of links -> running connectors. The only place that knows both."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from bluewhale.configuration import (
    FolderSettings,
    ImportSettings,
    TcpClientSettings,
    TcpServerSettings,
)
from bluewhale.connectors import Folder, LinkSettings, TcpClient, TcpServer

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.journal import Journal

Connector = TcpServer | TcpClient | Folder


def make_connectors(configuration: Configuration, journal: Journal) -> dict[str, Connector]:
    """Make the connector of every link that has a live source, by link_uid."""
    found = {}
    for link in configuration.settings.links:
        profile = configuration.profiles[link.link_uid]
        framing = configuration.dialect(link.link_uid).framing(link.options)
        settings = LinkSettings(link.link_uid, profile.stream_id, framing)
        connector = _connector(link.connector, settings, journal)
        if connector is not None:
            found[link.link_uid] = connector
    return found


def _connector(
    wanted: TcpServerSettings | TcpClientSettings | FolderSettings | ImportSettings,
    settings: LinkSettings,
    journal: Journal,
) -> Connector | None:
    match wanted:
        case TcpServerSettings():
            return TcpServer(
                settings, journal, host=wanted.host, port=wanted.port, peers=wanted.peers
            )
        case TcpClientSettings():
            return TcpClient(settings, journal, host=wanted.host, port=wanted.port)
        case FolderSettings():
            return Folder(
                settings,
                journal,
                path=wanted.path,
                pattern=wanted.pattern,
                mode=wanted.mode,
                archive=wanted.archive,
                complete=wanted.complete,
                poll_interval_s=wanted.poll_interval_ms / 1000,
            )
        case ImportSettings():
            return None
        case _:
            assert_never(wanted)
