"""Settings of links -> connectors, through the same document that Remote Units get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bluewhale.configuration import ImportSettings
from bluewhale.connectors import build, framing_document

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.connectors import Connector
    from bluewhale.journal import Journal


def make_connectors(configuration: Configuration, journal: Journal) -> dict[str, Connector]:
    """Make the connector of every link that has a live source, by link_uid."""
    return {
        link.link_uid: build(
            {
                "link_uid": link.link_uid,
                "stream_id": configuration.profiles[link.link_uid].stream_id,
                "connector": link.connector.model_dump(mode="json"),
                "framing": framing_document(
                    configuration.dialect(link.link_uid).framing(link.options)
                ),
            },
            journal,
        )
        for link in configuration.settings.links
        if not isinstance(link.connector, ImportSettings)
    }
