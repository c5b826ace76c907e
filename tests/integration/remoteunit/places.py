"""An installation with one unit, `depot`, and that unit as a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from bluewhale.configuration import stream_id

from tests.integration.ingest.places import write_configuration
from tests.support.unit_process import UnitProcess

AVAYA = stream_id("hq-avaya-cdr", "depot")


def installed(
    folder: Path, port: int, *, connector: dict[str, Any] | None = None, **ingest: Any
) -> Path:
    """Write a configuration whose unit `depot` listens for the Avaya on `port`, or as told."""
    path = write_configuration(
        folder, **{"heartbeat_ms": 300, "enrolments_per_second": 1_000.0} | ingest
    )
    settings = yaml.safe_load(path.read_text())
    settings["links"][0]["connector"]["port"] = port
    if connector is not None:
        settings["links"][0]["connector"] = connector
    settings["links"][1]["connector"] = {"type": "import"}
    path.write_text(yaml.safe_dump(settings))
    return path


def unit_of(
    folder: Path, port: int, enrolment_port: int, token: str = "", **settings: Any
) -> UnitProcess:
    """Give the unit, not started; its token stands in a file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(token)
    return UnitProcess(
        folder,
        "depot",
        f"127.0.0.1:{port}",
        enrolment=f"127.0.0.1:{enrolment_port}",
        token_file="token",
        **settings,
    )
