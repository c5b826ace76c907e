"""Run ingest as a process: `python -m bluewhale.ingest --config bluewhale.yaml`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bluewhale.configuration import ConfigurationError, load
from bluewhale.ingest.plugin import MANIFEST
from bluewhale.nexus import ProcessSettings, run_role


def main() -> int:
    """Read the configuration and run until told to stop; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bluewhale.ingest", description=__doc__)
    parser.add_argument(
        "--config", type=Path, default=Path(os.environ.get("BLUEWHALE_CONFIG", "bluewhale.yaml"))
    )
    parser.add_argument("--log-level", default="info")
    chosen = parser.parse_args()
    try:
        configuration = load(chosen.config)
        cluster = configuration.cluster
    except ConfigurationError as error:
        print(f"bluewhale.ingest: {error}", file=sys.stderr)
        return 2
    return run_role(
        "ingest",
        [MANIFEST],
        configuration,
        process=ProcessSettings(
            log_level=chosen.log_level,
            health_host=cluster.health.host,
            health_port=cluster.health.port,
            listen=cluster.ingest.internal.listen,
            otlp_endpoint=cluster.telemetry.otlp_endpoint,
            sample_ratio=cluster.telemetry.sample_ratio,
            peers={"query": cluster.storage.address},
        ),
    )


if __name__ == "__main__":
    raise SystemExit(main())
