"""Figures: sums of a scope, the dashboard, completeness, and what filters can be set to."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from bluewhale.database import REPORT_KINDS, ReportBy
from bluewhale.records.enums import CallClass, Direction, Disposition
from bluewhale.webapi import access, shapes
from bluewhale.webapi import shapes_figures as figures
from bluewhale.webapi.access import Reader
from bluewhale.webapi.dashboard import Figures
from bluewhale.webapi.filters import PERIODS
from bluewhale.webapi.routes.calls import grammar_of
from bluewhale.webapi.routes.needing import Asks, Has, Parts, answer, needs, said, saying_to
from bluewhale.webapi.scoping import scoped
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

router = APIRouter(tags=["figures"])


@router.post(
    "/calls/aggregate", response_model=figures.Aggregate, **needs("calls.see", shared=True)
)
async def aggregate(
    request: Request, body: shapes.FilterBody, reader: Asks, parts: Has
) -> Response:
    """Count the calls of a scope exactly, with minutes and money per price list and currency."""

    def made() -> str:
        asked = scoped(body.filter, reader, parts.directories.names())
        return said(_figures(reader, parts).aggregate(asked))

    return await parts.shared.give(request, reader, body.filter, made)


@router.get("/summary", response_model=figures.Summary, **needs("calls.see", shared=True))
async def summary(request: Request, reader: Asks, parts: Has) -> Response:
    """Give the dashboard; the address holds the filter grammar, by default today."""
    text = grammar_of(request, ())

    def made() -> str:
        now = datetime.now(UTC)
        names = parts.directories.names()
        asked = scoped(text, reader, names, default="period=today", now=now)
        return said(_figures(reader, parts).summary(asked, now))

    return await parts.shared.give(request, reader, text, made)


@router.get("/reports", response_model=figures.ReportKinds, **needs("reports.see"))
def reports(_reader: Asks) -> Response:
    """List the ways of grouping calls."""
    return answer(figures.ReportKinds(items=[figures.ReportKind(by=by) for by in REPORT_KINDS]))


@router.post("/reports/{by}", response_model=figures.Report, **needs("reports.see", shared=True))
async def report(
    request: Request, by: ReportBy, body: shapes.FilterBody, reader: Asks, parts: Has
) -> Response:
    """Sum calls, minutes and money per group, price list and currency."""

    def made() -> str:
        asked = scoped(body.filter, reader, parts.directories.names())
        return said(_figures(reader, parts).report(by, asked))

    return await parts.shared.give(request, reader, (by, body.filter), made)


@router.get(
    "/completeness", response_model=figures.Completeness, **needs("completeness.see", shared=True)
)
async def completeness(
    request: Request,
    reader: Asks,
    parts: Has,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    site: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Say per site and UTC day of receipt whether everything heard is stored and priced."""
    sites = access.sites_of(reader, site)
    return await parts.shared.give(
        request, reader, (sites, first, last),
        lambda: said(_figures(reader, parts).completeness(sites, first, last)),
    )  # fmt: skip


@router.get("/choices", response_model=figures.Choices, **needs("calls.see"))
def choices(reader: Asks, parts: Has) -> Response:
    """Say what filters can be set to, within the branch of the reader."""
    names, branch = parts.directories.names(), reader.branch
    lists = {(t.price_list, t.currency) for t in parts.configuration().tariffs}
    return answer(
        figures.Choices(
            sites=[
                figures.SiteChoice(uid=uid, name=s.name, zone=s.zone)
                for uid, s in sorted(names.sites.items())
                if branch.sites is None or uid in branch.sites
            ],
            departments=[
                figures.DepartmentChoice(uid=uid, name=d.name, parent_uid=d.parent_uid or None)
                for uid, d in sorted(names.departments.items())
                if branch.departments is None or uid in branch.departments
            ],
            price_lists=[
                figures.PriceListChoice(name=name, currency=currency)
                for name, currency in sorted(lists)
            ],
            directions=[str(x) for x in Direction],
            classes=[str(x) for x in CallClass],
            dispositions=[str(x) for x in Disposition],
            periods=list(PERIODS),
        )
    )


def _figures(reader: Reader, parts: Parts) -> Figures:
    return Figures(parts.questions, reader, parts.directories.names(), saying_to(reader, parts))
