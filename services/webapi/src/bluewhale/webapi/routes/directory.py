"""The directory in force: the tree, people and extensions of a day. Its files are the owners."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

from bluewhale.webapi import access
from bluewhale.webapi import shapes_directory as shapes
from bluewhale.webapi.access import Reader
from bluewhale.webapi.directory_tables import DirectoryTables, Row
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.names import Names
from bluewhale.webapi.routes.needing import Asks, Has, Parts, answer, needs
from bluewhale.webapi.saying import instant
from bluewhale.webapi.shapes import Name
from fastapi import APIRouter, Query
from starlette.responses import Response

router = APIRouter(tags=["directory"])
At = Annotated[date | None, Query(description="as of this day; none = now")]
EVERY = 10_000_000  # people of a branch are found through all its extensions


@router.get("/directory", response_model=shapes.Directory, **needs("directory.see"))
def directory(reader: Asks, parts: Has, at: At = None) -> Response:
    """Give the tree of departments on a day, with how many people are in each."""
    seen = _seen(reader, parts, at)
    by, people, extensions = seen.tables.counts(seen.moment)
    departments, sites = reader.branch.departments, reader.branch.sites
    if departments is not None or sites is not None:
        rows = seen.tables.people(
            seen.moment, departments=departments, uids=seen.people_of_sites(), limit=EVERY
        )
        by = {}
        for row in rows:
            by[row["department_uid"]] = by.get(row["department_uid"], 0) + 1
        people, extensions = len(rows), len(seen.extensions(None, None, "", EVERY))
    shown = [
        d
        for d in seen.names.departments.values()
        if departments is None or d.department_uid in departments
    ]
    uids = {d.department_uid for d in shown}
    return answer(
        shapes.Directory(
            as_of=seen.day,
            version=seen.names.version,
            departments=[
                shapes.DirectoryDepartment(
                    uid=d.department_uid,
                    name=d.name,
                    parent_uid=d.parent_uid if d.parent_uid in uids else None,
                    cost_center=seen.names.cost_center(d.cost_center_uid),
                    people=by.get(d.department_uid, 0),
                )
                for d in shown
            ],
            people=people,
            extensions=extensions,
            files=[path.name for path in parts.configuration().settings.directory],
        )
    )


@router.post("/directory/search", response_model=shapes.DirectoryFound, **needs("directory.see"))
def search_directory(body: shapes.DirectorySearchBody, reader: Asks, parts: Has) -> Response:
    """Find people and extensions of a day; names travel in the body, so that no log has them."""
    seen = _seen(reader, parts, _day(body.at))
    departments = _departments(reader, seen.names, body.department)
    text = body.text.strip()
    sites = access.sites_of(reader, body.site)
    within = None if sites is None else seen.people_of_sites(sites)
    people = seen.tables.people(
        seen.moment, departments=departments, uids=within, text=text, limit=body.limit + 1
    )
    extensions = seen.extensions(departments, body.site, text, body.limit + 1)
    return answer(
        shapes.DirectoryFound(
            people=seen.said_people(people[: body.limit]),
            people_whole=len(people) <= body.limit,
            extensions=seen.said_extensions(extensions[: body.limit]),
            extensions_whole=len(extensions) <= body.limit,
        )
    )


@router.get("/directory/history", response_model=shapes.DirectoryHistory, **needs("directory.see"))
def history(
    reader: Asks,
    parts: Has,
    site: Annotated[str, Query(max_length=64)],
    extension: Annotated[str, Query(max_length=64)],
) -> Response:
    """Say whose an extension was, the earliest first."""
    seen = _seen(reader, parts, None)
    access.sites_of(reader, site)
    rows = seen.tables.history(site, extension)
    departments = reader.branch.departments
    if departments is not None:
        rows = [r for r in rows if r["department_uid"] in departments or seen.is_of(r, departments)]
    place = seen.names.site(site)
    if not rows or place is None:
        raise RefusedError("not_found", f"the directory has no extension {extension} of {site}")
    named = seen.names.persons(r["person_uid"] for r in rows)
    return answer(
        shapes.DirectoryHistory(
            site=place,
            extension=extension,
            zone=seen.names.zone_of_site(site),
            items=[
                shapes.DirectoryMoment(
                    person=_person(r["person_uid"], named),
                    department=seen.names.department(r["department_uid"] or None),
                    since=_instant(r["active_from"]),
                    until=_instant(r["active_until"]),
                )
                for r in rows
            ],
        )
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """The directory of a moment as one reader may see it."""

    reader: Reader
    names: Names
    tables: DirectoryTables
    day: str
    moment: datetime

    def people_of_sites(self, sites: Collection[str] | None = None) -> set[str] | None:
        """Give who has an extension at the sites of the branch; None = the branch has all."""
        wanted = sites if sites is not None else self.reader.branch.sites
        if wanted is None:
            return None
        rows = self.tables.extensions(self.moment, departments=None, sites=wanted, limit=EVERY)
        return {r["person_uid"] for r in rows if r["person_uid"]}

    def extensions(
        self, departments: Collection[str] | None, site: str | None, text: str, limit: int
    ) -> list[Row]:
        """Give extensions of the branch: their own department counts, else that of their person."""
        sites = access.sites_of(self.reader, site)
        within = departments if departments is not None else self.reader.branch.departments
        moment = self.moment
        if within is None:
            by_number = self.tables.extensions(
                moment, departments=None, sites=sites, text=text, limit=limit
            )
            if not text:
                return by_number
            named = {r["person_uid"] for r in self._people(None, text)}
            by_name = self.tables.extensions(
                moment, departments=None, sites=sites, people=named, limit=limit
            )
            return _merged(by_number, by_name)[:limit]
        own = self.tables.extensions(
            moment, departments=within, sites=sites, text=text, limit=limit
        )
        mine = {r["person_uid"] for r in self._people(within, text)}
        theirs = self.tables.extensions(
            moment, departments=None, sites=sites, people=mine, limit=limit
        )
        theirs = [r for r in theirs if not r["department_uid"] or r["department_uid"] in within]
        return _merged(own, theirs)[:limit]

    def _people(self, departments: Collection[str] | None, text: str) -> list[Row]:
        return self.tables.people(self.moment, departments=departments, text=text, limit=EVERY)

    def is_of(self, row: Row, departments: Collection[str]) -> bool:
        """Say whether an entry's person is in these departments now."""
        rows = self.tables.people(
            self.moment, departments=departments, uids=[row["person_uid"]], limit=1
        )
        return bool(rows)

    def said_people(self, rows: Sequence[Row]) -> list[shapes.DirectoryPerson]:
        """Say people with their extensions."""
        theirs: dict[str, list[shapes.DirectoryPlace]] = {}
        uids = [r["person_uid"] for r in rows]
        for e in self.tables.extensions(
            self.moment,
            departments=None,
            sites=self.reader.branch.sites,
            people=uids,
            limit=EVERY,
        ):
            place = shapes.DirectoryPlace(
                site=self.names.site(e["site_uid"]) or Name(uid=e["site_uid"], name=None),
                extension=e["extension"],
            )
            theirs.setdefault(e["person_uid"], []).append(place)
        return [
            shapes.DirectoryPerson(
                uid=r["person_uid"],
                name=r["name"],
                department=self.names.department(r["department_uid"] or None),
                cost_center=self.names.cost_center(r["cost_center_uid"] or None),
                extensions=theirs.get(r["person_uid"], []),
                zone=self.names.directory_zone,
                since=_instant(r["active_from"]),
                until=_instant(r["active_until"]),
            )
            for r in rows
        ]

    def said_extensions(self, rows: Sequence[Row]) -> list[shapes.DirectoryExtension]:
        """Say extensions with whose they are."""
        uids = [r["person_uid"] for r in rows if r["person_uid"]]
        people = self.tables.people(self.moment, departments=None, uids=uids, limit=EVERY)
        named = {p["person_uid"]: p["name"] for p in people}
        where = {p["person_uid"]: p["department_uid"] for p in people}
        return [
            shapes.DirectoryExtension(
                site=self.names.site(r["site_uid"]) or Name(uid=r["site_uid"], name=None),
                extension=r["extension"],
                person=_person(r["person_uid"], named),
                department=self.names.department(
                    r["department_uid"] or where.get(r["person_uid"]) or None
                ),
                subscriber_group=r["subscriber_group"] or None,
                zone=self.names.zone_of_site(r["site_uid"]),
                since=_instant(r["active_from"]),
                until=_instant(r["active_until"]),
            )
            for r in rows
        ]


def _seen(reader: Reader, parts: Parts, day: date | None) -> _Seen:
    names = parts.directories.names()
    now = datetime.now(UTC)
    wanted = day or now.date()
    # noon in UTC is the same day nearly everywhere: who came on it is there, who left is not
    moment = now if wanted == now.date() else datetime.combine(wanted, time(12), UTC)
    return _Seen(reader, names, parts.directories.tables(), wanted.isoformat(), moment)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        fields = [{"field": "at", "problem": "a day such as 2026-11-21"}]
        raise RefusedError("body_invalid", params={"fields": fields}) from error


def _departments(reader: Reader, names: Names, asked: str | None) -> frozenset[str] | None:
    allowed = reader.branch.departments
    if asked is None:
        return allowed
    wanted = names.below(asked)
    outside = [] if allowed is None else sorted(wanted - allowed)
    if outside:
        raise access.outside_of("departments", outside)
    return wanted


def _merged(first: Sequence[Row], second: Sequence[Row]) -> list[Row]:
    both = {(r["site_uid"], r["extension"]): r for r in (*first, *second)}
    return [both[key] for key in sorted(both)]


def _person(uid: str, named: Any) -> Name | None:
    return Name(uid=uid, name=named.get(uid)) if uid else None


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else instant(int(moment.timestamp() * 1000))
