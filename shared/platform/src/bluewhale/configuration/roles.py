"""How a role becomes a process: configuration in, exit code out.

Owns what `python -m bluewhale.NAME` and `bluewhale role NAME` have in common.
Does not own the process itself (`bluewhale.nexus.run_role`) or any role.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bluewhale.configuration.exceptions import ConfigurationError
from bluewhale.configuration.loading import load
from bluewhale.nexus import DEFAULT_LAYERS, ProcessSettings, run_role
from bluewhale.nexus.memory import keep_little
from bluewhale.telemetry.logs import LEVELS

if TYPE_CHECKING:
    from bluewhale.configuration.cluster import ClusterSettings
    from bluewhale.configuration.configured import Configuration
    from bluewhale.nexus import Manifest

CONFIG_VARIABLE = "BLUEWHALE_CONFIG"
LOG_LEVEL_VARIABLE = "BLUEWHALE_LOG_LEVEL"
COLLECT_AFTER = (
    10_000  # objects made between two looks for cycles: of 700 a start takes a seventh more
)


def process_settings(configuration: Configuration, role: str) -> ProcessSettings:
    """Give what the process of a role needs around its plugins.

    Raises
    ------
    ConfigurationError
        The file has no section `cluster`.
    """
    cluster = configuration.cluster
    listen = {
        "ingest": cluster.ingest.internal.listen,
        "parser": cluster.parser.listen,
        "billing": cluster.billing.listen,
        "storage": cluster.storage.listen,
        "webapi": cluster.webapi.listen,
    }
    return ProcessSettings(
        log_level=log_level(),
        health_host=cluster.health.host,
        health_port=cluster.health.port,
        listen=listen[role],
        otlp_endpoint=cluster.telemetry.otlp_endpoint,
        sample_ratio=cluster.telemetry.sample_ratio,
        peers=peer_addresses(configuration),
        plugins=tuple(cluster.plugins),
        layers=governing(cluster),
    )


def log_level() -> str:
    """Give the level of this process's log: debug, info, warning or error.

    Raises
    ------
    ConfigurationError
        The variable says something else.
    """
    level = os.environ.get(LOG_LEVEL_VARIABLE, "info").lower()
    if level not in LEVELS:
        raise ConfigurationError(
            [f"environment {LOG_LEVEL_VARIABLE}: {level!r} is no level; one of {', '.join(LEVELS)}"]
        )
    return level


def governing(cluster: ClusterSettings | None) -> tuple[dict[str, Any], ...]:
    """Give the layers around requests between parts: those of the file, else the usual ones."""
    if cluster is None or cluster.layers is None:
        return DEFAULT_LAYERS
    return tuple(cluster.layers)


def peer_addresses(configuration: Configuration) -> dict[str, str]:
    """Give where each service of another role is, by its name in the nexus."""
    cluster = configuration.cluster
    storage, ingest = cluster.storage.address, cluster.ingest.internal.address
    return {
        "query": storage,
        "jobs": storage,
        "units": ingest,
        "ownership": ingest,
        "tariffs": cluster.billing.address,
        "alerts": cluster.billing.address,
    }


def run(role: str, manifests: Sequence[Manifest], path: Path) -> int:
    """Load a configuration and run a role with it; gives the exit code.

    Raises
    ------
    ConfigurationError
        With every mistake of the configuration.
    """
    keep_little()
    _one_allocator()
    configuration = load(path)
    return run_role(role, manifests, configuration, process=process_settings(configuration, role))


def _one_allocator() -> None:
    """Let tables come from the allocator of everything else: Arrow's own keeps what was freed."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())


def main(role: str, manifests: Sequence[Manifest], arguments: Sequence[str] | None = None) -> int:
    """Be `python -m bluewhale.NAME --config PATH`; gives the exit code."""
    from bluewhale.capture.exceptions import BluewhaleError

    gc.set_threshold(COLLECT_AFTER)
    parser = argparse.ArgumentParser(prog=f"python -m bluewhale.{role}")
    parser.add_argument(
        "--config",
        "-c",
        type=Path,
        default=Path(os.environ.get(CONFIG_VARIABLE, ".")),
        help="configuration file, or the folder with bluewhale.yaml",
    )
    chosen = parser.parse_args(arguments)
    try:
        return run(role, manifests, chosen.config)
    except BluewhaleError as error:
        print(f"bluewhale {role}: {error}", file=sys.stderr)
        return 2
