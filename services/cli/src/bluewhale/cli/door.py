"""What every command shares: options with one meaning, and errors without tracebacks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import ExitStack
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

import typer
from bluewhale.capture.exceptions import BluewhaleError, TemporaryError
from bluewhale.cli.exceptions import CheckFailedError, NotFoundError
from bluewhale.cli.output import Format, note

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration, Settings
    from bluewhale.database import Store

P = ParamSpec("P")
R = TypeVar("R")

# what the running command opened; closed when it ends, however it ends
_opened: ContextVar[ExitStack] = ContextVar("opened")

CONFIG_VARIABLE = "BLUEWHALE_CONFIG"
FULL = frozenset({"store_full"})  # permanent for a program, but a person can make room

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar=CONFIG_VARIABLE,
        help="Configuration file, or the folder with bluewhale.yaml.",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", "-f", help="How to write the result.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file instead of the terminal.")
]


def exit_code(error: BluewhaleError) -> int:
    """Give the documented exit code of an error (docs/reference/exit-codes.md)."""
    if isinstance(error, CheckFailedError):
        return 1
    if isinstance(error, NotFoundError) or error.code == NotFoundError.code:
        return 3
    if isinstance(error, TemporaryError) or error.code in FULL:
        return 4
    return 2


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Show an operating error as one clear message; a person's mistake has no traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with ExitStack() as opened:
                _opened.set(opened)
                return command(*args, **kwargs)
        except BluewhaleError as error:
            note(f"bluewhale: {error}")
            raise typer.Exit(exit_code(error)) from None
        except KeyboardInterrupt:
            note("bluewhale: stopped")
            raise typer.Exit(130) from None

    return run


def keep_open(store: Store) -> Store:
    """Let the running command close a store when it ends, however it ends."""
    return _opened.get().enter_context(store)


def chosen(form: Format, json: bool) -> Format:
    """Let --json win over --format."""
    return Format.JSON if json else form


def open_store(path: Path) -> tuple[Settings, Store]:
    """Open the store of a configuration for a reading command; directory and tariffs stay closed."""
    from bluewhale.configuration import read_settings
    from bluewhale.database import Store

    settings = read_settings(path)
    return settings, _opened.get().enter_context(Store.open(settings.data / "store"))


def open_whole(path: Path) -> tuple[Configuration, Store]:
    """Load a configuration with all it names, and open its store."""
    from bluewhale.configuration import load
    from bluewhale.database import Store

    configuration = load(path)
    store = Store.open(configuration.settings.data / "store")
    return configuration, _opened.get().enter_context(store)
