"""`bluewhale rerate` and `bluewhale job`: long works over what is stored.

Owns the words of these commands and the reading of a period. Does not own the
works (`bluewhale.jobs`).
"""

from __future__ import annotations

import contextlib
import getpass
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
from bluewhale.cli.exceptions import CheckFailedError, InputError
from bluewhale.cli.output import Format, emit, note

if TYPE_CHECKING:
    from bluewhale.cli.jobbing import Jobs, Row

branch = typer.Typer(
    help="Long works over what is stored: list, show, pause, resume, cancel.",
    rich_markup_mode=None,
)
HERE = Path()
_MONTH = re.compile(r"(\d{4})-(\d{2})(?:\.\.(\d{4})-(\d{2}))?")
_COLUMNS = ("name", "kind", "state", "done", "total", "message", "changed")
ServerOption = Annotated[
    str | None,
    typer.Option(help="host:port of storage; default: cluster.storage of the configuration."),
]
PeriodOption = Annotated[
    str | None, typer.Option(help="Months, the last one included: 2026-01 or 2026-01..2026-02.")
]
SinceOption = Annotated[datetime | None, typer.Option("--from", help="Calls started at or after.")]
UntilOption = Annotated[datetime | None, typer.Option("--until", help="And before.")]
ZoneOption = Annotated[str, typer.Option(help="Zone of period, --from and --until.")]
JobName = Annotated[str, typer.Argument(help="Name, as `bluewhale job list` shows it.")]


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command("rerate")(rerate)
    app.add_typer(branch, name="job")


@guarded
def rerate(
    config: ConfigOption = HERE,
    period: PeriodOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    zone: ZoneOption = "UTC",
    tariff: Annotated[
        str | None,
        typer.Option(help="Only what this tariff prices, or did: TARIFF or TARIFF@VERSION."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report what would change; change nothing.")
    ] = False,
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Price the calls of a period again by the tariffs in force now, and correct the ledger.

    Corrections are entries: the old charge is taken back, the new one is entered.
    Where nothing is outdated nothing is changed, so the same command again does
    nothing.
    """
    from bluewhale.cli.jobbing import named

    first_ms, until_ms = period_ms(period, since, until, zone)
    uid, version = _tariff(tariff)
    wanted = {
        "from_ms": first_ms,
        "until_ms": until_ms,
        "tariff_uid": uid,
        "tariff_version": version,
        "dry_run": dry_run,
    }
    with _jobs(config, server) as jobs:
        job = _follow(jobs.start("rerate", named("rerate"), wanted, who=_who()))
    emit(
        job["report"],
        form=chosen(form, json),
        to=output,
        columns=("price_list", "department", "tariff", "calls", "old", "new", "difference"),
    )
    note(job["message"])


@branch.command("list")
@guarded
def list_jobs(
    config: ConfigOption = HERE,
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """List jobs, the one that changed last first."""
    with _jobs(config, server) as jobs:
        rows = [_shown(row) for row in jobs.all()]
    emit(rows, form=chosen(form, json), to=output, columns=_COLUMNS)


@branch.command("show")
@guarded
def show(
    name: JobName,
    config: ConfigOption = HERE,
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
) -> None:
    """Show one job and its report."""
    with _jobs(config, server) as jobs:
        job = jobs.get(name)
    emit([_shown(job)], form=chosen(form, json), columns=_COLUMNS)
    if job["report"]:
        emit(job["report"], form=chosen(form, json), title="differences")


@branch.command("pause")
@guarded
def pause(name: JobName, config: ConfigOption = HERE, server: ServerOption = None) -> None:
    """Stop a job after the step at hand; what is done stays done."""
    _ask("pause", name, config, server)


@branch.command("resume")
@guarded
def resume(name: JobName, config: ConfigOption = HERE, server: ServerOption = None) -> None:
    """Let a paused or failed job go on where it stopped, and watch it."""
    with _jobs(config, server) as jobs:
        print(_follow(jobs.resume(name, who=_who()))["message"])


@branch.command("cancel")
@guarded
def cancel(name: JobName, config: ConfigOption = HERE, server: ServerOption = None) -> None:
    """End a job for good; what is done stays done."""
    _ask("cancel", name, config, server)


def _ask(turn: str, name: str, config: Path, server: str | None) -> None:
    with _jobs(config, server) as jobs:
        job = jobs.ask(turn, name, who=_who())
    print(f"{name} is {job['state']}")


def _follow(job_moves: Iterator[Row]) -> Row:
    """Follow a job to its end, saying how far it is.

    Raises
    ------
    CheckFailedError
        It failed or was stopped.
    """
    told, job = "", {}
    for job in job_moves:
        if job["message"] and job["message"] != told:
            told = job["message"]
            note(f"{job['name']}: {told}")
    if job["state"] != "done":
        raise CheckFailedError(f"{job['name']} is {job['state']}: {job['message']}")
    return job


@contextlib.contextmanager
def _jobs(config: Path, server: str | None) -> Iterator[Jobs]:
    from bluewhale.cli.jobbing import opened
    from bluewhale.configuration import load

    configuration = load(config)
    store = None
    if server is None and configuration.settings.cluster is None:
        from bluewhale.jobs.opening import open_store

        store = keep_open(open_store(configuration))
    with opened(configuration, store, server) as jobs:
        yield jobs


def _shown(job: Row) -> Row:
    changed = datetime.fromtimestamp(job["changed_at_ms"] / 1000, UTC)
    return {
        **{name: job[name] for name in _COLUMNS if name in job},
        "changed": changed.isoformat(" ", "seconds"),
    }


def period_ms(
    period: str | None, since: datetime | None, until: datetime | None, zone: str
) -> tuple[int, int]:
    """Read the period as [from, until) in ms."""
    try:
        local = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise InputError(f"--zone {zone}: no such zone; e.g. Europe/Berlin") from None
    if period is not None:
        if since is not None or until is not None:
            raise InputError("--period or --from and --until, not both")
        found = _MONTH.fullmatch(period)
        months = [int(x) for x in found.groups() if x] if found else []
        if not months or any(not 1 <= m <= 12 for m in months[1::2]):
            raise InputError(f"--period {period}: months such as 2026-01 or 2026-01..2026-02")
        year, month = months[-2:]
        since = datetime(months[0], months[1], 1)  # noqa: DTZ001 - the zone follows below
        until = datetime(year + month // 12, month % 12 + 1, 1)  # noqa: DTZ001
    if since is None or until is None:
        raise InputError("say which calls: --period 2026-01, or --from and --until")
    first, last = (round(x.replace(tzinfo=local).timestamp() * 1000) for x in (since, until))
    if first < 0 or last <= first:
        raise InputError("the period is empty: its end is not after its begin")
    return first, last


def _tariff(text: str | None) -> tuple[str, int]:
    uid, _, number = (text or "").partition("@")
    if number and not number.isdigit():
        raise InputError(f"--tariff {text}: write TARIFF@VERSION with a whole number")
    return uid, int(number or 0)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return "unknown"
