"""`bluewhale up | check | import | config`: run, verify a configuration, load files."""

from __future__ import annotations

import json as json_text
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from bluewhale.cli.door import ConfigOption, JsonOption, guarded, open_whole
from bluewhale.cli.output import Format, emit, note

HERE = Path()


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command("up")(up)
    app.command("check")(check)
    app.command("import")(import_command)
    app.command("config-schema")(config_schema)


@guarded
def up(config: ConfigOption = HERE) -> None:
    """Run everything in this process: collect, price, store; stop with Ctrl-C or SIGTERM."""
    from bluewhale.cli.runtime import Runtime
    from bluewhale.configuration import load
    from bluewhale.configuration.roles import log_level
    from bluewhale.telemetry import configure_logs

    configure_logs(level=log_level())
    Runtime(load(config)).run()


@guarded
def check(config: ConfigOption = HERE) -> None:
    """Report every mistake of a configuration at once; changes nothing."""
    from bluewhale.configuration import load

    configuration = load(config)
    directory = configuration.directory
    print(
        f"{configuration.path}: good. {len(configuration.profiles)} links, {len(directory.sites)} sites, "
        f"{len(directory.extensions)} extensions, {len(directory.departments)} departments, "
        f"{len(configuration.tariffs)} tariffs ("
        + ", ".join(
            f"{t.tariff_uid} version {t.version}: {t.deck.num_rows} rates"
            for t in configuration.tariffs
        )
        + ")"
    )


@guarded
def import_command(
    files: Annotated[list[Path], typer.Argument(help="Files of the link's dialect.")],
    link: Annotated[
        str,
        typer.Option("--link", "-l", help="Link of the configuration that the files belong to."),
    ],
    config: ConfigOption = HERE,
    json: JsonOption = False,
) -> None:
    """Import files: priced and stored in bulk, resumable; the same file twice changes nothing."""
    from dataclasses import asdict

    from bluewhale.cli.exceptions import NotFoundError
    from bluewhale.cli.importer import import_files
    from bluewhale.jobs.preparing import prepare

    configuration, store = open_whole(config)
    if link not in configuration.profiles:
        raise NotFoundError(
            f"no link {link!r}; the configuration has {', '.join(configuration.profiles)}"
        )
    settings = configuration.settings
    stages = prepare(configuration, store)
    total = sum(f.stat().st_size for f in files if f.exists())
    with _progress(total) as advance:
        result = import_files(
            files,
            configuration.profiles[link],
            stages,
            store,
            chunk_bytes=settings.limits.import_chunk_mib << 20,
            progress=advance,
        )
    store.close()
    if json:
        emit([asdict(result)], form=Format.JSON)
        return
    print(
        f"{result.files} file{'s' if result.files != 1 else ''}, {result.records:,} records: {result.legs:,} legs stored, "
        f"{result.duplicates:,} duplicates, {result.replayed:,} known already, {result.suspended:,} in suspense; "
        f"{result.calls:,} calls priced"
    )
    for reason, count in sorted(result.reasons.items()):
        print(f"  suspense {reason}: {count:,} (see: bluewhale suspense list)")


@contextmanager
def _progress(total_bytes: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar where there is a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress("importing", *columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("importing", total=total_bytes)
        yield lambda n: shown.advance(task, n)


@guarded
def config_schema() -> None:
    """Print the JSON schema of bluewhale.yaml."""
    from bluewhale.configuration import Settings

    print(json_text.dumps(Settings.model_json_schema(), indent=2))
    note("save it beside bluewhale.yaml and point your editor at it")
