"""`bluewhale up`: the embedded installation as one process of plugins.

Owns the process: start in order, run until told to stop, stop cleanly (what was
received is journaled, what was journaled is processed as far as time allows).
What runs inside is in `embedded`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bluewhale.cli.embedded import FINISH_S, MANIFESTS
from bluewhale.configuration.roles import governing
from bluewhale.nexus import ProcessSettings, Role, ServiceNotStartedError, ServiceUnknownError
from bluewhale.webapi.plugin import MANIFEST as WEB

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration

DRAIN_S = FINISH_S + 30.0  # for all plugins together


class Runtime:
    """One embedded installation, running."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        manifests = [*MANIFESTS, WEB] if configuration.settings.web is not None else MANIFESTS
        self.role = Role("embedded", manifests, configuration, process=process_of(configuration))

    def run(self) -> None:
        """Run until SIGTERM or SIGINT (or `stop`); then stop cleanly.

        Raises
        ------
        BluewhaleError
            what ended the installation, if it did not end by request.
        """
        self.role.run()

    def stop(self) -> None:
        """Ask a running instance to stop; safe from any thread."""
        self.role.stop()

    def service(self, name: str) -> Any:
        """Give a service of the running installation; None while it is not there."""
        if self.role.nexus is None:
            return None
        try:
            return self.role.nexus.service(name)
        except (ServiceUnknownError, ServiceNotStartedError):
            return None


def process_of(configuration: Configuration) -> ProcessSettings:
    """Give what the process needs around its plugins; `cluster` adds traces, plugins, layers."""
    monitor, cluster = configuration.settings.monitor, configuration.settings.cluster
    more: dict[str, Any] = {}
    if cluster is not None:
        more = {
            "otlp_endpoint": cluster.telemetry.otlp_endpoint,
            "sample_ratio": cluster.telemetry.sample_ratio,
            "plugins": tuple(cluster.plugins),
        }
    return ProcessSettings(
        health_host=monitor.host,
        health_port=monitor.port or None,  # 0 = no door
        drain_s=DRAIN_S,
        layers=governing(cluster),
        **more,
    )
