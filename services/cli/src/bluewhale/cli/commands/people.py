"""`bluewhale people`: who may sign in to the page, for when nobody can any more."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from bluewhale.cli.door import ConfigOption, FormatOption, JsonOption, chosen, guarded, keep_open
from bluewhale.cli.exceptions import CheckFailedError, NotFoundError
from bluewhale.cli.output import Format, emit

if TYPE_CHECKING:
    from bluewhale.database.users import User, Users

branch = typer.Typer(
    help="People who may sign in to the page: list, give a new password, verify the audit trail.",
    rich_markup_mode=None,
)
HERE = Path()


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(branch, name="people")


@branch.command("list")
@guarded
def listed(
    config: ConfigOption = HERE, form: FormatOption = Format.TABLE, json: JsonOption = False
) -> None:
    """List everybody with role, branch and state."""
    rows = [
        {
            "name": u.name,
            "display_name": u.display_name,
            "role": u.role,
            "sites": "all" if u.sites is None else ", ".join(u.sites),
            "departments": "all" if u.departments is None else ", ".join(u.departments),
            "state": u.state,
        }
        for u in _users(config).listed()
    ]
    emit(rows, form=chosen(form, json))


@branch.command("password")
@guarded
def password(
    name: Annotated[str, typer.Argument(help="Who gets it.")], config: ConfigOption = HERE
) -> None:
    """Ask for a new password of somebody; a lock and all sessions of theirs end."""
    from bluewhale.webapi.passwords import Passwords, check_strength

    users = _users(config)
    user = _named(users, name)
    fresh: str = typer.prompt("New password", hide_input=True, confirmation_prompt=True)
    check_strength(fresh, name)
    users.set_password(
        user.user_id,
        Passwords().hash(fresh),
        keep="",
        now_ms=int(time.time() * 1000),
        who=f"{_who()} at the command",
    )
    print(f"{name} has a new password")


@branch.command("factor-off")
@guarded
def factor_off(
    name: Annotated[str, typer.Argument(help="Who lost device and recovery codes.")],
    config: ConfigOption = HERE,
) -> None:
    """Take the second factor of somebody away; their password alone signs in again."""
    users = _users(config)
    user = _named(users, name)
    gone = users.factors.remove(
        user.user_id, name, now_ms=int(time.time() * 1000), who=f"{_who()} at the command"
    )
    if not gone:
        raise NotFoundError(f"{name} has no second factor")
    print(f"{name} has no second factor any more")


@branch.command("audit")
@guarded
def audit(config: ConfigOption = HERE) -> None:
    """Follow the chain of the audit trail; a trail that was changed ends with an error."""
    chain = _users(config).chain()
    if chain.broken_at is not None:
        raise CheckFailedError(
            f"entry {chain.broken_at} of {chain.entries} is not as it was written, or missing;"
            " compare with a backup"
        )
    print(f"{chain.entries} entries unbroken; the newest has the hash {chain.head}")


def _named(users: Users, name: str) -> User:
    user = users.named(name)
    if user is None:
        known = ", ".join(u.name for u in users.listed()) or "nobody"
        raise NotFoundError(f"nobody is called {name}; there are: {known}")
    return user


def _users(path: Path) -> Users:
    from bluewhale.configuration import read_settings
    from bluewhale.jobs.opening import open_main

    return keep_open(open_main(read_settings(path))).users


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return "unknown"
