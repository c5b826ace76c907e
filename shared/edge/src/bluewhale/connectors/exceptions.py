"""The errors of connectors.

    TemporaryError
    `- ListenError           the address cannot be listened on (in use, not ours)
    PermanentError
    `- LinkRefusedError      a link's entry of a document has a missing, unknown or wrong key

What passes by itself (a PBX that does not answer, a full journal, a folder that is
away) is no exception: the connector retries and says so in its `LinkState`.
"""

from __future__ import annotations

from typing import ClassVar

from bluewhale.capture import PermanentError, TemporaryError


class ListenError(TemporaryError):
    """The address cannot be listened on."""

    code: ClassVar[str] = "listen"


class LinkRefusedError(PermanentError):
    """A link of a document cannot be made: a key is missing, unknown or wrong."""

    code: ClassVar[str] = "link_refused"
