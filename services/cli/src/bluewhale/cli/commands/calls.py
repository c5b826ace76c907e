"""`bluewhale calls | call | explain | report | completeness`: what was stored, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from bluewhale.cli.asking import ServerOption, stored
from bluewhale.cli.door import (
    ConfigOption,
    FormatOption,
    JsonOption,
    OutputOption,
    chosen,
    guarded,
)
from bluewhale.cli.exceptions import CheckFailedError, InputError, NotFoundError
from bluewhale.cli.output import Format, bar, duration, emit, instant, money, note, show_table
from bluewhale.cli.tariffing import CALL_TIMEOUT_S, tariffs_of
from bluewhale.cli.tariffing import ServerOption as BillingOption

if TYPE_CHECKING:
    from bluewhale.configuration import Settings
    from bluewhale.database import CallDetail, CallFilter, ReportBy, Store

HERE = Path()
PAGE_CALLS_MAX = 100_000
SHOWN_ID_LETTERS = 12  # two of a million calls of a day rarely share them; --json shows all
Since = Annotated[datetime | None, typer.Option("--from", help="Started at or after (UTC).")]
Until = Annotated[datetime | None, typer.Option("--until", help="Started before (UTC).")]
Number = Annotated[
    str | None, typer.Option(help="Calling, called or reached; signs and zeros do not matter.")
]
Department = Annotated[str | None, typer.Option(help="With all departments below it.")]
Cost = Annotated[str | None, typer.Option(help="Amount in the tariff's currency, e.g. 2.50.")]
CallName = Annotated[
    str,
    typer.Argument(help="Call id, as `bluewhale calls` shows it."),
]


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command("calls")(calls)
    app.command("call")(call)
    app.command("explain")(explain)
    app.command("report")(report)
    app.command("completeness")(completeness)


@guarded
def calls(
    config: ConfigOption = HERE,
    since: Since = None,
    until: Until = None,
    number: Number = None,
    person: str | None = None,
    department: Department = None,
    site: str | None = None,
    trunk: str | None = None,
    extension: str | None = None,
    direction: str | None = None,
    call_class: Annotated[str | None, typer.Option("--class")] = None,
    disposition: str | None = None,
    account_code: str | None = None,
    min_cost: Cost = None,
    max_cost: Cost = None,
    price_list: str | None = None,
    text: Annotated[
        str | None, typer.Option(help="Anywhere in numbers, names, codes, trunks.")
    ] = None,
    unrated: Annotated[
        bool, typer.Option("--unrated", help="Only calls with an unpriced charge.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=PAGE_CALLS_MAX)] = 50,
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """List calls, newest first."""
    with stored(config, server) as (settings, store):
        wanted = _filter(
            settings, since=since, until=until, number=number, person=person,
            department=department, site=site, trunk=trunk, extension=extension,
            direction=direction, call_class=call_class, disposition=disposition,
            account_code=account_code, min_cost=min_cost, max_cost=max_cost,
            price_list=price_list, text=text, unrated=unrated,
        )  # fmt: skip
        found = store.search(wanted, limit=limit)
    if chosen(form, json) is Format.TABLE and output is None:
        show_table([_row(c) for c in found.to_pylist()])
        if found.num_rows == limit:
            note(f"the newest {limit}; --limit shows more")
        return
    emit(found, form=chosen(form, json), to=output)


@guarded
def call(
    call_id: CallName,
    config: ConfigOption = HERE,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """Show one call: legs, why they are one call, charges, and the lines the PBX printed."""
    with stored(config, server) as (_, store):
        detail = store.call(call_id)
    if json:
        emit([_detail(detail)], form=Format.JSON)
        return
    head = detail.call.to_pylist()[0]
    show_table(
        [_row(head)],
        title=f"call, version {head['version']} of {detail.versions.num_rows}, {head['state']}",
    )
    legs = detail.legs.to_pylist()
    show_table([_leg_row(x, head["site_zone"]) for x in legs], title="legs")
    if head["joins"]:
        show_table(
            [
                {
                    "leg": j["leg"],
                    "with": j["other"],
                    "because": j["reason"],
                    "confidence": round(j["confidence"], 2),
                }
                for j in head["joins"]
            ],
            title="why they are one call",
        )
    show_table([_charge_row(x) for x in detail.charges.to_pylist()], title="ledger")
    print("what the PBX printed")
    shown = None
    for leg in legs:
        context = detail.contexts.get(leg["raw_context_id"] or -1)
        if context and context != shown:
            shown = context
            print(f"  context {context[:200].decode('utf-8', 'backslashreplace')}")
        print(f"  {leg['raw'].decode('utf-8', 'backslashreplace')}")


@guarded
def explain(call_id: CallName, config: ConfigOption = HERE, server: BillingOption = None) -> None:
    """Say in plain words how each price of a call came about."""
    from bluewhale.api.tariffs.v1 import tariffs_pb2 as api

    with tariffs_of(config, server) as tariffs:
        reply = tariffs.Explain(api.ExplainRequest(call=call_id), timeout=CALL_TIMEOUT_S)
    call = {
        name: getattr(reply, name) if reply.HasField(name) else None
        for name in (
            "site_zone", "calling", "called", "direction", "disposition", "talk_ms", "extension",
            "person_uid", "department_uid",
        )
    }  # fmt: skip
    call["class"] = reply.call_class
    call["started_at"] = datetime.fromtimestamp(reply.started_at_ms / 1000, UTC)
    _print_explained(
        call,
        [
            (e.price_list, e.payer if e.HasField("payer") else None, e.text)
            for e in reply.explanations
        ],
    )


def print_explanation(store: Store, call_id: bytes) -> None:
    """Print a call in one sentence and each of its live prices in plain words."""
    from bluewhale.jobs.explaining import explained

    call, found = explained(store, call_id)
    _print_explained(call, [(e.charge["price_list"], e.charge["payer"], e.text) for e in found])


def _print_explained(
    call: Mapping[str, Any], prices: Sequence[tuple[str, str | None, str]]
) -> None:
    print(_sentence(call))
    for price_list, payer, text in prices:
        print(f"\n{price_list} (paid by {payer or 'nobody in particular'})")
        print(text)


@guarded
def report(
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="department, site, person, extension, cost_center, account_code, destination, trunk, hour, day, month, class, direction, disposition.",
        ),
    ] = "department",
    config: ConfigOption = HERE,
    since: Since = None,
    until: Until = None,
    department: Department = None,
    site: str | None = None,
    price_list: Annotated[str | None, typer.Option(help="Only this price list.")] = None,
    limit: Annotated[int | None, typer.Option(min=1)] = None,
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Sum calls, talk time and cost per group."""
    from bluewhale.database import REPORT_KINDS

    if by not in REPORT_KINDS:
        raise InputError(f"--by {by}: one of {', '.join(REPORT_KINDS)}")
    with stored(config, server) as (settings, store):
        wanted = _filter(settings, since=since, until=until, department=department, site=site)
        found = store.report(cast("ReportBy", by), wanted, limit=limit)
    rows = [r for r in found if price_list is None or r["price_list"] == price_list]
    if chosen(form, json) is not Format.TABLE or output is not None:
        emit(rows, form=chosen(form, json), to=output)
        return
    largest = max((r["amount_nanos"] or 0 for r in rows), default=0) or max(
        (r["calls"] for r in rows), default=0
    )
    by_money = any(r["amount_nanos"] for r in rows)
    show_table(
        [
            {
                by: r["name"] or "(unknown)",
                "calls": r["calls"],
                "answered": r["answered"],
                "talk": duration(r["talk_ms"]),
                "price_list": r["price_list"] or "-",
                "amount": money(r["amount_nanos"], r["currency"]),
                "unrated": r["unrated"] or "",
                "": bar((r["amount_nanos"] or 0) if by_money else r["calls"], largest),
            }
            for r in rows
        ]
    )


@guarded
def completeness(
    config: ConfigOption = HERE,
    site: str | None = None,
    server: ServerOption = None,
    form: FormatOption = Format.TABLE,
    json: JsonOption = False,
    output: OutputOption = None,
) -> None:
    """Prove per site and day that what was heard is stored and priced; gaps are named.

    Exit code 1 where a sum does not balance or a gap is known.
    """
    with stored(config, server) as (_, store):
        found = store.completeness(site)
    emit(found.days, form=chosen(form, json), to=output)
    if found.gaps.num_rows:
        emit(
            found.gaps,
            form=chosen(form, json),
            to=None if output is None else output.with_suffix(".gaps" + output.suffix),
            title="gaps",
        )
    if not found.complete:
        raise CheckFailedError(
            "incomplete: a sum does not balance or a gap is known; see the table"
        )


def _filter(
    settings: Settings | None,
    *,
    department: str | None = None,
    min_cost: str | None = None,
    max_cost: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    unrated: bool = False,
    **same: Any,
) -> CallFilter:
    from bluewhale.database import CallFilter

    return CallFilter(
        from_at=since,
        until_at=until,
        departments=None if department is None else _with_below(settings, department),
        cost_min_nanos=_nanos("--min-cost", min_cost),
        cost_max_nanos=_nanos("--max-cost", max_cost),
        unrated_only=unrated,
        **same,
    )


def _with_below(settings: Settings | None, department: str) -> list[str]:
    from bluewhale.records.directory import DepartmentTree
    from bluewhale.records.directory_files import load_directory

    if settings is None:
        raise InputError("--department needs the directory: say --config, too")
    tree = DepartmentTree.of(load_directory(settings.directory).departments)
    if department not in tree.parents:
        known = ", ".join(sorted(tree.parents))
        raise NotFoundError(f"no department {department!r}; the directory has {known}")
    return sorted(tree.subtree(department))


def _nanos(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(Decimal(text).scaleb(9))
    except InvalidOperation:
        raise InputError(f"{option} {text}: expected an amount such as 2.50") from None


def _row(c: Mapping[str, Any]) -> dict[str, Any]:
    from bluewhale.records.ids import id_text

    return {
        "call": id_text(c["call_id"])[:SHOWN_ID_LETTERS],
        "started": instant(c["started_at"], c["site_zone"]),
        "direction": c["direction"],
        "calling": c["calling"],
        "called": c["called"],
        "class": c["class"],
        "how": c["disposition"],
        "talk": duration(c["talk_ms"]),
        "who": c["person_uid"] or c["extension"],
        "department": c["department_uid"],
        **{
            t["price_list"]: "unrated" if t["unrated"] else money(t["amount_nanos"], t["currency"])
            for t in c["totals"] or ()
        },
    }


def _leg_row(leg: Mapping[str, Any], zone: str | None) -> dict[str, Any]:
    return {
        "leg": leg["cdr_id"],
        "pbx": leg["pbx_uid"],
        "setup": instant(leg["setup_at"], zone),
        "answer": instant(leg["answer_at"], zone),
        "release": instant(leg["release_at"], zone),
        "calling": leg["calling_number"],
        "called": leg["called_number"],
        "duration": duration(leg["duration_ms"]),
        "role": leg["leg_role"],
        "trunk": leg["trunk_out"] or leg["trunk_in"],
        "how": leg["disposition"],
    }


def _charge_row(c: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "price_list": c["price_list"],
        "entry": c["entry"],
        "version": c["call_version"],
        "payer": c["payer"],
        "status": c["status"] + (f" ({c['reason']})" if c["reason"] else ""),
        "amount": money(c["amount_nanos"], c["currency"]),
        "tariff": f"{c['tariff_uid']}@{c['tariff_version']}" if c["tariff_uid"] else "-",
        "prefix": c["prefix"],
        "charged": duration(c["rated_quantity_ms"]),
    }


def _detail(detail: CallDetail) -> dict[str, Any]:
    return {
        "call": detail.call.to_pylist()[0],
        "versions": detail.versions.to_pylist(),
        "legs": detail.legs.to_pylist(),
        "charges": detail.charges.to_pylist(),
        "contexts": {str(k): v for k, v in detail.contexts.items()},
    }


def _sentence(c: Mapping[str, Any]) -> str:
    who = c["person_uid"] or c["extension"] or c["calling"] or "somebody"
    talk = (
        f"talked {duration(c['talk_ms'])}"
        if c["disposition"] == "answered"
        else str(c["disposition"]).replace("_", " ")
    )
    return (
        f"{instant(c['started_at'], c['site_zone'])}: {c['calling'] or 'an unknown number'} called "
        f"{c['called'] or 'an unknown number'} ({c['direction']}, {c['class']}), {talk}; {who}"
        + (f" of {c['department_uid']}" if c["department_uid"] else "")
    )
