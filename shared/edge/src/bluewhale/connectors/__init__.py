"""PBX links: bytes from sockets and files into the journal.

Owns transports, back-pressure and what is remembered of files. Does not own
framing (`bluewhale.capture`), durability (`bluewhale.journal`) or the meaning of
any record.
"""

from bluewhale.connectors.building import (
    Connector,
    build,
    checked_connector,
    framing_document,
    framing_of,
)
from bluewhale.connectors.exceptions import LinkRefusedError, ListenError
from bluewhale.connectors.files import content_id
from bluewhale.connectors.folder import Folder
from bluewhale.connectors.link import LinkSettings, LinkState
from bluewhale.connectors.syslog import SyslogTcp, SyslogUdp
from bluewhale.connectors.tcp import TcpClient, TcpServer

__all__ = [
    "Connector",
    "Folder",
    "LinkRefusedError",
    "LinkSettings",
    "LinkState",
    "ListenError",
    "SyslogTcp",
    "SyslogUdp",
    "TcpClient",
    "TcpServer",
    "build",
    "checked_connector",
    "content_id",
    "framing_document",
    "framing_of",
]
