"""`bluewhale role NAME`: one role of an installation as this process.

Owns the list of roles; the only place that knows all of them.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from bluewhale.cli.door import CONFIG_VARIABLE, guarded

HERE = Path()


class RoleName(StrEnum):
    """The roles; each is a plugin `bluewhale.NAME.plugin` of the nexus."""

    REMOTEUNIT = "remoteunit"
    INGEST = "ingest"
    PARSER = "parser"
    BILLING = "billing"
    STORAGE = "storage"
    WEBAPI = "webapi"


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command("role")(role)


@guarded
def role(
    name: Annotated[RoleName, typer.Argument(help="Which role.", show_default=False)],
    config: Annotated[
        Path,
        typer.Option(
            "--config",
            "-c",
            envvar=CONFIG_VARIABLE,
            help="Configuration file, or the folder with bluewhale.yaml; of a remoteunit: its unit.yaml.",
        ),
    ] = HERE,
) -> None:
    """Run one role of an installation; stop with Ctrl-C or SIGTERM."""
    raise typer.Exit(_run(name, config))


def _run(name: RoleName, config: Path) -> int:
    """Run a role; gives the exit code."""
    if name is RoleName.REMOTEUNIT:  # light: it reads no configuration of the roles
        from bluewhale.remoteunit.__main__ import main

        sys.argv[1:] = ["--config", str(config)]
        return main()
    from bluewhale.configuration.roles import run

    plugins = import_module(f"bluewhale.{name}.plugin")
    return run(name, plugins.MANIFESTS if name is RoleName.BILLING else [plugins.MANIFEST], config)
