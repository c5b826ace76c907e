"""PBX links: bytes from sockets and files into the journal.

Owns transports, back-pressure and what is remembered of files. Does not own
framing (`bluewhale.capture`), durability (`bluewhale.journal`) or the meaning of
any record.
"""

from bluewhale.connectors.exceptions import ListenError
from bluewhale.connectors.files import content_id
from bluewhale.connectors.folder import Folder
from bluewhale.connectors.link import LinkSettings, LinkState
from bluewhale.connectors.tcp import TcpClient, TcpServer

__all__ = [
    "Folder",
    "LinkSettings",
    "LinkState",
    "ListenError",
    "TcpClient",
    "TcpServer",
    "content_id",
]
