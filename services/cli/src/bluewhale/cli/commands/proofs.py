"""`bluewhale vectors | receipts verify`: prices that anybody can compute again."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from bluewhale.cli.door import ConfigOption, JsonOption, guarded, open_store
from bluewhale.cli.exceptions import CheckFailedError, InputError
from bluewhale.cli.output import Format, emit, note

receipts = typer.Typer(help="Receipts: compute stored prices again.", rich_markup_mode=None)
HERE = Path()


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command("vectors")(vectors)
    app.add_typer(receipts, name="receipts")


@guarded
def vectors(
    files: Annotated[list[Path], typer.Argument(help="Vector files (schema rating-vectors/1).")],
    json: JsonOption = False,
) -> None:
    """Price published cases through both engines; the last line counts passed, failed, skipped."""
    from bluewhale.rating.vectors import run_file

    reports = []
    for file in files:
        try:
            reports.append(run_file(file))
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})") from error
        except ValueError as error:  # not JSON, or not of the schema
            raise InputError(f"{file}: {error}") from error
    failed = sum(r.failed for r in reports)
    for report in reports:
        if json:
            emit([asdict(r) for r in report.results], form=Format.JSON)
        else:
            print("\n".join(report.lines()[:-1]))
    passed = sum(r.passed for r in reports)
    skipped = sum(r.skipped for r in reports)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed:
        raise typer.Exit(1)


@receipts.callback()
def receipts_branch() -> None:
    """Receipts: compute stored prices again."""


@receipts.command("verify")
@guarded
def verify(
    config: ConfigOption = HERE,
    since: Annotated[
        datetime | None, typer.Option(help="Calls started from here on (UTC).")
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="Calls started before (UTC).")] = None,
    json: JsonOption = False,
) -> None:
    """Compute every charge of a range again from stored legs and tariffs, bit for bit."""
    from bluewhale.cli.verification import verify_receipts

    settings, store = open_store(config)
    found = verify_receipts(store, settings.payer_policy, since, until)
    if json:
        emit(found.mismatches, form=Format.JSON)
    elif found.mismatches.num_rows:
        emit(found.mismatches, form=Format.TABLE)
    text = f"{found.verified:,} charges computed again by both engines, {found.mismatches.num_rows:,} fields differ"
    if found.without_input:
        text += f", {found.without_input:,} without stored input"
    if found.mismatches.num_rows or found.without_input:
        raise CheckFailedError(text)
    if json:
        note(text)
    else:
        print(text)
