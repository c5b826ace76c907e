"""`bluewhale unit`: tokens, certificates and configuration of Remote Units, told to ingest.

Owns the words of these commands. Who may do what is ingest's decision. The
`authority` commands work on the CA's folder itself and need no ingest.
"""

from __future__ import annotations

import json as json_
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from bluewhale.cli.door import (
    ConfigOption,
    FormatOption,
    JsonOption,
    OutputOption,
    chosen,
    guarded,
)
from bluewhale.cli.exceptions import InputError
from bluewhale.cli.output import Format, emit, instant, note
from bluewhale.cli.steering import (
    CALL_TIMEOUT_S,
    TRUST_FILE,
    IdentityOption,
    ServerOption,
    ingest_stub,
)

if TYPE_CHECKING:
    from bluewhale.api.units.v1 import units_pb2 as pb
    from bluewhale.ingest.authority import Pair

branch = typer.Typer(
    help="Remote Units: token, list, show, diagnose, configure, revoke; the authority.",
    rich_markup_mode=None,
)
authority = typer.Typer(
    help="The certificate authority of the units: made once, kept by ingest alone.",
    rich_markup_mode=None,
)
branch.add_typer(authority, name="authority")

HERE = Path()

UnitUid = Annotated[str, typer.Argument(help="Name of the unit in the configuration.")]
FolderOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the CA; default: cluster.ingest.authority of the configuration."),
]


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(branch, name="unit")


@branch.command("token")
@guarded
def token(
    unit_uid: UnitUid,
    config: ConfigOption = HERE,
    server: ServerOption = None,
    identity: IdentityOption = None,
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="How long it may be used.")] = 60,
    approve_expired: Annotated[
        bool,
        typer.Option(
            "--approve-expired",
            help="No token: let the unit renew its expired certificate with its known key, once.",
        ),
    ] = False,
) -> None:
    """Print a one-time token with which a unit enrols; it is shown this once."""
    from bluewhale.api.units.v1 import units_pb2 as pb

    with ingest_stub("units", config, server, identity) as stub:
        minted = stub.MintToken(
            pb.MintTokenRequest(
                unit_uid=unit_uid, lifetime_ms=minutes * 60_000, approve_expired=approve_expired
            ),
            timeout=CALL_TIMEOUT_S,
        )
    until = instant(_moment(minted.expires_at_ms))
    if approve_expired:
        note(f"Unit {unit_uid} may renew its expired certificate once, until {until}")
        return
    print(minted.token)
    note(f"For unit {unit_uid}, for one use until {until}")


@branch.command("list")
@guarded
def list_units(
    config: ConfigOption = HERE,
    server: ServerOption = None,
    identity: IdentityOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """List the units of the configuration and those that enrolled before."""
    from bluewhale.api.units.v1 import units_pb2 as pb

    found: list[pb.Unit] = []
    with ingest_stub("units", config, server, identity) as stub:
        page = ""
        while True:
            reply = stub.List(pb.ListRequest(page_token=page), timeout=CALL_TIMEOUT_S)
            found.extend(reply.units)
            page = reply.next_page_token
            if not page:
                break
    emit([_row(unit) for unit in found], form=chosen(form, json), to=output)


@branch.command("show")
@guarded
def show(
    unit_uid: UnitUid,
    config: ConfigOption = HERE,
    server: ServerOption = None,
    identity: IdentityOption = None,
    json: JsonOption = False,
) -> None:
    """Show one unit: links, running copies, certificates, conditions."""
    from bluewhale.api.units.v1 import units_pb2 as pb
    from google.protobuf.json_format import MessageToDict

    with ingest_stub("units", config, server, identity) as stub:
        unit = stub.Get(pb.GetRequest(unit_uid=unit_uid), timeout=CALL_TIMEOUT_S)
    if json:
        print(
            json_.dumps(
                MessageToDict(
                    unit,
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                )
            )
        )
        return
    print(f"{unit.unit_uid}: {unit.state}" + (f", site {unit.site_uid}" if unit.site_uid else ""))
    for link in unit.links:
        print(f"  link {link.link_uid}: {link.state or 'not reported'} (stream {link.stream_id})")
    for copy in unit.instances:
        print(
            f"  running at {copy.peer}, release {copy.release}, protocol {copy.protocol}, since"
            f" {instant(_moment(copy.connected_at_ms))}, clock {copy.clock_skew_ms:+} ms,"
            f" journal {copy.journal_usage_ratio:.0%}"
            + (f", {copy.backlog_records} records not stored" * copy.HasField("backlog_records"))
        )
    for one in unit.certificates:
        ended = f", revoked {instant(_moment(one.revoked_at_ms))}" if one.revoked_at_ms else ""
        print(f"  certificate {one.serial} until {instant(_moment(one.not_after_ms))}{ended}")
    document = unit.configuration
    print(
        f"  configuration version {document.desired_version}, overrides {document.overrides_json}"
    )
    _print_conditions(unit.conditions)


@branch.command("diagnose")
@guarded
def diagnose(
    unit_uid: UnitUid,
    config: ConfigOption = HERE,
    server: ServerOption = None,
    identity: IdentityOption = None,
) -> None:
    """Say what is wrong with a unit and what to do; exit code 1 if anything is."""
    from bluewhale.api.units.v1 import units_pb2 as pb
    from bluewhale.cli.exceptions import CheckFailedError

    with ingest_stub("units", config, server, identity) as stub:
        reply = stub.Diagnose(pb.DiagnoseRequest(unit_uid=unit_uid), timeout=CALL_TIMEOUT_S)
    _print_conditions(reply.conditions)
    wrong = sum(not condition.good for condition in reply.conditions)
    if wrong:
        raise CheckFailedError(f"unit {unit_uid}: {wrong} of {len(reply.conditions)} not well")


@branch.command("check")
@guarded
def check(
    settings: Annotated[Path, typer.Argument(help="unit.yaml, on the machine of the unit.")],
) -> None:
    """Shake hands with the centre as this machine's unit does; say what TLS refuses and the remedy."""
    from bluewhale.cli.exceptions import CheckFailedError
    from bluewhale.remoteunit.handshake import examine
    from bluewhale.remoteunit.settings import load_settings
    from bluewhale.remoteunit.slots import Slots

    unit = load_settings(settings)
    if unit.insecure:
        raise InputError(f"{settings}: insecure: there is no TLS to check")
    slots = Slots(unit.data / "slots")
    slot = slots.candidate() or slots.valid()
    if slot is None:
        raise CheckFailedError(
            f"unit {unit.unit_uid} has no certificate yet; on the centre: bluewhale unit token"
            f" {unit.unit_uid}; put the token into token_file"
        )
    problem = examine(unit.unit_uid, unit.centre, slot.folder, datetime.now(UTC))
    if problem:
        raise CheckFailedError(problem)
    note(f"{unit.centre} and unit {unit.unit_uid} take each other's certificates")


@branch.command("configure")
@guarded
def configure(
    unit_uid: UnitUid,
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="key=value: trace, log_level, journal_quota_mib, paused_links (comma-separated)."
        ),
    ] = None,
    config: ConfigOption = HERE,
    server: ServerOption = None,
    identity: IdentityOption = None,
    clear: Annotated[bool, typer.Option("--clear", help="Only the files count again.")] = False,
) -> None:
    """Override the configuration files for one unit; replaces the overrides before."""
    from bluewhale.api.units.v1 import units_pb2 as pb

    if clear == bool(settings):
        raise InputError("give key=value at least once, or --clear alone")
    wanted = dict(_setting(text) for text in settings or [])
    with ingest_stub("units", config, server, identity) as stub:
        done = stub.Configure(
            pb.ConfigureRequest(unit_uid=unit_uid, overrides_json=json_.dumps(wanted)),
            timeout=CALL_TIMEOUT_S,
        )
    note(f"Unit {unit_uid} gets version {done.desired_version} of its configuration")


@branch.command("revoke")
@guarded
def revoke(
    unit_uid: UnitUid,
    why: Annotated[str, typer.Option("--why", help="Shown with the unit, kept in the audit.")],
    config: ConfigOption = HERE,
    server: ServerOption = None,
    identity: IdentityOption = None,
) -> None:
    """End every certificate of a unit within a minute; its records stay in its journal."""
    from bluewhale.api.units.v1 import units_pb2 as pb

    with ingest_stub("units", config, server, identity) as stub:
        done = stub.Revoke(pb.RevokeRequest(unit_uid=unit_uid, reason=why), timeout=CALL_TIMEOUT_S)
    note(f"Unit {unit_uid} is revoked, {done.certificates} certificates ended")


@authority.command("init")
@guarded
def init(config: ConfigOption = HERE, folder: FolderOption = None) -> None:
    """Make the certificate authority of this installation; never overwrites one."""
    from bluewhale.ingest.authority import Authority

    made = Authority.create(_folder(config, folder), now=datetime.now(UTC))
    note(f"Certificate authority made in {made.folder}; keep a copy of it where nobody looks")


@authority.command("rotate")
@guarded
def rotate(config: ConfigOption = HERE, folder: FolderOption = None) -> None:
    """Add a new CA beside the old one; units learn of it as they renew."""
    from bluewhale.ingest.authority import Authority

    Authority.open(_folder(config, folder)).rotate(now=datetime.now(UTC))
    note("New CA added; retire the old one when every unit has renewed (30 days)")


@authority.command("retire")
@guarded
def retire(config: ConfigOption = HERE, folder: FolderOption = None) -> None:
    """Remove the oldest CA: what it alone signed is not trusted any more."""
    from bluewhale.ingest.authority import Authority

    Authority.open(_folder(config, folder)).retire()
    note("Oldest CA removed; units that did not renew since the rotation need a new token")


@authority.command("operator")
@guarded
def operator(
    name: Annotated[str, typer.Argument(help="Who it is for; stands in the audit.")],
    to: Annotated[Path, typer.Option("--to", help="New folder for key, certificate and CA.")],
    config: ConfigOption = HERE,
    folder: FolderOption = None,
    days: Annotated[int, typer.Option(min=1, max=365)] = 30,
) -> None:
    """Make a certificate with which a person steers units from another machine."""
    from bluewhale.ingest.authority import Authority

    opened = Authority.open(_folder(config, folder))
    pair = opened.make_operator(name, now=datetime.now(UTC), days=days)
    _write(to, "operator", pair, opened.bundle_pem)
    note(f"For {name}, {days} days: bluewhale unit list --identity {to} --server HOST:PORT")


@authority.command("role")
@guarded
def role(
    name: Annotated[str, typer.Argument(help="ingest, parser, billing, storage.")],
    to: Annotated[Path, typer.Option("--to", help="New folder for key, certificate and CA.")],
    config: ConfigOption = HERE,
    folder: FolderOption = None,
    address: Annotated[
        list[str] | None,
        typer.Option("--address", help="Name or address by which others reach it; repeatable."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650)] = 365,
) -> None:
    """Make a certificate for a role, where roles encrypt what they tell each other."""
    from bluewhale.ingest.authority import Authority

    opened = Authority.open(_folder(config, folder))
    names = tuple(address or ["localhost", "127.0.0.1"])
    pair = opened.make_role(name, names, now=datetime.now(UTC), days=days)
    _write(to, "role", pair, opened.bundle_pem)
    note(f"For role {name}, {days} days: name the three files of {to} in the layer `encryption`")


def _write(to: Path, stem: str, pair: Pair, bundle_pem: bytes) -> None:
    from bluewhale.ingest.authority import write_private

    try:
        to.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(to / f"{stem}.key", pair.key_pem)
        (to / f"{stem}.pem").write_bytes(pair.chain_pem)
        (to / TRUST_FILE).write_bytes(bundle_pem)
    except OSError as error:
        raise InputError(
            f"{to} cannot be written: {error.strerror}; choose a new folder"
        ) from error


def _folder(config: Path, folder: Path | None) -> Path:
    if folder is not None:
        return folder
    from bluewhale.configuration import read_settings

    cluster = read_settings(config).cluster
    if cluster is None:
        raise InputError(f"{config}: has no section `cluster`; say --folder, or add the section")
    return cluster.ingest.authority


def _setting(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"{text!r} is not key=value")
    if key == "paused_links":
        return key, [uid for uid in value.split(",") if uid]
    if key == "log_level":
        return key, value
    try:
        return key, json_.loads(value)
    except ValueError:
        return key, value


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _row(unit: pb.Unit) -> dict[str, Any]:
    valid = [c.not_after_ms for c in unit.certificates if not c.revoked_at_ms]
    wrong = [c.name for c in unit.conditions if not c.good]
    return {
        "unit_uid": unit.unit_uid,
        "state": unit.state,
        "site_uid": unit.site_uid,
        "links": len(unit.links),
        "running": len(unit.instances),
        "release": unit.instances[0].release if unit.instances else "",
        "certificate_until": _moment(max(valid)) if valid else None,
        "configuration": unit.configuration.desired_version,
        "not_well": ", ".join(dict.fromkeys(wrong)),
    }


def _print_conditions(conditions: Any) -> None:
    for condition in conditions:
        sign = "ok " if condition.good else "BAD"
        print(
            f"  {sign} {condition.name}" + (f": {condition.message}" if condition.message else "")
        )
