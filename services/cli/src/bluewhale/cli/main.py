"""The `bluewhale` command: one tree, every branch a thin door.

Owns the tree, exit codes and error text. Commands import what they need when
they run, so that `bluewhale --help` answers at once.
"""

from __future__ import annotations

import gc
import sys
import traceback

import typer
from bluewhale.cli.commands import (
    backup,
    calls,
    database,
    dialects,
    jobs,
    live,
    ownership,
    people,
    proofs,
    roles,
    simulation,
    suspense,
    tariffs,
    units,
)

app = typer.Typer(
    name="bluewhale",
    help="Call accounting: what PBXs print becomes priced calls that nobody has to doubt.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
live.register(app)
calls.register(app)
suspense.register(app)
tariffs.register(app)
dialects.register(app)
proofs.register(app)
simulation.register(app)
units.register(app)
ownership.register(app)
people.register(app)
roles.register(app)
jobs.register(app)
backup.register(app)
database.register(app)


# Objects made since the last look for cycles; of Python's 700, what `up` imports is looked
# through so often that it takes a seventh of its start.
COLLECT_AFTER = 10_000


def main() -> None:
    """Run the command; a closed pipe (`| head`) is a normal end."""
    gc.set_threshold(COLLECT_AFTER)
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None
    except Exception:  # noqa: BLE001 - ours: told with its traceback, once, under a code of its own
        traceback.print_exc()
        raise SystemExit(5) from None
