"""`bluewhale tariff check|import|list|show|diff|activate|try`: price lists as reviewed objects."""

from __future__ import annotations

import getpass
import time
from dataclasses import asdict
from datetime import UTC, datetime
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
    open_store,
)
from bluewhale.cli.exceptions import CheckFailedError, InputError, NotFoundError
from bluewhale.cli.output import Format, emit, money, note

if TYPE_CHECKING:
    from bluewhale.database import Store
    from bluewhale.rating.tariff import TariffVersion

branch = typer.Typer(help="Tariffs: check, import, compare, activate, try.", rich_markup_mode=None)
HERE = Path()
LINES_SHOWN = 40
VersionName = Annotated[
    str, typer.Argument(help="TARIFF@VERSION, or TARIFF for its newest version.")
]


def register(app: typer.Typer) -> None:
    """Hang this branch into the tree."""
    app.add_typer(branch, name="tariff")


@branch.command("check")
@guarded
def check(files: Annotated[list[Path], typer.Argument(help="Tariff documents (YAML).")]) -> None:
    """Validate tariff files whole; changes nothing."""
    from bluewhale.rating.tariff_files import check_tariff

    failed = []
    for file in files:
        found = check_tariff(file)
        for warning in found.warnings:
            note(f"warning: {warning.text()}")
        if found.version is None:
            failed += [m.text() for m in found.mistakes]
            if found.count > len(found.mistakes):
                failed.append(f"... and {found.count - len(found.mistakes)} more")
        else:
            print(f"{file}: good. {_headline(found.version)}")
    if failed:
        raise CheckFailedError("\n  ".join([f"{len(failed)} mistakes:", *failed]))


@branch.command("import")
@guarded
def import_tariff(
    file: Path,
    config: ConfigOption = HERE,
    activate: Annotated[bool, typer.Option("--activate", help="Switch to it at once.")] = False,
) -> None:
    """Validate a tariff and store it; a version never changes once stored."""
    from bluewhale.jobs.tariffs import keep
    from bluewhale.rating.tariff_files import load_tariff

    version = load_tariff(file)
    _, store = open_store(config)
    stored = keep(store, file, version, _who())
    print(f"stored as {stored.tariff_uid}@{stored.version} ({stored.state}): {_headline(version)}")
    if activate and stored.state != "active":
        _activate(store, stored.tariff_uid, stored.version)


@branch.command("list")
@guarded
def list_tariffs(
    config: ConfigOption = HERE, form: FormatOption = Format.TABLE, json: JsonOption = False
) -> None:
    """List stored versions with their state."""
    _, store = open_store(config)
    columns = (
        "tariff_uid",
        "version",
        "price_list",
        "currency",
        "state",
        "rows",
        "effective_from",
        "activated_at",
    )
    rows = [
        {
            **asdict(t),
            "effective_from": _moment(t.effective_from_ms),
            "activated_at": _moment(t.activated_at_ms),
        }
        for t in store.list_tariffs()
    ]
    emit(rows, form=chosen(form, json), columns=columns)


@branch.command("show")
@guarded
def show(
    tariff: VersionName,
    config: ConfigOption = HERE,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Show a version: its rules, and its rate rows."""
    _, store = open_store(config)
    version = _version(store, tariff)
    if chosen(form, json) is Format.TABLE and output is None:
        print(_headline(version))
        for timing in version.timings.values():
            print(
                f"timing {timing.name}: "
                + "; ".join(f"{w.name or w.rate} (priority {w.priority})" for w in timing.windows)
            )
        emit(
            version.deck.slice(0, LINES_SHOWN),
            form=Format.TABLE,
            columns=("prefix", "destination", "timing"),
        )
        if version.deck.num_rows > LINES_SHOWN:
            note(f"{version.deck.num_rows - LINES_SHOWN:,} more rows; --format csv shows all")
        return
    emit(version.deck, form=chosen(form, json), to=output)


@branch.command("diff")
@guarded
def diff(
    old: Annotated[str, typer.Argument(help="A file, TARIFF@VERSION or TARIFF.")],
    new: Annotated[str, typer.Argument(help="A file, TARIFF@VERSION or TARIFF.")],
    config: ConfigOption = HERE,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Compare two versions, by prefix: added, removed, dearer, cheaper."""
    from bluewhale.rating.diff import diff_versions

    found = diff_versions(_file_or_version(old, config), _file_or_version(new, config))
    chosen_form = chosen(form, json)
    if chosen_form is Format.TABLE and output is None:
        print(found.summary.text())
        for line in found.heading:
            print(f"  {line}")
        emit(found.lines.slice(0, LINES_SHOWN), form=Format.TABLE)
        if found.lines.num_rows > LINES_SHOWN:
            note(f"{found.lines.num_rows - LINES_SHOWN:,} more lines; --format csv shows all")
        return
    emit(found.lines, form=chosen_form, to=output)


@branch.command("activate")
@guarded
def activate(tariff: VersionName, config: ConfigOption = HERE) -> None:
    """Switch a price list to a version; the one before is kept for its time."""
    _, store = open_store(config)
    version = _version(store, tariff)
    _activate(store, version.tariff_uid, version.version)


@branch.command("try")
@guarded
def try_number(
    number: Annotated[str, typer.Argument(help="International form: +49 30 23125 042.")],
    config: ConfigOption = HERE,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", help="Try these tariff files instead of the stored ones."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="How long the call is connected.")] = 60,
    at: Annotated[
        datetime | None, typer.Option(help="When it is answered (UTC); default now.")
    ] = None,
    carrier: str | None = None,
    trunk_group: str | None = None,
    call_class: Annotated[str | None, typer.Option("--class")] = None,
    subscriber: str | None = None,
    json: JsonOption = False,
) -> None:
    """Price a number on every price list, and say why."""
    from bluewhale.jobs.tariffs import versions_in_use
    from bluewhale.rating.book import PriceBook
    from bluewhale.rating.preview import Selectors, try_number
    from bluewhale.rating.tariff_files import load_tariff

    versions = [load_tariff(f) for f in file] if file else versions_in_use(open_store(config)[1])
    if not versions:
        raise NotFoundError("no tariff is active; see: bluewhale tariff import --activate")
    trials = try_number(
        PriceBook(versions),
        number,
        at=(at or datetime.now(UTC)).replace(tzinfo=UTC),
        quantity_ms=round(seconds * 1000),
        selectors=Selectors(carrier, trunk_group, call_class, subscriber),
    )
    if json:
        emit([{"price_list": t.price_list, **t.charge} for t in trials], form=Format.JSON)
        return
    for trial in trials:
        print(
            f"{trial.price_list}: {money(trial.charge['amount_nanos'], trial.charge['currency'])}"
        )
        print(trial.text + "\n")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return "unknown"


def _activate(store: Store, tariff_uid: str, version: int) -> None:
    store.activate_tariff(tariff_uid, version, who=_who(), now_ms=int(time.time() * 1000))
    print(f"{tariff_uid} version {version} is active")


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


def _headline(version: TariffVersion) -> str:
    until = f" until {version.effective_until:%Y-%m-%d}" if version.effective_until else ""
    return (
        f"{version.tariff_uid} version {version.version} ({version.name or version.price_list}): price list "
        f"{version.price_list}, {version.currency}, {version.deck.num_rows:,} rates, from "
        f"{version.effective_from:%Y-%m-%d}{until}, zone {version.zone}"
    )


def _version(store: Store, name: str) -> TariffVersion:
    from bluewhale.jobs.tariffs import stored_version

    uid, _, number = name.partition("@")
    if number and not number.isdigit():
        raise InputError(f"{name!r}: write TARIFF@VERSION with a whole number, e.g. carrier-2026@2")
    known = sorted(t.version for t in store.list_tariffs() if t.tariff_uid == uid)
    wanted = int(number) if number else (known[-1] if known else 0)
    if wanted not in known:
        raise NotFoundError(f"no tariff {name}; see: bluewhale tariff list")
    return stored_version(store, uid, wanted)


def _file_or_version(name: str, config: Path) -> TariffVersion:
    from bluewhale.rating.tariff_files import load_tariff

    if Path(name).exists():
        return load_tariff(Path(name))
    return _version(open_store(config)[1], name)
