"""The errors of connectors.

    TemporaryError
    `- ListenError           the address cannot be listened on (in use, not ours)

What passes by itself (a PBX that does not answer, a full journal, a folder that is
away) is no exception: the connector retries and says so in its `LinkState`.
"""

from __future__ import annotations

from typing import ClassVar

from bluewhale.capture import TemporaryError


class ListenError(TemporaryError):
    """The address cannot be listened on."""

    code: ClassVar[str] = "listen"
