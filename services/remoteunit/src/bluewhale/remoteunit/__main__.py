"""`python -m bluewhale.remoteunit --config unit.yaml`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Read the settings and run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="bluewhale.remoteunit", description="The Remote Unit.")
    parser.add_argument("--config", type=Path, default=Path("/etc/bluewhale/unit.yaml"))
    arguments = parser.parse_args()
    # structlog takes rich where it is installed: 200 ms and 3 MiB that a log of JSON does not need
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    from bluewhale.nexus.memory import keep_little

    keep_little()
    from bluewhale.capture import BluewhaleError
    from bluewhale.nexus import ProcessSettings, run_role
    from bluewhale.remoteunit.plugin import MANIFEST
    from bluewhale.remoteunit.settings import load_settings

    try:
        settings = load_settings(arguments.config)
    except BluewhaleError as error:
        print(f"bluewhale.remoteunit: {error}", file=sys.stderr)
        return 2
    process = ProcessSettings(
        log_level=settings.log_level,
        health_host=settings.health_host,
        health_port=settings.health_port,
        otlp_endpoint=settings.otlp_endpoint,
        sample_ratio=settings.sample_ratio,
    )
    return run_role("remoteunit", [MANIFEST], settings, process=process)


if __name__ == "__main__":
    sys.exit(main())
