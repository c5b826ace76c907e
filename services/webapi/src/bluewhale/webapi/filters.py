"""The filter grammar of addresses and of the API: read, fixed in time, printed, asked.

    wanted = parse("site=berlin,madrid&cost>=1&period=last-7d")
    fixed = wanted.fixed(now, zone)         # periods become instants
    str(fixed)                              # "from=2026-11-15T23:00:00Z&to=...&site=berlin,madrid&cost>=1"
    message(fixed, below)                   # the filter of the query service

Conditions are joined by `&` and all hold together; values are percent-encoded
(`+` is a plus), several are joined by `,`. Owns the grammar, and that nothing of
it is dropped silently. Does not own what a person may ask (`access`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bluewhale.api.query.v1 import query_pb2 as api
from bluewhale.records.enums import CallClass, Direction, Disposition
from bluewhale.webapi.exceptions import RefusedError
from typing_extensions import override

LETTERS_MAX = 4_096  # of a whole filter
VALUE_LETTERS_MAX = 256
VALUES_MAX = 1_000  # sites or departments in one filter
PERIODS = ("today", "yesterday", "last-7d", "last-30d", "this-month", "last-month")
SITE_ZONE = "site"
_SAFE = "+:-._~*/"  # what stands for itself in a printed value
_CONDITION = re.compile(r"([a-z_]+)(>|<|~|!|\^)?")
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}")
_CALL = re.compile(r"[a-z2-7]{26}")
Below = Callable[[str], Iterable[str]]


def _closed(words: Iterable[Any]) -> Callable[[str], str]:
    known = [str(word) for word in words]

    def check(value: str) -> str:
        return "" if value in known else f"one of {', '.join(known)}"

    return check


def _moment(value: str) -> str:
    try:
        if len(value) == len("2026-11-01"):
            year, aware = date.fromisoformat(value).year, True
        else:
            moment = datetime.fromisoformat(value)
            year, aware = moment.year, moment.tzinfo is not None
        if aware and 1971 <= year < 3000:
            return ""
    except ValueError:
        pass
    return "a day such as 2026-11-01, or an instant such as 2026-11-01T00:00:00Z"


def zone_mistake(value: str) -> str:
    """Say what is wrong with the name of a zone; "" = nothing."""
    if value in {SITE_ZONE, "UTC"}:
        return ""
    try:
        if _ZONE.fullmatch(value):
            ZoneInfo(value)
            return ""
    except (OSError, ValueError, ZoneInfoNotFoundError):
        pass
    return "site, UTC, or a zone such as Europe/Berlin"


def _amount(value: str) -> str:
    try:
        number = Decimal(value)
        fine = number.is_finite() and abs(number) < 9_200_000_000 and number == round(number, 9)
    except InvalidOperation:
        fine = False
    return "" if fine else "an amount such as 2.50, at most 9 places"


def _call(value: str) -> str:
    return "" if _CALL.fullmatch(value) else "the 26 letters of a call"


def _any(value: str) -> str:
    return "" if value and "\0" not in value else "some text"


@dataclass(frozen=True, slots=True)
class Field:
    """One condition of the grammar: sign, place in `Filter`, and what is wrong with a value."""

    name: str
    to: str
    sign: str = "="
    wrong: Callable[[str], str] = _any
    many: bool = False
    private: bool = False  # belongs behind `#`: it tells who


FIELDS: tuple[Field, ...] = (
    Field("period", "period", wrong=_closed(PERIODS)),
    Field("from", "since", wrong=_moment),
    Field("to", "until", wrong=_moment),
    Field("tz", "tz", wrong=zone_mistake),
    Field("site", "sites", many=True),
    Field("department", "departments", many=True),
    Field("department_itself", "department_itself"),
    Field("person", "person", private=True),
    Field("number", "number", private=True),
    Field("extension", "extension"),
    Field("trunk", "trunk"),
    Field("account_code", "account_code"),
    Field("direction", "direction", wrong=_closed(Direction)),
    Field("class", "call_class", wrong=_closed(CallClass)),
    Field("disposition", "disposition", wrong=_closed(Disposition)),
    Field("price_list", "price_list"),
    Field("cost", "cost_min", ">=", _amount),
    Field("cost", "cost_max", "<=", _amount),
    Field("text", "text", "~=", private=True),
    Field("unpriced", "unpriced", wrong=_closed(["true"])),
    Field("call", "calls", wrong=_call, many=True),
)
_BY_SIGN: Mapping[tuple[str, str], Field] = {(f.name, f.sign): f for f in FIELDS}
_NAMES = {f.name: [g.sign for g in FIELDS if g.name == f.name] for f in FIELDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Conditions as they were written; None = any. `since` and `until` are days or instants."""

    period: str | None = None
    since: str | None = None
    until: str | None = None
    tz: str | None = None
    sites: tuple[str, ...] | None = None
    departments: tuple[str, ...] | None = None
    department_itself: str | None = None
    person: str | None = None
    number: str | None = None
    extension: str | None = None
    trunk: str | None = None
    account_code: str | None = None
    direction: str | None = None
    call_class: str | None = None
    disposition: str | None = None
    price_list: str | None = None
    cost_min: str | None = None
    cost_max: str | None = None
    text: str | None = None
    unpriced: str | None = None
    calls: tuple[str, ...] | None = None

    @override
    def __str__(self) -> str:
        return "&".join(
            f"{f.name}{f.sign}{_printed(value)}"
            for f in FIELDS
            if (value := getattr(self, f.to)) is not None
        )

    def fixed(self, now: datetime, zone: ZoneInfo) -> Filter:
        """Turn a period and days into instants, as a clock in `zone` means them.

        Raises
        ------
        RefusedError
            `filter_invalid`: the end is before the begin.
        """
        since, until = self.since, self.until
        if self.period is not None:
            first, last = _days(self.period, now.astimezone(zone).date())
            since, until = first.isoformat(), last.isoformat()
        begin, end = _instant(since, zone), _instant(until, zone)
        if begin is not None and end is not None and end < begin:
            raise refused([("to", until or "", "not before `from`")])
        return replace(self, period=None, tz=None, since=_text(begin), until=_text(end))

    def with_(self, **changes: Any) -> Filter:
        """Give a copy with other conditions, for the scope of one figure."""
        return replace(self, **changes)


@dataclass(slots=True)
class _Reading:
    found: dict[str, Any] = field(default_factory=dict)
    mistakes: list[tuple[str, str, str]] = field(default_factory=list)


def parse(text: str) -> Filter:
    """Read a filter.

    Raises
    ------
    RefusedError
        `filter_invalid` with every mistake: unknown field, wrong sign or value.
    """
    if len(text) > LETTERS_MAX:
        raise refused([("", text[:40], f"at most {LETTERS_MAX} letters in all")])
    reading = _Reading()
    for part in text.split("&"):
        if part:
            _read(part, reading)
    if "period" in reading.found and reading.found.keys() & {"since", "until"}:
        reading.mistakes.append(("period", reading.found["period"], "without from and to"))
    if {"departments", "department_itself"} <= reading.found.keys():
        alone = reading.found["department_itself"]
        reading.mistakes.append(("department_itself", alone, "without department"))
    if reading.mistakes:
        raise refused(reading.mistakes)
    return Filter(**reading.found)


def _read(part: str, reading: _Reading) -> None:
    left, equals, right = part.partition("=")
    matched = _CONDITION.fullmatch(unquote(left))
    name, sign = (matched[1], (matched[2] or "") + "=") if matched else (left, "=")
    known = _NAMES.get(name)
    if known is None or not equals:
        names = ", ".join(sorted(_NAMES))
        reading.mistakes.append((unquote(left)[:60], right[:60], f"not a field; one of {names}"))
        return
    rule = _BY_SIGN.get((name, sign))
    if rule is None:
        reading.mistakes.append((name, right[:60], f"the sign is {' or '.join(known)}"))
        return
    values = tuple(unquote(v) for v in (right.split(",") if rule.many else [right]))
    for value in values:
        if len(value) > VALUE_LETTERS_MAX:
            reading.mistakes.append((name, value[:60], f"at most {VALUE_LETTERS_MAX} letters"))
        elif wrong := rule.wrong(value):
            reading.mistakes.append((name, value[:60], wrong))
    if len(values) > VALUES_MAX:
        reading.mistakes.append((name, "", f"at most {VALUES_MAX} values"))
    if rule.to in reading.found:
        reading.mistakes.append((name, right[:60], "once only"))
    reading.found[rule.to] = values if rule.many else values[0]


def refused(mistakes: Iterable[tuple[str, str, str]]) -> RefusedError:
    """Give the error that names every field, its value and what is wrong with it."""
    said = [{"field": n, "value": v, "problem": p} for n, v, p in mistakes]
    detail = "; ".join(f"{x['field'] or 'filter'}: {x['problem']}" for x in said)
    return RefusedError("filter_invalid", detail, params={"fields": said})


def message(fixed: Filter, below: Below) -> api.CallFilter:
    """Say a fixed filter to the query service; `below` gives a department and all below it."""
    same: dict[str, Any] = {
        "number": fixed.number, "person_uid": fixed.person, "trunk": fixed.trunk,
        "extension": fixed.extension, "direction": fixed.direction,
        "call_class": fixed.call_class, "disposition": fixed.disposition,
        "account_code": fixed.account_code, "price_list": fixed.price_list,
        "cost_min": fixed.cost_min, "cost_max": fixed.cost_max, "text": fixed.text,
        "from_ms": _milliseconds(fixed.since), "until_ms": _milliseconds(fixed.until),
    }  # fmt: skip
    departments = {uid for one in fixed.departments or () for uid in below(one)}
    if fixed.department_itself is not None:
        departments = {fixed.department_itself}
    return api.CallFilter(
        site_uids=fixed.sites or (),
        department_uids=sorted(departments),
        unrated_only=fixed.unpriced is not None,
        call_ids=fixed.calls or (),
        **{name: value for name, value in same.items() if value is not None},
    )


def _milliseconds(instant: str | None) -> int | None:
    return None if instant is None else round(datetime.fromisoformat(instant).timestamp() * 1000)


def _printed(value: str | tuple[str, ...]) -> str:
    values = (value,) if isinstance(value, str) else value
    return ",".join(quote(v, safe=_SAFE) for v in values)


def _days(period: str, today: date) -> tuple[date, date]:
    """Give the first day of a period and the day behind its last one."""
    tomorrow = today + timedelta(days=1)
    month = today.replace(day=1)
    if period == "today":
        return today, tomorrow
    if period == "yesterday":
        return today - timedelta(days=1), today
    if period == "last-7d":
        return tomorrow - timedelta(days=7), tomorrow
    if period == "last-30d":
        return tomorrow - timedelta(days=30), tomorrow
    if period == "this-month":
        return month, tomorrow
    return (month - timedelta(days=1)).replace(day=1), month


def _instant(text: str | None, zone: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    if len(text) == len("2026-11-01"):
        return datetime.combine(date.fromisoformat(text), time(), zone).astimezone(UTC)
    return datetime.fromisoformat(text).astimezone(UTC)


def _text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")


assert {f.to for f in FIELDS} == {f.name for f in fields(Filter)}
