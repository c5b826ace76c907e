"""Figures: sums of a scope, the dashboard, completeness; each with the scope that it counts.

Owns which figures there are and the scope of each. Sums come from the query
service; only lines of one price list and currency are added here. Does not own
how a filter is read (`scoping`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from bluewhale.records.enums import Disposition
from bluewhale.webapi import access, shapes
from bluewhale.webapi import shapes_figures as figures
from bluewhale.webapi.saying import Saying, instant, known, money

if TYPE_CHECKING:
    from bluewhale.api.query.v1 import query_pb2 as query
    from bluewhale.webapi.asking import Questions
    from bluewhale.webapi.names import Names
    from bluewhale.webapi.scoping import Scoped

DEPARTMENTS_SHOWN = 10
SLOTS_MAX = 400  # days that are shown one by one, with those that had no call
ROWS_MAX = 10_000  # what the query service gives of one report
_EPOCH = date(1970, 1, 1)
_DAY = timedelta(days=1)
Rows = list["query.ReportRow"]


def groups(rows: Iterable[query.ReportRow]) -> list[tuple[str | None, Rows]]:
    """Put the rows of a group together; the first group is the dearest."""
    found: dict[str | None, Rows] = {}
    for row in rows:
        found.setdefault(known(row, "name"), []).append(row)
    return list(found.items())


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over all groups of a report."""

    calls: int
    answered: int
    talk_ms: int
    money: list[shapes.Price]

    @property
    def unpriced(self) -> int:
        """Give the charges without a price."""
        return sum(p.unpriced for p in self.money)


def sums_of(rows: Iterable[query.ReportRow]) -> Sums:
    """Add groups up: counts once per group, money per price list and currency."""
    found = groups(rows)
    firsts = [listed[0] for _, listed in found]
    costs: dict[tuple[str, str], tuple[Decimal, int]] = {}
    for _, listed in found:
        for r in listed:
            if r.HasField("price_list"):
                key = (r.price_list, known(r, "currency") or "")
                amount, unpriced = costs.get(key, (Decimal(0), 0))
                costs[key] = (amount + Decimal(known(r, "amount") or 0), unpriced + r.unrated)
    return Sums(
        sum(r.calls for r in firsts),
        sum(r.answered for r in firsts),
        sum(r.talk_ms for r in firsts),
        [
            shapes.Price(
                price_list=name, money=money(_plain(amount), currency or None), unpriced=unpriced
            )
            for (name, currency), (amount, unpriced) in sorted(costs.items())
        ],
    )


def _plain(amount: Decimal) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Figures:
    """Figures for one reader."""

    def __init__(
        self, questions: Questions, reader: access.Reader, names: Names, saying: Saying
    ) -> None:
        self._questions = questions
        self._reader = reader
        self._names = names
        self._saying = saying

    def aggregate(self, asked: Scoped) -> figures.Aggregate:
        """Add up the calls of a scope."""
        total = sums_of(self._questions.report("direction", asked.question))
        return figures.Aggregate(
            scope=asked.scope,
            period=asked.period,
            calls=total.calls,
            answered=total.answered,
            talk_ms=total.talk_ms,
            unpriced=total.unpriced,
            money=total.money,
            completeness=self.line(asked),
        )

    def summary(self, asked: Scoped, now: datetime) -> figures.Summary:
        """Give the dashboard."""
        by_time = _by_time(asked)
        found = self._questions.reports(
            ("direction", "site", "department", "class", by_time), asked.question
        )
        total = sums_of(found["direction"])
        return figures.Summary(
            scope=asked.scope,
            period=asked.period,
            as_of=instant(round(now.timestamp() * 1000)) or "",
            completeness=self.line(asked),
            figures=self._figures(asked, total),
            cost=[
                figures.Cost(
                    price_list=p.price_list, money=p.money, unpriced=p.unpriced, scope=asked.scope
                )
                for p in total.money
            ],
            times=self._times(asked, by_time, found[by_time]),
            sites=[
                self._saying.group(rows, self._names.site(uid), _with(asked, "sites", uid))
                for uid, rows in groups(found["site"])
            ],
            departments=[
                # a department of a filter means all below it too: this group is itself alone
                self._saying.group(rows, self._names.department(uid), self._alone(asked, uid))
                for uid, rows in groups(found["department"])[:DEPARTMENTS_SHOWN]
            ],
            classes=[
                self._saying.group(rows, _word(uid), _with(asked, "call_class", uid))
                for uid, rows in groups(found["class"])
            ],
        )

    def report(self, by: str, asked: Scoped) -> figures.Report:
        """Give sums per group; a group has a scope where a filter says exactly it."""
        found = self._questions.reports(tuple(dict.fromkeys((by, "direction"))), asked.question)
        rows, total = found[by], sums_of(found["direction"])
        return figures.Report(
            by=by,
            scope=asked.scope,
            period=asked.period,
            rows=[
                self._saying.group(listed, self._group_name(by, uid), self._group(by, asked, uid))
                for uid, listed in groups(rows)
            ],
            total=figures.Group(
                name=None,
                calls=total.calls,
                answered=total.answered,
                talk_ms=total.talk_ms,
                money=total.money,
                scope=asked.scope,
            ),
            whole=len(rows) < ROWS_MAX,
            completeness=self.line(asked),
        )

    def _group_name(self, by: str, uid: str | None) -> shapes.Name | None:
        if uid is None:
            return None
        if by == "site":
            return self._names.site(uid)
        if by == "department":
            return self._names.department(uid)
        if by == "person":
            return shapes.Name(uid=uid, name=self._names.persons([uid]).get(uid))
        if by == "destination":
            return shapes.Name(uid=self._saying.masker.text(uid), name=None)
        return shapes.Name(uid=uid, name=None)

    def _group(self, by: str, asked: Scoped, uid: str | None) -> str | None:
        if by == "department":
            return self._alone(asked, uid)
        condition = _CONDITIONS.get(by)
        return _with(asked, condition, uid) if condition else None

    def _figures(self, asked: Scoped, total: Sums) -> list[figures.Figure]:
        """Give the counts; each is the count of the list that its scope opens."""
        found = [
            figures.Figure(name="calls", value=total.calls, scope=asked.scope),
            figures.Figure(name="talk_ms", value=total.talk_ms, scope=asked.scope),
            figures.Figure(
                name="unpriced",
                value=self._unpriced(asked) if total.unpriced else 0,
                scope=str(asked.fixed.with_(unpriced="true")),
            ),
        ]
        if asked.fixed.disposition in {None, Disposition.ANSWERED}:
            scope = str(asked.fixed.with_(disposition=str(Disposition.ANSWERED)))
            answered = figures.Figure(name="answered", value=total.answered, scope=scope)
            found.insert(1, answered)
        return found

    def _unpriced(self, asked: Scoped) -> int:
        """Count calls with an unpriced charge: a call may have several such charges."""
        question = type(asked.question)()
        question.CopyFrom(asked.question)
        question.unrated_only = True
        return sums_of(self._questions.report("direction", question)).calls

    def _alone(self, asked: Scoped, uid: str | None) -> str | None:
        if uid is None:
            return None
        if len(self._names.below(uid)) > 1:
            return str(asked.fixed.with_(departments=None, department_itself=uid))
        return str(asked.fixed.with_(departments=(uid,), department_itself=None))

    def _times(
        self, asked: Scoped, by: Literal["hour", "day"], found: Sequence[query.ReportRow]
    ) -> figures.Times:
        """Give calls per hour or day, by the clock of the site; none between two is left out."""
        begin, end = _local(asked.fixed.since, asked), _local(asked.fixed.until, asked)
        sites = set(asked.question.site_uids)
        zones = {s.zone for uid, s in self._names.sites.items() if not sites or uid in sites}
        sayable = zones == {asked.zone.key}
        counted = {name: listed[0] for name, listed in groups(found) if name is not None}
        rows = [
            figures.Slot(
                name=name,
                calls=counted[name].calls if name in counted else 0,
                answered=counted[name].answered if name in counted else 0,
                scope=_slot_scope(asked, by, name, begin, end) if sayable else None,
            )
            for name in _through(by, sorted(counted))
        ]
        return figures.Times(by=by, rows=rows)

    # ---- completeness ------------------------------------------------------------------------

    def line(self, asked: Scoped) -> figures.CompletenessLine:
        """Say in one line whether the days of a scope are all in."""
        first = _utc_day(asked.fixed.since, timedelta(0))
        last = _utc_day(asked.fixed.until, timedelta(milliseconds=1))
        sites = frozenset(asked.question.site_uids) or None
        found = self.completeness(sites, first, last)
        days = found.days

        def add(name: str) -> int:
            return sum(getattr(d, name) for d in days)

        return figures.CompletenessLine(
            complete=found.complete if days or found.gaps else None,
            sites=len({d.site.uid for d in days}),
            received=add("received"),
            parsed=add("parsed"),
            suspended=add("suspended"),
            open=add("open"),
            unrated=add("unrated"),
            gaps=len(found.gaps),
            last_day=max((d.day for d in days), default=None),
        )

    def completeness(
        self, sites: frozenset[str] | None, first: date | None, last: date | None
    ) -> figures.Completeness:
        """Give the days and gaps of sites; None = all."""
        one = next(iter(sites)) if sites is not None and len(sites) == 1 else None
        found = self._questions.completeness(
            one,
            None if first is None else (first - _EPOCH).days,
            None if last is None else (last - _EPOCH).days,
        )
        days = [self._day(d) for d in found.days if sites is None or d.site_uid in sites]
        gaps = [self._gap(g) for g in found.gaps if sites is None or g.site_uid in sites]
        return figures.Completeness(
            complete=not gaps and all(d.balanced for d in days),
            scope=figures.DayScope(
                from_=None if first is None else first.isoformat(),
                to=None if last is None else last.isoformat(),
                sites=None if sites is None else sorted(sites),
            ),
            days=days,
            gaps=gaps,
        )

    def _day(self, d: query.CompletenessDay) -> figures.CompletenessDay:
        return figures.CompletenessDay(
            site=self._names.site(d.site_uid) or shapes.Name(uid="", name=None),
            day=(_EPOCH + _DAY * d.day).isoformat(),
            heard=known(d, "heard"),
            journaled=known(d, "journaled"),
            **{name: getattr(d, name) for name in _SAME_OF_DAY},
        )

    def _gap(self, g: query.Gap) -> figures.Gap:
        return figures.Gap(
            link_uid=g.link_uid,
            site=self._names.site(g.site_uid),
            stream_id=str(g.stream_id),
            incarnation=str(g.incarnation),
            first_seq=str(g.first_seq),
            last_seq=str(g.last_seq),
            records=g.last_seq - g.first_seq + 1,
            state=g.state,
            reason=g.reason,
        )


# groups that one condition of the grammar says exactly; a trunk or a number is found in more
# places than it is grouped by
_CONDITIONS = {
    "site": "sites", "person": "person", "extension": "extension", "account_code": "account_code",
    "class": "call_class", "direction": "direction", "disposition": "disposition",
}  # fmt: skip
_SAME_OF_DAY = (
    "received", "parsed", "suspended", "duplicate", "merged", "rated", "unrated", "stored", "open",
    "balanced", "difference",
)  # fmt: skip


def _word(word: str | None) -> shapes.Name | None:
    return shapes.Name(uid=word, name=None) if word else None


def _with(asked: Scoped, condition: str, uid: str | None) -> str | None:
    """Give the scope of one group; None = a filter cannot say it."""
    if uid is None:
        return None
    value = (uid,) if condition == "sites" else uid
    return str(asked.fixed.with_(**{condition: value}))


def _local(text: str | None, asked: Scoped) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(asked.zone)


def _utc_day(text: str | None, before: timedelta) -> date | None:
    return None if text is None else (datetime.fromisoformat(text) - before).astimezone(UTC).date()


def _by_time(asked: Scoped) -> Literal["hour", "day"]:
    """Say by what calls are shown over time: hours for up to two days."""
    begin, end = _local(asked.fixed.since, asked), _local(asked.fixed.until, asked)
    short = begin is not None and end is not None and end - begin <= _DAY * 2
    return "hour" if short else "day"


def _through(by: Literal["hour", "day"], names: Sequence[str]) -> Sequence[str]:
    """Give the names from the first to the last, those without calls too, unless they are years."""
    if not names:
        return names
    if by == "hour":
        return [f"{hour:02d}" for hour in range(int(names[0]), int(names[-1]) + 1)]
    first, last = date.fromisoformat(names[0]), date.fromisoformat(names[-1])
    days = (last - first).days + 1
    if days > SLOTS_MAX:
        return names
    return [(first + _DAY * n).isoformat() for n in range(days)]


def _slot_scope(
    asked: Scoped, by: str, name: str, begin: datetime | None, end: datetime | None
) -> str | None:
    """Give the scope of an hour of the one day asked about, or of a day."""
    if by == "day":
        first = datetime.combine(date.fromisoformat(name), datetime.min.time(), asked.zone)
        last = datetime.combine(date.fromisoformat(name) + _DAY, datetime.min.time(), asked.zone)
    else:
        assert begin is not None
        assert end is not None
        if begin.date() != (end - timedelta(milliseconds=1)).date():
            return None  # the hour of several days together
        first = begin.replace(hour=int(name), minute=0, second=0, microsecond=0, fold=0)
        after = first.replace(tzinfo=None) + timedelta(hours=1)
        last = after.replace(tzinfo=asked.zone)
    since = max(x for x in (first, begin) if x is not None)
    until = min(x for x in (last, end) if x is not None)
    return str(asked.fixed.with_(since=_instant(since), until=_instant(until)))


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
