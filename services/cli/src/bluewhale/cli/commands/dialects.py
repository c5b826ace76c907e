"""`bluewhale dialect list|show|try`: what formats are known, and what a line becomes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from bluewhale.cli.door import FormatOption, JsonOption, chosen, guarded
from bluewhale.cli.exceptions import InputError, NotFoundError
from bluewhale.cli.output import Format, emit

if TYPE_CHECKING:
    from bluewhale.dialects.engine.dialect import Dialect

branch = typer.Typer(help="PBX formats: list them, show one, try lines.", rich_markup_mode=None)
OptionPairs = Annotated[
    list[str] | None,
    typer.Option("--option", help="A dialect option as name=value; may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Hang this branch into the tree."""
    app.add_typer(branch, name="dialect")


@branch.command("list")
@guarded
def list_dialects(form: FormatOption = Format.TABLE, json: JsonOption = False) -> None:
    """List the dialects."""
    from bluewhale.dialects import DIALECTS, get_dialect

    rows = [
        {"dialect": d.dialect_id, "version": d.version, "title": d.title}
        for d in (get_dialect(name) for name in DIALECTS)
    ]
    emit(rows, form=chosen(form, json))


@branch.command("show")
@guarded
def show(dialect: str, form: FormatOption = Format.TABLE, json: JsonOption = False) -> None:
    """Show a dialect: its options, framing and README."""
    found = _dialect(dialect)
    table = found.framing({})
    rows = [
        {
            "option": o.name,
            "kind": o.kind,
            "default": o.default,
            "choices": ", ".join(o.choices),
            "meaning": o.meaning,
        }
        for o in found.options
    ]
    if chosen(form, json) is not Format.TABLE:
        emit(rows, form=chosen(form, json))
        return
    print(f"{found.dialect_id}: {found.title} (version {found.version})")
    print(
        f"records end with {table.separator!r}; context: {', '.join(c.name for c in table.context) or 'none'}"
    )
    emit(rows, form=Format.TABLE)
    print((found.room / "README.md").read_text("utf-8"))


@branch.command("try")
@guarded
def try_lines(
    dialect: str,
    file: Annotated[Path, typer.Argument(help="File with lines; - reads standard input.")] = Path(
        "-"
    ),
    option: OptionPairs = None,
    zone: Annotated[str, typer.Option(help="Clock zone of the PBX.")] = "UTC",
    country: Annotated[str, typer.Option(help="Country of the PBX, two letters.")] = "US",
    json: JsonOption = False,
) -> None:
    """Say what each line becomes; a rejected line is named with position and reason."""
    found = _dialect(dialect)
    options = _options(found, option or [])
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    if not data:
        raise InputError(
            f"{file}: there is nothing to try; give lines in a file or on standard input"
        )
    _check_place(zone, country)
    rows = _tried(found, options, data, zone, country)
    if json:
        emit(rows, form=Format.JSON)
        return
    for row in rows:
        print(
            f"line {row['line']}: {row['status']}"
            + (f" ({row['reason']})" if row["reason"] else "")
        )
        if row["note"]:
            print(f"  {row['note']}")
        for name, field in row["fields"].items():
            note = f"  ({field['note']})" if field.get("note") else ""
            print(
                f"  {field['position']:>14}  {name:<28} {field['text']!r:<24} {field['value']}{note}"
            )


def _dialect(name: str) -> Dialect:
    from bluewhale.dialects import DIALECTS, get_dialect

    if name not in DIALECTS:
        raise NotFoundError(f"no dialect {name!r}; known: {', '.join(sorted(DIALECTS))}")
    return get_dialect(name)


def _check_place(zone: str, country: str) -> None:
    from zoneinfo import available_timezones

    from phonenumbers import SUPPORTED_REGIONS

    if zone not in available_timezones():
        raise InputError(f"--zone {zone}: no such clock zone; write it as Europe/Berlin")
    if country.upper() not in SUPPORTED_REGIONS:
        raise InputError(f"--country {country}: no such country; write two letters, as DE")


def _options(dialect: Dialect, pairs: list[str]) -> dict[str, Any]:
    import yaml

    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--option {pair}: expected name=value")
        options[name] = yaml.safe_load(value)
    wrong = dialect.mistakes(options)
    if wrong:
        raise InputError("\n  ".join([f"{dialect.dialect_id} refuses the options:", *wrong]))
    return options


def _tried(
    dialect: Dialect, options: dict[str, Any], data: bytes, zone: str, country: str
) -> list[dict[str, Any]]:
    """Frame as the edge does, then take each record apart."""
    import time

    from bluewhale.cli.output import plain
    from bluewhale.dialects.engine.trying import tried
    from bluewhale.records.directory import Site

    site = Site("tried", "tried", zone, country)
    found = tried(dialect, options, site, data, now_ms=int(time.time() * 1000))
    return [
        {
            "line": number,
            "status": "rejected" if one.reject else "accepted",
            "fields": {
                f.name: {
                    "position": f.position,
                    "text": f.text,
                    "value": plain(f.value),
                    "meaning": f.meaning,
                    "note": f.note,
                }
                for f in one.fields
            },
            "record": {k: plain(v) for k, v in one.leg.items() if v is not None},
            "note": one.note,
            "reason": f"{one.reject.reason}: {one.reject.detail}" if one.reject else "",
            "raw": one.record.decode("utf-8", "backslashreplace"),
        }
        for number, one in enumerate(found, 1)
    ]
