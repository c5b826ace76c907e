"""`bluewhale database`: the main database as a whole.

Owns the words of these commands and how long they are patient. Does not own what
a migration does (`bluewhale.database`).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from bluewhale.cli.door import ConfigOption, guarded
from bluewhale.cli.exceptions import InputError
from bluewhale.cli.output import note

if TYPE_CHECKING:
    from bluewhale.database.opening import BroughtUp, Where

branch = typer.Typer(
    help="The main database: bring its tables to this release.", rich_markup_mode=None
)
HERE = Path()
REPEAT_S = 2.0


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(branch, name="database")


@branch.command("migrate")
@guarded
def migrate(
    config: ConfigOption = HERE,
    url: Annotated[
        str,
        typer.Option(
            envvar="BLUEWHALE_CLUSTER__DATABASE__URL",
            help="postgresql://... instead of a configuration; rather by the variable: it holds a password.",
            show_default=False,
        ),
    ] = "",
    url_file: Annotated[
        Path | None,
        typer.Option(
            envvar="BLUEWHALE_CLUSTER__DATABASE__URL_FILE", help="File that holds that address."
        ),
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to go on while the database cannot be reached.")
    ] = 0.0,
) -> None:
    """Bring the main database to this release; again changes nothing.

    Of several that do it at once, roles that start among them, one works and the
    others wait for it. A database of a newer release is refused.
    """
    done = _patiently(_where(config, url, url_file), wait)
    if done.found is None:
        print(f"{done.place}: tables made, version {done.now}")
    elif done.found < done.now:
        print(f"{done.place}: brought from version {done.found} to {done.now}")
    else:
        print(f"{done.place}: is at version {done.now}, nothing to do")


def _where(config: Path, url: str, url_file: Path | None) -> Where:
    """Give the address: the options alone, else the configuration."""
    from bluewhale.configuration import read_settings
    from bluewhale.configuration.cluster import DatabaseSettings
    from bluewhale.jobs.opening import main_address, server_address
    from pydantic import ValidationError

    try:
        where = server_address(DatabaseSettings(url=url, url_file=url_file))
    except ValidationError as error:
        raise InputError(f"--url, --url-file: {error.errors()[0]['msg']}") from None
    return where if where is not None else main_address(read_settings(config))


def _patiently(where: Where, wait_s: float) -> BroughtUp:
    """Migrate; while the database cannot be reached, again and again for `wait_s` seconds."""
    from bluewhale.database import StoreAwayError
    from bluewhale.database.opening import brought_up

    ends_at = time.monotonic() + wait_s
    told = ""
    while True:
        try:
            return brought_up(where)
        except StoreAwayError as error:
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                raise StoreAwayError(
                    f"{error}. Nothing was changed; --wait SECONDS goes on trying"
                ) from None
            if str(error) != told:
                told = str(error)
                note(told)
            time.sleep(min(REPEAT_S, left_s))
