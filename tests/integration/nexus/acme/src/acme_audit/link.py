"""A connector of ACME's own: it gives its lines to whoever asks."""

import contextlib

from bluewhale.nexus import Manifest

MANIFEST = Manifest(
    symbolic_name="com.acme.link",
    version="2.1.0",
    vendor="ACME",
    copyright="2026 ACME",
    requires={"journal": ">=1,<2"},
    provides={"acme_link": "2.1"},
    lazy_start=True,
    activator="acme_audit.link:activate",
)


class Link:
    """Puts lines into the journal."""

    def __init__(self, journal):
        self._journal = journal

    def hear(self, line):
        """Take one line."""
        self._journal.append(line)
        return len(self._journal)


@contextlib.asynccontextmanager
async def activate(context):
    """Give the link."""
    yield {"acme_link": Link(context.service("journal"))}
