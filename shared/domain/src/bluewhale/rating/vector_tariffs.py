"""Tariffs of a vectors file as tariff versions, priced like any other.

Owns the translation only. A profile (subject, category, effective_from) is one
version of one price list; a rule is a timing with one deck row per prefix.
Times of a vectors file are UTC; lengths are seconds, or plain units where the
quantity is not a time, and become `unit_ms` milliseconds each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

from bluewhale.rating.tariff import (
    RateRow,
    Rounding,
    Schedule,
    Slot,
    TariffVersion,
    Timing,
    Window,
    deck_table,
)

BEGINNING = datetime(1990, 1, 1, tzinfo=UTC)
NO_ROUNDING = Rounding("half_up", 9)
_YEARS = range(1990, 2101)


class VectorError(ValueError):
    """A vector says something that this runner does not understand."""


def check_keys(where: str, given: Mapping[str, Any], known: str) -> None:
    """Refuse a key that would otherwise be ignored."""
    unknown = sorted(set(given) - set(known.split()))
    if unknown:
        raise VectorError(f"{where}: unknown key {', '.join(unknown)}")


def read_moment(text: str) -> datetime:
    """Read an ISO moment; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def read_digits(text: str) -> str | None:
    """Give the digits of a number or prefix; None where it is not a number."""
    digits = text.strip().removeprefix("+")
    for sign in " -()/.":
        digits = digits.replace(sign, "")
    return digits if digits.isascii() and (digits.isdigit() or not digits) else None


def read_rounding(given: Mapping[str, Any]) -> Rounding:
    """Read mode and places."""
    check_keys("rounding", given, "mode places")
    return Rounding(given.get("mode", "half_up"), int(given.get("places", 4)))


def whole_ms(value: Fraction, unit_ms: Fraction) -> int:
    """Give a length in milliseconds.

    Raises
    ------
    VectorError
        It is not a whole count.
    """
    length = value * unit_ms
    if length.denominator != 1:
        raise VectorError(f"{value} is not a whole number of 1/{unit_ms} units")
    return int(length)


def read_schedule(given: Mapping[str, Any], unit_ms: Fraction, name: str = "") -> Schedule:
    """Read a connect fee and ordered slots."""
    check_keys(
        f"schedule {name}",
        given,
        "connect_fee slots minimum_charge dialect increment_dialect prices_attempts note",
    )
    slots = []
    for slot in given["slots"]:
        check_keys(f"slot of {name}", slot, "from price per increment")
        increment = Fraction(slot["increment"])
        slots.append(
            Slot(
                from_ms=whole_ms(Fraction(slot.get("from", 0)), unit_ms),
                price=Fraction(slot["price"]),
                per_ms=whole_ms(Fraction(slot.get("per", 1)), unit_ms),
                increment_ms=whole_ms(increment, unit_ms),
            )
        )
    minimum = given.get("minimum_charge")
    dialect = given.get("dialect", given.get("increment_dialect", "steps_after_block"))
    return Schedule(
        slots=tuple(sorted(slots, key=lambda slot: slot.from_ms)),
        connect_fee=Fraction(given.get("connect_fee", 0)),
        minimum_charge=None if minimum is None else Fraction(minimum),
        increment_dialect="whole_duration" if dialect == "whole_duration" else "steps_after_block",
        prices_attempts=bool(given.get("prices_attempts", False)),
        name=name,
    )


def read_window(
    given: Mapping[str, Any], number: int, calendars: dict[str, frozenset[date]]
) -> Window:
    """Read the rule of one window; dated days become a calendar of their own."""
    check_keys(
        f"window {number}",
        given,
        "weekdays monthdays months years month_day month_days date dates start end"
        " priority schedule name note",
    )
    dated = _dates(given)
    calendar = None
    if dated is not None:
        calendar = f"dates {len(calendars)}"
        calendars[calendar] = dated
    return Window(
        rate=str(given.get("schedule", number)),
        start_second=_second(given.get("start", "00:00:00")),
        end_second=_second(given.get("end", "24:00:00")) or 86_400,
        weekdays=_set(given.get("weekdays")),
        monthdays=_set(given.get("monthdays")),
        months=_set(given.get("months")),
        years=_set(given.get("years")),
        calendar=calendar,
        priority=int(given.get("priority", 10)),
        name=str(given.get("name", "")),
    )


def _dates(given: Mapping[str, Any]) -> frozenset[date] | None:
    """Give the days of `month_day` in all years, and of `dates`."""
    days: set[date] = set()
    yearly = given.get("month_days", given.get("month_day"))
    fixed = given.get("dates", given.get("date"))
    if yearly is None and fixed is None:
        return None
    for text in [yearly] if isinstance(yearly, str) else yearly or ():
        month, day = (int(part) for part in text.split("-"))
        for year in _YEARS:
            if (month, day) != (2, 29) or (year % 4 == 0 and year % 100 != 0) or year % 400 == 0:
                days.add(date(year, month, day))
    days.update(
        date.fromisoformat(text) for text in ([fixed] if isinstance(fixed, str) else fixed or ())
    )
    return frozenset(days)


def _set(values: list[int] | int | None) -> frozenset[int] | None:
    if values is None:
        return None
    return frozenset(values if isinstance(values, list) else [values])


def _second(text: str) -> int:
    hour, minute, second = (*text.split(":"), "0", "0")[:3]
    return int(hour) * 3600 + int(minute) * 60 + int(second)


def inline_version(
    schedules: Mapping[str, Schedule],
    timing: Timing,
    rows: list[RateRow],
    *,
    rounding: Rounding = NO_ROUNDING,
    calendars: Mapping[str, frozenset[date]] | None = None,
    zone: str = "UTC",
    price_list: str = "vector",
    since: datetime = BEGINNING,
    timings: Mapping[str, Timing] | None = None,
) -> TariffVersion:
    """Make a version of parts; `timing` may be the only one."""
    return TariffVersion(
        tariff_uid="vector",
        version=1,
        price_list=price_list,
        currency="XXX",
        zone=zone,
        rounding=rounding,
        effective_from=since,
        effective_until=None,
        timings=timings or {timing.name: timing},
        schedules=list(schedules.values()),
        deck=deck_table(rows),
        calendars=calendars or {},
    )


def schedule_version(schedule: Schedule, rounding: Rounding = NO_ROUNDING) -> TariffVersion:
    """Make a version that prices every number at all times by one schedule."""
    return inline_version(
        {"": schedule},
        Timing("always", (), ("",)),
        [RateRow("", "always", (0,))],
        rounding=rounding,
    )


@dataclass(frozen=True, slots=True)
class Profile:
    """Who a price list is for, and where to look when it has no match."""

    price_list: str
    subject: str
    category: str | None
    fallback: str | None


def read_tariff(
    tariff: Mapping[str, Any], unit_ms: Fraction
) -> tuple[list[Profile], list[TariffVersion]]:
    """Read all profiles of one tariff; entry i of both lists belongs together."""
    check_keys("tariff", tariff, "source path rounding schedules profiles note zone currency")
    schedules = {
        name: read_schedule(given, unit_ms, name) for name, given in tariff["schedules"].items()
    }
    rounding = read_rounding(tariff["rounding"]) if "rounding" in tariff else NO_ROUNDING
    profiles, versions = [], []
    for given in tariff["profiles"]:
        check_keys("profile", given, "subject effective_from rules fallback category zone note")
        profile = Profile(
            f"{given['subject']}/{given.get('category', '')}",
            given["subject"],
            given.get("category"),
            given.get("fallback"),
        )
        profiles.append(profile)
        zone = given.get("zone", tariff.get("zone", "UTC"))
        versions.append(_read_profile(given, profile, schedules, rounding, zone))
    return profiles, versions


def _read_profile(
    given: Mapping[str, Any],
    profile: Profile,
    schedules: Mapping[str, Schedule],
    rounding: Rounding,
    zone: str,
) -> TariffVersion:
    numbers = {name: number for number, name in enumerate(schedules)}
    calendars: dict[str, frozenset[date]] = {}
    timings: dict[str, Timing] = {}
    rows: list[RateRow] = []
    for number, rule in enumerate(given["rules"]):
        check_keys("rule", rule, "prefixes windows rounding max_cost max_cost_action note")
        windows = tuple(read_window(w, n, calendars) for n, w in enumerate(rule["windows"]))
        labels = tuple(dict.fromkeys(window.rate for window in windows))
        name = f"rule {number}"
        timings[name] = Timing(name, windows, labels)
        for prefix in rule["prefixes"]:
            digits = read_digits(prefix)
            rows.append(
                RateRow(
                    "" if digits is None and prefix.startswith("*") else digits or "",
                    name,
                    tuple(numbers[label] for label in labels),
                    rounding=read_rounding(rule["rounding"]) if "rounding" in rule else None,
                    max_cost=Fraction(rule["max_cost"]) if "max_cost" in rule else None,
                    max_cost_action=rule.get("max_cost_action", "cap"),
                )
            )
    return inline_version(
        schedules,
        next(iter(timings.values())),
        rows,
        rounding=rounding,
        calendars=calendars,
        zone=zone,
        price_list=profile.price_list,
        since=read_moment(given["effective_from"]),
        timings=timings,
    )
