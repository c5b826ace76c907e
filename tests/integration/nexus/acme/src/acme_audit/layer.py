"""A layer of ACME's own: notes who asked what, and refuses on holidays."""

import contextlib

import grpc
from bluewhale.nexus import Manifest
from bluewhale.nexus.governance import Layer, current

MANIFEST = Manifest(
    symbolic_name="com.acme.audit",
    version="2.1.0",
    vendor="ACME",
    provides={"layer.audit": "1.0"},
    activator="acme_audit.layer:activate",
)
NOTED = []


class Audit(Layer):
    """Notes each request where it is answered."""

    name = "audit"

    def __init__(self, holiday):
        self._holiday = holiday

    def answer(self, method, proceed):
        """Note, then go on."""

        def noting(request, context):
            NOTED.append(f"{current().identity} asked {method.service}/{method.name}")
            if self._holiday:
                context.abort(grpc.StatusCode.UNAVAILABLE, "ACME is on holiday; ask tomorrow")
            return proceed(request, context)

        return noting


@contextlib.asynccontextmanager
async def activate(context):
    """Give what makes the layer from its entry of the configuration."""
    yield {"layer.audit": lambda settings: Audit(**settings)}
