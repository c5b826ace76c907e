"""`bluewhale suspense | duplicates`: records that wait, and records that came twice."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from bluewhale.cli.door import (
    ConfigOption,
    FormatOption,
    JsonOption,
    OutputOption,
    chosen,
    guarded,
    keep_open,
)
from bluewhale.cli.exceptions import InputError
from bluewhale.cli.output import Format, emit

if TYPE_CHECKING:
    from bluewhale.database import Store

branch = typer.Typer(
    help="Records held with a reason: list, show, repair, replay, dismiss.", rich_markup_mode=None
)
HERE = Path()
Ids = Annotated[list[int], typer.Argument(help="Numbers from `bluewhale suspense list`.")]
Why = Annotated[str, typer.Option("--why", help="Kept in the audit trail.")]


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(branch, name="suspense")
    app.command("duplicates")(duplicates)


@branch.command("list")
@guarded
def list_suspense(
    config: ConfigOption = HERE,
    state: Annotated[
        str | None, typer.Option(help="waiting, repaired, applied or dismissed; default waiting.")
    ] = "waiting",
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 1000,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """List the records that wait, oldest first."""
    from bluewhale.database import SuspenseFilter

    store = _main_store(config)
    found = store.suspense_list(SuspenseFilter(state=state, reason=reason), limit=limit)
    emit(
        found,
        form=chosen(form, json),
        to=output,
        columns=(
            "suspense_id",
            "link_uid",
            "received_at",
            "reason",
            "detail",
            "raw",
            "attempts",
            "state",
        ),
    )


@branch.command("show")
@guarded
def show(suspense_id: int, config: ConfigOption = HERE) -> None:
    """Show one record: why it waits, its bytes, what its dialect saw."""
    from bluewhale.cli.replaying import describe
    from bluewhale.configuration import load

    configuration, store = load(config), _main_store(config)
    print(describe(configuration, store, suspense_id))


@branch.command("repair")
@guarded
def repair(
    suspense_id: int,
    why: Why,
    config: ConfigOption = HERE,
    raw: Annotated[
        str | None, typer.Option(help="The record with the mistake mended; default: as it is.")
    ] = None,
    apply: Annotated[bool, typer.Option(help="Replay it at once.")] = True,
) -> None:
    """Mend a record (or say that it is right as it is) and replay it."""
    from bluewhale.cli.replaying import replay
    from bluewhale.configuration import load

    configuration, store = load(config), _main_store(config)
    store.suspense_repair(
        suspense_id,
        who=_who(),
        why=why,
        now_ms=_now_ms(),
        raw=None if raw is None else raw.encode(),
    )
    if apply:
        print(replay(configuration, store, [suspense_id], who=_who()))


@branch.command("replay")
@guarded
def replay_command(
    config: ConfigOption = HERE,
    ids: Annotated[list[int] | None, typer.Argument(help="Which; default: all that wait.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason.")] = None,
) -> None:
    """Parse waiting records again (after a dialect or option was mended); what fits becomes calls, once."""
    from bluewhale.cli.replaying import replay
    from bluewhale.configuration import load
    from bluewhale.database import SuspenseFilter

    configuration, store = load(config), _main_store(config)
    wanted = ids or [
        row["suspense_id"]
        for state in ("waiting", "repaired")
        for row in store.suspense_list(
            SuspenseFilter(state=state, reason=reason), limit=100_000
        ).to_pylist()
    ]
    print(replay(configuration, store, wanted, who=_who()))


@branch.command("take-apart")
@guarded
def take_apart_command(
    suspense_id: int,
    config: ConfigOption = HERE,
    apply: Annotated[bool, typer.Option("--apply", help="Do it; else only say.")] = False,
    why: Why = "",
) -> None:
    """Read what can be read of a corrupt frame; with --apply each record waits on its own."""
    from bluewhale.jobs.salvaging import look_into, take_apart

    store = _main_store(config)
    if apply and not why.strip():
        raise InputError("--why: say why its records may be trusted; it is kept in the audit trail")
    found = (
        take_apart(store, suspense_id, who=_who(), why=why)
        if apply
        else look_into(store, suspense_id)
    )
    records = found.salvaged.records
    for record in records:
        print(f"  {record.seq}  {record.data.decode('utf-8', 'backslashreplace')}")
    print(f"{len(records)} of records {found.first_seq} to {found.last_seq} can be read")
    if found.salvaged.problem:
        print(f"the rest stays in row {suspense_id}: {found.salvaged.problem}")
    if apply and records:
        print("they wait as record_salvaged: bluewhale suspense replay --reason record_salvaged")


@branch.command("dismiss")
@guarded
def dismiss(ids: Ids, why: Why, config: ConfigOption = HERE) -> None:
    """Say that these records are no calls."""
    if not why.strip():
        raise InputError("--why: say why these records are no calls; it is kept in the audit trail")
    store = _main_store(config)
    store.suspense_dismiss(ids, who=_who(), why=why, now_ms=_now_ms())
    print(f"{len(ids)} dismissed")


@guarded
def duplicates(
    config: ConfigOption = HERE,
    two_calls: Annotated[
        str | None,
        typer.Option("--two-calls", help="STREAM/INCARNATION/SEQ: this one is a call of its own."),
    ] = None,
    why: Why = "",
    limit: Annotated[int, typer.Option(min=1)] = 1000,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """List records that came again; they are counted and never charged."""
    store = _main_store(config)
    if two_calls is not None:
        parts = two_calls.split("/")
        if len(parts) != 3 or not all(p.isdigit() for p in parts):
            raise InputError(
                f"--two-calls {two_calls}: write STREAM/INCARNATION/SEQ as the list shows them"
            )
        stream, incarnation, seq = (int(p) for p in parts)
        store.two_calls((stream, incarnation, seq), who=_who(), why=why, now_ms=_now_ms())
        print(
            "it is a call of its own now; it will be priced with the next `bluewhale suspense replay` or by `bluewhale up`"
        )
        return
    emit(
        store.duplicates(limit=limit),
        form=chosen(form, json),
        to=output,
        columns=(
            "link_uid",
            "stream_id",
            "incarnation",
            "seq",
            "received_at",
            "raw",
            "cdr_id",
            "state",
        ),
    )


def _main_store(path: Path) -> Store:
    """Open the main database, of one process or of roles, for the running command."""
    from bluewhale.configuration import read_settings
    from bluewhale.jobs.opening import open_main

    return keep_open(open_main(read_settings(path)))


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return "unknown"


def _now_ms() -> int:
    return int(time.time() * 1000)
