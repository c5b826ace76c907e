"""`bluewhale suspense | duplicates`: records that wait, and records that came twice."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer
from bluewhale.cli.door import (
    ConfigOption,
    FormatOption,
    JsonOption,
    OutputOption,
    chosen,
    guarded,
    open_store,
    open_whole,
)
from bluewhale.cli.exceptions import InputError
from bluewhale.cli.output import Format, emit

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

    _, store = open_store(config)
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

    configuration, store = open_whole(config)
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

    configuration, store = open_whole(config)
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
    from bluewhale.database import SuspenseFilter

    configuration, store = open_whole(config)
    wanted = ids or [
        row["suspense_id"]
        for state in ("waiting", "repaired")
        for row in store.suspense_list(
            SuspenseFilter(state=state, reason=reason), limit=100_000
        ).to_pylist()
    ]
    print(replay(configuration, store, wanted, who=_who()))


@branch.command("dismiss")
@guarded
def dismiss(ids: Ids, why: Why, config: ConfigOption = HERE) -> None:
    """Say that these records are no calls."""
    if not why.strip():
        raise InputError("--why: say why these records are no calls; it is kept in the audit trail")
    _, store = open_store(config)
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
    _, store = open_store(config)
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


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return "unknown"


def _now_ms() -> int:
    return int(time.time() * 1000)
