"""`bluewhale tariff check|import|list|show|diff|preview|activate|try`: price lists as reviewed objects."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from bluewhale.cli.commands.jobs import (
    PeriodOption,
    SinceOption,
    UntilOption,
    ZoneOption,
    period_ms,
)
from bluewhale.cli.door import (
    ConfigOption,
    FormatOption,
    JsonOption,
    OutputOption,
    chosen,
    guarded,
)
from bluewhale.cli.exceptions import CheckFailedError, InputError, NotFoundError
from bluewhale.cli.output import Format, emit, instant, note
from bluewhale.cli.tariffing import CALL_TIMEOUT_S, ServerOption, tariffs_of

if TYPE_CHECKING:
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
    from bluewhale.rating.tariff import TariffVersion

branch = typer.Typer(
    help="Tariffs: check, import, compare, preview, activate, try.", rich_markup_mode=None
)
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
def check(
    files: Annotated[list[Path], typer.Argument(help="Tariff documents (YAML).")],
    config: ConfigOption = HERE,
    server: Annotated[
        str | None,
        typer.Option(help="host:port of billing: let it check too, and say what would change."),
    ] = None,
) -> None:
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
            continue
        if server is not None:
            failed += _check_there(file, config, server)
        print(f"{file}: good. {_headline(found.version)}")
    if failed:
        raise CheckFailedError("\n  ".join([f"{len(failed)} mistakes:", *failed]))


def _check_there(file: Path, config: Path, server: str) -> list[str]:
    """Let billing look at a tariff; prints what would change, gives mistakes."""
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api

    with tariffs_of(config, server) as tariffs:
        reply = tariffs.Validate(api.ValidateRequest(files=_files(file)), timeout=CALL_TIMEOUT_S)
    if reply.HasField("change"):
        c = reply.change
        print(
            f"{file}: against {c.against.tariff_uid}@{c.against.version}: {c.added:,} added,"
            f" {c.removed:,} removed, {c.dearer:,} dearer, {c.cheaper:,} cheaper,"
            f" {c.other_terms:,} with other terms, {c.same:,} the same"
        )
    return [m.text for m in reply.mistakes]


@branch.command("import")
@guarded
def import_tariff(
    file: Path,
    config: ConfigOption = HERE,
    server: ServerOption = None,
    activate: Annotated[bool, typer.Option("--activate", help="Switch to it at once.")] = False,
) -> None:
    """Validate a tariff and store it; a version never changes once stored."""
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
    from bluewhale.rating.tariff_files import load_tariff

    version = load_tariff(file)
    with tariffs_of(config, server) as tariffs:
        request = api.ActivateRequest(files=_files(file), keep_only=True, who=_who())
        stored = tariffs.Activate(request, timeout=CALL_TIMEOUT_S).version
        print(
            f"stored as {stored.tariff_uid}@{stored.version} ({stored.state}): {_headline(version)}"
        )
        if activate and stored.state != "active":
            _activate(tariffs, stored)


@branch.command("list")
@guarded
def list_tariffs(
    config: ConfigOption = HERE,
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
) -> None:
    """List stored versions with their state."""
    columns = (
        "tariff_uid",
        "version",
        "price_list",
        "currency",
        "state",
        "rates",
        "effective_from",
        "activated_at",
        "activated_by",
    )
    with tariffs_of(config, server) as tariffs:
        rows = [_row(version) for version in _versions(tariffs)]
    emit(rows, form=chosen(form, json), columns=columns)


@branch.command("show")
@guarded
def show(
    tariff: VersionName,
    config: ConfigOption = HERE,
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Show a version: its rules, and its rate rows."""
    version = _loaded(tariff, config, server)
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
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Compare two versions, by prefix: added, removed, dearer, cheaper."""
    from bluewhale.rating.diff import diff_versions

    found = diff_versions(
        _file_or_version(old, config, server), _file_or_version(new, config, server)
    )
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


@branch.command("preview")
@guarded
def preview(
    tariff: Annotated[str, typer.Argument(help="A file, TARIFF@VERSION or TARIFF.")],
    config: ConfigOption = HERE,
    period: PeriodOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    zone: ZoneOption = "UTC",
    biggest: Annotated[
        int, typer.Option(min=1, max=1_000, help="So many calls that differ most are listed.")
    ] = 20,
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Say what the stored calls of a period would have cost with a tariff; changes nothing."""
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api

    first_ms, until_ms = period_ms(period, since, until, zone)
    wanted: dict[str, Any] = {"from_ms": first_ms, "until_ms": until_ms, "differences": biggest}
    summary = api.Summary()
    with tariffs_of(config, server) as tariffs:
        if Path(tariff).exists():
            wanted["files"] = _files(Path(tariff))
        else:
            wanted["stored"] = _name(_found(tariffs, tariff))
        for reply in tariffs.Preview(api.PreviewRequest(**wanted)):
            if reply.HasField("summary"):
                summary = reply.summary
            else:
                note(f"{reply.progress.calls:,} calls looked at, {reply.progress.changed:,} differ")
    chosen_form = chosen(form, json)
    differences = [
        {
            "call": d.call_id, "started": instant(_moment(d.started_at_ms)), "called": d.called,
            "before": d.before, "after": d.after, "difference": d.difference,
            "currency": d.currency, "reason": d.reason,
        }
        for d in summary.differences
    ]  # fmt: skip
    if chosen_form is Format.TABLE and output is None:
        print(
            f"{summary.calls:,} calls on price list {summary.price_list}, {summary.changed:,} differ"
        )
        for s in summary.sums:
            if s.currency:
                print(f"  {s.currency} {s.before} -> {s.after} ({s.difference})")
            else:
                print(f"  without a price: {s.unrated_before:,} -> {s.unrated_after:,}")
    emit(differences, form=chosen_form, to=output)


@branch.command("activate")
@guarded
def activate(tariff: VersionName, config: ConfigOption = HERE, server: ServerOption = None) -> None:
    """Switch a price list to a version, an earlier one too; the one before is kept."""
    with tariffs_of(config, server) as tariffs:
        _activate(tariffs, _found(tariffs, tariff))


@branch.command("try")
@guarded
def try_number(
    number: Annotated[str, typer.Argument(help="International form: +49 30 23125 042.")],
    config: ConfigOption = HERE,
    server: ServerOption = None,
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
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api

    asked = api.TryRequest(
        number=number,
        at_ms=round((at or datetime.now(UTC)).replace(tzinfo=UTC).timestamp() * 1000),
        connected_ms=round(seconds * 1000),
        carrier=carrier,
        trunk_group=trunk_group,
        call_class=call_class,
        subscriber=subscriber,
    )
    if file:
        trials = _tried(file, asked)
    else:
        with tariffs_of(config, server) as tariffs:
            trials = list(tariffs.Try(asked, timeout=CALL_TIMEOUT_S).trials)
    if not trials:
        raise NotFoundError("no tariff is active; see: bluewhale tariff import --activate")
    if json:
        emit([_plain(t) for t in trials], form=Format.JSON)
        return
    for trial in trials:
        print(f"{trial.price_list}: {trial.amount} {trial.currency}".rstrip())
        print(trial.text + "\n")


def _tried(files: list[Path], asked: api.TryRequest) -> list[api.Trial]:
    """Price a number by files alone: nobody is asked."""
    from dataclasses import fields

    from bluewhale.billing import tariff_answers
    from bluewhale.rating.book import PriceBook
    from bluewhale.rating.preview import Selectors, try_number
    from bluewhale.rating.tariff_files import load_tariff

    given = _plain(asked)
    selectors = {f.name: given[f.name] for f in fields(Selectors) if f.name != "direction"}
    trials = try_number(
        PriceBook([load_tariff(f) for f in files]),
        asked.number,
        at=_moment(asked.at_ms),
        quantity_ms=asked.connected_ms,
        selectors=Selectors(**selectors),
    )
    return [tariff_answers.trial(t) for t in trials]


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a passwd entry
        return "unknown"


def _files(document: Path) -> api.Files:
    """Give a tariff's document and decks as a message."""
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
    from bluewhale.billing.uploads import packed
    from bluewhale.jobs.tariffs import read_sources

    return api.Files(files=packed(read_sources(document)))


def _activate(tariffs: Any, version: api.Version) -> None:
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api

    reply = tariffs.Activate(
        api.ActivateRequest(stored=_name(version), who=_who()), timeout=CALL_TIMEOUT_S
    )
    print(f"{version.tariff_uid} version {version.version} is active")
    if reply.others_look_every_ms:
        note(f"what runs already prices by it within {reply.others_look_every_ms / 1000:g} s")


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _headline(version: TariffVersion) -> str:
    until = f" until {version.effective_until:%Y-%m-%d}" if version.effective_until else ""
    return (
        f"{version.tariff_uid} version {version.version} ({version.name or version.price_list}): price list "
        f"{version.price_list}, {version.currency}, {version.deck.num_rows:,} rates, from "
        f"{version.effective_from:%Y-%m-%d}{until}, zone {version.zone}"
    )


def _versions(tariffs: Any) -> Iterator[api.Version]:
    """Give every stored version."""
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api

    place = ""
    while True:
        page = tariffs.List(api.ListRequest(page_token=place), timeout=CALL_TIMEOUT_S)
        yield from page.versions
        place = page.next_page_token
        if not place:
            return


def _found(tariffs: Any, name: str) -> api.Version:
    """Give the stored version that a person names."""
    uid, _, number = name.partition("@")
    if number and not number.isdigit():
        raise InputError(f"{name!r}: write TARIFF@VERSION with a whole number, e.g. carrier-2026@2")
    known = [v for v in _versions(tariffs) if v.tariff_uid == uid]
    wanted = [v for v in known if not number or v.version == int(number)]
    if not wanted:
        raise NotFoundError(f"no tariff {name}; see: bluewhale tariff list")
    return wanted[-1]


def _name(version: api.Version) -> api.VersionName:
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api

    return api.VersionName(tariff_uid=version.tariff_uid, version=version.version)


def _loaded(name: str, config: Path, server: str | None) -> TariffVersion:
    """Load a stored version from the files that billing gives."""
    from dataclasses import replace

    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api
    from bluewhale.billing.uploads import received
    from bluewhale.jobs.tariffs import laid_out
    from bluewhale.rating.tariff_files import load_tariff

    with tariffs_of(config, server) as tariffs:
        wanted = _found(tariffs, name)
        request = api.ListRequest(
            tariff_uid=wanted.tariff_uid, version=wanted.version, with_files=True
        )
        (one,) = tariffs.List(request, timeout=CALL_TIMEOUT_S).versions
    with laid_out(received(api.Files(files=one.files))) as document:
        return replace(load_tariff(document), version=one.version)


def _file_or_version(name: str, config: Path, server: str | None) -> TariffVersion:
    from bluewhale.rating.tariff_files import load_tariff

    if Path(name).exists():
        return load_tariff(Path(name))
    return _loaded(name, config, server)


def _plain(message: Any) -> dict[str, Any]:
    """Give the fields of a message by name, those within it too; null where one is absent."""
    return {
        f.name: _value(getattr(message, f.name))
        if not f.has_presence or message.HasField(f.name)
        else None
        for f in message.DESCRIPTOR.fields
    }


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_value(one) for one in value]
    return _plain(value) if hasattr(value, "DESCRIPTOR") else value


def _row(version: api.Version) -> dict[str, Any]:
    row = _plain(version)
    del row["files"]
    for name in ("effective_from", "effective_until", "activated_at"):
        row[name] = None if row[f"{name}_ms"] is None else _moment(row[f"{name}_ms"])
    return row
