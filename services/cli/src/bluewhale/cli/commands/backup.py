"""`bluewhale backup` and `bluewhale restore`.

Owns the words of these commands. Does not own what a backup is (`bluewhale.cli.backups`).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from bluewhale.cli.door import ConfigOption, JsonOption, guarded
from bluewhale.cli.output import Format, emit, note

HERE = Path()


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command("backup")(backup)
    app.command("restore")(restore)


@guarded
def backup(
    into: Annotated[
        Path,
        typer.Argument(
            help="Folder of backups: a new one is made in it, named by its moment."
            " - = a tar to standard output."
        ),
    ],
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Remove the oldest backups of the folder beyond this many."),
    ] = None,
    config: ConfigOption = HERE,
    json: JsonOption = False,
) -> None:
    """Back up main database, sealed segments and journal while everything runs.

    All of it is of one moment. Sealed files that the backup before has already are
    shared with it (hard links), so a backup costs little more than what is new.
    Configuration, directory and tariff files are yours to keep.
    """
    from bluewhale.cli.backups.making import make
    from bluewhale.configuration import read_settings

    made = make(read_settings(config), into, keep=keep)
    if made.path == "standard output":
        note(f"{made.files} files, {made.bytes:,} bytes, as of {made.taken_at}")
    elif json:
        emit([asdict(made)], form=Format.JSON)
    else:
        print(
            f"{made.path}: {made.files} files, {made.bytes:,} bytes, as of {made.taken_at};"
            f" {made.linked} shared with the backup before"
        )


@guarded
def restore(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="BACKUP", help="Folder or tar of one backup. - = a tar from standard input."
        ),
    ],
    verify: Annotated[
        bool, typer.Option("--verify", help="Read and compare every file; restore nothing.")
    ] = False,
    aside: Annotated[
        bool,
        typer.Option(
            "--aside",
            help="Move what is in `data` into a folder before-MOMENT there, first (bluewhale up).",
        ),
    ] = False,
    config: ConfigOption = HERE,
    json: JsonOption = False,
) -> None:
    """Bring a backup into the installation of the configuration, which must be empty.

    Refused, with nothing changed, where something is there already, a file is
    damaged, or a newer release made the backup. Start everything afterwards: what
    the journal held is delivered then.
    """
    from bluewhale.cli.backups import restoring

    if verify:
        done = restoring.verify(source)
    else:
        from bluewhale.configuration import read_settings

        done = restoring.restore(read_settings(config), source, aside=aside)
    if json:
        emit([asdict(done)], form=Format.JSON)
        return
    facts = (
        f"{done.files} files, {done.bytes:,} bytes, as of {done.taken_at}, release {done.release}"
    )
    print(f"{done.backup}: {'good' if verify else f'restored into {done.into}'}; {facts}")
